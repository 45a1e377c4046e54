/* SD1.5's networks at full size with hash-made weights on a GPU: what one call costs, the batch that gives
 * the most, the rate of a large product beside them, CLiD's evaluations as a host makes them, and what bf16
 * does to scores.
 *
 *   build/gpu/bench/bench_gpu [--backend NAME] [--tiny] [--plain] [--batch N]
 *                             [device|gemm|unet|vae|clip|clid|precision|profile …]
 *
 * Lines that begin with "telltale " are for tools/test-gpu's table; tests/bench/peer_gpu.py prints the same.
 * Times are of whole calls, with the transfers of inputs and outputs; the best of several counts. --tiny:
 * small networks, to see that all of it runs (on `cuda-emulated`, say). --plain: operations one by one, not
 * recorded. --batch: clid's and profile's. device: nothing but its name. profile: where the UNet's time goes,
 * operation by operation, each run alone. */
#include "base/rng.h"
#include "base/thread.h"
#include "models/clip.h"
#include "models/unet.h"
#include "models/vae.h"
#include "plugin/registry.h"
#include "support/networks.h"
#include "support/op_clock.h"
#ifdef TT_CUDA_FAKE
#include "support/cuda/fake.h"
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_device *device;
static bool tiny;
static int side = 64;                 /* of latents */
static int width = 768;               /* of text states */
static double most_seconds = 4;       /* of repeats of one call */
static int best_batch[TT_TYPE_COUNT]; /* of the UNet, found by `unet` */

enum { TOKENS = 77, CHANNELS = 4 };

static size_t text_size(void)
{
    return (size_t)TOKENS * (size_t)width;
}

static void must(tt_status status)
{
    if (status == TT_OK) return;
    fprintf(stderr, "bench_gpu: %s\n", err.message);
    exit(1);
}

static float *floats(size_t n)
{
    float *x = malloc(n * sizeof *x);
    if (!x) exit(1);
    return x;
}

static float *input(const char *name, size_t n)
{
    float *x = floats(n);
    tt_hash_input(name, x, n);
    return x;
}

static size_t latent(void)
{
    return (size_t)(CHANNELS * side * side);
}

/* ---- measuring ---- */

static size_t used_mib(void)
{
    const tt_backend *b = tt_device_backend(device);
    size_t free_bytes, total;
    if (!b->memory) return 0;
    must(b->memory(tt_device_self(device), &free_bytes, &total, &err));
    return (total - free_bytes) >> 20;
}

/* Seconds of the best call; the first three are not counted: plans are made, and a shape's second batch is
 * recorded. */
static double best_of(tt_status (*call)(void *), void *what, tt_status *status)
{
    double best = 1e30, all = 0;
    *status = TT_OK;
    for (int i = 0; i < 23 && (i < 6 || all < most_seconds); i++) {
        double start = tt_test_seconds();
        *status = call(what);
        if (*status) return best;
        double took = tt_test_seconds() - start;
        all += took;
        if (i >= (tiny ? 2 : 3)) best = fmin(best, took);
        if (tiny && i == 2) break;
    }
    return best;
}

static void result(const char *what, tt_type type, int batch, double seconds)
{
    printf("telltale %s %s %d %.6f %zu\n", what, tt_type_name(type), batch, seconds, used_mib());
    fflush(stdout);
}

/* ---- a large product: what the GPU gives ---- */

static tt_status multiply(void *op)
{
    const tt_backend *b = tt_device_backend(device);
    for (int i = 0; i < 8; i++) {
        tt_status s = tt_run(device, op, &err);
        if (s) return s;
    }
    return b->synchronize ? b->synchronize(tt_device_self(device), &err) : TT_OK;
}

