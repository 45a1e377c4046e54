/* How much disk a plan takes. */
#include "base/file.h"
#include "experiment/survey.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MOST_DEPTH = 8,
    BLOCK = 4096,     /* a file's own, and what HDF5 keeps for its groups */
    SAMPLE = 120,     /* digests and places of strings, beside the strings */
    JUDGED = 13 + 24, /* score, label, index, and a point of the ROC */
    GROUP = 6 * BLOCK /* attributes of a group of results.h5 */
};

/* Bytes below `dir`, an open folder that is closed here. */
static uint64_t bytes_below(int dir, int depth)
{
    DIR *list = fdopendir(dir);
    uint64_t bytes = 0;
    if (!list) {
        close(dir);
        return 0;
    }
    for (struct dirent *e; (e = readdir(list));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(list), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        bytes += 512 * (uint64_t)st.st_blocks;
        int inner = S_ISDIR(st.st_mode) && depth < MOST_DEPTH
                        ? openat(dirfd(list), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                        : -1;
        if (inner >= 0) bytes += bytes_below(inner, depth + 1);
    }
    closedir(list);
    return bytes;
}

static uint64_t images_of(const tt_prepared *p)
{
    uint64_t bytes = 0;
    for (size_t d = 0; d < p->spec->n_data; d++) {
        char *path = p->data_artifacts[d] ? tt_path_join(p->store, p->data_artifacts[d]) : NULL;
        int dir = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (dir >= 0) bytes += bytes_below(dir, 0);
        tt_free(path);
    }
    return bytes;
}

static uint64_t length_of(const char *text)
{
    return text ? strlen(text) : 0;
}

tt_survey_disk tt_survey_disk_of(const tt_survey *v)
{
    const tt_prepared *p = v->prepared;
    tt_survey_disk d = {.images = images_of(p)};
    for (size_t i = 0; i < p->n_steps; i++) {
        const tt_measure_step *step = &p->steps[i];
        uint64_t rows = 8 * (uint64_t)step->universe->n * step->plan->n_columns;
        if (step->same_as == i) d.rows += rows + 2 * BLOCK;                          /* a folder and a file */
        if (p->spec->attacks[step->attack].control == TT_CONTROL_PERMUTED) continue; /* another's rows */
        d.results += rows + 4 * (uint64_t)step->universe->n + GROUP;
    }
    for (size_t i = 0; i < p->plan.n_scores; i++) {
        const tt_plan_score *score = &p->plan.scores[i];
        uint64_t n = p->steps[score->measure].universe->n;
        if (p->spec->attacks[score->attack].calibration == TT_CALIBRATION_SHADOW)
            n += p->steps[score->calibration].universe->n;
        d.scores += 8 * n + 2 * BLOCK;
        d.results += JUDGED * n + GROUP;
    }
    for (size_t i = 0; i < p->samples.n_all; i++) {
        const tt_manifest_item *item = p->samples.all[i]->item;
        d.results += SAMPLE + length_of(item->id) + length_of(item->caption);
    }
    return d;
}
