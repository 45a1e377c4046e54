/* Statistics of many scores with analytic intervals: AUC with DeLong's variance, TPR at three FPRs, best
 * accuracy. bench_stats [SCORES] */
#include "base/mem.h"
#include "base/rng.h"
#include "stats/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 1000000;
    double *scores = tt_alloc_array(n, sizeof *scores);
    float *normals = tt_alloc_array(n, sizeof *normals);
    uint8_t *member = tt_alloc_array(n, 1);
    if (n < 2 || !scores || !normals || !member) return 1;
    tt_stream_key key = tt_purpose_key(1, "bench", "scores");
    tt_keyed_normals(&key, 0, normals, n);
    for (size_t i = 0; i < n; i++) {
        member[i] = i % 2;
        scores[i] = (double)normals[i] + 0.3 * member[i];
    }
    static const double fprs[] = {0.1, 0.01, 0.001};
    tt_error err = {0};
    tt_auc auc;
    tt_tpr tpr[3];
    tt_accuracy best;
    double start = now_s();
    tt_status s = tt_auc_compute(n, scores, member, &auc, &err);
    if (!s) s = tt_tprs_at_fprs_analytic(n, scores, member, fprs, 3, tpr, &err);
    if (!s) s = tt_best_accuracy(n, scores, member, &best, &err);
    double seconds = now_s() - start;
    if (s) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%zu scores: %.3f s; AUC %.4f [%.4f, %.4f], TPR@0.1%%FPR %.4f [%.4f, %.4f], best accuracy %.4f\n",
           n, seconds, auc.auc, auc.logit.low, auc.logit.high, tpr[2].tpr, tpr[2].interval.low,
           tpr[2].interval.high, best.accuracy);
    tt_free(scores);
    tt_free(normals);
    tt_free(member);
    return 0;
}
