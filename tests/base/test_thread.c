/* Processors, interruption, messages and progress. Each test runs in a process of its own. */
#include "base/log.h"
#include "base/thread.h"
#include "support/test.h"

#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(processors_follow_the_affinity_mask)
{
    int all = tt_processors();
    ck_assert_int_ge(all, 1);
    cpu_set_t set, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    ck_assert_int_le(all, CPU_COUNT(&set));
    size_t first = 0;
    while (!CPU_ISSET(first, &set))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_int_eq(tt_processors(), 1);
}
END_TEST

static void mark(void *user, size_t i)
{
    ((int *)user)[i] += (int)i + 1;
}

START_TEST(a_parallel_loop_does_everything_once)
{
    int done[1000];
    static const int threads[] = {0, 1, 2, 7, 500};
    for (size_t k = 0; k < sizeof threads / sizeof *threads; k++)
        for (size_t n = 0; n <= 1000; n += 250) {
            memset(done, 0, sizeof done);
            tt_parallel_for(n, threads[k], mark, done);
            for (size_t i = 0; i < 1000; i++)
                ck_assert_int_eq(done[i], i < n ? (int)i + 1 : 0);
        }
}
END_TEST

START_TEST(a_signal_sets_the_flag_and_nothing_else)
{
    ck_assert(!tt_stop_requested());
    tt_stop_install();
    raise(_i);
    ck_assert(tt_stop_requested());
}
END_TEST

START_TEST(a_second_interrupt_kills)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        tt_stop_install();
        raise(SIGINT);
        if (!tt_stop_requested()) _exit(1);
        raise(SIGINT);
        _exit(2);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}
END_TEST

START_TEST(a_parent_can_ask_to_stop)
{
    tt_stop_request();
    ck_assert(tt_stop_requested());
}
END_TEST

/* ---- what is written to stderr ---- */

static char output[8192];

/* Runs `writer` with stderr at `write_end` and gives what came out. */
static const char *output_of(int read_end, int write_end, void (*writer)(void))
{
    int saved = dup(STDERR_FILENO);
    ck_assert_int_ge(saved, 0);
    dup2(write_end, STDERR_FILENO);
    close(write_end);
    writer();
    dup2(saved, STDERR_FILENO); /* closes the last write end */
    close(saved);
    size_t at = 0;
    ssize_t n; /* a pseudo-terminal ends with EIO */
    while (at < sizeof output - 1 && (n = read(read_end, output + at, sizeof output - 1 - at)) > 0)
        at += (size_t)n;
    output[at] = '\0';
    close(read_end);
    return output;
}

static const char *piped(void (*writer)(void))
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    return output_of(ends[0], ends[1], writer);
}

static void some_messages(void)
{
    tt_log(TT_LOG_DEBUG, "hidden");
    tt_log(TT_LOG_INFO, "plain %d", 1);
    tt_log(TT_LOG_WARNING, "careful");
    tt_log_set_level(TT_LOG_ERROR);
    tt_log(TT_LOG_WARNING, "hidden");
    tt_log(TT_LOG_ERROR, "bad");
}

START_TEST(messages_below_the_level_are_not_written)
{
    ck_assert_str_eq(piped(some_messages), "plain 1\nwarning: careful\nerror: bad\n");
}
END_TEST

static void a_long_message(void)
{
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    tt_log(TT_LOG_INFO, "%s", text);
}

START_TEST(an_overlong_message_is_cut_and_still_a_line)
{
    const char *out = piped(a_long_message);
    ck_assert_uint_lt(strlen(out), 2100);
    ck_assert_uint_gt(strlen(out), 1900);
    ck_assert(strspn(out, "x") == strlen(out) - 1 && out[strlen(out) - 1] == '\n');
}
END_TEST

static void some_progress(void)
{
    tt_progress *p = tt_progress_start("measuring", "images", 40);
    tt_progress_note(p, "CLiD");
    for (uint64_t i = 1; i <= 40; i++)
        tt_progress_set(p, i);
    tt_progress_finish(p);
}

