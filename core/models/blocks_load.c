/* From named tensors to packed layers. A view lives until the next question to its source, so the small
 * partner (bias, beta) is copied first and the large one is packed straight from where it lies. */
#include "models/blocks.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

tt_status tt_name(char name[TT_NAME_MAX], tt_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(name, TT_NAME_MAX, format, args);
    va_end(args);
    if (n < 0 || n >= TT_NAME_MAX)
        return tt_fail(err, TT_ERR_INTERNAL, "a tensor's name is too long: %s…", name);
    return TT_OK;
}

/* <name>.<part> [n] copied as f32; freed with tt_free. */
static tt_status copy_vector(const tt_loader *l, const char *name, const char *part, int64_t n, float *out,
                             tt_error *err)
{
    char full[TT_NAME_MAX];
    tt_weight_view view;
    tt_status status = tt_name(full, err, "%s.%s", name, part);
    if (!status) status = tt_weights_expect(l->source, full, 1, &n, &view, err);
    if (status) return status;
    tt_convert(TT_F32, out, view.type, view.data, (size_t)n);
    l->source->done(l->source, full);
    return TT_OK;
}

/* Finds <name>.weight and the copied bias (bias_part NULL: none). */
static tt_status find(const tt_loader *l, const char *name, const char *bias_part, int64_t bias_count,
                      int32_t rank, const int64_t *shape, char full[TT_NAME_MAX], float **bias, tt_weights *w,
                      tt_error *err)
{
    tt_status status = TT_OK;
    *bias = NULL;
    if (bias_part) {
        *bias = tt_alloc_array((size_t)bias_count, sizeof **bias);
        if (!*bias) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", name);
        status = copy_vector(l, name, bias_part, bias_count, *bias, err);
    }
    tt_weight_view view;
    if (!status) status = tt_name(full, err, "%s.weight", name);
    if (!status) status = tt_weights_expect(l->source, full, rank, shape, &view, err);
    if (status) {
        tt_free(*bias);
        *bias = NULL;
        return status;
    }
    *w = (tt_weights){
        .weight_type = view.type, .bias_type = TT_F32, .rank = rank, .weight = view.data, .bias = *bias};
    for (int32_t i = 0; i < rank; i++)
        w->shape[i] = shape[i];
    return TT_OK;
}

/* After packing: gives back what is not needed, and names the layer in an error. */
static tt_status finish(const tt_loader *l, const char *full, float *bias, tt_status status, tt_error *err)
{
    l->source->done(l->source, full);
    tt_free(bias);
    return status ? tt_fail_in(err, "%s", full) : TT_OK;
}

tt_status tt_load_linear(const tt_loader *l, tt_linear *layer, const char *name, int64_t in, int64_t out,
                         bool bias, tt_activation activation, tt_error *err)
{
    char full[TT_NAME_MAX];
    const int64_t shape[2] = {out, in};
    tt_weights w;
    float *copied;
    tt_status status = find(l, name, bias ? "bias" : NULL, out, 2, shape, full, &copied, &w, err);
    if (status) return status;
    *layer = (tt_linear){.in = in, .out = out, .activation = activation};
    status = tt_linear_pack(l->device, layer, &w, l->type, err);
    return finish(l, full, copied, status, err);
}

/* The rows of names[i].weight as type `type`, behind one another. */
static tt_status stack_rows(const tt_loader *l, const char (*names)[TT_NAME_MAX], int n, const int64_t *shape,
                            tt_type *type, char **rows, tt_error *err)
{
    size_t count, bytes = 0;
    char full[TT_NAME_MAX];
    tt_status status = TT_OK;
    if (!tt_size_mul((size_t)shape[0], (size_t)shape[1], &count))
        return tt_fail(err, TT_ERR_INVALID, "%s: its size does not fit", names[0]);
    for (int i = 0; i < n && !status; i++) {
        tt_weight_view view;
        status = tt_name(full, err, "%s.weight", names[i]);
        if (!status) status = tt_weights_expect(l->source, full, 2, shape, &view, err);
        if (!status && i == 0) {
            *type = view.type;
            if (tt_size_mul(count, tt_type_size(*type), &bytes) &&
                tt_size_mul(bytes, (size_t)n, &(size_t){0}))
                *rows = tt_alloc(bytes * (size_t)n);
            if (!*rows) status = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", full);
        }
        if (status) break;
        tt_convert(*type, *rows + bytes * (size_t)i, view.type, view.data, count);
        l->source->done(l->source, full);
    }
    return status;
}

