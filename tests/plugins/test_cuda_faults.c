/* What the cuda backend says when the machine, its driver, its libraries or the device fail it, and that
 * nothing is left behind: every call of its table is made to fail in turn. */
#include "support/cuda/fake.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

/* codes of driver_types.h, cublas_api.h and cudnn_graph.h */
enum {
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_KERNEL_IMAGE = 209,
    UNCORRECTABLE_ECC = 214,
    ILLEGAL_ADDRESS = 700
};
enum { CUBLAS_INTERNAL_ERROR = 14, CUDNN_INTERNAL_ERROR = 4000 };

static tt_error err;
static tt_device *device;
static tt_scope *scope;

static void setup(void)
{
    err = (tt_error){0};
    device = NULL;
    scope = NULL;
    fake_cuda_reset();
}

/* ---- a small program: weights, a convolution, a norm, a product ---- */

static float host[16 * 16 * 8];

static tt_status open_device(void)
{
    return tt_device_open(cuda_emulated(), NULL, &device, &err);
}

static tt_status run_convolution(tt_tensor *x, tt_tensor *y)
{
    static const float weight[8 * 8 * 9], bias[8];
    tt_packed *packed = NULL;
    tt_op op = {.code = TT_OP_CONV2D, .in = {x, x}, .out = {y}};
    op.attr.conv.stride_y = op.attr.conv.stride_x = 1;
    op.attr.conv.pad_top = op.attr.conv.pad_left = op.attr.conv.pad_bottom = op.attr.conv.pad_right = 1;
    tt_weights w = {TT_F32, TT_F32, 4, {8, 8, 3, 3}, weight, bias};
    tt_status status = tt_pack(device, &op, &w, x->type, &packed, &err);
    op.packed = packed;
    if (!status) status = tt_run(device, &op, &err);
    /* pads on two sides only: by a padded copy */
    op.attr.conv.pad_top = op.attr.conv.pad_left = 0, op.attr.conv.pad_bottom = op.attr.conv.pad_right = 2;
    if (!status) status = tt_run(device, &op, &err);
    tt_unpack(device, packed);
    return status;
}

static tt_status run_norm(tt_tensor *x, tt_tensor *y)
{
    static const float gamma[8], beta[8];
    tt_packed *packed = NULL;
    tt_op op = {.code = TT_OP_GROUP_NORM, .in = {x}, .out = {y}, .attr.norm = {4, true, 1e-5}};
    tt_weights w = {TT_F32, TT_F32, 1, {8}, gamma, beta};
    tt_status status = tt_pack(device, &op, &w, x->type, &packed, &err);
    op.packed = packed;
    if (!status) status = tt_run(device, &op, &err);
    tt_unpack(device, packed);
    return status;
}

static tt_status run_product(tt_tensor *x, tt_tensor *y)
{
    static const float weight[8 * 8], bias[8];
    tt_packed *packed = NULL;
    tt_op op = {.code = TT_OP_LINEAR, .in = {x, x}, .out = {y}, .attr.linear.activation = TT_ACT_GELU};
    tt_weights w = {TT_F32, TT_F32, 2, {8, 8}, weight, bias};
    tt_status status = tt_pack(device, &op, &w, x->type, &packed, &err);
    op.packed = packed;
    if (!status) status = tt_run(device, &op, &err);
    tt_unpack(device, packed);
    return status;
}

static tt_status record_copy(tt_tensor *x, tt_tensor *y)
{
    const tt_backend *b = tt_device_backend(device);
    void *self = tt_device_self(device), *recording = NULL;
    tt_copy_region region = {y->data, x->data, sizeof host / 2};
    tt_status status = b->copy(self, 1, &region, &err);
    if (!status) status = b->record_begin(self, &err);
    if (status) return status;
    tt_status copied = b->copy(self, 1, &region, &err);
    tt_error first = err;
    status = b->record_end(self, &recording, &err);
    if (copied) err = first, status = copied;
    if (!status) status = b->replay(self, recording, &err);
    b->recording_free(self, recording);
    return status;
}

