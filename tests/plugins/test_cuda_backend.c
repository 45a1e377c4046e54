/* The cuda backend's own doings over an emulated device: copies through pinned memory, plans that are kept,
 * recordings, TF32, what it tells of itself. Its operations: tests/tensor/test_backend_ops.c. */
#include "support/cuda/fake.h"
#include "support/subjects.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_device *device;
static tt_scope *scope;

static void open_with(uint32_t flags)
{
    tt_device_options options = {.size = sizeof options, .flags = flags};
    tt_ok(tt_device_open(cuda_emulated(), &options, &device, &err), &err);
    tt_ok(tt_scope_open(device, &scope, &err), &err);
}

static void setup(void)
{
    err = (tt_error){0};
    fake_cuda_reset();
    open_with(0);
}

static void teardown(void)
{
    tt_scope_close(scope);
    tt_device_close(device);
    ck_assert_int_eq(fake_cuda_blocks(), 0);
    ck_assert_int_eq(fake_cuda_objects(), 0);
}

static float *noise(uint64_t stream, int64_t n)
{
    float *x = malloc((size_t)n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = subject_noise(stream, (uint64_t)i);
    return x;
}

static tt_tensor tensor(tt_type type, int32_t rank, const int64_t *shape, uint64_t stream)
{
    tt_tensor t;
    tt_ok(tt_tensor_create(scope, type, rank, shape, &t, &err), &err);
    float *x = noise(stream, tt_tensor_count(&t));
    tt_ok(tt_tensor_upload_f32(device, &t, x, &err), &err);
    free(x);
    return t;
}

static tt_packed *packed(const tt_op *like, tt_type type, int32_t rank, const int64_t *shape)
{
    tt_packed *p;
    tt_weights w = {TT_F32, TT_F32, rank, {0}, NULL, NULL};
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= w.shape[i] = shape[i];
    float *weight = noise(7, n), *bias = noise(8, shape[0]);
    w.weight = weight;
    w.bias = bias;
    tt_ok(tt_pack(device, like, &w, type, &p, &err), &err);
    free(weight);
    free(bias);
    return p;
}

static float *downloaded(const tt_tensor *t)
{
    float *x = malloc((size_t)tt_tensor_count(t) * sizeof *x);
    tt_ok(tt_tensor_download_f32(device, t, x, &err), &err);
    return x;
}

static void expect_equal(const tt_tensor *t, float *want)
{
    float *got = downloaded(t);
    ck_assert(memcmp(got, want, (size_t)tt_tensor_count(t) * sizeof *got) == 0);
    free(got);
    free(want);
}

/* ---- memory ---- */

START_TEST(values_longer_than_the_staging_buffers_come_back_as_they_were)
{
    const int64_t n = (int64_t)(20 << 20) / 4 + 13; /* two chunks and a half */
    tt_tensor t;
    tt_ok(tt_tensor_create(scope, TT_F32, 1, &n, &t, &err), &err);
    float *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(i % 16777213);
    tt_ok(tt_tensor_upload(device, &t, x, &err), &err);
    x[0] = -1; /* the host's memory is its own again */
    tt_ok(tt_tensor_download(device, &t, y, &err), &err);
    x[0] = 0;
    ck_assert_mem_eq(x, y, (size_t)n * sizeof *x);
    free(x);
    free(y);
}
END_TEST

START_TEST(weights_longer_than_the_staging_buffers_arrive_whole)
{
    /* 12 MiB of f32; a one-hot row picks a column of them */
    const int64_t w[2] = {1536, 2048}, x[2] = {1, 2048}, y[2] = {1, 1536};
    tt_tensor in, out;
    tt_ok(tt_tensor_create(scope, TT_F32, 2, x, &in, &err), &err);
    tt_ok(tt_tensor_create(scope, TT_F32, 2, y, &out, &err), &err);
    float *row = calloc(2048, sizeof *row), *weight = noise(7, w[0] * w[1]), *bias = noise(8, w[0]);
    row[2000] = 1;
    tt_ok(tt_tensor_upload_f32(device, &in, row, &err), &err);
    tt_op op = {.code = TT_OP_LINEAR, .in = {&in}, .out = {&out}};
    tt_packed *p = packed(&op, TT_F32, 2, w);
    op.packed = p;
    tt_ok(tt_run(device, &op, &err), &err);
    float *got = downloaded(&out);
    for (int64_t i = 0; i < w[0]; i++)
        ck_assert_double_eq_tol((double)got[i], (double)(weight[i * 2048 + 2000] + bias[i]), 1e-6);
    tt_unpack(device, p);
    free(row);
    free(weight);
    free(bias);
    free(got);
}
END_TEST

START_TEST(free_memory_is_told)
{
    size_t before, after, total;
    const tt_backend *b = tt_device_backend(device);
    tt_ok(b->memory(tt_device_self(device), &before, &total, &err), &err);
    void *p = b->alloc(tt_device_self(device), 1000000);
    tt_ok(b->memory(tt_device_self(device), &after, &total, &err), &err);
    ck_assert_uint_eq(before - after, 1000000);
    ck_assert_uint_eq(total, fake_cuda.memory);
    b->free(tt_device_self(device), p);
    ck_assert(b->fill(tt_device_self(device)) > 0);
}
END_TEST

/* ---- plans ---- */

typedef struct layer {
    tt_tensor x, y, other;
    tt_op op;
} layer;

static void build_linear(layer *l, tt_type type, uint64_t stream)
{
    static const int64_t x[2] = {24, 64}, w[2] = {40, 64}, y[2] = {24, 40};
    l->x = tensor(type, 2, x, stream);
    l->y = tensor(type, 2, y, 3);
    l->op = (tt_op){.code = TT_OP_LINEAR, .in = {&l->x}, .out = {&l->y}};
    l->op.packed = packed(&l->op, type, 2, w);
}

static void build_conv(layer *l, tt_type type, uint64_t stream)
{
    static const int64_t x[4] = {2, 6, 5, 16}, w[4] = {8, 16, 3, 3}, y[4] = {2, 6, 5, 8};
    l->x = tensor(type, 4, x, stream);
    l->y = tensor(type, 4, y, 3);
    l->other = tensor(type, 4, y, 4);
    l->op = (tt_op){.code = TT_OP_CONV2D, .in = {&l->x, &l->other}, .out = {&l->y}};
    l->op.attr.conv.stride_y = l->op.attr.conv.stride_x = 1;
    l->op.attr.conv.pad_top = l->op.attr.conv.pad_left = 1;
    l->op.attr.conv.pad_bottom = l->op.attr.conv.pad_right = 1;
    l->op.packed = packed(&l->op, type, 4, w);
}

static void drop(layer *l)
{
    tt_unpack(device, (tt_packed *)(uintptr_t)l->op.packed);
}

START_TEST(a_plan_is_made_once_for_a_shape)
{
    layer first, again;
    build_linear(&first, TT_BF16, 1);
    build_linear(&again, TT_BF16, 2); /* other data, other weights */
    tt_ok(tt_run(device, &first.op, &err), &err);
    tt_ok(tt_run(device, &again.op, &err), &err);
    tt_ok(tt_run(device, &first.op, &err), &err);
    ck_assert_int_eq(fake_cuda_called("cublasLtMatmulAlgoGetHeuristic"), 1);
    drop(&first);
    drop(&again);

    build_conv(&first, TT_BF16, 1);
    build_conv(&again, TT_BF16, 2);
    tt_ok(tt_run(device, &first.op, &err), &err);
    int finished = fake_cuda_called("cudnnBackendFinalize");
    tt_ok(tt_run(device, &again.op, &err), &err);
    tt_ok(tt_run(device, &first.op, &err), &err);
    ck_assert_int_eq(fake_cuda_called("cudnnBackendFinalize"), finished + 2); /* what binds the data */
    drop(&first);
    drop(&again);
}
END_TEST

static void run_conv(layer *l)
{
    tt_ok(tt_run(device, &l->op, &err), &err);
}

START_TEST(a_convolutions_bias_and_residual_are_added_in_its_own_graph)
{
    const tt_type types[] = {TT_BF16, TT_F16, TT_F32};
    layer l;
    build_conv(&l, types[_i], 1);
    run_conv(&l);
    ck_assert_int_eq(fake_cuda_launched(), 0);
    ck_assert_int_eq(fake_cuda_called("cudnnBackendExecute"), 1);
    drop(&l);
}
END_TEST

START_TEST(what_no_ready_kernel_adds_is_added_after_the_convolution)
{
    /* a channel term; a residual in place; a residual without a bias: one kernel of ours each */
    layer l;
    const int64_t channel[2] = {2, 8};
    build_conv(&l, TT_BF16, 1);
    tt_tensor c = tensor(TT_BF16, 2, channel, 9);
    if (_i == 0) l.op.in[2] = &c;
    if (_i == 1) l.op.in[1] = &l.y;
    if (_i == 2) {
        float *weight = noise(7, (int64_t)8 * 16 * 9);
        const tt_weights w = {TT_F32, TT_F32, 4, {8, 16, 3, 3}, weight, NULL};
        tt_packed *p;
        drop(&l);
        tt_ok(tt_pack(device, &l.op, &w, TT_BF16, &p, &err), &err);
        free(weight);
        l.op.packed = p;
    }
    run_conv(&l);
    float *y = downloaded(&l.y);
    for (int64_t i = 0; i < tt_tensor_count(&l.y); i++)
        ck_assert(isfinite(y[i]));
    free(y);
    ck_assert_int_eq(fake_cuda_launched(), 1);
    ck_assert_int_eq(fake_cuda_called("cudnnBackendExecute"), 1);
    drop(&l);
}
END_TEST

START_TEST(a_convolution_that_no_exact_engine_is_proposed_for_is_a_product_of_patches)
{
    layer l;
    static const int64_t x[4] = {4, 6, 5, 16}, w[4] = {8, 16, 3, 3}, y[4] = {4, 6, 5, 8};
    build_conv(&l, TT_F32, 1); /* for its attributes */
    drop(&l);
    l.x = tensor(TT_F32, 4, x, 1);
    l.y = tensor(TT_F32, 4, y, 3);
    l.op.in[1] = NULL;
    l.op.packed = packed(&l.op, TT_F32, 4, w);
    run_conv(&l);
    ck_assert_int_eq(fake_cuda_called("cudnnBackendExecute"), 0);
    ck_assert_int_eq(fake_cuda_called("cublasLtMatmul"), 1);
    drop(&l);
}
END_TEST

START_TEST(a_convolution_at_odd_addresses_is_a_product_of_patches)
{
    layer l;
    build_conv(&l, TT_BF16, 1);
    run_conv(&l);
    float *want = downloaded(&l.y);
    const int64_t n = tt_tensor_count(&l.x) + 1;
    tt_tensor room = tensor(TT_BF16, 1, &n, 1), there = l.x;
    there.data = (char *)room.data + 2;
    tt_copy_region move = {there.data, l.x.data, 2 * (size_t)tt_tensor_count(&l.x)};
    tt_ok(tt_device_backend(device)->copy(tt_device_self(device), 1, &move, &err), &err);
    l.op.in[0] = &there;
    run_conv(&l);
    ck_assert_int_eq(fake_cuda_called("cudnnBackendExecute"), 1);
    expect_equal(&l.y, want);
    drop(&l);
}
END_TEST

static double worst(const tt_tensor *a, const tt_tensor *b)
{
    float *x = downloaded(a), *y = downloaded(b);
    double most = 0;
    for (int64_t i = 0; i < tt_tensor_count(a); i++)
        most = fmax(most, fabs((double)x[i] - (double)y[i]) / fmax(1, fabs((double)y[i])));
    free(x);
    free(y);
    return most;
}

START_TEST(a_bias_that_no_epilogue_adds_is_there_before_the_product)
{
    /* 9 numbers of 16 bits a row; the same in f32, where there is an epilogue */
    static const int64_t x[2] = {24, 64}, w[2] = {9, 64}, y[2] = {24, 9};
    const tt_type types[] = {TT_BF16, TT_F32};
    tt_tensor in[2], out[2];
    for (int i = 0; i < 2; i++) {
        in[i] = tensor(types[i], 2, x, 1);
        out[i] = tensor(types[i], 2, y, 3);
        tt_op op = {.code = TT_OP_LINEAR, .in = {&in[i]}, .out = {&out[i]}};
        tt_packed *p = packed(&op, types[i], 2, w);
        op.packed = p;
        tt_ok(tt_run(device, &op, &err), &err);
        tt_ok(tt_run(device, &op, &err), &err);
        ck_assert_int_eq(fake_cuda_launched(), 2);
        tt_unpack(device, p);
    }
    /* asked for once with a bias and once without, and once in f32 */
    ck_assert_int_eq(fake_cuda_called("cublasLtMatmulAlgoGetHeuristic"), 3);
    ck_assert_double_le(worst(&out[0], &out[1]), 0.06);
}
END_TEST

START_TEST(a_product_without_an_algorithm_is_refused_with_its_sizes)
{
    static const int64_t x[2] = {24, 64}, y[2] = {24, 8};
    float *weight = noise(7, (int64_t)8 * 64);
    const tt_weights weights = {TT_F32, TT_F32, 2, {8, 64}, weight, NULL};
    tt_tensor in = tensor(TT_BF16, 2, x, 1), out = tensor(TT_BF16, 2, y, 3);
    tt_op op = {.code = TT_OP_LINEAR, .in = {&in}, .out = {&out}};
    tt_packed *p;
    tt_ok(tt_pack(device, &op, &weights, TT_BF16, &p, &err), &err);
    op.packed = p;
    fake_cuda.fail = "cublasLtMatmulAlgoGetHeuristic";
    fake_cuda.fail_at = 1;
    fake_cuda.fail_with = 15; /* CUBLAS_STATUS_NOT_SUPPORTED */
    tt_fails(tt_run(device, &op, &err), TT_ERR_UNSUPPORTED, "[24, 64] and [8, 64] in bf16", &err);
    tt_unpack(device, p);
    free(weight);
}
END_TEST

/* ---- TF32 ---- */

static double difference(const float *a, const float *b, int64_t n)
{
    double d = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        square += (double)b[i] * (double)b[i];
    }
    return sqrt(d / square);
}

