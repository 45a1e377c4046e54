#include "support/test.h"
#include "telltale/backend.h"

#include <math.h>
#include <string.h>

static tt_device *device;
static tt_scope *scope;
static tt_error err;

static void setup(void)
{
    err = (tt_error){0};
    tt_ok(tt_device_open(tt_backend_reference(), NULL, &device, &err), &err);
    tt_ok(tt_scope_open(device, &scope, &err), &err);
}

static void teardown(void)
{
    tt_scope_close(scope);
    tt_device_close(device);
}

/* a tensor of f32 with these values */
static tt_tensor tensor(int32_t rank, const int64_t *shape, const float *values)
{
    tt_tensor t;
    tt_ok(tt_tensor_create(scope, TT_F32, rank, shape, &t, &err), &err);
    if (values) tt_ok(tt_tensor_upload_f32(device, &t, values, &err), &err);
    return t;
}

static void expect(const tt_tensor *t, const float *want, double tolerance)
{
    float got[256];
    int64_t n = tt_tensor_count(t);
    ck_assert_int_le(n, 256);
    tt_ok(tt_tensor_download_f32(device, t, got, &err), &err);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= tolerance, "[%ld] %.9g, expected %.9g",
                      (long)i, (double)got[i], (double)want[i]);
}

#define SHAPE(...)                                                                                           \
    (const int64_t[])                                                                                        \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define VALUES(...)                                                                                          \
    (const float[])                                                                                          \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

static tt_packed *pack(const tt_op *like, int32_t rank, const int64_t *shape, const float *weight,
                       const float *bias)
{
    tt_weights w = {TT_F32, TT_F32, rank, {0}, weight, bias};
    memcpy(w.shape, shape, (size_t)rank * sizeof *shape);
    tt_packed *packed;
    tt_ok(tt_pack(device, like, &w, TT_F32, &packed, &err), &err);
    return packed;
}

START_TEST(linear_multiplies_by_the_transpose_and_adds_bias_activation_and_residual_in_that_order)
{
    tt_tensor x = tensor(2, SHAPE(2, 3), VALUES(1, 2, 3, -1, 0, 1)),
              r = tensor(2, SHAPE(2, 2), VALUES(10, 20, 30, 40));
    tt_tensor y = tensor(2, SHAPE(2, 2), NULL);
    tt_op op = {.code = TT_OP_LINEAR, .in = {&x, &r}, .out = {&y}};
    tt_packed *w = pack(&op, 2, SHAPE(2, 3), VALUES(1, 0, 1, 0.5f, 0.5f, 0), VALUES(0.25f, -1));
    op.packed = w;
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(14.25f, 20.5f, 30.25f, 38.5f), 1e-6);
    op.attr.linear.activation = TT_ACT_SILU;
    op.in[1] = NULL;
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(4.1902294f, 0.3112297f, 0.1405442f, -0.2736391f), 1e-6);
    tt_unpack(device, w);
}
END_TEST

START_TEST(conv_does_not_flip_its_kernel_and_pads_each_side_by_itself)
{
    tt_tensor x = tensor(4, SHAPE(1, 2, 2, 1), VALUES(1, 2, 3, 4)), y = tensor(4, SHAPE(1, 1, 1, 1), NULL);
    tt_op op = {.code = TT_OP_CONV2D, .in = {&x}, .out = {&y}};
    op.attr.conv.stride_x = op.attr.conv.stride_y = 2;
    op.attr.conv.pad_bottom = op.attr.conv.pad_right = 1; /* the VAE's down-sampling */
    tt_packed *w =
        pack(&op, 4, SHAPE(1, 1, 3, 3), VALUES(1, 10, 100, 1000, 10000, 100000, 1, 1, 1), VALUES(0.5f));
    op.packed = w;
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(1 + 20 + 3000 + 40000 + 0.5f), 1e-3);
    tt_unpack(device, w);
}
END_TEST

