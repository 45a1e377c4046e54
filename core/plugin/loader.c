/* Opens one plugin file: is it a shared object, does it export `tt_plugin`, do version and sizes fit, is what
 * it says of itself well-formed, are its tables complete? Opening a file that is open already shares it, so
 * that a plugin's init runs once, however many registries a process has. */
#include "plugin/loader.h"

#include "plugin/elf_check.h"
#include "plugin/params.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utf8proc.h>

#define OFFERS_MAX 64u

typedef struct offer {
    tt_plugin_info info;
    void *table;
} offer;

struct tt_plugin_file {
    char *path; /* resolved */
    dev_t device;
    ino_t inode;
    unsigned users;
    void *library;
    tt_plugin_entry entry;
    bool initialised;
    offer *offers;
    size_t n;
    tt_plugin_file *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static tt_plugin_file *open_files;

/* ---- what a plugin says of itself ---- */

bool tt_plugin_name_well_formed(const char *name)
{
    if (!name || !*name || strlen(name) > 63) return false;
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_')) return false;
    return true;
}

/* One printable line of UTF-8. */
static bool is_line(const char *text)
{
    if (!text || !*text) return false;
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text);
    while (left > 0) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate(at, left, &code);
        if (n <= 0 || code < 32 || code == 127) return false;
        at += n;
        left -= n;
    }
    return true;
}

static tt_status copy_info(const tt_plugin_info *given, uint32_t index, tt_plugin_info *copy, tt_error *err)
{
    const size_t least = offsetof(tt_plugin_info, n_params) + sizeof given->n_params;
    if (given->size > sizeof *copy)
        return tt_fail(err, TT_ERR_INVALID,
                       "info(%u) has %u bytes, this telltale knows %zu: the plugin was built for a newer "
                       "telltale; install "
                       "that one, or rebuild the plugin against this one's headers",
                       index, given->size, sizeof *copy);
    if (given->size < least)
        return tt_fail(err, TT_ERR_INVALID,
                       "info(%u) has %u bytes, at least %zu are needed: set .size = sizeof(tt_plugin_info)",
                       index, given->size, least);
    *copy = (tt_plugin_info){0};
    memcpy(copy, given, given->size);
    if (!tt_plugin_name_well_formed(copy->name))
        return tt_fail(err, TT_ERR_INVALID,
                       "info(%u) has a name that does not match [a-z0-9_]+ (63 characters at most)", index);
    if (copy->kind < TT_KIND_ATTACK || copy->kind > TT_KIND_BACKEND)
        return tt_fail(err, TT_ERR_INVALID,
                       "'%s' is of kind %d, which is none of TT_KIND_ATTACK … TT_KIND_BACKEND", copy->name,
                       (int)copy->kind);
    if (copy->revision == 0)
        return tt_fail(err, TT_ERR_INVALID,
                       "'%s' has revision 0: begin with 1 and raise it when results change", copy->name);
    if (!is_line(copy->version) || !is_line(copy->summary))
        return tt_fail(err, TT_ERR_INVALID, "'%s' needs a version and a summary, each one line of UTF-8",
                       copy->name);
    if (copy->reference && !is_line(copy->reference))
        return tt_fail(err, TT_ERR_INVALID, "'%s': reference must be one line of UTF-8, or NULL", copy->name);
    return tt_params_check_table(copy, err);
}

static tt_status read_offer(tt_plugin_file *file, const tt_plugin_info *given, tt_error *err)
{
    if (file->n == OFFERS_MAX)
        return tt_fail(err, TT_ERR_INVALID, "info() never gives NULL: it must behind the last (at most %u)",
                       OFFERS_MAX);
    offer *o = &file->offers[file->n];
    tt_status s = copy_info(given, (uint32_t)file->n, &o->info, err);
    if (s) return s;
    for (size_t i = 0; i < file->n; i++)
        if (file->offers[i].info.kind == o->info.kind && strcmp(file->offers[i].info.name, o->info.name) == 0)
            return tt_fail(err, TT_ERR_EXISTS, "it offers %s '%s' twice", tt_plugin_kind_name(o->info.kind),
                           o->info.name);
    o->table = tt_alloc_zero(tt_plugin_table_size(o->info.kind));
    if (!o->table) return tt_fail(err, TT_ERR_MEMORY, "out of memory for its tables");
    file->n++; /* from here on the table is freed with the file */
    s = tt_plugin_table_copy(o->info.kind, file->entry.get(o->info.kind, o->info.name), o->table, err);
    return s ? tt_fail_in(err, "%s '%s'", tt_plugin_kind_name(o->info.kind), o->info.name) : TT_OK;
}

static tt_status read_offers(tt_plugin_file *file, tt_error *err)
{
    file->offers = tt_alloc_array(OFFERS_MAX, sizeof *file->offers);
    if (!file->offers) return tt_fail(err, TT_ERR_MEMORY, "out of memory for its tables");
    const tt_plugin_info *given;
    for (uint32_t i = 0; (given = file->entry.info(i)) != NULL; i++) {
        tt_status s = read_offer(file, given, err);
        if (s) return s;
    }
    if (file->n == 0) return tt_fail(err, TT_ERR_INVALID, "it offers nothing: info(0) must not be NULL");
    return TT_OK;
}

/* ---- the file ---- */

