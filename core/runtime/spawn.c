#include "runtime/spawn.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "runtime/child_watch.h"
#include "runtime/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { CHANNEL_FD = 3, RULES_FD = 4 };

static const char *subcommand(tt_child_kind kind)
{
    return kind == TT_CHILD_HOST ? "__host" : "__worker";
}

/* What a child is to be. */
typedef struct child_role {
    tt_child_kind kind;
    const tt_program *program; /* NULL: ours */
    const tt_buf *rules;       /* of its confinement; NULL: it is not confined */
} child_role;

/* The argument vector: program, subcommand, parent's pid, options, "--", then the plugin folders; or, with
 * --program, what the child becomes. */
static char **make_arguments(const tt_launch *launch, const child_role *r, tt_arena *arena)
{
    const char *const *rest = r->program ? r->program->argv : launch->plugin_dirs;
    size_t n = 0, n_rest = r->program ? 0 : launch->n_plugin_dirs;
    while (r->program && rest[n_rest])
        n_rest++;
    char **argv = tt_arena_alloc_array(arena, n_rest + 7, sizeof(char *));
    if (!argv) return NULL;
    argv[n++] = tt_arena_strdup(arena, "telltale");
    argv[n++] = tt_arena_strdup(arena, subcommand(r->kind));
    argv[n++] = tt_arena_printf(arena, "%ld", (long)getpid());
    if (r->program) argv[n++] = tt_arena_strdup(arena, "--program");
    if (r->rules) argv[n++] = tt_arena_strdup(arena, "--confined");
    argv[n++] = tt_arena_strdup(arena, "--");
    for (size_t i = 0; i < n_rest; i++)
        argv[n++] = tt_arena_strdup(arena, rest[i]);
    for (size_t i = 0; i < n; i++)
        if (!argv[i]) return NULL;
    return argv;
}

/* A descriptor that the rules can be read from, above those that children get; −1: none are wanted. */
static tt_status hand_out_rules(const tt_buf *rules, int *fd, tt_error *err)
{
    *fd = -1;
    if (!rules) return TT_OK;
    int memory = memfd_create("rules", MFD_CLOEXEC);
    size_t done = 0;
    for (ssize_t n = 1; memory >= 0 && n > 0 && done<rules->size; done += n> 0 ? (size_t)n : 0)
        n = write(memory, rules->data + done, rules->size - done);
    if (memory >= 0 && done == rules->size) *fd = fcntl(memory, F_DUPFD_CLOEXEC, 10);
    int why = errno;
    if (memory >= 0) close(memory);
    return *fd >= 0 ? TT_OK : tt_fail(err, TT_ERR_IO, "cannot hand rules to a worker: %s", strerror(why));
}

