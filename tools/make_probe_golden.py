#!/usr/bin/env python3
"""Prints the scores that tests/plugins/test_attack_controls.c holds the blind classifier's probe to. Needs
NumPy and scikit-learn; run by hand."""
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

n, c, ridge = 40, 96, 10
x = np.array([[((i * 37 + k * k * 11 + i * k * 5) % 101) / 101 for k in range(c)] for i in range(n)])
y = np.array([(i * 7) % 10 < 5 for i in range(n)])
z = StandardScaler().fit_transform(x)
model = LogisticRegression(C=1 / ridge, solver="newton-cholesky", tol=1e-12, max_iter=10000).fit(z, y)
print([float(v) for v in model.decision_function(z)[:3]])
