"""The columns of a table: their names, their types, and their numbers."""

import difflib
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastlr.machine.wording import listed

# Bytes of a panel of columns, which is so large that freeing it gives its memory back to the system.
PANEL_BYTES = 1 << 26
TEXT_WAY_OUT = "turn text into numbers first (one column of 0 and 1 for each category), or leave the column out"
_WAYS_OUT = {
    "text": TEXT_WAY_OUT,
    "dates": "turn dates and times into numbers first (days since some day, say), or leave the column out",
    "others": "turn them into columns of numbers first, or leave the column out",
}


def require(names: Sequence[str], what: str, *columns: str) -> None:
    """Refuse columns that are not there, or there twice."""
    missing = [name for name in columns if name not in names]
    if missing:
        is_or_are = " is" if len(missing) == 1 else "s are"
        raise ValueError(f"{what}{is_or_are} missing: {listed(missing, 30, repr)}; {_meant(names, missing)}"
                         f"there are {listed(names, 30, repr)}{_other_delimiter(names)}")
    for name in columns:
        if names.count(name) > 1:
            raise ValueError(f"{names.count(name)} columns are called {name!r}; rename all but one")


def _meant(names: Sequence[str], missing: Sequence[str]) -> str:
    """Suggest the names that are closest to those that are missing."""
    of_simple = {name.strip().casefold(): name for name in names}
    close = [found for name in missing[:10]
             for found in difflib.get_close_matches(name.strip().casefold(), list(of_simple)[:10_000], 1, 0.75)]
    return f"did you mean {listed([of_simple[name] for name in dict.fromkeys(close)], 30, repr)}? " if close else ""


def _other_delimiter(names: Sequence[str]) -> str:
    """Say what to do about a CSV file of one column whose name holds another delimiter."""
    found = [mark for mark in ";\t|," if len(names) == 1 and mark in names[0]]
    return f"; pass --delimiter {'tab' if found[0] == chr(9) else repr(found[0])} if that is between the columns" if found else ""


def numbers(batch: Any, names: Sequence[str], first_row: int, at_most: float = sys.float_info.max,
            or_missing: bool = False) -> np.ndarray:
    """Columns of a batch, (k, rows) float64, finite and `at_most` in magnitude, or perhaps NaN for what is missing.

    The first row of the batch is called `first_row`.
    """
    block = np.empty((len(names), batch.num_rows))
    for values, name in zip(block, names, strict=True):
        values[:] = _column(batch.column(name), name, first_row)
        bad = np.abs(values) > at_most if or_missing else ~(np.abs(values) <= at_most)
        if bad.any():
            i = int(np.argmax(bad))
            refuse_value(name, first_row + i, values[i])
    return block


def _column(column: Any, name: str, first_row: int) -> np.ndarray:
    import pyarrow as pa

    kind = kind_of_values(column.type)
    if not (holds_numbers(kind) or pa.types.is_null(kind)):
        what = f" holds {kind}"
        if column.null_count < len(column):
            i = column.is_valid().index(True).as_py()
            value = column[i].as_py()
            shown = repr(value) if isinstance(value, (str, bytes)) else str(value)
            what = f", row {first_row + i}: {shown:.100} is not a number"
        raise ValueError(f"column {name!r}{what}; {way_out(kind)}")
    return _decoded(column).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)       # what is missing is NaN


def kind_of_values(kind: Any) -> Any:
    """A type of pyarrow's, or for categories that of their values."""
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) else kind


def _decoded(column: Any) -> Any:
    return column if kind_of_values(column.type) is column.type else column.dictionary_decode()


def numbers_of(column: Any) -> np.ndarray:
    """A column without missing values, of the dtype that it has."""
    from pyarrow import float64, types

    column = _decoded(column)
    return (column.cast(float64()) if types.is_decimal(column.type) else column).to_numpy(zero_copy_only=False)


def holds_numbers(kind: Any) -> bool:
    """Whether a type of pyarrow's is one of real numbers, or of booleans."""
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)


def holds_text(kind: Any) -> bool:
    """Whether a type of pyarrow's is one of text, or of bytes."""
    from pyarrow import types

    return any(is_one(kind) for is_one in (types.is_string, types.is_large_string, types.is_string_view, types.is_binary,
                                           types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary))


def way_out(kind: Any) -> str:
    """Say what to do about a column whose type is not a number."""
    from pyarrow import types

    return _WAYS_OUT["text" if holds_text(kind) else "dates" if types.is_temporal(kind) else "others"]


def refuse_value(name: str, row: int, value: float) -> None:
    """Raise ValueError for one value of a column; NaN stands for one that is missing."""
    place = f"column {name!r}, row {row}"
    if np.isnan(value):
        raise ValueError(missing(place))
    what, way_out = ("too large", "divide the column by a constant") if math.isfinite(value) else (
        "not finite", "fill such values in, drop their rows")
    raise ValueError(f"{place}: {float(value)!r} is {what}; {way_out}, or leave the column out")


def missing(place: str) -> str:
    """Say what to do about a missing number."""
    return f"{place}: the value is missing; fill such values in, or leave their rows out, as `fastlr train --missing drop` does"


def side_by_side(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Blocks (k, any), not all of them empty, as one (k, m) array, with little more memory than that takes."""
    panels: list[np.ndarray] = []
    room = m = 0
    for block in blocks:
        m += block.shape[1]
        while block.shape[1]:
            if not room:
                room = max(1, PANEL_BYTES // (8 * block.shape[0]))
                panels.append(np.empty((block.shape[0], room)))
            here = min(room, block.shape[1])
            start = panels[-1].shape[1] - room
            panels[-1][:, start:start + here] = block[:, :here]
            block, room = block[:, here:], room - here
    whole = np.empty((panels[0].shape[0], m))
    start = 0
    while panels:
        panel = panels.pop(0)
        stop = min(start + panel.shape[1], m)
        whole[:, start:stop] = panel[:, :stop - start]
        start = stop
    return whole


class Named:
    """X with the names of its columns, as data frames have them, in place."""

    def __init__(self, X: np.ndarray, columns: Sequence[str]) -> None:
        self._X = X
        self.columns = columns

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._X, dtype=dtype, copy=copy)
