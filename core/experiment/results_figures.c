/* ROC curves through gnuplot; script and data stay, so that a figure can be restyled. */
#include "base/file.h"
#include "experiment/results.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static tt_status write_text(const char *dir, const char *role, const char *ending, const tt_buf *text,
                            tt_error *err)
{
    char name[128];
    snprintf(name, sizeof name, "roc-%s.%s", role, ending);
    char *path = tt_path_join(dir, name);
    tt_status s = path && !text->failed ? tt_file_write(path, text->data, text->size, err)
                                        : tt_fail(err, TT_ERR_MEMORY, "out of memory for a figure");
    tt_free(path);
    return s;
}

/* One block of lines FPR TPR for each attack, two empty lines between blocks. */
static void put_data(const tt_results *r, const char *role, tt_buf *data)
{
    for (size_t i = 0; i < r->n_scores; i++) {
        const tt_result_scores *s = &r->scores[i];
        if (s->failure || strcmp(s->role, role) != 0) continue;
        tt_buf_printf(data, "# %s: FPR TPR\n", s->attack);
        for (size_t k = 0; k < s->n_roc; k++)
            tt_buf_printf(data, "%.9g %.9g\n", s->roc[k].fpr, s->roc[k].tpr);
        tt_buf_printf(data, "\n\n");
    }
}

static void put_curves(const tt_results *r, const char *role, tt_buf *script)
{
    size_t block = 0;
    for (size_t i = 0; i < r->n_scores; i++) {
        const tt_result_scores *s = &r->scores[i];
        if (s->failure || strcmp(s->role, role) != 0) continue;
        tt_buf_printf(script, ", \\\n  'roc-%s.dat' index %zu with steps lw 2 title '%s, AUC %.3f'", role,
                      block++, s->attack, s->evaluation.auc.auc);
    }
    tt_buf_printf(script, "\n");
}

static void put_script(const tt_results *r, const char *role, tt_buf *script)
{
    tt_buf_printf(script,
                  "set terminal pngcairo size 1000,480 noenhanced font 'sans,11'\n"
                  "set output 'roc-%s.png'\n"
                  "set multiplot layout 1,2 title '%s'\n"
                  "set xlabel 'false positive rate'\nset ylabel 'true positive rate'\nset grid\n"
                  "set key bottom right\nset size square\n"
                  "plot [0:1][0:1] x with lines dt 2 lc rgb 'gray' title 'guessing'",
                  role, strcmp(role, "control") == 0 ? "control (never saw the data)" : role);
    put_curves(r, role, script);
    tt_buf_printf(script, "set logscale xy\nset format x '%%g'\nset format y '%%g'\nset key top left\n"
                          "plot [1e-3:1][1e-3:1] x with lines dt 2 lc rgb 'gray' title 'guessing'");
    put_curves(r, role, script);
    tt_buf_printf(script, "unset multiplot\n");
}

/* Runs `gnuplot roc-ROLE.gp` in dir; false where there is no gnuplot. */
static bool draw(const char *dir, const char *role)
{
    char command[128];
    snprintf(command, sizeof command, "roc-%s.gp", role);
    char *const argv[] = {"gnuplot", command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1 /* O_WRONLY */, 0);
    pid_t pid;
    int status = 1;
    bool started = posix_spawnp(&pid, "gnuplot", &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    while (started && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return started && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

tt_status tt_results_figures(const tt_results *r, const char *dir, bool *drawn, tt_error *err)
{
    *drawn = true;
    char *figures = tt_path_join(dir, "figures");
    tt_status s = figures ? tt_dir_create(figures, err) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < r->n_scores && !s; i++) {
        const char *role = r->scores[i].role;
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(r->scores[k].role, role) == 0;
        if (seen) continue;
        tt_buf data = {0}, script = {0};
        put_data(r, role, &data);
        put_script(r, role, &script);
        if (data.size) s = write_text(figures, role, "dat", &data, err);
        if (data.size && !s) s = write_text(figures, role, "gp", &script, err);
        if (data.size && !s) *drawn &= draw(figures, role);
        tt_buf_free(&data);
        tt_buf_free(&script);
    }
    tt_free(figures);
    return s;
}
