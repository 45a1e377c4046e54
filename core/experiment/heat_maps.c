#include "experiment/heat_maps.h"
#include "base/file.h"
#include "runtime/word_maps.h"

#include <stdio.h>
#include <string.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for heat maps");
}

/* ---- in the store ---- */

/* Marks the samples about whose captions these steps asked the service; its folder in the store, or NULL. */
static const char *mark_asked(const tt_spec *spec, const char *service, const tt_measure_step *steps,
                              size_t n_steps, bool *asked)
{
    const char *folder = NULL;
    for (size_t k = 0; k < n_steps; k++) {
        const tt_measure_step *step = &steps[k];
        bool own_captions = spec->captions_known && !step->universe->captions_withheld &&
                            !spec->attacks[step->attack].fixed_caption;
        if (!own_captions || !tt_step_complete(&steps[step->same_as])) continue;
        for (uint32_t i = 0; i < step->plan->n_services; i++) {
            if (strcmp(step->plan->services[i], service) != 0) continue;
            folder = step->words[i];
            for (size_t s = 0; s < step->universe->n; s++)
                asked[step->universe->refs[s].index] = true;
        }
    }
    return folder;
}

/* Lists that grow while files are read. */
typedef struct lists {
    tt_buf sample, first, word, weight, peak, map;
    uint32_t side, n, n_words;
} lists;

static void free_lists(lists *l)
{
    tt_buf_free(&l->sample);
    tt_buf_free(&l->first);
    tt_buf_free(&l->word);
    tt_buf_free(&l->weight);
    tt_buf_free(&l->peak);
    tt_buf_free(&l->map);
}

static bool add(lists *l, uint32_t sample, const tt_word_maps *m)
{
    l->side = m->side;
    l->n++;
    l->n_words += m->n;
    return tt_buf_append(&l->sample, &sample, sizeof sample) &&
           tt_buf_append(&l->first, &l->n_words, sizeof l->n_words) &&
           tt_buf_append(&l->word, m->words, m->n * sizeof *m->words) &&
           tt_buf_append(&l->weight, m->weights, m->n * sizeof *m->weights) &&
           tt_buf_append(&l->peak, m->peaks, m->n * sizeof *m->peaks) &&
           tt_buf_append(&l->map, m->cells, (size_t)m->n * m->side * m->side);
}

static const void *keep(tt_arena *arena, const tt_buf *b)
{
    void *copy = tt_arena_alloc(arena, b->size + 1);
    if (copy && b->size) memcpy(copy, b->data, b->size);
    return copy;
}

static tt_status end_lists(const lists *l, tt_arena *arena, tt_result_heat_maps *out, tt_error *err)
{
    out->side = l->side;
    out->n = l->n;
    out->sample = keep(arena, &l->sample);
    out->first = keep(arena, &l->first);
    out->word = keep(arena, &l->word);
    out->weight = keep(arena, &l->weight);
    out->peak = keep(arena, &l->peak);
    out->map = keep(arena, &l->map);
    return out->sample && out->first && out->word && out->weight && out->peak && out->map ? TT_OK
                                                                                          : no_memory(err);
}

static tt_status read_folder(const char *folder, const tt_samples *samples, const bool *asked,
                             tt_arena *arena, tt_result_heat_maps *out, tt_error *err)
{
    lists l = {0};
    const uint32_t none = 0;
    tt_status s = tt_buf_append(&l.first, &none, sizeof none) ? TT_OK : no_memory(err);
    for (size_t i = 0; i < samples->n_all && !s; i++) {
        const char *caption = samples->all[i]->item->caption;
        if (!asked[i] || !caption) continue;
        tt_word_maps maps;
        tt_error why = {0};
        s = tt_word_maps_read(folder, caption, arena, &maps, &why);
        bool absent = s == TT_ERR_NOT_FOUND || (!s && l.n && maps.side != l.side);
        if (absent)
            s = TT_OK; /* an attack that gives no words of captions has none */
        else if (s)
            s = tt_fail(err, s, "%s", why.message);
        else if (!add(&l, (uint32_t)i, &maps))
            s = no_memory(err);
    }
    if (!s) s = end_lists(&l, arena, out, err);
    free_lists(&l);
    return s;
}

tt_status tt_heat_maps_find(const tt_spec *spec, const tt_measure_step *steps, size_t n_steps,
                            const char *store, const tt_samples *samples, tt_arena *arena, tt_results *r,
                            tt_error *err)
{
    r->n_heat_maps = 0;
    r->heat_maps = tt_arena_alloc_array(arena, spec->n_services + 1, sizeof *r->heat_maps);
    bool *asked = tt_alloc_array(samples->n_all + 1, sizeof *asked);
    tt_status s = r->heat_maps && asked ? TT_OK : no_memory(err);
    for (size_t i = 0; i < spec->n_services && !s; i++) {
        const tt_spec_service *service = &spec->services[i];
        memset(asked, 0, samples->n_all * sizeof *asked);
        const char *name = mark_asked(spec, service->name, steps, n_steps, asked);
        char *folder = name ? tt_path_join(store, name) : NULL;
        if (name && !folder) s = no_memory(err);
        tt_result_heat_maps *out = &r->heat_maps[r->n_heat_maps];
        *out = (tt_result_heat_maps){.service = service->name, .plugin = service->plugin.info->name};
        if (!s && folder && tt_dir_exists(folder)) s = read_folder(folder, samples, asked, arena, out, err);
        r->n_heat_maps += !s && out->n > 0;
        tt_free(folder);
    }
    tt_free(asked);
    return s;
}

