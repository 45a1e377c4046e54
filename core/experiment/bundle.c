#include "experiment/bundle.h"
#include "base/file.h"
#include "base/hash.h"
#include "formats/json.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT         "telltale bundle 1"
#define SPEC_MAX_BYTES ((size_t)16 << 20)

enum { MANIFEST, SPEC, RESULTS, ENTRIES };
static const char *const names[ENTRIES] = {"manifest.json", "spec.json", "results.h5"};

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a bundle");
}

static void remove_folder(const char *dir)
{
    for (int i = 0; i < ENTRIES; i++) {
        char *path = tt_path_join(dir, names[i]);
        if (path) unlink(path);
        tt_free(path);
    }
    rmdir(dir);
}

static char *temporary_folder(tt_error *err)
{
    const char *place = getenv("TMPDIR");
    char *dir = tt_path_join(place && place[0] ? place : "/tmp", "telltale-bundle-XXXXXX");
    if (dir && mkdtemp(dir)) return dir;
    tt_free(dir);
    tt_fail(err, TT_ERR_IO, "no temporary folder can be made: set TMPDIR to one that is writable");
    return NULL;
}

/* ---- writing ---- */

static tt_status put_entry(struct archive *zip, const char *path, const char *name, const void *data,
                           size_t size, tt_error *err)
{
    struct archive_entry *entry = archive_entry_new();
    if (!entry) return no_memory(err);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, 315532800, 0); /* 1980, where zip's calendar begins */
    archive_entry_set_size(entry, (la_int64_t)size);
    tt_status s = TT_OK;
    if (archive_write_header(zip, entry) != ARCHIVE_OK ||
        archive_write_data(zip, data, size) != (la_ssize_t)size)
        s = tt_fail(err, TT_ERR_IO, "%s: cannot be written: %s", path, archive_error_string(zip));
    archive_entry_free(entry);
    return s;
}

static void put_digest(tt_buf *out, const char *name, const void *data, size_t size, bool last)
{
    char hex[65];
    tt_digest digest = tt_sha256_of(data, size);
    tt_digest_hex(&digest, hex);
    tt_buf_printf(out, "    \"%s\": {\"sha256\": \"%s\", \"bytes\": %zu}%s\n", name, hex, size,
                  last ? "" : ",");
}

static tt_status write_zip(const char *path, const tt_results *r, const tt_map *h5, tt_error *err)
{
    tt_buf manifest = {0}, partial = {0};
    size_t spec_size = strlen(r->spec);
    tt_buf_printf(&manifest, "{\n  \"format\": \"" FORMAT "\",\n  \"telltale\": ");
    tt_json_quote(&manifest, r->version);
    tt_buf_printf(&manifest, ",\n  \"entries\": {\n");
    put_digest(&manifest, names[SPEC], r->spec, spec_size, false);
    put_digest(&manifest, names[RESULTS], h5->data, h5->size, true);
    tt_buf_printf(&manifest, "  }\n}\n");
    tt_buf_printf(&partial, "%s.partial", path);
    struct archive *zip = archive_write_new();
    tt_status s = manifest.failed || partial.failed || !zip ? no_memory(err) : TT_OK;
    if (!s && (archive_write_set_format_zip(zip) != ARCHIVE_OK ||
               archive_write_set_options(zip, "zip:compression=store") != ARCHIVE_OK ||
               archive_write_open_filename(zip, partial.data) != ARCHIVE_OK))
        s = tt_fail(err, TT_ERR_IO, "%s: cannot be written: %s", path, archive_error_string(zip));
    if (!s) s = put_entry(zip, path, names[MANIFEST], manifest.data, manifest.size, err);
    if (!s) s = put_entry(zip, path, names[SPEC], r->spec, spec_size, err);
    if (!s) s = put_entry(zip, path, names[RESULTS], h5->data, h5->size, err);
    if (zip && archive_write_close(zip) != ARCHIVE_OK && !s)
        s = tt_fail(err, TT_ERR_IO, "%s: cannot be written: %s", path, archive_error_string(zip));
    if (zip) archive_write_free(zip);
    if (!s && rename(partial.data, path) != 0)
        s = tt_fail(err, TT_ERR_IO, "%s: cannot be put in its place", path);
    if (s && partial.data) unlink(partial.data);
    tt_buf_free(&manifest);
    tt_buf_free(&partial);
    return s;
}

