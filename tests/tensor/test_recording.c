/* Computations that are recorded at their second run: the same values whichever way they come, one memory for
 * all recordings, and none of it in the way of anything else. On the recorder, which holds recordings to the
 * interface. */
#include "tensor/recording.h"
#include "base/mem.h"
#include "support/recorder.h"
#include "support/test.h"

#include <string.h>

static tt_error err;
static tt_device *device;
static tt_recorder_counts before;

static void setup(void)
{
    err = (tt_error){0};
    tt_ok(tt_device_open(tt_test_recorder(), NULL, &device, &err), &err);
    before = tt_test_recorder_counts();
}

static void teardown(void)
{
    ck_assert_uint_eq(tt_device_live_bytes(device), 0);
    tt_device_close(device);
    tt_recorder_counts now = tt_test_recorder_counts();
    ck_assert_uint_eq(now.held, before.held);
    ck_assert_int_eq(now.freed - before.freed, now.recordings - before.recordings);
}

/* ---- y = 4x + 1, with two values in between ---- */

typedef struct job {
    int64_t n;
    tt_scope *input, *result;
    tt_tensor x, y;
    tt_recording *recording;
} job;

static tt_status scale(const tt_tensor *x, double factor, double offset, tt_tensor *y, tt_error *e)
{
    tt_op op = {.code = TT_OP_SCALE, .in = {x}, .out = {y}, .attr.scale = {factor, offset}};
    return tt_run(device, &op, e);
}

static tt_status body(void *user, tt_error *e)
{
    job *j = user;
    tt_scope *scope;
    tt_tensor a, b;
    tt_scope_close(j->result);
    j->result = NULL;
    tt_status status = tt_scope_open(device, &scope, e);
    if (status) return status;
    status = tt_tensor_create(scope, TT_F32, 1, &j->n, &a, e);
    if (!status) status = tt_tensor_create(scope, TT_F32, 1, &j->n, &b, e);
    if (!status) status = scale(&j->x, 2, 0, &a, e);
    if (!status) status = scale(&a, 1, 1, &b, e);
    if (!status) status = tt_scope_open(device, &j->result, e);
    if (!status) status = tt_tensor_create(j->result, TT_F32, 1, &j->n, &j->y, e);
    tt_op op = {.code = TT_OP_ADD, .in = {&a, &b}, .out = {&j->y}};
    if (!status) status = tt_run(device, &op, e);
    tt_scope_close(scope);
    return status;
}

static job *open_job(job *j, int64_t n)
{
    *j = (job){.n = n};
    tt_ok(tt_scope_open(device, &j->input, &err), &err);
    tt_ok(tt_tensor_create(j->input, TT_F32, 1, &n, &j->x, &err), &err);
    tt_ok(tt_recording_create(device, body, j, &j->recording, &err), &err);
    return j;
}

static void close_job(job *j)
{
    tt_recording_free(j->recording);
    tt_scope_close(j->result);
    tt_scope_close(j->input);
}

enum { MOST = 4096 };

static tt_status run_with(job *j, float x)
{
    float values[MOST];
    for (int64_t i = 0; i < j->n; i++)
        values[i] = x + (float)i;
    tt_ok(tt_tensor_upload_f32(device, &j->x, values, &err), &err);
    return tt_recording_run(j->recording, &err);
}

static void expect(job *j, float x)
{
    float values[MOST];
    tt_ok(run_with(j, x), &err);
    tt_ok(tt_tensor_download_f32(device, &j->y, values, &err), &err);
    for (int64_t i = 0; i < j->n; i++)
        ck_assert_float_eq(values[i], 4 * (x + (float)i) + 1);
}

static int made(void)
{
    return tt_test_recorder_counts().recordings - before.recordings;
}

static int replayed(void)
{
    return tt_test_recorder_counts().replays - before.replays;
}

static size_t held(void)
{
    return tt_test_recorder_counts().held - before.held;
}

/* ---- tests ---- */

