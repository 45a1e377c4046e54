#include "models/load/sources.h"

#include <stdio.h>
#include <string.h>

typedef struct file_source {
    tt_weight_source base;
    tt_tensor_file *file;
} file_source;

/* VAEs published before diffusers renamed its attention block keep query, key, value and proj_attn. */
static const tt_tensor_view *find_old_attention(const tt_tensor_file *file, const char *name)
{
    static const struct {
        const char *now, *before;
    } renamed[] = {
        {".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."}, {".to_out.0.", ".proj_attn."}};
    if (!strstr(name, "mid_block.attentions.")) return NULL;
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        const char *at = strstr(name, renamed[i].now);
        if (!at) continue;
        char old[256];
        int n = snprintf(old, sizeof old, "%.*s%s%s", (int)(at - name), name, renamed[i].before,
                         at + strlen(renamed[i].now));
        return n > 0 && (size_t)n < sizeof old ? tt_tensor_file_find(file, old) : NULL;
    }
    return NULL;
}

static const tt_tensor_view *find(const file_source *s, const char *name)
{
    const tt_tensor_view *view = tt_tensor_file_find(s->file, name);
    return view ? view : find_old_attention(s->file, name);
}

static tt_status file_get(tt_weight_source *self, const char *name, tt_weight_view *view, tt_error *err)
{
    const file_source *s = (const file_source *)self;
    const tt_tensor_view *stored = find(s, name);
    const char *path = tt_tensor_file_path(s->file);
    if (!stored) return tt_fail(err, TT_ERR_NOT_FOUND, "%s: no tensor %s", path, name);
    if (stored->type < 0)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "%s: tensor %s has type %s, which is not read: convert it to F16 or F32", path, name,
                       stored->dtype);
    if (stored->rank > 4)
        return tt_fail(err, TT_ERR_FORMAT, "%s: tensor %s has %d dimensions: at most 4", path, name,
                       stored->rank);
    *view = (tt_weight_view){.type = (tt_type)stored->type, .rank = stored->rank, .data = stored->data};
    for (int i = 0; i < stored->rank; i++)
        view->shape[i] = stored->shape[i];
    return TT_OK;
}

static bool file_has(tt_weight_source *self, const char *name)
{
    return find((const file_source *)self, name) != NULL;
}

static void file_done(tt_weight_source *self, const char *name)
{
    file_source *s = (file_source *)self;
    const tt_tensor_view *view = find(s, name);
    if (view) tt_tensor_file_give_back(s->file, view);
}

static void file_destroy(tt_weight_source *self)
{
    tt_free(self);
}

tt_weight_source *tt_weights_file(tt_tensor_file *file)
{
    file_source *s = tt_alloc_zero(sizeof *s);
    if (!s) return NULL;
    s->base = (tt_weight_source){file_get, file_has, file_done, file_destroy};
    s->file = file;
    return &s->base;
}

tt_status tt_tensor_names(const tt_tensor_file *file, tt_arena *arena, tt_name_list *list, tt_error *err)
{
    size_t n = tt_tensor_file_count(file);
    const char **names = tt_arena_alloc_array(arena, n, sizeof *names);
    if (!names) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", tt_tensor_file_path(file));
    for (size_t i = 0; i < n; i++)
        names[i] = tt_tensor_file_at(file, i)->name;
    *list = (tt_name_list){names, n};
    return TT_OK;
}
