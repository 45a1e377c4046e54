/* The toy oracle of the grey-box specification's section 9 as a tt_model: ε(x, t, c) = w[c]·x + 0.1·t/1000 on
 * a latent of four elements, with fixed noises at 440, 450 and 460 and predictions without noise. Counts its
 * predictions. */
#ifndef TT_TEST_TOY_MODEL_H
#define TT_TEST_TOY_MODEL_H

#include "telltale/plugin.h"

#define TOY_CAPTION "abcdef" /* w = .30; its thirds "ab" .28, "cd" .27, "ef" .26; "" .25 */

/* valid until the next call */
tt_model *toy_model(void);
uint64_t toy_predictions(void);

/* An attack of the built plugins with these parameters (YAML), through the real registry. Fails the test on
 * error. */
typedef struct toy_attack {
    const tt_attack_plugin *table;
    void *attack;
    tt_attack_plan plan;
} toy_attack;
toy_attack toy_attack_open(const char *name, const char *yaml);
/* create's error instead */
tt_status toy_attack_try(const char *name, const char *yaml, tt_error *err);
/* a state that fit gave: freed by toy_teardown, as are the attacks that were opened */
void toy_keep(void *state);
void toy_teardown(void);

#endif
