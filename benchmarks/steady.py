"""The measuring process of `compare.py`: names of benchmarks on standard input, their seconds on standard output."""

import functools
import json
import subprocess
import sys

from . import calls, classes, elastic_net, fastlr_to_the_optimum, fastlr_with, optimum, problem, seconds

_BLOCK = 0.1                    # seconds that one answer takes
_STEPS = {                      # backend, m, n, dtype, order, threads (None: all), steps: a call of 5 to 30 ms
    "a step by numpy, 2000 x 20": ("numpy", 2000, 20, "float64", "C", None, 200),
    "a step by loop, 2000 x 20": ("loop", 2000, 20, "float64", "C", None, 200),
    "a step by parallel, all threads, 100000 x 50": ("parallel", 100000, 50, "float64", "C", None, 10),
    "a step by fused, 2000 x 20": ("fused", 2000, 20, "float64", "C", 1, 1000),
    "a step by fused, 50000 x 50": ("fused", 50000, 50, "float64", "C", 1, 10),
    "a step by fused, 50000 x 50, Fortran order": ("fused", 50000, 50, "float64", "F", 1, 10),
    "a step by fused, 50000 x 50, float32": ("fused", 50000, 50, "float32", "C", 1, 10),
}
_CASES = ("digits", "1000 x 20", "100000 x 20", "5000 x 500")


def training(backend, m, n, dtype, order, n_threads, steps):
    """A function that trains with a learning rate; one thread feels other programs least."""
    fastlr, (X, y) = fastlr_with(backend), problem(m, n, dtype, order)
    return lambda: fastlr.train(X, y, backend=backend, learning_rate=1e-6, max_iter=steps, n_threads=n_threads)


def softmax():
    """A function that trains five classes, by the backend that compiles nothing."""
    X, _ = problem(5000, 20)
    y = classes.labels(X, 5)
    fastlr = fastlr_to_the_optimum()
    try:
        fastlr.train(X, y, backend="numpy")
    except ValueError as error:
        raise NotImplementedError("this commit has two classes alone") from error
    return lambda: fastlr.train(X, y, backend="numpy")


def one_penalty():
    """A function that trains with l1."""
    benchmark = elastic_net.OnePenalty()
    benchmark.setup("2000 x 50", 0.1)
    return benchmark.fit


def predictions():
    """A function that predicts for many rows."""
    X, y = problem(100000, 20)
    model = fastlr_with("fused").train(X, y, backend="fused")
    return lambda: model.predict_proba(X)


def estimator():
    """A function that fits the scikit-learn estimator."""
    benchmark = calls.Estimator()
    benchmark.setup()
    return benchmark.time_fit


def summary():
    """A function that trains and prints standard errors: a model keeps what it has found, so that each call needs a new one."""
    fastlr, (X, y) = fastlr_to_the_optimum(), problem(20000, 20)
    if not hasattr(fastlr.train(X, y), "summary"):
        raise NotImplementedError("this commit has no summary")
    return lambda: str(fastlr.train(X, y).summary())


def robust():
    """A function that computes standard errors that hold where the model doesn't."""
    benchmark = calls.Robust()
    benchmark.setup("HC1")
    return functools.partial(benchmark.time_covariance, "HC1")


def cold():
    """A function that trains in a fresh process with an empty compile cache."""
    benchmark = calls.TrainCold()
    benchmark.setup("2000 x 20")
    return functools.partial(subprocess.run, [sys.executable, "-c", benchmark.timeraw_train("2000 x 20")], check=True)


_CALLS = {"softmax, 5000 x 20, 5 classes": softmax, "l1, 2000 x 50": one_penalty, "predict_proba, 100000 x 20": predictions,
          "the estimator, 20000 x 50": estimator, "train and summary, 20000 x 20": summary,
          "robust errors, 100000 x 50": robust, "the first model ever, 2000 x 20": cold}


def all_of_them():
    """Name and function of every benchmark that this commit has, each run once."""
    found = {}
    for name, options in _STEPS.items():
        found[name] = training(*options)
    made = {f"the optimum, {case}": lambda case=case: optimum.fit_of_fastlr(case, *optimum.data(case)) for case in _CASES}
    for name, make in (made | _CALLS).items():
        try:
            found[name] = make()
        except NotImplementedError:
            continue
    for call in found.values():
        call()
    return found


def least(call):
    """Least time of a call over a block of them."""
    times = [seconds(call)]
    while sum(times) < _BLOCK:
        times.append(seconds(call))
    return min(times)


def main():
    found = all_of_them()
    print(json.dumps(list(found)), flush=True)
    for line in sys.stdin:
        print(json.dumps(least(found[line.rstrip("\n")])), flush=True)


if __name__ == "__main__":
    main()
