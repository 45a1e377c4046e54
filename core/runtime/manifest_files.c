#include "runtime/manifest_files.h"
#include "base/file.h"
#include "base/string_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FILES_MAX_BYTES ((size_t)1 << 30)
/* Digests are of decoded pixels: another version may decode otherwise. */
#define HEADER    "telltale files 2, " TT_VERSION "\n"
#define RECENT_NS ((int64_t)2000000000)

struct tt_known_files {
    tt_arena *arena;
    tt_string_map map; /* by path, of what was loaded */
    tt_buf out;        /* of what is written */
    int64_t now_ns;
};

bool tt_known_file_look(const char *path, tt_known_file *file)
{
    struct stat st;
    *file = (tt_known_file){0};
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0) return false;
    file->inode = (uint64_t)st.st_ino;
    file->size = (uint64_t)st.st_size;
    file->modified_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    file->changed_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
    return true;
}

/* "inode size modified changed width height orientation sha256 look path" */
static bool read_line(tt_known_files *k, char *line)
{
    tt_known_file *f = tt_arena_alloc(k->arena, sizeof *f);
    char hex[65], look[65];
    int at = 0;
    if (!f) return false;
    if (sscanf(line,
               "%" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNu32 " %" SCNu32
               " %d %64[0-9a-f] %64[0-9a-f] %n",
               &f->inode, &f->size, &f->modified_ns, &f->changed_ns, &f->width, &f->height, &f->orientation,
               hex, look, &at) != 9 ||
        at == 0 || strlen(hex) != 64 || !tt_image_look_from_hex(look, &f->look) || f->width == 0 ||
        f->height == 0)
        return true; /* not understood: not known */
    for (int i = 0; i < 32; i++) {
        unsigned byte;
        if (sscanf(hex + (size_t)2 * (size_t)i, "%2x", &byte) != 1) return true;
        f->digest.bytes[i] = (uint8_t)byte;
    }
    return tt_string_map_put(&k->map, line + at, f);
}

static bool read_lines(tt_known_files *k, char *text)
{
    if (strncmp(text, HEADER, strlen(HEADER)) != 0) return true;
    for (char *line = text + strlen(HEADER), *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (!read_line(k, line)) return false;
    }
    return true;
}

tt_known_files *tt_known_files_load(const char *dir)
{
    tt_known_files *k = tt_alloc_zero(sizeof *k);
    char *path = tt_path_join(dir, "files"), *text = NULL;
    size_t size;
    bool good = k && path && (k->arena = tt_arena_create(0)) && tt_buf_printf(&k->out, "%s", HEADER);
    if (good && tt_file_exists(path) && tt_file_read(path, FILES_MAX_BYTES, &text, &size, NULL) == TT_OK)
        good = read_lines(k, text);
    tt_free(text);
    tt_free(path);
    if (!good) {
        tt_known_files_free(k);
        return NULL;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    k->now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    return k;
}

void tt_known_files_free(tt_known_files *k)
{
    if (!k) return;
    tt_string_map_free(&k->map);
    tt_buf_free(&k->out);
    tt_arena_destroy(k->arena);
    tt_free(k);
}

const tt_known_file *tt_known_files_find(const tt_known_files *k, const char *path, const tt_known_file *look)
{
    const tt_known_file *f = tt_string_map_get(&k->map, path);
    bool same = f && f->inode == look->inode && f->size == look->size &&
                f->modified_ns == look->modified_ns && f->changed_ns == look->changed_ns;
    return same ? f : NULL;
}

bool tt_known_files_add(tt_known_files *k, const char *path, const tt_known_file *f)
{
    if (strchr(path, '\n') || f->changed_ns > k->now_ns - RECENT_NS) return true;
    char hex[65], look[65];
    tt_digest_hex(&f->digest, hex);
    tt_image_look_hex(&f->look, look);
    return tt_buf_printf(
        &k->out, "%" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRIu32 " %" PRIu32 " %d %s %s %s\n",
        f->inode, f->size, f->modified_ns, f->changed_ns, f->width, f->height, f->orientation, hex, look,
        path);
}

tt_status tt_known_files_write(const tt_known_files *k, const char *dir, tt_error *err)
{
    char *path = tt_path_join(dir, "files");
    tt_status s = path && !k->out.failed ? tt_file_write(path, k->out.data, k->out.size, err)
                                         : tt_fail(err, TT_ERR_MEMORY, "out of memory for a manifest");
    tt_free(path);
    return s;
}