START_TEST(tf32_is_used_when_it_is_allowed_and_only_then)
{
    void (*const build[])(layer *, tt_type, uint64_t) = {build_linear, build_conv};
    layer l;
    float *exact, *fast;
    build[_i](&l, TT_F32, 1);
    tt_ok(tt_run(device, &l.op, &err), &err);
    exact = downloaded(&l.y);
    ck_assert_ptr_nonnull(strstr(tt_device_backend(device)->describe(tt_device_self(device)), "tf32 off"));
    int64_t n = tt_tensor_count(&l.y);
    drop(&l);
    teardown();
    open_with(TT_DEVICE_TF32);
    build[_i](&l, TT_F32, 1);
    tt_ok(tt_run(device, &l.op, &err), &err);
    fast = downloaded(&l.y);
    ck_assert_ptr_nonnull(strstr(tt_device_backend(device)->describe(tt_device_self(device)), "tf32 on"));
    double d = difference(fast, exact, n);
    ck_assert_msg(d > 1e-5 && d < 1e-3, "TF32 is off by %g", d);
    drop(&l);
    free(exact);
    free(fast);
}
END_TEST

START_TEST(the_description_names_what_results_depend_on)
{
    const char *text = tt_device_backend(device)->describe(tt_device_self(device));
    const char *parts[] = {"emulated device", "sm_90", "CUDA 1", "driver", "cuBLASLt 1", "cuDNN 9."};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(text, parts[i]) != NULL, "'%s' lacks '%s'", text, parts[i]);
    ck_assert(tt_device_backend(device)->traits & TT_BACKEND_BATCH_IN_BITS);
}
END_TEST

