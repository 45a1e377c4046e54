/* The attack's end of a model's host: a tt_model whose calls are requests over a port. */
#include "runtime/modelhost_internal.h"

#include <string.h>

typedef struct client {
    tt_model model; /* first: a tt_model * is a client * */
    tt_port *port;
    char *role;
    double *alpha_bar, *alpha_bar_f32;
} client;

static client *client_of(tt_model *m)
{
    return (client *)(void *)m;
}

/* Sends `request` (freed here) and reads n handles. */
static tt_status ask_handles(tt_model *m, uint16_t type, tt_buf *request, uint32_t n, tt_handle *handles,
                             tt_error *err)
{
    tt_reply reply;
    tt_status s = tt_port_call(client_of(m)->port, type, request, -1, &reply, err);
    tt_buf_free(request);
    if (s) return s;
    for (uint32_t i = 0; i < n; i++)
        handles[i] = tt_get_u64(&reply.in);
    return tt_reply_end(&reply, err);
}

static tt_status client_encode(tt_model *m, uint32_t n, const tt_encode *requests, tt_handle *latents,
                               tt_error *err)
{
    tt_buf out = {0};
    tt_put_u32(&out, n);
    for (uint32_t i = 0; i < n; i++) {
        tt_put_u64(&out, requests[i].sample);
        tt_put_noise(&out, &requests[i].noise);
    }
    return ask_handles(m, TT_MSG_MODEL_ENCODE, &out, n, latents, err);
}

static tt_status client_encode_crop(tt_model *m, uint32_t n, const tt_encode_crop *requests,
                                    tt_handle *latents, tt_error *err)
{
    tt_buf out = {0};
    tt_put_u32(&out, n);
    for (uint32_t i = 0; i < n; i++) {
        tt_put_u64(&out, requests[i].sample);
        tt_put_noise(&out, &requests[i].noise);
        tt_put_u32(&out, requests[i].crop);
    }
    return ask_handles(m, TT_MSG_MODEL_ENCODE_CROP, &out, n, latents, err);
}

static tt_status client_text(tt_model *m, uint32_t n, const tt_text *texts, tt_handle *conditions,
                             tt_error *err)
{
    tt_buf out = {0};
    tt_put_texts(&out, n, texts);
    return ask_handles(m, TT_MSG_MODEL_TEXT, &out, n, conditions, err);
}

/* maps: NULL for predict */
static tt_status ask_predictions(tt_model *m, uint32_t n, const tt_predict *requests, tt_prediction *results,
                                 tt_handle *maps, tt_error *err)
{
    tt_buf out = {0};
    tt_put_u32(&out, n);
    for (uint32_t i = 0; i < n; i++) {
        const tt_predict *r = &requests[i];
        tt_put_u64(&out, r->latent);
        tt_put_u64(&out, r->condition);
        tt_put_i32(&out, r->timestep);
        tt_put_u32(&out, r->want);
        tt_put_u64(&out, r->sample);
        tt_put_noise(&out, &r->noise);
        tt_put_u8(&out, r->alpha_bar_f32);
    }
    tt_reply reply;
    tt_status s = tt_port_call(client_of(m)->port, maps ? TT_MSG_MODEL_ATTEND : TT_MSG_MODEL_PREDICT, &out,
                               -1, &reply, err);
    tt_buf_free(&out);
    if (s) return s;
    for (uint32_t i = 0; i < n; i++) {
        results[i].loss = tt_get_f64(&reply.in);
        results[i].prediction = tt_get_u64(&reply.in);
        if (maps) maps[i] = tt_get_u64(&reply.in);
    }
    return tt_reply_end(&reply, err);
}

static tt_status client_predict(tt_model *m, uint32_t n, const tt_predict *requests, tt_prediction *results,
                                tt_error *err)
{
    return ask_predictions(m, n, requests, results, NULL, err);
}

static tt_status client_attend(tt_model *m, uint32_t n, const tt_predict *requests, tt_prediction *results,
                               tt_handle *maps, tt_error *err)
{
    return ask_predictions(m, n, requests, results, maps, err);
}

static tt_status client_decode(tt_model *m, uint32_t n, const tt_handle *latents, tt_handle *images,
                               tt_error *err)
{
    tt_buf out = {0};
    tt_put_u32(&out, n);
    for (uint32_t i = 0; i < n; i++)
        tt_put_u64(&out, latents[i]);
    return ask_handles(m, TT_MSG_MODEL_DECODE, &out, n, images, err);
}

