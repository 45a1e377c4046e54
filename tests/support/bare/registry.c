/* In the place of the plugin room, which needs YAML: the backend plugins of the build folder, without its
 * checks. */
#include "base/mem.h"
#include "plugin/registry.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

struct tt_plugin_file {
    const tt_plugin_entry *entry;
};
struct tt_registry {
    tt_registered found;
    tt_plugin_file *file; /* of the latest find; libraries stay open */
};

tt_status tt_plugin_file_open(const char *path, tt_plugin_file **file, tt_error *err)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const tt_plugin_entry *entry = library ? dlsym(library, "tt_plugin") : NULL;
    if (!entry) return tt_fail(err, TT_ERR_NOT_FOUND, "%s", dlerror());
    if (entry->init(NULL, path, err)) return err->code;
    *file = tt_alloc_zero(sizeof **file);
    if (!*file) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a plugin");
    (*file)->entry = entry;
    return TT_OK;
}

const tt_plugin_entry *tt_plugin_file_entry(const tt_plugin_file *file)
{
    return file->entry;
}

void tt_plugin_file_close(tt_plugin_file *file)
{
    tt_free(file);
}

tt_status tt_registry_open(const char *const *extra_dirs, size_t n, tt_registry **registry, tt_error *err)
{
    (void)extra_dirs, (void)n;
    *registry = tt_alloc_zero(sizeof **registry);
    return *registry ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for the list of plugins");
}

void tt_registry_close(tt_registry *r)
{
    if (r) tt_plugin_file_close(r->file);
    tt_free(r);
}

tt_status tt_registry_find(tt_registry *r, tt_plugin_kind kind, const char *name, const tt_registered **out,
                           tt_error *err)
{
    static const char *const kinds[] = {"",         "attacks",    "targets", "data",
                                        "services", "transforms", "backends"};
    char path[4096];
    tt_plugin_file *file;
    *out = &r->found;
    r->found = (tt_registered){.path = "(built in)", .table = tt_backend_reference()};
    if (kind == TT_KIND_BACKEND && strcmp(name, "reference") == 0) return TT_OK;
    snprintf(path, sizeof path, "%s/plugins/%s/%s.so", TT_BUILD_DIR, kinds[kind], name);
    tt_status s = tt_plugin_file_open(path, &file, err);
    if (s) return s;
    tt_plugin_file_close(r->file);
    r->file = file;
    r->found = (tt_registered){file->entry->info(0), "", file->entry->get(kind, name)};
    return r->found.table ? TT_OK : tt_fail(err, TT_ERR_NOT_FOUND, "%s has no %s", path, name);
}
