#!/usr/bin/env python3
"""Includes point downward only, and each third-party header is included by as few .c files as may be."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A folder may include itself and what is named here.
BELOW = {
    "core/base": [],
    "core/events": ["core/base"],
    "core/event_log": ["core/base", "core/events"],
    "core/cursors": ["core/base", "core/events"],
    "core/subscriptions": ["core/base", "core/events"],
    "core/registry": ["core/base", "core/events", "core/subscriptions"],
    "core/functions": ["core/base", "core/events", "core/subscriptions", "core/registry"],
    "core/system": ["core/base", "core/events", "core/subscriptions", "core/registry", "core/functions",
                    "core/event_log"],
    "core/node": ["core/base", "core/events", "core/subscriptions", "core/registry", "core/functions",
                  "core/event_log"],
}
ROLES = ["ingest", "dispatcher", "admin"]
for role in ROLES:
    BELOW[role] = ["core/base", "core/events", "core/subscriptions", "core/registry", "core/functions",
                   "core/event_log", "core/cursors", "core/system", "schemas"]

# Third-party headers: which files may include them. None of ours includes them in a header.
THIRD_PARTY = {
    "librdkafka/": r"core/event_log/event_log_kafka\w*\.c",
    "microhttpd.h": r"core/base/http_(server|listener|request|refusal)\w*\.c",
    "curl/": r"core/base/http_client\w*\.c|admin/egctl\w*\.c",
    "sqlite3.h": r"core/(event_log/event_log_sqlite\w*|registry/registry_store_sqlite\w*)\.c"
                 r"|admin/event_index\w*\.c",
    "zookeeper/": r"core/registry/registry_store_zookeeper\w*\.c",
    "jansson.h": r".*\.c",
    "openssl/": r".*\.c",
}


def box_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "core" else parts[0]


def problems_of(path):
    box = box_of(path)
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        match = re.match(r'#include ([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        kind, target = match.groups()
        where = f"{path}:{number}: includes {target}"
        if kind == '"' and box in BELOW:
            if box_of(target) != box and box_of(target) not in BELOW[box]:
                yield f"{where}, which is not below {box}"
        for header, allowed in THIRD_PARTY.items():
            if target.startswith(header) and not path.startswith("tests/"):
                if not re.fullmatch(allowed, path) and not is_internal_header(path, header):
                    yield f"{where}: only {allowed} may"


def is_internal_header(path, header):
    """A box may share a library between its own .c files by one private header."""
    return path in {
        "core/event_log/event_log_kafka.h",
        "core/event_log/event_log_sqlite.h",
        "admin/event_index_private.h",
    } and header in {"librdkafka/", "sqlite3.h"}


def main():
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout.split()
    problems = [problem for path in files for problem in problems_of(path)]
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