static void bench_gemm(tt_type type)
{
    const int64_t n = tiny ? 64 : 8192, shape[2] = {n, n};
    float *values = input("gemm", (size_t)(n * n));
    tt_scope *scope;
    tt_tensor x, y;
    tt_packed *packed;
    tt_status status;
    must(tt_scope_open(device, &scope, &err));
    must(tt_tensor_create(scope, type, 2, shape, &x, &err));
    must(tt_tensor_create(scope, type, 2, shape, &y, &err));
    must(tt_tensor_upload_f32(device, &x, values, &err));
    tt_op op = {.code = TT_OP_LINEAR, .in = {&x}, .out = {&y}};
    tt_weights w = {.weight_type = TT_F32, .rank = 2, .shape = {n, n}, .weight = values};
    must(tt_pack(device, &op, &w, type, &packed, &err));
    op.packed = packed;
    double seconds = best_of(multiply, &op, &status) / 8;
    must(status);
    printf("product of %lld³ in %s: %.1f TFLOP/s\n", (long long)n, tt_type_name(type),
           2e-12 * (double)(n * n * n) / seconds);
    result("gemm", type, 1, seconds);
    tt_unpack(device, packed);
    tt_scope_close(scope);
    free(values);
}

/* ---- the UNet ---- */

static tt_unet *make_unet(tt_type type)
{
    tt_unet_config config;
    tt_unet *unet;
    tt_unet_config_sd15(&config);
    config.cross_attention_dim = width;
    for (int i = 0; i < config.levels && tiny; i++)
        config.block_out_channels[i] = 32;
    double start = tt_test_seconds();
    tt_weight_source *weights = tt_weights_hash();
    must(tt_unet_create(device, &config, type, weights, &unet, &err));
    weights->destroy(weights);
    printf("UNet in %s: weights made and packed in %.1f s\n", tt_type_name(type), tt_test_seconds() - start);
    return unet;
}

typedef struct unet_call {
    tt_unet *unet;
    int batch;
    float *x, *y, *t;
    tt_unet_text **texts;
} unet_call;

static unet_call unet_call_make(tt_unet *unet, int most)
{
    unet_call c = {.unet = unet, .batch = 1};
    c.x = input("sample", (size_t)most * latent());
    c.y = floats((size_t)most * latent());
    c.t = floats((size_t)most);
    c.texts = calloc((size_t)most, sizeof(tt_unet_text *));
    if (!c.texts) exit(1);
    for (int i = 0; i < most; i++)
        c.t[i] = 450;
    return c;
}

static void unet_call_free(unet_call *c)
{
    free(c->x), free(c->y), free(c->t), free(c->texts);
}

static tt_status evaluate(void *what)
{
    unet_call *c = what;
    return tt_unet_forward(c->unet, c->batch, side, side, c->x, c->t, c->texts, c->y, &err);
}

/* Twice the batch as long as it gives 2 % more and fits. */
static void bench_unet(tt_type type)
{
    const int most = tiny ? 2 : 256;
    tt_unet *unet = make_unet(type);
    unet_call c = unet_call_make(unet, most);
    float *states = input("states", text_size());
    tt_unet_text *text;
    must(tt_unet_text_create(unet, states, TOKENS, &text, &err));
    for (int i = 0; i < most; i++)
        c.texts[i] = text;
    double best = 0;
    best_batch[type] = 1;
    for (c.batch = 1; c.batch <= most; c.batch *= 2) {
        tt_status status;
        double seconds = best_of(evaluate, &c, &status), rate = c.batch / seconds;
        if (status == TT_ERR_MEMORY) {
            printf("UNet in %s, batch %d: %s\n", tt_type_name(type), c.batch, err.message);
            break;
        }
        must(status);
        result("unet", type, c.batch, seconds);
        bool gained = rate > 1.02 * best;
        if (rate > best) best = rate, best_batch[type] = c.batch;
        if ((c.batch > 4 && !gained) || seconds > 0.5) break;
    }
    printf("UNet in %s: %.1f evaluations a second at batch %d\n", tt_type_name(type), best, best_batch[type]);
    tt_unet_text_destroy(text);
    tt_unet_destroy(unet);
    tt_device_trim(device);
    unet_call_free(&c);
    free(states);
}

/* ---- where the UNet's time goes ---- */

