/* Devices, memory, streams, events and graphs of the emulated CUDA runtime. */
#include "cuda.h"
#include "emulation.h"
#include "fake_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef TT_SANITIZE
#include <sys/mman.h>
#endif

fake_cuda_setup fake_cuda;

typedef struct work {
    void (*run)(void *);
    void (*drop)(void *);
    void *self;
} work;

/* a stream's queue, or a graph */
typedef struct list {
    work *items;
    size_t n, capacity;
} list;

typedef struct block {
    char *data;
    size_t bytes;
    bool device;
} block;

struct CUgraph_st {
    list list;
    int references;
};

struct CUstream_st {
    list queue;
    uint64_t done; /* pieces of work so far */
    cudaGraph_t capture;
    bool spoilt; /* the capture is */
};

struct CUevent_st {
    cudaStream_t stream;
    uint64_t at; /* when this many pieces are done */
    bool captured;
};

#define CUDA_CALL(name) #name,
static const char *const names[] = {CUDA_RUNTIME_CALLS(CUDA_CALL) CUBLASLT_CALLS(CUDA_CALL)
                                        CUDNN_CALLS(CUDA_CALL)};
#undef CUDA_CALL

static int counts[FAKE_CALLS];
static block *blocks;
static size_t n_blocks, used;
static int objects, current_device, lost, last;
static cudaStream_t streams[8];

/* ---- faults ---- */

int fake_enter(int call)
{
    counts[call]++;
    if (!fake_cuda.fail || strcmp(fake_cuda.fail, names[call]) != 0 || --fake_cuda.fail_at > 0) return 0;
    fake_cuda.fail = NULL;
    return fake_cuda.fail_with;
}

int fake_lost(void)
{
    return lost;
}

static cudaError_t failed(int code)
{
    last = code;
    return (cudaError_t)code;
}

