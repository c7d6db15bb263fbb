"""New processes of Python, which some tests start."""

import os
import subprocess
import sys


def run(code, *arguments, cwd=None, **environment):
    """What became of a program in a new process, with these variables in its environment beside those of this one."""
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=300,
                          check=False, cwd=cwd, env=os.environ | environment)
