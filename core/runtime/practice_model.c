#include "runtime/practice_model.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TIMESTEPS  1000
#define PIXELS     (3u * TT_PRACTICE_SIDE * TT_PRACTICE_SIDE)
#define HANDLE_MAX 1000000u

typedef enum thing_kind { THING_FREE = 0, THING_LATENT, THING_CONDITION, THING_IMAGE } thing_kind;

typedef struct thing {
    thing_kind kind;
    double weight; /* of a condition */
    float *values; /* of a latent or an image */
    size_t n;
} thing;

typedef struct practice {
    tt_model model;
    tt_practice_meter meter;
    uint32_t granted;
    uint64_t seed;
    thing *things; /* handle h is things[h - 1] */
    size_t n_things, capacity;
    double alpha_bar[TIMESTEPS], alpha_bar_f32[TIMESTEPS];
} practice;

/* ---- things ---- */

static tt_status add_thing(practice *p, thing_kind kind, size_t n, tt_handle *handle, tt_error *err)
{
    if (p->n_things == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 64;
        thing *grown = capacity <= HANDLE_MAX ? tt_realloc(p->things, capacity * sizeof *grown) : NULL;
        if (!grown)
            return tt_fail(err, TT_ERR_MEMORY, "the practice model holds too many handles: release them");
        p->things = grown;
        p->capacity = capacity;
    }
    thing t = {.kind = kind, .n = n, .values = tt_alloc_array(n + 1, sizeof(float))};
    if (!t.values) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    p->things[p->n_things++] = t;
    p->meter.live_handles++;
    *handle = p->n_things;
    return TT_OK;
}

static tt_status find_thing(practice *p, tt_handle handle, thing_kind kind, thing **out, tt_error *err)
{
    static const char *const names[] = {"", "latent", "condition", "image"};
    thing *t = handle && handle <= p->n_things ? &p->things[handle - 1] : NULL;
    if (!t || t->kind == THING_FREE)
        return tt_fail(err, TT_ERR_INVALID, "there is no handle %llu: it was never given out, or is released",
                       (unsigned long long)handle);
    if (t->kind != kind)
        return tt_fail(err, TT_ERR_INVALID, "handle %llu is a %s, not a %s", (unsigned long long)handle,
                       names[t->kind], names[kind]);
    *out = t;
    return TT_OK;
}

static tt_status grant(practice *p, uint32_t capability, const char *function, tt_error *err)
{
    if (p->granted & capability) return TT_OK;
    p->meter.not_granted = function;
    return tt_fail(err, TT_ERR_REFUSED, "%s was not granted: the plan does not declare its capability",
                   function);
}

/* ---- keyed values ---- */

static void keyed_floats(const practice *p, uint64_t sample, const tt_noise *noise, float *out, size_t n)
{
    tt_digest content = tt_sha256_of(&sample, sizeof sample);
    tt_stream_key key = tt_noise_key(p->seed, &content, noise->role, noise->timestep, noise->draw);
    tt_keyed_normals(&key, 0, out, n);
}

static void keyed_image(const practice *p, const char *what, float *out)
{
    tt_stream_key key = tt_purpose_key(p->seed, "practice image", what);
    for (size_t i = 0; i < PIXELS; i++)
        out[i] = (float)tt_keyed_uniform(&key, i);
}

static tt_status check_noise(const tt_noise *noise, tt_error *err)
{
    if (noise->timestep < -1 || noise->timestep >= TIMESTEPS)
        return tt_fail(err, TT_ERR_INVALID, "noise of timestep %d: must be -1 to %d", noise->timestep,
                       TIMESTEPS - 1);
    return TT_OK;
}

/* ---- the handle's functions ---- */

