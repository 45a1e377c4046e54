#include "experiment/compare.h"
#include "base/mem.h"
#include "formats/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct judged { /* one sample of one attack's scores */
    const tt_digest *digest;
    double score;
    uint8_t member;
} judged;

static int by_digest(const void *a, const void *b)
{
    return memcmp(((const judged *)a)->digest, ((const judged *)b)->digest, sizeof(tt_digest));
}

/* Sorted by content; NULL: out of memory. */
static judged *judged_of(const tt_results *r, const tt_result_scores *s)
{
    judged *list = tt_alloc_array(s->n + 1, sizeof *list);
    for (size_t i = 0; list && i < s->n; i++)
        list[i] = (judged){&r->samples[s->sample[i]].digest, s->scores[i], s->member[i]};
    if (list) qsort(list, s->n, sizeof *list, by_digest);
    return list;
}

typedef struct common { /* the samples of both */
    double *a, *b;
    uint8_t *member;
    size_t n, classes[2];
    bool contradiction; /* a member here, a non-member there */
} common;

static void match(const judged *x, size_t n, const judged *y, size_t m, common *c)
{
    for (size_t i = 0, k = 0; i < n && k < m;) {
        int order = by_digest(&x[i], &y[k]);
        if (order < 0) i++;
        if (order > 0) k++;
        if (order != 0) continue;
        c->contradiction |= x[i].member != y[k].member;
        c->a[c->n] = x[i].score;
        c->b[c->n] = y[k].score;
        c->member[c->n] = x[i].member;
        c->classes[x[i].member]++;
        c->n++;
        i++, k++;
    }
}

static tt_status compare_paired(const common *c, uint64_t seed, tt_compared *out, tt_error *err)
{
    tt_delong_paired d;
    tt_status s = tt_delong_compare(c->n, c->a, c->b, c->member, &d, err);
    if (!s) s = tt_tpr_compare(c->n, c->a, c->b, c->member, 0.01, seed, &out->tpr, err);
    if (s) return s;
    out->paired = true;
    out->auc_a = d.auc_a;
    out->auc_b = d.auc_b;
    out->difference = d.difference;
    out->interval = d.interval;
    out->z = d.z;
    out->p = d.p;
    return TT_OK;
}

/* No sample in common: independent, the variances add. */
static void compare_apart(const tt_result_scores *a, const tt_result_scores *b, tt_compared *out)
{
    double sd = sqrt(a->evaluation.auc.variance + b->evaluation.auc.variance);
    out->auc_a = a->evaluation.auc.auc;
    out->auc_b = b->evaluation.auc.auc;
    out->difference = out->auc_a - out->auc_b;
    out->interval =
        (tt_interval){out->difference - 1.9599639845400545 * sd, out->difference + 1.9599639845400545 * sd};
    out->z = sd > 0 ? out->difference / sd : 0;
    out->p = erfc(fabs(out->z) / sqrt(2.0));
    out->tpr = (tt_tpr_paired){0.01, NAN, NAN, NAN, false, {NAN, NAN}};
}

static tt_status compare_pair(const tt_results *ra, const tt_result_scores *a, const tt_results *rb,
                              const tt_result_scores *b, tt_compared *out, tt_error *err)
{
    *out = (tt_compared){
        .role = a->role, .attack_a = a->attack, .attack_b = b->attack, .n_a = a->n, .n_b = b->n, .p = NAN};
    out->failure = a->failure ? "the first has no scores" : b->failure ? "the second has no scores" : NULL;
    if (out->failure) return TT_OK;
    judged *x = judged_of(ra, a), *y = judged_of(rb, b);
    size_t most = a->n < b->n ? a->n : b->n;
    common c = {.a = tt_alloc_array(most + 1, sizeof *c.a),
                .b = tt_alloc_array(most + 1, sizeof *c.b),
                .member = tt_alloc_array(most + 1, 1)};
    tt_status s = x && y && c.a && c.b && c.member
                      ? TT_OK
                      : tt_fail(err, TT_ERR_MEMORY, "out of memory for a comparison");
    if (!s) {
        match(x, a->n, y, b->n, &c);
        out->common = c.n;
        if (c.contradiction)
            out->failure = "an image is a member in one run and a non-member in the other";
        else if (c.n == 0)
            compare_apart(a, b, out);
        else if (c.classes[0] < 2 || c.classes[1] < 2)
            out->failure = "they share too few samples, and are not independent either";
        else
            s = compare_paired(&c, ra->seed, out, err);
    }
    tt_free(x);
    tt_free(y);
    tt_free(c.a);
    tt_free(c.b);
    tt_free(c.member);
    return s;
}

/* ---- all pairs ---- */

static bool share_a_name(const tt_results *a, const tt_results *b)
{
    for (size_t i = 0; i < a->n_scores; i++)
        for (size_t k = 0; k < b->n_scores; k++)
            if (strcmp(a->scores[i].attack, b->scores[k].attack) == 0) return true;
    return false;
}

static tt_status adjust(tt_comparison *out, tt_error *err)
{
    double *p = tt_alloc_array(out->n + 1, sizeof *p);
    if (!p) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a comparison");
    for (size_t i = 0; i < out->n; i++) {
        for (size_t k = 0; k < out->n; k++) /* of other roles: NaN, which counts for nothing */
            p[k] = strcmp(out->pairs[k].role, out->pairs[i].role) == 0 && !out->pairs[k].failure
                       ? out->pairs[k].p
                       : NAN;
        tt_holm(out->n, p, p);
        out->pairs[i].p_holm = p[i];
    }
    tt_free(p);
    return TT_OK;
}

