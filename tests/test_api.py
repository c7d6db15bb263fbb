"""The public names, what importing costs, and the choice of a backend."""

import inspect
from pathlib import Path

import numpy as np
import pytest

import fastlr
from fastlr import _environment, backends
from tests.problems import problem
from tests.processes import run


@pytest.mark.slow
def test_what_is_imported_on_first_use():
    """NumPy alone at first, without numpy.ma; no SciPy for a dense X, and no Numba for few rows."""
    code = """
import sys, numpy as np, fastlr
def imported():
    on_use = {"numba", "scipy", "sklearn", "matplotlib", "pandas", "formulaic", "fastlr.graph", "fastlr.sklearn"}
    return (on_use | {"numpy.ma", "statistics"}) & {*sys.modules}
assert not imported() and "formula" in dir(fastlr) and "LogisticRegression" in dir(fastlr), imported()
fastlr.train([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1], backend="numpy")
model = fastlr.train([[0.0], [1.0]], [0, 1], init=([1.0], 0.0), max_iter=0, learning_rate=1.0)
for m in (1, 100, 50_000):
    model.predict_proba(np.ones((m, 1)))
assert not imported(), imported()
print(fastlr.graph.Value(3) * 2)
for package, name in (("formulaic", "formula"), ("sklearn", "LogisticRegression")):
    sys.modules[package] = None
    try: getattr(fastlr, name)
    except ImportError as error: print(error)
"""
    result = run(code)
    assert result.returncode == 0, result.stderr
    graph, formula, estimator = result.stdout.splitlines()
    assert graph == "3 * 2 = 6"
    assert formula.startswith("fastlr.formula needs formulaic") and "pip install" in formula
    assert estimator.startswith("fastlr.LogisticRegression needs scikit-learn")
    assert estimator.endswith("pip install 'scikit-learn>=1.6'") and "LogisticRegression" not in fastlr.__all__


WITH_ANOTHER_NUMBA = """
import warnings, numpy as np, fastlr
X = np.arange(4.0)[:, None]; y = [0, 1, 0, 1]
print(fastlr.train(X, y, learning_rate=.1, max_iter=5).backend)
from fastlr.backends import choice
choice.NUMBA_START = choice.COMPILATION = 0.0             # as if waiting for kernels cost nothing
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print([fastlr.train(X, y, learning_rate=.1, max_iter=5).backend for _ in range(2)])
print([str(warning.message) for warning in caught])
try: fastlr.train(X, y, backend="fused", learning_rate=.1, max_iter=5)
except ImportError as error: print(error)
print(fastlr.available_backends()["fused"])
fastlr.show_versions()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("numba", "why"), [
    ("raise ImportError('Numba needs NumPy 2.2 or less')", "ImportError: Numba needs NumPy 2.2 or less"),
    ("__version__ = '99.0'; config = object()", "ModuleNotFoundError: No module named 'numba."),
], ids=["broken", "too new"])
def test_numpy_takes_over_where_numba_can_not_be_used(tmp_path, numba, why):
    """One warning where "auto" would have taken the fused kernel; the compiled ones say why not."""
    (tmp_path / "numba.py").write_text(numba)
    result = run(WITH_ANOTHER_NUMBA, PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[1]}",
                 FASTLR_PREBUILT="0")
    assert result.returncode == 0, result.stderr
    small, large, warned, refused, available, *versions = result.stdout.splitlines()
    assert (small, large) == ("numpy", "['numpy', 'numpy']")
    reason = f"the package numba is installed but can't be used ({why}"
    assert warned.replace("\\'", "'").count(reason) == 1
    assert refused.startswith(f"backend='fused' can't be used: {reason}")
    assert refused.endswith("backend='numpy' needs nothing else")
    assert available.startswith(reason)
    assert any(why in line for line in versions)


@pytest.mark.slow
def test_numpy_takes_over_where_there_is_no_numba():
    hide = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "numba" else find_spec(name, package)
"""
    result = run(hide + WITH_ANOTHER_NUMBA, FASTLR_PREBUILT="0")
    assert result.returncode == 0, result.stderr
    small, large, warned, refused, available, *_ = result.stdout.splitlines()
    assert (small, large, warned) == ("numpy", "['numpy', 'numpy']", "[]")
    assert refused.startswith("backend='fused' can't be used: the package numba is not installed; install it with")
    assert available.startswith("the package numba is not installed")


