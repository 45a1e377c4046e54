/* `telltale gc`: a store grows with every change of a spec; what no run uses any more can go. */
#include "base/file.h"
#include "experiment/survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST_MAX ((size_t)1 << 26)

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory");
}

/* Appends DIR/artifacts.txt, where there is one. */
static tt_status read_used(const char *dir, tt_buf *used, size_t *n, tt_error *err)
{
    char *path = tt_path_join(dir, "artifacts.txt"), *text = NULL;
    size_t size = 0;
    tt_status s = path ? TT_OK : no_memory(err);
    if (!s && tt_file_exists(path)) {
        s = tt_file_read(path, LIST_MAX, &text, &size, err);
        (*n)++;
    }
    if (!s && !tt_buf_append(used, text ? text : "", size)) s = no_memory(err);
    tt_free(text);
    tt_free(path);
    return s;
}

/* Of the runs in the folders of `dir`, where there is one. */
static tt_status read_used_within(const char *dir, tt_buf *used, size_t *n, tt_error *err)
{
    tt_status s = TT_OK;
    DIR *folder = opendir(dir);
    for (struct dirent *e = folder ? readdir(folder) : NULL; e && !s; e = readdir(folder)) {
        if (e->d_name[0] == '.') continue;
        char *inner = tt_path_join(dir, e->d_name);
        s = !inner ? no_memory(err) : tt_dir_exists(inner) ? read_used(inner, used, n, err) : TT_OK;
        tt_free(inner);
    }
    if (folder) closedir(folder);
    return s;
}

/* Of the run in `dir`, of those in its folders, and of the cells of a sweep. */
static tt_status read_all_used(const char *dir, tt_buf *used, size_t *n, tt_error *err)
{
    if (!tt_dir_exists(dir)) return tt_fail(err, TT_ERR_NOT_FOUND, "%s: no such folder", dir);
    char *cells = tt_path_join(dir, "cells");
    tt_status s = cells && tt_buf_append(used, "\n", 1) ? read_used(dir, used, n, err) : no_memory(err);
    if (!s) s = read_used_within(dir, used, n, err);
    if (!s) s = read_used_within(cells, used, n, err);
    tt_free(cells);
    return s;
}

static bool is_used(const tt_buf *used, const char *name)
{
    char line[300];
    snprintf(line, sizeof line, "\n%s\n", name);
    return strstr(used->data, line) != NULL;
}

/* An artifact is a folder with files and folders in it, made by us; links are removed, not followed. */
static tt_status remove_tree(const char *path, int depth, uint64_t *bytes, bool dry_run, tt_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) return tt_fail(err, TT_ERR_IO, "%s: %s", path, strerror(errno));
    bool folder = S_ISDIR(st.st_mode);
    tt_status s = TT_OK;
    if (folder && depth > 8)
        return tt_fail(err, TT_ERR_UNSUPPORTED, "%s: is nested too deep for an artifact", path);
    DIR *dir = folder ? opendir(path) : NULL;
    if (folder && !dir) return tt_fail(err, TT_ERR_IO, "%s: %s", path, strerror(errno));
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && !s; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char *inner = tt_path_join(path, e->d_name);
        s = inner ? remove_tree(inner, depth + 1, bytes, dry_run, err) : no_memory(err);
        tt_free(inner);
    }
    if (dir) closedir(dir);
    if (!folder) *bytes += (uint64_t)st.st_size;
    if (!s && !dry_run && (folder ? rmdir(path) : unlink(path)) != 0)
        s = tt_fail(err, TT_ERR_IO, "%s: cannot remove: %s", path, strerror(errno));
    return s;
}

static bool is_artifact(const char *name)
{
    return strncmp(name, "measure-", 8) == 0 || strncmp(name, "score-", 6) == 0 ||
           strncmp(name, "data-", 5) == 0 || strncmp(name, "words-", 6) == 0;
}

static tt_status collect(const char *store, const tt_buf *used, bool dry_run, tt_buf *out, tt_error *err)
{
    DIR *dir = opendir(store);
    if (!dir) return tt_fail(err, TT_ERR_NOT_FOUND, "%s: no such folder; nothing was run here", store);
    size_t kept = 0, removed = 0;
    uint64_t bytes = 0;
    tt_status s = TT_OK;
    for (struct dirent *e = readdir(dir); e && !s; e = readdir(dir)) {
        if (!is_artifact(e->d_name)) continue;
        if (is_used(used, e->d_name)) {
            kept++;
            continue;
        }
        char *path = tt_path_join(store, e->d_name);
        s = path ? remove_tree(path, 0, &bytes, dry_run, err) : no_memory(err);
        tt_free(path);
        removed++;
        tt_buf_printf(out, "%s %s\n", dry_run ? "would remove" : "removed", e->d_name);
    }
    closedir(dir);
    tt_buf_printf(out, "%zu artifacts in use, %zu %s, %.1f MiB\n", kept, removed, dry_run ? "not" : "removed",
                  (double)bytes / 1048576.0);
    return !s && out->failed ? no_memory(err) : s;
}

tt_status tt_store_collect(const char *dir, bool dry_run, tt_buf *out, tt_error *err)
{
    tt_buf used = {0};
    size_t n = 0;
    char *store = tt_path_join(dir, "store"), *lock = tt_path_join(dir, ".lock");
    tt_status s = store && lock ? read_all_used(dir, &used, &n, err) : no_memory(err);
    if (!s && n == 0)
        s = tt_fail(err, TT_ERR_NOT_FOUND,
                    "%s: no run says there what it uses; give a folder that `telltale run` made", dir);
    /* whoever only looks makes no lock, and where there is none nobody is at work */
    int fd = s ? -1 : open(lock, dry_run ? O_RDWR | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    bool absent = dry_run && fd < 0 && errno == ENOENT;
    if (!s && !absent && (fd < 0 || !tt_file_lock(fd)))
        s = tt_fail(err, TT_ERR_IO, "%s: a run is at work in this folder; wait for it", dir);
    if (!s) s = collect(store, &used, dry_run, out, err);
    if (fd >= 0) close(fd);
    tt_buf_free(&used);
    tt_free(store);
    tt_free(lock);
    return s;
}
