#include "cli/cli.h"
#include "cli/plugin_dirs.h"
#include "formats/json.h"
#include "plugin/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: telltale describe NAME | KIND/NAME [--json] [--plugin-dir DIR ...]\n"
    "\n"
    "Prints what a plugin is and every parameter that it takes: type, default, range, meaning. Of an attack "
    "also what it\n"
    "asks of which model, what it measures and what that costs, with its default parameters.\n"
    "\n"
    "  --json   machine-readable\n";

/* ---- an attack's plan with default parameters ---- */

static const char *const capability_names[] = {"generate",   "seed",        "vary",    "encode",
                                               "decode",     "text",        "predict", "attention",
                                               "grad_input", "grad_weights"};
enum { N_CAPABILITIES = sizeof capability_names / sizeof *capability_names };

typedef struct planned {
    tt_params *params;
    const tt_attack_plugin *table;
    void *attack;
    tt_attack_plan plan;
} planned;

static tt_status make_plan(const tt_registered *p, planned *out, tt_error *err)
{
    *out = (planned){.table = p->table, .plan = {.size = sizeof out->plan}};
    tt_status s = tt_params_parse(p->info, NULL, p->info->name, NULL, NULL, 0, &out->params, err);
    if (!s) s = out->table->create(out->params, &out->attack, err);
    return s ? s : out->table->plan(out->attack, &out->plan, err);
}

static void free_plan(planned *p)
{
    if (p->attack) p->table->destroy(p->attack);
    tt_params_free(p->params);
}

/* ---- for people ---- */

static void print_param(const tt_param *p)
{
    printf("  %-18s %s", p->key, tt_param_type_name(p->type));
    if (p->type == TT_PARAM_CHOICE) printf(" %s", p->choices);
    if (p->min != 0 || p->max != 0) printf(", %.15g to %.15g", p->min, p->max);
    if (p->flags & TT_PARAM_REQUIRED)
        printf("; required");
    else
        printf("; default %s", p->default_value ? p->default_value : "unset");
    printf("\n  %-18s   %s%s\n", "", p->help,
           p->flags & TT_PARAM_SCORE   ? " (changing it measures nothing anew)"
           : p->flags & TT_PARAM_SPEED ? " (changes no result)"
                                       : "");
}

static void print_plan(const tt_registered *registered)
{
    tt_error err = {0};
    planned p;
    if (make_plan(registered, &p, &err) != TT_OK) {
        printf("\nits plan depends on parameters: %s\n", err.message);
        free_plan(&p);
        return;
    }
    printf("\nwith default parameters\n");
    for (uint32_t i = 0; i < p.plan.n_roles && i < TT_ATTACK_MAX_ROLES; i++) {
        printf("  needs of %-9s", p.plan.roles[i].role);
        for (int k = 0; k < N_CAPABILITIES; k++)
            if (p.plan.roles[i].capabilities & (1u << k)) printf(" %s", capability_names[k]);
        printf("\n");
    }
    printf("  captions          %s\n", p.plan.needs_captions ? "needed" : "not needed");
    printf("  calibration       %s\n",
           p.plan.can_fit ? "can be fitted: shadow or split; none" : "nothing to fit");
    printf("  queries a sample  %u predictions\n", p.plan.predictions);
    printf("  features         ");
    for (uint32_t i = 0; i < p.plan.n_columns; i++)
        printf(" %s", p.plan.columns[i]);
    printf("\n");
    free_plan(&p);
}

static void print_plugin(const tt_registered *p)
{
    const tt_plugin_info *info = p->info;
    printf("%s %s, revision %u, version %s (%s)\n  %s\n", tt_plugin_kind_name(info->kind), info->name,
           info->revision, info->version, p->path, info->summary);
    if (info->reference) printf("  source: %s\n", info->reference);
    printf(info->n_params ? "\nparameters\n" : "\nit takes no parameters\n");
    for (uint32_t i = 0; i < info->n_params; i++)
        print_param(&info->params[i]);
    if (info->kind == TT_KIND_ATTACK) print_plan(p);
}

/* ---- JSON ---- */

static void put_field(tt_buf *out, const char *key, const char *text)
{
    tt_json_quote(out, key);
    tt_buf_printf(out, ": ");
    if (text)
        tt_json_quote(out, text);
    else
        tt_buf_printf(out, "null");
}

static void put_bound(tt_buf *out, const char *key, double value)
{
    if (isfinite(value)) tt_buf_printf(out, ", \"%s\": %.17g", key, value);
}

static void put_param(tt_buf *out, const tt_param *p)
{
    static const char *const types[] = {"",     "bool", "int",    "float",   "string", "choice",
                                        "path", "ints", "floats", "strings", "counts"};
    tt_buf_printf(out, "{");
    put_field(out, "key", p->key);
    tt_buf_printf(out, ", \"type\": \"%s\", ", types[p->type]);
    put_field(out, "default", p->default_value);
    if (p->min != 0 || p->max != 0) {
        put_bound(out, "min", p->min);
        put_bound(out, "max", p->max);
    }
    if (p->choices) {
        tt_buf_printf(out, ", ");
        put_field(out, "choices", p->choices);
    }
    tt_buf_printf(out, ", \"required\": %s, \"score_only\": %s, \"speed_only\": %s, ",
                  p->flags & TT_PARAM_REQUIRED ? "true" : "false",
                  p->flags & TT_PARAM_SCORE ? "true" : "false", p->flags & TT_PARAM_SPEED ? "true" : "false");
    put_field(out, "help", p->help);
    tt_buf_printf(out, "}");
}

