/* Every backend at the sizes of SD1.5's networks, whose shapes choose the libraries' kernels. The reference
 * is exact and slow, so products and attention are compared at some rows, pixels and queries only (the first,
 * the last, and some between): it gets just what these depend on. */
#include "support/subjects.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static tt_error err;

enum { NONE = 0, RESIDUAL = 1, CHANNEL_BIAS = 2, NO_BIAS = 4, MAPS = 8 };
#define MOST 24 /* samples of a shape */

typedef struct pair { /* a device beside the reference */
    tt_device *device, *reference;
    tt_scope *scope, *reference_scope;
    tt_type type;
} pair;

static bool open_pair(pair *p, int subject)
{
    p->device = subject_open(subject, 2);
    if (!p->device) return false;
    tt_ok(tt_device_open(tt_backend_reference(), NULL, &p->reference, &err), &err);
    return true;
}

static void close_pair(pair *p)
{
    tt_device_close(p->reference);
    tt_device_close(p->device);
}

static void open_scopes(pair *p)
{
    tt_ok(tt_scope_open(p->device, &p->scope, &err), &err);
    tt_ok(tt_scope_open(p->reference, &p->reference_scope, &err), &err);
}

static void close_scopes(pair *p)
{
    tt_scope_close(p->scope);
    tt_scope_close(p->reference_scope);
    tt_device_trim(p->device);
}

/* n values of a stream: stretches of one table, whose length is prime */
static float *values_of(int64_t stream, int64_t n, float size)
{
    enum { LENGTH = 1048573 };
    static float table[LENGTH];
    if (table[0] == 0)
        for (int64_t i = 0; i < LENGTH; i++)
            table[i] = subject_noise(1, (uint64_t)i);
    float *x = malloc((size_t)n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (int64_t i = 0, at = stream * 12345 % LENGTH; i < n; at = 0)
        for (; at < LENGTH && i < n; at++, i++)
            x[i] = size * table[at];
    return x;
}

static tt_tensor empty(tt_scope *scope, tt_type type, int32_t rank, const int64_t *shape)
{
    tt_tensor t;
    tt_ok(tt_tensor_create(scope, type, rank, shape, &t, &err), &err);
    return t;
}

static tt_tensor filled(tt_scope *scope, tt_type type, int32_t rank, const int64_t *shape, const float *x)
{
    tt_tensor t = empty(scope, type, rank, shape);
    tt_ok(tt_tensor_upload_f32(tt_scope_device(scope), &t, x, &err), &err);
    return t;
}

static float *downloaded(tt_scope *scope, const tt_tensor *t)
{
    float *x = malloc((size_t)tt_tensor_count(t) * sizeof *x);
    ck_assert_ptr_nonnull(x);
    tt_ok(tt_tensor_download_f32(tt_scope_device(scope), t, x, &err), &err);
    return x;
}

/* weight [shape], columns normalised so that outputs have the size of inputs; bias in [-1.7, 1.7] */
static void pack_both(const pair *p, tt_op *op, tt_op *expected, int32_t rank, const int64_t *shape,
                      int flags)
{
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        n *= shape[i];
    float *weight = values_of(50, n, rank == 1 ? 1 : 1 / sqrtf((float)(n / shape[0])));
    float *bias = values_of(60, shape[0], 1);
    tt_weights w = {TT_F32, TT_F32, rank, {0}, weight, flags & NO_BIAS ? NULL : bias};
    memcpy(w.shape, shape, (size_t)rank * sizeof *shape);
    tt_packed *mine, *reference;
    tt_ok(tt_pack(p->device, op, &w, p->type, &mine, &err), &err);
    tt_ok(tt_pack(p->reference, expected, &w, p->type, &reference, &err), &err);
    op->packed = mine;
    expected->packed = reference;
    free(weight);
    free(bias);
}

static void unpack_both(const pair *p, const tt_op *op, const tt_op *expected)
{
    tt_unpack(p->device, (tt_packed *)(uintptr_t)op->packed);
    tt_unpack(p->reference, (tt_packed *)(uintptr_t)expected->packed);
}

/* Rows got[rows[i]] against want[i], both [..., width]; rows NULL: all. Limits as in test_backend_ops.c,
 * which gives the reasons; sums here are up to 23,000 products long. */
static void expect_rows(const char *name, const pair *p, const float *got, const int64_t *rows, int64_t n,
                        int64_t width, const float *want, bool maps)
{
    double error = 0, square = 0, worst = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < width; c++) {
            double w = (double)want[i * width + c];
            double d = fabs((double)got[(rows ? rows[i] : i) * width + c] - w);
            ck_assert_msg(isfinite(d), "%s: not finite", name);
            error += d * d;
            square += w * w;
            /* two roundings to bf16 may lie a whole step apart */
            if (p->type == TT_BF16 && !maps) d -= fabs(w) * 0x1p-7;
            worst = d > worst ? d : worst;
        }
    double size = sqrt(square / (double)(n * width)) + 1e-30, rms = sqrt(error / (double)(n * width)) / size;
    bool rounded = p->type == TT_BF16 && !maps;
    ck_assert_msg(rms <= (rounded ? 3.5e-3 : 2e-6) && worst / size <= (rounded ? 0.03 : 6e-5),
                  "%s %s: rms error %.3g, worst %.3g of rms %.3g", name, tt_type_name(p->type), rms,
                  worst / size, size);
}

