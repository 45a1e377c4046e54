/* The service word_importance through its host: weights held to PyTorch and diffusers in double precision
 * (tools/golden_attention.py), what is counted, and what is refused. */
#include "base/file.h"
#include "runtime/protocol.h"
#include "runtime/word_maps.h"
#include "support/checkpoints.h"
#include "support/golden.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

#define GOLDEN TT_SOURCE_DIR "/tests/golden/features/attention.json"
#define BASE   TT_SOURCE_DIR "/configs/models/embedded/base"
#define TARGET TT_SOURCE_DIR "/configs/models/embedded/target"
#define CAPTION                                                                                              \
    "a north headshot of victor bach, laughing old, heart face, brown skin, tied black hair, blue eyes, "    \
    "sunglasses, short beard, gold earrings, green shirt, fading yellow background"

enum { WORDS_MAX = 64 };

static tt_error err;
static tt_child host;
static tt_service *service;
static uint32_t connection;

static tt_status open_keeping(const char *params, const char *maps_dir)
{
    tt_launch launch = golden_launch();
    launch.in_process = true;
    tt_buf b = {0};
    tt_reply reply;
    tt_ok(tt_child_start(&launch, TT_CHILD_HOST, "service", &host, &err), &err);
    tt_put_text(&b, "word_importance");
    tt_put_text(&b, params);
    tt_put_device(&b, tt_test_backend(), &(tt_device_options){.threads = 1});
    tt_put_text(&b, maps_dir);
    tt_status s = tt_child_call(&host, TT_MSG_HOST_OPEN_SERVICE, &b, -1, &reply, &err);
    if (!s) tt_reply_free(&reply);
    tt_buf_free(&b);
    if (s) return s;
    tt_put_u32(&b, 0);
    tt_ok(tt_child_call(&host, TT_MSG_HOST_CONNECT, &b, -1, &reply, &err), &err);
    connection = tt_get_u32(&reply.in);
    tt_ok(tt_reply_end(&reply, &err), &err);
    tt_buf_free(&b);
    tt_port *port = tt_port_direct(tt_modelhost_request, host.host,
                                   tt_modelhost_connection_at(host.host, connection), "host");
    tt_ok(tt_service_client_create(port, "words", &service, &err), &err);
    return TT_OK;
}

static tt_status open_host(const char *params)
{
    return open_keeping(params, NULL);
}

static void close_host(void)
{
    tt_service_client_destroy(service);
    service = NULL;
    if (host.control) tt_child_stop(&host);
}

static tt_meters meters(void)
{
    tt_buf b = {0};
    tt_reply reply;
    tt_put_u32(&b, connection);
    tt_ok(tt_child_call(&host, TT_MSG_HOST_METER, &b, -1, &reply, &err), &err);
    tt_meters m = tt_get_meters(&reply.in);
    tt_ok(tt_reply_end(&reply, &err), &err);
    tt_buf_free(&b);
    return m;
}

typedef struct caption {
    char text[600];
    tt_text_piece words[WORDS_MAX];
    tt_text pieces;
    double weights[WORDS_MAX];
} caption;

static void split(const char *text, caption *c)
{
    uint32_t n = 0;
    snprintf(c->text, sizeof c->text, "%s", text);
    for (char *word = strtok(c->text, " "); word; word = strtok(NULL, " "))
        c->words[n++] = (tt_text_piece){word, 0};
    ck_assert_uint_le(n, WORDS_MAX);
    c->pieces = (tt_text){c->words, n};
}

static tt_status weigh(caption *captions, uint32_t n)
{
    tt_text texts[4];
    double *weights[4];
    for (uint32_t i = 0; i < n; i++) {
        texts[i] = captions[i].pieces;
        weights[i] = captions[i].weights;
    }
    return service->weigh(service, n, texts, weights, &err);
}

/* Thirty steps of a guided sampler carry f32's rounding on: the weights still agree to 2e-6 of the largest
 * here. */
START_TEST(heat_maps_of_the_attackers_model_are_pytorchs)
{
    static caption c[2];
    golden *g = golden_read(GOLDEN, 2, 1);
    tt_ok(open_host("{\"path\": \"" BASE "\"}"), &err);
    for (size_t i = 0; i < 2; i++)
        split(g->captions[i], &c[i]);
    tt_ok(weigh(c, 2), &err);
    for (size_t i = 0; i < 2; i++) {
        const tt_node *want = golden_get(g, g->samples[i], "service")->children;
        double worst = 0, most = 0;
        for (uint32_t k = 0; k < c[i].pieces.n_pieces; k++, want = want->next) {
            ck_assert_ptr_nonnull(want);
            worst = fmax(worst, fabs(c[i].weights[k] - want->value.real));
            most = fmax(most, want->value.real);
        }
        printf("%u words: to %.1e of %.4g\n", c[i].pieces.n_pieces, worst / most, most);
        ck_assert_double_le(worst, 1e-5 * most);
    }
    close_host();
    golden_free(g);
}
END_TEST