static void put_plan(tt_buf *out, const tt_registered *registered)
{
    tt_error err = {0};
    planned p;
    if (make_plan(registered, &p, &err) != TT_OK) {
        tt_buf_printf(out, "null");
        free_plan(&p);
        return;
    }
    tt_buf_printf(out, "{\"roles\": {");
    for (uint32_t i = 0; i < p.plan.n_roles && i < TT_ATTACK_MAX_ROLES; i++) {
        const char *comma = "";
        if (i) tt_buf_printf(out, ", ");
        tt_json_quote(out, p.plan.roles[i].role);
        tt_buf_printf(out, ": [");
        for (int k = 0; k < N_CAPABILITIES; k++) {
            if (!(p.plan.roles[i].capabilities & (1u << k))) continue;
            tt_buf_printf(out, "%s\"%s\"", comma, capability_names[k]);
            comma = ", ";
        }
        tt_buf_printf(out, "]");
    }
    tt_buf_printf(out, "}, \"needs_captions\": %s, \"can_fit\": %s, \"predictions\": %u, \"columns\": [",
                  p.plan.needs_captions ? "true" : "false", p.plan.can_fit ? "true" : "false",
                  p.plan.predictions);
    for (uint32_t i = 0; i < p.plan.n_columns; i++) {
        if (i) tt_buf_printf(out, ", ");
        tt_json_quote(out, p.plan.columns[i]);
    }
    tt_buf_printf(out, "], ");
    put_field(out, "paper_reduction", p.plan.paper_reduction);
    tt_buf_printf(out, "}");
    free_plan(&p);
}

static int print_json(const tt_registered *p)
{
    const tt_plugin_info *info = p->info;
    tt_buf out = {0};
    tt_buf_printf(&out, "{");
    put_field(&out, "kind", tt_plugin_kind_name(info->kind));
    tt_buf_printf(&out, ", ");
    put_field(&out, "name", info->name);
    tt_buf_printf(&out, ", \"revision\": %u, ", info->revision);
    put_field(&out, "version", info->version);
    tt_buf_printf(&out, ", ");
    put_field(&out, "summary", info->summary);
    tt_buf_printf(&out, ", ");
    put_field(&out, "reference", info->reference);
    tt_buf_printf(&out, ", ");
    put_field(&out, "path", p->path);
    tt_buf_printf(&out, ",\n \"parameters\": [");
    for (uint32_t i = 0; i < info->n_params; i++) {
        if (i) tt_buf_printf(&out, ",\n  ");
        put_param(&out, &info->params[i]);
    }
    tt_buf_printf(&out, "]");
    if (info->kind == TT_KIND_ATTACK) {
        tt_buf_printf(&out, ",\n \"plan\": ");
        put_plan(&out, p);
    }
    tt_buf_printf(&out, "}\n");
    bool good = !out.failed && fwrite(out.data, 1, out.size, stdout) == out.size;
    tt_buf_free(&out);
    return good ? TT_EXIT_DONE : TT_EXIT_FAILURES;
}

/* ---- the command ---- */

/* Finds NAME in any kind, or KIND/NAME. */
static tt_status find(tt_registry *r, const char *name, const tt_registered **out, tt_error *err)
{
    const char *slash = strchr(name, '/');
    if (slash) {
        char kind[32];
        snprintf(kind, sizeof kind, "%.*s", (int)(slash - name), name);
        int k = tt_plugin_kind_from_name(kind);
        if (k < 0) return tt_fail(err, TT_ERR_INVALID, "'%s' is no kind of plugin", kind);
        return tt_registry_find(r, (tt_plugin_kind)k, slash + 1, out, err);
    }
    const tt_registered *found = NULL;
    const char *names[256];
    size_t n = 0;
    for (size_t i = 0; i < tt_registry_count(r); i++) {
        const tt_registered *p = tt_registry_at(r, i);
        if (n < 256) names[n++] = p->info->name;
        if (strcmp(p->info->name, name) != 0) continue;
        if (found)
            return tt_fail(err, TT_ERR_INVALID, "'%s' is a %s and a %s: say KIND/NAME", name,
                           tt_plugin_kind_name(found->info->kind), tt_plugin_kind_name(p->info->kind));
        found = p;
    }
    const char *near = found ? NULL : tt_nearest(name, names, n);
    if (!found)
        return tt_fail(err, TT_ERR_NOT_FOUND, "there is no plugin '%s'%s%s%s; `telltale ls` lists all", name,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    *out = found;
    return TT_OK;
}

static int describe(const tt_plugin_dirs *dirs, const char *name, bool json)
{
    tt_error err = {0};
    tt_registry *r;
    if (tt_plugin_dirs_open(dirs, &r, &err)) return tt_cli_error(&err);
    const tt_registered *p = NULL;
    int code = TT_EXIT_DONE;
    if (find(r, name, &p, &err) != TT_OK)
        code = tt_cli_error(&err);
    else if (json)
        code = print_json(p);
    else
        print_plugin(p);
    tt_registry_close(r);
    return code;
}

int tt_cmd_describe(int argc, char **argv)
{
    tt_plugin_dirs dirs = {0};
    const char *name = NULL;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (tt_plugin_dirs_option(&dirs, argc, argv, &i)) continue;
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (argv[i][0] == '-' || name) {
            fprintf(stderr, "telltale: describe does not understand '%s'\n%s", argv[i], help);
            return TT_EXIT_BAD_SPEC;
        } else {
            name = argv[i];
        }
    }
    if (!name) {
        fputs(help, stderr);
        return TT_EXIT_BAD_SPEC;
    }
    return describe(&dirs, name, json);
}
