#include "experiment/conductor.h"
#include "base/file.h"
#include "experiment/heat_maps.h"
#include "experiment/measure.h"
#include "experiment/prepare.h"
#include "experiment/published.h"
#include "experiment/near_duplicates.h"
#include "experiment/results_controls.h"
#include "experiment/score_stored.h"
#include "formats/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct tt_conductor {
    const tt_spec *spec;
    tt_launch launch;
    tt_describer *describer;
    tt_prepare_cache *cache;     /* NULL: the run's own */
    const tt_string_map *failed; /* of measuring before; NULL: none */
    tt_arena *arena;
    char *dir, *store, *log;
    int lock_fd;
    double start_s;
    tt_prepared p;
    tt_results results;
    tt_run_info info;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a run");
}

/* ---- the folder ---- */

static tt_status lock_folder(tt_conductor *c, tt_error *err)
{
    char *path = tt_path_join(c->dir, ".lock");
    if (!path) return no_memory(err);
    tt_status s = TT_OK;
    c->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (c->lock_fd < 0)
        s = tt_fail(err, TT_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    else if (!tt_file_lock(c->lock_fd))
        s = tt_fail(err, TT_ERR_IO,
                    "%s: another run is at work in this folder; wait for it, or use another --out", c->dir);
    tt_free(path);
    return s;
}

/* The least confinement of all starts: rows may be of any of them. */
static int least_confined(const char *sessions, int now)
{
    static const char key[] = "\"landlock\": ";
    for (const char *at = sessions; at && (at = strstr(at, key)) != NULL;) {
        at += sizeof key - 1;
        long then = strtol(at, NULL, 10);
        if (then < now) now = then < 0 ? TT_CONFINED_IN_PROCESS : (int)then;
    }
    return now;
}

/* Notes this start, and counts those before it. */
static tt_status note_session(tt_conductor *c, tt_error *err)
{
    char *path = tt_path_join(c->dir, "sessions.jsonl"), *text = NULL;
    size_t size = 0;
    tt_status s = path ? TT_OK : no_memory(err);
    if (!s && tt_file_exists(path)) s = tt_file_read(path, (size_t)1 << 26, &text, &size, err);
    for (size_t i = 0; i < size; i++)
        c->info.resumed += text[i] == '\n';
    char when[32] = "", host[256] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    gethostname(host, sizeof host - 1);
    c->info.host_name = tt_arena_strdup(c->arena, host);
    c->info.build = TT_VERSION;
    tt_buf line = {0};
    tt_buf_printf(&line, "{\"started\": \"%s\", \"version\": \"%s\", \"host\": ", when, TT_VERSION);
    tt_json_quote(&line, host);
    int confined = c->launch.in_process ? TT_CONFINED_IN_PROCESS : tt_confine_abi();
    tt_buf_printf(&line, ", \"landlock\": %d}\n", confined);
    c->info.landlock = least_confined(text, confined);
    tt_file_part parts[2] = {{text, size}, {line.data, line.size}};
    if (!s) s = line.failed ? no_memory(err) : tt_file_write_parts(path, parts, 2, err);
    tt_buf_free(&line);
    tt_free(text);
    tt_free(path);
    return s;
}

static tt_status create(const tt_spec *spec, const tt_launch *launch, const char *dir, const char *store,
                        tt_conductor **out, tt_error *err)
{
    tt_conductor *c = tt_alloc_zero(sizeof *c);
    if (!c) return no_memory(err);
    c->spec = spec;
    c->launch = *launch;
    c->lock_fd = -1;
    c->start_s = now_s();
    c->arena = tt_arena_create(0);
    c->dir = tt_strdup(dir);
    c->store = store ? tt_strdup(store) : tt_path_join(dir, "store");
    c->log = tt_path_join(dir, "log");
    tt_status s = c->arena && c->dir && c->store && c->log ? TT_OK : no_memory(err);
    if (!s) s = tt_dir_create(c->store, err);
    if (!s) s = tt_dir_create(c->log, err);
    if (!s) s = lock_folder(c, err);
    if (!s) s = note_session(c, err);
    if (s) {
        tt_conductor_destroy(c);
        return s;
    }
    c->launch.log_dir = c->log;
    c->launch.hidden[0] = c->dir;
    c->launch.hidden[1] = c->store;
    *out = c;
    return TT_OK;
}

tt_status tt_conductor_create(const tt_spec *spec, const tt_launch *launch, tt_describer *describer,
                              const char *dir, tt_conductor **c, tt_error *err)
{
    tt_status s = create(spec, launch, dir, NULL, c, err);
    if (!s) (*c)->describer = describer;
    return s;
}

tt_status tt_conductor_create_shared(const tt_spec *spec, const tt_launch *launch, const char *dir,
                                     const char *store, tt_prepare_cache *cache, const tt_string_map *failed,
                                     tt_conductor **c, tt_error *err)
{
    tt_status s = create(spec, launch, dir, store, c, err);
    if (s) return s;
    (*c)->cache = cache;
    (*c)->failed = failed;
    return TT_OK;
}

void tt_conductor_destroy(tt_conductor *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->results.n_scores; i++)
        tt_free(c->results.scores[i].roc);
    tt_free(c->results.comparisons);
    tt_prepared_free(&c->p);
    tt_arena_destroy(c->arena);
    if (c->lock_fd >= 0) close(c->lock_fd);
    tt_free(c->dir);
    tt_free(c->store);
    tt_free(c->log);
    tt_free(c);
}

