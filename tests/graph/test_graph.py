"""The computation graph: the lecture's numbers, every backend against it, and what it refuses."""

import gc
import math
import subprocess

import numpy as np
import pytest

import fastlr
from fastlr import backends
from fastlr.graph import Value, check_gradient, cross_entropy, exp, log, log_loss, logistic_cost, sigmoid, softmax, softplus
from tests.problems import problem, weights


def lecture():
    """J(a, b, c) = 3 (a + bc)."""
    a, b, c = Value(5, "a"), Value(3, "b"), Value(2, "c")
    u = (b * c).named("u")
    v = (a + u).named("v")
    return a, b, c, u, v, (3 * v).named("J")


def one_example(y, w1=0.5, w2=0.25, b=0.1, x1=1.0, x2=-2.0):
    """Two features, as the lecture draws them."""
    x1, x2 = Value(x1, "x1"), Value(x2, "x2")
    w1, w2, b = Value(w1, "w1"), Value(w2, "w2"), Value(b, "b")
    z = (w1 * x1 + w2 * x2 + b).named("z")
    a = sigmoid(z).named("a")
    return (-(y * log(a) + (1 - y) * log(1 - a))).named("L")


def test_lecture_example():
    a, b, c, u, v, J = lecture()
    assert [node.value for node in (u, v, J)] == [6, 11, 33]
    assert J.derivatives() == {"dv": 3, "da": 3, "du": 3, "db": 6, "dc": 9}
    assert a.grad is None                                   # derivatives() leaves it alone
    J.backward()
    assert [node.grad for node in (J, v, a, u, b, c)] == [1, 3, 3, 3, 6, 9]
    assert J.derivatives()["dv"] * v.factors()[a] == J.derivatives()["da"]
    assert v.edges == ((a, 1.0), (u, 1.0))
    assert u.edges == ((b, 2.0), (c, 3.0))


def test_chain_rule_is_written_as_in_the_lecture():
    assert lecture()[-1].chain_rule().splitlines() == [
        "dJ/dv = 3", "dJ/da = dJ/dv * dv/da = 3 * 1 = 3", "dJ/du = dJ/dv * dv/du = 3 * 1 = 3",
        "dJ/db = dJ/du * du/db = 3 * 2 = 6", "dJ/dc = dJ/du * du/dc = 3 * 3 = 9"]
    x = Value(2, "x")
    u = (x ** 2).named("u")
    assert (u * x + u).named("K").chain_rule().splitlines() == ["dK/du = 3", "dK/dx = dK/du * du/dx + 4 = 3 * 4 + 4 = 16"]


@pytest.mark.parametrize("y", [0, 1])
def test_one_example_of_logistic_regression(backend, y):
    L = one_example(y)
    a = 1 / (1 + math.exp(-0.1))
    d = L.derivatives()
    dz = a - y
    assert L.value == pytest.approx(-math.log(a if y else 1 - a), rel=1e-14)
    assert d["da"] == pytest.approx(-y / a + (1 - y) / (1 - a), rel=1e-14)
    assert [d["dz"], d["dw1"], d["dw2"], d["db"]] == pytest.approx([dz, 1 * dz, -2 * dz, dz], rel=1e-14)
    J, dw, db = fastlr.cost_and_gradient([[1, -2]], [y], [0.5, 0.25], 0.1, backend=backend)
    assert [J, *dw, db] == pytest.approx([L.value, d["dw1"], d["dw2"], d["db"]], rel=1e-12)


def test_one_step_of_gradient_descent(backend):
    L = one_example(1)
    model = fastlr.train([[1, -2], [1, -2]], [1, 0], init=([0.5, 0.25], 0.1), learning_rate=0.1, max_iter=1, backend=backend)
    d = [(L.derivatives()[name] + one_example(0).derivatives()[name]) / 2 for name in ("dw1", "dw2", "db")]
    assert [*model.w, model.b] == pytest.approx(np.subtract([0.5, 0.25, 0.1], np.multiply(0.1, d)), rel=1e-14)


@pytest.mark.parametrize(("reduction", "shape", "scale"), [("mean", (1, 1), 1), ("sum", (57, 7), 1), ("mean", (20, 3), 1e4),
                                                           ("sum", (20, 3), 1e-4)])
def test_every_backend_equals_the_graph(backend, reduction, shape, scale):
    X, y, w, b = problem(*shape, scale=scale)
    check = check_gradient(backend, X, y, w, b, reduction=reduction)
    assert check.passed, check
    s, o = weights(shape[0])
    check = check_gradient(backend, X, y, w, b, reduction=reduction, l2=0.7, sample_weight=s, offset=o)
    assert check.passed, check


