"""Model files: one JSON object, UTF-8, that holds values and nothing that could run.

    "format"         "fastlr-model"
    "version"        6; version 5 has no statistics.flat and to_theta, version 4 is for two classes alone, version 3 has no
                     statistics.l1, version 2 no gap_kind, version 1 neither history nor statistics, and a higher one is
                     refused
    "classes"        {"dtype": ..., "values": [..., ...]}, the label of y = 0 first
                     dtype "bool", "int8" ... "uint64", "float16", "float32", "float64", in the byte order of the machine;
                     "str", with "length", NumPy's characters a label;
                     "object", with "types", those of the labels: "bool", "int", "float", "str"

and every other attribute of the Model under its name, with the type and the shape of `_FIELDS`.  Python writes the shortest
decimal that reads back as the same float, so numbers keep every bit.  A number that isn't finite is "nan", "inf" or "-inf".
A field more or less is an error.  What `write` writes is read by the same rules first.  The file of a path is such an object too:
its "format" is "fastlr-path", and "models" is a list of models.
"""

import math
import os
import re
import reprlib
import stat
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastlr.machine.arrays import plain
from fastlr.machine.files import replacing

_FORMAT, _PATH_FORMAT = "fastlr-model", "fastlr-path"
_VERSION, _PATH_VERSION = 6, 1
# Bytes that a file may have: twelve million numbers.
LARGEST_FILE = 2 ** 28


class _Type(NamedTuple):
    """What a value in a file may be."""

    name: str
    holds: Callable[[Any], bool]
    make: Callable[[Any], Any]      # the value in memory


