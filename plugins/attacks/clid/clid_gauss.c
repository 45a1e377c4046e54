/* The Gaussian reduction (1.9): e' = e + r·std·N(0,1), std the population's over the whole embedding of that
 * caption, noise of role "text", a draw of its own for each scale. */
#include "clid.h"

static double deviation(const float *v, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)v[i];
    for (size_t i = 0; i < n; i++) {
        double d = (double)v[i] - sum / (double)n;
        squares += d * d;
    }
    return sqrt(squares / (double)n);
}

tt_status clid_perturb(tt_model *model, uint64_t sample, tt_handle caption, size_t n, const double *scales,
                       tt_handle *conditions, tt_error *err)
{
    size_t size = (size_t)model->info.text_tokens * model->info.text_width;
    float *e = clid_host->alloc(size * sizeof *e), *noise = clid_host->alloc(size * sizeof *noise);
    tt_status s = e && noise ? TT_OK : clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s) s = model->get(model, caption, e, size, err);
    double std = s ? 0 : deviation(e, size);
    for (size_t k = 0; k < n && !s; k++) {
        s = model->noise(model, sample, &(tt_noise){"text", -1, (uint32_t)k}, noise, size, err);
        for (size_t i = 0; i < size && !s; i++)
            noise[i] = (float)((double)e[i] + scales[k] * std * (double)noise[i]);
        if (!s) s = model->put_condition(model, noise, size, &conditions[k], err);
    }
    clid_host->free(e);
    clid_host->free(noise);
    return s;
}
