"""Is one commit slower than another?  `python -m benchmarks.compare main HEAD`; exit status 1 where it is.

Both commits' processes live side by side and are timed by turns, A B B A and B A A B, so that what the machine does
to one it does to the other.  A round is a fresh pair of processes and gives one log ratio of times for each benchmark; a
verdict rests on the interval of Wilcoxon's signed-rank test over the rounds, at a confidence that is shared out among the
benchmarks (Bonferroni).  Both run on the NumPy and Numba of this environment; `$(git stash create)` is a commit of what isn't
committed yet.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np

_ROOT = Path(__file__).parents[1]
_CONFIDENCE = 0.95              # that no verdict of a whole comparison is wrong
_MARGIN = np.log(1.03)          # less than this counts as the same
_TOO_WIDE = np.log(1.15)        # an interval that reaches further can't be called the same


def signed_rank_interval(values, error):
    """Hodges-Lehmann estimate of the center, and the interval that Wilcoxon's signed-rank test leaves.

    Parameters
    ----------
    values : array_like, (n,)
        Independent, symmetric about the center.
    error : float
        The chance of an interval that leaves the center out, at most.

    Returns
    -------
    low, center, high : float
        Infinite ends where n is too small for `error`.
    """
    values = np.asarray(values, dtype=float)
    i, j = np.triu_indices(values.size)
    means = np.sort((values[i] + values[j]) / 2)
    ways = np.ones(1)                               # ways[k]: subsets of the ranks 1..n whose sum is k
    for rank in range(1, values.size + 1):
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    left_out = int(np.searchsorted(np.cumsum(ways) / 2.0 ** values.size, error / 2, side="right"))
    if left_out == 0:
        return -np.inf, float(np.median(means)), np.inf
    return float(means[left_out - 1]), float(np.median(means)), float(means[-left_out])


def verdict(low, high):
    """What an interval of log(time of head / time of base) says."""
    if low > _MARGIN:
        return "slower"
    if high < -_MARGIN:
        return "faster"
    return "the same" if max(-low, high) <= _TOO_WIDE else "unclear"


def judge(log_ratios):
    """(verdict, low, center, high) of each benchmark.

    Parameters
    ----------
    log_ratios : dict of str to (rounds,) sequence
        log(time of head / time of base), a number a round.
    """
    error = (1 - _CONFIDENCE) / len(log_ratios)
    intervals = {name: signed_rank_interval(values, error) for name, values in log_ratios.items()}
    return {name: (verdict(low, high), low, center, high) for name, (low, center, high) in intervals.items()}


def unpacked(commit):
    """A directory with the commit's package, and its compile cache; its files are as old as the commit."""
    full = subprocess.run(["git", "rev-parse", "--verify", f"{commit}^{{commit}}"], cwd=_ROOT, check=True, capture_output=True,
                          text=True).stdout.strip()
    directory = _ROOT / ".asv" / "compare" / full
    if not directory.exists():
        archive = subprocess.run(["git", "archive", full, "fastlr"], cwd=_ROOT, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(directory, filter="data")
    return directory


class Side:
    """A process that measures one commit on demand."""

    def __init__(self, directory):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(directory), str(_ROOT)]),
                                    "FASTLR_CACHE_DIR": str(directory / "cache")}
        self._process = subprocess.Popen([sys.executable, "-P", "-m", "benchmarks.steady"], cwd=directory, env=environment,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self):
        """What the process says next: first the names of its benchmarks, then the seconds of each that was asked for."""
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a measuring process has died; what it said is above")
        return json.loads(line)

    def seconds(self, name):
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def one_round(directories, head_first):
    """log(time of head / time of base) of each benchmark that both have."""
    sides = [Side(directory) for directory in directories]
    with ThreadPoolExecutor() as pool:
        base_names, head_names = pool.map(Side.answer, sides)
    log_ratios = {}
    for name in (name for name in base_names if name in head_names):
        head_first = not head_first
        times = [], []
        for which in (1, 0, 0, 1) if head_first else (0, 1, 1, 0):
            times[which].append(sides[which].seconds(name))
        log_ratios[name] = float(np.log(min(times[1]) / min(times[0])))
    for side in sides:
        side.close()
    return log_ratios


def report(judged):
    """Lines for people."""
    def percent(log_ratio):
        return f"{100 * np.expm1(log_ratio):+.1f} %"

    width = max(map(len, judged))
    return [f"{name:{width}}  {verdict:8}  {percent(center):>9}  ({percent(low)} to {percent(high)})"
            for name, (verdict, low, center, high) in judged.items()]


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="Is HEAD slower than BASE?")
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--rounds", type=int, default=16, help="pairs of processes; at least 12")
    arguments = parser.parse_args()
    directories = [unpacked(arguments.base), unpacked(arguments.head)]
    one_round(directories, False)                   # compiles
    rounds = []
    for count in range(arguments.rounds):
        rounds.append(one_round(directories, count % 2 == 1))
        print(f"\rround {count + 1} of {arguments.rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    judged = judge({name: [log_ratios[name] for log_ratios in rounds] for name in rounds[0]})
    print(f"time of {arguments.head} against {arguments.base}, {_CONFIDENCE:.0%} confidence in all verdicts together:")
    print("\n".join(report(judged)))
    raise SystemExit(any(verdict == "slower" for verdict, *_ in judged.values()))


if __name__ == "__main__":
    main()
