"""Small hard problems by the thousand: what training says of them, against what is known.

    python -m tests.certificates --problems 2000 --seed 0 --kind gap          J - J* against `gap`, of every solver
    python -m tests.certificates --problems 2000 --seed 0 --kind separation   tables far from 0, at three tolerances
    python -m tests.certificates --problems 2000 --seed 0 --kind softmax      three to six classes
    python -m tests.certificates --seed 0 --kind gap --only 1234              all about one problem

A problem depends on its kind, the seed and its number alone.  `tests.oracles` says what is known.
"""

import argparse
import collections
import math
import sys
import warnings
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import scipy.sparse
from scipy.special import expit

import fastlr
from tests.oracles import Oracle, SoftmaxOracle

KINDS = ("gap", "separation", "softmax")
SOLVERS = ("auto", "newton", "lbfgs", "gd")
TOLERANCES = (1e-3, 1e-5, 1e-8)
FAULTS = {
    "raised": "an exception",
    "not finite": "w, b or cost is NaN or infinite",
    "other warning": "a warning of another category, or one beside converged=True",
    "missed": "separated, and no word of it",
    "unproved": "separated, and a ConvergenceWarning instead",
    "false": "called separated, and is not",
    "silent": "not converged, and no warning",
    "wrong": "converged, and J - J* is more than 10 gap",
    "far": "converged, and J - J* is more than tol J and more than 1e-6 J",
    "below": "a bound that is below J - J*",
    "cost": "off by more than 1e-6 of J at (w, b), and by more than float64 must be",
}


class Problem(NamedTuple):
    """X as float64, what to pass to `train`, and how it came about."""

    X: np.ndarray
    given: object
    y: np.ndarray
    options: dict
    story: str

    def oracle(self):
        m, n_classes = len(self.y), int(self.y.max()) + 1
        known = {"sample_weight": np.ones(m), "offset": np.zeros(m), "l2": 0.0, "reduction": "mean", "fit_intercept": True}
        oracle = Oracle
        if n_classes > 2:
            oracle, known["offset"] = SoftmaxOracle, np.zeros((m, n_classes))
        return oracle(self.X, self.y, **{name: self.options.get(name, default) for name, default in known.items()})


# ---- the problems ---------------------------------------------------------------------------------------------------

def problem(kind, seed, number):
    rng = np.random.default_rng([KINDS.index(kind), seed, number])
    n_classes = int(rng.integers(3, 7)) if kind == "softmax" else 2
    while True:                     # until all classes are there
        made = far_table(rng) if kind == "separation" else hard(rng, n_classes)
        s = made.options.get("sample_weight", np.ones(len(made.y)))
        if np.unique(made.y[s > 0]).size == n_classes:
            return made


def labels(rng, X, strength, n_classes=2):
    """Drawn at the odds of a model of the columns, each about its median and in units of its spread."""
    away = X - np.median(X, axis=0)
    spread = np.array([np.median(each[each > 0]) if each.any() else 1.0 for each in np.abs(away).T])
    if n_classes > 2:
        z = np.clip(away / spread, -30, 30) @ rng.standard_normal((X.shape[1], n_classes)) + rng.standard_normal(n_classes)
        return (strength * z + rng.gumbel(size=z.shape)).argmax(axis=1)
    z = np.clip(away / spread, -30, 30) @ rng.standard_normal(X.shape[1]) + rng.standard_normal()
    return (rng.random(len(X)) < expit(strength * z)).astype(int)


