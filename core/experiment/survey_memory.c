/* How much memory a plan's processes will hold at most, beside what there is. */
#include "experiment/prepare_cache.h"
#include "experiment/survey.h"

#include <stdio.h>
#include <string.h>

/* A process that serves and holds nothing yet: libraries' own data, stacks, buffers of the channel. */
static const uint64_t EMPTY_HOST = (uint64_t)64 << 20, EMPTY_WORKER = (uint64_t)32 << 20,
                      EMPTY_CONDUCTOR = (uint64_t)16 << 20;
/* Of a sample in the conductor: its entry in the manifest, the universe and the results. */
enum { SAMPLE_BYTES = 2048 };

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a plan");
}

/* What this step asks of a model, in any role. */
static uint32_t asked_of(const tt_prepared *p, const tt_measure_step *step, const tt_spec_model *model)
{
    uint32_t capabilities = 0;
    for (uint32_t k = 0; k < step->plan->n_roles; k++)
        if (tt_plan_role(p->spec, step->model, step->plan->roles[k].role) == model)
            capabilities |= step->plan->roles[k].capabilities;
    return capabilities;
}

/* Measure steps are the survey's first, in the prepared order without repetitions. */
static bool is_left(const tt_survey *v, const tt_measure_step *step)
{
    char name[TT_STEP_NAME_MAX];
    tt_step_name(step, name);
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->steps[i].artifact, name) == 0) return v->steps[i].stored != TT_STORED_WHOLE;
    return false;
}

static tt_status add_host(tt_survey *v, size_t m, tt_error *err)
{
    const tt_prepared *p = v->prepared;
    const tt_spec_model *model = &p->spec->models[m];
    uint32_t asked = 0;
    uint64_t evaluations = 0;
    for (size_t i = 0; i < p->n_steps; i++) {
        const tt_measure_step *step = &p->steps[i];
        uint32_t of_step = step->same_as == i && is_left(v, step) ? asked_of(p, step, model) : 0;
        asked |= of_step;
        if (of_step) evaluations += (uint64_t)step->batch * (step->plan->predictions + 1);
    }
    if (!asked) return TT_OK;
    tt_survey_process *host = &v->processes[v->n_processes++];
    tt_memory_need need;
    *host = (tt_survey_process){.name = tt_arena_printf(v->arena, "model %s", model->role), .model = model};
    if (!host->name) return no_memory(err);
    tt_status s = tt_cached_memory(p->cache, &model->plugin, &host->known, &need, err);
    if (s) return tt_fail_in(err, "models.%s", model->role);
    host->weights = need.weights;
    host->bytes = EMPTY_HOST + need.weights + evaluations * need.evaluation;
    if (asked & (TT_CAP_PREDICT | TT_CAP_GENERATE | TT_CAP_VARY | TT_CAP_ATTENTION))
        host->bytes += need.predict;
    if (asked & (TT_CAP_ENCODE | TT_CAP_VARY)) host->bytes += need.encode;
    if (asked & (TT_CAP_DECODE | TT_CAP_GENERATE | TT_CAP_VARY)) host->bytes += need.decode;
    return TT_OK;
}

/* Rows of the largest step come and go whole when they are fitted and scored; the conductor holds all. */
static void add_others(tt_survey *v)
{
    const tt_prepared *p = v->prepared;
    uint64_t all = 0, largest = 0;
    for (size_t i = 0; i < p->n_steps; i++) {
        uint64_t rows = 8 * (uint64_t)p->steps[i].universe->n * p->steps[i].plan->n_columns;
        if (p->steps[i].same_as == i) all += rows;
        if (rows > largest) largest = rows;
    }
    v->processes[v->n_processes++] =
        (tt_survey_process){.name = "worker", .known = true, .bytes = EMPTY_WORKER + 4 * largest};
    v->processes[v->n_processes++] =
        (tt_survey_process){.name = "conductor",
                            .known = true,
                            .bytes = EMPTY_CONDUCTOR + all + 4 * largest + p->samples.n_all * SAMPLE_BYTES};
}

/* Hosts of the roles of all steps on one model, and a worker for each step. */
static uint64_t at_once_on(const tt_survey *v, size_t m)
{
    const tt_prepared *p = v->prepared;
    const tt_survey_process *conductor = &v->processes[v->n_processes - 1], *worker = conductor - 1;
    uint64_t sum = conductor->bytes;
    for (size_t h = 0; h + 2 < v->n_processes; h++) {
        bool used = false;
        for (size_t i = 0; i < p->n_steps; i++)
            used |= p->steps[i].model == m && asked_of(p, &p->steps[i], v->processes[h].model) != 0;
        if (used) sum += v->processes[h].bytes;
    }
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].model == m && p->steps[i].same_as == i && is_left(v, &p->steps[i]))
            sum += worker->bytes;
    return sum;
}

static uint64_t available(void)
{
    char line[160];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) break;
    if (file) fclose(file);
    return (uint64_t)kib << 10;
}

tt_status tt_survey_memory(tt_survey *v, tt_error *err)
{
    const tt_spec *spec = v->prepared->spec;
    v->processes = tt_arena_alloc_array(v->arena, spec->n_models + 2, sizeof *v->processes);
    tt_status s = v->processes ? TT_OK : no_memory(err);
    for (size_t m = 0; m < spec->n_models && !s; m++)
        s = add_host(v, m, err);
    if (s) return s;
    add_others(v);
    for (size_t m = 0; m < spec->n_models; m++) {
        uint64_t sum = at_once_on(v, m);
        if (sum > v->memory_at_once) v->memory_at_once = sum;
    }
    v->memory_available = available();
    return TT_OK;
}

static double mib(uint64_t bytes)
{
    return (double)bytes / 1048576;
}

bool tt_survey_memory_text(const tt_survey *v, tt_buf *out)
{
    uint64_t limit = (uint64_t)v->prepared->spec->memory_limit_mib;
    tt_buf_printf(out, "memory at most:");
    for (size_t i = 0; i < v->n_processes; i++) {
        const tt_survey_process *process = &v->processes[i];
        tt_buf_printf(out, "%s %s ", i ? "," : "", process->name);
        if (!process->known)
            tt_buf_printf(out, "unknown");
        else
            tt_buf_printf(out, "%.0f MiB", mib(process->bytes));
        if (process->weights) tt_buf_printf(out, " (weights %.0f)", mib(process->weights));
    }
    tt_buf_printf(out, "; at once %.0f MiB for each of --jobs, of %.0f available\n", mib(v->memory_at_once),
                  mib(v->memory_available));
    if (v->memory_available && v->memory_at_once > v->memory_available)
        tt_buf_printf(out, "memory: that may be more than there is: a smaller `batch` or dtype needs less\n");
    for (size_t i = 0; i < v->n_processes && limit; i++)
        if (v->processes[i].known && v->processes[i].bytes >> 20 > limit &&
            strcmp(v->processes[i].name, "conductor") != 0)
            tt_buf_printf(out, "memory: %s may grow beyond limits.memory_mib (%llu) and be killed\n",
                          v->processes[i].name, (unsigned long long)limit);
    return !out->failed;
}
