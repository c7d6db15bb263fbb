"""
The lecture, step by step
=========================

Gradient descent from a graph of three numbers to the optimum, and what each step sees.
"""

# %%
# Forward and backward
# --------------------
# A graph computes J from left to right.  The chain rule takes the derivatives back from right to left.

from fastlr.graph import Value

a, b, c = Value(5, "a"), Value(3, "b"), Value(2, "c")
J = 3 * (a + b * c)
print(J.chain_rule())

# %%
# One example of logistic regression
# ----------------------------------
# The prediction is a = sigma(z) with z = w1 x1 + w2 x2 + b.  The two factors dL/da and da/dz multiply to dz = a - y.

from fastlr.graph import log, sigmoid

x1, x2, y = 1.0, -2.0, 1
w1, w2, b = Value(0.5, "w1"), Value(0.25, "w2"), Value(0.1, "b")
z = (w1 * x1 + w2 * x2 + b).named("z")
a = sigmoid(z).named("a")
L = (-(y * log(a) + (1 - y) * log(1 - a))).named("L")
print(L.chain_rule())
print("a - y =", round(a.value - y, 4))

# %%
# Many examples
# -------------
# J is the mean of the losses.  `cost_and_gradient` is one forward and one backward pass, and the graph agrees with it.

import numpy as np

import fastlr

rng = np.random.default_rng(0)
X = rng.standard_normal((500, 2)) * [1.0, 3.0]
y = X @ [1.0, -0.5] + 0.5 + rng.logistic(size=500) > 0
J, dw, db = fastlr.cost_and_gradient(X, y, w=[0.0, 0.0], b=0.0)
print(J, dw, db)
print(fastlr.graph.check_gradient("numpy", X, y, [0.0, 0.0], 0.0))

# %%
# Steps
# -----
# The update is w := w - alpha dw.  With a small learning rate J falls slowly.  With a large one it jumps up and down.  The
# default solver needs no learning rate: it is at the optimum after a few updates.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(layout="constrained")
best = fastlr.train(X, y)
for learning_rate in (0.01, 0.1, 1.0, 4.0):
    model = fastlr.train(X, y, learning_rate=learning_rate, max_iter=60)
    axes.plot(model.history.cost - best.cost, label=f"learning rate {learning_rate}")
axes.plot(best.history.cost - best.cost + 1e-16, "k.-", label="the default solver")
axes.set(yscale="log", ylim=(1e-10, 2), xlabel="updates", ylabel="J above its minimum")
axes.legend()
plt.show()
