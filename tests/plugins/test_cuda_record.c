/* A network on cuda over an emulated device whose calls fail while it is recorded or replayed, and whose
 * memory ends when recordings hold it: the same bytes as ever. (Without faults:
 * tests/models/test_networks_record.c.) */
#include "models/clip.h"
#include "models/weights.h"
#include "support/cuda/fake.h"
#include "support/test.h"
#include "telltale/backend.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS = 12, WIDTH = 32, TEXTS = 2, STATES = TEXTS * TOKENS * WIDTH };
enum { INVALID_VALUE = 1, OUT_OF_MEMORY = 2, ILLEGAL_ADDRESS = 700, CUBLAS_INTERNAL_ERROR = 14 };

static tt_error err;
static tt_device *device;
static tt_weight_source *weights;
static const tt_clip_text_config config = {.hidden = WIDTH,
                                           .layers = 2,
                                           .heads = 4,
                                           .mlp = 64,
                                           .tokens = TOKENS,
                                           .vocabulary = 50,
                                           .eos_token_id = 49,
                                           .activation = TT_ACT_QUICK_GELU,
                                           .eps = 1e-5};
static tt_clip_text *clip;
static float want[4][STATES]; /* by texts */

static tt_status read_texts(int which, float *states)
{
    int32_t ids[TEXTS * TOKENS];
    for (int i = 0; i < TEXTS * TOKENS; i++)
        ids[i] = (i * 7 + which * 5) % config.vocabulary;
    return tt_clip_text_forward(clip, TEXTS, ids, 0, states, &err);
}

static void expect(int which)
{
    float got[STATES];
    tt_ok(read_texts(which, got), &err);
    ck_assert_mem_eq(got, want[which], sizeof got);
}

static void open_clip(const tt_backend *backend)
{
    tt_ok(tt_device_open(backend, NULL, &device, &err), &err);
    tt_ok(tt_clip_text_create(device, &config, TT_F32, weights, &clip, &err), &err);
}

static void close_clip(void)
{
    tt_clip_text_destroy(clip);
    tt_device_close(device);
    ck_assert_int_eq(fake_cuda_blocks() + fake_cuda_objects(), 0);
}

static void setup(void)
{
    err = (tt_error){0};
    fake_cuda_reset();
    weights = tt_weights_hash();
    tt_backend plain = *cuda_emulated();
    plain.record_begin = NULL;
    open_clip(&plain);
    for (int which = 0; which < 4; which++)
        tt_ok(read_texts(which, want[which]), &err);
    close_clip();
    fake_cuda_reset();
    open_clip(cuda_emulated());
}

static void teardown(void)
{
    close_clip();
    weights->destroy(weights);
}

static int replays(void)
{
    return fake_cuda_called("cudaGraphLaunch");
}

static const struct {
    const char *call;
    int code;
} faults[] = {{"cudaStreamBeginCapture", INVALID_VALUE},
              {"cudaLaunchKernel", INVALID_VALUE},
              {"cublasLtMatmul", CUBLAS_INTERNAL_ERROR},
              {"cudaStreamEndCapture", INVALID_VALUE},
              {"cudaGraphInstantiate", OUT_OF_MEMORY},
              {"cudaGraphLaunch", OUT_OF_MEMORY},
              {"cudaMalloc", OUT_OF_MEMORY},
              {"cudaGraphInstantiate", INVALID_VALUE}};
enum { FAULTS = sizeof faults / sizeof *faults };

/* The fault comes at the first, third and fifth of these calls from now, where there are so many. */
START_TEST(a_call_that_fails_in_a_recording_leaves_the_bytes_as_they_are)
{
    for (int at = 1; at <= 5; at += 2) {
        expect(0);
        int launches = fake_cuda_launched();
        fake_cuda.fail = faults[_i].call;
        fake_cuda.fail_at = at;
        fake_cuda.fail_with = faults[_i].code;
        expect(1);
        ck_assert(at > 1 || !fake_cuda.fail);                 /* it came */
        ck_assert(at > 1 || fake_cuda_launched() > launches); /* computed plainly */
        fake_cuda.fail = NULL;
        for (int which = 0; which < 4; which++)
            expect(which);
        int before = replays();
        expect(2);
        ck_assert_int_eq(replays() - before, 1); /* recorded in the end */
        close_clip();
        open_clip(cuda_emulated());
    }
}
END_TEST

START_TEST(a_replay_that_fails_leaves_the_bytes_as_they_are)
{
    for (int which = 0; which < 3; which++)
        expect(which);
    fake_cuda.fail = "cudaGraphLaunch";
    fake_cuda.fail_at = 1;
    fake_cuda.fail_with = OUT_OF_MEMORY;
    expect(3);
    for (int which = 0; which < 4; which++)
        expect(which);
    ck_assert_int_eq(fake_cuda_called("cudaGraphExecDestroy"), 1);
    ck_assert_int_eq(fake_cuda_called("cudaGraphInstantiate"), 2);
}
END_TEST

