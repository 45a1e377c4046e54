#include "base/file.h"
#include "formats/image.h"
#include "runtime/manifest.h"
#include "support/test.h"

#include <string.h>

/* A data set of made pixels: two splits; `clash` makes an image of the second one equal to one of the first.
 */
typedef struct fake {
    bool clash, same_person, bad_caption;
    uint8_t rgb[4 * 4 * 3];
    char id[32], person[32];
} fake;

static uint32_t n_splits(void *data)
{
    (void)data;
    return 2;
}

static const char *split_name(void *data, uint32_t split)
{
    (void)data;
    return split ? "held_out" : "seen";
}

static uint64_t split_size(void *data, uint32_t split)
{
    (void)data;
    return split ? 2 : 3;
}

static tt_status item(void *data, uint32_t split, uint64_t index, tt_item *out, tt_error *err)
{
    (void)err;
    fake *f = data;
    size_t number = split * 3 + index;
    if (f->clash && split == 1 && index == 1) number = 0;
    memset(f->rgb, (int)(10 * number + 1), sizeof f->rgb);
    snprintf(f->id, sizeof f->id, "%u-%u", split, (unsigned)index);
    snprintf(f->person, sizeof f->person, "person %u", f->same_person ? (unsigned)index : (unsigned)number);
    *out = (tt_item){.size = sizeof *out,
                     .id = f->id,
                     .pixels = {4, 4, f->rgb},
                     .caption = f->bad_caption ? "\xff" : "a \"quoted\" caption",
                     .identity = f->person};
    return TT_OK;
}

static const tt_data_plugin plugin = {.size = sizeof plugin,
                                      .n_splits = n_splits,
                                      .split_name = split_name,
                                      .split_size = split_size,
                                      .item = item};
static tt_error err;

static tt_status build(fake f, tt_manifest_options options)
{
    return tt_manifest_build(&plugin, &f, &options, tt_test_dir(), NULL, &err);
}

START_TEST(a_manifest_lists_every_image_by_content)
{
    tt_ok(build((fake){0}, (tt_manifest_options){.disjoint_identities = true}), &err);
    tt_manifest m;
    tt_ok(tt_manifest_load(tt_test_dir(), &m, &err), &err);
    ck_assert_uint_eq(m.n, 5);
    ck_assert_str_eq(m.items[0].split, "seen");
    ck_assert_str_eq(m.items[4].id, "1-1");
    ck_assert_str_eq(m.items[2].caption, "a \"quoted\" caption");
    for (size_t i = 0; i < m.n; i++) {
        tt_pixels p;
        tt_ok(tt_image_read(m.items[i].path, NULL, &p, NULL, &err), &err);
        tt_digest d = tt_image_digest(&p);
        ck_assert_mem_eq(&d, &m.items[i].digest, sizeof d);
        tt_free(p.rgb);
    }
    tt_manifest_free(&m);
}
END_TEST

START_TEST(splits_that_share_an_image_are_refused_by_name)
{
    tt_fails(build((fake){.clash = true}, (tt_manifest_options){0}), TT_ERR_INVALID, "are the same image",
             &err);
    ck_assert_ptr_nonnull(strstr(err.message, "0-0"));
    ck_assert_ptr_nonnull(strstr(err.message, "1-1"));
}
END_TEST

START_TEST(splits_that_share_a_person_are_refused_when_asked)
{
    tt_ok(build((fake){.same_person = true}, (tt_manifest_options){0}), &err);
    tt_fails(build((fake){.same_person = true}, (tt_manifest_options){.disjoint_identities = true}),
             TT_ERR_INVALID, "show the same person", &err);
}
END_TEST

START_TEST(a_caption_that_is_not_utf8_is_refused)
{
    tt_fails(build((fake){.bad_caption = true}, (tt_manifest_options){0}), TT_ERR_INVALID, "not UTF-8", &err);
}
END_TEST

