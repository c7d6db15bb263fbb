"""Linear algebra in pieces too small for BLAS to start threads.

BLAS threads go on spinning after their work, in the way of the compiled kernels' threads, which lie in turn in theirs:
for the inverse of a hundred features' Hessian the waiting took fifty times as long as the work.
"""

import math

import numpy as np

# OpenBLAS starts threads beyond these:
_SIDE = 64                      # of a matrix to invert
_PRODUCT = 1 << 18              # multiplications in a product of matrices
_DOT = 10_000                   # in a dot product
_LARGE = 512                    # columns: from here on threads save more than the waiting costs


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """The scalar product of two vectors."""
    return sum(float(a[i:i + _DOT] @ b[i:i + _DOT]) for i in range(0, a.size, _DOT)) if a.size > _DOT else float(a @ b)


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


def _product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A @ B, on one thread unless it is large."""
    if A.shape[1] >= _LARGE:
        return A @ B
    tile = max(8, math.isqrt(_PRODUCT // A.shape[1]))
    product = np.empty((A.shape[0], B.shape[1]))
    for i in range(0, A.shape[0], tile):
        for j in range(0, B.shape[1], tile):
            np.matmul(A[i:i + tile], B[:, j:j + tile], out=product[i:i + tile, j:j + tile])
    return product