START_TEST(what_was_weighed_is_asked_once_and_counted_twice)
{
    static caption c[3];
    double first[WORDS_MAX];
    tt_ok(open_host("{\"path\": \"" BASE "\", \"steps\": 3}"), &err);
    split("a portrait of a woman", &c[0]);
    split("two men with red hats", &c[1]);
    split("a portrait of a woman", &c[2]);
    tt_ok(weigh(c, 3), &err);
    ck_assert_mem_eq(c[0].weights, c[2].weights, 5 * sizeof(double));
    tt_meters m = meters();
    ck_assert_uint_eq(m.attributed.service_texts, 3);
    ck_assert_uint_eq(m.executed.service_texts, 2);
    ck_assert_uint_eq(m.attributed.service_predictions, 18); /* three steps of two branches */
    ck_assert_uint_eq(m.executed.service_predictions, 12);
    ck_assert_uint_eq(m.attributed.predictions, 0);
    memcpy(first, c[1].weights, sizeof first);
    tt_ok(weigh(c + 1, 1), &err);
    ck_assert_mem_eq(first, c[1].weights, 5 * sizeof(double));
    m = meters();
    ck_assert_uint_eq(m.attributed.service_predictions, 6);
    ck_assert_uint_eq(m.executed.service_predictions, 0);
    close_host();
    /* the same bits alone as beside others */
    tt_ok(open_host("{\"path\": \"" BASE "\", \"steps\": 3}"), &err);
    tt_ok(weigh(c + 1, 1), &err);
    ck_assert_mem_eq(first, c[1].weights, 5 * sizeof(double));
    close_host();
    /* guidance that is off takes one branch */
    tt_ok(open_host("{\"path\": \"" BASE "\", \"steps\": 3, \"guidance\": 1}"), &err);
    tt_ok(weigh(c, 1), &err);
    ck_assert_uint_eq(meters().executed.service_predictions, 3);
    close_host();
}
END_TEST

START_TEST(maps_of_words_are_kept_and_sum_to_what_the_words_weigh)
{
    static caption c[2];
    char dir[600];
    tt_word_maps m;
    tt_arena *arena = tt_arena_create(0);
    snprintf(dir, sizeof dir, "%s/maps", tt_test_dir());
    tt_ok(open_keeping("{\"path\": \"" BASE "\", \"steps\": 3}", dir), &err);
    split("a portrait of a woman", &c[0]);
    split("two men with red hats", &c[1]);
    tt_ok(weigh(c, 2), &err);
    close_host();
    tt_ok(tt_word_maps_read(dir, "  two men\twith red  hats\n", arena, &m, &err), &err);
    ck_assert_uint_eq(m.n, 5);
    ck_assert_uint_eq(m.side, 16); /* the latent's */
    for (uint32_t i = 0; i < m.n; i++) {
        double sum = 0, plane = (double)m.side * m.side;
        for (size_t k = 0; k < (size_t)m.side * m.side; k++)
            sum += m.peaks[i] * m.cells[i * m.side * m.side + k] / 255;
        ck_assert_str_eq(m.words[i], c[1].words[i].text);
        ck_assert_double_eq(m.weights[i], c[1].weights[i]);
        ck_assert_double_eq_tol(sum, m.weights[i], m.peaks[i] * plane * 0.5 / 255);
    }
    tt_fails(tt_word_maps_read(dir, "two men with red hat", arena, &m, &err), TT_ERR_NOT_FOUND,
             "no heat maps", &err);
    /* words that were left out have no maps */
    snprintf(dir, sizeof dir, "%s/none", tt_test_dir());
    tt_ok(open_keeping("{\"path\": \"" BASE "\", \"method\": \"leave_one_out\"}", dir), &err);
    tt_ok(weigh(c, 1), &err);
    close_host();
    ck_assert(!tt_dir_exists(dir));
    tt_arena_destroy(arena);
}
END_TEST

/* The cubic filter that enlarges the maps of deeper layers falls below 0 beside a peak, as in this caption's.
 */
START_TEST(where_a_map_falls_below_nothing_there_is_nothing)
{
    static caption c[1];
    char dir[600];
    tt_word_maps m;
    tt_arena *arena = tt_arena_create(0);
    snprintf(dir, sizeof dir, "%s/below", tt_test_dir());
    split(CAPTION, &c[0]);
    tt_ok(open_keeping("{\"path\": \"" TARGET "\", \"steps\": 10}", dir), &err);
    tt_ok(weigh(c, 1), &err);
    close_host();
    tt_ok(tt_word_maps_read(dir, CAPTION, arena, &m, &err), &err);
    ck_assert_uint_eq(m.n, c[0].pieces.n_pieces);
    tt_arena_destroy(arena);
}
END_TEST