static tt_status client_generate(tt_model *m, const tt_generate *request, tt_handle *images, tt_error *err)
{
    tt_buf out = {0};
    tt_put_generate(&out, request);
    return ask_handles(m, TT_MSG_MODEL_GENERATE, &out, request->images, images, err);
}

static tt_status client_vary(tt_model *m, const tt_generate *request, tt_handle *images, tt_error *err)
{
    tt_buf out = {0};
    tt_put_generate(&out, request);
    return ask_handles(m, TT_MSG_MODEL_VARY, &out, request->images, images, err);
}

static tt_status client_put(tt_model *m, uint32_t channels, uint32_t height, uint32_t width,
                            const float *values, tt_handle *latent, tt_error *err)
{
    tt_buf out = {0};
    tt_put_u32(&out, channels);
    tt_put_u32(&out, height);
    tt_put_u32(&out, width);
    tt_put_bytes(&out, values, (size_t)channels * height * width * sizeof *values);
    return ask_handles(m, TT_MSG_MODEL_PUT, &out, 1, latent, err);
}

static tt_status client_put_condition(tt_model *m, const float *values, size_t n_values, tt_handle *condition,
                                      tt_error *err)
{
    tt_buf out = {0};
    tt_put_bytes(&out, values, n_values * sizeof *values);
    return ask_handles(m, TT_MSG_MODEL_PUT_CONDITION, &out, 1, condition, err);
}

/* Sends `request` (freed here) and reads bytes of a size that is known. */
static tt_status ask_values(tt_model *m, uint16_t type, tt_buf *request, void *values, size_t size,
                            const char *what, tt_error *err)
{
    tt_reply reply;
    tt_status s = tt_port_call(client_of(m)->port, type, request, -1, &reply, err);
    tt_buf_free(request);
    if (s) return s;
    size_t bytes;
    const void *data = tt_get_bytes(&reply.in, &bytes);
    if (bytes != size) {
        tt_reply_free(&reply);
        return tt_fail(err, TT_ERR_INVALID, "%s %zu values, not %zu", what, bytes / 4, size / 4);
    }
    if (bytes) memcpy(values, data, bytes);
    return tt_reply_end(&reply, err);
}

static tt_status client_get(tt_model *m, tt_handle handle, float *values, size_t n_values, tt_error *err)
{
    tt_buf out = {0};
    tt_put_u64(&out, handle);
    return ask_values(m, TT_MSG_MODEL_GET, &out, values, n_values * sizeof *values, "the handle names", err);
}

static tt_status client_spans(tt_model *m, const tt_text *text, uint32_t *first, tt_error *err)
{
    tt_buf out = {0};
    tt_put_texts(&out, 1, text);
    return ask_values(m, TT_MSG_MODEL_SPANS, &out, first, ((size_t)text->n_pieces + 1) * sizeof *first,
                      "the spans have", err);
}

static tt_status client_noise(tt_model *m, uint64_t sample, const tt_noise *noise, float *values,
                              size_t n_values, tt_error *err)
{
    tt_buf out = {0};
    tt_put_u64(&out, sample);
    tt_put_noise(&out, noise);
    tt_put_u64(&out, n_values);
    return ask_values(m, TT_MSG_MODEL_NOISE, &out, values, n_values * sizeof *values, "the noise has", err);
}

static tt_status client_release(tt_model *m, uint32_t n, const tt_handle *handles, tt_error *err)
{
    tt_buf out = {0};
    tt_put_u32(&out, n);
    for (uint32_t i = 0; i < n; i++)
        tt_put_u64(&out, handles[i]);
    return ask_handles(m, TT_MSG_MODEL_RELEASE, &out, 0, NULL, err);
}

