"""Arithmetic: extreme margins against mpmath, float32 over many rows, and the same bits whatever the threads."""


import numpy as np
import pytest
from scipy.sparse import csr_array

import fastlr
from fastlr import backends
from fastlr.data import door
from fastlr.problem.coordinates import Coordinates
from fastlr.problem.problem import Problem
from tests.backends.test_laws import sums
from tests.problems import problem, weights
from tests.processes import run

LAYOUTS = ["C", "F", pytest.param("csr", marks=pytest.mark.sparse)]
# Around 0; where e^-z stops to count against 1; where e^z overflows; where e^-z is subnormal, and 0.
MARGINS = [0.0, 5e-324, 1e-300, 1e-17, 1e-8, 0.5, 1.0, 20.0, 36.0, 36.7368, 36.8, 37.0, 38.0, 700.0, 708.39, 709.0,
           709.78, 709.79, 710.0, 744.44, 745.0, 745.13, 745.14, 746.0, 1e4, 1e100, 1e300]


def exactly(z, y):
    """loss and a - y of one margin, by mpmath."""
    import mpmath

    with mpmath.workdps(400):
        sign = mpmath.mpf(1 - 2 * y)
        signed = sign * mpmath.mpf(z)
        if signed > 1000:                       # e^-1000 is nothing beside it
            return float(signed), float(sign)
        if signed < -1000:
            return 0.0, 0.0
        e = mpmath.exp(signed)
        return float(mpmath.log1p(e)), float(sign * e / (1 + e))


@pytest.fixture(scope="module")
def exact():
    return {(z, y): exactly(z, y) for size in MARGINS for z in (size, -size) for y in (0, 1)}


def test_extreme_margins(backend, exact):
    check_extreme_margins(backend, "C", exact)


@pytest.mark.compiles
def test_extreme_margins_in_fortran_order(exact):
    check_extreme_margins("fused", "F", exact)


def check_extreme_margins(backend, order, exact):
    """64 rows with the same margin, as x w, as b, and as an offset."""
    m = 64
    for (z, y), (loss, dz) in exact.items():
        x = np.copysign(min(abs(z), 1e150), z)
        X = np.full((m, 2), [x, 0.0], order=order)
        w = 1.0 if abs(z) <= 1e150 else 1e150
        cases = [(X, [w, 1.0], 0.0), (0 * X, [1.0, 1.0], z), (0 * X, [1.0, 1.0], 0.0, None, np.full(m, z))]
        for A, theta, b, *rest in cases if abs(z) <= 1e150 else cases[:2]:          # larger offsets are refused
            J, grad = sums(backend, A, np.full(m, y), theta, b, *rest)
            assert J == pytest.approx(m * loss, rel=1e-14, abs=5e-324 * m), (z, y)
            assert grad[2] == pytest.approx(m * dz, rel=1e-14, abs=5e-324 * m), (z, y)
            assert grad[0] == pytest.approx(grad[2] * A[0, 0], rel=1e-14, abs=1e-300), (z, y)
            assert grad[1] == 0.0


def test_extreme_margins_side_by_side(backend, exact):
    """All of them in one call, each margin's gradient in a column of its own."""
    keys = [key for key in exact if abs(key[0]) <= 1e100]
    z, y = (np.array(part) for part in zip(*keys, strict=True))
    J, grad = sums(backend, np.eye(len(z)), y, z, 0.0)
    assert J == pytest.approx(sum(exact[key][0] for key in keys), rel=1e-14)
    np.testing.assert_allclose(grad[:-1], [exact[key][1] for key in keys], rtol=1e-15, atol=5e-324)


@pytest.mark.parametrize("order", LAYOUTS)
def test_mirrored_labels_have_mirrored_bits(backend, order):
    """1 - y with -theta and -offset: the same loss and Hessian, and the gradient's negative, to the last bit."""
    X, y, w, b = problem(500, 9, order="F" if order == "F" else "C")
    X[::3] *= 40.0                              # margins from 0 to some hundreds
    s, o = weights(500)
    X = csr_array(X) if order == "csr" else X
    J, grad = sums(backend, X, y, w, b, s, o)
    mirrored_J, mirrored_grad = sums(backend, X, 1.0 - y, -w, -b, s, -o)
    assert mirrored_J == J
    np.testing.assert_array_equal(mirrored_grad, -grad)
    kernel, coordinates = backends.load(backend), Coordinates(np.arange(9.0), np.ones(9))
    H, mirrored_H = (Problem.of_theta(door.data_as_given(X, labels, s, sign * o).with_backend(kernel, 1), 0.0, "sum", True)
                     .in_coordinates(coordinates).loss_hessian(sign * np.append(w, b))
                     for labels, sign in ((y, 1.0), (1.0 - y, -1.0)))
    np.testing.assert_array_equal(mirrored_H, H)


@pytest.mark.parametrize("order", LAYOUTS)
def test_an_offset_that_b_cancels_takes_no_digits(backend, order):
    for n in (1, 9, 40):
        X, y, w, _ = problem(100, n, order="F" if order == "F" else "C")
        X = csr_array(X) if order == "csr" else X
        J, grad = sums(backend, X, y, w, 1e12, None, np.full(100, -1e12))
        expected_J, expected = sums(backend, X, y, w, 0.0)
        assert J == pytest.approx(expected_J, rel=1e-14)
        np.testing.assert_allclose(grad, expected, rtol=1e-12, atol=1e-14)