/* Samples of [0, n): how many is what the reference can do in some 20 ms. */
static int64_t choose(int64_t n, double macs_of_one, int64_t *at)
{
    double most = 2e7 / macs_of_one;
    int64_t count = most < 4 ? 4 : most > MOST ? MOST : (int64_t)most;
    if (count > n) count = n;
    for (int64_t i = 0; i < count; i++)
        at[i] = count > 1 ? i * (n - 1) / (count - 1) : 0;
    return count;
}

static float *rows_of(const float *x, int64_t width, const int64_t *at, int64_t n)
{
    float *part = malloc((size_t)(n * width) * sizeof *part);
    for (int64_t i = 0; i < n; i++)
        memcpy(part + i * width, x + at[i] * width, (size_t)width * sizeof *part);
    return part;
}

/* ---- linear ---- */

typedef struct linear_shape {
    const char *name;
    int64_t rows, k, n;
    tt_activation activation;
    int flags;
} linear_shape;

static const linear_shape linears[] = {
    {"unet.time.linear_1", 1, 320, 1280, TT_ACT_SILU, NONE},
    {"unet.time.linear_2", 1, 1280, 1280, TT_ACT_NONE, NONE},
    {"unet.time_emb_proj", 1, 1280, 320, TT_ACT_NONE, NONE},
    {"unet.64.to_q", 4096, 320, 320, TT_ACT_NONE, NO_BIAS},
    {"unet.64.to_out", 4096, 320, 320, TT_ACT_NONE, RESIDUAL},
    {"unet.64.ff.proj", 4096, 320, 2560, TT_ACT_NONE, NONE},
    {"unet.64.ff.out", 4096, 1280, 320, TT_ACT_NONE, RESIDUAL},
    {"unet.32.to_q", 1024, 640, 640, TT_ACT_NONE, NO_BIAS},
    {"unet.32.ff.proj", 1024, 640, 5120, TT_ACT_NONE, NONE},
    {"unet.32.ff.out", 1024, 2560, 640, TT_ACT_NONE, RESIDUAL},
    {"unet.16.ff.proj", 256, 1280, 10240, TT_ACT_NONE, NONE},
    {"unet.16.ff.out", 256, 5120, 1280, TT_ACT_NONE, RESIDUAL},
    {"unet.8.to_q", 64, 1280, 1280, TT_ACT_NONE, NO_BIAS},
    {"unet.64.cross.to_k", 77, 768, 320, TT_ACT_NONE, NO_BIAS},
    {"unet.16.cross.to_k", 77, 768, 1280, TT_ACT_NONE, NO_BIAS},
    {"vae.to_q", 4096, 512, 512, TT_ACT_NONE, NONE},
    {"clip.q", 77, 768, 768, TT_ACT_NONE, NONE},
    {"clip.out", 77, 768, 768, TT_ACT_NONE, RESIDUAL},
    {"clip.fc1", 77, 768, 3072, TT_ACT_QUICK_GELU, NONE},
    {"clip.fc1.gelu", 77, 768, 3072, TT_ACT_GELU, NONE},
    {"clip.fc2", 77, 3072, 768, TT_ACT_NONE, RESIDUAL},
    {"world.to_q", 64, 32, 32, TT_ACT_NONE, NO_BIAS},
    {"world.cross.to_k", 40, 64, 32, TT_ACT_NONE, NO_BIAS},
    {"world.ff.proj", 64, 32, 256, TT_ACT_NONE, NONE},
    {"world.ff.out", 64, 128, 32, TT_ACT_NONE, RESIDUAL},
    {"world.time.linear_1", 1, 24, 96, TT_ACT_SILU, NONE},
    {"odd.31x127x129", 31, 127, 129, TT_ACT_SILU, RESIDUAL},
};

