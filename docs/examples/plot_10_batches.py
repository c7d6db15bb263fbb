"""
Batches that arrive over time
=============================

Learning from one batch after another without keeping the rows, and without a learning rate.
"""

# %%
# A hundred batches of 200 rows arrive.  The columns have very different units, which do not matter here.

import pickle

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import log_loss

import fastlr

rng = np.random.default_rng(0)
units = 10.0 ** np.arange(-3, 5)
Z = rng.standard_normal((25_000, 8))
X, y = Z * units, Z @ np.linspace(-1, 1, 8) + rng.logistic(size=25_000) > 0
X, X_test, y, y_test = X[:20_000], X[20_000:], y[:20_000], y[20_000:]

online = fastlr.LogisticRegression(C=np.inf)
losses = []
for rows, labels in zip(np.split(X, 100), np.split(y, 100), strict=True):
    online.partial_fit(rows, labels, classes=[False, True])
    losses.append(log_loss(y_test, online.predict_proba(X_test)))

# %%
# After one pass the model predicts about as well as one that was trained on all rows at once.

at_once = fastlr.LogisticRegression(C=np.inf).fit(X, y)
best = log_loss(y_test, at_once.predict_proba(X_test))
print(f"log-loss of new rows: {losses[-1]:.5f} in batches, {best:.5f} at once")

figure, axes = plt.subplots(layout="constrained")
axes.plot(np.arange(1, 101), losses, label="in batches")
axes.axhline(best, color="gray", linestyle=":", label="trained on all rows at once")
axes.set(xscale="log", xlabel="batches", ylabel="log-loss of new rows")
axes.legend()
plt.show()

# %%
# What it has learned is a few numbers.  A pickle of it goes on in another process as if nothing had happened.

elsewhere = pickle.loads(pickle.dumps(online)).partial_fit(X[:200], y[:200])
online.partial_fit(X[:200], y[:200])
print(np.array_equal(elsewhere.coef_, online.coef_))
