"""The Hessian of the loss, and the sum of squared scores, which are one sum of d_i v_i v_i^T with different weights d_i.

A block of rows is packed into a panel, centered, weighed and transposed, a feature a row.  Every entry of the Hessian is
then the dot product of two rows of the panel; twelve go together, so that each number that is loaded is used three or four
times.  (NumPy's BLAS is no faster at that, and its threads and the kernels' would wait for each other.)

The kernel `hessian` takes a power.  From 0 on d_i is s_i r_i^2 / (1 - h_i)^power, with the residuals r_i = a_i - y_i and the
leverages h_i = a_i (1 - a_i) v_i^T V v_i; where it is `CURVATURE` d_i is s_i a_i (1 - a_i), unless that is below the floor.
"""

from typing import Any

import numpy as np

from fastlr.backends.compiled.block_pass import losses_and_slopes, margins, values_of_row
from fastlr.backends.compiled.chunks import BESIDE_PANEL, PANEL_ROWS
from fastlr.backends.compiled.header import CURVATURE
from fastlr.backends.compiled.jit import block, by_layout, helper
from fastlr.backends.compiled.products import add_dots
from fastlr.backends.compiled.scalar import curvature, exp_nonpositive

_BESIDE_IN_CACHE = 96           # rows of a panel that stay in L2 while all others pass: whole tiles


def _pack_rows(X: Any, start: int, center: Any, root: Any, panel: Any) -> None:
    together = root.size - root.size % 8
    for k in range(0, together, 8):         # whole cache lines of the panel at a time
        i = start + k
        x0, x1, x2, x3, x4, x5, x6, x7 = X[i], X[i + 1], X[i + 2], X[i + 3], X[i + 4], X[i + 5], X[i + 6], X[i + 7]
        r0, r1, r2, r3 = root[k], root[k + 1], root[k + 2], root[k + 3]
        r4, r5, r6, r7 = root[k + 4], root[k + 5], root[k + 6], root[k + 7]
        for j in range(center.size):
            row, mu = panel[j, k:k + 8], center[j]
            row[0] = r0 * (x0[j] - mu)
            row[1] = r1 * (x1[j] - mu)
            row[2] = r2 * (x2[j] - mu)
            row[3] = r3 * (x3[j] - mu)
            row[4] = r4 * (x4[j] - mu)
            row[5] = r5 * (x5[j] - mu)
            row[6] = r6 * (x6[j] - mu)
            row[7] = r7 * (x7[j] - mu)
    for k in range(together, root.size):
        x, r = X[start + k], root[k]
        for j in range(center.size):
            panel[j, k] = r * (x[j] - center[j])


def _pack_columns(X: Any, start: int, center: Any, root: Any, panel: Any) -> None:
    stop = start + root.size
    for j in range(center.size):
        x, row, mu = X[start:stop, j], panel[j], center[j]
        for k in range(root.size):
            row[k] = root[k] * (x[k] - mu)


pack = by_layout(_pack_rows, _pack_columns, _pack_rows)
"""pack(X, start, center, root, panel): panel[j, k] = root[k] (x[j] - center[j]) for the rows x of X from `start` on."""


@block
def _roots(z: Any, sample_weight: Any, floor: float) -> None:
    """Turn z into sqrt(s a (1 - a)) in place, or into 0 where s a (1 - a) is below the floor."""
    for i in range(z.size):
        z[i] = curvature(exp_nonpositive(-abs(z[i])))
    if sample_weight.size:
        for i in range(z.size):
            z[i] *= sample_weight[i]
    for i in range(z.size):
        z[i] = np.sqrt(z[i]) if z[i] >= floor else 0.0


@block
def _roots_of_rows(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, floor: float, power: int, first: int, root: Any,
                   space: Any) -> float:
    """Make root the roots of the weights of the rows from `first` on, or their residuals where the power is 1 or 2.

    The sum of s loss is returned, or 0 for second derivatives.
    """
    rows = slice(first, first + root.size)
    margins(X, first, theta, offset, root)
    if power == CURVATURE:
        _roots(root, sample_weight[rows], floor)
        return 0.0
    J, _ = losses_and_slopes(root, y[rows], sample_weight[rows], space)
    if sample_weight.size:
        s = sample_weight[rows]
        for i in range(root.size):
            root[i] /= (s[i] if power > 0 else np.sqrt(s[i])) if s[i] > 0.0 else 1.0
    return J


