/* The published table to and from HDF5. */
#include "experiment/results_inference.h"

enum { TEXTS = 5, NUMBERS = 3 };

static const char *const text_paths[TEXTS] = {"/published/method", "/published/attack", "/published/dataset",
                                              "/published/setting", "/published/tpr_as"};

static const char **text_at(tt_published_row *row, int column)
{
    const char **const fields[TEXTS] = {&row->method, &row->attack, &row->dataset, &row->setting,
                                        &row->tpr_as};
    return fields[column];
}

tt_status tt_published_write(tt_hdf5_writer *w, const tt_published *p, tt_error *err)
{
    if (!p->title) return TT_OK;
    const char **texts = tt_alloc_array(p->n + 1, sizeof *texts);
    double *numbers = tt_alloc_array(p->n + 1, NUMBERS * sizeof *numbers);
    tt_status s =
        texts && numbers ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for the published table");
    if (!s) {
        tt_hdf5_group(w, "/published");
        tt_hdf5_set_text(w, "/published", "title", p->title);
        for (int c = 0; c < TEXTS; c++) {
            for (size_t i = 0; i < p->n; i++)
                texts[i] = *text_at(&p->rows[i], c);
            tt_hdf5_put_texts(w, text_paths[c], p->n, texts);
        }
        for (size_t i = 0; i < p->n; i++) {
            numbers[NUMBERS * i] = p->rows[i].asr;
            numbers[NUMBERS * i + 1] = p->rows[i].auc;
            numbers[NUMBERS * i + 2] = p->rows[i].tpr;
        }
        size_t dims[2] = {p->n, NUMBERS};
        tt_hdf5_put_f64(w, "/published/percent", 2, dims, numbers);
    }
    tt_free((void *)texts);
    tt_free(numbers);
    return s;
}

tt_status tt_published_get(tt_hdf5_reader *h, tt_arena *arena, tt_published *p, tt_error *err)
{
    const char *const *texts;
    double *numbers;
    size_t dims[2], n;
    *p = (tt_published){0};
    if (!tt_hdf5_has(h, "/published/percent")) return TT_OK;
    tt_status s = tt_hdf5_get_f64(h, "/published/percent", 2, dims, &numbers, err);
    if (!s && dims[1] != NUMBERS) s = tt_fail(err, TT_ERR_FORMAT, "/published/percent has another shape");
    p->rows = s ? NULL : tt_arena_alloc_array(arena, dims[0] + 1, sizeof *p->rows);
    if (!s && !p->rows) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for the published table");
    for (int c = 0; c < TEXTS && !s; c++) {
        s = tt_hdf5_get_texts(h, text_paths[c], &n, &texts, err);
        if (!s && n != dims[0])
            s = tt_fail(err, TT_ERR_FORMAT, "%s has another length than its table", text_paths[c]);
        for (size_t i = 0; i < n && !s; i++)
            *text_at(&p->rows[i], c) = texts[i];
    }
    for (size_t i = 0; !s && i < dims[0]; i++) {
        p->rows[i].asr = numbers[NUMBERS * i];
        p->rows[i].auc = numbers[NUMBERS * i + 1];
        p->rows[i].tpr = numbers[NUMBERS * i + 2];
    }
    if (!s) p->n = dims[0];
    if (!s) s = tt_hdf5_attribute_text(h, "/published", "title", &p->title, err);
    return s;
}
