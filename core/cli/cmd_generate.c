#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cli/cli.h"
#include "cli/plugin_dirs.h"
#include "formats/image.h"
#include "formats/json.h"
#include "plugin/registry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: telltale generate MODEL --prompt TEXT --out FILE.png [OPTION ...]\n"
    "\n"
    "Makes images with a Stable Diffusion 1.x model: a diffusers directory, or a single .safetensors or "
    ".ckpt file.\n"
    "With the same seed, and the torch streams, the images are those of diffusers.\n"
    "\n"
    "  --negative TEXT       what the image shall not show (default: empty)\n"
    "  --steps N             sampling steps (default 50)\n"
    "  --guidance S          scale of classifier-free guidance (default 7.5; up to 1: none)\n"
    "  --sampler NAME        pndm, ddim, dpmpp_2m, euler (default: the model's own)\n"
    "  --karras              Karras noise levels, for dpmpp_2m and euler\n"
    "  --seed N              (default 0)\n"
    "  --stream NAME         torch-cpu (default), torch-cuda, keyed: where the starting noise comes from\n"
    "  --images N            images of one prompt (default 1); several get -1, -2, … before the file's "
    "extension\n"
    "  --width W --height H  (default: the model's resolution; of --init: that image's size)\n"
    "  --init IMAGE          start from this image\n"
    "  --strength S          how far to leave it, above 0 to 1 (default 0.8; in-painting: 1)\n"
    "  --mask IMAGE          repaint only what is white in this one\n"
    "  --legacy-inpaint      blend as diffusers up to 0.21 did (default strength 0.8)\n"
    "  --device NAME         backend: cpu (default), reference, cuda, cuda:1; `telltale ls backend` lists "
    "them\n"
    "  --threads N           (default: all processors)\n"
    "  --dtype f32|bf16      arithmetic of the UNet (default f32)\n"
    "  --variant NAME        weight files of a variant, such as fp16\n"
    "  --lora PATH[@SCALE]   merge a LoRA; may be repeated\n"
    "  --quiet               no progress\n"
    "  --plugin-dir DIR      look for plugins there too\n";

#define MAX_LORAS 32

typedef struct options {
    const char *model, *prompt, *negative, *out, *init, *mask, *device, *dtype, *variant;
    const char *loras[MAX_LORAS];
    size_t n_loras;
    tt_generate request;
    int64_t threads;
    bool has_strength, quiet;
    tt_plugin_dirs dirs;
} options;

/* ---- reading options ---- */

static tt_status bad_value(const char *name, const char *value, const char *expected, tt_error *err)
{
    return tt_fail(err, TT_ERR_INVALID, "%s '%s': must be %s", name, value, expected);
}

static tt_status read_whole(const char *name, const char *value, int64_t min, int64_t max, int64_t *out,
                            tt_error *err)
{
    char *end, expected[80];
    long long n = strtoll(value, &end, 10);
    snprintf(expected, sizeof expected, "a whole number of %lld..%lld", (long long)min, (long long)max);
    if (!*value || *end || n < min || n > max) return bad_value(name, value, expected, err);
    *out = n;
    return TT_OK;
}

static tt_status read_real(const char *name, const char *value, double *out, tt_error *err)
{
    char *end;
    *out = strtod(value, &end);
    return !*value || *end || !isfinite(*out) ? bad_value(name, value, "a number", err) : TT_OK;
}

/* The index of value in a list of names. */
static tt_status read_name(const char *name, const char *value, const char *const *names, size_t n, int *out,
                           tt_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(value, names[i]) == 0) {
            *out = (int)i;
            return TT_OK;
        }
    char expected[120] = "one of";
    for (size_t i = 0; i < n; i++)
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s %s", i ? "," : "",
                 names[i]);
    return bad_value(name, value, expected, err);
}

static tt_status read_u32(const char *name, const char *value, int64_t min, int64_t max, uint32_t *out,
                          tt_error *err)
{
    int64_t n = 0;
    tt_status s = read_whole(name, value, min, max, &n, err);
    *out = (uint32_t)n;
    return s;
}

static const char *const samplers[] = {"default", "pndm", "ddim", "dpmpp_2m", "euler"};
static const char *const streams[] = {"torch-cpu", "torch-cuda", "keyed"};

static tt_status read_seed(const char *value, uint64_t *out, tt_error *err)
{
    char *end;
    *out = strtoull(value, &end, 10);
    return !*value || *value == '-' || *end ? bad_value("--seed", value, "a whole number", err) : TT_OK;
}

