/* results/published and its reader: every file whole and in range, rows that find our attacks, slips that are
 * named. */
#include "base/file.h"
#include "experiment/published.h"
#include "experiment/report.h"
#include "formats/csv.h"
#include "formats/yaml.h"
#include "support/test.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PUBLISHED TT_SOURCE_DIR "/results/published"

static tt_error err;
static tt_arena *arena;

static void setup(void)
{
    err = (tt_error){0};
    arena = tt_arena_create(0);
}

static void teardown(void)
{
    tt_arena_destroy(arena);
}

static tt_published read(const char *file, const char *table, const char *dataset, const char *setting)
{
    tt_published p;
    char path[700];
    snprintf(path, sizeof path, "%s/%s.csv", PUBLISHED, file);
    tt_ok(tt_published_read(path, table, dataset, setting, arena, &p, &err), &err);
    return p;
}

static size_t check_file(const char *path)
{
    tt_csv csv;
    tt_ok(tt_csv_read(path, &csv, &err), &err);
    size_t table = tt_csv_column(&csv, "table"), rows = 0;
    for (size_t i = 0; i < csv.n_rows; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first &= strcmp(csv.cells[k * csv.n_columns + table], csv.cells[i * csv.n_columns + table]) != 0;
        /* the same line twice would be a slip */
        for (size_t k = 0; k < i; k++) {
            bool same = true;
            for (size_t c = 0; c < csv.n_columns; c++)
                same &= strcmp(csv.cells[k * csv.n_columns + c], csv.cells[i * csv.n_columns + c]) == 0;
            ck_assert_msg(!same, "%s:%zu repeats line %zu", path, csv.lines[i], csv.lines[k]);
        }
        if (!first) continue;
        tt_published p;
        tt_ok(tt_published_read(path, csv.cells[i * csv.n_columns + table], NULL, NULL, arena, &p, &err),
              &err);
        for (size_t k = 0; k < p.n; k++) {
            const tt_published_row *row = &p.rows[k];
            ck_assert_msg(!isnan(row->asr) || !isnan(row->auc), "%s: %s has neither ASR nor AUC", path,
                          row->method);
            ck_assert_str_ne(row->method, "");
        }
        rows += p.n;
    }
    ck_assert_uint_eq(rows, csv.n_rows);
    tt_csv_free(&csv);
    return rows;
}

START_TEST(every_file_is_whole_and_in_range)
{
    DIR *dir = opendir(PUBLISHED);
    ck_assert_ptr_nonnull(dir);
    size_t files = 0, rows = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        if (n < 4 || strcmp(entry->d_name + n - 4, ".csv") != 0) continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", PUBLISHED, entry->d_name);
        rows += check_file(path);
        files++;
    }
    closedir(dir);
    ck_assert_uint_eq(files, 11);
    ck_assert_uint_eq(rows, 270);
}
END_TEST

START_TEST(numbers_are_the_papers)
{
    tt_published p = read("clid", "2", "Flickr", NULL);
    ck_assert_uint_eq(p.n, 7);
    ck_assert_str_eq(p.title, "clid, table 2, Flickr");
    ck_assert_str_eq(p.rows[6].method, "CLiD-vec");
    ck_assert_double_eq(p.rows[6].asr, 88.86);
    ck_assert_double_eq(p.rows[6].auc, 95.33);
    ck_assert_double_eq(p.rows[6].tpr, 53.92);
    ck_assert_str_eq(p.rows[6].tpr_as, "tpr1_clid");
    p = read("pia", "SD", NULL, "SD 1.5; no text");
    ck_assert_uint_eq(p.n, 4);
    ck_assert_double_eq(p.rows[2].auc, 73.9);
    ck_assert(isnan(p.rows[2].asr));
    p = read("pang", "main", NULL, NULL);
    ck_assert_double_eq_tol(p.rows[1].tpr, 60, 1e-12); /* .60, a fraction there */
}
END_TEST

START_TEST(a_row_is_the_attack_with_its_plugin_and_parameters)
{
    tt_published p = read("clid", "2", "COCO", NULL);
    const tt_published_row *th = &p.rows[5], *vec = &p.rows[6];
    tt_result_scores s = {.plugin = "clid", .params = "{\"classifier\": \"vec\", \"m\": 3}"};
    ck_assert(tt_published_is(vec, &s));
    ck_assert(!tt_published_is(th, &s));
    s.plugin = "clid2";
    ck_assert(!tt_published_is(vec, &s));
    s = (tt_result_scores){.plugin = "loss", .params = "{}"};
    ck_assert(tt_published_is(&p.rows[0], &s));
    p = read("sima", "fine-tuned SD", "COCO", NULL);
    ck_assert_str_eq(p.rows[4].attack, "");
    ck_assert(!tt_published_is(&p.rows[4], &s));
}
END_TEST

static void refused(const char *text, const char *table, const char *says)
{
    char path[700];
    tt_published p;
    snprintf(path, sizeof path, "%s/table.csv", tt_test_dir());
    err = (tt_error){0};
    tt_ok(tt_file_write(path, text, strlen(text), &err), &err);
    ck_assert_int_ne(tt_published_read(path, table, NULL, NULL, arena, &p, &err), TT_OK);
    ck_assert_msg(strstr(err.message, says), "%s", err.message);
}

