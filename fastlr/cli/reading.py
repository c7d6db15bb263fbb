"""What the command reads of tables: rows to train on, by its options, and the columns that a model asks for."""

import argparse
import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import fastlr
from fastlr.data import tables, weights
from fastlr.data.arrays import LARGEST
from fastlr.machine.forks import imported

# Groups that a column may have, for standard errors by --cluster.
_MOST_GROUPS = 1 << 30


class Rows(NamedTuple):
    """What a table has to train on."""

    X: tables.Named
    y: np.ndarray                       # (m,) the place of each label
    labels: np.ndarray                  # (K,)
    sample_weight: np.ndarray | None
    offset: np.ndarray | None
    groups: tuple[np.ndarray, ...]


def rows_of(options: argparse.Namespace) -> Rows:
    """Read the columns of a table that the options name."""
    with tables.reading(options.data, dialect(options)) as table:
        features = _features(table, options)
        extra = [name for name in (options.weight, options.offset) if name is not None]
        target = tables.Labels(options.target, table.is_text)
        clusters = [tables.Labels(name, table.is_text, "group", _MOST_GROUPS) for name in options.cluster]
        lacking = _Lacking([*features, *extra, options.target, *options.cluster])
        may_drop = options.missing == "drop"

        def blocks() -> Iterator[np.ndarray]:
            for row, batch in numbered(table.batches([*features, *extra], [options.target, *options.cluster], []), options.data):
                block = tables.numbers(batch, [*features, *extra], row, LARGEST, or_missing=may_drop)
                if options.weight is not None:
                    refuse_negative(options.weight, block[len(features)], row)
                labels = [target, *clusters]
                kept = lacking.complete(block, np.array([each.known(batch, row) for each in labels])) if may_drop else None
                for each in labels:
                    each.add(batch, row, kept)
                yield block if kept is None else block[:, kept]
            lacking.tell()

        columns = tables.side_by_side(blocks())
        X, extra_columns = columns[:len(features)].T, dict(zip(extra, columns[len(features):], strict=True))
        labels, y = _labels(target, options)
        sample_weight = extra_columns.get(options.weight)
        if sample_weight is not None:
            with tables.naming(f"column {options.weight!r}"):
                weights.refuse_no_weight(bool(sample_weight.any()))
                weights.refuse_class_without_weight(weights.totals(sample_weight, y, len(labels)), labels)

    for name in table.row_numbers if options.features is None else ():
        if name not in (options.target, *extra, *options.cluster, *options.drop):
            what = f"{name!r}, the index of a pandas frame" if name else "a column without a name, as of row numbers"
            print(f"fastlr: note: {what}, is left out; --drop {name!r} says so without this note", file=sys.stderr)
    return Rows(tables.Named(X, features), y, labels, sample_weight, extra_columns.get(options.offset),
                 tuple(each.codes for each in clusters))


class _Lacking:
    """The rows that are left out because values are missing, and how many there are in each column."""

    def __init__(self, names: list[str]) -> None:
        self._names, self._counts = names, np.zeros(len(names), int)
        self._rows = self._dropped = 0

    def complete(self, block: np.ndarray, has_label: np.ndarray) -> np.ndarray:
        """Which rows (r,) miss nothing, of numbers (k, r) and of labels (l, r)."""
        missing = np.vstack([np.isnan(block), ~has_label])
        complete = np.logical_not(missing.any(axis=0))
        self._counts += missing.sum(axis=1)
        self._rows, self._dropped = self._rows + complete.size, self._dropped + int(np.count_nonzero(~complete))
        return complete

    def tell(self) -> None:
        """Say how many rows were left out; ValueError where that is all of them."""
        by_column = ", ".join(f"{name} {count}" for name, count in zip(self._names, self._counts.tolist(), strict=True) if count)
        told = f"{self._dropped} of {self._rows} rows are left out, since values are missing, by column: {by_column}"
        if 0 < self._rows == self._dropped:
            raise ValueError(f"{told}; no row is left.  --drop leaves columns out")
        if self._dropped:
            print(f"fastlr: note: {told}", file=sys.stderr)