static void check_linear(pair *p, const linear_shape *s)
{
    int64_t at[MOST], n = choose(s->rows, (double)(s->k * s->n), at);
    const int64_t x_shape[] = {1, s->rows, s->k}, y_shape[] = {1, s->rows, s->n}, w_shape[] = {s->n, s->k},
                  x_part[] = {n, s->k}, y_part[] = {n, s->n};
    open_scopes(p);
    float *x = values_of(1, s->rows * s->k, 1), *x_rows = rows_of(x, s->k, at, n);
    float *r = values_of(2, s->rows * s->n, 1), *r_rows = rows_of(r, s->n, at, n);
    tt_tensor in = filled(p->scope, p->type, 3, x_shape, x), add = filled(p->scope, p->type, 3, y_shape, r);
    tt_tensor few = filled(p->reference_scope, p->type, 2, x_part, x_rows);
    tt_tensor few_add = filled(p->reference_scope, p->type, 2, y_part, r_rows);
    tt_tensor y = empty(p->scope, p->type, 3, y_shape), z = empty(p->reference_scope, p->type, 2, y_part);
    bool residual = (s->flags & RESIDUAL) != 0;
    tt_op op = {.code = TT_OP_LINEAR, .in = {&in, residual ? &add : NULL}, .out = {&y}};
    op.attr.linear.activation = s->activation;
    tt_op expected = op;
    expected.in[0] = &few;
    expected.in[1] = residual ? &few_add : NULL;
    expected.out[0] = &z;
    pack_both(p, &op, &expected, 2, w_shape, s->flags);
    tt_ok(tt_run(p->device, &op, &err), &err);
    tt_ok(tt_run(p->reference, &expected, &err), &err);
    float *got = downloaded(p->scope, &y), *want = downloaded(p->reference_scope, &z);
    expect_rows(s->name, p, got, at, n, s->n, want, false);
    unpack_both(p, &op, &expected);
    close_scopes(p);
    free(x), free(x_rows), free(r), free(r_rows), free(got), free(want);
}

/* ---- convolutions ---- */

typedef struct conv_shape {
    const char *name;
    int64_t height, width, in, out, kernel, stride;
    int pad, pad_end;
    int flags;
} conv_shape;