START_TEST(the_first_run_is_plain_the_second_is_recorded_and_later_ones_are_replays)
{
    job j;
    open_job(&j, 100);
    for (int run = 0; run < 5; run++) {
        expect(&j, (float)run);
        ck_assert_int_eq(made(), run > 0);
        ck_assert_int_eq(replayed(), run);
    }
    ck_assert_int_eq(tt_test_recorder_counts().ran - before.ran, 3); /* the first run's */
    close_job(&j);
}
END_TEST

START_TEST(a_backend_without_recordings_runs_plainly)
{
    tt_backend table = *tt_test_recorder();
    tt_device *recorder = device;
    job j;
    table.record_begin = NULL;
    tt_ok(tt_device_open(&table, NULL, &device, &err), &err);
    ck_assert(!tt_device_records(device));
    open_job(&j, 100);
    for (int run = 0; run < 4; run++)
        expect(&j, (float)run);
    close_job(&j);
    tt_device_close(device);
    device = recorder;
    ck_assert_int_eq(made() + replayed(), 0);
}
END_TEST

/* Two values in between and the result are alive together: 3 blocks of 4·n bytes. */
START_TEST(recordings_share_one_region_as_large_as_the_largest_needs)
{
    job small, large, middle;
    open_job(&small, 256);
    open_job(&large, 4096);
    open_job(&middle, 1024);
    size_t inputs = 4 * (256 + 4096 + 1024);
    job *const jobs[] = {&small, &large, &middle};
    for (int k = 0; k < 3; k++)
        for (int run = 0; run < 3; run++)
            expect(jobs[k], (float)run);
    tt_device_trim(device);
    ck_assert_uint_eq(held(), inputs + 3 * 4 * 4096);
    for (int run = 0; run < 3; run++)
        for (int k = 0; k < 3; k++)
            expect(jobs[k], (float)(10 * run + k));
    ck_assert_int_eq(made(), 4); /* the small one twice: its region made way for the large one's */
    close_job(&large);
    expect(&middle, 5);
    close_job(&middle);
    close_job(&small);
    tt_device_trim(device);
    ck_assert_uint_eq(held(), 0);
}
END_TEST

/* Blocks that others hold between two replays are never the region's. */
START_TEST(memory_taken_between_replays_is_not_the_recordings)
{
    job j;
    tt_scope *scope;
    tt_tensor t[8];
    const int64_t n = 1000;
    float ones[1000], back[1000];
    for (int i = 0; i < 1000; i++)
        ones[i] = 1;
    open_job(&j, n);
    for (int run = 0; run < 3; run++)
        expect(&j, (float)run);
    tt_ok(tt_scope_open(device, &scope, &err), &err);
    for (int i = 0; i < 8; i++) {
        tt_ok(tt_tensor_create(scope, TT_F32, 1, &n, &t[i], &err), &err);
        tt_ok(tt_tensor_upload_f32(device, &t[i], ones, &err), &err);
    }
    expect(&j, 9);
    for (int i = 0; i < 8; i++) {
        tt_ok(tt_tensor_download_f32(device, &t[i], back, &err), &err);
        ck_assert_mem_eq(back, ones, sizeof back);
    }
    tt_scope_close(scope);
    close_job(&j);
}
END_TEST

/* Refused at its k-th try, a recording waits for 2^k plain runs before the next. */
START_TEST(what_cannot_be_recorded_or_replayed_is_computed_plainly_and_recorded_later)
{
    static const tt_recorder_call calls[] = {TT_RECORDER_BEGIN, TT_RECORDER_NOTE, TT_RECORDER_END,
                                             TT_RECORDER_REPLAY};
    static const tt_status why[] = {TT_ERR_MEMORY, TT_ERR_INTERNAL};
    job j;
    open_job(&j, 100);
    expect(&j, 0);
    tt_test_recorder_refuse(calls[_i / 2], why[_i % 2]);
    expect(&j, 1);       /* tried, and plain */
    int failed = made(); /* and freed */
    ck_assert_int_eq(tt_test_recorder_counts().freed - before.freed, failed);
    expect(&j, 2);
    ck_assert_int_eq(made(), failed);
    expect(&j, 3);
    ck_assert_int_eq(made(), failed + 1);
    int ran = tt_test_recorder_counts().ran;
    expect(&j, 4);
    ck_assert_int_eq(tt_test_recorder_counts().ran, ran);
    tt_test_recorder_refuse(calls[_i / 2], TT_OK);
    close_job(&j);
}
END_TEST

