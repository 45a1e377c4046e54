/* What a model's host does for put, get, spans and noise: values between things and plain floats. */
#include "runtime/modelhost_internal.h"

#include <math.h>
#include <string.h>

tt_status tt_modelhost_put(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                           tt_error *err)
{
    uint32_t channels = tt_get_u32(in), height = tt_get_u32(in), width = tt_get_u32(in);
    size_t bytes;
    const void *values = tt_get_bytes(in, &bytes);
    if (!tt_reader_done(in)) return tt_fail(err, TT_ERR_FORMAT, "a malformed request to put");
    if (channels != h->info.latent_channels || height != h->info.latent_height ||
        width != h->info.latent_width || bytes != tt_modelhost_latent_size(h) * sizeof(float))
        return tt_fail(err, TT_ERR_INVALID, "a latent of %ux%ux%u: the model's are %ux%ux%u", channels,
                       height, width, h->info.latent_channels, h->info.latent_height, h->info.latent_width);
    /* equal values are an equal thing, whoever puts them */
    tt_digest identity = tt_sha256_of(values, bytes);
    thing *t = tt_thing_find(h, THING_LATENT, &identity);
    if (!t) {
        t = tt_thing_add(h, THING_LATENT, &identity);
        if (t) t->values = tt_alloc(bytes);
        if (!t || !t->values) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a latent");
        memcpy(t->values, values, bytes);
        t->n_values = bytes / sizeof(float);
        t->channels = channels;
        t->height = height;
        t->width = width;
    }
    tt_handle handle = 0;
    tt_status s = tt_handle_give(c, t, &handle, err);
    tt_put_u64(out, handle);
    return s;
}

/* What may be got: images by who may decode or generate, conditions by who may encode text, latents by who
 * may encode, predictions by who may predict, maps by who may see attention. */
static uint32_t gettable(uint32_t granted)
{
    uint32_t kinds = 0;
    if (granted & (TT_CAP_GENERATE | TT_CAP_VARY | TT_CAP_DECODE)) kinds |= 1u << THING_IMAGE;
    if (granted & TT_CAP_TEXT) kinds |= 1u << THING_CONDITION;
    if (granted & TT_CAP_ENCODE) kinds |= 1u << THING_LATENT;
    if (granted & TT_CAP_PREDICT) kinds |= 1u << THING_PREDICTION;
    if (granted & TT_CAP_ATTENTION) kinds |= 1u << THING_MAPS;
    return kinds;
}

tt_status tt_modelhost_get(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                           tt_error *err)
{
    tt_handle handle = tt_get_u64(in);
    if (!tt_reader_done(in)) return tt_fail(err, TT_ERR_FORMAT, "a malformed request to get");
    thing *t;
    tt_status s = tt_handle_take(c, handle, gettable(c->granted), &t, err);
    if (s) return s;
    if (t->kind != THING_CONDITION) {
        tt_put_bytes(out, t->values, t->n_values * sizeof(float));
        return TT_OK;
    }
    size_t n = (size_t)h->info.text_tokens * h->info.text_width;
    float *values = tt_alloc_array(n, sizeof *values);
    if (!values) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a condition");
    s = h->target_plugin->condition_get(h->target, t->condition, values, n, err);
    if (!s) tt_put_bytes(out, values, n * sizeof *values);
    tt_free(values);
    return s;
}

tt_status tt_modelhost_put_condition(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                                     tt_error *err)
{
    size_t bytes, n = (size_t)h->info.text_tokens * h->info.text_width;
    const void *data = tt_get_bytes(in, &bytes);
    if (!tt_reader_done(in)) return tt_fail(err, TT_ERR_FORMAT, "a malformed request to put a condition");
    if (!h->target_plugin->condition_put)
        return tt_fail(err, TT_ERR_UNSUPPORTED, "this target takes no conditions by their values");
    if (bytes != n * sizeof(float))
        return tt_fail(err, TT_ERR_INVALID, "a condition of %zu values: the model's have %u tokens of %u",
                       bytes / sizeof(float), h->info.text_tokens, h->info.text_width);
    float *values = tt_alloc_array(n, sizeof *values); /* the message is aligned to nothing */
    if (!values) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a condition");
    if (bytes) memcpy(values, data, bytes);
    tt_status s = TT_OK;
    for (size_t i = 0; i < n && !s; i++)
        if (!isfinite(values[i]))
            s = tt_fail(err, TT_ERR_INVALID, "a condition with a value that is not finite");
    tt_digest identity = tt_sha256_of(values, bytes);
    thing *t = s ? NULL : tt_thing_find(h, THING_CONDITION, &identity);
    if (!s && !t) {
        void *condition = NULL;
        s = h->target_plugin->condition_put(h->target, values, n, &condition, err);
        t = s ? NULL : tt_thing_add(h, THING_CONDITION, &identity);
        if (t)
            t->condition = condition;
        else if (!s) {
            h->target_plugin->condition_free(h->target, condition);
            s = tt_fail(err, TT_ERR_MEMORY, "out of memory for a condition");
        }
    }
    tt_handle handle = 0;
    if (!s) s = tt_handle_give(c, t, &handle, err);
    tt_put_u64(out, handle);
    tt_free(values);
    return s;
}

tt_status tt_modelhost_spans(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    uint32_t n = 0;
    tt_text *texts = NULL;
    tt_status s =
        arena ? tt_get_texts(in, arena, &n, &texts, err) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s && (n != 1 || !tt_reader_done(in)))
        s = tt_fail(err, TT_ERR_FORMAT, "a malformed request for spans");
    if (!s && !h->target_plugin->spans)
        s = tt_fail(err, TT_ERR_UNSUPPORTED, "this target does not tell where words lie among its tokens");
    size_t bounds = s ? 0 : (size_t)texts[0].n_pieces + 1;
    uint32_t *first = s ? NULL : tt_arena_alloc_array(arena, bounds, sizeof *first);
    if (!s && !first) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for spans");
    if (!s) s = h->target_plugin->spans(h->target, &texts[0], first, err);
    if (!s) tt_put_bytes(out, first, bounds * sizeof *first);
    tt_arena_destroy(arena);
    return s;
}

/* More values of noise than any thing of a model has are a mistake. */
#define NOISE_MOST ((uint64_t)1 << 26)

tt_status tt_modelhost_noise(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err)
{
    uint64_t id = tt_get_u64(in);
    tt_noise noise = tt_get_noise(in);
    uint64_t n = tt_get_u64(in);
    if (!tt_reader_done(in) || !noise.role || n > NOISE_MOST)
        return tt_fail(err, TT_ERR_FORMAT, "a malformed request for noise");
    const tt_host_sample *sample = tt_modelhost_sample(h, id);
    if (!sample)
        return tt_fail(err, TT_ERR_REFUSED, "sample %llu is not one of this step's", (unsigned long long)id);
    float *values = tt_alloc_array((size_t)n, sizeof *values);
    if (!values) return tt_fail(err, TT_ERR_MEMORY, "out of memory for noise");
    tt_stream_key key = tt_noise_key(h->seed, &sample->digest, noise.role, noise.timestep, noise.draw);
    tt_keyed_normals(&key, 0, values, (size_t)n);
    tt_put_bytes(out, values, (size_t)n * sizeof *values);
    tt_free(values);
    return TT_OK;
}