const tt_prepared *tt_conductor_prepared(const tt_conductor *c)
{
    return &c->p;
}

const tt_results *tt_conductor_results(const tt_conductor *c)
{
    return &c->results;
}

const tt_run_info *tt_conductor_info(const tt_conductor *c)
{
    return &c->info;
}

/* ---- measuring ---- */

static tt_status open_steps(tt_conductor *c, tt_error *err)
{
    tt_step_context context = {c->spec, c->p.model_digests, c->p.environment, c->store, c->p.service_digests};
    tt_status s = TT_OK;
    for (size_t i = 0; i < c->p.n_steps && !s; i++)
        if (c->p.steps[i].same_as == i) s = tt_step_open(&context, &c->p.steps[i], err);
    return s;
}

/* What of the store this run uses, for `telltale gc`. */
static tt_status list_artifacts(const tt_conductor *c, tt_error *err)
{
    tt_buf out = {0};
    for (size_t i = 0; i < c->spec->n_data; i++)
        if (c->p.data_artifacts[i]) tt_buf_printf(&out, "%s\n", c->p.data_artifacts[i]);
    for (size_t i = 0; i < c->p.n_steps; i++) {
        char name[TT_STEP_NAME_MAX];
        tt_step_name(&c->p.steps[i], name);
        if (c->p.steps[i].same_as == i) tt_buf_printf(&out, "%s\n", name);
        for (uint32_t k = 0; k < c->p.steps[i].plan->n_services; k++)
            tt_buf_printf(&out, "%s\n", c->p.steps[i].words[k]);
    }
    for (size_t i = 0; i < c->p.plan.n_scores; i++)
        tt_buf_printf(&out, "%s\n", c->p.scores[i].name);
    char *path = tt_path_join(c->dir, "artifacts.txt");
    tt_status s = path && !out.failed ? tt_file_write(path, out.data, out.size, err) : no_memory(err);
    tt_free(path);
    tt_buf_free(&out);
    return s;
}

static tt_status measure(tt_conductor *c, tt_error *err)
{
    tt_measure_run m = {.launch = &c->launch, .store = c->store};
    m.steps = tt_arena_alloc_array(c->arena, c->p.n_steps + 1, sizeof *m.steps);
    if (!m.steps) return no_memory(err);
    uint64_t total = 0;
    for (size_t i = 0; i < c->p.n_steps; i++) {
        tt_measure_step *step = &c->p.steps[i];
        if (step->same_as != i) continue;
        total += step->universe->n * tt_measure_weight(step);
        m.done += step->n_done * tt_measure_weight(step);
        if (step->failure.code) continue; /* known before */
        const char *failure = tt_measure_failure(c->failed, step);
        if (failure)
            tt_fail(&step->failure, TT_ERR_CRASHED, "%s", failure);
        else if (!tt_step_complete(step))
            m.steps[m.n_steps++] = step;
        if (tt_step_complete(step)) m.spent_money += step->meters.executed.money;
        if (!tt_step_complete(step) || !tt_measure_counts(step)) continue;
        m.spent_predictions += step->meters.executed.predictions;
        m.spent_images += step->meters.executed.images;
    }
    if (m.n_steps == 0) return TT_OK;
    if (m.done) tt_log(TT_LOG_INFO, "resuming: %.0f %% are measured", 100.0 * (double)m.done / (double)total);
    m.progress = tt_progress_start("measuring", "predictions", total);
    tt_progress_resume(m.progress, m.done);
    tt_status s = tt_measure_all(&m, err);
    tt_progress_finish(m.progress);
    return s;
}

