#include "support/shell.h"
#include "base/file.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char output[1 << 17];
static tt_error err;

int shell(const char *format, ...)
{
    static const char end[] = "; } 2>&1";
    char line[8192];
    int n = snprintf(line, sizeof line, "cd '%s' && { ", tt_test_dir());
    va_list args;
    va_start(args, format);
    n += vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    ck_assert_uint_lt((size_t)n, sizeof line - sizeof end);
    memcpy(line + n, end, sizeof end);
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    output[fread(output, 1, sizeof output - 1, pipe)] = '\0';
    int status = pclose(pipe);
    ck_assert_msg(WIFEXITED(status), "%s died: %s", line, output);
    return WEXITSTATUS(status);
}

void has(const char *part)
{
    ck_assert_msg(strstr(output, part) != NULL, "'%s' is not in:\n%s", part, output);
}

void lacks(const char *part)
{
    ck_assert_msg(strstr(output, part) == NULL, "'%s' is in:\n%s", part, output);
}

const char *path_of(const char *format, ...)
{
    static char paths[16][1024];
    static unsigned next;
    char *path = paths[next++ % 16];
    int n = snprintf(path, sizeof paths[0], "%s/", tt_test_dir());
    va_list args;
    va_start(args, format);
    n += vsnprintf(path + n, sizeof paths[0] - (size_t)n, format, args);
    va_end(args);
    ck_assert_uint_lt((size_t)n, sizeof paths[0]);
    return path;
}

void write_file(const char *name, const void *data, size_t size)
{
    tt_ok(tt_file_write(path_of("%s", name), data, size, &err), &err);
}

void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

char *read_file(const char *name, size_t *size)
{
    char *data;
    size_t n;
    tt_ok(tt_file_read(path_of("%s", name), (size_t)1 << 28, &data, size ? size : &n, &err), &err);
    return data;
}

int count(const char *folder, const char *beginning)
{
    ck_assert_int_eq(shell("find '%s' -mindepth 1 -maxdepth 1 -name '%s*' | wc -l", folder, beginning), 0);
    return atoi(output);
}

void same(const char *a, const char *b, const char *file)
{
    ck_assert_msg(shell("cmp '%s/%s' '%s/%s'", a, file, b, file) == 0, "%s", output);
}

const char *python(const char *modules)
{
    static const char *const names[] = {"/usr/bin/python3", "python3"};
    for (size_t i = 0; i < 2; i++)
        if (shell("%s -c 'import %s'", names[i], modules) == 0) return names[i];
    printf("skipped: no python3 with %s (tools/setup --developer installs them)\n", modules);
    return NULL;
}

const char *write_spec(const char *text)
{
    write_text("spec.yaml", text);
    return path_of("spec.yaml");
}

int telltale(const char *command, const char *text, const char *dir, const char *more)
{
    return shell("'" PROGRAM "' %s '%s' --out '%s'" OPTIONS "%s", command, write_spec(text),
                 path_of("%s", dir), more);
}

int report(const char *dir, const char *more)
{
    return shell("'" PROGRAM "' report '%s' %s", path_of("%s", dir), more);
}

int run_and_signal(const char *dir, const tt_test_signal *how)
{
    /* named here: a forked child would get a folder of its own */
    const char *path = path_of("spec.yaml"), *out = path_of("%s", dir), *log = path_of("signalled.txt");
    char delay[3][64], file[2048];
    static const char *const roles[] = {"target", "shadow", "control"};
    for (int i = 0; i < 3; i++)
        snprintf(delay[i], sizeof delay[i], "models.%s.delay_us=%u", roles[i], how->delay_us);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (!freopen(log, "w", stderr) || !freopen("/dev/null", "w", stdout)) _exit(99);
        execl(PROGRAM, "telltale", "run", path, "--out", out, "--plugin-dir", TT_BUILD_DIR "/tests/fixtures",
              delay[0], delay[1], delay[2], (char *)NULL);
        _exit(98);
    }
    snprintf(file, sizeof file, "%s/%s", out, how->once ? how->once : "");
    for (int i = 0; i < 6000 && how->once && access(file, F_OK) != 0; i++)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    nanosleep(&(struct timespec){how->after_ms / 1000, how->after_ms % 1000 * 1000000}, NULL);
    kill(pid, how->number);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int kills(void)
{
    const char *text = getenv("TELLTALE_TEST_KILLS");
    return text ? atoi(text) : 8;
}