def test_signatures_are_the_fixed_ones():
    assert str(inspect.signature(fastlr.train)).replace(": Any", "").startswith("(X, y, *, backend: str = 'auto'")
    names = ("X y backend solver learning_rate max_iter tol l1 l2 penalty_factors reduction fit_intercept sample_weight "
             "class_weight offset init n_threads callback progress firth feature_names")
    assert list(inspect.signature(fastlr.train).parameters) == names.split()
    names = "X y w b backend l2 reduction sample_weight offset n_threads"
    assert list(inspect.signature(fastlr.cost_and_gradient).parameters) == names.split()
    assert str(inspect.signature(fastlr.warmup)).startswith(
        "(backend: str = 'auto', dtypes: tuple[str, ...] = ('float64', 'float32'))")
    assert list(inspect.signature(fastlr.load).parameters) == ["path"]
    assert list(inspect.signature(fastlr.Model.save).parameters) == ["self", "path"]


def test_every_public_name_is_documented():
    for name in fastlr.__all__:
        assert inspect.getdoc(getattr(fastlr, name))
    assert set(dir(fastlr)) == {*fastlr.__all__, "LogisticRegression", "LogisticRegressionCV", "__doc__", "__version__",
                                "formula", "graph"}
    assert dir(fastlr.formula) == ["FormulaModel", "__doc__", "train"]


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = fastlr.trian


def test_available_backends():
    assert fastlr.available_backends() == dict.fromkeys(["python", "numpy", "loop", "parallel", "fused"])


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setitem(backends._TABLE, "fused", backends._Row("numba_fused", "no_such_package"))
    assert "no_such_package is not installed" in fastlr.available_backends()["fused"]
    X, y, *_ = problem()
    with pytest.raises(ImportError, match=r"backend='fused' can't be used: the package no_such_package.*backend='numpy'"):
        fastlr.train(X, y, backend="fused")
    assert fastlr.train(X, y, learning_rate=0.1, max_iter=2).backend == "numpy"


@pytest.mark.slow
def test_model_says_what_ran(backend):
    X, y, *_ = problem(400 if backend == "python" else 40_000, 10)
    model = fastlr.train(X, y, learning_rate=0.1, max_iter=1, backend=backend, n_threads=2)
    assert model.backend == backend
    assert model.n_threads == (2 if backend in ("parallel", "fused") and _processors() > 1 else 1)
    assert model.elapsed > 0.0 <= model.compile_time
    small = fastlr.train(X[:50], y[:50], learning_rate=0.1, max_iter=1, backend=backend, n_threads=2)
    assert small.n_threads == 1


def _processors():
    from fastlr.backends.compiled.threads import processors

    return processors()


