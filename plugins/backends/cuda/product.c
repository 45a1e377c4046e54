/* Matrix products by cuBLASLt. It thinks in columns: our row-major y [rows, out] is its column-major [out,
 * rows], so that y = x·Wᵀ is D = op(A)·B with A = W as [in, out], transposed, and B = x as [in, rows].
 *
 * An algorithm is chosen once for each shape, by the library's heuristics. Sums may be cut into parts
 * (split-K: else a product of few rows leaves most of the device idle) where these stay in f32 and a step of
 * their own adds them: every sum has one order and one rounding. GELU does not ride in the epilogue: the
 * library's is the approximation by tanh. */
#include "cuda.h"

#include "base/mem.h"

#include <string.h>

/* the key of a plan, compared byte by byte */
typedef struct product_key {
    int64_t rows, in, out, x_stride;
    int32_t type, alignment;
    int32_t bias, residual;
} product_key;

struct cuda_product_plan {
    product_key key;
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algorithm;
    bool found; /* an algorithm */
    cuda_product_plan *next;
};

static cudaDataType_t data_type(tt_type type)
{
    return type == TT_F32 ? CUDA_R_32F : type == TT_BF16 ? CUDA_R_16BF : CUDA_R_16F;
}

static void plan_free(cuda_product_plan *plan)
{
    if (plan->product) cuda_call.cublasLtMatmulDescDestroy(plan->product);
    if (plan->a) cuda_call.cublasLtMatrixLayoutDestroy(plan->a);
    if (plan->b) cuda_call.cublasLtMatrixLayoutDestroy(plan->b);
    if (plan->d) cuda_call.cublasLtMatrixLayoutDestroy(plan->d);
    tt_free(plan);
}

