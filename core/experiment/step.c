#include "experiment/step.h"
#include "base/file.h"
#include "formats/json.h"
#include "plugin/params.h"
#include "runtime/describe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Raised when the same request would give other numbers than before: in the host's arithmetic, batching or
 * noise. */
#define MEASURE_REVISION 2

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a measure step");
}

/* ---- key ---- */

static void put_json(tt_buf *out, const char *key, const char *text)
{
    tt_buf_printf(out, ", \"%s\": ", key);
    if (text)
        tt_json_quote(out, text);
    else
        tt_buf_printf(out, "null");
}

/* Files that an attack reads count by content; folders by their name. */
tt_status tt_step_put_paths(const tt_params *params, uint32_t skip_flags, tt_buf *out, tt_error *err)
{
    for (uint32_t i = 0; i < params->n; i++) {
        const tt_param_value *v = &params->values[i];
        if (v->type != TT_PARAM_PATH || !v->node || (v->flags & skip_flags)) continue;
        struct stat st;
        char hex[65];
        const char *value = v->node->text;
        if (stat(value, &st) == 0 && S_ISREG(st.st_mode)) {
            tt_digest d;
            tt_status s = tt_sha256_of_file(value, &d, err);
            if (s) return s;
            tt_digest_hex(&d, hex);
            value = hex;
        }
        put_json(out, v->key, value);
    }
    return TT_OK;
}

static tt_status put_attack(const tt_spec_attack *a, const tt_attack_plan *plan, tt_buf *out, tt_error *err)
{
    tt_buf params = {0};
    bool good = tt_params_canonical(a->plugin.params, TT_PARAM_SCORE | TT_PARAM_SPEED, true, &params);
    tt_buf_printf(out, "{\"kind\": \"measure\", \"revision\": %d", MEASURE_REVISION);
    put_json(out, "attack", a->plugin.info->name);
    tt_buf_printf(out, ", \"attack_revision\": %u", a->plugin.info->revision);
    if (a->plugin.program) put_json(out, "program", a->plugin.program->digest);
    if (plan->measure_identity)
        put_json(out, "identity", plan->measure_identity);
    else
        tt_buf_printf(out, ", \"params\": %s", good ? params.data : "");
    tt_buf_free(&params);
    tt_buf_printf(out, ", \"columns\": [");
    for (uint32_t i = 0; i < plan->n_columns; i++) {
        tt_buf_printf(out, i ? ", " : "");
        tt_json_quote(out, plan->columns[i]);
    }
    tt_buf_printf(out, "]");
    return good ? tt_step_put_paths(a->plugin.params, TT_PARAM_SCORE | TT_PARAM_SPEED, out, err)
                : no_memory(err);
}

/* Parameters of models that change no result: those that set the batch do where its size is in the bits. */
static uint32_t without_effect(const tt_step_context *c)
{
    const char *mark = TT_ENVIRONMENT_OF_BATCH;
    size_t n = strlen(c->environment), m = strlen(mark);
    return n >= m && strcmp(c->environment + n - m, mark) == 0 ? 0 : TT_PARAM_SPEED;
}

static tt_status put_roles(const tt_step_context *c, const tt_measure_step *step, tt_buf *out, tt_error *err)
{
    tt_buf_printf(out, ", \"models\": [");
    for (uint32_t i = 0; i < step->plan->n_roles; i++) {
        const tt_role_need *need = &step->plan->roles[i];
        const tt_spec_model *m = tt_plan_role(c->spec, step->model, need->role);
        if (!m) { /* images: their content is in the samples' digest */
            tt_buf_printf(out, "%s{\"capabilities\": 0", i ? ", " : "");
            put_json(out, "role", need->role);
            tt_buf_printf(out, "}");
            continue;
        }
        tt_buf params = {0};
        bool good = tt_params_canonical(m->plugin.params, without_effect(c), true, &params);
        tt_buf_printf(out, "%s{\"capabilities\": %u", i ? ", " : "", need->capabilities);
        put_json(out, "role", need->role);
        put_json(out, "target", m->plugin.info->name);
        tt_buf_printf(out, ", \"target_revision\": %u, \"params\": %s", m->plugin.info->revision,
                      good ? params.data : "");
        put_json(out, "digest", c->model_digests[m - c->spec->models]);
        tt_buf_printf(out, "}");
        tt_buf_free(&params);
        if (!good) return no_memory(err);
    }
    tt_buf_printf(out, "]");
    return TT_OK;
}

/* What a service draws is a function of the service and of the arithmetic. */
static bool name_words(const tt_step_context *c, const char *service, char name[TT_STEP_NAME_MAX])
{
    tt_buf text = {0};
    tt_buf_printf(&text, "%s%s", service, c->environment ? c->environment : "");
    tt_digest key = tt_sha256_of(text.data, text.size);
    char hex[65];
    tt_digest_hex(&key, hex);
    snprintf(name, TT_STEP_NAME_MAX, "words-%.32s", hex);
    bool good = !text.failed;
    tt_buf_free(&text);
    return good;
}