@block
def _divide_by_rest(sample_weight: Any, power: int, forms: Any, r: Any) -> None:
    """Multiply residuals r by sqrt(s) / (1 - h)^(power / 2), with the leverages h = |r| (1 - |r|) times the quadratic forms."""
    for i in range(r.size):
        size = abs(r[i])
        rest = 1.0 - size * (1.0 - size) * forms[i]
        r[i] /= rest if power == 2 else np.sqrt(rest)
    if sample_weight.size:
        for i in range(r.size):
            r[i] *= np.sqrt(sample_weight[i])


@block
def _forms_of_panel(panel: Any, n: int, V: Any, product: Any, forms: Any) -> None:
    """v^T V v of the columns v of a panel, for a V that is 0 above its diagonal."""
    forms[:] = 0.0
    for left in range(0, n + 1, _BESIDE_IN_CACHE):
        for i in range(left, n + 1):
            product[:] = 0.0
            for j in range(left, min(left + _BESIDE_IN_CACHE, i + 1), 4):
                v0, v1, v2, v3 = panel[j], panel[j + 1], panel[j + 2], panel[j + 3]
                c0, c1, c2, c3 = V[i, j], V[i, j + 1], V[i, j + 2], V[i, j + 3]
                for k in range(forms.size):
                    product[k] += (c0 * v0[k] + c1 * v1[k]) + (c2 * v2[k] + c3 * v3[k])
            v = panel[i]
            for k in range(forms.size):
                forms[k] += v[k] * product[k]


@block
def _form_of_row(X: Any, i: int, V: Any) -> float:
    """v^T V v of a sparse row v = [x, 1], for a V that is 0 above its diagonal."""
    values, indices, n = X.values, X.indices, X.n_columns
    form, begin = V[n, n], np.uintp(X.indptr[i])
    for k in values_of_row(X.indptr, i):
        row, product = V[np.uintp(indices[k])], V[n, np.uintp(indices[k])]
        for l in range(begin, k + np.uintp(1)):               # columns are in order: the lower triangle
            product += row[np.uintp(indices[l])] * values[l]
        form += values[k] * product
    return form


def _forms_dense(X: Any, first: int, center: Any, V: Any, panel: Any, product: Any, forms: Any) -> None:
    forms[:] = 1.0
    pack(X, first, center, forms, panel)
    panel[X.shape[1], :forms.size] = 1.0
    _forms_of_panel(panel, X.shape[1], V, product, forms)


def _forms_csr(X: Any, first: int, center: Any, V: Any, panel: Any, product: Any, forms: Any) -> None:
    for i in range(forms.size):
        forms[i] = _form_of_row(X, first + i, V)


forms_of_rows = by_layout(_forms_dense, _forms_dense, _forms_csr)
"""forms_of_rows(X, first, center, V, panel, product, forms): v^T V v for v = [x - center, 1] and the rows from `first` on.  Dense
rows become the columns v of the panel, which is 0 below them.  The center of a sparse X is 0."""


