/* The map is a list of modules, each under its two names, and three ways to translate what follows the
 * module's name; both directions walk the same list, so that they cannot disagree. */
#include "models/load/compvis.h"

#include <stdio.h>
#include <string.h>

#define UNET_PREFIX "model.diffusion_model."
#define VAE_PREFIX  "first_stage_model."
#define TEXT_PREFIX "cond_stage_model.transformer."
#define EMA_PREFIX  "model_ema."
#define MAX_NAME    256

typedef enum suffix_kind { SAME, UNET_RESNET, VAE_RESNET, VAE_ATTENTION } suffix_kind;

typedef struct module {
    char key[64], name[64];
    suffix_kind kind;
} module;

/* {CompVis, diffusers}; the dot ends a component */
typedef struct pair {
    const char *key, *name;
} pair;
static const pair unet_resnet[] = {{"in_layers.0.", "norm1."},
                                   {"in_layers.2.", "conv1."},
                                   {"emb_layers.1.", "time_emb_proj."},
                                   {"out_layers.0.", "norm2."},
                                   {"out_layers.3.", "conv2."},
                                   {"skip_connection.", "conv_shortcut."},
                                   {NULL, NULL}};
static const pair vae_resnet[] = {{"norm1.", "norm1."},
                                  {"conv1.", "conv1."},
                                  {"norm2.", "norm2."},
                                  {"conv2.", "conv2."},
                                  {"nin_shortcut.", "conv_shortcut."},
                                  {NULL, NULL}};
static const pair vae_attention[] = {
    {"norm.", "group_norm."},   {"q.", "to_q."}, {"k.", "to_k."}, {"v.", "to_v."},
    {"proj_out.", "to_out.0."}, {NULL, NULL}};
static const pair *const suffixes[] = {NULL, unet_resnet, vae_resnet, vae_attention};

/* A walk over the modules, until one of them serves. */
typedef struct walk walk;
struct walk {
    bool (*visit)(walk *w, const module *m);
    const char *text; /* what is looked for */
    char *out;
    size_t size;
};

/* Each format takes up to two numbers. */
static bool offer(walk *w, suffix_kind kind, const char *key, int k0, int k1, const char *name, int n0,
                  int n1)
{
    module m = {.kind = kind};
    snprintf(m.key, sizeof m.key, key, k0, k1);
    snprintf(m.name, sizeof m.name, name, n0, n1);
    return w->visit(w, &m);
}

#define LEVELS 4
#define LAYERS 2 /* ResNets of a level on the way down; one more on the way up */

static bool walk_unet_down(walk *w)
{
    for (int b = 0; b < LEVELS; b++) {
        bool last = b == LEVELS - 1;
        for (int j = 0; j < LAYERS; j++) {
            int block = 3 * b + j + 1;
            if (offer(w, UNET_RESNET, "input_blocks.%d.0", block, 0, "down_blocks.%d.resnets.%d", b, j) ||
                (!last &&
                 offer(w, SAME, "input_blocks.%d.1", block, 0, "down_blocks.%d.attentions.%d", b, j)))
                return true;
        }
        if (!last &&
            offer(w, SAME, "input_blocks.%d.0.op", 3 * b + 3, 0, "down_blocks.%d.downsamplers.0.conv", b, 0))
            return true;
    }
    return false;
}

static bool walk_unet_up(walk *w)
{
    for (int b = 0; b < LEVELS; b++) {
        for (int j = 0; j <= LAYERS; j++) {
            int block = 3 * b + j;
            if (offer(w, UNET_RESNET, "output_blocks.%d.0", block, 0, "up_blocks.%d.resnets.%d", b, j) ||
                (b > 0 && offer(w, SAME, "output_blocks.%d.1", block, 0, "up_blocks.%d.attentions.%d", b, j)))
                return true;
        }
        /* behind the attention, where the level has one */
        if (b < LEVELS - 1 && offer(w, SAME, "output_blocks.%d.%d.conv", 3 * b + 2, b > 0 ? 2 : 1,
                                    "up_blocks.%d.upsamplers.0.conv", b, 0))
            return true;
    }
    return false;
}