static const tt_measure_step *rows_of(const tt_conductor *c, size_t measure)
{
    return &c->p.steps[c->p.steps[measure].same_as];
}

/* ---- results ---- */

static tt_status list_samples(tt_conductor *c, tt_error *err)
{
    tt_results *r = &c->results;
    r->samples = tt_arena_alloc_array(c->arena, c->p.samples.n_all, sizeof *r->samples);
    if (!r->samples) return no_memory(err);
    r->n_samples = c->p.samples.n_all;
    for (size_t i = 0; i < r->n_samples; i++) {
        const tt_sample_ref *ref = c->p.samples.all[i];
        r->samples[i] = (tt_result_sample){.data = ref->data,
                                           .split = ref->item->split,
                                           .id = ref->item->id,
                                           .caption = ref->item->caption,
                                           .digest = ref->item->digest};
    }
    return TT_OK;
}

static int by_role(const void *a, const void *b)
{
    return strcmp(((const tt_result_model *)a)->role, ((const tt_result_model *)b)->role);
}

/* In the order in which results.h5 gives them back: a report of it prints the same. */
static tt_status list_models(tt_conductor *c, tt_error *err)
{
    tt_results *r = &c->results;
    r->models = tt_arena_alloc_array(c->arena, c->spec->n_models, sizeof *r->models);
    if (!r->models) return no_memory(err);
    for (size_t m = 0; m < c->spec->n_models; m++)
        if (c->p.used[m])
            r->models[r->n_models++] =
                (tt_result_model){.role = c->spec->models[m].role,
                                  .plugin = c->spec->models[m].plugin.info->name,
                                  .digest = c->p.model_digests[m],
                                  .environment = c->p.environment,
                                  .revision = c->spec->models[m].plugin.info->revision};
    qsort(r->models, r->n_models, sizeof *r->models, by_role);
    return TT_OK;
}

static void tell_bad(const tt_conductor *c, const tt_measure_step *asked, const tt_measure_step *step)
{
    size_t first = 0;
    while (first < step->universe->n && tt_step_row_sound(step, step->rows + first * step->plan->n_columns))
        first++;
    if (first == step->universe->n) return;
    const tt_sample_ref *ref = &step->universe->refs[first];
    tt_log(TT_LOG_WARNING,
           "%s on %s: %zu of %zu samples have a feature that is not a finite number: left out, first "
           "%s.%s: %s",
           c->spec->attacks[asked->attack].name, c->spec->models[asked->model].role, step->n_bad,
           step->universe->n, ref->data, ref->item->split, ref->item->id);
}

static tt_status list_features(tt_conductor *c, tt_error *err)
{
    tt_results *r = &c->results;
    r->features = tt_arena_alloc_array(c->arena, c->p.n_steps, sizeof *r->features);
    if (!r->features) return no_memory(err);
    for (size_t i = 0; i < c->p.n_steps; i++) {
        const tt_measure_step *step = rows_of(c, i);
        if (!tt_step_complete(step)) continue;
        if (c->spec->attacks[c->p.steps[i].attack].control == TT_CONTROL_PERMUTED)
            continue; /* another's rows */
        uint32_t *sample = tt_arena_alloc_array(c->arena, step->universe->n, sizeof *sample);
        if (!sample) return no_memory(err);
        for (size_t k = 0; k < step->universe->n; k++)
            sample[k] = step->universe->refs[k].index;
        r->features[r->n_features++] =
            (tt_result_features){.attack = c->spec->attacks[c->p.steps[i].attack].name,
                                 .role = c->spec->models[c->p.steps[i].model].role,
                                 .key = step->key,
                                 .columns = step->plan->columns,
                                 .n_columns = step->plan->n_columns,
                                 .n = step->universe->n,
                                 .sample = sample,
                                 .values = step->rows,
                                 .attributed = step->meters.attributed,
                                 .n_bad = step->n_bad};
        tell_bad(c, &c->p.steps[i], step);
    }
    return TT_OK;
}

static tt_status params_text(tt_conductor *c, const tt_spec_attack *a, const char **text, tt_error *err)
{
    tt_buf params = {0};
    bool good = tt_params_canonical(a->plugin.params, 0, true, &params);
    *text = good ? tt_arena_strdup(c->arena, params.data) : NULL;
    tt_buf_free(&params);
    return *text ? TT_OK : no_memory(err);
}

