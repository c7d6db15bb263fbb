"""Modules that are imported on first use, while another thread forks."""

import os
from pathlib import Path

import pytest

from tests.processes import run

CODE = """
import os, signal, sys, threading
from fastlr.machine import forks

thread = threading.Thread(target=forks.imported, args=("slow",))
thread.start()
while "slow" not in sys.modules:
    pass
child = os.fork()
if child == 0:
    signal.alarm(20)            # ends a child that hangs
    print(forks.imported("slow").answer, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_waits_for_a_module_that_another_thread_imports(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.3)\nanswer = 42\n")
    result = run(CODE, PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    assert result.stdout.split() == ["42", "0"], result.stderr