START_TEST(a_replay_that_fails_is_computed_plainly)
{
    job j;
    open_job(&j, 100);
    for (int run = 0; run < 3; run++)
        expect(&j, (float)run);
    tt_test_recorder_refuse(TT_RECORDER_REPLAY, TT_ERR_MEMORY);
    expect(&j, 3);
    ck_assert_int_eq(tt_test_recorder_counts().freed - before.freed, 1);
    for (int run = 4; run < 8; run++)
        expect(&j, (float)run);
    ck_assert_int_eq(made(), 2);
    close_job(&j);
}
END_TEST

START_TEST(an_error_of_the_computation_itself_is_returned)
{
    job j;
    open_job(&j, 100);
    for (int run = 0; run < 3; run++) {
        tt_test_recorder_refuse(TT_RECORDER_RUN, TT_ERR_UNSUPPORTED);
        if (run == 1) tt_test_recorder_refuse(TT_RECORDER_NOTE, TT_ERR_UNSUPPORTED);
        tt_fails(run_with(&j, 0), TT_ERR_UNSUPPORTED, "refused", &err);
        ck_assert_int_eq(replayed(), 0);
        if (run == 0) expect(&j, 1);
    }
    for (int run = 0; run < 4; run++)
        expect(&j, (float)run);
    ck_assert_int_ge(replayed(), 2);
    close_job(&j);
}
END_TEST

START_TEST(without_memory_for_the_region_runs_stay_plain)
{
    job j;
    open_job(&j, 1024);
    expect(&j, 0);
    tt_test_recorder_memory(tt_test_recorder_counts().held); /* a region would be had beside the result */
    for (int run = 1; run < 7; run++)
        expect(&j, (float)run);
    ck_assert_int_eq(made(), 0);
    tt_test_recorder_memory(0);
    expect(&j, 7);
    ck_assert_int_eq(made(), 1);
    tt_test_recorder_fail_allocation(1);
    expect(&j, 8); /* a replay needs none */
    tt_test_recorder_fail_allocation(0);
    close_job(&j);
}
END_TEST

START_TEST(recordings_are_given_up_before_a_tensor_lacks_memory)
{
    job j;
    tt_scope *scope;
    tt_tensor t;
    const int64_t n = 3000, more = 2000;
    open_job(&j, 1024);
    for (int run = 0; run < 3; run++)
        expect(&j, (float)run);
    tt_device_trim(device);
    tt_test_recorder_memory(tt_test_recorder_counts().held + 4096);
    tt_ok(tt_scope_open(device, &scope, &err), &err);
    tt_ok(tt_tensor_create(scope, TT_F32, 1, &n, &t, &err), &err);
    ck_assert_int_eq(tt_test_recorder_counts().freed - before.freed, 1);
    ck_assert_int_eq(tt_tensor_create(scope, TT_F32, 1, &more, &t, &err), TT_ERR_MEMORY);
    tt_scope_close(scope);
    tt_device_trim(device);
    for (int run = 3; run < 7; run++) /* two plain ones before the next try */
        expect(&j, (float)run);
    ck_assert_int_eq(made(), 2);
    tt_test_recorder_memory(0);
    close_job(&j);
}
END_TEST

