"""
The computation graph
=====================

Derivatives of any cost that is made of sums, products, exponentials and logarithms, drawn as in the lecture.
"""

# %%
# The vectorized form
# -------------------
# The course keeps an example in each column: Z = w^T X + b.  NumPy's arrays and functions work with Values.

import numpy as np

from fastlr.graph import Value

X = np.array([[1.0, -2.0, -1.0], [3.0, 0.5, -3.2]])
Y = np.array([[1.0, 1.0, 0.0]])
w, b = Value([[1.0], [2.0]], "w"), Value(1.5, "b")
A = (1 / (1 + np.exp(-(w.T @ X + b)))).named("A")
J = (-np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / 3).named("J")
J.backward()
print(w.grad.ravel(), b.grad)

# %%
# The lecture derives dw = X (A - Y)^T / m for the way back, and the graph finds the same.

print((X @ (A.value - Y).T / 3).ravel())

# %%
# A cost of your own
# ------------------
# This penalty is a smooth absolute value.  Nobody has to write a formula for its derivative.

penalized = J + 0.1 * np.sum(np.exp(np.log(w ** 2 + 0.01) * 0.5))
print(penalized.derivatives()["dw"].ravel())

# %%
# A kernel compared with the graph
# --------------------------------
# Every backend of fastlr is compared with the graph and with finite differences.

import fastlr

print(fastlr.graph.check_gradient("numpy"))

# %%
# In a notebook, a Value is a drawing (``pip install graphviz``, and the program Graphviz).
#
# .. image:: ../lecture-example.svg
#    :alt: The graph of J = 3 (a + bc), with values in blue and derivatives in red

# sphinx_gallery_thumbnail_path = "lecture-example.svg"