START_TEST(group_norm_takes_consecutive_channels_over_all_pixels)
{
    /* two pixels, four channels, two groups: group 0 holds 1 2 3 4, group 1 holds 10 10 10 10 */
    tt_tensor x = tensor(3, SHAPE(1, 2, 4), VALUES(1, 2, 10, 10, 3, 4, 10, 10)),
              y = tensor(3, SHAPE(1, 2, 4), NULL);
    tt_op op = {.code = TT_OP_GROUP_NORM, .in = {&x}, .out = {&y}};
    op.attr.norm.groups = 2;
    op.attr.norm.eps = 1e-5;
    tt_packed *w = pack(&op, 1, SHAPE(4), VALUES(1, 1, 1, 1), VALUES(0, 0, 7, 7));
    op.packed = w;
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(-1.3416354f, -0.4472118f, 7, 7, 0.4472118f, 1.3416354f, 7, 7), 1e-6);
    tt_unpack(device, w);
}
END_TEST

START_TEST(attention_is_softmax_of_scaled_products_and_its_maps_sum_to_one)
{
    tt_tensor q = tensor(3, SHAPE(1, 2, 2), VALUES(1, 0, 0, 1)),
              k = tensor(3, SHAPE(1, 3, 2), VALUES(1, 0, 0, 1, 1, 1));
    tt_tensor v = tensor(3, SHAPE(1, 3, 2), VALUES(1, 2, 3, 4, 5, 6)), y = tensor(3, SHAPE(1, 2, 2), NULL);
    tt_tensor maps = tensor(4, SHAPE(1, 1, 2, 3), NULL);
    tt_op op = {.code = TT_OP_ATTENTION, .in = {&q, &k, &v}, .out = {&y, &maps}};
    op.attr.attention.heads = 1;
    op.attr.attention.scale = log(2.0); /* weights 2^1, 2^0, 2^1 : 2/5 1/5 2/5 */
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&maps, VALUES(0.4f, 0.2f, 0.4f, 0.2f, 0.4f, 0.4f), 1e-6);
    expect(&y, VALUES(3, 4, 3.4f, 4.4f), 1e-6);
}
END_TEST

START_TEST(a_causal_mask_hides_what_comes_later)
{
    tt_tensor q = tensor(3, SHAPE(1, 2, 1), VALUES(1, 1)), v = tensor(3, SHAPE(1, 2, 1), VALUES(3, 5));
    tt_tensor y = tensor(3, SHAPE(1, 2, 1), NULL);
    tt_op op = {.code = TT_OP_ATTENTION, .in = {&q, &q, &v}, .out = {&y}};
    op.attr.attention.heads = 1;
    op.attr.attention.scale = 1;
    op.attr.attention.causal = true;
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(3, 4), 1e-6);
}
END_TEST

START_TEST(columns_of_a_wider_matrix_may_go_into_attention)
{
    tt_tensor qkv = tensor(3, SHAPE(1, 2, 6), VALUES(1, 0, 1, 0, 1, 2, 0, 1, 0, 1, 3, 4));
    tt_tensor q = tt_tensor_columns(&qkv, 0, 2), k = tt_tensor_columns(&qkv, 2, 2),
              v = tt_tensor_columns(&qkv, 4, 2);
    tt_tensor y = tensor(3, SHAPE(1, 2, 2), NULL);
    tt_op op = {.code = TT_OP_ATTENTION, .in = {&q, &k, &v}, .out = {&y}};
    op.attr.attention.heads = 2;
    op.attr.attention.scale = log(3.0);
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(1.5f, 3, 2, 3.5f), 1e-6);
}
END_TEST

