"""Whose line a warning names: that of whoever called the package."""

import inspect
import warnings

import numpy as np
import pytest

import fastlr
from fastlr import backends
from fastlr.backends import choice
from fastlr.machine.warnings import warn
from tests.problems import problem

X, Y, *_ = problem(60, 3)


def break_numba(monkeypatch):
    """As it is once an import of it has failed; and "auto" would have it."""
    def broken(name):
        monkeypatch.setitem(backends._broken, "numba", "numba is broken")
        raise ImportError("numba is broken")

    load = backends.load
    monkeypatch.setattr(backends, "load", lambda name: broken(name) if name == "loop" else load(name))
    monkeypatch.setattr(choice, "NUMBA_START", 0.0)
    monkeypatch.setattr(choice, "holds_kernels", lambda: True)
    monkeypatch.setattr(choice, "is_ready", lambda kernel, X: False)


def line_of(call):
    """The file and line of the one warning that `call` leads to."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    (one,) = caught
    return one.filename, one.lineno


def here(call):
    return __file__, inspect.getsourcelines(call)[1]


MODEL = fastlr.train(np.tile(X, (10, 1)), np.tile(Y, 10), backend="numpy")
OF_RESULTS = [
    lambda: fastlr.train([[0.0], [1.0]], [0, 1], backend="numpy"),
    lambda: fastlr.train(X, Y, learning_rate=1e12, max_iter=50, backend="numpy"),
    lambda: fastlr.train(X, Y, solver="gd", max_iter=1, backend="numpy"),
    lambda: fastlr.LogisticRegression(backend="numpy", max_iter=1).fit(X, Y),
    lambda: fastlr.LogisticRegression(backend="numpy", max_iter=1).partial_fit(X, Y),
]
OF_BACKENDS = [
    lambda: fastlr.train(X, Y),
    lambda: fastlr.train(X, Y, solver="gd", max_iter=3, tol=0.0),
    lambda: fastlr.cost_and_gradient(X, Y, np.zeros(3), 0.0),
    lambda: fastlr.LogisticRegression().fit(X, Y),
    lambda: fastlr.LogisticRegression().partial_fit(X, Y),
    lambda: MODEL.predict(np.tile(X, (10, 1))),
    lambda: MODEL.predict_proba(np.tile(X, (10, 1))),
    lambda: MODEL.decision_function(np.tile(X, (10, 1))),
    lambda: MODEL.score(np.tile(X, (10, 1)), np.tile(Y, 10)),
]


@pytest.mark.parametrize("call", OF_RESULTS)
def test_of_results(call):
    assert line_of(call) == here(call)


@pytest.mark.parametrize("call", OF_BACKENDS)
def test_of_a_broken_numba(call, monkeypatch):
    break_numba(monkeypatch)
    assert line_of(call) == here(call)


@pytest.mark.slow
def test_of_the_compile_cache(monkeypatch):
    _cache = pytest.importorskip("fastlr.backends.compiled.cache")
    monkeypatch.setattr(_cache, "_has_warned", False)
    monkeypatch.setattr(_cache, "private", lambda directory: (_ for _ in ()).throw(PermissionError("none here")))

    def call(): fastlr.show_versions()

    assert line_of(call) == here(call)


def test_a_filter_by_module_and_once_a_line():
    """As with warnings.warn: the caller's module is what filters see, and the default filter shows a line once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.filterwarnings("ignore", module="elsewhere")
        for name in ("somewhere", "elsewhere"):
            scope = {"__name__": name, "fastlr": fastlr}
            exec(compile("def train(): fastlr.train([[0.0], [1.0]], [0, 1], backend='numpy')", f"{name}.py", "exec"), scope)
            scope["train"]()
            scope["train"]()
    assert [one.filename for one in caught] == ["somewhere.py"]


def test_without_a_caller_it_is_the_outermost_line():
    """As in a thread whose work is the package's own."""
    scope = {"__name__": "fastlr", "warn": warn}
    exec(compile("def outermost(): warn(UserWarning('something'))", "inside.py", "exec"), scope)
    assert line_of(scope["outermost"])[0] == __file__
