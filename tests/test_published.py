"""Numbers printed by Stata, R and the course, from train(X, y) on the columns as they are, to the last correct digit."""

import csv
from pathlib import Path

import numpy as np
import pytest

import fastlr

pytestmark = pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])


def table(path, names):
    """The named columns of a CSV file as arrays of numbers, or of text where they hold text."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [[row[name] for row in rows] for name in names]
    return [np.array(column) if column[0][0].isalpha() else np.array(column, float) for column in columns]


def parameters(model):
    """The intercept first, as Stata and R print them."""
    return np.append(model.b, model.w)


def deviance(model, y):
    return 2 * len(y) * model.cost


def null_deviance(y, solver):
    """Of the intercept alone: the only feature is constant."""
    return deviance(fastlr.train(np.ones((len(y), 1)), y, solver=solver, tol=1e-10), y)


def test_spector(solver, shared_data):
    """Stata's estimates, right to 1e-6, and the optimum itself."""
    data = np.loadtxt(shared_data / "oracles" / "sm_spector.csv", skiprows=1)
    X, y = data[:, 1:4], data[:, 4]
    model = fastlr.train(X, y, solver=solver, tol=1e-12)
    assert model.converged
    assert parameters(model) == pytest.approx([-13.0213483201, 2.82611297201, .0951576702557, 2.37868772835], rel=1e-6)
    assert model.b == pytest.approx(-13.0213468581, abs=6e-11)
    assert model.w == pytest.approx([2.82611259489, .0951576613179, 2.37868765509], rel=6e-12)
    assert len(y) * model.cost == pytest.approx(12.8896342221314, abs=5e-13)
    assert model.summary().standard_error == pytest.approx([4.93132462871, 1.26294114526, .141554207662, 1.06456430165], rel=1e-6)

    model = fastlr.train(X, y, solver=solver)
    assert model.converged
    assert parameters(model) == pytest.approx([-13.0213468581, 2.82611259489, .0951576613179, 2.37868765509], rel=1e-6)
    assert len(y) * model.cost == pytest.approx(12.8896342221314, abs=1e-12)


def test_admissions(solver, shared_data):
    """admit ~ gre + gpa + factor(rank) in R, rank 1 the base."""
    y, gre, gpa, rank = table(shared_data / "oracles" / "ucla_binary_fixed.csv", ["admit", "gre", "gpa", "rank"])
    X = np.column_stack([gre, gpa, rank == 2, rank == 3, rank == 4])
    model = fastlr.train(X, y, solver=solver, tol=1e-10)
    assert model.converged
    assert parameters(model) == pytest.approx([-3.989979, .002264, .804038, -.675443, -1.340204, -1.551464], abs=5e-7)
    assert deviance(model, y) == pytest.approx(458.52, abs=5e-3)
    assert deviance(model, y) + 2 * 6 == pytest.approx(470.52, abs=5e-3)        # AIC
    assert null_deviance(y, solver) == pytest.approx(499.98, abs=5e-3)
    summary = model.summary()
    assert summary.standard_error == pytest.approx([1.139951, .001094, .331819, .316490, .345306, .417832], abs=5e-7)
    assert summary.z == pytest.approx([-3.500, 2.070, 2.423, -2.134, -3.881, -3.713], abs=5e-4)
    assert summary.p_value == pytest.approx([.000465, .038465, .015388, .032829, .000104, .000205], abs=5e-7)
    text = str(summary)
    assert "499.98 on 399 degrees" in text and "458.52 on 394 degrees" in text and "470.52" in text


def test_diabetes(solver, shared_data):
    """type ~ . on Pima.tr of MASS in R."""
    names = ["npreg", "glu", "bp", "skin", "bmi", "ped", "age", "type"]
    *columns, kind = table(shared_data / "oracles" / "R_MASS_Pima.tr.csv", names)
    model = fastlr.train(np.column_stack(columns), kind, solver=solver, tol=1e-10)
    assert model.converged
    assert model.classes.tolist() == ["No", "Yes"]
    assert model.b == pytest.approx(-9.773061533, rel=1e-8)
    assert model.w[:2] == pytest.approx([.103183427, .032116823], abs=5e-10)
    assert deviance(model, kind) == pytest.approx(178.4, abs=.05)
    assert null_deviance(kind, solver) == pytest.approx(256.4, abs=.05)


