/* threat_model.auxiliary: data that the attacker has beside the candidates. */
#include "experiment/spec_internal.h"

#include <string.h>

static bool same(const tt_spec_set *a, const tt_spec_set *b)
{
    return a->data == b->data && strcmp(a->split, b->split) == 0;
}

bool tt_spec_has_auxiliary(const tt_spec *spec, const tt_spec_set *set)
{
    for (size_t i = 0; i < spec->n_auxiliary; i++)
        if (same(&spec->auxiliary[i], set)) return true;
    return spec->auxiliary_all;
}

static tt_status add_set(const tt_spec_reader *r, const tt_node *node, tt_node *list)
{
    static const char what[] = "threat_model.auxiliary";
    tt_spec *spec = r->spec;
    tt_spec_set *set = &spec->auxiliary[spec->n_auxiliary];
    tt_status s = tt_spec_read_set(r, node, what, set);
    if (s) return s;
    if (same(set, &spec->members) || same(set, &spec->nonmembers))
        return tt_node_fail(node, r->err,
                            "%s has %s, which are candidates: it names data beside them; attacks that know "
                            "labels of candidates say calibration: split or cross",
                            what, node->text);
    spec->n_auxiliary++;
    return tt_spec_resolve(r, list, NULL, tt_made_text(spec->arena, node->text));
}

tt_status tt_spec_read_auxiliary(const tt_spec_reader *r, const tt_node *threat_model, tt_node *made)
{
    tt_spec *spec = r->spec;
    const tt_node *node = threat_model ? tt_node_get(threat_model, "auxiliary") : NULL;
    const char *word = node && node->kind == TT_NODE_STRING ? node->text : NULL;
    spec->auxiliary_all = true;
    if (!node || node->kind == TT_NODE_NULL || (word && strcmp(word, "all") == 0))
        return tt_spec_resolve(r, made, "auxiliary", tt_made_text(spec->arena, "all"));
    spec->auxiliary_all = false;
    if (word && strcmp(word, "none") == 0)
        return tt_spec_resolve(r, made, "auxiliary", tt_made_text(spec->arena, "none"));
    if (node->kind != TT_NODE_LIST)
        return tt_spec_note(r, tt_node_fail(node, r->err,
                                            "threat_model.auxiliary is %.60s: must be all, none or a list of "
                                            "DATASET.SPLIT",
                                            node->text ? node->text : tt_node_kind_name(node->kind)));
    tt_node *list = tt_made_list(spec->arena);
    spec->auxiliary = tt_arena_alloc_array(spec->arena, node->n_children + 1, sizeof *spec->auxiliary);
    tt_status s = spec->auxiliary ? TT_OK : tt_spec_no_memory(r);
    for (const tt_node *child = node->children; child && !s; child = child->next)
        s = tt_spec_note(r, add_set(r, child, list));
    return s ? s : tt_spec_resolve(r, made, "auxiliary", list);
}
