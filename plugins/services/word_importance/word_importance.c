/* Importance of words (grey-box spec 2.6.2): a service that any attack can ask. */
#include "word_importance.h"
#include "base/hash.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const tt_host *words_host;

static const tt_param params[] = {
    {"method", TT_PARAM_CHOICE, "heat_maps", 0, 0, "heat_maps|leave_one_out|file",
     "cross-attention while an image is generated from the caption; change of the text's embedding without "
     "the word; or "
     "weights from a file",
     0},
    {"path", TT_PARAM_PATH, NULL, 0, 0, NULL,
     "diffusers directory of the attacker's own model; not for method: file", 0},
    {"file", TT_PARAM_PATH, NULL, 0, 0, NULL, "JSON {caption: [[word, weight], …]}, for method: file", 0},
    {"steps", TT_PARAM_INT, "30", 1, 1000, NULL, "heat maps: steps of DPM-Solver++ (2M)", 0},
    {"guidance", TT_PARAM_FLOAT, "7.5", 0, 100, NULL,
     "heat maps: guidance scale; the maps are the conditional branch's. Above 1 a step takes two evaluations",
     0},
    {"seed", TT_PARAM_INT, "2023", 0, 9223372036854775807.0, NULL, "heat maps: of the image's noise", 0},
    {"merge", TT_PARAM_CHOICE, "mean", 0, 0, "mean|sum", "heat maps: of a word's tokens", 0},
    {"dtype", TT_PARAM_CHOICE, "f32", 0, 0, "f32|bf16", "arithmetic of the UNet", 0},
};

static const tt_plugin_info offer = {
    .size = sizeof offer,
    .kind = TT_KIND_SERVICE,
    .name = "word_importance",
    .revision = 2, /* 2: the maps are kept */
    .version = "1.0",
    .summary = "what the words of a caption weigh, by a model of the attacker's own",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .reference = "Tang et al., What the DAAM (ACL 2023, arXiv 2210.04885); Zhai et al., NeurIPS 2024",
};

/* ---- open ---- */

static void close_service(void *service)
{
    words_service *w = service;
    if (!w) return;
    tt_unet_destroy(w->unet);
    tt_clip_text_destroy(w->clip);
    tt_device_close(w->device);
    tt_checkpoint_close(w->checkpoint);
    tt_arena_destroy(w->arena);
    tt_free(w);
}

static words_method method_of(const tt_params *p)
{
    const char *name = words_host->param_string(p, "method");
    return strcmp(name, "file") == 0            ? WORDS_FILE
           : strcmp(name, "leave_one_out") == 0 ? WORDS_LEAVE_ONE_OUT
                                                : WORDS_HEAT_MAPS;
}

/* The key that this method needs; NULL with an error where it is missing. */
static const char *source_of(const tt_params *p, tt_error *err)
{
    bool file = method_of(p) == WORDS_FILE;
    const char *path = words_host->param_string(p, file ? "file" : "path");
    if (!path)
        tt_fail(err, TT_ERR_INVALID, "word_importance: method: %s needs %s",
                words_host->param_string(p, "method"),
                file ? "`file`, the weights as JSON" : "`path`, a Stable Diffusion directory");
    return path;
}

/* A power of two that keeps the widest activation of a batch near 8 million elements. */
static uint32_t default_batch(const tt_unet_config *u)
{
    uint64_t sample =
        (uint64_t)u->sample_height * (uint64_t)u->sample_width * (uint64_t)u->block_out_channels[0];
    uint32_t batch = 1;
    while (batch < 32 && 2 * batch * sample <= (uint64_t)1 << 23)
        batch *= 2;
    return batch;
}