static void bench_profile(const tt_backend *backend, tt_type type)
{
    const int batch = tiny ? 2 : best_batch[type] ? best_batch[type] : 16;
    const tt_device_options options = {.size = sizeof options};
    tt_device *own = device;
    must(tt_device_open(tt_op_clock_over(backend, tiny ? 2 : 5), &options, &device, &err));
    tt_unet *unet = make_unet(type);
    unet_call c = unet_call_make(unet, batch);
    float *states = input("states", text_size());
    tt_unet_text *text;
    must(tt_unet_text_create(unet, states, TOKENS, &text, &err));
    for (int i = 0; i < batch; i++)
        c.texts[i] = text;
    c.batch = batch;
    tt_op_clock_reset();
    must(evaluate(&c));
    printf("UNet in %s at batch %d:\n", tt_type_name(type), batch);
    tt_op_clock_report(40);
    tt_unet_text_destroy(text);
    tt_unet_destroy(unet);
    unet_call_free(&c);
    free(states);
    tt_device_close(device);
    device = own;
}

/* ---- VAE and CLIP ---- */

typedef struct vae_call {
    tt_vae *vae;
    int batch;
    float *image, *latent;
} vae_call;

static tt_status encode(void *what)
{
    vae_call *c = what;
    return tt_vae_encode(c->vae, c->batch, 8 * side, 8 * side, c->image, c->latent, NULL, &err);
}

static tt_status decode(void *what)
{
    vae_call *c = what;
    return tt_vae_decode(c->vae, c->batch, side, side, c->latent, c->image, &err);
}

static void bench_vae(tt_type type)
{
    tt_vae_config config;
    tt_status status;
    const int most = tiny ? 1 : 4;
    vae_call c = {.latent = input("latent", (size_t)most * latent()),
                  .image = input("image", (size_t)most * 3 * 64 * (size_t)(side * side))};
    tt_weight_source *weights = tt_weights_hash();
    tt_vae_config_sd15(&config);
    for (int i = 0; i < config.levels && tiny; i++)
        config.block_out_channels[i] = 32;
    must(tt_vae_create(device, &config, type, weights, &c.vae, &err));
    weights->destroy(weights);
    for (c.batch = 1; c.batch <= most; c.batch *= 4) {
        double seconds = best_of(encode, &c, &status);
        must(status);
        result("encode", type, c.batch, seconds);
        seconds = best_of(decode, &c, &status);
        must(status);
        result("decode", type, c.batch, seconds);
    }
    tt_vae_destroy(c.vae);
    tt_device_trim(device);
    free(c.image), free(c.latent);
}

typedef struct clip_call {
    tt_clip_text *clip;
    int batch;
    int32_t *ids;
    float *states;
} clip_call;

static tt_status read_text(void *what)
{
    clip_call *c = what;
    return tt_clip_text_forward(c->clip, c->batch, c->ids, 0, c->states, &err);
}

static clip_call clip_call_make(tt_type type, int most)
{
    tt_clip_text_config config;
    clip_call c = {.ids = malloc((size_t)most * TOKENS * sizeof *c.ids),
                   .states = floats((size_t)most * text_size())};
    if (!c.ids) exit(1);
    for (int i = 0; i < most * TOKENS; i++)
        c.ids[i] = i % TOKENS ? (i * 7919) % 49000 : 49406;
    tt_clip_text_config_l14(&config);
    if (tiny) config.hidden = width, config.heads = 2, config.mlp = 64, config.layers = 1;
    tt_weight_source *weights = tt_weights_hash();
    must(tt_clip_text_create(device, &config, type, weights, &c.clip, &err));
    weights->destroy(weights);
    return c;
}

static void clip_call_free(clip_call *c)
{
    tt_clip_text_destroy(c->clip);
    free(c->ids), free(c->states);
}

static void bench_clip(tt_type type)
{
    const int most = tiny ? 1 : 16;
    clip_call c = clip_call_make(type, most);
    for (c.batch = 1; c.batch <= most; c.batch *= 16) {
        tt_status status;
        double seconds = best_of(read_text, &c, &status);
        must(status);
        result("clip", type, c.batch, seconds);
    }
    clip_call_free(&c);
    tt_device_trim(device);
}

/* ---- CLiD's evaluations: three timesteps by five texts (the caption, its thirds, none) ---- */

enum { STEPS = 3, TEXTS = 5, EVALUATIONS = STEPS * TEXTS, GROUP = 32 };
static const float steps[STEPS] = {440, 450, 460};

