#include "support/recorder.h"

#include "support/test.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

/* An operation with its tensors, or copies. */
typedef struct noted {
    tt_op op;
    tt_tensor in[TT_OP_MAX_IN], out[TT_OP_MAX_OUT];
    tt_copy_region *regions;
    size_t n_regions;
} noted;

typedef struct sequence {
    noted *items;
    size_t n;
} sequence;

typedef struct device {
    void *inner;
    sequence *open; /* being recorded; NULL: nothing is */
    struct {
        char *at;
        size_t bytes;
    } blocks[512];
} device;

static tt_recorder_counts counts;
static int fail_nth;
static size_t memory;
static tt_status refused[TT_RECORDER_CALLS];
static bool of_batch;

static tt_status refuse(tt_recorder_call call, tt_error *err)
{
    tt_status status = refused[call];
    refused[call] = TT_OK;
    return status ? tt_fail(err, status, "refused by the test") : TT_OK;
}

static const tt_backend *inner(void)
{
    return tt_backend_reference();
}

static const char *describe(void *self)
{
    device *d = self;
    return inner()->describe(d->inner);
}

static tt_status open_device(const tt_device_options *options, void **self, tt_error *err)
{
    device *d = calloc(1, sizeof *d);
    ck_assert_ptr_nonnull(d);
    *self = d;
    return inner()->open(options, &d->inner, err);
}

static void close_device(void *self)
{
    device *d = self;
    ck_assert_ptr_null(d->open);
    inner()->close(d->inner);
    free(d);
}

/* ---- memory ---- */

static void *allocate(void *self, size_t bytes)
{
    device *d = self;
    ck_assert_msg(!d->open, "memory was asked for while recording");
    if (fail_nth == 1) return NULL;
    if (fail_nth) fail_nth--;
    if (memory && (bytes > memory || counts.held > memory - bytes)) return NULL;
    char *at = inner()->alloc(d->inner, bytes);
    for (size_t i = 0; i < sizeof d->blocks / sizeof *d->blocks && at; i++)
        if (!d->blocks[i].at) {
            d->blocks[i].at = at;
            d->blocks[i].bytes = bytes;
            counts.held += bytes;
            return at;
        }
    ck_assert_msg(!at, "more blocks than the recorder has room for");
    return NULL;
}

static void release(void *self, void *p)
{
    device *d = self;
    for (size_t i = 0; i < sizeof d->blocks / sizeof *d->blocks && p; i++)
        if (d->blocks[i].at == p) {
            d->blocks[i].at = NULL;
            counts.held -= d->blocks[i].bytes;
        }
    inner()->free(d->inner, p);
}

static void check_allocated(const device *d, const void *p, size_t bytes)
{
    const char *at = p;
    for (size_t i = 0; i < sizeof d->blocks / sizeof *d->blocks; i++) {
        const char *block = d->blocks[i].at;
        if (block && at >= block && at + bytes <= block + d->blocks[i].bytes) return;
    }
    ck_abort_msg("a replay uses memory that was given back");
}

static void check_tensor(const device *d, const tt_tensor *t)
{
    if (!t) return;
    int64_t rows = tt_tensor_rows(t), width = t->rank ? t->shape[t->rank - 1] : 1;
    check_allocated(d, t->data, (size_t)((rows - 1) * t->row_stride + width) * tt_type_size(t->type));
}

static tt_status upload(void *self, void *to, const void *from, size_t bytes, tt_error *err)
{
    device *d = self;
    ck_assert_msg(!d->open, "an upload while recording");
    return inner()->upload(d->inner, to, from, bytes, err);
}

static tt_status download(void *self, void *to, const void *from, size_t bytes, tt_error *err)
{
    device *d = self;
    ck_assert_msg(!d->open, "a download while recording");
    return inner()->download(d->inner, to, from, bytes, err);
}

/* ---- operations ---- */

static bool supports(void *self, tt_op_code code, tt_type type)
{
    device *d = self;
    return inner()->supports(d->inner, code, type);
}

static tt_status pack(void *self, const tt_op *like, const tt_weights *weights, tt_type type,
                      tt_packed **packed, tt_error *err)
{
    device *d = self;
    ck_assert_msg(!d->open, "weights were packed while recording");
    tt_status status = refuse(TT_RECORDER_PACK, err);
    return status ? status : inner()->pack(d->inner, like, weights, type, packed, err);
}

static void unpack(void *self, tt_packed *packed)
{
    device *d = self;
    inner()->unpack(d->inner, packed);
}

static noted *note(device *d)
{
    sequence *s = d->open;
    s->items = realloc(s->items, (s->n + 1) * sizeof *s->items);
    ck_assert_ptr_nonnull(s->items);
    s->items[s->n] = (noted){0};
    return &s->items[s->n++];
}

