#include "runtime/memory_watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MOST_CHILDREN = 256 };

typedef struct watched {
    pid_t pid; /* 0: a free place */
    uint64_t limit_mib, killed_at_mib;
} watched;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static watched children[MOST_CHILDREN];
static bool started;

/* Anonymous and shared pages: weights that are mapped from a file are not the child's to answer for. */
static uint64_t resident_mib(pid_t pid)
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
    return kib >> 10;
}

static void *watch(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < MOST_CHILDREN; i++) {
            watched *w = &children[i];
            if (w->pid == 0 || w->killed_at_mib) continue;
            uint64_t mib = resident_mib(w->pid);
            if (mib <= w->limit_mib) continue;
            w->killed_at_mib = mib;
            kill(w->pid, SIGKILL);
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

void tt_memory_watch_add(pid_t pid, uint64_t limit_mib)
{
    if (limit_mib == 0) return;
    pthread_mutex_lock(&lock);
    if (!started) started = start();
    for (size_t i = 0; i < MOST_CHILDREN; i++)
        if (children[i].pid == 0) {
            children[i] = (watched){pid, limit_mib, 0};
            break;
        }
    pthread_mutex_unlock(&lock);
}

uint64_t tt_memory_watch_remove(pid_t pid)
{
    uint64_t killed_at = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < MOST_CHILDREN; i++)
        if (children[i].pid == pid) {
            killed_at = children[i].killed_at_mib;
            children[i] = (watched){0};
        }
    pthread_mutex_unlock(&lock);
    return killed_at;
}