def columns(rng, m):
    """One or several columns of a kind, and what kind."""
    kind = rng.choice(["normal", "normal", "integers", "ties", "constant", "one-hot", "rare", "Cauchy", "outlier", "two outliers",
                       "log-normal", "dates", "Julian", "Unix", "far"])
    x = rng.standard_normal(m)
    if kind == "integers":
        x = rng.integers(-5, 6, m)
    elif kind == "ties":
        x = np.round(x)
    elif kind == "constant":
        x = np.full(m, rng.choice([0.0, 1.0, 3.7]))
    elif kind == "one-hot":
        x = np.eye(5)[rng.permutation(np.arange(m) % 5)][:, :rng.integers(2, 6)]
    elif kind == "rare":
        x = np.where(np.arange(m) < rng.integers(1, 4), rng.choice([1.0, rng.standard_normal()]), 0.0)[rng.permutation(m)]
    elif kind == "Cauchy":
        x = rng.standard_cauchy(m)
    elif kind in ("outlier", "two outliers"):
        rows = rng.choice(m, 1 if kind == "outlier" else 2, replace=False)
        x[rows] = 10.0 ** rng.uniform(4, 12) * rng.choice([-1, 1], rows.size)
    elif kind == "log-normal":
        x = np.exp(3 * x)
    elif kind == "dates":
        x = 45000.0 + rng.integers(0, rng.choice([2, 30, 1000]), m)
    elif kind == "Julian":
        x = 2460000.5 + rng.integers(0, rng.choice([2, 30, 1000]), m)
    elif kind == "Unix":
        x = 1.7e9 + rng.integers(0, 10 ** rng.integers(1, 8), m)
    elif kind == "far":
        x = x + 1e7
    return np.asarray(x, float).reshape(m, -1), kind


def hard(rng, n_classes):
    """A problem of the kind "gap", or with more classes of the kind "softmax"."""
    (least, most), widest = ((8, 400), 12) if n_classes == 2 else ((12, 120), 6)
    m, n = int(10 ** rng.uniform(math.log10(least), math.log10(most))), int(rng.integers(1, widest + 1))
    story, parts = [], []
    while sum(part.shape[1] for part in parts) < n:
        part, kind = columns(rng, m)
        parts.append(part)
        story.append(kind)
        if rng.random() < 0.1:
            parts.append(part[:, :1] + rng.choice([0.0, 1e-6, 1e-7, 1e-8, 1e-9]) * rng.standard_normal((m, 1)))
            story.append("nearly equal")
    X = np.hstack(parts)[:, :n]
    if rng.random() < 0.3:
        scales = 10.0 ** rng.uniform(-8, 8, n)
        if rng.random() < 0.1:
            scales[rng.integers(n)] = 1e-150
        X = X * scales
        story.append("scaled")
    dtype = rng.choice(["float64", "float64", "float32"]) if np.abs(X[X != 0]).min(initial=1.0) > 1e-30 else "float64"
    X = X.astype(dtype).astype(float)
    strength = 10 ** rng.uniform(math.log10(0.3), math.log10(30))
    y = labels(rng, X, strength, n_classes)
    if n_classes > 2 and rng.random() < 0.2:
        y[y == 0], y[rng.integers(m)] = 1, 0
        story.append("one example of a class")
    if n >= 3 and rng.random() < 0.1:           # x0 - x1 - x2 is 0 in all rows but some of one class
        rows = np.flatnonzero(y == rng.integers(2))[:5]
        X[:, :2] = np.round(np.clip(X[:, :2], -1e3, 1e3))
        X[:, 2] = X[:, 0] - X[:, 1]
        X[rows, 0] += 1.0
        story.append("separated in a sum")
    if rng.random() < 0.1 and y.any():
        X[:, 0] = 0.0
        X[np.flatnonzero(y)[:rng.integers(1, 4)], 0] = rng.choice([1.0, -2.5])
        story.append("in one class only")

    options = {"reduction": str(rng.choice(["mean", "mean", "sum"]))}
    kind = rng.choice(["none", "none", "none", "integers", "spread", "some 0"])
    if kind != "none":
        options["sample_weight"] = {"integers": rng.integers(1, 20, m).astype(float), "spread": 10.0 ** rng.uniform(-12, 12, m),
                                    "some 0": rng.random(m) * (rng.random(m) < 0.8)}[kind]
        story.append(f"weights: {kind}")
    kind = rng.choice(["none", "normal", "1e3", "1e8"], p=[0.77, 0.15, 0.05, 0.03])
    if kind != "none":
        shape = m if n_classes == 2 else (m, n_classes)
        options["offset"] = rng.standard_normal(shape) * {"normal": 1.0, "1e3": 1e3, "1e8": 1e8}[kind]
        story.append(f"offset: {kind}")
    options["l2"] = float(rng.choice([0.0, 1e-300, 10 ** rng.uniform(-8, 0), 10 ** rng.uniform(-2, 6)], p=[0.5, 0.02, 0.28, 0.2]))
    options["fit_intercept"] = bool(rng.random() < 0.75)
    if np.abs(X).max(axis=0).min() < 1e-100 and options["l2"] == 1e-300:      # a penalty after all, in such units
        options["l2"] = 0.0
    if not options["fit_intercept"] and rng.random() < 0.5:
        X[:, -1] = 1.0
        story.append("ones by hand")
    options["tol"] = float(10.0 ** rng.choice([-8, rng.uniform(-10, -2)]))
    return contained(rng, X, y, options, dtype, story)


