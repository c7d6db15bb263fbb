"""Batch by batch: what a batch costs, and how good one pass is, beside scikit-learn's SGDClassifier.

    python -m benchmarks.partial_fit [FILE.npz ...]         # the table of docs/estimator.md; files hold X and y of 0 and 1
"""

import sys
import warnings
from itertools import product
from time import perf_counter

import numpy as np

from . import problem

_GRID = [{"learning_rate": "optimal"}, *({"learning_rate": rule, "power_t": 0.25, "eta0": eta0} for rule, eta0 in
         product(("constant", "invscaling"), (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)))]


def fastlr_classifier():
    """The estimator, if this commit's learns from batches."""
    import fastlr

    estimator = getattr(fastlr, "LogisticRegression", None)
    if not hasattr(estimator, "partial_fit"):
        raise NotImplementedError("this commit has no partial_fit")
    return estimator()


def sgd_classifier(m, **options):
    """Scikit-learn's, with the same penalty on m rows."""
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(loss="log_loss", alpha=1.0 / m, random_state=0, **options)


def one_pass(estimator, X, y, size):
    """Seconds of one pass in batches of a size."""
    start = perf_counter()
    for first in range(0, len(y), size):
        estimator.partial_fit(X[first:first + size], y[first:first + size], classes=[0, 1])
    return perf_counter() - start


def log_loss(estimator, X, y):
    """The mean loss."""
    z = estimator.decision_function(X)
    return float(np.mean(np.logaddexp(0.0, z) - y * z))


class Batch:
    """One batch more, after ten."""

    version = "1"
    rounds = 1
    repeat = (3, 10, 1.0)
    number = 1
    param_names = ("rows", "columns")
    params = ((1, 1000), (10, 100, 500))

    def setup(self, rows, columns):
        self.data = problem(max(1000, rows), columns)
        self.classifier = fastlr_classifier()
        one_pass(self.classifier, *self.data, 100)
        self.batch = tuple(part[:rows] for part in self.data)
        self.time_batch(rows, columns)

    def time_batch(self, rows, columns):
        self.classifier.partial_fit(*self.batch)

    time_batch.pretty_name = "Time of a batch"


class OnePass:
    """By how much the mean loss on 100000 x 20 exceeds its least after one pass; SGDClassifier's with its best step."""

    version = "1"
    unit = "mean loss - least"
    param_names = ("estimator", "rows in a batch")
    params = (("fastlr", "SGDClassifier"), (100, 1000))

    def setup(self, name, size):
        import fastlr

        fastlr_classifier()
        self.data = problem(100_000, 20)
        self.least = fastlr.train(*self.data).cost

    def track_excess(self, name, size):
        best = {"learning_rate": "invscaling", "power_t": 0.25, "eta0": 1e-2, "average": True}
        classifier = fastlr_classifier() if name == "fastlr" else sgd_classifier(100_000, **best)
        one_pass(classifier, *self.data, size)
        return log_loss(classifier, *self.data) - self.least

    track_excess.pretty_name = "Excess of the loss after one pass"


def split(X, y):
    """Nine tenths of the rows to learn from, in random order, and the others."""
    rows = np.random.default_rng(0).permutation(len(y))
    return tuple((X[chosen], y[chosen]) for chosen in (rows[len(y) // 10:], rows[:len(y) // 10]))


def compare(learnt, held_out, size, passes):
    """Estimator, passes, loss on both kinds of rows, and seconds; of scikit-learn every setting, with and without averages."""
    m = len(learnt[1])
    settings = [{**setting, "average": average} for setting in _GRID for average in (False, True)]
    classifiers = {"fastlr": fastlr_classifier()} | {str(setting): sgd_classifier(m, **setting) for setting in settings}
    one_pass(fastlr_classifier(), *learnt, size)            # compiles
    for name, classifier in classifiers.items():
        seconds = 0.0
        for k in range(passes):
            seconds += one_pass(classifier, *learnt, size)
            yield name, k + 1, log_loss(classifier, *learnt), log_loss(classifier, *held_out), seconds


def report(name, X, y, size, passes):
    """Print the comparison; of scikit-learn's settings the best on rows held out after so many passes, and the median."""
    import fastlr

    learnt, held_out = split(X, y)
    best = fastlr.LogisticRegression().fit(*learnt)
    print(f"{name}, {len(learnt[1])} x {X.shape[1]}, batches of {size}: fit has {log_loss(best, *learnt):.5f}, held out "
          f"{log_loss(best, *held_out):.5f}")
    results = list(compare(learnt, held_out, size, passes))
    for k in range(1, passes + 1):
        ours, *others = (result for result in results if result[1] == k)
        others.sort(key=lambda result: np.nan_to_num(result[3], nan=np.inf))
        for title, (setting, _, loss, loss_out, seconds) in (("fastlr", ours), ("best", others[0]),
                                                             ("median", others[len(others) // 2])):
            print(f"  pass {k}  {title:7s} {loss:.5f}  held out {loss_out:.5f}  {seconds:.2f} s  {setting}", flush=True)


def main(files):
    """The made-up set, and files; every column with mean 0 and deviation 1, and as it is."""
    warnings.simplefilter("ignore")             # scikit-learn's about overflow
    sets = {"normal columns": problem(1_000_000, 20)}
    for file in files:
        with np.load(file) as arrays:
            X = arrays["X"].astype(np.float64)
            sets[f"{file}, scaled"] = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0.0, X.std(axis=0), 1.0), arrays["y"]
            sets[file] = X, arrays["y"]
    for name, (X, y) in sets.items():
        for size in (1000, 100):
            report(name, X, y, size, 1 if len(y) > 100_000 else 3)


if __name__ == "__main__":
    main(sys.argv[1:])
