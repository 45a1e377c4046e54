/* W + Σ scale·(up·down), formed when a weight is asked for. */
#include "models/load/lora_internal.h"

#include <string.h>

typedef struct lora_source {
    tt_weight_source base;
    tt_weight_source *inner;
    tt_lora_part part;
    void *merged; /* the last weight */
    size_t capacity;
    size_t n;
    tt_lora_file *loras[];
} lora_source;

#define KEEP_BYTES ((size_t)1 << 20) /* a larger buffer is given back when its weight is done */

static bool touched(const lora_source *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (tt_lora_find(s->loras[i], s->part, name)) return true;
    return false;
}

/* down [r, columns], up [rows, r] against the weight [rows, columns] that it belongs to, kernels flattened.
 */
static bool fits(const tt_weight_view *w, const tt_lora_target *t)
{
    if ((w->rank != 2 && w->rank != 4) || t->up->shape[0] != w->shape[0]) return false;
    int longer = w->rank > t->down->rank ? w->rank : t->down->rank;
    for (int i = 1; i < longer; i++) {
        int64_t want = i < w->rank ? w->shape[i] : 1, have = i < t->down->rank ? t->down->shape[i] : 1;
        if (want != have) return false;
    }
    return true;
}

/* One row at a time: row += scale·Σ_r up[o,r]·down[r,·]. `sum` holds one row. */
static void add_f32(float *w, size_t rows, size_t columns, size_t rank, const float *up, const float *down,
                    float scale, float *sum)
{
    for (size_t o = 0; o < rows; o++) {
        memset(sum, 0, columns * sizeof *sum);
        for (size_t r = 0; r < rank; r++) {
            float u = up[o * rank + r];
            const float *d = down + r * columns;
            for (size_t j = 0; j < columns; j++)
                sum[j] += u * d[j];
        }
        for (size_t j = 0; j < columns; j++)
            w[o * columns + j] += scale * sum[j];
    }
}

static void add_f64(double *w, size_t rows, size_t columns, size_t rank, const double *up, const double *down,
                    double scale, double *sum)
{
    for (size_t o = 0; o < rows; o++) {
        memset(sum, 0, columns * sizeof *sum);
        for (size_t r = 0; r < rank; r++)
            for (size_t j = 0; j < columns; j++)
                sum[j] += up[o * rank + r] * down[r * columns + j];
        for (size_t j = 0; j < columns; j++)
            w[o * columns + j] += scale * sum[j];
    }
}

static tt_status add(const lora_source *s, const tt_lora_file *lora, const tt_lora_target *t, tt_type type,
                     size_t rows, size_t columns, tt_error *err)
{
    size_t rank = (size_t)t->down->shape[0], n_up = rows * rank, n_down = rank * columns;
    const char *path = tt_tensor_file_path(lora->file);
    /* both were found in the file at their sizes, so only the sum of the three can overflow */
    size_t count, bytes;
    if (!tt_size_add(n_up, n_down, &count) || !tt_size_add(count, columns, &count) ||
        !tt_size_mul(count, tt_type_size(type), &bytes))
        return tt_fail(err, TT_ERR_FORMAT, "%s: %s is too large", path, t->down->name);
    char *work = tt_alloc(bytes);
    if (!work) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    size_t size = tt_type_size(type);
    char *up = work, *down = up + n_up * size, *sum = down + n_down * size;
    tt_convert(type, up, (tt_type)t->up->type, t->up->data, n_up);
    tt_convert(type, down, (tt_type)t->down->type, t->down->data, n_down);
    if (type == TT_F64)
        add_f64(s->merged, rows, columns, rank, (const double *)(void *)up, (const double *)(void *)down,
                t->scale, (double *)(void *)sum);
    else
        add_f32(s->merged, rows, columns, rank, (const float *)(void *)up, (const float *)(void *)down,
                (float)t->scale, (float *)(void *)sum);
    tt_free(work);
    return TT_OK;
}

/* Copies the weight into the buffer, as f32 or f64. */
static tt_status start(lora_source *s, const char *name, tt_weight_view *view, size_t *rows, size_t *columns,
                       tt_error *err)
{
    tt_type type = view->type == TT_F64 ? TT_F64 : TT_F32;
    if (view->type != TT_F64 && view->type != TT_F32 && view->type != TT_BF16 && view->type != TT_F16)
        return tt_fail(err, TT_ERR_FORMAT, "tensor %s has type %s: no LoRA can be added", name,
                       tt_type_name(view->type));
    *rows = view->rank ? (size_t)view->shape[0] : 1;
    *columns = 1;
    for (int i = 1; i < view->rank; i++)
        *columns *= (size_t)view->shape[i];
    size_t count, bytes;
    if (!tt_size_mul(*rows, *columns, &count) || !tt_size_mul(count, tt_type_size(type), &bytes))
        return tt_fail(err, TT_ERR_FORMAT, "tensor %s is too large", name);
    if (bytes > s->capacity) {
        tt_free(s->merged);
        s->capacity = 0;
        s->merged = tt_alloc(bytes);
        if (!s->merged) return tt_fail(err, TT_ERR_MEMORY, "tensor %s: out of memory", name);
        s->capacity = bytes;
    }
    tt_convert(type, s->merged, view->type, view->data, count);
    view->type = type;
    view->data = s->merged;
    return TT_OK;
}

static tt_status lora_get(tt_weight_source *self, const char *name, tt_weight_view *view, tt_error *err)
{
    lora_source *s = (lora_source *)self;
    tt_status status = s->inner->get(s->inner, name, view, err);
    if (status || !touched(s, name)) return status;
    size_t rows = 0, columns = 0;
    status = start(s, name, view, &rows, &columns, err);
    for (size_t i = 0; i < s->n && !status; i++) {
        const tt_lora_target *t = tt_lora_find(s->loras[i], s->part, name);
        if (!t) continue;
        if (!fits(view, t))
            return tt_fail(err, TT_ERR_FORMAT,
                           "%s: %s and %s have not the shapes of the model's %s: made for another model?",
                           tt_tensor_file_path(s->loras[i]->file), t->down->name, t->up->name, name);
        status = add(s, s->loras[i], t, view->type, rows, columns, err);
    }
    return status;
}

static bool lora_has(tt_weight_source *self, const char *name)
{
    lora_source *s = (lora_source *)self;
    return s->inner->has(s->inner, name);
}

static void lora_done(tt_weight_source *self, const char *name)
{
    lora_source *s = (lora_source *)self;
    s->inner->done(s->inner, name);
    if (s->capacity <= KEEP_BYTES) return;
    tt_free(s->merged);
    s->merged = NULL;
    s->capacity = 0;
}

static void lora_destroy(tt_weight_source *self)
{
    lora_source *s = (lora_source *)self;
    s->inner->destroy(s->inner);
    tt_free(s->merged);
    tt_free(s);
}

tt_weight_source *tt_weights_lora(tt_weight_source *base, tt_lora_file *const *loras, size_t n,
                                  tt_lora_part part)
{
    if (!base) return NULL;
    size_t bytes;
    lora_source *s = NULL;
    if (tt_size_mul(n, sizeof *loras, &bytes) && tt_size_add(bytes, sizeof *s, &bytes))
        s = tt_alloc_zero(bytes);
    if (!s) {
        base->destroy(base);
        return NULL;
    }
    s->base = (tt_weight_source){lora_get, lora_has, lora_done, lora_destroy};
    s->inner = base;
    s->part = part;
    s->n = n;
    if (n) memcpy(s->loras, loras, n * sizeof *loras);
    return &s->base;
}