def far_table(rng):
    """A problem of the kind "separation": few values a column, counted from far away, and often tied between the classes."""
    m, n = int(10 ** rng.uniform(1, 2.5)), int(rng.integers(1, 6))
    spacing = rng.choice([1.0, 1.0, 0.5, 86400.0, 1 / 64])        # all exact in float64
    levels = rng.integers(0, rng.choice([2, 3, 8, 100], n), (m, n))
    y = labels(rng, levels, 10 ** rng.uniform(-1, 1.2))
    story = [f"steps of {spacing}"]
    kind = rng.choice(["as it is", "first level in one class", "separated in a sum", "by a sum"])
    if kind == "first level in one class":
        y[levels[:, 0] == 0] = rng.integers(2)
    elif kind == "separated in a sum" and n >= 3:
        rows = np.flatnonzero(y == rng.integers(2))[:5]
        levels[:, 2] = levels[:, 0] - levels[:, 1]
        levels[rows, 0] += 1
    elif kind == "by a sum":                    # but for some
        total = levels @ rng.integers(-2, 3, n)
        y = np.where(total == np.median(total), y, total > np.median(total)).astype(int)
        y[rng.random(m) < rng.choice([0.0, 0.0, 0.02])] ^= 1
    story.append(kind)
    origins = rng.choice([0.0, 45000.0, 2460000.5, 1.7e9, 1e7, -1e9], n)
    X = origins + spacing * levels
    story.append(f"from {origins.tolist()}")
    options = {"fit_intercept": True}
    if rng.random() < 0.15:
        X, options = np.column_stack([X, np.ones(m)]), {"fit_intercept": False}
        story.append("ones by hand")
    if rng.random() < 0.2:
        options["sample_weight"] = rng.integers(1, 9, m).astype(float)
    return contained(rng, X, y, options, "float64", story)


def contained(rng, X, y, options, dtype, story):
    kind = rng.choice(["C", "F", "CSR"], p=[0.5, 0.25, 0.25])
    given = np.asarray(X, dtype, order="F" if kind == "F" else "C")
    X = given.astype(float)
    if kind == "CSR":
        given = scipy.sparse.csr_array(given)
    return Problem(X, given, y, options, f"{X.shape[0]} x {X.shape[1]} {dtype} {kind}: {', '.join(story)}")


# ---- the checks -----------------------------------------------------------------------------------------------------

@dataclass
class Outcome:
    """What a training came to."""

    number: int
    options: dict
    separated: bool | None                      # None where the oracle has given up
    is_unknown: bool                            # or J* is not known
    converged: bool = False
    gap: float | None = None
    gap_kind: str | None = None
    excess: float = math.nan                    # J - J*, and what of it may be rounding
    rounding: float = math.nan
    cost: float = math.nan
    cost_error: float = 0.0
    updates: int = 0
    text: str = ""
    faults: list = field(default_factory=list)

    @property
    def ratio(self):
        """gap / (J - J*), where both are more than rounding."""
        return self.gap / self.excess if self.converged and self.gap is not None and self.excess > self.rounding else None