def _is_finite(value: Any) -> bool:
    """Whether this is a finite number; JSON's 1 is as good as 1.0."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _integer(smallest: int, largest: int) -> _Type:
    return _Type(f"an integer from {smallest:.7g} to {largest:.7g}",
                 lambda value: type(value) is int and smallest <= value <= largest, int)


_NUMBER = _Type("a finite number", _is_finite, float)
_ANY_NUMBER = _Type('a number, "nan", "inf" or "-inf"', lambda value: value in ("nan", "inf", "-inf") or _is_finite(value), float)
_COUNT = _integer(0, 2 ** 63 - 1)
_POSITIVE = _integer(1, 2 ** 63 - 1)
_FLAG = _Type("true or false", lambda value: type(value) is bool, bool)
_TEXT = _Type("text without half a surrogate pair",
              lambda value: type(value) is str and not re.search("[\ud800-\udfff]", value), str)
_GAP_KIND = _Type('"bound" or "estimate"', lambda value: value in ("bound", "estimate"), str)
# The characters of all labels, each as long as the longest: a short file can't ask for more memory than that.
_LABEL_LENGTHS = 2 ** 21
# What labels may be; Python reads and writes no integer of more than 4300 digits.
_LABEL_TYPES = {"bool": _FLAG, "int": _integer(-2 ** 1000, 2 ** 1000), "float": _NUMBER, "str": _TEXT}
_NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")

# The type and the shape of each field, where n is the number of features and n_iter that of updates.
_FIELDS: dict[str, Any] = {
    "w": (_NUMBER, "n"),
    "b": (_NUMBER,),
    "classes": None,                # `_labels` reads them
    "cost": (_NUMBER,),
    "costs": (_NUMBER, "n_iter"),
    "history": {"grad_norm": (_ANY_NUMBER, "n_iter + 1"), "step": (_NUMBER, "n_iter"), "seconds": (_NUMBER, "n_iter + 1")},
    "n_iter": (_COUNT,),
    "converged": (_FLAG,),
    "stop_reason": (_TEXT,),
    "grad_norm": (_ANY_NUMBER,),
    "gap": (_ANY_NUMBER,),
    "gap_kind": (_GAP_KIND,),
    "solver": (_TEXT,),
    "backend": (_TEXT,),
    "n_threads": (_POSITIVE,),
    "elapsed": (_NUMBER,),
    "compile_time": (_NUMBER,),
    "feature_names": (_TEXT, "n"),
    "has_offset": (_FLAG,),
    "statistics": {"covariance": (_ANY_NUMBER, "n + 1", "n + 1"), "examples": (_NUMBER,), "parameters": (_COUNT,),
                   "log_likelihood": (_ANY_NUMBER,), "null_log_likelihood": (_ANY_NUMBER,), "l2": (_NUMBER,),
                   "fit_intercept": (_FLAG,), "notes": (_TEXT, "any"), "l1": (_NUMBER,),
                   "flat": (_NUMBER, "any", "n + 1"), "to_theta": (_NUMBER, "any", "n + 1")},
}
# The fields that have another shape with three or more classes, where K is their number, and the version that knew them first.
_OF_CLASSES: dict[str, Any] = {"w": (_NUMBER, "K", "n"), "b": (_NUMBER, "K"),
                               "statistics": _FIELDS["statistics"] | {"covariance": (_ANY_NUMBER, "K (n + 1)", "K (n + 1)"),
                                                                      "flat": (_NUMBER, "any", "K (n + 1)")}}
_CLASSES_SINCE = 5
# The fields of a path's file but its models, of which there are L, in the same form.
_PATH_FIELDS: dict[str, Any] = {
    "lambdas": (_NUMBER, "L"),
    "l1_ratio": (_NUMBER,),
    "deviance_explained": (_NUMBER, "L"),
    "elapsed": (_NUMBER,),
    "scores": {"name": (_TEXT,), "of_folds": (_NUMBER, "any", "L")},
}
# The fields that may be null.
_NULLABLE = ("gap", "gap_kind", "feature_names", "statistics", "scores")
# The first version that has a field, where that is not version 1.
_SINCE = {"history": 2, "statistics": 2, "gap_kind": 3, "statistics.l1": 4, "statistics.flat": 6, "statistics.to_theta": 6}


def write(values: dict[str, Any], path: str | os.PathLike) -> None:
    """Write values to a file; it is written as a whole, or what was there stays.

    Parameters
    ----------
    values : dict
        By the names of `_FIELDS`: arrays, tuples of text, dicts of such, and Python's numbers, text and None.
    path : str or os.PathLike

    Raises
    ------
    OSError
        The file can't be written.
    TypeError
        Labels that are not bool, int, float or str.
    ValueError
        Values that `read` would refuse.
    """
    _write(_document(values), "this model", _values, path)


def write_path(values: dict[str, Any], models: list[dict[str, Any]], path: str | os.PathLike) -> None:
    """Write values by the names of `_PATH_FIELDS`, and those of the models by the names of `_FIELDS`, to one file.

    Errors are those of `write`.
    """
    document = {"format": _PATH_FORMAT, "version": _PATH_VERSION} | _to_json(values) | {"models": list(map(_document, models))}
    _write(document, "this path", _path_values, path)


def _document(values: dict[str, Any]) -> dict[str, Any]:
    return {"format": _FORMAT, "version": _VERSION} | _to_json(values) | {"classes": _labels_to_json(values["classes"])}


def _write(document: dict[str, Any], what: str, check: Callable[[Any], Any], path: str | os.PathLike) -> None:
    """Write a document that the check passes, one line a field."""
    import json  # takes long, and few programs save or load

    path = _path(path)
    try:
        check(document)
        lines = [f'  "{name}": {json.dumps(value, ensure_ascii=False, allow_nan=False)}' for name, value in document.items()]
        data = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
        if len(data) > LARGEST_FILE:
            way_out = "" if document.get("statistics") is None else ("; its covariance takes most of that: save it before "
                                                                     "summary(), or pickle it")
            raise ValueError(f"it would take {len(data)} bytes, and a model file has at most {LARGEST_FILE}{way_out}")
    except ValueError as error:
        raise ValueError(f"{what} can't be saved: {error}") from error
    with replacing(path) as file:
        file.write(data)


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The values that `write` has written, with every bit as it was.

    What a file of an older version doesn't have is None, or NaN in the history.

    Raises
    ------
    ValueError
        Anything but a model file that this version of fastlr can read; the text says what is wrong, and where.
    FileNotFoundError, PermissionError
        As from `open`.
    """
    return _read_as(_values, "a model file", path)


