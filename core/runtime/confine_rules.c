/* The allow list. Landlock knows no exceptions beneath what it allows, so folders that hold something hidden
 * are taken apart. */
#include "plugin/registry.h"
#include "runtime/confine.h"
#include "runtime/wire.h"

#include <dirent.h>
#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct builder {
    tt_buf *rules;
    tt_arena *arena;
    const char **hidden; /* absolute, without links */
    size_t n_hidden;
    bool failed;
} builder;

/* Is `path` the folder `above`, or beneath it? */
static bool within(const char *path, const char *above)
{
    size_t n = strlen(above);
    if (n == 1) return true; /* "/" */
    return strncmp(path, above, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static const char *real_path(builder *b, const char *path)
{
    char *real = realpath(path, NULL);
    const char *kept = real ? tt_arena_strdup(b->arena, real) : NULL;
    if (real && !kept) b->failed = true;
    free(real);
    return kept;
}

static void put(builder *b, const char *path, uint32_t rights)
{
    tt_put_u32(b->rules, rights);
    tt_put_text(b->rules, path);
}

static void allow_real(builder *b, const char *path, uint32_t rights);

/* All that a folder holds, one by one. Links lead elsewhere, which other rules decide. */
static void take_apart(builder *b, const char *path, uint32_t rights)
{
    DIR *dir = opendir(path);
    if (!dir) return;
    put(b, path, TT_CONFINE_LIST);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        const char *entry = tt_arena_printf(b->arena, "%s/%s", strcmp(path, "/") ? path : "", e->d_name);
        struct stat st;
        if (!entry) b->failed = true;
        if (entry && lstat(entry, &st) == 0 && (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
            allow_real(b, entry, rights);
    }
    closedir(dir);
}

static void allow_real(builder *b, const char *path, uint32_t rights)
{
    bool holds_hidden = false;
    for (size_t i = 0; i < b->n_hidden; i++) {
        if (strcmp(path, b->hidden[i]) == 0) return;
        holds_hidden |= within(b->hidden[i], path);
    }
    if (holds_hidden)
        take_apart(b, path, rights);
    else
        put(b, path, rights);
}

/* What is named by the spec or the caller, wherever it lies. */
static void allow_named(builder *b, const char *path, uint32_t rights)
{
    const char *real = path && *path ? real_path(b, path) : NULL;
    if (real) allow_real(b, real, rights);
}

/* What merely stands around: not when it lies in something hidden. */
static void allow(builder *b, const char *path, uint32_t rights)
{
    const char *real = path && *path ? real_path(b, path) : NULL;
    if (!real || strcmp(real, "/") == 0) return;
    for (size_t i = 0; i < b->n_hidden; i++)
        if (within(real, b->hidden[i])) return;
    allow_real(b, real, rights);
}

static void allow_pattern(builder *b, const char *pattern, uint32_t rights)
{
    glob_t found = {0};
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            allow(b, found.gl_pathv[i], rights);
    globfree(&found);
}

/* Folders of an environment variable like PATH. */
static void allow_variable(builder *b, const char *name, uint32_t rights)
{
    for (const char *at = getenv(name); at && *at;) {
        size_t n = strcspn(at, ":");
        const char *one = n ? tt_arena_strndup(b->arena, at, n) : NULL;
        if (n && !one) b->failed = true;
        allow(b, one, rights);
        at += n;
        if (*at == ':') at++;
    }
}

enum { READ = TT_CONFINE_READ | TT_CONFINE_LIST, RUN = READ | TT_CONFINE_RUN };

/* /proc as a whole: what it shows of other processes, the kernel keeps from a confined one. */
static void allow_system(builder *b)
{
    static const char *const libraries[] = {"/usr",   "/bin",    "/sbin",      "/lib",      "/lib32",
                                            "/lib64", "/libx32", "/nix/store", "/gnu/store"};
    static const char *const files[] = {
        "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/passwd", "/etc/nsswitch.conf",
        "/etc/python3*",    "/etc/OpenCL",        "/proc",          "/sys"};
    static const char *const devices[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                          "/dev/random", "/dev/urandom", "/dev/tty",
                                          "/dev/kfd",    "/dev/dri",     "/dev/nvidia*"};
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        allow(b, libraries[i], RUN);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        allow_pattern(b, files[i], READ);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        allow_pattern(b, devices[i], READ | TT_CONFINE_DEVICE);
    allow_variable(b, "LD_LIBRARY_PATH", READ);
}

static void allow_plugins(builder *b, const tt_confine_need *need, tt_error *err)
{
    const char **folders;
    size_t n;
    Dl_info self;
    if (tt_registry_folders(need->plugin_dirs, need->n_plugin_dirs, b->arena, &folders, &n, err)) {
        b->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++)
        allow_named(b, folders[i], READ);
    allow_named(b, need->executable ? need->executable : "/proc/self/exe", READ);
    if (dladdr((const void *)(uintptr_t)tt_confine_rules, &self)) allow_named(b, self.dli_fname, READ);
}

/* PREFIX of PREFIX/bin/python where it looks like an installation: a virtual environment, a Python of one's
 * own. Not a home folder with a bin. */
static void allow_prefix(builder *b, const char *interpreter)
{
    const char *slash = strrchr(interpreter, '/');
    if (!slash || slash - interpreter < 5 || strncmp(slash - 4, "/bin", 4) != 0) return;
    const char *prefix = tt_arena_strndup(b->arena, interpreter, (size_t)(slash - 4 - interpreter));
    const char *config = prefix ? tt_arena_printf(b->arena, "%s/pyvenv.cfg", prefix) : NULL;
    const char *library = prefix ? tt_arena_printf(b->arena, "%s/lib", prefix) : NULL;
    struct stat st;
    if (!config || !library)
        b->failed = true;
    else if (stat(config, &st) == 0 || stat(library, &st) == 0)
        allow(b, prefix, RUN);
}

static void allow_interpreter(builder *b, const char *interpreter)
{
    const char *home = getenv("HOME"), *real = real_path(b, interpreter);
    allow_named(b, interpreter, RUN);
    allow_prefix(b, interpreter);
    if (real) allow_prefix(b, real);
    allow_variable(b, "PYTHONPATH", READ);
    allow(b, tt_program_python_dir(b->arena), READ);
    const char *site = home ? tt_arena_printf(b->arena, "%s/.local/lib", home) : NULL;
    allow(b, site, READ);
}

static void allow_program(builder *b, const tt_program *program)
{
    const char *slash = strrchr(program->path, '/');
    const char *folder =
        slash ? tt_arena_strndup(b->arena, program->path, (size_t)(slash - program->path)) : NULL;
    allow_named(b, program->path, RUN);
    allow(b, folder, RUN);
    if (program->interpreter) allow_interpreter(b, program->interpreter);
}

tt_status tt_confine_rules(const tt_confine_need *need, tt_buf *rules, tt_error *err)
{
    builder b = {.rules = rules, .arena = tt_arena_create(0)};
    tt_error why = {0};
    if (b.arena) b.hidden = tt_arena_alloc_array(b.arena, need->n_hidden + 1, sizeof *b.hidden);
    b.failed = !b.hidden;
    for (size_t i = 0; i < need->n_hidden && !b.failed; i++) {
        const char *real = need->hidden[i] ? real_path(&b, need->hidden[i]) : NULL;
        if (real) b.hidden[b.n_hidden++] = real;
    }
    if (!b.failed) allow_system(&b);
    if (!b.failed && need->program) allow_program(&b, need->program);
    if (!b.failed && !need->program) allow_plugins(&b, need, &why);
    for (size_t i = 0; i < need->n_readable && !b.failed; i++)
        allow_named(&b, need->readable[i], READ);
    tt_arena_destroy(b.arena);
    return b.failed || rules->failed ? tt_fail(err, TT_ERR_MEMORY, "out of memory for a worker's confinement")
                                     : TT_OK;
}