tt_status tt_load_linear_stack(const tt_loader *l, tt_linear *layer, const char (*names)[TT_NAME_MAX], int n,
                               int64_t in, int64_t out, bool bias, tt_error *err)
{
    const int64_t shape[2] = {out, in};
    tt_type type = TT_F32;
    char *rows = NULL;
    float *biases = NULL;
    tt_status status = stack_rows(l, names, n, shape, &type, &rows, err);
    if (!status && bias) {
        biases = tt_alloc_array((size_t)n * (size_t)out, sizeof *biases);
        if (!biases) status = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", names[0]);
        for (int i = 0; i < n && !status; i++)
            status = copy_vector(l, names[i], "bias", out, biases + (size_t)i * (size_t)out, err);
    }
    if (!status) {
        tt_weights w = {.weight_type = type,
                        .bias_type = TT_F32,
                        .rank = 2,
                        .shape = {n * out, in},
                        .weight = rows,
                        .bias = biases};
        *layer = (tt_linear){.in = in, .out = n * out};
        status = tt_linear_pack(l->device, layer, &w, l->type, err);
        if (status) tt_fail_in(err, "%s", names[0]);
    }
    tt_free(rows);
    tt_free(biases);
    return status;
}

tt_status tt_load_conv(const tt_loader *l, tt_conv *layer, const char *name, int64_t in, int64_t out,
                       int kernel, int stride, int pad, bool asymmetric, tt_error *err)
{
    char full[TT_NAME_MAX];
    const int64_t shape[4] = {out, in, kernel, kernel};
    tt_weights w;
    float *copied;
    tt_status status = find(l, name, "bias", out, 4, shape, full, &copied, &w, err);
    if (status) return status;
    int before = asymmetric ? 0 : pad;
    *layer = (tt_conv){.in = in,
                       .out = out,
                       .kernel = kernel,
                       .stride = stride,
                       .pad_top = before,
                       .pad_left = before,
                       .pad_bottom = pad,
                       .pad_right = pad};
    status = tt_conv_pack(l->device, layer, &w, l->type, err);
    return finish(l, full, copied, status, err);
}

tt_status tt_load_norm(const tt_loader *l, tt_norm *layer, const char *name, int64_t channels, int groups,
                       double eps, bool silu, tt_error *err)
{
    char full[TT_NAME_MAX];
    tt_weights w;
    float *copied;
    tt_status status = find(l, name, "bias", channels, 1, &channels, full, &copied, &w, err);
    if (status) return status;
    *layer = (tt_norm){.channels = channels, .groups = groups, .eps = eps, .silu = silu};
    status = tt_norm_pack(l->device, layer, &w, l->type, err);
    return finish(l, full, copied, status, err);
}

tt_status tt_load_embedding(const tt_loader *l, tt_packed **table, const char *name, int64_t rows,
                            int64_t width, tt_error *err)
{
    char full[TT_NAME_MAX];
    const int64_t shape[2] = {rows, width};
    tt_weights w;
    float *none;
    tt_status status = find(l, name, NULL, 0, 2, shape, full, &none, &w, err);
    if (status) return status;
    tt_op like = {.code = TT_OP_EMBEDDING};
    status = tt_pack(l->device, &like, &w, l->type, table, err);
    return finish(l, full, NULL, status, err);
}
