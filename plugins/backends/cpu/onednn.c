#include "onednn.h"

#include "base/mem.h"
#include "parallel.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PRIMITIVES 512

/* ---- the two interfaces: 2.x has memory descriptors as structs and operation descriptors, 3.x has neither
 * ---- */

/* a blocked layout: dimensions' strides, then blocks inside, the last one contiguous */
typedef struct blocks {
    dnnl_data_type_t type;
    int rank, n;
    dnnl_dims_t strides, sizes, indices; /* indices: which dimension a block is of */
} blocks;

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t layout;
typedef const_dnnl_memory_desc_t const_layout;

static dnnl_status_t layout_by_tag(layout *l, int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                   dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(l, n, dims, type, tag);
}
static dnnl_status_t layout_by_strides(layout *l, int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                       const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(l, n, dims, type, strides);
}
static dnnl_status_t layout_copy(layout *l, const_layout from)
{
    return dnnl_memory_desc_clone(l, from);
}
static void layout_free(layout l)
{
    if (l) dnnl_memory_desc_destroy(l);
}
static bool layout_equal(const_layout a, const_layout b)
{
    return dnnl_memory_desc_equal(a, b) != 0;
}
static bool read_blocks(const_layout l, blocks *b)
{
    dnnl_format_kind_t kind;
    dnnl_dims_t *strides, *sizes, *indices;
    if (dnnl_memory_desc_query(l, dnnl_query_format_kind, &kind) != dnnl_success || kind != dnnl_blocked ||
        dnnl_memory_desc_query(l, dnnl_query_data_type, &b->type) != dnnl_success ||
        dnnl_memory_desc_query(l, dnnl_query_ndims_s32, &b->rank) != dnnl_success ||
        dnnl_memory_desc_query(l, dnnl_query_strides, &strides) != dnnl_success ||
        dnnl_memory_desc_query(l, dnnl_query_inner_nblks_s32, &b->n) != dnnl_success ||
        dnnl_memory_desc_query(l, dnnl_query_inner_blks, &sizes) != dnnl_success ||
        dnnl_memory_desc_query(l, dnnl_query_inner_idxs, &indices) != dnnl_success)
        return false;
    memcpy(b->strides, *strides, sizeof b->strides);
    memcpy(b->sizes, *sizes, sizeof b->sizes);
    memcpy(b->indices, *indices, sizeof b->indices);
    return true;
}
static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}
static dnnl_status_t describe_conv(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const_layout x,
                                   const_layout w, const_layout bias, const_layout y,
                                   const dnnl_dims_t stride, const dnnl_dims_t pad, const dnnl_dims_t pad_end,
                                   const_dnnl_primitive_attr_t attr)
{
    const dnnl_dims_t dilation = {0, 0};
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_inference,
                                                          dnnl_convolution_direct, x, w, bias, y, stride,
                                                          dilation, pad, pad_end, attr);
}
static dnnl_status_t describe_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const_layout x,
                                     const_layout w, const_layout bias, const_layout y,
                                     const_dnnl_primitive_attr_t attr)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, x, w, bias, y, attr);
}
#else
typedef dnnl_memory_desc_t *layout;
typedef const dnnl_memory_desc_t *const_layout;

