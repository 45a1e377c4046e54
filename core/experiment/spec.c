#include "experiment/spec.h"
#include "experiment/plan.h"
#include "experiment/spec_internal.h"
#include "plugin/params.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const calibration_names[] = {"none", "split", "shadow", "cross"};

const char *tt_calibration_name(tt_calibration c)
{
    return calibration_names[c];
}

const tt_spec_model *tt_spec_model_of(const tt_spec *spec, const char *role)
{
    for (size_t i = 0; i < spec->n_models; i++)
        if (strcmp(spec->models[i].role, role) == 0) return &spec->models[i];
    return NULL;
}

/* ---- models ---- */

static tt_status read_model(const tt_spec_reader *r, const tt_node *child, tt_spec_model *model,
                            tt_node *section)
{
    const char *what = tt_spec_path(r, "models", child->key);
    const tt_node *node;
    tt_status s = tt_spec_child_map(r, child, what, &node);
    model->role = child->key;
    if (s) return s;
    s = tt_spec_note(
        r, tt_spec_read_plugin(r, TT_KIND_TARGET, NULL, node, what, &tt_spec_table_model, &model->plugin));
    if (s) return s;
    tt_node *made = tt_made_map(r->spec->arena);
    if (!made || !tt_spec_resolve_plugin(r, &model->plugin, made)) return tt_spec_no_memory(r);
    const tt_node *own = node ? tt_node_get(node, "members") : NULL;
    if (!own && node) own = tt_node_get(node, "nonmembers");
    if (tt_plan_judged(model)) {
        if (own)
            return tt_node_fail(
                own, r->err,
                "%s: the members and nonmembers of the target and of a control are the spec's own, "
                "at the top",
                what);
        model->members = r->spec->members;
        model->nonmembers = r->spec->nonmembers;
    } else if (own) {
        s = tt_spec_read_sets(r, node, what, &model->members, &model->nonmembers, made);
    }
    if (!s) s = tt_spec_read_price(r, node, what, &model->price, made);
    return s ? s : tt_spec_resolve(r, section, model->role, made);
}

static tt_status read_models(const tt_spec_reader *r)
{
    tt_spec *spec = r->spec;
    tt_spec_map map;
    size_t n;
    tt_status s = tt_spec_section_open(r, "models", &map, &n);
    if (s) return s;
    if (!tt_node_get(map.node, "target")) {
        tt_node_fail(map.node, r->err, "models.target is missing: the model that is examined");
        if (tt_spec_note(r, TT_ERR_INVALID)) return tt_spec_no_memory(r);
    }
    tt_node *section = tt_made_map(spec->arena);
    spec->models = tt_arena_alloc_array(spec->arena, n, sizeof *spec->models);
    if (!spec->models || !section) return tt_spec_no_memory(r);
    for (const tt_node *child = map.node->children; child && !s; child = child->next)
        s = tt_spec_note(r, read_model(r, child, &spec->models[spec->n_models++], section));
    return s ? s : tt_spec_resolve(r, r->resolved, "models", section);
}

/* ---- threat model ---- */

/* in the order of the table's choices */
static const uint32_t access_bits[] = {
    TT_CAP_BLACK_BOX, TT_CAP_GREY_BOX,   TT_CAP_WHITE_BOX,   TT_CAP_GENERATE, TT_CAP_SEED,
    TT_CAP_VARY,      TT_CAP_ENCODE,     TT_CAP_DECODE,      TT_CAP_TEXT,     TT_CAP_PREDICT,
    TT_CAP_ATTENTION, TT_CAP_GRAD_INPUT, TT_CAP_GRAD_WEIGHTS};

