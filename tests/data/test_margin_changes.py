"""How margins move along directions: by the definition, and part by part."""

import functools

import numpy as np
import pytest
import scipy.sparse

from fastlr.data import door, margin_changes
from fastlr.data.dataset import InMemory
from fastlr.problem.loss import Logistic
from tests.problems import problem, weights

M, N = 400, 5
CENTER, SPREAD = np.arange(1.0, N + 1.0), np.array([0.5, 1.0, 2.0, 10.0, 0.3])
PARTS = [slice(0, 150), slice(150, 151), slice(151, M)]


def data(rows=slice(None), sparse=False):
    X, y, *_ = problem(M, N)
    s, _ = weights(M)
    s[::7], s[150] = 0.0, 0.0               # one part has no row that counts
    X = scipy.sparse.csr_array(X) if sparse else X
    whole = door.data(X, y, s)
    A = whole.X.rows(rows) if sparse else X[rows]
    return InMemory(A, whole.y[rows], whole.sample_weight[rows], whole.offset, whole.classes)


def signed():
    """The signed rows by their definition."""
    X, y, *_ = problem(M, N)
    rows = np.column_stack([(X - CENTER) / SPREAD, np.ones(M)]) * np.where(y, 1.0, -1.0)[:, None]
    return rows[data().sample_weight > 0.0]


def by_largest(rows):
    return rows / np.abs(rows).max(axis=1, keepdims=True)


each_kind = pytest.mark.parametrize("sparse", [False, True])


@each_kind
def test_by_their_definition(sparse):
    directions = np.random.default_rng(0).standard_normal((N + 1, 3))
    rows, found = signed(), margin_changes.margin_changes(data(sparse=sparse), Logistic(), CENTER, SPREAD, directions)
    relative = rows @ directions / (np.abs(rows).sum(axis=1)[:, None] * np.abs(directions).max(axis=0))
    np.testing.assert_allclose(found.least, relative.min(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.largest, relative.max(axis=0), rtol=1e-12)
    basis = np.random.default_rng(1).standard_normal((N + 1, 4))
    in_basis, q = by_largest(rows @ basis), np.array([1.0, -0.5, 0.25, 0.0])
    arguments = (data(sparse=sparse), Logistic(), CENTER, SPREAD, basis)
    np.testing.assert_allclose(margin_changes.total(*arguments), in_basis.sum(axis=0), rtol=1e-12)
    rest = np.median(np.abs(in_basis @ q))
    resting = in_basis[np.abs(in_basis @ q) <= rest * (1.0 + 1e-9)]
    np.testing.assert_allclose(margin_changes.gram_at_rest(*arguments, q, rest * (1.0 + 1e-9)), resting.T @ resting, rtol=1e-12)
    wrong = margin_changes.most_wrong(*arguments, q, 10)
    np.testing.assert_allclose(np.sort(wrong.changes), np.sort(in_basis @ q)[:10], rtol=1e-12)
    np.testing.assert_allclose(wrong.rows @ q, wrong.changes, rtol=1e-12)


@each_kind
def test_parts_add_up(sparse):
    basis = np.random.default_rng(1).standard_normal((N + 1, 4))
    q = np.array([1.0, -0.5, 0.25, 0.0])
    for pass_, arguments in ((margin_changes.margin_changes, (basis,)), (margin_changes.total, (basis,)),
                             (margin_changes.gram_at_rest, (basis, q, 0.3)), (margin_changes.most_wrong, (basis, q, M)),
                             (margin_changes.signed_rows, ())):
        parts = [pass_(data(rows, sparse), Logistic(), CENTER, SPREAD, *arguments) for rows in PARTS]
        whole = pass_(data(sparse=sparse), Logistic(), CENTER, SPREAD, *arguments)
        for one, other in zip(functools.reduce(pass_.merge, parts), whole, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_columns_far_from_0_lose_nothing():
    """The difference of two neighbours of 1e15 is exact."""
    X = 1e15 + np.array([[0.0], [1.0], [1.0], [2.0]])
    direction = np.array([[1.0], [0.0]])
    found = margin_changes.margin_changes(door.data(X, [0, 0, 1, 1]), Logistic(), np.array([1e15 + 1.0]), np.ones(1), direction)
    assert (found.least, found.largest) == (0.0, 1.0)


def test_typical_values_are_those_of_most_rows():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal(M), 45000.0 + rng.integers(0, 3, M), np.full(M, 7.0), np.arange(M) % 20 == 0])
    y = np.arange(M) % 2
    center, spread = margin_changes.typical_values(door.data(X, y))
    np.testing.assert_allclose(spread, [X[:, 0].std(), np.sqrt(np.mean((X[:, 1] - 45001.0) ** 2)), 0.0, np.sqrt(0.05)], rtol=0.05)
    np.testing.assert_allclose(center, [0.0, 45001.0, 7.0, 0.0], atol=0.1)
    X[3, 0], X[4, 1], X[5, 3] = 1e10, -1e300, 9999999999.0
    with np.errstate(over="ignore"):
        again = margin_changes.typical_values(door.data(np.clip(X, -1e149, 1e149), y))
    np.testing.assert_allclose(again[0], center, atol=0.1)
    assert (again[1] >= spread).all() and (again[1] <= 3.0 * spread).all()      # one value counts for ten typical ones at most


def test_sparse_rows_of_many_columns_stay_sparse(monkeypatch):
    """Changes are relative to what is stored and to the centers then, and have the same signs."""
    directions = np.random.default_rng(0).standard_normal((N + 1, 3))
    monkeypatch.setattr(margin_changes, "MOST_DENSE", 0)
    found = margin_changes.margin_changes(data(sparse=True), Logistic(), CENTER, SPREAD, directions)
    X, y, *_ = problem(M, N)
    w = directions[:-1] / SPREAD[:, None]
    b = directions[-1] - CENTER @ w
    sizes = ((np.abs(X) + np.abs(CENTER)) @ (1.0 / SPREAD) + 1.0)[:, None] * np.abs(directions).max(axis=0)
    changes = np.where(y == 1, 1.0, -1.0)[:, None] * (X @ w + b) / sizes
    changes = changes[data().sample_weight > 0.0]
    np.testing.assert_allclose([found.least, found.largest], [changes.min(axis=0), changes.max(axis=0)], rtol=1e-12)
