#include "base/thread.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- processors ---- */

static int allowed_by_affinity(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than the fixed set holds */
    return n > 0 && n <= INT_MAX ? (int)n : 1;
}

/* "max 100000" or "150000 100000" in cpu.max: processors, rounded up; 0 = no quota. */
static int quota_of_file(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    double quota, period;
    int read = fscanf(f, "%lf %lf", &quota, &period);
    fclose(f);
    if (read != 2 || !(quota > 0) || !(period > 0) || quota / period > 1e6) return 0;
    int n = (int)(quota / period);
    return quota > n * period ? n + 1 : n;
}

/* The quota of cgroup v2 binds at every level from our own group up to the root. */
static int allowed_by_quota(void)
{
    char line[PATH_MAX], group[PATH_MAX] = "";
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "0::/", 4) != 0) continue;
        line[strcspn(line, "\n")] = '\0';
        memcpy(group, line + 3, strlen(line + 3) + 1);
    }
    fclose(f);
    int least = 0;
    for (;;) {
        char path[PATH_MAX + 64];
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        int n = quota_of_file(path);
        if (n > 0 && (least == 0 || n < least)) least = n;
        char *slash = strrchr(group, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

int tt_processors(void)
{
    int n = allowed_by_affinity(), quota = allowed_by_quota();
    if (quota > 0 && quota < n) n = quota;
    return n > 0 ? n : 1;
}

/* ---- loops ---- */

enum { LOOP_THREADS_MOST = 64 };

typedef struct loop {
    void (*body)(void *user, size_t i);
    void *user;
    size_t n;
    atomic_size_t next;
} loop;

static void *run_loop(void *data)
{
    loop *l = data;
    for (size_t i; (i = atomic_fetch_add(&l->next, 1)) < l->n;)
        l->body(l->user, i);
    return NULL;
}

void tt_parallel_for(size_t n, int threads, void (*body)(void *user, size_t i), void *user)
{
    loop l = {.body = body, .user = user, .n = n};
    pthread_t others[LOOP_THREADS_MOST];
    size_t wanted = (size_t)(threads > 0 ? threads : tt_processors()), started = 0;
    if (wanted > n) wanted = n;
    if (wanted > LOOP_THREADS_MOST) wanted = LOOP_THREADS_MOST;
    while (started + 1 < wanted && pthread_create(&others[started], NULL, run_loop, &l) == 0)
        started++;
    run_loop(&l);
    for (size_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
}

/* ---- interruption ---- */

static volatile sig_atomic_t stop;

static void on_signal(int signal_number)
{
    stop = 1;
    if (signal_number == SIGINT) signal(SIGINT, SIG_DFL); /* the second one kills */
}

void tt_stop_install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool tt_stop_requested(void)
{
    return stop != 0;
}

void tt_stop_request(void)
{
    stop = 1;
}
