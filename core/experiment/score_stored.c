#include "experiment/score_stored.h"
#include "base/file.h"
#include "experiment/score_internal.h"
#include "formats/json.h"
#include "plugin/params.h"
#include "runtime/wire.h"

#include <stdio.h>
#include <string.h>

/* Raised when equal rows and labels would give other scores than before. */
#define SCORE_REVISION 1

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for scores");
}

/* ---- key ---- */

static void put_text(tt_buf *out, const char *key, const char *text)
{
    tt_buf_printf(out, ", \"%s\": ", key);
    if (text)
        tt_json_quote(out, text);
    else
        tt_buf_printf(out, "null");
}

/* Keys of measure steps say nothing of membership, for measuring sees none; fit and the choice of a split do.
 */
static tt_status put_rows(const tt_measure_step *step, const char *name, tt_buf *out, tt_error *err)
{
    if (!step) {
        put_text(out, name, NULL);
        return TT_OK;
    }
    const tt_universe *u = step->universe;
    uint8_t *labels = tt_alloc_array(u->n + 1, sizeof *labels);
    if (!labels) return no_memory(err);
    for (size_t i = 0; i < u->n; i++)
        labels[i] = u->refs[i].member;
    tt_digest digest = tt_sha256_of(labels, u->n);
    char hex[65];
    tt_digest_hex(&digest, hex);
    tt_buf_printf(out, ", \"%s\": {\"step\": \"%s\", \"labels\": \"%s\"}", name, step->key, hex);
    tt_free(labels);
    return TT_OK;
}

tt_status tt_score_identify(const tt_step_context *c, size_t attack, const tt_attack_plan *declared,
                            const tt_measure_step *rows, const tt_measure_step *calibration,
                            tt_score_step *step, tt_error *err)
{
    const tt_spec_attack *a = &c->spec->attacks[attack];
    tt_buf out = {0}, params = {0};
    *step = (tt_score_step){0};
    bool good = tt_params_canonical(a->plugin.params, TT_PARAM_SPEED, true, &params);
    tt_buf_printf(&out, "{\"kind\": \"score\", \"revision\": %d", SCORE_REVISION);
    put_text(&out, "attack", a->plugin.info->name);
    tt_buf_printf(&out, ", \"attack_revision\": %u, \"params\": %s, \"fits\": %s, \"seed\": %llu",
                  a->plugin.info->revision, good ? params.data : "", declared->can_fit ? "true" : "false",
                  (unsigned long long)c->spec->seed);
    tt_buf_free(&params);
    if (a->plugin.program) put_text(&out, "program", a->plugin.program->digest);
    tt_status s = good ? tt_step_put_paths(a->plugin.params, TT_PARAM_SPEED, &out, err) : no_memory(err);
    put_text(&out, "calibration", tt_calibration_name(a->calibration));
    if (a->calibration == TT_CALIBRATION_SPLIT)
        tt_buf_printf(&out, ", \"calibration_part\": %.17g", a->calibration_part);
    if (a->calibration == TT_CALIBRATION_CROSS) tt_buf_printf(&out, ", \"folds\": %u", a->calibration_folds);
    if (a->control == TT_CONTROL_PERMUTED) tt_buf_printf(&out, ", \"permuted\": true");
    put_text(&out, "environment", c->environment);
    if (!s) s = put_rows(rows, "rows", &out, err);
    if (!s) s = put_rows(calibration, "calibration_rows", &out, err);
    tt_buf_printf(&out, "}");
    if (!s && out.failed) s = no_memory(err);
    if (s) {
        tt_buf_free(&out);
        return s;
    }
    tt_digest key = tt_sha256_of(out.data, out.size);
    char hex[65];
    tt_digest_hex(&key, hex);
    snprintf(step->name, sizeof step->name, "score-%.32s", hex);
    step->description = out.data; /* taken over */
    return TT_OK;
}

/* ---- the record ---- */

typedef struct recalled {
    tt_arena *arena;
    tt_result_scores *r;
    bool found;
} recalled;

static const double *take_scores(tt_reader *in, tt_arena *arena, size_t n)
{
    size_t bytes;
    const void *values = tt_get_bytes(in, &bytes);
    double *kept = tt_arena_alloc_array(arena, n + 1, sizeof *kept);
    if (!kept || bytes != n * sizeof *kept) {
        in->failed = true;
        return NULL;
    }
    if (bytes) memcpy(kept, values, bytes);
    return kept;
}

static tt_status take_record(void *user, const void *data, size_t size, tt_error *err)
{
    recalled *x = user;
    tt_result_scores *r = x->r;
    tt_reader in = tt_reader_over(data, size);
    const double *scores = take_scores(&in, x->arena, r->n);
    const double *calibration = take_scores(&in, x->arena, r->n_calibration);
    const char *text = tt_get_text(&in);
    char *fitted = tt_arena_strdup(x->arena, text ? text : "");
    if (!fitted) return no_memory(err);
    if (!tt_reader_done(&in))
        return tt_fail(err, TT_ERR_FORMAT,
                       "stored scores do not fit: remove the folder score-… of the store");
    r->scores = scores;
    r->calibration_scores = r->n_calibration ? calibration : NULL;
    r->fitted = fitted;
    x->found = true;
    return TT_OK;
}

static tt_status keep(tt_journal *journal, const tt_result_scores *r, tt_error *err)
{
    tt_buf record = {0};
    tt_put_bytes(&record, r->scores, r->n * sizeof *r->scores);
    tt_put_bytes(&record, r->calibration_scores, r->n_calibration * sizeof *r->calibration_scores);
    tt_put_text(&record, r->fitted);
    tt_status s = record.failed ? no_memory(err) : tt_journal_append(journal, record.data, record.size, err);
    tt_buf_free(&record);
    return s;
}

static tt_status open_journal(const tt_step_context *c, const tt_score_step *step, recalled *x,
                              tt_journal **journal, tt_error *err)
{
    char *dir = tt_path_join(c->store, step->name);
    char *file = dir ? tt_path_join(dir, "journal") : NULL;
    tt_status s = file ? tt_dir_create(dir, err) : no_memory(err);
    if (!s) s = tt_journal_open(file, step->description, take_record, x, journal, err);
    tt_free(file);
    tt_free(dir);
    return s;
}

tt_status tt_score_stored(const tt_step_context *c, tt_workers *workers, size_t attack,
                          const tt_attack_plan *declared, const tt_measure_step *rows,
                          const tt_measure_step *calibration, tt_arena *arena, tt_result_scores *r,
                          tt_error *err)
{
    tt_score_step step;
    tt_journal *journal = NULL;
    recalled x = {arena, r, false};
    tt_status s = tt_score_identify(c, attack, declared, rows, calibration, &step, err);
    if (!s) s = tt_score_select(c->spec, attack, rows, calibration, arena, r, err);
    if (!s) s = tt_score_check_apart(c, attack, rows, calibration, arena, err);
    if (!s) s = open_journal(c, &step, &x, &journal, err);
    if (!s && !x.found)
        s = tt_score_attack(c->spec, workers, attack, declared, rows, calibration, arena, r, err);
    if (!s && !x.found) s = keep(journal, r, err);
    tt_journal_close(journal);
    tt_free(step.description);
    return s;
}
