#include "plugin/registry.h"
#include "base/file.h"
#include "plugin/loader.h"
#include "plugin/params.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {"attack", "target", "data", "service", "transform", "backend"};
/* folders of a plugin tree are named in the plural where the kind has one */
static const char *const kind_folders[] = {"attacks",  "targets",    "data",
                                           "services", "transforms", "backends"};
enum { N_KINDS = 6 };

/* One thing that a loaded file offers. */
typedef struct entry {
    tt_registered public;
    size_t tree;  /* which searched folder; the built-in ones come before all */
    bool named;   /* its file bears its name */
    size_t order; /* of finding */
} entry;

/* One file that was seen; opened when something is looked for that it may offer. */
typedef struct candidate {
    const char *path, *stem;
    int kind; /* from the folder's name; 0: any */
    size_t tree;
    bool tried;
} candidate;

/* One plugin that a build left out. */
typedef struct absence {
    int kind;
    const char *name, *text; /* "backend 'cuda' was not built: why" */
} absence;

struct tt_registry {
    entry **entries; /* all that was loaded, in the order of loading */
    size_t n;
    candidate **candidates; /* in search order */
    size_t n_candidates;
    entry **visible; /* once all is loaded: the entries that win their names, in search order */
    size_t n_visible;
    bool all_loaded;
    tt_plugin_file **files;
    size_t n_files;
    const char **problems;
    size_t n_problems;
    absence *absent; /* once all is loaded: those alone that no file makes up for */
    size_t n_absent;
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
    if (n & (n - 1)) return true; /* room was made at the last power of two */
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

/* ---- which of several wins a name ---- */

/* Earlier folders come first; in one folder, a file that bears the plugin's name comes before others. */
static bool comes_before(const entry *a, const entry *b)
{
    if (a->tree != b->tree) return a->tree < b->tree;
    if (a->named != b->named) return a->named;
    return a->order < b->order;
}

static entry *find_entry(const tt_registry *r, tt_plugin_kind kind, const char *name)
{
    entry *best = NULL;
    for (size_t i = 0; i < r->n; i++) {
        entry *e = r->entries[i];
        if (e->public.info->kind != kind || strcmp(e->public.info->name, name) != 0) continue;
        if (!best || comes_before(e, best)) best = e;
    }
    return best;
}

static tt_status add_entry(tt_registry *r, const tt_plugin_info *info, const char *path, const void *table,
                           const candidate *from, size_t order, tt_error *err)
{
    entry *e = tt_arena_alloc(r->arena, sizeof *e); /* keeps its place: pointers to it were given out */
    if (!e || !grow(&r->entries, r->n, sizeof(entry *))) return no_memory(err);
    *e = (entry){
        {info, path, table}, from ? from->tree : 0, from && strcmp(from->stem, info->name) == 0, order};
    r->entries[r->n++] = e;
    return TT_OK;
}

/* ---- loading ---- */

/* Opens one file; what is wrong with it becomes a problem, not a failure. */
static tt_status load(tt_registry *r, size_t index, tt_error *err)
{
    candidate *c = r->candidates[index];
    if (c->tried) return TT_OK;
    c->tried = true;
    tt_plugin_file *file;
    tt_error why = {0};
    if (tt_plugin_file_open(c->path, &file, &why) != TT_OK) return add_problem(r, why.message, err);
    if (!grow(&r->files, r->n_files, sizeof(tt_plugin_file *))) {
        tt_plugin_file_close(file);
        return no_memory(err);
    }
    r->files[r->n_files++] = file;
    tt_status s = TT_OK;
    for (size_t i = 0; i < tt_plugin_file_count(file) && !s; i++)
        s = add_entry(r, tt_plugin_file_info(file, i), tt_plugin_file_path(file),
                      tt_plugin_file_table(file, i), c, index, err);
    return s;
}

static int by_order(const void *a, const void *b)
{
    const entry *x = *(entry *const *)a, *y = *(entry *const *)b;
    if (x->tree != y->tree) return x->tree < y->tree ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Loads everything, and settles which entry of each name is seen. */
static tt_status load_all(tt_registry *r, tt_error *err)
{
    if (r->all_loaded) return TT_OK;
    r->all_loaded = true; /* tried once: what fails is a problem that was noted */
    tt_status s = TT_OK;
    for (size_t i = 0; i < r->n_candidates && !s; i++)
        s = load(r, i, err);
    r->visible = s ? NULL : tt_alloc_array(r->n, sizeof(entry *));
    if (!r->visible) return s ? s : no_memory(err);
    for (size_t i = 0; i < r->n && !s; i++) {
        entry *e = r->entries[i], *first = find_entry(r, e->public.info->kind, e->public.info->name);
        if (e == first) {
            r->visible[r->n_visible++] = e;
            continue;
        }
        const char *text = tt_arena_printf(
            r->arena, "%s: %s '%s' is also in %s, which comes first%s", e->public.path,
            tt_plugin_kind_name(e->public.info->kind), e->public.info->name, first->public.path,
            first->tree == e->tree ? ": rename or remove one of the two" : " and is used");
        s = text ? add_problem(r, text, err) : no_memory(err);
    }
    size_t left = 0;
    for (size_t i = 0; i < r->n_absent; i++)
        if (!find_entry(r, (tt_plugin_kind)r->absent[i].kind, r->absent[i].name))
            r->absent[left++] = r->absent[i];
    r->n_absent = left;
    qsort(r->visible, r->n_visible, sizeof(entry *), by_order);
    return s;
}

/* The accessors of a const registry load on demand; out of memory is a problem like another. */
static const tt_registry *loaded(const tt_registry *r)
{
    tt_error err = {0}, ignored = {0};
    tt_registry *mutable = (tt_registry *)(uintptr_t)r;
    if (load_all(mutable, &err) != TT_OK) add_problem(mutable, err.message, &ignored);
    return r;
}

/* ---- searching ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ends_in(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n > m && name[0] != '.' && strcmp(name + n - m, ending) == 0;
}

/* FOLDER/NAME.absent: its first line says why the plugin was not built. One that cannot be read says nothing,
 * as if it were not there. Of several folders' the first counts. */
static tt_status add_absence(tt_registry *r, const char *folder, const char *file, int kind, tt_error *err)
{
    char why[512];
    const char *path = tt_arena_printf(r->arena, "%s/%s", folder, file);
    const char *name = tt_arena_strndup(r->arena, file, strlen(file) - strlen(".absent"));
    if (!path || !name) return no_memory(err);
    for (size_t i = 0; i < r->n_absent; i++)
        if (r->absent[i].kind == kind && strcmp(r->absent[i].name, name) == 0) return TT_OK;
    FILE *f = fopen(path, "re");
    bool read = f && fgets(why, sizeof why, f);
    if (f) fclose(f);
    if (!read) return TT_OK;
    why[strcspn(why, "\r\n")] = 0;
    const char *text =
        tt_arena_printf(r->arena, "%s '%s' was not built: %s", kind_names[kind - 1], name, why);
    if (!text || !grow(&r->absent, r->n_absent, sizeof *r->absent)) return no_memory(err);
    r->absent[r->n_absent++] = (absence){kind, name, text};
    return TT_OK;
}

static tt_status add_candidate(tt_registry *r, const char *path, int kind, tt_error *err)
{
    candidate *c = tt_arena_alloc(r->arena, sizeof *c);
    const char *file = strrchr(path, '/') + 1;
    const char *stem = tt_arena_strndup(r->arena, file, strlen(file) - 3);
    if (!c || !stem || !grow(&r->candidates, r->n_candidates, sizeof(candidate *))) return no_memory(err);
    *c = (candidate){.path = path, .stem = stem, .kind = kind, .tree = r->n_searched};
    r->candidates[r->n_candidates++] = c;
    return TT_OK;
}

/* The *.so of one folder, in the order of their names, and what its *.absent say. A folder that is not there
 * is empty. */
static tt_status scan_folder(tt_registry *r, const char *folder, int kind, tt_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir) return TT_OK;
    const char **names = NULL;
    size_t n = 0;
    tt_status s = TT_OK;
    for (struct dirent *d; !s && (d = readdir(dir));) {
        if (kind && ends_in(d->d_name, ".absent")) s = add_absence(r, folder, d->d_name, kind, err);
        if (s || !ends_in(d->d_name, ".so")) continue;
        const char *path = tt_arena_printf(r->arena, "%s/%s", folder, d->d_name);
        if (!path || !grow(&names, n, sizeof *names))
            s = no_memory(err);
        else
            names[n++] = path;
    }
    closedir(dir);
    if (n > 1) qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n && !s; i++)
        s = add_candidate(r, names[i], kind, err);
    tt_free(names);
    return s;
}

