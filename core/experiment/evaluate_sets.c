/* Set-level inference for people and for programs: shared by reports of runs and by `telltale evaluate`. */
#include "experiment/evaluate.h"

#include <math.h>

/* The smallest set that is found in at least four of five draws; 0: none of those tried. */
static size_t size_for(const tt_set_level *s)
{
    for (size_t k = 0; k < TT_SET_SIZES; k++)
        if (s->power[k].welch >= 0.8) return s->power[k].size;
    return 0;
}

void tt_set_level_text(const tt_set_level *s, const char *indent, tt_buf *out)
{
    if (!s->has_test) return;
    tt_buf_printf(out, "%swas this set used? p %.2g (Welch), %.2g (Mann-Whitney), one-sided\n", indent,
                  s->test.welch_p, s->test.mann_whitney_p);
    tt_buf_printf(out, "%spower at 5 %%, Welch (false alarms):", indent);
    for (size_t k = 0; k < TT_SET_SIZES; k++) {
        const tt_set_power *p = &s->power[k];
        if (isnan(p->welch)) continue;
        tt_buf_printf(out, " %zu images %.2f", p->size, p->welch);
        if (!isnan(p->false_welch)) tt_buf_printf(out, " (%.2f)", p->false_welch);
    }
    size_t enough = size_for(s);
    if (enough)
        tt_buf_printf(out, "; %zu are enough for 0.8\n", enough);
    else
        tt_buf_printf(out, "\n");
}

static void number(tt_buf *out, const char *key, double v)
{
    if (isfinite(v))
        tt_buf_printf(out, ", \"%s\": %.17g", key, v);
    else
        tt_buf_printf(out, ", \"%s\": null", key);
}

void tt_set_level_json(const tt_set_level *s, tt_buf *out)
{
    if (s->has_test) {
        number(out, "set_welch_p", s->test.welch_p);
        number(out, "set_mann_whitney_p", s->test.mann_whitney_p);
    }
    tt_buf_printf(out, ", \"set_power\": [");
    for (size_t k = 0; k < TT_SET_SIZES; k++) {
        tt_buf_printf(out, "%s{\"size\": %zu", k ? ", " : "", s->power[k].size);
        number(out, "welch", s->power[k].welch);
        number(out, "mann_whitney", s->power[k].mann_whitney);
        number(out, "false_welch", s->power[k].false_welch);
        number(out, "false_mann_whitney", s->power[k].false_mann_whitney);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "]");
}
