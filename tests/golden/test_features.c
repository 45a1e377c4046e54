/* The whole grey-box path on the embedded models (portrait, PNG, host process, target sd15, attack worker)
 * against PyTorch and diffusers in double precision (tools/golden_features.py). Losses agree to 1e-5 of the
 * reference; a CLiD difference, to 1e-5 of the larger of the losses that it is a difference of. Arithmetic in
 * f32 leaves about 3e-7 of both; the rest is room for other processors' order of sums. */
#include "formats/image.h"
#include "formats/json.h"
#include "plugin/registry.h"
#include "runtime/protocol.h"
#include "runtime/spawn.h"
#include "support/checkpoints.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM   TT_BUILD_DIR "/telltale"
#define FACES     TT_BUILD_DIR "/plugins/data/faces.so"
#define GOLDEN    TT_SOURCE_DIR "/tests/golden/features/embedded.json"
#define MODELS    TT_SOURCE_DIR "/configs/models/embedded"
#define TOLERANCE 1e-5

enum { MAX_SAMPLES = 64, COLUMNS = 6 };

static const char *const dirs[] = {TT_BUILD_DIR "/plugins"};
static tt_error err;

typedef struct golden {
    tt_arena *arena;
    size_t n;
    uint64_t seed;
    tt_node *samples[MAX_SAMPLES];
    char paths[MAX_SAMPLES][600], captions[MAX_SAMPLES][600];
    tt_digest digests[MAX_SAMPLES];
} golden;

static const tt_node *get(const tt_node *map, const char *key)
{
    const tt_node *node = tt_node_get(map, key);
    ck_assert_msg(node != NULL, GOLDEN " lacks %s", key);
    return node;
}

/* ---- the portraits, drawn again ---- */

