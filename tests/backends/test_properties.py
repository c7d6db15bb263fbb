"""Training on random problems in random clothes: every backend against the plain Python loops on the clean float64 array."""

import warnings

import numpy as np
import pytest

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


def problem(rng):
    """X as given, X as float64, labels as given, 0/1 labels, and options."""
    m, n = rng.integers(2, 41), rng.integers(1, 10)
    X = rng.standard_normal((m, n)) * rng.choice([1.0, 1e-3, 30.0])
    dtype = np.dtype(rng.choice(DTYPES))
    if dtype.kind in "iu":
        X = np.rint(np.clip(X * 3, 0 if dtype.kind == "u" else -99, 99))
    X = X > 0 if dtype.kind == "b" else X.astype(dtype)
    clean = X.astype(np.float64)
    y = rng.integers(0, 2, m)
    y[rng.choice(m, 2, replace=False)] = 0, 1
    options = {"l2": rng.choice([0.0, 0.1, 2.0]), "reduction": rng.choice(["mean", "sum"]), "fit_intercept": rng.random() < 0.5}
    if rng.random() < 0.5:
        s = rng.random(m) * rng.choice([1.0, 1e-9, 1e9])
        s[rng.random(m) < 0.2] = 0.0
        s[[np.argmin(y), np.argmax(y)]] = 0.5 * s.max() + 1e-10
        options["sample_weight"] = s
    if rng.random() < 0.5:
        options["offset"] = rng.standard_normal(m)
    if rng.random() < 0.25:
        options["class_weight"] = "balanced"
    return LAYOUTS[rng.choice(list(LAYOUTS))](X), clean, LABELS[rng.choice(list(LABELS))](y), y, options


def as_compiled(X, backend):
    """X, or for compiled kernels what they are compiled for in other tests too."""
    return X if backend in ("python", "numpy") else np.asarray(X, float)


def test_steps_of_gradient_descent(backend):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X, clean, labels, y, options = problem(rng)
        # On the scale of J, whose curvature is that of the sum and of the units of X.
        total = options.get("sample_weight", np.ones(len(y))).sum() if options["reduction"] == "sum" else 1.0
        rate = rng.choice([1e-3, 0.1]) / (total * max(1.0, np.abs(clean).max()) ** 2 + options["l2"])
        options |= {"learning_rate": rate, "max_iter": 4}
        plain = fastlr.train(clean, y, backend="python", **options)
        model = fastlr.train(as_compiled(X, backend), labels, backend=backend, **options)
        found, expected = np.append(model.w, model.b), np.append(plain.w, plain.b)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11 * np.abs(plain.w).max() + 1e-15, err_msg=str(seed))
        np.testing.assert_allclose([*model.costs, model.cost], [*plain.costs, plain.cost], rtol=1e-11, err_msg=str(seed))
        assert model.classes.tolist() == sorted(set(np.ravel(labels).tolist())), seed


@pytest.mark.parametrize("kernel", ["numpy", "fused"])
def test_the_optimum(kernel):
    """With l2 there is one, and one only: its gradient by the plain loops is 0, in standardised coordinates."""
    for seed in range(25):
        rng = np.random.default_rng(seed)
        X, clean, labels, y, options = problem(rng)
        options |= {"l2": options["l2"] or 0.1, "solver": rng.choice(["newton", "lbfgs", "auto"])}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fastlr.ConvergenceWarning)
            model = fastlr.train(as_compiled(X, kernel), labels, backend=kernel, **options)
            plain = fastlr.train(clean, y, backend="python", **options | {"solver": "newton"})
        assert plain.converged and model.converged, (seed, model.stop_reason)
        assert model.cost <= plain.cost + 1e-9 * abs(plain.cost), seed
        z = clean @ model.w + model.b + options.get("offset", 0.0)
        expected = clean @ plain.w + plain.b + options.get("offset", 0.0)
        np.testing.assert_allclose(z, expected, atol=1e-3, rtol=1e-3, err_msg=str(seed))
