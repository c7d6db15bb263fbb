"""
Data larger than memory
=======================

A file that is read one block at a time gives the same model as the array in memory.
"""

import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import fastlr

# %%
# The file has 16 MB, and gets 2 MB of memory.

rng = np.random.default_rng(0)
X = rng.standard_normal((200_000, 10))
y = X @ np.linspace(-1, 1, 10) + rng.logistic(size=200_000) > 0
path = os.path.join(tempfile.mkdtemp(), "X.npy")
np.save(path, X)

streamed = fastlr.train(fastlr.stream(path, memory=2_000_000), y)
in_memory = fastlr.train(X, y)
print(streamed.converged, np.abs(streamed.w - in_memory.w).max())

# %%
# Training starts on samples of the rows, so it makes few passes over the whole file.  Each costs one read.

print(streamed.n_iter, "updates on all rows")

figure, axes = plt.subplots(layout="constrained")
axes.plot(streamed.history.grad_norm, "o-")
axes.axhline(1e-8, color="gray", linestyle=":")
axes.set(yscale="log", xlabel="updates on all rows", ylabel="gradient; dotted: tol",
         xticks=range(streamed.n_iter + 1))
plt.show()

# %%
# Blocks may also come from your own code: a function that returns an iterator of (X, y), which is called once for every pass.

blocks = fastlr.train(fastlr.stream(lambda: zip(np.array_split(X, 7), np.array_split(y, 7), strict=True)), None)
print(np.abs(blocks.w - in_memory.w).max())
