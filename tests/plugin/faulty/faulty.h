/* A sound attack in pieces (the loss at t = 450), from which each file beside this one takes all but the
 * piece that it gets wrong. */
#ifndef TT_TEST_FAULTY_H
#define TT_TEST_FAULTY_H

#include "telltale/plugin.h"

static const tt_host *host;

static inline tt_status sound_init(const tt_host *h, const char *path, tt_error *err)
{
    (void)path, (void)err;
    host = h;
    return TT_OK;
}

static inline void sound_deinit(void)
{
}

static inline tt_status sound_create(const tt_params *params, void **attack, tt_error *err)
{
    (void)params;
    *attack = host->alloc(1);
    return *attack ? TT_OK : host->fail(err, TT_ERR_MEMORY, "out of memory");
}

static inline void sound_destroy(void *attack)
{
    host->free(attack);
}

static inline tt_status sound_plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    static const char *const columns[] = {"L"};
    (void)attack, (void)err;
    p->roles[0] = (tt_role_need){"target", TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT};
    p->n_roles = 1;
    p->needs_captions = true;
    p->n_columns = 1;
    p->columns = columns;
    p->predictions = 1;
    return TT_OK;
}

static inline tt_status sound_measure(void *attack, const tt_measure *context, uint32_t n,
                                      const tt_sample *samples, double *rows, tt_error *err)
{
    tt_model *m = context->models[0];
    tt_status s = TT_OK;
    (void)attack;
    for (uint32_t i = 0; i < n && !s; i++) {
        tt_encode encode = {samples[i].id, {"vae", -1, 0}};
        tt_text_piece piece = {samples[i].caption, 0};
        tt_text text = {&piece, 1};
        tt_handle used[2] = {0, 0};
        s = m->encode(m, 1, &encode, &used[0], err);
        if (!s) s = m->text(m, 1, &text, &used[1], err);
        tt_predict request = {used[0], used[1], 450, TT_WANT_LOSS, samples[i].id, {"eps", 450, 0}, false};
        tt_prediction result;
        if (!s) s = m->predict(m, 1, &request, &result, err);
        if (!s) rows[i] = result.loss;
        if (!s) s = m->release(m, 2, used, err);
    }
    return s;
}

static inline tt_status sound_score(void *attack, const tt_rows *rows, const uint8_t *state,
                                    size_t state_size, double *scores, tt_error *err)
{
    (void)attack, (void)state, (void)state_size, (void)err;
    for (size_t i = 0; i < rows->n; i++)
        scores[i] = -rows->values[i * rows->n_columns];
    return TT_OK;
}

/* The rest of a plugin around an attack's table. */
#define FAULTY_PLUGIN(plugin_name, init_function, ...)                                                       \
    static const tt_plugin_info *info(uint32_t index)                                                        \
    {                                                                                                        \
        static const tt_plugin_info offer = {.size = sizeof offer,                                           \
                                             .kind = TT_KIND_ATTACK,                                         \
                                             .name = plugin_name,                                            \
                                             .revision = 1,                                                  \
                                             .version = "1.0",                                               \
                                             .summary = "faulty on purpose, for tests"};                     \
        return index == 0 ? &offer : NULL;                                                                   \
    }                                                                                                        \
    static const void *get(tt_plugin_kind kind, const char *name)                                            \
    {                                                                                                        \
        static const tt_attack_plugin table = {.size = sizeof table, __VA_ARGS__};                           \
        (void)name;                                                                                          \
        return kind == TT_KIND_ATTACK ? &table : NULL;                                                       \
    }                                                                                                        \
    TT_EXPORT const tt_plugin_entry tt_plugin = {                                                            \
        TT_ABI_VERSION, sizeof(tt_plugin_entry), init_function, sound_deinit, info, get,                     \
    }

#endif