static tt_status add_access(const tt_spec_reader *r, const tt_node *node)
{
    const char *choices = tt_spec_key_of(&tt_spec_table_threat_model, "access")->choices;
    const char *text = node->kind == TT_NODE_STRING ? node->text : "";
    int index = tt_spec_choice_index(choices, text);
    if (index >= 0) {
        r->spec->access |= access_bits[index];
        return TT_OK;
    }
    char kept[COUNT(access_bits)][64];
    const char *names[COUNT(access_bits)];
    size_t n = 0;
    for (; n < COUNT(access_bits) && tt_spec_choice_next(&choices, kept[n]); n++)
        names[n] = kept[n];
    const char *near = tt_nearest(text, names, n);
    return tt_node_fail(node, r->err,
                        "threat_model.access is %.60s: must be black-box, grey-box, white-box or a list of "
                        "generate, seed, vary, encode, decode, text, predict, attention, grad_input, "
                        "grad_weights%s%s%s",
                        node->text ? node->text : tt_node_kind_name(node->kind),
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static tt_status read_access(const tt_spec_reader *r, const tt_spec_map *map, tt_node *resolved)
{
    const tt_node *node = map->node ? tt_node_get(map->node, "access") : NULL;
    if (!node || node->kind == TT_NODE_NULL)
        return tt_node_fail(map->node ? map->node : r->root, r->err,
                            "threat_model.access is missing: say what the attacker may use of the target: "
                            "black-box, grey-box, white-box or a list of capabilities");
    tt_status s = TT_OK;
    if (node->kind != TT_NODE_LIST) s = add_access(r, node);
    for (const tt_node *child = node->children; node->kind == TT_NODE_LIST && child && !s;
         child = child->next)
        s = tt_spec_note(r, add_access(r, child));
    return s ? s : tt_spec_resolve(r, resolved, "access", node);
}

static tt_status read_threat_model(const tt_spec_reader *r)
{
    tt_node *made = tt_made_map(r->spec->arena);
    tt_spec_map map;
    tt_status s =
        tt_spec_map_open(r, r->root, "threat_model", "threat_model", &tt_spec_table_threat_model, &map);
    int known_captions = 1;
    if (!s) s = tt_spec_note(r, read_access(r, &map, made));
    if (!s) s = tt_spec_choice(&map, "captions", &known_captions);
    r->spec->captions_known = known_captions == 1;
    if (!s) s = tt_spec_read_auxiliary(r, map.node, made);
    if (!s)
        s = tt_spec_resolve(r, made, "captions",
                            tt_made_text(r->spec->arena, known_captions == 1 ? "known" : "unknown"));
    return s ? s : tt_spec_resolve(r, r->resolved, "threat_model", made);
}

/* ---- attacks ---- */

static tt_status read_attack(const tt_spec_reader *r, const tt_node *child, tt_spec_attack *attack,
                             tt_node *section)
{
    tt_arena *arena = r->spec->arena;
    const char *what = tt_spec_path(r, "attacks", child->key);
    const tt_node *node;
    tt_status s = tt_spec_child_map(r, child, what, &node);
    attack->name = child->key;
    if (s) return s;
    if (node && tt_node_get(node, "exec"))
        s = tt_spec_read_program(r, node, what, &attack->plugin);
    else
        s = tt_spec_read_plugin(r, TT_KIND_ATTACK, attack->name, node, what, &tt_spec_table_attack,
                                &attack->plugin);
    s = tt_spec_note(r, s);
    if (s) return s;
    if (!node) attack->plugin.node = child; /* a place for messages */
    const tt_spec_model *shadow = tt_spec_model_of(r->spec, "shadow");
    /* a shadow whose members are named, though wrongly, is told of where it stands */
    bool has_shadow = shadow && (shadow->members.data || shadow->members.node);
    tt_spec_map map = {r, node, what, &tt_spec_table_attack};
    int calibration = has_shadow ? TT_CALIBRATION_SHADOW : TT_CALIBRATION_NONE;
    s = tt_spec_choice(&map, "calibration", &calibration);
    if (!s) s = tt_spec_real(&map, "calibration_part", &attack->calibration_part);
    int64_t folds = 0;
    if (!s) s = tt_spec_integer(&map, "calibration_folds", &folds);
    if (s) return s;
    attack->calibration_folds = (uint32_t)folds;
    attack->calibration = (tt_calibration)calibration;
    if (calibration == TT_CALIBRATION_SHADOW && !has_shadow)
        return tt_node_fail(tt_node_get(node, "calibration"), r->err,
                            "%s.calibration is shadow, but the spec has no models.shadow with members and "
                            "nonmembers: add one, or say split or none",
                            what);
    tt_node *made = tt_made_map(arena);
    if (!made || !tt_spec_resolve_plugin(r, &attack->plugin, made)) return tt_spec_no_memory(r);
    s = tt_spec_resolve(r, made, "calibration", tt_made_text(arena, calibration_names[calibration]));
    if (!s) s = tt_spec_resolve(r, made, "calibration_part", tt_made_real(arena, attack->calibration_part));
    if (!s) s = tt_spec_resolve(r, made, "calibration_folds", tt_made_integer(arena, folds));
    return s ? s : tt_spec_resolve(r, section, attack->name, made);
}

static tt_status read_attacks(const tt_spec_reader *r)
{
    tt_spec *spec = r->spec;
    tt_spec_map map;
    size_t n;
    tt_status s = tt_spec_section_open(r, "attacks", &map, &n);
    if (s) return s;
    tt_node *section = tt_made_map(spec->arena);
    spec->attacks = tt_arena_alloc_array(spec->arena, 3 * n + 2, sizeof *spec->attacks); /* controls */
    if (!spec->attacks || !section) return tt_spec_no_memory(r);
    for (const tt_node *child = map.node->children; child && !s; child = child->next)
        s = tt_spec_note(r, read_attack(r, child, &spec->attacks[spec->n_attacks++], section));
    return s ? s : tt_spec_resolve(r, r->resolved, "attacks", section);
}

/* ---- limits, numbers at the top ---- */

static tt_status read_limits(const tt_spec_reader *r)
{
    tt_node *made = tt_made_map(r->spec->arena);
    tt_spec_map map;
    tt_status s = tt_spec_map_open(r, r->root, "limits", "limits", &tt_spec_table_limits, &map);
    if (!s) s = tt_spec_real(&map, "answer_s", &r->spec->time_limit_s);
    if (!s) s = tt_spec_integer(&map, "memory_mib", &r->spec->memory_limit_mib);
    if (!s) s = tt_spec_resolve(r, made, "answer_s", tt_made_real(r->spec->arena, r->spec->time_limit_s));
    if (!s)
        s = tt_spec_resolve(r, made, "memory_mib",
                            tt_made_integer(r->spec->arena, r->spec->memory_limit_mib));
    if (!s) s = tt_spec_real(&map, "heartbeat_s", &r->spec->heartbeat_s);
    if (!s) s = tt_spec_resolve(r, made, "heartbeat_s", tt_made_real(r->spec->arena, r->spec->heartbeat_s));
    if (!s) s = tt_spec_real(&map, "bad_samples", &r->spec->bad_samples);
    if (!s) s = tt_spec_resolve(r, made, "bad_samples", tt_made_real(r->spec->arena, r->spec->bad_samples));
    return s ? s : tt_spec_resolve(r, r->resolved, "limits", made);
}

static tt_status read_budgets(const tt_spec_reader *r)
{
    tt_arena *arena = r->spec->arena;
    tt_budgets *b = &r->spec->budgets;
    tt_node *made = tt_made_map(arena);
    tt_spec_map map;
    tt_status s = tt_spec_map_open(r, r->root, "budgets", "budgets", &tt_spec_table_budgets, &map);
    if (!s) s = tt_spec_integer(&map, "queries_per_sample", &b->queries_per_sample);
    if (!s) s = tt_spec_integer(&map, "predictions", &b->predictions);
    if (!s) s = tt_spec_integer(&map, "images", &b->images);
    if (!s) s = tt_spec_real(&map, "money", &b->money);
    if (!s && b->money > 0 && !r->spec->currency)
        s = tt_spec_note(r, tt_node_fail(tt_node_get(map.node, "money"), r->err,
                                         "budgets.money limits nothing: no model has a price; add "
                                         "models.target.price"));
    if (!s && b->money > 0) s = tt_spec_resolve(r, made, "money", tt_made_real(arena, b->money));
    if (!s) s = tt_spec_resolve(r, made, "queries_per_sample", tt_made_integer(arena, b->queries_per_sample));
    if (!s) s = tt_spec_resolve(r, made, "predictions", tt_made_integer(arena, b->predictions));
    if (!s) s = tt_spec_resolve(r, made, "images", tt_made_integer(arena, b->images));
    return s ? s : tt_spec_resolve(r, r->resolved, "budgets", made);
}

static tt_status read_top(const tt_spec_reader *r)
{
    tt_spec *spec = r->spec;
    tt_spec_map top;
    int64_t version = 0, seed = 1, batch = 16;
    tt_status s = tt_spec_map_open(r, r->root, NULL, "", &tt_spec_table_top, &top);
    if (s) return s;
    if (!tt_node_get(r->root, "version"))
        s = tt_spec_note(r, tt_node_fail(r->root, r->err, "version is missing: write `version: 1`"));
    if (s) return s;
    s = tt_spec_integer(&top, "version", &version);
    if (!s) s = tt_spec_integer(&top, "seed", &seed);
    if (!s) s = tt_spec_integer(&top, "batch", &batch);
    if (s) return s;
    spec->seed = (uint64_t)seed;
    spec->batch = (uint32_t)batch;
    s = tt_spec_resolve(r, r->resolved, "version", tt_made_integer(spec->arena, version));
    if (!s) s = tt_spec_resolve(r, r->resolved, "seed", tt_made_integer(spec->arena, seed));
    return s ? s : tt_spec_resolve(r, r->resolved, "batch", tt_made_integer(spec->arena, batch));
}

/* ---- the whole ---- */

static tt_status set_base_dir(tt_spec *spec, const char *path, tt_error *err)
{
    char *real = realpath(path, NULL);
    if (!real) return tt_fail(err, TT_ERR_IO, "%s: cannot be opened", path);
    char *slash = strrchr(real, '/');
    if (slash) slash[slash == real] = '\0';
    spec->base_dir = tt_arena_strdup(spec->arena, real);
    free(real);
    return spec->base_dir ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for the spec");
}

static tt_status read_all(const tt_spec_reader *r)
{
    tt_status s = tt_spec_note(r, read_top(r));
    if (!s) s = tt_spec_note(r, tt_spec_read_data(r));
    if (!s)
        s = tt_spec_note(
            r, tt_spec_read_sets(r, r->root, "", &r->spec->members, &r->spec->nonmembers, r->resolved));
    if (!s) s = tt_spec_note(r, read_models(r));
    if (!s) s = tt_spec_note(r, tt_spec_read_services(r));
    if (!s) s = tt_spec_note(r, read_threat_model(r));
    if (!s) s = tt_spec_note(r, read_attacks(r));
    if (!s) s = tt_spec_note(r, tt_spec_read_device(r));
    if (!s) s = tt_spec_note(r, read_limits(r));
    if (!s) s = tt_spec_note(r, read_budgets(r));
    if (!s) s = tt_spec_note(r, tt_spec_read_report(r));
    if (!s) s = tt_spec_note(r, tt_spec_read_published(r));
    if (!s) s = tt_spec_note(r, tt_spec_add_controls(r));
    if (!s) s = tt_problems_status(r->problems, r->err);
    if (s) return s;
    tt_buf text = {0};
    bool good = tt_node_canonical(r->resolved, &text);
    r->spec->resolved = good ? tt_arena_strdup(r->spec->arena, text.data) : NULL;
    tt_buf_free(&text);
    return r->spec->resolved ? TT_OK : tt_spec_no_memory(r);
}

tt_status tt_spec_of_document(tt_spec_document *d, const char *path, const tt_plugin_source *source,
                              tt_spec **out)
{
    tt_spec *spec = tt_arena_alloc(d->arena, sizeof *spec);
    tt_node *resolved = tt_made_map(d->arena);
    if (!spec || !resolved) {
        tt_arena_destroy(d->arena);
        return tt_fail(d->err, TT_ERR_MEMORY, "out of memory for the spec");
    }
    spec->arena = d->arena;
    spec->path = tt_arena_strdup(d->arena, path);
    tt_status s = tt_spec_refer(d);
    if (!s) s = set_base_dir(spec, path, d->err);
    tt_spec_reader r = {spec, source, d->root, resolved, d->files, d->problems, d->err};
    if (!s) s = read_all(&r);
    if (s)
        tt_spec_free(spec);
    else
        *out = spec;
    return s;
}

tt_status tt_spec_load_all(const tt_spec_request *request, const tt_plugin_source *source,
                           tt_problems *problems, tt_spec **out, tt_error *err)
{
    tt_error own = {0};
    tt_arena *arena = tt_arena_create(0);
    if (!arena) return tt_fail(err, TT_ERR_MEMORY, "out of memory for the spec");
    tt_spec_document document = {.arena = arena, .problems = problems, .err = &own};
    tt_status s = tt_spec_document_read(&document, request);
    if (s)
        tt_arena_destroy(arena);
    else
        s = tt_spec_of_document(&document, request->path, source, out);
    if (s && err) *err = own;
    return s;
}

tt_status tt_spec_load_with(const tt_spec_request *request, const char *const *more, size_t n,
                            const tt_plugin_source *source, tt_problems *problems, tt_spec **out,
                            tt_error *err)
{
    size_t before = request->n_overrides;
    const char **all = tt_alloc_array(before + n + 1, sizeof *all);
    if (!all) return tt_fail(err, TT_ERR_MEMORY, "out of memory for the spec");
    for (size_t i = 0; i < before + n; i++)
        all[i] = i < before ? request->overrides[i] : more[i - before];
    const tt_spec_request whole = {request->path, all, before + n};
    tt_status s = tt_spec_load_all(&whole, source, problems, out, err);
    tt_free((void *)all);
    return s;
}

tt_status tt_spec_load(const char *path, const char *const *overrides, size_t n_overrides,
                       const tt_plugin_source *source, tt_spec **out, tt_error *err)
{
    tt_problems problems = {0};
    tt_spec_request request = {.path = path, .overrides = overrides, .n_overrides = n_overrides};
    tt_status s = tt_spec_load_all(&request, source, &problems, out, err);
    tt_problems_free(&problems);
    return s;
}

void tt_spec_free(tt_spec *spec)
{
    if (!spec) return;
    for (size_t i = 0; i < spec->n_data; i++) {
        tt_params_free(spec->data[i].plugin.params);
        for (size_t k = 0; k < spec->data[i].n_transforms; k++)
            tt_params_free(spec->data[i].transforms[k].params);
    }
    for (size_t i = 0; i < spec->n_models; i++)
        tt_params_free(spec->models[i].plugin.params);
    for (size_t i = 0; i < spec->n_attacks; i++)
        if (!spec->attacks[i].of)
            tt_params_free(spec->attacks[i].plugin.params); /* a variant's are another's */
    for (size_t i = 0; i < spec->n_services; i++)
        tt_params_free(spec->services[i].plugin.params);
    tt_arena_destroy(spec->arena);
}

/* ---- plugins from a registry ---- */

static tt_status find_registered(void *user, tt_plugin_kind kind, const char *name,
                                 const tt_plugin_info **info, tt_error *err)
{
    const tt_registered *found;
    tt_status s = tt_registry_find(user, kind, name, &found, err);
    if (!s) *info = found->info;
    return s;
}

tt_plugin_source tt_plugin_source_registry(tt_registry *registry)
{
    return (tt_plugin_source){.find = find_registered, .user = registry};
}
