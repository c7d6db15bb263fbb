"""CONTRIBUTING.md: its picture is true, and what it says to do works in a copy of the package."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys

import pytest

from tools import architecture
from tools.code_pieces import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


@pytest.mark.slow
def test_the_picture_is_that_of_the_imports(capsys):
    architecture.main()
    (picture,) = re.findall(r"^```mermaid\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert picture == re.sub(r": \d+ lines", "", capsys.readouterr().out), "paste what python tools/architecture.py prints"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A function that runs a command in a copy of the package and its tests, where the text has been followed."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("fastlr", "tests", "tools"):
        shutil.copytree(ROOT / folder, root / folder)
    shutil.copy(ROOT / "pyproject.toml", root)
    for path, source in re.findall(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        (root / path).write_text(source)
    for table, path, row in re.findall(r"`(_?[A-Z]+)` in `(\S+\.py)`:\n\n```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        source = (root / path).read_text("utf-8")
        (line,) = re.findall(rf"^{table} = .*\n", source, re.MULTILINE)
        (root / path).write_text(source.replace(line, row if row.startswith(table) else line + row))

    def run(*command):
        environment = os.environ | {"PYTHONPATH": str(root)}
        return subprocess.run([sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True)

    return run


@pytest.mark.slow
def test_an_added_backend_and_an_added_solver_pass_their_tests(copy):
    tests = copy("-m", "pytest", "-v", "--assert", "plain",             # rewritten, asserts take a second a file to import
                 "--backend", "plain,numpy", "-k", "plain and (test_laws or test_numerics) or one_hessian",
                 "tests/backends/test_laws.py", "tests/backends/test_numerics.py", "tests/solvers/test_solvers.py")
    print(tests.stdout[-3000:], tests.stderr)           # shown where it fails
    assert tests.returncode == 0
    for name in ("test_laws.py::test_order_of_rows_does_not_matter[plain] PASSED", "test_numerics.py", "one_hessian] PASSED"):
        assert name in tests.stdout


def example_behind(words):
    """The code that the text shows behind these words."""
    (example,) = re.findall(rf"{words}:\n\n```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return example


@pytest.mark.slow
def test_what_is_added_is_found_and_minimizes_its_j(copy):
    code = example_behind("minimizes it") + example_behind("in place of `Logistic`") + """
import fastlr
from fastlr.solvers import gd
rng = np.random.default_rng(0)
X = rng.standard_normal((300, 5)) * [1, 2, 1, 3, 1]
y = (X.sum(axis=1) + rng.logistic(size=300) > 0).astype(int)
print("backend", fastlr.train([[0], [1], [2], [3]], [0, 1, 0, 1], backend="plain").backend)
one, known = (fastlr.train(X * [1, 10, 100, 1000, 1e-5], y, solver=solver) for solver in ("one_hessian", "newton"))
print("solver", one.solver, one.converged, np.allclose(one.w, known.w))

rough, stiff = smooth(X, y, 0.0), smooth(X, y, 1e4)
a, D = 1.0 / (1.0 + np.exp(-X @ stiff[:-1] - stiff[-1])), np.diff(np.eye(5), axis=0)
gradient = X.T @ (a - y) / 300 + 1e4 * D.T @ (D @ stiff[:-1])
print("penalty", np.ptp(rough[:-1]) > 0.1, np.ptp(stiff[:-1]) < 1e-4, np.abs(gradient).max() < 1e-6)

found = smoothed(X, y)
residual = 1.0 / (1.0 + np.exp(-X @ found.theta[:-1] - found.theta[-1])) - (0.9 * y + 0.05)
print("loss", found.converged, found.gap_kind, np.abs(X.T @ residual / 300).max() < 1e-6, abs(residual.mean()) < 1e-7,
      smoothed(X, (X[:, 0] > 0).astype(int)).converged)
print("loss of two", smoothed(X[:2], np.array([0, 1])).stop_reason)
line = X.sum(axis=1) > 0.0
print("penalty of separated classes", np.isfinite(smooth(X, line.astype(int), 1.0)).all())
problem = Problem(door.data(X, y, None, None, None), SmoothedLabels(), Ridge(0.0), Coordinates.of_theta(5), "mean", True)
by_descent = gd.solve(problem, None, Options(0.5, 5000, 0.0, None, time.perf_counter()))
print("loss by descent", np.allclose(by_descent.theta, found.theta, atol=1e-6))
"""
    trained = copy("-W", "error", "-c", code)
    assert trained.stdout.splitlines() == [
        "backend plain", "solver one_hessian True True", "penalty True True True", "loss True bound True True True",
        "loss of two the gradient is at most tol=1e-08", "penalty of separated classes True",
        "loss by descent True"], trained.stderr


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_accepts_what_is_added(copy):
    checked = copy("-m", "mypy", *re.findall(r"^`(fastlr/\S+\.py)`:\n\n```python", TEXT, re.MULTILINE))
    assert checked.returncode == 0, checked.stdout
