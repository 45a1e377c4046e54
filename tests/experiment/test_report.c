/* The forms of a report: the same cells everywhere, nothing of a hostile text gets out of its place, the same
 * results give the same bytes. */
#include "base/file.h"
#include "experiment/report.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 40 };
static const char hostile[] = "<script>alert('x')</script> & 100% of_a|row \"q\" {\\x} $#~^";
static tt_error err;
static double scores_a[N], scores_b[N];
static uint8_t member[N];
static uint32_t sample[N];
static tt_result_sample samples[N];
static tt_result_model model = {"target", "toy", "00ff00ff00ff00ff00ff", "here", 3};
static tt_result_scores scores[4];
static const char *const columns[] = {"loss"};
static tt_result_features features = {.attack = "strong",
                                      .role = "target",
                                      .key = "00",
                                      .columns = columns,
                                      .n_columns = 1,
                                      .n = N,
                                      .sample = sample,
                                      .values = scores_a,
                                      .attributed = {.predictions = 120, .texts = 40, .service_texts = 40},
                                      .n_bad = 2};
static tt_run_step step = {.attack = "strong",
                           .role = "target",
                           .executed = {.predictions = 100, .texts = 40, .service_texts = 39},
                           .seconds = 2.5};
static tt_report_run runs[2];
static tt_report report;

static void setup(void)
{
    err = (tt_error){0};
    for (uint32_t i = 0; i < N; i++) {
        member[i] = i % 2;
        sample[i] = i;
        scores_a[i] = (double)(i * 37 % 41) + (member[i] ? 30 : 0);
        scores_b[i] = (double)(i * 29 % 43);
        samples[i] = (tt_result_sample){"faces", "seen", "x/1.png", hostile, tt_sha256_of(&i, sizeof i)};
    }
    const tt_result_scores base = {.plugin = "loss",
                                   .params = "{}",
                                   .calibration = "none",
                                   .fitted = "",
                                   .predictions = 3,
                                   .n = N,
                                   .sample = sample,
                                   .member = member};
    static const char *const attacks[] = {"strong", "weak", "strong", "broken"};
    static const char *const roles[] = {"target", "target", "control", "target"};
    for (int i = 0; i < 4; i++) {
        scores[i] = base;
        scores[i].attack = attacks[i];
        scores[i].role = roles[i];
        scores[i].scores = i == 0 ? scores_a : scores_b;
    }
    scores[3].failure = hostile;
    for (int i = 0; i < 3; i++)
        tt_ok(tt_result_evaluate(&scores[i], 9, &err), &err);
    runs[0] = (tt_report_run){.name = "first",
                              .dir = tt_test_dir(),
                              .has_info = true,
                              .info = {.host_name = "there", .landlock = 4, .steps = &step, .n_steps = 1}};
    runs[0].results = (tt_results){.spec = "{\"version\":1,\"note\":\"</pre><b>\"}",
                                   .version = "0.1",
                                   .seed = 9,
                                   .samples = samples,
                                   .n_samples = N,
                                   .models = &model,
                                   .n_models = 1,
                                   .features = &features,
                                   .n_features = 1,
                                   .scores = scores,
                                   .n_scores = 4};
    tt_ok(tt_results_compare(&runs[0].results, &err), &err);
    runs[1] = runs[0];
    runs[1].name = "second & last";
    tt_ok(tt_report_make(runs, 1, 3, &report, &err), &err);
}

static void teardown(void)
{
    tt_report_free(&report);
    for (int i = 0; i < 3; i++)
        tt_free(scores[i].roc);
    tt_free(runs[0].results.comparisons);
}

static const tt_report_table *table(const char *id)
{
    for (size_t i = 0; i < report.n_tables; i++)
        if (strcmp(report.tables[i].id, id) == 0) return &report.tables[i];
    ck_abort_msg("no table %s", id);
    return NULL;
}

static const tt_report_cell *cell(const char *id, size_t row, const char *column)
{
    const tt_report_table *t = table(id);
    for (size_t c = 0; c < t->n_columns; c++)
        if (strcmp(t->columns[c], column) == 0) return &t->cells[row * t->n_columns + c];
    ck_abort_msg("no column %s", column);
    return NULL;
}

