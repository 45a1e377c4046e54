/* SD1.5's whole networks with hash-made weights on the cpu backend: seconds a call, and which operations and
 * shapes they go to.
 *
 *   build/release/bench/bench_unet [unet|encode|decode] [f32|bf16] [batch] [threads] [repeats]
 *
 * The weights cost no time, and times do not depend on their values. The best of the repeats counts: other
 * programs only ever add. */
#include "models/unet.h"
#include "models/vae.h"
#include "models/weights.h"
#include "plugin/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_LINES 256

static tt_error err;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(tt_status status)
{
    if (status == TT_OK) return;
    fprintf(stderr, "bench_unet: %s\n", err.message);
    exit(1);
}

/* ---- the backend's table with a clock around run ---- */

typedef struct line {
    char what[96];
    double seconds;
    long calls;
} line;

static const tt_backend *inner;
static line lines[MAX_LINES];
static int n_lines;

static int print_shape(char *to, size_t size, const tt_tensor *t)
{
    int at = 0;
    for (int32_t i = 0; t && i < t->rank && at < (int)size; i++)
        at += snprintf(to + at, size - (size_t)at, "%s%lld", i ? "," : " ", (long long)t->shape[i]);
    return at < (int)size ? at : (int)size - 1;
}

static line *line_of(const tt_op *op)
{
    char what[96];
    int at = snprintf(what, sizeof what, "%s", tt_op_name(op->code));
    at += print_shape(what + at, sizeof what - (size_t)at, op->in[0]);
    at += snprintf(what + at, sizeof what - (size_t)at, " ->");
    print_shape(what + at, sizeof what - (size_t)at, op->out[0]);
    for (int i = 0; i < n_lines; i++)
        if (strcmp(lines[i].what, what) == 0) return &lines[i];
    if (n_lines == MAX_LINES) return &lines[MAX_LINES - 1];
    memcpy(lines[n_lines].what, what, sizeof what);
    return &lines[n_lines++];
}

static tt_status timed_run(void *self, const tt_op *op, tt_error *e)
{
    line *l = line_of(op);
    double start = seconds();
    tt_status status = inner->run(self, op, e);
    l->seconds += seconds() - start;
    l->calls++;
    return status;
}

