// completion bash: words of commands and flags, and ids from the running gateway.

#include <stdio.h>
#include <string.h>

#include "admin/egctl.h"

static const char bash[] =
    "_egctl() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-} "
    "action=${COMP_WORDS[2]:-}\n"
    "    local words='' column=1\n"
    "    if [[ $word == -* ]]; then\n"
    "        words='--url --events-url --token-file --space --file --function-url --type --event\n"
    "            --function --method --path --ordering --max-in-flight --rate --batch\n"
    "            --data --content-type --source --subject --id\n"
    "            --extension --metadata --json --interval --once --help\n"
    "            --status --subscription --since --until --search --limit'\n"
    "    elif ((COMP_CWORD == 1)); then\n"
    "        words='functions event-types subscriptions cors emit invoke pause resume lag status\n"
    "            cluster top events event tail dead-letters redrive replay completion version "
    "help'\n"
    "    elif ((COMP_CWORD == 2)); then\n"
    "        case $command in\n"
    "        functions | event-types | subscriptions | cors) words='list get put delete' ;;\n"
    "        dead-letters) words='list get delete' ;;\n"
    "        redrive) words=$(egctl dead-letters 2>/dev/null | awk 'NR > 1 { print $1 }') ;;\n"
    "        completion) words=bash ;;\n"
    "        invoke) words=$(egctl functions list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;\n"
    "        pause | resume | lag) words=$(egctl subscriptions list 2>/dev/null | awk 'NR > 1 { "
    "print $6 "
    "}') ;;\n"
    "        emit) words=$(egctl event-types list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;\n"
    "        esac\n"
    "    elif ((COMP_CWORD == 3)) && [[ $action == get || $action == put || $action == delete ]]; "
    "then\n"
    "        [[ $command == subscriptions ]] && column=6\n"
    "        [[ $command == cors ]] && column=5\n"
    "        words=$(egctl \"$command\" list 2>/dev/null | awk -v n=\"$column\" 'NR > 1 { print $n "
    "}')\n"
    "    fi\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
    "}\n"
    "complete -o default -F _egctl egctl\n";

int egctl_completion(int count, char **arguments) {
    if (count != 1 || strcmp(arguments[0], "bash") != 0) {
        return egctl_fail(EGCTL_USAGE, "completion: only bash is there: egctl completion bash");
    }
    fputs(bash, stdout);
    return EGCTL_OK;
}
