#include "check.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct added {
    const bare_test *test;
    int signal, status, start, end;
} added;

enum { MOST = 64 };
struct TCase {
    const char *name;
    unsigned timeout;
    void (*setup)(void), (*teardown)(void);
    added tests[MOST];
    int n;
};
struct Suite {
    const char *name;
    TCase *cases[MOST];
    int n;
};
struct SRunner {
    Suite *suite;
    bool fork;
    int checks, failed;
};

static void *make(size_t size)
{
    void *p = calloc(1, size);
    if (!p) abort();
    return p;
}

Suite *suite_create(const char *name)
{
    Suite *s = make(sizeof *s);
    s->name = name;
    return s;
}

TCase *tcase_create(const char *name)
{
    const char *seconds = getenv("CK_DEFAULT_TIMEOUT");
    TCase *tc = make(sizeof *tc);
    tc->name = name;
    tc->timeout = seconds ? (unsigned)strtoul(seconds, NULL, 10) : 120;
    return tc;
}

void suite_add_tcase(Suite *s, TCase *tc)
{
    if (s->n == MOST) abort();
    s->cases[s->n++] = tc;
}

void tcase_set_timeout(TCase *tc, double seconds)
{
    tc->timeout = (unsigned)ceil(seconds);
}

void tcase_add_checked_fixture(TCase *tc, void (*setup)(void), void (*teardown)(void))
{
    tc->setup = setup;
    tc->teardown = teardown;
}

void bare_add(TCase *tc, const bare_test *test, int signal, int status, int start, int end)
{
    if (tc->n == MOST) abort();
    tc->tests[tc->n++] = (added){test, signal, status, start, end};
}

SRunner *srunner_create(Suite *s)
{
    SRunner *r = make(sizeof *r);
    *r = (SRunner){s, true, 0, 0};
    return r;
}

void srunner_set_fork_status(SRunner *r, int status)
{
    r->fork = status == CK_FORK;
}

int srunner_ntests_failed(const SRunner *r)
{
    return r->failed;
}

void srunner_free(SRunner *r)
{
    for (int i = 0; i < r->suite->n; i++)
        free(r->suite->cases[i]);
    free(r->suite);
    free(r);
}

void bare_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%s:%d: ", file, line);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    fflush(stdout);
    exit(1);
}

static void run_here(const TCase *tc, const added *a, int i)
{
    if (tc->setup) tc->setup();
    a->test->run(i);
    if (tc->teardown) tc->teardown();
}

/* in a process of its own: whether it ended as it must */
static bool run_apart(const TCase *tc, const added *a, int i)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        alarm(tc->timeout);
        run_here(tc, a, i);
        fflush(stdout);
        exit(0);
    }
    if (waitpid(child, &status, 0) < 0) abort();
    if (WIFEXITED(status) && a->signal == 0 && WEXITSTATUS(status) == a->status) return true;
    if (WIFSIGNALED(status) && WTERMSIG(status) == a->signal) return true;
    if (WIFSIGNALED(status))
        printf("%s", WTERMSIG(status) == SIGALRM ? "out of time\n" : "");
    else if (a->signal || a->status)
        printf("it ended with status %d\n", WEXITSTATUS(status));
    if (WIFSIGNALED(status)) printf("it ended by signal %d\n", WTERMSIG(status));
    return false;
}

void srunner_run_all(SRunner *r, int output)
{
    (void)output;
    for (int c = 0; c < r->suite->n; c++) {
        const TCase *tc = r->suite->cases[c];
        for (int t = 0; t < tc->n; t++)
            for (int i = tc->tests[t].start; i < tc->tests[t].end; i++) {
                const added *a = &tc->tests[t];
                bool passed = true;
                if (r->fork)
                    passed = run_apart(tc, a, i);
                else if (!a->signal && !a->status)
                    run_here(tc, a, i);
                r->checks++;
                if (passed) continue;
                r->failed++;
                printf("FAILED: %s: %s: %s, %d\n", r->suite->name, tc->name, a->test->name, i);
            }
    }
    printf("%s: %d checks, %d failures\n", r->suite->name, r->checks, r->failed);
}
