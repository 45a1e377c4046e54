#include "plugin/registry.h"
#include "base/file.h"
#include "plugin/loader.h"
#include "plugin/params.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {"attack", "target", "data", "service", "transform", "backend"};
/* folders of a plugin tree are named in the plural where the kind has one */
static const char *const kind_folders[] = {"attacks",  "targets",    "data",
                                           "services", "transforms", "backends"};
enum { N_KINDS = 6 };

typedef struct entry {
    tt_registered public;
    const char *folder; /* where it was found: two of one name in one folder are refused */
} entry;

struct tt_registry {
    entry *entries;
    size_t n, capacity;
    tt_plugin_file **files;
    size_t n_files;
    const char **problems;
    size_t n_problems;
    const char **searched;
    size_t n_searched;
    tt_arena *arena;
};

const char *tt_plugin_kind_name(tt_plugin_kind kind)
{
    return kind >= TT_KIND_ATTACK && kind <= TT_KIND_BACKEND ? kind_names[kind - 1] : "unknown";
}

int tt_plugin_kind_from_name(const char *name)
{
    for (int i = 0; i < N_KINDS; i++)
        if (strcmp(name, kind_names[i]) == 0 || strcmp(name, kind_folders[i]) == 0) return i + 1;
    return -1;
}

/* Makes room for one more of `size` bytes in *array; false: out of memory. */
static bool grow(void *array, size_t n, size_t size)
{
    void **p = array;
    if (n & (n - 1) && n) return true; /* room was made at the last power of two */
    void *grown = tt_realloc(*p, (n ? 2 * n : 1) * size);
    if (!grown) return false;
    *p = grown;
    return true;
}

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for the list of plugins");
}

static tt_status add_problem(tt_registry *r, const char *text, tt_error *err)
{
    const char *copy = tt_arena_strdup(r->arena, text);
    if (!copy || !grow(&r->problems, r->n_problems, sizeof *r->problems)) return no_memory(err);
    r->problems[r->n_problems++] = copy;
    return TT_OK;
}

static entry *find_entry(const tt_registry *r, tt_plugin_kind kind, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->entries[i].public.info->kind == kind && strcmp(r->entries[i].public.info->name, name) == 0)
            return &r->entries[i];
    return NULL;
}

static tt_status add_entry(tt_registry *r, const tt_plugin_info *info, const char *path, const void *table,
                           const char *folder, tt_error *err)
{
    const entry *first = find_entry(r, info->kind, info->name);
    if (first) {
        bool same_folder = strcmp(first->folder, folder) == 0;
        const char *text =
            tt_arena_printf(r->arena, "%s: %s '%s' is also in %s, which was found first%s", path,
                            tt_plugin_kind_name(info->kind), info->name, first->public.path,
                            same_folder ? ": rename or remove one of the two" : " and is used");
        return text ? add_problem(r, text, err) : no_memory(err);
    }
    if (r->n == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 32;
        entry *grown = tt_realloc(r->entries, capacity * sizeof *grown);
        if (!grown) return no_memory(err);
        r->entries = grown;
        r->capacity = capacity;
    }
    r->entries[r->n++] = (entry){{info, path, table}, folder};
    return TT_OK;
}

/* Opens one file; what is wrong with it becomes a problem, not a failure. */
static tt_status add_file(tt_registry *r, const char *path, const char *folder, tt_error *err)
{
    tt_plugin_file *file;
    tt_error why = {0};
    if (tt_plugin_file_open(path, &file, &why) != TT_OK) return add_problem(r, why.message, err);
    if (!grow(&r->files, r->n_files, sizeof(tt_plugin_file *))) {
        tt_plugin_file_close(file);
        return no_memory(err);
    }
    r->files[r->n_files++] = file;
    tt_status s = TT_OK;
    for (size_t i = 0; i < tt_plugin_file_count(file) && !s; i++)
        s = add_entry(r, tt_plugin_file_info(file, i), tt_plugin_file_path(file),
                      tt_plugin_file_table(file, i), folder, err);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_library(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && name[0] != '.' && strcmp(name + n - 3, ".so") == 0;
}

/* The *.so of one folder, in the order of their names. A folder that is not there is empty. */
static tt_status scan_folder(tt_registry *r, const char *folder, tt_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir) return TT_OK;
    const char **names = NULL;
    size_t n = 0;
    tt_status s = TT_OK;
    for (struct dirent *d; !s && (d = readdir(dir));) {
        if (!is_library(d->d_name)) continue;
        const char *path = tt_arena_printf(r->arena, "%s/%s", folder, d->d_name);
        if (!path || !grow(&names, n, sizeof *names))
            s = no_memory(err);
        else
            names[n++] = path;
    }
    closedir(dir);
    if (n > 1) qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n && !s; i++)
        s = add_file(r, names[i], folder, err);
    tt_free(names);
    return s;
}

