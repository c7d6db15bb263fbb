"""Write docs/from-the-lecture-to-the-limit.md and its pictures: python -m tools.lecture_document.

Every number is measured or computed in the run, and every piece of code is taken from the source (see `tools.code_pieces`).
Needs pip install -e ".[test]" and the program dot of Graphviz; the cats need the course's catvnoncat.npz under
$FASTLR_DATA/course.
"""

import inspect
import os
import platform
import textwrap
import time
from pathlib import Path

import numpy as np

import fastlr
from benchmarks import seconds_a_read
from fastlr import backends
from fastlr.backends import logistic
from fastlr.backends.compiled import threads
from fastlr.graph import Value, check_gradient, cross_entropy, exp, log, log_loss, sigmoid
from tools.code_pieces import ROOT, source_of

DOCS = ROOT / "docs"
M, N, FEW = 200_000, 100, 2_000             # the problem of all timings; plain Python is timed on its first rows
THREADS = min(2, threads.processors())
PIECES = []


def say(*paragraphs):
    """Add paragraphs (filled anew), headings, tables and code to the document."""
    for paragraph in map(inspect.cleandoc, paragraphs):
        is_prose = not paragraph.startswith(("#", "|", "`" * 3, "!["))
        PIECES.append(textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False) if is_prose else paragraph)


def code(path, name):
    """Add the source of a function or constant."""
    say(f"`{path}`, `{name}`:", f"```python\n{source_of(path, name)}\n```")


def text(block):
    say(f"```\n{block}\n```")


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    say("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


def picture(name, node):
    (DOCS / f"{name}.svg").write_text(node.draw().pipe(format="svg", encoding="utf-8"))
    say(f"![{node.name} and its derivatives]({name}.svg)")


def figure(x):
    """Three digits, and no exponent."""
    return f"{x:.0f}" if x >= 100.0 else f"{x:.3g}"


def milliseconds(seconds):
    return figure(seconds * 1e3)


def problem(dtype=np.float64):
    """X (M, N) of whole numbers 0 to 9, so that uint8, float32 and float64 hold the same, and labels of a logistic model."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 10, (M, N)).astype(np.uint8)
    z = (X - 4.5) @ rng.standard_normal(N) / N ** 0.5 / 3.0
    return X.astype(dtype, copy=False), (rng.random(M) < logistic.sigmoid(z)).astype(np.int8)


def seconds_a_step(X, y, backend, steps):
    """The least of three slopes between a run of few steps and one of many: checking X, the same in both, cancels out."""
    def seconds(max_iter):
        start = time.perf_counter()
        fastlr.train(X, y, backend=backend, learning_rate=1e-3, max_iter=max_iter, n_threads=THREADS)
        return time.perf_counter() - start

    seconds(1)
    return min((seconds(1 + steps) - seconds(1)) / steps for _ in range(3))


def lecture_example():
    a, b, c = Value(5, "a"), Value(3, "b"), Value(2, "c")
    u = (b * c).named("u")
    v = (a + u).named("v")
    return (3 * v).named("J")


def one_example(x1, x2, y):
    x1, x2 = Value(x1, "x1"), Value(x2, "x2")
    w1, w2, b = Value(0.5, "w1"), Value(0.25, "w2"), Value(0.1, "b")
    z = (w1 * x1 + w2 * x2 + b).named("z")
    a = sigmoid(z).named("a")
    return (-(y * log(a) + (1 - y) * log(1 - a))).named("L")


def three_classes(x, y):
    x = Value(x, "x")
    w = [Value(0.5, "w0"), Value(-0.25, "w1"), Value(0.0, "w2")]
    b = [Value(0.1, "b0"), Value(0.0, "b1"), Value(0.2, "b2")]
    z = [(w_k * x + b_k).named(f"z{k}") for k, (w_k, b_k) in enumerate(zip(w, b, strict=True))]
    e = [exp(z_k).named(f"e{k}") for k, z_k in enumerate(z)]
    s = sum(e).named("s")
    p_y = (e[y] / s).named(f"p{y}")
    return (-log(p_y)).named("L")


def the_graph():
    say("# From the lecture to the limit", """
        The lecture ends its derivation of gradient descent with a warning: get rid of explicit loops, or it will take too long.
        This is what happens when one takes that seriously and goes on. We start with a graph of three numbers and end where
        a step of gradient descent takes little more time than the machine needs to read the data once. The mathematics
        never changes; the cost stays the same to the last digit shown. Only the way through memory changes.""", """
        `python -m tools.lecture_document` wrote this page, and measured its numbers, with the code of that day.
        The pieces of code below are the package's own as it is now: a test compares them.""",
        "## A graph", """
        J(a, b, c) = 3 (a + bc) is computed from left to right: u = bc, then v = a + u, then J = 3v. Each step remembers what
        it was computed from, and how much it changes when that does. So the derivatives follow from right to left.""")
    J = lecture_example()
    code("tools/lecture_document.py", "lecture_example")
    picture("lecture-example", J)
    say("Blue is the way forward, red the way back. A red arrow carries one factor of the chain rule; `J.chain_rule()` writes "
        "them out:")
    text(J.chain_rule())
    say("""The last node is always J, so the lecture writes da for dJ/da. `J.derivatives()` does too:""")
    text(J.derivatives())
    say("""The way back is a loop of a few lines. A node is made after everything that it is computed from, so from right to
        left is simply from the youngest to the oldest. Each node has its whole derivative before it passes it on, and where
        a value
        is used twice, the parts add up:""")
    code("fastlr/graph/value.py", "Value._sweep")
    say("The calculus is a table with one line for each operation: its value, and its derivatives.")
    code("fastlr/graph/value.py", "_OPERATIONS")