static dnnl_status_t layout_by_tag(layout *l, int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                   dnnl_format_tag_t tag)
{
    *l = tt_alloc(sizeof **l);
    return *l ? dnnl_memory_desc_init_by_tag(*l, n, dims, type, tag) : dnnl_out_of_memory;
}
static dnnl_status_t layout_by_strides(layout *l, int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                       const dnnl_dims_t strides)
{
    *l = tt_alloc(sizeof **l);
    return *l ? dnnl_memory_desc_init_by_strides(*l, n, dims, type, strides) : dnnl_out_of_memory;
}
static dnnl_status_t layout_copy(layout *l, const_layout from)
{
    *l = tt_alloc(sizeof **l);
    if (!*l) return dnnl_out_of_memory;
    **l = *from;
    return dnnl_success;
}
static void layout_free(layout l)
{
    tt_free(l);
}
static bool layout_equal(const_layout a, const_layout b)
{
    return dnnl_memory_desc_equal(a, b) != 0;
}
static bool read_blocks(const_layout l, blocks *b)
{
    const dnnl_blocking_desc_t *from = &l->format_desc.blocking;
    if (l->format_kind != dnnl_blocked || l->extra.flags != 0) return false;
    b->type = l->data_type;
    b->rank = l->ndims;
    b->n = from->inner_nblks;
    memcpy(b->strides, from->strides, sizeof b->strides);
    memcpy(b->sizes, from->inner_blks, sizeof b->sizes);
    memcpy(b->indices, from->inner_idxs, sizeof b->indices);
    return true;
}
static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f);
}
static dnnl_status_t describe_conv(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const_layout x,
                                   const_layout w, const_layout bias, const_layout y,
                                   const dnnl_dims_t stride, const dnnl_dims_t pad, const dnnl_dims_t pad_end,
                                   const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t desc;
    dnnl_status_t s = dnnl_convolution_forward_desc_init(
        &desc, dnnl_forward_inference, dnnl_convolution_direct, x, w, bias, y, stride, pad, pad_end);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : s;
}
static dnnl_status_t describe_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const_layout x,
                                     const_layout w, const_layout bias, const_layout y,
                                     const_dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t desc;
    dnnl_status_t s = dnnl_matmul_desc_init(&desc, x, w, bias, y);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : s;
}
#endif

/* ---- primitives, compiled once for each problem ---- */

typedef struct primitive {
    dnn_problem key;
    dnnl_primitive_t primitive;
    dnnl_memory_t x, bias, y, scratch;
    layout weights; /* what it wants */
} primitive;

struct dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    primitive *primitives;
    size_t n;
    void *scratch; /* shared by all primitives: one runs at a time */
    size_t scratch_bytes;
    int threads;
};

struct dnn_weights {
    layout layout;
    dnnl_memory_t memory;
    void *data;
    size_t bytes;
    dnn_weights *more; /* the same weights in another layout, made when a size first wanted it */
};

static tt_status failed(dnnl_status_t status, const char *what, tt_error *err)
{
    if (status == dnnl_out_of_memory) return tt_fail(err, TT_ERR_MEMORY, "oneDNN: out of memory: %s", what);
    return tt_fail(err, TT_ERR_INTERNAL, "oneDNN: status %d: %s", (int)status, what);
}

void dnn_limit_isa(cpu_isa isa)
{
    static const dnnl_cpu_isa_t limits[] = {dnnl_cpu_isa_sse41, dnnl_cpu_isa_avx2, dnnl_cpu_isa_avx512_core,
                                            dnnl_cpu_isa_avx512_core_bf16, dnnl_cpu_isa_avx512_core_amx};
    dnnl_set_max_cpu_isa(limits[isa]); /* fails once oneDNN was used: then the limit was set before */
}

const char *dnn_version(void)
{
    static char text[64];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

tt_status dnn_open(int threads, dnn **out, tt_error *err)
{
    dnn *d = tt_alloc_zero(sizeof *d);
    *out = d;
    if (!d) return tt_fail(err, TT_ERR_MEMORY, "oneDNN: out of memory");
    d->threads = threads;
    d->primitives = tt_alloc_array(MAX_PRIMITIVES, sizeof *d->primitives);
    dnnl_status_t s = d->primitives ? dnnl_engine_create(&d->engine, dnnl_cpu, 0) : dnnl_out_of_memory;
    if (s == dnnl_success) s = dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags);
    /* the cache is here: it also keeps what belongs to a primitive */
    if (s == dnnl_success) dnnl_set_primitive_cache_capacity(0);
    if (s == dnnl_success) return TT_OK;
    dnn_close(d);
    *out = NULL;
    return failed(s, "no CPU engine", err);
}

