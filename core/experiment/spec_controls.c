/* controls: attacks that nobody wrote into the spec and that stand beside those that were: what is left of a
 * success after them is worth something. */
#include "experiment/spec_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"", "blind", "captions_only", "permuted_labels", "fixed_caption"};

const char *tt_control_name(tt_control control)
{
    return names[control];
}

typedef struct wanted {
    bool blind, captions_only, permuted_labels;
    int64_t near_duplicates;
    const char *fixed_caption; /* NULL: none */
} wanted;

/* "on", "off", or a map. */
static tt_status read_wanted(const tt_spec_reader *r, wanted *w, bool *off)
{
    const tt_node *node = tt_node_get(r->root, "controls");
    *w = (wanted){true, true, true, 0, NULL};
    w->near_duplicates =
        strtoll(tt_spec_key_of(&tt_spec_table_controls, "near_duplicates")->default_value, NULL, 10);
    *off = false;
    if (!node || node->kind == TT_NODE_NULL) return TT_OK;
    bool is_on = (node->kind == TT_NODE_BOOL && node->value.boolean) ||
                 (node->kind == TT_NODE_STRING && strcmp(node->text, "on") == 0);
    *off = (node->kind == TT_NODE_BOOL && !node->value.boolean) ||
           (node->kind == TT_NODE_STRING && strcmp(node->text, "off") == 0);
    if (*off) *w = (wanted){0};
    if (is_on || *off) return TT_OK;
    if (node->kind != TT_NODE_MAP)
        return tt_spec_note(
            r, tt_node_fail(node, r->err, "controls must be on, off, or a map: docs/controls.md"));
    tt_spec_map map;
    tt_status s = tt_spec_map_open(r, r->root, "controls", "controls", &tt_spec_table_controls, &map);
    if (!s) s = tt_spec_bool(&map, "blind", &w->blind);
    if (!s) s = tt_spec_bool(&map, "captions_only", &w->captions_only);
    if (!s) s = tt_spec_bool(&map, "permuted_labels", &w->permuted_labels);
    if (!s) s = tt_spec_integer(&map, "near_duplicates", &w->near_duplicates);
    const tt_node *caption = tt_node_get(node, "fixed_caption");
    if (s || !caption || caption->kind == TT_NODE_NULL) return s;
    if (caption->kind != TT_NODE_STRING || !caption->text[0])
        return tt_spec_note(r,
                            tt_node_fail(caption, r->err,
                                         "controls.fixed_caption must be the caption that every image gets"));
    w->fixed_caption = caption->text;
    return TT_OK;
}

static bool is_plugin(const tt_spec_attack *a, const char *name)
{
    return !a->plugin.program && strcmp(a->plugin.info->name, name) == 0;
}

/* A name that no attack has yet; NULL: out of memory. */
static const char *free_name(tt_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_attacks; i++)
        if (strcmp(spec->attacks[i].name, name) == 0) {
            name = tt_arena_printf(spec->arena, "%s-control", name);
            if (!name) return NULL;
            i = (size_t)-1;
        }
    return tt_arena_strdup(spec->arena, name);
}

/* A classifier of its own, judged by cross-validation; none where the spec has it as an attack, or there is
 * no such plugin at hand. */
static tt_status add_classifier(const tt_spec_reader *r, tt_control control)
{
    tt_spec *spec = r->spec;
    for (size_t i = 0; i < spec->n_attacks; i++)
        if (is_plugin(&spec->attacks[i], names[control])) return TT_OK;
    const tt_plugin_info *info;
    tt_error absent = {0};
    if (r->source->find(r->source->user, TT_KIND_ATTACK, names[control], &info, &absent)) return TT_OK;
    tt_spec_attack *a = &spec->attacks[spec->n_attacks];
    *a = (tt_spec_attack){.name = free_name(spec, names[control]),
                          .control = control,
                          .calibration = TT_CALIBRATION_CROSS,
                          .calibration_folds = 5,
                          .calibration_part = 0.5};
    if (!a->name) return tt_spec_no_memory(r);
    tt_status s = tt_spec_read_plugin(r, TT_KIND_ATTACK, names[control], NULL, a->name, &tt_spec_table_attack,
                                      &a->plugin);
    a->plugin.node = r->root; /* a place for messages */
    spec->n_attacks++;
    return s;
}

static tt_status add_variant(const tt_spec_reader *r, size_t attack, tt_control control,
                             const char *fixed_caption)
{
    tt_spec *spec = r->spec;
    tt_spec_attack *a = &spec->attacks[spec->n_attacks];
    *a = spec->attacks[attack];
    a->control = control;
    a->of = spec->attacks[attack].name;
    a->fixed_caption = fixed_caption;
    const char *name = tt_arena_printf(spec->arena, "%s-%s", a->of, names[control]);
    a->name = name ? free_name(spec, name) : NULL;
    if (!a->name) return tt_spec_no_memory(r);
    spec->n_attacks++;
    return TT_OK;
}

static tt_status resolve(const tt_spec_reader *r, const wanted *w, bool off)
{
    tt_arena *arena = r->spec->arena;
    if (off) return tt_spec_resolve(r, r->resolved, "controls", tt_made_text(arena, "off"));
    tt_node *made = tt_made_map(arena);
    tt_status s = tt_spec_resolve(r, made, "blind", tt_made_bool(arena, w->blind));
    if (!s) s = tt_spec_resolve(r, made, "captions_only", tt_made_bool(arena, w->captions_only));
    if (!s) s = tt_spec_resolve(r, made, "permuted_labels", tt_made_bool(arena, w->permuted_labels));
    if (!s) s = tt_spec_resolve(r, made, "near_duplicates", tt_made_integer(arena, w->near_duplicates));
    if (!s && w->fixed_caption)
        s = tt_spec_resolve(r, made, "fixed_caption", tt_made_text(arena, w->fixed_caption));
    return s ? s : tt_spec_resolve(r, r->resolved, "controls", made);
}

tt_status tt_spec_add_controls(const tt_spec_reader *r)
{
    tt_spec *spec = r->spec;
    wanted w;
    tt_status s = read_wanted(r, &w, &spec->controls_off);
    spec->near_duplicates = (uint32_t)w.near_duplicates;
    if (!s) s = resolve(r, &w, spec->controls_off);
    if (s || r->problems->n) return s; /* attacks may be unfinished */
    size_t own = spec->n_attacks;
    for (size_t i = 0; i < own && !s; i++) {
        if (w.permuted_labels && spec->attacks[i].calibration != TT_CALIBRATION_NONE)
            s = add_variant(r, i, TT_CONTROL_PERMUTED, NULL);
        if (!s && w.fixed_caption) s = add_variant(r, i, TT_CONTROL_FIXED_CAPTION, w.fixed_caption);
    }
    if (!s && w.captions_only && spec->captions_known) s = add_classifier(r, TT_CONTROL_CAPTIONS);
    return !s && w.blind ? add_classifier(r, TT_CONTROL_BLIND) : s;
}