def test_every_backend_equals_the_graph_at_extreme_margins(backend):
    """Where a rounds to 0 and 1."""
    X, y, w, b = problem(57, 7)
    for size in (40.0, 700.0, 1e4):
        check = check_gradient(backend, X, y, w * size, b)
        assert check.passed, check
        assert np.abs(logistic_cost(X, y, w * size, b).edges[0][0].value).max() > size / 2


def classes(m, n, K):
    """Labels of K classes for `problem(m, n)`, and parameters."""
    rng = np.random.default_rng(2)
    return np.arange(m) % K, rng.standard_normal((K, n)), rng.standard_normal(K)


@pytest.mark.slow
def test_every_backend_equals_the_graph_of_classes(backend):
    K = 3
    X, *_ = problem(4, 2)
    y, w, b = classes(4, 2, K)
    s, o = weights(4)[0], np.random.default_rng(3).standard_normal((4, K))
    for scale, options in ((1.0, {}), (1e4, {"reduction": "sum", "l2": 0.7, "sample_weight": s, "offset": o})):
        check = check_gradient(backend, scale * X, y, w / scale, b, **options)
        assert check.passed, check
    check = check_gradient(backend, X, y, w * 1e4, b)
    assert check.passed, check
    assert check.names[:2] == ("J", "dw0_1")
    assert check.names[-1] == f"db{K - 1}"


@pytest.mark.parametrize("y", [0, 1, 2])
def test_the_loss_of_one_example_of_three_classes(y):
    """-log p_y of the lecture's nodes e^z, their sum and their shares; its derivatives are p - onehot(y)."""
    margins = [0.6, -0.25, 0.2]
    z = [Value(z_k, f"z{k}") for k, z_k in enumerate(margins)]
    p = np.exp(margins) / np.exp(margins).sum()
    assert [p_k.value for p_k in softmax(z)] == pytest.approx(p, rel=1e-15)
    for L in (cross_entropy(z, y), -log(softmax(z)[y])):
        assert L.value == pytest.approx(-math.log(p[y]), rel=1e-14)
        d = L.derivatives()
        assert [d["dz0"], d["dz1"], d["dz2"]] == pytest.approx(p - np.eye(3)[y], rel=1e-13)
    log_p = log(softmax(z)[0]).derivatives()
    assert [log_p["dz1"], log_p["dz2"]] == pytest.approx(-p[1:], rel=1e-14)


def test_the_loss_of_classes_keeps_its_digits():
    """Where p_y rounds to 1, and where e^z overflows; of two classes it is that of the difference of their margins."""
    tiny = math.exp(-40.0)
    for z, loss, dz1 in (([0.0, -40.0, -40.0], 2 * tiny, tiny), ([-1e4, 0.0, 0.0], 1e4 + math.log(2.0), 0.5),
                         ([1e4, 0.0, 1.0], 0.0, 0.0)):
        L = cross_entropy([Value(z_k, f"z{k}") for k, z_k in enumerate(z)], 0)
        assert [L.value, L.derivatives()["dz1"]] == pytest.approx([loss, dz1], rel=1e-14)
    margins = Value([0.3, -0.7], "z0"), Value([1.0, 50.0], "z1")
    assert cross_entropy(margins, [0, 1]).value == pytest.approx(log_loss(margins[1] - margins[0], [0, 1]).value, rel=1e-15)


def test_a_flipped_sign_is_found(monkeypatch):
    from fastlr.backends import numpy_vectorized

    def flipped(X, y, sample_weight, offset, theta, grad):
        J = right(X, y, sample_weight, offset, theta, grad)
        grad[1] *= -1.0
        return J

    right = numpy_vectorized.cost_gradient
    assert check_gradient("numpy").passed
    monkeypatch.setattr(backends.load("numpy"), "cost_gradient", flipped)
    check = check_gradient("numpy")
    assert not check.passed
    assert check.error > 0.1
    assert str(check).splitlines()[-1] == "FAILED"


def test_a_wrong_graph_is_found(monkeypatch):
    """By the differences, although the kernel be wrong in the same way."""
    from fastlr.graph import value

    right = value._OPERATIONS["sigmoid"]
    monkeypatch.setitem(value._OPERATIONS, "sigmoid", lambda z: (right(z)[0], 1.001 * right(z)[1]))
    check = check_gradient("numpy")
    alike = type(check)(check.backend, check.names, check.graph, check.differences, check.graph, check.scale, check.noise)
    assert alike.error == 0.0
    assert not alike.passed


