/* Inside of the checking child. A step is begun, tried, and ended by one outcome; what is begun and never
 * ended is where the plugin crashed or hung. */
#ifndef TT_RUNTIME_PLUGIN_CHECK_CHILD_H
#define TT_RUNTIME_PLUGIN_CHECK_CHILD_H

#include "plugin/loader.h"
#include "runtime/plugin_check.h"

typedef struct tt_checker {
    int fd;
    char subject[96]; /* "attack clid" */
    char step[160];
    const tt_node *parameters; /* NULL: defaults */
    size_t failures;
} tt_checker;

void tt_checker_begin(tt_checker *c, const char *step);
/* Ends the step that was begun. ok returns true, failed and skipped false, for use as a condition. */
bool tt_checker_ok(tt_checker *c, const char *format, ...) TT_PRINTF(2, 3);
bool tt_checker_failed(tt_checker *c, const char *format, ...) TT_PRINTF(2, 3);
bool tt_checker_skipped(tt_checker *c, const char *format, ...) TT_PRINTF(2, 3);
void tt_checker_note(tt_checker *c, const char *format, ...) TT_PRINTF(2, 3);
/* Ends the step: a status and its error; ok when TT_OK. A failure without a message is a fault of its own. */
bool tt_checker_status(tt_checker *c, tt_status s, const tt_error *err);

/* The parameters of `info`; false (step ended as skipped or failed) where they are lacking or wrong. */
bool tt_check_parameters(tt_checker *c, const tt_plugin_info *info, tt_params **params);
void tt_check_attack(tt_checker *c, const tt_attack_plugin *table, const tt_params *params);
void tt_check_data(tt_checker *c, const tt_data_plugin *table, const tt_params *params);
void tt_check_transform(tt_checker *c, const tt_transform_plugin *table, const tt_params *params);
void tt_check_backend(tt_checker *c, const tt_backend *table);
void tt_check_target(tt_checker *c, const tt_target_plugin *table, const tt_params *params);
void tt_check_service(tt_checker *c, const tt_service_plugin *table, const tt_params *params);

#endif
