"""Files that are written as a whole or not at all."""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once it is complete; after an error or Ctrl-C, `path` is as it was.

    Raises
    ------
    ValueError
        `path` exists and is not a regular file.
    OSError
        The file can't be written; the error names `path`.
    """
    with _beside(path) as (file, target):
        yield file
        file.flush()
        os.fsync(file.fileno())
        os.replace(file.name, target)


def refuse_unwritable(path: str) -> None:
    """Raise at once what `replacing` would raise after the work is done."""
    with _beside(path):
        pass


@contextlib.contextmanager
def _beside(path: str) -> Iterator[tuple[BinaryIO, str]]:
    """Open a new file beside `path`, which is gone at the end unless it was renamed; and follow the links of `path`."""
    target = os.path.realpath(path)
    exists = os.path.exists(target)
    if exists and not os.path.isfile(target):   # such as /dev/null
        raise ValueError(f"{path!r} is there already and is not a regular file")
    temporary = os.path.join(os.path.dirname(target), f".fastlr-{os.urandom(8).hex()}")
    try:
        with open(temporary, "xb") as file:
            if exists:
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            yield file, target
    except OSError as error:
        if error.filename not in (None, temporary):             # somebody else's file
            raise
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
