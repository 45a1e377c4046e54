#include "runtime/plugin_check_child.h"
#include "plugin/params.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

enum { REPORT_FD = 3 };

static void send_line(tt_checker *c, char letter, const char *text)
{
    char line[2048];
    int n = snprintf(line, sizeof line - 1, "%c%s\t%s", letter, c->step, text);
    size_t size = n < 0 ? 0 : (size_t)n < sizeof line - 1 ? (size_t)n : sizeof line - 2;
    for (size_t i = 0; i < size; i++)
        if (line[i] == '\n') line[i] = ' ';
    line[size++] = '\n';
    for (size_t done = 0; done < size;) {
        ssize_t w = write(c->fd, line + done, size - done);
        if (w <= 0) _exit(1); /* nobody listens any more */
        done += (size_t)w;
    }
}

static void send_text(tt_checker *c, char letter, const char *format, va_list args)
{
    char text[1500];
    vsnprintf(text, sizeof text, format, args);
    send_line(c, letter, text);
}

void tt_checker_begin(tt_checker *c, const char *step)
{
    snprintf(c->step, sizeof c->step, "%s%s%s", c->subject, c->subject[0] ? ": " : "", step);
    send_line(c, 'b', "");
}

#define SEND(letter)                                                                                         \
    va_list args;                                                                                            \
    va_start(args, format);                                                                                  \
    send_text(c, letter, format, args);                                                                      \
    va_end(args)

bool tt_checker_ok(tt_checker *c, const char *format, ...)
{
    SEND('o');
    return true;
}

bool tt_checker_failed(tt_checker *c, const char *format, ...)
{
    SEND('f');
    c->failures++;
    return false;
}

bool tt_checker_skipped(tt_checker *c, const char *format, ...)
{
    SEND('s');
    return false;
}

void tt_checker_note(tt_checker *c, const char *format, ...)
{
    SEND('n');
}

bool tt_checker_status(tt_checker *c, tt_status s, const tt_error *err)
{
    if (s == TT_OK) return tt_checker_ok(c, "%s", "");
    if (!err->message[0])
        return tt_checker_failed(c, "fails (%s) without a message: fill the tt_error by host->fail",
                                 tt_status_name(s));
    return tt_checker_failed(c, "%s", err->message);
}

bool tt_check_parameters(tt_checker *c, const tt_plugin_info *info, tt_params **params)
{
    tt_error err = {0};
    tt_checker_begin(c, "parameters");
    for (uint32_t i = 0; i < info->n_params && !c->parameters; i++)
        if (info->params[i].flags & TT_PARAM_REQUIRED)
            return tt_checker_skipped(c, "'%s' is required: give --params '{%s: ...}' to try the rest",
                                      info->params[i].key, info->params[i].key);
    return tt_checker_status(c, tt_params_parse(info, c->parameters, info->name, NULL, NULL, 0, params, &err),
                             &err);
}

static void check_offer(tt_checker *c, const tt_plugin_info *info, const void *table)
{
    snprintf(c->subject, sizeof c->subject, "%s %s", tt_plugin_kind_name(info->kind), info->name);
    tt_params *params;
    if (!tt_check_parameters(c, info, &params)) return;
    switch (info->kind) {
    case TT_KIND_ATTACK:
        tt_check_attack(c, table, params);
        break;
    case TT_KIND_TARGET:
        tt_check_target(c, table, params);
        break;
    case TT_KIND_DATA:
        tt_check_data(c, table, params);
        break;
    case TT_KIND_SERVICE:
        tt_check_service(c, table, params);
        break;
    case TT_KIND_TRANSFORM:
        tt_check_transform(c, table, params);
        break;
    case TT_KIND_BACKEND:
        tt_check_backend(c, table);
        break;
    }
    tt_params_free(params);
    tt_checker_begin(c, "use of parameters");
    if (tt_host_misuse())
        tt_checker_failed(c, "%s", tt_host_misuse());
    else
        tt_checker_ok(c, "%s", "");
}

static void check_file(tt_checker *c, const char *path, bool load_only)
{
    tt_error err = {0};
    tt_plugin_file *file;
    tt_checker_begin(c, "load and init");
    if (tt_plugin_file_open(path, &file, &err) != TT_OK) {
        tt_checker_failed(c, "%s", err.message);
        return;
    }
    tt_checker_ok(c, "offers %zu", tt_plugin_file_count(file));
    for (size_t i = 0; i < tt_plugin_file_count(file) && !load_only; i++)
        check_offer(c, tt_plugin_file_info(file, i), tt_plugin_file_table(file, i));
    c->subject[0] = '\0';
    tt_checker_begin(c, "deinit");
    tt_plugin_file_close(file);
    tt_checker_ok(c, "%s", "");
}

int tt_plugin_check_main(int argc, char **argv)
{
    if (argc != 4)
        return 2; /* only plugin check starts this, or a person with a debugger, to whom it reports aloud */
    int fd = fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC) == 0 ? REPORT_FD : STDOUT_FILENO;
    if (fd == REPORT_FD) prctl(PR_SET_PDEATHSIG, SIGKILL);
    tt_checker c = {.fd = fd};
    tt_arena *arena = tt_arena_create(0);
    tt_error err = {0};
    tt_node *parameters = NULL;
    tt_checker_begin(&c, "--params");
    tt_status s = arena ? TT_OK : tt_fail(&err, TT_ERR_MEMORY, "out of memory");
    if (!s && argv[2][0]) s = tt_yaml_parse(arena, "--params", argv[2], strlen(argv[2]), &parameters, &err);
    if (s) {
        tt_checker_failed(&c, "%s", err.message);
    } else {
        c.parameters = parameters;
        check_file(&c, argv[1], strcmp(argv[3], "1") == 0);
    }
    tt_arena_destroy(arena);
    send_line(&c, 'd', "");
    return 0;
}
