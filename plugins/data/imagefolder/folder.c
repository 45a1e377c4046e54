#include "folder.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_DEPTH         16
#define MAX_IMAGES        ((size_t)10000000)
#define CAPTION_MAX_BYTES ((size_t)1 << 20)

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a folder's list");
}

static bool is_image(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t e = strlen(endings[i]);
        if (n > e && strcasecmp(name + n - e, endings[i]) == 0) return true;
    }
    return false;
}

bool folder_holds(const char *name)
{
    if (name[0] == '/' || name[0] == '\0') return false;
    for (const char *p = name; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0')) return false;
    return true;
}

tt_status folder_add(folder *f, const char *name, tt_error *err)
{
    if (!folder_holds(name))
        return tt_fail(err, TT_ERR_INVALID, "%s: the name '%.200s' leaves the folder", f->path, name);
    if (f->n == MAX_IMAGES)
        return tt_fail(err, TT_ERR_INVALID, "%s: more than %zu images", f->path, MAX_IMAGES);
    if (f->n == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 256;
        folder_image *grown = tt_realloc(f->images, capacity * sizeof *grown);
        if (!grown) return no_memory(err);
        f->images = grown;
        f->capacity = capacity;
    }
    f->images[f->n] = (folder_image){.name = tt_arena_strdup(f->arena, name)};
    return f->images[f->n++].name ? TT_OK : no_memory(err);
}

/* `inside`: the folder below f->path, "" at the top. Notes folders that hold metadata. */
static tt_status walk(folder *f, const char *inside, int depth, tt_buf *with_metadata, tt_error *err);

static tt_status visit(folder *f, const char *inside, const char *name, int depth, tt_buf *with_metadata,
                       tt_error *err)
{
    char *relative = tt_arena_printf(f->arena, "%s%s%s", inside, inside[0] ? "/" : "", name);
    char *full = relative ? tt_arena_printf(f->arena, "%s/%s", f->path, relative) : NULL;
    if (!full) return no_memory(err);
    struct stat st;
    if (lstat(full, &st) != 0) return tt_fail(err, TT_ERR_IO, "%s: %s", full, strerror(errno));
    if (S_ISDIR(st.st_mode)) return walk(f, relative, depth + 1, with_metadata, err);
    if (strcmp(name, "metadata.jsonl") == 0 || strcmp(name, "metadata.csv") == 0)
        return tt_buf_append(with_metadata, relative, strlen(relative) + 1) ? TT_OK : no_memory(err);
    return is_image(name) ? folder_add(f, relative, err) : TT_OK;
}

static tt_status walk(folder *f, const char *inside, int depth, tt_buf *with_metadata, tt_error *err)
{
    char *full = tt_arena_printf(f->arena, "%s%s%s", f->path, inside[0] ? "/" : "", inside);
    if (!full) return no_memory(err);
    if (depth > MAX_DEPTH)
        return tt_fail(err, TT_ERR_INVALID, "%s: folders nested deeper than %d", full, MAX_DEPTH);
    DIR *dir = opendir(full);
    if (!dir) return tt_fail(err, TT_ERR_IO, "%s: cannot open the folder: %s", full, strerror(errno));
    tt_status s = TT_OK;
    for (struct dirent *entry; !s && (entry = readdir(dir));)
        if (entry->d_name[0] != '.') s = visit(f, inside, entry->d_name, depth, with_metadata, err);
    closedir(dir);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const folder_image *)a)->name, ((const folder_image *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In sorted order, so that errors are the same everywhere. */
static tt_status read_all_metadata(folder *f, const tt_buf *files, const folder_options *options,
                                   tt_error *err)
{
    size_t n = 0;
    const char **names = tt_arena_alloc_array(f->arena, files->size + 1, sizeof *names);
    if (!names) return no_memory(err);
    for (size_t at = 0; at < files->size; at += strlen(files->data + at) + 1)
        names[n++] = files->data + at;
    qsort(names, n, sizeof *names, by_text);
    tt_status s = TT_OK;
    for (size_t i = 0; i < n && !s; i++)
        s = folder_read_metadata(f, names[i], options, err);
    return s;
}

/* The text file beside an image that no metadata describes. */
static tt_status read_twin(folder *f, folder_image *image, tt_error *err)
{
    const char *dot = strrchr(image->name, '.');
    char *path = tt_arena_printf(f->arena, "%s/%.*s.txt", f->path, (int)(dot - image->name), image->name);
    if (!path) return no_memory(err);
    if (!tt_file_exists(path)) return TT_OK;
    char *text;
    size_t size;
    tt_status s = tt_file_read(path, CAPTION_MAX_BYTES, &text, &size, err);
    if (s) return s;
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    if (memchr(text, '\0', size))
        s = tt_fail(err, TT_ERR_INVALID, "%s: the caption holds a NUL byte", path);
    else if (!(image->caption = tt_arena_strndup(f->arena, text, size)))
        s = no_memory(err);
    tt_free(text);
    return s;
}

tt_status folder_begin(const char *path, folder *f, tt_error *err)
{
    *f = (folder){.path = tt_strdup(path), .arena = tt_arena_create(0)};
    tt_status s = f->path && f->arena ? TT_OK : no_memory(err);
    if (!s && !tt_dir_exists(path))
        s = tt_fail(err, TT_ERR_NOT_FOUND, "%s: no such folder: is `path` right?", path);
    if (s) folder_close(f);
    return s;
}

tt_status folder_sort(folder *f, tt_error *err)
{
    if (f->n == 0) return tt_fail(err, TT_ERR_INVALID, "%s: its list names no image", f->path);
    qsort(f->images, f->n, sizeof *f->images, by_name);
    for (size_t i = 1; i < f->n; i++)
        if (by_name(&f->images[i - 1], &f->images[i]) == 0)
            return tt_fail(err, TT_ERR_INVALID, "%s: its list names %.200s twice", f->path,
                           f->images[i].name);
    return TT_OK;
}

tt_status folder_open(const char *path, const folder_options *options, folder *f, tt_error *err)
{
    tt_buf metadata = {0};
    tt_status s = folder_begin(path, f, err);
    if (s) return s;
    s = walk(f, "", 0, &metadata, err);
    if (!s && f->n == 0)
        s = tt_fail(err, TT_ERR_INVALID, "%s: no .jpg, .jpeg, .png or .webp in this folder or below", path);
    if (!s) {
        qsort(f->images, f->n, sizeof *f->images, by_name);
        s = read_all_metadata(f, &metadata, options, err);
    }
    for (size_t i = 0; i < f->n && !s; i++)
        if (!f->images[i].described) s = read_twin(f, &f->images[i], err);
    tt_buf_free(&metadata);
    if (s) folder_close(f);
    return s;
}

void folder_close(folder *f)
{
    tt_free(f->path);
    tt_free(f->images);
    tt_arena_destroy(f->arena);
    *f = (folder){0};
}
