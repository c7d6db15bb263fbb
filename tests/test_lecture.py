"""The course's published numbers, on every backend."""

import numpy as np
import pytest

import fastlr

UNIT_X = np.array([[1.0, -2.0, -1.0], [3.0, 0.5, -3.2]])        # (n, m): the course's own layout
CAT_COSTS = [.693147, .584508, .466949, .376007, .331463, .303273, .279880, .260042, .242941, .228004,
             .214820, .203078, .192544, .183033, .174399, .166521, .159305, .152667, .146542, .140872]
CAT_STEPS = {"numpy": 101, "loop": 11, "parallel": 11, "fused": 2000}       # without "python", which takes two seconds a step


def test_unit_case_cost_and_gradient(backend):
    J, dw, db = fastlr.cost_and_gradient(UNIT_X.T, [1, 1, 0], [1, 2], 1.5, backend=backend)
    assert J == pytest.approx(0.15900537707692405, rel=1e-13)
    assert dw == pytest.approx([0.25071532, -0.06604096], abs=5e-9)
    assert db == pytest.approx(-0.12500404500439652, rel=1e-13)


def test_unit_case_a_hundred_steps(backend):
    model = fastlr.train(UNIT_X.T, [1, 1, 0], init=([1, 2], 1.5), learning_rate=0.009, max_iter=100, backend=backend)
    assert model.w == pytest.approx([0.80956046, 2.0508202], abs=5e-8)
    assert model.b == pytest.approx(1.5948713189708588, rel=1e-12)
    assert model.n_iter == 100
    assert model.costs[0] == pytest.approx(0.15900537707692405, rel=1e-13)


def test_lecture_loop_step_for_step(backend):
    """The notes' own algorithm, written out: J, dw1, dw2, db over all examples, then one update."""
    X, y, (w1, w2), b, alpha = UNIT_X, [1, 1, 0], (1.0, 2.0), 1.5, 0.1
    costs = []
    for _ in range(5):
        J = dw1 = dw2 = db = 0.0
        for i in range(3):
            z = w1 * X[0, i] + w2 * X[1, i] + b
            a = 1 / (1 + np.exp(-z))
            J += -(y[i] * np.log(a) + (1 - y[i]) * np.log(1 - a))
            dz = a - y[i]
            dw1, dw2, db = dw1 + X[0, i] * dz, dw2 + X[1, i] * dz, db + dz
        costs.append(J / 3)
        w1, w2, b = w1 - alpha * dw1 / 3, w2 - alpha * dw2 / 3, b - alpha * db / 3
    model = fastlr.train(X.T, y, init=([1, 2], 1.5), learning_rate=alpha, max_iter=5, backend=backend)
    assert model.costs == pytest.approx(costs, rel=1e-12)
    assert [*model.w, model.b] == pytest.approx([w1, w2, b], rel=1e-13)


@pytest.fixture(scope="module")
def cats(shared_data):
    """Training and test images as rows in [0, 1], 1 = cat."""
    z = np.load(shared_data / "course" / "catvnoncat.npz")
    return (z["X_train"].reshape(209, -1) / 255, z["y_train"].ravel(), z["X_test"].reshape(50, -1) / 255, z["y_test"].ravel())


