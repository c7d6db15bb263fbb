"""Hostile input by the ten thousand: each is refused in a sentence of ours, or gives what the clean numbers give.

To look at one case of a failure's text:  python -m tests.test_fuzz SEED INDEX
"""

import collections
import contextlib
import functools
import os
import re
import signal
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import fastlr
from tests.hostile import case

SECONDS = 20                        # more is a hang
PACKAGE = str(Path(fastlr.__file__).parent)

# How a refusal begins: with an argument's name, or with one of these.
OURS = re.compile(r"(X|y|w|b|init|init: [wb]|sample_weight|offset|class_weight(\[.*\])?|l2|tol|max_iter|learning_rate|n_threads|"
                  r"reduction|fit_intercept|callback|progress|(solver|backend)=.* is unknown;)( |=|$)|every row of class |"
                  r"the rows of class |the model was trained with an offset|a learning_rate belongs to |J is .* at the start: ",
                  re.DOTALL)


class Wrong(AssertionError):
    """An outcome that is neither a refusal nor right."""


PREDICTS = ("decision_function", "predict", "predict_proba", "score")


@functools.cache
def a_model(n):
    rng = np.random.default_rng(n)
    X = rng.standard_normal((50, n))
    return fastlr.train(X, X[:, 0] + rng.logistic(size=50) > 0, learning_rate=0.1, max_iter=5, backend="numpy")


def outcome(seed, index):
    """"refused" or "right", or an exception of any kind."""
    given = case(seed, index)
    before = {name: fingerprint(value) for name, value in given.arguments.items()}
    function = getattr(fastlr, given.function, None)
    if function is None:
        n = given.X.shape[1] if isinstance(given.X, np.ndarray) else getattr(given.arguments["X"], "shape", (0, 0))[-1:]
        n = n if isinstance(n, int) else (n[0] if n else 0)
        function = getattr(a_model(max(n, 1)), given.function)
    with warnings.catch_warnings(), time_limit():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", fastlr.ConvergenceWarning)
        try:
            result = function(**given.arguments)
        except FileNotFoundError as error:                  # text is the path of a file
            assert isinstance(error.filename, str)
            result = None
        except (TypeError, ValueError, NotImplementedError, ImportError) as error:
            place = traceback.extract_tb(error.__traceback__)[-1].filename
            if not (place.startswith(PACKAGE) and OURS.match(str(error)) and len(str(error)) < 2000):
                raise
            result = None
    for name, value in given.arguments.items():
        if fingerprint(value) != before[name]:
            raise Wrong(f"{name} was modified")
    if result is None:
        return "refused"
    if given.X is None:
        if given.function not in PREDICTS or not np.isfinite(np.asarray(given.arguments["X"], dtype=np.float64)).all():
            raise Wrong("X was accepted")
        return "right"              # too large to be trained on, and not to be multiplied by w
    globals()[f"check_{given.function}"](given, result)
    return "right"


@contextlib.contextmanager
def time_limit():
    def too_long(*_):
        raise Wrong("hang")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def fingerprint(value):
    """What must be the same after the call."""
    if isinstance(value, np.ndarray):
        content = repr(value.tolist()) if value.dtype.hasobject else np.array(np.ma.getdata(value)).tobytes()
        return type(value), value.dtype, value.shape, value.strides, value.flags.writeable, content
    if isinstance(value, pd.DataFrame):
        return repr(value.dtypes), repr(value.columns), repr(value.to_numpy().tolist())
    if isinstance(value, pl.DataFrame):
        return repr(value.schema), repr(value.to_dict(as_series=False))
    if isinstance(value, (pd.Series, pl.Series)):
        return repr(value.to_list())
    if isinstance(value, (list, tuple, dict, set, collections.deque)):
        return repr(value)
    return type(value)


# ---- right ----------------------------------------------------------------------------------------------------------

def vectors_of(given, m):
    """sample_weight and offset as float64; None where they are not known exactly."""
    known = {"sample_weight": np.ones(m), "offset": np.zeros(m)} | given.vectors
    if any(name in given.arguments and name not in given.vectors for name in known):
        return None
    return known["sample_weight"], known["offset"]


def cost_of(X, y, w, b, s, o, l2, reduction):
    """J, and how far rounding of the margins may move it."""
    with np.errstate(all="ignore"):
        X, s = X.astype(np.longdouble), s.astype(np.longdouble)
        W, b = np.atleast_2d(w).astype(np.longdouble), np.atleast_1d(b)
        z = X @ W.T + b + o[:, None]
        if len(W) == 1:
            z = np.column_stack([np.zeros(len(z)), z])
        loss = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), y]
        scale = 1 / s.sum() if reduction == "mean" else 1
        J = scale * (s @ loss) + l2 / 2 * (W * W).sum()
        size = np.abs(X) @ np.abs(W).sum(axis=0) + np.abs(b).sum() + abs(o)
        return float(J), float(1e-9 * abs(J) + 1e-14 * X.shape[1] * scale * (s @ size))


