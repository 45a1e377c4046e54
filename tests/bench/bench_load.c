/* How long a full-size Stable Diffusion 1.5 takes from its files to packed weights, and how much memory.
 *
 *   bench_load DIR [stored: f32|f16|bf16] [dtype: f32|bf16] [backend] [threads]
 *
 * DIR is filled with a diffusers directory of hash weights unless there is one (4.3 GB in f32; its UNet alone
 * is 3.4 GB). The files are read once first, so that what is timed is the work and not the disk. */
#include "base/file.h"
#include "support/checkpoints.h"
#include "support/networks.h"
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

/* ---- SD1.5's directory ---- */

static const char *const configs[][2] = {
    {"model_index.json",
     "{\"_class_name\": \"StableDiffusionPipeline\", \"unet\": [\"diffusers\", \"UNet2DConditionModel\"], "
     "\"vae\": [\"diffusers\", \"AutoencoderKL\"], \"text_encoder\": [\"transformers\", \"CLIPTextModel\"]}"},
    {"unet/config.json",
     "{\"_class_name\": \"UNet2DConditionModel\", \"sample_size\": 64, \"in_channels\": 4, \"out_channels\": "
     "4, "
     "\"block_out_channels\": [320, 640, 1280, 1280], \"layers_per_block\": 2, \"cross_attention_dim\": 768, "
     "\"attention_head_dim\": 8, \"down_block_types\": [\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", "
     "\"CrossAttnDownBlock2D\", \"DownBlock2D\"], \"up_block_types\": [\"UpBlock2D\", "
     "\"CrossAttnUpBlock2D\", "
     "\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"]}"},
    {"vae/config.json",
     "{\"_class_name\": \"AutoencoderKL\", \"block_out_channels\": [128, 256, 512, 512], "
     "\"layers_per_block\": 2, "
     "\"latent_channels\": 4, \"sample_size\": 512, \"down_block_types\": [\"DownEncoderBlock2D\", "
     "\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\"], \"up_block_types\": "
     "[\"UpDecoderBlock2D\", \"UpDecoderBlock2D\", \"UpDecoderBlock2D\", \"UpDecoderBlock2D\"]}"},
    {"text_encoder/config.json",
     "{\"model_type\": \"clip_text_model\", \"hidden_size\": 768, \"intermediate_size\": 3072, "
     "\"num_hidden_layers\": 12, \"num_attention_heads\": 12, \"max_position_embeddings\": 77, "
     "\"vocab_size\": 49408, "
     "\"hidden_act\": \"quick_gelu\", \"eos_token_id\": 2}"},
    {"scheduler/scheduler_config.json",
     "{\"_class_name\": \"PNDMScheduler\", \"beta_start\": 0.00085, \"beta_end\": 0.012, \"beta_schedule\": "
     "\"scaled_linear\", \"num_train_timesteps\": 1000, \"set_alpha_to_one\": false, \"skip_prk_steps\": "
     "true, "
     "\"steps_offset\": 1, \"clip_sample\": false}"},
    {"tokenizer/tokenizer_config.json",
     "{\"model_max_length\": 77, \"bos_token\": \"<|startoftext|>\", \"eos_token\": \"<|endoftext|>\", "
     "\"pad_token\": \"<|endoftext|>\"}"}};

static void make(const char *dir, tt_type stored)
{
    char path[4096];
    tt_error err = {0};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, configs[i][0]);
        char *slash = strrchr(path, '/');
        *slash = '\0';
        tt_ok(tt_dir_create(path, &err), &err);
        *slash = '/';
        tt_ok(tt_file_write(path, configs[i][1], strlen(configs[i][1]), &err), &err);
    }
    static const char *const tokenizer[] = {"vocab.json", "merges.txt"};
    for (size_t i = 0; i < 2; i++) {
        char from[4096];
        snprintf(from, sizeof from, TT_TEST_CONFIGS "/tokenizer/%s", tokenizer[i]);
        snprintf(path, sizeof path, "%s/tokenizer/%s", dir, tokenizer[i]);
        tt_test_copy(from, path);
    }
    tt_test_checkpoint(dir, dir, &(tt_test_layout){.type = stored});
}

