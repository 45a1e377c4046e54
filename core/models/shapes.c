#include "models/shapes.h"
#include "base/mem.h"

#include <string.h>

static void shape_free(tt_shape *s)
{
    if (!s) return;
    tt_recording_free(s->recording);
    tt_value_free(&s->out);
    tt_scope_close(s->scope);
    tt_free(s->inputs);
    tt_free(s);
}

void tt_shapes_forget(tt_shapes *shapes)
{
    for (int i = 0; i < TT_SHAPES; i++) {
        shape_free(shapes->kept[i]);
        shapes->kept[i] = NULL;
    }
}

static tt_status compute(void *shape, tt_error *err)
{
    tt_shape *s = shape;
    tt_value_free(&s->out);
    return s->of->compute(s->of->network, s, err);
}

static tt_status shape_make(tt_shapes *shapes, const int key[TT_SHAPE_KEYS], tt_shape **shape, tt_error *err)
{
    tt_shape *s = tt_alloc_zero(sizeof *s);
    if (s) s->inputs = tt_alloc_array((size_t)shapes->n_inputs, sizeof *s->inputs);
    if (!s || !s->inputs) {
        tt_free(s);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for a batch");
    }
    s->of = shapes;
    memcpy(s->key, key, sizeof s->key);
    tt_status status = tt_scope_open(shapes->device, &s->scope, err);
    if (!status) status = shapes->create(shapes->network, s, err);
    if (!status) status = tt_recording_create(shapes->device, compute, s, &s->recording, err);
    if (status)
        shape_free(s);
    else
        *shape = s;
    return status;
}

tt_status tt_shape_take(tt_shapes *shapes, const int key[TT_SHAPE_KEYS], tt_shape **shape, tt_error *err)
{
    *shape = NULL;
    for (int i = 0; i < TT_SHAPES && shapes->kept[i]; i++) {
        if (memcmp(shapes->kept[i]->key, key, sizeof shapes->kept[i]->key) != 0) continue;
        *shape = shapes->kept[i];
        memmove(shapes->kept + i, shapes->kept + i + 1, (size_t)(TT_SHAPES - 1 - i) * sizeof *shapes->kept);
        shapes->kept[TT_SHAPES - 1] = NULL;
        return TT_OK;
    }
    return shape_make(shapes, key, shape, err);
}

void tt_shape_give(tt_shape *s)
{
    if (!s) return;
    if (!tt_device_records(s->of->device)) {
        shape_free(s);
        return;
    }
    tt_shape **kept = s->of->kept;
    shape_free(kept[TT_SHAPES - 1]);
    memmove(kept + 1, kept, (TT_SHAPES - 1) * sizeof *kept);
    kept[0] = s;
}

tt_status tt_shape_run(tt_shape *s, tt_error *err)
{
    return tt_recording_run(s->recording, err);
}