static tt_status check_entry(const tt_plugin_entry *entry, tt_error *err)
{
    if (entry->abi != TT_ABI_VERSION)
        return tt_fail(err, TT_ERR_INVALID, "it was built for plugin ABI %u, this telltale has ABI %u: %s",
                       entry->abi, TT_ABI_VERSION,
                       entry->abi < TT_ABI_VERSION
                           ? "rebuild the plugin against this telltale's headers"
                           : "install the telltale that it was built for, or rebuild the plugin");
    if (entry->size !=
        sizeof *entry) /* ABI 1 has this one size; a longer entry belongs to a program that we do not know */
        return tt_fail(err, TT_ERR_INVALID, "its tt_plugin has %u bytes, ABI %u has %zu: %s", entry->size,
                       TT_ABI_VERSION, sizeof *entry,
                       entry->size < sizeof *entry
                           ? "set .size = sizeof(tt_plugin_entry)"
                           : "it was built for a newer telltale; install that one, or rebuild");
    if (!entry->init || !entry->deinit || !entry->info || !entry->get)
        return tt_fail(err, TT_ERR_INVALID, "its tt_plugin lacks `%s`: it must be there",
                       !entry->init     ? "init"
                       : !entry->deinit ? "deinit"
                       : !entry->info   ? "info"
                                        : "get");
    return TT_OK;
}

static tt_status load(tt_plugin_file *file, tt_error *err)
{
    tt_status s = tt_elf_check(file->path, err);
    if (s) return s;
    /* NODELETE: libraries that came along may have threads that run in their code (OpenMP pools) */
    file->library = dlopen(file->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!file->library)
        return tt_fail(err, TT_ERR_FORMAT, "%s: cannot be loaded: %s; link the libraries that it needs",
                       file->path, dlerror());
    const tt_plugin_entry *entry = dlsym(file->library, "tt_plugin");
    if (!entry)
        return tt_fail(err, TT_ERR_FORMAT,
                       "%s: no plugin: it exports no symbol `tt_plugin`; define `TT_EXPORT const "
                       "tt_plugin_entry tt_plugin`",
                       file->path);
    s = check_entry(entry, err);
    if (s) return tt_fail_in(err, "%s", file->path);
    file->entry = *entry;
    s = file->entry.init(tt_host_table(), file->path, err);
    if (s) return tt_fail_in(err, "%s: its init failed", file->path);
    file->initialised = true;
    s = read_offers(file, err);
    return s ? tt_fail_in(err, "%s", file->path) : TT_OK;
}

static void unload(tt_plugin_file *file)
{
    for (size_t i = 0; i < file->n; i++)
        tt_free(file->offers[i].table);
    tt_free(file->offers);
    if (file->initialised) file->entry.deinit();
    if (file->library) dlclose(file->library);
    tt_free(file->path);
    tt_free(file);
}

static tt_status open_new(const char *path, const struct stat *st, tt_plugin_file **out, tt_error *err)
{
    tt_plugin_file *file = tt_alloc_zero(sizeof *file);
    if (!file) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    char *resolved = realpath(path, NULL); /* a bare name would make dlopen search the library path */
    file->path = resolved ? tt_strdup(resolved) : NULL;
    free(resolved);
    tt_status s = file->path
                      ? TT_OK
                      : tt_fail(err, TT_ERR_IO, "%s: cannot resolve the path: %s", path, strerror(errno));
    if (s == TT_OK) s = load(file, err);
    if (s) {
        unload(file);
        return s;
    }
    file->device = st->st_dev;
    file->inode = st->st_ino;
    file->users = 1;
    file->next = open_files;
    open_files = file;
    *out = file;
    return TT_OK;
}

tt_status tt_plugin_file_open(const char *path, tt_plugin_file **file, tt_error *err)
{
    *file = NULL;
    struct stat st;
    if (stat(path, &st) != 0)
        return tt_fail(err, errno == ENOENT ? TT_ERR_NOT_FOUND : TT_ERR_IO, "%s: cannot open: %s", path,
                       strerror(errno));
    if (!S_ISREG(st.st_mode))
        return tt_fail(err, TT_ERR_FORMAT, "%s: not a regular file: a plugin is a compiled .so file", path);
    pthread_mutex_lock(&lock);
    tt_plugin_file *known = open_files;
    while (known && (known->device != st.st_dev || known->inode != st.st_ino))
        known = known->next;
    tt_status s = TT_OK;
    if (known) {
        known->users++;
        *file = known;
    } else {
        s = open_new(path, &st, file, err);
    }
    pthread_mutex_unlock(&lock);
    return s;
}

void tt_plugin_file_close(tt_plugin_file *file)
{
    if (!file) return;
    pthread_mutex_lock(&lock);
    if (--file->users == 0) {
        tt_plugin_file **at = &open_files;
        while (*at != file)
            at = &(*at)->next;
        *at = file->next;
        unload(file);
    }
    pthread_mutex_unlock(&lock);
}

const tt_plugin_entry *tt_plugin_file_entry(const tt_plugin_file *file)
{
    return &file->entry;
}

size_t tt_plugin_file_count(const tt_plugin_file *file)
{
    return file->n;
}

const tt_plugin_info *tt_plugin_file_info(const tt_plugin_file *file, size_t i)
{
    return i < file->n ? &file->offers[i].info : NULL;
}

const void *tt_plugin_file_table(const tt_plugin_file *file, size_t i)
{
    return i < file->n ? file->offers[i].table : NULL;
}

const char *tt_plugin_file_path(const tt_plugin_file *file)
{
    return file->path;
}
