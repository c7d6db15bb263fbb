"""Data sets on which inference is held against statsmodels, and its model of them."""

import functools

import numpy as np
import pandas as pd

from tests.test_published import table


@functools.cache
def data_set(name):
    """A frame of columns, labels, counts of examples, and two ways of grouping."""
    if name == "cancer":
        from sklearn.datasets import load_breast_cancer

        loaded = load_breast_cancer(as_frame=True)
        X, y = loaded.data.iloc[:, [1, 4, 8, 11, 18]], loaded.target
    else:
        import statsmodels.api as sm

        loaded = getattr(sm.datasets, name).load_pandas()
        X, y = loaded.exog, loaded.endog > 0
        if name == "fair":
            X, y = X.iloc[::4, :5].assign(third=np.arange(len(X.iloc[::4])) % 3 == 0).astype(float), y[::4]
    rng = np.random.default_rng(len(X))
    m = len(X)
    return (pd.DataFrame(X).reset_index(drop=True), np.asarray(y, np.int8), rng.integers(1, 4, m).astype(float),
            rng.integers(0, 9, m), rng.integers(0, 7, m))


def logit(X, y, s=None):
    """statsmodels' Logit of the columns and a constant behind them, each row as often as its weight says."""
    import statsmodels.api as sm

    Z = np.column_stack([np.asarray(X, float), np.ones(len(X))])
    s = np.ones(len(y), int) if s is None else s.astype(int)
    return sm.Logit(np.repeat(y, s), np.repeat(Z, s, axis=0)).fit(disp=0, method="newton", tol=1e-11, maxiter=100)


def glm(Z, y, **options):
    """statsmodels' generalized linear model of the binomial family, to its own optimum."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    return GLM(y, Z, family=Binomial(), **options).fit(tol=1e-15, maxiter=200)


def published(name, folder):
    """X and labels 0 and 1 of a data set that results are printed for."""
    if name == "spector":
        data = np.loadtxt(folder / "sm_spector.csv", skiprows=1)
        return data[:, 1:4], data[:, 4]
    if name == "admissions":
        y, gre, gpa, rank = table(folder / "ucla_binary_fixed.csv", ["admit", "gre", "gpa", "rank"])
        return np.column_stack([gre, gpa, rank == 2, rank == 3, rank == 4]), y
    if name == "diabetes":
        *columns, kind = table(folder / "R_MASS_Pima.tr.csv", ["npreg", "glu", "bp", "skin", "bmi", "ped", "age", "type"])
        return np.column_stack(columns), (kind == "Yes") * 1.0
    y, balance, income = table(folder / "R_ISLR_Default.csv", ["default", "balance", "income"])
    return np.column_stack([balance, income]), (y == "Yes") * 1.0


each_data_set = "name", ["spector", "fair", "cancer", "anes96"]
