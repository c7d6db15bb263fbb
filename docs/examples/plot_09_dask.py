"""
A cluster: Dask
===============

Training where the parts of X lie, and how often each part is made.
"""

# %%
# X has eight parts.  Each is made by a function here, and would be read from storage on a real cluster.  Without a
# ``distributed.Client``, Dask uses the threads of this process.

from collections import Counter

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np

import fastlr

made = Counter()


def part(block_info=None):
    number = block_info[None]["chunk-location"][0]
    made[number] += 1
    return np.random.default_rng(number).standard_normal((25_000, 10))


X = da.map_blocks(part, chunks=((25_000,) * 8, (10,)), meta=np.empty((0, 0)))
y = X @ np.linspace(-1, 1, 10) + da.random.default_rng(0).logistic(size=200_000, chunks=25_000) > 0

# %%
# Training is the same call.  Labels, weights and offsets may be Dask's or NumPy's.

model = fastlr.train(X, y)
print(model)
as_it_is = max(made.values())

# %%
# Each step is a sum over the parts, so each step makes all parts again.  ``persist`` keeps them in the memory of the workers.

made.clear()
X, y = dask.persist(X, y)
kept = fastlr.train(X, y)
print(np.abs(kept.w - model.w).max())

figure, axes = plt.subplots(layout="constrained")
axes.bar(["as it is", "persisted"], [as_it_is, max(made.values())])
axes.set(ylabel="how often a part of X is made")
plt.show()

# %%
# A model predicts for a Dask array without computing anything yet.

probabilities = model.predict_proba(X)
print(type(probabilities), probabilities.shape)
print(probabilities[:3].compute().round(3))