static const conv_shape convs[] = {
    {"unet.conv_in", 64, 64, 4, 320, 3, 1, 1, 1, NONE},
    {"unet.64.conv1", 64, 64, 320, 320, 3, 1, 1, 1, CHANNEL_BIAS},
    {"unet.64.conv2", 64, 64, 320, 320, 3, 1, 1, 1, RESIDUAL},
    {"unet.64.proj_in", 64, 64, 320, 320, 1, 1, 0, 0, NONE},
    {"unet.64.proj_out", 64, 64, 320, 320, 1, 1, 0, 0, RESIDUAL},
    {"unet.32.conv1", 32, 32, 320, 640, 3, 1, 1, 1, CHANNEL_BIAS},
    {"unet.32.conv2", 32, 32, 640, 640, 3, 1, 1, 1, RESIDUAL},
    {"unet.32.shortcut", 32, 32, 320, 640, 1, 1, 0, 0, NONE},
    {"unet.16.conv1", 16, 16, 640, 1280, 3, 1, 1, 1, CHANNEL_BIAS},
    {"unet.16.conv2", 16, 16, 1280, 1280, 3, 1, 1, 1, RESIDUAL},
    {"unet.8.up.conv1", 8, 8, 2560, 1280, 3, 1, 1, 1, CHANNEL_BIAS},
    {"unet.8.up.shortcut", 8, 8, 2560, 1280, 1, 1, 0, 0, NONE},
    {"unet.64.up.conv1", 64, 64, 960, 320, 3, 1, 1, 1, CHANNEL_BIAS},
    {"unet.64.up.shortcut", 64, 64, 960, 320, 1, 1, 0, 0, NONE},
    {"unet.conv_out", 64, 64, 320, 4, 3, 1, 1, 1, NONE},
    {"vae.enc.conv_in", 512, 512, 3, 128, 3, 1, 1, 1, NONE},
    {"vae.enc.256.conv1", 256, 256, 128, 256, 3, 1, 1, 1, NONE},
    {"vae.enc.512.down", 512, 512, 128, 128, 3, 2, 0, 1, NONE},
    {"vae.64.conv2", 64, 64, 512, 512, 3, 1, 1, 1, RESIDUAL},
    {"vae.enc.conv_out", 64, 64, 512, 8, 3, 1, 1, 1, NONE},
    {"vae.quant", 64, 64, 8, 8, 1, 1, 0, 0, NONE},
    {"vae.post_quant", 64, 64, 4, 4, 1, 1, 0, 0, NONE},
    {"vae.dec.conv_in", 64, 64, 4, 512, 3, 1, 1, 1, NONE},
    {"vae.dec.512.conv2", 512, 512, 128, 128, 3, 1, 1, 1, RESIDUAL},
    {"vae.dec.conv_out", 512, 512, 128, 3, 3, 1, 1, 1, NONE},
    {"clip.vision.patches", 224, 224, 3, 1024, 14, 14, 0, 0, NO_BIAS},
    {"world.unet.conv_in", 16, 16, 4, 24, 3, 1, 1, 1, NONE},
    {"world.unet.conv1", 16, 16, 24, 24, 3, 1, 1, 1, CHANNEL_BIAS},
    {"world.unet.down", 16, 16, 24, 24, 3, 2, 1, 1, NONE},
    {"world.unet.8.shortcut", 8, 8, 24, 32, 1, 1, 0, 0, NONE},
    {"world.unet.4.up.conv1", 4, 4, 80, 40, 3, 1, 1, 1, CHANNEL_BIAS},
    {"world.unet.8.up.conv1", 8, 8, 72, 32, 3, 1, 1, 1, CHANNEL_BIAS | RESIDUAL},
    {"world.vae.conv_in", 64, 64, 3, 16, 3, 1, 1, 1, NONE},
    {"world.vae.down", 64, 64, 16, 16, 3, 2, 0, 1, NONE},
    {"world.vae.conv_out", 64, 64, 16, 3, 3, 1, 1, 1, NONE},
    {"odd.latent5x7", 5, 7, 320, 320, 3, 1, 1, 1, CHANNEL_BIAS | RESIDUAL},
    {"odd.latent5x7.down", 5, 7, 320, 320, 3, 2, 1, 1, NONE},
    {"odd.one", 1, 1, 1, 1, 3, 1, 1, 1, NONE},
    {"odd.kernel5", 9, 10, 7, 19, 5, 2, 2, 2, CHANNEL_BIAS},
};

