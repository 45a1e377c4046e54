/* Special functions: normal, Student, beta. libm's erfc and lgamma carry the precision; quantiles are found
 * by bracketed Newton steps on the distribution functions. */
#include "stats/stats.h"

#include <math.h>

double tt_normal_cdf(double z)
{
    return 0.5 * erfc(-z / sqrt(2.0));
}

double tt_normal_quantile(double p)
{
    if (p <= 0) return -INFINITY;
    if (p >= 1) return INFINITY;
    if (p > 0.5) return -tt_normal_quantile(1 - p);
    /* Newton on the log of the lower tail, which is concave: from below it cannot overshoot */
    double z = p < 0.4 ? -sqrt(-2.0 * log(p)) : 0.0;
    for (int i = 0; i < 100; i++) {
        double cdf = tt_normal_cdf(z), density = exp(-0.5 * z * z) / sqrt(2.0 * M_PI);
        double step = cdf / density * (log(cdf) - log(p));
        z -= step;
        if (fabs(step) < 1e-15 * (1 + fabs(z))) break;
    }
    return z;
}

/* Continued fraction of the incomplete beta function (Lentz's method; DLMF 8.17.22). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    if (fabs(d) < tiny) d = tiny;
    d = 1 / d;
    double h = d;
    for (int m = 1; m < 10000; m++) {
        double m2 = 2.0 * m;
        double even = m * (b - m) * x / ((a + m2 - 1) * (a + m2));
        d = 1 + even * d;
        if (fabs(d) < tiny) d = tiny;
        c = 1 + even / c;
        if (fabs(c) < tiny) c = tiny;
        d = 1 / d;
        h *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + m2) * (a + m2 + 1));
        d = 1 + odd * d;
        if (fabs(d) < tiny) d = tiny;
        c = 1 + odd / c;
        if (fabs(c) < tiny) c = tiny;
        d = 1 / d;
        double factor = d * c;
        h *= factor;
        if (fabs(factor - 1) < 1e-16) break;
    }
    return h;
}

double tt_beta_cdf(double x, double a, double b)
{
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(1 - x, b, a) / b;
}

double tt_beta_quantile(double p, double a, double b)
{
    if (p <= 0) return 0;
    if (p >= 1) return 1;
    double low = 0, high = 1, x = a / (a + b);
    double log_norm = lgamma(a + b) - lgamma(a) - lgamma(b);
    for (int i = 0; i < 400; i++) {
        double f = tt_beta_cdf(x, a, b) - p;
        if (f > 0)
            high = x;
        else
            low = x;
        double density = exp(log_norm + (a - 1) * log(x) + (b - 1) * log1p(-x));
        double next = density > 0 ? x - f / density : -1;
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        if (fabs(next - x) <= 1e-16 + 1e-15 * x) return next;
        x = next;
    }
    return x;
}

double tt_student_quantile(double p, double df)
{
    if (p == 0.5) return 0;
    if (p < 0.5) return -tt_student_quantile(1 - p, df);
    /* t² = df·(1−x)/x with x = I⁻¹(2(1−p); df/2, 1/2) */
    double x = tt_beta_quantile(2 * (1 - p), df / 2, 0.5);
    return sqrt(df * (1 - x) / x);
}

tt_interval tt_clopper_pearson(uint64_t k, uint64_t n, double confidence)
{
    double tail = (1 - confidence) / 2;
    tt_interval i = {0, 1};
    if (n == 0) return i;
    if (k > 0) i.low = tt_beta_quantile(tail, (double)k, (double)(n - k) + 1);
    if (k < n) i.high = tt_beta_quantile(1 - tail, (double)k + 1, (double)(n - k));
    return i;
}