OPERATIONS = [
    (lambda p, q: p + q, 2.0, 3.0), (lambda p, q: p - q, 2.0, 3.0), (lambda p, q: p * q, 2.0, -3.0),
    (lambda p, q: p / q, 2.0, -3.0),
    (lambda p, q: p ** q, 2.0, -1.5), (lambda p, q: -p * 2 - q, 2.0, 3.0), (lambda p, q: exp(p) * log(q), 0.3, 4.0),
    (lambda p, q: sigmoid(p) + softplus(q), -2.0, 1.0), (lambda p, q: 2 / p + 3 ** q + (1 - p) + (5 + q), 2.0, 0.5),
    (lambda p, q: (p + 0 * q).exp() + (q + 0 * p).log() + (p * q).sigmoid() * (q / p).softplus(), 0.5, 0.4),
    (lambda p, q: p ** 3 * q ** -2, -1.5, -0.5),
    (lambda p, q: p ** 0 + q ** 1, 2.0, 0.0),
]


@pytest.mark.parametrize("i", range(len(OPERATIONS)))
def test_every_operation_against_differences(i):
    f, p, q = OPERATIONS[i]
    d = f(Value(p, "p"), Value(q, "q")).derivatives()
    h = 1e-6
    assert d["dp"] == pytest.approx((f(Value(p + h), q).value - f(Value(p - h), q).value) / (2 * h), rel=1e-8, abs=1e-9)
    assert d["dq"] == pytest.approx((f(p, Value(q + h)).value - f(p, Value(q - h)).value) / (2 * h), rel=1e-8, abs=1e-9)

    arrays = f(Value([p, p], "p"), Value(q, "q")).sum().derivatives()
    assert arrays["dp"] == pytest.approx([d["dp"]] * 2, rel=1e-14)
    assert arrays["dq"] == pytest.approx(2 * d["dq"], rel=1e-14)


def test_numpy_leaves_its_operators_and_functions_to_values():
    p = Value(2.0, "p")
    assert (np.array([1.0, 3.0]) * p).value.tolist() == [2.0, 6.0]
    assert (np.float64(3.0) - p).derivatives() == {"dp": -1.0}
    assert (1 / (1 + np.exp(-p))).derivatives()["dp"] == pytest.approx(sigmoid(p).derivatives()["dp"], rel=1e-15)
    assert np.sum(np.log(Value([1.0, 2.0], "q"))).derivatives()["dq"].tolist() == [1.0, 0.5]


@pytest.mark.parametrize(("left", "right"), [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((1, 3), (3, 2))])
def test_matrix_products_against_differences(left, right):
    """The derivatives of sum(C * (P Q)) are C Q^T and P^T C; differences of a linear function are exact up to rounding."""
    rng = np.random.default_rng(0)
    P, Q = rng.standard_normal(left), rng.standard_normal(right)
    C = rng.standard_normal(np.shape(P @ Q))

    def cost(P, Q):
        return (C * (P @ Q)).sum()

    d = cost(Value(P, "P"), Value(Q, "Q")).derivatives()
    for found, A, J in ((d["dP"], P, lambda A: cost(Value(A), Q)), (d["dQ"], Q, lambda A: cost(P, Value(A)))):
        steps = np.eye(A.size).reshape(A.size, *A.shape)
        assert found.ravel() == pytest.approx([J(A + step).value - J(A).value for step in steps], rel=1e-12, abs=1e-13)


def test_the_lectures_forms_of_products():
    """z = w^T X + b, an example a column; the way back is dw = X (A - Y)^T / m."""
    X, Y = np.array([[1.0, -2.0, -1.0], [3.0, 0.5, -3.2]]), np.array([[1.0, 1.0, 0.0]])
    w, b = Value([[1.0], [2.0]], "w"), Value(1.5, "b")
    A = sigmoid((w.T @ X + b).named("Z")).named("A")
    J = (-(Y * log(A) + (1 - Y) * log(1 - A)).sum() / 3).named("J")
    J.backward()
    assert w.grad == pytest.approx(X @ (A.value - Y).T / 3, rel=1e-12)
    assert w.grad.shape == (2, 1)
    assert b.grad == pytest.approx((A.value - Y).sum() / 3, rel=1e-12)
    assert ((A - Y) @ X.T / 3).value == pytest.approx(w.grad.T, rel=1e-12)
    flat = Value([1.0, 2.0], "w")
    assert np.dot(flat, X).value.tolist() == (flat @ X).value.tolist() == [7.0, -1.0, -7.4]
    assert "dJ/dw = dJ/dZ * dZ/dw = [" in J.chain_rule()
    assert "w.T @ " in A.operands[0].formula


