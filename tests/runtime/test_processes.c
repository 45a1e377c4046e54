/* The real processes: a model's host and workers over channels, and the same in one process. */
#include "base/rng.h"
#include "formats/image.h"
#include "runtime/protocol.h"
#include "runtime/spawn.h"
#include "support/test.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM TT_BUILD_DIR "/telltale"
enum { SAMPLES = 6, SEED = 11 };

static const char *const dirs[] = {TT_BUILD_DIR "/tests/fixtures"};
static tt_host_sample samples[SAMPLES];
static char paths[SAMPLES][600];
static tt_error err;

static tt_launch launch(bool in_process)
{
    return (tt_launch){.in_process = in_process,
                       .program = PROGRAM,
                       .plugin_dirs = dirs,
                       .n_plugin_dirs = 1,
                       .time_limit_s = 20};
}

static void setup(void)
{
    err = (tt_error){0};
    static uint8_t rgb[32 * 32 * 3];
    for (size_t i = 0; i < SAMPLES; i++) {
        for (size_t k = 0; k < sizeof rgb; k++)
            rgb[k] = (uint8_t)(k * (i + 3) % 251);
        tt_pixels p = {32, 32, rgb};
        snprintf(paths[i], sizeof paths[i], "%s/%zu.png", tt_test_dir(), i);
        tt_ok(tt_image_write_png(paths[i], &p, &err), &err);
        samples[i] = (tt_host_sample){.id = 1000 - 7 * i, .path = paths[i], .digest = tt_image_digest(&p)};
    }
}

static void call(tt_child *child, uint16_t type, tt_buf *request)
{
    tt_reply reply;
    tt_ok(tt_child_call(child, type, request, -1, &reply, &err), &err);
    tt_reply_free(&reply);
    tt_buf_free(request);
}

static void start_host(const tt_launch *l, tt_child *host)
{
    tt_ok(tt_child_start(l, TT_CHILD_HOST, "host target", host, &err), &err);
    tt_buf b = {0};
    tt_put_text(&b, "toy");
    tt_put_text(&b, "{\"weight\": 0.25}");
    tt_put_device(&b, "reference", &(tt_device_options){.threads = 1});
    tt_put_u64(&b, SEED);
    tt_put_u8(&b, false);
    call(host, TT_MSG_HOST_OPEN, &b);
    tt_put_u32(&b, SAMPLES);
    for (size_t i = 0; i < SAMPLES; i++) {
        tt_put_u64(&b, samples[i].id);
        tt_put_text(&b, samples[i].path);
        tt_put_digest(&b, &samples[i].digest);
    }
    call(host, TT_MSG_HOST_SAMPLES, &b);
}

static void start_worker(const tt_launch *l, const char *attack, const char *params, tt_child *worker)
{
    tt_ok(tt_child_start(l, TT_CHILD_WORKER, attack, worker, &err), &err);
    tt_buf b = {0};
    tt_put_text(&b, attack);
    tt_put_text(&b, params);
    tt_put_u64(&b, SEED);
    tt_put_i32(&b, 1);
    call(worker, TT_MSG_WORKER_OPEN, &b);
}

static tt_status measure(tt_child *worker, uint32_t n, double *rows)
{
    tt_buf b = {0};
    tt_put_u32(&b, n);
    for (uint32_t i = 0; i < n; i++) {
        char caption[40];
        snprintf(caption, sizeof caption, "portrait number %u", i);
        tt_put_u64(&b, samples[i].id);
        tt_put_text(&b, caption);
    }
    tt_reply reply;
    tt_status s = tt_child_call(worker, TT_MSG_WORKER_MEASURE, &b, -1, &reply, &err);
    tt_buf_free(&b);
    if (s) return s;
    size_t bytes;
    const void *data = tt_get_bytes(&reply.in, &bytes);
    ck_assert_uint_eq(bytes, n * sizeof *rows);
    memcpy(rows, data, bytes);
    return tt_reply_end(&reply, &err);
}

enum { GRANTED = TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT };

static void run_fixture(bool in_process, double rows[SAMPLES], tt_meters *meters)
{
    tt_launch l = launch(in_process);
    tt_child host, worker;
    uint32_t connection;
    start_host(&l, &host);
    start_worker(&l, "fixture", "{}", &worker);
    tt_ok(tt_child_connect(&host, &worker, "target", GRANTED, &connection, &err), &err);
    tt_ok(measure(&worker, SAMPLES, rows), &err);
    tt_buf b = {0};
    tt_put_u32(&b, connection);
    tt_reply reply;
    tt_ok(tt_child_call(&host, TT_MSG_HOST_METER, &b, -1, &reply, &err), &err);
    *meters = tt_get_meters(&reply.in);
    tt_ok(tt_reply_end(&reply, &err), &err);
    tt_buf_free(&b);
    tt_child_stop(&worker);
    tt_child_stop(&host);
}