static void drop(primitive *p)
{
    dnnl_memory_t all[] = {p->x, p->bias, p->y, p->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) dnnl_memory_destroy(all[i]);
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    layout_free(p->weights);
}

void dnn_close(dnn *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->n; i++)
        drop(&d->primitives[i]);
    tt_free(d->primitives);
    if (d->stream) dnnl_stream_destroy(d->stream);
    if (d->engine) dnnl_engine_destroy(d->engine);
    free(d->scratch);
    tt_free(d);
}

static dnnl_data_type_t type_of(bool bf16)
{
    return bf16 ? dnnl_bf16 : dnnl_f32;
}

static int weight_dims(const dnn_problem *p, dnnl_dims_t dims)
{
    dims[0] = p->conv ? p->out : p->in;
    dims[1] = p->conv ? p->in : p->out;
    dims[2] = p->kernel_height;
    dims[3] = p->kernel_width;
    return p->conv ? 4 : 2;
}

static dnnl_status_t attributes(const dnn_problem *p, dnnl_primitive_attr_t *attr)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t s = dnnl_primitive_attr_create(attr);
    if (s == dnnl_success) s = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (s == dnnl_success && p->add) {
        s = dnnl_post_ops_create(&ops);
        if (s == dnnl_success) s = append_sum(ops);
        if (s == dnnl_success) s = dnnl_primitive_attr_set_post_ops(*attr, ops);
    }
    if (ops) dnnl_post_ops_destroy(ops);
    return s;
}

/* The primitive for problem `p` with these weights (NULL: any layout). */
static dnnl_status_t describe(dnn *d, const dnn_problem *p, const_layout weights, dnnl_primitive_desc_t *pd)
{
    layout x = NULL, any = NULL, bias = NULL, y = NULL;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_dims_t w_dims;
    int rank = weight_dims(p, w_dims);
    dnnl_status_t s = attributes(p, &attr);
    if (s == dnnl_success && !weights)
        s = layout_by_tag(&any, rank, w_dims, type_of(p->bf16), dnnl_format_tag_any);
    if (p->conv) {
        const dnnl_dims_t x_dims = {1, p->in, p->in_height, p->in_width};
        const dnnl_dims_t y_dims = {1, p->out, p->out_height, p->out_width}, b_dims = {p->out};
        const dnnl_dims_t stride = {p->stride_y, p->stride_x}, pad = {p->pad_top, p->pad_left},
                          pad_end = {p->pad_bottom, p->pad_right};
        if (s == dnnl_success) s = layout_by_tag(&x, 4, x_dims, type_of(p->bf16), dnnl_nhwc);
        if (s == dnnl_success) s = layout_by_tag(&y, 4, y_dims, type_of(p->bf16_out), dnnl_nhwc);
        if (s == dnnl_success && p->bias) s = layout_by_tag(&bias, 1, b_dims, dnnl_f32, dnnl_a);
        if (s == dnnl_success)
            s = describe_conv(pd, d->engine, x, weights ? weights : any, bias, y, stride, pad, pad_end, attr);
    } else {
        const dnnl_dims_t x_dims = {p->rows, p->in}, x_strides = {p->x_stride, 1}, b_dims = {1, p->out};
        const dnnl_dims_t y_dims = {p->rows, p->out};
        if (s == dnnl_success) s = layout_by_strides(&x, 2, x_dims, type_of(p->bf16), x_strides);
        if (s == dnnl_success) s = layout_by_tag(&y, 2, y_dims, type_of(p->bf16_out), dnnl_ab);
        if (s == dnnl_success && p->bias) s = layout_by_tag(&bias, 2, b_dims, dnnl_f32, dnnl_ab);
        if (s == dnnl_success) s = describe_matmul(pd, d->engine, x, weights ? weights : any, bias, y, attr);
    }
    layout_free(x), layout_free(any), layout_free(bias), layout_free(y);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return s;
}

