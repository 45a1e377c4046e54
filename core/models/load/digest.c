/* The digest of a checkpoint: for each file its name inside the checkpoint, its size and its bytes; then each
 * LoRA with its scale. */
#include "base/file.h"
#include "base/hash.h"
#include "models/load/layout.h"
#include "models/load/load.h"

#include <string.h>

#define CHUNK ((size_t)16 << 20)

static void add_size(tt_sha256 *h, uint64_t size)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(size >> (8 * i));
    tt_sha256_update(h, bytes, sizeof bytes);
}

/* A file is mapped and given back piece by piece, so that hashing gigabytes keeps none of them resident. */
static tt_status add_file(tt_sha256 *h, const char *name, const char *path, tt_error *err)
{
    tt_map map;
    tt_status s = tt_map_open(path, &map, err);
    if (s) return s;
    tt_sha256_update(h, name, strlen(name) + 1);
    add_size(h, map.size);
    for (size_t at = 0; at < map.size; at += CHUNK) {
        size_t n = map.size - at < CHUNK ? map.size - at : CHUNK;
        tt_sha256_update(h, map.data + at, n);
        tt_map_give_back(&map, at, n);
    }
    tt_map_close(&map);
    return TT_OK;
}

/* "unet/config.json" of a directory, the last part of anything else */
static const char *name_in(const tt_layout *l, const char *path)
{
    size_t root = strlen(l->root);
    if (!l->single && strncmp(path, l->root, root) == 0) return path + root + 1;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static tt_status add_loras(tt_sha256 *h, const tt_lora *loras, size_t n, tt_error *err)
{
    tt_status s = TT_OK;
    for (size_t i = 0; i < n && !s; i++) {
        uint64_t bits;
        memcpy(&bits, &loras[i].scale, sizeof bits);
        s = add_file(h, "lora", loras[i].path, err);
        add_size(h, bits);
    }
    return s;
}

tt_status tt_checkpoint_digest(const char *path, const char *variant, const tt_lora *loras, size_t n_loras,
                               char hex[65], tt_error *err)
{
    tt_layout layout;
    const char *const *files = NULL;
    size_t n = 0;
    tt_arena *arena = tt_arena_create(0);
    tt_sha256 *h = tt_sha256_create();
    tt_status s = arena && h ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    if (!s) s = tt_layout_find(arena, path, variant, &layout, err);
    if (!s) s = tt_layout_files(arena, &layout, &files, &n, err);
    for (size_t i = 0; i < n && !s; i++)
        s = add_file(h, name_in(&layout, files[i]), files[i], err);
    if (!s) s = add_loras(h, loras, n_loras, err);
    if (h) {
        tt_digest d = tt_sha256_finish(h);
        tt_digest_hex(&d, hex);
    }
    tt_arena_destroy(arena);
    return s;
}
