"""Data frames and tables: the names and types of their columns, and the index of their rows.

pandas, polars and pyarrow are told apart by what their objects can do, so none of them is imported here for another's data.
"""

from typing import Any

import numpy as np

from fastlr.backends._forks import imported

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
    is_batch = hasattr(X, "__arrow_c_array__") and hasattr(X, "column_names")           # which scikit-learn finds no names in
    protocol = next((name for name in ("__arrow_c_stream__", "__dataframe__") if hasattr(X, name)), None)
    if not is_batch and (protocol is None or hasattr(X, "__array__")):
        return X
    kind = f"{type(X).__module__.partition('.')[0]}'s {type(X).__name__}"
    try:
        pyarrow, interchange = imported("pyarrow"), imported("pyarrow.interchange")
    except ImportError as error:
        raise ImportError(f"X is {kind}, which fastlr reads through pyarrow (pip install pyarrow), or pass an array") from error
    try:
        return interchange.from_dataframe(X) if protocol == "__dataframe__" else pyarrow.table(X)
    except Exception as error:                  # whatever somebody's table raises
        raise ValueError(f"X is {kind}, which can't be read as a table: {error}") from error


def refuse_lazy(name: str, value: Any) -> None:
    """Raise TypeError for a lazy frame of polars or narwhals."""
    if type(value).__name__ == "LazyFrame" and hasattr(value, "collect"):
        raise TypeError(f"{name} is a LazyFrame, whose rows are not there yet; pass {name}.collect()")


def column_names(X: Any) -> tuple[str, ...] | None:
    """The columns' names, or None for what has none.

    Raises
    ------
    TypeError
        A column of categories, or of dates or times, which NumPy would make numbers of without a word.
    ValueError
        Two columns of one name.
    """
    schema = getattr(X, "schema", None) if hasattr(X, "column_names") else None         # pyarrow's `columns` are their values
    columns = schema.names if schema is not None else getattr(X, "columns", None) if hasattr(X, "__array__") else None
    if columns is None:
        return None
    names = tuple(map(str, columns))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"X has {names.count(twice)} columns called {twice!r}; rename all but one")
    for name, dtype in zip(names, schema.types if schema is not None else getattr(X, "dtypes", ()), strict=False):
        if _is_category(dtype):
            raise TypeError(f"X must hold real numbers, not categories (column {name!r}, {dtype}); make one-hot columns of them, or "
                            "numbers where they have an order")
        if _is_temporal(dtype):
            raise TypeError(f"X must hold real numbers, not {dtype} (column {name!r}){DATES_HINT}")
    return names


def _is_category(dtype: Any) -> bool:
    """pandas' and pyarrow's own; the categories of polars are text, which is refused by its value."""
    return getattr(dtype, "name", None) == "category" or (_is_of_pyarrow(dtype) and imported("pyarrow.types").is_dictionary(dtype))


def _is_temporal(dtype: Any) -> bool:
    """Of polars and pyarrow; pandas hands dates out as objects, or as NumPy's dates."""
    if _is_of_pyarrow(dtype):
        return imported("pyarrow.types").is_temporal(dtype)
    return hasattr(dtype, "is_temporal") and dtype.is_temporal()


def _is_of_pyarrow(dtype: Any) -> bool:
    return type(dtype).__module__ == "pyarrow.lib"


def refuse_other_columns(X: Any, found: tuple[str, ...], trained: tuple[str, ...]) -> None:
    """Raise ValueError unless X has the columns that a model was trained on, in their order."""
    if found == trained:
        return
    missing = [name for name in trained if name not in found]
    unknown = [name for name in found if name not in trained]
    if missing or unknown:
        raise ValueError(f"X has other columns than the model was trained on: missing {missing}, unknown {unknown}")
    in_order = f"X.select({list(trained)})" if hasattr(X, "column_names") else f"X[{list(trained)}]"
    raise ValueError(f"X has the model's columns in another order; pass {in_order}")


def refuse_other_order(**given: Any) -> None:
    """Raise ValueError where two of some arguments have the same pandas index in different orders.

    Rows are paired by position, which is not what such data mean.  Indices that differ in what they hold say nothing.
    """
    indexed = [(name, value.index) for name, value in given.items() if _has_index(value)]
    for name, index in indexed[1:]:
        first, reference = indexed[0]
        m = len(reference)
        if len(index) != m or index.equals(reference):
            continue
        codes = reference.append(index).factorize()[0] + 1                              # 0 is a missing one
        here, there = codes[:m], codes[m:]
        if (here != there).any() and np.array_equal(*(np.bincount(part, minlength=codes.max() + 1) for part in (here, there))):
            i = int(np.argmax(here != there))
            raise ValueError(f"{name} has the index of {first} in another order: row {i} is {reference[i]!r} in {first}, and "
                             f"{index[i]!r} in {name}.  Pass {name}.loc[{first}.index] to pair rows by index, or {name}.to_numpy() "
                             "to pair them as they stand")


def _has_index(value: Any) -> bool:
    """Whether it is a DataFrame or Series of pandas' kind; a list has an `index` too."""
    index = getattr(value, "index", None)
    return hasattr(index, "equals") and hasattr(index, "factorize")