static tt_status client_image(tt_model *m, uint64_t sample, uint32_t side, tt_pixels *image, tt_error *err)
{
    tt_buf out = {0};
    tt_put_u64(&out, sample);
    tt_put_u32(&out, side);
    tt_reply reply;
    tt_status s = tt_port_call(client_of(m)->port, TT_MSG_MODEL_IMAGE, &out, -1, &reply, err);
    tt_buf_free(&out);
    if (s) return s;
    image->width = tt_get_u32(&reply.in);
    image->height = tt_get_u32(&reply.in);
    size_t bytes, expected;
    const void *rgb = tt_get_bytes(&reply.in, &bytes);
    bool good = tt_size_mul((size_t)image->width * 3, image->height, &expected) && bytes == expected && bytes;
    image->rgb = good ? tt_alloc(bytes) : NULL;
    if (image->rgb) memcpy(image->rgb, rgb, bytes);
    s = tt_reply_end(&reply, err);
    if (!s && !good) s = tt_fail(err, TT_ERR_FORMAT, "an image of the wrong size");
    if (!s && !image->rgb) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for an image");
    if (s) tt_free(image->rgb);
    return s;
}

static double *copy_table(tt_reader *in, uint32_t timesteps)
{
    size_t bytes;
    const void *data = tt_get_bytes(in, &bytes);
    double *table = bytes == timesteps * sizeof *table ? tt_alloc_array(timesteps, sizeof *table) : NULL;
    if (table && bytes) memcpy(table, data, bytes);
    return table;
}

static tt_status fetch_info(client *c, tt_error *err)
{
    tt_reply reply;
    tt_status s = tt_port_call(c->port, TT_MSG_MODEL_INFO, NULL, -1, &reply, err);
    if (s) return s;
    tt_model_info *i = &c->model.info;
    i->size = sizeof *i;
    i->capabilities = tt_get_u32(&reply.in);
    uint32_t end_token = 0;
    uint32_t *const numbers[] = {&i->resolution,      &i->latent_channels, &i->latent_height,
                                 &i->latent_width,    &i->text_tokens,     &i->text_width,
                                 &i->train_timesteps, &end_token,          &i->batch};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        *numbers[k] = tt_get_u32(&reply.in);
    i->end_token = (int32_t)end_token;
    i->alpha_bar = c->alpha_bar = copy_table(&reply.in, i->train_timesteps);
    i->alpha_bar_f32 = c->alpha_bar_f32 = copy_table(&reply.in, i->train_timesteps);
    if (!c->alpha_bar || !c->alpha_bar_f32) {
        tt_reply_free(&reply);
        return tt_fail(err, TT_ERR_FORMAT, "a model's description without its noise schedule");
    }
    return tt_reply_end(&reply, err);
}

static void fill_functions(tt_model *m)
{
    uint32_t granted = m->info.capabilities;
    if (granted & TT_CAP_ENCODE) m->encode = client_encode;
    if (granted & TT_CAP_ENCODE) m->encode_crop = client_encode_crop;
    if (granted & TT_CAP_TEXT) m->text = client_text;
    if (granted & TT_CAP_PREDICT) m->predict = client_predict;
    if (granted & TT_CAP_PREDICT) m->put = client_put;
    if (granted & TT_CAP_DECODE) m->decode = client_decode;
    if (granted & TT_CAP_GENERATE) m->generate = client_generate;
    if (granted & TT_CAP_VARY) m->vary = client_vary;
    if (granted & TT_CAP_TEXT) m->put_condition = client_put_condition;
    if (granted & TT_CAP_TEXT) m->spans = client_spans;
    if (granted & TT_CAP_PREDICT) m->noise = client_noise;
    if (granted & TT_CAP_PREDICT && granted & TT_CAP_ATTENTION) m->attend = client_attend;
    m->get = client_get;
    m->image = client_image;
    m->release = client_release;
}

tt_status tt_model_client_create(tt_port *port, const char *role, tt_model **model, tt_error *err)
{
    client *c = tt_alloc_zero(sizeof *c);
    if (!c) {
        tt_port_close(port);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for a model handle");
    }
    c->port = port;
    c->role = tt_strdup(role);
    c->model.size = sizeof c->model;
    c->model.role = c->role;
    c->model.self = c;
    tt_status s = c->role ? fetch_info(c, err) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (s) {
        tt_model_client_destroy(&c->model);
        return s;
    }
    fill_functions(&c->model);
    *model = &c->model;
    return TT_OK;
}

void tt_model_client_destroy(tt_model *model)
{
    if (!model) return;
    client *c = client_of(model);
    tt_port_close(c->port);
    tt_free(c->role);
    tt_free(c->alpha_bar);
    tt_free(c->alpha_bar_f32);
    tt_free(c);
}
