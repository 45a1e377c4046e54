#include "experiment/results_inference.h"

#include <stdio.h>
#include <string.h>

static void write_table(tt_hdf5_writer *w, const char *group, const char *name, size_t rows, size_t columns,
                        const double *values)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", group, name);
    size_t dims[2] = {rows, columns};
    tt_hdf5_put_f64(w, path, 2, dims, values);
}

void tt_inference_write(tt_hdf5_writer *w, const tt_inference *f, const char *group)
{
    double partial[TT_PARTIAL_AUCS][6], precision[TT_PRECISIONS][4], power[TT_SET_SIZES][5];
    tt_hdf5_set_f64(w, group, "auc_bootstrap_low", f->auc_bootstrap.low);
    tt_hdf5_set_f64(w, group, "auc_bootstrap_high", f->auc_bootstrap.high);
    for (size_t k = 0; k < TT_PARTIAL_AUCS; k++) {
        const tt_partial_auc *p = &f->partial[k];
        const double row[6] = {p->fpr_max,      p->resolvable,   p->area,
                               p->standardised, p->interval.low, p->interval.high};
        memcpy(partial[k], row, sizeof row);
    }
    write_table(w, group, "partial_auc", TT_PARTIAL_AUCS, 6, &partial[0][0]);
    for (size_t k = 0; k < TT_PRECISIONS; k++) {
        const tt_precision *p = &f->precision[k];
        const double row[4] = {p->odds, p->precision, p->interval.low, p->interval.high};
        memcpy(precision[k], row, sizeof row);
    }
    write_table(w, group, "precision", TT_PRECISIONS, 4, &precision[0][0]);
    for (size_t k = 0; k < TT_SET_SIZES; k++) {
        const tt_set_power *p = &f->set.power[k];
        const double row[5] = {(double)p->size, p->welch, p->mann_whitney, p->false_welch,
                               p->false_mann_whitney};
        memcpy(power[k], row, sizeof row);
    }
    write_table(w, group, "set_power", TT_SET_SIZES, 5, &power[0][0]);
    tt_hdf5_set_u64(w, group, "has_set", f->set.has_test);
    if (f->set.has_test) {
        tt_hdf5_set_f64(w, group, "set_welch_t", f->set.test.welch_t);
        tt_hdf5_set_f64(w, group, "set_welch_df", f->set.test.welch_df);
        tt_hdf5_set_f64(w, group, "set_welch_p", f->set.test.welch_p);
        tt_hdf5_set_f64(w, group, "set_mann_whitney_u", f->set.test.mann_whitney_u);
        tt_hdf5_set_f64(w, group, "set_mann_whitney_z", f->set.test.mann_whitney_z);
        tt_hdf5_set_f64(w, group, "set_mann_whitney_p", f->set.test.mann_whitney_p);
    }
    char path[200];
    snprintf(path, sizeof path, "%s/variants", group);
    tt_hdf5_put_f64(w, path, 1, &f->n_variants, f->variants);
}

/* What the numbers of each `variants` mean. */
void tt_variants_write(tt_hdf5_writer *w)
{
    const tt_stat_variant *variants;
    size_t n = tt_stat_variants(&variants);
    const char *texts[4][TT_VARIANTS_MAX];
    static const char *const names[] = {"/variants/name", "/variants/label", "/variants/formula",
                                        "/variants/source"};
    for (size_t i = 0; i < n; i++) {
        texts[0][i] = variants[i].name;
        texts[1][i] = variants[i].label;
        texts[2][i] = variants[i].formula;
        texts[3][i] = variants[i].source;
    }
    tt_hdf5_group(w, "/variants");
    for (size_t k = 0; k < 4; k++)
        tt_hdf5_put_texts(w, names[k], n, texts[k]);
}

/* ---- reading ---- */

static tt_status read_table(tt_hdf5_reader *h, const char *group, const char *name, size_t rows,
                            size_t columns, const double **values, tt_error *err)
{
    char path[256];
    size_t dims[2];
    double *read;
    snprintf(path, sizeof path, "%s/%s", group, name);
    tt_status s = tt_hdf5_get_f64(h, path, 2, dims, &read, err);
    if (!s && (dims[0] != rows || dims[1] != columns))
        s = tt_fail(err, TT_ERR_FORMAT, "%s has %zu x %zu numbers: %zu x %zu are expected", path, dims[0],
                    dims[1], rows, columns);
    *values = read;
    return s;
}

static tt_status read_areas(tt_hdf5_reader *h, const char *group, tt_inference *f, tt_error *err)
{
    const double *v;
    tt_status s = read_table(h, group, "partial_auc", TT_PARTIAL_AUCS, 6, &v, err);
    for (size_t k = 0; k < TT_PARTIAL_AUCS && !s; k++, v += 6)
        f->partial[k] = (tt_partial_auc){v[0], v[1] != 0, v[2], v[3], {v[4], v[5]}};
    if (!s) s = tt_hdf5_attribute_f64(h, group, "auc_bootstrap_low", &f->auc_bootstrap.low, err);
    if (!s) s = tt_hdf5_attribute_f64(h, group, "auc_bootstrap_high", &f->auc_bootstrap.high, err);
    if (!s) s = read_table(h, group, "precision", TT_PRECISIONS, 4, &v, err);
    for (size_t k = 0; k < TT_PRECISIONS && !s; k++, v += 4)
        f->precision[k] = (tt_precision){v[0], v[1], {v[2], v[3]}};
    return s;
}

static tt_status read_sets(tt_hdf5_reader *h, const char *group, tt_inference *f, tt_error *err)
{
    const struct {
        const char *name;
        double *value;
    } attributes[] = {{"set_welch_t", &f->set.test.welch_t},
                      {"set_welch_df", &f->set.test.welch_df},
                      {"set_welch_p", &f->set.test.welch_p},
                      {"set_mann_whitney_u", &f->set.test.mann_whitney_u},
                      {"set_mann_whitney_z", &f->set.test.mann_whitney_z},
                      {"set_mann_whitney_p", &f->set.test.mann_whitney_p}};
    const double *v;
    uint64_t has = 0;
    tt_status s = read_table(h, group, "set_power", TT_SET_SIZES, 5, &v, err);
    for (size_t k = 0; k < TT_SET_SIZES && !s; k++, v += 5)
        f->set.power[k] = (tt_set_power){(size_t)v[0], v[1], v[2], v[3], v[4]};
    if (!s) s = tt_hdf5_attribute_u64(h, group, "has_set", &has, err);
    f->set.has_test = has != 0;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes && !s && f->set.has_test; i++)
        s = tt_hdf5_attribute_f64(h, group, attributes[i].name, attributes[i].value, err);
    return s;
}

tt_status tt_inference_read(tt_hdf5_reader *h, const char *group, tt_inference *f, bool *has, tt_error *err)
{
    char path[256];
    size_t n;
    double *values;
    snprintf(path, sizeof path, "%s/variants", group);
    *has = tt_hdf5_has(h, path);
    if (!*has) return TT_OK;
    *f = (tt_inference){0};
    tt_status s = tt_hdf5_get_f64(h, path, 1, &n, &values, err);
    if (!s && n > TT_VARIANTS_MAX)
        s = tt_fail(err, TT_ERR_UNSUPPORTED, "%s has %zu numbers: use a newer telltale", path, n);
    if (s) return s;
    memcpy(f->variants, values, n * sizeof *values);
    f->n_variants = n;
    s = read_areas(h, group, f, err);
    return s ? s : read_sets(h, group, f, err);
}
