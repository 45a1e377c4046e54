#include "runtime/describe.h"
#include "plugin/loader.h"
#include "plugin/params.h"
#include "runtime/protocol.h"

#include <stdio.h>
#include <string.h>

enum { DESCRIBE_LIMIT_S = 60 };

struct tt_describer {
    const tt_launch *launch;
    tt_child worker;
    bool started;
    tt_arena *arena;
    struct described {
        tt_plugin_info info;
        const char *program; /* "PATH DIGEST"; NULL: a plugin */
        struct described *next;
    } * known;
};

tt_describer *tt_describer_create(const tt_launch *launch)
{
    tt_describer *d = tt_alloc_zero(sizeof *d);
    if (!d) return NULL;
    d->launch = launch;
    d->arena = tt_arena_create(0);
    if (!d->arena) {
        tt_free(d);
        return NULL;
    }
    return d;
}

void tt_describer_rest(tt_describer *d)
{
    if (!d || !d->started) return;
    tt_child_stop(&d->worker);
    d->started = false;
}

void tt_describer_destroy(tt_describer *d)
{
    if (!d) return;
    tt_describer_rest(d);
    tt_arena_destroy(d->arena);
    tt_free(d);
}

static tt_status ask(tt_describer *d, uint16_t type, tt_buf *request, tt_reply *reply, tt_error *err)
{
    tt_status s = TT_OK;
    if (!d->started) s = tt_child_start(d->launch, TT_CHILD_WORKER, "describing plugins", &d->worker, err);
    if (!s) {
        d->started = true;
        s = tt_child_call(&d->worker, type, request, -1, reply, err);
        if (s == TT_ERR_CRASHED) { /* a fresh one for the next question */
            tt_child_stop(&d->worker);
            d->started = false;
        }
    }
    tt_buf_free(request);
    return s;
}

/* ---- a description on the wire ---- */

void tt_put_plugin_info(tt_buf *out, const tt_plugin_info *info)
{
    tt_put_u32(out, info->kind);
    tt_put_text(out, info->name);
    tt_put_u32(out, info->revision);
    tt_put_text(out, info->version);
    tt_put_text(out, info->summary);
    tt_put_text(out, info->reference);
    tt_put_u32(out, info->n_params);
    for (uint32_t i = 0; i < info->n_params; i++) {
        const tt_param *p = &info->params[i];
        tt_put_text(out, p->key);
        tt_put_u32(out, p->type);
        tt_put_text(out, p->default_value);
        tt_put_f64(out, p->min);
        tt_put_f64(out, p->max);
        tt_put_text(out, p->choices);
        tt_put_text(out, p->help);
        tt_put_u32(out, p->flags);
    }
}

static const char *keep_text(tt_arena *arena, tt_reader *in)
{
    const char *text = tt_get_text(in);
    if (!text) return NULL;
    char *kept = tt_arena_strdup(arena, text);
    if (!kept) in->failed = true;
    return kept;
}

static void get_plugin_info(tt_arena *arena, tt_reader *in, tt_plugin_info *info)
{
    *info = (tt_plugin_info){.size = sizeof *info, .kind = (tt_plugin_kind)tt_get_u32(in)};
    info->name = keep_text(arena, in);
    info->revision = tt_get_u32(in);
    info->version = keep_text(arena, in);
    info->summary = keep_text(arena, in);
    info->reference = keep_text(arena, in);
    info->n_params = tt_get_count(in, 28);
    tt_param *params = tt_arena_alloc_array(arena, info->n_params, sizeof *params);
    if (!params) {
        in->failed = true;
        return;
    }
    for (uint32_t i = 0; i < info->n_params; i++) {
        params[i].key = keep_text(arena, in);
        params[i].type = (tt_param_type)tt_get_u32(in);
        params[i].default_value = keep_text(arena, in);
        params[i].min = tt_get_f64(in);
        params[i].max = tt_get_f64(in);
        params[i].choices = keep_text(arena, in);
        params[i].help = keep_text(arena, in);
        params[i].flags = tt_get_u32(in);
    }
    info->params = params;
}

/* ---- questions ---- */

