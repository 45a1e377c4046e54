/* Attacks that are programs: an example in Python beside the attack in C, and every way in which a program
 * can go wrong. */
#include "experiment/results.h"
#include "support/shell.h"

#include <stdlib.h>
#include <string.h>

static tt_error err;

static void write_run(const char *attacks, const char *models)
{
    char text[4096];
    snprintf(text, sizeof text,
             "version: 1\n"
             "data:\n"
             "  faces: {plugin: faces, splits: {seen: 8, held_out: 8, a: 8, b: 8}}\n"
             "models:\n%s"
             "members: faces.seen\n"
             "nonmembers: faces.held_out\n"
             "threat_model: {access: grey-box, captions: known}\n"
             "device: {threads: 1}\n"
             "limits: {answer_s: 20}\n"
             "batch: 8\n"
             "attacks:\n%s",
             models, attacks);
    write_spec(text);
}

static const char embedded[] =
    "  target: {plugin: sd15, path: " TT_SOURCE_DIR "/configs/models/embedded/target}\n"
    "  shadow: {plugin: sd15, path: " TT_SOURCE_DIR
    "/configs/models/embedded/shadow, members: faces.a, nonmembers: faces.b}\n";
static const char toy[] = "  target: {plugin: toy}\n";

static int validate(const char *more)
{
    return shell("'" PROGRAM "' validate spec.yaml" OPTIONS "%s", more);
}

static int run(const char *dir, const char *more)
{
    return shell("'" PROGRAM "' run spec.yaml --out '%s'" OPTIONS "%s", dir, more);
}

static const tt_result_features *features_of(const tt_results *r, const char *attack)
{
    for (size_t i = 0; i < r->n_features; i++)
        if (strcmp(r->features[i].attack, attack) == 0 && strcmp(r->features[i].role, "target") == 0)
            return &r->features[i];
    ck_abort_msg("no features of %s", attack);
    return NULL;
}

static const tt_result_scores *scores_of(const tt_results *r, const char *attack)
{
    for (size_t i = 0; i < r->n_scores; i++)
        if (strcmp(r->scores[i].attack, attack) == 0) return &r->scores[i];
    ck_abort_msg("no scores of %s", attack);
    return NULL;
}

START_TEST(the_example_in_python_measures_the_numbers_of_the_attack_in_c)
{
    const char *interpreter = python("numpy");
    if (!interpreter) return;
    char attacks[1024];
    snprintf(attacks, sizeof attacks,
             "  loss: {timesteps: [350, 450, 550], calibration: none}\n"
             "  mine: {exec: %s/docs/examples/loss.py, interpreter: %s, calibration: none}\n"
             "  fitted: {exec: %s/docs/examples/loss.py, interpreter: %s, ridge: 2}\n",
             TT_SOURCE_DIR, interpreter, TT_SOURCE_DIR, interpreter);
    write_run(attacks, embedded);
    ck_assert_msg(run("equal", "") == 0, "%s", output);
    tt_results r;
    tt_ok(tt_results_read(path_of("equal/results.h5"), &r, &err), &err);
    const tt_result_features *c = features_of(&r, "loss"), *p = features_of(&r, "mine");
    ck_assert_uint_eq(c->n, 16);
    ck_assert_mem_eq(c->values, p->values, c->n * c->n_columns * sizeof *c->values);
    ck_assert_uint_eq(c->attributed.predictions, p->attributed.predictions);
    const tt_result_scores *by_c = scores_of(&r, "loss"), *by_python = scores_of(&r, "mine");
    for (size_t i = 0; i < by_c->n; i++) /* sums in another order */
        ck_assert_double_eq_tol(by_c->scores[i], by_python->scores[i], 1e-15);
    ck_assert_uint_eq(scores_of(&r, "fitted")->n_calibration, 16);
    ck_assert_ptr_null(scores_of(&r, "fitted")->failure);
    tt_results_free(&r);
    /* its parameters are checked as any plugin's; a changed file is measured anew */
    snprintf(attacks, sizeof attacks,
             "  mine: {exec: %s/docs/examples/loss.py, interpreter: %s, timestep: [450]}\n", TT_SOURCE_DIR,
             interpreter);
    write_run(attacks, embedded);
    ck_assert_int_eq(validate(""), 2);
    has("spec.yaml:");
    has("did you mean 'timesteps'");
}
END_TEST

static const char head[] = "import numpy as np\nimport sys, os, time, telltale\n"
                           "class A(telltale.Attack):\n"
                           "    name = 'planted'\n"
                           "    def plan(self): return telltale.Plan({'target': 'encode'}, ['a', 'b'], 0)\n"
                           "    def score(self, rows, state): return rows[:, 0]\n";