/* Nothing where no service is asked. */
static tt_status put_services(const tt_step_context *c, tt_measure_step *step, tt_buf *out, tt_error *err)
{
    for (uint32_t i = 0; i < step->plan->n_services; i++) {
        const tt_spec_service *service = tt_spec_service_of(c->spec, step->plan->services[i]);
        tt_buf params = {0};
        bool good = tt_params_canonical(service->plugin.params, without_effect(c), true, &params);
        tt_buf_printf(out, i ? ", " : ", \"services\": [");
        size_t begin = out->size;
        tt_buf_printf(out, "{");
        tt_buf_printf(out, "\"service_revision\": %u, \"params\": %s", service->plugin.info->revision,
                      good ? params.data : "");
        put_json(out, "role", service->name);
        put_json(out, "service", service->plugin.info->name);
        put_json(out, "digest", c->service_digests[service - c->spec->services]);
        tt_buf_printf(out, "}");
        tt_buf_free(&params);
        if (!good || out->failed || !name_words(c, out->data + begin, step->words[i])) return no_memory(err);
        tt_buf_printf(out, i + 1 == step->plan->n_services ? "]" : "");
    }
    return TT_OK;
}

tt_status tt_step_identify(const tt_step_context *c, tt_measure_step *step, tt_error *err)
{
    tt_buf out = {0};
    tt_status s = put_attack(&c->spec->attacks[step->attack], step->plan, &out, err);
    if (!s) s = put_roles(c, step, &out, err);
    if (!s) s = put_services(c, step, &out, err);
    if (!s) {
        char hex[65];
        tt_digest_hex(&step->universe->digest, hex);
        tt_buf_printf(&out, ", \"samples\": \"%s\", \"captions\": %s, \"seed\": %llu, \"batch\": %u", hex,
                      c->spec->captions_known && !step->universe->captions_withheld ? "true" : "false",
                      (unsigned long long)c->spec->seed, step->batch);
        put_json(&out, "environment", c->environment);
        const char *fixed = c->spec->attacks[step->attack].fixed_caption;
        if (fixed) put_json(&out, "fixed_caption", fixed);
        tt_buf_printf(&out, "}");
        if (out.failed) s = no_memory(err);
    }
    if (s) {
        tt_buf_free(&out);
        return s;
    }
    tt_digest key = tt_sha256_of(out.data, out.size);
    tt_digest_hex(&key, step->key);
    step->description = out.data; /* taken over */
    return TT_OK;
}

/* ---- bad samples ---- */

bool tt_step_row_sound(const tt_measure_step *step, const double *row)
{
    for (uint32_t k = 0; k < step->plan->n_columns; k++)
        if (!isfinite(row[k])) return false;
    return true;
}

tt_status tt_step_check_bad(const tt_measure_step *step, double limit, uint32_t n, const double *rows,
                            tt_error *err)
{
    size_t bad = step->n_bad, columns = step->plan->n_columns, first = SIZE_MAX;
    const double *row = NULL;
    for (size_t i = 0; i < step->n_done + n; i++) {
        const double *one = i < step->n_done ? step->rows + i * columns : rows + (i - step->n_done) * columns;
        if (tt_step_row_sound(step, one)) continue;
        bad += i >= step->n_done;
        if (first != SIZE_MAX) continue;
        first = i;
        row = one;
    }
    if ((double)bad <= limit * (double)step->universe->n) return TT_OK;
    const tt_sample_ref *ref = &step->universe->refs[first];
    size_t k = 0;
    while (isfinite(row[k]))
        k++;
    return tt_fail(err, TT_ERR_INVALID,
                   "feature %s of %s.%s: %s is not a finite number (%zu of %zu samples so far); more than "
                   "limits.bad_samples (%g) allows",
                   step->plan->columns[k], ref->data, ref->item->split, ref->item->id, bad, step->n_done + n,
                   limit);
}

/* ---- journal ---- */

/* A record: first row, rows, columns, both meters, seconds, values; and money, which records of before there
 * was any lack. */