/* ---- recordings ---- */

static void refill(tt_tensor *t, uint64_t stream)
{
    float *x = noise(stream, tt_tensor_count(t));
    tt_ok(tt_tensor_upload_f32(device, t, x, &err), &err);
    free(x);
}

START_TEST(a_replay_does_what_was_recorded_with_what_is_there_now)
{
    const tt_backend *b = tt_device_backend(device);
    void *self = tt_device_self(device), *recording;
    layer linear, conv;
    build_linear(&linear, TT_F32, 1);
    build_conv(&conv, TT_BF16, 1);
    const int64_t shape[2] = {24, 64};
    tt_tensor input = tensor(TT_F32, 2, shape, 20);
    tt_copy_region region = {linear.x.data, input.data, sizeof(float) * 24 * 64};
    tt_ok(b->copy(self, 1, &region, &err), &err); /* all is planned and loaded */
    tt_ok(tt_run(device, &conv.op, &err), &err);
    tt_ok(tt_run(device, &linear.op, &err), &err);
    float *before = downloaded(&linear.y);

    tt_ok(b->record_begin(self, &err), &err);
    tt_ok(b->copy(self, 1, &region, &err), &err);
    tt_ok(tt_run(device, &linear.op, &err), &err);
    tt_ok(tt_run(device, &conv.op, &err), &err);
    ck_assert_ptr_null(b->alloc(self, 64));
    tt_fails(tt_tensor_upload_f32(device, &input, before, &err), TT_ERR_INVALID,
             "while operations are recorded", &err);
    tt_fails(b->record_begin(self, &err), TT_ERR_INVALID, "begun already", &err);
    tt_ok(b->record_end(self, &recording, &err), &err);
    expect_equal(&linear.y, before); /* noted, not run */

    for (uint64_t stream = 30; stream < 32; stream++) {
        refill(&input, stream);
        refill(&conv.x, stream + 10);
        tt_ok(b->replay(self, recording, &err), &err);
        float *y = downloaded(&linear.y), *z = downloaded(&conv.y);
        refill(&linear.x, stream);
        tt_ok(tt_run(device, &linear.op, &err), &err);
        tt_ok(tt_run(device, &conv.op, &err), &err);
        expect_equal(&linear.y, y);
        expect_equal(&conv.y, z);
    }
    b->recording_free(self, recording);
    b->recording_free(self, NULL);
    drop(&linear);
    drop(&conv);
}
END_TEST