/* What output pixel (y, x) sees: [kernel, kernel, in], zeros outside the image. */
static void patch_of(const conv_shape *s, const float *image, int64_t y, int64_t x, float *patch)
{
    for (int64_t i = 0; i < s->kernel; i++)
        for (int64_t j = 0; j < s->kernel; j++) {
            int64_t row = y * s->stride + i - s->pad, column = x * s->stride + j - s->pad;
            float *to = patch + (i * s->kernel + j) * s->in;
            if (row < 0 || row >= s->height || column < 0 || column >= s->width)
                memset(to, 0, (size_t)s->in * sizeof *to);
            else
                memcpy(to, image + (row * s->width + column) * s->in, (size_t)s->in * sizeof *to);
        }
}

static float *repeated(const float *row, int64_t width, int64_t n)
{
    float *all = malloc((size_t)(n * width) * sizeof *all);
    for (int64_t i = 0; i < n; i++)
        memcpy(all + i * width, row, (size_t)width * sizeof *all);
    return all;
}

static void check_conv(pair *p, const conv_shape *s)
{
    int64_t height = (s->height + s->pad + s->pad_end - s->kernel) / s->stride + 1;
    int64_t width = (s->width + s->pad + s->pad_end - s->kernel) / s->stride + 1;
    int64_t terms = s->kernel * s->kernel * s->in, at[MOST];
    int64_t n = choose(height * width, (double)(terms * s->out), at);
    const int64_t x_shape[] = {1, s->height, s->width, s->in}, y_shape[] = {1, height, width, s->out},
                  w_shape[] = {s->out, s->in, s->kernel, s->kernel}, c_shape[] = {1, s->out},
                  x_part[] = {n, s->kernel, s->kernel, s->in}, y_part[] = {n, 1, 1, s->out},
                  c_part[] = {n, s->out};
    open_scopes(p);
    float *x = values_of(1, s->height * s->width * s->in, 1),
          *patches = malloc((size_t)(n * terms) * sizeof *x);
    float *r = values_of(2, height * width * s->out, 1), *r_rows = rows_of(r, s->out, at, n);
    float *channel = values_of(3, s->out, 1), *channels = repeated(channel, s->out, n);
    for (int64_t i = 0; i < n; i++)
        patch_of(s, x, at[i] / width, at[i] % width, patches + i * terms);
    tt_tensor in[] = {filled(p->scope, p->type, 4, x_shape, x), filled(p->scope, p->type, 4, y_shape, r),
                      filled(p->scope, p->type, 2, c_shape, channel)};
    tt_tensor few[] = {filled(p->reference_scope, p->type, 4, x_part, patches),
                       filled(p->reference_scope, p->type, 4, y_part, r_rows),
                       filled(p->reference_scope, p->type, 2, c_part, channels)};
    tt_tensor y = empty(p->scope, p->type, 4, y_shape), z = empty(p->reference_scope, p->type, 4, y_part);
    tt_op op = {.code = TT_OP_CONV2D, .in = {&in[0]}, .out = {&y}};
    tt_op expected = {.code = TT_OP_CONV2D, .in = {&few[0]}, .out = {&z}};
    if (s->flags & RESIDUAL) op.in[1] = &in[1], expected.in[1] = &few[1];
    if (s->flags & CHANNEL_BIAS) op.in[2] = &in[2], expected.in[2] = &few[2];
    expected.attr.conv.stride_y = expected.attr.conv.stride_x = 1;
    op.attr.conv.stride_y = op.attr.conv.stride_x = (int32_t)s->stride;
    op.attr.conv.pad_top = op.attr.conv.pad_left = s->pad;
    op.attr.conv.pad_bottom = op.attr.conv.pad_right = s->pad_end;
    pack_both(p, &op, &expected, 4, w_shape, s->flags);
    tt_ok(tt_run(p->device, &op, &err), &err);
    tt_ok(tt_run(p->reference, &expected, &err), &err);
    float *got = downloaded(p->scope, &y), *want = downloaded(p->reference_scope, &z);
    expect_rows(s->name, p, got, at, n, s->out, want, false);
    unpack_both(p, &op, &expected);
    close_scopes(p);
    free(x), free(patches), free(r), free(r_rows), free(channel), free(channels), free(got), free(want);
}

