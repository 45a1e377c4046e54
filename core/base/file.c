#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static tt_status open_regular(const char *path, int *fd, size_t *size, tt_error *err)
{
    /* non-blocking: a FIFO is refused below instead of waiting for its writer */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return tt_fail(err, errno == ENOENT ? TT_ERR_NOT_FOUND : TT_ERR_IO, "%s: cannot open: %s", path,
                       strerror(errno));
    struct stat st;
    if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(*fd);
        return tt_fail(err, TT_ERR_INVALID, "%s: not a regular file", path);
    }
    *size = (size_t)st.st_size;
    return TT_OK;
}

tt_status tt_file_read(const char *path, size_t max_bytes, char **data, size_t *size, tt_error *err)
{
    int fd;
    size_t expected;
    tt_status s = open_regular(path, &fd, &expected, err);
    if (s) return s;
    char *buffer = NULL;
    if (expected > max_bytes) {
        s = tt_fail(err, TT_ERR_FORMAT, "%s: %zu bytes: larger than the limit of %zu", path, expected,
                    max_bytes);
        goto done;
    }
    buffer = tt_alloc(expected + 1);
    if (!buffer) {
        s = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for %zu bytes", path, expected);
        goto done;
    }
    size_t at = 0;
    while (at < expected) {
        ssize_t n = read(fd, buffer + at, expected - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            s = tt_fail(err, TT_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
            goto done;
        }
        if (n == 0) break; /* the file shrank meanwhile */
        at += (size_t)n;
    }
    buffer[at] = '\0';
    *data = buffer;
    *size = at;
    buffer = NULL;
done:
    tt_free(buffer);
    close(fd);
    return s;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static void sync_parent(const char *path)
{
    char *copy = tt_strdup(path);
    if (!copy) return;
    char *slash = strrchr(copy, '/');
    const char *dir = slash ? (slash == copy ? "/" : copy) : ".";
    if (slash && slash != copy) *slash = '\0';
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    tt_free(copy);
}

tt_status tt_file_write(const char *path, const void *data, size_t size, tt_error *err)
{
    tt_file_part part = {data, size};
    return tt_file_write_parts(path, &part, 1, err);
}

/* A device or a pipe is written to: renaming a file over /dev/null would put an end to it. */
static bool is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static tt_status write_through(const char *path, const tt_file_part *parts, size_t n, tt_error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = write_all(fd, parts[i].data, parts[i].size);
    int why = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    return ok ? TT_OK : tt_fail(err, TT_ERR_IO, "%s: cannot write: %s", path, strerror(why));
}

tt_status tt_file_write_parts(const char *path, const tt_file_part *parts, size_t n, tt_error *err)
{
    if (is_special(path)) return write_through(path, parts, n, err);
    char *temporary = tt_alloc(strlen(path) + 16);
    if (!temporary) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    sprintf(temporary, "%s.XXXXXX", path);
    tt_status s = TT_OK;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        s = tt_fail(err, TT_ERR_IO, "%s: cannot create: %s", path, strerror(errno));
        goto done;
    }
    bool ok = fchmod(fd, 0644) == 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = write_all(fd, parts[i].data, parts[i].size);
    ok = ok && fsync(fd) == 0;
    int why = errno;
    ok = close(fd) == 0 && ok;
    if (ok && rename(temporary, path) != 0) {
        ok = false;
        why = errno;
    }
    if (!ok) {
        unlink(temporary);
        s = tt_fail(err, TT_ERR_IO, "%s: cannot write: %s", path, strerror(why));
        goto done;
    }
    sync_parent(path);
done:
    tt_free(temporary);
    return s;
}

bool tt_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool tt_dir_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

tt_status tt_dir_create(const char *path, tt_error *err)
{
    if (path[0] == '\0') return tt_fail(err, TT_ERR_INVALID, "a folder's path is empty");
    char *copy = tt_strdup(path);
    if (!copy) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    tt_status s = TT_OK;
    for (char *p = copy + 1;; p++) {
        if (*p != '/' && *p != '\0') continue;
        char end = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && !tt_dir_exists(copy)) {
            s = tt_fail(err, TT_ERR_IO, "%s: cannot create the folder: %s", copy, strerror(errno));
            break;
        }
        if (end == '\0') break;
        *p = end;
    }
    tt_free(copy);
    return s;
}

tt_status tt_map_open(const char *path, tt_map *map, tt_error *err)
{
    *map = (tt_map){0};
    int fd;
    size_t size;
    tt_status s = open_regular(path, &fd, &size, err);
    if (s) return s;
    if (size > 0) {
        void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            s = tt_fail(err, TT_ERR_IO, "%s: cannot map %zu bytes: %s", path, size, strerror(errno));
        else
            *map = (tt_map){p, size};
    }
    close(fd);
    return s;
}

void tt_map_close(tt_map *map)
{
    if (map->data) munmap((void *)(uintptr_t)map->data, map->size);
    *map = (tt_map){0};
}

void tt_map_give_back(const tt_map *map, size_t offset, size_t size)
{
    if (!map->data || offset >= map->size) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t begin = (offset + page - 1) / page * page; /* whole pages only: neighbours may still be in use */
    size_t end = size > map->size - offset ? map->size : offset + size;
    if (end < map->size) end = end / page * page;
    if (begin < end) madvise((void *)(uintptr_t)(map->data + begin), end - begin, MADV_DONTNEED);
}

char *tt_path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir), m = strlen(name);
    char *path = tt_alloc(n + m + 2);
    if (!path) return NULL;
    memcpy(path, dir, n);
    size_t at = n;
    if (n == 0 || dir[n - 1] != '/') path[at++] = '/';
    memcpy(path + at, name, m + 1);
    return path;
}

bool tt_file_lock(int fd)
{
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK && errno != EINTR) return false;
        if (tries == 200) return false;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return true;
}