def test_default(solver, shared_data):
    """default ~ balance, ~ student and ~ balance + income + student of ISLR in R: one label in thirty, no column scaled."""
    names = ["default", "student", "balance", "income"]
    y, student, balance, income = table(shared_data / "oracles" / "R_ISLR_Default.csv", names)
    student = (student == "Yes").astype(float)

    model = fastlr.train(balance[:, None], y, solver=solver, tol=1e-10)
    assert model.converged
    assert model.b == pytest.approx(-10.65133, abs=5e-6)
    assert model.w == pytest.approx([.005498917], abs=5e-10)
    assert deviance(model, y) == pytest.approx(1596.5, abs=.05)
    assert null_deviance(y, solver) == pytest.approx(2920.6, abs=.05)
    summary = model.summary()
    assert summary.standard_error == pytest.approx([.3612, .0002204], abs=5e-5)
    assert summary.standard_error[1] == pytest.approx(.0002204, abs=5e-8)

    model = fastlr.train(student[:, None], y, solver=solver, tol=1e-10)
    assert parameters(model) == pytest.approx([-3.50413, .40489], abs=5e-6)
    assert deviance(model, y) == pytest.approx(2908.7, abs=.05)

    model = fastlr.train(np.column_stack([balance, income, student]), y, solver=solver, tol=1e-10)
    assert model.b == pytest.approx(-10.869, abs=5e-4)
    assert model.w * [1e3, 1e6, 10] == pytest.approx([5.737, 3.033, -6.468], abs=5e-4)
    assert deviance(model, y) == pytest.approx(1571.5, abs=.05)


def test_exam_scores(solver, shared_data):
    data = np.loadtxt(shared_data / "course" / "ex2data1.txt", delimiter=",")
    X, y = data[:, :2], data[:, 2]
    model = fastlr.train(X, y, solver=solver, tol=1e-10)
    assert model.converged
    assert model.cost == pytest.approx(0.203497701589, abs=5e-13)
    assert parameters(model) == pytest.approx([-25.16133357, 0.20623171, 0.2014716], abs=6e-9)
    assert model.predict_proba([[45, 85]])[0, 1] == pytest.approx(0.776291, abs=5e-7)
    assert model.score(X, y) == 0.89


@pytest.mark.parametrize(("penalty", "J", "accuracy"), [(1, 0.529002729713, 83.05), (100, 0.686483833873, 61.02)])
def test_microchips(solver, shared_data, penalty, J, accuracy):
    """The map to 28 monomials; the course's penalty is lambda/(2m) ||w||^2, so that l2 = lambda / m."""
    data = np.loadtxt(shared_data / "course" / "ex2data2.txt", delimiter=",")
    u, v, y = data.T
    X = np.column_stack([u ** (i - j) * v ** j for i in range(1, 7) for j in range(i + 1)])     # without the constant
    assert X.shape == (118, 27)
    model = fastlr.train(X, y, l2=penalty / 118, solver=solver, tol=1e-10)
    assert model.converged
    assert model.cost == pytest.approx(J, abs=5e-13)
    assert 100 * model.score(X, y) == pytest.approx(accuracy, abs=5e-3)


def test_clustered(solver):
    """gee(Y ~ X1 + X2 + X3, id=Id, family=binomial, corstr="independence") of R's gee, which has no factor for few groups."""
    tests = pytest.importorskip("statsmodels.genmod.tests.results")
    group, y, *X = np.loadtxt(Path(tests.__file__).parent / "gee_logistic_1.csv", delimiter=",", unpack=True)
    model, (N, G, k) = fastlr.train(np.transpose(X), y, solver=solver, tol=1e-12), (405, 100, 4)
    assert parameters(model) == pytest.approx(
        [.0167272965285882, 1.13038654425893, -1.86896345082962, 1.09397608331333], rel=1e-10)
    without_factor = np.sqrt((G - 1) / G * (N - k) / (N - 1))
    assert without_factor * model.summary(covariance=("cluster", group)).standard_error == pytest.approx(
        [.127291720283049, .166725808326067, .192430061340865, .173141068839597], rel=1e-11)
