/* The spec reference in Markdown (docs/spec-reference.md), from the tables that reading and the schema use.
 */
#include "experiment/schema.h"
#include "experiment/spec_tables.h"
#include "plugin/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A cell of a table: `|` would end it. */
static void put_cell(tt_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|') tt_buf_append(out, "\\", 1);
        tt_buf_append(out, p, 1);
    }
}

static void put_range(tt_buf *out, double min, double max)
{
    bool below = isfinite(min), above = isfinite(max) && max < 0x1p53;
    if (min == 0 && max == 0) return;
    if (below && above && min == max)
        tt_buf_printf(out, ", %.15g", min);
    else if (below && above)
        tt_buf_printf(out, ", %.15g to %.15g", min, max);
    else if (below)
        tt_buf_printf(out, ", from %.15g", min);
    else if (above)
        tt_buf_printf(out, ", up to %.15g", max);
}

static void put_choices(tt_buf *out, const char *choices)
{
    char name[64];
    for (size_t i = 0; tt_spec_choice_next(&choices, name); i++)
        tt_buf_printf(out, "%s`%s`", i ? ", " : "", name);
}

static void put_default(tt_buf *out, bool required, const char *value)
{
    if (required)
        tt_buf_printf(out, " | required | ");
    else if (value && value[0])
        tt_buf_printf(out, " | `%s` | ", value);
    else
        tt_buf_printf(out, " | | ");
}

static void put_head(tt_buf *out)
{
    tt_buf_printf(out, "| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
}

/* ---- the spec's own keys ---- */

static const char *own_type(tt_spec_key_type type)
{
    switch (type) {
    case TT_KEY_BOOL:
        return "true or false";
    case TT_KEY_INT:
        return "integer";
    case TT_KEY_FLOAT:
        return "number";
    case TT_KEY_RATES:
        return "list of numbers";
    case TT_KEY_CHOICE:
        return "one of ";
    case TT_KEY_ACCESS:
        return "one or a list of ";
    case TT_KEY_SET:
        return "`DATASET.SPLIT`";
    case TT_KEY_SETS:
        return "list of `DATASET.SPLIT`, or one of ";
    case TT_KEY_PLUGIN:
        return "name of a plugin";
    case TT_KEY_PATH:
        return "path";
    case TT_KEY_BASE:
        return "path or list of paths";
    case TT_KEY_TRANSFORMS:
        return "list of maps";
    case TT_KEY_TEXT:
        return "text";
    case TT_KEY_VALUES:
        return "list, or map of names to values";
    case TT_KEY_COUNT_OR_VALUES:
        return "list, map of names to values, or how many";
    case TT_KEY_AXES:
        return "map of keys to lists, or to maps of names to values";
    case TT_KEY_CONTROLS:
        return "`on`, `off`, or a map";
    case TT_KEY_DEVICE:
        return "`cpu`, `cuda`, `cuda:1`, `auto`, or a map";
    default:
        return "map";
    }
}

static void put_own(tt_buf *out, const tt_spec_table *table)
{
    put_head(out);
    for (size_t i = 0; i < table->n; i++) {
        const tt_spec_key *row = &table->rows[i];
        tt_buf_printf(out, "| `%s` | %s", row->key, own_type(row->type));
        if (row->choices) put_choices(out, row->choices);
        put_range(out, row->min, row->max);
        put_default(out, row->required, row->default_value);
        put_cell(out, row->help);
        tt_buf_printf(out, " |\n");
    }
}

static const struct {
    const char *title;
    const tt_spec_table *table;
} sections[] = {{"The whole", &tt_spec_table_top},
                {"data.NAME", &tt_spec_table_data},
                {"data.NAME.transforms", &tt_spec_table_transform},
                {"models.ROLE", &tt_spec_table_model},
                {"models.ROLE.price", &tt_spec_table_price},
                {"services.NAME", &tt_spec_table_service},
                {"threat_model", &tt_spec_table_threat_model},
                {"attacks.NAME", &tt_spec_table_attack},
                {"controls", &tt_spec_table_controls},
                {"budgets", &tt_spec_table_budgets},
                {"report", &tt_spec_table_report},
                {"limits", &tt_spec_table_limits},
                {"device", &tt_spec_table_device},
                {"sweep", &tt_spec_table_sweep},
                {"replication", &tt_spec_table_replication},
                {"published", &tt_spec_table_published}};

/* ---- plugins ---- */

static void put_params(tt_buf *out, const tt_plugin_info *info)
{
    tt_buf_printf(out, "\n### %s %s\n\n%s.", tt_plugin_kind_name(info->kind), info->name, info->summary);
    if (info->reference) tt_buf_printf(out, " Source: %s.", info->reference);
    tt_buf_printf(out, info->n_params ? "\n\n" : " It takes no parameters.\n");
    if (info->n_params) put_head(out);
    for (uint32_t i = 0; i < info->n_params; i++) {
        const tt_param *row = &info->params[i];
        bool chosen = row->type == TT_PARAM_CHOICE;
        tt_buf_printf(out, "| `%s` | %s", row->key, chosen ? "one of " : tt_param_type_name(row->type));
        if (chosen) put_choices(out, row->choices);
        put_range(out, row->min, row->max);
        put_default(out, row->flags & TT_PARAM_REQUIRED, row->default_value);
        put_cell(out, row->help);
        tt_buf_printf(out, "%s |\n",
                      row->flags & TT_PARAM_SCORE   ? "; changing it measures nothing anew"
                      : row->flags & TT_PARAM_SPEED ? "; changes no result"
                                                    : "");
    }
}

static int by_name(const void *a, const void *b)
{
    const tt_plugin_info *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static const struct {
    tt_plugin_kind kind;
    const char *title;
} kinds[] = {{TT_KIND_DATA, "Data plugins"},
             {TT_KIND_TRANSFORM, "Transforms"},
             {TT_KIND_TARGET, "Targets"},
             {TT_KIND_SERVICE, "Services"},
             {TT_KIND_ATTACK, "Attacks"}};

tt_status tt_spec_reference(const tt_registry *registry, tt_buf *out, tt_error *err)
{
    size_t n = tt_registry_count(registry);
    const tt_plugin_info **infos = tt_alloc_array(n + 1, sizeof *infos);
    if (!infos) return tt_fail(err, TT_ERR_MEMORY, "out of memory for the reference");
    tt_buf_printf(out, "# Spec reference\n\n"
                       "Every key of a spec and every parameter of the plugins that come with Telltale, as "
                       "`telltale schema --format markdown`\nprints them from the tables that reading a spec "
                       "uses. [spec.md](spec.md) says how specs work.\n");
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        tt_buf_printf(out, "\n## %s\n\n", sections[i].title);
        put_own(out, sections[i].table);
    }
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t found = 0;
        for (size_t i = 0; i < n; i++) {
            const tt_plugin_info *info = tt_registry_at(registry, i)->info;
            if (info->kind == kinds[k].kind) infos[found++] = info;
        }
        qsort(infos, found, sizeof *infos, by_name);
        if (found) tt_buf_printf(out, "\n## %s\n", kinds[k].title);
        for (size_t i = 0; i < found; i++)
            put_params(out, infos[i]);
    }
    tt_free((void *)infos);
    return out->failed ? tt_fail(err, TT_ERR_MEMORY, "out of memory for the reference") : TT_OK;
}
