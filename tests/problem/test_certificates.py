"""What training says of itself is true: of random hard problems, against integers and long double; and these are right too."""

import dataclasses
import itertools
import os

import mpmath
import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.special import expit

import fastlr
from tests.certificates import described, outcome, problem, run, table, trainings
from tests.oracles import REAL, Oracle, SoftmaxOracle, as_integers, divergence, is_separated, quotients

pytestmark = pytest.mark.skipif(np.finfo(REAL).eps > 1e-18, reason="long double is no longer than double here")


def oracle(X, y, l2=0.0, sample_weight=None, offset=None, reduction="mean", fit_intercept=True):
    X, m = np.asarray(X, float), len(y)
    return Oracle(X, np.asarray(y), np.ones(m) if sample_weight is None else sample_weight,
                  np.zeros(m) if offset is None else offset, l2, reduction, fit_intercept)


# ---- training against the oracles -----------------------------------------------------------------------------------

def check(kind, seed, numbers, backend="numpy"):
    solvers = ("auto", "newton", "lbfgs", "gd") if kind == "gap" else ("auto",)
    outcomes = run(kind, seed, numbers, trainings(kind, solvers, backend=backend))
    faulty = [each for each in outcomes if each.faults]
    assert not faulty, "\n".join([f"kind {kind}, seed {seed}", table(kind, outcomes), *map(described, faulty[:20])])
    separated = sum(each.separated is True for each in outcomes)
    assert 0.1 * len(outcomes) < separated < 0.9 * len(outcomes)
    assert sum(each.is_unknown for each in outcomes) < 0.02 * len(outcomes)


@pytest.mark.slow
def test_gap_of_hard_problems():
    check("gap", 0, range(3))


@pytest.mark.slow
def test_softmax_of_hard_problems():
    check("softmax", 0, range(8))


@pytest.mark.slow
@pytest.mark.parametrize("number", [148, 194])
def test_softmax_separated_but_for_rounding(number):
    """The linear program's direction is proved once what stands for 0 in it is 0."""
    seen, = run("softmax", 0, [number], trainings("softmax", ("auto",)))
    assert seen.separated
    assert not seen.faults, described(seen)


@pytest.mark.slow
def test_separation_far_from_0():
    check("separation", 0, range(8))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["gap", "separation"])
@pytest.mark.parametrize("kernel", ["numpy", "fused"])
def test_thousands(kind, kernel):
    check(kind, int(os.environ.get("FASTLR_FUZZ_SEED", "1")), range(int(os.environ.get("FASTLR_FUZZ", "2000"))), kernel)


@pytest.mark.parametrize("number, solver", [(330, "lbfgs"), (673, "newton"), (1764, "newton"), (1963, "newton")])
def test_problems_that_were_wrong_once(number, solver):
    """Columns that are equal, or differ by rounding, or by what rounding of a margin or of the gradient hides."""
    made = problem("gap", 0, number)
    seen = outcome(number, made, made.oracle(), solver=solver, backend="numpy")
    assert not seen.faults, described(seen)


def test_problems_do_not_depend_on_each_other():
    for kind in ("gap", "separation", "softmax"):
        first, again, other = problem(kind, 0, 7), problem(kind, 0, 7), problem(kind, 1, 7)
        assert first.X.tobytes() == again.X.tobytes() and first.story == again.story != other.story


def test_wrong_models_are_seen(monkeypatch):
    """A model that is moved from where training has ended is caught by one check or another."""
    made = next(each for each in (problem("separation", 0, number) for number in range(100)) if not each.oracle().is_separated)
    train, known = fastlr.train, made.oracle()

    def faults(**changes):
        monkeypatch.setattr(fastlr, "train", lambda *given, **options: dataclasses.replace(
            train(made.X - made.X.mean(axis=0), made.y), converged=True, **changes))
        return set(outcome(0, made, known, tol=1e-8, solver="auto", backend="numpy").faults)

    assert faults(gap=1e-16) == {"cost", "wrong", "far", "below"}        # a b that belongs to other columns
    monkeypatch.setattr(fastlr, "train", lambda *given, **options: dataclasses.replace(train(*given, **options), converged=False))
    assert "silent" in outcome(0, made, known, tol=1e-3, solver="auto", backend="numpy").faults


# ---- the oracle of separation ---------------------------------------------------------------------------------------

