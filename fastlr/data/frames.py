"""Data frames and tables: the names and types of their columns, and the index of their rows.

pandas, polars and pyarrow are told apart by what their objects can do, so none of them is imported here for another's data.
"""

import functools
from typing import Any

import numpy as np

from fastlr.machine.forks import imported

DATES_HINT = "; turn dates and times into numbers first (such as days since a date)"


def with_array(X: Any) -> Any:
    """X itself if NumPy can read it, else the pyarrow Table of what has columns only.

    Raises
    ------
    ImportError
        A table of another package, where there is no pyarrow to read it.
    TypeError
        A lazy frame, whose rows are not there yet.
    ValueError
        A table that pyarrow can't read.
    """
    refuse_lazy("X", X)
    has = functools.partial(hasattr, type(X))           # a column of pandas' may have any name, and is an attribute too
    is_batch = has("__arrow_c_array__") and has("column_names")             # which scikit-learn finds no names in
    protocol = next(filter(has, ("__arrow_c_stream__", "__dataframe__")), None)
    if not is_batch and (protocol is None or has("__array__")):
        return X
    kind = f"{type(X).__module__.partition('.')[0]}'s {type(X).__name__}"
    try:
        read = imported("pyarrow.interchange").from_dataframe if protocol == "__dataframe__" else imported("pyarrow").table
    except ImportError as error:
        raise ImportError(f"X is {kind}, which fastlr reads through pyarrow; pip install pyarrow, or pass an array") from error
    try:
        return read(X)
    except Exception as error:                  # whatever somebody's table raises
        raise ValueError(f"X is {kind}, which can't be read as a table: {error}") from error


def refuse_lazy(name: str, value: Any) -> None:
    """Raise TypeError for a lazy frame of polars or narwhals."""
    if type(value).__name__ == "LazyFrame" and hasattr(value, "collect"):
        raise TypeError(f"{name} is a LazyFrame, whose rows are not there yet; pass {name}.collect()")


def names_and_numbers(X: Any) -> tuple[tuple[str, ...] | None, Any]:
    """The columns' names, or None for what has none; and X as NumPy is to read it.

    pandas by itself makes objects of booleans beside numbers, which takes a hundred times as long.

    Raises
    ------
    TypeError
        A column of categories, dates or times, of which NumPy would make numbers without a word.
    ValueError
        Two columns of one name.
    """
    columns = columns_of(X)
    if columns is None:
        return None, X
    names = tuple(map(str, columns))
    refuse_twice("X has", names)
    dtypes = _dtypes(X)
    kinds = dict.fromkeys(dtypes)                       # few, however many columns there are
    for dtype in kinds:
        if not isinstance(dtype, np.dtype):
            _refuse_dtype(dtype, names[dtypes.index(dtype)])
    are_numbers = all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in kinds)
    return names, X.to_numpy(np.result_type(*kinds)) if are_numbers and len(kinds) > 1 else X


def columns_of(X: Any) -> list[Any] | None:
    """The labels of the columns of a frame or a table; None for what has none."""
    is_arrow = hasattr(type(X), "column_names")         # whose `columns` are what they hold
    columns = X.column_names if is_arrow else getattr(X, "columns", None) if hasattr(X, "__array__") else None
    return None if columns is None else _listed(columns)


def refuse_twice(where: str, names: tuple[str, ...]) -> None:
    """Raise ValueError where two columns have one name."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{where} {names.count(twice)} columns called {twice!r}; rename all but one")


def _listed(values: Any) -> list[Any]:
    """List the items, which in pandas takes much less time for all of them at once."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _dtypes(X: Any) -> list[Any]:
    """The types of the columns of pandas, of pyarrow, and of polars and what is like it; none of other frames."""
    schema = X.schema if hasattr(type(X), "schema") else None
    if schema is None:
        return _listed(getattr(X, "dtypes", ()))
    return list(schema.types if hasattr(schema, "types") else schema.values())


