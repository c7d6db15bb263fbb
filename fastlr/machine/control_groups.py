"""The control groups of Linux that may limit this process: its own, and those above."""

from collections.abc import Iterator
from pathlib import Path

TREE = "/sys/fs/cgroup"
MEMBERSHIP = "/proc/self/cgroup"


def groups(controller: str, roots: tuple[str, ...], tree: str = TREE, membership: str = MEMBERSHIP) -> Iterator[Path]:
    """The folders of the groups that may limit this process; none where there are no control groups.

    Some of the folders may not exist: in a container, the name of a group can be the host's while the tree begins at the
    container's own group.  The root of the tree is always among them.

    Parameters
    ----------
    controller : str
        "cpu" or "memory".
    roots : tuple of str
        Where in the tree groups of this controller may begin, those of version 2 and of version 1.
    tree : str
        The folder of control groups.
    membership : str
        The file that says which groups this process is in.
    """
    try:
        lines = Path(membership).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:                          # "number:controllers:name"
        _, _, controllers_and_name = line.partition(":")
        controllers, _, name = controllers_and_name.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        parts = name.strip("/").split("/")
        for root in roots:
            for depth in range(len(parts) + 1):
                yield Path(tree, root, *parts[:depth])