/* What the worker is told when the host was told this. */
enum { PRICE = 250000000 }; /* of a prediction: a quarter, in billionths */

static void measure_under_budget(uint64_t predictions, uint64_t money, uint32_t n_samples,
                                 uint64_t per_sample, const char *refusal)
{
    tt_launch l = launch(true);
    tt_child host, worker;
    uint32_t connection;
    double rows[SAMPLES];
    start_host(&l, &host);
    start_worker(&l, "fixture", "{}", &worker);
    tt_ok(tt_child_connect(&host, &worker, "target", GRANTED, &connection, &err), &err);
    tt_buf b = {0};
    tt_put_u64(&b, PRICE);
    tt_put_u64(&b, 0);
    call(&host, TT_MSG_HOST_PRICE, &b);
    tt_put_u64(&b, predictions);
    tt_put_u64(&b, UINT64_MAX);
    tt_put_u64(&b, money);
    tt_put_u32(&b, n_samples);
    tt_put_u32(&b, 1);
    tt_put_u32(&b, connection);
    tt_put_u64(&b, per_sample);
    call(&host, TT_MSG_HOST_BUDGET, &b);
    tt_status s = measure(&worker, SAMPLES, rows);
    ck_assert_int_eq(s, refusal ? TT_ERR_REFUSED : TT_OK);
    if (refusal) ck_assert_msg(strstr(err.message, refusal) != NULL, "%s", err.message);
    tt_child_stop(&worker);
    tt_child_stop(&host);
}

START_TEST(a_host_refuses_what_a_budget_does_not_allow)
{
    measure_under_budget(SAMPLES, UINT64_MAX, SAMPLES, 1, NULL);
    measure_under_budget(UINT64_MAX, UINT64_MAX, SAMPLES, 0, NULL);
    measure_under_budget(UINT64_MAX, UINT64_MAX, SAMPLES - 1, 1,
                         "budgets.queries_per_sample: more than 1 queries a sample were asked for");
    measure_under_budget(SAMPLES - 1, UINT64_MAX, SAMPLES, 1,
                         "budgets.predictions: 0 are left and 1 more were asked for");
    measure_under_budget(UINT64_MAX, SAMPLES * PRICE, SAMPLES, 0, NULL);
    measure_under_budget(UINT64_MAX, (SAMPLES - 1) * PRICE, SAMPLES, 0,
                         "budgets.money: 0 are left and 0.25 more were asked for");
}
END_TEST

/* The loss of sample i, from the definitions. */
static double expected_loss(size_t i)
{
    tt_pixels p;
    tt_ok(tt_image_read(paths[i], NULL, &p, NULL, &err), &err);
    float z[48], noise[48];
    tt_stream_key key = tt_noise_key(SEED, &samples[i].digest, "vae", -1, 0);
    tt_keyed_normals(&key, 0, noise, 48);
    for (int c = 0; c < 3; c++)
        for (int tile = 0; tile < 16; tile++) {
            int sum = 0;
            for (int k = 0; k < 64; k++)
                sum += p.rgb[3 * ((tile / 4 * 8 + k / 8) * 32 + tile % 4 * 8 + k % 8) + c];
            z[c * 16 + tile] = (float)(sum / 64.0 / 127.5 - 1) + 0.1f * noise[c * 16 + tile];
        }
    tt_free(p.rgb);
    key = tt_noise_key(SEED, &samples[i].digest, "eps", 450, 0);
    tt_keyed_normals(&key, 0, noise, 48);
    double a = 1, loss = 0;
    for (int t = 0; t <= 450; t++) {
        double r = sqrt(0.00085) + (sqrt(0.012) - sqrt(0.00085)) * t / 999;
        a *= 1 - r * r;
    }
    char caption[40];
    snprintf(caption, sizeof caption, "portrait number %zu", i);
    float condition = 0;
    for (const char *s = caption; *s; s++)
        condition += (float)*s * 0.0001f;
    for (int k = 0; k < 48; k++) {
        float x = (float)(sqrt(a) * (double)z[k] + sqrt(1 - a) * (double)noise[k]);
        float eps = (float)(0.25 * (double)x + 0.0001 * 450 + (double)condition);
        loss += ((double)noise[k] - (double)eps) * ((double)noise[k] - (double)eps) / 48;
    }
    return loss;
}