/* ---- attention ---- */

typedef struct attention_shape {
    const char *name;
    int64_t queries, keys;
    int heads;
    int64_t d;
    int flags;
} attention_shape;

static const attention_shape attentions[] = {
    {"unet.64.self", 4096, 4096, 8, 40, NONE},     {"unet.32.self", 1024, 1024, 8, 80, NONE},
    {"unet.16.self", 256, 256, 8, 160, NONE},      {"unet.8.self", 64, 64, 8, 160, NONE},
    {"unet.64.cross", 4096, 77, 8, 40, NONE},      {"unet.32.cross", 1024, 77, 8, 80, NONE},
    {"unet.16.cross", 256, 77, 8, 160, NONE},      {"unet.64.cross.maps", 4096, 77, 8, 40, MAPS},
    {"unet.32.cross.maps", 1024, 77, 8, 80, MAPS}, {"unet.16.cross.maps", 256, 77, 8, 160, MAPS},
    {"vae.attention", 4096, 4096, 1, 512, NONE},   {"clip.vision", 257, 257, 16, 64, NONE},
    {"world.8.self", 64, 64, 4, 8, NONE},          {"world.8.cross.maps", 64, 40, 4, 8, MAPS},
    {"world.4.self", 16, 16, 4, 10, NONE},         {"world.vae", 256, 256, 1, 32, NONE},
    {"odd.200x97", 200, 97, 5, 24, NONE},          {"odd.one_key", 5, 1, 2, 8, NONE},
};

static void expect_maps(const attention_shape *s, const pair *p, const tt_tensor *y, const tt_tensor *z,
                        const int64_t *at, int64_t n)
{
    float *got = downloaded(p->scope, y), *want = downloaded(p->reference_scope, z);
    for (int h = 0; h < s->heads; h++)
        expect_rows(s->name, p, got + h * s->queries * s->keys, at, n, s->keys, want + h * n * s->keys, true);
    free(got), free(want);
}

static void check_attention(pair *p, const attention_shape *s)
{
    int64_t c = s->heads * s->d, at[MOST], n = choose(s->queries, (double)(2 * s->keys * c), at);
    const int64_t q_shape[] = {1, s->queries, c}, k_shape[] = {1, s->keys, c}, q_part[] = {1, n, c},
                  m_shape[] = {1, s->heads, s->queries, s->keys}, m_part[] = {1, s->heads, n, s->keys};
    open_scopes(p);
    /* scores of deviation 1, as in the networks */
    float *q = values_of(1, s->queries * c, 1), *q_rows = rows_of(q, c, at, n);
    float *k = values_of(2, s->keys * c, 1), *v = values_of(3, s->keys * c, 1);
    tt_tensor in[] = {filled(p->scope, p->type, 3, q_shape, q), filled(p->scope, p->type, 3, k_shape, k),
                      filled(p->scope, p->type, 3, k_shape, v)};
    tt_tensor few[] = {filled(p->reference_scope, p->type, 3, q_part, q_rows),
                       filled(p->reference_scope, p->type, 3, k_shape, k),
                       filled(p->reference_scope, p->type, 3, k_shape, v)};
    tt_tensor y = empty(p->scope, p->type, 3, q_shape), z = empty(p->reference_scope, p->type, 3, q_part),
              maps, maps_few;
    tt_op op = {.code = TT_OP_ATTENTION, .in = {&in[0], &in[1], &in[2]}, .out = {&y}};
    tt_op expected = {.code = TT_OP_ATTENTION, .in = {&few[0], &few[1], &few[2]}, .out = {&z}};
    if (s->flags & MAPS) {
        maps = empty(p->scope, TT_F32, 4, m_shape);
        maps_few = empty(p->reference_scope, TT_F32, 4, m_part);
        op.out[1] = &maps;
        expected.out[1] = &maps_few;
    }
    op.attr.attention.heads = expected.attr.attention.heads = s->heads;
    op.attr.attention.scale = expected.attr.attention.scale = 1 / sqrt((double)s->d);
    tt_ok(tt_run(p->device, &op, &err), &err);
    tt_ok(tt_run(p->reference, &expected, &err), &err);
    float *got = downloaded(p->scope, &y), *want = downloaded(p->reference_scope, &z);
    expect_rows(s->name, p, got, at, n, c, want, false);
    if (s->flags & MAPS) expect_maps(s, p, &maps, &maps_few, at, n);
    close_scopes(p);
    free(q), free(q_rows), free(k), free(v), free(got), free(want);
}

