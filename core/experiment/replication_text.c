/* Replication for people, as JSON and as CSV. */
#include "experiment/replication.h"
#include "experiment/sweep_internal.h"
#include "formats/json.h"
#include "formats/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- for people ---- */

enum { LEVEL_WIDTH = 31 };

static size_t widest(const tt_replicated_list *list)
{
    size_t width = strlen("setting");
    for (size_t i = 0; i < list->n; i++)
        if (strlen(list->rows[i].setting) > width) width = strlen(list->rows[i].setting);
    return width;
}

static bool has_settings(const tt_replicated_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->rows[i].setting[0]) return true;
    return false;
}

static void put_start(const tt_replicated_list *list, const char *setting, const char *role,
                      const char *attack, tt_buf *out)
{
    if (has_settings(list)) tt_buf_printf(out, "%-*s  ", (int)widest(list), setting);
    tt_buf_printf(out, "%-9s  %-14s  ", role, attack);
}

/* "3: 0.0100 ± 0.0248 (0.0092)" */
static void put_level(const tt_replication_level *at, tt_buf *out)
{
    if (isnan(at->sd)) {
        tt_buf_printf(out, "  %-*zu", LEVEL_WIDTH, at->n);
        return;
    }
    size_t before = out->size;
    tt_buf_printf(out, "  %zu: %.4f ± %.4f (%.4f)", at->n, at->sd, at->half_width_t, at->half_width_paper);
    size_t width = out->size - before - 1; /* ± is two bytes */
    tt_buf_printf(out, "%*s", width < LEVEL_WIDTH + 2 ? (int)(LEVEL_WIDTH + 2 - width) : 0, "");
}

/* No line ends with what pads its last column. */
static void end_line(tt_buf *out)
{
    while (!out->failed && out->size && out->data[out->size - 1] == ' ')
        out->size--;
    tt_buf_printf(out, "\n");
}

static void put_metrics(const tt_replicated_list *list, const tt_replicated *r, tt_buf *out)
{
    char text[40];
    for (size_t m = 0; m < list->n_metrics; m++) {
        if (!r->known[m]) continue;
        put_start(list, r->setting, r->role, r->attack, out);
        tt_buf_printf(out, "%-15s  %7.4f", tt_replicated_title(list, m, text), r->of[m].mean);
        for (int l = TT_LEVEL_ATTACK; l <= TT_LEVEL_TRAINING; l++) {
            tt_replication_level at = tt_replicated_level(&r->of[m], (tt_sweep_level)l);
            if (list->levels[l]) put_level(&at, out);
        }
        end_line(out);
    }
    if (!r->missing) return;
    put_start(list, r->setting, r->role, r->attack, out);
    tt_buf_printf(out, "%zu replicate%s missing\n", r->missing, r->missing == 1 ? " is" : "s are");
}

void tt_replicated_table(const tt_replicated_list *list, tt_buf *out)
{
    if (list->n == 0) return;
    tt_buf_printf(out,
                  "\nReplication: the mean, and of each level n: sd ± Student's t (the papers' 1.96 sd/√n), "
                  "half widths, 95 %%\n");
    put_start(list, "setting", "model", "attack", out);
    tt_buf_printf(out, "%-15s  %7s", "metric", "mean");
    for (int l = TT_LEVEL_ATTACK; l <= TT_LEVEL_TRAINING; l++)
        if (list->levels[l])
            tt_buf_printf(out, "  %-*s", LEVEL_WIDTH, tt_sweep_level_label((tt_sweep_level)l));
    end_line(out);
    for (size_t i = 0; i < list->n; i++)
        put_metrics(list, &list->rows[i], out);
    for (int l = TT_LEVEL_ATTACK; l <= TT_LEVEL_TRAINING; l++)
        if (list->levels[l])
            tt_buf_printf(out, "%s speaks of: %s\n", tt_sweep_level_label((tt_sweep_level)l),
                          tt_replicated_claim((tt_sweep_level)l));
    if (list->warning) tt_buf_printf(out, "warning: %s\n", list->warning);
}

/* ---- JSON ---- */