static tt_status scan_tree(tt_registry *r, const char *given, tt_error *err)
{
    const char *folder = tt_arena_strdup(r->arena, given);
    if (!folder || !grow(&r->searched, r->n_searched, sizeof *r->searched)) return no_memory(err);
    r->searched[r->n_searched++] = folder;
    tt_status s = scan_folder(r, folder, err);
    for (int i = 0; i < N_KINDS && !s; i++) {
        const char *sub = tt_arena_printf(r->arena, "%s/%s", folder, kind_folders[i]);
        s = sub ? scan_folder(r, sub, err) : no_memory(err);
    }
    return s;
}

static tt_status scan_path(tt_registry *r, tt_error *err)
{
    const char *path = getenv("TELLTALE_PLUGIN_PATH");
    tt_status s = TT_OK;
    while (path && *path && !s) {
        size_t n = strcspn(path, ":");
        const char *folder = tt_arena_strndup(r->arena, path, n);
        if (!folder)
            s = no_memory(err);
        else if (n > 0)
            s = scan_tree(r, folder, err);
        path += n;
        if (*path == ':') path++;
    }
    return s;
}

static const tt_plugin_info reference_info = {
    .size = sizeof reference_info,
    .kind = TT_KIND_BACKEND,
    .name = "reference",
    .revision = 1,
    .version = TT_VERSION,
    .summary = "plain loops, every operation, slow: what the other backends are tested against",
};

tt_status tt_registry_open(const char *const *extra_dirs, size_t n, tt_registry **out, tt_error *err)
{
    tt_registry *r = tt_alloc_zero(sizeof *r);
    if (r) r->arena = tt_arena_create(0);
    if (!r || !r->arena) {
        tt_free(r);
        return no_memory(err);
    }
    tt_status s = add_entry(r, &reference_info, "(built in)", tt_backend_reference(), "", err);
    for (size_t i = 0; i < n && !s; i++)
        s = scan_tree(r, extra_dirs[i], err);
    if (!s) s = scan_path(r, err);
    if (!s)
        s = scan_tree(r, tt_dir_exists(TT_PLUGIN_DIR_BUILD) ? TT_PLUGIN_DIR_BUILD : TT_PLUGIN_DIR_INSTALL,
                      err);
    if (s) {
        tt_registry_close(r);
        return s;
    }
    *out = r;
    return TT_OK;
}

void tt_registry_close(tt_registry *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->n_files; i++)
        tt_plugin_file_close(r->files[i]);
    tt_free(r->files);
    tt_free(r->entries);
    tt_free(r->problems);
    tt_free(r->searched);
    tt_arena_destroy(r->arena);
    tt_free(r);
}

static tt_status not_found(const tt_registry *r, tt_plugin_kind kind, const char *name, tt_error *err)
{
    const char *known[256];
    size_t n = 0;
    for (size_t i = 0; i < r->n && n < 256; i++)
        if (r->entries[i].public.info->kind == kind) known[n++] = r->entries[i].public.info->name;
    const char *near = tt_nearest(name, known, n);
    tt_buf where = {0};
    for (size_t i = 0; i < r->n_searched; i++)
        tt_buf_printf(&where, "%s%s", i ? ", " : "", r->searched[i]);
    tt_status s =
        tt_fail(err, TT_ERR_NOT_FOUND, "there is no %s '%s'%s%s%s (searched %s; `telltale ls` lists all)",
                tt_plugin_kind_name(kind), name, near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "", where.data ? where.data : "nowhere");
    tt_buf_free(&where);
    return s;
}

tt_status tt_registry_find(tt_registry *r, tt_plugin_kind kind, const char *name, const tt_registered **out,
                           tt_error *err)
{
    const entry *e = find_entry(r, kind, name);
    if (!e) return not_found(r, kind, name, err);
    *out = &e->public;
    return TT_OK;
}

size_t tt_registry_count(const tt_registry *r)
{
    return r->n;
}

const tt_registered *tt_registry_at(const tt_registry *r, size_t i)
{
    return i < r->n ? &r->entries[i].public : NULL;
}

size_t tt_registry_problem_count(const tt_registry *r)
{
    return r->n_problems;
}

const char *tt_registry_problem(const tt_registry *r, size_t i)
{
    return i < r->n_problems ? r->problems[i] : NULL;
}
