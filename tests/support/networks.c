#include "support/networks.h"
#include "base/file.h"
#include "models/weights.h"
#include "plugin/registry.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

tt_device *tt_test_device(const char *name)
{
    char path[4096];
    tt_error err = {0};
    if (!name) name = getenv("TELLTALE_TEST_BACKEND");
    if (!name) name = "cpu";
    snprintf(path, sizeof path, TT_BUILD_DIR "/plugins/backends/%s.so", name);
    if (!tt_file_exists(path)) {
        printf("skipped: the %s backend was not built (%s)\n", name, path);
        return NULL;
    }
    tt_plugin_file *file; /* stays open until the test's process ends, as the device does */
    tt_ok(tt_plugin_file_open(path, &file, &err), &err);
    const tt_backend *backend = tt_plugin_file_entry(file)->get(TT_KIND_BACKEND, name);
    ck_assert_ptr_nonnull(backend);
    const char *why = backend->unavailable ? backend->unavailable() : NULL;
    if (why) {
        printf("skipped: the %s backend does not run here: %s\n", name, why);
        return NULL;
    }
    tt_device *device;
    tt_ok(tt_device_open(backend, NULL, &device, &err), &err);
    return device;
}

typedef struct summary {
    double mean, std, max, l2;
} summary;

static summary summarise(const float *x, size_t n)
{
    summary s = {0};
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        s.mean += (double)x[i] / (double)n;
        squares += (double)x[i] * (double)x[i];
        s.max = fmax(s.max, fabs((double)x[i]));
    }
    s.l2 = sqrt(squares);
    s.std = sqrt(fmax(0, squares / (double)n - s.mean * s.mean));
    return s;
}

static void near(const tt_golden *g, const char *part, double got, double want, double slack)
{
    ck_assert_msg(fabs(got - want) <= slack, "%s: %s is %.9g, expected %.9g within %.3g", g->what, part, got,
                  want, slack);
}

void tt_golden_check(const tt_golden *g, const float *values, size_t n, double tolerance)
{
    summary s = summarise(values, n);
    double rms = sqrt(g->std * g->std + g->mean * g->mean), worst = 0;
    for (size_t i = 0; i < 8 && i < n; i++)
        worst = fmax(worst, fabs((double)values[i] - g->first[i]));
    for (size_t i = 0; i < (size_t)g->n_last; i++)
        worst = fmax(worst, fabs((double)values[n - (size_t)g->n_last + i] - g->last[i]));
    printf("%s: L2 %+.1e, listed values within %.1e of the rms\n", g->what,
           g->l2 > 0 ? s.l2 / g->l2 - 1 : 0.0, worst / rms);
    near(g, "mean", s.mean, g->mean, tolerance * rms);
    near(g, "std", s.std, g->std, tolerance * rms);
    if (g->max > 0) near(g, "max", s.max, g->max, 5 * tolerance * rms);
    if (g->l2 > 0) near(g, "L2", s.l2, g->l2, tolerance * g->l2);
    ck_assert_msg(worst <= 5 * tolerance * rms, "%s: a listed value is off by %.3g of the rms", g->what,
                  worst / rms);
}

double tt_relative_error(const float *a, const float *b, size_t n)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / norm);
}

float *tt_test_input(const char *name, size_t n, bool clamp)
{
    float *x = malloc(n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    tt_hash_input(name, x, n);
    for (size_t i = 0; i < n && clamp; i++)
        x[i] = fminf(1, fmaxf(-1, x[i]));
    return x;
}

bool tt_test_too_slow(void)
{
#ifdef TT_SANITIZE
    printf("skipped under sanitizers: full networks; small ones run in models-test_networks_small\n");
    return true;
#else
    return false;
#endif
}

double tt_test_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

size_t tt_test_peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}
