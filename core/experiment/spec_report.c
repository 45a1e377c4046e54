/* report: quantities that the run is made for. */
#include "experiment/spec_internal.h"

#include <stdio.h>
#include <string.h>

static tt_status add_rate(const tt_spec_reader *r, const tt_node *node, const tt_spec_key *row)
{
    tt_spec_report *q = &r->spec->report;
    bool integer = node->kind == TT_NODE_INT;
    double value = integer ? (double)node->value.integer : node->value.real;
    if ((!integer && node->kind != TT_NODE_FLOAT) || !(value >= row->min && value <= row->max))
        return tt_node_fail(node, r->err, "report.tpr_at_fpr has %.60s: FPRs are numbers between %g and %g",
                            node->text ? node->text : tt_node_kind_name(node->kind), row->min, row->max);
    for (size_t i = 0; i < q->n_fprs; i++)
        if (q->fprs[i] == value) return tt_node_fail(node, r->err, "report.tpr_at_fpr has %g twice", value);
    if (q->n_fprs == TT_REPORT_FPRS_MAX)
        return tt_node_fail(node, r->err, "report.tpr_at_fpr: at most %d FPRs", TT_REPORT_FPRS_MAX);
    q->fprs[q->n_fprs++] = value;
    return TT_OK;
}

static tt_status read_rates(const tt_spec_map *map, tt_node *made)
{
    const tt_spec_reader *r = map->reader;
    const tt_spec_key *row = tt_spec_key_of(map->table, "tpr_at_fpr");
    const tt_node *node = tt_node_get(map->node, "tpr_at_fpr");
    tt_node *list = tt_made_list(r->spec->arena);
    tt_status s = TT_OK;
    if (!node || node->kind == TT_NODE_NULL) return TT_OK;
    if (node->kind != TT_NODE_LIST)
        return tt_spec_note(r,
                            tt_node_fail(node, r->err, "report.tpr_at_fpr must be a list of FPRs: [0.01]"));
    for (const tt_node *child = node->children; child && !s; child = child->next)
        s = tt_spec_note(r, add_rate(r, child, row));
    for (size_t i = 0; i < r->spec->report.n_fprs && !s; i++)
        s = tt_spec_resolve(r, list, NULL, tt_made_real(r->spec->arena, r->spec->report.fprs[i]));
    return s ? s : tt_spec_resolve(r, made, "tpr_at_fpr", list);
}

tt_status tt_spec_read_report(const tt_spec_reader *r)
{
    tt_node *made = tt_made_map(r->spec->arena);
    tt_spec_map map;
    tt_status s = tt_spec_map_open(r, r->root, "report", "report", &tt_spec_table_report, &map);
    if (s || !map.node) return s;
    r->spec->report.node = map.node;
    s = read_rates(&map, made);
    if (!s) s = tt_spec_bool(&map, "asr", &r->spec->report.asr);
    if (!s) s = tt_spec_resolve(r, made, "asr", tt_made_bool(r->spec->arena, r->spec->report.asr));
    return s ? s : tt_spec_resolve(r, r->resolved, "report", made);
}
