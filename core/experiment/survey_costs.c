/* What a plan costs beside time, and what its samples cannot carry. */
#include "experiment/quantities.h"
#include "experiment/survey.h"
#include "plugin/params.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DEPTH = 4 };

/* Bytes of the weights below `dir`, an open folder that is closed here. */
static uint64_t weights_below(int dir, int depth)
{
    static const char *const endings[] = {".safetensors", ".bin", ".pth", ".ckpt"};
    DIR *list = fdopendir(dir);
    uint64_t bytes = 0;
    if (!list) {
        close(dir);
        return 0;
    }
    for (struct dirent *e; (e = readdir(list));) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(dirfd(list), e->d_name, &st, 0) != 0) continue;
        if (S_ISDIR(st.st_mode) && depth < MOST_DEPTH) {
            int inner = openat(dirfd(list), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (inner >= 0) bytes += weights_below(inner, depth + 1);
        }
        size_t n = strlen(e->d_name);
        for (size_t i = 0; i < sizeof endings / sizeof *endings && S_ISREG(st.st_mode); i++) {
            size_t k = strlen(endings[i]);
            if (n > k && strcmp(e->d_name + n - k, endings[i]) == 0) bytes += (uint64_t)st.st_size;
        }
    }
    closedir(list);
    return bytes;
}

/* Of the model's parameter `path`; 0: it has none, or nothing is known. */
static uint64_t weights_of(const tt_spec_model *m)
{
    struct stat st;
    const char *path = NULL;
    for (uint32_t i = 0; i < m->plugin.params->n; i++) {
        const tt_param_value *v = &m->plugin.params->values[i];
        if (strcmp(v->key, "path") == 0 && v->type == TT_PARAM_PATH && v->node) path = v->node->text;
    }
    if (!path || stat(path, &st) != 0) return 0;
    if (S_ISREG(st.st_mode)) return (uint64_t)st.st_size;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? 0 : weights_below(dir, 0);
}

static void put_models(const tt_survey *v, tt_buf *out)
{
    const tt_spec *spec = v->prepared->spec;
    for (size_t m = 0; m < spec->n_models; m++) {
        uint64_t predictions = 0;
        double money = 0;
        size_t samples = 0, steps = 0;
        for (size_t i = 0; i < v->n; i++) {
            const tt_survey_step *step = &v->steps[i];
            if (step->model != &spec->models[m] || step->stored == TT_STORED_WHOLE) continue;
            predictions += step->predictions_left;
            money += step->money_left;
            if (step->n - step->n_done > samples) samples = step->n - step->n_done;
            steps++;
        }
        if (!steps) continue;
        tt_buf_printf(out, "  on %-12s %zu steps, at most %llu predictions over %zu images",
                      spec->models[m].role, steps, (unsigned long long)predictions, samples);
        uint64_t bytes = weights_of(&spec->models[m]);
        if (bytes) tt_buf_printf(out, "; weights %.1f MiB in files", (double)bytes / 1048576);
        if (spec->models[m].price.currency) tt_buf_printf(out, "; at most %.2f %s", money, spec->currency);
        tt_buf_printf(out, "\n");
    }
}

/* Attacks declare how much they ask of the model that they are measured on, and of no other. */
static bool asked_besides(const tt_prepared *p, const tt_spec_model *model)
{
    for (size_t i = 0; i < p->n_steps; i++)
        for (uint32_t k = 0; k < p->steps[i].plan->n_roles; k++)
            if (strcmp(p->steps[i].plan->roles[k].role, "target") != 0 &&
                tt_plan_role(p->spec, p->steps[i].model, p->steps[i].plan->roles[k].role) == model)
                return true;
    return false;
}

static void put_money(const tt_survey *v, tt_buf *out)
{
    const tt_spec *spec = v->prepared->spec;
    double money = 0;
    if (!spec->currency) return;
    for (size_t i = 0; i < v->n; i++)
        money += v->steps[i].money_left;
    tt_buf_printf(out, "money: at most %.2f %s", money, spec->currency);
    if (spec->budgets.money > 0) tt_buf_printf(out, " of a budget of %.2f", spec->budgets.money);
    for (size_t m = 0; m < spec->n_models; m++)
        if (spec->models[m].price.currency && asked_besides(v->prepared, &spec->models[m]))
            tt_buf_printf(out, "; beside what is asked of %s, which no attack declares",
                          spec->models[m].role);
    tt_buf_printf(out, "\n");
}

static void put_disk(const tt_survey *v, tt_buf *out)
{
    const double mib = 1048576;
    tt_survey_disk d = tt_survey_disk_of(v);
    tt_buf_printf(
        out,
        "disk: rows of all measurements %.1f MiB and scores %.1f MiB in the store, beside images and "
        "manifests, %.1f MiB, which are there; results.h5 about %.1f MiB\n",
        (double)d.rows / mib, (double)d.scores / mib, (double)d.images / mib, (double)d.results / mib);
}

bool tt_survey_costs(const tt_survey *v, tt_buf *out)
{
    put_models(v, out);
    put_money(v, out);
    put_disk(v, out);
    tt_survey_memory_text(v, out);
    tt_quantities_tell(v->prepared, out);
    return !out->failed;
}
