/* Shared by measure*.c only. */
#ifndef TT_EXPERIMENT_MEASURE_INTERNAL_H
#define TT_EXPERIMENT_MEASURE_INTERNAL_H

#include "experiment/measure.h"
#include "experiment/measure_hosts.h"
#include "experiment/services.h"

#include <pthread.h>
#include <stdatomic.h>

/* A step under way: its worker, and its connections to the hosts of its roles. */
typedef struct tt_measure_active {
    tt_measure_step *step;
    tt_child worker;
    bool running;
    bool opened;                       /* here: closed here */
    size_t hosts[TT_ATTACK_MAX_ROLES]; /* behind each role: indices of session.hosts */
    uint32_t connections[TT_ATTACK_MAX_ROLES];
    tt_child *services[TT_ATTACK_MAX_SERVICES];
    uint32_t service_connections[TT_ATTACK_MAX_SERVICES];
} tt_measure_active;

/* Steps that are measured together, in one thread. */
typedef struct tt_measure_session {
    struct tt_measure_team *team;
    tt_launch launch;
    tt_measure_hosts hosts;
    tt_services *services;
    const tt_universe *universe;
    uint32_t batch;
    tt_measure_active *actives;
    size_t n;
    uint64_t money_aside, money_spent; /* for this batch, and of it */
} tt_measure_session;

/* All groups, and the threads that take one after another. */
typedef struct tt_measure_team {
    tt_measure_run *run;
    char **groups; /* [run->n_steps]: the group of each step, a text */
    pthread_mutex_t lock;
    size_t next; /* the first step whose group nobody has taken; of progress, too, the lock */
    tt_error fatal;
    atomic_bool ended;                 /* something ended all */
    atomic_ullong predictions, images; /* that the target has computed so far */
    uint64_t money; /* spent by all models, and set aside for batches under way; the lock */
    struct tt_measure_too_large *too_large; /* measure_fitting.c; the lock */
} tt_measure_team;

/* measure_fitting.c */
/* After a step failed: was a batch too large for a device's memory? Then its host knows what fits, and the
 * step and the team do from now on. */
void tt_measure_ask_fitting(tt_measure_session *x, tt_measure_active *a, const tt_error *why);
/* Before a step begins: TT_ERR_UNSUPPORTED, with what fits, where one of its models with its batch was too
 * large for another step. */
tt_status tt_measure_check_fitting(tt_measure_team *t, tt_measure_step *step, tt_error *err);
void tt_measure_forget_fitting(tt_measure_team *t);

/* measure_budget.c */
/* What this step's model has computed, where it is the target; not the money. */
void tt_measure_count_spent(tt_measure_team *t, const tt_measure_step *step, const tt_meters *m);
/* Tells each host what this batch may cost, and sets its money aside. */
tt_status tt_measure_send_budgets(tt_measure_session *x, uint32_t n_samples, tt_error *err);
/* Gives back what the batch did not spend. */
void tt_measure_settle(tt_measure_session *x);

#endif
