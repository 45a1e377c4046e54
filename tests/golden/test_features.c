/* The whole grey-box path on the embedded models (portrait, PNG, host process, target sd15, attack worker)
 * against PyTorch and diffusers in double precision (tools/golden_features.py). Losses agree to 1e-5 of the
 * reference; a CLiD difference, to 1e-5 of the larger of the losses that it is a difference of. Arithmetic in
 * f32 leaves about 3e-7 of both; the rest is room for other processors' order of sums. */
#include "support/checkpoints.h"
#include "support/golden.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>

#define GOLDEN    TT_SOURCE_DIR "/tests/golden/features/embedded.json"
#define TOLERANCE 1e-5

enum { COLUMNS = 6 };

static void compare(const golden *g, const char *role, const double *losses, const double *clid)
{
    double worst_loss = 0, worst_difference = 0;
    for (size_t i = 0; i < g->n; i++) {
        const tt_node *value = golden_get(g, g->samples[i], role);
        double reference[COLUMNS];
        ck_assert_uint_eq(value->n_children, COLUMNS);
        value = value->children;
        for (size_t k = 0; k < COLUMNS; k++, value = value->next)
            reference[k] = value->value.real;
        for (size_t k = 0; k < COLUMNS; k++) {
            double found = k == 0 ? losses[i] : clid[i * (COLUMNS - 1) + k - 1];
            double scale = k < 2 ? reference[k] : reference[1] + fmax(reference[k], 0);
            double error = fabs(found - reference[k]) / scale;
            double *worst = k < 2 ? &worst_loss : &worst_difference;
            *worst = fmax(*worst, error);
            ck_assert_msg(error <= TOLERANCE, "%s, sample %zu, column %zu: %.9g, expected %.9g", role, i, k,
                          found, reference[k]);
        }
    }
    printf("%s: losses to %.1e, differences to %.1e\n", role, worst_loss, worst_difference);
}

static void check_role(const char *role, const char *backend, size_t stride)
{
    golden *g = golden_read(GOLDEN, 24, stride * GOLDEN_WIDER);
    double *losses = calloc(g->n * COLUMNS, sizeof *losses), *clid = losses + g->n;
    tt_launch l = golden_launch();
    tt_child host;
    ck_assert_ptr_nonnull(losses);
    golden_start_host(&l, g, role, backend, &host);
    golden_measure(&l, g, &host, "loss", "{}", 1, losses, NULL);
    golden_measure(&l, g, &host, "clid", "{}", COLUMNS - 1, clid, NULL);
    tt_child_stop(&host);
    compare(g, role, losses, clid);
    free(losses);
    golden_free(g);
}

START_TEST(features_of_a_fine_tuned_model_are_those_of_pytorch)
{
    check_role("target", tt_test_backend(), 1);
}
END_TEST

START_TEST(features_of_a_base_model_are_those_of_pytorch)
{
    check_role("base", tt_test_backend(), 1);
}
END_TEST

/* plain loops need 4 s a sample: a few of them */
START_TEST(the_reference_backend_gives_them_too)
{
    check_role("target", "reference", 8);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("features");
    TCase *tc = tcase_create("features");
    tcase_set_timeout(tc, 900);
    tcase_add_test(tc, features_of_a_fine_tuned_model_are_those_of_pytorch);
    tcase_add_test(tc, features_of_a_base_model_are_those_of_pytorch);
    tcase_add_test(tc, the_reference_backend_gives_them_too);
    suite_add_tcase(suite, tc);
    return suite;
}