static bool walk_list(walk *w, suffix_kind kind, const pair *list)
{
    for (; list->key; list++)
        if (offer(w, kind, list->key, 0, 0, list->name, 0, 0)) return true;
    return false;
}

static bool walk_unet(walk *w)
{
    static const pair plain[] = {{"time_embed.0", "time_embedding.linear_1"},
                                 {"time_embed.2", "time_embedding.linear_2"},
                                 {"input_blocks.0.0", "conv_in"},
                                 {"middle_block.1", "mid_block.attentions.0"},
                                 {"out.0", "conv_norm_out"},
                                 {"out.2", "conv_out"},
                                 {NULL, NULL}};
    static const pair middle[] = {
        {"middle_block.0", "mid_block.resnets.0"}, {"middle_block.2", "mid_block.resnets.1"}, {NULL, NULL}};
    return walk_list(w, SAME, plain) || walk_list(w, UNET_RESNET, middle) || walk_unet_down(w) ||
           walk_unet_up(w);
}

static bool walk_vae(walk *w)
{
    static const pair plain[] = {{"encoder.conv_in", "encoder.conv_in"},
                                 {"encoder.conv_out", "encoder.conv_out"},
                                 {"encoder.norm_out", "encoder.conv_norm_out"},
                                 {"decoder.conv_in", "decoder.conv_in"},
                                 {"decoder.conv_out", "decoder.conv_out"},
                                 {"decoder.norm_out", "decoder.conv_norm_out"},
                                 {"quant_conv", "quant_conv"},
                                 {"post_quant_conv", "post_quant_conv"},
                                 {NULL, NULL}};
    static const pair middle[] = {{"encoder.mid.block_1", "encoder.mid_block.resnets.0"},
                                  {"encoder.mid.block_2", "encoder.mid_block.resnets.1"},
                                  {"decoder.mid.block_1", "decoder.mid_block.resnets.0"},
                                  {"decoder.mid.block_2", "decoder.mid_block.resnets.1"},
                                  {NULL, NULL}};
    static const pair attention[] = {{"encoder.mid.attn_1", "encoder.mid_block.attentions.0"},
                                     {"decoder.mid.attn_1", "decoder.mid_block.attentions.0"},
                                     {NULL, NULL}};
    if (walk_list(w, SAME, plain) || walk_list(w, VAE_RESNET, middle) ||
        walk_list(w, VAE_ATTENTION, attention))
        return true;
    for (int b = 0; b < LEVELS; b++) {
        int up = LEVELS - 1 - b; /* the decoder's levels are numbered the other way round */
        bool last = b == LEVELS - 1;
        for (int j = 0; j <= LAYERS; j++)
            if ((j < LAYERS && offer(w, VAE_RESNET, "encoder.down.%d.block.%d", b, j,
                                     "encoder.down_blocks.%d.resnets.%d", b, j)) ||
                offer(w, VAE_RESNET, "decoder.up.%d.block.%d", up, j, "decoder.up_blocks.%d.resnets.%d", b,
                      j))
                return true;
        if (!last && (offer(w, SAME, "encoder.down.%d.downsample.conv", b, 0,
                            "encoder.down_blocks.%d.downsamplers.0.conv", b, 0) ||
                      offer(w, SAME, "decoder.up.%d.upsample.conv", up, 0,
                            "decoder.up_blocks.%d.upsamplers.0.conv", b, 0)))
            return true;
    }
    return false;
}

/* What follows "prefix." in text, or NULL. */
static const char *behind(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 && text[n] == '.' && text[n + 1] ? text + n + 1 : NULL;
}

static bool put(char *out, size_t size, const char *a, const char *dot, const char *b, const char *c)
{
    int n = snprintf(out, size, "%s%s%s%s", a, dot, b, c);
    return n > 0 && (size_t)n < size;
}

/* to_name: CompVis → diffusers. `rest` begins at a component's border and ends the name. */
static bool translate(const module *m, bool to_name, const char *rest, char *out, size_t size)
{
    const char *to = to_name ? m->name : m->key;
    if (m->kind == SAME) return put(out, size, to, ".", rest, "");
    for (const pair *p = suffixes[m->kind]; p->key; p++) {
        const char *from = to_name ? p->key : p->name;
        size_t n = strlen(from);
        if (strncmp(rest, from, n) == 0 && rest[n])
            return put(out, size, to, ".", to_name ? p->name : p->key, rest + n);
    }
    return false;
}