def logistic_regression():
    say("## One example", """
        Logistic regression is such a graph. With two features, z = w1 x1 + w2 x2 + b, the prediction is a = sigma(z), and
        the loss L says how wrong that is.""")
    code("tools/lecture_document.py", "one_example")
    L = one_example(1.0, -2.0, 1)
    picture("one-example", L)
    d, a = L.derivatives(), 1.0 / (1.0 + np.exp(-0.1))
    say(f"""The two factors dL/da = -y/a + (1-y)/(1-a) and da/dz = a(1-a) multiply to something shorter: dz = a - y. Here a =
        {a:.6f} and y = 1, so a - y is {a - 1:.6f}, and the graph found dz = {d["dz"]:.6f}. Then dw1 = x1 dz =
        {d["dw1"]:.6f}, dw2 = x2 dz = {d["dw2"]:.6f} and db = dz = {d["db"]:.6f}. All that follows computes these, many
        times.""", """
        One thing has to be repaired first. At z = 40 the prediction a rounds to 1, and log(1 - a) has no value. The graph
        refuses:""")
    try:
        one_example(80.0, 0.0, 0)
        raise AssertionError("the loss was finite where a = 1")
    except ValueError as error:
        text(f"ValueError: {error}")
    far = log_loss(Value(1e4, "z"), 0)
    say(f"""Written in z, the loss is log(1 + e^z) for y = 0 and log(1 + e^-z) for y = 1. It has a value everywhere:
        at z = 10000 with y = 0 it is {far.value:g}, and its derivative {far.derivatives()["dz"]:g}. Every kernel below
        uses that form.""",
        "## What the notes have wrong",
        "These are the slips in the lecture's notes and the section's slides, with what is right:")
    table(["written", "right"], [
        ["dJ/da = 3(a + u)", f"dJ/da = dJ/dv * dv/da = 3 * 1 = {lecture_example().derivatives()['da']:g}"],
        ["dJ/dc = 3 * 1 * b = 6", f"it is {lecture_example().derivatives()['dc']:g}, as b = 3; 6 is dJ/db = 3c, as c = 2"],
        ["J += [-y log a + (1 - y) log(1 - a)]", "J += -[y log a + (1 - y) log(1 - a)]: the minus is for both terms"],
        ["da/dz = 1 / (1 + e^-z)", "that is a itself; da/dz = a (1 - a)"],
        ["dw1 = x1 dz/dw1", "dw1 = x1 dz"], ["dw2 = w1 dw2' = x2 dz", "dw2 = x2 dz"],
        ["b := b - a dt", "b := b - alpha db"],
        ["J = (1/n) sum over n examples", "J = (1/m) sum over m examples; n counts the features"],
        ["dJ/da^(i) = -sum_i y^(i)/a^(i) - ...",
         "dJ/da^(i) = -y^(i)/a^(i) + (1 - y^(i))/(1 - a^(i)): one example's a is in one term of the sum"],
        ["z^(i) = sum_j w_j X_j^(i)", "z^(i) = sum_j w_j X_j^(i) + b"],
    ])