static tt_status scan_tree(tt_registry *r, const char *given, tt_error *err)
{
    const char *folder = tt_arena_strdup(r->arena, given);
    if (!folder || !grow(&r->searched, r->n_searched, sizeof *r->searched)) return no_memory(err);
    r->searched[r->n_searched++] = folder; /* candidates count trees from 1: 0 is what is built in */
    tt_status s = scan_folder(r, folder, 0, err);
    for (int i = 0; i < N_KINDS && !s; i++) {
        const char *plural = tt_arena_printf(r->arena, "%s/%s", folder, kind_folders[i]);
        const char *singular = tt_arena_printf(r->arena, "%s/%s", folder, kind_names[i]);
        if (!plural || !singular) return no_memory(err);
        s = scan_folder(r, plural, i + 1, err);
        if (!s && strcmp(plural, singular) != 0) s = scan_folder(r, singular, i + 1, err);
    }
    return s;
}

/* The folder that came with this library: beside it in a build tree (plugins/) or an installation
 * (telltale/plugins/), wherever that was moved to. NULL: out of memory. */
static const char *own_folder(tt_arena *arena)
{
    Dl_info self;
    static const char *const below[] = {"telltale/plugins", "plugins"};
    if (dladdr((const void *)(uintptr_t)tt_registry_open, &self) && self.dli_fname) {
        const char *slash = strrchr(self.dli_fname, '/');
        int n = slash ? (int)(slash - self.dli_fname) : 1;
        for (size_t i = 0; i < 2; i++) {
            const char *folder = tt_arena_printf(arena, "%.*s/%s", n, slash ? self.dli_fname : ".", below[i]);
            if (!folder || tt_dir_exists(folder)) return folder;
        }
    }
    return TT_PLUGIN_DIR_INSTALL;
}

