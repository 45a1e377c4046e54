/* The blind classifier: can members be told from non-members by looking at the images, without any model? It
 * is no attack but a control: what it finds is a difference between the two sets, not membership. */
#include "features.h"
#include "probe.h"

#include <stdio.h>
#include <string.h>

static const tt_host *host;

typedef struct blind {
    double ridge;
} blind;

static tt_status init(const tt_host *h, const char *path, tt_error *err)
{
    (void)path, (void)err;
    host = h;
    return TT_OK;
}

static void deinit(void)
{
}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    blind *a = host->alloc(sizeof *a);
    if (!a) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    a->ridge = host->param_float(params, "ridge");
    *attack = a;
    return TT_OK;
}

static void destroy(void *attack)
{
    host->free(attack);
}

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    (void)attack, (void)err;
    p->roles[0] = (tt_role_need){TT_ROLE_IMAGES, 0};
    p->n_roles = 1;
    p->can_fit = true;
    p->n_columns = BLIND_FEATURES;
    p->columns = blind_names();
    return TT_OK;
}

static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    (void)attack;
    tt_model *images = context->models[0];
    tt_status s = TT_OK;
    for (uint32_t i = 0; i < n && !s; i++) {
        tt_pixels stored = {0}, small = {0};
        s = images->image(images, samples[i].id, 0, &stored, err);
        if (s) break;
        s = images->image(images, samples[i].id, BLIND_SIDE, &small, err);
        if (!s) blind_features(&stored, &small, rows + (size_t)i * BLIND_FEATURES);
        host->free(stored.rgb);
        if (!s) host->free(small.rgb);
    }
    return s;
}

enum { STATE = 3 * BLIND_FEATURES + 1 };

static tt_status fit(void *attack, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                     size_t *state_size, tt_error *err)
{
    const blind *a = attack;
    double *probe = host->alloc(STATE * sizeof *probe);
    if (!probe) return host->fail(err, TT_ERR_MEMORY, "out of memory for the probe");
    tt_status s = probe_fit(host, rows, member, a->ridge, probe, err);
    if (s) {
        host->free(probe);
        return s;
    }
    *state = (uint8_t *)probe;
    *state_size = STATE * sizeof *probe;
    return TT_OK;
}

static tt_status score(void *attack, const tt_rows *rows, const uint8_t *state, size_t state_size,
                       double *scores, tt_error *err)
{
    (void)attack;
    double probe[STATE];
    if (!state)
        return host->fail(err, TT_ERR_INVALID,
                          "the blind classifier has nothing to go by unless it is fitted: say "
                          "calibration: cross, split or shadow");
    if (state_size != sizeof probe)
        return host->fail(err, TT_ERR_FORMAT, "a probe of %zu bytes: must be %zu", state_size, sizeof probe);
    memcpy(probe, state, sizeof probe);
    for (size_t i = 0; i < rows->n; i++)
        scores[i] = probe_score(probe, BLIND_FEATURES, rows->values + i * BLIND_FEATURES);
    return TT_OK;
}

/* The features that weigh most, with the sign that speaks for membership. */
static tt_status explain(void *attack, const uint8_t *state, size_t state_size, char *text, size_t text_size,
                         tt_error *err)
{
    (void)attack;
    double probe[STATE];
    if (state_size != sizeof probe)
        return host->fail(err, TT_ERR_FORMAT, "a probe of %zu bytes: must be %zu", state_size, sizeof probe);
    memcpy(probe, state, sizeof probe);
    double *w = probe + 2 * BLIND_FEATURES;
    size_t at = 0;
    for (int place = 0; place < 3 && at < text_size; place++) {
        size_t best = 0;
        for (size_t k = 1; k < BLIND_FEATURES; k++)
            if (w[k] * w[k] > w[best] * w[best]) best = k;
        at += (size_t)snprintf(text + at, text_size - at, "%s%s %+.2f", place ? ", " : "",
                               blind_names()[best], w[best]);
        w[best] = 0;
    }
    return TT_OK;
}

static const tt_param params[] = {
    {"ridge", TT_PARAM_FLOAT, "10", 1e-6, 1e9, NULL, "penalty on the probe's squared weights",
     TT_PARAM_SCORE},
};

static const tt_plugin_info blind_info = {
    .size = sizeof blind_info,
    .kind = TT_KIND_ATTACK,
    .name = "blind",
    .revision = 1,
    .version = "1",
    .summary = "control: a classifier that sees the images and no model",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .reference = "Das, Zhang, Tramer, \"Blind baselines beat membership inference attacks for foundation "
                 "models\" (2024)",
};

static const tt_attack_plugin table = {.size = sizeof table,
                                       .create = create,
                                       .destroy = destroy,
                                       .plan = plan,
                                       .measure = measure,
                                       .fit = fit,
                                       .score = score,
                                       .explain = explain};

static const tt_plugin_info *info(uint32_t index)
{
    return index == 0 ? &blind_info : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    return kind == TT_KIND_ATTACK && strcmp(name, "blind") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get};
