#include "models/load/layout.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define MAX_INDEX_BYTES ((size_t)64 << 20)

static tt_status no_memory(const char *path, tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
}

/* dir/name when it exists */
static const char *existing(tt_arena *arena, const char *dir, const char *name)
{
    const char *path = tt_arena_printf(arena, "%s/%s", dir, name);
    return path && tt_file_exists(path) ? path : NULL;
}

/* ---- a component's weights ---- */

typedef struct candidate {
    const char *before, *after; /* around the variant; after NULL: without variant */
    tt_weights_format format;
} candidate;

/* The order of models-io 10.2. */
static const candidate candidates[] = {
    {".safetensors.index.", ".json", TT_WEIGHTS_INDEX},
    {".", ".safetensors.index.json", TT_WEIGHTS_INDEX},
    {".", ".safetensors", TT_WEIGHTS_SAFETENSORS},
    {".safetensors.index.json", NULL, TT_WEIGHTS_INDEX},
    {".safetensors", NULL, TT_WEIGHTS_SAFETENSORS},
    {".", ".bin", TT_WEIGHTS_TORCH},
    {".bin", NULL, TT_WEIGHTS_TORCH},
};

static tt_status find_weights(tt_arena *arena, const char *dir, const char *base, const char *torch_base,
                              const char *variant, tt_component *c, bool *has_variant, tt_error *err)
{
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const candidate *k = &candidates[i];
        if (k->after && !variant) continue;
        const char *stem = k->format == TT_WEIGHTS_TORCH ? torch_base : base;
        const char *path = tt_arena_printf(arena, "%s/%s%s%s%s", dir, stem, k->before,
                                           k->after ? variant : "", k->after ? k->after : "");
        if (!path) return no_memory(dir, err);
        if (!tt_file_exists(path)) continue;
        c->weights = path;
        c->format = k->format;
        if (k->after) *has_variant = true;
        return TT_OK;
    }
    return tt_fail(err, TT_ERR_NOT_FOUND, "%s: no weights: expected %s.safetensors (or its index, or %s.bin)",
                   dir, base, torch_base);
}

static tt_status find_component(tt_arena *arena, const char *root, const char *name, const char *base,
                                const char *torch_base, const char *variant, tt_component *c,
                                bool *has_variant, tt_error *err)
{
    const char *dir = tt_arena_printf(arena, "%s/%s", root, name);
    if (!dir) return no_memory(root, err);
    c->config = existing(arena, dir, "config.json");
    if (!c->config)
        return tt_fail(err, TT_ERR_NOT_FOUND,
                       "%s: no config.json: the directory of a whole pipeline is expected, with unet/, vae/, "
                       "text_encoder/, tokenizer/ and scheduler/",
                       dir);
    return find_weights(arena, dir, base, torch_base, variant, c, has_variant, err);
}

/* ---- the two layouts ---- */