tt_status tt_bundle_write(const char *dir, bool captions, const char *path, tt_error *err)
{
    char *source = tt_path_join(dir, "results.h5"), *temporary = temporary_folder(err);
    char *h5 = temporary ? tt_path_join(temporary, names[RESULTS]) : NULL;
    tt_results r = {0};
    tt_map map = {0};
    tt_status s = source && h5 ? TT_OK : temporary ? no_memory(err) : TT_ERR_IO;
    if (!s && !tt_file_exists(source))
        s = tt_fail(err, TT_ERR_NOT_FOUND, "%s: holds no results: is it the folder of a run?", dir);
    if (!s) s = tt_results_read(source, &r, err);
    for (size_t i = 0; i < r.n_samples && !s && !captions; i++)
        r.samples[i].caption = NULL;
    if (!captions) r.n_heat_maps = 0; /* their words are captions */
    if (!s) s = tt_results_write(&r, h5, err);
    if (!s) s = tt_map_open(h5, &map, err);
    if (!s) s = write_zip(path, &r, &map, err);
    tt_map_close(&map);
    tt_results_free(&r);
    if (temporary) remove_folder(temporary);
    tt_free(h5);
    tt_free(temporary);
    tt_free(source);
    return s;
}

/* ---- reading ---- */

typedef struct promise { /* of the manifest */
    char sha256[65];
    uint64_t bytes;
} promise;

typedef struct unpacking {
    const char *path;
    struct archive *zip;
    size_t file_bytes;
    bool seen[ENTRIES];
    promise promises[ENTRIES];
    tt_bundle *bundle;
    tt_error *err;
} unpacking;

static tt_status bad(const unpacking *u, const char *what)
{
    return tt_fail(u->err, TT_ERR_FORMAT, "%s: %s: not a whole bundle of telltale; fetch it again", u->path,
                   what);
}

/* An entry's bytes; at most `most`, which no honest entry exceeds. */
static tt_status read_entry(const unpacking *u, size_t most, tt_buf *out)
{
    char block[1 << 16];
    la_ssize_t n;
    while ((n = archive_read_data(u->zip, block, sizeof block)) > 0) {
        if ((size_t)n > most - out->size) return bad(u, "an entry is larger than it says");
        if (!tt_buf_append(out, block, (size_t)n)) return no_memory(u->err);
    }
    return n < 0 ? bad(u, "an entry cannot be read") : TT_OK;
}

static tt_status read_promise(const unpacking *u, const tt_node *entries, int which, promise *p)
{
    const tt_node *entry = tt_node_get(entries, names[which]);
    const tt_node *hex = tt_node_get(entry, "sha256"), *bytes = tt_node_get(entry, "bytes");
    if (!hex || hex->kind != TT_NODE_STRING || strlen(hex->text) != 64 || !bytes ||
        bytes->kind != TT_NODE_INT || bytes->value.integer < 0 ||
        (uint64_t)bytes->value.integer > u->file_bytes)
        return bad(u, "its manifest does not say what it holds");
    memcpy(p->sha256, hex->text, 65);
    p->bytes = (uint64_t)bytes->value.integer;
    return TT_OK;
}

static tt_status take_manifest(unpacking *u)
{
    tt_buf text = {0};
    tt_arena *arena = tt_arena_create(0);
    tt_node *root = NULL;
    tt_error why = {0};
    tt_status s = arena ? read_entry(u, SPEC_MAX_BYTES, &text) : no_memory(u->err);
    if (!s &&
        tt_json_parse(arena, "manifest.json", text.data ? text.data : "", text.size, &root, &why) != TT_OK)
        s = bad(u, "its manifest is no JSON");
    const tt_node *format = s ? NULL : tt_node_get(root, "format"),
                  *version = s ? NULL : tt_node_get(root, "telltale");
    if (!s && (!format || format->kind != TT_NODE_STRING || strcmp(format->text, FORMAT) != 0 || !version ||
               version->kind != TT_NODE_STRING))
        s = bad(u, "its manifest is of no format that this telltale knows");
    for (int i = SPEC; i < ENTRIES && !s; i++)
        s = read_promise(u, tt_node_get(root, "entries"), i, &u->promises[i]);
    if (!s && !(u->bundle->version = tt_strdup(version->text))) s = no_memory(u->err);
    tt_buf_free(&text);
    tt_arena_destroy(arena);
    return s;
}

