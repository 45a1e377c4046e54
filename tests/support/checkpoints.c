#include "support/checkpoints.h"
#include "base/file.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "models/clip.h"
#include "models/unet.h"
#include "models/vae.h"
#include "models/weights.h"
#include "models/weights_hash.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- which tensors a network asks for: it is created on a device that packs nothing ---- */

static tt_status null_open(const tt_device_options *options, void **self, tt_error *err)
{
    (void)options, (void)err;
    *self = NULL;
    return TT_OK;
}

static const char *null_describe(void *self)
{
    (void)self;
    return "null";
}

static void null_close(void *self)
{
    (void)self;
}

static void *null_alloc(void *self, size_t bytes)
{
    (void)self;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void null_free(void *self, void *p)
{
    (void)self;
    free(p);
}

static tt_status null_upload(void *self, void *device, const void *host, size_t bytes, tt_error *err)
{
    (void)self, (void)err;
    memcpy(device, host, bytes);
    return TT_OK;
}

static tt_status null_download(void *self, void *host, const void *device, size_t bytes, tt_error *err)
{
    return null_upload(self, host, device, bytes, err);
}

static bool null_supports(void *self, tt_op_code code, tt_type type)
{
    (void)self, (void)code, (void)type;
    return true;
}

static tt_status null_pack(void *self, const tt_op *like, const tt_weights *weights, tt_type type,
                           tt_packed **packed, tt_error *err)
{
    static char nothing;
    (void)self, (void)like, (void)weights, (void)type, (void)err;
    *packed = (tt_packed *)&nothing;
    return TT_OK;
}

static void null_unpack(void *self, tt_packed *packed)
{
    (void)self, (void)packed;
}

static tt_status null_run(void *self, const tt_op *op, tt_error *err)
{
    (void)self, (void)op;
    return tt_fail(err, TT_ERR_UNSUPPORTED, "this device computes nothing");
}

static const tt_backend null_backend = {.abi = TT_ABI_VERSION,
                                        .size = sizeof null_backend,
                                        .name = "null",
                                        .describe = null_describe,
                                        .open = null_open,
                                        .close = null_close,
                                        .alloc = null_alloc,
                                        .free = null_free,
                                        .upload = null_upload,
                                        .download = null_download,
                                        .supports = null_supports,
                                        .pack = null_pack,
                                        .unpack = null_unpack,
                                        .run = null_run};

const tt_backend *tt_test_null_backend(void)
{
    return &null_backend;
}

#define ZEROS ((size_t)1 << 30) /* above the largest tensor */

typedef struct recorder {
    tt_weight_source base;
    tt_arena *arena;
    tt_tensor_view *views;
    size_t n, capacity;
    const void *zeros;
} recorder;

static tt_status record(tt_weight_source *self, const char *name, tt_weight_view *view, tt_error *err)
{
    recorder *r = (recorder *)self;
    (void)err;
    if (r->n == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 256;
        r->views = realloc(r->views, r->capacity * sizeof *r->views);
        ck_assert_ptr_nonnull(r->views);
    }
    tt_tensor_view *v = &r->views[r->n++];
    *v = (tt_tensor_view){.name = tt_arena_strdup(r->arena, name), .rank = view->rank};
    for (int i = 0; i < view->rank; i++)
        v->shape[i] = view->shape[i];
    /* what is asked for as a matrix but stored as a 1x1 convolution in SD1.x */
    static const char *const convolutions[] = {".proj_in.weight", ".proj_out.weight", ".conv_shortcut.weight",
                                               "quant_conv.weight"};
    for (size_t i = 0; i < sizeof convolutions / sizeof *convolutions; i++)
        if (view->rank == 2 && strstr(name, convolutions[i])) {
            v->rank = 4;
            v->shape[2] = v->shape[3] = 1;
        }
    view->type = TT_F32;
    view->data = r->zeros;
    return TT_OK;
}

static bool record_has(tt_weight_source *self, const char *name)
{
    (void)self, (void)name;
    return true;
}

static void record_done(tt_weight_source *self, const char *name)
{
    (void)self, (void)name;
}

/* ---- writing ---- */

static void fill(tt_tensor_view *v, tt_type type)
{
    static const char *const dtypes[] = {
        [TT_F64] = "F64", [TT_F32] = "F32", [TT_BF16] = "BF16", [TT_F16] = "F16"};
    size_t count = 1;
    for (int i = 0; i < v->rank; i++)
        count *= (size_t)v->shape[i];
    float *values = malloc(count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    tt_hash_fill(v->name, v->rank, v->shape, values, count);
    v->dtype = dtypes[type];
    v->type = (int)type;
    v->size_bytes = count * tt_type_size(type);
    v->data = values;
    if (type == TT_F32) return;
    void *converted = malloc(v->size_bytes);
    ck_assert_ptr_nonnull(converted);
    tt_convert(type, converted, TT_F32, values, count);
    free(values);
    v->data = converted;
}

/* the names that a file of `layout` has; hash values stay those of today's names */
static void rename_tensor(recorder *r, tt_tensor_view *v, const tt_test_layout *layout)
{
    static const char *const renamed[][2] = {
        {".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."}, {".to_out.0.", ".proj_attn."}};
    if (layout->bare_text && strncmp(v->name, "text_model.", 11) == 0) v->name += 11;
    if (!layout->old_vae || !strstr(v->name, "mid_block.attentions.") ||
        strstr(v->name, "transformer_blocks"))
        return;
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        const char *at = strstr(v->name, renamed[i][0]);
        if (!at) continue;
        v->name = tt_arena_printf(r->arena, "%.*s%s%s", (int)(at - v->name), v->name, renamed[i][1],
                                  at + strlen(renamed[i][0]));
        if (v->rank == 2) {
            v->rank = 4;
            v->shape[2] = v->shape[3] = 1;
        }
        return;
    }
}

/* ---- a single file ---- */

/* "key name" lines: CompVis' key of a tensor that diffusers calls `name`; the VAE's lines come last */
static const char *compvis_key(recorder *r, const char *keys, const char *name, const char *prefix)
{
    char *pattern = tt_arena_printf(r->arena, " %s\n", name);
    for (const char *at = keys; (at = strstr(at, pattern)) != NULL; at++) {
        const char *begin = at;
        while (begin > keys && begin[-1] != '\n')
            begin--;
        if (strncmp(begin, prefix, strlen(prefix)) == 0)
            return tt_arena_strndup(r->arena, begin, (size_t)(at - begin));
    }
    ck_abort_msg("no CompVis key for %s", name);
    return NULL;
}

static void put_entry(tt_buf *header, const tt_tensor_view *v, const char *name, const char *dtype,
                      size_t element_bytes, size_t *at)
{
    size_t bytes = element_bytes;
    tt_buf_printf(header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", header->size ? "," : "{", name, dtype);
    for (int i = 0; i < v->rank; i++) {
        tt_buf_printf(header, "%s%lld", i ? "," : "", (long long)v->shape[i]);
        bytes *= (size_t)v->shape[i];
    }
    tt_buf_printf(header, "],\"data_offsets\":[%zu,%zu]}", *at, *at + bytes);
    *at += bytes;
}

/* The entries of what was recorded; attention projections of the VAE are 1x1 convolutions here. */
static void put_part(recorder *r, tt_buf *header, const char *keys, const char *prefix, size_t *at)
{
    for (size_t i = 0; i < r->n; i++) {
        tt_tensor_view *v = &r->views[i];
        const char *name =
            keys ? compvis_key(r, keys, v->name, prefix) : tt_arena_printf(r->arena, "%s%s", prefix, v->name);
        if (v->rank == 2 && strstr(name, ".mid.attn_1.")) {
            v->rank = 4;
            v->shape[2] = v->shape[3] = 1;
        }
        put_entry(header, v, name, "F16", 2, at);
    }
    r->n = 0;
}

static void write_hole(const char *path, tt_buf *header, size_t bytes)
{
    while ((header->size + 8) % 8)
        tt_buf_printf(header, " ");
    uint64_t size = header->size;
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert(fwrite(&size, 8, 1, f) == 1 && fwrite(header->data, size, 1, f) == 1 && fflush(f) == 0);
    ck_assert_int_eq(ftruncate(fileno(f), (off_t)(8 + size + bytes)), 0);
    fclose(f);
}

static void write_shards(const recorder *r, const char *stem)
{
    char path[4096];
    tt_error err = {0};
    tt_buf index = {0};
    size_t half = r->n / 2;
    const char *name = strrchr(stem, '/') + 1;
    tt_buf_printf(&index, "{\"metadata\": {\"total_size\": 0}, \"weight_map\": {");
    for (size_t i = 0; i < r->n; i++)
        tt_buf_printf(&index, "%s\"%s\": \"%s-0000%d-of-00002.safetensors\"", i ? ", " : "", r->views[i].name,
                      name, i < half ? 1 : 2);
    tt_buf_printf(&index, "}}");
    for (int k = 1; k <= 2; k++) {
        snprintf(path, sizeof path, "%s-0000%d-of-00002.safetensors", stem, k);
        tt_ok(tt_safetensors_write(path, r->views + (k == 1 ? 0 : half), k == 1 ? half : r->n - half, NULL,
                                   &err),
              &err);
    }
    snprintf(path, sizeof path, "%s.safetensors.index.json", stem);
    tt_ok(tt_file_write(path, index.data, index.size, &err), &err);
    tt_buf_free(&index);
}

static void write_component(recorder *r, const char *stem, const tt_test_layout *layout, bool sharded)
{
    char path[4096];
    tt_error err = {0};
    for (size_t i = 0; i < r->n; i++) {
        fill(&r->views[i], layout->type ? layout->type : TT_F32);
        rename_tensor(r, &r->views[i], layout);
    }
    if (sharded) {
        write_shards(r, stem);
    } else {
        snprintf(path, sizeof path, "%s.safetensors", stem);
        tt_ok(tt_safetensors_write(path, r->views, r->n, NULL, &err), &err);
    }
    for (size_t i = 0; i < r->n; i++)
        free((void *)(uintptr_t)r->views[i].data);
    r->n = 0;
}

void tt_test_copy(const char *from, const char *to)
{
    char *data, dir[4096];
    size_t size;
    tt_error err = {0};
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(to, '/') - to), to);
    tt_ok(tt_dir_create(dir, &err), &err);
    tt_ok(tt_file_read(from, (size_t)64 << 20, &data, &size, &err), &err);
    tt_ok(tt_file_write(to, data, size, &err), &err);
    tt_free(data);
}

static void copy_configs(const char *configs, const char *dir)
{
    static const char *const names[] = {"model_index.json",
                                        "unet/config.json",
                                        "vae/config.json",
                                        "text_encoder/config.json",
                                        "scheduler/scheduler_config.json",
                                        "tokenizer/vocab.json",
                                        "tokenizer/merges.txt",
                                        "tokenizer/tokenizer.json",
                                        "tokenizer/tokenizer_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[4096], to[4096];
        snprintf(from, sizeof from, "%s/%s", configs, names[i]);
        snprintf(to, sizeof to, "%s/%s", dir, names[i]);
        if (tt_file_exists(from)) tt_test_copy(from, to);
    }
}

static const tt_node *config_of(tt_arena *arena, const char *dir, const char *part)
{
    char path[4096];
    tt_node *root;
    tt_error err = {0};
    snprintf(path, sizeof path, "%s/%s/config.json", dir, part);
    tt_ok(tt_json_read(arena, path, 1 << 20, &root, &err), &err);
    return root;
}

static void recorder_open(recorder *r, tt_device **device)
{
    tt_error err = {0};
    *r = (recorder){.base = {record, record_has, record_done, NULL}, .arena = tt_arena_create(0)};
    r->zeros = mmap(NULL, ZEROS, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert(r->arena && r->zeros != MAP_FAILED);
    tt_ok(tt_device_open(&null_backend, NULL, device, &err), &err);
}

static void recorder_close(recorder *r, tt_device *device)
{
    tt_device_close(device);
    munmap((void *)(uintptr_t)r->zeros, ZEROS);
    free(r->views);
    tt_arena_destroy(r->arena);
}

static void record_unet(recorder *r, tt_device *device, const tt_unet_config *config)
{
    tt_unet *unet;
    tt_error err = {0};
    tt_ok(tt_unet_create(device, config, TT_F32, &r->base, &unet, &err), &err);
    tt_unet_destroy(unet);
}

static void record_vae(recorder *r, tt_device *device, const tt_vae_config *config)
{
    tt_vae *vae;
    tt_error err = {0};
    tt_ok(tt_vae_create(device, config, TT_F32, &r->base, &vae, &err), &err);
    tt_vae_destroy(vae);
}

static void record_text(recorder *r, tt_device *device, const tt_clip_text_config *config)
{
    tt_clip_text *text;
    tt_error err = {0};
    tt_ok(tt_clip_text_create(device, config, TT_F32, &r->base, &text, &err), &err);
    tt_clip_text_destroy(text);
}

void tt_test_checkpoint(const char *configs, const char *dir, const tt_test_layout *layout)
{
    char stem[4096];
    tt_error err = {0};
    tt_unet_config unet;
    tt_vae_config vae;
    tt_clip_text_config text;
    recorder r;
    tt_device *device;
    const tt_test_layout plain = {0};
    if (!layout) layout = &plain;
    copy_configs(configs, dir);
    recorder_open(&r, &device);

    tt_ok(tt_unet_config_parse(config_of(r.arena, dir, "unet"), &unet, &err), &err);
    record_unet(&r, device, &unet);
    snprintf(stem, sizeof stem, "%s/unet/diffusion_pytorch_model", dir);
    write_component(&r, stem, layout, layout->unet_sharded);

    tt_ok(tt_vae_config_parse(config_of(r.arena, dir, "vae"), &vae, &err), &err);
    record_vae(&r, device, &vae);
    snprintf(stem, sizeof stem, "%s/vae/diffusion_pytorch_model", dir);
    write_component(&r, stem, layout, false);

    tt_ok(tt_clip_text_config_parse(config_of(r.arena, dir, "text_encoder"), &text, &err), &err);
    record_text(&r, device, &text);
    snprintf(stem, sizeof stem, "%s/text_encoder/model", dir);
    write_component(&r, stem, layout, false);
    recorder_close(&r, device);
}

void tt_test_compvis(const char *path)
{
    char *keys;
    size_t size, at = 0;
    tt_error err = {0};
    tt_unet_config unet;
    tt_vae_config vae;
    tt_clip_text_config text;
    recorder r;
    tt_device *device;
    tt_buf header = {0};
    const tt_tensor_view betas = {.rank = 1, .shape = {1000}}, ids = {.rank = 2, .shape = {1, 77}};
    tt_ok(tt_file_read(TT_SOURCE_DIR "/tests/golden/load/compvis-keys.txt", 1 << 20, &keys, &size, &err),
          &err);
    recorder_open(&r, &device);
    tt_unet_config_sd15(&unet);
    record_unet(&r, device, &unet);
    put_part(&r, &header, keys, "model.diffusion_model.", &at);
    tt_vae_config_sd15(&vae);
    record_vae(&r, device, &vae);
    put_part(&r, &header, keys, "first_stage_model.", &at);
    tt_clip_text_config_l14(&text);
    record_text(&r, device, &text);
    put_part(&r, &header, NULL, "cond_stage_model.transformer.", &at);
    put_entry(&header, &ids, "cond_stage_model.transformer.text_model.embeddings.position_ids", "I64", 8,
              &at);
    put_entry(&header, &betas, "betas", "F32", 4, &at);
    tt_buf_printf(&header, "}");
    ck_assert(!header.failed);
    write_hole(path, &header, at);
    tt_buf_free(&header);
    tt_free(keys);
    recorder_close(&r, device);
}

/* ---- targets ---- */

const char *tt_test_backend(void)
{
    char path[4096];
    const tt_backend *backend = NULL;
    tt_plugin_file *file;
    tt_error err = {0};
    snprintf(path, sizeof path, TT_BUILD_DIR "/plugins/backends/cpu.so");
    if (!tt_file_exists(path)) return "reference";
    tt_ok(tt_plugin_file_open(path, &file, &err), &err);
    backend = tt_plugin_file_entry(file)->get(TT_KIND_BACKEND, "cpu");
    bool runs = backend && !(backend->unavailable && backend->unavailable());
    tt_plugin_file_close(file);
    return runs ? "cpu" : "reference";
}

tt_status tt_test_target_open(tt_test_target *t, const char *json, const char *backend, int threads,
                              tt_error *err)
{
    static const char *const dirs[] = {TT_BUILD_DIR "/plugins"};
    const tt_registered *target, *device;
    tt_node *map;
    tt_arena *arena = tt_arena_create(0);
    *t = (tt_test_target){0};
    tt_status s = tt_registry_open(dirs, 1, &t->registry, err);
    if (!s) s = tt_registry_find(t->registry, TT_KIND_TARGET, "sd15", &target, err);
    if (!s) s = tt_registry_find(t->registry, TT_KIND_BACKEND, backend, &device, err);
    if (!s) s = tt_json_parse(arena, "(test)", json, strlen(json), &map, err);
    if (!s) s = tt_params_parse(target->info, map, "target", "/", NULL, 0, &t->params, err);
    if (!s) {
        const tt_target_context context = {.size = sizeof context,
                                           .backend = device->table,
                                           .device = {.size = sizeof context.device, .threads = threads}};
        t->plugin = target->table;
        s = t->plugin->open(t->params, &context, &t->self, err);
    }
    if (!s) s = t->plugin->info(t->self, &t->info, err);
    tt_arena_destroy(arena);
    if (s) tt_test_target_close(t);
    return s;
}

void tt_test_target_close(tt_test_target *t)
{
    if (t->self) t->plugin->close(t->self);
    tt_params_free(t->params);
    tt_registry_close(t->registry);
    *t = (tt_test_target){0};
}