@pytest.mark.slow
def test_separation_is_a_linear_programs_verdict():
    """On tables for which a linear program in float64 is good enough."""
    verdicts = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(4, 60), rng.integers(1, 7)
        X = rng.integers(-2, 3, (m, n)) if seed % 2 else rng.standard_normal((m, n))
        y = rng.random(m) < expit(10 ** rng.uniform(-1, 1.5) * X @ rng.standard_normal(n))
        if 0 < y.sum() < m:
            right = np.column_stack([X, np.ones(m)]) * np.where(y, 1.0, -1.0)[:, None]
            best = linprog(-right.sum(axis=0), A_ub=-right, b_ub=np.zeros(m), bounds=(-1, 1), method="highs")
            verdicts.append(oracle(X, y).is_separated)
            assert verdicts[-1] == (best.fun < -1e-7)
    assert 8 < sum(verdicts) < 32


def test_tableau_is_exact():
    """So that the signs of its integers are a proof, whichever way the exchanges went."""
    for number in range(20):
        known = problem("separation", 2, number).oracle()
        tableau = known._tableau
        signed = tableau.signed(known._sides)
        verdict = is_separated(signed)
        rows = known._rows[[row for row, _ in known._sides]] * np.array([[side] for _, side in known._sides], object)
        for exact, given in ((tableau, known._rows), (signed, rows)):
            assert (exact.coordinates @ given[exact.basis] == exact.denominator * given).all()
        gains = signed.coordinates.sum(axis=0)
        assert ((signed.coordinates >= 0).all(axis=0) & (gains > 0)).any() if verdict else (gains <= 0).all()


@pytest.mark.parametrize("origin", [0.0, 45000.0, 2460000.5, 1.7e9, 2.0 ** 52])
def test_separation_wherever_a_column_is_counted_from(origin):
    x = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    assert oracle(origin + x[:, None], [0, 0, 0, 0, 1, 1]).is_separated
    assert not oracle(origin + x[:, None], [0, 0, 1, 0, 1, 1]).is_separated
    ones_by_hand = np.column_stack([origin + x, np.ones(6)])
    assert oracle(ones_by_hand, [0, 0, 0, 0, 1, 1], fit_intercept=False).is_separated