static tt_status take_record(void *user, const void *data, size_t size, tt_error *err)
{
    tt_measure_step *step = user;
    tt_reader in = tt_reader_over(data, size);
    uint32_t first = tt_get_u32(&in), n = tt_get_u32(&in), columns = tt_get_u32(&in);
    tt_meters meters = tt_get_counts(&in);
    double seconds = tt_get_f64(&in);
    size_t bytes;
    const void *values = tt_get_bytes(&in, &bytes);
    if (!in.failed && !tt_reader_done(&in)) tt_get_money(&in, &meters);
    if (!tt_reader_done(&in) || first != step->n_done || columns != step->plan->n_columns ||
        n > step->universe->n - step->n_done || bytes != (size_t)n * columns * sizeof(double))
        return tt_fail(
            err, TT_ERR_FORMAT,
            "the journal of measure step %.12s holds a record that does not fit: remove the folder "
            "measure-%.32s of the store to measure anew",
            step->key, step->key);
    if (bytes) memcpy(step->rows + step->n_done * columns, values, bytes);
    for (size_t i = 0; i < n; i++)
        step->n_bad += !tt_step_row_sound(step, step->rows + (step->n_done + i) * columns);
    step->n_done += n;
    tt_meters_add(&step->meters, &meters);
    step->seconds += seconds;
    return TT_OK;
}

void tt_step_name(const tt_measure_step *step, char name[TT_STEP_NAME_MAX])
{
    snprintf(name, TT_STEP_NAME_MAX, "measure-%.32s", step->key);
}

tt_status tt_step_open(const tt_step_context *c, tt_measure_step *step, tt_error *err)
{
    char name[TT_STEP_NAME_MAX];
    tt_step_name(step, name);
    char *dir = tt_path_join(c->store, name);
    char *file = dir ? tt_path_join(dir, "journal") : NULL;
    size_t values;
    tt_status s = file ? tt_dir_create(dir, err) : no_memory(err);
    if (!s && !tt_size_mul(step->universe->n, step->plan->n_columns, &values)) s = no_memory(err);
    if (!s) {
        step->rows = tt_alloc_array(values, sizeof *step->rows);
        s = step->rows ? tt_journal_open(file, step->description, take_record, step, &step->journal, err)
                       : no_memory(err);
    }
    tt_free(file);
    tt_free(dir);
    return s;
}

/* The same record as take_record, of which only the account is wanted. */
static tt_status count_record(void *user, const void *data, size_t size, tt_error *err)
{
    tt_step_stored *stored = user;
    tt_reader in = tt_reader_over(data, size);
    uint32_t first = tt_get_u32(&in), n = tt_get_u32(&in);
    tt_get_u32(&in);
    tt_meters meters = tt_get_counts(&in);
    double seconds = tt_get_f64(&in);
    size_t bytes;
    tt_get_bytes(&in, &bytes);
    if (!in.failed && !tt_reader_done(&in)) tt_get_money(&in, &meters);
    if (in.failed || first != stored->n_done)
        return tt_fail(err, TT_ERR_FORMAT, "a record of the journal does not fit");
    stored->n_done += n;
    stored->seconds += seconds;
    tt_meters_add(&stored->meters, &meters);
    return TT_OK;
}

tt_status tt_step_peek(const char *folder, tt_step_stored *stored, tt_error *err)
{
    *stored = (tt_step_stored){0};
    char *file = tt_path_join(folder, "journal");
    tt_status s =
        file ? tt_journal_read(file, &stored->description, count_record, stored, err) : no_memory(err);
    tt_free(file);
    return s;
}

static tt_status count_only(void *user, const void *data, size_t size, tt_error *err)
{
    (void)data;
    (void)size;
    (void)err;
    ++*(size_t *)user;
    return TT_OK;
}

tt_status tt_step_peek_header(const char *folder, char **description, size_t *n_records, tt_error *err)
{
    *n_records = 0;
    *description = NULL;
    char *file = tt_path_join(folder, "journal");
    tt_status s = file ? tt_journal_read(file, description, count_only, n_records, err) : no_memory(err);
    tt_free(file);
    return s;
}

tt_status tt_step_append(tt_measure_step *step, uint32_t n, const double *rows, const tt_meters *meters,
                         double seconds, tt_error *err)
{
    tt_buf record = {0};
    uint32_t columns = step->plan->n_columns;
    tt_put_u32(&record, (uint32_t)step->n_done);
    tt_put_u32(&record, n);
    tt_put_u32(&record, columns);
    tt_put_counts(&record, meters);
    tt_put_f64(&record, seconds);
    tt_put_bytes(&record, rows, (size_t)n * columns * sizeof *rows);
    tt_put_money(&record, meters);
    tt_status s =
        record.failed ? no_memory(err) : tt_journal_append(step->journal, record.data, record.size, err);
    if (!s) s = take_record(step, record.data, record.size, err);
    tt_buf_free(&record);
    return s;
}

bool tt_step_complete(const tt_measure_step *step)
{
    return step->n_done == step->universe->n;
}

void tt_step_close(tt_measure_step *step)
{
    tt_journal_close(step->journal);
    step->journal = NULL;
}

void tt_step_drop(tt_measure_step *step)
{
    tt_step_close(step);
    tt_free(step->rows);
    step->rows = NULL;
}

void tt_step_free(tt_measure_step *step)
{
    tt_step_close(step);
    tt_free(step->description);
    tt_free(step->rows);
    *step = (tt_measure_step){0};
}