static tt_status open_model(words_service *w, const tt_params *p, const tt_target_context *context,
                            const char *path, tt_error *err)
{
    tt_type type = strcmp(words_host->param_string(p, "dtype"), "bf16") == 0 ? TT_BF16 : TT_F32;
    tt_status s = tt_checkpoint_open(path, NULL, NULL, 0, &w->checkpoint, err);
    if (!s) s = tt_device_open(context->backend, &context->device, &w->device, err);
    if (s) return s;
    const tt_clip_text_config *text = tt_checkpoint_text_config(w->checkpoint);
    const tt_unet_config *unet = tt_checkpoint_unet_config(w->checkpoint);
    w->tokenizer = tt_checkpoint_tokenizer(w->checkpoint);
    w->tokens = text->tokens;
    w->width = text->hidden;
    w->side = unet->sample_width;
    w->channels = unet->in_channels;
    w->batch = default_batch(unet);
    if (unet->sample_height != unet->sample_width)
        return tt_fail(err, TT_ERR_UNSUPPORTED, "%s: only models of square images are supported", path);
    s = tt_clip_text_create(w->device, text, TT_F32, tt_checkpoint_text(w->checkpoint), &w->clip, err);
    if (!s && w->method == WORDS_HEAT_MAPS)
        s = tt_unet_create(w->device, unet, type, tt_checkpoint_unet(w->checkpoint), &w->unet, err);
    return s;
}

static tt_status open_service(const tt_params *p, const tt_target_context *context, void **service,
                              tt_error *err)
{
    const char *path = source_of(p, err);
    if (!path) return TT_ERR_INVALID;
    words_service *w = tt_alloc_zero(sizeof *w);
    if (!w) return tt_fail(err, TT_ERR_MEMORY, "word_importance: out of memory");
    w->method = method_of(p);
    w->steps = (int)words_host->param_int(p, "steps");
    w->guidance = words_host->param_float(p, "guidance");
    w->seed = (uint64_t)words_host->param_int(p, "seed");
    w->sum = strcmp(words_host->param_string(p, "merge"), "sum") == 0;
    tt_status s =
        w->method == WORDS_FILE ? words_open_file(w, path, err) : open_model(w, p, context, path, err);
    if (s)
        close_service(w);
    else
        *service = w;
    return s;
}

static tt_status digest(const tt_params *p, char hex[65], tt_error *err)
{
    const char *path = source_of(p, err);
    if (!path) return TT_ERR_INVALID;
    if (method_of(p) != WORDS_FILE) return tt_checkpoint_digest(path, NULL, NULL, 0, hex, err);
    tt_digest d;
    tt_status s = tt_sha256_of_file(path, &d, err);
    if (!s) tt_digest_hex(&d, hex);
    return s;
}

/* ---- weigh ---- */

tt_status words_encode(words_service *w, uint32_t n, const tt_text *texts, float *states, tt_error *err)
{
    size_t tokens = (size_t)w->tokens;
    int32_t *ids = tt_alloc_array(tokens * n, sizeof *ids);
    tt_status s = ids ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for %u texts", n);
    for (uint32_t i = 0; i < n && !s; i++)
        s = tt_tokenizer_encode(w->tokenizer, &texts[i], false, ids + i * tokens, err);
    if (!s) s = tt_clip_text_forward(w->clip, (int)n, ids, 0, states, err);
    tt_free(ids);
    return s;
}

/* Of a word, its tokens' maps: added, or their mean. Where the cubic filter that enlarged them falls below 0
 * there is nothing to be seen; weights keep it. */
static void draw(const words_service *w, const float *maps, uint32_t n_tokens, float *out)
{
    size_t plane = (size_t)w->side * (size_t)w->side;
    for (size_t k = 0; k < plane; k++) {
        double sum = 0;
        for (uint32_t t = 0; t < n_tokens; t++)
            sum += (double)maps[t * plane + k];
        out[k] = (float)fmax(0, w->sum || n_tokens == 0 ? sum : sum / n_tokens);
    }
}

/* A word weighs the mean over its tokens (or the sum) of what their maps sum to. drawn: the words' maps;
 * NULL: not wanted. */
static tt_status merge(const words_service *w, const tt_text *text, const float *maps, double *weights,
                       float *drawn, tt_error *err)
{
    size_t plane = (size_t)w->side * (size_t)w->side;
    uint32_t *first = tt_alloc_array((size_t)text->n_pieces + 1, sizeof *first);
    tt_status s = first ? tt_tokenizer_spans(w->tokenizer, text, false, (uint32_t)w->tokens, first, err)
                        : tt_fail(err, TT_ERR_MEMORY, "out of memory for words");
    for (uint32_t i = 0; i < text->n_pieces && !s; i++) {
        weights[i] = 0;
        for (size_t k = first[i] * plane; k < first[i + 1] * plane; k++)
            weights[i] += (double)maps[k];
        if (!w->sum && first[i + 1] > first[i]) weights[i] /= first[i + 1] - first[i];
        if (drawn) draw(w, maps + first[i] * plane, first[i + 1] - first[i], drawn + i * plane);
    }
    tt_free(first);
    return s;
}

