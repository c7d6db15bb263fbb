"""
Weights, counts and offsets
===========================

Rows that stand for several examples, and a known part of the log-odds.
"""

# %%
# Counts
# ------
# Bliss's data say how many beetles died and how many lived at each dose.  Two columns of counts are R's ``cbind(died, lived)``.

import matplotlib.pyplot as plt
import numpy as np

import fastlr

dose = np.array([1.691, 1.724, 1.755, 1.784, 1.811, 1.837, 1.861, 1.884])
died = np.array([6, 13, 18, 28, 52, 53, 61, 60])
lived = np.array([59, 60, 62, 56, 63, 59, 62, 60]) - died
model = fastlr.train(dose[:, np.newaxis], np.column_stack([died, lived]), feature_names=["dose"])
print(model.summary())

# %%
# A weight is a number of examples.  One row for each outcome, with its count as weight, gives the same model.

rows = np.concatenate([dose, dose])[:, np.newaxis]
again = fastlr.train(rows, np.repeat([1, 0], 8), sample_weight=np.concatenate([died, lived]))
assert np.allclose(again.w, model.w)

# %%
# The points are the shares that died.  The band shows 95 % intervals of the probability.

x = np.linspace(1.66, 1.91, 100)[:, np.newaxis]
lower, upper = model.intervals(x).T
figure, axes = plt.subplots(layout="constrained")
axes.fill_between(x[:, 0], lower, upper, alpha=0.3)
axes.plot(x, model.predict_proba(x)[:, 1])
axes.plot(dose, died / (died + lived), "ko")
axes.set(xlabel="log10 of the dose", ylabel="probability of dying")
plt.show()

# %%
# Offsets
# -------
# Here cases were sampled ten times as often as controls.  With an offset of log(10) the intercept is again that of the whole
# population.

rng = np.random.default_rng(0)
X = rng.standard_normal((200_000, 1))
y = X[:, 0] - 4.0 + rng.logistic(size=200_000) > 0
kept = y | (rng.random(200_000) < 0.1)
print("without", round(fastlr.train(X[kept], y[kept]).b, 2))
print("with   ", round(fastlr.train(X[kept], y[kept], offset=np.full(kept.sum(), np.log(10.0))).b, 2))
