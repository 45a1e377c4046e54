#include "experiment/evaluate.h"
#include "formats/csv.h"
#include "formats/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double default_fprs[TT_EVALUATE_FPRS] = {0.1, 0.01, 0.001};

/* bootstrap_seed NULL: analytic intervals alone. */
static tt_status evaluate_at(size_t n, const double *scores, const uint8_t *member, const double *fprs,
                             size_t n_fprs, const uint64_t *bootstrap_seed, tt_evaluation *out, tt_error *err)
{
    *out = (tt_evaluation){.n_tprs = n_fprs};
    tt_status s = tt_auc_compute(n, scores, member, &out->auc, err);
    if (!s)
        s = bootstrap_seed ? tt_tprs_at_fprs(n, scores, member, fprs, n_fprs, *bootstrap_seed, out->tpr, err)
                           : tt_tprs_at_fprs_analytic(n, scores, member, fprs, n_fprs, out->tpr, err);
    if (!s) s = tt_best_accuracy(n, scores, member, &out->best, err);
    for (size_t i = 0; i < n; i++)
        out->members += member[i];
    out->nonmembers = n - out->members;
    return s;
}

tt_status tt_evaluate(size_t n, const double *scores, const uint8_t *member, uint64_t bootstrap_seed,
                      tt_evaluation *out, tt_error *err)
{
    return evaluate_at(n, scores, member, default_fprs, TT_EVALUATE_FPRS, &bootstrap_seed, out, err);
}

tt_status tt_evaluate_more(size_t n, const double *scores, const uint8_t *member, uint64_t bootstrap_seed,
                           const double *more_fprs, size_t n_more, tt_evaluation *out, tt_error *err)
{
    double fprs[TT_EVALUATE_FPRS_MAX];
    if (n_more > TT_EVALUATE_FPRS_MAX - TT_EVALUATE_FPRS)
        return tt_fail(err, TT_ERR_INVALID, "%zu more FPRs: at most %d", n_more,
                       TT_EVALUATE_FPRS_MAX - TT_EVALUATE_FPRS);
    memcpy(fprs, default_fprs, sizeof default_fprs);
    if (n_more) memcpy(fprs + TT_EVALUATE_FPRS, more_fprs, n_more * sizeof *fprs);
    return evaluate_at(n, scores, member, fprs, TT_EVALUATE_FPRS + n_more, &bootstrap_seed, out, err);
}

typedef struct record {
    int64_t seed;
    double score;
    uint8_t member;
    size_t line;
} record;

