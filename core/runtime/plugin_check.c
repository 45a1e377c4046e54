/* The parent: starts the child, reads its report, and tells a crash and a hang from an end. */
#include "runtime/plugin_check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { REPORT_FD = 3, LINE_MAX_BYTES = 4096 };

typedef struct listener {
    tt_check_report report;
    void *user;
    size_t failures;
    char line[LINE_MAX_BYTES];
    size_t used;
    char step[256]; /* begun and not ended */
    bool done;      /* the child said that it is through */
    char *died;     /* room for how the process ended, if not well; or NULL */
    size_t died_size;
} listener;

static tt_status start(const char *path, const tt_check_options *o, pid_t *pid, int *fd, tt_error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return tt_fail(err, TT_ERR_IO, "cannot make a pipe: %s", strerror(errno));
    const char *program = o->program ? o->program : "/proc/self/exe";
    char *argv[] = {(char *)"telltale",
                    (char *)"__check",
                    (char *)(uintptr_t)path,
                    (char *)(uintptr_t)(o->parameters ? o->parameters : ""),
                    (char *)(o->load_only ? "1" : "0"),
                    NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], REPORT_FD);
    if (fds[1] == REPORT_FD)
        fcntl(REPORT_FD, F_SETFD, 0); /* dup2 onto itself would leave close-on-exec set */
    posix_spawn_file_actions_adddup2(&actions, 2, 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP); /* what the plugin starts is killed with it */
    posix_spawnattr_setpgroup(&attributes, 0);
    int why = posix_spawn(pid, program, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (why) {
        close(fds[0]);
        return tt_fail(err, TT_ERR_IO, "cannot start %s: %s", program, strerror(why));
    }
    *fd = fds[0];
    return TT_OK;
}

/* One line of the child: a letter, the step, a tab, the text. */
static void take_line(listener *l, char *line)
{
    char *tab = strchr(line, '\t');
    const char *text = tab ? tab + 1 : "";
    if (tab) *tab = '\0';
    const char *step = line[0] ? line + 1 : line;
    switch (line[0]) {
    case 'b':
        snprintf(l->step, sizeof l->step, "%.250s", step);
        return;
    case 'd':
        l->done = true;
        return;
    case 'o':
        l->report(l->user, TT_CHECK_OK, step, text);
        break;
    case 'f':
        l->failures++;
        l->report(l->user, TT_CHECK_FAILED, step, text);
        break;
    case 's':
        l->report(l->user, TT_CHECK_SKIPPED, step, text);
        break;
    case 'n':
        l->report(l->user, TT_CHECK_NOTE, step, text);
        return;
    default:
        return;
    }
    l->step[0] = '\0';
}

static void take_bytes(listener *l, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n') {
            l->line[l->used] = '\0';
            take_line(l, l->line);
            l->used = 0;
        } else if (l->used + 1 < sizeof l->line) {
            l->line[l->used++] = data[i];
        }
    }
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* false: nothing was heard for limit_s */
static bool listen_until_end(listener *l, int fd, double limit_s)
{
    double deadline = now_s() + limit_s;
    for (;;) {
        double left = deadline - now_s();
        if (left <= 0) return false;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, left > 1000 ? 1000000 : (int)(left * 1000) + 1);
        if (ready < 0 && errno != EINTR) return true;
        if (ready <= 0) continue;
        char data[4096];
        ssize_t n = read(fd, data, sizeof data);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return true;
        take_bytes(l, data, (size_t)n);
        deadline = now_s() + limit_s; /* the limit is for one step */
    }
}

static void fault(listener *l, const char *format, ...) TT_PRINTF(2, 3);
static void fault(listener *l, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    l->failures++;
    if (l->died) snprintf(l->died, l->died_size, "%s", text);
    l->report(l->user, TT_CHECK_FAILED, l->step[0] ? l->step : "end of the process", text);
}

/* Waits for the child, which has closed its report (or is killed), and says how it ended. */
static void judge_end(listener *l, pid_t pid, bool hung, double limit_s)
{
    int status = 0;
    if (hung) {
        fault(l, "hangs: no end after %g s (--time-limit SECONDS allows more); it was killed", limit_s);
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
    } else {
        /* the end of the report was read; a plugin's exit handlers may hang too */
        double deadline = now_s() + limit_s;
        pid_t got;
        while ((got = waitpid(pid, &status, WNOHANG)) == 0 && now_s() < deadline)
            nanosleep(&(struct timespec){0, 2000000}, NULL);
        if (got == 0) {
            judge_end(l, pid, true, limit_s);
            return;
        }
        if (WIFSIGNALED(status))
            fault(l,
                  "crashes: the process died of %s (signal %d); run it under a debugger: `gdb --args "
                  "telltale __check FILE '' 0`",
                  strsignal(WTERMSIG(status)), WTERMSIG(status));
        else if (!l->done)
            fault(l, "ends the process with code %d: a plugin must return a status, never exit",
                  WEXITSTATUS(status));
        else if (WEXITSTATUS(status) != 0)
            fault(l, "the process ended with code %d after all steps were done", WEXITSTATUS(status));
        kill(-pid, SIGKILL); /* whatever the plugin left running */
        return;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
}

static tt_status run(const char *path, const tt_check_options *options, listener *l, tt_error *err)
{
    pid_t pid = 0;
    int fd = -1;
    tt_status s = start(path, options, &pid, &fd, err);
    if (s) return s;
    double limit_s = options->step_limit_s > 0 ? options->step_limit_s : 30;
    bool ended = listen_until_end(l, fd, limit_s);
    close(fd);
    judge_end(l, pid, !ended, limit_s);
    return TT_OK;
}

tt_status tt_plugin_check(const char *path, const tt_check_options *options, tt_check_report report,
                          void *user, size_t *failures, tt_error *err)
{
    listener l = {.report = report, .user = user};
    tt_status s = run(path, options, &l, err);
    *failures = l.failures;
    return s;
}

static void ignore(void *user, tt_check_outcome outcome, const char *step, const char *text)
{
    (void)user, (void)outcome, (void)step, (void)text;
}

tt_status tt_plugin_survives_loading(const char *path, const tt_check_options *options, bool *survives,
                                     char *why, size_t why_size, tt_error *err)
{
    tt_check_options load_only = *options;
    load_only.load_only = true;
    listener l = {.report = ignore, .died = why, .died_size = why_size};
    why[0] = '\0';
    tt_status s = run(path, &load_only, &l, err);
    *survives = why[0] == '\0';
    return s;
}
