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
#include "support/networks.h"
#include "support/op_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tt_error err;

static void must(tt_status status)
{
    if (status == TT_OK) return;
    fprintf(stderr, "bench_unet: %s\n", err.message);
    exit(1);
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
        tt_op_clock_reset();
        double start = tt_test_seconds();
        must(tt_unet_forward(unet, j->batch, 64, 64, x, t, texts, y, &err));
        double took = tt_test_seconds() - start;
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
        tt_op_clock_reset();
        double start = tt_test_seconds();
        if (encode)
            must(tt_vae_encode(vae, j->batch, 512, 512, image, latent, NULL, &err));
        else
            must(tt_vae_decode(vae, j->batch, 64, 64, latent, image, &err));
        double took = tt_test_seconds() - start;
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
    const tt_backend *cpu = found->table;
    must(tt_device_open(tt_op_clock_over(cpu, 1), &options, &j.device, &err));
    printf("%s\n", cpu->describe(tt_device_self(j.device)));
    if (strcmp(what, "unet") == 0)
        bench_unet(&j);
    else
        bench_vae(&j, strcmp(what, "encode") == 0);
    tt_op_clock_report(30);
    printf("device memory: %.0f MiB at most\n", (double)tt_device_peak_bytes(j.device) / 1048576);
    report_memory();
    tt_device_close(j.device);
    tt_registry_close(registry);
    return 0;
}