START_TEST(tables_have_a_row_for_each_attack_and_rank_what_is_attacked)
{
    ck_assert_uint_eq(table("target")->n_rows, 2);
    ck_assert_str_eq(cell("target", 0, "attack")->text, "strong");
    ck_assert_int_eq(cell("target", 0, "AUC")->place, 1);
    ck_assert_int_eq(cell("target", 1, "AUC")->place, 2);
    ck_assert_int_eq(cell("control", 0, "AUC")->place, 0);
    ck_assert_str_eq(cell("target", 0, "TPR@1%FPR")->text, "not resolvable");
    ck_assert_ptr_nonnull(strstr(cell("target", 0, "ASR")->text, "optimistic"));
    ck_assert_uint_eq(table("target-comparisons")->n_rows, 1);
    ck_assert_uint_eq(table("failures")->n_rows, 1);
    ck_assert_str_eq(cell("failures", 0, "why")->text, hostile);
    ck_assert_str_eq(cell("target-clid", 0, "Query")->text, "3");
}
END_TEST

START_TEST(several_runs_stand_side_by_side_under_their_names)
{
    tt_report_free(&report);
    tt_ok(tt_report_make(runs, 2, 3, &report, &err), &err);
    ck_assert_uint_eq(table("target")->n_rows, 4);
    ck_assert_str_eq(cell("target", 0, "run")->text, "first");
    ck_assert_str_eq(cell("target", 2, "run")->text, "second & last");
    /* equal numbers share their place */
    ck_assert_int_eq(cell("target", 0, "AUC")->place, 1);
    ck_assert_int_eq(cell("target", 2, "AUC")->place, 1);
    ck_assert_int_eq(cell("target", 1, "AUC")->place, 2);
}
END_TEST

START_TEST(markdown_is_tables_whose_cells_cannot_break_them)
{
    tt_buf out = {0};
    ck_assert(tt_report_markdown(&report, &out));
    char wanted[100];
    snprintf(wanted, sizeof wanted, "| strong | **%.3f \\[", scores[0].evaluation.auc.auc);
    ck_assert_ptr_nonnull(strstr(out.data, wanted));
    ck_assert_ptr_nonnull(strstr(out.data, "\\<script\\>alert('x')\\</script\\> & 100% of\\_a\\|row"));
    tt_buf_free(&out);
}
END_TEST

START_TEST(latex_escapes_its_special_characters)
{
    tt_buf out = {0};
    ck_assert(tt_report_latex(&report, &out));
    ck_assert_ptr_nonnull(strstr(
        out.data, "\\textless{}script\\textgreater{}alert('x')\\textless{}/script\\textgreater{} \\& 100\\% "
                  "of\\_a|row \"q\" \\{\\textbackslash{}x\\} \\$\\#\\textasciitilde{}\\textasciicircum{}"));
    ck_assert_ptr_nonnull(strstr(out.data, "strong & \\textbf{"));
    ck_assert_ptr_nonnull(strstr(out.data, "weak & \\underline{"));
    size_t begins = 0, ends = 0;
    for (const char *p = out.data; (p = strstr(p, "\\begin{")); p++)
        begins++;
    for (const char *p = out.data; (p = strstr(p, "\\end{")); p++)
        ends++;
    ck_assert_uint_eq(begins, ends);
    tt_buf_free(&out);
}
END_TEST

/* Floats cannot be broken: what is longer than a page would run out of it. */
START_TEST(latex_tables_of_long_texts_fit_a_page)
{
    tt_buf out = {0};
    size_t tables = 0, most = 0;
    tt_report_free(&report);
    tt_ok(tt_report_make(runs, 1, 8, &report, &err), &err);
    ck_assert(tt_report_latex(&report, &out));
    for (const char *p = out.data; (p = strstr(p, "\\begin{tabular}{")); p++) {
        const char *line_end = strchr(p, '\n'), *end = strstr(p, "\\bottomrule");
        const char *is_long = strstr(p, "p{0.5");
        if (!is_long || is_long > line_end) continue;
        size_t rows = 0;
        for (const char *row = strstr(p, "\\midrule"); (row = strstr(row, "\\\\\n")) && row < end; row++)
            rows++;
        tables++;
        if (rows > most) most = rows;
    }
    ck_assert_uint_ge(tables, 2);
    ck_assert_uint_le(most, 12);
    ck_assert_ptr_nonnull(strstr(out.data, ", continued}"));
    tt_buf_free(&out);
}
END_TEST

