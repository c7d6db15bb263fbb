"""Linear algebra in pieces too small for BLAS to start threads.

BLAS threads keep spinning after their work, and so do the threads of the compiled kernels.  Each set waits for the other's cores:
for the inverse of a Hessian of a hundred features, the waiting took fifty times as long as the work.  On a busy machine it is
worse, because LAPACK waits for its threads in every column.  The eigenvalues of a 256 x 256 matrix took half a second there
in place of 2.5 milliseconds.

Telling BLAS to use one thread (threadpoolctl 3.8) is no way out.  It costs 10 microseconds a call; a dot product of 500 takes 1.
It is for the whole process, so two trainings at once undo each other's limits.  And NumPy inverts a triangle as if it were full:
the inverse factors of 20, 100, 300 and 500 columns took .04, .37, 24 and 77 ms that way, and by halves .02, .32, 10 and 41.
"""

import math

import numpy as np

from fastlr.machine.limits import PRODUCTS_A_CALL

# Rows of the largest matrix that OpenBLAS inverts on one thread.
_SIDE = 64
# Multiplications in the largest product of matrices that OpenBLAS makes on one thread.
_PRODUCT = 1 << 18
# Elements of the longest vectors whose dot product OpenBLAS makes on one thread.
_DOT = 10_000
# Squarings of a matrix in the bound of its largest eigenvalue, which is then at most a ninth too large.
_SQUARINGS = 6
# Columns from which on threads save more than the waiting for them costs.
_LARGE = 512


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """The scalar product of two vectors."""
    if a.size > _DOT:
        return sum(dot(a[i:i + _DOT], b[i:i + _DOT]) for i in range(0, a.size, _DOT))
    return float(a.dot(b))                      # `@` takes twice as long for short vectors


def dots(rows: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The scalar products of some rows (r, n) with a vector, (r,)."""
    if a.size <= _DOT:
        return np.vecdot(rows, a)
    return np.array([dot(row, a) for row in rows])


def inverse_factor(H: np.ndarray) -> np.ndarray:
    """Invert the lower Cholesky factor of H (n, n): the result P has H^-1 = P^T P; LinAlgError where H is not positive definite.

    The work goes by halves.  With H = [[A, B^T], [B, C]], let P be the inverse factor of A, L = B P^T, and Q the inverse factor
    of the Schur complement C - L L^T.  Then the inverse factor of H is [[P, 0], [-Q L P, Q]].
    """
    n = len(H)
    if n <= _SIDE:
        return np.linalg.inv(np.linalg.cholesky(H))
    half = n // 2
    P = inverse_factor(H[:half, :half])
    L = product(H[half:, :half], P.T)
    Q = inverse_factor(H[half:, half:] - product(L, L.T))
    inverse = np.zeros((n, n))
    inverse[:half, :half] = P
    inverse[half:, half:] = Q
    inverse[half:, :half] = -product(Q, product(L, P))
    return inverse


def ridged_inverse_factor(H: np.ndarray, diagonal: np.ndarray, ridge: float) -> np.ndarray | None:
    """Invert the Cholesky factor of H + ridge * diagonal, where the diagonal (n,) is positive; H (n, n) is overwritten.

    Where H is not positive definite with that ridge, others are tried, each a hundred times as large; None where a ridge of 1
    would not be enough.
    """
    while ridge < 1.0:
        H.flat[::len(H) + 1] += ridge * diagonal
        try:
            return inverse_factor(H)
        except np.linalg.LinAlgError:           # rounding of a nearly singular H
            ridge *= 100.0
    return None


def largest_eigenvalue(G: np.ndarray) -> float:
    """Bound the largest eigenvalue of G (n, n), none of which is negative: at most a ninth above it, and exact for up to 64 rows.

    The trace of G^k is the sum of the k-th powers of the eigenvalues.  Its k-th root is too large by a factor of at most the k-th
    root of n.  k = 64 takes six squarings.
    """
    if len(G) <= _SIDE:
        return float(np.linalg.eigvalsh(G)[-1])
    log_bound = 0.0
    for k in range(_SQUARINGS + 1):
        if k > 0:
            G = product(G, G)
        size = float(np.trace(G))
        if size == 0.0:
            return 0.0
        log_bound += math.log(size) / 2 ** k
        G = G / size
    return math.exp(log_bound)


def product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A @ B, on one thread unless it is large."""
    product = np.empty((A.shape[0], B.shape[1]))
    tile = max(8, math.isqrt(_PRODUCT // A.shape[1]))
    rows, columns = (tile, tile) if A.shape[1] < _LARGE else (max(1, PRODUCTS_A_CALL // B.size), B.shape[1])
    for i in range(0, A.shape[0], rows):
        for j in range(0, B.shape[1], columns):
            np.matmul(A[i:i + rows], B[:, j:j + columns], out=product[i:i + rows, j:j + columns])
    return product
