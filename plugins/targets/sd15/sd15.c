/* The plugin's entry: parameters, opening, facts, digest. */
#include "sd15.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

const tt_host *sd15_host;

static const tt_param params[] = {
    {"path", TT_PARAM_PATH, NULL, 0, 0, NULL,
     "diffusers directory, or a single .safetensors or .ckpt file in CompVis layout", TT_PARAM_REQUIRED},
    {"variant", TT_PARAM_STRING, NULL, 0, 0, NULL, "weight files of a variant: fp16, non_ema", 0},
    {"dtype", TT_PARAM_CHOICE, "f32", 0, 0, "f32|bf16", "arithmetic of the UNet", 0},
    {"vae_dtype", TT_PARAM_CHOICE, "f32", 0, 0, "f32|bf16", "arithmetic of the VAE", 0},
    {"text_dtype", TT_PARAM_CHOICE, "f32", 0, 0, "f32|bf16", "arithmetic of the text encoder", 0},
    {"clip_skip", TT_PARAM_INT, "0", 0, 255, NULL, "take the text states this many layers before the last",
     0},
    {"batch", TT_PARAM_INT, "0", 0, 4096, NULL, "predictions computed at once; 0: by the model's size",
     TT_PARAM_SPEED},
    {"lora", TT_PARAM_STRINGS, NULL, 0, 0, NULL,
     "LoRA files merged into the weights, each PATH or PATH@SCALE; relative to the folder that holds `path`",
     0},
};

static const tt_plugin_info offer = {
    .size = sizeof offer,
    .kind = TT_KIND_TARGET,
    .name = "sd15",
    .revision = 1,
    .version = "1.0",
    .summary = "Stable Diffusion 1.x, computed here from its weights",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .reference = "Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022",
};

/* ---- LoRA parameters ---- */

/* "PATH@SCALE", PATH relative to the folder that holds the model. *loras: one block with the strings behind
 * the array. */
static tt_status parse_loras(const tt_params *p, tt_lora **loras, size_t *n, tt_error *err)
{
    const char *const *texts;
    const char *model = sd15_host->param_string(p, "path"), *slash = strrchr(model, '/');
    size_t dir = slash ? (size_t)(slash - model) + 1 : 0, total = 0;
    *loras = NULL;
    *n = sd15_host->param_strings(p, "lora", &texts);
    if (*n == 0) return TT_OK;
    for (size_t i = 0; i < *n; i++)
        total += dir + strlen(texts[i]) + 1;
    *loras = tt_alloc_zero(*n * sizeof **loras + total);
    if (!*loras) return tt_fail(err, TT_ERR_MEMORY, "out of memory for the list of LoRA files");
    char *at = (char *)(*loras + *n);
    for (size_t i = 0; i < *n; i++) {
        const char *mark = strrchr(texts[i], '@');
        size_t length = mark ? (size_t)(mark - texts[i]) : strlen(texts[i]);
        (*loras)[i].scale = 1;
        if (mark) {
            char *end;
            (*loras)[i].scale = strtod(mark + 1, &end);
            if (!mark[1] || *end || !((*loras)[i].scale >= -100 && (*loras)[i].scale <= 100)) {
                tt_free(*loras);
                *loras = NULL;
                return tt_fail(err, TT_ERR_INVALID, "lora: '%s': behind @ comes a number of -100..100",
                               texts[i]);
            }
        }
        (*loras)[i].path = at;
        if (texts[i][0] != '/' && dir) {
            memcpy(at, model, dir);
            at += dir;
        }
        memcpy(at, texts[i], length);
        at += length + 1;
    }
    return TT_OK;
}

/* ---- open ---- */

static void sd15_close(void *target)
{
    sd15_target *t = target;
    if (!t) return;
    tt_unet_destroy(t->unet);
    tt_vae_destroy(t->vae);
    tt_clip_text_destroy(t->clip);
    tt_device_close(t->device);
    tt_checkpoint_close(t->checkpoint);
    tt_free(t->alpha_bar);
    tt_free(t->alpha_bar_f32);
    tt_free(t);
}

