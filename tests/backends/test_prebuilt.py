"""Kernels that were compiled ahead: what is used, what is refused, and what takes their place."""

import functools
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastlr
from fastlr.backends.compiled import header, prebuilt

ROOT = Path(fastlr.__file__).parent
FRAME = """
import sys, warnings, numpy as np
if "numba" in sys.argv:
    sys.modules["numba"] = None
import fastlr
from fastlr.backends.compiled import prebuilt
X = np.random.default_rng(0).standard_normal((20_000, 10)); y = X[:, 0] + np.sin(np.arange(20_000)) > 0
"""
needs_library = pytest.mark.skipif(not prebuilt.is_there(), reason="this installation has no library that fits")


def run(code, *arguments, **environment):
    return subprocess.run([sys.executable, "-c", FRAME + code, *arguments], capture_output=True, text=True, check=False,
                          env=os.environ | environment)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the kernels and their libraries, as they lie in the package, which this process has not looked at yet."""
    folder = shutil.copytree(ROOT / "backends", tmp_path / "backends", ignore=shutil.ignore_patterns("__pycache__"))
    for name, value in (("__file__", str(folder / "compiled" / "prebuilt.py")), ("FOLDER", folder / "prebuilt"),
                        ("MANIFEST", folder / "prebuilt" / "manifest"),
                        ("_library", functools.cache(prebuilt._library.__wrapped__))):
        monkeypatch.setattr(prebuilt, name, value)
    return folder


AUTO = """
from fastlr.backends import choice
small = X[:2000, :5].copy()
def train(A=small):
    return fastlr.train(A, y[:2000], learning_rate=0.5, max_iter=1000)
def chosen(steps):
    return choice.choose("auto", small, steps, ["cost_gradient", "descend"])
print(train().backend, "numba" in sys.modules, chosen(1000), chosen(1e6))
compilation, choice.COMPILATION = choice.COMPILATION, 0.0         # as if the cache had what it takes
models = [train() for _ in range(8)]
print([model.backend for model in models])
first, *others = [model for model in models if model.backend == "fused"]
print(first.compile_time > first.elapsed, {model.compile_time for model in others})
choice.COMPILATION = compilation
print(train().backend, train(small.astype("f4")).backend)           # for float32 there would be something to pay
print(models[-1].w.tobytes().hex())
"""


@pytest.mark.long
def test_auto_turns_to_kernels_that_are_compiled_on_demand():
    """For much work, or once a process keeps training; what that takes is counted apart, and the bits are the library's."""
    result = run(AUTO, FASTLR_PREBUILT="0")
    short, turned, times, ready, bits = result.stdout.splitlines()
    assert short == "numpy False numpy fused", result.stderr
    backends = eval(turned)
    assert backends[0] == "numpy" and backends[-2:] == ["fused"] * 2 and backends == sorted(backends, reverse=True)
    assert times == "True {0.0}"
    assert ready == "fused numpy"
    here = {}
    exec(FRAME, here)
    model = fastlr.train(here["X"][:2000, :5], here["y"][:2000], learning_rate=0.5, max_iter=1000, backend="fused")
    assert bits == model.w.tobytes().hex()


@pytest.mark.slow
@needs_library
def test_nothing_is_compiled_and_numba_need_not_be_there(tmp_path):
    """Without Numba `fused` is ready, and says what it has no kernel for."""
    code = """
model = fastlr.train(X, y, learning_rate=0.5, max_iter=5, backend="fused", n_threads=2)
print(model.compile_time > 0.3, sys.modules["numba"])
print(fastlr.available_backends()["fused"], "-", fastlr.available_backends()["loop"])
print(fastlr.train(X, y).backend, fastlr.train(X.astype(np.int16), y).backend)
fastlr.train(X.astype(np.int16), y, backend="fused")
"""
    result = run(code, "numba", FASTLR_CACHE_DIR=str(tmp_path))
    compiles, ready, chosen = result.stdout.splitlines()
    assert compiles == "False None" and ready.startswith("None - ") and chosen == "fused numpy", result.stderr
    assert "backend='fused' can't be used" in result.stderr.splitlines()[-1]
    assert "int16" in result.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def edit(folder):
    with (folder / "compiled" / "scalar.py").open("a") as file:
        file.write("# another\n")


