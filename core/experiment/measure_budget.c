/* Budgets: counted here, enforced by the hosts. */
#include "experiment/measure_internal.h"
#include "runtime/protocol.h"

#include <string.h>

bool tt_measure_counts(const tt_measure_step *step)
{
    return strcmp(step->spec->models[step->model].role, "target") == 0;
}

void tt_measure_count_spent(tt_measure_team *t, const tt_measure_step *step, const tt_meters *m)
{
    if (!tt_measure_counts(step)) return;
    atomic_fetch_add(&t->predictions, m->executed.predictions);
    atomic_fetch_add(&t->images, m->executed.images);
}

static bool has_budgets(const tt_budgets *b)
{
    return b->queries_per_sample || b->predictions || b->images || b->money > 0;
}

static uint64_t left_of(int64_t budget, uint64_t spent)
{
    if (budget == 0) return UINT64_MAX;
    return (uint64_t)budget > spent ? (uint64_t)budget - spent : 0;
}

/* Which of this step's roles is the model that it examines; n_roles: none is, or nothing limits it. */
static uint32_t limited_role(const tt_measure_active *a)
{
    const tt_attack_plan *p = a->step->plan;
    const tt_spec *spec = a->step->spec;
    uint32_t k = p->n_roles;
    if (!a->running || !has_budgets(&spec->budgets) || !tt_plan_judged(&spec->models[a->step->model]))
        return k;
    for (k = 0; k < p->n_roles && strcmp(p->roles[k].role, "target") != 0; k++) {
    }
    return k;
}

/* Does this step ask the host, in any role? */
static bool asks(const tt_measure_active *a, size_t host)
{
    for (uint32_t k = 0; a->running && k < a->step->plan->n_roles; k++)
        if (a->hosts[k] == host) return true;
    return false;
}

/* Of the steps that ask this host, the least budget; 0: none has one, or nothing is paid for. */
static uint64_t money_budget(const tt_measure_session *x, size_t host)
{
    uint64_t least = 0;
    for (size_t i = 0; i < x->n && x->hosts.list[host]->price.currency; i++) {
        double budget = x->actives[i].step->spec->budgets.money;
        uint64_t money = tt_measure_money(budget);
        if (budget > 0 && asks(&x->actives[i], host) && (!least || money < least)) least = money;
    }
    return least;
}

/* A host's part of what is left: several spend at once, and together never more than there is. */
static uint64_t set_aside(tt_measure_session *x, size_t host)
{
    uint64_t budget = money_budget(x, host), hosts = 0, part = 0;
    unsigned jobs = x->team->run->launch->jobs;
    if (!budget) return UINT64_MAX;
    for (size_t m = 0; m < x->hosts.n; m++)
        hosts += money_budget(x, m) != 0;
    pthread_mutex_lock(&x->team->lock);
    if (budget > x->team->money) part = (budget - x->team->money) / (hosts * (jobs > 1 ? jobs : 1));
    x->team->money += part;
    pthread_mutex_unlock(&x->team->lock);
    x->money_aside += part;
    return part;
}

void tt_measure_settle(tt_measure_session *x)
{
    pthread_mutex_lock(&x->team->lock);
    x->team->money = x->team->money - x->money_aside + x->money_spent;
    pthread_mutex_unlock(&x->team->lock);
    x->money_aside = x->money_spent = 0;
}

/* The least of what the steps' specs allow, for the host; the queries of each connection. */
static void put_budgets(tt_measure_session *x, size_t host, uint32_t n_samples, tt_buf *out, bool *any)
{
    uint64_t predictions = UINT64_MAX, images = UINT64_MAX, money = set_aside(x, host);
    uint32_t n = 0;
    tt_buf connections = {0};
    for (size_t i = 0; i < x->n; i++) {
        const tt_measure_active *a = &x->actives[i];
        uint32_t k = limited_role(a);
        if (k == a->step->plan->n_roles || a->hosts[k] != host) continue;
        const tt_budgets *b = &a->step->spec->budgets;
        if (tt_measure_counts(a->step)) {
            uint64_t p = left_of(b->predictions, atomic_load(&x->team->predictions));
            uint64_t m = left_of(b->images, atomic_load(&x->team->images));
            if (p < predictions) predictions = p;
            if (m < images) images = m;
        }
        tt_put_u32(&connections, a->connections[k]);
        tt_put_u64(&connections, (uint64_t)b->queries_per_sample);
        n++;
    }
    tt_put_u64(out, predictions);
    tt_put_u64(out, images);
    tt_put_u64(out, money);
    tt_put_u32(out, n_samples);
    tt_put_u32(out, n);
    tt_buf_append(out, connections.data, connections.size);
    tt_buf_free(&connections);
    *any = n > 0 || money != UINT64_MAX;
}

/* A dead host is found by whoever asks it next. */
tt_status tt_measure_send_budgets(tt_measure_session *x, uint32_t n_samples, tt_error *err)
{
    tt_status s = TT_OK;
    for (size_t m = 0; m < x->hosts.n && !s; m++) {
        tt_child *host = &x->hosts.list[m]->child;
        tt_buf budgets = {0};
        bool any;
        put_budgets(x, m, n_samples, &budgets, &any);
        if (any && host->control) {
            tt_error why = {0};
            s = tt_measure_tell(host, TT_MSG_HOST_BUDGET, &budgets, &why);
            if (s) tt_fail(err, s, "%s", why.message);
            if (s == TT_ERR_CRASHED) s = TT_OK;
        } else {
            tt_buf_free(&budgets);
        }
    }
    return s;
}
