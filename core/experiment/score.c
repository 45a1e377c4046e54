#include "experiment/score_internal.h"
#include "base/rng.h"
#include "runtime/protocol.h"

#include <math.h>
#include <string.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for scores");
}

size_t tt_calibration_share(double share, size_t in_class)
{
    return (size_t)floor(share * (double)in_class + 0.5);
}

enum part { WHOLE, CALIBRATING, JUDGED };

/* Of each class, the first `share` in the order of opaque ids calibrates: an order keyed by the run's seed
 * and the images' content. */
static bool selected(const tt_universe *u, size_t i, enum part part, double share, size_t seen[2])
{
    if (part == WHOLE) return true;
    bool member = u->refs[i].member;
    size_t in_class = member ? u->members : u->n - u->members;
    bool calibrates = seen[member]++ < tt_calibration_share(share, in_class);
    return calibrates == (part == CALIBRATING);
}

static tt_status select_rows(const tt_measure_step *step, enum part part, double share, tt_arena *arena,
                             tt_selection *out, tt_error *err)
{
    const tt_universe *u = step->universe;
    size_t columns = step->plan->n_columns, seen[2] = {0, 0};
    *out = (tt_selection){.n_columns = columns};
    out->values = tt_arena_alloc_array(arena, u->n * columns, sizeof *out->values);
    out->member = tt_arena_alloc_array(arena, u->n, sizeof *out->member);
    out->sample = tt_arena_alloc_array(arena, u->n, sizeof *out->sample);
    if (!out->values || !out->member || !out->sample) return no_memory(err);
    size_t classes[2] = {0, 0};
    for (size_t i = 0; i < u->n; i++) {
        if (!selected(u, i, part, share, seen)) continue;
        if (!tt_step_row_sound(step, step->rows + i * columns)) continue; /* left out, and told of */
        memcpy(out->values + out->n * columns, step->rows + i * columns, columns * sizeof *out->values);
        out->member[out->n] = u->refs[i].member;
        out->sample[out->n] = u->refs[i].index;
        classes[u->refs[i].member]++;
        out->n++;
    }
    const char *missing = classes[1] ? "non-members" : "members";
    if ((!classes[0] || !classes[1]) && part == WHOLE)
        return tt_fail(err, TT_ERR_INVALID,
                       "no sound sample is left of the %s: all %zu bad ones were left out", missing,
                       step->n_bad);
    if (!classes[0] || !classes[1])
        return tt_fail(err, TT_ERR_INVALID,
                       "calibration: split leaves a part without %s: choose another calibration_part",
                       missing);
    return TT_OK;
}

static void put_rows(tt_buf *out, const tt_selection *rows)
{
    tt_put_u32(out, (uint32_t)rows->n);
    tt_put_bytes(out, rows->values, rows->n * rows->n_columns * sizeof *rows->values);
}

tt_status tt_selection_fit(tt_child *worker, const tt_selection *rows, tt_arena *arena, tt_fitted *out,
                           tt_error *err)
{
    tt_buf b = {0};
    put_rows(&b, rows);
    tt_put_bytes(&b, rows->member, rows->n);
    tt_reply reply;
    tt_status s = tt_child_call(worker, TT_MSG_WORKER_FIT, &b, -1, &reply, err);
    tt_buf_free(&b);
    if (s) return s;
    out->has_state = tt_get_u8(&reply.in);
    size_t size;
    const void *state = tt_get_bytes(&reply.in, &size);
    uint8_t *kept = tt_arena_alloc(arena, size + 1);
    const char *text = tt_get_text(&reply.in);
    out->text = tt_arena_strdup(arena, text ? text : "");
    bool good = kept && out->text;
    if (good && size && state) memcpy(kept, state, size);
    out->state = kept;
    out->size = size;
    s = tt_reply_end(&reply, err);
    return !s && !good ? no_memory(err) : s;
}

tt_status tt_selection_score(tt_child *worker, const tt_selection *rows, const tt_fitted *f, tt_arena *arena,
                             const double **scores, tt_error *err)
{
    tt_buf b = {0};
    put_rows(&b, rows);
    tt_put_u8(&b, f->has_state);
    tt_put_bytes(&b, f->state, f->size);
    tt_reply reply;
    tt_status s = tt_child_call(worker, TT_MSG_WORKER_SCORE, &b, -1, &reply, err);
    tt_buf_free(&b);
    if (s) return s;
    size_t bytes;
    const void *values = tt_get_bytes(&reply.in, &bytes);
    double *kept = tt_arena_alloc_array(arena, rows->n, sizeof *kept);
    bool good = kept && bytes == rows->n * sizeof *kept;
    if (good) memcpy(kept, values, bytes);
    *scores = kept;
    s = tt_reply_end(&reply, err);
    if (!s && !good)
        return tt_fail(err, TT_ERR_FORMAT, "%zu bytes of scores came for %zu rows, not %zu", bytes, rows->n,
                       rows->n * sizeof *kept);
    for (size_t i = 0; !s && i < rows->n; i++)
        if (!isfinite(kept[i]))
            s = tt_fail(err, TT_ERR_INVALID, "score of row %zu is not a finite number", i);
    return s;
}