/* A power of two that keeps the widest activation of a batch near what fills the device: on a processor 8
 * million elements, 4 for the full model, 32 for miniatures. Where batches are invisible in results this only
 * fills the device; elsewhere it is a function of the model and the kind of device, which keys name. */
static uint32_t default_batch(const sd15_target *t)
{
    /* no device: what memory is needed where none is filled is being asked */
    const tt_backend *backend = t->device ? tt_device_backend(t->device) : NULL;
    int64_t fill = backend && backend->fill ? backend->fill(tt_device_self(t->device)) : 0;
    uint64_t limit = fill > 0 ? (uint64_t)fill : (uint64_t)1 << 23;
    int widest = tt_checkpoint_unet_config(t->checkpoint)->block_out_channels[0];
    uint64_t sample = (uint64_t)t->latent_height * t->latent_width * (uint64_t)widest;
    uint32_t batch = 1, most = fill > 0 ? 256 : 32;
    while (batch < most && 2 * batch * sample <= limit)
        batch *= 2;
    return batch;
}

static tt_status read_facts(sd15_target *t, const tt_params *p, tt_error *err)
{
    const tt_unet_config *u = tt_checkpoint_unet_config(t->checkpoint);
    const tt_vae_config *v = tt_checkpoint_vae_config(t->checkpoint);
    const tt_clip_text_config *c = tt_checkpoint_text_config(t->checkpoint);
    t->schedule = *tt_checkpoint_schedule_config(t->checkpoint);
    t->tokenizer = tt_checkpoint_tokenizer(t->checkpoint);
    if (u->sample_height != u->sample_width)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "the UNet's sample_size is %dx%d: only square models are supported", u->sample_width,
                       u->sample_height);
    t->factor = 1 << (v->levels - 1);
    t->channels = (uint32_t)v->latent_channels;
    t->latent_height = t->latent_width = (uint32_t)u->sample_width;
    t->resolution = t->latent_width * (uint32_t)t->factor;
    t->scaling = (float)v->scaling_factor;
    t->tokens = c->tokens;
    t->text_width = c->hidden;
    t->clip_skip = (int)sd15_host->param_int(p, "clip_skip");
    if (t->clip_skip >= c->layers)
        return tt_fail(err, TT_ERR_INVALID, "clip_skip is %d: the text encoder has %d layers", t->clip_skip,
                       c->layers);
    t->batch = (uint32_t)sd15_host->param_int(p, "batch");
    if (t->batch == 0) t->batch = default_batch(t);

    size_t n = (size_t)t->schedule.train_timesteps;
    float *single = tt_alloc_array(n, sizeof *single);
    t->alpha_bar = tt_alloc_array(n, sizeof *t->alpha_bar);
    t->alpha_bar_f32 = tt_alloc_array(n, sizeof *t->alpha_bar_f32);
    if (single && t->alpha_bar && t->alpha_bar_f32) {
        tt_alpha_bar_f64(&t->schedule, t->alpha_bar);
        tt_alpha_bar_f32(&t->schedule, false, single);
        for (size_t i = 0; i < n; i++)
            t->alpha_bar_f32[i] = (double)single[i];
    }
    bool ok = single && t->alpha_bar && t->alpha_bar_f32;
    tt_free(single);
    return ok ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for the noise schedule");
}

static tt_type type_of(const tt_params *p, const char *key)
{
    return strcmp(sd15_host->param_string(p, key), "bf16") == 0 ? TT_BF16 : TT_F32;
}

static tt_status pack_networks(sd15_target *t, const tt_params *p, tt_error *err)
{
    tt_checkpoint *c = t->checkpoint;
    tt_status s = tt_unet_create(t->device, tt_checkpoint_unet_config(c), type_of(p, "dtype"),
                                 tt_checkpoint_unet(c), &t->unet, err);
    if (!s)
        s = tt_vae_create(t->device, tt_checkpoint_vae_config(c), type_of(p, "vae_dtype"),
                          tt_checkpoint_vae(c), &t->vae, err);
    if (!s)
        s = tt_clip_text_create(t->device, tt_checkpoint_text_config(c), type_of(p, "text_dtype"),
                                tt_checkpoint_text(c), &t->clip, err);
    return s;
}

