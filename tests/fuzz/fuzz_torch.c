#include "formats/safetensors.h"
#include "memory_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an accepted checkpoint promises: every view lies in memory and is found by its name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memory_file(data, size, path);
    if (fd < 0) return 0;
    tt_tensor_file *file;
    if (tt_torch_open(path, &file, NULL) == TT_OK) {
        unsigned sum = 0;
        for (size_t i = 0; i < tt_tensor_file_count(file); i++) {
            const tt_tensor_view *view = tt_tensor_file_at(file, i);
            if (tt_tensor_file_find(file, view->name) != view) abort();
            for (size_t k = 0; k < view->size_bytes; k++)
                sum += ((const uint8_t *)view->data)[k];
        }
        volatile unsigned used = sum;
        (void)used;
        tt_tensor_file_close(file);
    }
    close(fd);
    return 0;
}
