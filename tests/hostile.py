"""A generator of hostile input: each case is a call of fastlr, with the clean numbers in it where they are known."""

import collections
import datetime
import decimal
import enum
import fractions
import os
import tempfile
import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse


class Case(NamedTuple):
    """A call, and what is known of it."""

    function: str                   # "train", "cost_and_gradient", or a method of a model
    arguments: dict[str, Any]
    X: np.ndarray | None            # the numbers in X as float64; None where it can't be a matrix of finite numbers
    labels: list[Any] | None        # those in y
    vectors: dict[str, np.ndarray]  # sample_weight and offset as float64, where they were well made


class Colour(enum.IntEnum):
    """Numbers with a name."""

    RED = 0
    BLUE = 1


class OnlyArray:
    """What has `__array__` and nothing else."""

    def __init__(self, A):
        self.A = A

    def __array__(self, dtype=None, copy=None):
        if isinstance(self.A, Exception):
            raise self.A
        return self.A


class Interface:
    """What describes its memory, perhaps wrongly."""

    def __init__(self, A, **change):
        self.A = A
        self.__array_interface__ = A.__array_interface__ | change


class Vague:
    """Neither equal nor unequal to anything, and of no size."""

    def __eq__(self, other):
        raise RuntimeError("don't ask")

    __hash__ = object.__hash__

    def __len__(self):
        raise RuntimeError("don't ask")


class Liar(list):
    """A list that is longer than it says."""

    def __len__(self):
        return 2


class FakeModel:
    """Has w and b."""

    def __init__(self, w, b):
        self.w, self.b = w, b


class Sub(np.ndarray):
    """A subclass of an array."""


_FOLDER = tempfile.TemporaryDirectory(prefix="fastlr-fuzz-")
_FILE = os.path.join(_FOLDER.name, "X")         # one for all cases: maps are small and short-lived


