/* The zip archive of torch.save. libarchive would read it as a stream and copy; the storages are wanted in
 * place, in the map, and zip's stored entries need no more than the table at the end of the file. */
#include "formats/torch_pickle.h"

#include <stdlib.h>
#include <string.h>

#define EOCD_SIZE    22u
#define LOCATOR_SIZE 20u
#define EOCD64_SIZE  56u
#define CENTRAL_SIZE 46u
#define LOCAL_SIZE   30u

typedef struct directory {
    uint64_t offset, size, n;
} directory;

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static tt_status bad(const char *path, tt_error *err, const char *what)
{
    return tt_fail(err, TT_ERR_FORMAT,
                   "%s: zip archive: %s; fetch the file again, or save it anew with torch.save", path, what);
}

/* The end record is the last thing in the file, but for a comment of at most 65535 bytes. */
static const unsigned char *find_end(const tt_map *map)
{
    if (map->size < EOCD_SIZE) return NULL;
    size_t least = map->size - EOCD_SIZE > 65535 ? map->size - EOCD_SIZE - 65535 : 0;
    for (size_t at = map->size - EOCD_SIZE;; at--) {
        const unsigned char *p = map->data + at;
        if (get(p, 4) == 0x06054b50 && at + EOCD_SIZE + get(p + 20, 2) == map->size) return p;
        if (at == least) return NULL;
    }
}

static tt_status find_directory(const char *path, const tt_map *map, directory *d, tt_error *err)
{
    const unsigned char *end = find_end(map);
    if (!end) return bad(path, err, "no end record: cut short?");
    *d = (directory){get(end + 16, 4), get(end + 12, 4), get(end + 10, 2)};
    size_t at = (size_t)(end - map->data);
    const unsigned char *locator = at >= LOCATOR_SIZE ? end - LOCATOR_SIZE : NULL;
    if (locator && get(locator, 4) == 0x07064b50) {
        uint64_t where = get(locator + 8, 8);
        if (where > map->size || map->size - where < EOCD64_SIZE || get(map->data + where, 4) != 0x06064b50)
            return bad(path, err, "its 64-bit end record is not where it should be");
        const unsigned char *end64 = map->data + where;
        *d = (directory){get(end64 + 48, 8), get(end64 + 40, 8), get(end64 + 32, 8)};
    }
    if (d->offset > at || d->size > at - d->offset || d->n > d->size / CENTRAL_SIZE)
        return bad(path, err, "its directory lies outside the file");
    return TT_OK;
}

/* Replaces the three fields that say 2^32-1 by those of the ZIP64 extra field. */
static bool widen(const unsigned char *extra, size_t size, uint64_t *full, uint64_t *stored, uint64_t *local)
{
    uint64_t *fields[] = {full, stored, local};
    bool needed = *full == UINT32_MAX || *stored == UINT32_MAX || *local == UINT32_MAX;
    while (needed && size >= 4) {
        size_t id = (size_t)get(extra, 2), n = (size_t)get(extra + 2, 2), at = 4;
        if (n > size - 4) return false;
        if (id == 1) {
            for (size_t i = 0; i < 3; i++) {
                if (*fields[i] != UINT32_MAX) continue;
                if (at + 8 > 4 + n) return false;
                *fields[i] = get(extra + at, 8);
                at += 8;
            }
            return true;
        }
        extra += 4 + n;
        size -= 4 + n;
    }
    return !needed;
}

static bool is_safe_name(const char *name, size_t size)
{
    if (size == 0 || size > 1024 || name[0] == '/' || memchr(name, '\\', size) || memchr(name, '\0', size))
        return false;
    for (size_t i = 0; i + 1 < size; i++)
        if (name[i] == '.' && name[i + 1] == '.') return false;
    return true;
}

