#include "formats/npz.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

struct tt_npz {
    struct archive *zip;
    char *path, *temporary;
};

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for an archive");
}

static tt_status fail(const tt_npz *npz, tt_error *err)
{
    const char *why = archive_error_string(npz->zip);
    return tt_fail(err, TT_ERR_IO, "%s: cannot be written: %s", npz->path, why ? why : "is the disk full?");
}

tt_status tt_npz_open(const char *path, tt_npz **out, tt_error *err)
{
    tt_npz *npz = tt_alloc_zero(sizeof *npz);
    if (!npz) return no_memory(err);
    tt_buf name = {0};
    tt_buf_printf(&name, "%s.partial", path);
    npz->path = tt_strdup(path);
    npz->temporary = name.failed ? NULL : name.data; /* taken over */
    npz->zip = archive_write_new();
    tt_status s = npz->path && npz->temporary && npz->zip ? TT_OK : no_memory(err);
    if (!s && (archive_write_set_format_zip(npz->zip) != ARCHIVE_OK ||
               archive_write_set_options(npz->zip, "zip:compression=store") != ARCHIVE_OK ||
               archive_write_open_filename(npz->zip, npz->temporary) != ARCHIVE_OK))
        s = fail(npz, err);
    if (s) {
        tt_error ignored = {0};
        tt_npz_close(npz, false, &ignored);
        return s;
    }
    *out = npz;
    return TT_OK;
}

/* Format 1.0 of .npy: magic, version, length of a header that is padded so that the data begin at a multiple
 * of 64. */
static tt_status put(tt_npz *npz, const char *name, const char *type, size_t rank, const size_t *dims,
                     const void *data, size_t size, tt_error *err)
{
    tt_buf header = {0};
    tt_buf_printf(&header, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (size_t i = 0; i < rank; i++)
        tt_buf_printf(&header, "%zu,%s", dims[i], i + 1 < rank ? " " : "");
    tt_buf_printf(&header, "), }");
    while ((10 + header.size + 1) % 64 != 0)
        tt_buf_append(&header, " ", 1);
    tt_buf_append(&header, "\n", 1);
    tt_buf file = {0};
    const unsigned char magic[10] = {0x93,
                                     'N',
                                     'U',
                                     'M',
                                     'P',
                                     'Y',
                                     1,
                                     0,
                                     (unsigned char)(header.size & 0xff),
                                     (unsigned char)(header.size >> 8)};
    tt_buf_append(&file, magic, sizeof magic);
    tt_buf_append(&file, header.data, header.size);
    char path[256];
    snprintf(path, sizeof path, "%s.npy", name);
    struct archive_entry *entry = archive_entry_new();
    tt_status s = header.failed || file.failed || !entry ? no_memory(err) : TT_OK;
    if (!s) {
        archive_entry_set_pathname(entry, path);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_mtime(entry, 315532800, 0); /* 1980, where zip's calendar begins */
        archive_entry_set_size(entry, (la_int64_t)(file.size + size));
        if (archive_write_header(npz->zip, entry) != ARCHIVE_OK ||
            archive_write_data(npz->zip, file.data, file.size) != (la_ssize_t)file.size ||
            (size && archive_write_data(npz->zip, data, size) != (la_ssize_t)size))
            s = fail(npz, err);
    }
    archive_entry_free(entry);
    tt_buf_free(&header);
    tt_buf_free(&file);
    return s;
}

tt_status tt_npz_put_f64(tt_npz *npz, const char *name, size_t rank, const size_t *dims, const double *values,
                         tt_error *err)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        if (!tt_size_mul(n, dims[i], &n)) return no_memory(err);
    return put(npz, name, "<f8", rank, dims, values, n * sizeof *values, err);
}

tt_status tt_npz_put_u8(tt_npz *npz, const char *name, size_t n, const uint8_t *values, tt_error *err)
{
    return put(npz, name, "|u1", 1, &n, values, n, err);
}

tt_status tt_npz_put_u32(tt_npz *npz, const char *name, size_t n, const uint32_t *values, tt_error *err)
{
    return put(npz, name, "<u4", 1, &n, values, n * sizeof *values, err);
}

static size_t code_points(const char *text, int32_t *out)
{
    size_t n = 0;
    utf8proc_int32_t c;
    for (const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text; *p;) {
        utf8proc_ssize_t step = utf8proc_iterate(p, -1, &c);
        if (step <= 0) { /* not UTF-8: what it cannot say becomes U+FFFD */
            c = 0xfffd;
            step = 1;
        }
        if (out) out[n] = c;
        n++;
        p += step;
    }
    return n;
}

tt_status tt_npz_put_texts(tt_npz *npz, const char *name, size_t n, const char *const *texts, tt_error *err)
{
    size_t width = 1, cells;
    for (size_t i = 0; i < n; i++) {
        size_t length = code_points(texts[i], NULL);
        if (length > width) width = length;
    }
    if (!tt_size_mul(n, width, &cells)) return no_memory(err);
    int32_t *values = tt_alloc_zero((cells + 1) * sizeof *values);
    if (!values) return no_memory(err);
    for (size_t i = 0; i < n; i++)
        code_points(texts[i], values + i * width);
    char type[32];
    snprintf(type, sizeof type, "<U%zu", width);
    tt_status s = put(npz, name, type, 1, &n, values, cells * sizeof *values, err);
    tt_free(values);
    return s;
}

tt_status tt_npz_close(tt_npz *npz, bool keep, tt_error *err)
{
    tt_status s = TT_OK;
    if (npz->zip && archive_write_close(npz->zip) != ARCHIVE_OK && keep) s = fail(npz, err);
    if (npz->zip) archive_write_free(npz->zip);
    if (keep && !s && rename(npz->temporary, npz->path) != 0)
        s = tt_fail(err, TT_ERR_IO, "%s: cannot be put in its place", npz->path);
    if ((!keep || s) && npz->temporary) unlink(npz->temporary);
    tt_free(npz->path);
    tt_free(npz->temporary);
    tt_free(npz);
    return s;
}
