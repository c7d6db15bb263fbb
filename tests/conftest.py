"""Options, markers and fixtures that all tests share.

pytest --backend numpy,fused      narrows the tests that take a backend to these
pytest --backend toy -k toy       runs them with `backends/toy.py`, which does what the contract asks for and no more
pytest -m quick                   runs what compiles nothing and starts no process
"""

import gc
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:     # as many workers as processors: threads of BLAS would only wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")         # which OpenBLAS reads when NumPy is imported, below

from fastlr import backends

BACKENDS = tuple(backends.available_backends())
COMPILED = ("loop", "parallel", "fused")

# Thresholds that tests lower, so that little data takes the way of much: where each is found.
THRESHOLDS = {
    "small problem": "fastlr.problem.cost_model.SMALL",              # numbers in X
    "cheap sample": "fastlr.solvers.auto.CHEAP",                   # of the rows
    "range": "fastlr.backends.ranges.BYTES_A_CALL",                       # of X in one call of a kernel
    "products": "fastlr.backends.compiled.passes.PRODUCTS_A_CALL",       # of a Hessian in one call of its kernel
    "side": "fastlr.problem.cost_model.MOST_SIDE",                 # of a Hessian
    "sparse side": "fastlr.problem.cost_model.MOST_SPARSE_SIDE",
}


def pytest_addoption(parser):
    parser.addoption("--backend", default=",".join(BACKENDS), help="comma-separated backends to test")


def chosen_backends(config):
    return config.getoption("--backend").split(",")


def pytest_generate_tests(metafunc):
    for argument, names in (("backend", [*BACKENDS, "toy"]), ("compiled", COMPILED)):
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, [name for name in names if name in chosen_backends(metafunc.config)])


def parameters_of(item):
    return item.callspec.params if hasattr(item, "callspec") else {}


def is_quick(item):
    slower = isinstance(item, pytest.DoctestItem) or {"slow", "long", "compiles"} & {mark.name for mark in item.iter_markers()}
    return not slower and not any(isinstance(value, str) and value in COMPILED for value in parameters_of(item).values())


def pytest_configure(config):
    if config.option.markexpr == "quick":
        config.option.doctestmodules = False            # which imports all of the package


def pytest_ignore_collect(collection_path, config):
    """A run of the quick tests doesn't import a file whose `pytestmark` says that it has none."""
    if config.option.markexpr == "quick" and collection_path.suffix == ".py":
        text = collection_path.read_text("utf-8")
        return bool(re.search(r"^pytestmark = .*\.(slow|long|compiles)\b", text, re.MULTILINE)) or None
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Files of tests hold no doctests, and to look for them takes two seconds."""
    return [each for each in (yield) if type(each) is pytest.Module]


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported and collected lives to the end, and to look through it for garbage again and again takes a second."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    for item in items:
        if is_quick(item):
            item.add_marker("quick")


@pytest.fixture(scope="session")
def _quick_stays_quick(request, _own_compile_cache):
    """In a run of the quick tests it is an error to compile, or to start a process."""
    if request.config.option.markexpr != "quick":
        yield
        return
    import matplotlib.font_manager  # noqa: F401    starts a process when it looks for the fonts of a machine the first time
    from numba.core import event

    def refuse(*_, **__):
        pytest.fail("a quick test compiles or starts a process; mark it with `compiles` or `slow`", pytrace=False)

    class Refusal(event.Listener):
        on_start = refuse

        def on_end(self, event):
            pass

    with event.install_listener("numba:compile", Refusal()), pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", refuse)
        patch.setattr(os, "fork", refuse)
        yield


@pytest.fixture(scope="session", autouse=True)
def _auto_stays_with_numpy(_quick_stays_quick):
    """What a test compiles doesn't depend on how long the tests before it took: "auto" starts Numba for one long call alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastlr.backends.choice.LOSS_LIMIT", float("inf"))
        yield


@pytest.fixture
def toy_backend(monkeypatch):
    """As if tests/backends/toy.py lay in the folder of the backends, with a row in their table."""
    from tests.backends import toy

    monkeypatch.setitem(sys.modules, "fastlr.backends.toy", toy)
    monkeypatch.setitem(backends._TABLE, "toy", backends._Row("toy", None))


@pytest.fixture(autouse=True)
def _backend_that_is_named(request, _auto_stays_with_numpy):
    """The toy is there where it is named, and a sparse X goes to backends that take one."""
    backend = parameters_of(request.node).get("backend")
    if backend == "toy":
        request.getfixturevalue("toy_backend")
    if (backend is not None and request.node.get_closest_marker("sparse")
            and "sparse" not in getattr(backends.load(backend), "layouts", backends.LAYOUTS)):
        pytest.skip(f"backend={backend!r} takes dense X alone")


@pytest.fixture
def threshold(monkeypatch):
    """threshold(name, value) sets one of `THRESHOLDS`."""
    return lambda name, value: monkeypatch.setattr(THRESHOLDS[name], value)


@pytest.fixture
def samples_of_few_rows(threshold):
    """Let "auto" start from a sample of 6000 x 8 already: what it does that with by itself is too much for the slow backends."""
    threshold("small problem", 50_000)
    threshold("cheap sample", 0.2)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts():
    """Also where the tests run in the background of a shell, which has SIGINT ignored, here and in children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_compile_cache(request, tmp_path_factory):
    """The user's compile cache stays out of the tests; the suite's own lives in FASTLR_CACHE_DIR for its children."""
    if "FASTLR_CACHE_DIR" not in os.environ or request.config.option.markexpr == "quick":
        folder = tmp_path_factory.getbasetemp()
        if "PYTEST_XDIST_WORKER" in os.environ:         # each has a folder in the run's: what one compiles, both load
            folder = folder.parent
        os.environ["FASTLR_CACHE_DIR"] = str(folder / "cache")


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data, or skip."""
    folder = Path(os.environ.get("FASTLR_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "INDEX.md").exists():
        pytest.skip(f"no data in {folder}; set FASTLR_DATA")
    return folder
