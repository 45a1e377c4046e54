/* The backend's table and its device. */
#include "cpu.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "telltale/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *describe(void *self)
{
    return ((cpu *)self)->description;
}

static const char *unavailable(void)
{
    return NULL; /* there are kernels for every processor */
}

static const cpu_kernels *kernels_for(cpu_isa isa)
{
#if defined(__x86_64__)
#ifdef TT_CPU_TILES
    const cpu_kernels *tiles = &cpu_kernels_amx_bf16;
#else
    /* where there are tiles, AVX-512's own bf16 products are slower than f32's */
    const cpu_kernels *tiles = &cpu_kernels_avx512;
#endif
    const cpu_kernels *all[] = {&cpu_kernels_generic, &cpu_kernels_avx2, &cpu_kernels_avx512,
                                &cpu_kernels_avx512_bf16, tiles};
    return all[isa];
#else
    (void)isa;
    return &cpu_kernels_generic;
#endif
}

static void close_cpu(void *self)
{
    cpu *c = self;
    if (!c) return;
    dnn_close(c->dnn);
    free(c->scratch);
    tt_free(c);
}

static tt_status open_cpu(const tt_device_options *options, void **self, tt_error *err)
{
    if (options->index != 0)
        return tt_fail(err, TT_ERR_INVALID, "backend cpu: index is %d: there is one CPU device, number 0",
                       options->index);
    cpu *c = tt_alloc_zero(sizeof *c);
    if (!c) return tt_fail(err, TT_ERR_MEMORY, "backend cpu: out of memory");
    c->threads = options->threads > 0 ? options->threads : tt_processors();
    c->isa = cpu_isa_detect();
    c->native_bf16 = c->isa >= CPU_AVX512_BF16;
    c->k = kernels_for(c->isa);
    dnn_limit_isa(c->isa);
    c->blas = blas_open(c->isa);
    tt_status status = dnn_open(c->threads, &c->dnn, err);
    if (status) {
        close_cpu(c);
        return status;
    }
    const char *bf16 = c->k->packing == CPU_TILES ? "tiles" : c->native_bf16 ? "native" : "through f32";
    snprintf(c->description, sizeof c->description, "cpu 2 (%s, bf16 %s, %s, %s, %d thread%s)",
             cpu_isa_name(c->isa), bf16, dnn_version(), blas_version(), c->threads,
             c->threads == 1 ? "" : "s");
    *self = c;
    return TT_OK;
}

static void *alloc_aligned(void *self, size_t bytes)
{
    (void)self;
    size_t rounded;
    return tt_size_add(bytes, 63, &rounded) ? aligned_alloc(64, rounded & ~(size_t)63) : NULL;
}

static void free_aligned(void *self, void *p)
{
    (void)self;
    free(p);
}

static tt_status move(void *self, void *to, const void *from, size_t bytes, tt_error *err)
{
    (void)self, (void)err;
    memcpy(to, from, bytes);
    return TT_OK;
}

static bool supports(void *self, tt_op_code code, tt_type type)
{
    (void)self;
    return code == TT_OP_CAST || type == TT_F32 || type == TT_BF16;
}

void *cpu_scratch(cpu *c, size_t bytes)
{
    if (bytes > c->scratch_bytes) {
        free(c->scratch);
        c->scratch_bytes = 0;
        c->scratch = alloc_aligned(c, bytes);
        if (!c->scratch) return NULL;
        c->scratch_bytes = bytes;
    }
    return c->scratch;
}

tt_status cpu_misfit(const tt_op *op, tt_error *err)
{
    return tt_fail(err, TT_ERR_INVALID, "%s: the packed weights are for another shape, type or operation",
                   tt_op_name(op->code));
}

tt_status cpu_no_memory(const tt_op *op, tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for scratch", tt_op_name(op->code));
}

static tt_status pack(void *self, const tt_op *like, const tt_weights *w, tt_type type, tt_packed **packed,
                      tt_error *err)
{
    cpu *c = self;
    cpu_set_threads(c->threads);
    if (type == TT_BF16 && !c->native_bf16 && !c->warned) {
        c->warned = true;
        tt_log(TT_LOG_WARNING,
               "backend cpu: no instructions for bf16 here (%s): bf16 is computed through f32, slower than "
               "f32 itself and no more exact than bf16; prefer f32",
               cpu_isa_name(c->isa));
    }
    return cpu_pack(c, like, w, type, packed, err);
}

static void unpack(void *self, tt_packed *packed)
{
    (void)self;
    cpu_unpack(packed);
}

static tt_status run(void *self, const tt_op *op, tt_error *err)
{
    cpu *c = self;
    cpu_set_threads(c->threads);
    if (op->packed && (op->packed->code != op->code || op->packed->type != op->out[0]->type))
        return cpu_misfit(op, err);
    if (tt_tensor_count(op->out[0]) == 0) return TT_OK;
    switch (op->code) {
    case TT_OP_LINEAR:
        return cpu_linear(c, op, err);
    case TT_OP_CONV2D:
        return cpu_conv(c, op, err);
    case TT_OP_GROUP_NORM:
    case TT_OP_LAYER_NORM:
        return cpu_norm(c, op, err);
    case TT_OP_ATTENTION:
        return cpu_attend(c, op, err);
    default:
        return cpu_elementwise(c, op, err);
    }
}

static const tt_backend backend = {
    .abi = TT_ABI_VERSION,
    .size = sizeof backend,
    .name = "cpu",
    .describe = describe,
    .unavailable = unavailable,
    .open = open_cpu,
    .close = close_cpu,
    .alloc = alloc_aligned,
    .free = free_aligned,
    .upload = move,
    .download = move,
    .supports = supports,
    .pack = pack,
    .unpack = unpack,
    .run = run,
};

/* ---- the plugin ---- */

static tt_status init(const tt_host *host, const char *path, tt_error *err)
{
    (void)host, (void)path, (void)err;
    return TT_OK;
}

static void deinit(void)
{
}

static const tt_plugin_info *info(uint32_t index)
{
    static const tt_plugin_info cpu_info = {
        .size = sizeof cpu_info,
        .kind = TT_KIND_BACKEND,
        .name = "cpu",
        .revision = 2,
        .version = "1",
        .summary = "processors: oneDNN, OpenBLAS and own kernels for AVX-512, AVX2 and any other",
    };
    return index == 0 ? &cpu_info : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    return kind == TT_KIND_BACKEND && strcmp(name, "cpu") == 0 ? &backend : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {.abi = TT_ABI_VERSION,
                                             .size = sizeof tt_plugin,
                                             .init = init,
                                             .deinit = deinit,
                                             .info = info,
                                             .get = get};