def more_classes():
    say("## K classes", """
        With three classes or more each class k has parameters of its own, and a margin z_k = w_k x + b_k. The prediction is
        a probability for each class, p_k = e^z_k / s with the sum s of all e^z_k, and the loss of an example of class y is
        L = -log p_y. Here are three classes, one feature, and an example of class 1:""")
    code("tools/lecture_document.py", "three_classes")
    L = three_classes(1.0, 1)
    picture("three-classes", L)
    text(L.chain_rule())
    d, e = L.derivatives(), np.exp([0.6, -0.25, 0.2])
    p = e / e.sum()
    written = [f"{d[f'dz{k}']:.6f}" for k in range(3)]
    assert written == [f"{p_k - (k == 1):.6f}" for k, p_k in enumerate(p)], written
    say(f"""A margin of another class has one way to L, through s: dz0 = e0 / s = p0. That of the class itself has two, and the
        second is -1: dz1 = p1 - 1. Here p0, p1, p2 = {', '.join(f"{p_k:.6f}" for p_k in p)}, and the graph found dz0, dz1, dz2 =
        {', '.join(written)}. So dz_k = p_k - [k = y], which is a - y again, once for each class; then dw_k = x dz_k and
        db_k = dz_k. They add up to 0 over the classes: what all margins have in common changes no probability. With two
        classes p_1 is sigma(z_1 - z_0), and one margin is enough.""", """
        e^z has no value in float64 beyond z = 709. Taking z_y away from every margin changes nothing, and then
        L = log sum_k e^(z_k - z_y) is computed one class after another:""")
    code("fastlr/graph/softmax.py", "cross_entropy")
    far = cross_entropy([Value(z_k, f"z{k}") for k, z_k in enumerate((0.0, 1e4, 1e4))], 0)
    say(f"""For margins 0, 10000, 10000 and y = 0 it is {far.value:.6f}, and its derivatives are
        {', '.join(f"{far.derivatives()[f'dz{k}']:g}" for k in range(3))}. Everything below is timed for two classes. K classes go
        the same way: one read of X makes K margins a row, and K rows of derivatives.""")


