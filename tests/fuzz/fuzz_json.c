#include "formats/json.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tt_arena *arena = tt_arena_create((size_t)256 << 20);
    tt_node *root = NULL;
    tt_error err = {0};
    if (tt_json_parse(arena, "fuzz", (const char *)data, size, &root, &err) == TT_OK) {
        tt_buf out = {0};
        tt_node_canonical(root, &out);
        tt_buf_free(&out);
    }
    tt_arena_destroy(arena);
    return 0;
}