def test_shared_sub_expressions_are_summed():
    x = Value(3.0, "x")
    assert (x * x).derivatives() == {"dx": 6.0}
    u = x * x + x
    assert (u * u + u * x).derivatives()["dx"] == 2 * 12 * 7 + 7 * 3 + 12
    for _ in range(60):                                     # 2^60 paths, 60 nodes
        x = x + x
    assert x.derivatives() == {"dx": 2.0 ** 60}


def test_each_sweep_starts_afresh():
    a, b, *_, v, J = lecture()
    for _ in range(2):
        J.backward()
        assert (a.grad, b.grad) == (3, 6)
    v.backward()
    assert (a.grad, b.grad) == (1, 2)
    assert J.derivatives()["db"] == 6


def test_extreme_margins():
    """With a, the loss has no value where a rounds to 1; of z, it always has."""
    tiny = math.exp(-40)
    for z, y, loss, dz in ((1e4, 0, 1e4, 1.0), (-1e4, 1, 1e4, -1.0), (1e4, 1, 0.0, 0.0), (40.0, 1, tiny, -tiny)):
        L = log_loss(Value(z, "z"), y)
        assert [L.value, L.derivatives()["dz"]] == pytest.approx([loss, dz], rel=1e-15)
    with pytest.raises(ValueError, match=r"log\(1 - a\) has no finite value where 1 - a = 0: .* log_loss\(z, y\)"):
        one_example(0, b=40.0)


@pytest.mark.slow
def test_thousands_of_terms():
    """No recursion, forward, backward, or when it is freed; and time in proportion: their number squared would never end."""
    w, x = Value(0.5, "w1"), np.linspace(-2, 2, 1200)
    J = sum(softplus(w * x_i) for x_i in x.tolist())
    vectorized = logistic_cost(x[:, None], np.zeros(1200), [0.5], 0.0, reduction="sum")
    assert J.value == pytest.approx(vectorized.value, rel=1e-12)
    assert J.derivatives()["dw1"] == pytest.approx(vectorized.derivatives()["dw1"], rel=1e-11)
    assert len(J.formula) < 100
    assert "w1" in J.to_dot()
    del J
    gc.collect()


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: log(Value(0.0, "a")), ValueError, r"log\(a\) has no finite value where a = 0: log needs a positive number"),
    (lambda: log(Value([1.0, -2.0], "a")), ValueError, r"where a\[1\] = -2: log needs"),
    (lambda: 1 / Value(0, "q"), ValueError, r"1 / q has no finite value where q = 0: the divisor must not be 0"),
    (lambda: exp(Value(1000, "p")), ValueError, r"exp\(p\) has no finite value where p = 1000"),
    (lambda: Value(0, "p") ** 0.5, ValueError, r"p \*\* 0.5 has no finite derivative where p = 0"),
    (lambda: Value(-1, "p") ** 0.5, ValueError, r"p \*\* 0.5 has no finite value where p = -1"),
    (lambda: Value([1, 2], "p") + [1, 2, 3], ValueError, r"different shapes, \(2,\) and \(3,\)"),
    (lambda: np.dot(Value([1, 2], "w"), [1, 2, 3]), ValueError, r"w @ \[1, 2, 3\] is of shapes \(2,\) and \(3,\); a "),
    (lambda: Value([1, 2], "w") @ 3.0, ValueError, r"numbers are multiplied by \*"),
    (lambda: np.sin(Value(1)), TypeError, r"a Value does not support np.sin; it supports np.add, "),
    (lambda: np.sum(Value([1, 2]), axis=0), TypeError, r"a Value does not support np.sum, axis=0; "),
    (lambda: Value([1, 2], "p").backward(), ValueError, r"derivatives are of one number, and p has shape \(2,\); take its"),
    (lambda: (Value(1, "p") + Value(2, "p")).derivatives(), ValueError, r"two Values are named 'p'"),
    (lambda: log_loss(Value(1), 0.5), ValueError, r"y must be 0 or 1, not 0.5"),
    (lambda: cross_entropy([Value(1), Value(2)], 2), ValueError, r"y must be a class from 0 to 1, as there are 2 margins, not 2"),
    (lambda: Value("three"), TypeError, r"real numbers, not 'three'"),
    (lambda: Value(1j), TypeError, r"real numbers, not 1j"),
    (lambda: Value(math.nan), ValueError, r"finite numbers, not nan"),
    (lambda: Value(Value(1) + 2), TypeError, r"a result gets its name from named\(\)"),
    (lambda: Value(1, 2), TypeError, r"name must be text, not 2"),
    (lambda: check_gradient("fussed"), ValueError, r"backend='fussed' is unknown"),
])
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_values_do_not_change():
    data = np.array([1.0, 2.0])
    p = Value(data, "p")
    data[0] = 7.0
    assert p.value.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        p.value[0] = 7.0
    with pytest.raises(AttributeError):
        p.value = 7.0