@np.errstate(all="ignore")
def outcome(number, made, oracle, **options):
    """Train on a problem, and compare with the oracle."""
    options = made.options | options
    separated = oracle.is_separated
    seen = Outcome(number, options, separated, separated is None or (not separated and not oracle.is_known))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = fastlr.train(made.given, made.y, **options)
        except Exception as error:
            if "too small a share" in str(error):       # of the weights, for one of the classes: refused in so many words
                seen.is_unknown = True
                return seen
            seen.faults.append("raised")
            seen.text = f"{type(error).__name__}: {error}"
            return seen
    said = {each.category for each in caught}
    seen.updates = model.n_iter
    seen.converged, seen.gap, seen.gap_kind = model.converged, model.gap, getattr(model, "gap_kind", None)
    seen.text = f"{model!r}: {model.stop_reason}" + "".join(f"; {each.category.__name__}: {each.message}" for each in caught)

    def check(is_right, fault):
        if not is_right:
            seen.faults.append(fault)

    calls_it_separated = fastlr.SeparationWarning in said
    check(said <= {fastlr.SeparationWarning, fastlr.ConvergenceWarning}, "other warning")
    check(model.converged or said, "silent")
    check(not model.converged or not said, "other warning")
    if separated:
        check(calls_it_separated or fastlr.ConvergenceWarning not in said, "unproved")
        check(said, "missed")
    elif separated is not None:
        check(not calls_it_separated, "false")

    check(np.isfinite([*model.w.flat, *np.ravel(model.b), model.cost]).all(), "not finite")
    if "not finite" in seen.faults:
        return seen
    seen.rounding, cost_rounding = oracle.rounding(model.w, model.b)
    seen.cost = float(oracle.cost(oracle.u_of(model.w, model.b)))
    seen.cost_error = abs(model.cost - seen.cost)
    check(seen.cost_error <= cost_rounding, "cost")
    if not separated and not seen.is_unknown:
        seen.excess = oracle.excess(model.w, model.b)
        beyond = seen.excess - seen.rounding
        if model.converged:
            check(beyond <= (10 * model.gap if model.gap is not None else math.inf), "wrong")
            check(beyond <= max(options["tol"], 1e-6) * seen.cost, "far")
        if seen.gap_kind == "bound":
            check(beyond <= (1 + 1e-6) * model.gap, "below")
    return seen


def trainings(kind, solvers=SOLVERS, tolerances=TOLERANCES, backend="numpy"):
    """The options that a problem of a kind is trained with."""
    base = {"backend": backend}
    if kind != "separation":
        return [base | {"solver": solver} | ({"max_iter": 1000} if solver == "gd" else {}) for solver in solvers]
    return [base | {"solver": solver, "tol": tol} | ({"max_iter": 1000} if solver == "gd" else {})
            for solver in solvers for tol in tolerances]


