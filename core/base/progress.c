/* Progress for people: a bar on a terminal, else a plain line every few seconds. For programs: JSON lines. */
#include "base/log_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double redraw_s = 0.1, line_s = 5.0, json_s = 1.0;
static atomic_bool quiet, bar_drawn;

struct tt_progress {
    char *what, *unit;
    char note[64];
    uint64_t total, done, before; /* before: done when it began, which says nothing of the rate */
    uint64_t failures;
    double start_s, shown_s; /* shown_s: time of the last output */
    bool terminal, drawn;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col < 250 ? size.ws_col : 250;
}

static void format_duration(double s, char *out, size_t size)
{
    if (!(s < 360000.0))
        snprintf(out, size, "--:--");
    else if (s < 3600.0)
        snprintf(out, size, "%02d:%02d", (int)s / 60, (int)s % 60);
    else
        snprintf(out, size, "%d:%02d:%02d", (int)s / 3600, (int)s / 60 % 60, (int)s % 60);
}

static double rate_of(const tt_progress *p, double elapsed)
{
    return elapsed > 0 ? (double)(p->done - p->before) / elapsed : 0.0;
}

/* Infinite before anything is done. */
static double left_of(const tt_progress *p, double elapsed)
{
    double rate = rate_of(p, elapsed);
    if (p->done >= p->total) return 0;
    return rate > 0 ? (double)(p->total - p->done) / rate : INFINITY;
}

/* "12/40 images, 3.4/s, 00:08 left, 1 failed, loss on target" */
static void format_state(const tt_progress *p, double elapsed, char *out, size_t size)
{
    double rate = rate_of(p, elapsed);
    char time_text[32], failed[32] = "";
    bool complete = p->done >= p->total;
    format_duration(complete ? elapsed : left_of(p, elapsed), time_text, sizeof time_text);
    if (p->failures) snprintf(failed, sizeof failed, ", %" PRIu64 " failed", p->failures);
    snprintf(out, size, "%" PRIu64 "/%" PRIu64 " %s, %.*f/s, %s %s%s%s%s", p->done, p->total, p->unit,
             rate < 10 ? 2 : 0, rate, time_text, complete ? "in all" : "left", failed, p->note[0] ? ", " : "",
             p->note);
}

static void put_json(const tt_progress *p, double elapsed, bool ended)
{
    tt_buf line = {0};
    double left = left_of(p, elapsed);
    tt_buf_printf(&line, "{\"event\": \"progress\", \"what\": ");
    tt_log_quote(&line, p->what);
    tt_buf_printf(&line, ", \"step\": ");
    tt_log_quote(&line, p->note);
    tt_buf_printf(&line, ", \"done\": %" PRIu64 ", \"total\": %" PRIu64 ", \"unit\": ", p->done, p->total);
    tt_log_quote(&line, p->unit);
    tt_buf_printf(&line, ", \"rate\": %.6g, \"elapsed_s\": %.3f", rate_of(p, elapsed), elapsed);
    tt_buf_printf(&line, isfinite(left) ? ", \"left_s\": %.3f" : ", \"left_s\": null", left);
    tt_buf_printf(&line, ", \"failures\": %" PRIu64 ", \"ended\": %s}\n", p->failures,
                  ended ? "true" : "false");
    if (!line.failed) tt_log_put(line.data, line.size);
    tt_buf_free(&line);
}

static void draw_bar(const tt_progress *p, const char *state)
{
    char line[1024];
    int width = columns() - 1, n = snprintf(line, 600, "\r%s ", p->what);
    int bar = width - n - (int)strlen(state) - 4;
    if (bar > 40) bar = 40;
    if (n > 599) n = 599;
    if (bar >= 5) {
        double part = p->total ? (double)p->done / (double)p->total : 1.0;
        int filled = (int)((part < 1.0 ? part : 1.0) * bar);
        line[n++] = '[';
        for (int i = 0; i < bar; i++)
            line[n++] = i < filled ? '#' : '.';
        line[n++] = ']';
        line[n++] = ' ';
    }
    n += snprintf(line + n, sizeof line - (size_t)n - 4, "%s", state);
    if (n > width) n = width; /* a longer line would wrap and could not be redrawn */
    memcpy(line + n, "\033[K", 3);
    tt_log_put(line, (size_t)n + 3);
    atomic_store(&bar_drawn, true);
}

static void show(tt_progress *p, double now, bool ended)
{
    char state[256];
    format_state(p, now - p->start_s, state, sizeof state);
    if (tt_log_is_json())
        put_json(p, now - p->start_s, ended);
    else if (p->terminal)
        draw_bar(p, state);
    else
        tt_log(TT_LOG_INFO, "%s: %s", p->what, state);
    p->shown_s = now;
    p->drawn = true;
}

void tt_progress_clear(void)
{
    if (atomic_exchange(&bar_drawn, false)) tt_log_put("\r\033[K", 4);
}

void tt_progress_set_quiet(bool q)
{
    atomic_store(&quiet, q);
}

tt_progress *tt_progress_start(const char *what, const char *unit, uint64_t total)
{
    tt_progress *p = tt_alloc_zero(sizeof *p);
    if (!p) return NULL;
    p->what = tt_strdup(what);
    p->unit = tt_strdup(unit);
    if (!p->what || !p->unit) {
        tt_free(p->what);
        tt_free(p->unit);
        tt_free(p);
        return NULL;
    }
    p->total = total;
    p->terminal = isatty(STDERR_FILENO) == 1;
    p->start_s = p->shown_s = now_s();
    return p;
}

void tt_progress_resume(tt_progress *p, uint64_t done)
{
    if (p) p->before = p->done = done;
}

void tt_progress_set(tt_progress *p, uint64_t done)
{
    if (!p) return;
    p->done = done;
    if (atomic_load(&quiet)) return;
    double now = now_s();
    double pause = tt_log_is_json() ? json_s : p->terminal ? redraw_s : line_s;
    if (now - p->shown_s >= pause) show(p, now, false);
}

void tt_progress_fail(tt_progress *p, uint64_t dropped)
{
    if (!p) return;
    p->failures++;
    uint64_t left = p->total > p->done ? p->total - p->done : 0;
    p->total -= dropped < left ? dropped : left;
}

void tt_progress_note(tt_progress *p, const char *note)
{
    if (p) snprintf(p->note, sizeof p->note, "%s", note ? note : "");
}

void tt_progress_finish(tt_progress *p)
{
    if (!p) return;
    if (!atomic_load(&quiet)) {
        show(p, now_s(), true);
        if (atomic_exchange(&bar_drawn, false)) tt_log_put("\n", 1);
    }
    tt_free(p->what);
    tt_free(p->unit);
    tt_free(p);
}
