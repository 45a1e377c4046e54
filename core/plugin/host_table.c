/* What a plugin may ask of the program, as one table of functions. */
#include "plugin/params.h"

#include "base/log.h"
#include "base/thread.h"
#include "stats/stats.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static _Atomic int granted_threads;
static _Thread_local char misuse[256];

void tt_host_set_threads(int threads)
{
    granted_threads = threads;
}

static int host_threads(void)
{
    int n = granted_threads;
    return n > 0 ? n : tt_processors();
}

const char *tt_host_misuse(void)
{
    return misuse[0] ? misuse : NULL;
}

/* The plugin asked for something that its own table does not have: its bug, and no status to carry it. */
static const tt_param_value *find(const tt_params *p, const char *key, uint32_t types)
{
    for (uint32_t i = 0; p && key && i < p->n; i++) {
        if (strcmp(p->values[i].key, key) != 0) continue;
        if (types & (1u << p->values[i].type)) return &p->values[i];
        snprintf(misuse, sizeof misuse,
                 "the plugin reads parameter '%.80s' as another type than its table declares (%s)", key,
                 tt_param_type_name(p->values[i].type));
        tt_log(TT_LOG_ERROR, "%s", misuse);
        return NULL;
    }
    snprintf(misuse, sizeof misuse, "the plugin reads parameter '%.80s', which its table does not have",
             key ? key : "(none)");
    tt_log(TT_LOG_ERROR, "%s", misuse);
    return NULL;
}

#define TYPE(t)  (1u << TT_PARAM_##t)
#define ANY_TYPE 0xffffffffu

static bool host_param_is_set(const tt_params *p, const char *key)
{
    const tt_param_value *v = find(p, key, ANY_TYPE);
    return v && v->node;
}

static bool host_param_bool(const tt_params *p, const char *key)
{
    const tt_param_value *v = find(p, key, TYPE(BOOL));
    return v && v->node && v->node->value.boolean;
}

static int64_t host_param_int(const tt_params *p, const char *key)
{
    const tt_param_value *v = find(p, key, TYPE(INT));
    return v && v->node ? v->node->value.integer : 0;
}

static double host_param_float(const tt_params *p, const char *key)
{
    const tt_param_value *v = find(p, key, TYPE(FLOAT));
    return v && v->node ? v->node->value.real : NAN;
}

static const char *host_param_string(const tt_params *p, const char *key)
{
    const tt_param_value *v = find(p, key, TYPE(STRING) | TYPE(CHOICE) | TYPE(PATH));
    return v && v->node ? v->node->text : NULL;
}

static size_t host_param_list(const tt_params *p, const char *key, const double **values)
{
    const tt_param_value *v = find(p, key, TYPE(INTS) | TYPE(FLOATS));
    *values = v ? v->numbers : NULL;
    return v ? v->n : 0;
}

static size_t host_param_strings(const tt_params *p, const char *key, const char *const **values)
{
    const tt_param_value *v = find(p, key, TYPE(STRINGS));
    *values = v ? v->strings : NULL;
    return v ? v->n : 0;
}

static size_t host_param_counts(const tt_params *p, const char *key, const char *const **names,
                                const int64_t **values)
{
    const tt_param_value *v = find(p, key, TYPE(COUNTS));
    *names = v ? v->strings : NULL;
    *values = v ? v->counts : NULL;
    return v ? v->n : 0;
}

const tt_host *tt_host_table(void)
{
    static const tt_host host = {
        .abi = TT_ABI_VERSION,
        .size = sizeof(tt_host),
        .fail = tt_fail,
        .log = tt_log,
        .alloc = tt_alloc_zero,
        .free = tt_free,
        .stop_requested = tt_stop_requested,
        .threads = host_threads,
        .param_is_set = host_param_is_set,
        .param_bool = host_param_bool,
        .param_int = host_param_int,
        .param_float = host_param_float,
        .param_string = host_param_string,
        .param_list = host_param_list,
        .param_strings = host_param_strings,
        .param_counts = host_param_counts,
        .grid_auc = tt_grid_auc,
    };
    return &host;
}