/* Why this attack has no scores on this model, or NULL. */
static const char *missing_rows(const tt_conductor *c, const tt_measure_step *step)
{
    tt_error bad = {0};
    if (tt_step_complete(step) && tt_step_check_bad(step, c->spec->bad_samples, 0, NULL, &bad))
        return tt_arena_strdup(c->arena, bad.message);
    if (tt_step_complete(step)) return NULL;
    if (step->failure.code)
        return tt_arena_printf(c->arena, "measuring on %s: %s", c->spec->models[step->model].role,
                               step->failure.message);
    return "was not measured";
}

/* Those that the spec asks for beside the usual ones. */
static void take_fprs(const tt_spec_report *asked, tt_result_scores *r)
{
    const tt_evaluate_options usual = tt_evaluate_defaults();
    for (size_t i = 0; i < asked->n_fprs; i++) {
        bool known = false;
        for (size_t k = 0; k < usual.n_fprs; k++)
            known |= usual.fprs[k] == asked->fprs[i];
        if (!known) r->fprs[r->n_fprs++] = asked->fprs[i];
    }
}

static tt_status score_one(tt_conductor *c, const tt_plan_score *plan, tt_result_scores *r, tt_error *err)
{
    const tt_spec_attack *a = &c->spec->attacks[plan->attack];
    const tt_measure_step *rows = rows_of(c, plan->measure);
    const tt_measure_step *calibration =
        a->calibration == TT_CALIBRATION_NONE ? NULL : rows_of(c, plan->calibration);
    *r = (tt_result_scores){.attack = a->name,
                            .role = c->spec->models[plan->model].role,
                            .plugin = a->plugin.info->name,
                            .revision = a->plugin.info->revision,
                            .calibration = tt_calibration_name(a->calibration),
                            .control = a->control ? tt_control_name(a->control) : NULL,
                            .of = a->of,
                            .fitted = ""};
    tt_status s = params_text(c, a, &r->params, err);
    if (s) return s;
    take_fprs(&c->spec->report, r);
    r->failure = missing_rows(c, rows);
    if (!r->failure && calibration) r->failure = missing_rows(c, calibration);
    if (r->failure) return TT_OK;
    r->predictions = (double)rows->meters.attributed.predictions / (double)rows->universe->n;
    tt_error why = {0};
    tt_step_context context = {c->spec, c->p.model_digests, c->p.environment, c->store, c->p.service_digests};
    tt_workers *workers = tt_planner_workers(tt_prepare_cache_planner(c->p.cache));
    s = tt_score_stored(&context, workers, plan->attack, &c->p.plan.attacks[plan->attack], rows, calibration,
                        c->arena, r, &why);
    if (!s) s = a->control ? tt_control_evaluate(r, &why) : tt_result_evaluate(r, c->spec->seed, &why);
    if (s == TT_ERR_INTERRUPTED || s == TT_ERR_MEMORY) return tt_fail(err, s, "%s", why.message);
    if (s) {
        if (!a->control) tt_log(TT_LOG_ERROR, "%s on %s failed: %s", r->attack, r->role, why.message);
        r->failure = tt_arena_strdup(c->arena, why.message);
        if (!r->failure) return no_memory(err);
    }
    return TT_OK;
}

static tt_status score_all(tt_conductor *c, size_t *failures, tt_error *err)
{
    tt_results *r = &c->results;
    r->scores = tt_arena_alloc_array(c->arena, c->p.plan.n_scores, sizeof *r->scores);
    r->controls = tt_arena_alloc_array(c->arena, c->p.plan.n_scores, sizeof *r->controls);
    if (!r->scores || !r->controls) return no_memory(err);
    r->controls_off = c->spec->controls_off;
    for (size_t i = 0; i < c->p.plan.n_scores; i++) {
        const tt_plan_score *plan = &c->p.plan.scores[i];
        bool control = c->spec->attacks[plan->attack].control;
        tt_result_scores *one = control ? &r->controls[r->n_controls++] : &r->scores[r->n_scores++];
        tt_status s = score_one(c, plan, one, err);
        if (s) return s;
        *failures += one->failure && !control; /* that there is no control is said in its place */
    }
    tt_status s = tt_controls_gains(r, err);
    if (!s)
        s = tt_near_duplicates_find(&c->p.samples, c->spec->near_duplicates, c->arena, &r->near_duplicates,
                                    err);
    return s ? s : tt_results_compare(r, err);
}