/* a convolution whose pads differ works in scratch memory */
static void build_scratchy(layer *l, int64_t size)
{
    const int64_t x[4] = {1, size, size, 16}, w[4] = {8, 16, 3, 3}, y[4] = {1, size - 1, size - 1, 8};
    l->x = tensor(TT_BF16, 4, x, 5);
    l->y = tensor(TT_BF16, 4, y, 6);
    l->op = (tt_op){.code = TT_OP_CONV2D, .in = {&l->x}, .out = {&l->y}};
    l->op.attr.conv.stride_y = l->op.attr.conv.stride_x = 1;
    l->op.attr.conv.pad_bottom = l->op.attr.conv.pad_right = 1;
    l->op.packed = packed(&l->op, TT_BF16, 4, w);
}

START_TEST(scratch_that_grows_leaves_a_recording_its_own)
{
    const tt_backend *b = tt_device_backend(device);
    void *self = tt_device_self(device), *recording;
    layer small, large;
    build_scratchy(&small, 6);
    build_scratchy(&large, 20);
    tt_ok(tt_run(device, &small.op, &err), &err);
    float *want = downloaded(&small.y);
    tt_ok(b->record_begin(self, &err), &err);
    tt_ok(tt_run(device, &small.op, &err), &err);
    tt_ok(b->record_end(self, &recording, &err), &err);
    tt_ok(tt_run(device, &large.op, &err), &err);
    refill(&small.y, 9);
    tt_ok(b->replay(self, recording, &err), &err);
    expect_equal(&small.y, want);
    b->recording_free(self, recording);
    drop(&small);
    drop(&large);
}
END_TEST