START_TEST(a_damaged_manifest_is_refused_with_its_line)
{
    tt_ok(build((fake){0}, (tt_manifest_options){0}), &err);
    char path[600];
    snprintf(path, sizeof path, "%s/manifest.jsonl", tt_test_dir());
    const char *bad = "{\"split\": \"seen\", \"id\": \"x\"}\n";
    tt_ok(tt_file_write(path, bad, strlen(bad), &err), &err);
    tt_manifest m;
    tt_fails(tt_manifest_load(tt_test_dir(), &m, &err), TT_ERR_FORMAT, "manifest.jsonl:1", &err);
}
END_TEST

/* ---- image files that are known ---- */

static uint64_t one_image(void *data, uint32_t split)
{
    (void)data;
    return split == 0;
}

static tt_status file_item(void *data, uint32_t split, uint64_t index, tt_item *out, tt_error *e)
{
    (void)data, (void)split, (void)index, (void)e;
    *out = (tt_item){.size = sizeof *out, .id = "x", .path = TT_SOURCE_DIR "/tests/golden/images/alpha.png"};
    return TT_OK;
}

static const tt_data_plugin of_files = {.size = sizeof of_files,
                                        .n_splits = n_splits,
                                        .split_name = split_name,
                                        .split_size = one_image,
                                        .item = file_item};

static tt_digest digest_of_file(void)
{
    tt_manifest m;
    tt_manifest_options options = {0};
    tt_ok(tt_manifest_build(&of_files, NULL, &options, tt_test_dir(), NULL, &err), &err);
    tt_ok(tt_manifest_load(tt_test_dir(), &m, &err), &err);
    tt_digest d = m.items[0].digest;
    tt_manifest_free(&m);
    return d;
}

/* What is remembered of files, to be changed behind the manifest's back. */
static char *read_known(size_t *size)
{
    static char *text;
    char path[600];
    snprintf(path, sizeof path, "%s/files", tt_test_dir());
    tt_ok(tt_file_read(path, 1 << 16, &text, size, &err), &err);
    return text;
}

static void write_known(const char *text, size_t size)
{
    char path[600];
    snprintf(path, sizeof path, "%s/files", tt_test_dir());
    tt_ok(tt_file_write(path, text, size, &err), &err);
}

START_TEST(an_image_file_that_looks_the_same_is_not_decoded_again)
{
    size_t size;
    tt_digest before = digest_of_file(), zero = {{0}};
    char hex[65], *known = read_known(&size);
    tt_digest_hex(&before, hex);
    char *digest = strstr(known, hex);
    ck_assert_ptr_nonnull(digest);
    memset(digest, '0', 64);
    write_known(known, size);
    tt_digest trusted = digest_of_file();
    ck_assert_mem_eq(&trusted, &zero, sizeof zero);
    /* another inode: another file */
    *(strchr(known, '\n') + 1) ^= 1;
    write_known(known, size);
    tt_digest read_again = digest_of_file();
    ck_assert_mem_eq(&read_again, &before, sizeof before);
    tt_free(known);
}
END_TEST

START_TEST(what_is_remembered_of_files_and_makes_no_sense_is_forgotten)
{
    tt_digest before = digest_of_file();
    size_t size;
    char *known = read_known(&size);
    const char *lies[] = {"", "telltale files 0\n", "1 2 3\n", "\n\n"};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char text[2048];
        snprintf(text, sizeof text, "%.*s%s", i < 2 ? 0 : (int)(strchr(known, '\n') - known + 1), known,
                 lies[i]);
        write_known(text, strlen(text));
        tt_digest again = digest_of_file();
        ck_assert_mem_eq(&again, &before, sizeof before);
    }
    tt_free(known);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("manifest");
    TCase *tc = tcase_create("manifest");
    tcase_add_test(tc, a_manifest_lists_every_image_by_content);
    tcase_add_test(tc, splits_that_share_an_image_are_refused_by_name);
    tcase_add_test(tc, splits_that_share_a_person_are_refused_when_asked);
    tcase_add_test(tc, a_caption_that_is_not_utf8_is_refused);
    tcase_add_test(tc, a_damaged_manifest_is_refused_with_its_line);
    tcase_add_test(tc, an_image_file_that_looks_the_same_is_not_decoded_again);
    tcase_add_test(tc, what_is_remembered_of_files_and_makes_no_sense_is_forgotten);
    suite_add_tcase(suite, tc);
    return suite;
}
