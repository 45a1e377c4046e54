/* CLiD-vec (2.6.4): boosted trees over the raw row (L, D_1, …), XGBoost by its C interface. Label 1 =
 * non-member, as in the authors' script. */
#include "clid.h"

#include <string.h>

#ifdef TT_HAVE_XGBOOST
#include <stdio.h>
#include <xgboost/c_api.h>

typedef struct vec_head {
    char letter[4]; /* "VC1" */
    uint32_t n_columns;
} vec_head;

static tt_status failed(tt_error *err)
{
    return clid_host->fail(err, TT_ERR_INTERNAL, "XGBoost: %s", XGBGetLastError());
}

static tt_status make_matrix(const tt_rows *rows, const uint8_t *member, DMatrixHandle *matrix, tt_error *err)
{
    size_t n = rows->n * rows->n_columns;
    float *values = clid_host->alloc(n * sizeof *values),
          *labels = clid_host->alloc(rows->n * sizeof *labels);
    tt_status s = values && labels ? TT_OK : clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < n && !s; i++)
        values[i] = (float)rows->values[i];
    for (size_t i = 0; i < rows->n && !s && member; i++)
        labels[i] = member[i] ? 0.0f : 1.0f;
    *matrix = NULL;
    if (!s && XGDMatrixCreateFromMat(values, rows->n, rows->n_columns, -1e30f, matrix)) s = failed(err);
    if (!s && member && XGDMatrixSetFloatInfo(*matrix, "label", labels, rows->n)) s = failed(err);
    clid_host->free(values);
    clid_host->free(labels);
    return s;
}

static tt_status configure(BoosterHandle booster, int64_t seed, tt_error *err)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)seed);
    const char *const settings[][2] = {
        {"objective", "binary:logistic"},
        {"max_depth", "3"},
        {"gamma", "0.7"},
        {"subsample", "0.7"},
        {"colsample_bytree", "0.7"},
        {"reg_alpha", "1"},
        {"reg_lambda", "1"},
        {"seed", text},
        {"nthread", "1"},
        {"verbosity", "0"},
        {"tree_method", "exact"}, /* newer versions prefer histograms, */
        {"base_score", "0.5"},    /* and fit the first margin: here all versions begin at 0 */
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (XGBoosterSetParam(booster, settings[i][0], settings[i][1])) return failed(err);
    return TT_OK;
}

static tt_status save(BoosterHandle booster, uint32_t n_columns, uint8_t **state, size_t *size, tt_error *err)
{
    bst_ulong length;
    const char *bytes;
    if (XGBoosterSaveModelToBuffer(booster, "{\"format\": \"json\"}", &length, &bytes)) return failed(err);
    vec_head head = {.letter = "VC1", .n_columns = n_columns};
    *size = sizeof head + (size_t)length;
    *state = clid_host->alloc(*size);
    if (!*state) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    memcpy(*state, &head, sizeof head);
    memcpy(*state + sizeof head, bytes, (size_t)length);
    return TT_OK;
}

/* Trees without a split give every row one value: that is no score, and is said instead. */
static tt_status check_split(BoosterHandle booster, DMatrixHandle matrix, size_t n, tt_error *err)
{
    bst_ulong given = 0;
    const float *p = NULL;
    if (XGBoosterPredict(booster, matrix, 0, 0, 0, &given, &p)) return failed(err);
    for (bst_ulong i = 1; i < given; i++)
        if (p[i] != p[0]) return TT_OK;
    return clid_host->fail(err, TT_ERR_INVALID,
                           "none of XGBoost's trees found a split in %zu calibration rows: too few, or the "
                           "features tell nothing; use more samples, or classifier: th",
                           n);
}

tt_status clid_vec_fit(const clid *a, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                       size_t *size, tt_error *err)
{
    DMatrixHandle matrix = NULL;
    BoosterHandle booster = NULL;
    tt_status s = make_matrix(rows, member, &matrix, err);
    if (!s && XGBoosterCreate(&matrix, 1, &booster)) s = failed(err);
    if (!s) s = configure(booster, a->seed, err);
    for (int tree = 0; tree < 20 && !s; tree++)
        if (XGBoosterUpdateOneIter(booster, tree, matrix)) s = failed(err);
    if (!s) s = check_split(booster, matrix, rows->n, err);
    if (!s) s = save(booster, (uint32_t)rows->n_columns, state, size, err);
    if (booster) XGBoosterFree(booster);
    if (matrix) XGDMatrixFree(matrix);
    return s;
}

static tt_status check_width(size_t fitted, size_t width, tt_error *err)
{
    return fitted == width
               ? TT_OK
               : clid_host->fail(err, TT_ERR_INVALID,
                                 "the XGBoost model was fitted on %zu features, these rows have %zu", fitted,
                                 width);
}

static tt_status check_head(const tt_rows *rows, const uint8_t *state, size_t size, tt_error *err)
{
    vec_head head;
    if (!state)
        return clid_host->fail(
            err, TT_ERR_INVALID,
            "classifier: vec is a trained one: calibration must be shadow or split, not none");
    if (size < sizeof head)
        return clid_host->fail(err, TT_ERR_FORMAT, "a fitted state of another attack or version");
    memcpy(&head, state, sizeof head);
    if (memcmp(head.letter, "VC1", 4) != 0)
        return clid_host->fail(err, TT_ERR_FORMAT, "a fitted state of another attack or version");
    return check_width(head.n_columns, rows->n_columns, err);
}

/* The trees of a state; the header's word for their width is not enough. */
static tt_status load(const uint8_t *state, size_t size, size_t width, BoosterHandle *booster, tt_error *err)
{
    bst_ulong fitted = 0;
    if (XGBoosterCreate(NULL, 0, booster)) return failed(err);
    if (XGBoosterLoadModelFromBuffer(*booster, state + sizeof(vec_head), size - sizeof(vec_head)))
        return failed(err);
    return XGBoosterGetNumFeature(*booster, &fitted) ? failed(err) : check_width(fitted, width, err);
}

tt_status clid_vec_score(const clid *a, const tt_rows *rows, const uint8_t *state, size_t size,
                         double *scores, tt_error *err)
{
    (void)a;
    tt_status s = check_head(rows, state, size, err);
    if (s) return s;
    DMatrixHandle matrix = NULL;
    BoosterHandle booster = NULL;
    bst_ulong n = 0;
    const float *p = NULL;
    s = make_matrix(rows, NULL, &matrix, err);
    if (!s) s = load(state, size, rows->n_columns, &booster, err);
    if (!s && XGBoosterPredict(booster, matrix, 0, 0, 0, &n, &p)) s = failed(err);
    if (!s && n != rows->n)
        s = clid_host->fail(err, TT_ERR_INTERNAL, "XGBoost gave %lu values", (unsigned long)n);
    for (size_t i = 0; i < rows->n && !s; i++)
        scores[i] = -(double)p[i]; /* p is of being a non-member */
    if (booster) XGBoosterFree(booster);
    if (matrix) XGDMatrixFree(matrix);
    return s;
}
#else
tt_status clid_vec_fit(const clid *a, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                       size_t *size, tt_error *err)
{
    (void)a, (void)rows, (void)member, (void)state, (void)size;
    return clid_host->fail(err, TT_ERR_UNSUPPORTED,
                           "classifier: vec needs XGBoost; install libxgboost-dev and rebuild");
}

tt_status clid_vec_score(const clid *a, const tt_rows *rows, const uint8_t *state, size_t size,
                         double *scores, tt_error *err)
{
    (void)scores;
    return clid_vec_fit(a, rows, state, NULL, &size, err);
}
#endif
