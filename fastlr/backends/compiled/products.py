"""Products of tables in tiles: a number that is loaded into a register serves three sums, or four.

The tables are in C order.  NumPy's BLAS is no faster at that where one side is short, and its threads and the kernels' would wait
for each other.
"""

from typing import Any

from fastlr.backends.compiled.jit import block

_BESIDE = 96 * 136              # numbers in rows of a table that stay in L2 while those of the other pass
_STRIP = 384                    # columns of seven rows that stay in L1


@block
def add_dots(A: Any, B: Any, out: Any) -> None:
    """out[i, j] += A[i] . B[j]; A has a multiple of 4 rows, B one of 3."""
    beside = max(3, _BESIDE // A.shape[1] // 3 * 3)
    for left in range(0, B.shape[0], beside):
        right = min(left + beside, B.shape[0])
        for i in range(0, A.shape[0], 4):
            a0, a1, a2, a3 = A[i], A[i + 1], A[i + 2], A[i + 3]
            for j in range(left, right, 3):
                b0, b1, b2 = B[j], B[j + 1], B[j + 2]
                s00 = s01 = s02 = s10 = s11 = s12 = s20 = s21 = s22 = s30 = s31 = s32 = 0.0
                for k in range(A.shape[1]):
                    s00 += a0[k] * b0[k]
                    s01 += a0[k] * b1[k]
                    s02 += a0[k] * b2[k]
                    s10 += a1[k] * b0[k]
                    s11 += a1[k] * b1[k]
                    s12 += a1[k] * b2[k]
                    s20 += a2[k] * b0[k]
                    s21 += a2[k] * b1[k]
                    s22 += a2[k] * b2[k]
                    s30 += a3[k] * b0[k]
                    s31 += a3[k] * b1[k]
                    s32 += a3[k] * b2[k]
                h0, h1, h2, h3 = out[i, j:j + 3], out[i + 1, j:j + 3], out[i + 2, j:j + 3], out[i + 3, j:j + 3]
                h0[0] += s00
                h0[1] += s01
                h0[2] += s02
                h1[0] += s10
                h1[1] += s11
                h1[2] += s12
                h2[0] += s20
                h2[1] += s21
                h2[2] += s22
                h3[0] += s30
                h3[1] += s31
                h3[2] += s32


@block
def add_multiples(C: Any, B: Any, out: Any) -> None:
    """out[k] += sum_i C[k, i] B[i]; out has a multiple of 3 rows, B one of 4."""
    for left in range(0, B.shape[1], _STRIP):
        right = min(left + _STRIP, B.shape[1])
        for k in range(0, out.shape[0], 3):
            o0, o1, o2 = out[k, left:right], out[k + 1, left:right], out[k + 2, left:right]
            c0, c1, c2 = C[k], C[k + 1], C[k + 2]
            for i in range(0, B.shape[0], 4):
                b0, b1, b2, b3 = B[i, left:right], B[i + 1, left:right], B[i + 2, left:right], B[i + 3, left:right]
                c00, c01, c02, c03 = c0[i], c0[i + 1], c0[i + 2], c0[i + 3]
                c10, c11, c12, c13 = c1[i], c1[i + 1], c1[i + 2], c1[i + 3]
                c20, c21, c22, c23 = c2[i], c2[i + 1], c2[i + 2], c2[i + 3]
                for j in range(b0.size):
                    o0[j] += (c00 * b0[j] + c01 * b1[j]) + (c02 * b2[j] + c03 * b3[j])
                    o1[j] += (c10 * b0[j] + c11 * b1[j]) + (c12 * b2[j] + c13 * b3[j])
                    o2[j] += (c20 * b0[j] + c21 * b1[j]) + (c22 * b2[j] + c23 * b3[j])
