/* Runs a fuzz target over every file of a folder, without a fuzzer. */
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    size_t n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            fprintf(stderr, "%s: no such folder\n", argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(dir));) {
            char *path = tt_path_join(argv[i], entry->d_name);
            char *data;
            size_t size;
            if (path && tt_file_exists(path) &&
                tt_file_read(path, (size_t)64 << 20, &data, &size, NULL) == TT_OK) {
                LLVMFuzzerTestOneInput((const uint8_t *)data, size);
                tt_free(data);
                n++;
            }
            tt_free(path);
        }
        closedir(dir);
    }
    printf("%zu files replayed\n", n);
    return n == 0;
}