typedef struct clid {
    unet_call call;
    clip_call clip;
    float *z, *noise; /* latents of the samples; the noise of a batch */
    double *losses;   /* [samples][STEPS][TEXTS] */
    tt_unet_text *no_text;
    double alpha_bar[STEPS];
    double form, read, network, reduce; /* seconds */
} clid;

/* √ᾱ of SD's schedule at t (scaled linear): near enough for a clock and for features of made-up weights */
static double alpha_bar(float t)
{
    double product = 1;
    for (int i = 0; i <= (int)t; i++) {
        double root = sqrt(0.00085) + (sqrt(0.012) - sqrt(0.00085)) * i / 999;
        product *= 1 - root * root;
    }
    return product;
}

/* Texts of a sample: its caption and thirds pass the encoder, the empty one is all samples'. */
static void read_texts(clid *w, int sample, tt_unet_text **texts)
{
    double start = tt_test_seconds();
    for (int i = 0; i < w->clip.batch * TOKENS; i++)
        w->clip.ids[i] = i % TOKENS ? (sample * 31 + i * 7919) % 49000 : 49406;
    must(read_text(&w->clip));
    for (int i = 0; i < TEXTS - 1; i++)
        must(tt_unet_text_create(w->call.unet, w->clip.states + (size_t)i * text_size(), TOKENS, &texts[i],
                                 &err));
    texts[TEXTS - 1] = w->no_text;
    w->read += tt_test_seconds() - start;
}

/* Evaluation e (of all samples) as row i of the batch; noise is of the sample and the timestep */
static void form(clid *w, int e, int i)
{
    int sample = e / EVALUATIONS, step = e % EVALUATIONS / TEXTS;
    double scale = sqrt(w->alpha_bar[step]), sigma = sqrt(1 - w->alpha_bar[step]);
    const tt_stream_key key = {{(uint32_t)sample, (uint32_t)step}, {0, 0}};
    float *x = w->call.x + (size_t)i * latent(), *noise = w->noise + (size_t)i * latent();
    const float *z = w->z + (size_t)sample * latent();
    tt_keyed_normals(&key, 0, noise, latent());
    for (size_t k = 0; k < latent(); k++)
        x[k] = (float)(scale * (double)z[k] + sigma * (double)noise[k]);
    w->call.t[i] = steps[step];
}

static double loss(const float *noise, const float *eps)
{
    double sum = 0;
    for (size_t k = 0; k < latent(); k++)
        sum += ((double)noise[k] - (double)eps[k]) * ((double)noise[k] - (double)eps[k]);
    return sum / (double)latent();
}

/* Rows of one batch, formed by all threads as a host forms them. */
typedef struct rows {
    clid *w;
    int first, n;
} rows;

static void form_row(void *data, size_t i)
{
    const rows *r = data;
    form(r->w, r->first + ((int)i < r->n ? (int)i : r->n - 1), (int)i);
}

static void judge_row(void *data, size_t i)
{
    const rows *r = data;
    r->w->losses[(size_t)r->first + i] = loss(r->w->noise + i * latent(), r->w->call.y + i * latent());
}

/* one batch: evaluations [first, first + n), padded by the last one */
static void run_batch(clid *w, int first, int n, tt_unet_text *texts[][TEXTS], int first_sample)
{
    double start = tt_test_seconds();
    rows r = {w, first, n};
    tt_parallel_for((size_t)w->call.batch, 0, form_row, &r);
    for (int i = 0; i < w->call.batch; i++) {
        int e = first + (i < n ? i : n - 1);
        w->call.texts[i] = texts[e / EVALUATIONS - first_sample][e % TEXTS];
    }
    double formed = tt_test_seconds();
    must(evaluate(&w->call));
    double evaluated = tt_test_seconds();
    tt_parallel_for((size_t)n, 0, judge_row, &r);
    w->form += formed - start;
    w->network += evaluated - formed;
    w->reduce += tt_test_seconds() - evaluated;
}

