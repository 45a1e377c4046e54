#include "support/torch_bytes.h"
#include "base/file.h"
#include "support/test.h"

#include <string.h>
#include <zlib.h>

const float made_values[8] = {0, 1, 2, 3, 4, 5, 6, 7};

void made_put(tt_buf *out, const void *bytes, size_t size)
{
    ck_assert(tt_buf_append(out, bytes, size));
}

void made_put_text(tt_buf *out, const char *text)
{
    made_put(out, text, strlen(text));
}

static void made_put_number(tt_buf *out, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        made_put(out, &(char){(char)(i < 8 ? v >> 8 * i : 0)}, 1);
}

void made_put_string(tt_buf *out, const char *text)
{
    made_put_text(out, "X");
    made_put_number(out, strlen(text), 4);
    made_put_text(out, text);
}

static void made_put_long(tt_buf *out, int64_t v)
{
    made_put(out, "\x8a\x08", 2);
    made_put_number(out, (uint64_t)v, 8);
}

const made_tensor made_sound = {"FloatStorage", "0", 6, 0, {2, 3}, {3, 1}, 0, 0};

static void made_put_dims(tt_buf *out, const int64_t *dims, int rank)
{
    made_put_text(out, "(");
    for (int i = 0; i < (rank ? rank : 2); i++)
        made_put_long(out, i < 2 ? dims[i] : 1);
    made_put_text(out, "t");
}

static void made_put_tensor(tt_buf *out, const made_tensor *t, const char *view)
{
    made_put_text(out, "ctorch._utils\n_rebuild_tensor_v2\n((");
    made_put_string(out, "storage");
    made_put_text(out, "ctorch\n");
    made_put_text(out, t->storage);
    made_put_text(out, "\n");
    made_put_string(out, t->key);
    made_put_string(out, "cpu");
    made_put_long(out, t->numel);
    made_put_text(out, view);
    made_put_text(out, "tQ");
    made_put_long(out, t->offset);
    made_put_dims(out, t->shape, t->rank);
    made_put_dims(out, t->stride, t->stride_rank);
    made_put_text(out, "\x89"
                       "ccollections\nOrderedDict\n)RtR");
}

/* {"w": tensor} */
tt_buf made_dict(const made_tensor *t, const char *view)
{
    tt_buf out = {0};
    made_put_text(&out, "\x80\x02}");
    made_put_string(&out, "w");
    made_put_tensor(&out, t, view);
    made_put_text(&out, "s.");
    return out;
}

/* ---- zip archives ---- */

static void made_put_entry(tt_buf *out, const made_entry *e)
{
    const char *name = e->local_name ? e->local_name : e->name;
    made_put_text(out, "PK\3\4");
    made_put_number(out, 0, 22);
    made_put_number(out, strlen(name), 2);
    made_put_number(out, 0, 2);
    made_put_text(out, name);
    made_put(out, e->data, e->size);
}

static void made_put_directory_entry(tt_buf *out, const made_entry *e, size_t local)
{
    made_put_text(out, "PK\1\2");
    made_put_number(out, 0, 4);
    made_put_number(out, e->flags, 2);
    made_put_number(out, e->method, 2);
    made_put_number(out, 0, 4);
    made_put_number(out, (uint32_t)crc32(0, e->data, (uInt)e->size) ^ e->crc_error, 4);
    made_put_number(out, e->size, 4);
    made_put_number(out, e->size, 4);
    made_put_number(out, strlen(e->name), 2);
    made_put_number(out, 0, 12);
    made_put_number(out, (uint64_t)((long)local + e->local_shift), 4);
    made_put_text(out, e->name);
}

/* With `wide` the end record is ZIP64's, which is moved by `shift`. */
tt_buf made_archive(const made_entry *entries, size_t n, bool wide, long shift)
{
    tt_buf out = {0};
    size_t at[8];
    for (size_t i = 0; i < n; i++) {
        at[i] = out.size;
        made_put_entry(&out, &entries[i]);
    }
    size_t directory = out.size;
    for (size_t i = 0; i < n; i++)
        made_put_directory_entry(&out, &entries[i], at[i]);
    size_t end = out.size;
    if (wide) {
        made_put_text(&out, "PK\6\6");
        made_put_number(&out, 44, 8);
        made_put_number(&out, 0, 12);
        made_put_number(&out, n, 8);
        made_put_number(&out, n, 8);
        made_put_number(&out, end - directory, 8);
        made_put_number(&out, directory, 8);
        made_put_text(&out, "PK\6\7");
        made_put_number(&out, 0, 4);
        made_put_number(&out, (uint64_t)((long)end + shift), 8);
        made_put_number(&out, 1, 4);
    }
    made_put_text(&out, "PK\5\6");
    made_put_number(&out, 0, 4);
    made_put_number(&out, wide ? 0xffff : n, 2);
    made_put_number(&out, wide ? 0xffff : n, 2);
    made_put_number(&out, wide ? UINT32_MAX : end - directory, 4);
    made_put_number(&out, wide ? UINT32_MAX : directory, 4);
    made_put_number(&out, 0, 2);
    return out;
}

/* ---- the format before 1.6 ---- */

void made_legacy_head(tt_buf *out)
{
    static const char head[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                               "\x80\x02M\xe9\x03."
                               "\x80\x02}X\x0d\0\0\0little_endian\x88s.";
    made_put(out, head, sizeof head - 1);
}

tt_buf made_storages(const char *keys, uint64_t count, size_t present)
{
    tt_buf out = {0};
    made_put_text(&out, "\x80\x02](");
    for (const char *k = keys; *k; k++)
        made_put_string(&out, (char[]){*k, '\0'});
    made_put_text(&out, "e.");
    for (const char *k = keys; *k; k++) {
        made_put_number(&out, count, 8);
        made_put(&out, made_values, present * sizeof *made_values);
    }
    return out;
}

tt_status made_open(tt_buf *bytes, tt_tensor_file **file, tt_error *err)
{
    char path[1024];
    tt_error write_error = {0};
    snprintf(path, sizeof path, "%s/made.pth", tt_test_dir());
    ck_assert(!bytes->failed);
    tt_ok(tt_file_write(path, bytes->data, bytes->size, &write_error), &write_error);
    tt_buf_free(bytes);
    tt_tensor_file_close(*file);
    *file = NULL;
    tt_tensor_file *opened;
    tt_status s = tt_torch_open(path, &opened, err);
    if (!s) {
        *file = opened;
        return s;
    }
    const char *m = err->message;
    ck_assert_msg(strstr(m, "made.pth"), "'%s' names no file", m);
    ck_assert_msg(strstr(m, "again") || strstr(m, "save") || strstr(m, "convert"),
                  "'%s' says nothing of what to do", m);
    return s;
}