/* for calls of the runtime that a lost device fails */
#define ENTER(name)                                                                                          \
    do {                                                                                                     \
        int code_ = fake_enter(FAKE_##name);                                                                 \
        if (lost) code_ = lost;                                                                              \
        if (code_) return failed(code_);                                                                     \
    } while (0)

int fake_cuda_called(const char *name)
{
    for (int i = 0; i < FAKE_CALLS; i++)
        if (strcmp(names[i], name) == 0) return counts[i];
    return -1;
}

int fake_cuda_blocks(void)
{
    return (int)n_blocks;
}

int fake_cuda_objects(void)
{
    return objects;
}

void *fake_new(size_t bytes)
{
    objects++;
    return calloc(1, bytes);
}

void fake_free(void *object)
{
    objects--;
    free(object);
}

/* ---- memory ---- */

static block *block_of(const void *p, size_t bytes)
{
    for (size_t i = 0; i < n_blocks; i++) {
        const char *at = p;
        block *b = &blocks[i];
        if (at >= b->data && at <= b->data + b->bytes && bytes <= (size_t)(b->data + b->bytes - at)) return b;
    }
    return NULL;
}

bool fake_is_device(const void *p, size_t bytes)
{
    block *b = block_of(p, bytes);
    return b && b->device;
}

bool fake_is_pinned(const void *p, size_t bytes)
{
    block *b = block_of(p, bytes);
    return b && !b->device;
}

/* Memory that was given back faults when it is touched: work that was still queued, or a replay, used it.
 * (Address sanitizers see that themselves, and bounds better.) */
#ifdef TT_SANITIZE
static void *pages_get(size_t bytes)
{
    void *data;
    return posix_memalign(&data, 256, bytes ? bytes : 1) ? NULL : data;
}

static void pages_put(void *data, size_t bytes)
{
    (void)bytes;
    free(data);
}
#else
enum { PAGE = 4096 };

/* as near as alignment lets it to the end of its pages, behind which there is nothing either */
static size_t pages_of(size_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE + (bytes ? PAGE : 2 * PAGE);
}

static size_t offset_of(size_t bytes)
{
    return pages_of(bytes) - PAGE - (bytes + 255) / 256 * 256;
}

static void *pages_get(size_t bytes)
{
    char *at = mmap(NULL, pages_of(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return NULL;
    mprotect(at + pages_of(bytes) - PAGE, PAGE, PROT_NONE);
    return at + offset_of(bytes);
}

static void pages_put(void *data, size_t bytes)
{
    mmap((char *)data - offset_of(bytes), pages_of(bytes), PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}
#endif

static cudaError_t block_make(void **p, size_t bytes, bool device)
{
    if (device && (bytes > fake_cuda.memory || used > fake_cuda.memory - bytes))
        return failed(cudaErrorMemoryAllocation);
    void *data = NULL;
    block *more = realloc(blocks, (n_blocks + 1) * sizeof *more);
    if (more) blocks = more;
    if (!more || !(data = pages_get(bytes))) return failed(cudaErrorMemoryAllocation);
    memset(data, 0xff, bytes < 1 << 20 ? bytes : 1 << 20); /* the rest would cost more than it shows */
    blocks[n_blocks++] = (block){data, bytes, device};
    if (device) used += bytes;
    *p = data;
    return cudaSuccess;
}

static cudaError_t block_free(void *p, bool device)
{
    if (!p) return cudaSuccess;
    for (size_t i = 0; i < n_blocks; i++) {
        if (blocks[i].data != p || blocks[i].device != device) continue;
        if (device) used -= blocks[i].bytes;
        pages_put(p, blocks[i].bytes);
        blocks[i] = blocks[--n_blocks];
        return cudaSuccess;
    }
    return failed(cudaErrorInvalidValue);
}

/* ---- streams ---- */

static bool append(list *l, work w)
{
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        work *more = realloc(l->items, capacity * sizeof *more);
        if (!more) return false;
        l->items = more;
        l->capacity = capacity;
    }
    l->items[l->n++] = w;
    return true;
}

static void list_clear(list *l)
{
    for (size_t i = 0; i < l->n; i++)
        l->items[i].drop(l->items[i].self);
    free(l->items);
    *l = (list){0};
}

cudaError_t fake_submit(cudaStream_t stream, void (*run)(void *), void (*drop)(void *), void *self)
{
    work w = {run, drop, self};
    int code = lost;
    if (!code && !stream) code = cudaErrorInvalidResourceHandle;
    if (!code && !append(stream->capture ? &stream->capture->list : &stream->queue, w))
        code = cudaErrorMemoryAllocation;
    if (!code) return cudaSuccess;
    drop(self);
    return failed(code);
}

/* runs what is queued until `at` pieces are done */
static void drain(cudaStream_t s, uint64_t at)
{
    size_t n = 0;
    for (; n < s->queue.n && s->done < at; n++, s->done++) {
        work *w = &s->queue.items[n];
        if (fake_cuda.lose_at > 0 && --fake_cuda.lose_at == 0) lost = fake_cuda.lose_with;
        if (!lost) w->run(w->self);
        w->drop(w->self);
    }
    s->queue.n -= n;
    if (s->queue.n) memmove(s->queue.items, s->queue.items + n, s->queue.n * sizeof *s->queue.items);
}

/* ---- what a capture does not allow ---- */

bool fake_capture_refuses(void)
{
    bool any = false;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (streams[i] && streams[i]->capture) any = streams[i]->spoilt = true;
    return any;
}

static uint64_t *loaded; /* hashes */
static size_t n_loaded;

bool fake_is_loaded(cudaStream_t stream, const void *key, size_t bytes)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ ((const unsigned char *)key)[i]) * 1099511628211u;
    for (size_t i = 0; i < n_loaded; i++)
        if (loaded[i] == hash) return true;
    if (stream && stream->capture) {
        stream->spoilt = true;
        return false;
    }
    uint64_t *more = realloc(loaded, (n_loaded + 1) * sizeof *more);
    if (!more) return false;
    loaded = more;
    loaded[n_loaded++] = hash;
    return true;
}

/* for calls of the runtime that a capture does not allow */
#define ENTER_IDLE(name)                                                                                     \
    do {                                                                                                     \
        ENTER(name);                                                                                         \
        if (fake_capture_refuses()) return failed(cudaErrorStreamCaptureUnsupported);                        \
    } while (0)

cudaError_t fake_cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    ENTER(cudaStreamCreateWithFlags);
    if (flags != cudaStreamNonBlocking) return failed(cudaErrorInvalidValue);
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (!streams[i]) {
            *stream = streams[i] = fake_new(sizeof **stream);
            return cudaSuccess;
        }
    return failed(cudaErrorMemoryAllocation);
}

static void graph_release(cudaGraph_t g)
{
    if (--g->references > 0) return;
    list_clear(&g->list);
    fake_free(g);
}

cudaError_t fake_cudaStreamDestroy(cudaStream_t stream)
{
    int code = fake_enter(FAKE_cudaStreamDestroy);
    if (code) return failed(code);
    if (!lost) drain(stream, UINT64_MAX);
    list_clear(&stream->queue);
    if (stream->capture) graph_release(stream->capture);
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (streams[i] == stream) streams[i] = NULL;
    fake_free(stream);
    return lost ? failed(lost) : cudaSuccess;
}

