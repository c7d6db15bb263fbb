"""The subcommand fastlr demo: every backend on made-up data."""

import time

import numpy as np

import fastlr
from fastlr import backends

_LEARNING_RATE = 0.5
# Seconds of training that a backend is timed by.
SECONDS = 0.5


def run(m: int, n: int, classes: int, n_threads: int | None) -> int:
    """Print the table of backends; return 0 if all of them agree, else 1."""
    rng = np.random.default_rng(0)
    true_w = rng.standard_normal((classes, n)) * (2.0 / np.sqrt(n))
    true_w[0] = 0.0
    X, X_test = rng.standard_normal((m, n)), rng.standard_normal((20_000, n))
    y, y_test = ((A @ true_w.T + rng.gumbel(size=(len(A), classes))).argmax(axis=1) for A in (X, X_test))
    y[:classes] = np.arange(classes)[:m]
    print(f"Logistic regression of {classes} classes on {m} x {n} float64, {X.nbytes / 1e6:.0f} MB, made from a known model.\n"
          f"Each backend takes the same steps of gradient descent; a step reads all of X.\n"
          "Where kernels have to be compiled first, a line takes up to half a minute.\n")
    print(f"{'backend':<10}{'ms a step':>11}{'speed-up':>10}{'GB/s of X':>11}{'threads':>9}{'compiling':>11}   agrees to")

    reference: fastlr.Model | None = None
    reference_seconds, agree = 0.0, True
    for name, reason in backends.available_backends().items():
        if reason is not None:
            print(f"{name:<10}{reason}")
            continue
        print(f"{name:<10}", end="", flush=True)
        model = fastlr.train(X, y, backend=name, learning_rate=_LEARNING_RATE, max_iter=2, n_threads=n_threads)
        seconds = _seconds_a_step(X, y, name, n_threads)
        if reference is None:
            reference, reference_seconds = model, seconds
        difference = float(np.linalg.norm(model.w - reference.w) / np.linalg.norm(reference.w))
        agree &= difference < 1e-10
        print(f"{seconds * 1e3:11.3f}{reference_seconds / seconds:9.0f}x{X.nbytes / seconds / 1e9:11.2f}{model.n_threads:9d}"
              f"{model.compile_time:9.1f} s   {'(the definition)' if model is reference else f'{difference:.0e}'}", flush=True)

    model = fastlr.train(X, y, learning_rate=_LEARNING_RATE, max_iter=200, n_threads=n_threads)
    print(f"\n200 steps with backend {model.backend!r} in {model.elapsed:.2f} s: J = {model.costs[0]:.4f} -> {model.cost:.4f}\n"
          f"accuracy on 20000 new examples: {100 * model.score(X_test, y_test):.2f} %  "
          f"(the model that made the data: {100 * np.mean((X_test @ true_w.T).argmax(axis=1) == y_test):.2f} %)")
    print("the optimum by fastlr.train: ", end="", flush=True)
    first = fastlr.train(X, y, n_threads=n_threads)
    optimum = fastlr.train(X, y, n_threads=n_threads)
    print(f"{optimum.n_iter} updates with solver {optimum.solver!r} in {optimum.elapsed:.3f} s "
          f"(the first time {first.elapsed:.3f} s, and {first.compile_time:.1f} s for loading or compiling), "
          f"J = {optimum.cost:.6f}, gradient {optimum.grad_norm:.0e}")
    if not agree:
        print("The backends DISAGREE: please report this together with fastlr.show_versions().")
    return 0 if agree else 1


def _seconds_a_step(X: np.ndarray, y: np.ndarray, backend: str, n_threads: int | None) -> float:
    """The seconds of one step: the difference between the fastest of long and of short runs, in which checking X cancels."""
    def run(steps: int) -> float:
        start = time.perf_counter()
        fastlr.train(X, y, backend=backend, learning_rate=_LEARNING_RATE, max_iter=steps, n_threads=n_threads)
        return time.perf_counter() - start

    once = run(1)
    if once > SECONDS:
        return once / 2             # two passes, one step and the final cost; checking X takes no time beside them
    steps = max(2, int(SECONDS / 3 / once))
    short, long = zip(*((run(1), run(1 + steps)) for _ in range(3)), strict=True)
    return (min(long) - min(short)) / steps