def run(kind, seed, numbers, options, progress=None):
    """The outcomes of all trainings of these problems, or with `progress` of those that were done before Ctrl-C."""
    outcomes = []
    try:
        for count, number in enumerate(numbers, 1):
            made = problem(kind, seed, number)
            oracle = made.oracle()
            outcomes += [outcome(number, made, oracle, **each) for each in options]
            if progress and count % progress == 0:
                faulty = collections.Counter(fault for each in outcomes for fault in each.faults)
                print(f"{count} problems: {dict(faulty)}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        if not progress:
            raise
    return outcomes


# ---- the tables -----------------------------------------------------------------------------------------------------

def table(kind, outcomes):
    """Text: by solver and l2, or by solver and tol."""
    def group(each):
        if kind == "separation":
            return each.options["solver"], f"tol {each.options['tol']:.0e}"
        return each.options["solver"], "l2 = 0" if each.options["l2"] <= 1e-290 else "l2 > 0"

    groups = collections.defaultdict(list)
    for each in outcomes:
        groups[group(each)].append(each)
    head = ["solver", "", "trained", "separated", "unknown", "updates", "converged", "bound", "estimate",
            "ratios", "least", "median", "most", *FAULTS]
    lines = [head]
    for (solver, name), those in groups.items():
        ratios = [each.ratio for each in those if each.ratio is not None] or [math.nan]
        counts = collections.Counter(fault for each in those for fault in each.faults)
        converged = [each for each in those if each.converged]
        lines.append([solver, name, len(those), sum(each.separated is True for each in those),
                      sum(each.is_unknown for each in those), max(each.updates for each in those),
                      len(converged), sum(each.gap_kind == "bound" for each in converged),
                      sum(each.gap is not None and each.gap_kind != "bound" for each in converged),
                      sum(each.ratio is not None for each in those),
                      *(f"{value:.3g}" for value in (min(ratios), np.median(ratios), max(ratios))),
                      *(counts[fault] for fault in FAULTS)])
    widths = [max(len(str(line[k])) for line in lines) for k in range(len(head))]
    text = "\n".join("  ".join(str(value).rjust(width) for value, width in zip(line, widths, strict=True)) for line in lines)
    known = [each for each in outcomes if each.converged and each.excess >= 0.0 and each.gap is not None]
    off = [each.cost_error / each.cost for each in outcomes if each.cost > 0]
    return text + "\n" + "\n".join([
        "",
        "trainings that converged with J - J* above 10 and above 100 times gap: " + " and ".join(
            str(sum(each.excess - each.rounding > times * each.gap for each in known)) for times in (10, 100)),
        "cost that is off by more than 1e-10 and by more than 1e-6 of itself: " + " and ".join(
            str(sum(each > most for each in off)) for most in (1e-10, 1e-6)),
        "", *(f"{fault}: {meaning}" for fault, meaning in FAULTS.items())])


def described(each):
    return (f"{each.number}: {' '.join(each.faults) or 'right'}; {each.options['solver']}, tol {each.options['tol']:.1e}, "
            f"l2 {each.options.get('l2', 0.0):.1e}, separated {each.separated}; gap {each.gap} ({each.gap_kind}), "
            f"J - J* {each.excess:.3g} (rounding {each.rounding:.1g}), J {each.cost:.6g}, cost off by {each.cost_error:.1g}; "
            f"{each.text}")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.certificates")
    parser.add_argument("--kind", choices=KINDS, default="gap")
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--start", type=int, default=0, help="the first problem's number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solvers", default=None, help="comma-separated; all by default, and auto for separation")
    parser.add_argument("--backend", default="numpy")
    parser.add_argument("--only", type=int, help="the number of one problem, to print all about")
    parser.add_argument("--faults", type=int, default=20, help="how many faulty trainings to list")
    given = parser.parse_args()
    solvers = given.solvers.split(",") if given.solvers else ("auto",) if given.kind == "separation" else SOLVERS
    options = trainings(given.kind, solvers, backend=given.backend)
    if given.only is not None:
        made = problem(given.kind, given.seed, given.only)
        oracle = made.oracle()
        np.set_printoptions(threshold=200, linewidth=130)
        print(made.story, made.options, made.X, made.y, f"separated: {oracle.is_separated}", sep="\n")
        if oracle.is_separated is False:
            print("J*: {1!r}, Newton's decrement there: {2:.3g}".format(*oracle.optimum))
        for each in options:
            print(described(outcome(given.only, made, oracle, **each)))
        return 0
    numbers = range(given.start, given.start + given.problems)
    outcomes = run(given.kind, given.seed, numbers, options, progress=100)
    faulty = [each for each in outcomes if each.faults]
    print(table(given.kind, outcomes))
    print("", *map(described, faulty[:given.faults]), sep="\n")
    return int(bool(faulty))


if __name__ == "__main__":
    sys.exit(main())
