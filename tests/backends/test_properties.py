"""Training on random problems in random clothes: every backend against the plain Python loops on the clean float64 array."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastlr

# What kernels take as it is, and what is converted for them.
DTYPES = ["f8", "f4", "u1", "i1", "i2", "?", "f2", "g", ">f8", ">f4", ">i2", "u2", "i4", "u4", "i8", "u8", "O"]


def read_only(A):
    A.flags.writeable = False
    return A


def unaligned(A):
    B = np.zeros(A.nbytes + 1, np.uint8)[1:].view(A.dtype).reshape(A.shape)
    B[...] = A
    return B


LAYOUTS = {
    "C": np.ascontiguousarray, "F": np.asfortranarray, "rows": lambda A: np.repeat(A, 2, axis=0)[::2],
    "columns": lambda A: np.repeat(A, 3, axis=1)[:, ::3], "backwards": lambda A: A[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": lambda A: A.T.copy().T, "read-only": lambda A: read_only(A.copy()),
    "unaligned": lambda A: A if A.dtype.hasobject else unaligned(A),
}
LABELS = {
    "0 and 1": lambda y: y, "booleans": lambda y: y == 1, "-1 and 1": lambda y: 2.0 * y - 1,
    "text": lambda y: np.array(["no", "yes"])[y],
    "objects": lambda y: np.array(["no", "yes"], object)[y], "list": lambda y: [("a", "b")[k] for k in y],
    "column": lambda y: y[:, None],
}


@st.composite
def problems(draw):
    """X as given, X as float64, labels as given, 0/1 labels, and options."""
    m, n = draw(st.integers(2, 40)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2 ** 32 - 1)))
    X = rng.standard_normal((m, n)) * draw(st.sampled_from([1.0, 1e-3, 30.0]))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    if dtype.kind in "iu":
        X = np.rint(np.clip(X * 3, 0 if dtype.kind == "u" else -99, 99))
    X = X > 0 if dtype.kind == "b" else X.astype(dtype)
    clean = X.astype(np.float64)
    y = rng.integers(0, 2, m)
    y[rng.choice(m, 2, replace=False)] = 0, 1
    options = {"l2": draw(st.sampled_from([0.0, 0.1, 2.0])), "reduction": draw(st.sampled_from(["mean", "sum"])),
               "fit_intercept": draw(st.booleans())}
    if draw(st.booleans()):
        s = rng.random(m) * draw(st.sampled_from([1.0, 1e-9, 1e9]))
        s[rng.random(m) < 0.2] = 0.0
        s[[np.argmin(y), np.argmax(y)]] = 0.5 * s.max() + 1e-10
        options["sample_weight"] = s
    if draw(st.booleans()):
        options["offset"] = rng.standard_normal(m)
    if draw(st.integers(0, 3)) == 0:
        options["class_weight"] = "balanced"
    given_X = LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](X)
    return given_X, clean, LABELS[draw(st.sampled_from(list(LABELS)))](y), y, options


def as_compiled(X, backend):
    """X, or for compiled kernels what they are compiled for in other tests too."""
    return X if backend in ("python", "numpy") else np.asarray(X, float)


def assert_close(model, plain, rtol, atol):
    np.testing.assert_allclose(np.append(model.w, model.b), np.append(plain.w, plain.b), rtol=rtol, atol=atol)
    np.testing.assert_allclose(model.cost, plain.cost, rtol=1e-10)


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(problem=problems(), rate=st.sampled_from([1e-3, 0.1]))
def test_steps_of_gradient_descent(backend, problem, rate):
    X, clean, labels, y, options = problem
    # On the scale of J, whose curvature is that of the sum and of the units of X.
    total = options.get("sample_weight", np.ones(len(y))).sum() if options["reduction"] == "sum" else 1.0
    options |= {"learning_rate": rate / (total * max(1.0, np.abs(clean).max()) ** 2 + options["l2"]), "max_iter": 4}
    plain = fastlr.train(clean, y, backend="python", **options)
    model = fastlr.train(as_compiled(X, backend), labels, backend=backend, **options)
    assert_close(model, plain, 1e-9, 1e-11 * np.abs(plain.w).max() + 1e-15)
    np.testing.assert_allclose(model.costs, plain.costs, rtol=1e-11)
    assert model.classes.tolist() == sorted(set(np.ravel(labels).tolist()))


@pytest.mark.parametrize("kernel", ["numpy", "fused"])
@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(problem=problems(), solver=st.sampled_from(["newton", "lbfgs", "auto"]))
def test_the_optimum(kernel, problem, solver):
    """With l2 there is one, and one only: its gradient by the plain loops is 0, in standardised coordinates."""
    X, clean, labels, y, options = problem
    options |= {"l2": options["l2"] or 0.1, "solver": solver}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastlr.ConvergenceWarning)
        model = fastlr.train(as_compiled(X, kernel), labels, backend=kernel, **options)
        plain = fastlr.train(clean, y, backend="python", **options | {"solver": "newton"})
    assert plain.converged
    assert model.converged, model.stop_reason
    assert model.cost <= plain.cost + 1e-9 * abs(plain.cost)
    z = clean @ model.w + model.b + options.get("offset", 0.0)
    np.testing.assert_allclose(z, clean @ plain.w + plain.b + options.get("offset", 0.0), atol=1e-3, rtol=1e-3)
