"""The number of processors that this process may keep busy, by its affinity and the quota of its control groups."""

import functools
import math
import os
from pathlib import Path

from fastlr.machine.control_groups import MEMBERSHIP, TREE, groups

# Folders of the tree in which groups that count processor time may begin.
_ROOTS = ("", "unified", "cpu", "cpu,cpuacct")
# The files with a group's limit, those of version 2 and of version 1: microseconds granted, and the microseconds of a period.
_FILES = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))


def processors() -> int:
    """The number of processors that this process may keep busy."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, quota() or allowed)


@functools.cache
def quota(tree: str = TREE, membership: str = MEMBERSHIP) -> int | None:
    """The number of whole processors that control groups leave to this process, at least 1; None where they set no limit.

    The number is rounded down: two threads on one and a half processors would stop each other for part of every period.

    Parameters
    ----------
    tree, membership : str
        The folder of control groups, and the file that says which of them this process is in.
    """
    smallest = min((_granted(group, files) for group in groups("cpu", _ROOTS, tree, membership) for files in _FILES),
                   default=math.inf)
    return None if smallest == math.inf else max(1, int(smallest))


def _granted(group: Path, files: tuple[str, ...]) -> float:
    """Processors that one group is granted; infinite without a limit, which is written as "max", as -1 or not at all."""
    try:
        quota, period = " ".join((group / file).read_text(encoding="utf-8") for file in files).split()
        granted = int(quota) / int(period)
    except (OSError, ValueError, ArithmeticError):
        return math.inf
    return granted if granted > 0.0 else math.inf