tt_status tt_describe_plugin(void *describer, tt_plugin_kind kind, const char *name,
                             const tt_plugin_info **info, tt_error *err)
{
    tt_describer *d = describer;
    for (struct described *k = d->known; k; k = k->next)
        if (!k->program && k->info.kind == kind && strcmp(k->info.name, name) == 0) {
            *info = &k->info;
            return TT_OK;
        }
    tt_buf request = {0};
    tt_put_u32(&request, kind);
    tt_put_text(&request, name);
    tt_reply reply;
    tt_status s = ask(d, TT_MSG_WORKER_DESCRIBE, &request, &reply, err);
    if (s == TT_ERR_CRASHED) return tt_fail_in(err, "%s %s", tt_plugin_kind_name(kind), name);
    if (s) return s;
    struct described *k = tt_arena_alloc(d->arena, sizeof *k);
    if (k) get_plugin_info(d->arena, &reply.in, &k->info);
    if (k && !reply.in.failed) {
        k->next = d->known;
        d->known = k;
        *info = &k->info;
    }
    s = tt_reply_end(&reply, err);
    return !s && !k ? tt_fail(err, TT_ERR_MEMORY, "out of memory for a description") : s;
}

/* A program may say anything. */
static tt_status check_program_info(const tt_plugin_info *info, tt_error *err)
{
    if (info->kind != TT_KIND_ATTACK)
        return tt_fail(err, TT_ERR_INVALID, "describes itself as something else than an attack");
    if (!info->name || !tt_plugin_name_well_formed(info->name))
        return tt_fail(err, TT_ERR_INVALID, "its name must be of a-z, 0-9 and _, at most 63 characters");
    if (info->revision == 0) return tt_fail(err, TT_ERR_INVALID, "its revision must be 1 or more");
    return tt_params_check_table(info, err);
}

static tt_status ask_program(tt_describer *d, const tt_program *program, struct described *k, tt_error *err)
{
    const char *slash = strrchr(program->path, '/');
    char name[64];
    snprintf(name, sizeof name, "attack %.40s", slash ? slash + 1 : program->path);
    tt_child child;
    const tt_confine_need need = {.program = program};
    tt_status s = tt_child_start_attack(d->launch, &need, name, &child, err);
    if (s) return s;
    /* a program that never answers is most likely no such program at all */
    if (d->launch->time_limit_s <= 0) tt_port_set_time_limit(child.control, DESCRIBE_LIMIT_S);
    tt_buf request = {0};
    tt_put_u32(&request, TT_KIND_ATTACK);
    tt_put_text(&request, program->path);
    tt_reply reply;
    s = tt_child_call(&child, TT_MSG_WORKER_DESCRIBE, &request, -1, &reply, err);
    tt_buf_free(&request);
    if (!s) {
        get_plugin_info(d->arena, &reply.in, &k->info);
        s = tt_reply_end(&reply, err);
        if (!s) s = check_program_info(&k->info, err);
    }
    tt_child_stop(&child);
    return s ? tt_fail_in(err, "%s", program->path) : TT_OK;
}

tt_status tt_describe_program(void *describer, const tt_program *program, const tt_plugin_info **info,
                              tt_error *err)
{
    tt_describer *d = describer;
    const char *id = tt_arena_printf(d->arena, "%s %s", program->path, program->digest);
    struct described *k = tt_arena_alloc(d->arena, sizeof *k);
    if (!id || !k) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a description");
    for (struct described *old = d->known; old; old = old->next)
        if (old->program && strcmp(old->program, id) == 0) {
            *info = &old->info;
            return TT_OK;
        }
    tt_status s = ask_program(d, program, k, err);
    if (s) return s;
    k->program = id;
    k->next = d->known;
    d->known = k;
    *info = &k->info;
    return TT_OK;
}

static tt_status ask_backend(tt_describer *d, const char *backend, const tt_device_options *options,
                             const char **name, const char **text, tt_error *err)
{
    tt_buf request = {0};
    tt_put_device(&request, backend, options);
    tt_reply reply;
    tt_status s = ask(d, TT_MSG_WORKER_ENVIRONMENT, &request, &reply, err);
    if (s) return s;
    *name = keep_text(d->arena, &reply.in);
    const char *described = tt_get_text(&reply.in);
    bool of_batch = tt_get_u32(&reply.in) & TT_BACKEND_BATCH_IN_BITS;
    *text = described ? tt_arena_printf(d->arena, "%s%s", described, of_batch ? TT_ENVIRONMENT_OF_BATCH : "")
                      : NULL;
    s = tt_reply_end(&reply, err);
    return !s && (!*name || !*text) ? tt_fail(err, TT_ERR_MEMORY, "out of memory for a description") : s;
}

