/* Cross-attention maps of the embedded target against those of PyTorch and diffusers in double precision
 * (tools/golden_attention.py), asked through a model's host; and the other calls that importance of words and
 * perturbed embeddings need. */
#include "base/rng.h"
#include "runtime/protocol.h"
#include "support/checkpoints.h"
#include "support/golden.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN TT_SOURCE_DIR "/tests/golden/features/attention.json"

static tt_error err;
static golden *g;
static tt_launch launch;
static tt_child host;
static tt_model *model;
static uint32_t connection;

static tt_model *connect_with(uint32_t granted)
{
    tt_buf b = {0};
    tt_reply reply;
    tt_model *m;
    tt_put_u32(&b, granted);
    tt_ok(tt_child_call(&host, TT_MSG_HOST_CONNECT, &b, -1, &reply, &err), &err);
    connection = tt_get_u32(&reply.in);
    tt_ok(tt_reply_end(&reply, &err), &err);
    tt_buf_free(&b);
    tt_port *port = tt_port_direct(tt_modelhost_request, host.host,
                                   tt_modelhost_connection_at(host.host, connection), "host");
    tt_ok(tt_model_client_create(port, "target", &m, &err), &err);
    return m;
}

static void setup(void)
{
    g = golden_read(GOLDEN, 2, 1);
    launch = golden_launch();
    launch.in_process = true;
    golden_start_host(&launch, g, "target", tt_test_backend(), &host);
    model = connect_with(TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT | TT_CAP_ATTENTION);
}

static void teardown(void)
{
    tt_model_client_destroy(model);
    tt_child_stop(&host);
    golden_free(g);
}

typedef struct subject {
    char caption[600];
    tt_text_piece words[100];
    tt_text text; /* one piece a word */
    tt_handle latent, condition;
    tt_predict request;
} subject;

static subject *subject_of(size_t i)
{
    static subject s;
    s = (subject){0};
    uint32_t n = 0;
    snprintf(s.caption, sizeof s.caption, "%s", g->captions[i]);
    for (char *word = strtok(s.caption, " "); word; word = strtok(NULL, " "))
        s.words[n++] = (tt_text_piece){word, 0};
    s.text = (tt_text){s.words, n};
    tt_encode encode = {golden_id(i), {"vae", -1, 0}};
    tt_ok(model->encode(model, 1, &encode, &s.latent, &err), &err);
    tt_ok(model->text(model, 1, &s.text, &s.condition, &err), &err);
    s.request = (tt_predict){.latent = s.latent,
                             .condition = s.condition,
                             .timestep = 450,
                             .want = TT_WANT_LOSS,
                             .sample = golden_id(i),
                             .noise = {"eps", 450, 0}};
    return &s;
}

/* f32 sums of a hundred products and four layers, against f64: 2e-6 of the largest value here; other
 * processors sum in another order */
static void check_maps(const float *maps, size_t plane, const tt_node *want)
{
    double worst = 0, most = 0;
    size_t token = 0;
    for (const tt_node *row = want->children; row; row = row->next, token++) {
        size_t k = 0;
        for (const tt_node *v = row->children; v; v = v->next, k++) {
            most = fmax(most, v->value.real);
            worst = fmax(worst, fabs((double)maps[token * plane + k] - v->value.real));
        }
        ck_assert_uint_eq(k, plane);
    }
    printf("%zu tokens' maps: to %.1e of %.3g\n", token, worst / most, most);
    ck_assert_uint_ge(token, 12);
    ck_assert_double_le(worst, 1e-5 * most);
}

START_TEST(maps_and_what_words_weigh_by_them_are_pytorchs)
{
    for (size_t i = 0; i < g->n; i++) {
        subject *s = subject_of(i);
        tt_prediction result;
        tt_handle handle;
        tt_ok(model->attend(model, 1, &s->request, &result, &handle, &err), &err);
        double loss = golden_get(g, g->samples[i], "loss")->value.real;
        ck_assert_double_le(fabs(result.loss - loss), 1e-5 * loss);
        const tt_model_info *info = &model->info;
        size_t plane = (size_t)info->latent_height * info->latent_width, n = plane * info->text_tokens;
        float *maps = calloc(n, sizeof *maps);
        tt_ok(model->get(model, handle, maps, n, &err), &err);
        check_maps(maps, plane, golden_get(g, g->samples[i], "maps"));
        /* the probabilities of a position sum to 1 in each head of each layer, and bicubic weights sum to 1
         */
        double total = 0;
        for (size_t k = 0; k < n; k++)
            total += (double)maps[k];
        double want = golden_get(g, g->samples[i], "total")->value.real;
        ck_assert_double_le(fabs(total - want), 1e-5 * want);

        uint32_t first[101];
        tt_ok(model->spans(model, &s->text, first, &err), &err);
        const tt_node *bound = golden_get(g, g->samples[i], "first")->children;
        const tt_node *weight = golden_get(g, g->samples[i], "weights")->children;
        for (uint32_t w = 0; w < s->text.n_pieces; w++, bound = bound->next, weight = weight->next) {
            ck_assert_int_eq((int64_t)first[w], bound->value.integer);
            double sum = 0;
            for (size_t k = first[w] * plane; k < first[w + 1] * plane; k++)
                sum += (double)maps[k];
            sum /= first[w + 1] - first[w];
            ck_assert_double_le(fabs(sum - weight->value.real), 1e-5 * weight->value.real);
        }
        ck_assert_int_eq((int64_t)first[s->text.n_pieces], bound->value.integer);
        free(maps);
    }
}
END_TEST

