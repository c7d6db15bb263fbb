"""The folds of a cross-validation: which rows train a model, and which judge it."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fastlr.data import arguments
from fastlr.data.dataset import InMemory
from fastlr.machine.arrays import read_only

Fold = tuple[np.ndarray, np.ndarray]
"""Which rows, (m,) bool, train and which judge."""


def folds(given: Any, data: InMemory, seed: int) -> list[Fold]:
    """Make the folds that are asked for.

    Parameters
    ----------
    given : int, scikit-learn splitter, or iterable of (train, test)
        The number of folds, each with its share of every class, by chance; an object whose `split` gives the places of the
        examples; or these places themselves, or a mask of the examples.
    data : InMemory
    seed : int
        That of the chance.

    Raises
    ------
    TypeError, ValueError
        There is no fold, or their number is 1; places are no examples; a fold has an example on both sides, none to test, or none
        of a class to train.
    """
    m, of_rows = data.n_examples, data.example_of_rows
    example = np.arange(m) if of_rows is None else of_rows()
    if isinstance(given, (str, bytes)):
        raise TypeError(f"folds must be a number, a splitter, or pairs (train, test), not {given!r}")
    if hasattr(given, "split"):
        pairs = _split(given, m, data.y if of_rows is None else None)
    elif isinstance(given, Iterable):
        pairs = list(given)
    else:
        pairs = _at_random(arguments.integer("folds", given, at_least=2), data, seed)
    if not pairs:
        raise ValueError("folds must hold one pair (train, test) at least, and there is none")
    return [_checked(k, pair, data, m, example) for k, pair in enumerate(pairs)]


def training_rows(data: InMemory, pairs: list[Fold]) -> Iterator[InMemory]:
    """The rows that train in each fold: copies, or where these take much memory all rows, with weights of 0 for the others."""
    weights = data.weights
    counts = weights > 0.0
    are_copied = sum(np.count_nonzero(train) for train, _ in pairs) * data.bytes_a_row <= data.most_bytes_of_samples
    for train, _ in pairs:
        yield (data.take(np.flatnonzero(train[counts])) if are_copied else
               data.with_weights(read_only(np.where(train, weights, 0.0))))


def _split(splitter: Any, m: int, y: np.ndarray | None) -> list[Any]:
    """The pairs that a splitter makes of m examples, which have labels y (m,), or none where y counts trials."""
    try:
        return list(splitter.split(np.zeros((m, 1)), y))
    except (TypeError, ValueError) as error:
        what, way_out = (("the examples", "Pass its pairs (train, test), such as folds=splitter.split(X, y, groups)")
                         if y is not None else
                         ("examples whose y counts trials, since they have no labels",
                          "Pass the number of folds, a splitter that reads no labels such as KFold, or pairs (train, test)"))
        raise ValueError(f"folds={splitter!r} can't split {what}: {str(error).rstrip('.')}.  {way_out}") from error


def _at_random(count: int, data: InMemory, seed: int) -> list[Fold]:
    """So many folds, with each class spread evenly over them where each row is an example."""
    rng, m, has_labels = np.random.default_rng(seed), data.n_examples, data.example_of_rows is None
    groups = [np.flatnonzero(data.y == k) for k in range(data.classes.size)] if has_labels else [np.arange(m)]
    fewest = min(group.size for group in groups)
    if fewest < count:
        raise ValueError(f"folds must be at most {fewest}, the number of examples of the rarest class, not {count}")
    order = np.concatenate([rng.permutation(group) for group in groups])
    fold = np.empty(m, int)
    fold[order] = np.arange(m) % count
    return [(fold != k, fold == k) for k in range(count)]


def _checked(k: int, pair: Any, data: InMemory, m: int, example: np.ndarray) -> Fold:
    """The rows of one fold, whose sides are given as places of examples or as masks of them."""
    try:
        train, test = pair
    except (TypeError, ValueError):
        raise TypeError(f"folds must be a number, a splitter, or pairs (train, test), and folds[{k}] is {pair!r}") from None
    masks = [_mask(f"folds[{k}][{side}]", places, m) for side, places in enumerate((train, test))]
    if (masks[0] & masks[1]).any():
        raise ValueError(f"folds[{k}] has example {int(np.argmax(masks[0] & masks[1]))} on both sides")
    train, test = (mask[example] & (data.weights > 0.0) for mask in masks)
    found, of_all = np.unique(data.y[train]).size, data.classes.size
    if found < of_all:
        only = "one class" if found == 1 else f"{found} of {of_all} classes"
        raise ValueError(f"folds[{k}] has examples of {only} only to train; make fewer folds, or others")
    if not test.any():
        raise ValueError(f"folds[{k}] has no example to test that has a weight")
    return train, test


def _mask(name: str, places: Any, m: int) -> np.ndarray:
    found = np.asarray(places)
    if found.dtype == bool and found.shape == (m,):
        return found
    if found.ndim != 1 or (found.dtype.kind not in "iu" and found.size):
        raise TypeError(f"{name} must hold the indices of examples, or be a mask of all {m}, not {found.dtype} of shape "
                        f"{found.shape}")
    outside = found[(found < 0) | (found >= m)]
    if outside.size:
        raise ValueError(f"{name} has the index {int(outside[0])}, and there are {m} examples")
    count = np.bincount(found.astype(np.intp), minlength=m)
    if count.max(initial=0) > 1:
        raise ValueError(f"{name} has the index {int(np.argmax(count > 1))} more than once, and a fold has an example once; pass "
                         "np.unique of the indices")
    return count > 0
