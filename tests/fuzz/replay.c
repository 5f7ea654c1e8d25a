// Runs a fuzzer's entry over the files of a corpus folder, in the ordinary build, without
// libFuzzer.

#include <assert.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    assert(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    assert(size >= 0);
    rewind(file);
    // An exact allocation lets AddressSanitizer see a read one byte past the input.
    uint8_t *data = malloc((size_t)size);
    assert(size == 0 || (data && fread(data, 1, (size_t)size, file) == (size_t)size));
    fclose(file);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

int main(int count, char **arguments) {
    size_t files = 0;
    for (int i = 1; i < count; i++) {
        struct dirent **entries = NULL;
        int found = scandir(arguments[i], &entries, NULL, alphasort);
        for (int j = 0; j < found; j++) {
            char path[4096];
            if (entries[j]->d_name[0] != '.') {
                snprintf(path, sizeof path, "%s/%s", arguments[i], entries[j]->d_name);
                replay_file(path);
                files++;
            }
            free(entries[j]);
        }
        free(entries);
    }
    printf("%zu inputs replayed\n", files);
    return files > 0 ? 0 : 1;
}