static tt_status sd15_open(const tt_params *p, const tt_target_context *context, void **target, tt_error *err)
{
    const char *path = sd15_host->param_string(p, "path"), *variant = sd15_host->param_string(p, "variant");
    tt_lora *loras = NULL;
    size_t n_loras;
    *target = NULL;
    sd15_target *t = tt_alloc_zero(sizeof *t);
    if (!t) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    tt_status s = parse_loras(p, &loras, &n_loras, err);
    if (!s) s = tt_checkpoint_open(path, variant, loras, n_loras, &t->checkpoint, err);
    if (!s) s = tt_device_open(context->backend, &context->device, &t->device, err);
    if (!s) {
        s = read_facts(t, p, err);
        if (!s) s = pack_networks(t, p, err);
        if (s) tt_fail_in(err, "%s", path);
    }
    tt_free(loras);
    if (s)
        sd15_close(t);
    else
        *target = t;
    return s;
}

static tt_status sd15_info(void *target, tt_model_info *info, tt_error *err)
{
    (void)err;
    const sd15_target *t = target;
    *info = (tt_model_info){
        .size = sizeof *info,
        .capabilities = TT_CAP_GREY_BOX | TT_CAP_ATTENTION,
        .resolution = t->resolution,
        .latent_channels = t->channels,
        .latent_height = t->latent_height,
        .latent_width = t->latent_width,
        .text_tokens = (uint32_t)t->tokens,
        .text_width = (uint32_t)t->text_width,
        .train_timesteps = (uint32_t)t->schedule.train_timesteps,
        .end_token = tt_tokenizer_eos(t->tokenizer),
        .batch = t->batch,
        .alpha_bar = t->alpha_bar,
        .alpha_bar_f32 = t->alpha_bar_f32,
    };
    return TT_OK;
}

static tt_status sd15_digest(const tt_params *p, char hex[65], tt_error *err)
{
    tt_lora *loras;
    size_t n;
    tt_status s = parse_loras(p, &loras, &n, err);
    if (!s)
        s = tt_checkpoint_digest(sd15_host->param_string(p, "path"), sd15_host->param_string(p, "variant"),
                                 loras, n, hex, err);
    tt_free(loras);
    return s;
}

static tt_status sd15_memory(const tt_params *p, const tt_target_context *context, tt_memory_need *need,
                             tt_error *err)
{
    const char *path = sd15_host->param_string(p, "path"), *variant = sd15_host->param_string(p, "variant");
    const tt_type types[3] = {type_of(p, "dtype"), type_of(p, "vae_dtype"), type_of(p, "text_dtype")};
    sd15_target *t = tt_alloc_zero(sizeof *t);
    if (!t) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    tt_status s = tt_checkpoint_open(path, variant, NULL, 0, &t->checkpoint, err);
    /* the default batch may depend on the device */
    if (!s && context->backend->fill) s = tt_device_open(context->backend, &context->device, &t->device, err);
    if (!s) s = read_facts(t, p, err);
    if (!s) sd15_memory_of(t, types, context->backend, need);
    sd15_close(t);
    return s;
}

/* ---- entry ---- */

static const tt_target_plugin table = {
    .size = sizeof table,
    .open = sd15_open,
    .close = sd15_close,
    .info = sd15_info,
    .digest = sd15_digest,
    .encode = sd15_encode,
    .decode = sd15_decode,
    .text = sd15_text,
    .condition_get = sd15_condition_get,
    .condition_free = sd15_condition_free,
    .predict = sd15_predict,
    .generate = sd15_generate,
    .condition_put = sd15_condition_put,
    .spans = sd15_spans,
    .attend = sd15_attend,
    .memory = sd15_memory,
};

static tt_status init(const tt_host *host, const char *path, tt_error *err)
{
    (void)path, (void)err;
    sd15_host = host;
    return TT_OK;
}

static void deinit(void)
{
    sd15_host = NULL;
}

static const tt_plugin_info *get_info(uint32_t index)
{
    return index == 0 ? &offer : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    return kind == TT_KIND_TARGET && strcmp(name, "sd15") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, get_info, get};
