"""The subcommands of fastlr: functions of the parsed options that return the exit code."""

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import fastlr
from fastlr import _environment
from fastlr.cli import evaluation, paths
from fastlr.data import tables, weights
from fastlr.data.arrays import LARGEST
from fastlr.machine import files

NOT_CONVERGED = 3

# Groups that a column may have, for standard errors by --cluster.
_MOST_GROUPS = 1 << 30


def train(options: argparse.Namespace) -> int:
    """Read a table, train, save the model, and print the summary."""
    if options.formula is not None:
        return _train_by_formula(options)
    _refuse_unwritable((options.data,), options.output)
    rows = _read(options)
    with _caught() as caught:
        model = fastlr.train(rows.X, rows.y, fit_intercept=options.intercept, sample_weight=rows.sample_weight,
                             offset=rows.offset, **_train_options(options))
        model = dataclasses.replace(model, classes=rows.labels)
        covariance = ("cluster", rows.groups) if rows.groups else options.covariance
        summary = model.summary(covariance, options.level)                  # before saving, which keeps it
    if options.output is not None:
        model.save(options.output)
    return _report(summary, caught, options.json)


def path(options: argparse.Namespace) -> int:
    """Read a table, train a model for each of many penalties, print what they explain, and save and draw them."""
    _refuse_unwritable((options.data,), options.output, options.plot)
    rows = _read(options)
    with _caught() as caught:
        path = fastlr.path(rows.X, rows.y, l1_ratio=options.l1_ratio, lambdas=options.lambdas, smallest=options.smallest,
                           folds=options.folds, score=options.score, seed=options.seed, fit_intercept=options.intercept,
                           sample_weight=rows.sample_weight, class_weight=options.class_weight, offset=rows.offset,
                           backend=options.backend, tol=options.tol, n_threads=options.threads, progress=_shows_progress())
        path = dataclasses.replace(path, models=tuple(dataclasses.replace(model, classes=rows.labels) for model in path.models))
    if options.output is not None:
        path.save(options.output)
    if options.plot is not None:
        paths.plot(path, options.plot)
    return _report(paths.PathTable(path), caught, options.json)


class _Rows(NamedTuple):
    """What a table has to train on."""

    X: tables.Named
    y: np.ndarray                       # (m,) the place of each label
    labels: np.ndarray                  # (K,)
    sample_weight: np.ndarray | None
    offset: np.ndarray | None
    groups: tuple[np.ndarray, ...]


def _read(options: argparse.Namespace) -> _Rows:
    """Read the columns of a table that the options name."""
    with tables.reading(options.data, _dialect(options)) as table:
        features = _features(table, options)
        extra = [name for name in (options.weight, options.offset) if name is not None]
        target = tables.Labels(options.target, table.is_text)
        clusters = [tables.Labels(name, table.is_text, "group", _MOST_GROUPS) for name in options.cluster]
        lacking = _Lacking([*features, *extra, options.target, *options.cluster])
        may_drop = options.missing == "drop"

        def blocks() -> Iterator[np.ndarray]:
            for row, batch in _numbered(table.batches([*features, *extra], [options.target, *options.cluster], []), options.data):
                block = tables.numbers(batch, [*features, *extra], row, LARGEST, or_missing=may_drop)
                if options.weight is not None:
                    _refuse_negative(options.weight, block[len(features)], row)
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
    return _Rows(tables.Named(X, features), y, labels, sample_weight, extra_columns.get(options.offset),
                 tuple(each.codes for each in clusters))


def _refuse_unwritable(inputs: Sequence[str], *outputs: str | None) -> None:
    """Raise an error now for a file that could not be written in the end."""
    for output in outputs:
        if output is not None:
            _refuse_what_is_read(output, *inputs)
            files.refuse_unwritable(output)