/* Fields of the line that begins at `at`, commas in quotes aside; at the end *at is behind it. */
static size_t fields(const char **at)
{
    size_t n = 1;
    for (bool quoted = false; **at && (quoted || **at != '\n'); (*at)++) {
        quoted ^= **at == '"';
        n += !quoted && **at == ',';
    }
    *at += **at == '\n';
    return n;
}

START_TEST(csv_has_a_line_a_number_and_leaves_out_what_is_not_resolvable)
{
    tt_buf out = {0};
    ck_assert(tt_report_csv(&report, &out));
    char wanted[100];
    snprintf(wanted, sizeof wanted, "\n\"first\",target,strong,auc,%.17g,", scores[0].evaluation.auc.auc);
    ck_assert_ptr_nonnull(strstr(out.data, wanted));
    ck_assert_ptr_nonnull(strstr(out.data, "\n\"first\",target,strong,tpr_at_fpr_0.01,,,,\n"));
    for (const char *line = out.data; *line;)
        ck_assert_uint_eq(fields(&line), 8);
    tt_buf_free(&out);
}
END_TEST

/* ---- what every form says ---- */

typedef struct form {
    const char *name;
    tt_buf text;
} form;
enum { FORMS = 6 };

static void write_forms(form forms[FORMS])
{
    static const char *const names[FORMS] = {"terminal", "markdown", "latex", "csv", "json", "html"};
    for (int i = 0; i < FORMS; i++)
        forms[i] = (form){names[i], {0}};
    const tt_results *r = &runs[0].results;
    ck_assert(tt_results_table(r, &runs[0].info, &forms[0].text));
    ck_assert(tt_results_details(r, 3, &forms[0].text));
    ck_assert(tt_report_markdown(&report, &forms[1].text));
    ck_assert(tt_report_latex(&report, &forms[2].text));
    ck_assert(tt_report_csv(&report, &forms[3].text));
    ck_assert(tt_results_json(r, NULL, &runs[0].info, 3, &forms[4].text));
    tt_ok(tt_report_html(&report, &forms[5].text, &err), &err);
}

/* wanted: one a form, in their order; NULL: as the last one. */
static void check_forms(const char *const wanted[FORMS])
{
    form forms[FORMS];
    const char *want = NULL;
    write_forms(forms);
    for (int i = 0; i < FORMS; i++) {
        if (wanted[i]) want = wanted[i];
        ck_assert_msg(strstr(forms[i].text.data, want) != NULL, "%s lacks \"%s\":\n%.4000s", forms[i].name,
                      want, forms[i].text.data);
        tt_buf_free(&forms[i].text);
    }
}

START_TEST(every_form_tells_what_was_asked_of_models_and_services_and_what_was_computed)
{
    check_forms(
        (const char *const[FORMS]){"120 predictions (100), 40 texts (40); for it, of services: 40 texts (39)",
                                   "| 120 / 100 |", "& 120 / 100 &", "strong,asked_predictions,120,",
                                   "\"asked\": {\"predictions\": 120,", "<td>120 / 100</td>"});
    check_forms((const char *const[FORMS]){"40 texts (39)", "| 40 / 39 |", "& 40 / 39 &",
                                           "strong,executed_service_texts,39,", "\"service_texts\": 39",
                                           "<td>40 / 39</td>"});
}
END_TEST

