#include "stats/stats.h"

#include <math.h>

void tt_over_seeds_of(const double *values, size_t n, tt_over_seeds *out)
{
    *out = (tt_over_seeds){.n = n, .mean = NAN, .sd = NAN, .half_width_t = NAN, .half_width_paper = NAN};
    if (n == 0) return;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    out->mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - out->mean) * (values[i] - out->mean);
    if (n < 2) return;
    double root = sqrt((double)n);
    out->sd = sqrt(squares / (double)(n - 1));
    out->half_width_t = tt_student_quantile(0.975, (double)(n - 1)) * out->sd / root;
    out->half_width_paper = 1.96 * sqrt(squares / (double)n) / root; /* black-box spec 2.5 */
}