def check_train(given, model):
    numbers = np.concatenate([np.ravel(model.w), np.ravel(model.b), model.costs, [model.cost, model.gap or 0.0]])
    if not np.isfinite(numbers).all():
        raise Wrong(f"not finite: {model.to_dict()}")
    if given.labels is None:
        return
    options = given.arguments
    classes = model.classes.tolist()
    labels = [label[0] if isinstance(label, (list, tuple)) else label for label in given.labels]
    y = [classes.index(label) if label in classes else None for label in labels]
    if None in y:
        raise Wrong(f"labels {given.labels} became {classes}")
    if not isinstance(given.X, np.ndarray):
        return
    if model.w.shape != (given.X.shape[1:] if len(classes) == 2 else (len(classes), *given.X.shape[1:])):
        raise Wrong(f"w has shape {model.w.shape}")
    vectors = vectors_of(given, len(given.X))
    if vectors is None:
        return
    s, o = vectors
    y = np.array(y)
    weight = options.get("class_weight")
    if isinstance(weight, str):
        totals = [s[y == k].sum() for k in range(len(classes))]
        s = s * (sum(totals) / (len(classes) * np.array(totals)))[y]
    elif weight is not None:
        s = s * np.array([float(weight.get(label, 1.0)) for label in classes])[y]
    J, error = cost_of(given.X, y, model.w, model.b, s, o, float(options.get("l2", 0.0)), options.get("reduction", "mean"))
    if not abs(model.cost - J) <= error:
        raise Wrong(f"cost is {model.cost!r}, and by the clean numbers {J!r}")


def check_cost_and_gradient(given, result):
    J = result[0]
    options = given.arguments
    if not isinstance(given.X, np.ndarray) or given.labels is None or not isinstance(options["w"], np.ndarray):
        return
    if vectors_of(given, len(given.X)) is None:
        return
    s, o = vectors_of(given, len(given.X))
    y = np.ravel(given.labels).astype(int)
    expected, error = cost_of(given.X, y, np.ravel(options["w"]).astype(float), float(options["b"]), s, o,
                              float(options.get("l2", 0.0)),
                              options.get("reduction", "mean"))
    # J overflows where w and X do: then there is no number to give.
    if abs(expected) < 1e290 and not abs(J - expected) <= error:
        raise Wrong(f"J is {J!r}, and by the clean numbers {expected!r}")


def check_decision_function(given, z):
    if not np.isfinite(z).all():
        raise Wrong(f"not finite: {z}")
    if isinstance(given.X, np.ndarray):
        model, vectors = a_model(given.X.shape[1]), vectors_of(given, len(given.X))
        if vectors is not None and not np.allclose(z, given.X @ model.w + model.b + vectors[1], rtol=1e-9,
                                                   atol=1e-12 * np.abs(given.X).max()):
            raise Wrong(f"margins {z}")


def check_predict_proba(given, p):
    if not (np.isfinite(p).all() and (p >= 0).all() and np.allclose(p.sum(axis=1), 1.0)):
        raise Wrong(f"probabilities {p}")


def check_predict(given, labels):
    if not set(labels.tolist()) <= {True, False}:
        raise Wrong(f"labels {labels}")


def check_score(given, score):
    if not 0.0 <= score <= 1.0:
        raise Wrong(f"score {score}")


# ---- runs -----------------------------------------------------------------------------------------------------------

def fuzz(seed, count, start=0):
    """How many cases came to what end, and the numbers of the first few failures of each kind."""
    ends, failures = collections.Counter(), {}
    for index in range(start, start + count):
        try:
            ends[outcome(seed, index)] += 1
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {str(error)[:150]}"
            key = kind[:90]
            ends["failed"] += 1
            failures.setdefault(key, [kind, []])[1].append(index)
    return ends, failures


def report(seed, ends, failures):
    lines = [f"seed {seed}: {dict(ends)}"]
    lines += [f"{len(indices)} x {kind}  (index {', '.join(map(str, indices[:3]))})" for kind, indices in failures.values()]
    return "\n".join(lines)


@pytest.mark.long
def test_hostile_input():
    count = int(os.environ.get("FASTLR_FUZZ", "20000"))
    seed = int(os.environ.get("FASTLR_FUZZ_SEED", "0"))
    ends, failures = fuzz(seed, count)
    assert not failures, report(seed, ends, failures)
    assert ends["right"] > 0.2 * count and ends["refused"] > 0.2 * count, ends


@pytest.mark.slow
def test_a_few_hostile_inputs():
    ends, failures = fuzz(1, 200)
    assert not failures, report(1, ends, failures)


if __name__ == "__main__":
    print(case(int(sys.argv[1]), int(sys.argv[2])))
    print(outcome(int(sys.argv[1]), int(sys.argv[2])))
