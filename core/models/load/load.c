/* Opening checkpoints: configs parsed and checked against each other, files mapped, weight sources put in
 * front of them. Nothing is packed here. */
#include "models/load/load.h"
#include "base/file.h"
#include "models/load/compvis.h"
#include "models/load/layout.h"
#include "models/load/lora.h"

#include <stdio.h>
#include <string.h>

#define MAX_CONFIG_BYTES ((size_t)1 << 20)
#define MAX_MERGES_BYTES ((size_t)16 << 20)

struct tt_checkpoint {
    tt_arena *arena;
    tt_layout layout;
    tt_unet_config unet_config;
    tt_vae_config vae_config;
    tt_clip_text_config text_config;
    tt_schedule_config schedule;
    tt_tokenizer *tokenizer;
    tt_tensor_file *unet_file, *vae_file, *text_file; /* a single file: unet_file is all */
    tt_weight_source *unet, *vae, *text;
    tt_lora_file **loras;
    size_t n_loras;
};

static const char text_prefix[] = "text_model.";

/* ---- a text encoder saved without its prefix ---- */

typedef struct prefix_source {
    tt_weight_source base;
    tt_weight_source *inner;
} prefix_source;

static const char *without_prefix(const char *name)
{
    size_t n = sizeof text_prefix - 1;
    return strncmp(name, text_prefix, n) == 0 ? name + n : name;
}

static tt_status prefix_get(tt_weight_source *self, const char *name, tt_weight_view *view, tt_error *err)
{
    prefix_source *s = (prefix_source *)self;
    return s->inner->get(s->inner, without_prefix(name), view, err);
}

static bool prefix_has(tt_weight_source *self, const char *name)
{
    prefix_source *s = (prefix_source *)self;
    return s->inner->has(s->inner, without_prefix(name));
}

static void prefix_done(tt_weight_source *self, const char *name)
{
    prefix_source *s = (prefix_source *)self;
    s->inner->done(s->inner, without_prefix(name));
}

static void prefix_destroy(tt_weight_source *self)
{
    prefix_source *s = (prefix_source *)self;
    s->inner->destroy(s->inner);
    tt_free(s);
}

/* Names with `text_model.` over a file without it; takes `inner`. NULL: out of memory. */
static tt_weight_source *add_prefix(tt_weight_source *inner)
{
    prefix_source *s = inner ? tt_alloc_zero(sizeof *s) : NULL;
    if (!s) {
        if (inner) inner->destroy(inner);
        return NULL;
    }
    s->base = (tt_weight_source){prefix_get, prefix_has, prefix_done, prefix_destroy};
    s->inner = inner;
    return &s->base;
}

/* ---- configs ---- */

static tt_status read_json(tt_checkpoint *c, const char *path, tt_node **root, tt_error *err)
{
    return tt_json_read(c->arena, path, MAX_CONFIG_BYTES, root, err);
}

/* model_index.json: the pipeline and the classes of the parts that we run. */
static tt_status check_index(tt_checkpoint *c, tt_error *err)
{
    static const char *const pipelines[] = {"StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline",
                                            "StableDiffusionInpaintPipeline",
                                            "StableDiffusionInpaintPipelineLegacy"};
    static const char *const parts[][2] = {
        {"unet", "UNet2DConditionModel"}, {"vae", "AutoencoderKL"}, {"text_encoder", "CLIPTextModel"}};
    tt_node *root;
    tt_status s = read_json(c, c->layout.model_index, &root, err);
    if (s) return s;
    const tt_node *name = tt_node_get(root, "_class_name");
    bool known = false;
    for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines && name && name->kind == TT_NODE_STRING; i++)
        known = known || strcmp(name->text, pipelines[i]) == 0;
    if (!known) {
        tt_node_fail(name ? name : root, err,
                     "the pipeline is %s: only Stable Diffusion 1.x (StableDiffusionPipeline) is supported",
                     name && name->text ? name->text : "not named");
        if (err) err->code = TT_ERR_UNSUPPORTED;
        return TT_ERR_UNSUPPORTED;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const tt_node *entry = tt_node_get(root, parts[i][0]);
        const tt_node *class =
            entry && entry->kind == TT_NODE_LIST && entry->children ? entry->children->next : NULL;
        if (class && class->kind == TT_NODE_STRING && strcmp(class->text, parts[i][1]) == 0) continue;
        tt_node_fail(entry ? entry : root, err, "%s is a %s: only %s is supported", parts[i][0],
                     class && class->text ? class->text : "component without a class", parts[i][1]);
        if (err) err->code = TT_ERR_UNSUPPORTED;
        return TT_ERR_UNSUPPORTED;
    }
    return TT_OK;
}