static tt_status spawn(const tt_launch *launch, const child_role *r, int channel, tt_child *child,
                       tt_error *err)
{
    int rules;
    tt_status s = hand_out_rules(r->rules, &rules, err);
    if (s) return s;
    tt_arena *arena = tt_arena_create(0);
    char **argv = arena ? make_arguments(launch, r, arena) : NULL;
    if (!argv) {
        tt_arena_destroy(arena);
        if (rules >= 0) close(rules);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    }
    const char *program = launch->program ? launch->program : "/proc/self/exe";
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (child->log_path) {
        posix_spawn_file_actions_addopen(&actions, 2, child->log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
        posix_spawn_file_actions_adddup2(&actions, 2, 1);
    } else {
        posix_spawn_file_actions_adddup2(&actions, 2, 1);
    }
    posix_spawn_file_actions_adddup2(&actions, channel, CHANNEL_FD); /* clears close-on-exec in the copy */
    if (rules >= 0) posix_spawn_file_actions_adddup2(&actions, rules, RULES_FD);
    /* a child in a process group of its own does not get the terminal's Ctrl-C: the conductor decides */
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    int why = posix_spawn(&child->pid, program, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    tt_arena_destroy(arena);
    if (rules >= 0) close(rules);
    if (why) {
        child->pid = 0;
        return tt_fail(err, TT_ERR_IO, "cannot start %s: %s", program, strerror(why));
    }
    return TT_OK;
}

static tt_status start_in_process(const tt_launch *launch, tt_child_kind kind, tt_child *child, tt_error *err)
{
    if (kind == TT_CHILD_HOST) {
        child->host = tt_modelhost_create(launch->plugin_dirs, launch->n_plugin_dirs);
        if (child->host)
            child->control = tt_port_direct(tt_modelhost_control, child->host, NULL, child->name);
    } else {
        child->worker = tt_worker_create(launch->plugin_dirs, launch->n_plugin_dirs);
        if (child->worker)
            child->control = tt_port_direct(tt_worker_request, child->worker, NULL, child->name);
    }
    return child->control ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory");
}

static tt_status start_process(const tt_launch *launch, const child_role *r, tt_child *child, tt_error *err)
{
    if (launch->log_dir) {
        char file[96];
        snprintf(file, sizeof file, "%s.log", child->name);
        for (char *p = file; *p; p++)
            if (*p == '/' || *p == ' ') *p = '-';
        child->log_path = tt_path_join(launch->log_dir, file);
        if (!child->log_path) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    }
    int fds[2];
    tt_status s = tt_channel_pair(fds, err);
    if (s) return s;
    s = spawn(launch, r, fds[1], child, err);
    close(fds[1]);
    if (s) {
        close(fds[0]);
        return s;
    }
    child->control = tt_port_over_channel(fds[0], child->name);
    if (!child->control) {
        close(fds[0]);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    }
    child->memory_limit_mib = launch->memory_limit_mib;
    child->heartbeat_s = launch->heartbeat_s;
    tt_child_watch_add(child->pid, r->kind == TT_CHILD_HOST ? child->name : "worker",
                       (tt_child_limits){launch->memory_limit_mib, launch->heartbeat_s});
    tt_port_set_time_limit(child->control, launch->time_limit_s);
    tt_port_watch_stop(child->control, true);
    return TT_OK;
}

tt_status tt_child_start(const tt_launch *launch, tt_child_kind kind, const char *name, tt_child *child,
                         tt_error *err)
{
    *child = (tt_child){0};
    snprintf(child->name, sizeof child->name, "%s", name);
    const child_role r = {.kind = kind};
    tt_status s = launch->in_process ? start_in_process(launch, kind, child, err)
                                     : start_process(launch, &r, child, err);
    if (s) tt_child_stop(child);
    return s;
}

tt_status tt_child_rules(const tt_launch *launch, const tt_confine_need *need, tt_buf *rules, tt_error *err)
{
    if (launch->in_process) return TT_OK;
    tt_confine_need whole = *need;
    whole.executable = launch->program;
    whole.plugin_dirs = launch->plugin_dirs;
    whole.n_plugin_dirs = launch->n_plugin_dirs;
    const size_t own = sizeof launch->hidden / sizeof *launch->hidden;
    const char **hidden = tt_alloc_array(need->n_hidden + own, sizeof *hidden);
    if (!hidden) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    memcpy((void *)hidden, launch->hidden, sizeof launch->hidden);
    for (size_t i = 0; i < need->n_hidden; i++)
        hidden[own + i] = need->hidden[i];
    whole.hidden = hidden;
    whole.n_hidden = own + need->n_hidden;
    tt_status s = tt_confine_rules(&whole, rules, err);
    tt_free((void *)hidden);
    return s;
}

tt_status tt_child_start_attack(const tt_launch *launch, const tt_confine_need *need, const char *name,
                                tt_child *child, tt_error *err)
{
    *child = (tt_child){0};
    snprintf(child->name, sizeof child->name, "%s", name);
    if (launch->in_process && need->program)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "%s: %s is a program of its own, which --in-process has no place for: run without it",
                       name, need->program->path);
    if (launch->in_process) return tt_child_start(launch, TT_CHILD_WORKER, name, child, err);
    tt_buf rules = {0};
    tt_status s = tt_child_rules(launch, need, &rules, err);
    const child_role r = {TT_CHILD_WORKER, need->program, &rules};
    if (!s) s = start_process(launch, &r, child, err);
    tt_buf_free(&rules);
    if (s) tt_child_stop(child);
    return s;
}

static bool wait_for_exit(pid_t pid, int milliseconds, int *status)
{
    for (int waited = 0;; waited += 5) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR)) return true;
        if (waited >= milliseconds) return false;
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
}

