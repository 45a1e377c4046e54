/* CLIP text encoder (specs/models-clip.md 3.1, 3.2). */
#include "base/mem.h"
#include "models/clip.h"
#include "models/config.h"
#include "models/shapes.h"

#include <stdio.h>
#include <string.h>

typedef struct clip_layer {
    tt_norm norm1, norm2;
    tt_linear qkv, out, fc1, fc2;
} clip_layer;

struct tt_clip_text {
    tt_device *device;
    tt_clip_text_config config;
    tt_type type;
    tt_packed *tokens, *positions;
    clip_layer *layers;
    tt_norm final;
    tt_shapes shapes;
};

static void shapes_init(tt_clip_text *c);

/* ---- config ---- */

void tt_clip_text_config_l14(tt_clip_text_config *config)
{
    *config = (tt_clip_text_config){
        .hidden = 768,
        .layers = 12,
        .heads = 12,
        .mlp = 3072,
        .tokens = 77,
        .vocabulary = 49408,
        .eos_token_id = 49407,
        .activation = TT_ACT_QUICK_GELU,
        .eps = 1e-5,
    };
}

static tt_status validate(const tt_clip_text_config *c, tt_error *err)
{
    if (c->hidden < 1 || c->layers < 1 || c->heads < 1 || c->mlp < 1 || c->tokens < 1 || c->vocabulary < 1)
        return tt_fail(err, TT_ERR_INVALID, "text encoder config: all sizes must be >= 1");
    if (c->hidden % c->heads)
        return tt_fail(err, TT_ERR_INVALID,
                       "text encoder config: num_attention_heads is %d: does not divide hidden_size %d",
                       c->heads, c->hidden);
    return TT_OK;
}

static tt_status refuse(const tt_node *node, tt_error *err, const char *key, const char *what)
{
    tt_node_fail(node, err, "%s is %s: only %s is supported", key, node->text ? node->text : "?", what);
    if (err) err->code = TT_ERR_UNSUPPORTED;
    return TT_ERR_UNSUPPORTED;
}

/* A transformers config carries dozens of keys that say nothing about the network (generation, training), so
 * only those that do are looked at. */
static tt_status check_kind(const tt_node *json, tt_error *err)
{
    if (!json || json->kind != TT_NODE_MAP)
        return tt_fail(err, TT_ERR_FORMAT, "text encoder config: not an object");
    const char *text;
    tt_status status = tt_config_string(json, "model_type", "clip_text_model", &text, err);
    if (status) return status;
    if (strcmp(text, "clip_text_model") != 0)
        return refuse(tt_node_get(json, "model_type"), err, "model_type", "clip_text_model");
    bool masked;
    status = tt_config_bool(json, "use_attention_mask", false, &masked, err);
    if (!status && masked)
        return refuse(tt_node_get(json, "use_attention_mask"), err, "use_attention_mask", "false");
    return status;
}

static tt_status parse_activation(const tt_node *json, tt_clip_text_config *c, tt_error *err)
{
    const char *text;
    tt_status status = tt_config_string(json, "hidden_act", "quick_gelu", &text, err);
    if (status) return status;
    c->activation = TT_ACT_QUICK_GELU;
    if (strcmp(text, "gelu") == 0)
        c->activation = TT_ACT_GELU;
    else if (strcmp(text, "quick_gelu") != 0)
        return refuse(tt_node_get(json, "hidden_act"), err, "hidden_act", "quick_gelu or gelu");
    return TT_OK;
}

tt_status tt_clip_text_config_parse(const tt_node *json, tt_clip_text_config *c, tt_error *err)
{
    *c = (tt_clip_text_config){0};
    tt_status s = check_kind(json, err);
    if (!s) s = tt_config_int(json, "hidden_size", 512, 1, 16384, &c->hidden, err);
    if (!s) s = tt_config_int(json, "num_hidden_layers", 12, 1, 256, &c->layers, err);
    if (!s) s = tt_config_int(json, "num_attention_heads", 8, 1, 1024, &c->heads, err);
    if (!s) s = tt_config_int(json, "intermediate_size", 2048, 1, 65536, &c->mlp, err);
    if (!s) s = tt_config_int(json, "max_position_embeddings", 77, 1, 4096, &c->tokens, err);
    if (!s) s = tt_config_int(json, "vocab_size", 49408, 1, 1 << 24, &c->vocabulary, err);
    if (!s) s = tt_config_double(json, "layer_norm_eps", 1e-5, 0, 1, &c->eps, err);
    if (!s) s = parse_activation(json, c, err);
    const tt_node *eos = s ? NULL : tt_node_get(json, "eos_token_id");
    c->eos_token_id = 49407;
    if (eos && eos->kind != TT_NODE_NULL)
        s = tt_config_int(json, "eos_token_id", 49407, 0, 1 << 24, &c->eos_token_id, err);
    if (!s) s = validate(c, err);
    return s;
}