static tt_status find_directory(tt_arena *arena, const char *path, const char *variant, tt_layout *l,
                                tt_error *err)
{
    static const char diffusers[] = "diffusion_pytorch_model";
    bool has_variant = false;
    l->model_index = existing(arena, path, "model_index.json");
    if (!l->model_index)
        return tt_fail(
            err, TT_ERR_NOT_FOUND,
            "%s: no model_index.json: not a diffusers directory (a single .safetensors or .ckpt file is "
            "given by its own path)",
            path);
    tt_status s =
        find_component(arena, path, "unet", diffusers, diffusers, variant, &l->unet, &has_variant, err);
    if (!s) s = find_component(arena, path, "vae", diffusers, diffusers, variant, &l->vae, &has_variant, err);
    if (!s)
        s = find_component(arena, path, "text_encoder", "model", "pytorch_model", variant, &l->text,
                           &has_variant, err);
    if (s) return s;
    if (variant && !has_variant)
        return tt_fail(err, TT_ERR_NOT_FOUND, "%s: no component has files of variant '%s'", path, variant);
    l->scheduler = existing(arena, path, "scheduler/scheduler_config.json");
    if (!l->scheduler)
        return tt_fail(err, TT_ERR_NOT_FOUND,
                       "%s: no scheduler/scheduler_config.json: copy the one of the model that this one was "
                       "trained from",
                       path);
    l->tokenizer_dir = tt_arena_printf(arena, "%s/tokenizer", path);
    if (!l->tokenizer_dir) return no_memory(path, err);
    if (!tt_dir_exists(l->tokenizer_dir))
        return tt_fail(err, TT_ERR_NOT_FOUND,
                       "%s: no tokenizer/: copy the one of the model that this one was trained from", path);
    return TT_OK;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static tt_status find_single(tt_arena *arena, const char *path, const char *variant, tt_layout *l,
                             tt_error *err)
{
    if (variant)
        return tt_fail(err, TT_ERR_INVALID, "%s: a single file has no variants: leave `variant` out", path);
    l->single = true;
    l->unet.weights = path;
    l->unet.format = ends_with(path, ".safetensors") ? TT_WEIGHTS_SAFETENSORS : TT_WEIGHTS_TORCH;
    const char *slash = strrchr(path, '/');
    const char *dir = slash ? tt_arena_strndup(arena, path, (size_t)(slash - path)) : ".";
    const char *folder = dir ? tt_arena_printf(arena, "%s/tokenizer", dir) : NULL;
    if (!folder) return no_memory(path, err);
    if (tt_dir_exists(folder))
        l->tokenizer_dir = folder;
    else
        l->merges = existing(arena, dir, "bpe_simple_vocab_16e6.txt");
    if (!l->tokenizer_dir && !l->merges)
        return tt_fail(
            err, TT_ERR_NOT_FOUND,
            "%s: a single file holds no tokenizer: put CLIP's tokenizer/ folder (vocab.json, merges.txt) or "
            "bpe_simple_vocab_16e6.txt beside it",
            path);
    return TT_OK;
}

tt_status tt_layout_find(tt_arena *arena, const char *path, const char *variant, tt_layout *layout,
                         tt_error *err)
{
    *layout = (tt_layout){0};
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    layout->root = tt_arena_strndup(arena, path, length);
    if (!layout->root) return no_memory(path, err);
    if (variant && (!*variant || strpbrk(variant, "/\\")))
        return tt_fail(err, TT_ERR_INVALID, "variant '%s': must be a plain word such as fp16", variant);
    if (tt_dir_exists(layout->root)) return find_directory(arena, layout->root, variant, layout, err);
    if (tt_file_exists(layout->root)) return find_single(arena, layout->root, variant, layout, err);
    return tt_fail(err, TT_ERR_NOT_FOUND,
                   "%s: no such model: neither a directory nor a file: is the path right?", path);
}

/* ---- all files ---- */

typedef struct file_list {
    tt_arena *arena;
    const char **items;
    size_t n, capacity;
} file_list;

static bool add(file_list *list, const char *path)
{
    if (!path) return true;
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 32;
        const char **grown = tt_arena_alloc_array(list->arena, capacity, sizeof *grown);
        if (!grown) return false;
        if (list->n) memcpy(grown, list->items, list->n * sizeof *grown);
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->n++] = path;
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The shards that an index names, each once, sorted. */
static tt_status add_shards(file_list *list, const char *index, tt_error *err)
{
    tt_node *root;
    tt_status s = tt_json_read(list->arena, index, MAX_INDEX_BYTES, &root, err);
    if (s) return s;
    const tt_node *map = tt_node_get(root, "weight_map");
    if (!map || map->kind != TT_NODE_MAP)
        return tt_fail(err, TT_ERR_FORMAT, "%s: no map 'weight_map'", index);
    const char **names = tt_arena_alloc_array(list->arena, map->n_children + 1, sizeof *names);
    if (!names) return no_memory(index, err);
    size_t n = 0;
    for (const tt_node *c = map->children; c; c = c->next) {
        if (c->kind != TT_NODE_STRING || strpbrk(c->text, "/\\"))
            return tt_node_fail(c, err, "tensor %.200s: must be the name of a file in the index's own folder",
                                c->key);
        names[n++] = c->text;
    }
    if (n > 1) qsort(names, n, sizeof *names, by_text);
    int dir = (int)(strrchr(index, '/') - index);
    for (size_t i = 0; i < n; i++) {
        if (i && strcmp(names[i], names[i - 1]) == 0) continue;
        const char *path = tt_arena_printf(list->arena, "%.*s/%s", dir, index, names[i]);
        if (!path || !add(list, path)) return no_memory(index, err);
    }
    return TT_OK;
}

static tt_status add_component(file_list *list, const tt_component *c, tt_error *err)
{
    if (!add(list, c->config) || !add(list, c->weights)) return no_memory("checkpoint", err);
    return c->weights && c->format == TT_WEIGHTS_INDEX ? add_shards(list, c->weights, err) : TT_OK;
}

tt_status tt_layout_files(tt_arena *arena, const tt_layout *l, const char *const **files, size_t *n,
                          tt_error *err)
{
    static const char *const tokenizer[TT_TOKENIZER_FILES] = {
        "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"};
    file_list list = {.arena = arena};
    bool ok = add(&list, l->model_index) && add(&list, l->scheduler) && add(&list, l->merges);
    for (size_t i = 0; i < TT_TOKENIZER_FILES && l->tokenizer_dir && ok; i++)
        ok = add(&list, existing(arena, l->tokenizer_dir, tokenizer[i]));
    tt_status s = ok ? TT_OK : no_memory(l->root, err);
    if (!s) s = add_component(&list, &l->unet, err);
    if (!s) s = add_component(&list, &l->vae, err);
    if (!s) s = add_component(&list, &l->text, err);
    *files = list.items;
    *n = list.n;
    return s;
}