@pytest.fixture(scope="module")
def cat_oracle(cats):
    """w and the costs after the two thousand steps of the lecture's NumPy program, written out here.

    From zeros w stays a combination X v of the images, and v is a sixtieth of its size.
    """
    X, y = cats[0].T, cats[1]                                   # (n, m), as in the lecture
    G = X.T @ X
    v, b, m, costs = np.zeros(209), 0.0, 209, []
    for _ in range(2000):
        A = 1 / (1 + np.exp(-(v @ G + b)))
        costs.append(-np.mean(y * np.log(A) + (1 - y) * np.log(1 - A)))
        dZ = A - y
        v, b = v - 0.005 * dZ / m, b - 0.005 * np.sum(dZ) / m
    return X @ v, np.array(costs)


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "steps"), CAT_STEPS.items())
def test_cats(kernel, steps, cats, cat_oracle):
    X, y, X_test, y_test = cats
    w, costs = cat_oracle
    model = fastlr.train(X, y, learning_rate=0.005, max_iter=steps, backend=kernel)
    np.testing.assert_allclose(model.costs, costs[:steps], rtol=1e-9)
    printed = CAT_COSTS[:(steps + 99) // 100]
    np.testing.assert_allclose(model.costs[::100], printed, rtol=0, atol=5.1e-7)            # all the printed digits
    if steps == 2000:
        assert np.count_nonzero(np.diff(np.append(model.costs, model.cost)) > 0) >= 150     # it rises at first, and recovers
        assert np.linalg.norm(model.w - w) <= 1e-10
        assert model.b == pytest.approx(-0.0159062440, abs=5e-11)
        assert 100 * model.score(X, y) == pytest.approx(99.04306220095694, abs=1e-12)
        assert 100 * model.score(X_test, y_test) == pytest.approx(70.0, abs=1e-12)


def test_exam_scores(backend, shared_data):
    """ex2data1: cost and gradient at zero and at the optimum, probability and accuracy."""
    data = np.loadtxt(shared_data / "course" / "ex2data1.txt", delimiter=",")
    X, y = data[:, :2], data[:, 2]
    J, dw, db = fastlr.cost_and_gradient(X, y, [0, 0], 0, backend=backend)
    assert J == pytest.approx(0.693147, abs=5e-7)
    assert [db, *dw] == pytest.approx([-0.1, -12.00921659, -11.26284221], abs=5e-9)

    b, *w = -25.16133357, 0.20623171, 0.2014716
    J, dw, db = fastlr.cost_and_gradient(X, y, w, b, backend=backend)
    assert J == pytest.approx(0.203497701589, abs=2e-10)
    assert np.abs([db, *dw]).max() < 1e-4
    model = fastlr.train(X, y, init=(w, b), learning_rate=1e-6, max_iter=1, backend=backend)
    assert model.predict_proba([[45, 85]])[0, 1] == pytest.approx(0.776291, abs=1e-6)
    assert model.score(X, y) == 0.89


def microchips(shared_data):
    """ex2data2 mapped to all monomials up to degree six, without the constant: 118 x 27."""
    data = np.loadtxt(shared_data / "course" / "ex2data2.txt", delimiter=",")
    u, v = data[:, 0], data[:, 1]
    return np.column_stack([u ** (i - j) * v ** j for i in range(1, 7) for j in range(i + 1)]), data[:, 2]


def test_microchips(backend, shared_data):
    """ex2data2 with the course's penalty lambda/(2m) ||w||^2: l2 = lambda / m."""
    X, y = microchips(shared_data)
    J, _, _ = fastlr.cost_and_gradient(X, y, np.ones(27), 1.0, l2=10 / 118, backend=backend)
    assert J == pytest.approx(3.164509, abs=5e-7)


@pytest.mark.parametrize(("penalty", "J", "accuracy"), [(1, 0.529002729713, 83.05), (100, 0.686483833873, 61.02)])
def test_microchips_optimum(compiled, shared_data, penalty, J, accuracy):
    X, y = microchips(shared_data)
    model = fastlr.train(X, y, l2=penalty / 118, tol=1e-9, backend=compiled)
    assert model.converged
    assert model.cost == pytest.approx(J, abs=1e-12)
    assert 100 * model.score(X, y) == pytest.approx(accuracy, abs=0.005)


def test_spector_optimum(backend, shared_data):
    """Log-likelihood and gradient at the maximum-likelihood estimate for Spector and Mazzeo's data."""
    data = np.loadtxt(shared_data / "oracles" / "sm_spector.csv", skiprows=1)
    X, y = data[:, 1:4], data[:, 4]
    w, b = [2.82611259489, .0951576613179, 2.37868765509], -13.0213468581
    J, dw, db = fastlr.cost_and_gradient(X, y, w, b, reduction="sum", backend=backend)
    assert pytest.approx(-12.8896342221314, abs=1e-12) == -J
    assert np.abs([*dw, db]).max() < 1e-7