static void *record_one(layer *l)
{
    const tt_backend *b = tt_device_backend(device);
    void *self = tt_device_self(device), *recording;
    tt_ok(b->record_begin(self, &err), &err);
    tt_ok(tt_run(device, &l->op, &err), &err);
    tt_ok(b->record_end(self, &recording, &err), &err);
    return recording;
}

START_TEST(scratch_that_no_recording_holds_any_more_is_freed)
{
    const tt_backend *b = tt_device_backend(device);
    layer sizes[4], plain;
    void *recordings[4];
    build_linear(&plain, TT_F32, 1);
    tt_ok(tt_run(device, &plain.op, &err), &err);
    void *other = record_one(&plain); /* it takes no scratch, so it holds none */
    for (int i = 0; i < 4; i++)
        build_scratchy(&sizes[i], 6 + 20 * i);
    int blocks = fake_cuda_blocks();
    for (int i = 0; i < 4; i++) {
        tt_ok(tt_run(device, &sizes[i].op, &err), &err);
        if (i % 2) continue;
        recordings[i] = record_one(&sizes[i]);
    }
    ck_assert_int_eq(fake_cuda_blocks() - blocks, 3); /* of the first, the third and the latest */
    b->recording_free(tt_device_self(device), recordings[2]);
    ck_assert_int_eq(fake_cuda_blocks() - blocks, 2);
    float *want = downloaded(&sizes[0].y);
    refill(&sizes[0].y, 9);
    tt_ok(b->replay(tt_device_self(device), recordings[0], &err), &err);
    expect_equal(&sizes[0].y, want);
    b->recording_free(tt_device_self(device), recordings[0]);
    b->recording_free(tt_device_self(device), other);
    ck_assert_int_eq(fake_cuda_blocks() - blocks, 1);
    for (int i = 0; i < 4; i++)
        drop(&sizes[i]);
    drop(&plain);
}
END_TEST