static dnnl_status_t memory_for(dnn *d, dnnl_primitive_desc_t pd, dnnl_query_t what, int index,
                                dnnl_memory_t *memory)
{
    return dnnl_memory_create(memory, dnnl_primitive_desc_query_md(pd, what, index), d->engine,
                              DNNL_MEMORY_NONE);
}

static dnnl_status_t grow_scratch(dnn *d, size_t bytes)
{
    if (bytes <= d->scratch_bytes) return dnnl_success;
    free(d->scratch);
    d->scratch_bytes = 0;
    d->scratch = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);
    if (!d->scratch) return dnnl_out_of_memory;
    d->scratch_bytes = bytes;
    return dnnl_success;
}

/* oneDNN's plain loops, a hundred times slower than its kernels */
static bool is_plain_loops(dnnl_primitive_desc_t pd)
{
    const char *name = "";
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) == dnnl_success &&
           strncmp(name, "ref", 3) == 0;
}

/* Below this two threads would spend as long meeting as multiplying: and wait for each other for milliseconds
 * when another program has one of the processors. Depends on the problem alone, as results may. */
#define ALONE_FLOP 4e6

static void choose_threads(const dnn *d, const dnn_problem *p)
{
    double outputs = (double)p->out * (double)(p->conv ? p->out_height * p->out_width : p->rows);
    double each = 2.0 * (double)p->in * (double)(p->conv ? p->kernel_height * p->kernel_width : 1);
    cpu_set_threads(outputs * each < ALONE_FLOP ? 1 : d->threads);
}

static dnnl_status_t build(dnn *d, const dnn_problem *p, const dnn_weights *w, primitive *out)
{
    dnnl_primitive_desc_t pd = NULL;
    memset(out, 0, sizeof *out);
    out->key = *p;
    dnnl_status_t s = describe(d, p, w->layout, &pd);
    /* no kernel takes this layout at this size: another layout, then */
    if (s == dnnl_unimplemented || (s == dnnl_success && is_plain_loops(pd))) {
        if (pd) dnnl_primitive_desc_destroy(pd);
        pd = NULL;
        s = describe(d, p, NULL, &pd);
    }
    if (s == dnnl_success) s = dnnl_primitive_create(&out->primitive, pd);
    if (s == dnnl_success)
        s = layout_copy(&out->weights, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    if (s == dnnl_success) s = memory_for(d, pd, dnnl_query_src_md, 0, &out->x);
    if (s == dnnl_success) s = memory_for(d, pd, dnnl_query_dst_md, 0, &out->y);
    if (s == dnnl_success && p->bias) s = memory_for(d, pd, dnnl_query_weights_md, 1, &out->bias);
    const_layout scratch =
        s == dnnl_success ? dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0) : NULL;
    size_t scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    if (scratch_bytes) {
        s = grow_scratch(d, scratch_bytes);
        if (s == dnnl_success) s = memory_for(d, pd, dnnl_query_scratchpad_md, 0, &out->scratch);
    }
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (s != dnnl_success) drop(out);
    return s;
}

static dnnl_status_t find(dnn *d, const dnn_problem *p, const dnn_weights *w, primitive **out)
{
    for (size_t i = 0; i < d->n; i++)
        if (memcmp(&d->primitives[i].key, p, sizeof *p) == 0) {
            *out = &d->primitives[i];
            return dnnl_success;
        }
    if (d->n == MAX_PRIMITIVES) { /* sizes without end: begin again */
        for (size_t i = 0; i < d->n; i++)
            drop(&d->primitives[i]);
        d->n = 0;
    }
    *out = &d->primitives[d->n];
    dnnl_status_t s = build(d, p, w, *out);
    if (s == dnnl_success) d->n++;
    return s;
}

