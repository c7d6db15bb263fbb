"""The kernels with every index checked, and as plain Python: subprocesses, since Numba reads these settings once.

By hand, all that works in these modes:

    NUMBA_BOUNDSCHECK=1 NUMBA_NUM_THREADS=1 pytest -m "not slow and not long"
    NUMBA_DISABLE_JIT=1 pytest -m "not slow and not long"
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.compiles

TESTS = Path(__file__).parents[1]
# What calls the compiled kernels on shapes around their block sizes.
OF_KERNELS = ["backends/test_laws.py", "data/test_moments.py"]


def run(files, chosen, cache, **environment):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not long",
               "-k", chosen, "--backend", "loop,parallel,fused", *(str(TESTS / file) for file in files)]
    result = subprocess.run(command, capture_output=True, text=True, check=False,
                            env=os.environ | {"FASTLR_CACHE_DIR": str(cache)} | environment)
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout


# Numba checks no index in parallel loops: one thread runs the same kernels serially.
CHECKED = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_NUM_THREADS": "1"}


@pytest.mark.long
def test_kernels_index_within_bounds(tmp_path):
    run(OF_KERNELS, "not threads and not memory_mapped", tmp_path, **CHECKED)


@pytest.mark.long
def test_newton_indexes_within_bounds(tmp_path):
    run(["problem/test_magnitudes.py"], "fused and (few_rows or nothing_at_all or exactly)", tmp_path, **CHECKED)


@pytest.mark.long
def test_the_check_of_bounds_checks(tmp_path):
    """A kernel that reads one element too far is found out in that mode."""
    program = tmp_path / "program.py"           # Numba caches only what comes from a file
    program.write_text("""
import numpy as np
from fastlr.backends.compiled.jit import Entry

kernel = Entry(lambda A: A[A.size], lambda compiled, A: True)
try:
    kernel(np.zeros(3))
except IndexError:
    print("found")
""")
    found = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False,
                           env=os.environ | {"FASTLR_CACHE_DIR": str(tmp_path)} | CHECKED)
    assert found.stdout == "found\n", found.stderr