/* The device must load, plan or allocate for it, which a capture may not see. */
START_TEST(what_has_not_run_before_is_not_recorded)
{
    const tt_backend *b = tt_device_backend(device);
    void *self = tt_device_self(device), *recording;
    layer l[3];
    build_linear(&l[0], TT_F32, 1);
    build_conv(&l[1], TT_BF16, 1);
    build_scratchy(&l[2], 6);
    const char *const lacks[] = {"cuBLASLt", "cuDNN", "cuDNN"};
    for (int i = 0; i < 3; i++) {
        tt_ok(b->record_begin(self, &err), &err);
        tt_fails(tt_run(device, &l[i].op, &err), TT_ERR_INVALID, lacks[i], &err);
        tt_ok(b->record_end(self, &recording, &err), &err);
        b->recording_free(self, recording);
        tt_ok(tt_run(device, &l[i].op, &err), &err);
        b->recording_free(self, record_one(&l[i]));
        drop(&l[i]);
    }
}
END_TEST

/* The emulated device's own rules: what CUDA's documentation says of calls while a stream is captured. */
START_TEST(a_capture_is_spoilt_by_what_it_does_not_allow)
{
    const tt_backend *b = tt_device_backend(device);
    void *self = tt_device_self(device), *recording;
    const int64_t n = 64;
    tt_tensor x = tensor(TT_F32, 1, &n, 1);
    void *p = b->alloc(self, 64);
    tt_op op = {.code = TT_OP_SCALE, .in = {&x}, .out = {&x}, .attr.scale = {2, 0}};
    if (_i != 1) tt_ok(tt_run(device, &op, &err), &err);
    tt_ok(b->record_begin(self, &err), &err);
    if (_i == 0) { /* memory is given back */
        b->free(self, p);
    } else { /* a kernel runs for the first time */
        tt_fails(tt_run(device, &op, &err), TT_ERR_INTERNAL, "StreamCaptureUnsupported", &err);
    }
    tt_fails(b->record_end(self, &recording, &err), TT_ERR_INTERNAL, "cudaErrorStreamCaptureInvalidated",
             &err);
    ck_assert_ptr_null(recording);
    b->free(self, p);
    tt_ok(tt_run(device, &op, &err), &err); /* the device is well */
    tt_ok(b->record_begin(self, &err), &err);
    tt_ok(tt_run(device, &op, &err), &err);
    tt_ok(b->record_end(self, &recording, &err), &err);
    b->recording_free(self, recording);
}
END_TEST

