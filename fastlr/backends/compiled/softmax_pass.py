"""Sums for K classes in one read of X.

A block of rows is copied into the cache as float64, whatever X is.  There it is multiplied by the w of all classes, the margins
Z (K, rows) become their derivatives in place, and these are multiplied by the same block.  Both products go in tiles, see
`products`.  The copy is one of two:

    rows        the block as it is (rows, n): forward the dots of its rows with those of w, backward multiples of its rows
    panel       its transpose (n, rows): forward multiples of its rows, which are features, and backward their dots with dZ

Long rows are faster as they are, and short ones in a panel, whose rows are as long as the block.  Fortran order makes a panel.
A sparse X is not copied: each of its values is multiplied by a row of w^T, which has the classes side by side.

In w, Z and the gradient K is rounded up to whole tiles, and so is n in w, the copy and the gradient; what is added is 0.
"""

from typing import Any

import numpy as np

from fastlr.backends.compiled.block_pass import values_of_row
from fastlr.backends.compiled.chunks import SPACE_ROWS
from fastlr.backends.compiled.header import GRADIENT, PROBABILITIES, PRODUCT
from fastlr.backends.compiled.hessian import pack
from fastlr.backends.compiled.jit import block, by_layout, helper
from fastlr.backends.compiled.products import add_dots, add_multiples
from fastlr.backends.compiled.scalar import exp_nonpositive, log_of_sum

# ---- both products, for every layout -------------------------------------------------------------------------------------

def _copy_rows(X: Any, start: int, center: Any, ones: Any, copy: Any, rows: int) -> None:
    if copy.shape[1] == rows:
        pack(X, start, center, ones, copy)
    else:
        for i in range(ones.size):
            x, row = X[start + i], copy[i]
            for j in range(x.size):
                row[j] = x[j]


def _copy_columns(X: Any, start: int, center: Any, ones: Any, copy: Any, rows: int) -> None:
    pack(X, start, center, ones, copy)


def _copy_nothing(X: Any, start: int, center: Any, ones: Any, copy: Any, rows: int) -> None:
    """A sparse X is read where it is."""


_copy = by_layout(_copy_rows, _copy_columns, _copy_nothing)


def _forward_dense(X: Any, start: int, size: int, w: Any, copy: Any, Z: Any) -> None:
    if copy.shape[1] == Z.shape[1]:
        add_multiples(w, copy, Z)
    else:
        add_dots(copy, w, Z.T)


def _backward_dense(X: Any, start: int, size: int, Z: Any, copy: Any, grad: Any) -> None:
    if copy.shape[1] == Z.shape[1]:
        add_dots(copy, Z, grad.T)
    else:
        add_multiples(Z, copy, grad)


def _forward_csr(X: Any, start: int, size: int, w: Any, copy: Any, Z: Any) -> None:
    values, indices, z = X.values, X.indices, copy[0]
    for i in range(size):
        z[:] = 0.0
        for k in values_of_row(X.indptr, start + i):
            x, w_j = values[k], w[np.uintp(indices[k])]
            for c in range(z.size):
                z[c] += x * w_j[c]
        for c in range(Z.shape[0]):
            Z[c, i] += z[c]


def _backward_csr(X: Any, start: int, size: int, Z: Any, copy: Any, grad: Any) -> None:
    values, indices, dz = X.values, X.indices, copy[0]
    for i in range(size):
        for c in range(Z.shape[0]):
            dz[c] = Z[c, i]
        for k in values_of_row(X.indptr, start + i):
            x, grad_j = values[k], grad[np.uintp(indices[k])]
            for c in range(dz.size):
                grad_j[c] += x * dz[c]


_forward = by_layout(_forward_dense, _forward_dense, _forward_csr)
_backward = by_layout(_backward_dense, _backward_dense, _backward_csr)


@block
def _margins(X: Any, offsets: Any, w: Any, b: Any, center: Any, start: int, size: int, space: Any, copy: Any, Z: Any) -> None:
    """Z = (b + offset) + w X^T for so many rows from `start` on, whose copy is made."""
    ones = space[0, :size]
    ones[:] = 1.0
    _copy(X, start, center, ones, copy, Z.shape[1])
    for k in range(b.size):
        z = Z[k]
        z[:] = b[k]
        if offsets.size:
            for i in range(size):
                z[i] += offsets[start + i, k]
    for k in range(b.size, Z.shape[0]):
        Z[k] = 0.0
    _forward(X, start, size, w, copy, Z)


@block
def _gradient(X: Any, start: int, size: int, Z: Any, copy: Any, grad: Any, totals: Any) -> None:
    """The gradient += Z X, and totals[k] += the sum of Z[k]; the rows of Z may be longer than `size`."""
    for k in range(totals.size - 1):
        z, total = Z[k], 0.0
        for i in range(size):
            total += z[i]
        for i in range(size, z.size):
            z[i] = 0.0
        totals[k] += total
    _backward(X, start, size, Z, copy, grad)


# ---- the loss of a block -----------------------------------------------------------------------------------------------

@block
def _largest(Z: Any, classes: int, most: Any) -> None:
    """The largest margin of each row."""
    for i in range(most.size):
        most[i] = Z[0, i]
    for k in range(1, classes):
        z = Z[k]
        for i in range(most.size):
            most[i] = z[i] if z[i] > most[i] else most[i]