START_TEST(every_form_names_weights_images_confinement_and_spec)
{
    tt_arena *arena = tt_arena_create(0);
    tt_result_set *sets;
    size_t n;
    char whole[65], part[20];
    tt_ok(tt_results_sets(&runs[0].results, arena, &sets, &n, &err), &err);
    ck_assert_uint_eq(n, 1);
    tt_digest_hex(&sets[0].digest, whole);
    snprintf(part, sizeof part, "%.16s", whole);
    check_forms((const char *const[FORMS]){"weights target 00ff00ff00ff", "weights 00ff00ff00ff00ff", NULL,
                                           "weights_sha256,,,,\"00ff00ff00ff00ff00ff\"",
                                           "\"digest\": \"00ff00ff00ff00ff00ff\"",
                                           "weights 00ff00ff00ff00ff"});
    check_forms((const char *const[FORMS]){"seed 9", part, NULL, whole, NULL, part});
    check_forms((const char *const[FORMS]){"confined by Landlock (ABI 4)", NULL, NULL, "landlock_abi,4",
                                           "confined by Landlock (ABI 4)", NULL});
    check_forms((const char *const[FORMS]){
        "telltale 0.1", "    {\"version\": 1, \"note\": ", "% {\"version\": 1, ", "{\"\"version\"\":1,",
        "\"spec\": {\"version\":1,", "{&quot;version&quot;: 1, "});
    tt_arena_destroy(arena);
}
END_TEST

START_TEST(every_form_tells_failures_and_samples_left_out)
{
    check_forms((const char *const[FORMS]){"broken on target: <script>", "| broken | target | \\<script\\>",
                                           "broken & target & \\textless{}script",
                                           "target,broken,failure,,,,\"<script>", "\"failure\": \"<script>",
                                           "<td>broken</td><td>target</td>"});
    check_forms((const char *const[FORMS]){"strong on target: 2 of 40 samples have a feature", NULL, NULL,
                                           "strong,bad_samples,2,",
                                           "strong on target: 2 of 40 samples have a feature", NULL});
}
END_TEST

START_TEST(every_form_tells_that_controls_were_off)
{
    runs[0].results.controls_off = true;
    tt_report_free(&report);
    tt_ok(tt_report_make(runs, 1, 3, &report, &err), &err);
    check_forms((const char *const[FORMS]){"controls: off, as the spec asks", "| off, as the spec asks |",
                                           "off, as the spec asks &", "controls_off,1",
                                           "\"controls\": \"off\"", "off, as the spec asks"});
}
END_TEST

START_TEST(every_form_names_the_most_and_least_member_like)
{
    uint32_t most[3], least[3];
    size_t n;
    tt_ok(tt_result_extremes(&scores[0], 3, most, least, &n, &err), &err);
    ck_assert_uint_eq(n, 3);
    for (size_t i = 0; i < N; i++) {
        ck_assert_double_le(scores_a[i], scores_a[most[0]]);
        ck_assert_double_ge(scores_a[i], scores_a[least[0]]);
    }
    samples[most[0]].id = "the/first.png";
    samples[least[0]].id = "the/last.png";
    tt_report_free(&report);
    tt_ok(tt_report_make(runs, 1, 3, &report, &err), &err);
    check_forms((const char *const[FORMS]){"the/first.png (", "the/first.png |", "the/first.png &",
                                           "most_member_like,", "\"most_member_like\": [{\"data\": \"faces\"",
                                           "the/first.png is not there any more"});
    check_forms((const char *const[FORMS]){"the/last.png (", "the/last.png |", "the/last.png &",
                                           "the/last.png", NULL, "the/last.png is not there any more"});
}
END_TEST

START_TEST(markdown_and_latex_show_the_figures_that_were_drawn)
{
    const tt_report_figure figure = {"roc-target", "target: ROC & bands"};
    tt_buf markdown = {0}, latex = {0};
    report.figures = &figure;
    report.n_figures = 1;
    report.figures_at = "my runs/x/";
    ck_assert(tt_report_markdown(&report, &markdown) && tt_report_latex(&report, &latex));
    ck_assert_ptr_nonnull(
        strstr(markdown.data, "![target: ROC & bands](my%20runs/x/figures/roc-target.png)"));
    ck_assert_ptr_nonnull(strstr(latex.data, "{\\detokenize{my runs/x/figures/roc-target.png}}"));
    ck_assert_ptr_nonnull(strstr(latex.data, "\\caption{target: ROC \\& bands}"));
    tt_buf_free(&markdown);
    tt_buf_free(&latex);
}
END_TEST

