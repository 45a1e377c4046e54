/* The schema for editors: whole, and of the tables that reading uses. */
#include "base/file.h"
#include "experiment/schema.h"
#include "formats/json.h"
#include "support/test.h"

#include <string.h>

static tt_error err;
static tt_registry *registry;
static tt_arena *arena;
static tt_node *root;

static void setup(void)
{
    static const char *const dirs[] = {TT_BUILD_DIR "/tests/fixtures"};
    err = (tt_error){0};
    tt_ok(tt_registry_open(dirs, 1, &registry, &err), &err);
    arena = tt_arena_create(0);
    tt_buf text = {0};
    tt_ok(tt_spec_schema(registry, &text, &err), &err);
    tt_ok(tt_json_parse(arena, "schema", text.data, text.size, &root, &err), &err);
    tt_buf_free(&text);
}

static void teardown(void)
{
    tt_arena_destroy(arena);
    tt_registry_close(registry);
}

static const tt_node *get(const tt_node *node, const char *key)
{
    const tt_node *child = tt_node_get(node, key);
    ck_assert_msg(child != NULL, "no '%s'", key);
    return child;
}

static const tt_node *definition(const char *name)
{
    return get(get(root, "definitions"), name);
}

/* The first alternative of a value's anyOf: its type proper. */
static const tt_node *proper(const tt_node *properties, const char *key)
{
    return get(get(properties, key), "anyOf")->children;
}

static size_t check_references(const tt_node *node)
{
    size_t n = 0;
    if (node->key && strcmp(node->key, "$ref") == 0) {
        ck_assert_int_eq(strncmp(node->text, "#/definitions/", 14), 0);
        definition(node->text + 14);
        n++;
    }
    for (const tt_node *child = node->children; child; child = child->next)
        n += check_references(child);
    return n;
}

START_TEST(every_reference_leads_to_a_definition)
{
    ck_assert_uint_gt(check_references(root), 50);
}
END_TEST

START_TEST(every_parameter_of_every_plugin_is_there_with_its_type_and_range)
{
    static const char *const prefixes[] = {[TT_KIND_ATTACK] = "attack.",
                                           [TT_KIND_TARGET] = "model.",
                                           [TT_KIND_DATA] = "data_set.",
                                           [TT_KIND_TRANSFORM] = "transform.",
                                           [TT_KIND_BACKEND] = NULL};
    static const char *const types[] = {
        [TT_PARAM_BOOL] = "boolean",  [TT_PARAM_INT] = "integer",   [TT_PARAM_FLOAT] = "number",
        [TT_PARAM_STRING] = "string", [TT_PARAM_PATH] = "string",   [TT_PARAM_INTS] = "array",
        [TT_PARAM_FLOATS] = "array",  [TT_PARAM_STRINGS] = "array", [TT_PARAM_COUNTS] = "object"};
    size_t seen = 0;
    for (size_t i = 0; i < tt_registry_count(registry); i++) {
        const tt_plugin_info *info = tt_registry_at(registry, i)->info;
        if (!prefixes[info->kind]) continue;
        char name[128];
        snprintf(name, sizeof name, "%s%s", prefixes[info->kind], info->name);
        const tt_node *map = definition(name), *properties = get(map, "properties");
        ck_assert(!get(map, "additionalProperties")->value.boolean);
        get(properties, "plugin");
        for (uint32_t k = 0; k < info->n_params; k++, seen++) {
            const tt_param *row = &info->params[k];
            const tt_node *type = proper(properties, row->key);
            ck_assert_str_eq(get(get(properties, row->key), "description")->text, row->help);
            if (row->type == TT_PARAM_CHOICE)
                get(type, "enum");
            else
                ck_assert_str_eq(get(type, "type")->text, types[row->type]);
            ck_assert_int_eq(tt_node_get(get(properties, row->key), "default") != NULL,
                             row->default_value != NULL);
        }
    }
    ck_assert_uint_gt(seen, 20);
    const tt_node *alpha = proper(get(definition("attack.clid"), "properties"), "alpha");
    ck_assert_int_eq(get(alpha, "minimum")->value.integer, 0);
    ck_assert_int_eq(get(alpha, "maximum")->value.integer, 1);
}
END_TEST

