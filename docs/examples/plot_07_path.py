"""
A path with its cross-validation
================================

Which columns matter, and how strong should the penalty be?
"""

# %%
# Only three of a hundred columns have an effect.  The path starts where the penalty is so strong that all weights are 0, and lets
# one column in after another.

import matplotlib.pyplot as plt
import numpy as np

import fastlr

rng = np.random.default_rng(0)
X = rng.standard_normal((500, 100))
y = X[:, 0] - X[:, 1] + 0.5 * X[:, 2] + rng.logistic(size=500) > 0
path = fastlr.path(X, y, folds=5)
print(path)
path.plot()
plt.show()

# %%
# Cross-validation with five folds scores every penalty on rows that its models have not seen.  `best` has the smallest deviance.
# `best_1se` is the strongest penalty whose score is at most one standard error worse.

path.plot_scores()
plt.show()

for name, place in (("best", path.best), ("best_1se", path.best_1se)):
    model = path[place]
    print(f"{name:9} lambda {path.lambdas[place]:.4f}, {path.n_nonzero[place]} columns, the first: {np.flatnonzero(model.w)[:5]}")

# %%
# Each model of the path is a Model, with a bound on how far J can be from its minimum.

print(path[path.best_1se].gap, path[path.best_1se].gap_kind)