void tt_child_stop(tt_child *child)
{
    tt_port_close(child->control);
    if (child->pid > 0) {
        int status;
        tt_child_watch_remove(child->pid);
        if (!wait_for_exit(child->pid, 2000, &status)) {
            kill(child->pid, SIGKILL);
            waitpid(child->pid, &status, 0);
        }
    }
    tt_worker_destroy(child->worker);
    tt_modelhost_destroy(child->host);
    tt_free(child->log_path);
    *child = (tt_child){0};
}

/* How a silent child ended; kills it when it only hangs. One that was `late` would end orderly now that its
 * channel is closed, which is not what went wrong. */
static tt_status describe_death(tt_child *child, bool late, tt_error *err)
{
    char how[200];
    int status = 0;
    tt_child_killed killed = tt_child_watch_remove(child->pid);
    if (killed.silent) {
        waitpid(child->pid, &status, 0);
        snprintf(how, sizeof how,
                 "hung: nothing used the processor for %g s (limits.heartbeat_s) while its answer was "
                 "awaited; it was killed",
                 child->heartbeat_s);
    } else if (killed.memory_mib) {
        waitpid(child->pid, &status, 0);
        snprintf(how, sizeof how,
                 "used %llu MiB, more than limits.memory_mib (%llu), and was killed; raise the limit, or "
                 "make batches "
                 "smaller",
                 (unsigned long long)killed.memory_mib, (unsigned long long)child->memory_limit_mib);
    } else if (!late && wait_for_exit(child->pid, 500, &status)) {
        if (WIFSIGNALED(status))
            snprintf(how, sizeof how, "killed by signal %d (%s)%s", WTERMSIG(status),
                     strsignal(WTERMSIG(status)),
                     WTERMSIG(status) == SIGKILL ? ", perhaps because memory ran out" : "");
        else
            snprintf(how, sizeof how, "ended with exit code %d", WEXITSTATUS(status));
    } else {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, &status, 0);
        snprintf(how, sizeof how, "gave no answer within its time limit and was killed");
    }
    child->pid = 0;
    return tt_fail(err, TT_ERR_CRASHED, "%s: %s%s%s", child->name, how,
                   child->log_path ? "; its messages are in " : "", child->log_path ? child->log_path : "");
}

tt_status tt_child_call(tt_child *child, uint16_t type, const tt_buf *request, int fd, tt_reply *reply,
                        tt_error *err)
{
    if (!child->control) return tt_fail(err, TT_ERR_INTERNAL, "%s is not running", child->name);
    tt_error local = {0};
    tt_child_watch_await(child->pid, true);
    tt_status s = tt_port_call(child->control, type, request, fd, reply, &local);
    tt_child_watch_await(child->pid, false);
    if (s != TT_ERR_CRASHED || child->pid == 0) {
        if (s) tt_fail(err, s, "%s", local.message);
        return s;
    }
    tt_port_close(child->control);
    child->control = NULL;
    return describe_death(child, reply->message.late, err);
}

static tt_status host_connect(tt_child *host, uint32_t capabilities, int fd, uint32_t *connection,
                              tt_error *err)
{
    tt_buf request = {0};
    tt_put_u32(&request, capabilities);
    tt_reply reply;
    tt_status s = tt_child_call(host, TT_MSG_HOST_CONNECT, &request, fd, &reply, err);
    tt_buf_free(&request);
    if (s) return s;
    *connection = tt_get_u32(&reply.in);
    return tt_reply_end(&reply, err);
}

static tt_status worker_take(tt_child *worker, uint16_t type, const char *name, int fd, tt_error *err)
{
    tt_buf request = {0};
    tt_put_text(&request, name);
    tt_reply reply;
    tt_status s = tt_child_call(worker, type, &request, fd, &reply, err);
    tt_buf_free(&request);
    return s ? s : tt_reply_end(&reply, err);
}

/* type: what the worker is told that it is given */
static tt_status join(tt_child *host, tt_child *worker, uint16_t type, const char *name,
                      uint32_t capabilities, uint32_t *connection, tt_error *err)
{
    if (host->host) { /* in process */
        tt_status s = host_connect(host, capabilities, -1, connection, err);
        if (s) return s;
        tt_port *port = tt_port_direct(tt_modelhost_request, host->host,
                                       tt_modelhost_connection_at(host->host, *connection), host->name);
        if (!port) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
        tt_worker_next_model(worker->worker, port);
        return worker_take(worker, type, name, -1, err);
    }
    int fds[2];
    tt_status s = tt_channel_pair(fds, err);
    if (s) return s;
    s = host_connect(host, capabilities, fds[0], connection, err);
    if (!s) s = worker_take(worker, type, name, fds[1], err);
    close(fds[0]); /* the descriptors travelled; these are our copies */
    close(fds[1]);
    return s;
}

