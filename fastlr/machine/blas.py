"""Linear algebra in pieces too small for BLAS to start threads.

BLAS threads go on spinning after their work, in the way of the compiled kernels' threads, which lie in turn in theirs:
for the inverse of a hundred features' Hessian the waiting took fifty times as long as the work.  With a busy neighbour on
the machine it is worse: LAPACK waits for its threads in every column, and the eigenvalues of a 256 x 256 matrix took half a
second in place of 2.5 milliseconds.

Telling BLAS to use one thread (threadpoolctl 3.8) costs 10 microseconds a call, where a dot product of 500 takes 1, and is
for the whole process, so that two trainings at once undo each other's limits.  Under it the inverse factors of 20, 100, 300 and
500 columns took .04, .37, 24 and 77 ms, and by halves they take .02, .32, 10 and 41, since NumPy inverts a triangle as if it
were full.
"""

import math

import numpy as np

# OpenBLAS starts threads beyond these:
_SIDE = 64                      # of a matrix to invert
_PRODUCT = 1 << 18              # multiplications in a product of matrices
_DOT = 10_000                   # in a dot product
_SQUARINGS = 6
_LARGE = 512                    # columns: from here on threads save more than the waiting costs
_LONG = 1 << 33                 # multiplications in one call: Ctrl-C is answered between calls


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """The scalar product of two vectors."""
    if a.size > _DOT:
        return sum(dot(a[i:i + _DOT], b[i:i + _DOT]) for i in range(0, a.size, _DOT))
    return float(a.dot(b))                      # `@` takes twice as long for short vectors


def inverse_factor(H: np.ndarray) -> np.ndarray:
    """The inverse of H's lower Cholesky factor: P with H^-1 = P^T P.

    Parameters
    ----------
    H : (n, n) float64
        Symmetric and positive definite.

    Returns
    -------
    (n, n) float64, lower triangular

    Raises
    ------
    numpy.linalg.LinAlgError
        H is not positive definite.

    Notes
    -----
    By halves: with H = [[A, B^T], [B, C]], P of A and Q of the Schur complement C - L L^T, where L = B P^T, the inverse
    factor is [[P, 0], [-Q L P, Q]].
    """
    n = len(H)
    if n <= _SIDE:
        return np.linalg.inv(np.linalg.cholesky(H))
    half = n // 2
    P = inverse_factor(H[:half, :half])
    L = _product(H[half:, :half], P.T)
    Q = inverse_factor(H[half:, half:] - _product(L, L.T))
    inverse = np.zeros((n, n))
    inverse[:half, :half] = P
    inverse[half:, half:] = Q
    inverse[half:, :half] = -_product(Q, _product(L, P))
    return inverse


def ridged_inverse_factor(H: np.ndarray, diagonal: np.ndarray, ridge: float) -> np.ndarray | None:
    """`inverse_factor` of H + ridge * diagonal, with as little more of a ridge as H needs to be positive definite.

    Parameters
    ----------
    H : (n, n) float64
        Symmetric; overwritten.
    diagonal : (n,) float64
        Positive.
    ridge : float
        To begin with.

    Returns
    -------
    (n, n) float64, or None where a ridge of 1 would not be enough
    """
    while ridge < 1.0:
        H.flat[::len(H) + 1] += ridge * diagonal
        try:
            return inverse_factor(H)
        except np.linalg.LinAlgError:           # rounding of a nearly singular H
            ridge *= 100.0
    return None


def largest_eigenvalue(G: np.ndarray) -> float:
    """An upper bound of the largest eigenvalue, at most a ninth above it; exact for up to 64 rows.

    Parameters
    ----------
    G : (n, n) float64
        Symmetric, and no eigenvalue is negative.

    Notes
    -----
    The k-th root of the trace of G^k, which is the sum of the k-th powers of the eigenvalues: too large by the k-th root of n
    at most.  k = 64 takes six squarings.
    """
    if len(G) <= _SIDE:
        return float(np.linalg.eigvalsh(G)[-1])
    logarithm = 0.0                             # of the bound
    for k in range(_SQUARINGS + 1):
        if k > 0:
            G = _product(G, G)
        size = float(np.trace(G))
        if size == 0.0:
            return 0.0
        logarithm += math.log(size) / 2 ** k
        G = G / size
    return math.exp(logarithm)


def _product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A @ B, on one thread unless it is large."""
    product = np.empty((A.shape[0], B.shape[1]))
    if A.shape[1] >= _LARGE:
        rows = max(1, _LONG // B.size)
        for i in range(0, A.shape[0], rows):
            np.matmul(A[i:i + rows], B, out=product[i:i + rows])
        return product
    tile = max(8, math.isqrt(_PRODUCT // A.shape[1]))
    for i in range(0, A.shape[0], tile):
        for j in range(0, B.shape[1], tile):
            np.matmul(A[i:i + tile], B[:, j:j + tile], out=product[i:i + tile, j:j + tile])
    return product
