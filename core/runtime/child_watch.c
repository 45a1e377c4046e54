#include "runtime/child_watch.h"
#include "runtime/protocol.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CHILDREN = 256, MOST_PEAKS = 64 };

typedef struct watched {
    pid_t pid; /* 0: a free place */
    char name[64];
    tt_child_limits limits;
    tt_child_killed killed;
    uint64_t ticks; /* of the processor, when last looked at */
    bool awaited;
    double since_s; /* it was added, or asked */
} watched;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static watched children[MOST_CHILDREN];
static tt_child_peak peaks[MOST_PEAKS];
static size_t n_peaks;
static double last_beat_s; /* when any of them was last seen to have used the processor */
static bool started;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Anonymous and shared pages: weights that are mapped from a file are not the child's to answer for. */
static uint64_t resident_kib(pid_t pid)
{
    char path[64], line[160];
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "re");
    uint64_t kib = 0;
    unsigned long long value;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %llu kB", &value) == 1 || sscanf(line, "RssShmem: %llu kB", &value) == 1)
            kib += value;
    if (file) fclose(file);
    return kib;
}

/* User and system time of all its threads: fields 14 and 15 of proc(5)'s stat, counted behind the name, which
 * may hold anything. */
static uint64_t processor_ticks(pid_t pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    const char *rest = file && fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    unsigned long long user = 0, system = 0;
    if (rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        user = system = 0;
    if (file) fclose(file);
    return user + system;
}

static void end_child(watched *w, tt_child_killed why)
{
    w->killed = why;
    kill(w->pid, SIGKILL);
}

static bool was_killed(const watched *w)
{
    return w->killed.memory_mib || w->killed.silent;
}

/* The lock is held. */
static void raise_peak(const char *name, uint64_t kib, uint64_t device_kib)
{
    size_t i = 0;
    while (i < n_peaks && strcmp(peaks[i].name, name) != 0)
        i++;
    if (i == MOST_PEAKS) return;
    if (i == n_peaks) {
        peaks[n_peaks++] = (tt_child_peak){.kib = 0};
        snprintf(peaks[i].name, sizeof peaks[i].name, "%s", name);
    }
    if (kib > peaks[i].kib) peaks[i].kib = kib;
    if (device_kib > peaks[i].device_kib) peaks[i].device_kib = device_kib;
}

/* The lock is held. */
static uint64_t note_peak(const char *name, pid_t pid)
{
    uint64_t kib = resident_kib(pid);
    raise_peak(name, kib, 0);
    return kib;
}

size_t tt_child_peaks(tt_child_peak *list, size_t most)
{
    pthread_mutex_lock(&lock);
    note_peak("conductor", getpid());
    size_t n = n_peaks < most ? n_peaks : most;
    memcpy(list, peaks, n * sizeof *list);
    pthread_mutex_unlock(&lock);
    return n;
}

static void check_memory(watched *w)
{
    uint64_t mib = note_peak(w->name, w->pid) >> 10;
    if (w->limits.memory_mib && mib > w->limits.memory_mib)
        end_child(w, (tt_child_killed){.memory_mib = mib});
}

static void listen_for_beats(double now)
{
    for (size_t i = 0; i < MOST_CHILDREN; i++) {
        watched *w = &children[i];
        if (w->pid == 0 || w->limits.heartbeat_s <= 0) continue;
        uint64_t ticks = processor_ticks(w->pid);
        if (ticks != w->ticks) last_beat_s = now;
        w->ticks = ticks;
    }
}

static void check_silence(watched *w, double now)
{
    double heard = w->since_s > last_beat_s ? w->since_s : last_beat_s;
    if (w->limits.heartbeat_s > 0 && w->awaited && now - heard > w->limits.heartbeat_s)
        end_child(w, (tt_child_killed){.silent = true});
}

static void *watch(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&lock);
        double now = now_s();
        listen_for_beats(now);
        note_peak("conductor", getpid());
        for (size_t i = 0; i < MOST_CHILDREN; i++) {
            watched *w = &children[i];
            if (w->pid && !was_killed(w)) check_memory(w);
            if (w->pid && !was_killed(w)) check_silence(w, now);
        }
        pthread_mutex_unlock(&lock);
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
    return NULL;
}

/* The lock is held. Signals are for the main thread, which knows how to stop. */
static bool start(void)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = pthread_create(&thread, NULL, watch, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (good) pthread_detach(thread);
    return good;
}

void tt_child_watch_add(pid_t pid, const char *name, tt_child_limits limits)
{
    pthread_mutex_lock(&lock);
    if (!started) started = start();
    for (size_t i = 0; i < MOST_CHILDREN; i++)
        if (children[i].pid == 0) {
            children[i] = (watched){.pid = pid, .limits = limits, .since_s = now_s()};
            snprintf(children[i].name, sizeof children[i].name, "%s", name);
            break;
        }
    pthread_mutex_unlock(&lock);
}

static watched *find(pid_t pid)
{
    for (size_t i = 0; i < MOST_CHILDREN; i++)
        if (children[i].pid == pid) return &children[i];
    return NULL;
}

void tt_child_watch_await(pid_t pid, bool awaited)
{
    if (pid <= 0) return;
    pthread_mutex_lock(&lock);
    watched *w = find(pid);
    if (w) {
        w->awaited = awaited;
        w->since_s = now_s();
    }
    pthread_mutex_unlock(&lock);
}

tt_child_killed tt_child_watch_remove(pid_t pid)
{
    tt_child_killed killed = {0};
    pthread_mutex_lock(&lock);
    watched *w = find(pid);
    if (w) {
        note_peak(w->name, pid);
        killed = w->killed;
        *w = (watched){0};
    }
    pthread_mutex_unlock(&lock);
    return killed;
}

tt_status tt_child_ask_memory(tt_child *host, tt_child_memory *memory, tt_error *err)
{
    tt_buf none = {0};
    tt_reply reply;
    tt_status s = tt_child_call(host, TT_MSG_HOST_MEMORY, &none, -1, &reply, err);
    if (s) return s;
    *memory = (tt_child_memory){.on_device = tt_get_u8(&reply.in)};
    memory->device_bytes = tt_get_u64(&reply.in);
    memory->device_most_bytes = tt_get_u64(&reply.in);
    s = tt_reply_end(&reply, err);
    memory->bytes = resident_kib(host->pid ? host->pid : getpid()) << 10;
    if (s || !host->pid || !memory->on_device) return s; /* in this process all hosts are counted as one */
    pthread_mutex_lock(&lock);
    raise_peak(host->name, 0, memory->device_most_bytes >> 10);
    pthread_mutex_unlock(&lock);
    return TT_OK;
}
