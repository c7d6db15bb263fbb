"""How many processors this process may keep busy: those it may run on, within the quota of its control groups."""

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path

# Where the tree of control groups that counts processor time may begin, and the files of a group that limit it: those of
# version 2 and of version 1.  Both hold microseconds, a quota in each period.
_ROOTS = ("", "unified", "cpu", "cpu,cpuacct")
_FILES = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))


def processors() -> int:
    """The processors that this process may keep busy."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, quota() or allowed)


@functools.cache
def quota(tree: str = "/sys/fs/cgroup", membership: str = "/proc/self/cgroup") -> int | None:
    """The whole processors that control groups leave to this process, at least 1; None where they set no limit.

    A container's quota, say.  Two threads on one and a half processors would stop each other for part of every period.

    Parameters
    ----------
    tree : str
        The folder of control groups.
    membership : str
        The file that says which groups this process is in.
    """
    try:
        lines = Path(membership).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    smallest = min((_granted(group, files) for line in lines for group in _groups(tree, line) for files in _FILES),
                   default=math.inf)
    return None if smallest == math.inf else max(1, int(smallest))


def _groups(tree: str, line: str) -> Iterator[Path]:
    """The group of one line "number:controllers:name" and those above it, as far as they limit processor time.

    In a container the name may be one that the host uses while the tree begins at the container's own group: folders that
    don't exist are passed over, and the root always counts.
    """
    _, _, controllers_and_name = line.partition(":")
    controllers, _, name = controllers_and_name.partition(":")
    if controllers and "cpu" not in controllers.split(","):
        return
    parts = name.strip("/").split("/")
    for root in _ROOTS:
        for depth in range(len(parts) + 1):
            yield Path(tree, root, *parts[:depth])


def _granted(group: Path, files: tuple[str, ...]) -> float:
    """Processors that this group alone is granted; infinite without a limit, written as "max", as -1 or not at all."""
    try:
        quota, period = " ".join((group / file).read_text(encoding="utf-8") for file in files).split()
        granted = int(quota) / int(period)
    except (OSError, ValueError, ArithmeticError):
        return math.inf
    return granted if granted > 0.0 else math.inf
