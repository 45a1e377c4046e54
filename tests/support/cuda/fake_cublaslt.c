/* cuBLASLt's matrix products: descriptors, heuristics with traps in them, and plain loops. */
#include "fake_parts.h"

#include <stdlib.h>
#include <string.h>

#define ENTER(name)                                                                                          \
    do {                                                                                                     \
        int code_ = fake_enter(FAKE_##name);                                                                 \
        if (fake_lost()) return CUBLAS_STATUS_EXECUTION_FAILED;                                              \
        if (code_) return (cublasStatus_t)code_;                                                             \
    } while (0)

/* what is behind the opaque descriptors */
typedef struct product {
    cublasComputeType_t compute;
    cublasOperation_t transposed_a;
    cublasLtEpilogue_t epilogue;
    const void *bias;
} product;
typedef struct layout {
    cudaDataType_t type;
    int64_t rows, columns, ld;
} layout;
typedef struct preference {
    uint64_t workspace;
    uint32_t schemes, alignment[4]; /* of A, B, C, D */
} preference;
typedef struct algorithm {
    int64_t m, n, k;
    int32_t type, parts;
    uint32_t scheme, alignment[4];
    uint64_t workspace;
} algorithm;
_Static_assert(sizeof(algorithm) <= sizeof(cublasLtMatmulAlgo_t), "an algorithm fits");

static int handle;

cublasStatus_t fake_cublasLtCreate(cublasLtHandle_t *made)
{
    ENTER(cublasLtCreate);
    *made = (cublasLtHandle_t)&handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtDestroy(cublasLtHandle_t old)
{
    ENTER(cublasLtDestroy);
    return (void *)old == (void *)&handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

const char *fake_cublasLtGetStatusName(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_EXECUTION_FAILED:
        return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED:
        return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_ALLOC_FAILED:
        return "CUBLAS_STATUS_ALLOC_FAILED";
    default:
        return "CUBLAS_STATUS_INVALID_VALUE";
    }
}

size_t fake_cublasLtGetVersion(void)
{
    return CUBLAS_VERSION;
}

/* ---- descriptors ---- */

cublasStatus_t fake_cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute,
                                             cudaDataType_t scale)
{
    ENTER(cublasLtMatmulDescCreate);
    if (scale != CUDA_R_32F || (compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_FAST_TF32))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    product *p = fake_new(sizeof *p);
    p->compute = compute;
    p->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    *d = (cublasLtMatmulDesc_t)p;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
    fake_enter(FAKE_cublasLtMatmulDescDestroy);
    fake_free(d);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t take(void *to, size_t size, const void *value, size_t bytes)
{
    if (bytes != size) return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, value, size);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d,
                                                   cublasLtMatmulDescAttributes_t name, const void *value,
                                                   size_t bytes)
{
    ENTER(cublasLtMatmulDescSetAttribute);
    product *p = (product *)d;
    switch (name) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        return take(&p->transposed_a, sizeof p->transposed_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return take(&p->epilogue, sizeof p->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return take(&p->bias, sizeof p->bias, value, bytes);
    default:
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t fake_cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *d, cudaDataType_t type, uint64_t rows,
                                               uint64_t columns, int64_t ld)
{
    ENTER(cublasLtMatrixLayoutCreate);
    layout *l = fake_new(sizeof *l);
    *l = (layout){type, (int64_t)rows, (int64_t)columns, ld};
    *d = (cublasLtMatrixLayout_t)l;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t d)
{
    fake_enter(FAKE_cublasLtMatrixLayoutDestroy);
    fake_free(d);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *d)
{
    ENTER(cublasLtMatmulPreferenceCreate);
    preference *p = fake_new(sizeof *p);
    *p = (preference){0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
    *d = (cublasLtMatmulPreference_t)p;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t d)
{
    fake_enter(FAKE_cublasLtMatmulPreferenceDestroy);
    fake_free(d);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t d,
                                                         cublasLtMatmulPreferenceAttributes_t name,
                                                         const void *value, size_t bytes)
{
    ENTER(cublasLtMatmulPreferenceSetAttribute);
    preference *p = (preference *)d;
    switch (name) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return take(&p->workspace, sizeof p->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        return take(&p->schemes, sizeof p->schemes, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return take(&p->alignment[name - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], sizeof *p->alignment,
                    value, bytes);
    default:
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

/* ---- heuristics ---- */

/* D [m, n] = Aᵀ·B, A [k, m], B [k, n], all of one type, columns dense or further apart */
static bool is_sound(const product *p, const layout *a, const layout *b, const layout *c, const layout *d)
{
    bool known = a->type == CUDA_R_32F || a->type == CUDA_R_16BF || a->type == CUDA_R_16F;
    bool tf32 = p->compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    return known && p->transposed_a == CUBLAS_OP_T && a->type == b->type && a->type == c->type &&
           a->type == d->type && a->rows == b->rows && a->columns == d->rows && b->columns == d->columns &&
           c->rows == d->rows && c->columns == d->columns && a->ld >= a->rows && b->ld >= b->rows &&
           c->ld >= c->rows && d->ld >= d->rows && a->rows > 0 && d->rows > 0 && d->columns > 0 &&
           (!tf32 || a->type == CUDA_R_32F) &&
           (p->epilogue == CUBLASLT_EPILOGUE_DEFAULT || p->epilogue == CUBLASLT_EPILOGUE_BIAS);
}

/* A bias of 16-bit elements is not added in the epilogue where rows of the result are not made of 16 bytes.
 */
static bool has_epilogue(const product *p, const layout *d)
{
    return p->epilogue != CUBLASLT_EPILOGUE_BIAS || d->type == CUDA_R_32F || d->rows % 8 == 0;
}

/* What must be passed over comes first: a result that is none, more workspace than there is, sums in parts
 * that are rounded or meet in the result, also where these are not asked for; then the one that computes: in
 * parts that are added in f32 where there are few rows and these are asked for. */
cublasStatus_t fake_cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t h, cublasLtMatmulDesc_t product_desc, cublasLtMatrixLayout_t a_desc,
    cublasLtMatrixLayout_t b_desc, cublasLtMatrixLayout_t c_desc, cublasLtMatrixLayout_t d_desc,
    cublasLtMatmulPreference_t wish, int most, cublasLtMatmulHeuristicResult_t found[], int *n)
{
    ENTER(cublasLtMatmulAlgoGetHeuristic);
    if (fake_capture_refuses()) return CUBLAS_STATUS_INTERNAL_ERROR;
    (void)h;
    const layout *a = (layout *)a_desc, *d = (layout *)d_desc;
    const preference *p = (preference *)wish;
    *n = 0;
    if (most < 5 || !is_sound((product *)product_desc, a, (layout *)b_desc, (layout *)c_desc, d) ||
        !has_epilogue((product *)product_desc, d))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    algorithm right = {.m = d->rows, .n = d->columns, .k = a->rows, .type = (int32_t)a->type, .parts = 1};
    if (d->columns < 16 && (p->schemes & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE))
        right.parts = 4, right.scheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    memcpy(right.alignment, p->alignment, sizeof right.alignment);
    right.workspace = p->workspace < 4096 ? p->workspace : 4096;
    for (int i = 0; i < 5; i++) {
        algorithm one = right;
        if (i == 2) one.parts = 3, one.scheme = CUBLASLT_REDUCTION_SCHEME_INPLACE;
        if (i == 3) one.parts = 2, one.scheme = CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
        memset(&found[i], 0, sizeof found[i]);
        memcpy(&found[i].algo, &one, sizeof one);
        found[i].state = i == 0 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
        found[i].workspaceSize = i == 1 ? p->workspace + 1 : one.workspace;
    }
    *n = 5;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t fake_cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *chosen,
                                                         cublasLtMatmulAlgoConfigAttributes_t name,
                                                         void *value, size_t bytes, size_t *written)
{
    ENTER(cublasLtMatmulAlgoConfigGetAttribute);
    algorithm one;
    memcpy(&one, chosen, sizeof one);
    if (bytes != sizeof one.parts) return CUBLAS_STATUS_INVALID_VALUE;
    if (name == CUBLASLT_ALGO_CONFIG_SPLITK_NUM)
        memcpy(value, &one.parts, bytes);
    else if (name == CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME)
        memcpy(value, &one.scheme, bytes);
    else
        return CUBLAS_STATUS_INVALID_VALUE;
    *written = bytes;
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- the product ---- */

typedef struct multiplication {
    tt_type type;
    bool tf32;
    float alpha, beta;
    layout a, b, c, d;
    const void *data_a, *data_b, *data_c, *bias;
    void *data_d;
    void *workspace;
    size_t workspace_bytes;
} multiplication;

static double *to_double(const multiplication *m, const layout *l, const void *data)
{
    double *x = malloc((size_t)(l->rows * l->columns) * sizeof *x);
    for (int64_t j = 0; j < l->columns; j++)
        for (int64_t i = 0; i < l->rows; i++) {
            float v = fake_load(m->type, data, j * l->ld + i);
            x[j * l->rows + i] = (double)(m->tf32 ? fake_tf32(v) : v);
        }
    return x;
}

static void multiply(void *self)
{
    const multiplication *m = self;
    int64_t k = m->a.rows, width = m->d.rows;
    double *a = to_double(m, &m->a, m->data_a), *b = to_double(m, &m->b, m->data_b);
    double *across = malloc((size_t)(k * width) * sizeof *across),
           *sums = malloc((size_t)width * sizeof *sums);
    if (m->workspace_bytes) memset(m->workspace, 0xff, m->workspace_bytes);
    for (int64_t i = 0; i < width; i++)
        for (int64_t l = 0; l < k; l++)
            across[l * width + i] = a[i * k + l];
    for (int64_t j = 0; j < m->d.columns; j++) {
        for (int64_t i = 0; i < width; i++)
            sums[i] = 0;
        for (int64_t l = 0; l < k; l++)
            for (int64_t i = 0; i < width; i++)
                sums[i] += across[l * width + i] * b[j * k + l];
        for (int64_t i = 0; i < width; i++) {
            double y = (double)m->alpha * sums[i];
            if (m->beta != 0) y += (double)m->beta * (double)fake_load(m->type, m->data_c, j * m->c.ld + i);
            if (m->bias) y += (double)fake_load(m->type, m->bias, i);
            fake_store(m->type, m->data_d, j * m->d.ld + i, y);
        }
    }
    free(a);
    free(b);
    free(across);
    free(sums);
}

static bool lies_there(const layout *l, const void *data, uint32_t alignment, size_t size)
{
    return (uintptr_t)data % alignment == 0 &&
           fake_is_device(data, (size_t)((l->columns - 1) * l->ld + l->rows) * size);
}

cublasStatus_t fake_cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t product_desc, const void *alpha,
                                   const void *a, cublasLtMatrixLayout_t a_desc, const void *b,
                                   cublasLtMatrixLayout_t b_desc, const void *beta, const void *c,
                                   cublasLtMatrixLayout_t c_desc, void *d, cublasLtMatrixLayout_t d_desc,
                                   const cublasLtMatmulAlgo_t *chosen, void *workspace,
                                   size_t workspace_bytes, cudaStream_t stream)
{
    ENTER(cublasLtMatmul);
    const product *p = (product *)product_desc;
    algorithm one;
    memcpy(&one, chosen, sizeof one);
    multiplication m = {
        .tf32 = p->compute == CUBLAS_COMPUTE_32F_FAST_TF32,
        .alpha = *(const float *)alpha,
        .beta = *(const float *)beta,
        .a = *(layout *)a_desc,
        .b = *(layout *)b_desc,
        .c = *(layout *)c_desc,
        .d = *(layout *)d_desc,
        .data_a = a,
        .data_b = b,
        .data_c = c,
        .data_d = d,
        .workspace = workspace,
        .workspace_bytes = one.workspace,
    };
    m.type = m.a.type == CUDA_R_32F ? TT_F32 : m.a.type == CUDA_R_16BF ? TT_BF16 : TT_F16;
    if (p->epilogue == CUBLASLT_EPILOGUE_BIAS) m.bias = p->bias;
    size_t size = tt_type_size(m.type);
    if ((void *)h != (void *)&handle || !is_sound(p, &m.a, &m.b, &m.c, &m.d) ||
        (one.parts != 1 && one.scheme != CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) || !has_epilogue(p, &m.d) ||
        one.m != m.d.rows || one.n != m.d.columns || one.k != m.a.rows || one.type != (int32_t)m.a.type)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    bool there =
        lies_there(&m.a, a, one.alignment[0], size) && lies_there(&m.b, b, one.alignment[1], size) &&
        lies_there(&m.c, c, one.alignment[2], size) && lies_there(&m.d, d, one.alignment[3], size) &&
        (p->epilogue == CUBLASLT_EPILOGUE_DEFAULT || fake_is_device(m.bias, (size_t)m.d.rows * size)) &&
        workspace_bytes >= one.workspace && fake_is_device(workspace, one.workspace);
    if (!there) return CUBLAS_STATUS_INVALID_VALUE;
    if (!fake_is_loaded(stream, &one, sizeof one)) return CUBLAS_STATUS_EXECUTION_FAILED;
    multiplication *kept = fake_new(sizeof *kept);
    *kept = m;
    return fake_submit(stream, multiply, fake_free, kept) ? CUBLAS_STATUS_EXECUTION_FAILED
                                                          : CUBLAS_STATUS_SUCCESS;
}
