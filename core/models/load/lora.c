/* Opening a LoRA file: every key is parsed, resolved to a weight of the model and checked, so that nothing in
 * the file is silently without effect. */
#include "models/load/lora.h"
#include "base/file.h"
#include "formats/json.h"
#include "models/load/compvis.h"
#include "models/load/lora_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A module's name with underscores for dots, as kohya's files have it. */
typedef struct alias {
    const char *text;
    tt_lora_target *target;
} alias;

typedef struct resolver {
    tt_lora_file *lora;
    tt_arena *arena;
    const char *path;
    alias *aliases[2];
    size_t n_aliases[2];
} resolver;

static tt_status out_of_memory(const char *path, tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
}

/* ---- the model's weights ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tt_lora_target *)a)->name, ((const tt_lora_target *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const alias *)a)->text, ((const alias *)b)->text);
}

static size_t module_length(const char *name)
{
    size_t n = strlen(name), m = strlen(".weight");
    return n > m && strcmp(name + n - m, ".weight") == 0 ? n - m : 0;
}

static tt_status make_targets(resolver *r, tt_lora_part part, const tt_name_list *list, tt_error *err)
{
    tt_lora_file *lora = r->lora;
    tt_lora_target *targets = tt_arena_alloc_array(lora->arena, list->n, sizeof *targets);
    if (!targets) return out_of_memory(r->path, err);
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        size_t length = module_length(list->names[i]);
        if (!length) continue;
        targets[n] =
            (tt_lora_target){.name = tt_arena_strdup(lora->arena, list->names[i]), .module_length = length};
        if (!targets[n++].name) return out_of_memory(r->path, err);
    }
    if (n > 1) qsort(targets, n, sizeof *targets, by_name);
    lora->targets[part] = targets;
    lora->n[part] = n;
    return TT_OK;
}

static tt_status add_alias(resolver *r, tt_lora_part part, const char *module, size_t length,
                           tt_lora_target *target, tt_error *err)
{
    char *text = tt_arena_strndup(r->arena, module, length);
    if (!text) return out_of_memory(r->path, err);
    for (char *p = text; *p; p++)
        if (*p == '.') *p = '_';
    r->aliases[part][r->n_aliases[part]++] = (alias){text, target};
    return TT_OK;
}

static tt_status make_aliases(resolver *r, tt_lora_part part, tt_error *err)
{
    tt_lora_file *lora = r->lora;
    r->aliases[part] = tt_arena_alloc_array(r->arena, lora->n[part], 2 * sizeof(alias));
    if (!r->aliases[part]) return out_of_memory(r->path, err);
    tt_status s = TT_OK;
    for (size_t i = 0; i < lora->n[part] && !s; i++) {
        tt_lora_target *t = &lora->targets[part][i];
        s = add_alias(r, part, t->name, t->module_length, t, err);
        char module[512], compvis[512];
        if (s || part != TT_LORA_UNET || t->module_length >= sizeof module) continue;
        memcpy(module, t->name, t->module_length);
        module[t->module_length] = '\0';
        if (tt_compvis_unet_module(module, compvis, sizeof compvis))
            s = add_alias(r, part, compvis, strlen(compvis), t, err);
    }
    if (r->n_aliases[part] > 1) qsort(r->aliases[part], r->n_aliases[part], sizeof(alias), by_text);
    return s;
}

static tt_lora_target *find_target(const tt_lora_file *lora, tt_lora_part part, const char *name)
{
    tt_lora_target wanted = {.name = name};
    return lora->n[part] ? bsearch(&wanted, lora->targets[part], lora->n[part], sizeof wanted, by_name)
                         : NULL;
}

const tt_lora_target *tt_lora_find(const tt_lora_file *lora, tt_lora_part part, const char *name)
{
    const tt_lora_target *t = find_target(lora, part, name);
    return t && t->down ? t : NULL;
}

static tt_lora_target *resolve(const resolver *r, const tt_lora_key *key)
{
    if (key->underscored) {
        alias wanted = {.text = key->module};
        const alias *found =
            r->n_aliases[key->part]
                ? bsearch(&wanted, r->aliases[key->part], r->n_aliases[key->part], sizeof wanted, by_text)
                : NULL;
        return found ? found->target : NULL;
    }
    char name[sizeof key->module + 8];
    snprintf(name, sizeof name, "%s.weight", key->module);
    return find_target(r->lora, key->part, name);
}

/* ---- the file's tensors ---- */