static tt_status run(void *self, const tt_op *op, tt_error *err)
{
    device *d = self;
    tt_status status = refuse(d->open ? TT_RECORDER_NOTE : TT_RECORDER_RUN, err);
    if (status) return status;
    if (!d->open) {
        counts.ran++;
        int64_t rows = op->in[0]->rank >= 3 ? op->in[0]->shape[0] : 0;
        if (rows && (rows < counts.fewest || !counts.fewest)) counts.fewest = rows;
        if (rows > counts.most) counts.most = rows;
        return inner()->run(d->inner, op, err);
    }
    noted *n = note(d);
    n->op = *op;
    for (int i = 0; i < TT_OP_MAX_IN; i++)
        if (op->in[i]) n->in[i] = *op->in[i];
    for (int i = 0; i < TT_OP_MAX_OUT; i++)
        if (op->out[i]) n->out[i] = *op->out[i];
    return TT_OK;
}

static tt_status copy(void *self, size_t n_regions, const tt_copy_region *regions, tt_error *err)
{
    (void)err;
    device *d = self;
    for (size_t i = 0; i < n_regions && !d->open; i++) {
        check_allocated(d, regions[i].to, regions[i].bytes);
        check_allocated(d, regions[i].from, regions[i].bytes);
        memcpy(regions[i].to, regions[i].from, regions[i].bytes);
    }
    if (!d->open) return TT_OK;
    noted *n = note(d);
    n->regions = malloc((n_regions + 1) * sizeof *regions);
    ck_assert_ptr_nonnull(n->regions);
    memcpy(n->regions, regions, n_regions * sizeof *regions);
    n->n_regions = n_regions;
    return TT_OK;
}

/* ---- recordings ---- */

static tt_status record_begin(void *self, tt_error *err)
{
    device *d = self;
    ck_assert_ptr_null(d->open);
    tt_status status = refuse(TT_RECORDER_BEGIN, err);
    if (status) return status;
    d->open = calloc(1, sizeof *d->open);
    ck_assert_ptr_nonnull(d->open);
    return TT_OK;
}

static void sequence_free(sequence *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i].regions);
    free(s->items);
    free(s);
}

static tt_status record_end(void *self, void **recording, tt_error *err)
{
    device *d = self;
    ck_assert_ptr_nonnull(d->open);
    sequence *s = d->open;
    d->open = NULL;
    *recording = NULL;
    tt_status status = refuse(TT_RECORDER_END, err);
    if (status) {
        sequence_free(s);
        return status;
    }
    *recording = s;
    counts.recordings++;
    return TT_OK;
}

static tt_status replay(void *self, void *recording, tt_error *err)
{
    device *d = self;
    const sequence *s = recording;
    tt_status status = refuse(TT_RECORDER_REPLAY, err);
    ck_assert_ptr_null(d->open);
    counts.replays++;
    for (size_t i = 0; i < s->n && !status; i++) {
        noted *n = &s->items[i];
        if (n->regions) {
            status = copy(d, n->n_regions, n->regions, err);
            continue;
        }
        tt_op op = n->op;
        for (int k = 0; k < TT_OP_MAX_IN; k++)
            check_tensor(d, op.in[k] = op.in[k] ? &n->in[k] : NULL);
        for (int k = 0; k < TT_OP_MAX_OUT; k++)
            check_tensor(d, op.out[k] = op.out[k] ? &n->out[k] : NULL);
        status = inner()->run(d->inner, &op, err);
    }
    return status;
}

static void recording_free(void *self, void *recording)
{
    (void)self;
    sequence_free(recording);
    counts.freed++;
}

const tt_backend *tt_test_recorder(void)
{
    static tt_backend table;
    table = (tt_backend){
        .abi = inner()->abi,
        .size = sizeof table,
        .name = "recorder",
        .describe = describe,
        .open = open_device,
        .close = close_device,
        .alloc = allocate,
        .free = release,
        .upload = upload,
        .download = download,
        .supports = supports,
        .pack = pack,
        .unpack = unpack,
        .run = run,
        .traits = of_batch ? TT_BACKEND_BATCH_IN_BITS : 0,
        .copy = copy,
        .record_begin = record_begin,
        .record_end = record_end,
        .replay = replay,
        .recording_free = recording_free,
    };
    return &table;
}

tt_recorder_counts tt_test_recorder_counts(void)
{
    return counts;
}

void tt_test_recorder_of_batch(bool yes)
{
    of_batch = yes;
}

void tt_test_recorder_fail_allocation(int nth)
{
    fail_nth = nth;
}

void tt_test_recorder_memory(size_t bytes)
{
    memory = bytes;
}

void tt_test_recorder_refuse(tt_recorder_call call, tt_status status)
{
    refused[call] = status;
}