static int by_time(const void *a, const void *b)
{
    double x = ((const line *)a)->seconds, y = ((const line *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void report(void)
{
    double total = 0, codes[TT_OP_COUNT] = {0};
    qsort(lines, (size_t)n_lines, sizeof *lines, by_time);
    for (int i = 0; i < n_lines; i++) {
        total += lines[i].seconds;
        for (int c = 0; c < TT_OP_COUNT; c++) {
            const char *name = tt_op_name((tt_op_code)c);
            size_t n = strlen(name);
            if (strncmp(lines[i].what, name, n) == 0 && lines[i].what[n] == ' ') codes[c] += lines[i].seconds;
        }
    }
    printf("operations of the last call: %.1f ms\n", 1e3 * total);
    for (int c = 0; c < TT_OP_COUNT; c++)
        if (codes[c] > 0) printf("%9.1f ms  %s\n", 1e3 * codes[c], tt_op_name((tt_op_code)c));
    for (int i = 0; i < n_lines && i < 30; i++)
        printf("%9.1f ms %4ld× %s\n", 1e3 * lines[i].seconds, lines[i].calls, lines[i].what);
}

/* VmHWM, anonymous memory and files together; RssAnon now */
static void report_memory(void)
{
    char text[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(text, sizeof text, f))
        if (strncmp(text, "VmHWM", 5) == 0 || strncmp(text, "RssAnon", 7) == 0) printf("%s", text);
    if (f) fclose(f);
}

static float *input(const char *name, size_t n)
{
    float *x = malloc(n * sizeof *x);
    if (!x) exit(1);
    tt_hash_input(name, x, n);
    return x;
}

/* ---- the calls ---- */

typedef struct job {
    tt_device *device;
    tt_type type;
    int batch, repeats;
} job;

static void print_time(const job *j, const char *what, double best)
{
    printf("%s %s batch %d: %.3f s a call, best of %d\n", what, tt_type_name(j->type), j->batch, best,
           j->repeats);
}

static void bench_unet(const job *j)
{
    tt_unet_config config;
    tt_unet *unet;
    tt_unet_text *text, **texts = calloc((size_t)j->batch, sizeof(tt_unet_text *));
    tt_weight_source *weights = tt_weights_hash();
    tt_unet_config_sd15(&config);
    must(tt_unet_create(j->device, &config, j->type, weights, &unet, &err));
    weights->destroy(weights);
    report_memory();
    float *x = input("sample", (size_t)j->batch * 4 * 64 * 64),
          *y = input("out", (size_t)j->batch * 4 * 64 * 64);
    float *states = input("states", (size_t)77 * 768), *t = calloc((size_t)j->batch, sizeof *t);
    must(tt_unet_text_create(unet, states, 77, &text, &err));
    for (int i = 0; i < j->batch; i++)
        texts[i] = text, t[i] = 450;
    double best = 1e30;
    for (int i = 0; i <= j->repeats; i++) { /* the first compiles oneDNN's kernels */
        n_lines = 0;
        memset(lines, 0, sizeof lines);
        double start = seconds();
        must(tt_unet_forward(unet, j->batch, 64, 64, x, t, texts, y, &err));
        double took = seconds() - start;
        if (i > 0 && took < best) best = took;
    }
    print_time(j, "unet 64×64", best);
    tt_unet_text_destroy(text);
    tt_unet_destroy(unet);
    free(x), free(y), free(states), free(t), free(texts);
}

static void bench_vae(const job *j, bool encode)
{
    tt_vae_config config;
    tt_vae *vae;
    tt_weight_source *weights = tt_weights_hash();
    tt_vae_config_sd15(&config);
    must(tt_vae_create(j->device, &config, j->type, weights, &vae, &err));
    weights->destroy(weights);
    report_memory();
    float *image = input("image", (size_t)j->batch * 3 * 512 * 512);
    float *latent = input("latent", (size_t)j->batch * 4 * 64 * 64);
    double best = 1e30;
    for (int i = 0; i <= j->repeats; i++) {
        n_lines = 0;
        memset(lines, 0, sizeof lines);
        double start = seconds();
        if (encode)
            must(tt_vae_encode(vae, j->batch, 512, 512, image, latent, NULL, &err));
        else
            must(tt_vae_decode(vae, j->batch, 64, 64, latent, image, &err));
        double took = seconds() - start;
        if (i > 0 && took < best) best = took;
    }
    print_time(j, encode ? "vae encode 512×512" : "vae decode 512×512", best);
    tt_vae_destroy(vae);
    free(image), free(latent);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "unet";
    job j = {.type = argc > 2 && strcmp(argv[2], "bf16") == 0 ? TT_BF16 : TT_F32,
             .batch = argc > 3 ? atoi(argv[3]) : 1,
             .repeats = argc > 5 ? atoi(argv[5]) : 3};
    tt_device_options options = {.size = sizeof options, .threads = argc > 4 ? atoi(argv[4]) : 2};
    if (j.batch < 1 || j.repeats < 1) return 2;
    tt_registry *registry;
    const tt_registered *found;
    must(tt_registry_open(NULL, 0, &registry, &err));
    must(tt_registry_find(registry, TT_KIND_BACKEND, "cpu", &found, &err));
    inner = found->table;
    tt_backend timed = *inner;
    timed.run = timed_run;
    must(tt_device_open(&timed, &options, &j.device, &err));
    printf("%s\n", inner->describe(tt_device_self(j.device)));
    if (strcmp(what, "unet") == 0)
        bench_unet(&j);
    else
        bench_vae(&j, strcmp(what, "encode") == 0);
    report();
    printf("device memory: %.0f MiB at most\n", (double)tt_device_peak_bytes(j.device) / 1048576);
    report_memory();
    tt_device_close(j.device);
    tt_registry_close(registry);
    return 0;
}
