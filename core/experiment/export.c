#include "experiment/export.h"
#include "base/file.h"
#include "formats/npz.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for an export");
}

/* ---- CSV ---- */

static void quote(tt_buf *out, const char *text)
{
    tt_buf_printf(out, "\"");
    for (; text && *text; text++) {
        if (*text == '"') tt_buf_printf(out, "\"");
        tt_buf_append(out, text, 1);
    }
    tt_buf_printf(out, "\"");
}

static void number(tt_buf *out, double v)
{
    tt_buf_printf(out, ",");
    if (!isnan(v)) tt_buf_printf(out, "%.17g", v);
}

static tt_status write_csv(const char *dir, const char *name, tt_buf *text, tt_error *err)
{
    char *path = tt_path_join(dir, name);
    tt_status s = path && !text->failed ? tt_file_write(path, text->data, text->size, err) : no_memory(err);
    tt_free(path);
    tt_buf_free(text);
    return s;
}

static tt_status csv_samples(const tt_results *r, const char *dir, tt_error *err)
{
    tt_buf out = {0};
    tt_buf_printf(&out, "sample,data,split,id,sha256,caption\n");
    for (size_t i = 0; i < r->n_samples; i++) {
        const tt_result_sample *s = &r->samples[i];
        char hex[65];
        tt_digest_hex(&s->digest, hex);
        tt_buf_printf(&out, "%zu,%s,%s,", i, s->data, s->split);
        quote(&out, s->id);
        tt_buf_printf(&out, ",%s,", hex);
        quote(&out, s->caption);
        tt_buf_printf(&out, "\n");
    }
    return write_csv(dir, "samples.csv", &out, err);
}

static tt_status csv_scores(const tt_results *r, const char *dir, tt_error *err)
{
    tt_buf out = {0};
    tt_buf_printf(&out, "attack,model,sample,label,score\n");
    for (size_t i = 0; i < r->n_scores; i++) {
        const tt_result_scores *s = &r->scores[i];
        for (size_t k = 0; k < s->n && !s->failure; k++)
            tt_buf_printf(&out, "%s,%s,%u,%u,%.17g\n", s->attack, s->role, s->sample[k], s->member[k],
                          s->scores[k]);
    }
    return write_csv(dir, "scores.csv", &out, err);
}

static tt_status csv_features(const tt_result_features *f, const char *dir, tt_error *err)
{
    tt_buf out = {0};
    char name[160];
    tt_buf_printf(&out, "sample");
    for (size_t c = 0; c < f->n_columns; c++) {
        tt_buf_printf(&out, ",");
        quote(&out, f->columns[c]);
    }
    tt_buf_printf(&out, "\n");
    for (size_t i = 0; i < f->n; i++) {
        tt_buf_printf(&out, "%u", f->sample[i]);
        for (size_t c = 0; c < f->n_columns; c++)
            number(&out, f->values[i * f->n_columns + c]);
        tt_buf_printf(&out, "\n");
    }
    snprintf(name, sizeof name, "features-%s-%s.csv", f->attack, f->role);
    return write_csv(dir, name, &out, err);
}

tt_status tt_export_csv(const tt_results *r, const char *dir, tt_error *err)
{
    tt_status s = tt_dir_create(dir, err);
    if (!s) s = csv_samples(r, dir, err);
    if (!s) s = csv_scores(r, dir, err);
    for (size_t i = 0; i < r->n_features && !s; i++)
        s = csv_features(&r->features[i], dir, err);
    return s;
}

/* ---- NPZ ---- */

static tt_status npz_samples(tt_npz *npz, const tt_results *r, tt_error *err)
{
    static const char *const names[] = {"samples.data", "samples.split", "samples.id", "samples.caption",
                                        "samples.sha256"};
    const char **texts = tt_alloc_array(r->n_samples + 1, sizeof *texts);
    char(*hex)[65] = tt_alloc_array(r->n_samples + 1, sizeof *hex);
    tt_status s = texts && hex ? TT_OK : no_memory(err);
    for (int column = 0; column < 5 && !s; column++) {
        for (size_t i = 0; i < r->n_samples; i++) {
            const tt_result_sample *sample = &r->samples[i];
            tt_digest_hex(&sample->digest, hex[i]);
            const char *const values[] = {sample->data, sample->split, sample->id,
                                          sample->caption ? sample->caption : "", hex[i]};
            texts[i] = values[column];
        }
        s = tt_npz_put_texts(npz, names[column], r->n_samples, texts, err);
    }
    tt_free((void *)texts);
    tt_free(hex);
    return s;
}

static tt_status npz_features(tt_npz *npz, const tt_result_features *f, tt_error *err)
{
    char name[200];
    size_t dims[2] = {f->n, f->n_columns};
    snprintf(name, sizeof name, "features.%s.%s.values", f->attack, f->role);
    tt_status s = tt_npz_put_f64(npz, name, 2, dims, f->values, err);
    snprintf(name, sizeof name, "features.%s.%s.columns", f->attack, f->role);
    if (!s) s = tt_npz_put_texts(npz, name, f->n_columns, f->columns, err);
    snprintf(name, sizeof name, "features.%s.%s.sample", f->attack, f->role);
    return s ? s : tt_npz_put_u32(npz, name, f->n, f->sample, err);
}

static tt_status npz_scores(tt_npz *npz, const tt_result_scores *r, tt_error *err)
{
    char name[200];
    snprintf(name, sizeof name, "scores.%s.%s.score", r->attack, r->role);
    tt_status s = tt_npz_put_f64(npz, name, 1, &r->n, r->scores, err);
    snprintf(name, sizeof name, "scores.%s.%s.member", r->attack, r->role);
    if (!s) s = tt_npz_put_u8(npz, name, r->n, r->member, err);
    snprintf(name, sizeof name, "scores.%s.%s.sample", r->attack, r->role);
    return s ? s : tt_npz_put_u32(npz, name, r->n, r->sample, err);
}

tt_status tt_export_npz(const tt_results *r, const char *path, tt_error *err)
{
    tt_npz *npz;
    tt_status s = tt_npz_open(path, &npz, err);
    if (s) return s;
    s = npz_samples(npz, r, err);
    for (size_t i = 0; i < r->n_features && !s; i++)
        s = npz_features(npz, &r->features[i], err);
    for (size_t i = 0; i < r->n_scores && !s; i++)
        if (!r->scores[i].failure) s = npz_scores(npz, &r->scores[i], err);
    tt_error closing = {0};
    tt_status closed = tt_npz_close(npz, !s, &closing);
    return s ? s : closed ? tt_fail(err, closed, "%s", closing.message) : TT_OK;
}