static int by_seed(const void *a, const void *b)
{
    const record *x = a, *y = b;
    if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static tt_status read_record(const char *path, const tt_csv *csv, size_t row, const size_t column[3],
                             record *out, tt_error *err)
{
    const char *const *cells = csv->cells + row * csv->n_columns;
    const char *label = cells[column[0]], *score = cells[column[1]];
    out->line = csv->lines[row];
    if (strcmp(label, "0") != 0 && strcmp(label, "1") != 0)
        return tt_fail(err, TT_ERR_FORMAT, "%s:%zu: label is '%.40s': must be 1 (member) or 0", path,
                       out->line, label);
    out->member = label[0] == '1';
    if (!tt_double_parse(score, &out->score) || !isfinite(out->score))
        return tt_fail(err, TT_ERR_FORMAT, "%s:%zu: score is '%.40s': must be a finite number", path,
                       out->line, score);
    out->seed = 0;
    if (column[2] != SIZE_MAX && !tt_int64_parse(cells[column[2]], &out->seed))
        return tt_fail(err, TT_ERR_FORMAT, "%s:%zu: seed is '%.40s': must be a whole number", path, out->line,
                       cells[column[2]]);
    return TT_OK;
}

static tt_status evaluate_seed(const char *path, const record *r, size_t n,
                               const tt_evaluate_options *options, const tt_evaluations *all,
                               tt_evaluation *out, tt_error *err)
{
    uint64_t seed = (uint64_t)r[0].seed;
    double *scores = tt_alloc_array(n, sizeof *scores);
    uint8_t *member = tt_alloc_array(n, sizeof *member);
    tt_status s = scores && member ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    for (size_t i = 0; i < n && !s; i++) {
        scores[i] = r[i].score;
        member[i] = r[i].member;
    }
    if (!s)
        s = evaluate_at(n, scores, member, options->fprs, all->n_fprs, all->analytic ? NULL : &seed, out,
                        err);
    if (!s && all->sets) s = tt_set_level_compute(n, scores, member, seed, &out->set, err);
    if (s) tt_fail_in(err, "%s: seed %lld", path, (long long)r[0].seed);
    out->seed = r[0].seed;
    tt_free(scores);
    tt_free(member);
    return s;
}

static void gather(tt_evaluations *e, tt_over_seeds *out, double (*value)(const tt_evaluation *, size_t),
                   size_t k, double *scratch)
{
    for (size_t i = 0; i < e->n; i++)
        scratch[i] = value(&e->of_seed[i], k);
    tt_over_seeds_of(scratch, e->n, out);
}

static double auc_of(const tt_evaluation *e, size_t k)
{
    (void)k;
    return e->auc.auc;
}

static double best_of(const tt_evaluation *e, size_t k)
{
    (void)k;
    return e->best.accuracy;
}

static double tpr_of(const tt_evaluation *e, size_t k)
{
    return e->tpr[k].tpr;
}

static tt_status over_seeds(tt_evaluations *e, tt_error *err)
{
    double *scratch = tt_alloc_array(e->n, sizeof *scratch);
    if (!scratch) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    gather(e, &e->auc, auc_of, 0, scratch);
    gather(e, &e->best, best_of, 0, scratch);
    for (size_t k = 0; k < e->n_fprs; k++) {
        gather(e, &e->tpr[k], tpr_of, k, scratch);
        if (isnan(e->tpr[k].mean)) e->tpr[k].n = 0;
    }
    tt_free(scratch);
    return TT_OK;
}

static tt_status evaluate_records(const char *path, const record *r, size_t n,
                                  const tt_evaluate_options *options, tt_evaluations *out, tt_error *err)
{
    size_t seeds = 0;
    for (size_t i = 0; i < n; i++)
        seeds += i == 0 || r[i].seed != r[i - 1].seed;
    out->of_seed = tt_alloc_array(seeds, sizeof *out->of_seed);
    if (!out->of_seed) return tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu seeds", seeds);
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && r[end].seed == r[i].seed)
            end++;
        tt_status s = evaluate_seed(path, r + i, end - i, options, out, &out->of_seed[out->n], err);
        if (s) return s;
        out->n++;
        i = end;
    }
    return over_seeds(out, err);
}

tt_status tt_evaluate_csv(const char *path, tt_evaluations *out, tt_error *err)
{
    const tt_evaluate_options options = tt_evaluate_defaults();
    return tt_evaluate_csv_with(path, &options, out, err);
}

tt_evaluate_options tt_evaluate_defaults(void)
{
    tt_evaluate_options options = {.n_fprs = TT_EVALUATE_FPRS};
    memcpy(options.fprs, default_fprs, sizeof default_fprs);
    return options;
}

tt_status tt_evaluate_csv_with(const char *path, const tt_evaluate_options *options, tt_evaluations *out,
                               tt_error *err)
{
    *out = (tt_evaluations){.n_fprs = options->n_fprs, .analytic = options->analytic, .sets = options->sets};
    if (options->n_fprs > TT_EVALUATE_FPRS_MAX)
        return tt_fail(err, TT_ERR_INVALID, "%zu FPRs: at most %d", options->n_fprs, TT_EVALUATE_FPRS_MAX);
    tt_csv csv;
    tt_status s = tt_csv_read(path, &csv, err);
    if (s) return s;
    size_t column[3] = {tt_csv_column(&csv, "label"), tt_csv_column(&csv, "score"),
                        tt_csv_column(&csv, "seed")};
    record *records = tt_alloc_array(csv.n_rows, sizeof *records);
    if (column[0] == SIZE_MAX || column[1] == SIZE_MAX)
        s = tt_fail(err, TT_ERR_FORMAT, "%s:1: no column '%s': label, score and, optionally, seed are read",
                    path, column[0] == SIZE_MAX ? "label" : "score");
    else if (csv.n_rows == 0)
        s = tt_fail(err, TT_ERR_FORMAT, "%s: no rows below the column names", path);
    else if (!records)
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu rows", csv.n_rows);
    for (size_t i = 0; i < csv.n_rows && !s; i++)
        s = read_record(path, &csv, i, column, &records[i], err);
    if (!s) {
        qsort(records, csv.n_rows, sizeof *records, by_seed);
        s = evaluate_records(path, records, csv.n_rows, options, out, err);
    }
    tt_free(records);
    tt_csv_free(&csv);
    if (s) tt_evaluations_free(out);
    return s;
}

