#include "runtime/program.h"
#include "base/file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a program");
}

/* ---- the interpreter ---- */

static bool runs(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* A name is looked for in PATH; a path is taken as it is. */
static const char *find_interpreter(tt_arena *arena, const char *name)
{
    if (strchr(name, '/')) return runs(name) ? tt_arena_strdup(arena, name) : NULL;
    const char *path = getenv("PATH");
    for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        const char *full = tt_arena_printf(arena, "%.*s/%s", n ? (int)n : 1, n ? p : ".", name);
        if (full && runs(full)) return full;
        p += n;
        if (*p == ':') p++;
    }
    return NULL;
}

static const char *next_word(char **at)
{
    *at += strspn(*at, " \t");
    if (!**at) return NULL;
    char *word = *at;
    *at += strcspn(*at, " \t");
    if (**at) *(*at)++ = '\0';
    return word;
}

/* The interpreter and at most one argument of a #! line; `env NAME` is NAME, looked for in PATH. */
static tt_status read_first_line(tt_arena *arena, const char *path, const char **interpreter,
                                 const char **argument, tt_error *err)
{
    char line[256];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    tt_status s = n < 0 ? tt_fail(err, TT_ERR_IO, "%s: cannot read: %s", path, strerror(errno)) : TT_OK;
    if (fd >= 0) close(fd);
    if (s || n < 2 || line[0] != '#' || line[1] != '!') return s;
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    char *at = line + 2;
    const char *word = next_word(&at), *rest = next_word(&at);
    const char *slash = word ? strrchr(word, '/') : NULL;
    if (slash && strcmp(slash, "/env") == 0 && rest) {
        word = rest;
        rest = next_word(&at);
    }
    if (!word) return TT_OK;
    *interpreter = tt_arena_strdup(arena, word);
    *argument = rest ? tt_arena_strdup(arena, rest) : NULL;
    return *interpreter && (!rest || *argument) ? TT_OK : no_memory(err);
}

static tt_status choose_interpreter(tt_arena *arena, const char *path, const char *given, tt_program *p,
                                    const char **argument, tt_error *err)
{
    const char *name = given;
    const char *dot = strrchr(path, '.');
    *argument = NULL;
    tt_status s = given ? TT_OK : read_first_line(arena, path, &name, argument, err);
    if (s) return s;
    if (!name && dot && strcmp(dot, ".py") == 0) name = "python3";
    if (!name && access(path, X_OK) == 0) return TT_OK;
    if (!name)
        return tt_fail(err, TT_ERR_INVALID,
                       "%s is not executable and its first line names no interpreter (#!…): add one, or say "
                       "`interpreter: NAME`",
                       path);
    p->interpreter = find_interpreter(arena, name);
    if (!p->interpreter)
        return tt_fail(err, TT_ERR_NOT_FOUND,
                       "%s is to be run by %s, which is not installed or not in PATH: install it, or say "
                       "`interpreter: PATH`",
                       path, name);
    return TT_OK;
}

tt_status tt_program_find(tt_arena *arena, const char *path, const char *interpreter, tt_program *p,
                          tt_error *err)
{
    *p = (tt_program){.path = tt_arena_strdup(arena, path)};
    struct stat st;
    if (!p->path) return no_memory(err);
    if (stat(path, &st) != 0)
        return tt_fail(err, TT_ERR_NOT_FOUND, "%s: cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return tt_fail(err, TT_ERR_INVALID, "%s is no file", path);
    const char *argument;
    tt_status s = choose_interpreter(arena, path, interpreter, p, &argument, err);
    tt_digest digest;
    if (!s) s = tt_sha256_of_file(path, &digest, err);
    if (s) return s;
    tt_digest_hex(&digest, p->digest);
    size_t n = 0;
    if (p->interpreter) p->argv[n++] = p->interpreter;
    if (argument) p->argv[n++] = argument;
    p->argv[n] = p->path;
    return TT_OK;
}

/* ---- running ---- */

const char *tt_program_python_dir(tt_arena *arena)
{
    static const char *const below[] = {"telltale/python", "python"};
    Dl_info self;
    if (!dladdr((const void *)(uintptr_t)tt_program_find, &self) || !self.dli_fname) return NULL;
    const char *slash = strrchr(self.dli_fname, '/');
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        const char *dir = tt_arena_printf(arena, "%.*s/%s", slash ? (int)(slash - self.dli_fname) : 1,
                                          slash ? self.dli_fname : ".", below[i]);
        if (dir && tt_dir_exists(dir)) return dir;
    }
    return NULL;
}

tt_status tt_program_exec(char *const *argv, tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    const char *dir = arena ? tt_program_python_dir(arena) : NULL, *old = getenv("PYTHONPATH");
    char *real = dir ? realpath(dir, NULL) : NULL;
    const char *path =
        arena && real ? tt_arena_printf(arena, "%s%s%s", real, old && *old ? ":" : "", old && *old ? old : "")
                      : NULL;
    if (path) setenv("PYTHONPATH", path, 1);
    setenv("PYTHONUNBUFFERED", "1", 1); /* what it prints is in the log even when it is killed */
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    free(real);
    tt_arena_destroy(arena);
    execv(argv[0], argv);
    return tt_fail(err, TT_ERR_IO, "cannot start %s: %s", argv[0], strerror(errno));
}