tt_status tt_child_connect(tt_child *host, tt_child *worker, const char *role, uint32_t capabilities,
                           uint32_t *connection, tt_error *err)
{
    return join(host, worker, TT_MSG_WORKER_MODEL, role, capabilities, connection, err);
}

tt_status tt_child_connect_service(tt_child *host, tt_child *worker, const char *name, uint32_t *connection,
                                   tt_error *err)
{
    return join(host, worker, TT_MSG_WORKER_SERVICE, name, 0, connection, err);
}

tt_status tt_child_open_model(tt_child *host, const char *role, uint32_t capabilities, double time_limit_s,
                              tt_model **model, tt_error *err)
{
    uint32_t connection;
    int fds[2] = {-1, -1};
    tt_port *port = NULL;
    tt_status s = host->host ? TT_OK : tt_channel_pair(fds, err);
    if (!s) s = host_connect(host, capabilities, fds[0], &connection, err);
    if (!s && host->host)
        port = tt_port_direct(tt_modelhost_request, host->host,
                              tt_modelhost_connection_at(host->host, connection), host->name);
    else if (!s)
        port = tt_port_over_channel(fds[1], host->name);
    if (fds[0] >= 0) close(fds[0]);
    if (fds[1] >= 0 && !port) close(fds[1]);
    if (s) return s;
    if (!port) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_port_set_time_limit(port, time_limit_s);
    tt_port_watch_stop(port, true);
    return tt_model_client_create(port, role, model, err);
}

/* The options that make_arguments wrote; the index of what follows "--". */
static int read_options(int argc, char **argv, bool *program, bool *confined)
{
    int i = 2;
    *program = *confined = false;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        *program |= strcmp(argv[i], "--program") == 0;
        *confined |= strcmp(argv[i], "--confined") == 0;
    }
    return i < argc ? i + 1 : argc;
}

/* Before any code of an attack is loaded. */
static tt_status confine(tt_error *err)
{
    struct stat st;
    if (fstat(RULES_FD, &st) != 0 || st.st_size < 0)
        return tt_fail(err, TT_ERR_IO, "a worker's rules did not come");
    size_t size = (size_t)st.st_size;
    void *rules = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, RULES_FD, 0) : NULL;
    close(RULES_FD);
    if (rules == MAP_FAILED) return tt_fail(err, TT_ERR_IO, "a worker's rules: %s", strerror(errno));
    tt_status s = tt_confine_enter(rules, size, err);
    if (rules) munmap(rules, size);
    return s;
}

static tt_status serve(tt_child_kind kind, const char *const *dirs, size_t n_dirs, tt_error *err)
{
    tt_status s = TT_ERR_MEMORY;
    fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC);
    if (kind == TT_CHILD_HOST) {
        tt_modelhost *host = tt_modelhost_create(dirs, n_dirs);
        if (host) s = tt_modelhost_serve(host, CHANNEL_FD, err);
        tt_modelhost_destroy(host);
    } else {
        tt_worker *worker = tt_worker_create(dirs, n_dirs);
        if (worker) s = tt_worker_serve(worker, CHANNEL_FD, err);
        tt_worker_destroy(worker);
    }
    return s;
}

int tt_child_main(tt_child_kind kind, int argc, char **argv)
{
    /* killed with the conductor; if it died before this line, getppid tells */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc < 2 || getppid() != (pid_t)strtol(argv[1], NULL, 10)) {
        fprintf(stderr, "telltale: %s is started by `telltale run`, not by hand\n", argc ? argv[0] : "this");
        return 2;
    }
    tt_error err = {0};
    bool program, confined;
    int rest = read_options(argc, argv, &program, &confined);
    tt_status s = confined ? confine(&err) : TT_OK;
    if (!s && program && rest < argc)
        s = tt_program_exec(argv + rest, &err); /* the channel stays open across it */
    else if (!s)
        s = serve(kind, (const char *const *)(argv + rest), (size_t)(argc - rest), &err);
    if (s) tt_log(TT_LOG_ERROR, "%s", err.message);
    return s ? 1 : 0;
}
