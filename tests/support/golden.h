/* Golden features of the embedded models: the samples of a file that tools/golden_*.py wrote, drawn again by
 * the data plugin faces, and attacks measured on them through the real processes. */
#ifndef TT_TEST_GOLDEN_H
#define TT_TEST_GOLDEN_H

#include "formats/json.h"
#include "runtime/modelhost.h"
#include "runtime/spawn.h"

enum { GOLDEN_SAMPLES_MAX = 64 };

/* How much wider a stride is under sanitizers, which look at paths: numbers are the release build's matter.
 */
#ifdef TT_SANITIZE
enum { GOLDEN_WIDER = 4 };
#else
enum { GOLDEN_WIDER = 1 };
#endif

typedef struct golden {
    tt_arena *arena;
    const char *file;
    size_t n;
    uint64_t seed;
    tt_node *samples[GOLDEN_SAMPLES_MAX];
    char paths[GOLDEN_SAMPLES_MAX][600], captions[GOLDEN_SAMPLES_MAX][600];
    tt_digest digests[GOLDEN_SAMPLES_MAX];
} golden;

/* Every stride-th sample of the file, which must have at least `at_least`. Fails the test on error. */
golden *golden_read(const char *path, size_t at_least, size_t stride);
void golden_free(golden *g);
uint64_t golden_id(size_t i); /* of sample i, as the host knows it */
const tt_node *golden_get(const golden *g, const tt_node *map, const char *key);

/* The launcher of the built program with the built plugins. */
tt_launch golden_launch(void);
/* A host of configs/models/embedded/ROLE that knows the samples. */
void golden_start_host(const tt_launch *l, const golden *g, const char *role, const char *backend,
                       tt_child *host);
/* One worker of this attack, with these parameters (JSON), measures all samples: rows [n, columns]; what the
 * host counted goes to *meters, which may be NULL. */
void golden_measure(const tt_launch *l, const golden *g, tt_child *host, const char *attack,
                    const char *params, size_t columns, double *rows, tt_meters *meters);

#endif
