#include "runtime/journal.h"
#include "base/file.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A record on disk: this head, then size bytes. The checksum covers size and bytes. The first record is the
 * header text. */
typedef struct head {
    char magic[4];
    uint32_t crc;
    uint64_t size;
} head;

static const char magic[4] = {'T', 'T', 'J', '1'};

#define RECORD_MAX ((uint64_t)1 << 30)

struct tt_journal {
    char *path;
    int fd;
    off_t end; /* behind the last whole record */
};

static uint32_t checksum(uint64_t size, const void *data)
{
    return tt_crc32c(tt_crc32c(0, &size, sizeof size), data, (size_t)size);
}

static tt_status write_all(tt_journal *j, const void *data, size_t size, off_t at, tt_error *err)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = pwrite(j->fd, p, size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return tt_fail(err, TT_ERR_IO,
                           "%s: cannot write: %s; make room and run the same command again to resume",
                           j->path, n < 0 ? strerror(errno) : "no progress");
        p += n;
        at += n;
        size -= (size_t)n;
    }
    return TT_OK;
}

tt_status tt_journal_append(tt_journal *j, const void *data, size_t size, tt_error *err)
{
    if (size > RECORD_MAX) return tt_fail(err, TT_ERR_INTERNAL, "a record of %zu bytes is too large", size);
    head h = {.size = size, .crc = checksum(size, data)};
    memcpy(h.magic, magic, sizeof magic);
    tt_status s = write_all(j, &h, sizeof h, j->end, err);
    if (!s) s = write_all(j, data, size, j->end + (off_t)sizeof h, err);
    if (!s && fdatasync(j->fd) != 0)
        s = tt_fail(err, TT_ERR_IO, "%s: cannot sync: %s", j->path, strerror(errno));
    if (s) {
        if (ftruncate(j->fd, j->end) != 0) return s; /* the next open cuts it */
        return s;
    }
    j->end += (off_t)(sizeof h + size);
    return TT_OK;
}

/* The next whole record of the map from *at on, and *at behind it; false: there is none. */
static bool next_record(const tt_map *map, size_t *at, const unsigned char **data, size_t *size)
{
    head h;
    if (map->size - *at < sizeof h) return false;
    memcpy(&h, map->data + *at, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.size > RECORD_MAX ||
        h.size > map->size - *at - sizeof h || checksum(h.size, map->data + *at + sizeof h) != h.crc)
        return false;
    *data = map->data + *at + sizeof h;
    *size = (size_t)h.size;
    *at += sizeof h + (size_t)h.size;
    return true;
}

/* Walks the whole records of the map; sets j->end. */
static tt_status replay(tt_journal *j, const tt_map *map, const char *header,
                        tt_status (*record)(void *, const void *, size_t, tt_error *), void *user,
                        tt_error *err)
{
    const unsigned char *data;
    size_t at = 0, size;
    for (size_t index = 0; next_record(map, &at, &data, &size); index++) {
        if (index == 0 && (size != strlen(header) || memcmp(data, header, size) != 0))
            return tt_fail(err, TT_ERR_INVALID, "%s: belongs to another step; remove it to measure again",
                           j->path);
        tt_status s = index > 0 ? record(user, data, size, err) : TT_OK;
        if (s) return s;
    }
    j->end = (off_t)at;
    return TT_OK;
}

/* The next whole record at `at`, through pread: a file that its writer cuts meanwhile ends here, where a map
 * would end the process. *data freed with tt_free; NULL: there is no whole record. */
static tt_status read_record(int fd, uint64_t end, uint64_t at, char **data, size_t *size, tt_error *err)
{
    head h;
    *data = NULL;
    if (end - at < sizeof h || pread(fd, &h, sizeof h, (off_t)at) != (ssize_t)sizeof h) return TT_OK;
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.size > RECORD_MAX || h.size > end - at - sizeof h)
        return TT_OK;
    char *bytes = tt_alloc((size_t)h.size + 1);
    if (!bytes) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t got = 0; got < h.size;) {
        ssize_t n = pread(fd, bytes + got, (size_t)h.size - got, (off_t)(at + sizeof h + got));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            tt_free(bytes);
            return TT_OK;
        }
        got += (size_t)n;
    }
    if (checksum(h.size, bytes) != h.crc) {
        tt_free(bytes);
        return TT_OK;
    }
    *data = bytes;
    *size = (size_t)h.size;
    return TT_OK;
}

tt_status tt_journal_read(const char *path, char **header,
                          tt_status (*record)(void *, const void *, size_t, tt_error *), void *user,
                          tt_error *err)
{
    *header = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0) close(fd);
        return tt_fail(err, TT_ERR_NOT_FOUND, "%s: cannot open", path);
    }
    uint64_t at = 0, end = (uint64_t)st.st_size;
    tt_status s = TT_OK;
    for (size_t index = 0; !s; index++) {
        char *data;
        size_t size = 0;
        s = read_record(fd, end, at, &data, &size, err);
        if (s || !data) break;
        at += sizeof(head) + size;
        if (index > 0)
            s = record(user, data, size, err);
        else if (!(*header = tt_strndup(data, size)))
            s = tt_fail(err, TT_ERR_MEMORY, "out of memory");
        tt_free(data);
    }
    if (!s && !*header) s = tt_fail(err, TT_ERR_FORMAT, "%s: holds no record", path);
    close(fd);
    return s;
}

static tt_status open_locked(tt_journal *j, tt_error *err)
{
    j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (j->fd < 0) return tt_fail(err, TT_ERR_IO, "%s: cannot open: %s", j->path, strerror(errno));
    if (!tt_file_lock(j->fd))
        return tt_fail(err, TT_ERR_IO,
                       "%s: another run is writing it; wait for that one, or use another --out", j->path);
    return TT_OK;
}

tt_status tt_journal_open(const char *path, const char *header,
                          tt_status (*record)(void *, const void *, size_t, tt_error *), void *user,
                          tt_journal **out, tt_error *err)
{
    tt_journal *j = tt_alloc_zero(sizeof *j);
    if (!j) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    j->fd = -1;
    j->path = tt_strdup(path);
    tt_map map = {0};
    tt_status s = j->path ? open_locked(j, err) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s) s = tt_map_open(path, &map, err);
    if (!s && map.size > 0) s = replay(j, &map, header, record, user, err);
    bool cut = (size_t)j->end < map.size;
    tt_map_close(&map);
    if (!s && cut && ftruncate(j->fd, j->end) != 0)
        s = tt_fail(err, TT_ERR_IO, "%s: cannot cut off a half-written record: %s", path, strerror(errno));
    if (!s && j->end == 0) s = tt_journal_append(j, header, strlen(header), err);
    if (s) {
        tt_journal_close(j);
        return s;
    }
    *out = j;
    return TT_OK;
}

void tt_journal_close(tt_journal *j)
{
    if (!j) return;
    if (j->fd >= 0) close(j->fd);
    tt_free(j->path);
    tt_free(j);
}