/* ---- loading ---- */

static tt_status load_layer(const tt_loader *l, clip_layer *layer, const char *name,
                            const tt_clip_text_config *c, tt_error *err)
{
    static const char *const which[3] = {"q_proj", "k_proj", "v_proj"};
    char parts[3][TT_NAME_MAX], part[TT_NAME_MAX];
    tt_status s = tt_name(part, err, "%s.layer_norm1", name);
    if (!s) s = tt_load_norm(l, &layer->norm1, part, c->hidden, 0, c->eps, false, err);
    for (int i = 0; i < 3 && !s; i++)
        s = tt_name(parts[i], err, "%s.self_attn.%s", name, which[i]);
    if (!s) s = tt_load_linear_stack(l, &layer->qkv, parts, 3, c->hidden, c->hidden, true, err);
    if (!s) s = tt_name(part, err, "%s.self_attn.out_proj", name);
    if (!s) s = tt_load_linear(l, &layer->out, part, c->hidden, c->hidden, true, TT_ACT_NONE, err);
    if (!s) s = tt_name(part, err, "%s.layer_norm2", name);
    if (!s) s = tt_load_norm(l, &layer->norm2, part, c->hidden, 0, c->eps, false, err);
    if (!s) s = tt_name(part, err, "%s.mlp.fc1", name);
    if (!s) s = tt_load_linear(l, &layer->fc1, part, c->hidden, c->mlp, true, c->activation, err);
    if (!s) s = tt_name(part, err, "%s.mlp.fc2", name);
    if (!s) s = tt_load_linear(l, &layer->fc2, part, c->mlp, c->hidden, true, TT_ACT_NONE, err);
    return s;
}

static tt_status load_all(tt_clip_text *clip, const tt_loader *l, tt_error *err)
{
    const tt_clip_text_config *c = &clip->config;
    /* transformers 5.6 dropped the prefix from saved encoders */
    static const char probe[] = "text_model.embeddings.token_embedding.weight";
    const char *prefix = l->source->has(l->source, probe) ? "text_model." : "";
    char name[TT_NAME_MAX];
    tt_status s = tt_name(name, err, "%sembeddings.token_embedding", prefix);
    if (!s) s = tt_load_embedding(l, &clip->tokens, name, c->vocabulary, c->hidden, err);
    if (!s) s = tt_name(name, err, "%sembeddings.position_embedding", prefix);
    if (!s) s = tt_load_embedding(l, &clip->positions, name, c->tokens, c->hidden, err);
    for (int i = 0; i < c->layers && !s; i++) {
        s = tt_name(name, err, "%sencoder.layers.%d", prefix, i);
        if (!s) s = load_layer(l, &clip->layers[i], name, c, err);
    }
    if (!s) s = tt_name(name, err, "%sfinal_layer_norm", prefix);
    if (!s) s = tt_load_norm(l, &clip->final, name, c->hidden, 0, c->eps, false, err);
    return s;
}

tt_status tt_clip_text_create(tt_device *device, const tt_clip_text_config *config, tt_type type,
                              tt_weight_source *source, tt_clip_text **clip, tt_error *err)
{
    *clip = NULL;
    tt_status status = validate(config, err);
    if (status) return status;
    tt_clip_text *c = tt_alloc_zero(sizeof *c);
    if (c) c->layers = tt_alloc_array((size_t)config->layers, sizeof *c->layers);
    if (!c || !c->layers) {
        tt_free(c);
        return tt_fail(err, TT_ERR_MEMORY, "text encoder: out of memory");
    }
    c->device = device;
    c->config = *config;
    c->type = type;
    shapes_init(c);
    const tt_loader loader = {device, source, type};
    status = load_all(c, &loader, err);
    if (status) {
        tt_fail_in(err, "text encoder");
        tt_clip_text_destroy(c);
        return status;
    }
    *clip = c;
    return TT_OK;
}