static size_t warm(const char *dir)
{
    static const char *const files[] = {"unet/diffusion_pytorch_model.safetensors",
                                        "vae/diffusion_pytorch_model.safetensors",
                                        "text_encoder/model.safetensors"};
    static char buffer[1 << 20];
    size_t total = 0, n;
    for (size_t i = 0; i < 3; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        FILE *f = fopen(path, "rb");
        if (!f) continue;
        while ((n = fread(buffer, 1, sizeof buffer, f)) > 0)
            total += n;
        fclose(f);
    }
    return total;
}

/* Seconds that the kernel takes to hand out this much memory: the floor of any loading into memory of one's
 * own. */
static double touch(size_t bytes)
{
    double begin = tt_test_seconds();
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(p != MAP_FAILED);
    for (size_t i = 0; i < bytes; i += 4096)
        p[i] = 1;
    double seconds = tt_test_seconds() - begin;
    munmap(p, bytes);
    return seconds;
}

/* ---- memory, watched while loading ---- */

static atomic_bool watching;
static size_t peak_anonymous_kib, peak_resident_kib;

static size_t status_kib(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void *watch(void *unused)
{
    (void)unused;
    while (atomic_load(&watching)) {
        char text[8192];
        FILE *f = fopen("/proc/self/status", "r");
        size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        if (f) fclose(f);
        text[n] = '\0';
        size_t anonymous = status_kib(text, "RssAnon:"), all = status_kib(text, "VmRSS:");
        if (anonymous > peak_anonymous_kib) peak_anonymous_kib = anonymous;
        if (all > peak_resident_kib) peak_resident_kib = all;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return NULL;
}

/* ---- the run: a test of Check, whose assertions the helpers use ---- */

static int n_arguments;
static char **arguments;

static const char *argument(int i, const char *fallback)
{
    return i < n_arguments ? arguments[i] : fallback;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static void load(const char *dir, const char *dtype, const char *backend, int threads, size_t bytes)
{
    char json[8192];
    tt_test_target target;
    tt_error err = {0};
    pthread_t watcher;
    snprintf(json, sizeof json,
             "{\"path\": \"%s\", \"dtype\": \"%s\", \"vae_dtype\": \"%s\", \"text_dtype\": \"%s\"}", dir,
             dtype, dtype, dtype);
    atomic_store(&watching, true);
    ck_assert_int_eq(pthread_create(&watcher, NULL, watch, NULL), 0);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double begin = tt_test_seconds();
    tt_ok(tt_test_target_open(&target, json, backend, threads, &err), &err);
    double seconds = tt_test_seconds() - begin;
    getrusage(RUSAGE_SELF, &after);
    atomic_store(&watching, false);
    pthread_join(watcher, NULL);
    printf("%s: %.2f GB as stored, %s on %s: ready in %.2f s (%.2f GB/s); peak %.2f GB anonymous, %.2f GB "
           "resident\n",
           dir, (double)bytes / 1e9, dtype, backend, seconds, (double)bytes / 1e9 / seconds,
           (double)peak_anonymous_kib * 1024 / 1e9, (double)peak_resident_kib * 1024 / 1e9);
    printf("processor time: %.2f s ours, %.2f s the kernel's; %ld page faults\n",
           seconds_of(after.ru_utime) - seconds_of(before.ru_utime),
           seconds_of(after.ru_stime) - seconds_of(before.ru_stime), after.ru_minflt - before.ru_minflt);
    tt_test_target_close(&target);
}

START_TEST(bench)
{
    char path[4096];
    const char *dir = arguments[1], *stored = argument(2, "f32");
    snprintf(path, sizeof path, "%s/text_encoder/model.safetensors", dir);
    if (!tt_file_exists(path))
        make(dir, strcmp(stored, "f16") == 0 ? TT_F16 : strcmp(stored, "bf16") == 0 ? TT_BF16 : TT_F32);
    size_t bytes = warm(dir);
    touch(bytes);
    printf("the kernel hands out that much memory to one thread in %.2f s\n", touch(bytes));
    load(dir, argument(3, "f32"), argument(4, tt_test_backend()), atoi(argument(5, "0")), bytes);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_load DIR [f32|f16|bf16] [f32|bf16] [backend] [threads]\n");
        return 2;
    }
    n_arguments = argc;
    arguments = argv;
    Suite *suite = suite_create("bench");
    TCase *tc = tcase_create("load");
    tcase_add_test(tc, bench);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_MINIMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