START_TEST(a_measured_loss_is_the_one_of_the_definition)
{
    double rows[SAMPLES];
    tt_meters m;
    run_fixture(false, rows, &m);
    for (size_t i = 0; i < SAMPLES; i++)
        ck_assert_double_eq_tol(rows[i], expected_loss(i), 1e-12);
    ck_assert_uint_eq(m.attributed.predictions, SAMPLES);
    ck_assert_uint_eq(m.executed.predictions, SAMPLES);
    ck_assert_uint_eq(m.executed.encodes, SAMPLES);
}
END_TEST

START_TEST(in_process_gives_the_same_bytes_as_processes)
{
    double apart[SAMPLES], together[SAMPLES];
    tt_meters m;
    run_fixture(false, apart, &m);
    run_fixture(true, together, &m);
    ck_assert_mem_eq(apart, together, sizeof apart);
}
END_TEST

START_TEST(equal_evaluations_of_two_attacks_are_computed_once_and_attributed_to_both)
{
    tt_launch l = launch(false);
    tt_child host, one, two;
    uint32_t first, second;
    double a[SAMPLES], b[SAMPLES];
    start_host(&l, &host);
    start_worker(&l, "fixture", "{}", &one);
    start_worker(&l, "fixture", "{\"alpha\": 1}", &two);
    tt_ok(tt_child_connect(&host, &one, "target", GRANTED, &first, &err), &err);
    tt_ok(tt_child_connect(&host, &two, "target", GRANTED, &second, &err), &err);
    tt_ok(measure(&one, SAMPLES, a), &err);
    tt_ok(measure(&two, SAMPLES, b), &err);
    ck_assert_mem_eq(a, b, sizeof a);
    tt_buf request = {0};
    tt_put_u32(&request, second);
    tt_reply reply;
    tt_ok(tt_child_call(&host, TT_MSG_HOST_METER, &request, -1, &reply, &err), &err);
    tt_meters m = tt_get_meters(&reply.in);
    tt_reply_free(&reply);
    tt_buf_free(&request);
    ck_assert_uint_eq(m.attributed.predictions, SAMPLES);
    ck_assert_uint_eq(m.executed.predictions, 0);
    /* a new batch forgets */
    call(&host, TT_MSG_HOST_BATCH, &request);
    tt_ok(measure(&two, SAMPLES, b), &err);
    ck_assert_mem_eq(a, b, sizeof a);
    tt_child_stop(&one);
    tt_child_stop(&two);
    tt_child_stop(&host);
}
END_TEST

static tt_status run_rogue(const char *params, double time_limit_s)
{
    tt_launch l = launch(false);
    l.log_dir = tt_test_dir();
    tt_child host, worker;
    uint32_t connection;
    double rows[SAMPLES];
    start_host(&l, &host);
    l.time_limit_s = time_limit_s;
    start_worker(&l, "rogue", params, &worker);
    tt_ok(tt_child_connect(&host, &worker, "target", TT_CAP_ENCODE, &connection, &err), &err);
    tt_status s = measure(&worker, SAMPLES, rows);
    tt_child_stop(&worker);
    /* the host lives on */
    tt_buf b = {0};
    call(&host, TT_MSG_HOST_BATCH, &b);
    tt_child_stop(&host);
    return s;
}

START_TEST(an_attack_that_crashes_hangs_or_gives_nan_costs_itself_alone)
{
    tt_fails(run_rogue("{\"how\": \"crash\"}", 20), TT_ERR_CRASHED, "rogue: killed by signal", &err);
    tt_fails(run_rogue("{\"how\": \"hang\"}", 0.5), TT_ERR_CRASHED, "time limit", &err);
    tt_ok(run_rogue("{\"how\": \"nan\"}", 20), &err); /* what to make of it is the conductor's affair */
    tt_fails(run_rogue("{\"how\": \"undeclared\"}", 20), TT_ERR_REFUSED, "predict is NULL", &err);
}
END_TEST

