"""How much memory this process may still take."""

import math
import os
import re
from pathlib import Path

from fastlr.machine.control_groups import MEMBERSHIP, TREE, groups

# Folders of the tree in which groups that count memory may begin.
_ROOTS = ("", "unified", "memory")
# The files with a group's limit and its use, and the lines of memory.stat for cached files, which give way when memory is needed:
# those of version 2 and of version 1.
_VERSIONS = (("memory.max", "memory.current", r"^(?:active|inactive)_file (\d+)$"),
             ("memory.limit_in_bytes", "memory.usage_in_bytes", r"^total_(?:active|inactive)_file (\d+)$"))


def available(tree: str = TREE, membership: str = MEMBERSHIP, meminfo: str = "/proc/meminfo") -> int | None:
    """Bytes that the system and the control groups leave to this process; None where they don't say.

    Parameters
    ----------
    tree, membership : str
        The folder of control groups, and the file that says which of them this process is in.
    meminfo : str
        The file in which Linux reports its memory.
    """
    left = [_left_by_system(meminfo)]
    left += [_left_by_group(group, *version) for group in groups("memory", _ROOTS, tree, membership) for version in _VERSIONS]
    least = min(left)
    return None if least == math.inf else max(0, int(least))


def _left_by_system(meminfo: str) -> float:
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB$", Path(meminfo).read_text(encoding="ascii"), re.MULTILINE)
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