static tt_status read_configs(tt_checkpoint *c, tt_error *err)
{
    tt_node *root;
    tt_status s = check_index(c, err);
    if (!s) s = read_json(c, c->layout.unet.config, &root, err);
    if (!s) s = tt_unet_config_parse(root, &c->unet_config, err);
    if (!s) s = read_json(c, c->layout.vae.config, &root, err);
    if (!s) s = tt_vae_config_parse(root, &c->vae_config, err);
    if (!s) s = read_json(c, c->layout.text.config, &root, err);
    if (!s) s = tt_clip_text_config_parse(root, &c->text_config, err);
    if (!s) s = read_json(c, c->layout.scheduler, &root, err);
    if (!s) s = tt_schedule_config_parse(root, &c->schedule, err);
    return s;
}

/* The parts must fit together. */
static tt_status check_together(const tt_checkpoint *c, tt_error *err)
{
    const char *root = c->layout.root;
    const tt_unet_config *u = &c->unet_config;
    if (u->in_channels == 2 * c->vae_config.latent_channels + 1)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "%s: an in-painting UNet (%d input channels): in-painting is done here with the "
                       "ordinary %d-channel "
                       "model",
                       root, u->in_channels, c->vae_config.latent_channels);
    if (u->in_channels != c->vae_config.latent_channels || u->out_channels != u->in_channels)
        return tt_fail(err, TT_ERR_INVALID, "%s: the UNet maps %d to %d channels, the VAE's latents have %d",
                       root, u->in_channels, u->out_channels, c->vae_config.latent_channels);
    if (u->cross_attention_dim != c->text_config.hidden)
        return tt_fail(err, TT_ERR_INVALID,
                       "%s: the UNet's cross_attention_dim is %d, the text encoder's width %d", root,
                       u->cross_attention_dim, c->text_config.hidden);
    if (c->vae_config.in_channels != 3 || c->vae_config.out_channels != 3)
        return tt_fail(err, TT_ERR_UNSUPPORTED, "%s: the VAE has %d image channels: only RGB is supported",
                       root, c->vae_config.in_channels);
    const tt_tokenizer *t = c->tokenizer;
    if (tt_tokenizer_length(t) != c->text_config.tokens)
        return tt_fail(err, TT_ERR_INVALID, "%s: the tokenizer makes %d tokens, the text encoder takes %d",
                       root, tt_tokenizer_length(t), c->text_config.tokens);
    if (tt_tokenizer_eos(t) >= c->text_config.vocabulary || tt_tokenizer_bos(t) >= c->text_config.vocabulary)
        return tt_fail(err, TT_ERR_INVALID,
                       "%s: the tokenizer's ids go beyond the text encoder's vocabulary of %d", root,
                       c->text_config.vocabulary);
    return TT_OK;
}

static tt_status open_tokenizer(tt_checkpoint *c, tt_error *err)
{
    if (c->layout.tokenizer_dir) return tt_tokenizer_open(c->layout.tokenizer_dir, &c->tokenizer, err);
    char *text;
    size_t size;
    tt_status s = tt_file_read(c->layout.merges, MAX_MERGES_BYTES, &text, &size, err);
    if (s) return s;
    s = tt_tokenizer_from_merges(c->layout.merges, text, size, &c->tokenizer, err);
    tt_free(text);
    return s;
}