START_TEST(the_digest_of_a_set_is_over_its_images_in_order)
{
    tt_arena *arena = tt_arena_create(0);
    tt_result_sample two[3] = {samples[0], samples[1], samples[2]};
    tt_results r = {.samples = two, .n_samples = 3};
    tt_result_set *sets;
    size_t n;
    two[1].split = "held_out";
    tt_ok(tt_results_sets(&r, arena, &sets, &n, &err), &err);
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(sets[0].n, 2);
    ck_assert_str_eq(sets[1].split, "held_out");
    const tt_digest both[2] = {samples[0].digest, samples[2].digest};
    const tt_digest wanted = tt_sha256_of(both, sizeof both), alone = tt_sha256_of(&samples[1].digest, 32);
    ck_assert_mem_eq(&sets[0].digest, &wanted, sizeof wanted);
    ck_assert_mem_eq(&sets[1].digest, &alone, sizeof alone);
    tt_arena_destroy(arena);
}
END_TEST

/* Every tag is closed by its own, in order. */
static void check_tags(const char *html)
{
    char open[64][16];
    size_t depth = 0;
    for (const char *p = html; (p = strchr(p, '<')); p++) {
        if (p[1] == '!') continue;
        bool closing = p[1] == '/';
        char name[16] = "";
        size_t n = strcspn(p + 1 + closing, " >\n");
        ck_assert_uint_lt(n, sizeof name);
        memcpy(name, p + 1 + closing, n);
        if (strcmp(name, "meta") == 0 || strcmp(name, "img") == 0 || strcmp(name, "br") == 0) continue;
        if (!closing) {
            ck_assert_uint_lt(depth, 64);
            snprintf(open[depth++], 16, "%s", name);
            continue;
        }
        ck_assert_uint_gt(depth, 0);
        ck_assert_str_eq(name, open[--depth]);
    }
    ck_assert_uint_eq(depth, 0);
}

START_TEST(html_is_one_well_formed_file_without_foreign_tags_or_addresses)
{
    tt_buf out = {0}, again = {0};
    tt_ok(tt_report_html(&report, &out, &err), &err);
    tt_ok(tt_report_html(&report, &again, &err), &err);
    ck_assert_uint_eq(out.size, again.size);
    ck_assert_mem_eq(out.data, again.data, out.size);
    check_tags(out.data);
    ck_assert_ptr_null(strstr(out.data, "<script"));
    ck_assert_ptr_null(strstr(out.data, "http://"));
    ck_assert_ptr_null(strstr(out.data, "https://"));
    ck_assert_ptr_nonnull(strstr(out.data, "&lt;script&gt;alert(&#39;x&#39;)"));
    ck_assert_ptr_nonnull(strstr(out.data, "&lt;/pre&gt;"));
    ck_assert_ptr_nonnull(strstr(out.data, "is not there any more")); /* no store here: said, not left out */
    tt_buf_free(&again);
    again = (tt_buf){0};
    tt_report_free(&report);
    tt_ok(tt_report_make(runs, 1, 0, &report, &err), &err);
    tt_ok(tt_report_html(&report, &again, &err), &err);
    ck_assert_ptr_null(strstr(again.data, "id=\"images\""));
    tt_buf_free(&out);
    tt_buf_free(&again);
}
END_TEST

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, part)); p++)
        n++;
    return n;
}

