#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "support/test.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *in_test_dir(const char *name)
{
    char *path = tt_path_join(tt_test_dir(), name);
    ck_assert_ptr_nonnull(path);
    return path;
}

static int entries_of_test_dir(void)
{
    DIR *d = opendir(tt_test_dir());
    ck_assert_ptr_nonnull(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void expect_content(const char *path, const char *content)
{
    tt_error err = {0};
    char *data;
    size_t size;
    tt_ok(tt_file_read(path, 1 << 20, &data, &size, &err), &err);
    ck_assert_uint_eq(size, strlen(content));
    ck_assert_str_eq(data, content);
    tt_free(data);
}

START_TEST(a_write_replaces_the_whole_file_and_leaves_nothing_beside_it)
{
    tt_error err = {0};
    char *path = in_test_dir("a.txt");
    tt_ok(tt_file_write(path, "a long first content", 20, &err), &err);
    tt_ok(tt_file_write(path, "second", 6, &err), &err);
    expect_content(path, "second");
    tt_ok(tt_file_write(path, "", 0, &err), &err);
    expect_content(path, "");
    ck_assert_int_eq(entries_of_test_dir(), 1);
    tt_free(path);
}
END_TEST

/* A file size limit makes write(2) fail in the middle, as a full disk does. */
START_TEST(a_pipe_is_written_to_and_not_replaced)
{
    tt_error err = {0};
    char path[512], back[8] = "";
    struct stat st;
    snprintf(path, sizeof path, "%s/pipe", tt_test_dir());
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    tt_ok(tt_file_write(path, "abc", 3, &err), &err);
    ck_assert_int_eq(read(fd, back, sizeof back), 3);
    ck_assert_str_eq(back, "abc");
    ck_assert(stat(path, &st) == 0 && S_ISFIFO(st.st_mode));
    close(fd);
}
END_TEST

START_TEST(a_write_that_fails_half_way_leaves_the_old_file)
{
    tt_error err = {0};
    char *path = in_test_dir("kept.txt");
    tt_ok(tt_file_write(path, "old", 3, &err), &err);
    static char big[1 << 16];
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 10000;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    tt_status s = tt_file_write(path, big, sizeof big, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    tt_fails(s, TT_ERR_IO, "kept.txt", &err);
    expect_content(path, "old");
    ck_assert_int_eq(entries_of_test_dir(), 1);
    tt_free(path);
}
END_TEST

START_TEST(a_file_in_a_folder_that_is_not_there_is_an_error)
{
    tt_error err = {0};
    char *path = in_test_dir("no/such/folder/x");
    tt_fails(tt_file_write(path, "x", 1, &err), TT_ERR_IO, "cannot create", &err);
    char *data;
    size_t size;
    tt_fails(tt_file_read(path, 100, &data, &size, &err), TT_ERR_NOT_FOUND, "cannot open", &err);
    tt_map map;
    tt_fails(tt_map_open(path, &map, &err), TT_ERR_NOT_FOUND, "cannot open", &err);
    tt_digest d;
    tt_fails(tt_sha256_of_file(path, &d, &err), TT_ERR_NOT_FOUND, "cannot open", &err);
    tt_free(path);
}
END_TEST

START_TEST(a_file_over_the_limit_is_refused)
{
    tt_error err = {0};
    char *path = in_test_dir("large"), *data;
    size_t size;
    tt_ok(tt_file_write(path, "12345", 5, &err), &err);
    tt_fails(tt_file_read(path, 4, &data, &size, &err), TT_ERR_FORMAT, "larger than the limit", &err);
    tt_ok(tt_file_read(path, 5, &data, &size, &err), &err);
    ck_assert_uint_eq(size, 5);
    tt_free(data);
    tt_free(path);
}
END_TEST

START_TEST(folders_pipes_and_devices_are_not_files)
{
    tt_error err = {0};
    char *fifo = in_test_dir("pipe"), *data;
    size_t size;
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    const char *paths[] = {tt_test_dir(), fifo, "/dev/zero"};
    for (int i = 0; i < 3; i++) {
        tt_fails(tt_file_read(paths[i], 100, &data, &size, &err), TT_ERR_INVALID, "not a regular file", &err);
        tt_map map;
        tt_fails(tt_map_open(paths[i], &map, &err), TT_ERR_INVALID, "not a regular file", &err);
        ck_assert(!tt_file_exists(paths[i]));
    }
    ck_assert(tt_dir_exists(tt_test_dir()) && !tt_dir_exists(fifo));
    tt_free(fifo);
}
END_TEST

START_TEST(folders_are_made_with_their_parents_once_or_twice)
{
    tt_error err = {0};
    char *deep = in_test_dir("x/y/z"), *file = in_test_dir("file"), *below = in_test_dir("file/dir");
    tt_ok(tt_dir_create(deep, &err), &err);
    tt_ok(tt_dir_create(deep, &err), &err);
    ck_assert(tt_dir_exists(deep));
    tt_ok(tt_file_write(file, "", 0, &err), &err);
    tt_fails(tt_dir_create(below, &err), TT_ERR_IO, "cannot create the folder", &err);
    tt_fails(tt_dir_create("", &err), TT_ERR_INVALID, "empty", &err);
    tt_free(deep);
    tt_free(file);
    tt_free(below);
}
END_TEST

START_TEST(a_map_shows_the_file_also_after_pages_were_given_back)
{
    tt_error err = {0};
    char *path = in_test_dir("map");
    enum { SIZE = 5 * 4096 + 17 };
    static unsigned char data[SIZE];
    for (int i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 31 >> 3);
    tt_ok(tt_file_write(path, data, SIZE, &err), &err);
    tt_map map;
    tt_ok(tt_map_open(path, &map, &err), &err);
    ck_assert_uint_eq(map.size, SIZE);
    tt_map_give_back(&map, 100, 9000);
    tt_map_give_back(&map, 0, SIZE_MAX);
    tt_map_give_back(&map, SIZE_MAX, 1);
    ck_assert_mem_eq(map.data, data, SIZE);
    tt_map_close(&map);
    ck_assert_ptr_null(map.data);
    tt_ok(tt_file_write(path, "", 0, &err), &err);
    tt_ok(tt_map_open(path, &map, &err), &err);
    ck_assert(map.data == NULL && map.size == 0);
    tt_map_close(&map);
    tt_free(path);
}
END_TEST

START_TEST(paths_are_joined_with_one_slash)
{
    char *a = tt_path_join("dir", "name"), *b = tt_path_join("dir/", "name"), *c = tt_path_join("", "name");
    ck_assert_str_eq(a, "dir/name");
    ck_assert_str_eq(b, "dir/name");
    ck_assert_str_eq(c, "/name");
    tt_free(a);
    tt_free(b);
    tt_free(c);
}
END_TEST

/* ---- hash ---- */

static void expect_hex(tt_digest d, const char *hex)
{
    char got[65];
    tt_digest_hex(&d, got);
    ck_assert_str_eq(got, hex);
}

START_TEST(sha256_gives_the_examples_of_fips_180)
{
    expect_hex(tt_sha256_of("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_hex(tt_sha256_of("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tt_sha256 *h = tt_sha256_create();
    for (int i = 0; i < 1000000; i += 1000) {
        char block[1000];
        memset(block, 'a', sizeof block);
        tt_sha256_update(h, block, sizeof block);
    }
    expect_hex(tt_sha256_finish(h), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

START_TEST(the_digest_of_a_file_is_that_of_its_bytes)
{
    tt_error err = {0};
    char *path = in_test_dir("hashed");
    tt_digest d;
    tt_ok(tt_file_write(path, "abc", 3, &err), &err);
    tt_ok(tt_sha256_of_file(path, &d, &err), &err);
    expect_hex(d, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tt_ok(tt_file_write(path, "", 0, &err), &err);
    tt_ok(tt_sha256_of_file(path, &d, &err), &err);
    expect_hex(d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    tt_free(path);
}
END_TEST

/* RFC 3720, B.4 */
START_TEST(crc32c_gives_the_examples_of_iscsi)
{
    uint8_t bytes[32] = {0};
    ck_assert_uint_eq(tt_crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, 32);
    ck_assert_uint_eq(tt_crc32c(0, bytes, 32), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    ck_assert_uint_eq(tt_crc32c(0, bytes, 32), 0x46dd794eu);
    ck_assert_uint_eq(tt_crc32c(tt_crc32c(0, bytes, 11), bytes + 11, 21), 0x46dd794eu);
}
END_TEST

START_TEST(a_lock_that_a_dying_process_leaves_for_a_moment_is_waited_for)
{
    char path[600];
    snprintf(path, sizeof path, "%s/locked", tt_test_dir());
    int mine = open(path, O_CREAT | O_RDWR, 0600), other = open(path, O_RDWR);
    ck_assert(mine >= 0 && other >= 0);
    ck_assert(tt_file_lock(mine));
    ck_assert(!tt_file_lock(other)); /* held throughout */
    pid_t child = fork();
    if (child == 0) { /* holds the lock that it inherited a little longer than its parent */
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
        _exit(0);
    }
    ck_assert_int_gt(child, 0);
    close(mine);
    ck_assert(tt_file_lock(other));
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    close(other);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("file");
    TCase *tc = tcase_create("file");
    tcase_add_test(tc, a_write_replaces_the_whole_file_and_leaves_nothing_beside_it);
    tcase_add_test(tc, a_pipe_is_written_to_and_not_replaced);
    tcase_add_test(tc, a_write_that_fails_half_way_leaves_the_old_file);
    tcase_add_test(tc, a_file_in_a_folder_that_is_not_there_is_an_error);
    tcase_add_test(tc, a_file_over_the_limit_is_refused);
    tcase_add_test(tc, folders_pipes_and_devices_are_not_files);
    tcase_add_test(tc, folders_are_made_with_their_parents_once_or_twice);
    tcase_add_test(tc, a_map_shows_the_file_also_after_pages_were_given_back);
    tcase_add_test(tc, paths_are_joined_with_one_slash);
    tcase_add_test(tc, sha256_gives_the_examples_of_fips_180);
    tcase_add_test(tc, the_digest_of_a_file_is_that_of_its_bytes);
    tcase_add_test(tc, crc32c_gives_the_examples_of_iscsi);
    tcase_add_test(tc, a_lock_that_a_dying_process_leaves_for_a_moment_is_waited_for);
    suite_add_tcase(suite, tc);
    return suite;
}