/* ---- files and sources ---- */

static tt_status open_file(const tt_component *part, tt_tensor_file **file, tt_error *err)
{
    switch (part->format) {
    case TT_WEIGHTS_INDEX:
        return tt_safetensors_open_index(part->weights, file, err);
    case TT_WEIGHTS_TORCH:
        return tt_torch_open(part->weights, file, err);
    default:
        return tt_safetensors_open(part->weights, file, err);
    }
}

/* The three sources before any LoRA, and the names that the UNet and the text encoder have. */
static tt_status open_directory(tt_checkpoint *c, tt_name_list *unet, tt_name_list *text, tt_error *err)
{
    tt_status s = read_configs(c, err);
    if (!s) s = open_file(&c->layout.unet, &c->unet_file, err);
    if (!s) s = open_file(&c->layout.vae, &c->vae_file, err);
    if (!s) s = open_file(&c->layout.text, &c->text_file, err);
    if (s) return s;
    c->unet = tt_weights_file(c->unet_file);
    c->vae = tt_weights_file(c->vae_file);
    c->text = tt_weights_file(c->text_file);
    s = tt_tensor_names(c->unet_file, c->arena, unet, err);
    if (!s) s = tt_tensor_names(c->text_file, c->arena, text, err);
    if (s || tt_tensor_file_find(c->text_file, "text_model.embeddings.token_embedding.weight")) return s;
    c->text = add_prefix(c->text);
    const char **names = tt_arena_alloc_array(c->arena, text->n + 1, sizeof *names);
    for (size_t i = 0; i < text->n && names; i++) {
        names[i] = tt_arena_printf(c->arena, "%s%s", text_prefix, text->names[i]);
        if (!names[i]) names = NULL;
    }
    if (!names) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", c->layout.root);
    text->names = names;
    return TT_OK;
}

static tt_status open_single(tt_checkpoint *c, tt_name_list *unet, tt_name_list *text, tt_error *err)
{
    tt_unet_config_sd15(&c->unet_config);
    tt_vae_config_sd15(&c->vae_config);
    tt_clip_text_config_l14(&c->text_config);
    tt_schedule_config_sd15(&c->schedule);
    tt_status s = open_file(&c->layout.unet, &c->unet_file, err);
    if (!s) s = tt_compvis_detect(c->unet_file, &c->unet_config.in_channels, err);
    if (!s) s = tt_compvis_names(c->unet_file, TT_COMPVIS_UNET, c->arena, unet, err);
    if (!s) s = tt_compvis_names(c->unet_file, TT_COMPVIS_TEXT, c->arena, text, err);
    if (s) return s;
    tt_weight_source **sources[] = {&c->unet, &c->vae, &c->text};
    static const tt_compvis_part parts[] = {TT_COMPVIS_UNET, TT_COMPVIS_VAE, TT_COMPVIS_TEXT};
    for (int i = 0; i < 3; i++) {
        tt_weight_source *base = tt_weights_file(c->unet_file);
        *sources[i] = base ? tt_weights_compvis(base, parts[i], false) : NULL;
    }
    return TT_OK;
}

static tt_status apply_loras(tt_checkpoint *c, const tt_lora *loras, size_t n, const tt_name_list *unet,
                             const tt_name_list *text, tt_error *err)
{
    if (n == 0) return TT_OK;
    c->loras = tt_alloc_array(n, sizeof(tt_lora_file *));
    if (!c->loras) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", c->layout.root);
    for (; c->n_loras < n; c->n_loras++) {
        const tt_lora *l = &loras[c->n_loras];
        tt_status s = tt_lora_file_open(l->path, l->scale, unet, text, &c->loras[c->n_loras], err);
        if (s) return s;
    }
    c->unet = tt_weights_lora(c->unet, c->loras, n, TT_LORA_UNET);
    c->text = tt_weights_lora(c->text, c->loras, n, TT_LORA_TEXT);
    return TT_OK;
}

