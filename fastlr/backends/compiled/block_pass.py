"""Loss and gradient in one read of X: why the fused kernel is fast.

A step needs X twice, forward (z = X w + b) and backward (dw = X^T dz).  Memory is read once all the same: rows go through in
blocks that stay in the processor's cache from one pass to the other.  `chunks.block_rows` says how long a block is.

Within a block every loop runs over contiguous numbers and is one that LLVM turns into vector instructions: along a row for C
order, along a column for Fortran order, over the margins for the loss.  Several rows (columns) go together, so that w and dw (z
and dz) are loaded once for all of them; but see `in_groups`.  exp and log1p are polynomials without branches (`scalar`).

Kernels of this file follow `header`: they are given chunks first..last of rows and add up each of them apart.
"""

from typing import Any

import numpy as np

from fastlr.backends.compiled.jit import block, by_layout, helper
from fastlr.backends.compiled.scalar import cross_entropy, exp_nonpositive, slope

APART = 12_000                  # bytes, from which on streams of several rows are read as fast as one, see `in_groups`


@helper
def in_groups(X: Any, rows: int, group: int) -> int:
    """How many of so many rows of C order to read for the first time in groups, the others one by one.

    A group is read as so many streams at once.  The processor reads ahead where the streams are so short that they are
    one, and where they span pages; between, reading rows one after the other is up to twice as fast (measured at
    n = 32 to 1000 in float64, AMD Zen 4).
    """
    bytes_a_row = X.shape[1] * X.itemsize
    return 0 if 200 <= bytes_a_row < APART else rows - rows % group

# ---- C order: a row is contiguous, eight rows go together ----------------------------------------------------------

def _forward_rows(X: Any, start: int, theta: Any, z: Any) -> None:
    n = X.shape[1]
    w = theta[:n]
    X = X[start:start + z.size]
    together = in_groups(X, z.size, 8)
    for i in range(0, together, 8):
        x0, x1, x2, x3, x4, x5, x6, x7 = X[i], X[i + 1], X[i + 2], X[i + 3], X[i + 4], X[i + 5], X[i + 6], X[i + 7]
        z0 = z1 = z2 = z3 = z4 = z5 = z6 = z7 = 0.0
        for j in range(n):
            z0 += w[j] * x0[j]
            z1 += w[j] * x1[j]
            z2 += w[j] * x2[j]
            z3 += w[j] * x3[j]
            z4 += w[j] * x4[j]
            z5 += w[j] * x5[j]
            z6 += w[j] * x6[j]
            z7 += w[j] * x7[j]
        group = z[i:i + 8]
        group[0] += z0
        group[1] += z1
        group[2] += z2
        group[3] += z3
        group[4] += z4
        group[5] += z5
        group[6] += z6
        group[7] += z7
    for i in range(together, z.size):
        x, zi = X[i], 0.0
        for j in range(n):
            zi += w[j] * x[j]
        z[i] += zi


def _backward_rows(X: Any, start: int, dz: Any, grad: Any) -> None:
    n = X.shape[1]
    dw = grad[:n]
    X = X[start:start + dz.size]
    together = dz.size - dz.size % 8
    for i in range(0, together, 8):
        x0, x1, x2, x3, x4, x5, x6, x7 = X[i], X[i + 1], X[i + 2], X[i + 3], X[i + 4], X[i + 5], X[i + 6], X[i + 7]
        d0, d1, d2, d3 = dz[i], dz[i + 1], dz[i + 2], dz[i + 3]
        d4, d5, d6, d7 = dz[i + 4], dz[i + 5], dz[i + 6], dz[i + 7]
        for j in range(n):
            dw[j] += ((d0 * x0[j] + d1 * x1[j]) + (d2 * x2[j] + d3 * x3[j])
                      + (d4 * x4[j] + d5 * x5[j]) + (d6 * x6[j] + d7 * x7[j]))
    for i in range(together, dz.size):
        x, d = X[i], dz[i]
        for j in range(n):
            dw[j] += d * x[j]


# ---- Fortran order: a column is contiguous, eight columns go together ----------------------------------------------

