"""python -m tests.soak SECONDS: eight threads train while children are forked, killed and started afresh; all with equal bits.

Prints a line a minute and the totals, and ends with 1 at the first result of other bits, hang or crash.
"""

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

FRESH = "from tests import soak; print(soak.digest(soak.JOBS[{}]))"      # a new process, which reads the compile cache


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


def forked(k, right):
    """A child that trains; one in three is killed while it does."""
    child = multiprocessing.get_context("fork").Process(target=lambda: os._exit(int(digest(JOBS[k]) != right[k])))
    child.start()
    if k % 3 == 0:
        time.sleep(random.uniform(0.0, 0.1))
        child.kill()
        child.join(HANGING)
        return child.exitcode in (0, -signal.SIGKILL)
    child.join(HANGING)
    return child.exitcode == 0


def fresh(k, right):
    """A process that starts from nothing; one in three is killed, perhaps while it loads or compiles."""
    with subprocess.Popen([sys.executable, "-c", FRESH.format(k)], stdout=subprocess.PIPE, text=True) as process:
        if k % 3 == 0:
            time.sleep(random.uniform(0.0, 3.0))
            process.kill()
        output, _ = process.communicate(timeout=HANGING)
        return process.returncode == -signal.SIGKILL or output.strip() == right[k]


def main(seconds):
    right = [digest(job) for job in JOBS]
    counts, wrong, start = Counter(), [], time.perf_counter()

    def trained(k):
        return digest(JOBS[k]) == right[k]

    def work(kind, run, seed):
        chance = random.Random(seed)
        while time.perf_counter() - start < seconds and not wrong:
            k = chance.randrange(len(JOBS))
            try:
                is_right = run(k)
            except Exception as error:
                is_right = False
                print(f"{kind}: {type(error).__name__}: {error}", flush=True)
            counts[kind] += 1
            if not is_right:
                wrong.append((kind, JOBS[k]))

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
            print("a thread hangs")
            return 1
    print(f"wrong: {wrong}" if wrong else f"all with equal bits: {dict(counts)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    code = main(float(sys.argv[1]))
    sys.stdout.flush()
    os._exit(code)              # also where a thread hangs
