/* An attack's life: create, plan, measure on practice models, fit and score on made rows. */
#include "base/rng.h"
#include "plugin/params.h"
#include "runtime/plugin_check_child.h"
#include "runtime/practice_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLES = 5, MADE_ROWS = 60, COLUMNS_MAX = 65536, GUARD = 8 };
#define CANARY (-1.2345678901234567e+89)

typedef struct trial {
    tt_checker *c;
    const tt_attack_plugin *table;
    void *attack;
    tt_attack_plan plan;
    tt_model *models[TT_ATTACK_MAX_ROLES];
} trial;

/* ---- plan ---- */

/* What is wrong with a plan, or NULL. */
static const char *fault_of_plan(const tt_attack_plan *p)
{
    if (p->n_roles > TT_ATTACK_MAX_ROLES) return "n_roles must be at most 4";
    for (uint32_t i = 0; i < p->n_roles; i++) {
        if (!tt_plugin_name_well_formed(p->roles[i].role)) return "a role's name must match [a-z0-9_]+";
        bool images = strcmp(p->roles[i].role, TT_ROLE_IMAGES) == 0;
        if (images && p->roles[i].capabilities) return "the role images has no model: it needs no capability";
        if (p->roles[i].capabilities == 0 && !images) return "a role needs no capability: leave the role out";
        if (p->roles[i].capabilities & ~(uint32_t)TT_CAP_WHITE_BOX)
            return "a role needs a capability that telltale does not know";
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(p->roles[i].role, p->roles[j].role) == 0) return "a role is named twice";
    }
    if (p->n_columns == 0 || p->n_columns > COLUMNS_MAX || !p->columns)
        return "1 to 65536 feature columns are needed";
    for (uint32_t i = 0; i < p->n_columns; i++) {
        if (!p->columns[i] || !p->columns[i][0]) return "a column has no name";
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(p->columns[i], p->columns[j]) == 0) return "two columns have one name";
    }
    if (p->paper_reduction && strcmp(p->paper_reduction, "mean") != 0 &&
        strcmp(p->paper_reduction, "sum") != 0)
        return "paper_reduction must be \"mean\", \"sum\" or NULL";
    return NULL;
}

static bool try_plan(trial *t)
{
    tt_error err = {0};
    tt_checker_begin(t->c, "plan");
    t->plan = (tt_attack_plan){.size = sizeof t->plan};
    tt_status s = t->table->plan(t->attack, &t->plan, &err);
    if (s) return tt_checker_status(t->c, s, &err);
    const char *fault = fault_of_plan(&t->plan);
    if (fault) return tt_checker_failed(t->c, "%s", fault);
    if (t->plan.can_fit && !t->table->fit)
        return tt_checker_failed(t->c, "can_fit is set, but there is no function fit");
    return tt_checker_ok(t->c, "%u columns, %u predictions a sample, %u roles", t->plan.n_columns,
                         t->plan.predictions, t->plan.n_roles);
}

/* ---- measure ---- */

static void free_models(trial *t)
{
    for (uint32_t i = 0; i < TT_ATTACK_MAX_ROLES; i++) {
        tt_practice_model_destroy(t->models[i]);
        t->models[i] = NULL;
    }
}

/* NULL when the practice models can do what the plan asks; else why not. */
static const char *make_models(trial *t)
{
    for (uint32_t i = 0; i < t->plan.n_roles; i++) {
        uint32_t needs = t->plan.roles[i].capabilities;
        if (needs & TT_CAP_ATTENTION) return "the practice model gives no attention maps";
        if (needs & (TT_CAP_GRAD_INPUT | TT_CAP_GRAD_WEIGHTS)) return "the practice model gives no gradients";
        t->models[i] = tt_practice_model_create(t->plan.roles[i].role, needs, 1);
        if (!t->models[i]) return "out of memory";
    }
    return NULL;
}

static uint64_t predictions(const trial *t)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < t->plan.n_roles; i++)
        n += tt_practice_model_meter(t->models[i])->predictions;
    return n;
}

static const char *ungranted(const trial *t)
{
    for (uint32_t i = 0; i < t->plan.n_roles; i++)
        if (tt_practice_model_meter(t->models[i])->not_granted)
            return tt_practice_model_meter(t->models[i])->not_granted;
    return NULL;
}

/* A service to practise on: a word weighs its length. */
static tt_status weigh_lengths(tt_service *service, uint32_t n, const tt_text *texts, double *const *weights,
                               tt_error *err)
{
    (void)service, (void)err;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < texts[i].n_pieces; k++)
            weights[i][k] = texts[i].pieces[k].text ? (double)strlen(texts[i].pieces[k].text) : 0;
    return TT_OK;
}

