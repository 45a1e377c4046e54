/* Landlock's system calls; glibc has no functions for them. */
#include "runtime/confine.h"
#include "runtime/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset /* the same numbers everywhere */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

/* linux/landlock.h as of 6.12, for headers that are older than the kernel. */
typedef struct ruleset {
    uint64_t fs, net, scoped;
} ruleset;
#define FS_EXECUTE    (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE  (UINT64_C(1) << 2)
#define FS_READ_DIR   (UINT64_C(1) << 3)
#define FS_IOCTL_DEV  (UINT64_C(1) << 15)
#define NET_TCP       UINT64_C(3) /* bind, connect */
#define SCOPED_ALL    UINT64_C(3) /* abstract Unix sockets, signals */

/* Each version brought rights that an older kernel refuses. */
static ruleset handled_by(int abi)
{
    unsigned rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
    return (ruleset){.fs = (UINT64_C(1) << rights) - 1,
                     .net = abi >= 4 ? NET_TCP : 0,
                     .scoped = abi >= 6 ? SCOPED_ALL : 0};
}

static size_t size_by(int abi)
{
    return abi >= 6 ? sizeof(ruleset) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

int tt_confine_abi(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

static uint64_t rights_of(uint32_t allowed, bool is_dir)
{
    uint64_t fs = 0;
    if (allowed & TT_CONFINE_READ) fs |= FS_READ_FILE;
    if (allowed & TT_CONFINE_RUN) fs |= FS_EXECUTE;
    if (allowed & TT_CONFINE_DEVICE) fs |= FS_WRITE_FILE | FS_IOCTL_DEV;
    if (allowed & TT_CONFINE_LIST && is_dir) fs |= FS_READ_DIR;
    return fs;
}

/* What is gone by now, or was never to be opened by this user, is not missed. */
static tt_status add_rule(int rules, uint64_t handled, uint32_t allowed, const char *path, tt_error *err)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return TT_OK;
    struct stat st;
    bool known = fstat(fd, &st) == 0;
    struct landlock_path_beneath_attr rule = {
        .allowed_access = rights_of(allowed, known && S_ISDIR(st.st_mode)) & handled, .parent_fd = fd};
    tt_status s = TT_OK;
    if (known && rule.allowed_access &&
        syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        s = tt_fail(err, TT_ERR_IO, "cannot allow %s to a worker: %s", path, strerror(errno));
    close(fd);
    return s;
}

tt_status tt_confine_enter(const void *rules, size_t size, tt_error *err)
{
    int abi = tt_confine_abi();
    if (abi == 0) return TT_OK;
    ruleset handled = handled_by(abi);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &handled, size_by(abi), 0);
    if (fd < 0) return tt_fail(err, TT_ERR_IO, "cannot confine a worker by Landlock: %s", strerror(errno));
    tt_reader in = tt_reader_over(rules, size);
    tt_status s = TT_OK;
    while (!s && !tt_reader_done(&in)) {
        uint32_t allowed = tt_get_u32(&in);
        const char *path = tt_get_text(&in);
        s = path && !in.failed ? add_rule(fd, handled.fs, allowed, path, err)
                               : tt_fail(err, TT_ERR_FORMAT, "malformed rules for a worker");
    }
    if (!s &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, fd, 0) != 0))
        s = tt_fail(err, TT_ERR_IO, "cannot confine a worker by Landlock: %s", strerror(errno));
    close(fd);
    return s;
}
