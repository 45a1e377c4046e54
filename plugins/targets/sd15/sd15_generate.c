/* Text to image, image to image, in-painting by latent blending (specs/models-sampling.md 7.11–7.15). */
#include "sd15.h"
#include "base/mem.h"
#include "base/rng.h"
#include "formats/image.h"

#include <stdio.h>
#include <string.h>

/* ---- noise ---- */

typedef struct noise_source {
    const tt_generate *request;
    tt_torch_cpu cpu;
    tt_torch_cuda cuda;
    int draws; /* keyed: which call this is */
} noise_source;

static void noise_start(noise_source *g, const tt_generate *request)
{
    *g = (noise_source){.request = request, .cuda = {.seed = request->seed}};
    tt_torch_cpu_seed(&g->cpu, request->seed);
}

/* One call of randn over all n images, as a pipeline with one generator makes it; the keyed stream gives each
 * image a stream of its own. */
static void noise_draw(noise_source *g, float *out, uint32_t images, size_t size)
{
    switch (g->request->stream) {
    case TT_STREAM_TORCH_CUDA:
        tt_torch_cuda_randn(&g->cuda, g->request->cuda_stride ? g->request->cuda_stride : 270336, out,
                            images * size);
        break;
    case TT_STREAM_KEYED:
        for (uint32_t i = 0; i < images; i++) {
            char what[64];
            snprintf(what, sizeof what, "draw %d image %u", g->draws, i);
            tt_stream_key key = tt_purpose_key(g->request->seed, "generate", what);
            tt_keyed_normals(&key, 0, out + i * size, size);
        }
        break;
    default:
        tt_torch_cpu_randn(&g->cpu, out, images * size);
        break;
    }
    g->draws++;
}

/* ---- one run ---- */

typedef struct run {
    sd15_target *t;
    const tt_generate *request;
    tt_sampling *sampling;
    uint32_t width, height; /* pixels */
    int latent_width, latent_height;
    uint32_t n;          /* images */
    size_t size;         /* of one latent */
    bool guided;         /* both branches are computed */
    void *conditions[2]; /* [0] unconditional, [1] conditional */
    float *x, *input, *output, *output2;
    float *clean; /* init: the image's latent, scaled */
    float *noise; /* init: the noise of the start */
    float *mask;  /* in-painting: 1 = repaint, at latent size */
} run;

static void run_end(run *r)
{
    sd15_condition_free(r->t, r->conditions[0]);
    sd15_condition_free(r->t, r->conditions[1]);
    tt_sampling_destroy(r->sampling);
    float *const all[] = {r->x, r->input, r->output, r->output2, r->clean, r->noise, r->mask};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tt_free(all[i]);
}

static tt_status check_request(const sd15_target *t, const tt_generate *g, tt_error *err)
{
    uint32_t f = (uint32_t)t->factor;
    if (g->images < 1) return tt_fail(err, TT_ERR_INVALID, "generate: 0 images were asked for");
    if (g->width % f || g->height % f || g->width > 4096 || g->height > 4096)
        return tt_fail(err, TT_ERR_INVALID, "generate: %ux%u: sides must be multiples of %u, at most 4096",
                       g->width, g->height, f);
    if (g->mask && !g->init)
        return tt_fail(err, TT_ERR_INVALID, "generate: a mask needs the image that it belongs to");
    if (g->init && !(g->strength > 0 && g->strength <= 1))
        return tt_fail(err, TT_ERR_INVALID, "generate: strength is %g: must be above 0 and at most 1",
                       g->strength);
    return TT_OK;
}

/* An image that is varied keeps its own size, cut to whole latents; today's in-painting pipeline, like text
 * to image, works at the model's. */
static void choose_size(run *r)
{
    const tt_generate *g = r->request;
    uint32_t f = (uint32_t)r->t->factor;
    bool own = g->init && (!g->mask || g->legacy_inpaint);
    r->width = g->width ? g->width : own ? g->init->width / f * f : r->t->resolution;
    r->height = g->height ? g->height : own ? g->init->height / f * f : r->t->resolution;
    r->latent_width = (int)(r->width / f);
    r->latent_height = (int)(r->height / f);
}

