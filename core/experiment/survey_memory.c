/* How much memory a plan's processes will hold at most, beside what there is. */
#include "experiment/prepare_cache.h"
#include "experiment/survey.h"
#include "plugin/params.h"

#include <stdlib.h>
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

/* What such calls need of one kind of memory. A device that records has a pool for each shape of a batch:
 * filled ones, what is left over of images that are generated, and one beside recordings for attention maps.
 */
static uint64_t needed_for(const tt_memory_amounts *a, uint32_t asked, bool records)
{
    uint64_t bytes = a->weights;
    const uint32_t images = TT_CAP_GENERATE | TT_CAP_VARY;
    if (asked & (TT_CAP_PREDICT | TT_CAP_ATTENTION | images)) bytes += a->predict;
    if (records && asked & images) bytes += a->predict;
    if (records && asked & TT_CAP_ATTENTION) bytes += a->predict;
    if (asked & (TT_CAP_ENCODE | TT_CAP_VARY)) bytes += a->encode;
    if (asked & (TT_CAP_DECODE | images)) bytes += a->decode;
    return bytes;
}

static void add_need(const tt_survey *v, tt_survey_process *host, const tt_memory_need *need, uint32_t asked,
                     uint64_t evaluations)
{
    const tt_survey_device *d = &v->device;
    host->batch = need->batch;
    host->host.weights = need->host.weights;
    host->host.bytes = EMPTY_HOST + d->host_bytes + needed_for(&need->host, asked, false) +
                       evaluations * need->host.evaluation;
    if (!d->name) return;
    host->host.weights = 0; /* they lie on the device */
    host->device.weights = need->device.weights;
    host->device.bytes =
        d->own_bytes + needed_for(&need->device, asked, d->records) + evaluations * need->device.evaluation;
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
    tt_status s = tt_cached_memory(p->cache, p->spec, &model->plugin, &host->known, &need, err);
    if (s) return tt_fail_in(err, "models.%s", model->role);
    add_need(v, host, &need, asked, evaluations);
    return TT_OK;
}

static tt_status ask_device(tt_survey *v, tt_error *err)
{
    const tt_spec *spec = v->prepared->spec;
    tt_device_facts facts;
    tt_status s = tt_cached_device(v->prepared->cache, spec, &facts, err);
    if (s) return tt_fail_in(err, "device");
    v->device.host_bytes = facts.host_bytes;
    if (!facts.own_memory) return TT_OK;
    v->device.name = tt_arena_printf(v->arena, "%s:%d", spec->backend.info->name, spec->device.index);
    v->device.free_bytes = facts.free_bytes;
    v->device.total_bytes = facts.total_bytes;
    v->device.own_bytes = facts.device_bytes;
    v->device.records = facts.records;
    return v->device.name ? TT_OK : no_memory(err);
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
        (tt_survey_process){.name = "worker", .known = true, .host.bytes = EMPTY_WORKER + 4 * largest};
    v->processes[v->n_processes++] = (tt_survey_process){.name = "conductor",
                                                         .known = true,
                                                         .host.bytes = EMPTY_CONDUCTOR + all + 4 * largest +
                                                                       p->samples.n_all * SAMPLE_BYTES};
}

/* Is there anything left to measure on this model? */
static bool is_measured(const tt_survey *v, size_t m)
{
    for (size_t i = 0; i < v->prepared->n_steps; i++)
        if (v->prepared->steps[i].model == m && is_left(v, &v->prepared->steps[i])) return true;
    return false;
}

/* While one model is measured: hosts of the roles of all steps on it, and a worker for each step. */
static uint64_t while_on(const tt_survey *v, size_t m, uint64_t *device)
{
    const tt_prepared *p = v->prepared;
    const tt_survey_process *worker = &v->processes[v->n_processes - 2];
    uint64_t sum = 0;
    *device = 0;
    for (size_t h = 0; h + 2 < v->n_processes; h++) {
        bool used = false;
        for (size_t i = 0; i < p->n_steps; i++)
            used |= p->steps[i].model == m && asked_of(p, &p->steps[i], v->processes[h].model) != 0;
        if (!used) continue;
        sum += v->processes[h].host.bytes;
        *device += v->processes[h].device.bytes;
    }
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].model == m && p->steps[i].same_as == i && is_left(v, &p->steps[i]))
            sum += worker->host.bytes;
    return sum;
}

static int largest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The most that as many models as are measured at once need together; each has hosts of its own. */
static uint64_t largest_of(uint64_t *sums, size_t n, unsigned jobs)
{
    uint64_t total = 0;
    qsort(sums, n, sizeof *sums, largest_first);
    for (size_t i = 0; i < n && i < jobs; i++)
        total += sums[i];
    return total;
}

static tt_status add_up(tt_survey *v, tt_error *err)
{
    size_t n = v->prepared->spec->n_models, measured = 0;
    uint64_t *host = tt_arena_alloc_array(v->arena, n, sizeof *host);
    uint64_t *device = tt_arena_alloc_array(v->arena, n, sizeof *device);
    if (!host || !device) return no_memory(err);
    for (size_t m = 0; m < n; m++) {
        if (!is_measured(v, m)) continue;
        host[measured] = while_on(v, m, &device[measured]);
        measured++;
    }
    v->memory_at_once = v->processes[v->n_processes - 1].host.bytes + largest_of(host, measured, v->jobs);
    v->device.at_once = largest_of(device, measured, v->jobs);
    /* who told what is free had a context of its own on the device meanwhile, as one host will */
    uint64_t one = v->device.at_once ? v->device.own_bytes : 0;
    v->device.may_not_fit = v->device.at_once > v->device.free_bytes + one;
    return TT_OK;
}