def _forward_columns(X: Any, start: int, theta: Any, z: Any) -> None:
    n = X.shape[1]
    stop = start + z.size
    together = n - n % 8
    for j in range(0, together, 8):
        x0, x1, x2, x3 = X[start:stop, j], X[start:stop, j + 1], X[start:stop, j + 2], X[start:stop, j + 3]
        x4, x5, x6, x7 = X[start:stop, j + 4], X[start:stop, j + 5], X[start:stop, j + 6], X[start:stop, j + 7]
        w0, w1, w2, w3 = theta[j], theta[j + 1], theta[j + 2], theta[j + 3]
        w4, w5, w6, w7 = theta[j + 4], theta[j + 5], theta[j + 6], theta[j + 7]
        for i in range(z.size):
            z[i] += ((w0 * x0[i] + w1 * x1[i]) + (w2 * x2[i] + w3 * x3[i])
                     + (w4 * x4[i] + w5 * x5[i]) + (w6 * x6[i] + w7 * x7[i]))
    for j in range(together, n):
        x, w = X[start:stop, j], theta[j]
        for i in range(z.size):
            z[i] += w * x[i]


def _backward_columns(X: Any, start: int, dz: Any, grad: Any) -> None:
    n = X.shape[1]
    stop = start + dz.size
    together = n - n % 8
    for j in range(0, together, 8):
        x0, x1, x2, x3 = X[start:stop, j], X[start:stop, j + 1], X[start:stop, j + 2], X[start:stop, j + 3]
        x4, x5, x6, x7 = X[start:stop, j + 4], X[start:stop, j + 5], X[start:stop, j + 6], X[start:stop, j + 7]
        dw0 = dw1 = dw2 = dw3 = dw4 = dw5 = dw6 = dw7 = 0.0
        for i in range(dz.size):
            dw0 += dz[i] * x0[i]
            dw1 += dz[i] * x1[i]
            dw2 += dz[i] * x2[i]
            dw3 += dz[i] * x3[i]
            dw4 += dz[i] * x4[i]
            dw5 += dz[i] * x5[i]
            dw6 += dz[i] * x6[i]
            dw7 += dz[i] * x7[i]
        dw = grad[j:j + 8]
        dw[0] += dw0
        dw[1] += dw1
        dw[2] += dw2
        dw[3] += dw3
        dw[4] += dw4
        dw[5] += dw5
        dw[6] += dw6
        dw[7] += dw7
    for j in range(together, n):
        x, dw0 = X[start:stop, j], 0.0
        for i in range(dz.size):
            dw0 += dz[i] * x[i]
        grad[j] += dw0


# ---- sparse: only what is stored -----------------------------------------------------------------------------------

@helper
def values_of_row(indptr: Any, i: int) -> range:
    """Where the values of row i of a `Csr` lie.

    The range is of unsigned numbers.  Numba asks of a signed index whether it is below 0, each time; that takes as long as
    the rest of a product.
    """
    return range(np.uintp(indptr[i]), np.uintp(indptr[i + 1]))


def _forward_csr(X: Any, start: int, theta: Any, z: Any) -> None:
    values, indices, indptr = X.values, X.indices, X.indptr
    for i in range(z.size):
        z_i = 0.0
        for k in values_of_row(indptr, start + i):
            z_i += theta[np.uintp(indices[k])] * values[k]
        z[i] += z_i


def _backward_csr(X: Any, start: int, dz: Any, grad: Any) -> None:
    values, indices, indptr = X.values, X.indices, X.indptr
    for i in range(dz.size):
        dz_i = dz[i]
        for k in values_of_row(indptr, start + i):
            grad[np.uintp(indices[k])] += dz_i * values[k]


# ---- every layout --------------------------------------------------------------------------------------------------

forward = by_layout(_forward_rows, _forward_columns, _forward_csr)
"""forward(X, start, theta, z): z += X w for the rows from `start` on."""

backward = by_layout(_backward_rows, _backward_columns, _backward_csr)
"""backward(X, start, dz, grad): grad[:n] += X^T dz for the rows from `start` on."""


@helper
def without_features(b: float, offset: Any, i: int) -> float:
    """b + offset_i: a margin starts from both together, so that one that cancels the other takes no digits of x_i . w."""
    return b + offset[i] if offset.size else b


@helper
def margins(X: Any, start: int, theta: Any, offset: Any, z: Any) -> None:
    """z = (b + offset) + X w for the rows from `start` on."""
    b = theta[theta.size - 1]
    for i in range(z.size):
        z[i] = without_features(b, offset, start + i)
    forward(X, start, theta, z)


# ---- the loss, and a block of rows ----------------------------------------------------------------------------------

@block
def losses_and_slopes(z: Any, y: Any, sample_weight: Any, loss: Any) -> tuple[float, float]:
    """Turn z into dz = s (a - y) in place; return the sum of s * loss and of dz."""
    e = loss                        # two loops, in a space shared by turns: one alone would be a third slower
    for i in range(z.size):
        e[i] = exp_nonpositive(-abs(z[i]))
    for i in range(z.size):
        e_i = e[i]
        loss[i] = cross_entropy(z[i], y[i], e_i)
        z[i] = slope(z[i], y[i], e_i)
    if sample_weight.size:
        for i in range(z.size):
            loss[i] *= sample_weight[i]
            z[i] *= sample_weight[i]
    J, db = 0.0, 0.0
    for i in range(z.size):
        J += loss[i]
        db += z[i]
    return J, db


