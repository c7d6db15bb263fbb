"""What this process may take: processors, memory, and the time of one call.

Processors and memory are those of the system, within the limits of the control groups of Linux, versions 1 and 2: the groups that
this process is in (a container's, say) and those above them.
"""

import functools
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

SECONDS_A_CALL = 1 / 16
"""Seconds that one call of compiled code or of BLAS may take, since Ctrl-C is answered between calls."""
BYTES_A_CALL = int(2 ** 32 * SECONDS_A_CALL)
"""Bytes of X that one call may read, at the 4 GB a second of one core; from a slow disk they take a third of a second."""
PRODUCTS_A_CALL = int(2 ** 37 * SECONDS_A_CALL)
"""Multiplications that one call of BLAS or of the Hessian's kernel may make, at 137 billion a second."""
UPDATES_A_CALL = int(1600 * SECONDS_A_CALL)
"""Quasi-Newton updates that one call may make on a small problem, at 1600 a second."""

TREE = "/sys/fs/cgroup"
"""The folder of control groups."""

MEMBERSHIP = "/proc/self/cgroup"
"""The file that says which groups this process is in."""

MEMINFO = "/proc/meminfo"
"""The file in which Linux reports its memory."""
# Folders of the tree in which groups of a controller may begin; "unified" is version 2 beside version 1.
_ROOTS = {"cpu": ("", "unified", "cpu", "cpu,cpuacct"), "memory": ("", "unified", "memory")}
# The files with a group's limit, those of version 2 and of version 1: microseconds granted, and the microseconds of a period.
_QUOTA = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
# The files with a group's limit and its use, and the lines of memory.stat for cached files, which give way when memory is needed:
# those of version 2 and of version 1.
_MEMORY = (("memory.max", "memory.current", r"^(?:active|inactive)_file (\d+)$"),
           ("memory.limit_in_bytes", "memory.usage_in_bytes", r"^total_(?:active|inactive)_file (\d+)$"))


def processors() -> int:
    """The number of processors that this process may keep busy, by its affinity and the quota of its control groups."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, quota() or allowed)


@functools.cache
def quota() -> int | None:
    """The number of whole processors that control groups leave to this process, at least 1; None where they set no limit.

    The number is rounded down: two threads on one and a half processors would stop each other for part of every period.
    """
    smallest = min((_granted(group, files) for group in _groups("cpu") for files in _QUOTA), default=math.inf)
    return None if smallest == math.inf else max(1, int(smallest))


def available_memory() -> int | None:
    """Bytes that the system and the control groups leave to this process; None where they don't say."""
    by_groups = [_left_by_group(group, *files) for group in _groups("memory") for files in _MEMORY]
    least = min([_left_by_system(), *by_groups])
    return None if least == math.inf else max(0, int(least))


def _groups(controller: str) -> Iterator[Path]:
    """The folders of the groups that may limit this process; none where there are no control groups.

    Some of the folders may not exist: in a container, the name of a group can be the host's while the tree begins at the
    container's own group.  The root of the tree is always among them.
    """
    try:
        lines = Path(MEMBERSHIP).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:                          # "number:controllers:name"
        _, _, controllers_and_name = line.partition(":")
        controllers, _, name = controllers_and_name.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        parts = name.strip("/").split("/")
        for root in _ROOTS[controller]:
            for depth in range(len(parts) + 1):
                yield Path(TREE, root, *parts[:depth])


def _granted(group: Path, files: tuple[str, ...]) -> float:
    """Processors that one group is granted; infinite without a limit, which is written as "max", as -1 or not at all."""
    try:
        quota, period = " ".join((group / file).read_text(encoding="utf-8") for file in files).split()
        granted = int(quota) / int(period)
    except (OSError, ValueError, ArithmeticError):
        return math.inf
    return granted if granted > 0.0 else math.inf


def _left_by_system() -> float:
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB$", Path(MEMINFO).read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):
        found = None
    if found is not None:
        return 1024.0 * int(found[1])
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))          # macOS
    except (AttributeError, OSError, ValueError):
        return math.inf


def _left_by_group(group: Path, limit: str, use: str, files: str) -> float:
    """Bytes that one group leaves; infinite without a limit, which is written as "max", as a huge number or not at all."""
    try:
        granted = int((group / limit).read_text(encoding="ascii"))
        used = int((group / use).read_text(encoding="ascii"))
        stat = (group / "memory.stat").read_text(encoding="ascii")
    except (OSError, ValueError):
        return math.inf
    return float(granted - used + sum(map(int, re.findall(files, stat, re.MULTILINE))))