def _train_by_formula(options: argparse.Namespace) -> int:
    """Train by a formula on all of a table, and print the summary."""
    for name, given in (("-o", options.output), ("--event", options.event), ("--features", options.features),
                        ("--drop", options.drop), ("--no-intercept", not options.intercept)):
        if given:
            why = ("a model file has no room for its categories; train in Python by fastlr.formula.train to predict"
                   if name == "-o" else "the formula says what is predicted from what")
            raise ValueError(f"{name} does not go with --formula: {why}")
    if options.cluster and options.missing == "drop":
        raise ValueError("--cluster does not go with --formula and --missing drop, which leaves rows out of the formula only; "
                         "drop them from the table")
    with tables.reading(options.data, _dialect(options)) as table:
        tables.require(table.names, "cluster column", *options.cluster)
        frame = table.frame()
        with _caught() as caught:
            trained = fastlr.formula.train(options.formula, frame, missing=options.missing, sample_weight=options.weight,
                                           offset=options.offset, **_train_options(options))
            covariance = ("cluster", tuple(frame[name] for name in options.cluster)) if options.cluster else options.covariance
            summary = trained.model.summary(covariance, options.level)
    return _report(summary, caught, options.json)


def _train_options(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `fastlr.train` that are named as the options."""
    names = ("backend", "solver", "learning_rate", "max_iter", "tol", "l1", "l2", "class_weight")
    return {name: getattr(options, name) for name in names} | {"n_threads": options.threads, "progress": _shows_progress()}


@contextlib.contextmanager
def _caught() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings of training."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", fastlr.ConvergenceWarning)
        yield caught


def _report(summary: Any, caught: list[warnings.WarningMessage], as_json: bool) -> int:
    """Print warnings and the summary; return the exit code."""
    for warning in caught:
        print(f"fastlr: warning: {warning.message}", file=sys.stderr)
    _print(summary, as_json)
    return NOT_CONVERGED if any(issubclass(warning.category, fastlr.ConvergenceWarning) for warning in caught) else 0


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


def _refuse_what_is_read(output: str, *inputs: str) -> None:
    for path in inputs:
        if os.path.exists(output) and os.path.exists(path) and os.path.samefile(output, path):
            raise ValueError(f"{path}: the output would replace what is read; name another file")


def _dialect(options: argparse.Namespace) -> tables.Dialect:
    return tables.Dialect(options.delimiter, options.decimal, options.na)


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


def _refuse_negative(name: str, weights: np.ndarray, first_row: int) -> None:
    if (weights < 0.0).any():
        i = int(np.argmax(weights < 0.0))
        raise ValueError(f"column {name!r}, row {first_row + i}: a weight must be at least 0, not {float(weights[i])!r}")


def _labels(target: tables.Labels, options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Find the labels that stand for y = 0, 1, ... and y itself, (m,)."""
    labels, y = target.in_order()
    texts = [_text(label) for label in labels]
    listed = ", ".join(map(repr, texts[:3])) + (", ..." if len(texts) > 3 else "")
    holds = f"column {options.target!r} holds {len(labels)} labels ({listed})"
    if len(labels) == 1:
        raise ValueError(f"column {options.target!r} holds one label only, {listed}; the target has two or more")
    if len(labels) > 2 and _are_measurements(texts):
        raise ValueError(f"{holds}, which are no whole numbers: a target has labels and not measurements")
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


def predict(options: argparse.Namespace) -> int:
    """Predict the label and the probabilities of every row of a table, one batch at a time."""
    model = _model(options)
    if options.output != "-":
        _refuse_what_is_read(options.output, options.model, options.data)
        tables.refuse_other_format(options.output)
    texts = [_text(label) for label in model.classes.tolist()]
    kind, is_csv = model.classes.dtype.kind, tables.format_of(options.output) is None
    labels = texts if kind == "O" or (is_csv and kind not in "iu") else model.classes
    extra = [] if options.offset is None else [options.offset]
    is_plain = not options.keep and not any(mark in text for text in texts for mark in ',"\r\n')
    with tables.writing(options.output, is_plain) as write, tables.reading(options.data, _dialect(options)) as table:
        import pyarrow as pa

        tables.require(table.names, "offset column", *extra)
        tables.require(table.names, "column", *options.keep)
        features = _features_of(model, table, extra)
        for row, batch in _numbered(table.batches([*features, *extra], [], options.keep), options.data):
            columns = tables.numbers(batch, [*features, *extra], row)
            X, offset = columns[:len(features)].T, columns[len(features)] if extra else None
            places = (model.predict(X, offset)[:, np.newaxis] == model.classes).argmax(axis=1)
            values = [batch.column(name) for name in options.keep] + [pa.array(labels).take(pa.array(places))]
            values += [pa.array(probability) for probability in model.predict_proba(X, offset).T]
            write(pa.record_batch(values, [*options.keep, "predicted", *(f"probability_{text}" for text in texts)]))
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Compare the labels of a table with the probabilities that a model predicts for them."""
    model = _model(options)
    _refuse_unwritable((options.model, options.data), options.plot)
    extra = [name for name in (options.offset, options.weight) if name is not None]
    with tables.reading(options.data, _dialect(options)) as table:
        tables.require(table.names, "target column", options.target)
        tables.require(table.names, "column", *extra)
        features = _features_of(model, table, [*extra, options.target])
        target = tables.Labels(options.target, table.is_text)
        probabilities, row_weights = [], []
        for row, batch in _numbered(table.batches([*features, *extra], [options.target], []), options.data):
            columns = tables.numbers(batch, [*features, *extra], row)
            of_name = dict(zip(extra, columns[len(features):], strict=True))
            target.add(batch, row)
            probabilities.append(model.predict_proba(columns[:len(features)].T, of_name.get(options.offset)))
            if options.weight is not None:
                _refuse_negative(options.weight, of_name[options.weight], row)
            row_weights.append(of_name.get(options.weight, np.ones(batch.num_rows)))
        labels, y = _places(target, model.classes, options.target)
        P, s = np.concatenate(probabilities), np.concatenate(row_weights)
        weights.refuse_no_weight(bool(s.any()))
    if options.plot is not None:
        evaluation.plot(y, P, s, labels, options.plot)
    _print(evaluation.evaluate(y, P, s, labels), options.json)
    return 0


def _model(options: argparse.Namespace) -> fastlr.Model:
    """Load the model that the options name; ValueError where it needs an offset and there is none."""
    model = fastlr.load(options.model)
    if model.has_offset and options.offset is None:
        raise ValueError(f"{options.model}: this model was trained with an offset; name the column with --offset")
    return model


def _places(target: tables.Labels, classes: np.ndarray, name: str) -> tuple[list[str], np.ndarray]:
    """Return the model's labels in text, and which of them each row of a column has, (m,)."""
    texts = [_text(label) for label in classes.tolist()]
    found, y = target.in_order()
    unknown = [_text(label) for label in found if _text(label) not in texts]
    if unknown:
        raise ValueError(f"column {name!r} holds {unknown[0]!r}, and the model's labels are {', '.join(map(repr, texts))}")
    return texts, np.array([texts.index(_text(label)) for label in found])[y]


def _text(label: Any) -> str:
    return label.decode(errors="backslashreplace") if isinstance(label, bytes) else str(label)


def _features_of(model: fastlr.Model, table: tables.Table, extra: list[str]) -> list[str]:
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


def summary(options: argparse.Namespace) -> int:
    """Print the summary that is saved with a model."""
    try:
        _print(fastlr.load(options.model).summary(level=options.level), options.json)
    except ValueError as error:
        raise ValueError(str(error) if options.model in str(error) else f"{options.model}: {error}") from error
    return 0


def info(options: argparse.Namespace) -> int:
    """Print versions, backends and the state of the compile cache."""
    if options.json:
        print(json.dumps(_environment.versions(), indent=2))
    else:
        fastlr.show_versions()
    return 0


def _print(summary: Any, as_json: bool) -> None:
    print(json.dumps(summary.to_dict(), indent=2) if as_json else summary)


def _shows_progress() -> bool:
    return sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None


def _numbered(batches: Iterator[Any], path: str) -> Iterator[tuple[int, Any]]:
    """Each batch with the number of its first row, from 1 on; on a terminal the number of rows so far is shown."""
    row = 1
    with _bar(path) if _shows_progress() else contextlib.nullcontext() as bar:
        for batch in batches:
            yield row, batch
            row += batch.num_rows
            if bar is not None:
                bar.update(batch.num_rows)
    if row == 1:
        raise ValueError(tables.NO_ROW)


def _bar(path: str) -> Any:
    from tqdm import tqdm

    return tqdm(desc=f"reading {path}", unit=" rows", unit_scale=True, delay=0.5, leave=False)
