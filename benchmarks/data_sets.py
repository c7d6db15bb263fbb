"""The data sets of `benchmarks.peers`: public ones from the folder that FASTLR_DATA names, toys, and made ones."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from . import problem


def _toys(name: str) -> Callable:
    def data():
        from sklearn import datasets

        return getattr(datasets, f"load_{name}")(return_X_y=True)
    return data


def _sklearns(name: str) -> Callable:
    def data():
        X, y = _toys(name)()
        return X, y % 2
    return data


def _path(name: str) -> Path:
    path = Path(os.environ.get("FASTLR_DATA", "")) / name
    if not path.is_file():
        raise FileNotFoundError(f"FASTLR_DATA has no {name}")
    return path


def present(cases: dict[str, Callable], names) -> Iterator[tuple]:
    """The name, X and y of each case whose data are there."""
    from tqdm import tqdm

    for name in names:
        try:
            X, y = cases[name]()
        except FileNotFoundError as error:
            tqdm.write(f"{name} is left out: {error}", file=sys.stderr)
        else:
            yield name, X, y


def stored_in(name: str, dtype: str = "float64") -> Callable:
    """The data set in a file of FASTLR_DATA: .npz with X, or with the parts of a CSR matrix, and y; or svmlight."""
    def data():
        path = _path(name)
        if path.suffix != ".npz":
            from sklearn.datasets import load_svmlight_file

            X, y = load_svmlight_file(str(path))
        else:
            import scipy.sparse

            stored = np.load(path)
            parts = [stored[key] for key in ("data", "indices", "indptr") if key in stored]
            X = scipy.sparse.csr_matrix(tuple(parts), shape=tuple(stored["shape"])) if parts else stored["X"]
            y = stored["y"]
        y = y % 2 if "mnist" in name else y == 2 if "covtype" in name else y == y.max() if len(set(y)) == 2 else y <= np.median(y)
        order = np.random.default_rng(7).permutation(X.shape[0])            # some files are sorted by class
        X = X[order].astype(dtype)
        return X / X.dtype.type(255) if "mnist" in name else X, y[order]
    return data


def _normal(m: int, n: int, decades: float = 0.0) -> Callable:
    def data():
        X, y = problem(m, n)
        X *= np.logspace(-decades / 2, decades / 2, n)
        return X, y
    return data


def _correlated():
    """500 x 5000: each column is correlated by a half with the one before, and fifty of them tell something about y."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 5000))
    for j in range(1, 5000):
        X[:, j] = 0.5 * X[:, j - 1] + 0.75 ** 0.5 * X[:, j]
    w = np.zeros(5000)
    w[rng.choice(5000, 50, replace=False)] = rng.standard_normal(50)
    return X, X @ w + 2.0 * rng.logistic(size=500) > 0


def _labels_as_they_are(load: Callable, is_standardized: bool = False) -> Callable:
    def data():
        X, y = load()
        y = np.unique(y, return_inverse=True)[1]
        if is_standardized:
            deviation = X.std(axis=0)
            X = (X - X.mean(axis=0))[:, deviation > 0.0] / deviation[deviation > 0.0]
        return np.ascontiguousarray(X, np.float64), y
    return data


def _stored(name: str, rows: int | None = None, scale: float = 1.0) -> Callable:
    def load():
        data = np.load(_path(name))
        order = np.random.default_rng(7).permutation(len(data["y"]))[:rows]
        return data["X"][order] / scale, data["y"][order]
    return load


def _made(m: int, n: int, classes: int) -> Callable:
    def load():
        rng = np.random.default_rng(1)
        X = (rng.normal(size=(m, n)) + 0.3 * rng.normal(size=(m, 1))) * np.exp(rng.normal(size=n) / 2)
        W = 3.0 * rng.normal(size=(classes, n)) / np.sqrt(n) / X.std(axis=0)
        return X, (X @ W.T + rng.gumbel(size=(m, classes))).argmax(axis=1)
    return load


CASES = {
    "breast cancer": _sklearns("breast_cancer"),
    "digits, odd or even": _sklearns("digits"),
    "higgs": stored_in("dense/higgs7k_train.npz"),
    "cover type": stored_in("dense/covtype20k.npz"),
    "adult, one-hot": stored_in("dense/adult_mixed_onehot_train.npz"),
    "ijcnn1": stored_in("libsvm/ijcnn1.trn.bz2"),
    "skin": stored_in("dense/skin_nonskin.npz"),
    "MNIST, odd or even": stored_in("dense/mnist_63k.npz"),
    "the same as float32": stored_in("dense/mnist_63k.npz", "float32"),
    "normal columns": _normal(100000, 20),
    "normal columns, long": _normal(1000000, 10),
    "normal columns, large": _normal(300000, 100),
    "over three decades of scale": _normal(300000, 100, 3.0),
    "normal columns, wide": _normal(50000, 500),
    "normal columns, wider": _normal(20000, 2000),
    "fewer rows than columns": _normal(2000, 5000),
    "a9a, sparse": stored_in("libsvm/a9a.svm"),
    "w8a, sparse": stored_in("libsvm/w8a.svm"),
    "reuters, sparse": stored_in("sparse/reuters.trn.bz2"),
    "airlines, one-hot, sparse": stored_in("sparse/airlines44k_onehot.npz"),
}
L1_CASES = {"colon": stored_in("dense/colon.npz"), "splice": stored_in("dense/splice_scale.npz"),
            "arcene": stored_in("dense/arcene.npz"),
            "correlated columns": _correlated, "PCMAC, sparse": stored_in("sparse/PCMAC.npz"),
            "a9a, sparse": stored_in("libsvm/a9a.svm"), "w8a, sparse": stored_in("libsvm/w8a.svm")}
CLASS_CASES = {"iris": _labels_as_they_are(_toys("iris")), "wine": _labels_as_they_are(_toys("wine")),
               "digits": _labels_as_they_are(_toys("digits")), "digits, standardized": _labels_as_they_are(_toys("digits"), True),
               "lgb_multiclass5": _labels_as_they_are(_stored("dense/lgb_multiclass5_train.npz")),
               "cover type": _labels_as_they_are(_stored("dense/covtype20k.npz")),
               "cover type, standardized": _labels_as_they_are(_stored("dense/covtype20k.npz"), True),
               "made": _labels_as_they_are(_made(5000, 50, 100)),
               "made, of few classes": _labels_as_they_are(_made(100000, 50, 5)),
               "MNIST, 12600 rows": _labels_as_they_are(_stored("dense/mnist_63k.npz", 12600, 255.0))}