def the_steps():
    X, y = problem()
    few = X[:FEW], y[:FEW]
    read = seconds_a_read(X, THREADS)
    steps = {"numpy": 10, "loop": 10, "parallel": 20, "fused": 20}
    step = {"python": seconds_a_step(*few, "python", 1) * M / FEW,
            **{name: seconds_a_step(X, y, name, count) for name, count in steps.items()}}
    w, b = np.random.default_rng(1).standard_normal(N) / 30.0, 0.25
    cost = {name: fastlr.cost_and_gradient(X, y, w, b, backend=name)[0] for name in step}
    written = {name: f"{J:.12f}" for name, J in cost.items()}
    assert len(set(written.values())) == 1, written

    def row(name):
        return (f"**{milliseconds(step[name])} ms a step, {figure(step[name] / read)} reads of X.** The cost at one and the same "
                f"w and b: {written[name]}.")

    def faster(name):
        return f"{step['python'] / step[name]:.0f} times"

    def nanoseconds(name):
        return f"{figure(step[name] / (2 * M * N) * 1e9)} ns"

    say("## m examples, two loops", """
        With m examples J is the mean of their losses, and its derivative the mean of theirs. The lecture's program has a
        loop over the examples, and inside of it one over the features: the forward pass of an example, then the backward
        pass. This is the definition that everything else is tested against:""")
    code("fastlr/backends/python_loops.py", "cost_gradient")
    say(f"""From here on a step is timed on X of {M} examples and {N} features, float64, {X.nbytes / 1e6:.0f} MB. The unit is
        the *read*: the time in which {THREADS} threads sum up X and do nothing else, {milliseconds(read)} ms in this run
        ({X.nbytes / read / 1e9:.0f} GB/s). A
        step has to look at every number of X, so in memory too slow for the processor one read is the limit.""",
        f"{row('python')} (Timed on the first {FEW} examples.)",
        "## Why loops are slow", f"""
        A step multiplies and adds 2 m n = {2 * M * N / 1e6:.0f} million times. Python took {nanoseconds("python")} for each. The
        compiled loop below does the very same in {nanoseconds("loop")}. The rest is what Python does around a
        multiplication: it looks at the types of both numbers, finds the function that multiplies them, makes an object for the
        result, counts who refers to it, and reads the next instruction of the program. A loop isn't slow. What is slow
        is deciding anew in each round what a multiplication means.""",
        "## NumPy", """
        The lecture's cure is to hand over the whole loop: z = Xw + b is one product, dw = X^T dz another. The types are looked
        at once, and compiled code does the rest:""")
    code("fastlr/backends/numpy_vectorized.py", "cost_gradient")
    say(row("numpy"), f"""
        That is {faster("numpy")} as fast as the two loops. But X is read twice, once for each product, because by the time
        the second one starts, the first rows have left the cache.""",
        "## The loop, compiled", """
        If deciding is what costs, it can be done ahead. Numba compiles the lecture's loop for the type of X, as it stands:""")
    code("fastlr/backends/numba_loop.py", "_add_examples")
    say(row("loop"), f"""
        Explicit loops, and {faster("loop")} as fast as in Python. An example's row is still in cache when
        the way back needs it, so X comes from memory once. This is one thread; the read is by {THREADS}.""",
        "## All cores", """
        The sum over examples may be cut in pieces. `prange` gives each thread some; each piece has a row of its own for its
        sums, and these are added in order, so that the result has the same bits for any number of threads:""")
    code("fastlr/backends/numba_parallel.py", "_run")
    say(row("parallel"), "## Fused", """
        What is left is the exponential, which stands between one row and the next, and w and dw, which are loaded again for
        every row. So take a block of rows, small enough to stay in the cache: forward for all of them, then loss and dz in
        one loop over the block that computes eight at a time, then the way back, several rows at once. A chunk is what one
        thread takes:""")
    code("fastlr/backends/compiled/block_pass.py", "cost_gradient")
    code("fastlr/backends/compiled/block_pass.py", "losses_and_slopes")
    say(row("fused"), f"""
        From the two loops to here it is {faster("fused")} as fast. The five on one page:""")
    table(["", "ms a step", "reads of X", "times as fast as the loops", "J"],
          [[name, milliseconds(step[name]), figure(step[name] / read), f"{step['python'] / step[name]:.0f}", written[name]]
           for name in step])
    say("""Are the gradients right, too? `fastlr.graph.check_gradient` builds the graph of J, and compares a kernel with its
        derivatives and with finite differences of the graph:""")
    text(check_gradient("fused"))
    smaller_numbers(w, b, written["fused"], read)
    return X, y


def smaller_numbers(w, b, written, read):
    say("## Smaller numbers", """
        When the time goes into reading, there should be less to read. These X hold whole numbers from 0 to 9, so a byte is
        enough for each. fastlr takes X as it is, and converts what is in cache to float64, in which all arithmetic is done:""")
    rows = []
    for dtype in (np.float64, np.float32, np.uint8):
        X, y = problem(dtype)
        seconds = seconds_a_step(X, y, "fused", 20)
        J = f"{fastlr.cost_and_gradient(X, y, w, b, backend='fused')[0]:.12f}"
        assert J == written, (dtype, J, written)
        rows.append([X.dtype, f"{X.nbytes / 1e6:.0f}", milliseconds(seconds), figure(seconds / read), J])
    table(["X", "MB", "ms a step", "reads of the float64 X", "J"], rows)
    say("""An eighth of the bytes doesn't take an eighth of the time: the conversion costs instructions, and the arithmetic
        is what it was.""")


