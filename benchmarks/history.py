"""Measure the core set on commits, and keep the results in benchmarks/results: `python -m benchmarks.history --help`.

The results carry the name that is given to the machine, and nothing else that would tell one from another of its kind.
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

CORE = r"^(kernels|training|optimum|start_up|calls|elastic_net)\."
_ASV = [sys.executable, "-m", "asv"]


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history",
                                     description="Run the core set of benchmarks and store the results.")
    parser.add_argument("machine", help="a name that says what the machine is, such as epyc-zen4-2-cores; no host name")
    parser.add_argument("commits", nargs="?", default="HEAD^!", help="a range for git, or ALL; by default the newest commit")
    parser.add_argument("--steps", help="at most so many commits, evenly spaced over the range")
    arguments = parser.parse_args()
    system = ["--os", platform.system(), "--arch", platform.machine()]
    known = Path(__file__).parent / "results" / arguments.machine / "machine.json"
    if known.exists():                          # the memory differs by some bytes at each start, and asv would draw two curves
        system += ["--ram", json.loads(known.read_text())["ram"]]
    subprocess.run([*_ASV, "machine", "--yes", "--machine", arguments.machine, *system], check=True)
    steps = [] if arguments.steps is None else ["--steps", arguments.steps]
    run = [*_ASV, "run", "--machine", arguments.machine, "--bench", CORE, "--skip-existing-successful", "--show-stderr",
           *steps, arguments.commits]
    # asv ends with 2 where a benchmark failed; what a commit lacks counts as skipped.
    raise SystemExit(subprocess.run(run).returncode)


if __name__ == "__main__":
    main()