START_TEST(the_specs_own_keys_are_there_and_no_others)
{
    const tt_node *properties = get(root, "properties");
    static const char *const keys[] = {"version",    "base",         "seed",    "data",   "models", "members",
                                       "nonmembers", "threat_model", "attacks", "device", "limits", "batch"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        get(properties, keys[i]);
    ck_assert(!get(root, "additionalProperties")->value.boolean);
    ck_assert_int_eq(get(proper(properties, "batch"), "maximum")->value.integer, 4096);
    ck_assert_int_eq(get(get(properties, "batch"), "default")->value.integer, 16);
    const tt_node *backend = proper(get(definition("device"), "properties"), "backend");
    ck_assert_uint_ge(get(get(backend, "anyOf")->children, "enum")->n_children, 1);
    /* whole without a base, or with one */
    const tt_node *complete = get(root, "anyOf");
    ck_assert_uint_eq(complete->n_children, 2);
    ck_assert_uint_eq(get(complete->children, "required")->n_children, 7);
    ck_assert_str_eq(get(complete->children->next, "required")->children->text, "base");
}
END_TEST

START_TEST(a_map_that_names_a_plugin_is_checked_by_its_parameters)
{
    const tt_node *choices = get(definition("model")->children->children, "allOf");
    bool found = false;
    for (const tt_node *one = choices->children; one; one = one->next) {
        const tt_node *name = get(get(get(get(one, "if"), "properties"), "plugin"), "const");
        const tt_node *then = get(get(one, "then"), "$ref");
        ck_assert_str_eq(then->text + strlen("#/definitions/model."), name->text);
        found |= strcmp(name->text, "toy") == 0;
    }
    ck_assert(found);
    /* an attack's name is its plugin unless it says another */
    const tt_node *clid = get(get(definition("attacks"), "properties"), "clid");
    ck_assert_str_eq(get(get(clid, "then"), "$ref")->text, "#/definitions/attack");
    get(clid, "else");
}
END_TEST

START_TEST(the_kept_reference_is_what_the_program_prints)
{
    tt_registry *own; /* without the fixtures */
    tt_buf printed = {0};
    char *kept;
    size_t size;
    tt_ok(tt_registry_open(NULL, 0, &own, &err), &err);
    tt_ok(tt_spec_reference(own, &printed, &err), &err);
    tt_ok(tt_file_read(TT_SOURCE_DIR "/docs/spec-reference.md", 1u << 24, &kept, &size, &err), &err);
    ck_assert_msg(size == printed.size && memcmp(kept, printed.data, size) == 0,
                  "docs/spec-reference.md is not what the program prints: renew it with\n  "
                  "build/release/telltale schema --format markdown > docs/spec-reference.md");
    tt_free(kept);
    tt_buf_free(&printed);
    tt_registry_close(own);
}
END_TEST

START_TEST(the_reference_has_every_key_and_parameter_with_its_meaning)
{
    tt_buf text = {0};
    tt_ok(tt_spec_reference(registry, &text, &err), &err);
    size_t seen = 0;
    for (size_t i = 0; i < tt_registry_count(registry); i++) {
        const tt_plugin_info *info = tt_registry_at(registry, i)->info;
        if (info->kind == TT_KIND_BACKEND) continue;
        char title[160];
        snprintf(title, sizeof title, "\n### %s %s\n", tt_plugin_kind_name(info->kind), info->name);
        const char *at = strstr(text.data, title);
        ck_assert_msg(at != NULL, "no %s", title);
        for (uint32_t k = 0; k < info->n_params; k++, seen++) {
            snprintf(title, sizeof title, "\n| `%s` | ", info->params[k].key);
            at = strstr(at, title); /* in the table's order */
            ck_assert_msg(at != NULL, "%s has no %s", info->name, title);
        }
    }
    ck_assert_uint_gt(seen, 20);
    ck_assert_ptr_nonnull(strstr(text.data, "| `version` | integer, 1 | required | version of the spec"));
    ck_assert_ptr_nonnull(strstr(text.data, "| `batch` | integer, 1 to 4096 | `16` | samples that"));
    ck_assert_ptr_nonnull(strstr(text.data, "| `disjoint` | one of `pixels`, `identity` | `pixels` | "));
    tt_buf_free(&text);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("schema");
    TCase *tc = tcase_create("schema");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_reference_leads_to_a_definition);
    tcase_add_test(tc, every_parameter_of_every_plugin_is_there_with_its_type_and_range);
    tcase_add_test(tc, the_specs_own_keys_are_there_and_no_others);
    tcase_add_test(tc, a_map_that_names_a_plugin_is_checked_by_its_parameters);
    tcase_add_test(tc, the_kept_reference_is_what_the_program_prints);
    tcase_add_test(tc, the_reference_has_every_key_and_parameter_with_its_meaning);
    suite_add_tcase(suite, tc);
    return suite;
}