/* Runs a planted program on the toy model; the exit code. */
static int run_planted(const char *interpreter, const char *dir, const char *body, const char *end)
{
    char text[4096], attacks[256];
    snprintf(text, sizeof text, "%s%s%s\n", head, body, end);
    write_text("planted.py", text);
    snprintf(attacks, sizeof attacks, "  mine: {exec: planted.py, interpreter: %s}\n", interpreter);
    write_run(attacks, toy);
    return run(dir, "");
}

START_TEST(a_program_that_goes_wrong_is_told_of_by_name_place_and_cause)
{
    static const struct {
        const char *dir, *body, *end;
        int code;
        const char *message;
    } cases[] = {
        {"printing",
         "    def measure(self, models, samples):\n"
         "        print('hello'); os.write(1, b'x' * 5000)\n"
         "        return np.array([[s.id % 97, 1] for s in samples], float)\n",
         "telltale.run(A)", 0, "mine"},
        {"shape", "    def measure(self, models, samples): return np.zeros((len(samples), 3))\n",
         "telltale.run(A)", 1, "measure gave an array of shape (8, 3), not (8, 2)"},
        {"nan", "    def measure(self, models, samples): return np.full((len(samples), 2), np.nan)\n",
         "telltale.run(A)", 1, "is not a finite number"},
        {"raising", "    def measure(self, models, samples): return 1 / 0\n", "telltale.run(A)", 1,
         "planted.py:7: ZeroDivisionError"},
        {"crashing", "    def measure(self, models, samples): os.kill(os.getpid(), 11)\n", "telltale.run(A)",
         1, "killed by signal 11"},
        {"undeclared",
         "    def measure(self, models, samples): "
         "models['target'].decode(models['target'].encode(samples))\n",
         "telltale.run(A)", 1, "decode was not granted"},
        {"foreign",
         "    def measure(self, models, samples):\n"
         "        models['target'].encode([telltale.Sample(12345, None)])\n",
         "telltale.run(A)", 1, "sample 12345 is not one of this step's"},
        {"version", "",
         "telltale.VERSION = 9\ntelltale._Channel.receive = lambda s: (71, b'', [])\n"
         "telltale.run(A)",
         2, "a message of channel version 9, where version 1 is spoken"},
        {"early", "", "sys.exit(7)", 1, "ended with exit code 7"},
        {"name", "    name = 'No Name'\n", "telltale.run(A)", 2, "its name must be of a-z"},
    };
    const char *interpreter = python("numpy");
    if (!interpreter) return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code = run_planted(interpreter, cases[i].dir, cases[i].body, cases[i].end);
        ck_assert_msg(code == cases[i].code, "%s: exit code %d:\n%s", cases[i].dir, code, output);
        has(cases[i].message);
    }
}
END_TEST

START_TEST(a_program_that_hangs_is_ended_within_its_time_limit)
{
    const char *interpreter = python("numpy");
    if (!interpreter) return;
    char text[2048];
    snprintf(text, sizeof text,
             "%s    def measure(self, models, samples): time.sleep(600)\ntelltale.run(A)\n", head);
    write_text("planted.py", text);
    snprintf(text, sizeof text, "  mine: {exec: planted.py, interpreter: %s}\n", interpreter);
    write_run(text, toy);
    ck_assert_int_eq(run("hanging", "limits.answer_s=2"), 1);
    has("gave no answer within its time limit");
}
END_TEST

START_TEST(what_cannot_be_run_is_refused_with_its_remedy)
{
    write_run("  mine: {exec: absent.py}\n", toy);
    ck_assert_int_eq(validate(""), 2);
    has("attacks.mine.exec: ");
    has("absent.py: cannot be opened");
    write_text("plain.txt", "nothing that runs\n");
    write_run("  mine: {exec: plain.txt}\n", toy);
    ck_assert_int_eq(validate(""), 2);
    has("interpreter: NAME");
    write_run("  mine: {exec: plain.txt, interpreter: no-such-interpreter}\n", toy);
    ck_assert_int_eq(validate(""), 2);
    has("is not installed or not in PATH");
    write_run("  mine: {exec: plain.txt, plugin: loss}\n", toy);
    ck_assert_int_eq(validate(""), 2);
    has("both a plugin and a program");
    write_run("  mine: {exec: plain.txt, interpreter: cat}\n", toy);
    ck_assert_int_eq(validate("--in-process"), 2);
    has("program of its own");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *s = suite_create("attacks in any language");
    TCase *t = tcase_create("exec");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_example_in_python_measures_the_numbers_of_the_attack_in_c);
    tcase_add_test(t, a_program_that_goes_wrong_is_told_of_by_name_place_and_cause);
    tcase_add_test(t, a_program_that_hangs_is_ended_within_its_time_limit);
    tcase_add_test(t, what_cannot_be_run_is_refused_with_its_remedy);
    suite_add_tcase(s, t);
    return s;
}