static bool visit_to_name(walk *w, const module *m)
{
    const char *rest = behind(w->text, m->key);
    return rest && translate(m, true, rest, w->out, w->size);
}

static bool visit_to_key(walk *w, const module *m)
{
    const char *rest = behind(w->text, m->name);
    return rest && translate(m, false, rest, w->out, w->size);
}

static bool is_position_ids(const char *name)
{
    const char *end = strstr(name, "position_ids");
    return end && strcmp(end, "position_ids") == 0;
}

bool tt_compvis_key(tt_compvis_part part, const char *name, char *key, size_t size)
{
    static const char *const prefixes[] = {UNET_PREFIX, VAE_PREFIX, TEXT_PREFIX};
    char bare[MAX_NAME];
    walk w = {visit_to_key, name, bare, sizeof bare};
    if (part == TT_COMPVIS_TEXT)
        return behind(name, "text_model") && !is_position_ids(name) &&
               put(key, size, TEXT_PREFIX, "", name, "");
    bool found = part == TT_COMPVIS_UNET ? walk_unet(&w) : walk_vae(&w);
    return found && put(key, size, prefixes[part], "", bare, "");
}

static const char *without_prefix(const char *key, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(key, prefix, n) == 0 ? key + n : NULL;
}

bool tt_compvis_name(const char *key, tt_compvis_part *part, char *name, size_t size)
{
    walk w = {.visit = visit_to_name, .out = name, .size = size};
    if ((w.text = without_prefix(key, UNET_PREFIX))) {
        *part = TT_COMPVIS_UNET;
        return walk_unet(&w);
    }
    if ((w.text = without_prefix(key, VAE_PREFIX))) {
        *part = TT_COMPVIS_VAE;
        return walk_vae(&w);
    }
    w.text = without_prefix(key, TEXT_PREFIX);
    *part = TT_COMPVIS_TEXT;
    return w.text && behind(w.text, "text_model") && !is_position_ids(w.text) &&
           put(name, size, w.text, "", "", "");
}

bool tt_compvis_unet_module(const char *name, char *key, size_t size)
{
    /* the walk translates tensors: lend the module one, and take it away again */
    char tensor[MAX_NAME], bare[MAX_NAME];
    walk w = {visit_to_key, tensor, bare, sizeof bare};
    if (!put(tensor, sizeof tensor, name, ".", "weight", "") || !walk_unet(&w)) return false;
    size_t n = strlen(bare) - strlen(".weight");
    if (n >= size) return false;
    memcpy(key, bare, n);
    key[n] = '\0';
    return true;
}

/* ---- detection ---- */

static bool any_with_prefix(const tt_tensor_file *file, const char *prefix)
{
    for (size_t i = 0; i < tt_tensor_file_count(file); i++)
        if (without_prefix(tt_tensor_file_at(file, i)->name, prefix)) return true;
    return false;
}

tt_status tt_compvis_detect(const tt_tensor_file *file, int *in_channels, tt_error *err)
{
    const char *path = tt_tensor_file_path(file);
    const tt_tensor_view *first = tt_tensor_file_find(file, UNET_PREFIX "input_blocks.0.0.weight");
    if (any_with_prefix(file, "cond_stage_model.model."))
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "%s: a checkpoint with OpenCLIP's text encoder (SD2): only SD1.x is read", path);
    if (any_with_prefix(file, "conditioner."))
        return tt_fail(err, TT_ERR_UNSUPPORTED, "%s: an SDXL checkpoint: only SD1.x is read", path);
    if (!first)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "%s: no tensor " UNET_PREFIX
                       "input_blocks.0.0.weight: not a Stable Diffusion checkpoint in a single file",
                       path);
    if (!any_with_prefix(file, TEXT_PREFIX) || !any_with_prefix(file, VAE_PREFIX))
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "%s: the text encoder (" TEXT_PREFIX "*) or the VAE (" VAE_PREFIX
                       "*) is missing: use a full checkpoint",
                       path);
    if (first->rank != 4 || (first->shape[1] != 4 && first->shape[1] != 9))
        return tt_fail(err, TT_ERR_UNSUPPORTED, "%s: the UNet's first layer must have 4 or 9 input channels",
                       path);
    *in_channels = (int)first->shape[1];
    return TT_OK;
}

