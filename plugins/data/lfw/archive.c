#include "lfw.h"

#include <archive.h>
#include <archive_entry.h>

#include <stdlib.h>
#include <string.h>

#define IMAGE_MAX_BYTES ((int64_t)16 << 20)
#define TOTAL_MAX_BYTES ((size_t)4 << 30)
#define MAX_ENTRIES     ((size_t)1000000)

typedef struct entry {
    const char *name;
    lfw_file file;
} entry;

typedef struct reader {
    folder *f;
    struct archive *tar;
    entry *entries;
    size_t n, capacity, bytes;
} reader;

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for the archive's images");
}

static tt_status broken(const reader *r, tt_error *err)
{
    const char *why = archive_error_string(r->tar);
    return tt_fail(err, TT_ERR_INVALID, "%s: not a whole .tar or .tgz: %s; fetch it again", r->f->path,
                   why ? why : "unreadable");
}

static tt_status add(reader *r, const char *name, lfw_file file, tt_error *err)
{
    if (r->n == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 1024;
        entry *grown = tt_realloc(r->entries, capacity * sizeof *grown);
        if (!grown) return no_memory(err);
        r->entries = grown;
        r->capacity = capacity;
    }
    r->entries[r->n] = (entry){tt_arena_strdup(r->f->arena, name), file};
    return r->entries[r->n++].name ? TT_OK : no_memory(err);
}

static tt_status read_entry(reader *r, struct archive_entry *header, tt_error *err)
{
    const char *path = archive_entry_pathname(header), *id;
    size_t person;
    if (!path || archive_entry_filetype(header) != AE_IFREG || !lfw_name_parse(path, &id, &person))
        return TT_OK;
    int64_t size = archive_entry_size(header);
    if (size <= 0 || size > IMAGE_MAX_BYTES)
        return tt_fail(err, TT_ERR_INVALID, "%s: %.200s has %lld bytes: an image has 1 to %lld", r->f->path,
                       path, (long long)size, (long long)IMAGE_MAX_BYTES);
    r->bytes += (size_t)size;
    if (r->bytes > TOTAL_MAX_BYTES)
        return tt_fail(err, TT_ERR_INVALID, "%s: more than 4 GiB of images: unpack it and name the folder",
                       r->f->path);
    uint8_t *data = tt_arena_alloc(r->f->arena, (size_t)size);
    if (!data) return no_memory(err);
    la_ssize_t got = archive_read_data(r->tar, data, (size_t)size);
    if (got != (la_ssize_t)size) return broken(r, err);
    return add(r, id, (lfw_file){data, (size_t)size}, err);
}

static tt_status read_entries(reader *r, tt_error *err)
{
    struct archive_entry *header;
    for (size_t seen = 0;; seen++) {
        int got = archive_read_next_header(r->tar, &header);
        if (got == ARCHIVE_EOF) return TT_OK;
        if (got != ARCHIVE_OK) return broken(r, err);
        if (seen == MAX_ENTRIES)
            return tt_fail(err, TT_ERR_INVALID, "%s: more than %zu entries: this is not LFW", r->f->path,
                           MAX_ENTRIES);
        tt_status s = read_entry(r, header, err);
        if (s) return s;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static tt_status hand_over(reader *r, lfw_file **files, tt_error *err)
{
    folder *f = r->f;
    qsort(r->entries, r->n, sizeof *r->entries, by_name);
    f->images = tt_alloc_array(r->n + 1, sizeof *f->images);
    *files = tt_alloc_array(r->n + 1, sizeof **files);
    if (!f->images || !*files) return no_memory(err);
    for (; f->n < r->n; f->n++) {
        const entry *e = &r->entries[f->n];
        if (f->n > 0 && strcmp(e->name, e[-1].name) == 0)
            return tt_fail(err, TT_ERR_INVALID, "%s: %s is in it twice", f->path, e->name);
        f->images[f->n] = (folder_image){.name = e->name};
        (*files)[f->n] = e->file;
    }
    f->capacity = r->n + 1;
    return TT_OK;
}

tt_status lfw_archive_open(const char *path, folder *f, lfw_file **files, tt_error *err)
{
    *f = (folder){.path = tt_strdup(path), .arena = tt_arena_create(0)};
    *files = NULL;
    reader r = {.f = f, .tar = archive_read_new()};
    tt_status s = f->path && f->arena && r.tar ? TT_OK : no_memory(err);
    if (!s) {
        archive_read_support_filter_gzip(r.tar);
        archive_read_support_format_tar(r.tar);
        s = archive_read_open_filename(r.tar, path, 1 << 16) == ARCHIVE_OK ? read_entries(&r, err)
                                                                           : broken(&r, err);
    }
    if (!s) s = hand_over(&r, files, err);
    archive_read_free(r.tar);
    tt_free(r.entries);
    if (s) {
        tt_free(*files);
        *files = NULL;
        folder_close(f);
    }
    return s;
}
