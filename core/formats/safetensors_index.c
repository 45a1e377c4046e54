/* Sharded sets: an index names, for each tensor, the file next to it that holds it. */
#include "formats/json.h"
#include "formats/safetensors.h"
#include "formats/tensor_file.h"

#include <stdlib.h>
#include <string.h>

#define MAX_INDEX_BYTES ((size_t)64 << 20)
#define MAX_SHARDS      1024u

/* A shard lies in the index's own folder: its name is no path. */
static bool is_plain_name(const char *name)
{
    return *name && !strpbrk(name, "/\\") && !strstr(name, "..") && strcmp(name, ".") != 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The shards' names, sorted, each once. */
static tt_status shard_names(const char *path, const tt_node *map, const char ***names, size_t *n,
                             tt_error *err)
{
    const char **all = tt_alloc_array(map->n_children, sizeof *all);
    if (!all) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    *names = all;
    size_t count = 0;
    for (const tt_node *entry = map->children; entry; entry = entry->next) {
        if (entry->kind != TT_NODE_STRING || !is_plain_name(entry->text))
            return tt_node_fail(entry, err,
                                "tensor %.200s: must be the name of a file in the index's own folder",
                                entry->key);
        all[count++] = entry->text;
    }
    if (count > 1) qsort(all, count, sizeof *all, by_text);
    *n = 0;
    for (size_t i = 0; i < count; i++)
        if (*n == 0 || strcmp(all[*n - 1], all[i]) != 0) all[(*n)++] = all[i];
    if (*n > MAX_SHARDS) return tt_fail(err, TT_ERR_FORMAT, "%s: more than %u shards", path, MAX_SHARDS);
    return TT_OK;
}

static tt_status open_shards(tt_tensor_file *file, const char *const *names, size_t n, tt_error *err)
{
    const char *slash = strrchr(file->path, '/');
    char *dir = slash ? tt_strndup(file->path, (size_t)(slash - file->path) + 1) : tt_strdup(".");
    file->parts = tt_alloc_array(n, sizeof *file->parts);
    tt_status s = dir && file->parts ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", file->path);
    for (size_t i = 0; i < n && !s; i++) {
        char *shard = tt_path_join(dir, names[i]);
        s = shard ? tt_safetensors_open(shard, &file->parts[i], err)
                  : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", file->path);
        if (!s)
            file->n_parts++;
        else
            tt_fail_in(err, "%s", file->path);
        tt_free(shard);
    }
    tt_free(dir);
    return s;
}

/* Each tensor from the shard that the map gives, and no tensor besides. */
static tt_status collect(tt_tensor_file *file, const tt_node *map, const char *const *names, size_t n,
                         tt_error *err)
{
    for (const tt_node *entry = map->children; entry; entry = entry->next) {
        const char *const *name = bsearch(&entry->text, names, n, sizeof *names, by_text);
        const tt_tensor_view *view = tt_tensor_file_find(file->parts[name - names], entry->key);
        if (!view) return tt_node_fail(entry, err, "tensor %.200s is not in %.200s", entry->key, entry->text);
        tt_status s = tt_tensor_file_add(file, view, err);
        if (s) return s;
    }
    tt_status s = tt_tensor_file_index(file, err);
    for (size_t i = 0; i < n && !s; i++)
        for (size_t k = 0; k < file->parts[i]->n && !s; k++) {
            const tt_tensor_view *own = &file->parts[i]->views[k],
                                 *listed = tt_tensor_file_find(file, own->name);
            /* views of one shard share its strings, so that the pointer tells which shard is meant */
            if (!listed || listed->name != own->name)
                s = tt_fail(err, TT_ERR_FORMAT,
                            "%s: shard %s also has tensor %.200s, which the index does not list there",
                            file->path, names[i], own->name);
        }
    return s;
}

tt_status tt_safetensors_open_index(const char *index_path, tt_tensor_file **out, tt_error *err)
{
    tt_tensor_file *file;
    tt_status s = tt_tensor_file_create(index_path, false, &file, err);
    if (s) return s;
    const char **names = NULL;
    size_t n = 0;
    tt_node *root, *map = NULL;
    tt_arena *arena = tt_arena_create(0);
    s = arena ? tt_json_read(arena, index_path, MAX_INDEX_BYTES, &root, err)
              : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", index_path);
    if (!s) {
        map = tt_node_get(root, "weight_map");
        if (!map || map->kind != TT_NODE_MAP)
            s = tt_fail(err, TT_ERR_FORMAT, "%s: no map 'weight_map': not an index of shards", index_path);
    }
    if (!s) s = shard_names(index_path, map, &names, &n, err);
    if (!s) s = open_shards(file, names, n, err);
    if (!s) s = collect(file, map, names, n, err);
    tt_free(names);
    tt_arena_destroy(arena);
    if (s) {
        tt_tensor_file_close(file);
        return s;
    }
    *out = file;
    return TT_OK;
}