/* As a host does it: some samples at a time, their evaluations in batches, one request after the other. */
static void run_samples(clid *w, int samples, int group)
{
    tt_unet_text *texts[GROUP][TEXTS];
    for (int first = 0; first < samples; first += group) {
        int n = samples - first < group ? samples - first : group;
        for (int s = 0; s < n; s++)
            read_texts(w, first + s, texts[s]);
        for (int at = 0; at < n * EVALUATIONS; at += w->call.batch) {
            int left = n * EVALUATIONS - at;
            run_batch(w, first * EVALUATIONS + at, left < w->call.batch ? left : w->call.batch, texts, first);
        }
        for (int s = 0; s < n; s++)
            for (int i = 0; i < TEXTS - 1; i++)
                tt_unet_text_destroy(texts[s][i]);
    }
}

static clid clid_make(tt_type type, int samples, int batch)
{
    clid w = {.clip = clip_call_make(type, TEXTS - 1)};
    float *none = input("no text", text_size());
    w.clip.batch = TEXTS - 1;
    w.call = unet_call_make(make_unet(type), batch);
    w.call.batch = batch;
    w.z = input("latents", (size_t)samples * latent());
    w.noise = floats((size_t)batch * latent());
    w.losses = calloc((size_t)(samples * EVALUATIONS), sizeof *w.losses);
    if (!w.losses) exit(1);
    for (int i = 0; i < STEPS; i++)
        w.alpha_bar[i] = alpha_bar(steps[i]);
    must(tt_unet_text_create(w.call.unet, none, TOKENS, &w.no_text, &err));
    free(none);
    return w;
}

static void clid_free(clid *w)
{
    tt_unet_text_destroy(w->no_text);
    tt_unet_destroy(w->call.unet);
    unet_call_free(&w->call);
    clip_call_free(&w->clip);
    tt_device_trim(device);
    free(w->z), free(w->noise), free(w->losses);
}

static void bench_clid(tt_type type)
{
    const int samples = tiny ? 1 : 1000, batch = tiny ? 4 : best_batch[type] ? best_batch[type] : 32;
    const int group = tiny ? 1 : GROUP;
    clid w = clid_make(type, samples, batch);
    run_samples(&w, group, group); /* plans and recordings */
    w.form = w.read = w.network = w.reduce = 0;
    double start = tt_test_seconds();
    run_samples(&w, samples, group);
    double all = tt_test_seconds() - start;
    printf(
        "CLiD in %s, %d samples, batch %d: %.2f samples a second; noise and inputs %.1f %%, texts %.1f %%, "
        "UNet calls %.1f %%, losses %.1f %%\n",
        tt_type_name(type), samples, batch, samples / all, 100 * w.form / all, 100 * w.read / all,
        100 * w.network / all, 100 * w.reduce / all);
    result("clid", type, samples, all);
    clid_free(&w);
}

/* ---- what bf16 does to scores ---- */

static const double *ranked;

static int by_value(const void *a, const void *b)
{
    double x = ranked[*(const int *)a], y = ranked[*(const int *)b];
    return (x > y) - (x < y);
}

static void ranks(const double *values, int n, double *out)
{
    int order[256];
    for (int i = 0; i < n; i++)
        order[i] = i;
    ranked = values;
    qsort(order, (size_t)n, sizeof *order, by_value);
    for (int i = 0; i < n; i++)
        out[order[i]] = i;
}

static void compare(const char *what, const double *exact, const double *rounded, int n)
{
    double a[256], b[256], mean = 0, spread = 0, change = 0, apart = 0;
    ranks(exact, n, a);
    ranks(rounded, n, b);
    for (int i = 0; i < n; i++) {
        mean += exact[i] / n;
        apart += (a[i] - b[i]) * (a[i] - b[i]);
        change = fmax(change, fabs(exact[i] - rounded[i]));
    }
    for (int i = 0; i < n; i++)
        spread += (exact[i] - mean) * (exact[i] - mean) / n;
    printf("precision: %s of %d samples, bf16 beside f32: Spearman %.5f, largest change %.2e, %.2f of the "
           "standard deviation\n",
           what, n, 1 - 6 * apart / ((double)n * ((double)n * n - 1)), change, change / sqrt(spread));
}

