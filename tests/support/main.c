#include "base/sanitizer.h"
#include "support/test.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char test_dir[256];
static pid_t owner;

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *where)
{
    (void)st, (void)flag, (void)where;
    return remove(path);
}

static void remove_test_dir(void)
{
    if (getpid() == owner) nftw(test_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *tt_test_dir(void)
{
    if (owner != getpid()) {
        const char *base = getenv("TMPDIR");
        snprintf(test_dir, sizeof test_dir, "%s/telltale-test.XXXXXX", base ? base : "/tmp");
        ck_assert_ptr_nonnull(mkdtemp(test_dir));
        owner = getpid();
        atexit(remove_test_dir);
    }
    return test_dir;
}

const char *tt_shared_data(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", TT_SHARED_DATA, name);
    if (access(path, R_OK) == 0) return path;
    printf("skipped: %s is not there\n", path);
    return NULL;
}

int main(int argc, char **argv)
{
    /* Check's own 4 s are too few under sanitizers on a busy machine; a hang is ended all the same. */
    setenv("CK_DEFAULT_TIMEOUT", "120", 0);
    SRunner *runner = srunner_create(tt_test_suite());
    if (argc > 1 && strcmp(argv[1], "--no-fork") == 0) srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