/* CLiD with words weighed by the target's own maps: three evaluations under the caption give both L and the
 * maps */
START_TEST(clid_with_the_targets_maps_is_pytorchs_for_fifteen_queries)
{
    double rows[2 * 5];
    tt_meters m;
    golden_measure(&launch, g, &host, "clid",
                   "{\"reduction\": \"importance\", \"importance\": \"target_maps\"}", 5, rows, &m);
    ck_assert_uint_eq(m.attributed.predictions, 15 * g->n);
    ck_assert_uint_eq(m.executed.predictions, 15 * g->n);
    for (size_t i = 0; i < g->n; i++) {
        const tt_node *want = golden_get(g, g->samples[i], "clid")->children;
        double loss = want->value.real;
        for (size_t k = 0; k < 5; k++, want = want->next) {
            double error =
                fabs(rows[5 * i + k] - want->value.real) / (loss + (k ? fmax(want->value.real, 0) : 0));
            ck_assert_msg(error <= 1e-5, "sample %zu, column %zu: %.9g, expected %.9g", i, k, rows[5 * i + k],
                          want->value.real);
        }
    }
}
END_TEST

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

START_TEST(an_evaluation_has_the_same_bits_with_and_without_maps)
{
    subject *s = subject_of(0);
    tt_prediction first, second;
    tt_handle maps;
    meters();
    tt_ok(model->predict(model, 1, &s->request, &first, &err), &err);
    tt_ok(model->attend(model, 1, &s->request, &second, &maps, &err), &err);
    ck_assert(memcmp(&first.loss, &second.loss, sizeof first.loss) == 0);
    tt_meters m = meters();
    ck_assert_uint_eq(m.attributed.predictions, 2);
    ck_assert_uint_eq(m.executed.predictions, 2); /* the first kept no maps */
    tt_ok(model->attend(model, 1, &s->request, &second, &maps, &err), &err);
    tt_ok(model->predict(model, 1, &s->request, &second, &err), &err);
    m = meters();
    ck_assert_uint_eq(m.attributed.predictions, 2);
    ck_assert_uint_eq(m.executed.predictions, 0);
}
END_TEST

START_TEST(maps_are_given_to_nobody_who_was_not_granted_them)
{
    tt_model *other = connect_with(TT_CAP_GREY_BOX);
    ck_assert_ptr_null(other->attend);
    subject *s = subject_of(0);
    tt_prediction result;
    tt_handle maps;
    tt_status (*attend)(tt_model *, uint32_t, const tt_predict *, tt_prediction *, tt_handle *, tt_error *) =
        model->attend;
    tt_fails(attend(other, 1, &s->request, &result, &maps, &err), TT_ERR_REFUSED, "attention was not granted",
             &err);
    tt_model_client_destroy(other);
}
END_TEST

START_TEST(a_condition_put_by_its_values_is_that_condition)
{
    subject *s = subject_of(1);
    size_t n = (size_t)model->info.text_tokens * model->info.text_width;
    float *values = calloc(n, sizeof *values);
    tt_handle handle;
    tt_prediction result[2];
    tt_ok(model->get(model, s->condition, values, n, &err), &err);
    tt_ok(model->put_condition(model, values, n, &handle, &err), &err);
    tt_ok(model->predict(model, 1, &s->request, &result[0], &err), &err);
    s->request.condition = handle;
    tt_ok(model->predict(model, 1, &s->request, &result[1], &err), &err);
    ck_assert(memcmp(&result[0].loss, &result[1].loss, sizeof result[0].loss) == 0);
    tt_fails(model->put_condition(model, values, n - 1, &handle, &err), TT_ERR_INVALID, "tokens of", &err);
    values[3] = NAN;
    tt_fails(model->put_condition(model, values, n, &handle, &err), TT_ERR_INVALID, "not finite", &err);
    free(values);
}
END_TEST

START_TEST(noise_is_the_keyed_stream_of_the_sample)
{
    enum { N = 1000 };
    float got[N], want[N];
    tt_noise noise = {"text", -1, 2};
    tt_stream_key key = tt_noise_key(g->seed, &g->digests[1], "text", -1, 2);
    tt_keyed_normals(&key, 0, want, N);
    tt_ok(model->noise(model, golden_id(1), &noise, got, N, &err), &err);
    ck_assert_mem_eq(got, want, sizeof want);
    tt_fails(model->noise(model, 12345, &noise, got, N, &err), TT_ERR_REFUSED, "not one of this step's",
             &err);
    tt_fails(model->noise(model, golden_id(1), &(tt_noise){NULL, -1, 0}, got, N, &err), TT_ERR_FORMAT,
             "noise", &err);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("attention");
    TCase *tc = tcase_create("attention");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, maps_and_what_words_weigh_by_them_are_pytorchs);
    tcase_add_test(tc, clid_with_the_targets_maps_is_pytorchs_for_fifteen_queries);
    tcase_add_test(tc, an_evaluation_has_the_same_bits_with_and_without_maps);
    tcase_add_test(tc, maps_are_given_to_nobody_who_was_not_granted_them);
    tcase_add_test(tc, a_condition_put_by_its_values_is_that_condition);
    tcase_add_test(tc, noise_is_the_keyed_stream_of_the_sample);
    suite_add_tcase(suite, tc);
    return suite;
}
