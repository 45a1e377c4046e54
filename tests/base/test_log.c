/* What messages and progress look like on stderr: for people in a pipe and on a terminal, and for programs.
 */
#include "base/log.h"
#include "base/file.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char told[8192];

/* Runs `act` in a child whose stderr is `fd`. */
static void act_in_child(void (*act)(void), int fd)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(fd, STDERR_FILENO);
        act();
        _exit(0);
    }
    close(fd);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void collect(int fd)
{
    size_t n = 0;
    for (ssize_t r; n < sizeof told - 1 && (r = read(fd, told + n, sizeof told - 1 - n)) > 0;)
        n += (size_t)r;
    told[n] = '\0';
    close(fd);
}

static void in_a_pipe(void (*act)(void))
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    act_in_child(act, ends[1]);
    collect(ends[0]);
}

static void on_a_terminal(void (*act)(void))
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    ck_assert(grantpt(master) == 0 && unlockpt(master) == 0);
    int fd = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(fd, 0);
    act_in_child(act, fd);
    collect(master);
}

static void measure(void)
{
    tt_progress *p = tt_progress_start("measuring", "predictions", 100);
    tt_progress_resume(p, 10);
    tt_progress_note(p, "clid on \"target\"");
    usleep(150000); /* longer than a bar rests */
    tt_progress_set(p, 40);
    tt_progress_fail(p, 20);
    tt_log(TT_LOG_WARNING, "beware of \"%s\" \xff\t%s", "quotes", "\xc3\xa9");
    usleep(150000);
    tt_progress_set(p, 80);
    tt_progress_finish(p);
}

static void measure_json(void)
{
    tt_log_set_json(true);
    measure();
}

static void measure_quietly(void)
{
    tt_progress_set_quiet(true);
    tt_log_set_level(TT_LOG_ERROR);
    measure();
    tt_log(TT_LOG_ERROR, "this matters");
}

static void has(const char *part)
{
    ck_assert_msg(strstr(told, part) != NULL, "\"%s\" is not in:\n%s", part, told);
}

static void lacks(const char *part)
{
    ck_assert_msg(strstr(told, part) == NULL, "\"%s\" is in:\n%s", part, told);
}

START_TEST(in_a_pipe_progress_is_plain_lines_that_tell_failures)
{
    in_a_pipe(measure);
    has("warning: beware of \"quotes\"");
    has("measuring: 80/80 predictions, ");
    has("in all, 1 failed, clid on \"target\"\n");
    lacks("\033");
    lacks("\r");
}
END_TEST

START_TEST(on_a_terminal_a_bar_makes_room_for_messages)
{
    on_a_terminal(measure);
    has("\rmeasuring [");
    has("40/100 predictions, ");
    has("\r\033[Kwarning: beware"); /* the bar was cleared, the message has its line */
    has("80/80 predictions, ");
    has("1 failed");
}
END_TEST

START_TEST(for_programs_every_line_is_an_object)
{
    in_a_pipe(measure_json);
    has("{\"event\": \"message\", \"level\": \"warning\", \"text\": \"beware of \\\"quotes\\\" "
        "\xef\xbf\xbd\\u0009\xc3\xa9\"}\n");
    has("{\"event\": \"progress\", \"what\": \"measuring\", \"step\": \"clid on \\\"target\\\"\", \"done\": "
        "80, "
        "\"total\": 80, \"unit\": \"predictions\", \"rate\": ");
    has("\"left_s\": 0.000, \"failures\": 1, \"ended\": true}\n");
    for (const char *line = told; *line; line = strchr(line, '\n') + 1)
        ck_assert_int_eq(*line, '{');
}
END_TEST

START_TEST(quiet_leaves_errors_alone)
{
    in_a_pipe(measure_quietly);
    ck_assert_str_eq(told, "error: this matters\n");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("log");
    TCase *cases = tcase_create("log");
    tcase_add_test(cases, in_a_pipe_progress_is_plain_lines_that_tell_failures);
    tcase_add_test(cases, on_a_terminal_a_bar_makes_room_for_messages);
    tcase_add_test(cases, for_programs_every_line_is_an_object);
    tcase_add_test(cases, quiet_leaves_errors_alone);
    suite_add_tcase(suite, cases);
    return suite;
}