static tt_status take_promised(unpacking *u, int which)
{
    const promise *p = &u->promises[which];
    tt_buf data = {0};
    char hex[65];
    if (!u->seen[MANIFEST]) return bad(u, "its manifest is not its first entry");
    tt_status s = read_entry(u, p->bytes, &data);
    if (!s) {
        tt_digest digest = tt_sha256_of(data.data ? data.data : "", data.size);
        tt_digest_hex(&digest, hex);
        if (data.size != p->bytes || strcmp(hex, p->sha256) != 0)
            s = tt_fail(
                u->err, TT_ERR_FORMAT,
                "%s: %s is not what its digest says: the bundle was changed or damaged; do not trust it",
                u->path, names[which]);
    }
    if (!s && which == SPEC) {
        u->bundle->spec = tt_strndup(data.data ? data.data : "", data.size);
        if (!u->bundle->spec) s = no_memory(u->err);
    } else if (!s) {
        char *path = tt_path_join(u->bundle->dir, names[which]);
        s = path ? tt_file_write(path, data.data, data.size, u->err) : no_memory(u->err);
        tt_free(path);
    }
    tt_buf_free(&data);
    return s;
}

static tt_status take_entry(unpacking *u, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    for (int i = 0; name && i < ENTRIES; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        if (u->seen[i] || archive_entry_filetype(entry) != AE_IFREG)
            return bad(u, "an entry stands there twice, or is no file");
        tt_status s = i == MANIFEST ? take_manifest(u) : take_promised(u, i);
        u->seen[i] = true;
        return s;
    }
    return bad(u, "an entry that a bundle does not have");
}

static tt_status unpack(unpacking *u)
{
    tt_map map;
    tt_status s = tt_map_open(u->path, &map, u->err);
    if (s) return s;
    u->file_bytes = map.size;
    u->zip = archive_read_new();
    if (!u->zip) s = no_memory(u->err);
    if (!s && (archive_read_support_format_zip_streamable(u->zip) != ARCHIVE_OK ||
               archive_read_open_memory(u->zip, map.data, map.size) != ARCHIVE_OK))
        s = bad(u, "no zip archive");
    struct archive_entry *entry;
    int next = ARCHIVE_EOF;
    while (!s && (next = archive_read_next_header(u->zip, &entry)) == ARCHIVE_OK)
        s = take_entry(u, entry);
    if (!s && next != ARCHIVE_EOF) s = bad(u, "the archive is damaged");
    for (int i = 0; i < ENTRIES && !s; i++)
        if (!u->seen[i]) s = bad(u, "an entry is missing");
    if (u->zip) archive_read_free(u->zip);
    tt_map_close(&map);
    return s;
}

tt_status tt_bundle_open(const char *path, tt_bundle *bundle, tt_error *err)
{
    *bundle = (tt_bundle){0};
    unpacking u = {.path = path, .bundle = bundle, .err = err};
    bundle->dir = temporary_folder(err);
    if (!bundle->dir) return TT_ERR_IO;
    char *h5 = tt_path_join(bundle->dir, names[RESULTS]);
    tt_status s = h5 ? unpack(&u) : no_memory(err);
    if (!s) s = tt_results_read(h5, &bundle->results, err);
    if (!s && strcmp(bundle->results.spec, bundle->spec) != 0)
        s = tt_fail(err, TT_ERR_FORMAT, "%s: spec.json is not the spec of its results: do not trust it",
                    path);
    tt_free(h5);
    if (s) tt_bundle_close(bundle);
    return s;
}

void tt_bundle_close(tt_bundle *bundle)
{
    tt_results_free(&bundle->results);
    if (bundle->dir) remove_folder(bundle->dir);
    tt_free(bundle->dir);
    tt_free(bundle->spec);
    tt_free(bundle->version);
    *bundle = (tt_bundle){0};
}