static tt_status weigh_by_maps(words_service *w, uint32_t n, const tt_text *texts, double *const *weights,
                               float *const *drawn, tt_error *err)
{
    size_t one = (size_t)w->tokens * (size_t)w->side * (size_t)w->side;
    float *maps = tt_alloc_array(one * w->batch, sizeof *maps);
    tt_status s = maps ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for heat maps");
    for (uint32_t at = 0; at < n && !s; at += w->batch) {
        uint32_t m = n - at < w->batch ? n - at : w->batch;
        s = words_heat_maps(w, m, texts + at, maps, NULL, err);
        for (uint32_t i = 0; i < m && !s; i++)
            s = merge(w, &texts[at + i], maps + i * one, weights[at + i], drawn ? drawn[at + i] : NULL, err);
    }
    tt_free(maps);
    return s;
}

static double distance(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++) {
        double d = (double)a[k] - (double)b[k];
        sum += d * d;
    }
    return sqrt(sum);
}

static tt_status weigh_by_change(words_service *w, const tt_text *text, double *weights, tt_error *err)
{
    size_t size = (size_t)w->tokens * (size_t)w->width;
    float *whole = tt_alloc_array(size, sizeof *whole), *less = tt_alloc_array(size, sizeof *less);
    tt_text_piece *pieces = tt_alloc_array(text->n_pieces, sizeof *pieces);
    tt_status s = whole && less && pieces ? words_encode(w, 1, text, whole, err)
                                          : tt_fail(err, TT_ERR_MEMORY, "out of memory for words");
    for (uint32_t i = 0; i < text->n_pieces && !s; i++) {
        uint32_t n = 0;
        for (uint32_t k = 0; k < text->n_pieces; k++)
            if (k != i) pieces[n++] = text->pieces[k];
        s = words_encode(w, 1, &(tt_text){pieces, n}, less, err);
        if (!s) weights[i] = distance(whole, less, size);
    }
    tt_free(whole);
    tt_free(less);
    tt_free(pieces);
    return s;
}

static tt_status weigh(void *service, uint32_t n, const tt_text *texts, double *const *weights,
                       uint64_t *evaluations, tt_error *err)
{
    words_service *w = service;
    *evaluations = words_evaluations(w);
    if (w->method == WORDS_HEAT_MAPS) return weigh_by_maps(w, n, texts, weights, NULL, err);
    tt_status s = TT_OK;
    for (uint32_t i = 0; i < n && !s; i++)
        s = w->method == WORDS_FILE ? words_look_up(w, &texts[i], weights[i], err)
                                    : weigh_by_change(w, &texts[i], weights[i], err);
    return s;
}

static uint32_t map_side(void *service)
{
    const words_service *w = service;
    return w->method == WORDS_HEAT_MAPS ? (uint32_t)w->side : 0;
}

static tt_status weigh_maps(void *service, uint32_t n, const tt_text *texts, double *const *weights,
                            float *const *maps, uint64_t *evaluations, tt_error *err)
{
    *evaluations = words_evaluations(service);
    return weigh_by_maps(service, n, texts, weights, maps, err);
}

/* ---- entry ---- */

static const tt_service_plugin table = {.size = sizeof table,
                                        .open = open_service,
                                        .close = close_service,
                                        .digest = digest,
                                        .weigh = weigh,
                                        .map_side = map_side,
                                        .weigh_maps = weigh_maps};

static tt_status init(const tt_host *host, const char *path, tt_error *err)
{
    (void)path, (void)err;
    words_host = host;
    return TT_OK;
}

static void deinit(void)
{
    words_host = NULL;
}

static const tt_plugin_info *get_info(uint32_t index)
{
    return index == 0 ? &offer : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    return kind == TT_KIND_SERVICE && strcmp(name, "word_importance") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, get_info, get};