START_TEST(scratch_is_given_up_before_an_allocation_fails)
{
    const tt_backend *b = tt_device_backend(device);
    void *self = tt_device_self(device);
    size_t unused, total;
    layer l;
    build_scratchy(&l, 20);
    tt_ok(tt_run(device, &l.op, &err), &err);
    float *want = downloaded(&l.y);
    tt_ok(b->memory(self, &unused, &total, &err), &err);
    fake_cuda.memory -= unused;
    void *p = b->alloc(self, 1024), *q;
    ck_assert_ptr_nonnull(p);
    b->free(self, p);
    refill(&l.y, 9);
    tt_ok(tt_run(device, &l.op, &err), &err); /* it comes back */
    expect_equal(&l.y, want);
    void *recording = record_one(&l); /* which holds it */
    p = b->alloc(self, 1024), q = b->alloc(self, 1 << 20);
    ck_assert_ptr_null(p);
    ck_assert_ptr_null(q);
    b->recording_free(self, recording);
    drop(&l);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("cuda backend");
    TCase *tc = tcase_create("backend");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, values_longer_than_the_staging_buffers_come_back_as_they_were);
    tcase_add_test(tc, weights_longer_than_the_staging_buffers_arrive_whole);
    tcase_add_test(tc, free_memory_is_told);
    tcase_add_test(tc, a_plan_is_made_once_for_a_shape);
    tcase_add_loop_test(tc, a_convolutions_bias_and_residual_are_added_in_its_own_graph, 0, 3);
    tcase_add_loop_test(tc, what_no_ready_kernel_adds_is_added_after_the_convolution, 0, 3);
    tcase_add_test(tc, a_convolution_that_no_exact_engine_is_proposed_for_is_a_product_of_patches);
    tcase_add_test(tc, a_convolution_at_odd_addresses_is_a_product_of_patches);
    tcase_add_test(tc, a_bias_that_no_epilogue_adds_is_there_before_the_product);
    tcase_add_test(tc, a_product_without_an_algorithm_is_refused_with_its_sizes);
    tcase_add_loop_test(tc, tf32_is_used_when_it_is_allowed_and_only_then, 0, 2);
    tcase_add_test(tc, the_description_names_what_results_depend_on);
    tcase_add_test(tc, a_replay_does_what_was_recorded_with_what_is_there_now);
    tcase_add_test(tc, scratch_that_grows_leaves_a_recording_its_own);
    tcase_add_test(tc, scratch_that_no_recording_holds_any_more_is_freed);
    tcase_add_test(tc, what_has_not_run_before_is_not_recorded);
    tcase_add_loop_test(tc, a_capture_is_spoilt_by_what_it_does_not_allow, 0, 2);
    tcase_add_test(tc, scratch_is_given_up_before_an_allocation_fails);
    suite_add_tcase(suite, tc);
    return suite;
}