/* ---- norms, whole images in group norm, and the gate ---- */

typedef struct row_shape {
    const char *name;
    tt_op_code code;
    int64_t height, width, c;
    int groups;
    double eps;
    bool silu;
} row_shape;

static const row_shape rows[] = {
    {"unet.64.norm1", TT_OP_GROUP_NORM, 64, 64, 320, 32, 1e-5, true},
    {"unet.16.up.norm1", TT_OP_GROUP_NORM, 16, 16, 1920, 32, 1e-5, true},
    {"unet.8.up.norm1", TT_OP_GROUP_NORM, 8, 8, 2560, 32, 1e-5, true},
    {"world.unet.norm", TT_OP_GROUP_NORM, 16, 16, 24, 8, 1e-5, true},
    {"odd.one_each", TT_OP_GROUP_NORM, 3, 5, 13, 13, 1e-5, false},
    {"odd.one_group", TT_OP_GROUP_NORM, 7, 3, 17, 1, 1e-6, true},
    {"odd.pixel", TT_OP_GROUP_NORM, 1, 1, 64, 4, 1e-5, false},
    {"unet.64.layer_norm", TT_OP_LAYER_NORM, 1, 4096, 320, 0, 1e-5, false},
    {"unet.16.layer_norm", TT_OP_LAYER_NORM, 1, 256, 1280, 0, 1e-5, false},
    {"odd.layer_norm", TT_OP_LAYER_NORM, 1, 3, 1, 0, 1e-5, false},
    {"unet.64.geglu", TT_OP_GEGLU, 1, 4096, 2560, 0, 0, false},
    {"unet.16.geglu", TT_OP_GEGLU, 1, 256, 10240, 0, 0, false},
    {"softmax", TT_OP_SOFTMAX, 1, 64, 4096, 0, 0, false},
};

static void check_rows(pair *p, const row_shape *s)
{
    int64_t pixels = s->height * s->width, at[MOST], out = s->code == TT_OP_GEGLU ? s->c / 2 : s->c;
    bool whole = s->code == TT_OP_GROUP_NORM;
    int64_t n = whole ? pixels : choose(pixels, (double)s->c, at);
    const int64_t shape[] = {1, s->height, s->width, s->c}, y_shape[] = {1, s->height, s->width, out};
    const int64_t part[] = {1, n, s->c}, y_part[] = {1, n, out};
    open_scopes(p);
    float *x = values_of(1, pixels * s->c, 1), *x_rows = whole ? NULL : rows_of(x, s->c, at, n);
    tt_tensor in = filled(p->scope, p->type, 4, shape, x);
    tt_tensor few = filled(p->reference_scope, p->type, 3, part, whole ? x : x_rows);
    tt_tensor y = empty(p->scope, p->type, 4, y_shape), z = empty(p->reference_scope, p->type, 3, y_part);
    tt_op op = {.code = s->code, .in = {&in}, .out = {&y}};
    if (s->eps > 0) {
        op.attr.norm.groups = s->groups;
        op.attr.norm.eps = s->eps;
        op.attr.norm.silu = s->silu;
    }
    tt_op expected = op;
    expected.in[0] = &few;
    expected.out[0] = &z;
    if (s->eps > 0) pack_both(p, &op, &expected, 1, &s->c, NONE);
    tt_ok(tt_run(p->device, &op, &err), &err);
    tt_ok(tt_run(p->reference, &expected, &err), &err);
    float *got = downloaded(p->scope, &y), *want = downloaded(p->reference_scope, &z);
    expect_rows(s->name, p, got, whole ? NULL : at, n, out, want, false);
    unpack_both(p, &op, &expected);
    close_scopes(p);
    free(x), free(x_rows), free(got), free(want);
}