static tt_status encode(tt_model *m, uint32_t n, const tt_encode *requests, tt_handle *latents, tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_ENCODE, "encode", err);
    for (uint32_t i = 0; i < n && !s; i++) {
        s = check_noise(&requests[i].noise, err);
        if (!s) s = add_thing(p, THING_LATENT, TT_PRACTICE_LATENT, &latents[i], err);
        if (s) break;
        float *z = p->things[latents[i] - 1].values, noise[TT_PRACTICE_LATENT];
        keyed_floats(p, requests[i].sample, &(tt_noise){"practice latent", -1, 0}, z, TT_PRACTICE_LATENT);
        if (!requests[i].noise.role) continue;
        keyed_floats(p, requests[i].sample, &requests[i].noise, noise, TT_PRACTICE_LATENT);
        for (size_t k = 0; k < TT_PRACTICE_LATENT; k++)
            z[k] += 0.1f * noise[k];
    }
    p->meter.encodes += n;
    return s;
}

static tt_status encode_crop(tt_model *m, uint32_t n, const tt_encode_crop *requests, tt_handle *latents,
                             tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_ENCODE, "encode_crop", err);
    for (uint32_t i = 0; i < n && !s; i++) {
        const tt_encode_crop *r = &requests[i];
        if (r->crop == 0 || r->crop > TT_PRACTICE_SIDE)
            s = tt_fail(err, TT_ERR_INVALID, "a crop of %u pixels: must be 1 to %u", r->crop,
                        TT_PRACTICE_SIDE);
        if (!s) s = encode(m, 1, &(tt_encode){r->sample, r->noise}, &latents[i], err);
        for (size_t k = 0; k < TT_PRACTICE_LATENT && !s; k++)
            p->things[latents[i] - 1].values[k] += 0.25f * (float)(TT_PRACTICE_SIDE - r->crop);
    }
    return s;
}

/* In [0.26, 0.34] by the text's hash; the null caption 0.25. */
static tt_status weigh(const tt_text *text, double *weight, tt_error *err)
{
    tt_buf all = {0};
    for (uint32_t i = 0; i < text->n_pieces; i++) {
        if (text->pieces[i].text)
            tt_buf_append(&all, text->pieces[i].text, strlen(text->pieces[i].text));
        else
            tt_buf_printf(&all, "%c%d", 1, text->pieces[i].special_id);
    }
    bool failed = all.failed;
    tt_digest d = tt_sha256_of(all.data ? all.data : "", all.size);
    *weight = all.size ? 0.26 + 0.08 * d.bytes[0] / 255.0 : 0.25;
    tt_buf_free(&all);
    return failed ? tt_fail(err, TT_ERR_MEMORY, "out of memory") : TT_OK;
}

static tt_status text(tt_model *m, uint32_t n, const tt_text *texts, tt_handle *conditions, tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_TEXT, "text", err);
    for (uint32_t i = 0; i < n && !s; i++) {
        double weight;
        s = weigh(&texts[i], &weight, err);
        if (!s) s = add_thing(p, THING_CONDITION, 1, &conditions[i], err);
        if (s) break;
        p->things[conditions[i] - 1].weight = weight;
        p->things[conditions[i] - 1].values[0] = (float)weight;
    }
    p->meter.texts += n;
    return s;
}

