"""`pytest --backend numpy,fused` narrows the tests that take a backend to these."""

import os
import signal
from pathlib import Path

import pytest

from fastlr import backends

BACKENDS = tuple(backends.available_backends())
COMPILED = ("loop", "parallel", "fused")


def pytest_addoption(parser):
    parser.addoption("--backend", default=",".join(BACKENDS), help="comma-separated backends to test")


def pytest_generate_tests(metafunc):
    chosen = metafunc.config.getoption("--backend").split(",")
    for argument, all_of_them in (("backend", BACKENDS), ("compiled", COMPILED)):
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, [name for name in all_of_them if name in chosen])


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts():
    """Also where the tests run in the background of a shell, which has SIGINT ignored, here and in children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_compile_cache(tmp_path_factory):
    """The user's compile cache stays out of the tests; the suite's own lives in FASTLR_CACHE_DIR for its children."""
    if "FASTLR_CACHE_DIR" not in os.environ:
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


@pytest.fixture
def samples_of_few_rows(monkeypatch):
    """Let "auto" start from a sample of 6000 x 8 already: what it does that with by itself is too much for the slow backends."""
    monkeypatch.setattr("fastlr.problem.objective._SMALL", 50_000)
    monkeypatch.setattr("fastlr.solvers.auto._CHEAP", 0.2)
