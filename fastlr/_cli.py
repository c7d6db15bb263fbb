"""The fastlr command."""

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np

import fastlr
from fastlr import backends
from fastlr.backends.numpy_vectorized import sigmoid

_LEARNING_RATE = 0.5
_SECONDS = 0.5                  # of training to time a backend by


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="fastlr", description="Logistic regression that trains as fast as the machine can "
                                     "read the data.", epilog="Without a subcommand, the demo runs.")
    parser.add_argument("--version", action="version", version=f"fastlr {fastlr.__version__}")
    commands = parser.add_subparsers(title="subcommands", dest="command")
    demo = commands.add_parser("demo", help="train on made-up data with every backend and compare them",
                               description="Make data from a known model, take the same gradient descent steps with every "
                               "backend, and print what a step costs, how fast X is read, and whether the results agree.")
    demo.add_argument("--rows", type=_count, default=100_000, metavar="M", help="examples to train on (default %(default)s)")
    demo.add_argument("--features", type=_count, default=50, metavar="N", help="features (default %(default)s)")
    demo.add_argument("--threads", type=_count, metavar="K", help="at most so many threads (default: all there are)")
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments or ["demo"])
    if options.command is None:
        parser.error("name a subcommand")
    try:
        return run_demo(options.rows, options.features, options.threads)
    except KeyboardInterrupt:
        print("\ninterrupted")
        return 130


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def run_demo(m: int, n: int, n_threads: int | None) -> int:
    """Print the table of backends; 0 if all of them agree."""
    rng = np.random.default_rng(0)
    true_w = rng.standard_normal(n) * (2.0 / np.sqrt(n))
    X, X_test = rng.standard_normal((m, n)), rng.standard_normal((20_000, n))
    y, y_test = (rng.random(len(A)) < sigmoid(A @ true_w + 0.5) for A in (X, X_test))
    print(f"Logistic regression on {m} x {n} float64, {X.nbytes / 1e6:.0f} MB, made from a known model.\n"
          f"Each backend takes the same steps of gradient descent; a step reads all of X.\n")
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
          f"(the model that made the data: {100 * np.mean((X_test @ true_w + 0.5 > 0) == y_test):.2f} %)")
    fastlr.train(X, y, n_threads=n_threads)                     # what is compiled on first use, is compiled now
    optimum = fastlr.train(X, y, n_threads=n_threads)
    print(f"the optimum by fastlr.train: {optimum.n_iter} updates with solver {optimum.solver!r} in {optimum.elapsed:.3f} s, "
          f"J = {optimum.cost:.6f}, gradient {optimum.grad_norm:.0e}")
    if not agree:
        print("The backends DISAGREE: please report this together with fastlr.show_versions().")
    return 0 if agree else 1


def _seconds_a_step(X: np.ndarray, y: np.ndarray, backend: str, n_threads: int | None) -> float:
    """The least of several runs, each without what happens once a run: checking X and the final cost."""
    def run(steps: int) -> float:
        start = time.perf_counter()
        fastlr.train(X, y, backend=backend, learning_rate=_LEARNING_RATE, max_iter=steps, n_threads=n_threads)
        return time.perf_counter() - start

    once = run(1)
    if once > _SECONDS:
        return once / 2             # one step and the final cost: two passes, beside which the check is nothing
    steps = max(2, int(_SECONDS / 3 / once))
    return min((run(1 + steps) - run(1)) / steps for _ in range(3))
