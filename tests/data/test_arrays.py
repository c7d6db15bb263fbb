"""The gate for input: one table of refusals and one of odd but good input."""

import collections
import copy
import datetime
import decimal
import re
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

import fastlr
from fastlr.data import arrays, labels
from fastlr.solvers import NAMES

M, N = 30, 3
RNG = np.random.default_rng(0)
X = RNG.standard_normal((M, N)).astype(np.float32).astype(np.float64)       # float32 holds these values
Y = np.arange(M) % 2
TEXT = np.array(["no", "yes"])[Y]
ONES = np.ones(M)
GD = {"learning_rate": 0.1, "max_iter": 5}


def put(A, value, *where, dtype=None):
    """A copy of A with one value changed: at row 4 of a vector, at row 4 and column 1 of a matrix."""
    A = np.array(A, dtype=dtype)
    A[where or (4, 1)[:A.ndim]] = value
    return A


def objects(*values):
    """An object array of these, whatever they are."""
    A = np.empty(len(values), object)
    A[:] = values
    return A


def frame(value=None, kind=pd.DataFrame):
    columns = {name: list(X[:, j]) for j, name in enumerate("abc")}
    if value is not None:
        columns["b"][4] = value
    return kind(columns)


class FakeDask:
    """Stands for dask.array.Array."""


FakeDask.__module__ = "dask.array.core"


class OnlyArray:
    """What has nothing but `__array__`."""

    def __init__(self, A):
        self.A = A

    def __array__(self, dtype=None, copy=None):
        return np.array(self.A, dtype=dtype)


class BrokenArray:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("out of luck")


class OnlyDataFrame:
    """What has nothing but `__dataframe__`."""

    def __init__(self, table):
        self.table = table

    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        return self.table.__dataframe__()


