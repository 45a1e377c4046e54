/* Exercises a plugin file in a child process, so that a crash or a hang is a line of the report: loads it
 * with every check, then walks each thing that it offers through its life with default (or given) parameters.
 * Attacks measure a practice model (runtime/practice_model.h) as far as their roles allow, then fit and score
 * rows that were made up. */
#ifndef TT_RUNTIME_PLUGIN_CHECK_H
#define TT_RUNTIME_PLUGIN_CHECK_H

#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum tt_check_outcome {
    TT_CHECK_OK,
    TT_CHECK_FAILED,
    TT_CHECK_SKIPPED, /* could not be tried; the text says why */
    TT_CHECK_NOTE     /* no fault, but worth knowing */
} tt_check_outcome;

/* step: "attack clid: measure"; text: what was found, may be "". Both live for the call. */
typedef void (*tt_check_report)(void *user, tt_check_outcome outcome, const char *step, const char *text);

typedef struct tt_check_options {
    const char *program;    /* the telltale program; NULL: /proc/self/exe */
    double step_limit_s;    /* a step that takes longer is a hang; 0: 30 */
    const char *parameters; /* a YAML mapping for every thing that the file offers; NULL: defaults */
    bool load_only;         /* stop after loading */
} tt_check_options;

/* Errors are the checker's own (cannot start the child); faults of the plugin are reported and counted. */
TT_API tt_status tt_plugin_check(const char *path, const tt_check_options *options, tt_check_report report,
                                 void *user, size_t *failures, tt_error *err);

/* Does the process survive loading this file? A file that is refused is survived; one that crashes, hangs or
 * exits is not, and `why` says how it ended. For lists that then load files themselves. */
TT_API tt_status tt_plugin_survives_loading(const char *path, const tt_check_options *options, bool *survives,
                                            char *why, size_t why_size, tt_error *err);

/* The child: `telltale __check FILE PARAMETERS LOAD_ONLY`, its report on descriptor 3. */
TT_API int tt_plugin_check_main(int argc, char **argv);

#endif