def test_separation_that_floats_round_away():
    """One part in 2^50 of a column, beside a value of 1e12 in another."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (40, 3)).astype(float)
    y = rng.integers(0, 2, 40)
    X[0] = 1e12, 0.0, 1.0
    assert not oracle(X, y).is_separated
    X[:, 2] = X[:, 1] * (1.0 + 2.0 ** -50 * (y == 1))
    X[5, 1:], y[5] = (1.0, 1.0 + 2.0 ** -50), 1
    assert oracle(X, y).is_separated
    X[6, 1:], y[6] = (1.0, 1.0 + 2.0 ** -50), 0
    X[7, 1:], y[7] = (1.0, 1.0), 1
    assert not oracle(X, y).is_separated


def test_separation_in_a_sum_of_columns():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((300, 3)).round(3)
    y = (rng.random(300) < 0.5).astype(int)
    X[:, 0] = np.round(1024 * X[:, 0]) / 1024
    X[:, 1] = np.round(1024 * X[:, 1]) / 1024
    X[:, 2] = X[:, 0] - X[:, 1]
    assert not oracle(X, y).is_separated
    X[np.flatnonzero(y)[:5], 0] += 1.0
    assert oracle(X, y).is_separated
    assert not oracle(X, y, l2=1e-3).is_separated and oracle(X, y, l2=1e-300).is_separated
    s = np.ones(300)
    s[np.flatnonzero(y)[:5]] = 0.0
    assert not oracle(X, y, sample_weight=s).is_separated


# ---- the oracle of the optimum --------------------------------------------------------------------------------------

def test_integers_and_quotients():
    integers, unit = as_integers(np.array([0.1, 1e-150, -3.0, 0.0]))
    assert [float(value * unit) for value in integers] == [0.1, 1e-150, -3.0, 0.0]
    exact = quotients(np.array([10 ** 400, -1, 0, 7], object), 3 * 10 ** 399)
    np.testing.assert_allclose(exact, [REAL(10) / 3, -REAL("1e-399") / 3, 0, 7 * REAL("1e-399") / 3], rtol=3e-19)


def test_divergence():
    for t, step in itertools.product([-60.0, -3.0, 0.0, 0.7, 50.0], [1e-9, -1e-3, 0.004, 0.006, -2.0, 90.0]):
        with mpmath.workdps(60):
            at, by = mpmath.mpf(t), mpmath.mpf(step)
            exact = mpmath.log1p(mpmath.exp(at + by)) - mpmath.log1p(mpmath.exp(at)) - by / (1 + mpmath.exp(-at))
        assert float(divergence(REAL(t), REAL(step))) == pytest.approx(float(exact), rel=1e-9, abs=0.0), (t, step)


@pytest.mark.parametrize("origin, unit", [(0.0, 1.0), (45000.0, 1.0), (1.7e9, 0.5), (0.0, 1e-150), (0.0, 1e100)])
def test_optimum_of_a_2_by_2_table(origin, unit):
    """Its margins are the logarithms of the odds."""
    x, y = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [7, 3, 5, 11], axis=0).T
    known = oracle((origin + unit * x)[:, None], y)
    J = -(7 * np.log(REAL(7) / 10) + 3 * np.log(REAL(3) / 10) + 5 * np.log(REAL(5) / 16) + 11 * np.log(REAL(11) / 16)) / 26
    assert known.is_known
    assert abs(known.optimum[1] / J - 1) < 1e-18
    w, b = np.array([0.5 / unit]), -1.0 - 0.5 * (origin / unit)
    z = w[0] * unit * x - 1.0
    assert known.excess(w, b) == pytest.approx(float((np.log1p(np.exp(REAL(1) * z)) - y * z).mean() - J), rel=1e-14)


def test_optimum_of_other_coordinates():
    """J and J - J* are those of NumPy with weights, offset and penalty, and nearby there is nothing smaller."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((80, 4)) * [1.0, 1e3, 1e-3, 1.0] + [0.0, 10.0, 0.0, 5.0]
    X[:, 3] = X[:, 0] + 1e-3 * X[:, 3]
    y = (rng.random(80) < expit(X[:, 0])).astype(int)
    s, o = rng.random(80) + 0.1, rng.standard_normal(80)
    for l2 in (0.0, 0.3):
        known = oracle(X, y, l2=l2, sample_weight=s, offset=o, reduction="sum")

        def cost(w, b, l2=l2):
            z = X @ w + b + o
            return s @ (np.logaddexp(0.0, z) - y * z) + l2 / 2 * w @ w

        _, J, _ = known.optimum
        assert known.is_known
        for scale in (0.0, 1e-3, 1.0):
            w, b = scale * rng.standard_normal(4), scale
            assert float(known.cost(known.u_of(w, b))) == pytest.approx(cost(w, b), rel=1e-13)
            assert known.excess(w, b) == pytest.approx(cost(w, b) - float(J), rel=1e-12)
            assert known.excess(w, b) > 0.0


# ---- the oracle of K classes ----------------------------------------------------------------------------------------

@pytest.mark.slow
def test_softmax_of_two_classes_is_the_logistic_oracle():
    """With l2 doubled, since the penalty is then on w_1 = w / 2 and on w_0 = -w / 2."""
    for number in range(20):
        made = problem("separation", 3, number)
        m = len(made.y)
        two = oracle(made.X, made.y)
        same = SoftmaxOracle(made.X, made.y, np.ones(m), np.zeros((m, 2)), 0.0, "mean", True)
        assert same.is_separated == two.is_separated
    rng = np.random.default_rng(0)
    X, o = rng.standard_normal((60, 3)) + [0.0, 1e5, 0.0], rng.standard_normal(60)
    y, s = (rng.random(60) < expit(X[:, 0])).astype(int), rng.random(60)
    two = oracle(X, y, l2=0.1, sample_weight=s, offset=o)
    same = SoftmaxOracle(X, y, s, np.column_stack([7.0 - o / 2, 7.0 + o / 2]), 0.2, "mean", True)
    assert same.is_known and float(same.optimum[1]) == pytest.approx(float(two.optimum[1]), rel=1e-15)
    w, b = rng.standard_normal(3), 0.5
    assert same.excess(np.array([-w / 2, w / 2]), np.array([-b / 2, b / 2])) == pytest.approx(two.excess(w, b), rel=1e-12)
    assert same.common(np.array([w, w])) == pytest.approx(0.2 * w @ w, rel=1e-15)