static tt_status take(resolver *r, const tt_tensor_view *view, tt_error *err)
{
    tt_lora_key key;
    tt_status s = tt_lora_key_parse(r->path, view->name, &key, err);
    if (s) return s;
    tt_lora_target *t = resolve(r, &key);
    if (!t)
        return tt_fail(err, TT_ERR_FORMAT,
                       "%s: %s: the model's %s has no such module: made for another model?", r->path,
                       view->name, key.part == TT_LORA_TEXT ? "text encoder" : "UNet");
    const tt_tensor_view **slot = key.role == TT_LORA_DOWN ? &t->down
                                  : key.role == TT_LORA_UP ? &t->up
                                                           : &t->alpha;
    if (*slot)
        return tt_fail(err, TT_ERR_FORMAT, "%s: %s and %s are the same thing twice", r->path, (*slot)->name,
                       view->name);
    *slot = view;
    return TT_OK;
}

static bool is_float(const tt_tensor_view *v)
{
    return v->type == TT_F64 || v->type == TT_F32 || v->type == TT_BF16 || v->type == TT_F16;
}

static bool read_scalar(const tt_tensor_view *v, double *value)
{
    size_t count = 1;
    for (int i = 0; i < v->rank; i++)
        count *= v->shape[i] == 1;
    if (count != 1) return false;
    if (v->type == TT_I64) {
        int64_t x;
        memcpy(&x, v->data, sizeof x);
        *value = (double)x;
        return true;
    }
    if (!is_float(v)) return false;
    tt_convert(TT_F64, value, (tt_type)v->type, v->data, 1);
    return isfinite(*value);
}

/* What a whole network's adapter says: diffusers' metadata, or PEFT's adapter_config.json. */
typedef struct adapter {
    double alpha; /* 0: not said */
    bool rank_stabilised;
} adapter;

static tt_status check_pair(const char *path, const tt_lora_target *t, int64_t *rank, tt_error *err)
{
    const tt_tensor_view *down = t->down, *up = t->up;
    const char *name = down ? down->name : up ? up->name : t->alpha->name;
    if (!down || !up) return tt_fail(err, TT_ERR_FORMAT, "%s: %s has no partner", path, name);
    bool ok = is_float(down) && is_float(up) && (down->rank == 2 || down->rank == 4) &&
              (up->rank == 2 || up->rank == 4) && down->shape[0] > 0 && up->shape[1] == down->shape[0];
    for (int i = 2; i < up->rank; i++)
        ok = ok && up->shape[i] == 1;
    if (!ok)
        return tt_fail(err, TT_ERR_FORMAT, "%s: %s and %s do not multiply: shapes, types or ranks are wrong",
                       path, down->name, up->name);
    *rank = down->shape[0];
    return TT_OK;
}

static tt_status finish_part(tt_lora_file *lora, tt_lora_part part, const char *path, double multiplier,
                             const adapter *all, tt_error *err)
{
    for (size_t i = 0; i < lora->n[part]; i++) {
        tt_lora_target *t = &lora->targets[part][i];
        if (!t->down && !t->up && !t->alpha) continue;
        int64_t rank = 0;
        tt_status s = check_pair(path, t, &rank, err);
        if (s) return s;
        double alpha = all->alpha;
        if (t->alpha && !read_scalar(t->alpha, &alpha))
            return tt_fail(err, TT_ERR_FORMAT, "%s: %s must be one finite number", path, t->alpha->name);
        if (alpha == 0) alpha = (double)rank; /* not given, which kohya's loader also reads from a 0 */
        t->scale =
            multiplier * (alpha / (all->rank_stabilised && !t->alpha ? sqrt((double)rank) : (double)rank));
        lora->n_used[part]++;
    }
    return TT_OK;
}

/* ---- adapters' own settings ---- */

static tt_node *setting(const tt_node *map, const char *prefix, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "%s%s", prefix, name);
    return tt_node_get(map, key);
}

static bool is_true(const tt_node *n)
{
    return n && n->kind == TT_NODE_BOOL && n->value.boolean;
}

static tt_status read_settings(const tt_node *map, const char *prefix, adapter *out, tt_error *err)
{
    const tt_node *alpha = setting(map, prefix, "lora_alpha"),
                  *pattern = setting(map, prefix, "alpha_pattern");
    const tt_node *dora = setting(map, prefix, "use_dora"),
                  *transposed = setting(map, prefix, "fan_in_fan_out");
    const tt_node *bad = pattern && pattern->n_children ? pattern
                         : is_true(dora)                ? dora
                         : is_true(transposed)          ? transposed
                                                        : NULL;
    if (bad) {
        tt_node_fail(bad, err, "%s: this setting of a LoRA is not supported", bad->key);
        if (err) err->code = TT_ERR_UNSUPPORTED;
        return TT_ERR_UNSUPPORTED;
    }
    if (alpha && alpha->kind == TT_NODE_INT)
        out->alpha = (double)alpha->value.integer;
    else if (alpha && alpha->kind == TT_NODE_FLOAT)
        out->alpha = alpha->value.real;
    out->rank_stabilised = is_true(setting(map, prefix, "use_rslora"));
    return TT_OK;
}

