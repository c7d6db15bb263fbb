"""python -m tests.soak SECONDS: eight threads train while children are forked, killed and started afresh; all with equal bits.

Prints a line a minute and the totals.  At the first result of other bits, hang or crash it says which, with the Python stacks of
what hangs, and ends with 1.
"""

import faulthandler
import hashlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np

import fastlr

HANGING = 120.0                 # seconds that no child takes
STUCK = 100.0                   # seconds after which a child prints its stacks
OTHER_BITS = 3                  # the exit code of a child whose result has other bits


def data(m, n, dtype, order):
    rng = np.random.default_rng(m + n)
    X = np.asarray(np.clip(3.0 * rng.standard_normal((m, n)), 0, 9), dtype=dtype, order=order)
    return X, (X[:, 0] + 3.0 * rng.standard_normal(m) > 1.0).astype(int)


JOBS = [(shape, dtype, order, options)
        for shape in ((3000, 20), (40_000, 8)) for dtype, order in (("float64", "C"), ("float32", "F"), ("uint8", "C"))
        for options in ({"learning_rate": 0.01, "max_iter": 50}, {"solver": "newton", "l2": 0.01}, {"solver": "lbfgs"})]


def digest(job):
    """The bits of what a job trains."""
    shape, dtype, order, options = job
    model = fastlr.train(*data(*shape, dtype, order), backend="fused", **options)
    return hashlib.sha256(model.w.tobytes() + model.costs.tobytes() + np.float64(model.b).tobytes()).hexdigest()


def why_wrong(exit_code, is_killed):
    """What went wrong in a child, by its exit code, or None."""
    if exit_code is None:
        return f"hangs: still there after {HANGING:g} s"
    if exit_code == 0 or (is_killed and exit_code == -signal.SIGKILL):
        return None
    return "other bits" if exit_code == OTHER_BITS else f"crashed, or printed the stacks of a hang: exit code {exit_code}"


def compare(k, right):
    """Train, in a child that ends here and prints its stacks if it hangs."""
    faulthandler.dump_traceback_later(STUCK, exit=True)
    os._exit(0 if digest(JOBS[k]) == right else OTHER_BITS)


def forked(k, right):
    """A child that trains; one in three is killed while it does."""
    child = multiprocessing.get_context("fork").Process(target=compare, args=(k, right[k]))
    child.start()
    is_killed = k % 3 == 0
    if is_killed:
        time.sleep(random.uniform(0.0, 0.1))
        child.kill()
    child.join(HANGING)
    return why_wrong(child.exitcode, is_killed)


def fresh(k, right):
    """A process that starts from nothing; one in three is killed, perhaps while it loads or compiles."""
    with subprocess.Popen([sys.executable, "-c", f"from tests import soak; soak.compare({k}, {right[k]!r})"]) as process:
        is_killed = k % 3 == 0
        if is_killed:
            time.sleep(random.uniform(0.0, 3.0))
            process.kill()
        try:
            return why_wrong(process.wait(HANGING), is_killed)
        except subprocess.TimeoutExpired:
            process.kill()
            return why_wrong(None, is_killed)


def main(seconds):
    right = [digest(job) for job in JOBS]
    counts, wrong, start = Counter(), [], time.perf_counter()

    def trained(k):
        return None if digest(JOBS[k]) == right[k] else "other bits"

    def work(kind, run, seed):
        chance = random.Random(seed)
        while time.perf_counter() - start < seconds and not wrong:
            k = chance.randrange(len(JOBS))
            try:
                why = run(k)
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
            counts[kind] += 1
            if why is not None:
                print(f"{kind}, {JOBS[k]}: {why}", flush=True)
                wrong.append((kind, JOBS[k], why))

    kinds = [("trained in a thread", trained)] * 8
    kinds += [("forked children", lambda k: forked(k, right)), ("fresh processes", lambda k: fresh(k, right))]
    threads = [threading.Thread(target=work, args=(kind, run, seed)) for seed, (kind, run) in enumerate(kinds)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        threads[0].join(60.0)
        for thread in threads[1:]:
            thread.join(0.0 if time.perf_counter() - start < seconds else HANGING)
        print(f"{time.perf_counter() - start:.0f} s: {dict(counts)}, {len(wrong)} wrong", flush=True)
        if time.perf_counter() - start > seconds + 2 * HANGING:
            print("a thread hangs", flush=True)
            faulthandler.dump_traceback(all_threads=True)
            return 1
    print(f"wrong: {wrong}" if wrong else f"all with equal bits: {dict(counts)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    code = main(float(sys.argv[1]))
    sys.stdout.flush()
    os._exit(code)              # also where a thread hangs