/* everything from open to download; the caller closes */
static tt_status run_all(void)
{
    const int64_t shape[4] = {1, 16, 16, 8};
    tt_tensor x, y;
    size_t unused;
    tt_status status = open_device();
    if (!status) status = tt_scope_open(device, &scope, &err);
    if (!status) status = tt_tensor_create(scope, TT_BF16, 4, shape, &x, &err);
    if (!status) status = tt_tensor_create(scope, TT_BF16, 4, shape, &y, &err);
    if (!status) status = tt_tensor_upload_f32(device, &x, host, &err);
    if (!status) status = run_convolution(&x, &y);
    if (!status) status = run_norm(&x, &y);
    if (!status) status = run_product(&x, &y);
    if (!status) status = record_copy(&x, &y);
    if (!status) status = tt_device_backend(device)->memory(tt_device_self(device), &unused, &unused, &err);
    if (!status) status = tt_device_backend(device)->synchronize(tt_device_self(device), &err);
    return status ? status : tt_tensor_download_f32(device, &y, host, &err);
}

static void close_all(void)
{
    tt_scope_close(scope);
    tt_device_close(device);
    scope = NULL;
    device = NULL;
}

/* ---- a machine that cannot run it ---- */

static void expect_unavailable(const char *what, const char *remedy)
{
    tt_fails(open_device(), TT_ERR_UNSUPPORTED, what, &err);
    ck_assert_msg(strstr(err.message, remedy) != NULL, "'%s' lacks the remedy '%s'", err.message, remedy);
    ck_assert_ptr_null(device);
    ck_assert_int_eq(fake_cuda_blocks() + fake_cuda_objects(), 0);
}

START_TEST(without_a_driver_it_says_so)
{
    fake_cuda.driver = 0;
    expect_unavailable("no NVIDIA driver", "install one");
}
END_TEST

START_TEST(a_driver_older_than_the_toolkit_is_named_with_both_versions)
{
    fake_cuda.driver = 12040;
    fake_cuda.runtime = 13000;
    expect_unavailable("does CUDA 12.4, this build needs 13.0", "update the driver");
}
END_TEST

START_TEST(an_older_driver_of_the_same_major_version_will_do)
{
    fake_cuda.driver = 13000;
    fake_cuda.runtime = 13020;
    tt_ok(open_device(), &err);
    close_all();
}
END_TEST

START_TEST(without_a_device_it_says_so)
{
    unsetenv("CUDA_VISIBLE_DEVICES");
    fake_cuda.devices = 0;
    expect_unavailable("no NVIDIA device", "run on a machine that has one");
}
END_TEST

START_TEST(devices_that_the_environment_hides_are_told_from_none)
{
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    fake_cuda.devices = 0;
    expect_unavailable("CUDA_VISIBLE_DEVICES hides every device", "unset it");
    unsetenv("CUDA_VISIBLE_DEVICES");
}
END_TEST

START_TEST(a_device_of_an_older_architecture_is_refused)
{
    fake_cuda.capability = 75;
    expect_unavailable("compute capability 8.0", "use another machine, or backend cpu");
}
END_TEST

START_TEST(a_missing_library_is_named)
{
    fake_cuda.missing =
        "the library libcudnn.so.9 is missing: install it, or name its folder in LD_LIBRARY_PATH";
    expect_unavailable("libcudnn.so.9 is missing", "LD_LIBRARY_PATH");
}
END_TEST

START_TEST(a_device_number_beyond_the_last_is_refused)
{
    tt_device_options options = {.size = sizeof options, .index = 2};
    fake_cuda.devices = 2;
    tt_fails(tt_device_open(cuda_emulated(), &options, &device, &err), TT_ERR_INVALID,
             "cuda:2 is not there: there are 2", &err);
    ck_assert_int_eq(fake_cuda_blocks() + fake_cuda_objects(), 0);
}
END_TEST

START_TEST(kernels_that_the_build_lacks_for_an_architecture_are_said_to_be_missing)
{
    fake_cuda.fail = "cudaLaunchKernel";
    fake_cuda.fail_with = NO_KERNEL_IMAGE;
    tt_fails(run_all(), TT_ERR_UNSUPPORTED, "TT_CUDA_ARCHITECTURES", &err);
    close_all();
    ck_assert_int_eq(fake_cuda_blocks() + fake_cuda_objects(), 0);
}
END_TEST

