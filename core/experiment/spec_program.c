/* Attacks that are programs: {exec: mine.py, …}. */
#include "experiment/spec_internal.h"

#include <string.h>

/* An interpreter with a slash is a path like any other; one without is looked for in PATH. */
static tt_status interpreter_of(const tt_spec_reader *r, const tt_node *node, const char *what,
                                const char **interpreter)
{
    *interpreter = NULL;
    const tt_node *n = tt_node_get(node, "interpreter");
    if (!n || n->kind == TT_NODE_NULL) return TT_OK;
    if (n->kind != TT_NODE_STRING || !n->text[0])
        return tt_node_fail(n, r->err, "%s.interpreter must be the name or the path of a program", what);
    *interpreter = strchr(n->text, '/') ? tt_spec_path_of(r, n) : n->text;
    return *interpreter ? TT_OK : tt_spec_no_memory(r);
}

static tt_status find(const tt_spec_reader *r, const tt_node *node, const tt_node *exec, const char *what,
                      tt_program *program)
{
    const char *path = tt_spec_path_of(r, exec), *interpreter;
    if (!path) return tt_spec_no_memory(r);
    tt_status s = interpreter_of(r, node, what, &interpreter);
    if (s) return s;
    tt_error why = {0};
    s = tt_program_find(r->spec->arena, path, interpreter, program, &why);
    if (s == TT_ERR_MEMORY) return tt_spec_no_memory(r);
    return s ? tt_node_fail(exec, r->err, "%s.exec: %s", what, why.message) : TT_OK;
}

tt_status tt_spec_read_program(const tt_spec_reader *r, const tt_node *node, const char *what,
                               tt_spec_plugin *plugin)
{
    const tt_node *exec = tt_node_get(node, "exec");
    *plugin = (tt_spec_plugin){.node = node};
    if (exec->kind != TT_NODE_STRING || !exec->text[0])
        return tt_node_fail(exec, r->err, "%s.exec must be the path of a program", what);
    if (tt_node_get(node, "plugin"))
        return tt_node_fail(exec, r->err, "%s has both a plugin and a program (exec): keep one", what);
    if (!r->source->find_program)
        return tt_node_fail(exec, r->err, "%s.exec: programs are not run here", what);
    tt_program *program = tt_arena_alloc(r->spec->arena, sizeof *program);
    if (!program) return tt_spec_no_memory(r);
    tt_status s = find(r, node, exec, what, program);
    if (s) return s;
    tt_error why = {0};
    s = r->source->find_program(r->source->user, program, &plugin->info, &why);
    if (s) {
        tt_node_fail(exec, r->err, "%s.exec: %s", what, why.message);
        if (r->err) r->err->code = s;
        return s;
    }
    plugin->program = program;
    return tt_spec_read_params(r, what, &tt_spec_table_attack, plugin);
}

bool tt_spec_resolve_program(const tt_spec_reader *r, const tt_spec_plugin *plugin, tt_node *map)
{
    static const char *const keys[] = {"exec", "interpreter"};
    for (size_t i = 0; i < 2; i++) {
        const tt_node *n = tt_node_get(plugin->node, keys[i]);
        if (!n || n->kind != TT_NODE_STRING) continue;
        bool path = i == 0 || strchr(n->text, '/');
        const char *text = path ? tt_spec_path_at(r, n) : n->text;
        if (!text || !tt_made_add(r->spec->arena, map, keys[i], tt_made_text(r->spec->arena, text)))
            return false;
    }
    return true;
}
