#include "runtime/tally.h"
#include "base/mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct counts {
    _Atomic uint64_t done, total;
} counts;

struct tt_tally {
    int fd;
    counts *counts;
};

static tt_tally *over(int fd)
{
    tt_tally *t = tt_alloc_zero(sizeof *t);
    void *map = t ? mmap(NULL, sizeof(counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (map == MAP_FAILED) {
        tt_free(t);
        return NULL;
    }
    *t = (tt_tally){fd, map};
    return t;
}

tt_status tt_tally_create(tt_tally **tally, int *fd, tt_error *err)
{
    *fd = memfd_create("tally", MFD_CLOEXEC);
    *tally = *fd >= 0 && ftruncate(*fd, sizeof(counts)) == 0 ? over(*fd) : NULL;
    if (*tally) return TT_OK;
    int why = errno;
    if (*fd >= 0) close(*fd);
    return tt_fail(err, TT_ERR_IO, "no shared memory for a count: %s", strerror(why));
}

tt_tally *tt_tally_take(int fd)
{
    struct stat st;
    tt_tally *t = fstat(fd, &st) == 0 && st.st_size == (off_t)sizeof(counts) ? over(fd) : NULL;
    if (!t) close(fd);
    return t;
}

void tt_tally_set(tt_tally *t, uint64_t done, uint64_t total)
{
    if (!t) return;
    atomic_store(&t->counts->total, total);
    atomic_store(&t->counts->done, done);
}

void tt_tally_get(const tt_tally *t, uint64_t *done, uint64_t *total)
{
    *done = atomic_load(&t->counts->done);
    *total = atomic_load(&t->counts->total);
}

void tt_tally_close(tt_tally *t)
{
    if (!t) return;
    munmap(t->counts, sizeof(counts));
    close(t->fd);
    tt_free(t);
}