tt_status tt_describe_backend(tt_describer *d, const char *backend, const tt_device_options *options,
                              const char **text, tt_error *err)
{
    const char *name;
    return ask_backend(d, backend, options, &name, text, err);
}

tt_status tt_describe_best_backend(void *describer, const char **name, tt_error *err)
{
    const tt_device_options options = {.size = sizeof options};
    const char *text;
    return ask_backend(describer, "auto", &options, name, &text, err);
}

tt_status tt_describe_target(tt_describer *d, tt_plugin_kind kind, const char *target, const char *params,
                             char hex[65], tt_error *err)
{
    tt_buf request = {0};
    tt_put_u32(&request, kind);
    tt_put_text(&request, target);
    tt_put_text(&request, params);
    tt_reply reply;
    tt_status s = ask(d, TT_MSG_WORKER_DIGEST, &request, &reply, err);
    if (s) return s;
    const char *text = tt_get_text(&reply.in);
    bool good = text && strlen(text) == 64;
    if (good) snprintf(hex, 65, "%s", text);
    s = tt_reply_end(&reply, err);
    return !s && !good ? tt_fail(err, TT_ERR_INVALID, "%s %s gave no digest of its model",
                                 tt_plugin_kind_name(kind), target)
                       : s;
}

/* ---- memory ---- */

enum { AMOUNTS = 5 };

static void put_amounts(tt_buf *out, const tt_memory_amounts *a)
{
    const uint64_t numbers[AMOUNTS] = {a->weights, a->predict, a->encode, a->decode, a->evaluation};
    for (size_t i = 0; i < AMOUNTS; i++)
        tt_put_u64(out, numbers[i]);
}

static void get_amounts(tt_reader *in, tt_memory_amounts *a)
{
    uint64_t *const numbers[AMOUNTS] = {&a->weights, &a->predict, &a->encode, &a->decode, &a->evaluation};
    for (size_t i = 0; i < AMOUNTS; i++)
        *numbers[i] = tt_get_u64(in);
}

void tt_put_memory(tt_buf *out, const tt_memory_need *need)
{
    tt_put_u32(out, need->batch);
    put_amounts(out, &need->host);
    put_amounts(out, &need->device);
}

void tt_get_memory(tt_reader *in, tt_memory_need *need)
{
    need->batch = tt_get_u32(in);
    get_amounts(in, &need->host);
    get_amounts(in, &need->device);
}

tt_status tt_describe_memory(tt_describer *d, const char *target, const char *params, const char *backend,
                             const tt_device_options *options, bool *known, tt_memory_need *need,
                             tt_error *err)
{
    tt_buf request = {0};
    tt_put_text(&request, target);
    tt_put_text(&request, params);
    tt_put_device(&request, backend, options);
    tt_reply reply;
    *need = (tt_memory_need){.size = sizeof *need};
    tt_status s = ask(d, TT_MSG_WORKER_MEMORY, &request, &reply, err);
    if (s) return s;
    *known = tt_get_u8(&reply.in);
    if (*known) tt_get_memory(&reply.in, need);
    return tt_reply_end(&reply, err);
}

tt_status tt_describe_device(tt_describer *d, const char *backend, const tt_device_options *options,
                             tt_device_facts *facts, tt_error *err)
{
    tt_buf request = {0};
    tt_put_device(&request, backend, options);
    tt_reply reply;
    tt_status s = ask(d, TT_MSG_WORKER_DEVICE, &request, &reply, err);
    if (s) return s;
    *facts = (tt_device_facts){.own_memory = tt_get_u8(&reply.in)};
    facts->records = tt_get_u8(&reply.in);
    uint64_t *const numbers[] = {&facts->free_bytes, &facts->total_bytes, &facts->device_bytes,
                                 &facts->host_bytes};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = tt_get_u64(&reply.in);
    return tt_reply_end(&reply, err);
}