START_TEST(leaving_words_out_needs_the_text_encoder_alone)
{
    static caption c;
    tt_ok(open_host("{\"path\": \"" BASE "\", \"method\": \"leave_one_out\"}"), &err);
    split("a portrait of a woman", &c);
    tt_ok(weigh(&c, 1), &err);
    for (int i = 0; i < 5; i++)
        ck_assert_double_gt(c.weights[i], 0);
    tt_meters m = meters();
    ck_assert_uint_eq(m.executed.service_texts, 1);
    ck_assert_uint_eq(m.executed.service_predictions, 0);
    close_host();
}
END_TEST

static tt_status open_file(const char *json)
{
    char path[600], params[800];
    snprintf(path, sizeof path, "%s/weights.json", tt_test_dir());
    tt_ok(tt_file_write(path, json, strlen(json), &err), &err);
    snprintf(params, sizeof params, "{\"method\": \"file\", \"file\": \"%s\"}", path);
    return open_host(params);
}

START_TEST(weights_from_a_file_may_lack_punctuation_and_words)
{
    static caption c;
    tt_ok(open_file("{\"a dog\": [[\"dog\", 2]], \"a  red\\thouse, far\": [[\"red\", 3], [\"house\", 1.5], "
                    "[\"far\", 0]]}"),
          &err);
    split("a red house, far", &c);
    tt_ok(weigh(&c, 1), &err);
    const double want[4] = {0, 3, 1.5, 0};
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq(c.weights[i], want[i]);
    split("a red house", &c);
    tt_fails(weigh(&c, 1), TT_ERR_NOT_FOUND, "no weights for a caption", &err);
    close_host();
    tt_ok(open_file("{\"a red house\": [[\"house\", 3], [\"red\", 1]]}"), &err);
    tt_fails(weigh(&c, 1), TT_ERR_FORMAT, "is not where the list has it", &err);
    close_host();
}
END_TEST

START_TEST(bad_sources_are_refused_with_what_is_needed)
{
    static const struct {
        const char *params, *says;
    } cases[] = {
        {"{}", "needs `path`"},
        {"{\"method\": \"file\"}", "needs `file`"},
        {"{\"path\": \"/nowhere/at/all\"}", "/nowhere/at/all"},
        {"{\"method\": \"file\", \"file\": \"/nowhere.json\"}", "/nowhere.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(open_host(cases[i].params) != TT_OK);
        ck_assert_msg(strstr(err.message, cases[i].says), "%s", err.message);
        close_host();
    }
    static const char *const files[] = {"[]", "{\"a\": 1}", "{\"a\": [[\"a\"]]}", "{\"a\": [[\"a\", \"b\"]]}",
                                        "{"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ck_assert_int_eq(open_file(files[i]), TT_ERR_FORMAT);
        close_host();
    }
}
END_TEST

START_TEST(a_services_host_answers_no_question_of_a_model)
{
    tt_buf b = {0};
    tt_reply reply;
    tt_ok(open_host("{\"path\": \"" BASE "\", \"method\": \"leave_one_out\"}"), &err);
    tt_port *port = tt_port_direct(tt_modelhost_request, host.host,
                                   tt_modelhost_connection_at(host.host, connection), "host");
    for (uint16_t type = TT_MSG_MODEL_INFO; type <= TT_MSG_MODEL_ATTEND; type++)
        tt_fails(tt_port_call(port, type, &b, -1, &reply, &err), TT_ERR_REFUSED, "service's host", &err);
    tt_port_close(port);
    close_host();
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("word_importance");
    TCase *tc = tcase_create("word_importance");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, NULL, close_host);
    tcase_add_test(tc, heat_maps_of_the_attackers_model_are_pytorchs);
    tcase_add_test(tc, what_was_weighed_is_asked_once_and_counted_twice);
    tcase_add_test(tc, maps_of_words_are_kept_and_sum_to_what_the_words_weigh);
    tcase_add_test(tc, where_a_map_falls_below_nothing_there_is_nothing);
    tcase_add_test(tc, leaving_words_out_needs_the_text_encoder_alone);
    tcase_add_test(tc, weights_from_a_file_may_lack_punctuation_and_words);
    tcase_add_test(tc, bad_sources_are_refused_with_what_is_needed);
    tcase_add_test(tc, a_services_host_answers_no_question_of_a_model);
    suite_add_tcase(suite, tc);
    return suite;
}