tt_status tt_registry_folders(const char *const *extra_dirs, size_t n, tt_arena *arena, const char ***folders,
                              size_t *n_folders, tt_error *err)
{
    const char *path = getenv("TELLTALE_PLUGIN_PATH");
    size_t most = n + 2;
    for (const char *at = path; at && *at; at++)
        most += *at == ':';
    const char **list = tt_arena_alloc_array(arena, most, sizeof *list);
    if (!list) return no_memory(err);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        list[k++] = extra_dirs[i];
    while (path && *path) {
        size_t length = strcspn(path, ":");
        if (length > 0 && !(list[k++] = tt_arena_strndup(arena, path, length))) return no_memory(err);
        path += length;
        if (*path == ':') path++;
    }
    if (!(list[k++] = own_folder(arena))) return no_memory(err);
    *folders = list;
    *n_folders = k;
    return TT_OK;
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
    tt_status s = add_entry(r, &reference_info, "(built in)", tt_backend_reference(), NULL, 0, err);
    const char **folders;
    size_t n_folders = 0;
    if (!s) s = tt_registry_folders(extra_dirs, n, r->arena, &folders, &n_folders, err);
    for (size_t i = 0; i < n_folders && !s; i++)
        s = scan_tree(r, folders[i], err);
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
    tt_free(r->candidates);
    tt_free(r->visible);
    tt_free(r->problems);
    tt_free(r->absent);
    tt_free(r->searched);
    tt_arena_destroy(r->arena);
    tt_free(r);
}