tt_status tt_compare_runs(const tt_results *a, const tt_results *b, tt_comparison *out, tt_error *err)
{
    *out = (tt_comparison){.arena = tt_arena_create(0)};
    bool by_name = share_a_name(a, b);
    size_t most = a->n_scores * b->n_scores;
    out->pairs = out->arena ? tt_arena_alloc_array(out->arena, most + 1, sizeof *out->pairs) : NULL;
    tt_status s = out->pairs ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for a comparison");
    for (size_t i = 0; i < a->n_scores && !s; i++)
        for (size_t k = 0; k < b->n_scores && !s; k++) {
            const tt_result_scores *x = &a->scores[i], *y = &b->scores[k];
            if (strcmp(x->role, y->role) != 0 || (by_name && strcmp(x->attack, y->attack) != 0)) continue;
            s = compare_pair(a, x, b, y, &out->pairs[out->n], err);
            if (!s) out->n++;
        }
    if (!s && out->n == 0)
        s = tt_fail(err, TT_ERR_INVALID,
                    "the runs judge no model of the same role: there is nothing to compare");
    if (!s) s = adjust(out, err);
    if (s) tt_comparison_free(out);
    return s;
}

void tt_comparison_free(tt_comparison *c)
{
    tt_arena_destroy(c->arena);
    *c = (tt_comparison){0};
}

/* ---- out ---- */

static void text_pair(const tt_compared *p, tt_buf *out)
{
    tt_buf_printf(out, "  %s%s%s: ", p->attack_a, strcmp(p->attack_a, p->attack_b) == 0 ? "" : " against ",
                  strcmp(p->attack_a, p->attack_b) == 0 ? "" : p->attack_b);
    if (p->failure) {
        tt_buf_printf(out, "not comparable: %s\n", p->failure);
        return;
    }
    tt_buf_printf(out, "AUC %.3f against %.3f, %+.3f [%+.3f, %+.3f], z %.2f, p %.2g, %.2g by Holm: %s\n",
                  p->auc_a, p->auc_b, p->difference, p->interval.low, p->interval.high, p->z, p->p, p->p_holm,
                  p->p_holm < 0.05 ? "significant" : "not significant");
    if (p->tpr.resolvable)
        tt_buf_printf(out, "    TPR@1%%FPR %.3f against %.3f, %+.3f [%+.3f, %+.3f]\n", p->tpr.tpr_a,
                      p->tpr.tpr_b, p->tpr.difference, p->tpr.interval.low, p->tpr.interval.high);
    if (!p->paired)
        tt_buf_printf(out, "    the runs share no sample: compared as independent\n");
    else if (p->common < p->n_a || p->common < p->n_b)
        tt_buf_printf(out, "    over the %zu samples of both (of %zu and %zu)\n", p->common, p->n_a, p->n_b);
}

bool tt_comparison_text(const tt_comparison *c, const char *name_a, const char *name_b, tt_buf *out)
{
    tt_buf_printf(out, "%s against %s\n", name_a, name_b);
    for (size_t i = 0; i < c->n; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(c->pairs[k].role, c->pairs[i].role) == 0;
        if (seen) continue;
        tt_buf_printf(out, "%s\n", c->pairs[i].role);
        for (size_t k = i; k < c->n; k++)
            if (strcmp(c->pairs[k].role, c->pairs[i].role) == 0) text_pair(&c->pairs[k], out);
    }
    tt_buf_printf(out, "Intervals 95 %%: AUC paired DeLong, TPR paired bootstrap. Significant: p by Holm, "
                       "over all pairs of the "
                       "model, below 0.05.\n");
    return !out->failed;
}

static void number(tt_buf *out, const char *key, double v)
{
    if (isfinite(v))
        tt_buf_printf(out, ", \"%s\": %.17g", key, v);
    else
        tt_buf_printf(out, ", \"%s\": null", key);
}

bool tt_comparison_json(const tt_comparison *c, tt_buf *out)
{
    tt_buf_printf(out, "[");
    for (size_t i = 0; i < c->n; i++) {
        const tt_compared *p = &c->pairs[i];
        tt_buf_printf(out, "%s\n  {\"role\": ", i ? "," : "");
        tt_json_quote(out, p->role);
        tt_buf_printf(out, ", \"attack_a\": ");
        tt_json_quote(out, p->attack_a);
        tt_buf_printf(out, ", \"attack_b\": ");
        tt_json_quote(out, p->attack_b);
        tt_buf_printf(out, ", \"samples_a\": %zu, \"samples_b\": %zu, \"common\": %zu", p->n_a, p->n_b,
                      p->common);
        if (p->failure) {
            tt_buf_printf(out, ", \"failure\": ");
            tt_json_quote(out, p->failure);
            tt_buf_printf(out, "}");
            continue;
        }
        tt_buf_printf(out, ", \"paired\": %s", p->paired ? "true" : "false");
        number(out, "auc_a", p->auc_a);
        number(out, "auc_b", p->auc_b);
        number(out, "difference", p->difference);
        number(out, "difference_low", p->interval.low);
        number(out, "difference_high", p->interval.high);
        number(out, "z", p->z);
        number(out, "p", p->p);
        number(out, "p_holm", p->p_holm);
        number(out, "tpr_a", p->tpr.tpr_a);
        number(out, "tpr_b", p->tpr.tpr_b);
        number(out, "tpr_difference", p->tpr.difference);
        number(out, "tpr_difference_low", p->tpr.interval.low);
        number(out, "tpr_difference_high", p->tpr.interval.high);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "\n]\n");
    return !out->failed;
}