START_TEST(a_device_lost_in_a_recording_is_an_error_that_says_so)
{
    float states[STATES];
    expect(0);
    fake_cuda.lose_at = 2; /* while the second batch's inputs are copied, or its replay */
    fake_cuda.lose_with = ILLEGAL_ADDRESS;
    tt_fails(read_texts(1, states), TT_ERR_IO, "the device is lost", &err);
    tt_fails(read_texts(1, states), TT_ERR_IO, "the device is lost", &err);
    tt_clip_text_destroy(clip);
    tt_device_close(device);
    fake_cuda_reset();
    open_clip(cuda_emulated());
}
END_TEST

/* ---- memory that recordings hold ---- */

/* the device's memory is full, but for `left` bytes */
static void fill(size_t left)
{
    size_t unused, total;
    tt_device_trim(device);
    tt_ok(tt_device_backend(device)->memory(tt_device_self(device), &unused, &total, &err), &err);
    fake_cuda.memory = total - unused + left;
}

static void record(void)
{
    for (int which = 0; which < 3; which++)
        expect(which);
    ck_assert_int_eq(fake_cuda_called("cudaGraphExecDestroy"), 0);
}

static void expect_given_up_once(void)
{
    ck_assert_int_eq(fake_cuda_called("cudaGraphExecDestroy"), 1);
    fake_cuda.memory = (size_t)4 << 30;
    for (int which = 0; which < 4; which++)
        expect(which);
    ck_assert_int_eq(fake_cuda_called("cudaGraphInstantiate"), 2);
}

START_TEST(recordings_are_given_up_for_weights)
{
    tt_packed *packed;
    float *values = calloc(64 * 64, sizeof *values);
    tt_op op = {.code = TT_OP_LINEAR};
    tt_weights w = {TT_F32, TT_F32, 2, {64, 64}, values, values};
    record();
    fill(1024); /* 16 KiB are asked for: the region has more */
    tt_ok(tt_pack(device, &op, &w, TT_F32, &packed, &err), &err);
    expect_given_up_once();
    tt_unpack(device, packed);
    free(values);
}
END_TEST

START_TEST(recordings_are_given_up_for_scratch)
{
    tt_packed *packed;
    tt_scope *scope;
    tt_tensor x, y;
    const int64_t in[4] = {1, 16, 16, 8}, out[4] = {1, 15, 15, 8};
    float values[8 * 8 * 9] = {0}, *zeros = calloc(16 * 16 * 8, sizeof *zeros);
    tt_op op = {.code = TT_OP_CONV2D, .in = {&x}, .out = {&y}};
    op.attr.conv.stride_y = op.attr.conv.stride_x = 1;
    op.attr.conv.pad_bottom = op.attr.conv.pad_right = 1; /* through a padded copy */
    tt_weights w = {TT_F32, TT_F32, 4, {8, 8, 3, 3}, values, values};
    tt_ok(tt_scope_open(device, &scope, &err), &err);
    tt_ok(tt_tensor_create(scope, TT_F32, 4, in, &x, &err), &err);
    tt_ok(tt_tensor_create(scope, TT_F32, 4, out, &y, &err), &err);
    tt_ok(tt_tensor_upload_f32(device, &x, zeros, &err), &err);
    tt_ok(tt_pack(device, &op, &w, TT_F32, &packed, &err), &err);
    op.packed = packed;
    record();
    fill(1024);
    tt_ok(tt_run(device, &op, &err), &err);
    expect_given_up_once();
    tt_unpack(device, packed);
    tt_scope_close(scope);
    free(zeros);
}
END_TEST

START_TEST(recordings_are_given_up_for_another_networks_batch)
{
    tt_clip_text *first = clip;
    tt_ok(tt_clip_text_create(device, &config, TT_F32, weights, &clip, &err), &err);
    record(); /* of the second one */
    tt_clip_text *second = clip;
    fill(8192);
    clip = first;
    expect(0);
    clip = second;
    expect_given_up_once();
    tt_clip_text_destroy(first);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("cuda record");
    TCase *tc = tcase_create("record");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_call_that_fails_in_a_recording_leaves_the_bytes_as_they_are, 0, FAULTS);
    tcase_add_test(tc, a_replay_that_fails_leaves_the_bytes_as_they_are);
    tcase_add_test(tc, a_device_lost_in_a_recording_is_an_error_that_says_so);
    tcase_add_test(tc, recordings_are_given_up_for_weights);
    tcase_add_test(tc, recordings_are_given_up_for_scratch);
    tcase_add_test(tc, recordings_are_given_up_for_another_networks_batch);
    suite_add_tcase(suite, tc);
    return suite;
}