tt_status tt_survey_memory(tt_survey *v, tt_error *err)
{
    const tt_spec *spec = v->prepared->spec;
    v->processes = tt_arena_alloc_array(v->arena, spec->n_models + 2, sizeof *v->processes);
    tt_status s = v->processes ? ask_device(v, err) : no_memory(err);
    for (size_t m = 0; m < spec->n_models && !s; m++)
        s = add_host(v, m, err);
    if (s) return s;
    add_others(v);
    v->memory_available = tt_memory_available();
    return add_up(v, err);
}

/* ---- for people ---- */

static double mib(uint64_t bytes)
{
    return (double)bytes / 1048576;
}

static void put_part(tt_buf *out, bool known, const tt_survey_memory_part *part)
{
    if (!known)
        tt_buf_printf(out, "unknown");
    else
        tt_buf_printf(out, "%.0f MiB", mib(part->bytes));
    if (part->weights) tt_buf_printf(out, " (weights %.0f)", mib(part->weights));
}

static void put_jobs(const tt_survey *v, tt_buf *out)
{
    if (v->jobs > 1) tt_buf_printf(out, " with --jobs %u", v->jobs);
}

/* A parameter of the model that could be smaller, by its key; NULL: it has none. */
static const tt_param_value *param_of(const tt_spec_model *model, const char *key)
{
    for (uint32_t i = 0; i < model->plugin.params->n; i++)
        if (strcmp(model->plugin.params->values[i].key, key) == 0) return &model->plugin.params->values[i];
    return NULL;
}

bool tt_survey_device_remedy(const tt_survey *v, tt_buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n_processes; i++) {
        const tt_survey_process *p = &v->processes[i];
        if (!p->model) continue;
        const tt_param_value *dtype = param_of(p->model, "dtype");
        if (p->batch > 1 && param_of(p->model, "batch"))
            tt_buf_printf(out, "%smodels.%s.batch below %u", n++ ? ", " : "", p->model->role, p->batch);
        if (dtype && dtype->node && dtype->node->text && strcmp(dtype->node->text, "f32") == 0)
            tt_buf_printf(out, "%smodels.%s.dtype: bf16", n++ ? ", " : "", p->model->role);
    }
    if (v->jobs > 1) tt_buf_printf(out, "%sfewer --jobs", n++ ? ", " : "");
    return n > 0 && !out->failed;
}

static void put_device(const tt_survey *v, tt_buf *out)
{
    const tt_survey_device *d = &v->device;
    tt_buf_printf(out, "memory of %s at most:", d->name);
    size_t n = 0;
    for (size_t i = 0; i < v->n_processes; i++) {
        if (!v->processes[i].model) continue;
        tt_buf_printf(out, "%s %s ", n++ ? "," : "", v->processes[i].name);
        put_part(out, v->processes[i].known, &v->processes[i].device);
    }
    tt_buf_printf(out, "%s at once %.0f MiB", n ? ";" : "", mib(d->at_once));
    put_jobs(v, out);
    tt_buf_printf(out, ", of %.0f free (%.0f in all)\n", mib(d->free_bytes), mib(d->total_bytes));
    if (!d->may_not_fit) return;
    tt_buf remedy = {0};
    tt_buf_printf(out, "memory: that may be more than %s has free", d->name);
    if (tt_survey_device_remedy(v, &remedy)) tt_buf_printf(out, "; less is needed with %s", remedy.data);
    tt_buf_printf(out, "\n");
    tt_buf_free(&remedy);
}

bool tt_survey_memory_text(const tt_survey *v, tt_buf *out)
{
    uint64_t limit = (uint64_t)v->prepared->spec->memory_limit_mib;
    tt_buf_printf(out, "memory at most:");
    for (size_t i = 0; i < v->n_processes; i++) {
        tt_buf_printf(out, "%s %s ", i ? "," : "", v->processes[i].name);
        put_part(out, v->processes[i].known, &v->processes[i].host);
    }
    tt_buf_printf(out, "; at once %.0f MiB", mib(v->memory_at_once));
    put_jobs(v, out);
    tt_buf_printf(out, ", of %.0f available\n", mib(v->memory_available));
    if (v->memory_available && v->memory_at_once > v->memory_available)
        tt_buf_printf(out, "memory: that may be more than there is: a smaller `batch` or dtype needs less\n");
    for (size_t i = 0; i < v->n_processes && limit; i++)
        if (v->processes[i].known && v->processes[i].host.bytes >> 20 > limit &&
            strcmp(v->processes[i].name, "conductor") != 0)
            tt_buf_printf(out, "memory: %s may grow beyond limits.memory_mib (%llu) and be killed\n",
                          v->processes[i].name, (unsigned long long)limit);
    if (v->device.name) put_device(v, out);
    return !out->failed;
}