/* ---- weights ---- */

static dnnl_status_t copy(dnn *d, dnnl_memory_t from, const_layout from_layout, dnnl_memory_t to,
                          const_layout to_layout)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_status_t s =
        dnnl_reorder_primitive_desc_create(&pd, from_layout, d->engine, to_layout, d->engine, NULL);
    if (s == dnnl_success) s = dnnl_primitive_create(&reorder, pd);
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    if (s == dnnl_success) s = dnnl_primitive_execute(reorder, d->stream, 2, arguments);
    if (s == dnnl_success) s = dnnl_stream_wait(d->stream);
    if (reorder) dnnl_primitive_destroy(reorder);
    if (pd) dnnl_primitive_desc_destroy(pd);
    return s;
}

/* weights as files have them: [out, in, kernel_height, kernel_width], or [out, in] seen as [in, out] */
static dnnl_status_t plain_layout(const dnn_problem *p, layout *l)
{
    dnnl_dims_t dims;
    int rank = weight_dims(p, dims);
    return layout_by_tag(l, rank, dims, type_of(p->bf16_weights_given), p->conv ? dnnl_abcd : dnnl_ba);
}

static dnnl_status_t allocate(dnn *d, dnn_weights *w)
{
    w->bytes = dnnl_memory_desc_get_size(w->layout);
    w->data = aligned_alloc(64, (w->bytes + 63) & ~(size_t)63);
    return w->data ? dnnl_memory_create(&w->memory, w->layout, d->engine, w->data) : dnnl_out_of_memory;
}

tt_status dnn_pack(dnn *d, const dnn_problem *p, const void *weights, dnn_weights **packed, tt_error *err)
{
    dnnl_primitive_desc_t pd = NULL;
    layout plain = NULL;
    dnnl_memory_t given = NULL;
    dnn_weights *w = tt_alloc_zero(sizeof *w);
    dnnl_status_t s = w ? describe(d, p, NULL, &pd) : dnnl_out_of_memory;
    if (s == dnnl_success)
        s = layout_copy(&w->layout, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    if (s == dnnl_success) s = allocate(d, w);
    if (s == dnnl_success) s = plain_layout(p, &plain);
    /* oneDNN takes a pointer to what it only reads */
    if (s == dnnl_success) s = dnnl_memory_create(&given, plain, d->engine, (void *)(uintptr_t)weights);
    if (s == dnnl_success) s = copy(d, given, plain, w->memory, w->layout);
    if (given) dnnl_memory_destroy(given);
    layout_free(plain);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (s == dnnl_success) {
        *packed = w;
        return TT_OK;
    }
    dnn_unpack(w);
    return failed(s, "packing weights", err);
}

void dnn_unpack(dnn_weights *w)
{
    if (!w) return;
    dnn_unpack(w->more);
    if (w->memory) dnnl_memory_destroy(w->memory);
    layout_free(w->layout);
    free(w->data);
    tt_free(w);
}

size_t dnn_weights_bytes(const dnn_weights *w)
{
    return w->bytes;
}

bool dnn_view_of(const dnn_weights *w, dnn_view *view)
{
    blocks b;
    if (!read_blocks(w->layout, &b) || b.rank != 4 || !(b.type == dnnl_f32 || b.type == dnnl_bf16))
        return false;
    bool of_outputs = b.n == 1 && b.indices[0] == 0;
    bool of_both = b.n == 2 && b.indices[0] == 1 && b.indices[1] == 0;
    /* outputs side by side, or blocks of both, each number with that of the next input */
    bool pairs = b.n >= 2 && b.indices[b.n - 1] == 1 && b.sizes[b.n - 1] == 2;
    bool pairs_of_outputs = pairs && b.n == 2 && b.indices[0] == 0;
    bool pairs_of_both = pairs && b.n == 3 && b.indices[0] == 1 && b.indices[1] == 0;
    if (!of_outputs && !of_both && !pairs_of_outputs && !pairs_of_both) return false;
    bool blocks_of_both = of_both || pairs_of_both;
    *view = (dnn_view){.data = w->data,
                       .bf16 = b.type == dnnl_bf16,
                       .pair = pairs ? 2 : 1,
                       .out_block = b.sizes[blocks_of_both ? 1 : 0],
                       .in_block = (blocks_of_both ? b.sizes[0] : 1) * (pairs ? 2 : 1),
                       .out_step = b.strides[0],
                       .in_step = b.strides[1],
                       .row = b.strides[2],
                       .column = b.strides[3]};
    return true;
}

/* ---- running ---- */

static dnnl_status_t execute(dnn *d, primitive *p, dnnl_memory_t weights, const void *x, const float *bias,
                             void *y)
{
    dnnl_exec_arg_t arguments[5];
    int n = 0;
    dnnl_status_t s = dnnl_memory_set_data_handle(p->x, (void *)(uintptr_t)x);
    if (s == dnnl_success) s = dnnl_memory_set_data_handle(p->y, y);
    arguments[n++] = (dnnl_exec_arg_t){DNNL_ARG_SRC, p->x};
    arguments[n++] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, weights};
    arguments[n++] = (dnnl_exec_arg_t){DNNL_ARG_DST, p->y};
    if (s == dnnl_success && p->bias) {
        s = dnnl_memory_set_data_handle(p->bias, (void *)(uintptr_t)bias);
        arguments[n++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, p->bias};
    }
    if (s == dnnl_success && p->scratch) {
        s = dnnl_memory_set_data_handle(p->scratch, d->scratch);
        arguments[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, p->scratch};
    }
    if (s == dnnl_success) s = dnnl_primitive_execute(p->primitive, d->stream, n, arguments);
    return s == dnnl_success ? dnnl_stream_wait(d->stream) : s;
}

