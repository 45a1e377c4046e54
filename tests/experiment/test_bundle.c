/* Bundles: written, opened, verified; changed, cut short, forged. */
#include "base/file.h"
#include "experiment/bundle.h"
#include "support/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 40 };
static tt_error err;
static tt_registry *registry;
static double values[N], shadow_values[N], scores[N], shadow_scores[N];
static uint8_t member[N];
static uint32_t sample[N];
static tt_result_sample samples[N];
static const char *const columns[] = {"L_450"};
static tt_result_features features[2];
static tt_result_scores scored;
static tt_results results;
static char dir[512], file[600];

/* A run of the attack loss: scores are features with their sign changed. */
static void setup(void)
{
    err = (tt_error){0};
    tt_ok(tt_registry_open(NULL, 0, &registry, &err), &err);
    snprintf(dir, sizeof dir, "%s/run", tt_test_dir());
    snprintf(file, sizeof file, "%s/run.ttb", tt_test_dir());
    tt_ok(tt_dir_create(dir, &err), &err);
    for (uint32_t i = 0; i < N; i++) {
        member[i] = i % 2;
        sample[i] = i;
        values[i] = (double)(i * 37 % 41) - (member[i] ? 9 : 0);
        shadow_values[i] = (double)(i * 29 % 43) - (member[i] ? 9 : 0);
        scores[i] = -values[i];
        shadow_scores[i] = -shadow_values[i];
        samples[i] = (tt_result_sample){"d", "s", "i", "a caption", tt_sha256_of(&i, sizeof i)};
    }
    features[0] = (tt_result_features){.attack = "loss",
                                       .role = "target",
                                       .key = "k",
                                       .columns = columns,
                                       .n_columns = 1,
                                       .n = N,
                                       .sample = sample,
                                       .values = values};
    features[1] = features[0];
    features[1].role = "shadow";
    features[1].values = shadow_values;
    scored = (tt_result_scores){.attack = "loss",
                                .role = "target",
                                .plugin = "loss",
                                .revision = 1,
                                .params = "{\"timesteps\": [450]}",
                                .calibration = "shadow",
                                .fitted = "",
                                .n = N,
                                .sample = sample,
                                .member = member,
                                .scores = scores,
                                .n_calibration = N,
                                .calibration_scores = shadow_scores,
                                .calibration_member = member};
    const tt_registered *loss;
    tt_ok(tt_registry_find(registry, TT_KIND_ATTACK, "loss", &loss, &err), &err);
    scored.revision = loss->info->revision;
    tt_ok(tt_result_evaluate(&scored, 3, &err), &err);
    results = (tt_results){.spec = "{\"version\":1}",
                           .version = "0.1",
                           .seed = 3,
                           .samples = samples,
                           .n_samples = N,
                           .features = features,
                           .n_features = 2,
                           .scores = &scored,
                           .n_scores = 1};
}

static void teardown(void)
{
    tt_free(scored.roc);
    tt_registry_close(registry);
}

static void write_bundle(void)
{
    char path[600];
    snprintf(path, sizeof path, "%s/results.h5", dir);
    tt_ok(tt_results_write(&results, path, &err), &err);
    tt_ok(tt_bundle_write(dir, true, file, &err), &err);
}

static char *bytes_of(const char *path, size_t *n)
{
    char *data;
    tt_ok(tt_file_read(path, (size_t)1 << 26, &data, n, &err), &err);
    return data;
}

static tt_verified verified(size_t *differ)
{
    tt_bundle b;
    tt_verification v;
    tt_ok(tt_bundle_open(file, &b, &err), &err);
    tt_ok(tt_bundle_verify(&b, registry, &v, &err), &err);
    ck_assert_uint_eq(v.n, 1);
    tt_verified first = v.scores[0];
    first.attack = first.role = NULL;
    first.why = first.why ? "said" : NULL;
    *differ = v.differ;
    tt_verification_free(&v);
    tt_bundle_close(&b);
    return first;
}

