"""A column of labels: its distinct values, in the order of numbers or of letters."""

import contextlib
import math
import re
from decimal import Decimal
from typing import Any

import numpy as np

from fastlr.data.tables.columns import holds_numbers, holds_text, kind_of_values

# Distinct labels in a column, at most.
_MOST_LABELS = 100
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?")


class Labels:
    """The distinct values of a column as it is read, so many at most, and which of them each row has.

    Numbers among them may come as text.  The noun is what a value is called in messages.
    """

    def __init__(self, name: str, are_texts: bool = False, noun: str = "label", most: int = _MOST_LABELS) -> None:
        self._name, self._are_texts, self._noun, self._most = name, are_texts, noun, most
        self._kind = ""
        self._codes: dict[Any, int] = {}
        self._parts: list[np.ndarray] = []

    def known(self, batch: Any, first_row: int) -> np.ndarray:
        """Which rows of a batch have a label, (rows,)."""
        values, indices = self._distinct(batch.column(self._name), first_row)
        is_known = [not _is_missing(label) for label in values]
        return np.array(is_known)[indices]

    def add(self, batch: Any, first_row: int, kept: np.ndarray | None = None) -> None:
        """Add the labels of a batch: those of all rows, or of the rows that are kept, (rows,) bool."""
        values, indices = self._distinct(batch.column(self._name), first_row)
        kept = np.ones(indices.size, bool) if kept is None else kept
        codes = np.zeros(len(values), np.min_scalar_type(-self._most))
        for i in np.flatnonzero(np.bincount(indices[kept], minlength=len(values))):
            label = values[i]
            is_infinite = isinstance(label, float) and math.isinf(label)
            if is_infinite or _is_missing(label):
                what = repr(label) if is_infinite else "missing"
                na = ", or say with --na which texts stand for a missing value (--na '' for nothing only)"
                place = int(np.argmax(kept & (indices == i)))
                raise ValueError(f"column {self._name!r}, row {first_row + place}: the {self._noun} is {what}; drop such rows"
                                 f"{na if self._are_texts else ''}")
            codes[i] = self._codes.setdefault(label, len(self._codes))
            if len(self._codes) > self._most:
                raise ValueError(f"column {self._name!r} has more than {self._most} different values, too many for {self._noun}s")
        self._parts.append(codes[indices[kept]])

    def _distinct(self, column: Any, first_row: int) -> tuple[list[Any], np.ndarray]:
        """The distinct values, None behind them, and which of these each row has."""
        import pyarrow as pa

        kind = kind_of_values(column.type)
        if not (holds_numbers(kind) or holds_text(kind) or pa.types.is_null(kind)):
            raise ValueError(f"column {self._name!r} holds {kind}, which can't be {self._noun}s; write them as numbers or text")
        sort = "text" if holds_text(kind) else "booleans" if pa.types.is_boolean(kind) else "numbers"
        if self._kind not in ("", sort):
            raise ValueError(f"column {self._name!r}, row {first_row}: {self._noun}s are {sort} here, and {self._kind} before; "
                             "make them all of one kind")
        self._kind = sort
        if kind is column.type:
            if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
                column = column.cast(pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary())
            column = column.dictionary_encode()
        values = column.dictionary.to_pylist()
        if pa.types.is_decimal(kind):
            values, self._are_texts = [str(value) for value in values], True
        return [*values, None], column.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)

    def in_order(self) -> tuple[list[Any], np.ndarray]:
        """The distinct labels, and which of them each row has, (m,) int8.

        Numbers are in the order of their values, also where a file of text writes them so that they stay text, and other text is
        in that of its letters.
        """
        found = list(self._codes)
        labels = _as_numbers(found) if self._are_texts else found
        are_numbers = self._are_texts and all(isinstance(label, str) and _NUMBER.fullmatch(label) for label in labels)
        ordered = sorted(labels, key=(lambda text: (Decimal(text), text)) if are_numbers else None)
        places = np.array([ordered.index(label) for label in labels], np.int8)
        return ordered, places[self.codes]

    @property
    def codes(self) -> np.ndarray:
        """Which of the distinct values, in the order in which they occur, each row has, (m,)."""
        return np.concatenate(self._parts)

    def array(self) -> np.ndarray:
        """The column, (m,)."""
        labels, codes = self.in_order()
        return array_of(labels)[codes]


def array_of(labels: list[Any]) -> np.ndarray:
    """Labels as an array of their type, or of objects where NumPy would change one: 2 ** 64 - 1 beside 1, a NUL at the end."""
    made = np.array(labels)
    return made if made.tolist() == labels else np.array(labels, object)


def _is_missing(label: Any) -> bool:
    """Whether a label of a table is none: NaN, nothing, or an empty text."""
    return label in (None, "") or label != label


def _as_numbers(texts: list[str]) -> list[Any]:
    """Numbers where each is written as Python writes it, so that none comes back otherwise than it stood; else the texts."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            numbers = [kind(text) for text in texts]
            if [str(number) for number in numbers] == texts and len({*numbers}) == len(texts) and all(
                    abs(number) < 2 ** 63 for number in numbers):
                return numbers
    return texts