def case(seed: int, index: int) -> Case:
    """The case of a number: the same in every process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _Maker(np.random.default_rng([seed, index])).case()


class _Maker:
    def __init__(self, rng):
        self.rng = rng

    def one_of(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def happens(self, probability):
        return self.rng.random() < probability

    # ---- X ----------------------------------------------------------------------------------------------------------

    def values(self, m, n):
        """(m, n) float64, and whether a gate must let them pass."""
        rng = self.rng
        kind = self.one_of("normal", "normal", "normal", "whole", "whole", "bits", "constant", "huge", "scales", "subnormal",
                           "zeros",
                           "nan", "inf", "too large", "large mean")
        V = rng.standard_normal((m, n))
        if kind == "whole":
            V = rng.integers(-4, 5, (m, n)).astype(float)
        elif kind == "bits":
            V = (V > 0).astype(float)
        elif kind == "constant":
            V[:, :1 + n // 2] = self.one_of(0.1, 1e10, -3.0, 0.0)
        elif kind == "huge":
            V *= 1e148
        elif kind == "scales":
            V *= 10.0 ** rng.uniform(-300, 148, n)
        elif kind == "subnormal":
            V *= 1e-310
        elif kind == "zeros":
            V *= 0.0
        elif kind == "large mean":
            V += 10.0 ** rng.uniform(0, 17)
        elif kind != "normal" and V.size:
            V[rng.integers(m), rng.integers(n)] = {"nan": np.nan, "inf": self.one_of(np.inf, -np.inf), "too large": 1e200}[kind]
        return V

    def laid_out(self, A):
        """The same values in another layout."""
        form = self.one_of("C", "C", "F", "rows", "columns", "backwards", "broadcast", "read-only", "unaligned", "map", "matrix",
                           "masked", "subclass", "window")
        if form == "F":
            A = np.asfortranarray(A)
        elif form == "rows":
            A = np.repeat(A, 2, axis=0)[::2]
        elif form == "columns" and A.ndim > 1:
            A = np.repeat(A, 3, axis=1)[:, ::3]
        elif form == "backwards":
            A = A[::-1].copy()[::-1]
        elif form == "broadcast" and len(A):
            A = np.broadcast_to(A[:1], A.shape)
        elif form == "read-only":
            A = A.copy()
            A.flags.writeable = False
        elif form == "unaligned" and not A.dtype.hasobject and A.nbytes:
            B = np.zeros(A.nbytes + 1, np.uint8)[1:].view(A.dtype).reshape(A.shape)
            B[...] = A
            A = B
        elif form == "map" and not A.dtype.hasobject and A.nbytes:
            B = np.memmap(_FILE, A.dtype, "w+", shape=A.shape)
            B[...] = A
            A = B
        elif form == "matrix" and A.ndim == 2:
            A = A.view(np.matrix)
        elif form == "masked":
            A = np.ma.array(A, mask=self.one_of(np.ma.nomask, np.zeros(A.shape, bool), self.rng.random(A.shape) < 0.05))
        elif form == "subclass":
            A = A.view(Sub)
        elif form == "window" and len(A) and A.ndim == 2:
            A = np.lib.stride_tricks.as_strided(A.copy(), A.shape, (0, A.strides[1]))
        return A

    def matrix(self, m, n):
        """Something for X, and the float64 numbers in it."""
        V = self.values(m, n)
        kind = self.one_of(*["array"] * 12, "list", "tuple", "list of arrays", *["frame"] * 4, *["polars"] * 2, *["arrow"] * 2,
                           "object", "strange")
        if kind == "array":
            dtype = self.one_of("f8", "f8", "f8", "f4", "f4", "f2", "g", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?",
                                ">f8",
                                ">f4", ">i4", ">u2", ">i2", "<f8", "=i2", "O", "c8", "c16", "U8", "S8", "M8[s]", "m8[s]", "V8")
            if dtype[-2:-1] in "iu" and not (np.abs(V) < 100).all():
                V = np.clip(np.nan_to_num(V), 0, 99)
            if dtype == "V8":
                return np.zeros((m, n), self.one_of("V8", [("a", "f8")], [("a", "f8"), ("b", "i4")])), None
            A = self.laid_out(V.astype(dtype) if dtype not in ("M8[s]", "m8[s]") else np.zeros((m, n), dtype))
            return A, self.clean(A)
        if kind == "list":
            return V.tolist(), self.clean(V)
        if kind == "tuple":
            return tuple(map(tuple, V.tolist())), self.clean(V)
        if kind == "list of arrays":
            return [self.one_of(row, row.astype("f4"), list(row)) for row in V], None if not self.all_finite(V) else "unknown"
        if kind == "frame":
            return self.frame(V)
        if kind == "polars":
            return self.polars_frame(V)
        if kind == "arrow":
            return self.arrow_table(V)
        if kind == "object":
            A = V.astype(object)
            if A.size and self.happens(0.7):
                value = self.one_of("tall", "1.5", None, pd.NA, np.nan, 1j, np.complex64(1j), 10 ** 400, True,
                                    decimal.Decimal("1.5"),
                                    fractions.Fraction(1, 3), np.float32(2), [1.0], (1.0,), np.array([1.0]), np.array(2.0), {},
                                    b"1", pd.NaT,
                                    datetime.datetime(2020, 1, 1), np.datetime64("2020"), object(), np.float64(1e300),
                                    Colour.BLUE,
                                    decimal.Decimal("NaN"), decimal.Decimal("sNaN"), np.ma.masked, float, Vague(), "1e5",
                                    np.str_("1"))
                A[self.rng.integers(m), self.rng.integers(n)] = value
                A = self.laid_out(A) if self.happens(0.5) else A
                return A, self.clean_objects(A)
            return A, self.clean(V)
        return self.strange(V), "unknown"

    def all_finite(self, V):
        return bool(V.size and (np.abs(V) <= 1e150).all())

    def clean(self, A):
        """What X must be as float64, or None where it must be refused."""
        if A.dtype.kind not in "biufO" or (isinstance(A, np.ma.MaskedArray) and np.ma.getmaskarray(A).any()):
            return None
        A = np.array(A, dtype=np.float64)
        return A if self.all_finite(A) else None

    def clean_objects(self, A):
        numbers = []
        for value in A.flat:
            if isinstance(value, (str, bytes, complex, np.complexfloating, list, tuple, dict, datetime.datetime)):
                return None
            try:
                numbers.append(float(value))
            except Exception:
                return None
        return "unknown" if self.all_finite(np.array(numbers)) else None

    def frame(self, V):
        m, n = V.shape
        F = pd.DataFrame(V, columns=[f"x{j}" for j in range(n)], index=self.rng.permutation(m))
        twist = self.one_of("plain", "mixed", "Int64", "category", "duplicates", "numbers", "levels", "bool", "dates", "text",
                            "sparse",
                            "float32", "object", "arrow", "none", "series")
        if twist == "series" or n == 0:
            return F[F.columns[0]] if n else F, None
        name = F.columns[self.rng.integers(n)]
        if twist == "mixed":
            F[name] = (V[:, 0] > 0) if self.happens(0.5) else np.arange(m, dtype=np.int16)
            return F, "unknown" if self.all_finite(F.to_numpy(float)) else None
        if twist == "Int64" and m:
            F[name] = pd.array([1] * m, dtype="Int64")
            if self.happens(0.5):
                F.loc[F.index[0], name] = pd.NA
                return F, None
            return F, "unknown" if self.all_finite(F.to_numpy(float)) else None
        if twist == "category":
            F[name] = pd.Categorical(self.one_of(["a"] * m, [1] * m, [1.5] * m), categories=None)
            return F, None
        if twist == "duplicates":
            F.columns = ["x"] * n
            return F, self.clean(V) if n == 1 else None
        if twist == "numbers":
            F.columns = range(n)
        elif twist == "levels":
            F.columns = pd.MultiIndex.from_tuples([("a", j) for j in range(n)])
        elif twist == "bool":
            F = F > 0
            return F, self.clean(F.to_numpy())
        elif twist == "dates" and m:
            F[name] = self.one_of(pd.Timestamp(2020, 1, 1), pd.Timedelta(1), pd.Period("2020-01"))
            return F, None
        elif twist == "text" and m:
            F[name] = self.one_of("1", "a", None)
            return F, None
        elif twist == "sparse":
            F = F.astype(pd.SparseDtype(float, 0.0))
        elif twist == "float32":
            F = F.astype("float32")
            return F, self.clean(F.to_numpy())
        elif twist == "object":
            F = F.astype(object)
        elif twist == "none":
            F = F.convert_dtypes()
        return F, self.clean(V)

    def polars_frame(self, V):
        n = V.shape[1]
        F = pl.DataFrame({f"x{j}": V[:, j] for j in range(n)})
        if n == 0:
            return F, None
        twist = self.one_of("plain", "null", "text", "category", "whole", "bool", "list", "dates", "series", "decimal", "float32")
        if twist == "series":
            return F["x0"], None
        new = {"null": pl.lit(None), "text": pl.lit("1"), "category": pl.lit("a").cast(pl.Categorical), "list": pl.lit([1.0,
                                                                                                                        2.0]),
               "dates": pl.lit(datetime.date(2020, 1, 1)), "whole": pl.lit(3), "bool": pl.lit(True),
               "decimal": pl.lit(decimal.Decimal("1.50")), "float32": pl.lit(0.5).cast(pl.Float32)}
        if twist == "plain":
            return F, self.clean(V)
        F = F.with_columns(x0=new[twist])
        if twist in ("whole", "bool", "float32"):
            V[:, 0] = {"whole": 3.0, "bool": 1.0, "float32": 0.5}[twist]
            return F, self.clean(V)
        return F, "unknown" if twist == "decimal" else None

    def arrow_table(self, V):
        m, n = V.shape
        T = pa.table({f"x{j}": V[:, j] for j in range(n)})
        if n == 0 or m == 0:
            return T, None
        twist = self.one_of("plain", "chunks", "batch", "null", "text", "category", "bool", "dates", "times", "decimal", "twice",
                            "float32")
        if twist in ("plain", "chunks", "batch"):
            parts = {"plain": T, "chunks": pa.concat_tables([T.slice(0, 1), T.slice(1)]), "batch": T.to_batches()[0]}
            return parts[twist], self.clean(V)
        new = {"null": pa.nulls(m, pa.float64()), "text": ["1"] * m, "category": pa.array([1] * m).dictionary_encode(),
               "bool": [True] * m, "dates": [datetime.date(2020, 1, 1)] * m, "times": [datetime.timedelta(1)] * m,
               "decimal": [decimal.Decimal("1.50")] * m, "twice": V[:, 0], "float32": pa.array([0.5] * m, pa.float32())}[twist]
        if twist == "twice":
            return T.append_column("x0", pa.array(new)), None
        T = T.set_column(0, "x0", pa.array(new) if isinstance(new, list) else new)
        if twist in ("category", "bool", "decimal", "float32"):
            V[:, 0] = {"category": 1.0, "bool": 1.0, "decimal": 1.5, "float32": 0.5}[twist]
            return T, self.clean(V)
        return T, None

    def strange(self, V):
        m, n = V.shape
        return self.one_of(
            None, 3, 1.5, "X", b"X", bytearray(b"12"), memoryview(V), V[0] if m else V, V[None], V[:, :, None], np.float64(1.0),
            {"a": 1}, {1, 2}, (row for row in V), iter(V.tolist()), range(5), [[1.0, 2.0], [3.0]] * 3, [[]], [], [[[]]],
            [None], [[None] * n] * m,
            collections.deque(V.tolist()), OnlyArray(V), OnlyArray(V.tolist()), OnlyArray(3), OnlyArray(RuntimeError("broken")),
            OnlyArray(ValueError("broken")), OnlyArray(MemoryError("broken")), OnlyArray(V[0] if m else V), Interface(V), Vague(),
            Interface(V, typestr="<c16"), Interface(V, shape=(m,)), Interface(V, typestr="rubbish"), Interface(V, version="x"),
            scipy.sparse.csr_array(V), scipy.sparse.coo_matrix(V), Liar(V.tolist()), object(), type, lambda: V, NotImplemented,
            ...,
            pd.NA, pd.DataFrame(), pl.DataFrame(), pl.LazyFrame({"a": [1.0] * m}),
            V.astype(np.dtypes.StringDType()), pd.DataFrame(index=range(m)), [V, V], [Vague()] * max(m, 1), [[1, "a"]] * m,
            [[1, 10 ** 400]] * m, [[1, 2 ** 70]] * m, [[decimal.Decimal(1)] * n] * m, pd.Index([1, 2]), pd.Categorical(["a"]),
            V.tobytes(),
            np.array("text"), np.array(None), np.zeros((m, n), "M8[s]"), "12", {"x": V}.values(), {0: [1, 2]}.items(),
            [V.tolist(), 3],
            [OnlyArray(row) for row in V], [pd.Series(row) for row in V], np.char.array([["1"] * n] * m) if m and n else None)

    # ---- vectors ----------------------------------------------------------------------------------------------------

    def contained(self, values, m):
        """A vector in some container; its length is sometimes wrong."""
        values = list(values)
        if self.happens(0.04):
            values = values[:-1] if self.happens(0.5) else [*values, *values[:1]]
        kind = self.one_of("array", "array", "array", "list", "tuple", "series", "object", "polars", "column", "row", "masked",
                           "strided", "arrow", "string",
                           "frame", "index", "only", "read-only", "deque", "iterator", "set", "dict")
        if kind == "list":
            return values
        if kind == "tuple":
            return tuple(values)
        if kind == "deque":
            return collections.deque(values)
        if kind == "iterator":
            return iter(values)
        try:
            if kind == "set":
                return set(values)
            if kind == "dict":
                return dict(enumerate(values))
            if kind == "series":
                return pd.Series(values, index=self.rng.permutation(len(values)),
                                 dtype=self.one_of(None, None, object, "category"))
            if kind in ("polars", "arrow") and {type(value) for value in values} in ({int}, {float}, {str}):
                return pl.Series(values) if kind == "polars" else pa.chunked_array([pa.array(values)])
            if kind == "string" and {type(value) for value in values} == {str}:
                return np.array(values, np.dtypes.StringDType())
            if kind == "frame":
                return pd.DataFrame({"y": values})
            if kind == "index":
                return pd.Index(values)
            A = np.array(values)
        except Exception:
            return values
        if A.ndim != 1 or A.tolist() != values:         # NumPy has made others of them: text beside numbers, large integers
            return values
        if kind == "object":
            B = np.empty(len(values), object)
            B[:] = values
            return B
        if kind == "column":
            return A[:, None]
        if kind == "row":
            return A[None]
        if kind == "masked":
            return np.ma.array(A, mask=self.rng.random(A.size) < self.one_of(0.0, 0.0, 0.1))
        if kind == "strided":
            return np.repeat(A, 3)[::3]
        if kind == "only":
            return OnlyArray(A)
        if kind == "read-only":
            A.flags.writeable = False
        return A

    def labels(self, m, zero_one):
        """Something for y, and the labels in it."""
        pairs = [(0, 1)] * 6 if zero_one else [
            (0, 1), (0, 1), (-1, 1), (1, 2), ("a", "b"), ("no", "yes"), (b"x", b"y"), (True, False), (0.5, 1.5), (0.0, 1e300),
            (np.int8(0), np.int8(1)), (np.float32(1.1), np.float32(1.2)), (2 ** 53, 2 ** 53 + 1), (10 ** 30, 1), (10 ** 400, 1),
            (decimal.Decimal(1), decimal.Decimal(2)), (fractions.Fraction(4, 3), 1), (Colour.RED, Colour.BLUE), (np.str_("a"),
                                                                                                                 "b"),
            (2 ** 64 - 1, 0), (-2 ** 63, 2 ** 63), ("", " "), ("a", "a\0"), ("é", "e"), (np.bool_(True), np.bool_(False)),
            (-1e-320, 0.0)]
        bad = [(np.nan, 1), (None, 1), ("a", 1), (0, 0), (1, True), (0.0, -0.0), (np.inf, 0), (pd.NA, 1), (pd.NaT, 1), (1j, 0),
               ((0,), (1,)),
               (datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)), (np.datetime64("2020"), np.datetime64("2021")), ([0],
                                                                                                                        [1]),
                                                                                                                        ({}, 1),
               (object(), 1), (b"x", "x"), (Vague(), 1), (float, 1), (decimal.Decimal("NaN"), 1), (decimal.Decimal("sNaN"), 1),
               (np.timedelta64(1, "s"), np.timedelta64(2, "s")), (np.longdouble(1), np.complex64(2)), (pd.Timestamp(2020, 1,
                                                                                                                    1), 1),
               (frozenset(), frozenset([1])), (np.array(1), np.array(2)), (0, 0.5, 2), ("a", "b", "c"), tuple(range(9))]
        choice = self.one_of(*pairs) if self.happens(0.8) else self.one_of(*bad)
        codes = np.arange(m) % len(choice) if self.happens(0.9) else self.rng.integers(0, len(choice), m)
        labels = [choice[k] for k in codes]
        if self.happens(0.03):
            return self.one_of(None, 1, "y", object(), Vague(), scipy.sparse.csr_array(np.ones((1, max(m, 1)))), [[0], [1, 2]],
                               np.zeros((m, 2)),
                               OnlyArray(RuntimeError("broken")), OnlyArray(3), {0, 1}, np.zeros((m, 1, 1)), Liar(labels)), None
        return self.contained(labels, m), labels

    def vector(self, m, positive):
        """Something for sample_weight or offset, and its numbers if they are good ones."""
        if self.happens(0.1):
            return self.one_of(1, 2.0, "1", object(), Vague(), np.ones((m, 2)), ["1"] * m, [None] * m, np.full(m, np.nan),
                               -np.ones(m),
                               np.full(m, np.inf), np.ones(m) + 0j, np.zeros(m, "M8[s]"), np.full(m, 1e200), [10 ** 400] * m,
                               [[1], [2, 3]],
                               np.zeros(m), OnlyArray(ValueError("broken")), [decimal.Decimal("0.5")] * m, [pd.NA] * m,
                               [Vague()] * m,
                               [True] * m, [np.array(1.0)] * m, [np.array([1.0])] * m, scipy.sparse.csr_array(np.ones((1,
                                                                                                                       max(m,
                                                                                                                           1)))),
                               [b"1"] * m, [1j] * m, np.full(m, 5e-324), [[1.0]] * m, np.ones(m, [("a", "f8")]),
                               pd.Series([1] * m)), None
        v = self.rng.standard_normal(m)
        if positive:
            v = np.abs(v)
            v[self.rng.random(m) < 0.2] = 0.0
        v *= self.one_of(1.0, 1.0, 1.0, 1.0, 1e-90, 1e90, 1e30, 1e-300, 1e149) if positive else self.one_of(1.0, 1.0, 1.0, 1e3,
                                                                                                            1e100, 1e-310)
        if self.happens(0.3):
            v = np.rint(np.clip(v, 0 if positive else -9, 9))
            return self.contained(v.astype(self.one_of("i8", "i1", "f4", "?")).tolist(), m), None
        return self.contained(v.tolist(), m), v

    # ---- options ----------------------------------------------------------------------------------------------------

    def hostile_option(self):
        return self.one_of(None, np.nan, np.inf, -1, -1.0, 0, 1, 0.0, "x", b"1", "1", [], [1.0], (), {}, np.array(1.0),
                           np.array([1.0]),
                           np.array([1.0, 2.0]), np.float32(0.1), np.int64(3), decimal.Decimal("0.1"), fractions.Fraction(1,
                                                                                                                          3),
                                                                                                                          True,
                                                                                                                          False,
                           np.bool_(True), 10 ** 400, 1j, np.complex64(1), object(), Vague(), pd.NA, pd.NaT, 1e308, 5e-324,
                           1e-300, "gd",
                           "numpy", "mean", np.str_("gd"), ["gd"], lambda *a: None, type, ..., np.array("gd"), np.ma.masked,
                           datetime.date(2020, 1, 1),
                           np.datetime64("2020"), np.timedelta64(3, "s"), np.float64("nan"), 2 ** 63, -2 ** 63, np.uint8(5),
                           Colour.BLUE, pd.Series([1]))

    def options(self, names):
        good = {"l2": (0.0, 0.1, 1e-3, 10.0, np.float32(0.5), 1), "reduction": ("mean", "sum"), "n_threads": (1, 2,
                                                                                                              np.int64(2), None),
                "tol": (None, 0.0, 1e-4, 1e-300), "max_iter": (0, 1, 3, np.int32(4)), "learning_rate": (None, 0.1, 1e-3, 10.0),
                "fit_intercept": (True, False, np.bool_(True)), "solver": ("auto", "newton", "lbfgs", "gd"),
                "progress": (False, True),
                "callback": (None, lambda state: None, lambda state: True)}
        chosen = {name: self.one_of(*good[name]) for name in names if self.happens(0.4)}
        if self.happens(0.08):
            chosen[self.one_of(*names)] = self.hostile_option()
        if isinstance(chosen.get("max_iter"), int) and chosen["max_iter"] > 100:        # so many updates would be no hang
            del chosen["max_iter"]
        return chosen

    def start(self, n):
        """Something for init."""
        w = self.rng.standard_normal(n)
        broken = OnlyArray(RuntimeError("broken"))
        return self.one_of(
            (w, 0.5), (w.tolist(), 1), [w, np.float32(0.5)], (w[None], 0.0), (w[:, None], 0), FakeModel(w, 0.1),
            (w, np.array(0.5)), (w.astype("f4"), decimal.Decimal("0.5")), (w.astype(">f8"), 0), (w, None), (w, np.array([0.5])),
            (w[:-1], 0.0), (np.full(n, np.nan), 0.0), (np.full(n, 1e300), 0.0), (w * 1e160, -1e308), (w, np.inf), w, 3, "wb",
            ("w", "b"), (w,), (w, 1, 2), {}, {"w": w, "b": 0.0}, (w + 0j, 0.0), (w.astype(object), 0.0), (None, 0.0),
            (np.ma.array(w, mask=True), 0.0), object(), Vague(), FakeModel("w", "b"), (pd.Series(w), 0.0), (pl.Series(w), 0.0),
            (OnlyArray(w), 0.0), (0.0, 0.0), pd.DataFrame({"w": w}), (iter(w), 0.0), {1.0, 2.0}, (w.astype("U"), 0.0),
            (broken, 0.0), (w, [0.5]), (w, "0.5"))

    def class_weight(self, labels):
        try:
            exact = dict.fromkeys(labels or (0, 1), 2.0)
        except Exception:               # labels that can't be hashed
            exact = {0: 1.0}
        return self.one_of("balanced", "balanced", exact, exact, {}, {0: 1.0}, {0: -1}, {"a": 1}, {1: np.nan}, {1: 1e200},
                           {0: "1"}, {0: 0.0}, "fair", [1, 2],
                           (1, 2), 3, object(), Vague(), np.array([1, 2]), {None: 1}, {0: None}, pd.Series([1, 2]),
                           dict.fromkeys(exact, 0.0), {0: 1e-120, 1: 1e-120}, {0: 1e140}, {(0,): 1}, {1: True})

    # ---- the call ---------------------------------------------------------------------------------------------------

    def case(self):
        rng = self.rng
        m, n = (int(rng.integers(0, 3)), int(rng.integers(0, 3))) if self.happens(0.1) else (int(rng.integers(2, 14)),
                                                                                             int(rng.integers(1, 6)))
        if self.happens(0.02):
            m, n = int(rng.integers(2, 6)), int(rng.integers(10, 40))         # wide
        X, clean = self.matrix(m, n)
        function = self.one_of(*["train"] * 7, "cost_and_gradient", "cost_and_gradient", "predict", "predict_proba",
                               "decision_function",
                               "score")
        arguments = {"X": X}
        vectors, labels = {}, None
        if function in ("train", "cost_and_gradient", "score"):
            arguments["y"], labels = self.labels(m, function == "cost_and_gradient")
        for name in ("sample_weight", "offset"):
            if self.happens(0.25) and (name == "offset" or function in ("train", "cost_and_gradient", "score")):
                arguments[name], good = self.vector(m, name == "sample_weight")
                if good is not None:
                    vectors[name] = good
        if function == "train":
            arguments |= self.options(["l2", "reduction", "n_threads", "tol", "max_iter", "learning_rate", "fit_intercept",
                                       "solver", "progress",
                                       "callback"])
            arguments.setdefault("max_iter", 4)
            if self.happens(0.15):
                arguments["class_weight"] = self.class_weight(labels)
            if self.happens(0.15):
                arguments["init"] = self.start(n)
            arguments["backend"] = "fused" if self.happens(0.03) else "numpy"
            if self.happens(0.01):
                arguments["backend"] = self.hostile_option()
        elif function == "cost_and_gradient":
            arguments |= self.options(["l2", "reduction", "n_threads"])
            arguments |= {"w": rng.standard_normal(n), "b": 0.5, "backend": "fused" if self.happens(0.03) else "numpy"}
            if self.happens(0.1):
                start = self.start(n)
                if isinstance(start, tuple) and len(start) == 2:
                    arguments["w"], arguments["b"] = start
        return Case(function, arguments, clean, labels, vectors)