/* n rows into `rows`, which has room for a guard behind them. false: the step is ended. */
static bool measure(trial *t, uint32_t n, const tt_sample *samples, double *rows)
{
    tt_error err = {0};
    size_t values = (size_t)n * t->plan.n_columns;
    for (size_t i = 0; i < values + GUARD; i++)
        rows[i] = CANARY;
    tt_service service = {.size = sizeof service, .name = "practice", .weigh = weigh_lengths};
    tt_service *const services[TT_ATTACK_MAX_SERVICES] = {&service, &service, &service, &service};
    tt_measure context = {sizeof context, t->models, 1, services};
    tt_status s = t->table->measure(t->attack, &context, n, samples, rows, &err);
    if (ungranted(t))
        return tt_checker_failed(t->c,
                                 "calls %s, whose capability its plan does not declare (a real handle has "
                                 "NULL there): add it to the role",
                                 ungranted(t));
    if (s) return tt_checker_status(t->c, s, &err);
    for (size_t i = values; i < values + GUARD; i++)
        if (rows[i] != CANARY)
            return tt_checker_failed(t->c, "writes behind its %u rows of %u columns", n, t->plan.n_columns);
    for (size_t i = 0; i < values; i++) {
        if (rows[i] == CANARY)
            return tt_checker_failed(t->c, "leaves column %s of a row unset",
                                     t->plan.columns[i % t->plan.n_columns]);
        if (!isfinite(rows[i]))
            return tt_checker_failed(t->c, "column %s of a row is not finite",
                                     t->plan.columns[i % t->plan.n_columns]);
    }
    return true;
}

/* The same samples in reverse, one by one: a row must not depend on its place, its neighbours or the batch.
 */
static bool measure_again(trial *t, const tt_sample *samples, const double *rows, double *again)
{
    for (uint32_t i = SAMPLES; i-- > 0;) {
        if (!measure(t, 1, &samples[i], again)) return false;
        if (memcmp(again, rows + (size_t)i * t->plan.n_columns, t->plan.n_columns * sizeof *again) != 0)
            return tt_checker_failed(t->c, "a sample's row is another when it is measured alone: rows must "
                                           "depend on nothing but the sample");
    }
    return tt_checker_ok(t->c, "%s", "");
}

static void try_measure(trial *t)
{
    static const char *const captions[SAMPLES] = {"a portrait of a woman with a red scarf", "a dog", "x",
                                                  "été à Paris, 雪",
                                                  "one two three four five six seven eight nine ten"};
    tt_checker_begin(t->c, "measure");
    const char *why = make_models(t);
    size_t values = (size_t)SAMPLES * t->plan.n_columns + GUARD;
    double *rows = tt_alloc_array(values, sizeof *rows), *again = tt_alloc_array(values, sizeof *again);
    tt_sample samples[SAMPLES];
    for (uint32_t i = 0; i < SAMPLES; i++)
        samples[i] = (tt_sample){1000003u * (i + 1), t->plan.needs_captions ? captions[i] : NULL};
    if (why || !rows || !again) {
        tt_checker_skipped(t->c, "%s", why ? why : "out of memory");
    } else if (measure(t, SAMPLES, samples, rows)) {
        uint64_t asked = predictions(t);
        if (asked != (uint64_t)SAMPLES * t->plan.predictions)
            tt_checker_failed(t->c, "asks %g predictions a sample, its plan says %u", (double)asked / SAMPLES,
                              t->plan.predictions);
        else
            tt_checker_ok(t->c, "%d samples, %llu predictions", SAMPLES, (unsigned long long)asked);
        tt_checker_begin(t->c, "measure in another order and batch");
        measure_again(t, samples, rows, again);
        uint64_t live = t->models[0] ? tt_practice_model_meter(t->models[0])->live_handles : 0;
        if (live)
            tt_checker_note(
                t->c,
                "%llu handles were not released after %d samples: a host frees them after the batch only",
                (unsigned long long)live, 2 * SAMPLES);
    }
    tt_free(rows);
    tt_free(again);
    free_models(t);
}

/* ---- fit and score ---- */

/* Rows about 0.1 whose members lie a little lower, as losses do. */
static void make_rows(const trial *t, double *values, uint8_t *member)
{
    tt_stream_key key = tt_purpose_key(1, "plugin check", "rows");
    size_t n = t->plan.n_columns;
    for (size_t i = 0; i < MADE_ROWS; i++) {
        member[i] = (uint8_t)(i % 2);
        for (size_t k = 0; k < n; k++)
            values[i * n + k] = 0.1 + 0.02 * tt_keyed_uniform(&key, i * n + k) - (member[i] ? 0.005 : 0);
    }
}

/* false: the step is ended */
static bool score(trial *t, const tt_rows *rows, const uint8_t *state, size_t size, double *scores)
{
    tt_error err = {0};
    for (size_t i = 0; i < rows->n + GUARD; i++)
        scores[i] = CANARY;
    tt_status s = t->table->score(t->attack, rows, state, size, scores, &err);
    if (s) return tt_checker_status(t->c, s, &err);
    for (size_t i = 0; i < rows->n; i++)
        if (scores[i] == CANARY || !isfinite(scores[i]))
            return tt_checker_failed(t->c, "the score of row %zu is %s", i,
                                     scores[i] == CANARY ? "not set" : "not finite");
    for (size_t i = rows->n; i < rows->n + GUARD; i++)
        if (scores[i] != CANARY) return tt_checker_failed(t->c, "writes behind its %zu scores", rows->n);
    return true;
}