cudaError_t fake_cudaStreamSynchronize(cudaStream_t stream)
{
    int code = fake_enter(FAKE_cudaStreamSynchronize);
    if (lost) return failed(lost);
    if (stream->capture) {
        stream->spoilt = true;
        return failed(cudaErrorStreamCaptureUnsupported);
    }
    drain(stream, UINT64_MAX); /* an error told here may be an earlier call's: it waits all the same */
    if (lost) code = lost;
    return code ? failed(code) : cudaSuccess;
}

cudaError_t fake_cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    ENTER(cudaEventCreateWithFlags);
    if (flags != cudaEventDisableTiming) return failed(cudaErrorInvalidValue);
    *event = fake_new(sizeof **event);
    return cudaSuccess;
}

cudaError_t fake_cudaEventDestroy(cudaEvent_t event)
{
    int code = fake_enter(FAKE_cudaEventDestroy);
    if (code) return failed(code);
    fake_free(event);
    return lost ? failed(lost) : cudaSuccess;
}

cudaError_t fake_cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    ENTER(cudaEventRecord);
    *event = (struct CUevent_st){stream, stream->done + stream->queue.n, stream->capture != NULL};
    return cudaSuccess;
}

cudaError_t fake_cudaEventSynchronize(cudaEvent_t event)
{
    ENTER(cudaEventSynchronize);
    if (event->captured) {
        if (event->stream->capture) event->stream->spoilt = true;
        return failed(cudaErrorCapturedEvent);
    }
    if (event->stream) drain(event->stream, event->at);
    return lost ? failed(lost) : cudaSuccess;
}

/* ---- graphs ---- */

cudaError_t fake_cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    ENTER(cudaStreamBeginCapture);
    if (stream->capture) return failed(cudaErrorIllegalState);
    if (mode != cudaStreamCaptureModeRelaxed) return failed(cudaErrorInvalidValue);
    stream->capture = fake_new(sizeof *stream->capture);
    stream->capture->references = 1;
    stream->spoilt = false;
    return cudaSuccess;
}

cudaError_t fake_cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    int code = fake_enter(FAKE_cudaStreamEndCapture);
    *graph = NULL;
    if (!stream->capture) return failed(cudaErrorIllegalState);
    if (lost) code = lost;
    if (stream->spoilt) code = cudaErrorStreamCaptureInvalidated;
    if (code)
        graph_release(stream->capture);
    else
        *graph = stream->capture;
    stream->capture = NULL;
    return code ? failed(code) : cudaSuccess;
}

cudaError_t fake_cudaGraphDestroy(cudaGraph_t graph)
{
    ENTER(cudaGraphDestroy);
    graph_release(graph);
    return cudaSuccess;
}

cudaError_t fake_cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    ENTER(cudaGraphInstantiate);
    if (flags) return failed(cudaErrorInvalidValue);
    graph->references++;
    *exec = (cudaGraphExec_t)graph;
    return cudaSuccess;
}

cudaError_t fake_cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    int code = fake_enter(FAKE_cudaGraphExecDestroy);
    if (code) return failed(code);
    graph_release((cudaGraph_t)exec);
    return lost ? failed(lost) : cudaSuccess;
}

static void graph_run(void *self)
{
    const cudaGraph_t g = self;
    for (size_t i = 0; i < g->list.n; i++)
        g->list.items[i].run(g->list.items[i].self);
}

static void graph_drop(void *self)
{
    graph_release(self);
}

cudaError_t fake_cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    ENTER_IDLE(cudaGraphLaunch);
    cudaGraph_t g = (cudaGraph_t)exec;
    g->references++;
    return fake_submit(stream, graph_run, graph_drop, g);
}

/* ---- copies ---- */

typedef struct copying {
    char *to;
    const char *from;
    size_t bytes, rows, to_pitch, from_pitch, planes, to_plane, from_plane;
    int value; /* of a memset: from is NULL */
} copying;

static void copy_run(void *self)
{
    const copying *c = self;
    size_t to_bytes = (c->planes - 1) * c->to_plane + (c->rows - 1) * c->to_pitch + c->bytes;
    if (!block_of(c->to, to_bytes) || (c->from && !block_of(c->from, c->bytes))) {
        fprintf(stderr, "emulated CUDA: a copy from or to memory that was freed\n");
        abort();
    }
    for (size_t z = 0; z < c->planes; z++)
        for (size_t y = 0; y < c->rows; y++) {
            char *to = c->to + z * c->to_plane + y * c->to_pitch;
            if (c->from)
                memcpy(to, c->from + z * c->from_plane + y * c->from_pitch, c->bytes);
            else
                memset(to, c->value, c->bytes);
        }
}