@pytest.mark.compiles
def test_warmup_compiles_everything_that_train_needs():
    code = """
import numpy as np, scipy.sparse as sp, fastlr
from fastlr import backends
from fastlr.backends import choice
from fastlr.data import arrays
assert fastlr.warmup("fused", ("float64", "sparse float64")) > 0.0
rng = np.random.default_rng(0)
for shape in ((100, 3), (20_000, 10)):
    for order in "CF":
        X = np.asarray(rng.standard_normal(shape), order=order); y = rng.random(shape[0]) < 0.5
        for options in ({}, {"sample_weight": rng.random(shape[0]), "offset": rng.random(shape[0])}, {"tol": 0.5}):
            assert fastlr.train(X, y, learning_rate=0.1, max_iter=2, backend="fused", **options).compile_time == 0.0
            for solver in ("auto", "newton", "lbfgs"):
                model = fastlr.train(X, y, solver=solver, max_iter=2, tol=0.0, backend="fused")
                assert model.compile_time == 0.0
        three = np.arange(shape[0]) % 3
        assert fastlr.train(X, three, learning_rate=0.1, max_iter=2, backend="fused").compile_time == 0.0
        if shape[0] > 1000:
            compiled = choice.is_ready("predict", X)
            assert compiled and choice.predictor(X) is backends.load("fused")
            for offset in (None, rng.random(shape[0])):
                model.predict_proba(X, offset), model.predict(X, offset)
for shape, density in (((100, 3), 0.5), ((20_000, 50), 0.2), ((3_000, 3_100), 0.01)):
    X = sp.random_array(shape, density=density, format="csr", rng=rng); y = rng.random(shape[0]) < 0.5
    for solver in ("auto", "newton", "lbfgs"):
        assert fastlr.train(X, y, solver=solver, l2=0.1, max_iter=2, tol=0.0, backend="fused").compile_time == 0.0
    assert fastlr.train(X, y, learning_rate=0.1, max_iter=2, backend="fused").compile_time == 0.0
    assert choice.is_ready("predict", arrays.matrix(X)[0])
"""
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_warmup_has_nothing_to_do_for_numpy(monkeypatch):
    monkeypatch.setattr(_environment, "train", None)            # which would be called
    assert fastlr.warmup("numpy") >= 0.0


def test_warmup_refuses_unknown_dtypes():
    with pytest.raises(ValueError, match=r"dtypes must be one of 'float64', 'float32', .*, not 'int32'"):
        fastlr.warmup("numpy", dtypes=("int32",))


def test_a_backend_of_dense_x_alone_refuses_sparse_x(toy_backend):
    from scipy.sparse import csr_array

    X, y, w, b = problem()
    model, known = (fastlr.train(X, y, backend=name) for name in ("toy", "numpy"))
    np.testing.assert_allclose(model.w, known.w, rtol=1e-6)
    for call in (lambda: fastlr.train(csr_array(X), y, backend="toy"),
                 lambda: fastlr.cost_and_gradient(csr_array(X), y, w, b, backend="toy"),
                 lambda: fastlr.LogisticRegression(backend="toy").partial_fit(csr_array(X), y)):
        with pytest.raises(NotImplementedError, match=r"^X is sparse, and backend='toy' takes dense X alone; pass X\.toarray"):
            call()


@pytest.mark.slow
def test_show_versions(capsys):
    fastlr.show_versions()
    printed = capsys.readouterr().out
    for word in ("fastlr", "numpy", "numba", "threading layer", "compile cache", "backend fused"):
        assert word in printed


def test_the_courses_layout_is_not_copied():
    """The course's (n, m) array goes in as X.T, which is Fortran order."""
    from fastlr.data import arrays

    X = np.ones((5, 100))
    assert np.shares_memory(arrays.matrix(X.T)[0], X)


@pytest.mark.parametrize(("named", "text"), [
    ({"penalty": "l1"}, "^fastlr.train has no penalty; leave it out: the strengths of the penalties are l1 and l2"),
    ({"weights": [1.0]}, "^fastlr.train has no weights; write sample_weight$"),
    ({"C": 10.0}, r"^fastlr.train has no C; write l2=1/\(C\*m\)"),
    ({"multi_class": "ovr"}, "^fastlr.train has no multi_class; leave it out: three labels"),
    ({"learning_rat": 0.1}, "unexpected keyword argument 'learning_rat'"),
])
def test_arguments_of_other_libraries_are_translated(named, text):
    with pytest.raises(TypeError, match=text):
        fastlr.train([[0.0], [1.0]], [0, 1], **named)