START_TEST(elementwise_operations_do_what_their_names_say)
{
    tt_tensor x = tensor(2, SHAPE(1, 4), VALUES(1, -2, 0.5f, 3)), y = tensor(2, SHAPE(1, 4), NULL);
    tt_tensor half = tensor(2, SHAPE(1, 2), NULL), wide = tensor(2, SHAPE(1, 8), NULL);
    tt_op op = {.code = TT_OP_ACTIVATION, .in = {&x}, .out = {&y}, .attr.activation = TT_ACT_GELU};
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(0.8413447f, -0.0455003f, 0.3457312f, 2.9959502f), 1e-6);
    op = (tt_op){.code = TT_OP_ACTIVATION, .in = {&x}, .out = {&y}, .attr.activation = TT_ACT_QUICK_GELU};
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(0.8457958f, -0.0643414f, 0.3503885f, 2.9819287f), 1e-6);
    op = (tt_op){.code = TT_OP_GEGLU, .in = {&x}, .out = {&half}};
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&half, VALUES(0.3457312f, -5.9919005f), 1e-6);
    op = (tt_op){.code = TT_OP_ADD, .in = {&x, &x}, .out = {&y}};
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(2, -4, 1, 6), 0);
    op = (tt_op){.code = TT_OP_CONCAT, .in = {&x, &y}, .out = {&wide}};
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&wide, VALUES(1, -2, 0.5f, 3, 2, -4, 1, 6), 0);
    op = (tt_op){.code = TT_OP_SCALE, .in = {&x}, .out = {&y}, .attr.scale = {2, 1}};
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(3, -3, 2, 7), 0);
    op = (tt_op){.code = TT_OP_SOFTMAX, .in = {&x}, .out = {&y}};
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(0.11055375f, 0.0055041471f, 0.067054239f, 0.81688786f), 1e-6);
}
END_TEST

START_TEST(upsampling_takes_the_nearest_source_also_to_odd_sizes)
{
    tt_tensor x = tensor(4, SHAPE(1, 2, 2, 1), VALUES(1, 2, 3, 4)), y = tensor(4, SHAPE(1, 3, 3, 1), NULL);
    tt_op op = {.code = TT_OP_UPSAMPLE_NEAREST, .in = {&x}, .out = {&y}};
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(1, 1, 2, 1, 1, 2, 3, 3, 4), 0);
}
END_TEST

START_TEST(an_id_outside_the_table_is_refused)
{
    tt_tensor ids, y = tensor(2, SHAPE(2, 2), NULL);
    tt_ok(tt_tensor_create(scope, TT_I32, 1, SHAPE(2), &ids, &err), &err);
    tt_ok(tt_tensor_upload(device, &ids, (const int32_t[]){2, 0}, &err), &err);
    tt_op op = {.code = TT_OP_EMBEDDING, .in = {&ids}, .out = {&y}};
    tt_packed *w = pack(&op, 2, SHAPE(3, 2), VALUES(1, 2, 3, 4, 5, 6), NULL);
    op.packed = w;
    tt_ok(tt_run(device, &op, &err), &err);
    expect(&y, VALUES(5, 6, 1, 2), 0);
    tt_ok(tt_tensor_upload(device, &ids, (const int32_t[]){3, 0}, &err), &err);
    tt_fails(tt_run(device, &op, &err), TT_ERR_INVALID, "id 3", &err);
    tt_unpack(device, w);
}
END_TEST

START_TEST(misfits_are_refused_with_the_operation_and_the_shapes)
{
    tt_tensor a = tensor(2, SHAPE(2, 3), NULL), b = tensor(2, SHAPE(3, 2), NULL);
    tt_op op = {.code = TT_OP_ADD, .in = {&a, &b}, .out = {&a}};
    tt_fails(tt_run(device, &op, &err), TT_ERR_INVALID,
             "add: the two inputs differ in shape (in f32[2,3], f32[3,2]", &err);
    op = (tt_op){.code = TT_OP_LINEAR, .in = {&a}, .out = {&a}};
    tt_fails(tt_run(device, &op, &err), TT_ERR_INVALID, "needs packed weights", &err);
    op = (tt_op){.code = TT_OP_ATTENTION, .in = {&a, &a, &a}, .out = {&a}};
    tt_fails(tt_run(device, &op, &err), TT_ERR_INVALID, "attention", &err);
}
END_TEST

