/* Scopes and the blocks that they reuse. A forward pass asks for the same sizes every time, so once the
 * device has kept the blocks of the first passes, later ones allocate nothing. */
#include "tensor/device.h"

struct tt_scope {
    tt_device *device;
    tt_blocks blocks;
};

/* Room for one more, so that the caller's next insert cannot fail. */
static bool reserve(tt_blocks *b)
{
    if (b->n < b->capacity) return true;
    size_t capacity = b->capacity ? b->capacity * 2 : 16, bytes;
    if (!tt_size_mul(capacity, sizeof *b->items, &bytes)) return false;
    tt_block *grown = tt_realloc(b->items, bytes);
    if (!grown) return false;
    b->items = grown;
    b->capacity = capacity;
    return true;
}

/* Index of the first kept block of at least `size` bytes. */
static size_t lower_bound(const tt_blocks *b, size_t size)
{
    size_t low = 0, high = b->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->items[middle].size < size)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void release(tt_device *device, tt_block block)
{
    device->live_bytes -= block.used;
    if (block.pass && block.pass == device->pass) tt_places_give(&device->places, block.at);
    if (block.in_region) return;
    block.pass = 0;
    if (!reserve(&device->kept)) {
        device->backend->free(device->self, block.data);
        return;
    }
    tt_blocks *kept = &device->kept;
    size_t at = lower_bound(kept, block.size);
    for (size_t i = kept->n; i > at; i--)
        kept->items[i] = kept->items[i - 1];
    kept->items[at] = block;
    kept->n++;
}

static bool take_kept(tt_device *device, size_t size, tt_block *block)
{
    tt_blocks *kept = &device->kept;
    size_t at = lower_bound(kept, size);
    /* best fit, but a block more than half again too large stays for a request of its own size */
    if (at == kept->n || kept->items[at].size - size > size / 2) return false;
    *block = kept->items[at];
    kept->n--;
    for (size_t i = at; i < kept->n; i++)
        kept->items[i] = kept->items[i + 1];
    return true;
}

/* A block of its own; of the region while operations are recorded. */
static bool find_block(tt_device *device, size_t size, tt_block *block)
{
    if (device->is_recording) {
        if (block->at > device->region_bytes || size > device->region_bytes - block->at) return false;
        block->size = size;
        block->data = device->region + block->at;
        block->in_region = true;
        return true;
    }
    if (take_kept(device, size, block)) return true;
    block->size = size;
    do
        block->data = device->backend->alloc(device->self, size);
    while (!block->data && tt_device_make_room(device));
    return block->data != NULL;
}

static bool acquire(tt_device *device, size_t size, tt_block *block)
{
    size_t at = 0;
    if (device->pass && !tt_places_take(&device->places, size, &at)) return false;
    *block = (tt_block){.at = at};
    if (!find_block(device, size, block)) {
        if (device->pass) tt_places_give(&device->places, at);
        return false;
    }
    block->pass = device->pass;
    block->at = at;
    block->used = size;
    device->live_bytes += size;
    if (device->live_bytes > device->peak_bytes) device->peak_bytes = device->live_bytes;
    return true;
}

void tt_device_trim(tt_device *device)
{
    for (size_t i = 0; i < device->kept.n; i++)
        device->backend->free(device->self, device->kept.items[i].data);
    device->kept.n = 0;
}

tt_status tt_scope_open(tt_device *device, tt_scope **scope, tt_error *err)
{
    *scope = tt_alloc_zero(sizeof **scope);
    if (!*scope) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a scope");
    (*scope)->device = device;
    device->n_scopes++;
    return TT_OK;
}

void tt_scope_close(tt_scope *scope)
{
    if (!scope) return;
    for (size_t i = scope->blocks.n; i > 0; i--)
        release(scope->device, scope->blocks.items[i - 1]);
    scope->device->n_scopes--;
    tt_free(scope->blocks.items);
    tt_free(scope);
}

tt_device *tt_scope_device(const tt_scope *scope)
{
    return scope->device;
}

tt_status tt_tensor_create(tt_scope *scope, tt_type type, int32_t rank, const int64_t *shape, tt_tensor *out,
                           tt_error *err)
{
    *out = (tt_tensor){0};
    int64_t count;
    size_t bytes;
    if (!tt_type_size(type)) return tt_fail(err, TT_ERR_INVALID, "tensor of unknown type %d", (int)type);
    if (!tt_shape_count(rank, shape, &count) || !tt_size_mul((size_t)count, tt_type_size(type), &bytes) ||
        !tt_size_add(bytes, 63, &bytes))
        return tt_fail(err, TT_ERR_INVALID,
                       "tensor of rank %d: rank must be 0..%d, every dimension >= 1, and the size must fit",
                       rank, TT_MAX_RANK);
    bytes &= ~(size_t)63;
    tt_block block;
    if (!reserve(&scope->blocks) || !acquire(scope->device, bytes, &block))
        return tt_fail(err, TT_ERR_MEMORY,
                       "out of memory on backend %s: %zu bytes asked, %zu in use: use a smaller batch",
                       scope->device->backend->name, bytes, scope->device->live_bytes);
    scope->blocks.items[scope->blocks.n++] = block;
    *out = (tt_tensor){.type = type, .rank = rank, .row_stride = 1, .data = block.data};
    for (int32_t i = 0; i < rank; i++)
        out->shape[i] = shape[i];
    if (rank) out->row_stride = shape[rank - 1];
    return TT_OK;
}