void tt_evaluations_free(tt_evaluations *e)
{
    tt_free(e->of_seed);
    *e = (tt_evaluations){0};
}

/* ---- output ---- */

/* A cell of the table. Columns are 23 characters wide; ± and √ are several bytes, so padding is counted in
 * characters. */
static void cell(tt_buf *out, const char *format, ...) TT_PRINTF(2, 3);

static void cell(tt_buf *out, const char *format, ...)
{
    char text[96];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int characters = 0;
    for (const char *p = text; *p; p++)
        characters += ((unsigned char)*p & 0xc0) != 0x80;
    tt_buf_printf(out, "  %s%*s", text, characters < 23 ? 23 - characters : 0, "");
}

static void cell_of_tpr(const tt_tpr *t, tt_buf *out)
{
    tt_interval i = isnan(t->bootstrap.low) ? t->interval : t->bootstrap;
    if (t->resolvable)
        cell(out, "%.4f [%.4f, %.4f]", t->tpr, i.low, i.high);
    else
        cell(out, "not resolvable");
}

static void cell_of_mean(const tt_over_seeds *o, tt_buf *out)
{
    if (o->n == 0)
        cell(out, "not resolvable");
    else
        cell(out, "%.4f ± %.4f", o->mean, o->half_width_t);
}

static void text_row(const tt_evaluation *v, size_t n_fprs, tt_buf *out)
{
    tt_buf_printf(out, "%-6lld %6zu/%-6zu", (long long)v->seed, v->members, v->nonmembers);
    cell(out, "%.4f [%.4f, %.4f]", v->auc.auc, v->auc.logit.low, v->auc.logit.high);
    for (size_t k = 0; k < n_fprs; k++)
        cell_of_tpr(&v->tpr[k], out);
    tt_buf_printf(out, "  %.4f [%.4f, %.4f]%s\n", v->best.accuracy, v->best.interval.low,
                  v->best.interval.high, v->auc.degenerate ? "  (AUC interval: rule of three)" : "");
}

static void text_means(const tt_evaluations *e, tt_buf *out)
{
    tt_buf_printf(out, "%-6s %13s", "mean", "");
    cell_of_mean(&e->auc, out);
    for (size_t k = 0; k < e->n_fprs; k++)
        cell_of_mean(&e->tpr[k], out);
    tt_buf_printf(out, "  %.4f ± %.4f\n", e->best.mean, e->best.half_width_t);
    tt_buf_printf(out, "Over %zu seeds: Student t, 95 %%. AUC as papers print it (1.96 sd/√n): %.4f ± %.4f\n",
                  e->n, e->auc.mean, e->auc.half_width_paper);
}

/* Says how many non-members an unresolvable TPR would have needed. */
static void text_unresolvable(const tt_evaluations *e, tt_buf *out)
{
    for (size_t k = 0; k < e->n_fprs; k++)
        for (size_t i = 0; i < e->n; i++) {
            const tt_evaluation *v = &e->of_seed[i];
            if (v->tpr[k].resolvable) continue;
            tt_buf_printf(out, "TPR at %g %% FPR is not resolvable with %zu non-members: it needs %.0f.\n",
                          100 * v->tpr[k].fpr_target, v->nonmembers, ceil(1 / v->tpr[k].fpr_target - 1e-9));
            break;
        }
}

static void text_sets(const tt_evaluations *e, tt_buf *out)
{
    for (size_t i = 0; i < e->n; i++) {
        const tt_evaluation *v = &e->of_seed[i];
        tt_buf_printf(out, "seed %lld, the members as a set:\n", (long long)v->seed);
        if (v->set.has_test)
            tt_set_level_text(&v->set, "  ", out);
        else
            tt_buf_printf(out, "  not resolvable: at least 2 members and 2 non-members are needed\n");
    }
}