def _features(table: tables.Table, options: argparse.Namespace) -> list[str]:
    used = [("target", options.target), ("weight", options.weight), ("offset", options.offset),
            *(("cluster", name) for name in options.cluster)]
    used = [(what, name) for what, name in used if name is not None]
    for what, name in used:
        tables.require(table.names, f"{what} column", name)
    if len({name for _, name in used}) < len(used):
        raise ValueError(f"{' and '.join(what for what, _ in used)} must be different columns")
    if options.features is None:
        tables.require([*{*table.names}], "column", *options.drop)
        no_features = [*(name for _, name in used), *options.drop]
        features = [name for name in table.names if name not in (*no_features, *table.row_numbers)]
    else:
        features = options.features
        for what, name in used:
            if name in features:
                raise ValueError(f"the column {name!r} is the {what} and can't be a feature too")
    if not features:
        raise ValueError("no column is left to be a feature")
    tables.require(table.names, "column", *features)
    return features


def _labels(target: tables.Labels, options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Find the labels that stand for y = 0, 1, ... and y itself, (m,)."""
    labels, y = target.in_order()
    texts = [text_of(label) for label in labels]
    listed = ", ".join(map(repr, texts[:3])) + (", ..." if len(texts) > 3 else "")
    holds = f"column {options.target!r} holds {len(labels)} labels ({listed})"
    if len(labels) == 1:
        raise ValueError(f"column {options.target!r} holds one label only, {listed}; the target has two or more")
    if len(labels) > 2 and _are_measurements(texts):
        raise ValueError(f"{holds}, which are not whole numbers: a target has labels and not measurements")
    if options.event is not None and options.event not in texts:
        raise ValueError(f"column {options.target!r} holds no label {options.event!r}, which --event names; there are {listed}")
    if options.event is not None and len(labels) > 2:
        raise ValueError(f"{holds}; --event chooses between two")
    if options.event == texts[0]:
        labels, y = labels[::-1], 1 - y
    return tables.array_of(labels), y


def _are_measurements(texts: list[str]) -> bool:
    """Whether all texts are numbers, and some no whole ones."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        return False
    return not all(value.is_integer() for value in values)


def places(target: tables.Labels, classes: np.ndarray, name: str) -> tuple[list[str], np.ndarray]:
    """Return the model's labels in text, and which of them each row of a column has, (m,)."""
    texts = [text_of(label) for label in classes.tolist()]
    found, y = target.in_order()
    unknown = [text_of(label) for label in found if text_of(label) not in texts]
    if unknown:
        raise ValueError(f"column {name!r} holds {unknown[0]!r}, and the model's labels are {', '.join(map(repr, texts))}")
    return texts, np.array([texts.index(text_of(label)) for label in found])[y]


def features_of(model: fastlr.Model, table: tables.Table, extra: list[str]) -> list[str]:
    if model.feature_names is not None:
        tables.require(table.names, "column", *model.feature_names)
        return list(model.feature_names)
    others = [name for name in table.names if name not in (*extra, *table.row_numbers)]
    n = model.w.shape[-1]
    if len(others) != n:
        raise ValueError(f"the model has no names of columns, so that there must be its {n} features and no other "
                         f"column; there are {len(others)}")
    tables.require(table.names, "column", *others)
    return others


def refuse_negative(name: str, weights: np.ndarray, first_row: int) -> None:
    if (weights < 0.0).any():
        i = int(np.argmax(weights < 0.0))
        raise ValueError(f"column {name!r}, row {first_row + i}: a weight must be at least 0, not {float(weights[i])!r}")


def text_of(label: Any) -> str:
    return label.decode(errors="backslashreplace") if isinstance(label, bytes) else str(label)


def numbered(batches: Iterator[Any], path: str) -> Iterator[tuple[int, Any]]:
    """Each batch with the number of its first row, from 1 on; on a terminal the number of rows so far is shown."""
    row = 1
    shown = (imported("tqdm").tqdm(desc=f"reading {path}", unit=" rows", unit_scale=True, delay=0.5, leave=False)
             if shows_progress() else contextlib.nullcontext())
    with shown as bar:
        for batch in batches:
            yield row, batch
            row += batch.num_rows
            if bar is not None:
                bar.update(batch.num_rows)
    if row == 1:
        raise ValueError(tables.NO_ROW)


def shows_progress() -> bool:
    return sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None


def dialect(options: argparse.Namespace) -> tables.Dialect:
    return tables.Dialect(options.delimiter, options.decimal, options.na)