/* ---- */

/* Sanitizers make the fillings and the reference slow: there only what is small. Instruction sets below the
 * machine's best skip the largest images. */
static bool affordable(bool best, int64_t elements, int64_t macs)
{
#ifdef TT_SANITIZE
    (void)best;
    return elements < 300000 && macs < 30000000;
#else
    return best ? macs < 20000000000 : elements < 4000000 && macs < 1000000000;
#endif
}

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* bf16 on the best instruction set only: below, it is widened around the same products, which
 * test_backend_ops.c covers. */
START_TEST(linear_layers_agree_with_the_reference)
{
    pair p;
    if (!open_pair(&p, _i)) return;
    bool best = subject_is_best(p.device);
    for (p.type = TT_F32;; p.type = TT_BF16) {
        for (size_t i = 0; i < COUNT(linears); i++) {
            const linear_shape *s = &linears[i];
            if (affordable(best, s->rows * (s->k + s->n) + s->k * s->n, s->rows * s->k * s->n))
                check_linear(&p, s);
        }
        if (!best || p.type == TT_BF16) break;
    }
    close_pair(&p);
}
END_TEST

START_TEST(convolutions_agree_with_the_reference)
{
    pair p;
    if (!open_pair(&p, _i)) return;
    bool best = subject_is_best(p.device);
    for (p.type = TT_F32;; p.type = TT_BF16) {
        for (size_t i = 0; i < COUNT(convs); i++) {
            const conv_shape *s = &convs[i];
            int64_t weights = s->kernel * s->kernel * s->in * s->out, pixels = s->height * s->width;
            if (affordable(best, pixels * (s->in + s->out) + weights,
                           pixels * weights / (s->stride * s->stride)))
                check_conv(&p, s);
        }
        if (!best || p.type == TT_BF16) break;
    }
    close_pair(&p);
}
END_TEST

START_TEST(attention_agrees_with_the_reference)
{
    pair p;
    if (!open_pair(&p, _i)) return;
    bool best = subject_is_best(p.device);
    for (p.type = TT_F32;; p.type = TT_BF16) {
        for (size_t i = 0; i < COUNT(attentions); i++) {
            const attention_shape *s = &attentions[i];
            int64_t width = s->heads * s->d;
            if (affordable(best, 2 * (s->queries + s->keys) * width, 2 * s->queries * s->keys * width))
                check_attention(&p, s);
        }
        if (!best || p.type == TT_BF16) break;
    }
    close_pair(&p);
}
END_TEST

START_TEST(norms_gate_and_softmax_agree_with_the_reference)
{
    pair p;
    if (!open_pair(&p, _i)) return;
    bool best = subject_is_best(p.device);
    for (p.type = TT_F32;; p.type = TT_BF16) {
        for (size_t i = 0; i < COUNT(rows); i++)
            if (affordable(best, rows[i].height * rows[i].width * rows[i].c, 0)) check_rows(&p, &rows[i]);
        if (!best || p.type == TT_BF16) break;
    }
    close_pair(&p);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("backend shapes");
    TCase *tc = tcase_create("backend shapes");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, linear_layers_agree_with_the_reference, 0, SUBJECT_EMULATED);
    tcase_add_loop_test(tc, convolutions_agree_with_the_reference, 0, SUBJECT_EMULATED);
    tcase_add_loop_test(tc, attention_agrees_with_the_reference, 0, SUBJECT_EMULATED);
    tcase_add_loop_test(tc, norms_gate_and_softmax_agree_with_the_reference, 0, SUBJECT_EMULATED);
    suite_add_tcase(suite, tc);
    return suite;
}