def test_the_curvature_is_exact_on_both_sides(backend, exact):
    """As the second derivative by b, of one row: it is a (1 - a) also where a is next to 1."""
    kernel = backends.load(backend)
    for z in (z for z, y in exact if y == 0 and abs(z) <= 1e100):
        data = door.data_as_given(np.zeros((1, 1)), [0]).with_backend(kernel, 1)
        H = Problem.of_theta(data, 0.0, "sum", True).loss_hessian(np.array([0.0, z]))
        assert H[1, 1] == pytest.approx(exact[-abs(z), 0][1] * exact[-abs(z), 1][1] * -1.0, rel=1e-13, abs=1e-322), z


@pytest.mark.long
@pytest.mark.parametrize("order", "CF")
def test_float32_of_ten_million_rows(order):
    """Costs and gradients to 1e-6 of those of float64 arithmetic (to 1e-9, in fact)."""
    m = 10_000_000
    rng = np.random.default_rng(0)
    X = np.asarray(rng.standard_normal((m, 3), dtype=np.float32) + np.float32(0.5), order=order)
    y = rng.random(m, dtype=np.float32) < 0.3
    w, b = np.array([1.0, -1.0, 0.5]), 0.1
    J, dw, db = fastlr.cost_and_gradient(X.astype(float), y, w, b, backend="numpy")
    for backend in ("loop", "parallel", "fused"):
        J_32, dw_32, db_32 = fastlr.cost_and_gradient(X, y, w, b, backend=backend)
        assert J_32 == pytest.approx(J, rel=1e-9)
        np.testing.assert_allclose([*dw_32, db_32], [*dw, db], rtol=1e-9)


BITS = """
import hashlib, sys
import numpy as np
import numba
numba.config.THREADING_LAYER = sys.argv[1]
import fastlr
from fastlr import backends
from fastlr.backends.compiled import passes
from fastlr.data import door
from fastlr.problem.problem import Problem
passes.ELEMENTS_A_THREAD = passes.PRODUCTS_A_THREAD = 1            # threads also where they don't pay

def digest(*results):
    return hashlib.sha256(b"".join(np.ascontiguousarray(A, dtype=float).tobytes() for A in results)).hexdigest()

found = {}
used = set()
rng = np.random.default_rng(0)
for shape, dtype, order in (((3, 2), "f8", "C"), ((1, 1), "f8", "C"), ((20_000, 3), "f8", "C"), ((20_001, 7), "f8", "F"),
                            ((101, 1_001), "f8", "C"), ((4_097, 33), "f4", "F"), ((30_000, 5), "f4", "C"),
                            ((4_099, 40), "u1", "C"), ((333, 777), "u1", "F")):
    X = np.asarray(rng.integers(0, 9, shape), dtype, order=order)
    if dtype != "u1":
        X += rng.standard_normal(shape).astype(dtype)
    y = rng.integers(0, 2, shape[0])
    y[:2] = np.arange(2)[:shape[0]]
    s, o = rng.random(shape[0]) + 0.1, rng.standard_normal(shape[0])
    w = rng.standard_normal(shape[1]) / shape[1]
    for name in ("loop", "parallel", "fused"):
        kernel = backends.load(name)
        for n_threads in (1, 2, 3, 5):
            given = {"sample_weight": s, "offset": o, "backend": name, "n_threads": n_threads}
            J, dw, db = fastlr.cost_and_gradient(X, y, w, 0.3, **given)
            results = [J, dw, db]
            if shape[0] > 1:
                gd = fastlr.train(X, y, learning_rate=1e-3, max_iter=5, **given)
                newton = fastlr.train(X, y, solver="newton", l2=0.1, max_iter=2, tol=0.0, **given)
                used.add(gd.n_threads)
                results += [gd.w, gd.b, gd.costs, newton.w, newton.b, newton.costs]
            with backends.threads(kernel, n_threads, shape[0] * shape[1]) as count:
                J = Problem.of_theta(door.data_as_given(X, y, s, o).with_backend(kernel, count), 0.0, "mean", True)
                if shape[1] < 100:
                    results.append(J.loss_hessian(np.append(w, 0.3)))
                results += J.standardisation
            value = digest(*results)
            assert found.setdefault((shape, name), value) == value, (shape, name, n_threads)
assert used == {1, 2, 3, 5}, used
assert numba.threading_layer() == sys.argv[1]
print(digest(*[np.frombuffer(bytes.fromhex(found[key]), np.uint8) for key in sorted(found)]))
"""


@pytest.mark.long
def test_same_bits_whatever_the_threads_and_their_layer():
    """For every number of threads, more than there are processors too, serial included, within a layer; then across layers."""
    digests = {}
    for layer in ("omp", "workqueue", "tbb"):
        done = run(BITS, layer, NUMBA_NUM_THREADS="5")
        if layer == "tbb" and "No threading layer could be loaded" in done.stderr:
            continue
        assert done.returncode == 0, done.stderr
        digests[layer] = done.stdout.strip()
    assert len(set(digests.values())) == 1, digests