static tt_status predict_one(practice *p, const tt_predict *r, tt_prediction *result, tt_error *err)
{
    thing *latent = NULL, *condition = NULL;
    tt_status s = find_thing(p, r->latent, THING_LATENT, &latent, err);
    if (!s) s = find_thing(p, r->condition, THING_CONDITION, &condition, err);
    if (!s) s = check_noise(&r->noise, err);
    if (s) return s;
    if (r->timestep < 0 || r->timestep >= TIMESTEPS)
        return tt_fail(err, TT_ERR_INVALID, "timestep %d: must be 0 to %d", r->timestep, TIMESTEPS - 1);
    if (!r->noise.role && (r->want & TT_WANT_LOSS))
        return tt_fail(err, TT_ERR_INVALID, "a loss needs a noise: give its role");
    double bar = r->alpha_bar_f32 ? p->alpha_bar_f32[r->timestep] : p->alpha_bar[r->timestep];
    float noise[TT_PRACTICE_LATENT] = {0};
    double eps[TT_PRACTICE_LATENT], sum = 0;
    if (r->noise.role) keyed_floats(p, r->sample, &r->noise, noise, TT_PRACTICE_LATENT);
    for (size_t i = 0; i < TT_PRACTICE_LATENT; i++) {
        double x = (double)latent->values[i], n = (double)noise[i];
        if (r->noise.role) x = sqrt(bar) * x + sqrt(1 - bar) * n;
        eps[i] = condition->weight * x + 0.1 * r->timestep / 1000;
        sum += (n - eps[i]) * (n - eps[i]);
    }
    *result = (tt_prediction){.loss = r->want & TT_WANT_LOSS ? sum / TT_PRACTICE_LATENT : NAN};
    if (!(r->want & TT_WANT_PREDICTION)) return TT_OK;
    s = add_thing(p, THING_LATENT, TT_PRACTICE_LATENT, &result->prediction, err);
    for (size_t i = 0; i < TT_PRACTICE_LATENT && !s; i++)
        p->things[result->prediction - 1].values[i] = (float)eps[i];
    return s;
}

static tt_status predict(tt_model *m, uint32_t n, const tt_predict *requests, tt_prediction *results,
                         tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_PREDICT, "predict", err);
    for (uint32_t i = 0; i < n && !s; i++)
        s = predict_one(p, &requests[i], &results[i], err);
    p->meter.predict_calls++;
    p->meter.predictions += n;
    return s;
}

static tt_status decode(tt_model *m, uint32_t n, const tt_handle *latents, tt_handle *images, tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_DECODE, "decode", err);
    for (uint32_t i = 0; i < n && !s; i++) {
        thing *latent = NULL;
        s = find_thing(p, latents[i], THING_LATENT, &latent, err);
        if (!s) s = add_thing(p, THING_IMAGE, PIXELS, &images[i], err);
        if (s) break;
        const float *z = p->things[latents[i] - 1].values; /* the list may have moved */
        for (size_t k = 0; k < PIXELS; k++)
            p->things[images[i] - 1].values[k] = 1 / (1 + expf(-z[k % TT_PRACTICE_LATENT]));
    }
    return s;
}

static tt_status make_images(practice *p, const tt_generate *r, const char *what, tt_handle *images,
                             tt_error *err)
{
    tt_status s = TT_OK;
    double weight;
    s = weigh(&r->prompt, &weight, err);
    for (uint32_t i = 0; i < r->images && !s; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s %.17g %llu %u", what, weight, (unsigned long long)r->seed, i);
        s = add_thing(p, THING_IMAGE, PIXELS, &images[i], err);
        if (!s) keyed_image(p, name, p->things[images[i] - 1].values);
    }
    p->meter.images += r->images;
    return s;
}

static tt_status generate(tt_model *m, const tt_generate *request, tt_handle *images, tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_GENERATE, "generate", err);
    if (!s && request->init) s = tt_fail(err, TT_ERR_INVALID, "generate takes no image: call vary");
    return s ? s : make_images(p, request, "generate", images, err);
}

static tt_status vary(tt_model *m, const tt_generate *request, tt_handle *images, tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_VARY, "vary", err);
    if (!s && (!request->init || !request->init->rgb || !request->init->width || !request->init->height))
        s = tt_fail(err, TT_ERR_INVALID, "vary needs an image: set init");
    if (!s) s = make_images(p, request, "vary", images, err);
    for (uint32_t i = 0; i < request->images && !s; i++) {
        float *out = p->things[images[i] - 1].values;
        for (size_t k = 0; k < PIXELS; k++) { /* nearest pixel of init, mixed with the drawn one */
            size_t c = k / (TT_PRACTICE_SIDE * TT_PRACTICE_SIDE),
                   at = k % (TT_PRACTICE_SIDE * TT_PRACTICE_SIDE);
            size_t y = at / TT_PRACTICE_SIDE * request->init->height / TT_PRACTICE_SIDE;
            size_t x = at % TT_PRACTICE_SIDE * request->init->width / TT_PRACTICE_SIDE;
            float own = (float)request->init->rgb[3 * (y * request->init->width + x) + c] / 255.0f;
            out[k] = own + (float)request->strength * (out[k] - own);
        }
    }
    return s;
}