class OnlyStream:
    """What has nothing but `__arrow_c_stream__`, as a relation of DuckDB's."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def columns(kind, b=None):
    """A frame or table of X with the columns a, b, c, where b may be another."""
    return kind({"a": X[:, 0], "b": X[:, 1] if b is None else b, "c": X[:, 2]})


def indexed(value, order=slice(None)):
    """A Series or DataFrame, and rows of it in some order."""
    names = [f"row {i}" for i in range(M)]
    made = pd.DataFrame(value, index=names) if np.ndim(value) == 2 else pd.Series(value, index=names)
    return made.iloc[order]


BACKWARDS = slice(None, None, -1)
DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(M)]
MOMENTS = [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=i) for i in range(M)]
TIMES = [datetime.time(1, i) for i in range(M)]
SPANS = [datetime.timedelta(hours=i) for i in range(M)]
TEXTS = [*TEXT.tolist()]
STRING = np.dtypes.StringDType
OTHER_ORDER = "the index of X in another order: row 0 is row 0 in X, and row 29 in"


# ---- refusals -------------------------------------------------------------------------------------------------------

AT = r"row 4, column 1\b"
HUGE_INTEGER = 10 ** 400

_SOLVERS = str(NAMES)[1:-1]              # 'auto', 'gd' and so on

REFUSED = [
    # X: shape
    ("X 1-d", {"X": X[:, 0]}, ValueError, r"^X must have two dimensions.*\(30,\).*X\.reshape\(-1, 1\).*X\.reshape\(1, -1\)"),
    ("X Series", {"X": pd.Series(X[:, 0])}, ValueError, r"^X must have two dimensions.*\(30,\).*X\.reshape\(-1, 1\)"),
    ("X 3-d", {"X": X[None]}, ValueError, r"^X must have two dimensions.*\(1, 30, 3\)$"),
    ("X None", {"X": None}, ValueError, r"^X must have two dimensions.*\(\)"),
    ("X no rows", {"X": X[:0], "y": Y[:0]}, ValueError, r"^X is empty.*\(0, 3\)"),
    ("X no columns", {"X": X[:, :0]}, ValueError, r"^X is empty.*\(30, 0\)"),
    ("X ragged", {"X": [[1.0, 2.0], [3.0]] * 15}, ValueError, r"^X can't be made an array: .*inhomogeneous"),
    ("X broken __array__", {"X": BrokenArray()}, ValueError, r"^X can't be made an array: out of luck$"),
    # X: values
    ("X nan", {"X": put(X, np.nan)}, ValueError, rf"^X has 1 value.*NaN.*first is nan at {AT}.*Drop or impute"),
    ("X inf", {"X": put(X, np.inf)}, ValueError, rf"^X has 1 value.*infinite.*first is inf at {AT}.*Drop or impute"),
    ("X -inf", {"X": put(X, -np.inf)}, ValueError, rf"first is -inf at {AT}"),
    ("X several nan", {"X": put(X, np.nan, slice(7, 9))}, ValueError, r"^X has 6 value.*first is nan at row 7, column 0\b"),
    ("X Fortran nan", {"X": np.asfortranarray(put(put(X, np.nan), np.nan, 9, 0))}, ValueError, rf"^X has 2 .*nan at {AT}"),
    ("X strided inf", {"X": put(np.repeat(X, 2, axis=0), np.inf, 8, 1)[::2]}, ValueError, rf"first is inf at {AT}"),
    ("X float32 nan", {"X": put(X, np.nan, dtype="f4")}, ValueError, rf"^X has 1 value.*first is nan at {AT}"),
    ("X float32 inf", {"X": put(X, np.inf, dtype="f4")}, ValueError, rf"^X has 1 value.*first is inf at {AT}"),
    ("X float32 -inf", {"X": put(X, -np.inf, dtype="f4")}, ValueError, rf"^X has 1 value.*first is -inf at {AT}"),
    ("X float16 inf", {"X": put(X, np.inf, dtype="f2")}, ValueError, rf"^X has 1 value.*first is inf at {AT}"),
    ("X >f4 nan", {"X": put(X, np.nan, dtype=">f4")}, ValueError, rf"^X has 1 value.*first is nan at {AT}"),
    ("X 1e308", {"X": put(X, 1e308)}, ValueError, rf"^X has 1 value.*beyond 1e\+150.*first is 1e\+308 at {AT}.*Scale"),
    ("X -1e151", {"X": put(X, -1e151)}, ValueError, rf"^X has 1 value.*beyond 1e\+150.*first is -1e\+151 at {AT}.*Scale"),
    ("X longdouble 1e400", {"X": put(X, np.longdouble("1e400"), dtype="g")}, ValueError, rf"^X has 1 .*too large.*inf at {AT}"),
    ("X masked", {"X": np.ma.array(X, mask=put(np.zeros((M, N)), 1))}, ValueError, rf"^X has masked values.*{AT}.*impute"),
    # X: kind
    ("X text", {"X": X.astype(str)}, TypeError, r"^X must hold real numbers, not <U\d+; turn text into numbers"),
    ("X bytes", {"X": X.astype(str).astype("S")}, TypeError, r"^X must hold real numbers, not \|S\d+; turn text into numbers"),
    ("X complex", {"X": X + 0j}, TypeError, r"^X must hold real numbers, not complex128$"),
    ("X datetime", {"X": X.astype("M8[s]")}, TypeError, r"^X must hold real numbers, not datetime64"),
    ("X timedelta", {"X": X.astype("m8[s]")}, TypeError, r"^X must hold real numbers, not timedelta64"),
    ("X records", {"X": np.zeros((M, N), [("a", "f8")])}, TypeError, r"^X must hold real numbers, not \[\('a'"),
    ("X object text", {"X": put(X, "tall", dtype=object)}, ValueError, rf"^X holds 'tall' at {AT}.*not a number; turn text"),
    ("X object digits", {"X": put(X, "1.5", dtype=object)}, ValueError, rf"^X holds '1\.5' at {AT}.*not a number; turn text"),
    ("X object None", {"X": put(X, None, dtype=object)}, ValueError, rf"^X .* at {AT}"),
    ("X object NA", {"X": put(X, pd.NA, dtype=object)}, ValueError, rf"^X holds <NA> at {AT}"),
    ("X object nan", {"X": put(X, np.nan, dtype=object)}, ValueError, rf"^X has 1 value.*nan at {AT}"),
    ("X object complex", {"X": put(X, 1j, dtype=object)}, ValueError, rf"^X holds 1j at {AT}"),
    ("X object complex64", {"X": put(X, np.complex64(1j), dtype=object)}, ValueError, rf"^X holds .*1j.* at {AT}"),
    ("X object date", {"X": put(X, np.datetime64("2020"), dtype=object)}, ValueError, rf"^X holds .*'2020'.* at {AT}"),
    ("X object masked", {"X": put(X, np.ma.masked, dtype=object)}, ValueError, rf"^X holds masked at {AT}"),
    ("X object huge", {"X": put(X, HUGE_INTEGER, dtype=object)}, ValueError, rf"^X holds 10{{400}} at {AT}"),
    ("X pandas nan", {"X": frame(np.nan)}, ValueError, rf"^X has 1 value.*{AT} \('b'\)"),
    ("X polars nan", {"X": frame(np.nan, pl.DataFrame)}, ValueError, rf"^X has 1 value.*{AT} \('b'\)"),
    ("X pandas text", {"X": frame("tall")}, ValueError, rf"^X holds 'tall' at {AT} \('b'\)"),
    ("X pandas NA", {"X": put(frame().astype(object), pd.NA)}, ValueError, rf"^X holds <NA> at {AT}"),
    ("X pandas dates", {"X": frame().assign(b=pd.Timestamp(2020, 1, 1))}, ValueError, r"^X holds .* row 0, column 1 \('b'\)"),
    ("X polars text", {"X": frame(kind=pl.DataFrame).with_columns(b=pl.lit("tall"))}, ValueError, r"'tall' at .* \('b'\)"),
    ("X polars null", {"X": frame(kind=pl.DataFrame).with_columns(b=pl.lit(None))}, ValueError, r"^X has 30 .* \('b'\)"),
    ("X polars dates", {"X": frame(kind=pl.DataFrame).with_columns(b=datetime.date(2020, 1, 1))}, TypeError, r"not Date .*'b'"),
    ("X pandas moments", {"X": columns(pd.DataFrame, MOMENTS)}, ValueError, r"^X holds Timestamp.*\('b'\).*turn dates and times"),
    ("X pandas spans", {"X": columns(pd.DataFrame, SPANS)}, ValueError, r"^X holds Timedelta.*\('b'\).*turn dates and times"),
    ("X pandas days", {"X": columns(pd.DataFrame, DAYS)}, ValueError, r"^X holds datetime.date.*\('b'\).*turn dates and times"),
    ("X pandas times", {"X": columns(pd.DataFrame, TIMES)}, ValueError, r"^X holds datetime.time.*\('b'\).*turn dates and times"),
    ("X all moments", {"X": pd.DataFrame(dict.fromkeys("abc", MOMENTS))}, TypeError, r"not datetime64.*column 'a'.*turn dates"),
    ("X pandas arrow days", {"X": columns(pd.DataFrame, pd.Series(DAYS, dtype="date32[pyarrow]"))}, TypeError, r"date32.*'b'"),
    ("X polars moments", {"X": columns(pl.DataFrame, MOMENTS)}, TypeError, r"not Datetime.*column 'b'.*turn dates and times"),
    ("X polars spans", {"X": columns(pl.DataFrame, SPANS)}, TypeError, r"not Duration.*column 'b'.*turn dates and times"),
    ("X polars times", {"X": columns(pl.DataFrame, TIMES)}, TypeError, r"not Time .*column 'b'.*turn dates and times"),
    ("X arrow days", {"X": columns(pa.table, DAYS)}, TypeError, r"not date32.*column 'b'.*turn dates and times"),
    ("X arrow moments", {"X": columns(pa.table, MOMENTS)}, TypeError, r"not timestamp.*column 'b'.*turn dates and times"),
    ("X arrow spans", {"X": columns(pa.table, SPANS)}, TypeError, r"not duration.*column 'b'.*turn dates and times"),
    ("X arrow times", {"X": columns(pa.table, TIMES)}, TypeError, r"not time64.*column 'b'.*turn dates and times"),
    ("X pandas category", {"X": columns(pd.DataFrame, pd.Categorical(Y))}, TypeError, r"not categories \(column 'b'\).*one-hot"),
    ("X polars category", {"X": columns(pl.DataFrame, pl.Series(TEXTS, dtype=pl.Categorical))}, TypeError, r"categor.*'b'"),
    ("X arrow dictionary", {"X": columns(pa.table, pa.array(TEXTS).dictionary_encode())}, ValueError, r"^X holds 'no' at .*'b'"),
    ("X dictionary of days", {"X": columns(pa.table, pa.array(DAYS).dictionary_encode())}, TypeError, r"not date32.*column 'b'"),
    ("X arrow text", {"X": columns(pa.table, TEXTS)}, ValueError, r"^X holds 'no' at row 0, column 1 \('b'\).*turn text"),
    ("X arrow null", {"X": columns(pa.table, [None, *X[1:, 1]])}, ValueError, r"^X has 1 value.*row 0, column 1 \('b'\)"),
    ("X Float64 NA", {"X": columns(pd.DataFrame, pd.array([None, *X[1:, 1]], "Float64"))}, ValueError, r"<NA>.*'b'.*Drop"),
    ("X frame of one name", {"X": pd.DataFrame(X, columns=[*"aba"])}, ValueError, r"^X has 2 columns called 'a'; rename all"),
    ("X table of one name", {"X": pa.table([*X.T], names=[*"aba"])}, ValueError, r"^X has 2 columns called 'a'; rename all"),
    ("X lazy", {"X": columns(pl.LazyFrame)}, TypeError, r"^X is a LazyFrame.*pass X\.collect\(\)$"),
    ("X StringDType", {"X": X.astype(str).astype(STRING())}, TypeError, r"^X must hold real numbers, not StringDType.*turn text"),
    # rows paired by position, although both have an index
    ("y in other order", {"X": indexed(X), "y": indexed(Y, BACKWARDS)}, ValueError, rf"^y has {OTHER_ORDER} y\..*y\.loc\["),
    ("y frame in other order", {"X": indexed(X), "y": indexed(Y[:, None], BACKWARDS)}, ValueError, rf"^y has {OTHER_ORDER} y\."),
    ("sample_weight in other order", {"X": indexed(X), "sample_weight": indexed(ONES, BACKWARDS)}, ValueError, OTHER_ORDER),
    ("offset in other order", {"X": indexed(X), "offset": indexed(ONES, BACKWARDS)}, ValueError, rf"^offset has {OTHER_ORDER}"),
    ("weights in another order than y", {"y": indexed(Y), "sample_weight": indexed(ONES, BACKWARDS)}, ValueError, "index of y"),
    # what comes later
    ("y lazy", {"y": pl.LazyFrame({"y": Y})}, TypeError, r"^y is a LazyFrame.*pass y\.collect\(\)$"),
    ("sample_weight lazy", {"sample_weight": pl.LazyFrame({"w": ONES})}, TypeError, r"^sample_weight is a LazyFrame"),
    ("y sparse", {"y": scipy.sparse.csc_array(Y[:, None])}, NotImplementedError, r"^y is sparse.*pass y\.toarray\(\)$"),
    ("y dask", {"y": FakeDask()}, TypeError, r"^y is a Dask collection, and X is not; pass y\.compute\(\), or X as"),
    ("sample_weight dask", {"sample_weight": FakeDask()}, TypeError, r"^sample_weight is a Dask collection"),
    # y: shape
    ("y short", {"y": Y[:-1]}, ValueError, r"^y has 29 values, and X has 30 rows$"),
    ("y long", {"y": np.append(Y, 1)}, ValueError, r"^y has 31 values, and X has 30 rows$"),
    ("y 2-d", {"y": np.column_stack([Y, Y, Y])}, ValueError, r"^y must have one dimension.*\(30, 3\).*y\.argmax\(axis=1\)$"),
    ("y row", {"y": Y[None]}, ValueError, r"^y must have one dimension.*\(1, 30\); pass y\.ravel\(\)$"),
    ("y one number", {"y": 1}, ValueError, r"^y must have one dimension.*\(\)"),
    ("y None", {"y": None}, ValueError, r"^y must have one dimension.*\(\)"),
    ("y ragged", {"y": [[0], [1, 2]] * 15}, ValueError, r"^y can't be made an array"),
    # y: classes
    ("y one class", {"y": Y * 0}, ValueError, r"^y has one class only, 0; .*needs two"),
    ("y one text", {"y": ["no"] * M}, ValueError, r"^y has one class only, 'no'; .*needs two"),
    ("y zero and -zero", {"y": np.where(Y, 0.0, -0.0)}, ValueError, r"^y has one class only, -?0\.0;"),
    ("y real numbers", {"y": np.linspace(-1.0, 3.0, M)}, ValueError, r"^y has 30 different values \(-1.0, .*not whole numbers"),
    ("y real objects", {"y": np.linspace(-1.0, 3.0, M).astype(object)}, ValueError, r"^y has 30 .* \(-1.0, .*not whole numbers"),
    ("y infinite object", {"y": np.array([0.0, np.inf] * 15, object)}, ValueError, r"^y has 15 .*infinite.*is inf at row 1"),
    # y: values
    ("y nan", {"y": put(Y, np.nan, dtype=float)}, ValueError, r"^y has 1 missing.*first is nan at row 4\b.*Drop those rows"),
    ("y inf", {"y": put(Y, np.inf, dtype=float)}, ValueError, r"^y has 1 .*infinite.*first is inf at row 4\b.*Drop those rows"),
    ("y None inside", {"y": put(Y, None, dtype=object)}, ValueError, r"^y has 1 missing.*first is None at row 4\b"),
    ("y NA inside", {"y": put(Y, pd.NA, dtype=object)}, ValueError, r"^y has 1 missing.*first is <NA> at row 4\b"),
    ("y NaT inside", {"y": put(Y, pd.NaT, dtype=object)}, ValueError, r"^y has 1 missing.*first is NaT at row 4\b"),
    ("y signalling nan", {"y": objects(*[1, decimal.Decimal("sNaN")] * 15)}, ValueError, r"^y has 15 missing.*at row 1\b"),
    ("y masked inside", {"y": put(Y, np.ma.masked, dtype=object)}, ValueError, r"^y has 1 missing.*first is masked at row 4\b"),
    ("y text and nan", {"y": put(TEXT, np.nan, dtype=object)}, ValueError, r"^y has 1 missing.*first is nan at row 4\b"),
    ("y list, text and nan", {"y": ["no", float("nan")] * 15}, ValueError, r"^y has 15 missing.*first is nan at row 1\b"),
    ("y list, text and None", {"y": ["no", None] * 15}, ValueError, r"^y has 15 missing.*first is None at row 1\b"),
    ("y pandas NA", {"y": pd.Series(put(Y, None, dtype=object), dtype="Int64")}, ValueError, r"^y has 1 missing.*row 4\b"),
    ("y Categorical nan", {"y": pd.Categorical(put(TEXT, None, dtype=object))}, ValueError, r"^y has 1 missing.*row 4\b"),
    ("y polars null", {"y": pl.Series(put(TEXT, None, dtype=object).tolist())}, ValueError, r"^y has 1 missing.*row 4\b"),
    ("y masked", {"y": np.ma.array(Y, mask=put(np.zeros(M), 1))}, ValueError, r"^y has masked values.*row 4\b"),
    ("y arrow null", {"y": pa.array([None, *TEXTS[1:]])}, ValueError, r"^y has 1 missing.*first is None at row 0\b"),
    ("y arrow integer null", {"y": pa.array([None, *Y[1:].tolist()])}, ValueError, r"^y has 1 missing.*first is nan at row 0\b"),
    ("y StringDType None", {"y": np.array([None, *TEXTS[1:]], STRING(na_object=None))}, ValueError, r"^y has 1 .*None at row 0"),
    ("y StringDType nan", {"y": np.array([np.nan, *TEXTS[1:]], STRING(na_object=np.nan))}, ValueError, r"^y .*nan at row 0"),
    ("y boolean NA", {"y": pd.Series([None, *(Y[1:] == 1)], dtype="boolean")}, ValueError, r"^y has 1 missing.*<NA> at row 0\b"),
    # y: kind
    ("y polars dates", {"y": pl.Series(DAYS)}, TypeError, r"^y must hold labels \(.*\), not datetime64"),
    ("y arrow dates", {"y": pa.array(DAYS)}, TypeError, r"^y must hold labels \(.*\), not datetime64"),
    ("y complex", {"y": Y + 0j}, TypeError, r"^y must hold labels \(.*\), not complex128$"),
    ("y datetime", {"y": Y.astype("M8[s]")}, TypeError, r"^y must hold labels \(.*\), not datetime64.*; y\.astype\(str\)"),
    ("y timedelta", {"y": Y.astype("m8[s]")}, TypeError, r"^y must hold labels \(.*\), not timedelta64"),
    ("y Timestamp", {"y": objects(*[pd.Timestamp(2020 + k, 1, 1) for k in Y])}, TypeError, r"^y must hold labels"),
    ("y object timedelta", {"y": objects(*Y.astype("m8[s]"))}, TypeError, r"^y must hold labels .* timedelta64 "),
    ("y tuples", {"y": objects(*[(0,), (1,)] * 15)}, TypeError, r"^y must hold labels"),
    ("y arrays", {"y": objects(*[np.zeros(2)] * M)}, TypeError, r"^y must hold labels"),
    ("y numbers and text", {"y": put(Y, "a", dtype=object)}, ValueError, r"^y mixes labels.*text and numbers.*one kind"),
    ("y list, number and text", {"y": ["a", 1] * 15}, ValueError, r"^y mixes labels.*text and numbers.*one kind"),
    # sample_weight
    ("sample_weight short", {"sample_weight": ONES[:-1]}, ValueError, r"^sample_weight has 29 values, and X has 30 rows$"),
    ("sample_weight long", {"sample_weight": np.ones(31)}, ValueError, r"^sample_weight has 31 values, and X has 30 rows$"),
    ("factors by name", {"penalty_factors": {"a": 1.0}}, TypeError,
     r"^penalty_factors must be an array.*, not {'a': 1.0}$"),
    ("sample_weight 2-d", {"sample_weight": np.ones((M, 2))}, ValueError, r"^sample_weight must have one dimension.*\(30, 2\)"),
    ("sample_weight number", {"sample_weight": 2.0}, ValueError, r"^sample_weight must have one dimension.*\(\)"),
    ("sample_weight negative", {"sample_weight": put(ONES, -1)}, ValueError, r"^sample_weight .*at least 0.* -1\.0 at row 4$"),
    ("sample_weight nan", {"sample_weight": put(ONES, np.nan)}, ValueError, r"^sample_weight must be finite.* nan at row 4$"),
    ("sample_weight inf", {"sample_weight": put(ONES, np.inf)}, ValueError, r"^sample_weight must be finite.* inf at row 4$"),
    ("sample_weight 1e308", {"sample_weight": put(ONES, 1e308)}, ValueError, r"^sample_weight .*1e\+150.* 1e\+308 at row 4$"),
    ("sample_weight all 0", {"sample_weight": 0 * ONES}, ValueError, r"^sample_weight is zero in every row"),
    ("sample_weight 0 on class 0", {"sample_weight": Y}, ValueError, r"^every row of class 0 has weight 0; both classes"),
    ("sample_weight 0 on a text", {"sample_weight": 1 - Y, "y": TEXT}, ValueError, r"^every row of class 'yes' has weight 0;"),
    ("sample_weight 0, balanced", {"sample_weight": Y, "class_weight": "balanced"}, ValueError, r"^every row of class 0 has"),
    ("sample_weight share 1e-16", {"sample_weight": np.where(Y, 1e-16, 1)}, ValueError, r"^the rows of class 1 have 1.5e-15 "),
    ("sample_weight sum 2e-322", {"sample_weight": 5e-324 * ONES}, ValueError, r"adds up to .* between 1e-100 and 1e"),
    ("sample_weight sum 1e151", {"sample_weight": 1e149 * ONES}, ValueError, r"adds up to 3e.150; .*by a constant"),
    ("sample_weight text", {"sample_weight": ["1"] * M}, TypeError, r"^sample_weight must hold real numbers, not <U1"),
    ("sample_weight object text", {"sample_weight": put(ONES, "x", dtype=object)}, ValueError, r"_weight .*'x'.*row 4\b"),
    ("sample_weight object digits", {"sample_weight": put(ONES, "1", dtype=object)}, ValueError, r"_weight .*'1'.*row 4\b"),
    ("sample_weight None inside", {"sample_weight": put(ONES, None, dtype=object)}, ValueError, r"^sample_weight .*row 4\b"),
    ("sample_weight NA inside", {"sample_weight": put(ONES, pd.NA, dtype=object)}, ValueError, r"_weight .*row 4.*impute"),
    ("sample_weight huge", {"sample_weight": put(ONES, HUGE_INTEGER, dtype=object)}, ValueError, r"^sample_weight .*row 4\b"),
    ("sample_weight complex", {"sample_weight": ONES + 0j}, TypeError, r"^sample_weight must hold real numbers, not complex128"),
    ("sample_weight datetime", {"sample_weight": ONES.astype("M8[s]")}, TypeError, r"^sample_weight must hold real numbers"),
    ("sample_weight Float64 NA", {"sample_weight": pd.array([None, *ONES[1:]], "Float64")}, ValueError, r"^sample_w.* row 0"),
    ("sample_weight arrow null", {"sample_weight": pa.array([None, *ONES[1:]])}, ValueError, r"^sample_weight .*nan at row 0$"),
    ("sample_weight polars spans", {"sample_weight": pl.Series(SPANS)}, TypeError, r"^sample_weight must hold real.*timedelta64"),
    ("sample_weight masked", {"sample_weight": np.ma.array(ONES, mask=Y)}, ValueError, r"^sample_weight has masked.*row 1\b"),
    # offset
    ("offset short", {"offset": ONES[:-1]}, ValueError, r"^offset has 29 values, and X has 30 rows$"),
    ("offset 2-d", {"offset": np.ones((M, 2))}, ValueError, r"^offset must have one dimension.*\(30, 2\)"),
    ("offset nan", {"offset": put(ONES, np.nan)}, ValueError, r"^offset must be finite.* nan at row 4$"),
    ("offset -inf", {"offset": put(ONES, -np.inf)}, ValueError, r"^offset must be finite.* -inf at row 4$"),
    ("offset 1e308", {"offset": put(ONES, 1e308)}, ValueError, r"^offset .*1e\+150.* 1e\+308 at row 4$"),
    ("offset text", {"offset": ["1"] * M}, TypeError, r"^offset must hold real numbers, not <U1"),
    ("offset object text", {"offset": put(ONES, "x", dtype=object)}, ValueError, r"^offset .*'x'.*row 4\b"),
    # class_weight
    ("class_weight key", {"class_weight": {"a": 1.0}}, ValueError, r"^class_weight names 'a', .*the classes are \[0, 1\]$"),
    ("class_weight text key", {"class_weight": {"maybe": 1}, "y": TEXT}, ValueError, r"'maybe'.*classes are \['no', 'yes'\]$"),
    ("class_weight text", {"class_weight": "fair"}, ValueError, r"^class_weight must be None, 'balanced' or a dict.*not 'fair'$"),
    ("class_weight list", {"class_weight": [1, 2]}, ValueError, r"^class_weight must be None,.*a dict.*not \[1, 2\]$"),
    ("class_weight negative", {"class_weight": {1: -1}}, ValueError, r"^class_weight\[1\] must be .*at least 0, not -1$"),
    ("class_weight nan", {"class_weight": {0: np.nan}}, ValueError, r"^class_weight\[0\] must be finite.*not nan$"),
    ("class_weight value text", {"class_weight": {0: "1"}}, TypeError, r"^class_weight\[0\] must be a number, not '1'$"),
    ("class_weight 0", {"class_weight": {1: 0}}, ValueError, r"^every row of class 1 has weight 0;"),
    ("class_weight 1e308", {"class_weight": {0: 1e308, 1: 1e308}}, ValueError, r"^class_weight\[0\] .*1e\+308"),
    # numbers
    ("l2 negative", {"l2": -1}, ValueError, r"^l2 must be finite and at least 0, not -1$"),
    ("l2 nan", {"l2": np.nan}, ValueError, r"^l2 must be finite and at least 0, not nan$"),
    ("l2 inf", {"l2": np.inf}, ValueError, r"^l2 must be finite and at least 0, not inf$"),
    ("l2 text", {"l2": "0.1"}, TypeError, r"^l2 must be a number, not '0\.1'$"),
    ("l2 None", {"l2": None}, TypeError, r"^l2 must be a number, not None$"),
    ("l2 complex", {"l2": 1j}, TypeError, r"^l2 must be a number, not 1j$"),
    ("l2 complex64", {"l2": np.complex64(1)}, TypeError, r"^l2 must be a number, not np\.complex64"),
    ("l2 masked", {"l2": np.ma.masked}, TypeError, r"^l2 must be a number, not masked$"),
    ("l2 huge", {"l2": HUGE_INTEGER}, ValueError, r"^l2 must be finite and at least 0, not 10{400}$"),
    ("learning_rate 0", {"learning_rate": 0}, ValueError, r"^learning_rate must be finite and above 0, not 0$"),
    ("learning_rate negative", {"learning_rate": -0.1}, ValueError, r"^learning_rate must be finite and above 0, not -0\.1$"),
    ("learning_rate nan", {"learning_rate": np.nan}, ValueError, r"^learning_rate must be finite and above 0, not nan$"),
    ("learning_rate text", {"learning_rate": "fast"}, TypeError, r"^learning_rate must be a number, not 'fast'$"),
    ("tol negative", {"tol": -1e-8}, ValueError, r"^tol must be finite and at least 0, not -1e-08$"),
    ("tol nan", {"tol": np.nan}, ValueError, r"^tol must be finite and at least 0, not nan$"),
    ("tol text", {"tol": "x"}, TypeError, r"^tol must be a number, not 'x'$"),
    ("max_iter negative", {"max_iter": -1}, ValueError, r"^max_iter must be at least 0, not -1$"),
    ("max_iter float", {"max_iter": 5.0}, TypeError, r"^max_iter must be an integer, not 5\.0$"),
    ("max_iter bool", {"max_iter": True}, TypeError, r"^max_iter must be an integer, not True$"),
    ("max_iter text", {"max_iter": "5"}, TypeError, r"^max_iter must be an integer, not '5'$"),
    ("n_threads 0", {"n_threads": 0}, ValueError, r"^n_threads must be at least 1, not 0$"),
    ("n_threads text", {"n_threads": "all"}, TypeError, r"^n_threads must be an integer, not 'all'$"),
    ("n_threads float", {"n_threads": 1.5}, TypeError, r"^n_threads must be an integer, not 1\.5$"),
    # choices
    ("reduction unknown", {"reduction": "max"}, ValueError, r"^reduction must be one of 'mean', 'sum', not 'max'$"),
    ("reduction array", {"reduction": np.array(["mean", "sum"])}, ValueError, r"^reduction must be one of .*, not array"),
    ("reduction Series", {"reduction": pd.Series(["mean"])}, ValueError, r"^reduction must be one of 'mean', 'sum', not "),
    ("reduction None", {"reduction": None}, ValueError, r"^reduction must be one of 'mean', 'sum', not None$"),
    ("fit_intercept 1", {"fit_intercept": 1}, TypeError, r"^fit_intercept must be True or False, not 1$"),
    ("fit_intercept None", {"fit_intercept": None}, TypeError, r"^fit_intercept must be True or False, not None$"),
    ("progress 1", {"progress": 1}, TypeError, r"^progress must be True or False, not 1$"),
    ("callback", {"callback": 3}, TypeError, r"^callback must be callable, not 3$"),
    ("solver unknown", {"solver": "magic", "learning_rate": None}, ValueError, rf"'magic' is unknown; .*{_SOLVERS}$"),
    ("solver Series", {"solver": pd.Series(["gd"]), "learning_rate": None}, ValueError, rf"(?s)^solver=.*; .*{_SOLVERS}$"),
    ("solver array, learning_rate", {"solver": np.array(["gd", "x"])}, ValueError, r"^a learning_rate belongs to solver='gd', "),
    ("learning_rate of newton", {"solver": "newton"}, ValueError, r"^a learning_rate .*'gd', not .*'newton'; leave one .*out$"),
    # init
    ("init short", {"init": (np.zeros(2), 0.0)}, ValueError, r"(?=.*\binit\b).*\(2,\).*3 features.*\(3,\)"),
    ("init long", {"init": (np.zeros(4), 0.0)}, ValueError, r"(?=.*\binit\b).*\(4,\).*3 features.*\(3,\)"),
    ("init square", {"init": (np.zeros((3, 3)), 0.0)}, ValueError, r"(?=.*\binit\b).*\(3, 3\).*3 features.*\(3,\)"),
    ("init w nan", {"init": (np.array([0.0, np.nan, 0.0]), 0.0)}, ValueError, r"(?=.*\binit\b).*finite.*w\[1\] is nan"),
    ("init b nan", {"init": (np.zeros(3), np.nan)}, ValueError, r"(?=.*\binit\b).*b must be finite, not nan"),
    ("init w text", {"init": (["a"] * 3, 0.0)}, TypeError, r"(?=.*\binit\b).*real numbers, not <U1"),
    ("init b text", {"init": (np.zeros(3), "x")}, TypeError, r"(?=.*\binit\b).*b must be a number, not 'x'"),
    ("init number", {"init": 3}, TypeError, r"^init must be None, \(w, b\) or a Model, not int$"),
    ("init w alone", {"init": np.zeros(3)}, TypeError, r"^init must be None, \(w, b\) or a Model, not ndarray$"),
]


def refusal(backend, case):
    """Type and text of what `train` raises."""
    with pytest.raises(Exception) as caught:
        fastlr.train(**{"X": X, "y": Y, "backend": backend} | GD | case)
    return caught.type, str(caught.value)


_numpys = {}


def numpys_refusal(name, case):
    if name not in _numpys:
        _numpys[name] = refusal("numpy", case)
    return _numpys[name]


def test_refused():
    assert len({name for name, *_ in REFUSED}) == len(REFUSED)
    found = [(name, error, text, *numpys_refusal(name, case)) for name, case, error, text in REFUSED]
    assert not [row for row in found if not (issubclass(row[3], row[1]) and re.search(row[2], row[4]))]


def test_refused_by_every_backend(backend):
    for name, case, _, _ in REFUSED:
        assert refusal(backend, case) == numpys_refusal(name, case), name


# What belongs to one solver, or is no argument of gradient descent with a learning rate.
OF_GRADIENT_DESCENT = {name for name, *_ in REFUSED if name.startswith(("solver", "learning_rate"))}


@pytest.mark.parametrize("solver", ["gd", "newton", "lbfgs", "auto"])
def test_refused_by_every_solver(solver):
    """The gate is before all of them."""
    for name, case, _, _ in REFUSED:
        if name not in OF_GRADIENT_DESCENT:
            assert refusal("numpy", {"solver": solver, "learning_rate": None} | case) == numpys_refusal(name, case), name


COST_AND_GRADIENT = {"X", "sample_weight", "offset", "l2", "reduction", "n_threads"}
# Weights that leave a class without any are of no concern where there is no training.
CLASS_WITHOUT_WEIGHT = ("^every row of class", "^the rows of class")


def test_refused_by_cost_and_gradient():
    cases = [(name, case) for name, case, _, text in REFUSED
             if case.keys() <= COST_AND_GRADIENT and not text.startswith(CLASS_WITHOUT_WEIGHT)]
    assert len(cases) > 70
    for name, case in cases:
        with pytest.raises(Exception) as caught:
            fastlr.cost_and_gradient(**{"X": X, "y": Y, "w": np.zeros(N), "b": 0.0, "backend": "numpy"} | case)
        assert (caught.type, str(caught.value)) == numpys_refusal(name, case), name


def test_refused_when_predicting():
    """X, offset, and the weights of a score: the same exception and text as from `train`."""
    model = fastlr.train(X, Y, backend="numpy", **GD)
    methods = {"decision_function": {"X", "offset"}, "predict": {"X", "offset"}, "predict_proba": {"X", "offset"},
               "score": {"X", "offset", "sample_weight"}}
    tried = 0
    for name, case, _, text in REFUSED:
        if text.startswith(CLASS_WITHOUT_WEIGHT) or "adds up to" in text or name == "X no columns":
            continue            # nothing to a score; another number of columns than the model's
        if "beyond 1e" in text:
            assert np.isfinite(model.decision_function(case["X"])).all()       # too large to square, not to multiply by w
            continue
        for method, arguments in methods.items():
            if case.keys() <= arguments:
                with pytest.raises(Exception) as caught:
                    getattr(model, method)(**{"X": X} | ({"y": Y} if method == "score" else {}) | case)
                assert (caught.type, str(caught.value)) == numpys_refusal(name, case), (name, method)
                tried += 1
    assert tried > 200


def test_score_refuses_labels_that_are_none():
    model = fastlr.train(X, Y, backend="numpy", **GD)
    for name in ("y complex", "y datetime", "y Timestamp", "y tuples", "y arrays", "y short"):
        case = next(case for row, case, *_ in REFUSED if row == name)
        with pytest.raises(Exception) as caught:
            model.score(X, **case)
        assert (caught.type, str(caught.value)) == numpys_refusal(name, case), name


THE_ESTIMATORS = {"X", "y", "sample_weight", "class_weight"}
# With what scikit-learn's checks ask for (see test_estimator.py), or with what to do about Dask there.
IN_OTHER_WORDS = {"X complex", "X no columns", "y None", "y short", "y long", "y real numbers", "y real objects", "y dask",
                  "sample_weight dask"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:X has feature names, but:UserWarning")
def test_refused_by_the_estimator():
    """The same exception and text as from `train`: by `fit`, by `partial_fit`, and where there is an X to predict."""
    fitted = fastlr.LogisticRegression(backend="numpy").fit(X, Y)
    tried = 0
    for name, case, _, text in REFUSED:
        if case.keys() <= THE_ESTIMATORS and name not in IN_OTHER_WORDS:
            arguments = {"X": X, "y": Y} | case
            weights = {"class_weight": arguments.pop("class_weight", None), "backend": "numpy"}
            calls = [fastlr.LogisticRegression(**weights).fit]
            if case.keys() <= {"X", "sample_weight"} and not text.startswith(CLASS_WITHOUT_WEIGHT):
                calls.append(fastlr.LogisticRegression(**weights).partial_fit)
            if case.keys() == {"X"} and "beyond 1e" not in text:
                calls += [fitted.score, lambda X, y: fitted.predict_proba(X)]
            for call in calls:
                with pytest.raises(Exception) as caught:
                    call(**arguments)
                assert (caught.type, str(caught.value)) == numpys_refusal(name, case), (name, call)
                tried += 1
    assert tried > 350


@pytest.mark.parametrize("unknown", ["cuda", "Numpy", None, ["numpy"], pd.Series(["auto", "numpy"])],
                         ids=["cuda", "Numpy", "None", "list", "Series"])
def test_unknown_backend(unknown):
    names = ", ".join(map(repr, fastlr.available_backends()))
    with pytest.raises(ValueError, match=rf"^backend={re.escape(repr(unknown))} is unknown; there are 'auto', {names}$"):
        fastlr.train(X, Y, backend=unknown, **GD)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", "CF")
def test_place_in_many_rows(dtype, order):
    """X is searched in pieces."""
    A = np.zeros((400_000, 3), dtype, order)
    A[399_998, 2] = A[399_999, 0] = np.nan
    with pytest.raises(ValueError, match=r"^X has 2 value.*row 399998, column 2\b"):
        arrays.matrix(A)


@pytest.mark.parametrize(("dtype", "huge"), [(np.float64, 1e149), (np.float32, 1e30)])
def test_huge_value_diverges_politely(backend, dtype, huge):
    with pytest.warns(fastlr.ConvergenceWarning, match=r"diverged.*learning rate 0\.1 .*lower it"):
        model = fastlr.train(put(X, huge, dtype=dtype), Y, backend=backend, **GD)
    assert np.isfinite(model.w).all() and np.isfinite(model.cost)
    assert model.stop_reason.startswith("diverged: J rose from 0.693 ")


# ---- good but odd X -------------------------------------------------------------------------------------------------

INTS = RNG.integers(0, 5, (M, N))
SIGNED = INTS - 2


def cast(A, dtype):
    return A.astype(dtype), A.astype(np.float64)


def unaligned(A):
    B = np.zeros(A.nbytes + 1, np.uint8)[1:].view(A.dtype).reshape(A.shape)
    B[:] = A
    return B


def read_only(A):
    A = A.copy()
    A.flags.writeable = False
    return A


WIDE = RNG.standard_normal((M, 2 * N))
HALF = X.astype(np.float16).astype(np.float64)

# name: (X as given, the clean float64 C array)
SAME_BITS = {
    "float32": cast(X, np.float32),
    "read-only": (read_only(X), X),
    "read-only float32": (read_only(X.astype(np.float32)), X),
    "every 2nd row": (np.repeat(X, 2, axis=0)[::2], X),
    "every 2nd column": (WIDE[:, ::2], WIDE[:, ::2].copy()),
    "rows backwards": (X[::-1].copy()[::-1], X),
    "columns backwards": (X[:, ::-1].copy()[:, ::-1], X),
    "float32 every 2nd row": (np.repeat(X, 2, axis=0).astype(np.float32)[::2], X),
    "broadcast row": (np.broadcast_to(X[0], (M, N)), np.tile(X[0], (M, 1))),
    "broadcast column": (np.broadcast_to(X[:, :1], (M, N)), np.repeat(X[:, :1], N, axis=1)),
    ">f8": cast(X, ">f8"),
    ">f4": cast(X, ">f4"),
    "bool": cast(X > 0, bool),
    "int8": cast(SIGNED, np.int8),
    "uint8": cast(INTS, np.uint8),
    "int16": cast(SIGNED, np.int16),
    "uint16": cast(INTS, np.uint16),
    ">i2": cast(SIGNED, ">i2"),
    "int32": cast(SIGNED, np.int32),
    "int64": cast(SIGNED, np.int64),
    "uint64": cast(INTS, np.uint64),
    "float16": cast(HALF, np.float16),
    "longdouble": cast(X, np.longdouble),
    "object": cast(X, object),
    "object of ints and bools": (put(SIGNED, True, dtype=object), put(SIGNED, 1.0, dtype=float)),
    "lists": (X.tolist(), X),
    "tuples": (tuple(map(tuple, X)), X),
    "matrix": (X.view(np.matrix), X),
    "masked, no mask": (np.ma.array(X), X),
    "masked, all False": (np.ma.array(X, mask=np.zeros((M, N), bool)), X),
    "unaligned": (unaligned(X), X),
    "unaligned float32": (unaligned(X.astype(np.float32)), X),
    "only __array__": (OnlyArray(X), X),
}

SAME_BUT_ORDER = {
    "Fortran": (np.asfortranarray(X), X),
    "Fortran float32": (np.asfortranarray(X.astype(np.float32)), X),
    "Fortran >f8": (np.asfortranarray(X.astype(">f8")), X),
    "Fortran int8": (np.asfortranarray(SIGNED.astype(np.int8)), SIGNED.astype(float)),
    "transposed": (X.T.copy().T, X),
    "pandas": (frame(), X),
    "pandas float32": (frame().astype("float32"), X),
    "pandas mixed": (frame().astype({"a": "float32"}).assign(b=Y == 1, c=INTS[:, 0]),
                     np.column_stack([X[:, 0], Y == 1, INTS[:, 0]])),
    "pandas Float64": (frame().convert_dtypes(), X),
    "pandas names that are attributes": (frame().set_axis(["column_names", "schema", "index"], axis=1), X),
    "pyarrow": (columns(pa.table), X),
    "pyarrow chunks": (pa.concat_tables([columns(pa.table).slice(0, 7), columns(pa.table).slice(7)]), X),
    "pyarrow batch": (columns(pa.RecordBatch.from_pydict), X),
    "pyarrow mixed": (pa.table({"a": X[:, 0].astype("f4"), "b": Y == 1, "c": INTS[:, 0]}),
                      np.column_stack([X[:, 0], Y == 1, INTS[:, 0]])),
    "pyarrow dictionary": (columns(pa.table, pa.array(X[:, 1]).dictionary_encode()), X),
    "only __dataframe__": (OnlyDataFrame(columns(pa.table)), X),
    "only __arrow_c_stream__": (OnlyStream(columns(pa.table)), X),
    "pandas decimals": (columns(pd.DataFrame, [decimal.Decimal(k) / 8 for k in range(M)]),
                        np.column_stack([X[:, 0], np.arange(M) / 8, X[:, 2]])),
    "polars decimals": (columns(pl.DataFrame, [decimal.Decimal(k) / 8 for k in range(M)]),
                        np.column_stack([X[:, 0], np.arange(M) / 8, X[:, 2]])),
    "pyarrow decimals": (columns(pa.table, [decimal.Decimal(k) / 8 for k in range(M)]),
                         np.column_stack([X[:, 0], np.arange(M) / 8, X[:, 2]])),
    "polars": (frame(kind=pl.DataFrame), X),
    "polars mixed": (pl.DataFrame({"a": X[:, 0], "b": Y, "c": INTS[:, 0]}), np.column_stack([X[:, 0], Y, INTS[:, 0]])),
}


def train(A, y=Y, backend="numpy", **options):
    return fastlr.train(A, y, backend=backend, **GD | {"learning_rate": 0.01} | options)


def assert_same(model, other):
    np.testing.assert_array_equal(model.w, other.w)
    np.testing.assert_array_equal(model.costs, other.costs)
    assert (model.b, model.cost) == (other.b, other.cost)


def assert_close(model, other):
    np.testing.assert_allclose(np.append(model.w, model.b), np.append(other.w, other.b), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(np.append(model.costs, model.cost), np.append(other.costs, other.cost), rtol=1e-12)


@pytest.mark.parametrize("name", SAME_BITS | SAME_BUT_ORDER)
def test_odd_X(name):
    """Kernels get the values in a form that they take; they give what the clean array gives; and what is given stays as it is."""
    given, values = (SAME_BITS | SAME_BUT_ORDER)[name]
    before = copy.deepcopy(given)
    writeable = getattr(getattr(given, "flags", None), "writeable", None)
    A, _ = arrays.matrix(given)
    assert type(A) is np.ndarray
    assert A.dtype.name in arrays.KERNEL_DTYPES and A.dtype.isnative
    assert A.flags.aligned and not A.flags.writeable
    assert A.flags.c_contiguous or A.flags.f_contiguous
    np.testing.assert_array_equal(A, values)
    (assert_same if name in SAME_BITS else assert_close)(train(given), train(values))
    np.testing.assert_array_equal(arrays.matrix(before)[0], arrays.matrix(given)[0])
    assert getattr(getattr(given, "flags", None), "writeable", None) == writeable


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
def test_memmap_X(dtype, tmp_path):
    values = np.round(8 * X).astype(dtype)
    values.tofile(tmp_path / "X")
    given = np.memmap(tmp_path / "X", dtype, "r", shape=X.shape)
    assert_same(train(given), train(values.astype(np.float64)))
    np.testing.assert_array_equal(given, values)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("change", [np.ascontiguousarray, np.asfortranarray, read_only, lambda A: A[5:20], lambda A: A.T,
                                    lambda A: A.view(np.matrix), np.ma.array],
                         ids=["C", "F", "read-only", "slice", "T", "matrix", "masked"])
def test_X_is_not_copied(dtype, change):
    given = change(X.astype(dtype))
    A, _ = arrays.matrix(given)
    assert np.shares_memory(A, given)
    assert A.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_memmap_is_not_copied(dtype, tmp_path):
    X.astype(dtype).tofile(tmp_path / "X")
    given = np.memmap(tmp_path / "X", dtype, "r", shape=X.shape)
    assert np.shares_memory(arrays.matrix(given)[0], given)


@pytest.mark.parametrize(("dtype", "taken_as"), [("?", "u1"), ("u1", "u1"), ("i1", "i1"), ("i2", "i2"), (">i2", "i2"),
                                                 ("u2", "f4"), ("f2", "f4"), (">f4", "f4")])
def test_small_numbers_stay_small(dtype, taken_as):
    assert arrays.matrix(np.eye(2).astype(dtype))[0].dtype == np.dtype(taken_as)


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8", "u8", ">f8", "g", "O"])
def test_large_numbers_become_float64(dtype):
    given = np.full((2, 2), 2 ** 24 + 1).astype(dtype)
    A, _ = arrays.matrix(given)
    assert A.dtype == np.float64
    assert (A == 2 ** 24 + 1).all()


def test_booleans_beside_numbers_in_a_frame_make_no_objects(monkeypatch):
    monkeypatch.setattr(arrays, "_numbers_of_objects", None)
    for numbers, dtype in ((X[:, 0], "f8"), (X[:, 0].astype("f4"), "f4"), (INTS[:, 0].astype("u1"), "u1"), (INTS[:, 0], "f8")):
        A, names = arrays.matrix(pd.DataFrame({"a": numbers, "b": X[:, 1] > 0}))
        assert A.dtype == np.dtype(dtype) and names == ("a", "b")
        np.testing.assert_array_equal(A, np.column_stack([numbers, X[:, 1] > 0]))


# ---- good but odd y, sample_weight, offset --------------------------------------------------------------------------

NO_YES = ["no", "yes"]

ODD_Y = {
    "list": (Y.tolist(), [0, 1]),
    "tuple": (tuple(Y.tolist()), [0, 1]),
    "bool": (Y == 1, [False, True]),
    "list of bools": ((Y == 1).tolist(), [False, True]),
    "int8": (Y.astype(np.int8), [0, 1]),
    "uint8": (Y.astype(np.uint8), [0, 1]),
    "float": (Y.astype(float), [0.0, 1.0]),
    "float16": (Y.astype(np.float16), [0.0, 1.0]),
    "-1 and 1": (2 * Y - 1, [-1, 1]),
    "1 and 2": (Y + 1, [1, 2]),
    "fractions": (Y * 4 / 3, [0.0, 4 / 3]),
    "text": (TEXT, NO_YES),
    "list of text": (TEXT.tolist(), NO_YES),
    "bytes": (TEXT.astype("S"), [b"no", b"yes"]),
    "objects": (TEXT.astype(object), NO_YES),
    "text with a nul": (objects(*[("a", "a\0")[k] for k in Y]), ["a", "a\0"]),
    "list of integers beyond 2^53": ([(2 ** 53, 2 ** 64 - 1)[k] for k in Y], [2 ** 53, 2 ** 64 - 1]),
    "deque": (collections.deque(Y.tolist()), [0, 1]),
    "object numbers": (Y.astype(object), [0, 1]),
    "Series": (pd.Series(Y, index=np.arange(M)[::-1]), [0, 1]),
    "Series of text": (pd.Series(TEXT), NO_YES),
    "Series Int64": (pd.Series(Y, dtype="Int64"), [0, 1]),
    "Series boolean": (pd.Series(Y == 1, dtype="boolean"), [False, True]),
    "Categorical": (pd.Categorical(TEXT, categories=["yes", "no"]), NO_YES),
    "Series category": (pd.Series(TEXT, dtype="category"), NO_YES),
    "polars": (pl.Series(TEXT.tolist()), NO_YES),
    "polars categorical": (pl.Series(TEXT.tolist(), dtype=pl.Categorical), NO_YES),
    "Categorical, unused": (pd.Categorical(TEXT, categories=["maybe", "yes", "no"]), NO_YES),
    "Series category, unused": (pd.Series(pd.Categorical(Y, categories=[2, 1, 0])), [0, 1]),
    "Series string": (pd.Series(TEXT, dtype="string"), NO_YES),
    "Series string of pyarrow": (pd.Series(TEXT, dtype="string[pyarrow]"), NO_YES),
    "Series Float64": (pd.Series(Y, dtype="Float64"), [0.0, 1.0]),
    "polars enum, unused": (pl.Series(TEXTS, dtype=pl.Enum(["yes", "maybe", "no"])), NO_YES),
    "polars booleans": (pl.Series(Y == 1), [False, True]),
    "one-column polars": (pl.DataFrame({"y": TEXTS}), NO_YES),
    "pyarrow": (pa.array(TEXTS), NO_YES),
    "pyarrow booleans": (pa.array(Y == 1), [False, True]),
    "pyarrow chunks": (pa.chunked_array([Y[:7], Y[7:]]), [0, 1]),
    "pyarrow dictionary, unused": (pa.DictionaryArray.from_arrays(2 * Y, ["no", "maybe", "yes"]), NO_YES),
    "one-column pyarrow": (pa.table({"y": TEXTS}), NO_YES),
    "StringDType": (TEXT.astype(STRING()), NO_YES),
    "StringDType with missing": (TEXT.astype(STRING(na_object=np.nan)), NO_YES),
    "column": (Y[:, None], [0, 1]),
    "one-column frame": (pd.DataFrame({"y": Y}), [0, 1]),
    ">i4": (Y.astype(">i4"), [0, 1]),
    ">f8": (Y.astype(">f8"), [0.0, 1.0]),
    "strided": (np.repeat(Y, 2)[::2], [0, 1]),
    "backwards": (Y[::-1].copy()[::-1], [0, 1]),
    "read-only": (read_only(Y), [0, 1]),
    "masked, no mask": (np.ma.array(Y), [0, 1]),
}


@pytest.mark.parametrize("name", ODD_Y)
def test_odd_y(name):
    y, classes = ODD_Y[name]
    before = np.array(y)
    writeable = y.flags.writeable if isinstance(y, np.ndarray) else None
    model = train(X, y)
    assert_same(model, train(X))
    assert model.classes.tolist() == classes
    np.testing.assert_array_equal(np.asarray(y), before)
    assert writeable is None or y.flags.writeable == writeable


@pytest.mark.parametrize("name", SAME_BITS | SAME_BUT_ORDER)
@pytest.mark.slow
def test_the_estimator_takes_the_same_X(name):
    given, values = (SAME_BITS | SAME_BUT_ORDER)[name]
    model = train(given)
    ours, clean = (fastlr.LogisticRegression(backend="numpy").fit(A, Y) for A in (given, values))
    np.testing.assert_allclose(ours.coef_, clean.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.predict_proba(given), clean.predict_proba(values), rtol=1e-9)
    assert ours.score(given, Y) == clean.score(values, Y)
    assert ours.model_.feature_names == model.feature_names
    assert tuple(getattr(ours, "feature_names_in_", ())) == (model.feature_names or ())
    learnt = fastlr.LogisticRegression(backend="numpy").partial_fit(given, Y)
    np.testing.assert_allclose(learnt.coef_, ours.coef_, rtol=0.05, atol=0.02)


@pytest.fixture(scope="module")
def clean():
    return fastlr.LogisticRegression(backend="numpy").fit(X, Y)


@pytest.mark.filterwarnings("ignore:A column-vector y:sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("name", ODD_Y)
@pytest.mark.slow
def test_the_estimator_takes_the_same_y(name, clean):
    y, classes = ODD_Y[name]
    for ours in (fastlr.LogisticRegression(backend="numpy").fit(X, y),
                 fastlr.LogisticRegression(backend="numpy").partial_fit(X, y).fit(X, y)):
        assert np.array_equal(ours.coef_, clean.coef_)
        assert ours.classes_.tolist() == classes
        assert ours.score(X, y) == ours.model_.score(X, y) == clean.score(X, Y)


# ---- names of columns, and the index of rows --------------------------------------------------------------------------

TABLES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table, "batch": pa.RecordBatch.from_pydict,
          "only __dataframe__": lambda columns: OnlyDataFrame(pa.table(columns)),
          "only __arrow_c_stream__": lambda columns: OnlyStream(pa.table(columns))}


@pytest.mark.parametrize("kind", TABLES)
def test_names_of_columns(kind):
    """Those of the columns, and not what they hold: other rows are predicted, and other columns are not."""
    model = train(columns(TABLES[kind]))
    assert model.feature_names == ("a", "b", "c")
    others = {name: column[:9] for name, column in zip("abc", X.T, strict=True)}
    np.testing.assert_allclose(model.decision_function(TABLES[kind](others)), model.decision_function(X[:9]), rtol=1e-14)
    backwards = TABLES[kind](dict(reversed(others.items())))
    with pytest.raises(ValueError, match=r"^X has the model's columns in another order; pass X(\.select\(|\[)\['a', 'b', 'c'\]"):
        model.predict(backwards)
    with pytest.raises(ValueError, match=r"missing \['c'\], unknown \['d'\]"):
        model.predict(TABLES[kind]({name if name != "c" else "d": column for name, column in others.items()}))


def test_names_that_are_not_text():
    for names, found in (((0, 1, 2), ("0", "1", "2")), (pd.MultiIndex.from_product([["a"], [0, 1, 2]]), ("('a', 0)", "('a', 1)",
                                                                                                        "('a', 2)"))):
        table = frame().set_axis(names, axis=1)
        ours = fastlr.LogisticRegression(backend="numpy").fit(table, Y)
        assert train(table).feature_names == ours.model_.feature_names == found
        assert not hasattr(ours, "feature_names_in_")               # scikit-learn's rule
        with pytest.raises(ValueError, match=re.escape(f"row 4, column 1 ({found[1]!r})")):
            ours.predict(table.where(np.arange(M * N).reshape(M, N) != 4 * N + 1))


def test_a_table_that_cannot_be_read():
    class Broken:
        def __dataframe__(self, nan_as_null=False, allow_copy=True):
            raise RuntimeError("out of luck")

    with pytest.raises(ValueError, match=r"^X is tests's Broken, which can't be read as a table: out of luck$"):
        train(Broken())


def test_a_table_without_pyarrow(monkeypatch):
    tables = OnlyStream(columns(pa.table)), OnlyDataFrame(columns(pa.table))
    for name in ("pyarrow", "pyarrow.interchange"):
        monkeypatch.setitem(sys.modules, name, None)
    for table in tables:
        with pytest.raises(ImportError, match=r"^X is tests's Only.*, which fastlr reads through pyarrow; pip install"):
            train(table)


def test_dates_and_categories_in_a_frame_of_narwhals():
    narwhals = pytest.importorskip("narwhals")
    for made in (columns(pl.DataFrame, DAYS), columns(pd.DataFrame, pd.Categorical(Y))):
        with pytest.raises(TypeError, match=r"^X must hold real numbers, not (Date|categories) \(column 'b'\)"):
            train(narwhals.from_native(made))


def test_rows_with_an_index():
    """The same order, other indices, or none on one side: by position."""
    expected = train(X, sample_weight=ONES + Y)
    elsewhere = pd.Series(ONES + Y, index=np.arange(5, 5 + M)[BACKWARDS])          # the index of other rows
    twice = pd.Series(Y, index=["same"] * M)
    once, other = (pd.Index([*"aab"] * (M // 3)), pd.Index([*"abb"] * (M // 3)))      # the same labels, not as often
    for A, y, weights in ((indexed(X), indexed(Y), indexed(ONES + Y)), (indexed(X), Y, elsewhere), (X, indexed(Y), elsewhere),
                          (indexed(X), twice, (ONES + Y).tolist()), (pd.DataFrame(X, once), pd.Series(Y, other), ONES + Y),
                          (indexed(X), pl.Series(Y), elsewhere.to_numpy())):
        assert_close(train(A, y, sample_weight=weights), expected)
    zoned = pd.date_range("2020", periods=M, tz="UTC")
    assert_close(train(pd.DataFrame(X, index=zoned), pd.Series(Y, index=zoned.tz_convert("Asia/Tokyo")),
                       sample_weight=ONES + Y), expected)


@pytest.mark.parametrize("index", [range(M), pd.MultiIndex.from_product([["a", "b"], range(M // 2)]), [None, *range(1, M)],
                                   ["a", *range(1, M)], ["twice", "twice", *range(2, M)], pd.date_range("2020", periods=M),
                                   pd.CategoricalIndex(list(map(str, range(M))))],
                         ids=["range", "levels", "missing", "mixed", "twice", "dates", "categories"])
def test_the_same_index_in_another_order(index):
    A, y = pd.DataFrame(X, index=index), pd.Series(Y, index=index)
    model = train(A, y)
    for call in (lambda y: train(A, y), lambda y: fastlr.cost_and_gradient(A, y, np.zeros(N), 0.0, backend="numpy"),
                 lambda y: fastlr.LogisticRegression(backend="numpy").fit(A, y),
                 lambda y: fastlr.LogisticRegression(backend="numpy").partial_fit(A, y), lambda y: model.score(A, y),
                 lambda y: fastlr.LogisticRegression(backend="numpy").fit(A, y.to_numpy()).score(A, y),
                 lambda y: model.predict(A, offset=y)):
        with pytest.raises(ValueError, match=r"^(y|offset) has the index of X in another order: row 2 "):
            call(y.iloc[[0, 1, *range(2, M)[BACKWARDS]]])


@pytest.mark.parametrize("labels", [list("pqr"), [1, 2, 10]], ids=["text", "numbers"])
def test_an_offset_for_the_classes_in_another_order(labels):
    """Names of columns are those of classes as they are, or as text; other names say nothing."""
    y, offset = np.array(labels)[np.arange(M) % 3], pd.DataFrame(RNG.standard_normal((M, 3)), columns=labels)
    model, stream = train(X, y, offset=offset), fastlr.stream([X[:15], X[15:]])
    assert_close(train(X, y, offset=offset.set_axis(["a", "b", "c"], axis=1)), model)
    np.testing.assert_array_equal(model.predict(stream, offset), model.predict(X, offset.to_numpy()))
    for moved in (offset[[labels[0], labels[2], labels[1]]], offset[labels[::-1]].rename(columns=str)):
        for call in (lambda o: train(X, y, offset=o), lambda o: train(stream, y, offset=o), lambda o: model.predict_proba(X, o),
                     lambda o: model.score(stream, y, offset=o)):
            with pytest.raises(ValueError, match=r"offset has the classes in another order: number [01] is .*\.to_numpy\(\)"):
                call(moved)
    columns = {str(label): offset[label].to_numpy() for label in labels[::-1]}
    for frame in (pl.DataFrame(columns), pa.table(columns)):
        with pytest.raises(ValueError, match=r"offset has the classes in another order: number 0 is "):
            model.predict(stream, frame)


@pytest.mark.parametrize("names", [list("abc"), [3, 4, 5]], ids=["text", "numbers"])
def test_factors_for_the_columns_in_another_order(names):
    frame, factors = pd.DataFrame(X, columns=names), pd.Series([0.0, 1.0, 2.0], index=names)
    assert_close(train(frame, l2=0.1, penalty_factors=factors), train(X, l2=0.1, penalty_factors=[0.0, 1.0, 2.0]))
    for call in (train, fastlr.path):
        with pytest.raises(ValueError, match=r"^penalty_factors has the columns of X in another order: number 0 is "):
            call(frame, y=Y, penalty_factors=factors[::-1])


@pytest.mark.parametrize("name", ["y", "sample_weight", "offset"])
def test_the_name_of_a_column_beside_a_frame(name):
    frame = pd.DataFrame(X, columns=list("abc")).assign(bought=np.where(Y == 1, "yes", "no"))
    with pytest.raises(TypeError, match=f"^{name} is 'bought', and names of columns are for an X that is a stream or a path"):
        train(frame, **{"y": Y} | {name: "bought"})


def test_labels_that_come_twice_are_no_way_to_pair_rows():
    groups = pd.DataFrame(X, index=["a"] * 15 + ["b"] * 15), pd.Series(Y, index=["b"] * 15 + ["a"] * 15)
    with pytest.raises(ValueError, match=r"row 0 is a in X, and b in y\.  Pass y\.to_numpy\(\) to pair them as they stand"):
        train(*groups)


def test_the_same_index_in_another_order_in_a_block():
    halves = [(indexed(X).iloc[rows], indexed(Y).iloc[rows]) for rows in (slice(0, 15), slice(15, M))]
    assert_close(train(fastlr.stream(halves), None), train(X))
    halves[1] = halves[1][0], halves[1][1].iloc[BACKWARDS]
    with pytest.raises(ValueError, match=r"block 1 .* y has the index of X in another order: row 0 is row 15 in X, "):
        train(fastlr.stream(halves), None)


WEIGHTS = RNG.integers(0, 4, M)
ODD_VECTOR = {
    "list": WEIGHTS.tolist(),
    "int": WEIGHTS,
    "uint8": WEIGHTS.astype(np.uint8),
    "float32": WEIGHTS.astype(np.float32),
    ">f8": WEIGHTS.astype(">f8"),
    "object": WEIGHTS.astype(object),
    "column": WEIGHTS[:, None].astype(float),
    "strided": np.repeat(WEIGHTS.astype(float), 2)[::2],
    "read-only": read_only(WEIGHTS.astype(float)),
    "unaligned": unaligned(WEIGHTS.astype(float)),
    "Series": pd.Series(WEIGHTS),
    "Series Float64": pd.Series(WEIGHTS, dtype="Float64"),
    "polars": pl.Series(WEIGHTS.tolist()),
    "pyarrow": pa.array(WEIGHTS),
    "pyarrow chunks": pa.chunked_array([WEIGHTS[:7], WEIGHTS[7:]]),
    "masked, no mask": np.ma.array(WEIGHTS),
}


@pytest.mark.parametrize("name", ODD_VECTOR)
def test_odd_vector(name):
    for argument in ("sample_weight", "offset"):
        assert_same(train(X, **{argument: ODD_VECTOR[name]}), train(X, **{argument: WEIGHTS.astype(float)}))


def test_vectors_and_init_are_not_modified(backend):
    for argument in ("sample_weight", "offset"):
        given = WEIGHTS.astype(float)
        train(X, backend=backend, class_weight="balanced", **{argument: given})
        np.testing.assert_array_equal(given, WEIGHTS)
        assert given.flags.writeable
    w = np.ones(N)
    assert not np.array_equal(train(X, backend=backend, init=(w, 1.0)).w, w)
    assert (w == 1.0).all() and w.flags.writeable


@pytest.mark.parametrize("w", [[[1, 2, 3]], [[1], [2], [3]], [1, 2, 3], np.array([1, 2, 3], ">f4"), pd.Series([1, 2, 3])],
                         ids=["row", "column", "ints", ">f4", "Series"])
def test_odd_init(w):
    assert_same(train(X, init=(w, 1)), train(X, init=(np.array([1.0, 2.0, 3.0]), 1.0)))


# ---- cost_and_gradient: y as given ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("y", "error", "text"), [
    (2 * Y - 1, ValueError, r"^y must be 0 or 1; it is -1 at row 0$"),
    (put(Y, np.nan, dtype=float), ValueError, r"^y must be 0 or 1; it is nan at row 4$"),
    (TEXT, TypeError, r"^y must be numbers, 0 or 1, not <U3$"),
    (Y[:-1], ValueError, r"^y has 29 values, and X has 30 rows$"),
], ids=["-1 and 1", "nan", "text", "short"])
def test_cost_and_gradient_refuses_y(y, error, text):
    with pytest.raises(error, match=text):
        fastlr.cost_and_gradient(X, y, np.zeros(N), 0.0)


@pytest.mark.parametrize("label", [0, 1])
def test_cost_and_gradient_takes_one_class(backend, label):
    J, dw, db = fastlr.cost_and_gradient(X, np.full(M, label), np.zeros(N), 0.0, backend=backend)
    assert J == pytest.approx(np.log(2), rel=1e-14)
    np.testing.assert_allclose(dw, (0.5 - label) * X.mean(axis=0), rtol=1e-12)
    assert db == pytest.approx(0.5 - label, rel=1e-14)


@pytest.mark.parametrize("w", [np.zeros(2), np.zeros((3, 3)), 0.0])
def test_cost_and_gradient_refuses_w(w):
    with pytest.raises(ValueError, match=r"^w has shape .*3 features: w must have shape \(3,\)$"):
        fastlr.cost_and_gradient(X, Y, w, 0.0)


@pytest.mark.parametrize("y", [[2.5, -1.0, 2.5, -1.0], [-1.0, 2.5, -1.0, 2.5], [True, False, True, True], [1, 0, 0, 1]])
def test_two_numbers_are_in_order_whichever_comes_first(y):
    codes, classes = labels.codes_of(labels.label_array(np.array(y), 4))
    assert classes.tolist() == sorted(set(y))
    assert classes[codes].tolist() == y


@pytest.mark.parametrize(("y", "way_out"), [(Y, "pass X.T"), (Y.tolist(), "pass X.T"), (Y[None], "pass X.T and y.ravel()")])
def test_an_example_in_each_column_is_told_to_be_transposed(y, way_out):
    for call in (fastlr.train, lambda X, y: fastlr.cost_and_gradient(X, y, np.zeros(M), 0.0)):
        with pytest.raises(ValueError, match=rf"^y has 30 values, and X has shape \(3, 30\)\. .*, {re.escape(way_out)}$"):
            call(X.T, y)