def flip(folder):
    for file in (folder / "prebuilt").glob("*.so"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)


def truncate(folder):
    for file in (folder / "prebuilt").glob("*.so"):
        file.write_bytes(file.read_bytes()[:1000])


def remove(folder):
    for file in (folder / "prebuilt").glob("*.so"):
        file.unlink()


def garble(folder):
    (folder / "prebuilt" / "manifest").write_bytes(b"\xff\x00")


@needs_library
@pytest.mark.parametrize(("change", "says"), [(edit, None), (flip, "not as it was built"), (truncate, "not as it was built"),
                                              (remove, "FileNotFoundError"), (garble, "UnicodeDecodeError")])
def test_a_library_that_does_not_fit_is_not_used(copied, change, says):
    """One clear message where something is broken; none where somebody has edited a kernel."""
    change(copied)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not prebuilt.is_there() and not prebuilt.is_there()
    assert [warning.category for warning in caught] == [RuntimeWarning] * (says is not None)
    assert all(says in str(warning.message) and "FASTLR_PREBUILT=0" in str(warning.message) for warning in caught)


@needs_library
@pytest.mark.parametrize("variable", ["FASTLR_PREBUILT=0", "NUMBA_DISABLE_JIT=1", "NUMBA_BOUNDSCHECK=1", "NUMBA_BOUNDSCHECK=0"])
def test_libraries_can_be_turned_off(copied, monkeypatch, variable):
    monkeypatch.setenv(*variable.split("="))
    assert prebuilt.is_there() == (variable == "NUMBA_BOUNDSCHECK=0")


@pytest.mark.slow
def test_show_versions_says_where_kernels_come_from(capsys, monkeypatch):
    fastlr.show_versions()
    assert "prebuilt kernels" in capsys.readouterr().out
    if prebuilt.is_there():
        assert ".so, for X of float64_C, float64_F, float64_csr32, float32_C" in prebuilt.describe()
    monkeypatch.setenv("FASTLR_PREBUILT", "0")
    assert prebuilt.describe() == "turned off by FASTLR_PREBUILT=0"


def test_the_header_says_what_the_kernels_take():
    import inspect

    from fastlr.backends.compiled import on_demand

    for name, (_, parameters) in header.KERNELS.items():
        kernel = on_demand._kernel(name)
        assert " ".join(inspect.signature(getattr(kernel, "py_func", kernel)).parameters) == parameters


def test_an_array_of_another_type_is_refused():
    """A kernel would read, and write, whatever lies there."""
    grad, kind = np.zeros(4), header.NO_X
    names = [parameter.name for parameter in header.parameters("step", kind)]
    right = {"sums": np.empty((2, 5)), "theta": grad, "previous": grad, "grad": grad, "rule": np.empty(7), "center": grad,
             "spread": grad, "record": np.empty((1, 2)), "status": np.zeros(2, np.int64)}
    step = header.Code("step", kind, address=0)
    step(*(right[name] for name in names))
    for name, wrong in {"theta": grad.astype(np.float32), "sums": np.empty((5, 2)).T, "record": np.empty(2),
                        "status": np.zeros(2), "grad": np.empty(8)[::2]}.items():
        with pytest.raises(TypeError, match=rf"{name} of the kernel step must be (float64|int64) with . dimensions"):
            step(*((right | {name: wrong})[each] for each in names))


def test_levels_are_those_of_the_processor(monkeypatch):
    from types import SimpleNamespace

    every = {name: True for names in prebuilt.LEVELS.values() for name in names}
    for missing, levels in (({}, ["x86-64-v4", "x86-64-v3"]), ({"AVX512BW": False}, ["x86-64-v3"]), ({"AVX2": False}, [])):
        module = SimpleNamespace(__cpu_features__=every | missing)
        monkeypatch.setitem(sys.modules, "numpy._core._multiarray_umath", module)
        monkeypatch.setattr(prebuilt.platform, "machine", lambda: "x86_64")
        assert prebuilt.levels() == levels