/* ---- memory ---- */

START_TEST(too_little_memory_to_open_is_an_error_with_the_remedy)
{
    fake_cuda.memory = 1 << 20;
    tt_fails(open_device(), TT_ERR_MEMORY, "smaller batch", &err);
    ck_assert_int_eq(fake_cuda_blocks() + fake_cuda_objects(), 0);
}
END_TEST

START_TEST(after_too_large_a_tensor_smaller_ones_still_work)
{
    const int64_t large[1] = {1 << 25};
    tt_tensor x;
    fake_cuda.memory = (size_t)100 << 20;
    tt_ok(open_device(), &err);
    tt_ok(tt_scope_open(device, &scope, &err), &err);
    ck_assert_int_eq(tt_tensor_create(scope, TT_F32, 1, large, &x, &err), TT_ERR_MEMORY);
    close_all();
    tt_ok(run_all(), &err);
    close_all();
}
END_TEST

START_TEST(memory_that_ends_in_an_operation_is_told_and_survived)
{
    tt_ok(run_all(), &err);
    close_all();
    int calls = fake_cuda_called("cudaMalloc"), told = 0;
    for (int at = 1; at <= calls; at++) {
        setup();
        fake_cuda.fail = "cudaMalloc";
        fake_cuda.fail_at = at;
        fake_cuda.fail_with = OUT_OF_MEMORY;
        tt_status status = run_all(); /* scopes trim and try again */
        ck_assert(status == TT_OK || status == TT_ERR_MEMORY);
        told += status != TT_OK;
        close_all();
        tt_ok(run_all(), &err);
        close_all();
        ck_assert_int_eq(fake_cuda_blocks() + fake_cuda_objects(), 0);
    }
    ck_assert_int_ge(told, calls - 2);
}
END_TEST

/* ---- every call in turn ---- */

static int internal_error(const char *call)
{
    return strncmp(call, "cublas", 6) == 0  ? CUBLAS_INTERNAL_ERROR
           : strncmp(call, "cudnn", 5) == 0 ? CUDNN_INTERNAL_ERROR
                                            : INVALID_VALUE;
}

START_TEST(every_call_that_fails_is_named_and_leaves_nothing_behind)
{
    static const char *const calls[] = {
        "cudaDeviceGetAttribute",
        "cudaDriverGetVersion",
        "cudaEventCreateWithFlags",
        "cudaEventRecord",
        "cudaEventSynchronize",
        "cudaGetDeviceCount",
        "cudaGetDeviceProperties",
        "cudaGraphInstantiate",
        "cudaGraphLaunch",
        "cudaMalloc",
        "cudaMallocHost",
        "cudaMemGetInfo",
        "cudaMemcpy3DAsync",
        "cudaMemcpyAsync",
        "cudaMemsetAsync",
        "cudaRuntimeGetVersion",
        "cudaSetDevice",
        "cudaStreamBeginCapture",
        "cudaStreamCreateWithFlags",
        "cudaStreamEndCapture",
        "cudaStreamSynchronize",
        "cublasLtCreate",
        "cublasLtMatmul",
        "cublasLtMatmulAlgoConfigGetAttribute",
        "cublasLtMatmulAlgoGetHeuristic",
        "cublasLtMatmulDescCreate",
        "cublasLtMatmulDescSetAttribute",
        "cublasLtMatmulPreferenceCreate",
        "cublasLtMatmulPreferenceSetAttribute",
        "cublasLtMatrixLayoutCreate",
        "cudnnBackendCreateDescriptor",
        "cudnnBackendExecute",
        "cudnnBackendFinalize",
        "cudnnBackendGetAttribute",
        "cudnnBackendSetAttribute",
        "cudnnCreate",
        "cudnnSetStream",
    };
    const char *call = calls[_i];
    tt_ok(run_all(), &err);
    int n = fake_cuda_called(call), said = 0;
    close_all();
    ck_assert_msg(n > 0, "%s is never called", call);
    for (int at = 1; at <= n; at++) {
        setup();
        fake_cuda.fail = call;
        fake_cuda.fail_at = at;
        fake_cuda.fail_with = internal_error(call);
        tt_status status = run_all();
        said += status && strstr(err.message, call) != NULL;
        close_all();
        ck_assert_msg(fake_cuda_blocks() + fake_cuda_objects() == 0,
                      "%s, call %d: %d blocks, %d objects left", call, at, fake_cuda_blocks(),
                      fake_cuda_objects());
        tt_ok(run_all(), &err);
        close_all();
    }
    ck_assert_int_gt(said, 0);
}
END_TEST

