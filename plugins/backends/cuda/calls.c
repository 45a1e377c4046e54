/* The real table: the runtime's functions as linked, the libraries' by dlsym. */
#include "calls.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
/* the soname's number is the major version of the headers that this was compiled with */
#define CUBLASLT_SONAME "libcublasLt.so." TEXT(CUBLAS_VER_MAJOR)
#define CUDNN_SONAME    "libcudnn.so." TEXT(CUDNN_MAJOR)

static const char *load(void);

cuda_calls cuda_call = {
#define CUDA_CALL(name) .name = (name),
    CUDA_RUNTIME_CALLS(CUDA_CALL)
#undef CUDA_CALL
        .load = load,
};

typedef struct symbol {
    const char *name;
    void *entry; /* of the table: a pointer to a function pointer */
} symbol;

#define CUDA_CALL(name) {#name, &cuda_call.name},
static const symbol cublaslt[] = {CUBLASLT_CALLS(CUDA_CALL)};
static const symbol cudnn[] = {CUDNN_CALLS(CUDA_CALL)};
#undef CUDA_CALL

/* The loader's own search first; then the toolkit that this was built with. The library stays open: its
 * functions are in the table. */
static const char *open_library(const char *soname, const symbol *symbols, size_t n)
{
    static char why[512];
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", TT_CUDA_LIBRARIES, soname);
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    if (!library) {
        snprintf(why, sizeof why,
                 "the library %s is missing: install it, or name its folder in LD_LIBRARY_PATH", soname);
        return why;
    }
    for (size_t i = 0; i < n; i++) {
        void *found = dlsym(library, symbols[i].name);
        if (!found) {
            snprintf(why, sizeof why,
                     "the library %s lacks %s: it is older than the one that this was built with; update it",
                     soname, symbols[i].name);
            dlclose(library);
            return why;
        }
        *(void **)symbols[i].entry = found;
    }
    return NULL;
}

static const char *load(void)
{
    static bool loaded;
    if (loaded) return NULL;
    const char *why = open_library(CUBLASLT_SONAME, cublaslt, sizeof cublaslt / sizeof *cublaslt);
    if (!why) why = open_library(CUDNN_SONAME, cudnn, sizeof cudnn / sizeof *cudnn);
    loaded = !why;
    return why;
}
