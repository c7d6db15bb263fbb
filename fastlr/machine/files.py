"""Files that are written as a whole or not at all."""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` at the end; after an error, Ctrl-C too, what was there is as it was.

    Raises
    ------
    ValueError
        Something else than a regular file is there.
    OSError
        The file can't be written; it names `path`.
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
    """A new file in the folder of `path`, gone at the end unless it was renamed; and the path behind links."""
    target = os.path.realpath(path)
    exists = os.path.exists(target)
    if exists and not os.path.isfile(target):   # but /dev/null, say
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