@block
def _losses(Z: Any, classes: int, y: Any, sample_weight: Any, space: Any) -> float:
    """Turn Z into dZ = s (p - [y = k]) in place; return the sum of s * loss."""
    most, own, others = space[0, :y.size], space[1, :y.size], space[2, :y.size]
    _largest(Z, classes, most)
    for i in range(y.size):
        own[i] = Z[y[i], i] - most[i]
        others[i] = 0.0
    for k in range(classes):
        z = Z[k]
        for i in range(y.size):
            z[i] = exp_nonpositive(z[i] - most[i])
        for i in range(y.size):
            others[i] += 0.0 if y[i] == k else z[i]
    J = 0.0
    scale = most                        # which is not needed any more
    for i in range(y.size):
        s = sample_weight[i] if sample_weight.size else 1.0
        e = exp_nonpositive(own[i])
        J += s * (log_of_sum(e, others[i]) - own[i])
        scale[i] = s / (e + others[i])
    for k in range(classes):
        z = Z[k]
        for i in range(y.size):
            z[i] *= scale[i]
    for i in range(y.size):
        Z[y[i], i] = -others[i] * scale[i]              # p - 1 would cancel
    return J


@block
def _predict(Z: Any, P: Any, start: int, stop: int, result: int, space: Any, total: Any) -> None:
    """Columns start..stop of P (K, m) become the margins Z, or the probabilities.

    The last of total += 0, or NaN where a margin is not finite.
    """
    size = stop - start
    most, scale = space[0, :size], space[1, :size]
    nothing = 0.0
    for k in range(P.shape[0]):
        z = Z[k]
        for i in range(size):
            nothing += z[i] - z[i]
    total[total.size - 1] += nothing
    if result == PROBABILITIES:
        _largest(Z, P.shape[0], most)
        scale[:] = 0.0
        for k in range(P.shape[0]):
            z = Z[k]
            for i in range(size):
                z[i] = exp_nonpositive(z[i] - most[i])
            for i in range(size):
                scale[i] += z[i]
        for i in range(size):
            scale[i] = 1.0 / scale[i]
        for k in range(P.shape[0]):
            z = Z[k]
            for i in range(size):
                z[i] *= scale[i]
    for k in range(P.shape[0]):
        p, z = P[k, start:stop], Z[k]
        for i in range(size):
            p[i] = z[i]


@block
def _weigh(Z: Any, P: Any, start: int, stop: int, sample_weight: Any, space: Any) -> None:
    """Turn Z into s p_k (z_k - sum_l p_l z_l) in place, for probabilities P (K, m).

    Z is taken from its value at the likeliest class, since z_k - sum_l p_l z_l would cancel there.
    """
    size = stop - start
    most, level, mean = space[0, :size], space[1, :size], space[2, :size]
    most[:] = -1.0
    for k in range(P.shape[0]):
        p, z = P[k, start:stop], Z[k]
        for i in range(size):
            level[i] = z[i] if p[i] > most[i] else level[i]
            most[i] = max(most[i], p[i])
    mean[:] = 0.0
    for k in range(P.shape[0]):
        p, z = P[k, start:stop], Z[k]
        for i in range(size):
            z[i] -= level[i]
            mean[i] += p[i] * z[i]
    for k in range(P.shape[0]):
        p, z = P[k, start:stop], Z[k]
        for i in range(size):
            z[i] = p[i] * (z[i] - mean[i])
        if sample_weight.size:
            for i in range(size):
                z[i] *= sample_weight[i]


# ---- the kernel -----------------------------------------------------------------------------------------------------------

@helper
def softmax(X: Any, labels: Any, sample_weight: Any, offsets: Any, P: Any, w: Any, b: Any, center: Any, ranges: Any, sums: Any,
            totals: Any, scratch: Any, copies: Any, threads: int, result: int, first: int, last: int, thread: int) -> None:
    """What `result` names, of the chunks first..last; it is one kernel, since both products are most of what there is to compile.

    GRADIENT        sums of s (p - [y = k]) x, and in `totals` those of s (p - [y = k]), and last the loss
    PRODUCT         the same with the second derivatives, at probabilities P (K, m), times (w, b) in place of the slopes
    MARGINS         P (K, m) becomes the margins, and
    PROBABILITIES   P (K, m) becomes the probabilities; the last of totals[k] becomes 0, or NaN where a margin is not finite

    `sums` has as many rows for each chunk as w, and `totals` (chunks, K + 1) one.
    """
    own, copy = _part_of(scratch, threads, thread), _part_of(copies, threads, thread)
    space, Z = own[:SPACE_ROWS], own[SPACE_ROWS:]
    for k in range(first, last):
        grad, total = sums[k * w.shape[0]:(k + 1) * w.shape[0]], totals[k]
        grad[:] = 0.0
        total[:] = 0.0
        for start in range(ranges[k], ranges[k + 1], Z.shape[1]):
            stop = min(start + Z.shape[1], ranges[k + 1])
            _margins(X, offsets, w, b, center, start, stop - start, space, copy, Z)
            if result == GRADIENT:
                total[b.size] += _losses(Z, b.size, labels[start:stop], sample_weight[start:stop], space)
            elif result == PRODUCT:
                _weigh(Z, P, start, stop, sample_weight[start:stop], space)
            else:
                _predict(Z, P, start, stop, result, space, total)
            if result in (GRADIENT, PRODUCT):
                _gradient(X, start, stop - start, Z, copy, grad, total)


@helper
def _part_of(table: Any, threads: int, thread: int) -> Any:
    """The rows of scratch memory that belong to one of so many threads."""
    size = table.shape[0] // threads
    return table[thread * size:(thread + 1) * size]
