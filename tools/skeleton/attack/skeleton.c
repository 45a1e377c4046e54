/* An attack to begin from: the diffusion loss at one timestep, low = member. `telltale plugin check skeleton.so`. */
#include <telltale/plugin.h>

static const tt_host *host; /* what the program offers: errors, memory, parameters */

static tt_status init(const tt_host *h, const char *path, tt_error *err)
{
    host = h, (void)path, (void)err;
    return TT_OK;
}
static void deinit(void) {}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    int32_t *timestep = *attack = host->alloc(sizeof *timestep);
    if (!timestep) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    *timestep = (int32_t)host->param_int(params, "timestep");
    return TT_OK;
}
static void destroy(void *attack) { host->free(attack); }

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    static const char *const columns[] = {"L"}; /* what it gives, what that costs, and what it needs */
    (void)attack, (void)err;
    p->columns = columns, p->n_columns = 1;
    p->predictions = 1, p->needs_captions = true;
    p->roles[p->n_roles++] = (tt_role_need){"target", TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT};
    return TT_OK;
}
static tt_status measure(void *attack, const tt_measure *run, uint32_t n, const tt_sample *x, double *row, tt_error *err)
{
    const int32_t t = *(const int32_t *)attack;
    tt_model *m = run->models[0];
    tt_status s = TT_OK;
    for (uint32_t i = 0; i < n && !s; i++) { /* one call for all samples is faster: see plugins/attacks/loss */
        tt_handle latent = 0, condition = 0;
        tt_prediction result = {0};
        s = m->encode(m, 1, &(tt_encode){x[i].id, {"vae", -1, 0}}, &latent, err);
        if (!s) s = m->text(m, 1, &(tt_text){&(tt_text_piece){x[i].caption, 0}, 1}, &condition, err);
        tt_predict request = {latent, condition, t, TT_WANT_LOSS, x[i].id, {"eps", t, 0}, false};
        if (!s) s = m->predict(m, 1, &request, &result, err);
        if (!s) s = m->release(m, 2, (tt_handle[]){latent, condition}, err);
        row[i] = result.loss;
    }
    return s;
}
static tt_status score(void *attack, const tt_rows *rows, const uint8_t *state, size_t n, double *scores, tt_error *err)
{
    (void)attack, (void)state, (void)n, (void)err;
    for (size_t i = 0; i < rows->n; i++) scores[i] = -rows->values[i]; /* higher = member */
    return TT_OK;
}
static const tt_param params[] = {{"timestep", TT_PARAM_INT, "450", 0, 999, NULL, "where the loss is measured", 0}};
static const tt_plugin_info offer = {sizeof offer, TT_KIND_ATTACK, "skeleton", 1, "1.0", "a loss", params, 1, NULL};
static const tt_plugin_info *info(uint32_t index) { return index == 0 ? &offer : NULL; }
static const tt_attack_plugin table = {sizeof table, create, destroy, plan, measure, NULL, score, NULL};
static const void *get(tt_plugin_kind kind, const char *name) { return (void)kind, (void)name, &table; }

TT_EXPORT const tt_plugin_entry tt_plugin = {TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get};