tt_status tt_checkpoint_open(const char *path, const char *variant, const tt_lora *loras, size_t n_loras,
                             tt_checkpoint **checkpoint, tt_error *err)
{
    tt_name_list unet = {0}, text = {0};
    *checkpoint = NULL;
    tt_checkpoint *c = tt_alloc_zero(sizeof *c);
    if (c) c->arena = tt_arena_create(0);
    if (!c || !c->arena) {
        tt_free(c);
        return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    }
    tt_status s = tt_layout_find(c->arena, path, variant, &c->layout, err);
    if (!s) s = c->layout.single ? open_single(c, &unet, &text, err) : open_directory(c, &unet, &text, err);
    if (!s) s = open_tokenizer(c, err);
    if (!s) s = check_together(c, err);
    if (!s && (!c->unet || !c->vae || !c->text)) s = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    if (!s) s = apply_loras(c, loras, n_loras, &unet, &text, err);
    if (!s && (!c->unet || !c->text)) s = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    if (s)
        tt_checkpoint_close(c);
    else
        *checkpoint = c;
    return s;
}

void tt_checkpoint_close(tt_checkpoint *c)
{
    if (!c) return;
    tt_weight_source *const sources[] = {c->unet, c->vae, c->text};
    for (int i = 0; i < 3; i++)
        if (sources[i]) sources[i]->destroy(sources[i]);
    for (size_t i = 0; i < c->n_loras; i++)
        tt_lora_file_close(c->loras[i]);
    tt_free(c->loras);
    tt_tokenizer_close(c->tokenizer);
    tt_tensor_file_close(c->unet_file);
    tt_tensor_file_close(c->vae_file);
    tt_tensor_file_close(c->text_file);
    tt_arena_destroy(c->arena);
    tt_free(c);
}

const tt_unet_config *tt_checkpoint_unet_config(const tt_checkpoint *c)
{
    return &c->unet_config;
}

const tt_vae_config *tt_checkpoint_vae_config(const tt_checkpoint *c)
{
    return &c->vae_config;
}

const tt_clip_text_config *tt_checkpoint_text_config(const tt_checkpoint *c)
{
    return &c->text_config;
}

const tt_schedule_config *tt_checkpoint_schedule_config(const tt_checkpoint *c)
{
    return &c->schedule;
}

tt_tokenizer *tt_checkpoint_tokenizer(const tt_checkpoint *c)
{
    return c->tokenizer;
}

tt_weight_source *tt_checkpoint_unet(tt_checkpoint *c)
{
    return c->unet;
}

tt_weight_source *tt_checkpoint_vae(tt_checkpoint *c)
{
    return c->vae;
}

tt_weight_source *tt_checkpoint_text(tt_checkpoint *c)
{
    return c->text;
}

static uint64_t values_of(const tt_tensor_view *view)
{
    uint64_t n = 1;
    for (int i = 0; i < view->rank; i++)
        n *= (uint64_t)view->shape[i];
    return n;
}

void tt_checkpoint_weights(const tt_checkpoint *c, uint64_t values[3])
{
    const tt_tensor_file *const files[3] = {c->unet_file, c->vae_file, c->text_file};
    static const int place[] = {[TT_COMPVIS_UNET] = 0, [TT_COMPVIS_VAE] = 1, [TT_COMPVIS_TEXT] = 2};
    values[0] = values[1] = values[2] = 0;
    for (int f = 0; f < 3; f++)
        for (size_t i = 0; files[f] && i < tt_tensor_file_count(files[f]); i++) {
            const tt_tensor_view *view = tt_tensor_file_at(files[f], i);
            tt_compvis_part part;
            char name[512];
            if (!c->layout.single)
                values[f] += values_of(view);
            else if (tt_compvis_name(view->name, &part, name, sizeof name))
                values[place[part]] += values_of(view);
        }
}