static tt_status list_times(tt_conductor *c, double measured_before_s, tt_error *err)
{
    tt_run_info *info = &c->info;
    info->steps = tt_arena_alloc_array(c->arena, c->p.n_steps, sizeof *info->steps);
    if (!info->steps) return no_memory(err);
    for (size_t i = 0; i < c->p.n_steps; i++) {
        const tt_measure_step *step = &c->p.steps[i];
        if (step->same_as != i) continue;
        info->steps[info->n_steps++] = (tt_run_step){.attack = c->spec->attacks[step->attack].name,
                                                     .role = c->spec->models[step->model].role,
                                                     .executed = step->meters.executed,
                                                     .seconds = step->seconds,
                                                     .money_asked = step->meters.attributed.money};
    }
    info->currency = c->spec->currency;
    info->seconds = measured_before_s + now_s() - c->start_s;
    return TT_OK;
}

/* Of this start and of those before, which run.json has. */
static tt_status list_peaks(tt_conductor *c, const char *path, tt_error *err)
{
    tt_run_info *info = &c->info, before = {0};
    tt_child_peak now[TT_RUN_PEAKS_MAX];
    tt_error absent = {0};
    for (size_t n = tt_child_peaks(now, TT_RUN_PEAKS_MAX), i = 0; i < n; i++) {
        const char *name = tt_arena_strdup(c->arena, now[i].name);
        if (!name) return no_memory(err);
        info->peaks[info->n_peaks++] =
            (tt_run_peak){name, (double)now[i].kib / 1024, (double)now[i].device_kib / 1024};
    }
    tt_status s = tt_run_info_read(path, &before, &absent);
    for (size_t i = 0; i < before.n_peaks && !s; i++) {
        size_t k = 0;
        while (k < info->n_peaks && strcmp(info->peaks[k].name, before.peaks[i].name) != 0)
            k++;
        if (k == TT_RUN_PEAKS_MAX) break;
        if (k == info->n_peaks)
            info->peaks[info->n_peaks++] =
                (tt_run_peak){.name = tt_arena_strdup(c->arena, before.peaks[i].name)};
        info->peaks[k].mib = fmax(info->peaks[k].mib, before.peaks[i].mib);
        info->peaks[k].device_mib = fmax(info->peaks[k].device_mib, before.peaks[i].device_mib);
        if (!info->peaks[k].name) s = TT_ERR_MEMORY;
    }
    if (!absent.code) tt_run_info_free(&before);
    return s == TT_ERR_MEMORY ? no_memory(err) : TT_OK;
}

static tt_status write_all(tt_conductor *c, tt_error *err)
{
    char *results = tt_path_join(c->dir, "results.h5"), *info = tt_path_join(c->dir, "run.json");
    tt_status s = results && info ? TT_OK : no_memory(err);
    if (!s) s = list_peaks(c, info, err);
    if (!s) s = tt_results_write(&c->results, results, err);
    if (!s) s = tt_run_info_write(&c->info, info, err);
    tt_free(results);
    tt_free(info);
    return s;
}

tt_status tt_conductor_run(tt_conductor *c, size_t *failures, tt_error *err)
{
    *failures = 0;
    tt_status s = c->cache ? tt_prepare_with(c->spec, c->cache, c->store, &c->p, err)
                           : tt_prepare(c->spec, &c->launch, c->describer, c->store, &c->p, err);
    if (!s) s = list_artifacts(c, err);
    if (!s) s = open_steps(c, err);
    double measured_before_s = 0;
    for (size_t i = 0; i < c->p.n_steps && !s; i++)
        if (c->p.steps[i].same_as == i) measured_before_s += c->p.steps[i].seconds;
    if (!s) s = measure(c, err);
    for (size_t i = 0; i < c->p.n_steps; i++)
        tt_step_close(&c->p.steps[i]);
    c->results.spec = c->spec->resolved;
    c->results.version = TT_VERSION;
    c->results.seed = c->spec->seed;
    if (!s) s = list_samples(c, err);
    if (!s) s = list_models(c, err);
    if (!s) s = list_features(c, err);
    if (!s)
        s = tt_heat_maps_find(c->spec, c->p.steps, c->p.n_steps, c->store, &c->p.samples, c->arena,
                              &c->results, err);
    const tt_spec_published *table = &c->spec->published;
    if (!s && table->file)
        s = tt_published_read(table->file, table->table, table->dataset, table->setting, c->arena,
                              &c->results.published, err);
    if (!s) s = score_all(c, failures, err);
    if (!c->cache && c->p.cache) tt_planner_rest(tt_prepare_cache_planner(c->p.cache));
    if (!s) s = list_times(c, measured_before_s, err);
    if (!s) s = write_all(c, err);
    return s;
}