static cudaError_t copy_submit(cudaStream_t stream, copying c)
{
    copying *kept = fake_new(sizeof *kept);
    *kept = c;
    return fake_submit(stream, copy_run, fake_free, kept);
}

cudaError_t fake_cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                                 cudaStream_t stream)
{
    ENTER(cudaMemcpyAsync);
    bool right = kind == cudaMemcpyHostToDevice     ? fake_is_device(to, bytes) && fake_is_pinned(from, bytes)
                 : kind == cudaMemcpyDeviceToHost   ? fake_is_pinned(to, bytes) && fake_is_device(from, bytes)
                 : kind == cudaMemcpyDeviceToDevice ? fake_is_device(to, bytes) && fake_is_device(from, bytes)
                                                    : false;
    if (!right) return failed(cudaErrorInvalidValue);
    return copy_submit(stream, (copying){.to = to, .from = from, .bytes = bytes, .rows = 1, .planes = 1});
}

cudaError_t fake_cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    ENTER(cudaMemsetAsync);
    if (!fake_is_device(to, bytes)) return failed(cudaErrorInvalidValue);
    return copy_submit(stream, (copying){.to = to, .bytes = bytes, .rows = 1, .planes = 1, .value = value});
}

cudaError_t fake_cudaMemcpy3DAsync(const struct cudaMemcpy3DParms *p, cudaStream_t stream)
{
    ENTER(cudaMemcpy3DAsync);
    struct cudaExtent e = p->extent;
    struct cudaPitchedPtr from = p->srcPtr, to = p->dstPtr;
    copying c = {
        .bytes = e.width,
        .rows = e.height,
        .planes = e.depth,
        .to_pitch = to.pitch,
        .from_pitch = from.pitch,
        .to_plane = to.pitch * to.ysize,
        .from_plane = from.pitch * from.ysize,
    };
    if (p->kind != cudaMemcpyDeviceToDevice || p->srcArray || p->dstArray || !e.width || !e.height ||
        !e.depth || p->srcPos.x + e.width > from.pitch || p->dstPos.x + e.width > to.pitch ||
        p->srcPos.y + e.height > from.ysize || p->dstPos.y + e.height > to.ysize)
        return failed(cudaErrorInvalidValue);
    c.from = (char *)from.ptr + p->srcPos.z * c.from_plane + p->srcPos.y * from.pitch + p->srcPos.x;
    c.to = (char *)to.ptr + p->dstPos.z * c.to_plane + p->dstPos.y * to.pitch + p->dstPos.x;
    size_t span_from = (e.depth - 1) * c.from_plane + (e.height - 1) * from.pitch + e.width;
    size_t span_to = (e.depth - 1) * c.to_plane + (e.height - 1) * to.pitch + e.width;
    if (!fake_is_device(c.from, span_from) || !fake_is_device(c.to, span_to))
        return failed(cudaErrorInvalidValue);
    return copy_submit(stream, c);
}

cudaError_t fake_cudaMalloc(void **p, size_t bytes)
{
    ENTER_IDLE(cudaMalloc);
    return block_make(p, bytes, true);
}

cudaError_t fake_cudaMallocHost(void **p, size_t bytes)
{
    ENTER_IDLE(cudaMallocHost);
    return block_make(p, bytes, false);
}

cudaError_t fake_cudaFree(void *p)
{
    ENTER_IDLE(cudaFree);
    return block_free(p, true);
}

cudaError_t fake_cudaFreeHost(void *p)
{
    ENTER_IDLE(cudaFreeHost);
    return block_free(p, false);
}

cudaError_t fake_cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    ENTER(cudaMemGetInfo);
    *total = fake_cuda.memory;
    *free_bytes = *total - used;
    return cudaSuccess;
}

/* ---- devices ---- */

cudaError_t fake_cudaDriverGetVersion(int *version)
{
    *version = fake_cuda.driver;
    return failed(fake_enter(FAKE_cudaDriverGetVersion));
}

cudaError_t fake_cudaRuntimeGetVersion(int *version)
{
    *version = fake_cuda.runtime;
    return failed(fake_enter(FAKE_cudaRuntimeGetVersion));
}

cudaError_t fake_cudaGetDeviceCount(int *n)
{
    int code = fake_enter(FAKE_cudaGetDeviceCount);
    *n = fake_cuda.devices;
    if (!code && fake_cuda.driver < fake_cuda.runtime / 1000 * 1000) code = cudaErrorInsufficientDriver;
    if (!code && *n == 0) code = cudaErrorNoDevice;
    return code ? failed(code) : cudaSuccess;
}

