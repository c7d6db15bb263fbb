"""Ridge paths of several folds side by side, against those of each fold alone."""

import functools
import itertools
import time

import numpy as np
import pytest

from fastlr._path import problem_of
from fastlr.data import door
from fastlr.data.folds import folds, training_rows
from fastlr.problem.penalty import ElasticNet
from fastlr.problem.problem import Problem
from fastlr.solvers import Options
from fastlr.solvers.elastic_net import Optimizer
from fastlr.solvers.path import follow

TOL = 1e-8
M, N = 20000, 20


def expanding(m):
    """Pairs whose training rows grow."""
    places = np.arange(m)
    return [(places[:end], places[end:]) for end in (m // 8, m // 4, m // 2)]


@pytest.fixture(scope="module")
def data():
    """Rows of which one alone has something in the last column, and the first of four folds lacks it."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((M, N)) * np.logspace(-2.0, 2.0, N)
    X[:, -1] = 0.0
    found = door.data(X, X[:, 0] * 100.0 - X[:, 9] + rng.logistic(size=M) > 0.0)
    _, test = folds(4, found, 0)[0]
    X[np.flatnonzero(test)[0], -1] = 1.0
    return door.data(X, found.y)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("given", "has_room", "share"), [(4, True, 0.7), (4, False, 0.7), (expanding(M), True, 0.9)])
def test_paths_side_by_side_are_those_alone_in_fewer_reads(data, given, has_room, share, reduction, monkeypatch):
    reads, evaluate = [0], Problem.evaluate

    def counted(*arguments, **named):
        reads[0] += 1
        return evaluate(*arguments, **named)

    monkeypatch.setattr(Problem, "evaluate", counted)
    monkeypatch.setattr(data, "most_bytes_of_samples", (1 << 26) * has_room)
    options = Options(None, None, TOL, None, time.perf_counter())
    make = functools.partial(problem_of, ElasticNet(0.0, 1.0, np.ones(N)), reduction, True)
    problems = [make(rows) for rows in training_rows(data, folds(given, data, 0))]
    assert (problems[0].data.shape[0] < M) == has_room
    grid = np.logspace(0.0, -6.0, 7) * (1.0 if reduction == "mean" else M)
    with np.errstate(all="ignore"):
        together = follow(problems, options, Optimizer, grid, of_all_rows=make(data)).results
        of_together, reads[0] = reads[0], 0
        alone = [follow([problem], options, Optimizer, grid).results[0] for problem in problems]
    for found, known in zip(itertools.chain(*together), itertools.chain(*alone), strict=True):
        cost = known.history.cost[-1]
        assert found.converged and found.gap_kind == "bound" and found.gap <= TOL * cost
        assert -known.gap - 1e-13 * cost <= found.history.cost[-1] - cost <= found.gap + 1e-13 * cost
        np.testing.assert_allclose(found.theta, known.theta, rtol=1e-4, atol=1e-4 * np.abs(known.theta).max())
    assert of_together <= share * reads[0]