static tt_status allocate(run *r, tt_error *err)
{
    size_t count;
    r->size = (size_t)r->t->channels * (size_t)r->latent_width * (size_t)r->latent_height;
    if (!tt_size_mul(r->size, r->n, &count)) return tt_fail(err, TT_ERR_INVALID, "generate: too many images");
    bool init = r->request->init != NULL;
    r->x = tt_alloc_array(count, sizeof *r->x);
    r->input = tt_alloc_array(count, sizeof *r->input);
    r->output = tt_alloc_array(count, sizeof *r->output);
    if (r->guided) r->output2 = tt_alloc_array(count, sizeof *r->output2);
    if (init) r->clean = tt_alloc_array(r->size, sizeof *r->clean);
    if (init) r->noise = tt_alloc_array(count, sizeof *r->noise);
    if (r->request->mask)
        r->mask = tt_alloc_array((size_t)r->latent_width * (size_t)r->latent_height, sizeof *r->mask);
    if (!r->x || !r->input || !r->output || (r->guided && !r->output2) ||
        (init && (!r->clean || !r->noise)) || (r->request->mask && !r->mask))
        return tt_fail(err, TT_ERR_MEMORY, "generate: out of memory for %u images", r->n);
    return TT_OK;
}

/* The image's latent: Lanczos to size, posterior sampled with one draw for the one image (7.13). */
static tt_status encode_init(run *r, noise_source *g, tt_error *err)
{
    tt_pixels sized = *r->request->init;
    bool resized = sized.width != r->width || sized.height != r->height;
    tt_status s =
        resized ? tt_pixels_resize(r->request->init, r->width, r->height, TT_FILTER_LANCZOS, &sized, err)
                : TT_OK;
    if (s) return s;
    noise_draw(g, r->noise, 1, r->size);
    s = sd15_encode_sized(r->t, 1, &sized, r->noise, r->clean, err);
    if (resized) tt_free(sized.rgb);
    return s;
}

/* x at the first call */
static tt_status start(run *r, tt_error *err)
{
    const tt_generate *q = r->request;
    noise_source g;
    noise_start(&g, q);
    double sigma = tt_sampling_init_sigma(r->sampling);
    if (!q->init) {
        noise_draw(&g, r->x, r->n, r->size);
        for (size_t i = 0; i < r->n * r->size; i++)
            r->x[i] = (float)((double)r->x[i] * sigma);
        return TT_OK;
    }
    tt_status s = encode_init(r, &g, err);
    if (!s && q->mask)
        s = sd15_mask(q->mask, r->width, r->height, r->t->factor, q->legacy_inpaint, r->mask, err);
    if (s) return s;
    noise_draw(&g, r->noise, r->n, r->size);
    /* today's in-painting at full strength starts from noise alone */
    bool pure = q->mask && !q->legacy_inpaint && q->strength == 1;
    for (uint32_t i = 0; i < r->n; i++) {
        const float *noise = r->noise + i * r->size;
        float *x = r->x + i * r->size;
        if (!pure) tt_sampling_add_noise(r->sampling, 0, r->clean, noise, x, r->size);
        for (size_t k = 0; k < r->size && pure; k++)
            x[k] = (float)((double)noise[k] * sigma);
    }
    return TT_OK;
}

/* The network's output for all images under one condition, in batches. */
static tt_status evaluate(run *r, double timestep, const sd15_condition *condition, float *out, tt_error *err)
{
    uint32_t batch = r->t->batch < r->n ? r->t->batch : r->n;
    float *times = tt_alloc_array(batch, sizeof *times);
    tt_unet_text **texts = tt_alloc_array(batch, sizeof(tt_unet_text *));
    tt_status s = times && texts ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "generate: out of memory");
    for (uint32_t i = 0; i < batch && !s; i++) {
        times[i] = (float)timestep;
        texts[i] = condition->text;
    }
    for (uint32_t at = 0; at < r->n && !s; at += batch) {
        uint32_t m = r->n - at < batch ? r->n - at : batch;
        s = tt_unet_forward(r->t->unet, (int)m, r->latent_height, r->latent_width, r->input + at * r->size,
                            times, texts, out + at * r->size, err);
    }
    tt_free(times);
    tt_free(texts);
    return s;
}