START_TEST(a_bundle_is_repeatable_and_verifies_to_the_bit)
{
    size_t n, m, differ;
    write_bundle();
    char *first = bytes_of(file, &n);
    sleep(2); /* zip counts in steps of two seconds */
    tt_ok(tt_bundle_write(dir, true, file, &err), &err);
    char *second = bytes_of(file, &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(first, second, n);
    tt_free(first);
    tt_free(second);
    tt_verified v = verified(&differ);
    ck_assert_uint_eq(differ, 0);
    ck_assert_int_eq(v.metrics, TT_AGREES_TO_THE_BIT);
    ck_assert_int_eq(v.scores, TT_AGREES_TO_THE_BIT);
}
END_TEST

START_TEST(captions_stay_out_when_asked)
{
    static const uint32_t mapped[] = {0}, first[] = {0, 1};
    static const char *const words[] = {"caption"};
    static const double one[] = {1};
    static const uint8_t map[] = {1, 2, 3, 4};
    tt_result_heat_maps maps = {"words", "word_importance", 2, 1, mapped, first, words, one, one, map};
    results.heat_maps = &maps;
    results.n_heat_maps = 1;
    tt_bundle b;
    write_bundle();
    tt_ok(tt_bundle_open(file, &b, &err), &err);
    ck_assert_uint_eq(b.results.n_heat_maps, 1);
    tt_bundle_close(&b);
    tt_ok(tt_bundle_write(dir, false, file, &err), &err);
    tt_ok(tt_bundle_open(file, &b, &err), &err);
    ck_assert_ptr_null(b.results.samples[0].caption);
    ck_assert_uint_eq(b.results.n_heat_maps, 0); /* the words of a map are those of its caption */
    ck_assert_mem_eq(&b.results.samples[0].digest, &samples[0].digest, 32);
    tt_bundle_close(&b);
}
END_TEST

START_TEST(wrong_metrics_and_wrong_scores_are_found)
{
    size_t differ;
    scored.evaluation.auc.auc += 0.01;
    write_bundle();
    tt_verified v = verified(&differ);
    ck_assert_uint_eq(differ, 1);
    ck_assert_int_eq(v.metrics, TT_DIFFERS);
    ck_assert_double_eq_tol(v.largest_metric, 0.01, 1e-12);
    ck_assert_int_eq(v.scores, TT_AGREES_TO_THE_BIT);
    scored.evaluation.auc.auc -= 0.01;
    scores[4] += 2; /* better than the attack gave; the metrics are made anew to fit */
    tt_free(scored.roc);
    scored.has_threshold = false;
    tt_ok(tt_result_evaluate(&scored, 3, &err), &err);
    write_bundle();
    v = verified(&differ);
    ck_assert_uint_eq(differ, 1);
    ck_assert_int_eq(v.metrics, TT_AGREES_TO_THE_BIT);
    ck_assert_int_eq(v.scores, TT_DIFFERS);
    ck_assert_double_eq(v.largest_score, 2);
}
END_TEST

START_TEST(what_cannot_be_fitted_again_is_said)
{
    size_t differ;
    scored.revision = 4000;
    write_bundle();
    tt_verified v = verified(&differ);
    ck_assert_uint_eq(differ, 0);
    ck_assert_int_eq(v.scores, TT_NOT_CHECKED);
    ck_assert_ptr_nonnull(v.why);
    scored.plugin = "nobody_has_this";
    write_bundle();
    v = verified(&differ);
    ck_assert_int_eq(v.scores, TT_NOT_CHECKED);
}
END_TEST

/* Whatever byte is changed: the bundle is refused, or (names and times of the archive itself) says the same.
 */
START_TEST(a_changed_byte_changes_nothing_that_is_believed)
{
    size_t n, refused = 0, tried = 0;
    write_bundle();
    char *whole = bytes_of(file, &n);
    for (size_t at = 0; at < n; at += n / 211 + 1) {
        tt_bundle b;
        whole[at] ^= 0x20;
        tt_ok(tt_file_write(file, whole, n, &err), &err);
        whole[at] ^= 0x20;
        tried++;
        tt_error why = {0};
        if (tt_bundle_open(file, &b, &why) != TT_OK) {
            refused++;
            continue;
        }
        ck_assert_str_eq(b.spec, results.spec);
        ck_assert_mem_eq(b.results.scores[0].scores, scores, sizeof scores);
        tt_bundle_close(&b);
    }
    ck_assert_uint_gt(refused, tried * 9 / 10);
    for (size_t size = 0; size < n * 9 / 10; size += n / 13) {
        tt_bundle b;
        tt_ok(tt_file_write(file, whole, size, &err), &err);
        tt_error why = {0};
        ck_assert_int_ne(tt_bundle_open(file, &b, &why), TT_OK);
    }
    tt_free(whole);
}
END_TEST

typedef struct forged {
    const char *name, *data;
} forged;

static void forge(const forged *entries, size_t n)
{
    struct archive *zip = archive_write_new();
    archive_write_set_format_zip(zip);
    ck_assert_int_eq(archive_write_open_filename(zip, file), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, entries[i].name);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, (la_int64_t)strlen(entries[i].data));
        archive_write_header(zip, e);
        archive_write_data(zip, entries[i].data, strlen(entries[i].data));
        archive_entry_free(e);
    }
    archive_write_close(zip);
    archive_write_free(zip);
}