#define HEAD                                                                                                 \
    "table,dataset,setting,method,attack,queries,unit,asr,auc,tpr_at_1,tpr_at_01,tpr_as,half_width,note\n"

START_TEST(slips_are_named_with_their_line)
{
    refused(HEAD "1,,,m,,1,percent,1,2,3,,,,\n", "2", "no row of table '2'");
    refused(HEAD "1,,,m,,1,percent,1,2,3,,,,\n", "2", "tables: 1");
    refused(HEAD "1,,,m,,1,percent,1,102,3,,,,\n", "1", "table.csv:2: auc is '102'");
    refused(HEAD "1,,,m,,1,fraction,1,1.2,,,,,\n", "1", "auc is '1.2'");
    refused(HEAD "1,,,m,,1,share,1,2,3,,,,\n", "1", "unit is 'share'");
    refused("table,auc\n1,2\n", "1", "no column 'dataset'");
}
END_TEST

START_TEST(every_attack_folder_names_its_paper_and_tables_that_are_there)
{
    DIR *dir = opendir(TT_SOURCE_DIR "/plugins/attacks");
    size_t papers = 0;
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[1024];
        snprintf(path, sizeof path, "%s/plugins/attacks/%s/paper.yaml", TT_SOURCE_DIR, entry->d_name);
        if (entry->d_name[0] == '.' || !tt_file_exists(path)) continue;
        char *text;
        size_t size;
        tt_node *root;
        tt_ok(tt_file_read(path, 1 << 20, &text, &size, &err), &err);
        tt_ok(tt_yaml_parse(arena, path, text, size, &root, &err), &err);
        tt_free(text);
        static const char *const keys[] = {"paper", "venue", "arxiv", "published", "ours"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            ck_assert_msg(tt_node_get(root, keys[i]) != NULL, "%s lacks %s", path, keys[i]);
        for (const tt_node *t = tt_node_get(root, "published")->children; t; t = t->next) {
            tt_published p = read(tt_node_get(t, "file")->text, tt_node_get(t, "table")->text, NULL, NULL);
            bool mentioned = false;
            for (size_t i = 0; i < p.n; i++)
                mentioned |= strncmp(p.rows[i].attack, entry->d_name, strlen(entry->d_name)) == 0;
            ck_assert_msg(mentioned, "%s: %s has no row of this attack", path, p.title);
        }
        papers++;
    }
    closedir(dir);
    ck_assert_uint_ge(papers, 6);
}
END_TEST

START_TEST(a_report_puts_published_numbers_beside_ours)
{
    enum { N = 40 };
    static double scores[N];
    static uint8_t member[N];
    static uint32_t sample[N];
    static tt_result_sample samples[N];
    for (uint32_t i = 0; i < N; i++) {
        member[i] = i % 2;
        sample[i] = i;
        scores[i] = (double)(i * 37 % 41) + (member[i] ? 9 : 0);
        samples[i] = (tt_result_sample){"d", "s", "i", NULL, {{0}}};
    }
    tt_result_scores s = {.attack = "mine",
                          .role = "target",
                          .plugin = "pia",
                          .params = "{}",
                          .calibration = "none",
                          .fitted = "",
                          .n = N,
                          .sample = sample,
                          .member = member,
                          .scores = scores};
    tt_ok(tt_result_evaluate(&s, 1, &err), &err);
    tt_results r = {.spec = "{}",
                    .version = "0",
                    .samples = samples,
                    .n_samples = N,
                    .scores = &s,
                    .n_scores = 1},
               back;
    r.published = read("clid", "2", "COCO", NULL);
    char path[700];
    snprintf(path, sizeof path, "%s/results.h5", tt_test_dir());
    tt_ok(tt_results_write(&r, path, &err), &err);
    tt_ok(tt_results_read(path, &back, &err), &err);
    ck_assert_uint_eq(back.published.n, 7);
    tt_report_run run = {.name = "run", .dir = tt_test_dir(), .results = back};
    tt_report report;
    tt_ok(tt_report_make(&run, 1, 6, &report, &err), &err);
    tt_buf out = {0};
    ck_assert(tt_report_markdown(&report, &out));
    char wanted[200];
    snprintf(wanted, sizeof wanted,
             "| PIA | COCO, real-world training | mine | 54.10 | %.2f | 55.52 | %.2f | 1.76 | %.2f |",
             100 * s.evaluation.best.accuracy, 100 * s.evaluation.auc.auc, 100 * s.tpr_clid_compat);
    ck_assert_msg(strstr(out.data, wanted) != NULL, "%s is not in\n%s", wanted, out.data);
    ck_assert_ptr_nonnull(strstr(out.data, "| Loss | COCO, real-world training | – | 56.28 | – |"));
    tt_buf_free(&out);
    tt_report_free(&report);
    tt_results_free(&back);
    tt_free(s.roc);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("published");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, every_file_is_whole_and_in_range);
    tcase_add_test(cases, numbers_are_the_papers);
    tcase_add_test(cases, a_row_is_the_attack_with_its_plugin_and_parameters);
    tcase_add_test(cases, slips_are_named_with_their_line);
    tcase_add_test(cases, every_attack_folder_names_its_paper_and_tables_that_are_there);
    tcase_add_test(cases, a_report_puts_published_numbers_beside_ours);
    suite_add_tcase(suite, cases);
    return suite;
}