static tt_status put(tt_model *m, uint32_t channels, uint32_t height, uint32_t width, const float *values,
                     tt_handle *latent, tt_error *err)
{
    practice *p = m->self;
    if (channels != m->info.latent_channels || height != m->info.latent_height ||
        width != m->info.latent_width)
        return tt_fail(err, TT_ERR_INVALID, "put: a latent of %u×%u×%u: this model's are %u×%u×%u", channels,
                       height, width, m->info.latent_channels, m->info.latent_height, m->info.latent_width);
    tt_status s = add_thing(p, THING_LATENT, TT_PRACTICE_LATENT, latent, err);
    if (!s) memcpy(p->things[*latent - 1].values, values, TT_PRACTICE_LATENT * sizeof *values);
    return s;
}

static tt_status get(tt_model *m, tt_handle handle, float *values, size_t n_values, tt_error *err)
{
    practice *p = m->self;
    thing *t = handle && handle <= p->n_things ? &p->things[handle - 1] : NULL;
    if (!t || t->kind == THING_FREE)
        return tt_fail(err, TT_ERR_INVALID, "get: there is no handle %llu", (unsigned long long)handle);
    if (n_values != t->n)
        return tt_fail(err, TT_ERR_INVALID, "get: room for %zu values, the handle has %zu", n_values, t->n);
    memcpy(values, t->values, n_values * sizeof *values);
    return TT_OK;
}

static tt_status put_condition(tt_model *m, const float *values, size_t n_values, tt_handle *condition,
                               tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_TEXT, "put_condition", err);
    if (!s && n_values != 1)
        s = tt_fail(err, TT_ERR_INVALID, "put_condition: %zu values: this model's conditions have one",
                    n_values);
    if (!s) s = add_thing(p, THING_CONDITION, 1, condition, err);
    if (s) return s;
    p->things[*condition - 1].weight = (double)values[0];
    p->things[*condition - 1].values[0] = values[0];
    return TT_OK;
}

/* One token: every piece begins and ends before the end of the text. */
static tt_status spans(tt_model *m, const tt_text *text, uint32_t *first, tt_error *err)
{
    tt_status s = grant(m->self, TT_CAP_TEXT, "spans", err);
    for (uint32_t k = 0; k <= text->n_pieces && !s; k++)
        first[k] = 0;
    return s;
}

static tt_status noise_values(tt_model *m, uint64_t sample, const tt_noise *noise, float *values,
                              size_t n_values, tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_PREDICT, "noise", err);
    if (!s && !noise->role) s = tt_fail(err, TT_ERR_INVALID, "noise: give its role");
    if (!s) s = check_noise(noise, err);
    if (!s) keyed_floats(p, sample, noise, values, n_values);
    return s;
}

/* Maps of one token, 2 × 2: how large the latent is there. */
static tt_status attend(tt_model *m, uint32_t n, const tt_predict *requests, tt_prediction *results,
                        tt_handle *maps, tt_error *err)
{
    practice *p = m->self;
    tt_status s = grant(p, TT_CAP_ATTENTION, "attend", err);
    if (!s) s = predict(m, n, requests, results, err);
    for (uint32_t i = 0; i < n && !s; i++) {
        s = add_thing(p, THING_LATENT, TT_PRACTICE_LATENT, &maps[i], err);
        for (size_t k = 0; k < TT_PRACTICE_LATENT && !s; k++)
            p->things[maps[i] - 1].values[k] = fabsf(p->things[requests[i].latent - 1].values[k]);
    }
    return s;
}