/* An option with a value; *known says whether there is such an option. */
static tt_status read_valued(options *o, const char *name, const char *value, bool *known, tt_error *err)
{
    tt_generate *g = &o->request;
    const struct {
        const char *name, **text;
    } texts[] = {{"--prompt", &o->prompt}, {"--negative", &o->negative}, {"--out", &o->out},
                 {"--init", &o->init},     {"--mask", &o->mask},         {"--device", &o->device},
                 {"--dtype", &o->dtype},   {"--variant", &o->variant}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].text = value;
            return TT_OK;
        }
    int word = 0;
    tt_status s = TT_OK;
    if (strcmp(name, "--steps") == 0) return read_u32(name, value, 1, 999, &g->steps, err);
    if (strcmp(name, "--images") == 0) return read_u32(name, value, 1, 4096, &g->images, err);
    if (strcmp(name, "--width") == 0) return read_u32(name, value, 8, 4096, &g->width, err);
    if (strcmp(name, "--height") == 0) return read_u32(name, value, 8, 4096, &g->height, err);
    if (strcmp(name, "--threads") == 0) return read_whole(name, value, 0, 4096, &o->threads, err);
    if (strcmp(name, "--guidance") == 0) return read_real(name, value, &g->guidance, err);
    if (strcmp(name, "--seed") == 0) return read_seed(value, &g->seed, err);
    if (strcmp(name, "--strength") == 0) {
        o->has_strength = true;
        return read_real(name, value, &g->strength, err);
    }
    if (strcmp(name, "--sampler") == 0) {
        s = read_name(name, value, samplers, sizeof samplers / sizeof *samplers, &word, err);
        g->sampler = (tt_sampler)word;
        return s;
    }
    if (strcmp(name, "--stream") == 0) {
        s = read_name(name, value, streams, sizeof streams / sizeof *streams, &word, err);
        g->stream = (tt_stream)word;
        return s;
    }
    if (strcmp(name, "--lora") == 0) {
        if (o->n_loras == MAX_LORAS) return tt_fail(err, TT_ERR_INVALID, "more than %d --lora", MAX_LORAS);
        o->loras[o->n_loras++] = value;
        return TT_OK;
    }
    *known = false;
    return TT_OK;
}

static bool read_flag(options *o, const char *name)
{
    if (strcmp(name, "--karras") == 0) return o->request.karras = true;
    if (strcmp(name, "--legacy-inpaint") == 0) return o->request.legacy_inpaint = true;
    if (strcmp(name, "--quiet") == 0) return o->quiet = true;
    return false;
}

static tt_status read_options(int argc, char **argv, options *o, tt_error *err)
{
    *o = (options){.device = "cpu", .request = {.size = sizeof(tt_generate), .guidance = 7.5, .images = 1}};
    for (int i = 1; i < argc; i++) {
        if (tt_plugin_dirs_option(&o->dirs, argc, argv, &i) || read_flag(o, argv[i])) continue;
        if (strncmp(argv[i], "--", 2) != 0) {
            if (o->model)
                return tt_fail(err, TT_ERR_INVALID, "one model, please: '%s' and '%s'", o->model, argv[i]);
            o->model = argv[i];
            continue;
        }
        bool known = true;
        tt_status s = read_valued(o, argv[i], i + 1 < argc ? argv[i + 1] : "", &known, err);
        if (!known) return tt_fail(err, TT_ERR_INVALID, "generate does not know %s; see --help", argv[i]);
        if (i + 1 == argc) return tt_fail(err, TT_ERR_INVALID, "%s needs a value", argv[i]);
        if (s) return s;
        i++;
    }
    if (!o->model || !o->prompt || !o->out)
        return tt_fail(err, TT_ERR_INVALID, "generate needs a model, --prompt and --out; see --help");
    if (o->mask && !o->init) return tt_fail(err, TT_ERR_INVALID, "--mask needs --init, the image to repaint");
    if (o->has_strength && !o->init) return tt_fail(err, TT_ERR_INVALID, "--strength needs --init");
    if (!o->has_strength) o->request.strength = o->mask && !o->request.legacy_inpaint ? 1.0 : 0.8;
    return TT_OK;
}

/* ---- the target ---- */

typedef struct session {
    tt_arena *arena;
    tt_registry *registry;
    const tt_target_plugin *plugin;
    tt_params *params;
    void *target;
} session;

/* The target's parameters as the JSON that a spec would hold. */
static tt_status make_params(session *s, const options *o, const tt_plugin_info *info, tt_error *err)
{
    tt_buf json = {0};
    char *cwd = getcwd(NULL, 0);
    bool ok = cwd && tt_buf_printf(&json, "{\"path\": ") && tt_json_quote(&json, o->model);
    if (ok && o->dtype) ok = tt_buf_printf(&json, ", \"dtype\": ") && tt_json_quote(&json, o->dtype);
    if (ok && o->variant) ok = tt_buf_printf(&json, ", \"variant\": ") && tt_json_quote(&json, o->variant);
    for (size_t i = 0; i < o->n_loras && ok; i++) {
        char *path = o->loras[i][0] == '/' ? tt_strdup(o->loras[i])
                                           : tt_arena_printf(s->arena, "%s/%s", cwd, o->loras[i]);
        ok = path && tt_buf_printf(&json, i ? ", " : ", \"lora\": [") && tt_json_quote(&json, path);
        if (o->loras[i][0] == '/') tt_free(path);
    }
    if (ok && o->n_loras) ok = tt_buf_printf(&json, "]");
    if (ok) ok = tt_buf_printf(&json, "}");
    tt_node *map = NULL;
    tt_status status = ok ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!status) status = tt_json_parse(s->arena, "(options)", json.data, json.size, &map, err);
    if (!status) status = tt_params_parse(info, map, "generate", cwd, NULL, 0, &s->params, err);
    tt_buf_free(&json);
    free(cwd);
    return status;
}