START_TEST(off_a_terminal_a_short_run_leaves_one_plain_line)
{
    const char *out = piped(some_progress);
    ck_assert_msg(strstr(out, "measuring: 40/40 images") == out, "%s", out);
    ck_assert_ptr_nonnull(strstr(out, "CLiD"));
    ck_assert_ptr_eq(strchr(out, '\n'), out + strlen(out) - 1);
    ck_assert_ptr_null(strchr(out, '\r'));
}
END_TEST

static void quiet_progress(void)
{
    tt_progress_set_quiet(true);
    some_progress();
}

START_TEST(quiet_is_quiet)
{
    ck_assert_str_eq(piped(quiet_progress), "");
}
END_TEST

static void slow_progress(void)
{
    tt_progress *p = tt_progress_start("drawing with a name", "images", 8);
    for (uint64_t i = 1; i <= 4; i++) {
        usleep(120 * 1000); /* longer than the time between two redraws */
        tt_progress_set(p, i);
    }
    tt_progress_finish(p);
}

START_TEST(on_a_terminal_a_bar_is_redrawn_and_never_wraps)
{
    struct winsize size = {.ws_row = 25, .ws_col = (unsigned short)_i};
    int read_end, write_end;
    if (openpty(&read_end, &write_end, NULL, NULL, &size) != 0) {
        printf("skipped: no pseudo-terminal\n");
        return;
    }
    const char *out = output_of(read_end, write_end, slow_progress);
    ck_assert_ptr_nonnull(strstr(out, "\rdrawing"));
    if (_i >= 80) {
        ck_assert_ptr_nonnull(strchr(out, '#'));
        ck_assert_ptr_nonnull(strstr(out, "4/8 images"));
        ck_assert_ptr_nonnull(strstr(out, "left"));
    }
    int redraws = 0;
    for (const char *p = out; (p = strchr(p, '\r')); redraws++) {
        size_t width = strcspn(++p, "\033\r\n");
        ck_assert_uint_lt(width, (size_t)_i);
    }
    ck_assert_int_ge(redraws, 4);
}
END_TEST

START_TEST(a_display_that_could_not_be_made_is_harmless)
{
    tt_progress_set(NULL, 3);
    tt_progress_note(NULL, "x");
    tt_progress_finish(NULL);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("thread");
    TCase *tc = tcase_create("thread");
    tcase_add_test(tc, processors_follow_the_affinity_mask);
    tcase_add_test(tc, a_parallel_loop_does_everything_once);
    tcase_add_loop_test(tc, a_signal_sets_the_flag_and_nothing_else, SIGINT, SIGINT + 1);
    tcase_add_loop_test(tc, a_signal_sets_the_flag_and_nothing_else, SIGTERM, SIGTERM + 1);
    tcase_add_test(tc, a_second_interrupt_kills);
    tcase_add_test(tc, a_parent_can_ask_to_stop);
    suite_add_tcase(suite, tc);
    TCase *out = tcase_create("messages");
    tcase_add_test(out, messages_below_the_level_are_not_written);
    tcase_add_test(out, an_overlong_message_is_cut_and_still_a_line);
    tcase_add_test(out, off_a_terminal_a_short_run_leaves_one_plain_line);
    tcase_add_test(out, quiet_is_quiet);
    tcase_add_loop_test(out, on_a_terminal_a_bar_is_redrawn_and_never_wraps, 24, 25);
    tcase_add_loop_test(out, on_a_terminal_a_bar_is_redrawn_and_never_wraps, 80, 81);
    tcase_add_loop_test(out, on_a_terminal_a_bar_is_redrawn_and_never_wraps, 200, 201);
    tcase_add_test(out, a_display_that_could_not_be_made_is_harmless);
    suite_add_tcase(suite, out);
    return suite;
}