/* The data begins behind the local header, whose extra field (torch's padding) is its own. */
static tt_status locate(const char *path, const tt_map *map, const directory *d, const char *name,
                        size_t name_size, uint64_t local, uint64_t size, tt_zip_entry *entry, tt_error *err)
{
    if (local > d->offset || d->offset - local < LOCAL_SIZE + name_size ||
        get(map->data + local, 4) != 0x04034b50)
        return bad(path, err, "an entry's header is not where it should be");
    const unsigned char *p = map->data + local;
    if (get(p + 26, 2) != name_size || memcmp(p + LOCAL_SIZE, name, name_size) != 0)
        return bad(path, err, "an entry has two names");
    uint64_t begin = local + LOCAL_SIZE + name_size + get(p + 28, 2);
    if (begin > d->offset || size > d->offset - begin)
        return bad(path, err, "an entry reaches into the directory");
    entry->offset = (size_t)begin;
    entry->size = (size_t)size;
    return TT_OK;
}

static tt_status read_entry(const char *path, const tt_map *map, const directory *d, const unsigned char **at,
                            tt_arena *arena, tt_zip_entry *entry, tt_error *err)
{
    const unsigned char *p = *at, *end = map->data + d->offset + d->size;
    if ((size_t)(end - p) < CENTRAL_SIZE || get(p, 4) != 0x02014b50)
        return bad(path, err, "a malformed directory");
    uint64_t full = get(p + 24, 4), stored = get(p + 20, 4), local = get(p + 42, 4);
    size_t name_size = (size_t)get(p + 28, 2), extra = (size_t)get(p + 30, 2),
           comment = (size_t)get(p + 32, 2);
    if ((size_t)(end - p) - CENTRAL_SIZE < name_size + extra + comment)
        return bad(path, err, "a malformed directory");
    const char *name = (const char *)p + CENTRAL_SIZE;
    *at = p + CENTRAL_SIZE + name_size + extra + comment;
    if (!is_safe_name(name, name_size))
        return bad(path, err, "an entry whose name is empty, too long or leads elsewhere");
    if (get(p + 8, 2) & 1) return bad(path, err, "encrypted entries are not read");
    if (!widen(p + CENTRAL_SIZE + name_size, extra, &full, &stored, &local))
        return bad(path, err, "a malformed 64-bit field");
    if (get(p + 10, 2) != 0 || full != stored)
        return bad(path, err, "compressed entries are not read: torch.save writes none");
    entry->crc = (uint32_t)get(p + 16, 4);
    entry->name = tt_arena_strndup(arena, name, name_size);
    if (!entry->name) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    return locate(path, map, d, name, name_size, local, full, entry, err);
}

static int by_offset(const void *a, const void *b)
{
    const tt_zip_entry *x = a, *y = b;
    int order = (x->offset > y->offset) - (x->offset < y->offset);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tt_zip_entry *)a)->name, ((const tt_zip_entry *)b)->name);
}

tt_status tt_zip_list(const char *path, const tt_map *map, tt_arena *arena, tt_zip_entry **out, size_t *n,
                      tt_error *err)
{
    directory d = {0};
    tt_status s = find_directory(path, map, &d, err);
    if (s) return s;
    tt_zip_entry *entries = tt_arena_alloc_array(arena, (size_t)d.n, sizeof *entries);
    if (!entries) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    const unsigned char *at = map->data + d.offset;
    size_t count = (size_t)d.n;
    for (size_t i = 0; i < count; i++) {
        s = read_entry(path, map, &d, &at, arena, &entries[i], err);
        if (s) return s;
    }
    if (count > 1) qsort(entries, count, sizeof *entries, by_offset);
    for (size_t i = 1; i < count; i++)
        if (entries[i].offset < entries[i - 1].offset + entries[i - 1].size)
            return bad(path, err, "entries overlap");
    if (count > 1) qsort(entries, count, sizeof *entries, by_name);
    for (size_t i = 1; i < count; i++)
        if (strcmp(entries[i - 1].name, entries[i].name) == 0)
            return bad(path, err, "two entries of one name");
    *out = entries;
    *n = count;
    return TT_OK;
}

const tt_zip_entry *tt_zip_find(const tt_zip_entry *entries, size_t n, const char *name)
{
    tt_zip_entry wanted = {.name = name};
    return n ? bsearch(&wanted, entries, n, sizeof wanted, by_name) : NULL;
}