bool tt_evaluations_text(const tt_evaluations *e, tt_buf *out)
{
    tt_buf_printf(out, "%-6s %13s", "seed", "members/non");
    cell(out, "AUC [95 %%]");
    for (size_t k = 0; k < e->n_fprs; k++)
        cell(out, "TPR@%g%%FPR", 100 * e->of_seed[0].tpr[k].fpr_target);
    tt_buf_printf(out, "  best accuracy\n");
    for (size_t i = 0; i < e->n; i++)
        text_row(&e->of_seed[i], e->n_fprs, out);
    if (e->n > 1) text_means(e, out);
    text_unresolvable(e, out);
    if (e->sets) text_sets(e, out);
    tt_buf_printf(
        out,
        "AUC intervals: DeLong, logit scale. TPR: largest whose FPR does not exceed the target; intervals: "
        "%s.\nBest accuracy is the best threshold on these very data: optimistic.\n",
        e->analytic ? "Clopper-Pearson, the threshold taken as fixed" : "two-class bootstrap");
    return !out->failed;
}

static void json_number(double v, tt_buf *out)
{
    if (isfinite(v))
        tt_buf_printf(out, "%.17g", v);
    else
        tt_buf_printf(out, "null");
}

static void json_interval(const char *key, tt_interval i, tt_buf *out)
{
    tt_buf_printf(out, ", \"%s\": [", key);
    json_number(i.low, out);
    tt_buf_printf(out, ", ");
    json_number(i.high, out);
    tt_buf_printf(out, "]");
}

static void json_seed(const tt_evaluation *v, size_t n_fprs, bool sets, tt_buf *out)
{
    tt_buf_printf(out,
                  "    {\"seed\": %lld, \"members\": %zu, \"nonmembers\": %zu, \"auc\": ", (long long)v->seed,
                  v->members, v->nonmembers);
    json_number(v->auc.auc, out);
    json_interval("auc_interval_logit", v->auc.logit, out);
    json_interval("auc_interval_plain", v->auc.plain, out);
    tt_buf_printf(out, ", \"auc_degenerate\": %s, \"tpr_at_fpr\": [", v->auc.degenerate ? "true" : "false");
    for (size_t k = 0; k < n_fprs; k++) {
        const tt_tpr *t = &v->tpr[k];
        tt_buf_printf(out, "%s{\"fpr\": %g, \"resolvable\": %s, \"tpr\": ", k ? ", " : "", t->fpr_target,
                      t->resolvable ? "true" : "false");
        json_number(t->tpr, out);
        json_interval("bootstrap", t->bootstrap, out);
        json_interval("clopper_pearson", t->interval, out);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "], \"best_accuracy\": ");
    json_number(v->best.accuracy, out);
    json_interval("best_accuracy_interval", v->best.interval, out);
    if (sets) tt_set_level_json(&v->set, out);
    tt_buf_printf(out, "}");
}

static void json_over_seeds(const char *prefix, const tt_over_seeds *o, tt_buf *out)
{
    tt_buf_printf(out, "\"%smean\": ", prefix);
    json_number(o->n ? o->mean : NAN, out);
    tt_buf_printf(out, ", \"%ssd\": ", prefix);
    json_number(o->n ? o->sd : NAN, out);
    tt_buf_printf(out, ", \"%shalf_width_t\": ", prefix);
    json_number(o->n ? o->half_width_t : NAN, out);
    tt_buf_printf(out, ", \"%shalf_width_paper\": ", prefix);
    json_number(o->n ? o->half_width_paper : NAN, out);
}

bool tt_evaluations_json(const tt_evaluations *e, tt_buf *out)
{
    tt_buf_printf(out, "{\n  \"seeds\": [\n");
    for (size_t i = 0; i < e->n; i++) {
        json_seed(&e->of_seed[i], e->n_fprs, e->sets, out);
        tt_buf_printf(out, "%s\n", i + 1 < e->n ? "," : "");
    }
    tt_buf_printf(out, "  ],\n  \"over_seeds\": {\"n\": %zu, ", e->n);
    json_over_seeds("auc_", &e->auc, out);
    tt_buf_printf(out, ", \"tpr_at_fpr\": [");
    for (size_t k = 0; k < e->n_fprs; k++) {
        tt_buf_printf(out, "%s{\"fpr\": %g, ", k ? ", " : "", e->of_seed[0].tpr[k].fpr_target);
        json_over_seeds("", &e->tpr[k], out);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "], ");
    json_over_seeds("best_accuracy_", &e->best, out);
    tt_buf_printf(out, "}\n}\n");
    return !out->failed;
}