/* The weights in the layout that `p` wants. */
static dnnl_status_t laid_out(dnn *d, const primitive *p, dnn_weights *w, dnnl_memory_t *memory)
{
    dnn_weights **place = &w;
    for (; *place; place = &(*place)->more)
        if (layout_equal(p->weights, (*place)->layout)) {
            *memory = (*place)->memory;
            return dnnl_success;
        }
    dnn_weights *other = tt_alloc_zero(sizeof *other);
    dnnl_status_t s = other ? layout_copy(&other->layout, p->weights) : dnnl_out_of_memory;
    if (s == dnnl_success) s = allocate(d, other);
    if (s == dnnl_success) s = copy(d, w->memory, w->layout, other->memory, other->layout);
    if (s != dnnl_success) {
        dnn_unpack(other);
        return s;
    }
    *place = other;
    *memory = other->memory;
    return s;
}

tt_status dnn_run(dnn *d, const dnn_problem *problem, dnn_weights *w, const void *x, const float *bias,
                  void *y, tt_error *err)
{
    primitive *p;
    dnnl_memory_t weights = NULL;
    choose_threads(d, problem); /* oneDNN cuts work for as many as it sees here, both times */
    dnnl_status_t s = find(d, problem, w, &p);
    if (s == dnnl_success) s = laid_out(d, p, w, &weights);
    if (s == dnnl_success) s = execute(d, p, weights, x, bias, y);
    cpu_set_threads(d->threads);
    if (s == dnnl_success) return TT_OK;
    return failed(s, problem->conv ? "convolution" : "matrix product", err);
}

tt_status dnn_sgemm_f32(bool transposed_b, int64_t m, int64_t n, int64_t k, float scale, const float *a,
                        int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, tt_error *err)
{
    dnnl_status_t s = dnnl_sgemm('N', transposed_b ? 'T' : 'N', m, n, k, scale, a, lda, b, ldb, 0.0f, c, ldc);
    return s == dnnl_success ? TT_OK : failed(s, "matrix product", err);
}
