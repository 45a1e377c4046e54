#include "support/golden.h"
#include "formats/image.h"
#include "plugin/registry.h"
#include "runtime/protocol.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define PROGRAM TT_BUILD_DIR "/telltale"
#define FACES   TT_BUILD_DIR "/plugins/data/faces.so"
#define MODELS  TT_SOURCE_DIR "/configs/models/embedded"

static const char *const dirs[] = {TT_BUILD_DIR "/plugins"};
static tt_error err;

const tt_node *golden_get(const golden *g, const tt_node *map, const char *key)
{
    const tt_node *node = tt_node_get(map, key);
    ck_assert_msg(node != NULL, "%s lacks %s", g->file, key);
    return node;
}

/* ---- the portraits, drawn again ---- */

static void draw(golden *g, const tt_data_plugin *plugin, void *data, size_t i)
{
    const char *split = golden_get(g, g->samples[i], "split")->text;
    uint32_t s = 0;
    while (s < plugin->n_splits(data) && strcmp(plugin->split_name(data, s), split) != 0)
        s++;
    ck_assert_uint_lt(s, plugin->n_splits(data));
    tt_item item = {.size = sizeof item};
    tt_ok(plugin->item(data, s, (uint64_t)golden_get(g, g->samples[i], "index")->value.integer, &item, &err),
          &err);
    char hex[65];
    g->digests[i] = tt_image_digest(&item.pixels);
    tt_digest_hex(&g->digests[i], hex);
    ck_assert_str_eq(hex, golden_get(g, g->samples[i], "digest")->text);
    snprintf(g->captions[i], sizeof g->captions[i], "%s", item.caption);
    snprintf(g->paths[i], sizeof g->paths[i], "%s/%zu.png", tt_test_dir(), i);
    tt_ok(tt_image_write_png(g->paths[i], &item.pixels, &err), &err);
}

static void draw_all(golden *g)
{
    static const char splits[] = "{\"splits\": {\"seen\": 200, \"held_out\": 200}}";
    tt_plugin_file *file;
    tt_params *params;
    tt_node *root;
    void *data;
    tt_ok(tt_plugin_file_open(FACES, &file, &err), &err);
    const tt_plugin_entry *entry = tt_plugin_file_entry(file);
    const tt_data_plugin *plugin = entry->get(TT_KIND_DATA, "faces");
    tt_ok(tt_json_parse(g->arena, "splits", splits, sizeof splits - 1, &root, &err), &err);
    tt_ok(tt_params_parse(entry->info(0), root, "faces", ".", NULL, 0, &params, &err), &err);
    tt_ok(plugin->open(params, 0, &data, &err), &err);
    for (size_t i = 0; i < g->n; i++)
        draw(g, plugin, data, i);
    plugin->close(data);
    tt_params_free(params);
    tt_plugin_file_close(file);
}

golden *golden_read(const char *path, size_t at_least, size_t stride)
{
    golden *g = calloc(1, sizeof *g);
    tt_node *root;
    ck_assert_ptr_nonnull(g);
    g->file = path;
    g->arena = tt_arena_create(0);
    tt_ok(tt_json_read(g->arena, path, 1 << 20, &root, &err), &err);
    g->seed = (uint64_t)golden_get(g, root, "seed")->value.integer;
    const tt_node *list = golden_get(g, root, "samples");
    ck_assert_uint_ge(list->n_children, at_least);
    ck_assert_uint_le(list->n_children, GOLDEN_SAMPLES_MAX);
    size_t i = 0;
    for (tt_node *node = list->children; node; node = node->next, i++)
        if (i % stride == 0) g->samples[g->n++] = node;
    draw_all(g);
    return g;
}

void golden_free(golden *g)
{
    tt_arena_destroy(g->arena);
    free(g);
}

/* ---- measuring ---- */

static void call(tt_child *child, uint16_t type, tt_buf *request)
{
    tt_reply reply;
    tt_ok(tt_child_call(child, type, request, -1, &reply, &err), &err);
    tt_reply_free(&reply);
    tt_buf_free(request);
}

/* ids in falling order: what an attack sees says nothing about the order of the samples */
uint64_t golden_id(size_t i)
{
    return 1000 - 7 * i;
}

tt_launch golden_launch(void)
{
    return (tt_launch){.program = PROGRAM, .plugin_dirs = dirs, .n_plugin_dirs = 1, .time_limit_s = 600};
}

void golden_start_host(const tt_launch *l, const golden *g, const char *role, const char *backend,
                       tt_child *host)
{
    char params[600];
    tt_buf b = {0};
    snprintf(params, sizeof params, "{\"path\": \"" MODELS "/%s\"}", role);
    tt_ok(tt_child_start(l, TT_CHILD_HOST, role, host, &err), &err);
    tt_put_text(&b, "sd15");
    tt_put_text(&b, params);
    tt_put_device(&b, backend, &(tt_device_options){.threads = 1});
    tt_put_u64(&b, g->seed);
    tt_put_u8(&b, false);
    call(host, TT_MSG_HOST_OPEN, &b);
    tt_put_u32(&b, (uint32_t)g->n);
    for (size_t i = 0; i < g->n; i++) {
        tt_put_u64(&b, golden_id(i));
        tt_put_text(&b, g->paths[i]);
        tt_put_digest(&b, &g->digests[i]);
    }
    call(host, TT_MSG_HOST_SAMPLES, &b);
}

static void read_meters(tt_child *host, uint32_t connection, tt_meters *meters)
{
    tt_buf b = {0};
    tt_reply reply;
    tt_put_u32(&b, connection);
    tt_ok(tt_child_call(host, TT_MSG_HOST_METER, &b, -1, &reply, &err), &err);
    *meters = tt_get_meters(&reply.in);
    tt_ok(tt_reply_end(&reply, &err), &err);
    tt_buf_free(&b);
}

void golden_measure(const tt_launch *l, const golden *g, tt_child *host, const char *attack,
                    const char *params, size_t columns, double *rows, tt_meters *meters)
{
    tt_child worker;
    uint32_t connection;
    tt_buf b = {0};
    tt_reply reply;
    size_t bytes;
    tt_ok(tt_child_start(l, TT_CHILD_WORKER, attack, &worker, &err), &err);
    tt_put_text(&b, attack);
    tt_put_text(&b, params);
    tt_put_u64(&b, g->seed);
    tt_put_i32(&b, 1);
    call(&worker, TT_MSG_WORKER_OPEN, &b);
    tt_ok(tt_child_connect(host, &worker, "target",
                           TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT | TT_CAP_ATTENTION, &connection,
                           &err),
          &err);
    tt_put_u32(&b, (uint32_t)g->n);
    for (size_t i = 0; i < g->n; i++) {
        tt_put_u64(&b, golden_id(i));
        tt_put_text(&b, g->captions[i]);
    }
    tt_ok(tt_child_call(&worker, TT_MSG_WORKER_MEASURE, &b, -1, &reply, &err), &err);
    const void *data = tt_get_bytes(&reply.in, &bytes);
    ck_assert_uint_eq(bytes, g->n * columns * sizeof *rows);
    memcpy(rows, data, bytes);
    tt_ok(tt_reply_end(&reply, &err), &err);
    tt_buf_free(&b);
    if (meters) read_meters(host, connection, meters);
    tt_child_stop(&worker);
}
