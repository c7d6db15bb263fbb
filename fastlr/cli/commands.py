"""The subcommands of fastlr: functions of the parsed options that return the exit code, or None for 0."""

import argparse
import contextlib
import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import fastlr
from fastlr import _environment
from fastlr.cli import evaluation, paths, reading
from fastlr.data import tables, weights
from fastlr.machine import files

NOT_CONVERGED = 3


def train(options: argparse.Namespace) -> int:
    """Read a table, train, save the model, and print the summary."""
    if options.formula is not None:
        return _train_by_formula(options)
    _refuse_unwritable((options.data,), options.output)
    rows = reading.rows_of(options)
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
    rows = reading.rows_of(options)
    with _caught() as caught:
        path = fastlr.path(rows.X, rows.y, l1_ratio=options.l1_ratio, lambdas=options.lambdas, smallest=options.smallest,
                           folds=options.folds, score=options.score, seed=options.seed, fit_intercept=options.intercept,
                           sample_weight=rows.sample_weight, class_weight=options.class_weight, offset=rows.offset,
                           backend=options.backend, tol=options.tol, n_threads=options.threads, progress=reading.shows_progress())
        path = dataclasses.replace(path, models=tuple(dataclasses.replace(model, classes=rows.labels) for model in path.models))
    if options.output is not None:
        path.save(options.output)
    if options.plot is not None:
        paths.plot(path, options.plot)
    return _report(paths.PathTable(path), caught, options.json)


def _refuse_unwritable(inputs: Sequence[str], *outputs: str | None) -> None:
    """Raise an error now for a file that could not be written in the end."""
    for output in outputs:
        if output is not None:
            _refuse_what_is_read(output, *inputs)
            files.refuse_unwritable(output)


def _train_by_formula(options: argparse.Namespace) -> int:
    """Train by a formula on all of a table, and print the summary."""
    if options.output is not None:
        raise ValueError("-o can't be combined with --formula: a model file can't hold its categories; train in Python by "
                         "fastlr.formula.train to predict")
    for name, given in (("--event", options.event), ("--features", options.features), ("--drop", options.drop),
                        ("--no-intercept", not options.intercept)):
        if given:
            raise ValueError(f"{name} can't be combined with --formula: the formula says what is predicted from what")
    if options.cluster and options.missing == "drop":
        raise ValueError("--cluster can't be combined with --formula and --missing drop, which leaves rows out of the formula "
                         "only; drop them from the table")
    with tables.reading(options.data, reading.dialect(options)) as table:
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
    return {name: getattr(options, name) for name in names} | {"n_threads": options.threads, "progress": reading.shows_progress()}


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


def _refuse_what_is_read(output: str, *inputs: str) -> None:
    for path in inputs:
        if os.path.exists(output) and os.path.exists(path) and os.path.samefile(output, path):
            raise ValueError(f"{path}: the output would replace what is read; name another file")


def predict(options: argparse.Namespace) -> None:
    """Predict the label and the probabilities of every row of a table, one batch at a time."""
    model = _model(options)
    if options.output != "-":
        _refuse_what_is_read(options.output, options.model, options.data)
        tables.refuse_other_format(options.output)
    texts = [reading.text_of(label) for label in model.classes.tolist()]
    kind, is_csv = model.classes.dtype.kind, tables.format_of(options.output) is None
    labels = texts if kind == "O" or (is_csv and kind not in "iu") else model.classes
    extra = [] if options.offset is None else [options.offset]
    is_plain = not options.keep and not any(mark in text for text in texts for mark in ',"\r\n')
    with tables.writing(options.output, is_plain) as write, tables.reading(options.data, reading.dialect(options)) as table:
        import pyarrow as pa

        tables.require(table.names, "offset column", *extra)
        tables.require(table.names, "column", *options.keep)
        features = reading.features_of(model, table, extra)
        for row, batch in reading.numbered(table.batches([*features, *extra], [], options.keep), options.data):
            columns = tables.numbers(batch, [*features, *extra], row)
            X, offset = columns[:len(features)].T, columns[len(features)] if extra else None
            places = (model.predict(X, offset)[:, np.newaxis] == model.classes).argmax(axis=1)
            values = [batch.column(name) for name in options.keep] + [pa.array(labels).take(pa.array(places))]
            values += [pa.array(probability) for probability in model.predict_proba(X, offset).T]
            write(pa.record_batch(values, [*options.keep, "predicted", *(f"probability_{text}" for text in texts)]))


def evaluate(options: argparse.Namespace) -> None:
    """Compare the labels of a table with the probabilities that a model predicts for them."""
    model = _model(options)
    _refuse_unwritable((options.model, options.data), options.plot)
    extra = [name for name in (options.offset, options.weight) if name is not None]
    with tables.reading(options.data, reading.dialect(options)) as table:
        tables.require(table.names, "target column", options.target)
        tables.require(table.names, "column", *extra)
        features = reading.features_of(model, table, [*extra, options.target])
        if options.target in features:
            raise ValueError(f"the column {options.target!r} is a feature of the model and can't be the target too")
        target = tables.Labels(options.target, table.is_text)
        probabilities, row_weights = [], []
        for row, batch in reading.numbered(table.batches([*features, *extra], [options.target], []), options.data):
            columns = tables.numbers(batch, [*features, *extra], row)
            of_name = dict(zip(extra, columns[len(features):], strict=True))
            target.add(batch, row)
            probabilities.append(model.predict_proba(columns[:len(features)].T, of_name.get(options.offset)))
            if options.weight is not None:
                reading.refuse_negative(options.weight, of_name[options.weight], row)
            row_weights.append(of_name.get(options.weight, np.ones(batch.num_rows)))
        labels, y = reading.places(target, model.classes, options.target)
        P, s = np.concatenate(probabilities), np.concatenate(row_weights)
        weights.refuse_no_weight(bool(s.any()))
    if options.plot is not None:
        evaluation.plot(y, P, s, labels, options.plot)
    _print(evaluation.evaluate(y, P, s, labels), options.json)


def _model(options: argparse.Namespace) -> fastlr.Model:
    """Load the model that the options name; ValueError where it needs an offset and there is none."""
    model = fastlr.load(options.model)
    if model.has_offset and options.offset is None:
        raise ValueError(f"{options.model}: this model was trained with an offset; name the column with --offset")
    return model


def summary(options: argparse.Namespace) -> None:
    """Print the summary that is saved with a model."""
    model = fastlr.load(options.model)
    try:
        _print(model.summary(level=options.level), options.json)
    except ValueError as error:
        raise ValueError(f"{options.model}: {error}") from error


def info(options: argparse.Namespace) -> None:
    """Print versions, backends and the state of the compile cache."""
    if options.json:
        print(json.dumps(_environment.versions(), indent=2))
    else:
        fastlr.show_versions()


def _print(summary: Any, as_json: bool) -> None:
    print(json.dumps(summary.to_dict(), indent=2) if as_json else summary)