/* A state comes from a file: cut or altered it must be refused or give scores, and never crash. */
static void try_bad_states(trial *t, const tt_rows *rows, const uint8_t *state, size_t size, double *scores)
{
    tt_checker_begin(t->c, "score with a damaged state");
    uint8_t *copy = tt_alloc_zero(size + 1);
    size_t refused = 0, tried = 0;
    for (size_t cut = 1; copy && cut < size && tried < 64; cut += size / 32 + 1, tried++) {
        tt_error err = {0};
        memcpy(copy, state, cut);
        refused += t->table->score(t->attack, rows, copy, cut, scores, &err) != TT_OK;
    }
    tt_free(copy);
    if (refused == tried)
        tt_checker_ok(t->c, "%zu cut states refused", tried);
    else
        tt_checker_failed(t->c, "%zu of %zu cut states were accepted: check the size before reading",
                          tried - refused, tried);
}

static void try_explain(trial *t, const uint8_t *state, size_t size)
{
    if (!t->table->explain) return;
    tt_error err = {0};
    char text[256] = "";
    tt_checker_begin(t->c, "explain");
    tt_status s = t->table->explain(t->attack, state, size, text, sizeof text, &err);
    if (!s && !memchr(text, '\0', sizeof text))
        tt_checker_failed(t->c, "writes more than its %zu bytes", sizeof text);
    else if (s)
        tt_checker_status(t->c, s, &err);
    else
        tt_checker_ok(t->c, "\"%s\"", text);
}

static void try_fit(trial *t, const tt_rows *rows, const uint8_t *member, double *scores, double *again)
{
    tt_error err = {0};
    uint8_t *state = NULL, *other = NULL;
    size_t size = 0, other_size = 0;
    tt_checker_begin(t->c, "fit");
    tt_status s = t->table->fit(t->attack, rows, member, &state, &size, &err);
    if (!s) s = t->table->fit(t->attack, rows, member, &other, &other_size, &err);
    if (s)
        tt_checker_status(t->c, s, &err);
    else if (size != other_size || (size && memcmp(state, other, size) != 0))
        tt_checker_failed(t->c,
                          "two fits on the same rows give different bytes: results must be reproducible");
    else
        tt_checker_ok(t->c, "%zu bytes", size);
    tt_free(other);
    if (!s) {
        tt_checker_begin(t->c, "score with the fitted state");
        if (score(t, rows, state, size, scores) && score(t, rows, state, size, again)) {
            if (memcmp(scores, again, rows->n * sizeof *scores) != 0)
                tt_checker_failed(t->c, "two calls give different scores: results must be reproducible");
            else
                tt_checker_ok(t->c, "%zu finite scores", rows->n);
        }
        if (state && size) try_bad_states(t, rows, state, size, again);
        try_explain(t, state, size);
    }
    tt_free(state);
}

static void try_scores(trial *t)
{
    size_t n = t->plan.n_columns;
    double *values = tt_alloc_array((size_t)MADE_ROWS * n, sizeof *values);
    double *scores = tt_alloc_array(MADE_ROWS + GUARD, sizeof *scores);
    double *again = tt_alloc_array(MADE_ROWS + GUARD, sizeof *again);
    uint8_t member[MADE_ROWS];
    tt_error err = {0};
    if (!values || !scores || !again) {
        tt_checker_begin(t->c, "score");
        tt_checker_skipped(t->c, "out of memory");
        goto done;
    }
    make_rows(t, values, member);
    tt_rows rows = {MADE_ROWS, n, values};
    if (t->plan.can_fit) try_fit(t, &rows, member, scores, again);
    tt_checker_begin(t->c, "score without calibration");
    if (t->plan.can_fit && t->table->score(t->attack, &rows, NULL, 0, scores, &err) != TT_OK &&
        err.message[0])
        tt_checker_skipped(t->c, "it needs calibration: %s", err.message);
    else if (score(t, &rows, NULL, 0, scores))
        tt_checker_ok(t->c, "%zu finite scores", rows.n);
done:
    tt_free(values);
    tt_free(scores);
    tt_free(again);
}

void tt_check_attack(tt_checker *c, const tt_attack_plugin *table, const tt_params *params)
{
    tt_error err = {0};
    trial t = {.c = c, .table = table};
    tt_checker_begin(c, "create");
    if (!tt_checker_status(c, table->create(params, &t.attack, &err), &err)) return;
    if (try_plan(&t)) {
        try_measure(&t);
        try_scores(&t);
    }
    tt_checker_begin(c, "destroy");
    table->destroy(t.attack);
    tt_checker_ok(c, "%s", "");
}
