#include "experiment/bundle.h"
#include "memory_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an opened bundle promises: its spec is that of its results. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memory_file(data, size, path);
    if (fd < 0) return 0;
    tt_bundle bundle;
    tt_error err = {0};
    if (tt_bundle_open(path, &bundle, &err) == TT_OK) {
        if (strcmp(bundle.spec, bundle.results.spec) != 0) abort();
        tt_bundle_close(&bundle);
    }
    close(fd);
    return 0;
}