static void refused(const forged *entries, size_t n, const char *says)
{
    tt_bundle b;
    forge(entries, n);
    err = (tt_error){0};
    ck_assert_int_eq(tt_bundle_open(file, &b, &err), TT_ERR_FORMAT);
    ck_assert_msg(strstr(err.message, says), "%s", err.message);
}

#define MANIFEST                                                                                             \
    "{\"format\": \"telltale bundle 1\", \"telltale\": \"0\", \"entries\": {\"spec.json\": {\"sha256\": "    \
    "\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\", \"bytes\": 2}, \"results.h5\": "  \
    "{\"sha256\": "                                                                                          \
    "\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\", \"bytes\": 2}}}"

START_TEST(forged_archives_are_refused)
{
    char *bomb = tt_alloc_zero(3 << 20);
    memset(bomb, ' ', (3 << 20) - 1);
    const forged whole[] = {
        {"manifest.json", MANIFEST}, {"spec.json", "{}"}, {"results.h5", "{}"}, {"spec.json", "{}"}};
    const forged outside[] = {{"manifest.json", MANIFEST}, {"../spec.json", "{}"}};
    const forged early[] = {{"spec.json", "{}"}, {"manifest.json", MANIFEST}};
    const forged other[] = {{"manifest.json", "{\"format\": \"zip\"}"}};
    const forged large[] = {{"manifest.json", MANIFEST}, {"spec.json", bomb}};
    const forged changed[] = {{"manifest.json", MANIFEST}, {"spec.json", "[]"}};
    refused(whole, 3, "results.h5"); /* digests agree, but {} is no HDF5 */
    refused(whole, 4, "twice");
    refused(whole, 2, "an entry is missing");
    refused(outside, 2, "an entry that a bundle does not have");
    refused(early, 2, "its manifest is not its first entry");
    refused(other, 1, "no format that this telltale knows");
    refused(large, 2, "larger than it says");
    refused(changed, 2, "not what its digest says");
    tt_free(bomb);
    tt_ok(tt_file_write(file, "no zip", 6, &err), &err);
    tt_bundle b;
    ck_assert_int_eq(tt_bundle_open(file, &b, &err), TT_ERR_FORMAT);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("bundle");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, a_bundle_is_repeatable_and_verifies_to_the_bit);
    tcase_add_test(cases, captions_stay_out_when_asked);
    tcase_add_test(cases, wrong_metrics_and_wrong_scores_are_found);
    tcase_add_test(cases, what_cannot_be_fitted_again_is_said);
    tcase_add_test(cases, a_changed_byte_changes_nothing_that_is_believed);
    tcase_add_test(cases, forged_archives_are_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