def test_formulas():
    p, q, r = Value(1, "p"), Value(2, "q"), Value(3, "r")
    for value, formula in ((p - (q - r), "p - (q - r)"), (p - q - r, "p - q - r"), (p / (q * r), "p / (q * r)"),
                           ((p + q) * r, "(p + q) * r"),
                           (-(p + q), "-(p + q)"), ((-p) ** 2, "(-p) ** 2"), (p * -3, "p * (-3)"), (exp(p + q), "exp(p + q)"),
                           ((p ** q) ** r, "(p ** q) ** r")):
        assert value.formula == formula
    assert repr(Value(5)) == "5"
    assert repr((p + q).named("u")) == "u = p + q = 3"


def test_dot():
    J = lecture()[-1]
    dot = J.to_dot()
    for text in ("v = a + u", ">11<", "db = 6", "du/dc = 3", "dJ/dv = 3"):
        assert text in dot
    assert dot.count("->") == 10
    forward = J.to_dot(backward=False)
    assert "db" not in forward
    assert forward.count("->") == 5
    assert "&lt;&amp;" in Value(1, "<&").to_dot()
    assert r'd\"/d\"' not in forward
    z = logistic_cost(*problem(5, 2)).to_dot()
    assert "dz = [" in z


def test_steps_without_a_name_are_drawn_as_u1_u2():
    a, b, c = Value(5, "a"), Value(3, "b"), Value(2, "u1")
    J = 3 * (a + b * c)
    for text in ("u2 = b * u1", "u3 = a + u2", "J = 3 * u3", "du2/db = 2", "du1 = 9"):
        assert text in J.to_dot()
    assert J.chain_rule().splitlines()[-1] == "dJ/du1 = dJ/du2 * du2/du1 = 3 * 3 = 9"
    assert (a + (b * c).named("u")).to_dot().count("->") == 8           # one name is a choice: other steps are in formulas


def test_the_cost_has_the_lectures_a_and_dz():
    X, y, w, b = problem(5, 2)
    J = logistic_cost(X, y, w, b, reduction="sum")
    d = J.derivatives()
    a = 1 / (1 + np.exp(-(X @ w + b)))
    assert d["dz"] == pytest.approx(a - y, rel=1e-12)
    assert d["da"] == pytest.approx(-y / a + (1 - y) / (1 - a), rel=1e-10)
    assert J.chain_rule().splitlines()[1].startswith("dJ/da = dJ/dL * dL/da = [1, 1, 1, ...] * [")
    assert "da" not in logistic_cost(X, y, 1e4 * w, b).derivatives()


@pytest.mark.slow
def test_notebooks_show_a_drawing_or_the_text(monkeypatch):
    import graphviz

    J = lecture()[-1]
    if subprocess.run(["which", "dot"], capture_output=True, check=False).returncode == 0:
        svg = J._repr_svg_()
        assert svg.count("<svg") == 1
        for text in ("v = a + u", "du/dc = 3", "#1c5aa6", "#c0281c"):
            assert text in svg
        assert "<svg" in Value([1, 2], "p")._repr_svg_()
    many = sum(Value(i, f"x{i}") for i in range(200))
    assert many._repr_svg_() is None                        # too large to look at
    monkeypatch.setattr(graphviz.Source, "pipe", lambda *a, **k: (_ for _ in ()).throw(graphviz.ExecutableNotFound(["dot"])))
    assert J._repr_svg_() is None
    monkeypatch.setitem(__import__("sys").modules, "graphviz", None)
    assert J._repr_svg_() is None
    with pytest.raises(ImportError, match=r"pip install graphviz$"):
        J.draw()