void tt_clip_text_destroy(tt_clip_text *c)
{
    if (!c) return;
    tt_shapes_forget(&c->shapes);
    for (int i = 0; i < c->config.layers; i++) {
        clip_layer *l = &c->layers[i];
        tt_packed *const all[] = {l->norm1.packed, l->norm2.packed, l->qkv.packed,
                                  l->out.packed,   l->fc1.packed,   l->fc2.packed};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            tt_unpack(c->device, all[j]);
    }
    tt_unpack(c->device, c->tokens);
    tt_unpack(c->device, c->positions);
    tt_unpack(c->device, c->final.packed);
    tt_free(c->layers);
    tt_free(c);
}

const tt_clip_text_config *tt_clip_text_get_config(const tt_clip_text *clip)
{
    return &clip->config;
}

/* ---- forward ---- */

static tt_status look_up(tt_clip_text *c, const tt_packed *table, const tt_tensor *ids, tt_value *y,
                         tt_error *err)
{
    const int64_t shape[3] = {ids->shape[0], ids->shape[1], c->config.hidden};
    tt_status status = tt_value_create(c->device, c->type, 3, shape, y, err);
    tt_op op = {.code = TT_OP_EMBEDDING, .in = {ids}, .out = {&y->t}, .packed = table};
    return status ? status : tt_run(c->device, &op, err);
}

/* token + position; h is fresh */
static tt_status embed(tt_clip_text *c, const tt_tensor *ids, const tt_tensor *positions, tt_value *h,
                       tt_error *err)
{
    tt_value p = {0};
    tt_status status = look_up(c, c->tokens, ids, h, err);
    if (!status) status = look_up(c, c->positions, positions, &p, err);
    if (!status) {
        tt_op op = {.code = TT_OP_ADD, .in = {&h->t, &p.t}, .out = {&h->t}};
        status = tt_run(c->device, &op, err);
    }
    tt_value_free(&p);
    return status;
}

static tt_status apply_attention(tt_clip_text *c, const clip_layer *layer, tt_value *h, tt_error *err)
{
    tt_value n = {0}, qkv = {0}, a = {0}, y = {0};
    int64_t width = c->config.hidden;
    tt_status status = tt_value_norm(c->device, &layer->norm1, &h->t, &n, err);
    if (!status) status = tt_value_linear(c->device, &layer->qkv, &n.t, NULL, &qkv, err);
    tt_value_free(&n);
    if (!status) {
        const tt_tensor q = tt_tensor_columns(&qkv.t, 0, width);
        const tt_tensor k = tt_tensor_columns(&qkv.t, width, width),
                        v = tt_tensor_columns(&qkv.t, 2 * width, width);
        const tt_tensor *ks = &k, *vs = &v;
        status = tt_value_attention(c->device, &q, &ks, &vs, 0, c->config.heads, true, &a, err);
    }
    tt_value_free(&qkv);
    if (!status) status = tt_value_linear(c->device, &layer->out, &a.t, &h->t, &y, err);
    tt_value_free(&a);
    if (!status) tt_value_move(h, &y);
    return status;
}

static tt_status apply_mlp(tt_clip_text *c, const clip_layer *layer, tt_value *h, tt_error *err)
{
    tt_value a = {0}, y = {0};
    tt_status status = tt_value_norm(c->device, &layer->norm2, &h->t, &a, err);
    if (!status) status = tt_value_linear(c->device, &layer->fc1, &a.t, NULL, &y, err);
    tt_value_free(&a);
    if (!status) status = tt_value_linear(c->device, &layer->fc2, &y.t, &h->t, &a, err);
    tt_value_free(&y);
    if (!status) tt_value_move(h, &a);
    return status;
}

/* a shape's key: texts, layers; its inputs: ids and positions, both [n][tokens] */
static tt_status create(void *clip, tt_shape *s, tt_error *err)
{
    tt_clip_text *c = clip;
    const int64_t shape[2] = {s->key[0], c->config.tokens};
    size_t count = (size_t)(shape[0] * shape[1]);
    int32_t *positions = tt_alloc_array(count, sizeof *positions);
    if (!positions) return tt_fail(err, TT_ERR_MEMORY, "text encoder: out of memory");
    for (size_t i = 0; i < count; i++)
        positions[i] = (int32_t)(i % (size_t)c->config.tokens);
    tt_status status = tt_tensor_create(s->scope, TT_I32, 2, shape, &s->inputs[0], err);
    if (!status) status = tt_tensor_create(s->scope, TT_I32, 2, shape, &s->inputs[1], err);
    if (!status) status = tt_tensor_upload(c->device, &s->inputs[1], positions, err);
    tt_free(positions);
    return status;
}

