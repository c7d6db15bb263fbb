"""Compiling: few specialisations, the suite without compiling; exp and log1p."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastlr.backends.compiled import scalar
from tests.processes import run

pytestmark = pytest.mark.compiles


def test_one_specialisation_for_each_dtype_and_order():
    code = """
import numpy as np, fastlr
from fastlr.backends.compiled import native
rng = np.random.default_rng(0)
for writeable in (True, False):
    for dtype in ("f8", "f4", "i4", ">f8"):
        for order in "CF":
            X = np.asarray(rng.standard_normal((60, 4)), dtype=dtype, order=order); X.flags.writeable = writeable
            for s, y in ((None, np.arange(60) % 2), (np.ones(60), np.arange(60) % 2 > 0)):
                fastlr.train(X, y, backend="fused", learning_rate=1, max_iter=np.int32(2), sample_weight=s, l2=1)
                fastlr.train(X, y, backend="fused", solver="gd", tol=1e9, class_weight="balanced", l2=1)
                fastlr.train(X, y, backend="fused", sample_weight=s, l2=1)
                fastlr.train(X, y, backend="fused", offset=s, max_iter=1, tol=1e9, l2=1, n_threads=np.int64(1))
                fastlr.cost_and_gradient(X, y, np.zeros(4), 0, backend="fused", offset=s)
kinds = [kind for kernel, kind in native._found if kernel == "cost_gradient"]
assert len(kinds) == len(set(kinds)) == 4, kinds
assert [kind for kernel, kind in native._found if kernel == "quasi_newton"] == [("float64", "")]
"""
    result = run(code)
    assert result.returncode == 0, result.stderr


@pytest.mark.long
def test_parallel_and_serial_code_is_kept_apart_for_every_kind(tmp_path):
    """Numba empties the dict of parallel options that it is given, so the second kind must get a fresh one."""
    code = """
import numpy as np, fastlr
from fastlr.backends.compiled import cache
rng = np.random.default_rng(0)
for order in "CF":
    fastlr.train(np.asarray(rng.random((20_000, 8)), order=order), np.arange(20_000) % 2, backend="parallel",
                 learning_rate=1, max_iter=2, n_threads=2)
print(sorted(directory.name for directory in cache.cache_directory().iterdir()))
"""
    result = run(code, FASTLR_CACHE_DIR=str(tmp_path))
    assert result.stdout == "['numba_parallel-float64-C-parallel', 'numba_parallel-float64-F-parallel']\n", result.stderr


@pytest.mark.long
def test_suite_without_compiling():
    """The kernels as plain Python: what they compute does not depend on the compiler."""
    here = Path(__file__).parent
    chosen = "unit_case or lecture_loop or descent or margins or split or derivative or known_answers"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not long",
               "-o", "filterwarnings=default", "-k", chosen, "--backend", "loop,parallel,fused",
               str(here / "test_laws.py"), str(here.parent / "test_lecture.py"), str(here / "test_cache.py")]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, check=False)
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout


# ---- exp and log1p --------------------------------------------------------------------------------------------------

def ulps(value, exact):
    """Distance from the exact value (long double), in units of the last place of a double."""
    return np.abs(value.astype(np.longdouble) - exact) / np.spacing(np.abs(exact.astype(float)))


def each(function, values):
    return np.array([function(float(value)) for value in values])


def test_exp_nonpositive():
    x = -np.concatenate([np.linspace(0, 1, 3001), np.linspace(0, 708, 7001), np.logspace(-300, 2.8, 2001), [0.0]])
    assert ulps(each(scalar.exp_nonpositive, x), np.exp(x.astype(np.longdouble))).max() <= 1.0


def test_exp_nonpositive_down_to_the_subnormals_and_zero():
    x = -np.linspace(708, 760, 3001)
    assert ulps(each(scalar.exp_nonpositive, x), np.exp(x.astype(np.longdouble))).max() <= 1.0
    assert scalar.exp_nonpositive(-1e300) == 0.0 == scalar.exp_nonpositive(-np.inf)
    assert np.isnan(scalar.exp_nonpositive(np.nan))


def test_log1p_unit():
    e = np.concatenate([np.linspace(0, 1, 5001), np.logspace(-320, 0, 3001)])
    assert ulps(each(scalar.log1p_unit, e), np.log1p(e.astype(np.longdouble))).max() <= 1.0


def test_loss_and_sigmoid_of_infinite_and_nan_margins():
    for z, y, loss, a in ((np.inf, 1, 0.0, 1.0), (np.inf, 0, np.inf, 1.0), (-np.inf, 1, np.inf, 0.0), (-np.inf, 0, 0.0, 0.0)):
        assert scalar.cross_entropy(z, y, 0.0) == loss
        assert scalar.sigmoid(z, 0.0) == a
    assert np.isnan(scalar.cross_entropy(np.nan, 0, np.nan))
    assert np.isnan(scalar.sigmoid(np.nan, np.nan))


def test_sigmoid():
    """Within 2 ulp of the exact value over all margins, mpmath being the judge."""
    import mpmath

    z = np.concatenate([np.linspace(-745, 745, 1501), np.linspace(-2, 2, 501), [-1e-300, 0.0, 1e-300, -750.0, 1e4]])
    with mpmath.workdps(60):
        exact = np.array([np.longdouble(mpmath.nstr(1 / (1 + mpmath.exp(-mpmath.mpf(float(v)))), 30)) for v in z])
    values = np.array([scalar.sigmoid(v, scalar.exp_nonpositive(-abs(v))) for v in map(float, z)])
    assert ulps(values, exact).max() <= 2.0


def test_cross_entropy():
    """Within 2 ulp of log(1 + e^z) and log(1 + e^-z), mpmath being the judge."""
    import mpmath

    z = np.concatenate([np.linspace(-745, 745, 1501), np.linspace(-2, 2, 501), [-1e-300, 0.0, 1e-300, -750.0, 1e4]])
    for y in (0, 1):
        with mpmath.workdps(60):
            exact = np.array([np.longdouble(mpmath.nstr(mpmath.log1p(mpmath.exp((1 - 2 * y) * mpmath.mpf(float(v)))), 30))
                              for v in z])
        values = np.array([scalar.cross_entropy(v, y, scalar.exp_nonpositive(-abs(v))) for v in map(float, z)])
        assert ulps(values, exact).max() <= 2.0
