/* A run of one spec, from the first attempt to the one whose batches fit into the device's memory. */
#ifndef TT_EXPERIMENT_RUN_H
#define TT_EXPERIMENT_RUN_H

#include "experiment/conductor.h"

typedef struct tt_run_job {
    tt_spec_request request; /* of a spec that is no sweep */
    tt_launch launch;        /* time limits are the spec's */
    tt_describer *describer;
    tt_plugin_source source;
    const char *dir;
} tt_run_job;

typedef struct tt_run_done {
    tt_spec *spec;
    tt_conductor *conductor; /* executed */
    size_t failures;         /* scores that are missing, as results say */
} tt_run_done;

/* Mistakes of the spec are noted in `problems`. TT_ERR_INTERRUPTED: what was measured is kept, and the same
 * call goes on from there. In any case tt_run_done_free follows. The job must outlive what is done. */
TT_API tt_status tt_run_execute(const tt_run_job *job, tt_problems *problems, tt_run_done *done,
                                tt_error *err);
TT_API void tt_run_done_free(tt_run_done *done);

#endif