static tt_status compute(void *clip, tt_shape *s, tt_error *err)
{
    tt_clip_text *c = clip;
    tt_value h = {0};
    tt_status status = embed(c, &s->inputs[0], &s->inputs[1], &h, err);
    for (int i = 0; i < s->key[1] && !status; i++) {
        status = apply_attention(c, &c->layers[i], &h, err);
        if (!status) status = apply_mlp(c, &c->layers[i], &h, err);
    }
    if (!status) status = tt_value_norm(c->device, &c->final, &h.t, &s->out, err);
    tt_value_free(&h);
    return status;
}

static void shapes_init(tt_clip_text *c)
{
    c->shapes = (tt_shapes){c->device, c, 2, create, compute, {NULL}};
}

static tt_status encode(tt_clip_text *c, int n, const int32_t *ids, int clip_skip, float *states,
                        tt_error *err)
{
    tt_shape *s;
    const int key[TT_SHAPE_KEYS] = {n, c->config.layers - clip_skip};
    tt_status status = tt_shape_take(&c->shapes, key, &s, err);
    if (!status) status = tt_tensor_upload(c->device, &s->inputs[0], ids, err);
    if (!status) status = tt_shape_run(s, err);
    if (!status) status = tt_tensor_download_f32(c->device, &s->out.t, states, err);
    tt_shape_give(s);
    return status;
}

/* Where a row's bits depend on how many are computed together, it is always so many: the last text fills up.
 */
#define TEXTS_AT_ONCE 8

static tt_status encode_padded(tt_clip_text *c, int n, const int32_t *ids, int clip_skip, float *states,
                               tt_error *err)
{
    size_t tokens = (size_t)c->config.tokens, size = tokens * (size_t)c->config.hidden;
    int32_t *padded = tt_alloc_array(TEXTS_AT_ONCE * tokens, sizeof *padded);
    float *all = tt_alloc_array(TEXTS_AT_ONCE * size, sizeof *all);
    tt_status status = padded && all ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "text encoder: out of memory");
    for (int at = 0; at < n && !status; at += TEXTS_AT_ONCE) {
        int m = n - at < TEXTS_AT_ONCE ? n - at : TEXTS_AT_ONCE;
        for (int i = 0; i < TEXTS_AT_ONCE; i++)
            memcpy(padded + (size_t)i * tokens, ids + (size_t)(at + (i < m ? i : m - 1)) * tokens,
                   tokens * sizeof *ids);
        status = encode(c, TEXTS_AT_ONCE, padded, clip_skip, all, err);
        if (!status) memcpy(states + (size_t)at * size, all, (size_t)m * size * sizeof *all);
    }
    tt_free(padded);
    tt_free(all);
    return status;
}

tt_status tt_clip_text_forward(tt_clip_text *c, int n, const int32_t *ids, int clip_skip, float *states,
                               tt_error *err)
{
    if (n < 1) return tt_fail(err, TT_ERR_INVALID, "text encoder: %d texts: must be >= 1", n);
    if (clip_skip < 0 || clip_skip >= c->config.layers)
        return tt_fail(err, TT_ERR_INVALID, "text encoder: clip_skip is %d: must be 0..%d", clip_skip,
                       c->config.layers - 1);
    for (size_t i = 0; i < (size_t)n * (size_t)c->config.tokens; i++)
        if (ids[i] < 0 || ids[i] >= c->config.vocabulary)
            return tt_fail(
                err, TT_ERR_INVALID,
                "text encoder: token id %d is outside its vocabulary of %d: the tokenizer belongs to "
                "another model",
                (int)ids[i], c->config.vocabulary);
    bool of_batch = tt_device_backend(c->device)->traits & TT_BACKEND_BATCH_IN_BITS;
    return of_batch ? encode_padded(c, n, ids, clip_skip, states, err)
                    : encode(c, n, ids, clip_skip, states, err);
}