/* "cuda:1" → backend cuda, index 1 */
static tt_status find_backend(session *s, const options *o, tt_target_context *context, tt_error *err)
{
    char name[64];
    const char *colon = strchr(o->device, ':');
    int64_t index = 0;
    snprintf(name, sizeof name, "%.*s", (int)(colon ? colon - o->device : (long)strlen(o->device)),
             o->device);
    const tt_registered *found;
    tt_status status = colon ? read_whole("--device", colon + 1, 0, 1024, &index, err) : TT_OK;
    if (!status) status = tt_registry_find(s->registry, TT_KIND_BACKEND, name, &found, err);
    if (status) return status;
    *context = (tt_target_context){
        .size = sizeof *context,
        .backend = found->table,
        .device = {.size = sizeof context->device, .threads = (int32_t)o->threads, .index = (int32_t)index}};
    return TT_OK;
}

static tt_status session_open(session *s, const options *o, tt_error *err)
{
    const tt_registered *found;
    tt_target_context context;
    s->arena = tt_arena_create(0);
    if (!s->arena) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_status status = tt_registry_open(o->dirs.dirs, o->dirs.n, &s->registry, err);
    if (!status) status = tt_registry_find(s->registry, TT_KIND_TARGET, "sd15", &found, err);
    if (status) return status;
    s->plugin = found->table;
    status = find_backend(s, o, &context, err);
    if (!status) status = make_params(s, o, found->info, err);
    if (!status) status = s->plugin->open(s->params, &context, &s->target, err);
    return status;
}

static void session_close(session *s)
{
    if (s->target) s->plugin->close(s->target);
    tt_params_free(s->params);
    tt_registry_close(s->registry);
    tt_arena_destroy(s->arena);
}

/* ---- the run ---- */

/* The number of calls is known once they begin. */
static void show(void *user, uint32_t step, uint32_t steps)
{
    tt_progress **p = user;
    if (!*p) *p = tt_progress_start("generate", "steps", steps);
    tt_progress_set(*p, step);
}

/* out.png → out-3.png when there are several */
static tt_status write_images(const options *o, const tt_pixels *images, tt_error *err)
{
    const char *slash = strrchr(o->out, '/'), *dot = strrchr(slash ? slash : o->out, '.');
    size_t stem = dot ? (size_t)(dot - o->out) : strlen(o->out);
    tt_status s = TT_OK;
    for (uint32_t i = 0; i < o->request.images && !s; i++) {
        char path[4096];
        int n = o->request.images == 1
                    ? snprintf(path, sizeof path, "%s", o->out)
                    : snprintf(path, sizeof path, "%.*s-%u%s", (int)stem, o->out, i + 1, o->out + stem);
        s = n < 0 || (size_t)n >= sizeof path ? tt_fail(err, TT_ERR_INVALID, "--out: the path is too long")
                                              : tt_image_write_png(path, &images[i], err);
    }
    return s;
}

static tt_status generate(session *s, options *o, tt_error *err)
{
    tt_pixels init = {0}, mask = {0};
    tt_text_piece prompt = {.text = o->prompt}, negative = {.text = o->negative};
    tt_generate *g = &o->request;
    g->prompt = (tt_text){&prompt, 1};
    if (o->negative) g->negative = (tt_text){&negative, 1};
    tt_pixels *images = tt_arena_alloc_array(s->arena, g->images, sizeof *images);
    tt_status status = images ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for %u images", g->images);
    if (!status && o->init) status = tt_image_read(o->init, NULL, &init, NULL, err);
    if (!status && o->mask) status = tt_image_read(o->mask, NULL, &mask, NULL, err);
    if (o->init) g->init = &init;
    if (o->mask) g->mask = &mask;
    if (!status) {
        tt_progress *p = NULL;
        status = s->plugin->generate(s->target, g, images, show, &p, err);
        if (p) tt_progress_finish(p);
    }
    if (!status) status = write_images(o, images, err);
    for (uint32_t i = 0; images && i < g->images; i++)
        tt_free(images[i].rgb);
    tt_free(init.rgb);
    tt_free(mask.rgb);
    return status;
}

int tt_cmd_generate(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
    tt_error err = {0};
    options o;
    session s = {0};
    tt_status status = read_options(argc, argv, &o, &err);
    if (status) return tt_cli_error(&err);
    tt_progress_set_quiet(o.quiet);
    tt_stop_install();
    status = session_open(&s, &o, &err);
    if (!status) status = generate(&s, &o, &err);
    session_close(&s);
    return status ? tt_cli_error(&err) : TT_EXIT_DONE;
}