@block
def add_products(panel: Any, H: Any) -> None:
    """H += panel panel^T, its lower triangle in tiles of 4 x 3; the last may reach two rows into what `side_of` adds."""
    for left in range(0, panel.shape[0] - 2, _BESIDE_IN_CACHE):
        for i in range(left, panel.shape[0] - 2, 4):
            right = min(left + _BESIDE_IN_CACHE, (i + 6) // 3 * 3)
            add_dots(panel[i:i + 4], panel[left:right], H[i:i + 4, left:right])


def _add_dense(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, center: Any, floor: float, power: int, V: Any,
               start: int, stop: int, scratch: Any, H: Any) -> float:
    n, side, loss = X.shape[1], H.shape[0], 0.0
    panel, space, forms, product = scratch[:side], scratch[side], scratch[side + 1], scratch[side + 2]
    panel[:] = 0.0
    for first in range(start, stop, PANEL_ROWS):
        last = min(first + PANEL_ROWS, stop)
        root = space[:last - first]
        loss += _roots_of_rows(X, y, sample_weight, offset, theta, floor, power, first, root, forms)
        if root.size < PANEL_ROWS:
            panel[:] = 0.0
        if power > 0:                       # leverages are of rows that are not weighed yet
            forms_of_rows(X, first, center, V, panel, product, forms[:root.size])
            _divide_by_rest(sample_weight[first:last], power, forms, root)
            for j in range(n + 1):
                for k in range(root.size):
                    panel[j, k] *= root[k]
        else:
            pack(X, first, center, root, panel)
            for k in range(root.size):
                panel[n, k] = root[k]
        add_products(panel, H)
    return loss


def _add_csr(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, center: Any, floor: float, power: int, V: Any,
             start: int, stop: int, scratch: Any, H: Any) -> float:
    values, indices, indptr, n, loss = X.values, X.indices, X.indptr, X.n_columns, 0.0
    space, forms = scratch[H.shape[0]], scratch[H.shape[0] + 1]
    for first in range(start, stop, PANEL_ROWS):
        last = min(first + PANEL_ROWS, stop)
        root = space[:last - first]
        loss += _roots_of_rows(X, y, sample_weight, offset, theta, floor, power, first, root, forms)
        if power > 0:
            forms_of_rows(X, first, center, V, scratch, space, forms[:root.size])
            _divide_by_rest(sample_weight[first:last], power, forms, root)
        for i in range(root.size):
            d, begin = root[i] * root[i], np.uintp(indptr[first + i])
            for k in values_of_row(indptr, first + i):
                row, dx = H[np.uintp(indices[k])], d * values[k]
                for l in range(begin, k + np.uintp(1)):           # columns are in order: the lower triangle
                    row[np.uintp(indices[l])] += dx * values[l]
                H[n, np.uintp(indices[k])] += dx
            H[n, n] += d
    return loss


add_hessian_of_rows = by_layout(_add_dense, _add_dense, _add_csr)
"""add_hessian_of_rows(X, y, sample_weight, offset, theta, center, floor, power, V, start, stop, scratch, H): the sum over rows
start..stop is added to the lower triangle of H (side, side); to be centered by `center_hessian` once all of them are.  The sum of
s loss is returned, or 0 for second derivatives.  `scratch` is (side + BESIDE_PANEL, PANEL_ROWS).  V (side, side) is 0 above its
diagonal, and may be empty up to power 0."""


def _is_centered(X: Any, center: Any, H: Any) -> None:
    """Nothing to do: a panel is centered when it is packed."""


def _center_csr(X: Any, center: Any, H: Any) -> None:
    """The lower triangle, for [x - center, 1] in place of [x, 1]: x alone leaves most of a row at 0."""
    n = X.n_columns
    total = H[n, n]
    for i in range(n):
        c, sum_i = center[i], H[n, i]
        for j in range(i + 1):
            H[i, j] -= sum_i * center[j] + c * (H[n, j] - total * center[j])
    for j in range(n):
        H[n, j] -= total * center[j]


center_hessian = by_layout(_is_centered, _is_centered, _center_csr)
"""center_hessian(X, center, H): what is left to do for features x - center once all rows are added to H."""


@helper
def hessian(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, center: Any, floor: Any, power: int, V: Any,
            losses: Any, ranges: Any, sums: Any, scratch: Any, first: int, last: int, thread: int) -> None:
    """Rows k side to (k + 1) side of `sums` (chunks side, side) become the lower triangle of chunk k, not yet centered.

    losses[k] becomes the sum of s loss of chunk k, or 0 for second derivatives.
    """
    side = sums.shape[1]
    rows = side + BESIDE_PANEL
    for k in range(first, last):
        H = sums[k * side:(k + 1) * side]
        H[:] = 0.0
        losses[k] = add_hessian_of_rows(X, y, sample_weight, offset, theta, center, floor[0], power, V, ranges[k], ranges[k + 1],
                                        scratch[thread * rows:(thread + 1) * rows], H)


@helper
def margins_and_forms(X: Any, offset: Any, theta: Any, center: Any, V: Any, z: Any, forms: Any, ranges: Any, scratch: Any,
                      first: int, last: int, thread: int) -> None:
    """z (m,) become the margins of the chunks, and forms (m,) v^T V v; V and `scratch` are as for `add_hessian_of_rows`."""
    side = V.shape[0]
    mine = scratch[thread * (side + BESIDE_PANEL):]
    panel, product = mine[:side], mine[side]
    panel[:] = 0.0
    for start in range(ranges[first], ranges[last], PANEL_ROWS):
        stop = min(start + PANEL_ROWS, ranges[last])
        margins(X, start, theta, offset, z[start:stop])
        forms_of_rows(X, start, center, V, panel, product, forms[start:stop])


@helper
def finish_hessian(X: Any, center: Any, sums: Any, H: Any) -> None:
    """H (n + 1, n + 1) becomes the sum of all chunks, centered, and both triangles of it."""
    side = sums.shape[1]
    for i in range(H.shape[0]):
        for j in range(i + 1):
            total = 0.0
            for k in range(0, sums.shape[0], side):
                total += sums[k + i, j]
            H[i, j] = total
    center_hessian(X, center, H)
    for i in range(H.shape[0]):
        for j in range(i):
            H[j, i] = H[i, j]