tt_status tt_selection_both(const tt_spec *spec, size_t attack, const tt_measure_step *rows,
                            const tt_measure_step *calibration, tt_arena *arena, tt_selection *judged,
                            tt_selection *calibrating, tt_error *err)
{
    double share = spec->attacks[attack].calibration_part;
    tt_calibration how = spec->attacks[attack].calibration;
    bool split = how == TT_CALIBRATION_SPLIT;
    if (how == TT_CALIBRATION_CROSS) calibration = NULL; /* the judged rows themselves, by folds */
    *calibrating = (tt_selection){0};
    tt_status s = select_rows(rows, split ? JUDGED : WHOLE, share, arena, judged, err);
    if (!s && calibration)
        s = select_rows(calibration, split ? CALIBRATING : WHOLE, share, arena, calibrating, err);
    return s;
}

/* Folds of the judged rows, where the calibration is by cross-validation. */
static tt_status list_folds(const tt_spec_attack *a, const tt_measure_step *rows, tt_arena *arena,
                            tt_result_scores *r, tt_error *err)
{
    if (a->calibration != TT_CALIBRATION_CROSS) return TT_OK;
    const tt_universe *u = rows->universe;
    uint32_t *fold = tt_arena_alloc_array(arena, u->n, sizeof *fold);
    if (!fold) return no_memory(err);
    tt_status s = tt_folds_assign(u, a->calibration_folds, fold, &r->n_folds, err);
    size_t n = 0; /* as select_rows: what is left out has no place */
    for (size_t i = 0; i < u->n; i++)
        if (tt_step_row_sound(rows, rows->rows + i * rows->plan->n_columns)) fold[n++] = fold[i];
    r->fold = fold;
    return s;
}

static void list_selected(const tt_selection *judged, const tt_selection *calibrating, tt_result_scores *r)
{
    r->n = judged->n;
    r->sample = judged->sample;
    r->member = judged->member;
    r->n_calibration = calibrating->n;
    r->calibration_member = calibrating->member;
}

/* The control: labels of a calibration in a keyed order that has nothing to do with them. */
static tt_status permute(const tt_spec *spec, tt_selection *rows, tt_arena *arena, tt_error *err)
{
    uint64_t *order = tt_arena_alloc_array(arena, rows->n, sizeof *order);
    uint8_t *member = tt_arena_alloc_array(arena, rows->n, sizeof *member);
    if (!order || !member) return no_memory(err);
    tt_stream_key key = tt_purpose_key(spec->seed, "shuffle", "permuted labels");
    tt_keyed_permutation(&key, order, rows->n);
    for (size_t i = 0; i < rows->n; i++)
        member[i] = rows->member[order[i]];
    rows->member = member;
    return TT_OK;
}

/* What fit is shown in place of the judged and the calibrating rows. */
static tt_status permute_both(const tt_spec *spec, size_t attack, const tt_selection *judged,
                              tt_selection *fitted, tt_selection *calibrating, tt_arena *arena, tt_error *err)
{
    *fitted = *judged;
    if (spec->attacks[attack].control != TT_CONTROL_PERMUTED) return TT_OK;
    tt_status s = permute(spec, fitted, arena, err);
    return s || !calibrating->n ? s : permute(spec, calibrating, arena, err);
}

tt_status tt_score_select(const tt_spec *spec, size_t attack, const tt_measure_step *rows,
                          const tt_measure_step *calibration, tt_arena *arena, tt_result_scores *r,
                          tt_error *err)
{
    tt_selection judged, calibrating;
    tt_selection shown;
    tt_status s = tt_selection_both(spec, attack, rows, calibration, arena, &judged, &calibrating, err);
    if (!s) s = permute_both(spec, attack, &judged, &shown, &calibrating, arena, err);
    if (!s) list_selected(&judged, &calibrating, r);
    return s ? s : list_folds(&spec->attacks[attack], rows, arena, r, err);
}

tt_status tt_score_attack(const tt_spec *spec, tt_workers *workers, size_t attack,
                          const tt_attack_plan *declared, const tt_measure_step *rows,
                          const tt_measure_step *calibration, tt_arena *arena, tt_result_scores *r,
                          tt_error *err)
{
    tt_selection judged, calibrating;
    tt_status s = tt_selection_both(spec, attack, rows, calibration, arena, &judged, &calibrating, err);
    tt_selection shown; /* the judged rows, as cross-validation fits on them */
    if (!s) s = list_folds(&spec->attacks[attack], rows, arena, r, err);
    if (!s) s = permute_both(spec, attack, &judged, &shown, &calibrating, arena, err);
    if (s) return s;
    tt_child *worker;
    s = tt_workers_open(workers, spec, attack, "scoring", &worker, err);
    if (s) return s;
    tt_fitted f = {.text = ""};
    if (calibrating.n && declared->can_fit) s = tt_selection_fit(worker, &calibrating, arena, &f, err);
    if (!s && r->n_folds)
        s = tt_score_cross(worker, &shown, r->fold, r->n_folds, arena, &r->scores, &f.text, err);
    else if (!s)
        s = tt_selection_score(worker, &judged, &f, arena, &r->scores, err);
    if (!s && calibrating.n)
        s = tt_selection_score(worker, &calibrating, &f, arena, &r->calibration_scores, err);
    if (s) tt_workers_drop(workers, worker);
    list_selected(&judged, &calibrating, r);
    r->fitted = f.text;
    return s;
}
