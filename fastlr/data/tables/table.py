"""A table that is open for reading, in whatever format, and errors that say where it is."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from fastlr.machine.distribution import needed

NO_ROW = "there is a header and no row"


class Table(NamedTuple):
    """A file that is open for reading."""

    names: list[str]
    # Columns that number the rows, and are no features unless somebody names them.
    row_numbers: list[str]
    # (numbers, labels, kept), names of columns in each, to record batches of all of them
    batches: Callable[[Sequence[str], Sequence[str], Sequence[str]], Iterator[Any]]
    is_text: bool                               # labels are text, which may stand for numbers
    frame: Callable[[], Any]                    # all of it as a pandas frame


def pyarrow() -> ModuleType:
    """Import pyarrow, or say how to install it."""
    return needed("pyarrow", "pyarrow", "reading and writing tables")


@contextlib.contextmanager
def naming(place: str) -> Iterator[None]:
    """Raise an error of a table as a ValueError that says where it is; an error of the system passes as it is."""
    from pyarrow import ArrowException

    try:
        yield
    except (ValueError, ArrowException) as error:
        raise ValueError(f"{place}: {error}") from error
    except OSError as error:
        if error.errno is None:                 # a codec's, or Parquet's
            raise ValueError(f"{place}: {error}") from error
        raise


def each_once(columns: Sequence[Sequence[str]]) -> list[str]:
    """The names in some lists of columns, each once."""
    return list(dict.fromkeys(name for names in columns for name in names))