static void draw(golden *g, const tt_data_plugin *plugin, void *data, size_t i)
{
    const char *split = get(g->samples[i], "split")->text;
    uint32_t s = 0;
    while (s < plugin->n_splits(data) && strcmp(plugin->split_name(data, s), split) != 0)
        s++;
    ck_assert_uint_lt(s, plugin->n_splits(data));
    tt_item item = {.size = sizeof item};
    tt_ok(plugin->item(data, s, (uint64_t)get(g->samples[i], "index")->value.integer, &item, &err), &err);
    char hex[65];
    g->digests[i] = tt_image_digest(&item.pixels);
    tt_digest_hex(&g->digests[i], hex);
    ck_assert_str_eq(hex, get(g->samples[i], "digest")->text);
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

/* every stride-th sample */
static golden *golden_read(size_t stride)
{
    golden *g = calloc(1, sizeof *g);
    tt_node *root;
    ck_assert_ptr_nonnull(g);
    g->arena = tt_arena_create(0);
    tt_ok(tt_json_read(g->arena, GOLDEN, 1 << 20, &root, &err), &err);
    g->seed = (uint64_t)get(root, "seed")->value.integer;
    const tt_node *list = get(root, "samples");
    ck_assert_uint_ge(list->n_children, 24);
    ck_assert_uint_le(list->n_children, MAX_SAMPLES);
    size_t i = 0;
    for (tt_node *node = list->children; node; node = node->next, i++)
        if (i % stride == 0) g->samples[g->n++] = node;
    draw_all(g);
    return g;
}

static void golden_free(golden *g)
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
static uint64_t id_of(size_t i)
{
    return 1000 - 7 * i;
}

static void start_host(const tt_launch *l, const golden *g, const char *role, const char *backend,
                       tt_child *host)
{
    char params[600];
    tt_buf b = {0};
    snprintf(params, sizeof params, "{\"path\": \"" MODELS "/%s\"}", role);
    tt_ok(tt_child_start(l, TT_CHILD_HOST, role, host, &err), &err);
    tt_put_text(&b, "sd15");
    tt_put_text(&b, params);
    tt_put_text(&b, backend);
    tt_put_i32(&b, 1);
    tt_put_i32(&b, 0);
    tt_put_u64(&b, g->seed);
    tt_put_u8(&b, false);
    call(host, TT_MSG_HOST_OPEN, &b);
    tt_put_u32(&b, (uint32_t)g->n);
    for (size_t i = 0; i < g->n; i++) {
        tt_put_u64(&b, id_of(i));
        tt_put_text(&b, g->paths[i]);
        tt_put_digest(&b, &g->digests[i]);
    }
    call(host, TT_MSG_HOST_SAMPLES, &b);
}

/* One worker of this attack measures all samples: rows [n, columns]. */
static void measure(const tt_launch *l, const golden *g, tt_child *host, const char *attack, size_t columns,
                    double *rows)
{
    tt_child worker;
    uint32_t connection;
    tt_buf b = {0};
    tt_reply reply;
    size_t bytes;
    tt_ok(tt_child_start(l, TT_CHILD_WORKER, attack, &worker, &err), &err);
    tt_put_text(&b, attack);
    tt_put_text(&b, "{}");
    tt_put_u64(&b, g->seed);
    tt_put_i32(&b, 1);
    call(&worker, TT_MSG_WORKER_OPEN, &b);
    tt_ok(tt_child_connect(host, &worker, "target", TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT, &connection,
                           &err),
          &err);
    tt_put_u32(&b, (uint32_t)g->n);
    for (size_t i = 0; i < g->n; i++) {
        tt_put_u64(&b, id_of(i));
        tt_put_text(&b, g->captions[i]);
    }
    tt_ok(tt_child_call(&worker, TT_MSG_WORKER_MEASURE, &b, -1, &reply, &err), &err);
    const void *data = tt_get_bytes(&reply.in, &bytes);
    ck_assert_uint_eq(bytes, g->n * columns * sizeof *rows);
    memcpy(rows, data, bytes);
    tt_ok(tt_reply_end(&reply, &err), &err);
    tt_buf_free(&b);
    tt_child_stop(&worker);
}

static void compare(const golden *g, const char *role, const double *losses, const double *clid)
{
    double worst_loss = 0, worst_difference = 0;
    for (size_t i = 0; i < g->n; i++) {
        const tt_node *value = get(g->samples[i], role);
        double reference[COLUMNS];
        ck_assert_uint_eq(value->n_children, COLUMNS);
        value = value->children;
        for (size_t k = 0; k < COLUMNS; k++, value = value->next)
            reference[k] = value->value.real;
        for (size_t k = 0; k < COLUMNS; k++) {
            double found = k == 0 ? losses[i] : clid[i * (COLUMNS - 1) + k - 1];
            double scale = k < 2 ? reference[k] : reference[1] + fmax(reference[k], 0);
            double error = fabs(found - reference[k]) / scale;
            double *worst = k < 2 ? &worst_loss : &worst_difference;
            *worst = fmax(*worst, error);
            ck_assert_msg(error <= TOLERANCE, "%s, sample %zu, column %zu: %.9g, expected %.9g", role, i, k,
                          found, reference[k]);
        }
    }
    printf("%s: losses to %.1e, differences to %.1e\n", role, worst_loss, worst_difference);
}

static void check_role(const char *role, const char *backend, size_t stride)
{
    golden *g = golden_read(stride);
    double *losses = calloc(g->n * COLUMNS, sizeof *losses), *clid = losses + g->n;
    tt_launch l = {.program = PROGRAM, .plugin_dirs = dirs, .n_plugin_dirs = 1, .time_limit_s = 600};
    tt_child host;
    ck_assert_ptr_nonnull(losses);
    start_host(&l, g, role, backend, &host);
    measure(&l, g, &host, "loss", 1, losses);
    measure(&l, g, &host, "clid", COLUMNS - 1, clid);
    tt_child_stop(&host);
    compare(g, role, losses, clid);
    free(losses);
    golden_free(g);
}

START_TEST(features_of_a_fine_tuned_model_are_those_of_pytorch)
{
    check_role("target", tt_test_backend(), 1);
}
END_TEST

START_TEST(features_of_a_base_model_are_those_of_pytorch)
{
    check_role("base", tt_test_backend(), 1);
}
END_TEST

/* plain loops need 4 s a sample: a few of them */
START_TEST(the_reference_backend_gives_them_too)
{
    check_role("target", "reference", 8);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("features");
    TCase *tc = tcase_create("features");
    tcase_set_timeout(tc, 900);
    tcase_add_test(tc, features_of_a_fine_tuned_model_are_those_of_pytorch);
    tcase_add_test(tc, features_of_a_base_model_are_those_of_pytorch);
    tcase_add_test(tc, the_reference_backend_gives_them_too);
    suite_add_tcase(suite, tc);
    return suite;
}