START_TEST(html_lays_the_maps_of_words_over_the_images_that_have_them)
{
    enum { SIDE = 4, WORDS = 4 };
    static uint32_t mapped[] = {0, 3}, first[] = {0, 3, WORDS};
    static const char *const words[WORDS] = {"a", "<b>hat</b>", "flat", "alone"};
    static const double weights[WORDS] = {1, 4, 0, 2.5}, peaks[WORDS] = {1, 1, 1, 1};
    static uint8_t maps[WORDS * SIDE * SIDE];
    for (size_t i = 0; i < sizeof maps; i++)
        maps[i] = (uint8_t)(i < 2 * SIDE * SIDE ? 7 * i : 9);
    tt_result_heat_maps kept = {
        "word_importance", "word_importance", SIDE, 2, mapped, first, words, weights, peaks, maps};
    tt_buf out = {0};
    runs[0].results.heat_maps = &kept;
    runs[0].results.n_heat_maps = 1;
    tt_ok(tt_report_html(&report, &out, &err), &err);
    check_tags(out.data);
    const char *section = strstr(out.data, "<section id=\"words\">");
    ck_assert_ptr_nonnull(section);
    ck_assert_uint_eq(count(section, "data:image/png;base64,"), WORDS);
    ck_assert_ptr_nonnull(
        strstr(section, "--part:100%\"></div><figcaption><b>&lt;b&gt;hat&lt;/b&gt;</b> 4<"));
    ck_assert_ptr_nonnull(strstr(section, "--part:25%\"></div><figcaption><b>a</b> 1<"));
    ck_assert_ptr_nonnull(strstr(section, "alt=\"where 'alone' is seen\""));
    ck_assert_ptr_nonnull(strstr(section, "<figcaption><b>alone</b> 2.5<"));
    tt_buf_free(&out);
    /* who wants no images gets none of these */
    out = (tt_buf){0};
    report.images = 0;
    tt_ok(tt_report_html(&report, &out, &err), &err);
    ck_assert_ptr_null(strstr(out.data, "id=\"words\""));
    tt_buf_free(&out);
}
END_TEST

START_TEST(every_figure_of_the_list_has_data_and_script)
{
    tt_report_figure *figures;
    size_t n;
    bool drawn;
    tt_ok(tt_report_figures(&report, &drawn, &err), &err);
    tt_ok(tt_report_figure_list(&report, report.arena, &figures, &n, &err), &err);
    ck_assert_uint_eq(n, 6); /* ROC of two models, queries of one, three histograms */
    for (size_t i = 0; i < n; i++) {
        static const char *const endings[] = {"dat", "gp", "svg", "png"};
        for (size_t k = 0; k < (drawn ? 4u : 2u); k++) {
            char path[700];
            snprintf(path, sizeof path, "%s/figures/%s.%s", tt_test_dir(), figures[i].name, endings[k]);
            ck_assert_msg(tt_file_exists(path), "%s", path);
        }
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("report");
    TCase *cases = tcase_create("forms");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, tables_have_a_row_for_each_attack_and_rank_what_is_attacked);
    tcase_add_test(cases, several_runs_stand_side_by_side_under_their_names);
    tcase_add_test(cases, markdown_is_tables_whose_cells_cannot_break_them);
    tcase_add_test(cases, latex_escapes_its_special_characters);
    tcase_add_test(cases, latex_tables_of_long_texts_fit_a_page);
    tcase_add_test(cases, csv_has_a_line_a_number_and_leaves_out_what_is_not_resolvable);
    tcase_add_test(cases, every_form_tells_what_was_asked_of_models_and_services_and_what_was_computed);
    tcase_add_test(cases, every_form_names_weights_images_confinement_and_spec);
    tcase_add_test(cases, every_form_tells_failures_and_samples_left_out);
    tcase_add_test(cases, every_form_tells_that_controls_were_off);
    tcase_add_test(cases, every_form_names_the_most_and_least_member_like);
    tcase_add_test(cases, markdown_and_latex_show_the_figures_that_were_drawn);
    tcase_add_test(cases, the_digest_of_a_set_is_over_its_images_in_order);
    tcase_add_test(cases, html_is_one_well_formed_file_without_foreign_tags_or_addresses);
    tcase_add_test(cases, html_lays_the_maps_of_words_over_the_images_that_have_them);
    tcase_add_test(cases, every_figure_of_the_list_has_data_and_script);
    suite_add_tcase(suite, cases);
    return suite;
}