START_TEST(scopes_reuse_memory_and_count_it)
{
    size_t before = tt_device_live_bytes(device);
    for (int i = 0; i < 3; i++) {
        tt_scope *inner;
        tt_tensor t;
        tt_ok(tt_scope_open(device, &inner, &err), &err);
        tt_ok(tt_tensor_create(inner, TT_F32, 1, SHAPE(1000), &t, &err), &err);
        ck_assert_uint_eq((uintptr_t)t.data % 64, 0);
        ck_assert_uint_eq(tt_device_live_bytes(device) - before, 4032);
        tt_scope_close(inner);
        ck_assert_uint_eq(tt_device_live_bytes(device), before);
    }
    ck_assert_uint_eq(tt_device_peak_bytes(device), before + 4032);
    tt_tensor t;
    tt_fails(tt_tensor_create(scope, TT_F32, 2, SHAPE(INT64_MAX / 2, 8), &t, &err), TT_ERR_INVALID,
             "size must fit", &err);
}
END_TEST

START_TEST(every_half_round_trips_and_ties_go_to_even)
{
    for (uint32_t i = 0; i < 65536; i++) {
        float f = tt_f32_from_f16((uint16_t)i), b = tt_f32_from_bf16((uint16_t)i);
        if (isnan(f))
            ck_assert(isnan(tt_f32_from_f16(tt_f16_from_f32(f))));
        else
            ck_assert_uint_eq(tt_f16_from_f32(f), i);
        if (isnan(b))
            ck_assert(isnan(tt_f32_from_bf16(tt_bf16_from_f32(b))));
        else
            ck_assert_uint_eq(tt_bf16_from_f32(b), i);
    }
    ck_assert_uint_eq(tt_f16_from_f32(2049.0f), tt_f16_from_f32(2048.0f)); /* tie: to the even one */
    ck_assert_uint_eq(tt_f16_from_f32(2051.0f), tt_f16_from_f32(2052.0f));
    ck_assert_uint_eq(tt_f16_from_f32(1e6f), 0x7c00);
    ck_assert_uint_eq(tt_bf16_from_f32(1.00390625f), 0x3f80);
    double d = 1.0 + 0x1p-9 + 0x1p-40; /* just above a tie of bf16: through f32 it would become the tie */
    uint16_t h;
    tt_convert(TT_BF16, &h, TT_F64, &d, 1);
    ck_assert_uint_eq(h, 0x3f80);
    d = 1.0 + 0x1p-8 + 0x1p-40;
    tt_convert(TT_BF16, &h, TT_F64, &d, 1);
    ck_assert_uint_eq(h, 0x3f81);
}
END_TEST

START_TEST(layouts_convert_between_channels_first_and_last)
{
    tt_tensor t = tensor(4, SHAPE(1, 1, 2, 3), NULL);
    const float chw[6] = {1, 2, 3, 4, 5, 6};
    float back[6];
    tt_ok(tt_tensor_upload_chw(device, &t, chw, &err), &err);
    expect(&t, VALUES(1, 3, 5, 2, 4, 6), 0);
    tt_ok(tt_tensor_download_chw(device, &t, back, &err), &err);
    ck_assert_mem_eq(chw, back, sizeof chw);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("reference");
    TCase *tc = tcase_create("reference");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc,
                   linear_multiplies_by_the_transpose_and_adds_bias_activation_and_residual_in_that_order);
    tcase_add_test(tc, conv_does_not_flip_its_kernel_and_pads_each_side_by_itself);
    tcase_add_test(tc, group_norm_takes_consecutive_channels_over_all_pixels);
    tcase_add_test(tc, attention_is_softmax_of_scaled_products_and_its_maps_sum_to_one);
    tcase_add_test(tc, a_causal_mask_hides_what_comes_later);
    tcase_add_test(tc, columns_of_a_wider_matrix_may_go_into_attention);
    tcase_add_test(tc, elementwise_operations_do_what_their_names_say);
    tcase_add_test(tc, upsampling_takes_the_nearest_source_also_to_odd_sizes);
    tcase_add_test(tc, an_id_outside_the_table_is_refused);
    tcase_add_test(tc, misfits_are_refused_with_the_operation_and_the_shapes);
    tcase_add_test(tc, scopes_reuse_memory_and_count_it);
    tcase_add_test(tc, every_half_round_trips_and_ties_go_to_even);
    tcase_add_test(tc, layouts_convert_between_channels_first_and_last);
    suite_add_tcase(suite, tc);
    return suite;
}