def read_path(path: str | os.PathLike) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The values that `write_path` has written, and those of the models.

    Errors are those of `read`.
    """
    return _read_as(_path_values, "a file of a path", path)


def _read_as(values_of: Callable[[Any], Any], what: str, path: str | os.PathLike) -> Any:
    import json

    path = _path(path)
    try:
        return values_of(json.loads(_read(path).decode(), object_pairs_hook=_without_duplicates))
    except RecursionError:
        why = "it is nested too deeply"
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        why = f"it is not JSON in UTF-8: {error}"
    except ValueError as error:
        why = str(error)
    raise ValueError(f"{path!r} is not {what} that fastlr can read: {why}")


# ---- the file -------------------------------------------------------------------------------------------------------

def _path(path: Any) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or an os.PathLike, not {type(path).__name__}")
    return os.fsdecode(path)


def _read(path: str) -> bytes:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):        # reading a pipe may never end
        raise ValueError("it is a directory" if stat.S_ISDIR(status.st_mode) else "it is not a regular file")
    if status.st_size > LARGEST_FILE:
        raise ValueError(f"it has {status.st_size} bytes, and a model file has at most {LARGEST_FILE}")
    with open(path, "rb") as file:
        return file.read()


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has the field {reprlib.repr(name)} twice")
        found[name] = value
    return found


# ---- from JSON ------------------------------------------------------------------------------------------------------

def _values(document: Any) -> dict[str, Any]:
    version = _version(document, _FORMAT, _VERSION)
    fields = _fields_of(version, "", _FIELDS)
    _check_names("", document, ["format", "version", *fields])
    w, K, n_iter = _list("w", document["w"]), 2, _value("n_iter", document["n_iter"], _COUNT)
    if version >= _CLASSES_SINCE and len(w) > 2 and type(w[0]) is list:
        w, K, fields = w[0], len(w), fields | _fields_of(version, "", _OF_CLASSES)
    n = len(w)
    if n == 0:
        raise ValueError("w is empty")
    sizes = {"K": K, "n": n, "n + 1": n + 1, "K (n + 1)": K * (n + 1), "n_iter": n_iter, "n_iter + 1": n_iter + 1}
    values = {name: _field(name, document[name], field, sizes) for name, field in fields.items()}
    unknown = np.full(n_iter + 1, math.nan)
    return {"history": {"grad_norm": unknown, "step": unknown[1:], "seconds": unknown}, "statistics": None,
            "gap_kind": None} | values


def _path_values(document: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    _version(document, _PATH_FORMAT, _PATH_VERSION)
    _check_names("", document, ["format", "version", *_PATH_FIELDS, "models"])
    models = [_values(each) for each in _list("models", document["models"])]
    if not models:
        raise ValueError("models is empty")
    sizes = {"L": len(models)}
    return {name: _field(name, document[name], field, sizes) for name, field in _PATH_FIELDS.items()}, models


def _version(document: Any, format_name: str, newest: int) -> int:
    """The version of a document of this format."""
    found = document.get("format") if isinstance(document, dict) else None
    if found != format_name:
        other = {_FORMAT: "; fastlr.load reads it", _PATH_FORMAT: "; fastlr.Path.load reads it"}
        raise ValueError(f'it has no "format": "{format_name}"' + (other.get(found, "") if isinstance(found, str) else ""))
    version: int = _value("version", document.get("version"), _POSITIVE)
    if version > newest:
        raise ValueError(f"it was written by a newer fastlr (version {version} of the format, and this fastlr reads {newest}): "
                         "upgrade fastlr")
    return version


def _fields_of(version: int, where: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that a version has, and those within them."""
    return {name: _fields_of(version, f"{where}{name}.", field) if isinstance(field, dict) else field
            for name, field in fields.items() if version >= _SINCE.get(where + name, 1)}


def _field(name: str, value: Any, field: Any, sizes: dict[str, int]) -> Any:
    if value is None and name in _NULLABLE:
        return None
    if field is None:
        return _labels(name, value, sizes["K"])
    if isinstance(field, dict):
        if type(value) is not dict:
            raise ValueError(f"{name} must be an object with {', '.join(field)}, not {reprlib.repr(value)}")
        _check_names(f"{name}.", value, list(field))
        return {part: _field(f"{name}.{part}", value[part], field[part], sizes) for part in field}
    kind, *shape = field
    return _array(name, value, kind, shape, sizes)