/* Keeps what the mask does not repaint: blended with the original at the noise level of call `level` (7.14).
 */
static void blend(run *r, int level)
{
    size_t plane = (size_t)r->latent_width * (size_t)r->latent_height;
    for (uint32_t i = 0; i < r->n; i++) {
        float *kept = r->input, *x = r->x + i * r->size; /* input is free between calls */
        tt_sampling_add_noise(r->sampling, level, r->clean, r->noise + i * r->size, kept, r->size);
        for (size_t k = 0; k < r->size; k++) {
            float w = r->mask[k % plane];
            x[k] = (1.0f - w) * kept[k] + w * x[k];
        }
    }
}

static tt_status one_call(run *r, int i, tt_error *err)
{
    size_t count = r->n * r->size;
    double timestep = tt_sampling_timestep(r->sampling, i);
    tt_sampling_input(r->sampling, i, r->x, r->input, count);
    tt_status s = evaluate(r, timestep, r->conditions[1], r->output, err);
    if (!s && r->guided) {
        s = evaluate(r, timestep, r->conditions[0], r->output2, err);
        if (!s) tt_guidance(r->output2, r->output, r->request->guidance, 0, r->output, count);
    }
    if (!s) s = tt_sampling_step(r->sampling, i, r->output, r->x, count, err);
    if (!s && r->mask) blend(r, r->request->legacy_inpaint ? i : i + 1);
    return s;
}

static tt_status prepare(run *r, tt_error *err)
{
    const tt_generate *q = r->request;
    /* diffusers runs the conditional branch alone up to s = 1; the equation holds for every s (7.11) */
    r->guided = q->guidance_equation || q->guidance > 1;
    choose_size(r);
    if (r->width == 0 || r->height == 0)
        return tt_fail(err, TT_ERR_INVALID, "generate: the image is smaller than %dx%d pixels", r->t->factor,
                       r->t->factor);
    tt_status s = tt_sampling_create(&r->t->schedule, q->sampler, q->karras, false,
                                     q->steps ? (int)q->steps : 50, &r->sampling, err);
    if (s) return s;
    if (q->init) {
        tt_sampling_cut(r->sampling, q->strength);
        if (tt_sampling_calls(r->sampling) < 1)
            return tt_fail(err, TT_ERR_INVALID, "generate: strength %g of %u steps leaves no step",
                           q->strength, q->steps ? q->steps : 50);
    }
    s = allocate(r, err);
    if (!s) s = sd15_text(r->t, 1, &q->prompt, &r->conditions[1], err);
    if (!s && r->guided) s = sd15_text(r->t, 1, &q->negative, &r->conditions[0], err);
    return s;
}

tt_status sd15_generate(void *target, const tt_generate *request, tt_pixels *images,
                        void (*progress)(void *user, uint32_t step, uint32_t steps), void *user,
                        tt_error *err)
{
    run r = {.t = target, .request = request, .n = request->images};
    tt_status s = check_request(target, request, err);
    if (!s) s = prepare(&r, err);
    if (!s) s = start(&r, err);
    int calls = s ? 0 : tt_sampling_calls(r.sampling);
    for (int i = 0; i < calls && !s; i++) {
        if (sd15_host->stop_requested())
            s = tt_fail(err, TT_ERR_INTERRUPTED, "generate: interrupted");
        else
            s = one_call(&r, i, err);
        if (!s && progress) progress(user, (uint32_t)i + 1, (uint32_t)calls);
    }
    if (!s && r.mask && request->legacy_inpaint) blend(&r, calls);
    if (!s) s = sd15_decode_sized(r.t, r.n, r.latent_height, r.latent_width, r.x, images, err);
    run_end(&r);
    return s;
}