/* ---- results.h5 ---- */

static const char *path_of(const char *group, const char *name, char path[200])
{
    snprintf(path, 200, "%s/%s", group, name);
    return path;
}

void tt_heat_maps_write(tt_hdf5_writer *w, const tt_results *r)
{
    char group[128], path[200];
    for (size_t i = 0; i < r->n_heat_maps; i++) {
        const tt_result_heat_maps *m = &r->heat_maps[i];
        size_t words = m->first[m->n];
        snprintf(group, sizeof group, "/heat_maps/%.100s", m->service);
        tt_hdf5_group(w, group);
        tt_hdf5_set_text(w, group, "plugin", m->plugin);
        tt_hdf5_set_u64(w, group, "side", m->side);
        tt_hdf5_put_u32(w, path_of(group, "sample", path), m->n, m->sample);
        tt_hdf5_put_u32(w, path_of(group, "first", path), m->n + 1, m->first);
        tt_hdf5_put_texts(w, path_of(group, "word", path), words, m->word);
        tt_hdf5_put_f64(w, path_of(group, "weight", path), 1, &words, m->weight);
        tt_hdf5_put_f64(w, path_of(group, "peak", path), 1, &words, m->peak);
        tt_hdf5_put_u8(w, path_of(group, "map", path), words * m->side * m->side, m->map);
    }
}

static bool sound(const tt_result_heat_maps *m, size_t n_samples, size_t n_first, const size_t n_words[4])
{
    size_t plane = (size_t)m->side * m->side;
    bool good = m->side > 0 && m->side <= TT_WORD_MAP_SIDE_MAX && n_first == m->n + 1 && m->first[0] == 0;
    for (size_t i = 0; i < m->n && good; i++)
        good = m->sample[i] < n_samples && m->first[i] <= m->first[i + 1];
    for (int k = 0; k < 3 && good; k++)
        good = n_words[k] == m->first[m->n];
    return good && n_words[3] == m->first[m->n] * plane;
}

static tt_status read_one(tt_hdf5_reader *h, const tt_results *r, const char *name, tt_result_heat_maps *m,
                          tt_error *err)
{
    char group[128], path[200];
    snprintf(group, sizeof group, "/heat_maps/%.100s", name);
    uint64_t side = 0;
    uint32_t *sample = NULL, *first = NULL;
    double *weight = NULL, *peak = NULL;
    uint8_t *map = NULL;
    const char *const *word = NULL;
    size_t n = 0, n_first = 0, n_words[4] = {0};
    tt_status s = tt_hdf5_attribute_text(h, group, "plugin", &m->plugin, err);
    if (!s) s = tt_hdf5_attribute_u64(h, group, "side", &side, err);
    if (!s) s = tt_hdf5_get_u32(h, path_of(group, "sample", path), &n, &sample, err);
    if (!s) s = tt_hdf5_get_u32(h, path_of(group, "first", path), &n_first, &first, err);
    if (!s) s = tt_hdf5_get_texts(h, path_of(group, "word", path), &n_words[0], &word, err);
    if (!s) s = tt_hdf5_get_f64(h, path_of(group, "weight", path), 1, &n_words[1], &weight, err);
    if (!s) s = tt_hdf5_get_f64(h, path_of(group, "peak", path), 1, &n_words[2], &peak, err);
    if (!s) s = tt_hdf5_get_u8(h, path_of(group, "map", path), &n_words[3], &map, err);
    if (s) return s;
    *m = (tt_result_heat_maps){
        name, m->plugin, side > TT_WORD_MAP_SIDE_MAX ? 0 : (uint32_t)side, n, sample, first, word, weight,
        peak, map};
    return sound(m, r->n_samples, n_first, n_words)
               ? TT_OK
               : tt_fail(err, TT_ERR_FORMAT, "%s has lists that do not fit each other", group);
}

tt_status tt_heat_maps_read(tt_hdf5_reader *h, tt_results *r, tt_error *err)
{
    const char *const *names = NULL;
    size_t n = 0;
    tt_status s = tt_hdf5_list(h, "/heat_maps", &names, &n, err);
    if (!s) r->heat_maps = tt_arena_alloc_array(r->arena, n + 1, sizeof *r->heat_maps);
    if (!s && !r->heat_maps) s = no_memory(err);
    for (size_t i = 0; i < n && !s; i++) {
        s = read_one(h, r, names[i], &r->heat_maps[i], err);
        r->n_heat_maps += !s;
    }
    return s;
}