/* Scratch and weights are the backend's own memory: it says so by a status. */
START_TEST(recordings_are_given_up_before_an_operation_or_weights_lack_memory)
{
    job j;
    const int64_t n = 8;
    float values[8 * 8] = {1};
    tt_scope *scope;
    tt_tensor x, y;
    tt_packed *packed = NULL;
    tt_op op = {.code = TT_OP_LINEAR};
    tt_weights w = {TT_F32, TT_F32, 2, {8, 8}, values, values};
    open_job(&j, 1024);
    tt_ok(tt_scope_open(device, &scope, &err), &err);
    tt_ok(tt_tensor_create(scope, TT_F32, 1, &n, &x, &err), &err);
    tt_ok(tt_tensor_create(scope, TT_F32, 1, &n, &y, &err), &err);
    for (int run = 0; run < 8; run++)
        expect(&j, (float)run);
    ck_assert_int_eq(made(), 1);
    tt_device_trim(device);
    tt_test_recorder_refuse(TT_RECORDER_RUN, TT_ERR_MEMORY);
    tt_ok(tt_tensor_upload_f32(device, &x, values, &err), &err);
    tt_ok(scale(&x, 3, 0, &y, &err), &err);
    ck_assert_int_eq(tt_test_recorder_counts().freed - before.freed, 1);
    for (int run = 0; run < 8; run++)
        expect(&j, (float)run);
    ck_assert_int_eq(made(), 2);
    tt_device_trim(device);
    tt_test_recorder_refuse(TT_RECORDER_PACK, TT_ERR_MEMORY);
    tt_ok(tt_pack(device, &op, &w, TT_F32, &packed, &err), &err);
    ck_assert_int_eq(tt_test_recorder_counts().freed - before.freed, 2);
    tt_unpack(device, packed);
    tt_scope_close(scope);
    close_job(&j);
}
END_TEST

/* One that writes over its input may have begun to: its error is returned. */
START_TEST(an_operation_in_place_is_not_tried_twice)
{
    job j;
    const int64_t n = 8;
    tt_scope *scope;
    tt_tensor x;
    open_job(&j, 1024);
    tt_ok(tt_scope_open(device, &scope, &err), &err);
    tt_ok(tt_tensor_create(scope, TT_F32, 1, &n, &x, &err), &err);
    for (int run = 0; run < 3; run++)
        expect(&j, (float)run);
    tt_test_recorder_refuse(TT_RECORDER_RUN, TT_ERR_MEMORY);
    ck_assert_int_eq(scale(&x, 3, 0, &x, &err), TT_ERR_MEMORY);
    ck_assert_int_eq(tt_test_recorder_counts().freed, before.freed);
    tt_scope_close(scope);
    close_job(&j);
}
END_TEST

START_TEST(without_host_memory_it_is_an_error_or_the_same_values)
{
    int failures = 0;
    for (long at = 0; at < 12; at++)
        for (int runs = 0; runs < 3; runs++) {
            job j;
            open_job(&j, 100);
            for (int run = 0; run < runs; run++)
                expect(&j, (float)run);
            tt_mem_fail_after(at);
            tt_status status = tt_recording_run(j.recording, &err);
            tt_mem_fail_after(-1);
            ck_assert(!status || status == TT_ERR_MEMORY);
            failures += status != TT_OK;
            for (int run = 0; run < 4; run++)
                expect(&j, (float)run);
            close_job(&j);
        }
    ck_assert_int_ge(failures, 4);
    tt_mem_fail_after(0);
    tt_recording *r;
    ck_assert_int_eq(tt_recording_create(device, body, NULL, &r, &err), TT_ERR_MEMORY);
    tt_mem_fail_after(-1);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("recording");
    TCase *tc = tcase_create("recording");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_first_run_is_plain_the_second_is_recorded_and_later_ones_are_replays);
    tcase_add_test(tc, a_backend_without_recordings_runs_plainly);
    tcase_add_test(tc, recordings_share_one_region_as_large_as_the_largest_needs);
    tcase_add_test(tc, memory_taken_between_replays_is_not_the_recordings);
    tcase_add_loop_test(tc, what_cannot_be_recorded_or_replayed_is_computed_plainly_and_recorded_later, 0, 8);
    tcase_add_test(tc, a_replay_that_fails_is_computed_plainly);
    tcase_add_test(tc, an_error_of_the_computation_itself_is_returned);
    tcase_add_test(tc, without_memory_for_the_region_runs_stay_plain);
    tcase_add_test(tc, recordings_are_given_up_before_a_tensor_lacks_memory);
    tcase_add_test(tc, recordings_are_given_up_before_an_operation_or_weights_lack_memory);
    tcase_add_test(tc, an_operation_in_place_is_not_tried_twice);
    tcase_add_test(tc, without_host_memory_it_is_an_error_or_the_same_values);
    suite_add_tcase(suite, tc);
    return suite;
}