def _array(name: str, value: Any, kind: _Type, shape: list[str], sizes: dict[str, int]) -> Any:
    """An array of numbers or a tuple of text; a single value where the shape is empty."""
    if not shape:
        return _value(name, value, kind)
    size = sizes.get(shape[0])
    if size not in (None, len(_list(name, value))):
        raise ValueError(f"{name} has {len(value)} values, and {shape[0]} is {size}")
    values = [_array(f"{name}[{i}]", item, kind, shape[1:], sizes) for i, item in enumerate(value)]
    return np.array(values, np.float64) if kind.make is float else tuple(values)


def _value(name: str, value: Any, kind: _Type) -> Any:
    if not kind.holds(value):
        raise ValueError(f"{name} must be {kind.name}, not {reprlib.repr(value)}")
    return kind.make(value)


def _list(name: str, value: Any) -> list:
    if type(value) is not list:
        raise ValueError(f"{name} must be a list, not {reprlib.repr(value)}")
    return value


def _check_names(where: str, found: dict[str, Any], expected: list[str]) -> None:
    for name in expected:
        if name not in found:
            raise ValueError(f"the field {where}{name} is missing")
    for name in found:
        if name not in expected:
            raise ValueError(f"{where}{reprlib.repr(name)} is not a field of this version")


def _labels(name: str, value: Any, K: int) -> np.ndarray:
    """K labels, or a ValueError."""
    dtype = value.get("dtype") if type(value) is dict else None
    if dtype not in (*_NUMBERS, "str", "object"):
        raise ValueError(f"{name} must be an object with a dtype that is {', '.join(_NUMBERS)}, str or object, not "
                         f"{reprlib.repr(value)}")
    _check_names(f"{name}.", value, ["dtype", *{"str": ["length"], "object": ["types"]}.get(dtype, []), "values"])
    types = value["types"] if dtype == "object" else [dtype] * K
    for part, items in (("types", types), ("values", value["values"])):
        if len(_list(f"{name}.{part}", items)) != K:
            raise ValueError(f"{name}.{part} must have {K} values, not {len(items)}")
    labels = [_label(f"{name}.values[{i}]", label, type_name)
              for i, (label, type_name) in enumerate(zip(value["values"], types, strict=True))]
    if len(set(labels)) < len(labels) or len({type(label) is str for label in labels}) > 1:
        raise ValueError(f"{name}.values must be different labels of one kind, not {reprlib.repr(value['values'])}")
    if dtype == "str":
        dtype = f"U{_value(f'{name}.length', value['length'], _integer(1, _LABEL_LENGTHS // K))}"
    try:
        with np.errstate(all="ignore"):         # what overflows is found to differ
            classes = np.array(labels, dtype)
    except OverflowError:
        classes = np.empty(0)
    if classes.tolist() != labels:              # too large, too long, or NULs at the end, which NumPy drops
        raise ValueError(f"{name}.values are {reprlib.repr(labels)}, which {dtype} can't hold")
    return classes


def _label(name: str, value: Any, type_name: Any) -> Any:
    """One label; older files have types such as "numpy.int8" for NumPy's scalars, which are the same labels as Python's."""
    kind = _LABEL_TYPES.get(str(type_name).removeprefix("numpy.").rstrip("0123456789").removeprefix("u"))
    if kind is None:
        raise ValueError(f"{name} can't have the type {reprlib.repr(type_name)}; labels are {', '.join(_LABEL_TYPES)}")
    return _value(name, value, kind)


# ---- to JSON --------------------------------------------------------------------------------------------------------

def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _to_json(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    return str(value) if type(value) is float and not math.isfinite(value) else value


def _labels_to_json(classes: np.ndarray) -> dict[str, Any]:
    values = [plain(label) for label in classes]
    for label in values:
        if type(label) not in (bool, int, float, str):
            raise TypeError(f"a model file can't hold the label {label!r}, a {type(label).__name__}; train on labels that are "
                            "bool, int, float or str: y.astype(str), say")
    if classes.dtype.kind == "U":
        return {"dtype": "str", "length": classes.dtype.itemsize // np.dtype("U1").itemsize, "values": values}
    if classes.dtype == object:
        return {"dtype": "object", "types": [type(label).__name__ for label in values], "values": values}
    return {"dtype": classes.dtype.name, "values": values}
