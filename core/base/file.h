/* Whole files: bounded reading, atomic replacement (temporary name, fsync, rename), read-only mapping. */
#ifndef TT_BASE_FILE_H
#define TT_BASE_FILE_H

#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads a regular file of at most `max_bytes`; *data is NUL-terminated behind *size bytes, free with tt_free.
 */
TT_API tt_status tt_file_read(const char *path, size_t max_bytes, char **data, size_t *size, tt_error *err);
/* Replaces `path` atomically: a crash leaves the old file or the new one, never a part. A device or a pipe is
 * written to instead. */
TT_API tt_status tt_file_write(const char *path, const void *data, size_t size, tt_error *err);
/* The same from several pieces of memory, one behind the other. */
typedef struct tt_file_part {
    const void *data;
    size_t size;
} tt_file_part;
TT_API tt_status tt_file_write_parts(const char *path, const tt_file_part *parts, size_t n, tt_error *err);
TT_API bool tt_file_exists(const char *path);
TT_API bool tt_dir_exists(const char *path);
TT_API tt_status tt_dir_create(const char *path, tt_error *err); /* with parents; fine if it exists */

typedef struct tt_map {
    const unsigned char *data;
    size_t size;
} tt_map;
/* Maps a regular file read-only (an empty file gives data = NULL, size = 0). */
TT_API tt_status tt_map_open(const char *path, tt_map *map, tt_error *err);
TT_API void tt_map_close(tt_map *map);
/* Tells the kernel that [offset, offset+size) is no longer needed, so that resident memory falls. */
TT_API void tt_map_give_back(const tt_map *map, size_t offset, size_t size);

/* An exclusive lock on an open file or folder, until it is closed; false: another process holds it (or errno
 * says what else). A run that was killed while it started a child leaves, for a moment, a child that has
 * inherited the lock and not yet closed it: so this tries for two seconds before it gives up. */
TT_API bool tt_file_lock(int fd);

/* Joins with one '/'; the result is owned by the caller (tt_free); NULL when out of memory. */
TT_API char *tt_path_join(const char *dir, const char *name);

#endif