static tt_status describe_product(cuda *c, cuda_product_plan *plan, tt_error *err)
{
    const product_key *k = &plan->key;
    cudaDataType_t type = data_type((tt_type)k->type);
    bool tf32 = k->type == TT_F32 && c->tf32;
    cublasOperation_t transposed = CUBLAS_OP_T;
    cublasLtEpilogue_t epilogue = k->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    tt_status status = BLAS_TRY(c, err, cublasLtMatmulDescCreate, &plan->product,
                                tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);
    if (!status)
        status = BLAS_TRY(c, err, cublasLtMatmulDescSetAttribute, plan->product, CUBLASLT_MATMUL_DESC_TRANSA,
                          &transposed, sizeof transposed);
    if (!status)
        status = BLAS_TRY(c, err, cublasLtMatmulDescSetAttribute, plan->product,
                          CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    if (!status)
        status = BLAS_TRY(c, err, cublasLtMatrixLayoutCreate, &plan->a, type, (uint64_t)k->in,
                          (uint64_t)k->out, k->in);
    if (!status)
        status = BLAS_TRY(c, err, cublasLtMatrixLayoutCreate, &plan->b, type, (uint64_t)k->in,
                          (uint64_t)k->rows, k->x_stride);
    if (!status)
        status = BLAS_TRY(c, err, cublasLtMatrixLayoutCreate, &plan->d, type, (uint64_t)k->out,
                          (uint64_t)k->rows, k->out);
    return status;
}

static tt_status describe_preference(cuda *c, cublasLtMatmulPreference_t wish, const product_key *k,
                                     tt_error *err)
{
    size_t workspace = CUDA_WORKSPACE;
    uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, alignment = (uint32_t)k->alignment;
    const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    tt_status status = BLAS_TRY(c, err, cublasLtMatmulPreferenceSetAttribute, wish,
                                CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
    if (!status)
        status = BLAS_TRY(c, err, cublasLtMatmulPreferenceSetAttribute, wish,
                          CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes);
    for (size_t i = 0; i < sizeof aligned / sizeof *aligned && !status; i++)
        status = BLAS_TRY(c, err, cublasLtMatmulPreferenceSetAttribute, wish, aligned[i], &alignment,
                          sizeof alignment);
    return status;
}

/* Are sums whole, or their parts added as the preference wants? */
static tt_status is_exact(cuda *c, const cublasLtMatmulAlgo_t *algorithm, bool *exact, tt_error *err)
{
    int32_t parts = 1;
    uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE;
    size_t written;
    tt_status status = BLAS_TRY(c, err, cublasLtMatmulAlgoConfigGetAttribute, algorithm,
                                CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &parts, sizeof parts, &written);
    if (!status)
        status = BLAS_TRY(c, err, cublasLtMatmulAlgoConfigGetAttribute, algorithm,
                          CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme, sizeof scheme, &written);
    *exact = parts == 0 || parts == 1 || scheme == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    return status;
}

/* plan->found says whether there is an algorithm. */
static tt_status choose(cuda *c, cuda_product_plan *plan, cublasLtMatmulPreference_t wish, tt_error *err)
{
    enum { MOST = 16 };
    cublasLtMatmulHeuristicResult_t found[MOST];
    int n = 0;
    tt_status status = describe_preference(c, wish, &plan->key, err);
    if (status) return status;
    int code = (int)cuda_call.cublasLtMatmulAlgoGetHeuristic(c->blas, plan->product, plan->a, plan->b,
                                                             plan->d, plan->d, wish, MOST, found, &n);
    if (code == CUBLAS_STATUS_NOT_SUPPORTED) return TT_OK;
    status = cuda_check(c, CUDA_CUBLASLT, "cublasLtMatmulAlgoGetHeuristic", code, err);
    for (int i = 0; i < n && !status && !plan->found; i++) {
        bool exact = false;
        if (found[i].state || found[i].workspaceSize > CUDA_WORKSPACE) continue;
        status = is_exact(c, &found[i].algo, &exact, err);
        if (status || !exact) continue;
        plan->algorithm = found[i].algo;
        plan->found = true;
    }
    return status;
}

static tt_status none_for(const product_key *k, tt_error *err)
{
    return tt_fail(
        err, TT_ERR_UNSUPPORTED,
        "backend cuda: cuBLASLt has no algorithm for a product of [%lld, %lld] and [%lld, %lld] in %s: "
        "use another type or batch",
        (long long)k->rows, (long long)k->in, (long long)k->out, (long long)k->in,
        tt_type_name((tt_type)k->type));
}

static tt_status set_bias(cuda *c, cuda_product_plan *plan, const void *bias, tt_error *err)
{
    if (!plan->key.bias) return TT_OK;
    return BLAS_TRY(c, err, cublasLtMatmulDescSetAttribute, plan->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                    &bias, sizeof bias);
}

static tt_status plan_make(cuda *c, const product_key *key, const void *bias, cuda_product_plan **made,
                           tt_error *err)
{
    cuda_product_plan *plan = tt_alloc_zero(sizeof *plan);
    if (!plan) return tt_fail(err, TT_ERR_MEMORY, "linear: out of memory");
    plan->key = *key;
    cublasLtMatmulPreference_t wish = NULL;
    tt_status status = describe_product(c, plan, err);
    if (!status) status = set_bias(c, plan, bias, err); /* its alignment may matter to the choice */
    if (!status) status = BLAS_TRY(c, err, cublasLtMatmulPreferenceCreate, &wish);
    if (!status) status = choose(c, plan, wish, err);
    if (wish) cuda_call.cublasLtMatmulPreferenceDestroy(wish);
    if (status) {
        plan_free(plan);
        return status;
    }
    *made = plan;
    return TT_OK;
}

/* The list is short (the shapes of a network), and the latest used is in front. */
static tt_status plan_get(cuda *c, const product_key *key, const void *bias, cuda_product_plan **plan,
                          tt_error *err)
{
    cuda_product_plan **at = &c->products;
    while (*at && memcmp(&(*at)->key, key, sizeof *key) != 0)
        at = &(*at)->next;
    *plan = *at;
    if (*plan)
        *at = (*plan)->next;
    else {
        tt_status status = cuda_may_prepare(c, "a plan of cuBLASLt", err);
        if (!status) status = plan_make(c, key, bias, plan, err);
        if (status) return status;
    }
    (*plan)->next = c->products;
    c->products = *plan;
    return TT_OK;
}

static tt_status run(cuda *c, cuda_product_plan *plan, const cuda_product *p, tt_error *err)
{
    const float one = 1, beta = p->residual ? 1 : 0;
    tt_status status = set_bias(c, plan, p->bias, err);
    if (status) return status;
    return BLAS_TRY(c, err, cublasLtMatmul, c->blas, plan->product, &one, p->weight, plan->a, p->x, plan->b,
                    &beta, p->residual ? p->residual : p->y, plan->d, p->y, plan->d, &plan->algorithm,
                    c->workspace, CUDA_WORKSPACE, c->stream);
}

tt_status cuda_multiply(cuda *c, const cuda_product *p, tt_error *err)
{
    const void *const addresses[] = {p->x, p->weight, p->bias, p->residual, p->y};
    product_key key = {.rows = p->rows, .in = p->in, .out = p->out, .x_stride = p->x_stride};
    key.type = (int32_t)p->type;
    key.alignment = cuda_alignment(5, addresses);
    key.bias = p->bias != NULL;
    key.residual = p->residual != NULL;
    cuda_product_plan *plan;
    tt_status status = plan_get(c, &key, p->bias, &plan, err);
    if (status) return status;
    if (plan->found) return run(c, plan, p, err);
    if (!p->bias) return none_for(&key, err);
    /* No epilogue for such sizes or addresses: the product is added to the bias (with a residual: to their
     * sum). */
    cuda_product plain = *p;
    plain.bias = NULL;
    plain.residual = p->y;
    status = KERNEL_TRY(c, err, cuda_add_channels, c->stream, p->type, 1, p->rows, p->out, p->residual,
                        p->bias, NULL, p->y);
    return status ? status : cuda_multiply(c, &plain, err);
}

void cuda_products_close(cuda *c)
{
    while (c->products) {
        cuda_product_plan *next = c->products->next;
        plan_free(c->products);
        c->products = next;
    }
}

tt_status cuda_linear(cuda *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0];
    tt_tensor *y = op->out[0];
    tt_activation act = op->attr.linear.activation;
    cuda_product p = {
        .type = x->type,
        .rows = tt_tensor_rows(x),
        .in = cuda_width(x),
        .out = cuda_width(y),
        .x_stride = x->row_stride,
        .x = x->data,
        .weight = op->packed->weight,
        .bias = op->packed->bias,
        .residual = op->in[1] ? op->in[1]->data : NULL,
        .y = y->data,
    };
    if (op->packed->shape[0] != p.out || op->packed->shape[1] != p.in) return cuda_misfit(op, err);
    if (act == TT_ACT_NONE) return cuda_multiply(c, &p, err);
    /* the residual comes after the activation; the product must not overwrite it */
    const void *residual = p.residual;
    tt_status status = TT_OK;
    p.residual = NULL;
    if (residual == y->data)
        status = cuda_scratch(c, (size_t)tt_tensor_count(y) * tt_type_size(y->type), &p.y, err);
    if (!status) status = cuda_multiply(c, &p, err);
    if (status) return status;
    return KERNEL_TRY(c, err, cuda_activate, c->stream, y->type, act, tt_tensor_count(y), p.y, residual,
                      y->data);
}