START_TEST(a_client_that_writes_raw_messages_is_refused_all_that_was_not_granted)
{
    tt_launch l = launch(false);
    tt_child host;
    start_host(&l, &host);
    int fds[2];
    tt_ok(tt_channel_pair(fds, &err), &err);
    tt_buf b = {0};
    tt_put_u32(&b, TT_CAP_ENCODE);
    tt_reply reply;
    tt_ok(tt_child_call(&host, TT_MSG_HOST_CONNECT, &b, fds[0], &reply, &err), &err);
    tt_reply_free(&reply);
    tt_buf_free(&b);
    close(fds[0]);
    for (uint16_t type = 0; type < 200; type++) {
        if (type == TT_MSG_MODEL_INFO || type == TT_MSG_MODEL_ENCODE || type == TT_MSG_MODEL_GET ||
            type == TT_MSG_MODEL_RELEASE || type == TT_MSG_MODEL_ENCODE_CROP || type == TT_MSG_MODEL_IMAGE)
            continue;
        static const uint8_t junk[64] = {1};
        tt_message m;
        tt_ok(tt_channel_send(fds[1], type, junk, sizeof junk, NULL, 0, &err), &err);
        tt_ok(tt_channel_receive(fds[1], 5000, 0, &m, &err), &err);
        tt_reader in = tt_reader_over(m.data, m.size);
        ck_assert_uint_eq(tt_get_u32(&in), TT_ERR_REFUSED);
        tt_message_free(&m);
    }
    /* granted, but malformed or beyond the step's samples: refused without harm */
    tt_put_u32(&b, 1);
    tt_put_u64(&b, 424242);
    tt_put_text(&b, "vae");
    tt_put_i32(&b, -1);
    tt_put_u32(&b, 0);
    tt_message m;
    tt_ok(tt_channel_send(fds[1], TT_MSG_MODEL_ENCODE, b.data, b.size, NULL, 0, &err), &err);
    tt_ok(tt_channel_receive(fds[1], 5000, 0, &m, &err), &err);
    tt_reader in = tt_reader_over(m.data, m.size);
    ck_assert_uint_eq(tt_get_u32(&in), TT_ERR_REFUSED);
    tt_message_free(&m);
    tt_put_u32(&b, 4); /* with a side it is a crop */
    tt_ok(tt_channel_send(fds[1], TT_MSG_MODEL_ENCODE_CROP, b.data, b.size, NULL, 0, &err), &err);
    tt_ok(tt_channel_receive(fds[1], 5000, 0, &m, &err), &err);
    in = tt_reader_over(m.data, m.size);
    ck_assert_uint_eq(tt_get_u32(&in), TT_ERR_REFUSED);
    tt_message_free(&m);
    tt_buf_free(&b);
    close(fds[1]);
    tt_child_stop(&host);
}
END_TEST

START_TEST(a_killed_host_is_an_error_that_says_how_it_died)
{
    tt_launch l = launch(false);
    tt_child host;
    start_host(&l, &host);
    kill(host.pid, SIGKILL);
    tt_reply reply;
    tt_fails(tt_child_call(&host, TT_MSG_HOST_BATCH, NULL, -1, &reply, &err), TT_ERR_CRASHED,
             "host target: killed by signal 9", &err);
    tt_child_stop(&host);
}
END_TEST

START_TEST(an_image_that_changed_meanwhile_is_noticed)
{
    tt_launch l = launch(true);
    tt_child host, worker;
    uint32_t connection;
    double rows[SAMPLES];
    start_host(&l, &host);
    start_worker(&l, "fixture", "{}", &worker);
    tt_ok(tt_child_connect(&host, &worker, "target", GRANTED, &connection, &err), &err);
    uint8_t rgb[32 * 32 * 3] = {1};
    tt_pixels other = {32, 32, rgb};
    tt_ok(tt_image_write_png(paths[2], &other, &err), &err);
    tt_fails(measure(&worker, SAMPLES, rows), TT_ERR_INVALID, "has changed", &err);
    tt_child_stop(&worker);
    tt_child_stop(&host);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("processes");
    TCase *tc = tcase_create("processes");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_host_refuses_what_a_budget_does_not_allow);
    tcase_add_test(tc, a_measured_loss_is_the_one_of_the_definition);
    tcase_add_test(tc, in_process_gives_the_same_bytes_as_processes);
    tcase_add_test(tc, equal_evaluations_of_two_attacks_are_computed_once_and_attributed_to_both);
    tcase_add_test(tc, an_attack_that_crashes_hangs_or_gives_nan_costs_itself_alone);
    tcase_add_test(tc, a_client_that_writes_raw_messages_is_refused_all_that_was_not_granted);
    tcase_add_test(tc, a_killed_host_is_an_error_that_says_how_it_died);
    tcase_add_test(tc, an_image_that_changed_meanwhile_is_noticed);
    suite_add_tcase(suite, tc);
    return suite;
}