_CATEGORIES = ("CategoricalDtype", "Categorical", "Enum")              # The categories of pandas and polars.


def _refuse_dtype(dtype: Any, column: str) -> None:
    """Raise TypeError for categories, dates and times.

    A date of pandas is an object to NumPy, and refused by its value; a dictionary of pyarrow's is a way to store numbers, as in
    files.
    """
    dtype = getattr(dtype, "pyarrow_dtype", dtype)      # of pandas with pyarrow's arrays
    dtype = getattr(dtype, "value_type", dtype)         # of a dictionary
    if getattr(dtype, "__name__", type(dtype).__name__) in _CATEGORIES:
        raise TypeError(f"X must hold real numbers, not categories (column {column!r}); make one-hot columns of them, or numbers "
                        "where they have an order; fastlr.formula.train('y ~ C(column) + ...', frame) makes indicators")
    is_pyarrows = type(dtype).__module__ == "pyarrow.lib"
    if (is_pyarrows and imported("pyarrow.types").is_temporal(dtype)) or (hasattr(dtype, "is_temporal") and dtype.is_temporal()):
        raise TypeError(f"X must hold real numbers, not {dtype} (column {column!r}){DATES_HINT}")


def refuse_other_columns(X: Any, found: tuple[str, ...], trained: tuple[str, ...]) -> None:
    """Raise ValueError unless X has the columns that a model was trained on, in their order."""
    if found == trained:
        return
    missing = [name for name in trained if name not in found]
    unknown = [name for name in found if name not in trained]
    if missing or unknown:
        raise ValueError(f"X has other columns than the model was trained on: missing {missing}, unknown {unknown}")
    in_order = f"X.select({list(trained)})" if hasattr(type(X), "column_names") else f"X[{list(trained)}]"
    raise ValueError(f"X has the model's columns in another order; pass {in_order}")


def refuse_other_order(**given: Any) -> None:
    """Raise ValueError where two of some arguments have the same pandas index in different orders.

    Rows are paired by position, which is not what such data mean.  Indices that differ in what they hold say nothing.
    """
    indexed = [(name, index) for name, value in given.items() if (index := index_of(value)) is not None]
    for name, index in indexed[1:]:
        first, reference = indexed[0]
        if len(index) != len(reference) or index.dtype != reference.dtype or index.equals(reference):
            continue
        here, there = np.split(reference.append(index).factorize()[0], 2)               # -1 for a missing label
        is_moved = here != there
        if is_moved.any() and np.array_equal(np.sort(here), np.sort(there)):
            i = int(np.argmax(is_moved))
            by_index = f"{name}.loc[{first}.index] to pair rows by index, or " if reference.is_unique else ""
            raise ValueError(f"{name} has the index of {first} in another order: row {i} is {reference[i]!s} in {first}, "
                             f"and {index[i]!s} in {name}.  Pass {by_index}{name}.to_numpy() to pair them as they stand")


def refuse_other_places(name: str, given: list[Any] | None, what: str, expected: list[Any]) -> None:
    """Raise ValueError where the labels along an argument are those that are expected, in another order.

    Values are paired by position.  Labels that differ in what they are say nothing.
    """
    if given is None or len(given) != len(expected):
        return
    if not {*given} & {*expected}:                      # "1" is the name of 1
        given, expected = list(map(str, given)), list(map(str, expected))
    if given != expected and {*given} == {*expected}:
        k = next(k for k, (found, label) in enumerate(zip(given, expected, strict=True)) if found != label)
        raise ValueError(f"{name} has {what} in another order: number {k} is {given[k]!r}, and should be {expected[k]!r}.  "
                         f"Reorder it, or pass {name}.to_numpy() to take it as it stands")


def index_of(value: Any) -> Any:
    """The index of a DataFrame or Series of pandas' kind, or None; a list has an `index` too."""
    index = getattr(value, "index", None)
    return index if hasattr(index, "equals") and hasattr(index, "get_indexer") else None