static void features(const clid *w, int n, double *of_loss, double *of_clid)
{
    for (int i = 0; i < n; i++) {
        const double *l = w->losses + (size_t)i * EVALUATIONS;
        of_loss[i] = l[TEXTS]; /* t = 450, the caption */
        of_clid[i] = 0;
        for (int k = 0; k < EVALUATIONS; k++)
            of_clid[i] += (l[k / TEXTS * TEXTS + TEXTS - 1] - l[k]) / (STEPS * (TEXTS - 1));
    }
}

static void bench_precision(void)
{
    enum { MOST = 64 };
    const int samples = tiny ? 4 : MOST;
    double loss_of[2][MOST], clid_of[2][MOST];
    for (int i = 0; i < 2; i++) {
        clid w = clid_make(i ? TT_BF16 : TT_F32, samples, tiny ? 4 : 16);
        run_samples(&w, samples, samples < 16 ? samples : 16);
        features(&w, samples, loss_of[i], clid_of[i]);
        clid_free(&w);
    }
    compare("Loss", loss_of[0], loss_of[1], samples);
    compare("CLiD", clid_of[0], clid_of[1], samples);
}

/* ---- */

static bool run(const tt_backend *backend, const char *stage)
{
    static const tt_type types[] = {TT_BF16, TT_F32};
    const int n = tiny ? 1 : 2;
    if (strcmp(stage, "device") == 0) return true;
    if (strcmp(stage, "precision") == 0) {
        bench_precision();
        return true;
    }
    if (strcmp(stage, "profile") == 0) {
        bench_profile(backend, tiny ? TT_F32 : TT_BF16);
        return true;
    }
    if (strcmp(stage, "clid") == 0) {
        bench_clid(tiny ? TT_F32 : TT_BF16);
        return true;
    }
    for (int i = 0; i < n; i++) {
        tt_type type = tiny ? TT_F32 : types[i];
        if (strcmp(stage, "gemm") == 0)
            bench_gemm(type);
        else if (strcmp(stage, "unet") == 0)
            bench_unet(type);
        else if (strcmp(stage, "vae") == 0)
            bench_vae(type);
        else if (strcmp(stage, "clip") == 0)
            bench_clip(type);
        else
            return false;
    }
    return true;
}

static const tt_backend *find(tt_registry *registry, const char *name)
{
    const tt_registered *found;
#ifdef TT_CUDA_FAKE
    if (strcmp(name, "cuda-emulated") == 0) return cuda_emulated();
#endif
    must(tt_registry_find(registry, TT_KIND_BACKEND, name, &found, &err));
    return found->table;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"gemm", "unet", "vae", "clip", "clid", "precision", "profile"};
    const char *name = "cuda";
    bool plain = false;
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--tiny") == 0)
            tiny = true, side = 4, width = 32;
        else if (strcmp(argv[at], "--plain") == 0)
            plain = true;
        else if (strcmp(argv[at], "--backend") == 0 && at + 1 < argc)
            name = argv[++at];
        else if (strcmp(argv[at], "--batch") == 0 && at + 1 < argc && atoi(argv[at + 1]) > 0)
            best_batch[TT_BF16] = atoi(argv[++at]);
        else
            return 2;
    }
    tt_registry *registry;
    must(tt_registry_open(NULL, 0, &registry, &err));
    const tt_backend *backend = find(registry, name);
    const char *why = backend->unavailable ? backend->unavailable() : NULL;
    if (why) {
        fprintf(stderr, "bench_gpu: backend %s does not run here: %s\n", name, why);
        return 3;
    }
    tt_backend table = *backend;
    if (plain) table.record_begin = NULL;
    tt_device_options options = {.size = sizeof options};
    must(tt_device_open(&table, &options, &device, &err));
    printf("%s\n", backend->describe(tt_device_self(device)));
    bool known = true;
    for (size_t i = 0; i < sizeof all / sizeof *all && at == argc; i++)
        run(backend, all[i]);
    for (; at < argc; at++)
        known = run(backend, argv[at]) && known;
    printf("device memory of activations: %zu MiB at most\n", tt_device_peak_bytes(device) >> 20);
    tt_device_close(device);
    tt_registry_close(registry);
    return known ? 0 : 2;
}