#define MAX_SETTINGS ((size_t)1 << 20)

/* PEFT keeps them in a file of their own beside the weights. */
static tt_status read_peft_config(const char *path, tt_arena *arena, adapter adapters[2], tt_error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    if (strncmp(base, "adapter_model.", 14) != 0) return TT_OK;
    char *config = tt_arena_printf(arena, "%.*sadapter_config.json", (int)(base - path), path);
    if (!config) return out_of_memory(path, err);
    if (!tt_file_exists(config)) return TT_OK;
    tt_node *root;
    tt_status s = tt_json_read(arena, config, MAX_SETTINGS, &root, err);
    if (!s) s = read_settings(root, "", &adapters[0], err);
    adapters[1] = adapters[0];
    return s;
}

static tt_status read_adapters(const char *path, const tt_tensor_file *file, tt_arena *arena,
                               adapter adapters[2], tt_error *err)
{
    const char *text = tt_tensor_file_metadata(file, "lora_adapter_metadata");
    if (!text) return read_peft_config(path, arena, adapters, err);
    char *place = tt_arena_printf(arena, "%s: lora_adapter_metadata", path);
    if (!place) return out_of_memory(path, err);
    if (strlen(text) > MAX_SETTINGS) return tt_fail(err, TT_ERR_FORMAT, "%s: too large", place);
    tt_node *root;
    tt_status s = tt_json_parse(arena, place, text, strlen(text), &root, err);
    if (!s) s = read_settings(root, "unet.", &adapters[TT_LORA_UNET], err);
    return s ? s : read_settings(root, "text_encoder.", &adapters[TT_LORA_TEXT], err);
}

/* ---- opening ---- */

static tt_status open_tensors(const char *path, tt_tensor_file **file, tt_error *err)
{
    static const char end[] = ".safetensors";
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0 ? tt_safetensors_open(path, file, err)
                                                    : tt_torch_open(path, file, err);
}

static tt_status read_all(resolver *r, double multiplier, const tt_name_list *unet, const tt_name_list *text,
                          tt_error *err)
{
    tt_lora_file *lora = r->lora;
    adapter adapters[2] = {0};
    tt_status s = open_tensors(r->path, &lora->file, err);
    if (!s) s = make_targets(r, TT_LORA_UNET, unet, err);
    if (!s) s = make_targets(r, TT_LORA_TEXT, text, err);
    if (!s) s = make_aliases(r, TT_LORA_UNET, err);
    if (!s) s = make_aliases(r, TT_LORA_TEXT, err);
    if (!s) s = read_adapters(r->path, lora->file, r->arena, adapters, err);
    for (size_t i = 0; !s && i < tt_tensor_file_count(lora->file); i++)
        s = take(r, tt_tensor_file_at(lora->file, i), err);
    for (int part = 0; part < 2 && !s; part++)
        s = finish_part(lora, (tt_lora_part)part, r->path, multiplier, &adapters[part], err);
    if (!s && lora->n_used[0] + lora->n_used[1] == 0)
        s = tt_fail(err, TT_ERR_FORMAT, "%s: holds no LoRA", r->path);
    return s;
}

tt_status tt_lora_file_open(const char *path, double multiplier, const tt_name_list *unet,
                            const tt_name_list *text, tt_lora_file **out, tt_error *err)
{
    if (!isfinite(multiplier))
        return tt_fail(err, TT_ERR_INVALID, "%s: the scale must be a finite number", path);
    tt_lora_file *lora = tt_alloc_zero(sizeof *lora);
    resolver r = {.lora = lora, .arena = tt_arena_create(0), .path = path};
    if (lora) lora->arena = tt_arena_create(0);
    tt_status s =
        lora && lora->arena && r.arena ? read_all(&r, multiplier, unet, text, err) : out_of_memory(path, err);
    tt_arena_destroy(r.arena);
    if (s) {
        tt_lora_file_close(lora);
        return s;
    }
    *out = lora;
    return TT_OK;
}

void tt_lora_file_close(tt_lora_file *lora)
{
    if (!lora) return;
    tt_tensor_file_close(lora->file);
    tt_arena_destroy(lora->arena);
    tt_free(lora);
}

size_t tt_lora_file_count(const tt_lora_file *lora, tt_lora_part part)
{
    return lora->n_used[part];
}