/* ---- a device that is lost ---- */

START_TEST(a_lost_device_fails_every_later_call_with_the_same_words)
{
    tt_ok(run_all(), &err);
    close_all();
    for (int at = 1; at <= 12; at++) {
        setup();
        fake_cuda.lose_at = at;
        fake_cuda.lose_with = at % 2 ? ILLEGAL_ADDRESS : UNCORRECTABLE_ECC;
        tt_fails(run_all(), TT_ERR_IO, "the device is lost to this process: run again", &err);
        tt_error first = err;
        size_t unused;
        const tt_backend *b = tt_device_backend(device);
        void *self = tt_device_self(device);
        ck_assert_int_eq(b->memory(self, &unused, &unused, &err), TT_ERR_IO);
        ck_assert_msg(strstr(first.message, err.message) != NULL, "'%s', then '%s'", first.message,
                      err.message);
        ck_assert_int_eq(b->record_begin(self, &err), TT_ERR_IO);
        ck_assert_msg(strstr(first.message, err.message) != NULL, "'%s', then '%s'", first.message,
                      err.message);
        ck_assert_ptr_null(b->alloc(self, 64));
        close_all(); /* must come back */
    }
}
END_TEST

START_TEST(a_device_lost_while_recording_records_nothing)
{
    const int64_t shape[4] = {1, 16, 16, 8};
    tt_tensor x;
    void *recording = &x;
    tt_ok(open_device(), &err);
    tt_ok(tt_scope_open(device, &scope, &err), &err);
    tt_ok(tt_tensor_create(scope, TT_BF16, 4, shape, &x, &err), &err);
    tt_ok(tt_tensor_upload_f32(device, &x, host, &err), &err);
    const tt_backend *b = tt_device_backend(device);
    void *self = tt_device_self(device);
    tt_copy_region region = {(char *)x.data + 256, x.data, 256};
    tt_ok(b->copy(self, 1, &region, &err), &err);
    tt_ok(b->record_begin(self, &err), &err);
    tt_ok(b->copy(self, 1, &region, &err), &err);
    fake_cuda.fail = "cudaStreamEndCapture";
    fake_cuda.fail_with = ILLEGAL_ADDRESS;
    ck_assert_int_eq(b->record_end(self, &recording, &err), TT_ERR_IO);
    ck_assert_ptr_null(recording);
    ck_assert_int_eq(b->record_begin(self, &err), TT_ERR_IO);
    close_all();
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("cuda faults");
    TCase *tc = tcase_create("faults");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, without_a_driver_it_says_so);
    tcase_add_test(tc, a_driver_older_than_the_toolkit_is_named_with_both_versions);
    tcase_add_test(tc, an_older_driver_of_the_same_major_version_will_do);
    tcase_add_test(tc, without_a_device_it_says_so);
    tcase_add_test(tc, devices_that_the_environment_hides_are_told_from_none);
    tcase_add_test(tc, a_device_of_an_older_architecture_is_refused);
    tcase_add_test(tc, a_missing_library_is_named);
    tcase_add_test(tc, a_device_number_beyond_the_last_is_refused);
    tcase_add_test(tc, kernels_that_the_build_lacks_for_an_architecture_are_said_to_be_missing);
    tcase_add_test(tc, too_little_memory_to_open_is_an_error_with_the_remedy);
    tcase_add_test(tc, after_too_large_a_tensor_smaller_ones_still_work);
    tcase_add_test(tc, memory_that_ends_in_an_operation_is_told_and_survived);
    tcase_add_loop_test(tc, every_call_that_fails_is_named_and_leaves_nothing_behind, 0, 37);
    tcase_add_test(tc, a_lost_device_fails_every_later_call_with_the_same_words);
    tcase_add_test(tc, a_device_lost_while_recording_records_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}