@helper
def add_block(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, first: int, z: Any, loss: Any, sums: Any) -> None:
    """Forward and backward pass over the rows from `first` on, as many as z and loss have room for, added to `sums`."""
    n = theta.size - 1
    last = first + z.size
    margins(X, first, theta, offset, z)
    J, db = losses_and_slopes(z, y[first:last], sample_weight[first:last], loss)
    backward(X, first, z, sums)
    sums[n] += db
    sums[n + 1] += J


# ---- kernels --------------------------------------------------------------------------------------------------------

@helper
def cost_gradient(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, ranges: Any, sums: Any, scratch: Any, first: int,
                  last: int, thread: int) -> None:
    """Forward and backward pass: sums[k] (n + 2,) becomes [dw, db, loss] of chunk k.

    A block has as many rows as half of a thread's `scratch` has room for.
    """
    rows = scratch.shape[1] // 2
    z, loss = scratch[thread, :rows], scratch[thread, rows:]
    for k in range(first, last):
        sums[k] = 0.0
        for start in range(ranges[k], ranges[k + 1], rows):
            size = min(rows, ranges[k + 1] - start)
            add_block(X, y, sample_weight, offset, theta, start, z[:size], loss[:size], sums[k])


@helper
def residuals(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, residuals: Any, ranges: Any, sums: Any, scratch: Any,
              first: int, last: int, thread: int) -> None:
    """residuals (m,) become s_i (a_i - y_i), and sums[k] (1,) the loss of chunk k."""
    rows = scratch.shape[1]
    for k in range(first, last):
        sums[k] = 0.0
        for start in range(ranges[k], ranges[k + 1], rows):
            stop = min(start + rows, ranges[k + 1])
            z = residuals[start:stop]
            margins(X, start, theta, offset, z)
            J, _ = losses_and_slopes(z, y[start:stop], sample_weight[start:stop], scratch[thread, :stop - start])
            sums[k, 0] += J


@block
def _add_to_groups(X: Any, start: int, dz: Any, places: Any, sums: Any) -> None:
    """sums[g] (n + 1,) += the sum of dz [x, 1] over those of the rows x from `start` on whose place is g."""
    n = X.shape[1]
    for i in range(dz.size):
        x, d, own = X[start + i], dz[i], sums[places[start + i]]
        for j in range(n):
            own[j] += d * x[j]
        own[n] += d


@helper
def grouped_scores(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, places: Any, losses: Any, ranges: Any, sums: Any,
                   scratch: Any, first: int, last: int, thread: int) -> None:
    """Rows k g to (k + 1) g of `sums` (chunks g, n + 1) gain the sums of s (a - y) [x, 1] over chunk k, for each of g groups.

    places (m,) say which group a row of X is of, and losses[k] gains the sum of s loss.  X is dense.
    """
    rows, groups = scratch.shape[1] // 2, sums.shape[0] // losses.size
    for k in range(first, last):
        own = sums[k * groups:(k + 1) * groups]
        for start in range(ranges[k], ranges[k + 1], rows):
            stop = min(start + rows, ranges[k + 1])
            z, loss = scratch[thread, :stop - start], scratch[thread, rows:rows + stop - start]
            margins(X, start, theta, offset, z)
            J, _ = losses_and_slopes(z, y[start:stop], sample_weight[start:stop], loss)
            losses[k] += J
            _add_to_groups(X, start, z, places, own)


@helper
def hessian_product(X: Any, curvature: Any, v: Any, ranges: Any, sums: Any, scratch: Any, first: int, last: int,
                    thread: int) -> None:
    """sums[k] (n + 1,) becomes the sum of d_i [x_i, 1] ([x_i, 1] . v) over chunk k, with curvatures d (m,)."""
    n = v.size - 1
    rows = scratch.shape[1]
    for k in range(first, last):
        sums[k] = 0.0
        for start in range(ranges[k], ranges[k + 1], rows):
            along = scratch[thread, :min(rows, ranges[k + 1] - start)]
            along[:] = v[n]
            forward(X, start, v, along)
            total = 0.0
            for i in range(along.size):
                along[i] *= curvature[start + i]
                total += along[i]
            backward(X, start, along, sums[k])
            sums[k, n] += total