static tt_status release(tt_model *m, uint32_t n, const tt_handle *handles, tt_error *err)
{
    practice *p = m->self;
    for (uint32_t i = 0; i < n; i++) {
        if (handles[i] == 0) continue;
        if (handles[i] > p->n_things || p->things[handles[i] - 1].kind == THING_FREE)
            return tt_fail(err, TT_ERR_INVALID, "release: there is no handle %llu",
                           (unsigned long long)handles[i]);
        tt_free(p->things[handles[i] - 1].values);
        p->things[handles[i] - 1] = (thing){0};
        p->meter.live_handles--;
    }
    return TT_OK;
}

/* grey-box spec 1.1: β_i = (√.00085 + (√.012 − √.00085)·i/999)², ᾱ their running product; once in double,
 * once in f32 */
static void make_schedule(practice *p)
{
    double low = sqrt(0.00085), high = sqrt(0.012), product = 1;
    float product_f32 = 1;
    for (int i = 0; i < TIMESTEPS; i++) {
        double root = low + (high - low) * i / (TIMESTEPS - 1);
        product *= 1 - root * root;
        p->alpha_bar[i] = product;
        product_f32 *= 1.0f - (float)root * (float)root;
        p->alpha_bar_f32[i] = (double)product_f32;
    }
}

/* Smooth pixels keyed by the sample; as stored it is twice the model's side. */
static tt_status image_of(tt_model *m, uint64_t sample, uint32_t side, tt_pixels *image, tt_error *err)
{
    (void)m;
    uint32_t n = side ? side : 2 * TT_PRACTICE_SIDE;
    *image = (tt_pixels){n, n, tt_alloc_array((size_t)n * n, 3)};
    if (!image->rgb) return tt_fail(err, TT_ERR_MEMORY, "out of memory for an image");
    for (uint32_t y = 0; y < n; y++)
        for (uint32_t x = 0; x < n; x++)
            for (uint32_t c = 0; c < 3; c++)
                image->rgb[((size_t)y * n + x) * 3 + c] =
                    (uint8_t)(sample * (c + 1) + 97u * x / n + 61u * y / n * (c + 2));
    return TT_OK;
}

tt_model *tt_practice_model_create(const char *role, uint32_t granted, uint64_t seed)
{
    practice *p = tt_alloc_zero(sizeof *p);
    if (!p) return NULL;
    p->granted = granted;
    p->seed = seed;
    make_schedule(p);
    p->model = (tt_model){
        .size = sizeof p->model,
        .role = role,
        .info = {.size = sizeof p->model.info,
                 .capabilities = TT_PRACTICE_CAPABILITIES,
                 .resolution = TT_PRACTICE_SIDE,
                 .latent_channels = 1,
                 .latent_height = 2,
                 .latent_width = 2,
                 .text_tokens = 1,
                 .text_width = 1,
                 .train_timesteps = TIMESTEPS,
                 .end_token = 49407,
                 .batch = 4,
                 .alpha_bar = p->alpha_bar,
                 .alpha_bar_f32 = p->alpha_bar_f32},
        .self = p,
        .encode = encode,
        .text = text,
        .predict = predict,
        .decode = decode,
        .generate = generate,
        .vary = vary,
        .put = put,
        .get = get,
        .release = release,
        .encode_crop = encode_crop,
        .put_condition = put_condition,
        .spans = spans,
        .noise = noise_values,
        .attend = attend,
        .image = image_of,
    };
    return &p->model;
}

void tt_practice_model_destroy(tt_model *model)
{
    if (!model) return;
    practice *p = model->self;
    for (size_t i = 0; i < p->n_things; i++)
        tt_free(p->things[i].values);
    tt_free(p->things);
    tt_free(p);
}

const tt_practice_meter *tt_practice_model_meter(const tt_model *model)
{
    const practice *p = model->self;
    return &p->meter;
}