cudaError_t fake_cudaSetDevice(int device)
{
    ENTER(cudaSetDevice);
    if (device < 0 || device >= fake_cuda.devices) return failed(cudaErrorInvalidDevice);
    current_device = device;
    return cudaSuccess;
}

cudaError_t fake_cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
    ENTER(cudaDeviceGetAttribute);
    if (device < 0 || device >= fake_cuda.devices) return failed(cudaErrorInvalidDevice);
    switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
        *value = fake_cuda.capability / 10;
        return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
        *value = fake_cuda.capability % 10;
        return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
        *value = 4;
        return cudaSuccess;
    default:
        return failed(cudaErrorInvalidValue);
    }
}

cudaError_t fake_cudaGetDeviceProperties(struct cudaDeviceProp *p, int device)
{
    ENTER(cudaGetDeviceProperties);
    if (device < 0 || device >= fake_cuda.devices) return failed(cudaErrorInvalidDevice);
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "emulated device");
    p->major = fake_cuda.capability / 10;
    p->minor = fake_cuda.capability % 10;
    p->multiProcessorCount = 4;
    p->totalGlobalMem = fake_cuda.memory;
    return cudaSuccess;
}

/* An error that the device does not survive stays. */
cudaError_t fake_cudaGetLastError(void)
{
    fake_enter(FAKE_cudaGetLastError);
    int code = lost ? lost : last;
    last = 0;
    return (cudaError_t)code;
}

const char *fake_cudaGetErrorName(cudaError_t code)
{
    return cudaGetErrorName(code);
}

const char *fake_cudaGetErrorString(cudaError_t code)
{
    return cudaGetErrorString(code);
}

/* ---- kernels ---- */

static int launches;

int fake_cuda_launched(void)
{
    return launches;
}

static int on_launch(void *stream, void *kernel, void (*run)(void *), void (*drop)(void *), void *launched)
{
    launches++;
    if (!fake_is_loaded(stream, &kernel, sizeof kernel)) {
        drop(launched);
        return (int)failed(cudaErrorStreamCaptureUnsupported);
    }
    if (fake_cuda.fail && strcmp(fake_cuda.fail, "cudaLaunchKernel") == 0 && --fake_cuda.fail_at <= 0) {
        fake_cuda.fail = NULL;
        drop(launched);
        return (int)failed(fake_cuda.fail_with);
    }
    return (int)fake_submit(stream, run, drop, launched);
}

/* ---- numbers ---- */

float fake_load(tt_type type, const void *data, int64_t i)
{
    if (type == TT_F32) return ((const float *)data)[i];
    uint16_t bits = ((const uint16_t *)data)[i];
    return type == TT_BF16 ? tt_f32_from_bf16(bits) : tt_f32_from_f16(bits);
}

void fake_store(tt_type type, void *data, int64_t i, double x)
{
    float y = (float)x;
    if (type == TT_F32)
        ((float *)data)[i] = y;
    else
        ((uint16_t *)data)[i] = type == TT_BF16 ? tt_bf16_from_f32(y) : tt_f16_from_f32(y);
}

float fake_tf32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7f800000u) != 0x7f800000u) bits = (bits + 0x1000u) & ~0x1fffu;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

/* ---- the table ---- */

static const char *load(void)
{
    return fake_cuda.missing;
}

cuda_calls cuda_call = {
#define CUDA_CALL(name) .name = fake_##name,
    CUDA_RUNTIME_CALLS(CUDA_CALL) CUBLASLT_CALLS(CUDA_CALL) CUDNN_CALLS(CUDA_CALL)
#undef CUDA_CALL
        .load = load,
};

void fake_cuda_reset(void)
{
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (streams[i]) {
            list_clear(&streams[i]->queue);
            fake_free(streams[i]);
            streams[i] = NULL;
        }
    for (; n_blocks > 0; n_blocks--)
        pages_put(blocks[n_blocks - 1].data, blocks[n_blocks - 1].bytes);
    used = n_loaded = 0;
    lost = last = objects = launches = 0;
    memset(counts, 0, sizeof counts);
    fake_cuda = (fake_cuda_setup){.driver = CUDART_VERSION,
                                  .runtime = CUDART_VERSION,
                                  .devices = 1,
                                  .capability = 90,
                                  .memory = (size_t)4 << 30,
                                  .lose_with = cudaErrorIllegalAddress};
    emulation_on_launch = on_launch;
}

const tt_backend *cuda_emulated(void)
{
    if (!emulation_on_launch) fake_cuda_reset();
    return &cuda_backend;
}
