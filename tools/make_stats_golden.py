"""Prints the SciPy and scikit-learn values that tests/stats/test_stats.c holds. Run by hand; needs scipy, scikit-learn."""
import numpy as np
from scipy import stats
from sklearn import metrics

def scores():
    """The fixed set of the test: 40 members, 60 non-members, with ties; integer arithmetic, so it is the same in C."""
    i = np.arange(100)
    member = (i < 40).astype(int)
    return ((i * 37) % 101) // 3 + 8 * member, member

if __name__ == "__main__":
    s, m = scores()
    print("auc %.17g" % metrics.roc_auc_score(m, s))
    fpr, tpr, _ = metrics.roc_curve(m, s, drop_intermediate=False)
    for f in (0.1, 0.05):
        print("tpr at", f, "%.17g" % tpr[fpr <= f + 1e-12].max())
    print("normal quantile .975 %.17g, .001 %.17g" % (stats.norm.ppf(.975), stats.norm.ppf(.001)))
    print("student .975: df 4 %.17g, df 1 %.17g" % (stats.t.ppf(.975, 4), stats.t.ppf(.975, 1)))
    print("beta .025: (5, 16) %.17g; .975: (1, 100) %.17g" % (stats.beta.ppf(.025, 5, 16), stats.beta.ppf(.975, 1, 100)))
    print("beta (5001, 95000): .025 %.17g, .975 %.17g" % tuple(stats.beta.ppf((.025, .975), 5001, 95000)))
    r = stats.binomtest(7, 40).proportion_ci(.95, "exact")
    print("clopper-pearson 7/40 %.17g %.17g" % (r.low, r.high))
    print("welch-free check: mann-whitney U %.17g" % stats.mannwhitneyu(s[m == 1], s[m == 0]).statistic)
    for f in (0.1, 0.5):
        print("partial auc to", f, "%.17g" % metrics.roc_auc_score(m, s, max_fpr=f))
    w = stats.ttest_ind(s[m == 1], s[m == 0], equal_var=False, alternative="greater")
    print("welch t %.17g df %.17g p %.17g" % (w.statistic, w.df, w.pvalue))
    u = stats.mannwhitneyu(s[m == 1], s[m == 0], alternative="greater", method="asymptotic")
    print("mann-whitney U %.17g p %.17g" % (u.statistic, u.pvalue))
    print("student upper: (2.5, 7.3) %.17g (-1, 3) %.17g (40, 30) %.17g" % (stats.t.sf(2.5, 7.3), stats.t.sf(-1, 3), stats.t.sf(40, 30)))
    fpr, tpr, _ = metrics.roc_curve(m, s, drop_intermediate=False)
    print("nearest to .01: %.17g; asr max %.17g; equal error %.17g" % (tpr[np.argmin(abs(fpr - .01))], ((tpr + 1 - fpr) / 2).max(),
                                                                        tpr[np.argmin(abs(tpr - (1 - fpr)))]))
    print("last below .01: %.17g; first above: %.17g" % (tpr[fpr < .01][-1], tpr[fpr >= .01][0]))
    j = np.argmax(tpr - fpr)
    print("accuracy at Youden's: %.17g" % ((tpr[j] * 40 + (1 - fpr[j]) * 60) / 100))
