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
        if (fabs(factor - 1) < 3e-16) break;
    }
    return h;
}

/* ln Γ(z+1) less Stirling's (z+½) ln z − z + ½ ln 2π. From 16 on the series' first left-out term is below
 * 1e-15. */
static double stirling_rest(double z)
{
    if (z < 16) return lgamma(z + 1) - (z + 0.5) * log(z) + z - 0.5 * log(2 * M_PI);
    double r = 1 / (z * z);
    return (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r * (1.0 / 1680 - r / 1188)))) / z;
}

/* k ln(k/m) + m − k ≥ 0, without the cancellation where k is near m. */
static double deviance(double k, double m)
{
    double v = (k - m) / (k + m);
    if (fabs(v) > 0.1) return k * log(k / m) + m - k;
    double sum = (k - m) * v, term = 2 * k * v;
    for (int j = 3;; j += 2) {
        term *= v * v;
        double next = sum + term / j;
        if (next == sum) return sum;
        sum = next;
    }
}

/* xᵃ(1−x)ᵇ Γ(a+b)/(Γ(a)Γ(b)) by Loader's saddle point form ("Fast and accurate computation of binomial
 * probabilities", 2000): differences of lgamma would lose nine digits at a + b = 10⁷. */
static double beta_front(double x, double a, double b)
{
    double n = a + b;
    double e = stirling_rest(n) - stirling_rest(a) - stirling_rest(b) - deviance(a, n * x) -
               deviance(b, n * (1 - x));
    return sqrt(a * b / (2 * M_PI * n)) * exp(e);
}

double tt_beta_cdf(double x, double a, double b)
{
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    double front = beta_front(x, a, b);
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(1 - x, b, a) / b;
}

double tt_beta_quantile(double p, double a, double b)
{
    if (p <= 0) return 0;
    if (p >= 1) return 1;
    double low = 0, high = 1, x = a / (a + b);
    for (int i = 0; i < 1200; i++) { /* halving alone reaches the smallest double in 1,074 steps */
        double f = tt_beta_cdf(x, a, b) - p;
        if (f > 0)
            high = x;
        else
            low = x;
        double density = beta_front(x, a, b) / (x * (1 - x));
        double next = density > 0 ? x - f / density : -1;
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        if (fabs(next - x) <= 4e-16 * x) return next;
        x = next;
    }
    return x;
}

double tt_student_quantile(double p, double df)
{
    if (p == 0.5) return 0;
    if (p < 0.5) return -tt_student_quantile(1 - p, df);
    /* t² = df·(1−x)/x with x = I⁻¹(2(1−p); df/2, 1/2); near the middle by 1−x, which is small there */
    if (p < 0.75) {
        double y = tt_beta_quantile(2 * p - 1, 0.5, df / 2);
        return sqrt(df * y / (1 - y));
    }
    double x = tt_beta_quantile(2 * (1 - p), df / 2, 0.5);
    return sqrt(df * (1 - x) / x);
}

double tt_student_upper(double t, double df)
{
    double tail = 0.5 * tt_beta_cdf(df / (df + t * t), df / 2, 0.5);
    return t > 0 ? tail : 1 - tail;
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