static void put_number(tt_buf *out, const char *key, double value)
{
    char text[40] = "null";
    if (isfinite(value)) tt_double_print(value, text);
    tt_buf_printf(out, "\"%s\": %s", key, text);
}

static void put_metric(const tt_replicated_list *list, const tt_replicated *r, size_t m, tt_buf *out)
{
    char text[40];
    tt_buf_printf(out, ", \"%s\": ", tt_replicated_name(list, m, text));
    if (!r->known[m]) {
        tt_buf_printf(out, "null");
        return;
    }
    tt_buf_printf(out, "{");
    put_number(out, "mean", r->of[m].mean);
    for (int l = TT_LEVEL_ATTACK; l <= TT_LEVEL_TRAINING; l++) {
        if (!list->levels[l]) continue;
        tt_replication_level at = tt_replicated_level(&r->of[m], (tt_sweep_level)l);
        tt_buf_printf(out, ", \"%s\": {\"n\": %zu, \"groups\": %zu, ",
                      tt_sweep_level_label((tt_sweep_level)l), at.n, at.groups);
        put_number(out, "sd", at.sd);
        tt_buf_printf(out, ", ");
        put_number(out, "half_width_t", at.half_width_t);
        tt_buf_printf(out, ", ");
        put_number(out, "half_width_paper", at.half_width_paper);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "}");
}

void tt_replicated_json(const tt_replicated_list *list, tt_buf *out)
{
    tt_buf_printf(out, "[");
    for (size_t i = 0; i < list->n; i++) {
        const tt_replicated *r = &list->rows[i];
        tt_buf_printf(out, "%s\n {\"setting\": ", i ? "," : "");
        tt_json_quote(out, r->setting);
        tt_buf_printf(out, ", \"role\": ");
        tt_json_quote(out, r->role);
        tt_buf_printf(out, ", \"attack\": ");
        tt_json_quote(out, r->attack);
        tt_buf_printf(out, ", \"replicates\": %zu, \"missing\": %zu", r->n, r->missing);
        for (size_t m = 0; m < list->n_metrics; m++)
            put_metric(list, r, m, out);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "]");
}

/* ---- CSV ---- */

static void csv_number(tt_buf *out, double value)
{
    tt_buf_printf(out, ",");
    if (!isnan(value)) tt_buf_printf(out, "%.17g", value);
}

static void csv_line(tt_buf *out, const tt_replicated *r, const char *metric, double value, double half_width)
{
    tt_buf_printf(out, "\"%s\",%s,%s,%s", r->setting, r->role, r->attack, metric);
    csv_number(out, value);
    csv_number(out, value - half_width);
    csv_number(out, value + half_width);
    tt_buf_printf(out, ",\n");
}

static void csv_level(tt_buf *out, const tt_replicated_list *list, const tt_replicated *r, size_t m,
                      tt_sweep_level level)
{
    tt_replication_level at = tt_replicated_level(&r->of[m], level);
    char text[40];
    const char *label = tt_sweep_level_label(level), *name = tt_replicated_name(list, m, text);
    double mean = r->of[m].mean;
    char metric[80];
    snprintf(metric, sizeof metric, "%s_over_%s", name, label);
    csv_line(out, r, metric, mean, at.half_width_t);
    snprintf(metric, sizeof metric, "%s_over_%s_paper", name, label);
    csv_line(out, r, metric, mean, at.half_width_paper);
    snprintf(metric, sizeof metric, "%s_sd_over_%s", name, label);
    csv_line(out, r, metric, at.sd, (double)NAN);
    snprintf(metric, sizeof metric, "%s_n_over_%s", name, label);
    csv_line(out, r, metric, (double)at.n, (double)NAN);
}

void tt_replicated_csv(const tt_replicated_list *list, tt_buf *out)
{
    for (size_t i = 0; i < list->n; i++)
        for (size_t m = 0; m < list->n_metrics; m++) {
            const tt_replicated *r = &list->rows[i];
            if (!r->known[m]) continue;
            for (int l = TT_LEVEL_ATTACK; l <= TT_LEVEL_TRAINING; l++)
                if (list->levels[l]) csv_level(out, list, r, m, (tt_sweep_level)l);
        }
}
