"""Where the compile cache lies: a directory of this user alone.  Numba is not needed to look."""

import contextlib
import os
import stat
from pathlib import Path


def base_directory() -> Path | None:
    """The first directory that is private of $FASTLR_CACHE_DIR, $NUMBA_CACHE_DIR, $XDG_CACHE_HOME and ~/.cache, or None."""
    bases = [os.environ.get(name) for name in ("FASTLR_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")]
    for base in map(os.path.expanduser, (*filter(None, bases), "~/.cache")):
        with contextlib.suppress(OSError):
            if not base.startswith("~"):        # there is a home
                return private(Path(base, "fastlr").absolute())
    return None


def private(directory: Path) -> Path:
    """Make a directory if it isn't there; PermissionError where others could write to it, or this user can't."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.lstat()              # of a link itself, which is refused: its owner could point it elsewhere
    if not stat.S_ISDIR(status.st_mode) or not os.access(directory, os.W_OK):
        raise PermissionError(f"{directory} is not a directory that can be written to")
    if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
        raise PermissionError(f"{directory} can be written by others")
    return directory


def holds_kernels() -> bool:
    """Whether there is any kernel, of whatever version."""
    base = base_directory()
    return base is not None and any(base.glob("*/*/manifest"))