def newton(X, y):
    fastlr.train(X, y, backend="fused", n_threads=THREADS)
    optimum = fastlr.train(X, y, backend="fused", n_threads=THREADS)
    full = fastlr.train(X, y, solver="newton", backend="fused", n_threads=THREADS)
    descent = fastlr.train(X, y, backend="fused", solver="gd", tol=0.0, max_iter=200, n_threads=THREADS)
    say("## Fewer steps", """
        A step can't be faster than a read. But there may be fewer of them. Gradient descent knows the slope of J and not its
        curvature. Newton's method divides by the second derivative, H = X^T D X with D = a(1 - a). That costs more,
        and it doubles the correct digits with each step. A Hessian stays good for several steps, though, and one from
        a sample of the rows is nearly as good as one from all. The default of `fastlr.train(X, y)` relies on that
        ([How the optimum is found](optimum.md)).""")
    table(["", "steps on all rows", "ms", "J", "J - J*, about"],
          [["gradient descent, steps of 1/L", descent.n_iter, milliseconds(descent.elapsed), f"{descent.cost:.12f}",
            f"{descent.cost - optimum.cost:.0e}"],
           ['`solver="newton"`', full.n_iter, milliseconds(full.elapsed), f"{full.cost:.12f}", f"{full.gap:.0e}"],
           ["`fastlr.train(X, y)`", optimum.n_iter, milliseconds(optimum.elapsed), f"{optimum.cost:.12f}",
            f"{optimum.gap:.0e}"]])


def cats():
    path = Path(os.environ.get("FASTLR_DATA", DOCS.parents[1] / "shared" / "data")) / "course" / "catvnoncat.npz"
    if not path.exists():
        print(f"{path} is not there, so the document has no cats; set FASTLR_DATA to a folder with course/catvnoncat.npz")
        return
    z = np.load(path)
    X, y, X_test, y_test = (z[name] for name in ("X_train", "y_train", "X_test", "y_test"))
    X, X_test = X.reshape(len(X), -1) / 255.0, X_test.reshape(len(X_test), -1) / 255.0
    y, y_test = y.ravel(), y_test.ravel()
    fastlr.train(X, y, learning_rate=0.005, max_iter=1, backend="fused")
    model = fastlr.train(X, y, learning_rate=0.005, max_iter=2000, backend="fused")
    rose = np.flatnonzero(np.diff(np.append(model.costs, model.cost)) > 0.0)
    say("## The cats", f"""
        The course's exercise: {len(y)} pictures of 64 x 64 pixels, {X.shape[1]} features each, cat or no cat; 2000 steps
        with a learning rate of 0.005 from zeros.
        `fastlr.train(X, y, learning_rate=0.005, max_iter=2000)` took {model.elapsed:.2g} s. The course
        prints the cost after every hundred steps:""")
    text("  ".join(f"{J:.6f}" for J in model.costs[:1000:100]) + "\n" + "  ".join(f"{J:.6f}" for J in model.costs[1000::100]))
    say(f"""{100 * model.score(X, y):.2f} % of the training pictures are classified correctly, and
        {100 * model.score(X_test, y_test):.1f} % of
        {len(y_test)} new ones. These are the course's numbers, in all digits (`tests/test_lecture.py`).""")
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "fastlr"
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
    model.plot_costs(ax)
    ax.set_ylim(0.0)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(DOCS / "cat-costs.svg", metadata={"Date": None})
    say("![The cost over 2000 updates](cat-costs.svg)", f"""
        The course's curve, drawn with one point in a hundred, looks smooth. With all of them it is not: in {rose.size}
        of the 2000 steps the cost rose, the last time at step {rose.max()}, because the learning rate is a little too large
        for the steepest direction. A step of 1/L
        would never do that. That shows only when steps are cheap enough to keep all of them.""")


def main():
    start = time.perf_counter()
    missing = {name: reason for name, reason in backends.available_backends().items() if reason}
    assert not missing, missing
    the_graph()
    logistic_regression()
    more_classes()
    newton(*the_steps())
    cats()
    say("## This run", f"""{time.strftime("%d %B %Y")}, {THREADS} threads on {platform.machine()}, Python
        {platform.python_version()}, NumPy
        {np.__version__}. Times are the least of
        three; other programs on the machine move them from run to run, and the reads with them. [How fast a step
        is](speed.md) has more shapes and says where the limits come from.""")
    (DOCS / "from-the-lecture-to-the-limit.md").write_text("\n\n".join(PIECES) + "\n")
    print(f"written in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