bool tt_compvis_has_ema(const tt_tensor_file *file)
{
    size_t n = 0;
    for (size_t i = 0; i < tt_tensor_file_count(file); i++)
        n += without_prefix(tt_tensor_file_at(file, i)->name, EMA_PREFIX) != NULL;
    return n > 100; /* diffusers' own rule: a file without them may still have model_ema.decay */
}

/* ---- the source ---- */

typedef struct compvis_source {
    tt_weight_source base;
    tt_weight_source *inner;
    tt_compvis_part part;
    bool ema;
} compvis_source;

/* "model.diffusion_model.A.B" is kept as "model_ema.diffusion_modelAB". */
static bool to_ema(char *key, size_t size)
{
    char bare[2 * MAX_NAME];
    size_t n = 0;
    for (const char *p = key + strlen("model."); *p && n < sizeof bare - 1; p++)
        if (*p != '.') bare[n++] = *p;
    bare[n] = '\0';
    return put(key, size, EMA_PREFIX, "", bare, "");
}

static bool source_key(const compvis_source *s, const char *name, char *key, size_t size)
{
    return tt_compvis_key(s->part, name, key, size) && (!s->ema || to_ema(key, size));
}

static tt_status compvis_get(tt_weight_source *self, const char *name, tt_weight_view *view, tt_error *err)
{
    compvis_source *s = (compvis_source *)self;
    char key[2 * MAX_NAME];
    if (!source_key(s, name, key, sizeof key))
        return tt_fail(err, TT_ERR_NOT_FOUND, "tensor %s has no counterpart in a single-file checkpoint",
                       name);
    return s->inner->get(s->inner, key, view, err);
}

static bool compvis_has(tt_weight_source *self, const char *name)
{
    compvis_source *s = (compvis_source *)self;
    char key[2 * MAX_NAME];
    return source_key(s, name, key, sizeof key) && s->inner->has(s->inner, key);
}

static void compvis_done(tt_weight_source *self, const char *name)
{
    compvis_source *s = (compvis_source *)self;
    char key[2 * MAX_NAME];
    if (source_key(s, name, key, sizeof key)) s->inner->done(s->inner, key);
}

static void compvis_destroy(tt_weight_source *self)
{
    compvis_source *s = (compvis_source *)self;
    s->inner->destroy(s->inner);
    tt_free(s);
}

tt_weight_source *tt_weights_compvis(tt_weight_source *base, tt_compvis_part part, bool ema)
{
    if (!base) return NULL;
    compvis_source *s = tt_alloc_zero(sizeof *s);
    if (!s) {
        base->destroy(base);
        return NULL;
    }
    s->base = (tt_weight_source){compvis_get, compvis_has, compvis_done, compvis_destroy};
    s->inner = base;
    s->part = part;
    s->ema = ema && part == TT_COMPVIS_UNET;
    return &s->base;
}

tt_status tt_compvis_names(const tt_tensor_file *file, tt_compvis_part part, tt_arena *arena,
                           tt_name_list *list, tt_error *err)
{
    size_t n = 0, count = tt_tensor_file_count(file);
    const char **names = tt_arena_alloc_array(arena, count, sizeof *names);
    for (size_t i = 0; i < count && names; i++) {
        char name[MAX_NAME];
        tt_compvis_part of;
        if (!tt_compvis_name(tt_tensor_file_at(file, i)->name, &of, name, sizeof name) || of != part)
            continue;
        char *kept = tt_arena_strdup(arena, name);
        if (kept)
            names[n++] = kept;
        else
            names = NULL;
    }
    if (!names) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", tt_tensor_file_path(file));
    *list = (tt_name_list){names, n};
    return TT_OK;
}
