#include "blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112, PARALLEL_OPENMP = 2 };

typedef void (*sgemm_function)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                               const float *a, int lda, const float *b, int ldb, float beta, float *c,
                               int ldc);

static sgemm_function sgemm;
static char version[160] = "no OpenBLAS";

static void *symbol(void *library, const char *name)
{
    return dlsym(library, name);
}

/* The OpenMP build only (libopenblaso in Fedora's family): another one would bring a second pool of threads.
 */
static void *open_library(void)
{
    static const char *const names[] = {TT_BLAS_FOLDER "libopenblas.so.0", "libopenblaso.so.0",
                                        "libopenblas.so.0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!library) continue;
        int (*parallel)(void);
        *(void **)&parallel = symbol(library, "openblas_get_parallel");
        if (parallel && parallel() == PARALLEL_OPENMP) return library;
        dlclose(library);
    }
    return NULL;
}

bool blas_open(cpu_isa isa)
{
    static bool tried;
    if (tried) return sgemm != NULL;
    tried = true;
    /* a choice of the user's stands */
    if (isa >= CPU_AVX512)
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
    else if (isa == CPU_AVX2)
        setenv("OPENBLAS_CORETYPE", "Haswell", 0);
    void *library = open_library();
    if (!library) return false;
    *(void **)&sgemm = symbol(library, "cblas_sgemm");
    if (!sgemm) return false;
    const char *(*config)(void), *(*core)(void);
    *(void **)&config = symbol(library, "openblas_get_config");
    *(void **)&core = symbol(library, "openblas_get_corename");
    char name[64] = "OpenBLAS";
    if (config) sscanf(config(), "%63[^ ] ", name);
    const char *number = config ? strchr(config(), ' ') : NULL;
    snprintf(version, sizeof version, "%s %.*s %s", name, number ? (int)strcspn(number + 1, " ") : 0,
             number ? number + 1 : "", core ? core() : "");
    return true;
}

const char *blas_version(void)
{
    return version;
}

void blas_sgemm(bool transposed_b, int64_t m, int64_t n, int64_t k, float scale, const float *a, int64_t lda,
                const float *b, int64_t ldb, float *c, int64_t ldc)
{
    sgemm(ROW_MAJOR, NO_TRANSPOSE, transposed_b ? TRANSPOSE : NO_TRANSPOSE, (int)m, (int)n, (int)k, scale, a,
          (int)lda, b, (int)ldb, 0.0f, c, (int)ldc);
}
