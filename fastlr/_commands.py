"""What the subcommands of fastlr do, each with its parsed options; they return the exit code."""

import argparse
import importlib.util
import json
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

import fastlr
from fastlr import _environment, _files, _tables

NOT_CONVERGED = 3


def train(options: argparse.Namespace) -> int:
    """Read a table, train, save, print the summary."""
    if options.output is not None:
        _files.refuse_unwritable(options.output)
    with _tables.reading(options.data, options.delimiter) as table:
        features = _features(table, options)
        extra = [name for name in (options.weight, options.offset) if name is not None]
        labels = _tables.Labels(options.target)

        def blocks() -> Iterator[np.ndarray]:
            row = 1
            for batch in _counted(table.batches([*features, *extra], [options.target], []), options.data):
                block = _tables.numbers(batch, [*features, *extra], row)
                labels.add(batch, row)
                yield block
                row += batch.num_rows

        columns = _tables.side_by_side(blocks())
        y = labels.array(table.is_text)

    X, extra_columns = columns[:len(features)].T, dict(zip(extra, columns[len(features):], strict=True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", fastlr.ConvergenceWarning)
        model = fastlr.train(
            _tables.Named(X, features), y, backend=options.backend, solver=options.solver, learning_rate=options.learning_rate,
            max_iter=options.max_iter, tol=options.tol, l2=options.l2, fit_intercept=options.intercept,
            sample_weight=extra_columns.get(options.weight), class_weight=options.class_weight,
            offset=extra_columns.get(options.offset), n_threads=options.threads, progress=_shows_progress())
        summary = model.summary()               # before saving, which keeps it
    for warning in caught:
        print(f"fastlr: warning: {warning.message}", file=sys.stderr)
    if options.output is not None:
        model.save(options.output)
    _print(summary, options.json)
    return NOT_CONVERGED if any(issubclass(warning.category, fastlr.ConvergenceWarning) for warning in caught) else 0


def _features(table: _tables.Table, options: argparse.Namespace) -> list[str]:
    used = {"target": options.target, "weight": options.weight, "offset": options.offset}
    used = {what: name for what, name in used.items() if name is not None}
    for what, name in used.items():
        _tables.require(table.names, f"{what} column", name)
    if len({*used.values()}) < len(used):
        raise ValueError(f"{' and '.join(used)} must be different columns")
    if options.features is None:
        _tables.require(table.names, "column", *options.drop)
        features = [name for name in table.names if name not in (*used.values(), *options.drop)]
    else:
        features = options.features
        for what, name in used.items():
            if name in features:
                raise ValueError(f"the column {name!r} is the {what} and can't be a feature too")
    if not features:
        raise ValueError("no column is left to be a feature")
    _tables.require(table.names, "column", *features)
    return features


def predict(options: argparse.Namespace) -> int:
    """Write label and probabilities of every row of a table, a batch at a time."""
    model = fastlr.load(options.model)
    if model.has_offset and options.offset is None:
        raise ValueError(f"{options.model}: this model was trained with an offset; name the column with --offset")
    labels = [str(label) for label in model.classes.tolist()]
    extra = [] if options.offset is None else [options.offset]
    is_plain = not options.keep and not any(mark in label for label in labels for mark in ',"\r\n')
    with _tables.writing(options.output, is_plain) as write, _tables.reading(options.data, options.delimiter) as table:
        import pyarrow as pa

        _tables.require(table.names, "offset column", *extra)
        _tables.require(table.names, "column", *options.keep)
        features = _features_of(model, table, extra)
        row = 1
        for batch in _counted(table.batches([*features, *extra], [], options.keep), options.data):
            columns = _tables.numbers(batch, [*features, *extra], row)
            X, offset = columns[:len(features)].T, columns[len(features)] if extra else None
            values = [batch.column(name) for name in options.keep] + [pa.array(model.predict(X, offset))]
            values += [pa.array(probability) for probability in model.predict_proba(X, offset).T]
            write(pa.record_batch(values, [*options.keep, "predicted", *(f"probability_{label}" for label in labels)]))
            row += batch.num_rows
        if row == 1:
            raise ValueError(_tables.NO_ROW)
    return 0


def _features_of(model: fastlr.Model, table: _tables.Table, extra: list[str]) -> list[str]:
    if model.feature_names is not None:
        _tables.require(table.names, "column", *model.feature_names)
        return list(model.feature_names)
    others = [name for name in table.names if name not in extra]
    if len(others) != model.w.size:
        raise ValueError(f"the model has no names of columns, so that there must be its {model.w.size} features and no other "
                         f"column; there are {len(others)}")
    _tables.require(table.names, "column", *others)
    return others


def summary(options: argparse.Namespace) -> int:
    """Print the summary that was saved with a model."""
    try:
        _print(fastlr.load(options.model).summary(), options.json)
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


def _counted(batches: Iterator[Any], path: str) -> Iterator[Any]:
    """The same batches, and the rows so far on a terminal."""
    if not _shows_progress():
        yield from batches
        return
    from tqdm import tqdm

    with tqdm(desc=f"reading {path}", unit=" rows", unit_scale=True, delay=0.5, leave=False) as bar:
        for batch in batches:
            yield batch
            bar.update(batch.num_rows)