/* What is wrong with a file that bears this name, or NULL. */
static const char *problem_of(const tt_registry *r, const char *name)
{
    char file[128];
    snprintf(file, sizeof file, "/%s.so: ", name);
    for (size_t i = 0; i < r->n_problems; i++)
        if (strstr(r->problems[i], file)) return r->problems[i];
    return NULL;
}

static tt_status not_found(const tt_registry *r, tt_plugin_kind kind, const char *name, tt_error *err)
{
    const char *broken = problem_of(r, name);
    if (broken)
        return tt_fail(err, TT_ERR_NOT_FOUND, "%s '%s' cannot be used: %s", tt_plugin_kind_name(kind), name,
                       broken);
    for (size_t i = 0; i < r->n_absent; i++)
        if (r->absent[i].kind == (int)kind && strcmp(r->absent[i].name, name) == 0)
            return tt_fail(err, TT_ERR_NOT_FOUND, "%s", r->absent[i].text);
    const char *known[256];
    size_t n = 0;
    for (size_t i = 0; i < r->n_visible && n < 256; i++)
        if (r->visible[i]->public.info->kind == kind) known[n++] = r->visible[i]->public.info->name;
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
    const entry *e = NULL;
    for (size_t tree = 0; tree <= r->n_searched && !e; tree++) {
        /* first the files of this folder that bear the name, then, if need be, its others */
        for (int others = 0; others < 2 && !e; others++) {
            for (size_t i = 0; i < r->n_candidates; i++) {
                const candidate *c = r->candidates[i];
                bool named = strcmp(c->stem, name) == 0 && (c->kind == 0 || c->kind == (int)kind);
                if (c->tree != tree || (!named && !others)) continue;
                tt_status s = load(r, i, err);
                if (s) return s;
            }
            const entry *best = find_entry(r, kind, name); /* may come from what an earlier search loaded */
            if (best && best->tree == tree && (best->named || others)) e = best;
        }
    }
    if (!e) {
        tt_status s = load_all(r, err);
        return s ? s : not_found(r, kind, name, err);
    }
    *out = &e->public;
    return TT_OK;
}

size_t tt_registry_count(const tt_registry *r)
{
    return loaded(r)->n_visible;
}

const tt_registered *tt_registry_at(const tt_registry *r, size_t i)
{
    return i < loaded(r)->n_visible ? &r->visible[i]->public : NULL;
}

size_t tt_registry_problem_count(const tt_registry *r)
{
    return loaded(r)->n_problems;
}

const char *tt_registry_problem(const tt_registry *r, size_t i)
{
    return i < loaded(r)->n_problems ? r->problems[i] : NULL;
}

size_t tt_registry_absent_count(const tt_registry *r)
{
    return loaded(r)->n_absent;
}

const char *tt_registry_absent(const tt_registry *r, size_t i)
{
    return i < loaded(r)->n_absent ? r->absent[i].text : NULL;
}

size_t tt_registry_file_count(const tt_registry *r)
{
    return r->n_candidates;
}

const char *tt_registry_file(const tt_registry *r, size_t i)
{
    return i < r->n_candidates ? r->candidates[i]->path : NULL;
}

tt_status tt_registry_exclude(tt_registry *r, size_t i, const char *why, tt_error *err)
{
    if (i >= r->n_candidates || r->candidates[i]->tried) return TT_OK;
    r->candidates[i]->tried = true;
    const char *text = tt_arena_printf(r->arena, "%s: %s", r->candidates[i]->path, why);
    return text ? add_problem(r, text, err) : no_memory(err);
}
