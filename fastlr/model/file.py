"""Model files: one JSON object, UTF-8, that holds values and nothing that could run.

    "format"         "fastlr-model"
    "version"        3; a file of a higher one is refused; one of version 2 has no gap_kind, and one of version 1 has neither
                     history nor statistics
    "classes"        {"dtype": ..., "values": [..., ...]}, the label of y = 0 first
                     dtype "bool", "int8" ... "uint64", "float16", "float32", "float64", in the byte order of the machine;
                     "str" or "bytes", with "length", NumPy's characters a label; bytes are written as Latin-1 text;
                     "object", with "types", those of the two labels: "bool", "int", "float", "str", "bytes" (Python's),
                     or "numpy.bool", "numpy.int8" ... (NumPy's scalars)
    "grad_norm", "gap"    a number, or "nan", "inf", "-inf"; gap can be null
    "feature_names"  null, or a list of text
    "history"        {"grad_norm": [...], "step": [...], "seconds": [...]}; its cost is that of "costs" and "cost"
    "statistics"     null, or an object of what `Model.summary` has found

and every other attribute of the Model under its name.  Python writes the shortest decimal that reads back as the same
float, so numbers keep every bit; they are finite but for the two above, grad_norm in the history, the covariance, and the
log-likelihoods, which are "nan" where weights don't count examples.  A field more or less is an error, as is anything that
`train` would not have made: what `save` writes is read by the same rules first.
"""

import math
import os
import reprlib
import stat
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastlr.inference.statistics import Statistics
from fastlr.machine.files import replacing
from fastlr.model.model import Model
from fastlr.solvers.history import History

_FORMAT = "fastlr-model"
_VERSION = 3
_LARGEST_FILE = 2 ** 28             # bytes; twelve million numbers

_NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
_TEXTS = {"str": "U", "bytes": "S"}
_LONGEST_LABEL = 2 ** 20
# What a label can be, by the name that a file has for it.
_LABEL_TYPES: dict[str, Callable[[Any], Any]] = {
    "bool": bool, "int": int, "float": float, "str": str, "bytes": bytes, "numpy.str": np.str_, "numpy.bytes": np.bytes_,
} | {f"numpy.{name}": np.dtype(name).type for name in _NUMBERS}


def save(model: Model, path: str | os.PathLike) -> None:
    """See `Model.save`."""
    path = _path(path)
    document: dict[str, Any] = {"format": _FORMAT, "version": _VERSION} | model.to_dict()
    document["classes"] = _classes_to_json(model.classes)
    document["feature_names"] = None if model.feature_names is None else list(model.feature_names)
    del document["history"]["cost"]
    document["statistics"] = None if model._statistics is None else _statistics_to_json(model._statistics)
    for name in ("grad_norm", "gap"):
        document[name] = _number_to_json(document[name])
    document["history"]["grad_norm"] = [_number_to_json(value) for value in document["history"]["grad_norm"]]
    try:
        _model(document)
    except ValueError as error:
        raise ValueError(f"this model can't be saved: {error}") from error
    data = _one_line_a_field(document).encode()
    if len(data) > _LARGEST_FILE:
        raise ValueError(f"this model can't be saved: it would take {len(data)} bytes, and a model file has at most "
                         f"{_LARGEST_FILE}")
    _replace(path, data)


def load(path: str | os.PathLike) -> Model:
    """The model that `Model.save` has written, with every bit as it was.

    Nothing in the file can run: it is JSON, and all of it is checked.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        Anything but a model file that this version of fastlr can read; the text says what is wrong, and where.
    FileNotFoundError, PermissionError
        As from `open`.

    Examples
    --------
    >>> import fastlr, os, tempfile
    >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.json")
    ...     model.save(path)
    ...     again = fastlr.load(path)
    >>> again.predict([[0.0], [3.0]])
    array(['no', 'yes'], dtype='<U3')
    >>> (again.w == model.w).all() and again.b == model.b
    True
    """
    import json

    path = _path(path)
    try:
        return _model(json.loads(_read(path).decode(), object_pairs_hook=_without_duplicates))
    except RecursionError:
        why = "it is nested too deeply"
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        why = f"it is not JSON in UTF-8: {error}"
    except ValueError as error:
        why = str(error)
    raise ValueError(f"{path!r} is not a model file that fastlr can read: {why}")


# ---- the file -------------------------------------------------------------------------------------------------------

def _path(path: Any) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or an os.PathLike, not {type(path).__name__}")
    return os.fsdecode(path)


def _read(path: str) -> bytes:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):        # reading a pipe may never end
        raise ValueError("it is a directory" if stat.S_ISDIR(status.st_mode) else "it is not a regular file")
    if status.st_size > _LARGEST_FILE:
        raise ValueError(f"it has {status.st_size} bytes, and a model file has at most {_LARGEST_FILE}")
    with open(path, "rb") as file:
        return file.read()


def _replace(path: str, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)


def _one_line_a_field(document: dict[str, Any]) -> str:
    import json

    lines = [f'  "{name}": {json.dumps(value, ensure_ascii=False, allow_nan=False)}' for name, value in document.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has the field {_short(name)} twice")
        found[name] = value
    return found


# ---- what may stand in a field: the value to put into the Model, or a ValueError ------------------------------------

def _model(document: Any) -> Model:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(f'it has no "format": "{_FORMAT}"')
    version = _integer("version", document.get("version"), at_least=1)
    if version > _VERSION:
        raise ValueError(f"it was written by a newer fastlr (version {version} of the format, and this fastlr reads {_VERSION}): "
                         "upgrade fastlr")
    fields = {name: read for name, read in _FIELDS.items() if version >= _SINCE.get(name, 1)}
    _check_names("", document, ["format", "version", *fields])
    values = {name: read(name, document[name]) for name, read in fields.items()}
    n_iter, n = values["n_iter"], values["w"].size
    if n == 0:
        raise ValueError("w is empty")
    unknown = np.full(values["costs"].size + 1, np.nan)
    grad_norm, step, seconds = values.get("history", (unknown, unknown[1:], unknown))
    for name, found, size in (("costs", values["costs"], n_iter), ("history.grad_norm", grad_norm, n_iter + 1),
                              ("history.step", step, n_iter), ("history.seconds", seconds, n_iter + 1)):
        if found.size != size:
            raise ValueError(f"{name} has {found.size} values, and n_iter is {n_iter}")
    if values["feature_names"] is not None and len(values["feature_names"]) != n:
        raise ValueError(f"feature_names has {len(values['feature_names'])} names, and w has {n} values")
    found = values.pop("statistics", None)
    if found is not None and found.covariance.shape != (n + 1, n + 1):
        raise ValueError(f"statistics.covariance must have {n + 1} rows and columns")
    values["history"] = History(np.append(values["costs"], values["cost"]), grad_norm, step, seconds)
    return Model(**values, _statistics=found)


def _check_names(where: str, found: dict[str, Any], expected: list[str]) -> None:
    for name in expected:
        if name not in found:
            raise ValueError(f"the field {where}{name} is missing")
    for name in found:
        if name not in expected:
            raise ValueError(f"{where}{_short(name)} is not a field of this version")


def _vector(name: str, value: Any) -> np.ndarray:
    _list(name, value)
    for i, number in enumerate(value):
        if not _is_number(number):
            raise ValueError(f"{name}[{i}] must be a finite number, not {_short(number)}")
    return np.array(value, dtype=np.float64)


def _vector_of_any(name: str, value: Any) -> np.ndarray:
    _list(name, value)
    return np.array([_any_number(f"{name}[{i}]", number) for i, number in enumerate(value)], dtype=np.float64)


def _number(name: str, value: Any) -> float:
    if not _is_number(value):
        raise ValueError(f"{name} must be a finite number, not {_short(value)}")
    return float(value)


def _is_number(value: Any) -> bool:
    """A finite one; JSON's 1 is as good as 1.0."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _any_number(name: str, value: Any) -> float:
    return float(value) if type(value) is str and value in ("nan", "inf", "-inf") else _number(name, value)


def _number_to_json(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


def _any_number_or_none(name: str, value: Any) -> float | None:
    return None if value is None else _any_number(name, value)


def _integer(name: str, value: Any, at_least: int = 0, at_most: int = 2 ** 63 - 1) -> int:
    if type(value) is not int or not at_least <= value <= at_most:
        raise ValueError(f"{name} must be an integer from {at_least} to {at_most}, not {_short(value)}")
    return value


def _flag(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{name} must be true or false, not {_short(value)}")
    return value


def _text(name: str, value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"{name} must be text, not {_short(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half a surrogate pair, which UTF-8 can't: {_short(value)}") from None
    return value


def _texts_or_none(name: str, value: Any) -> tuple[str, ...] | None:
    return None if value is None else _texts(name, value)


def _list(name: str, value: Any, length: int | None = None) -> None:
    if type(value) is not list:
        raise ValueError(f"{name} must be a list, not {_short(value)}")
    if length is not None and len(value) != length:
        raise ValueError(f"{name} must have {length} values, not {len(value)}")


def _short(value: Any) -> str:
    return reprlib.repr(value)


def _object(name: str, value: Any, names: list[str]) -> None:
    if type(value) is not dict:
        raise ValueError(f"{name} must be an object with {', '.join(names)}, not {_short(value)}")
    _check_names(f"{name}.", value, names)


# ---- history and statistics ------------------------------------------------------------------------------------------

def _history(name: str, value: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All but the costs."""
    _object(name, value, ["grad_norm", "step", "seconds"])
    return (_vector_of_any(f"{name}.grad_norm", value["grad_norm"]), _vector(f"{name}.step", value["step"]),
            _vector(f"{name}.seconds", value["seconds"]))


def _statistics_to_json(statistics: Statistics) -> dict[str, Any]:
    values = statistics._asdict()
    for name in ("log_likelihood", "null_log_likelihood"):
        values[name] = _number_to_json(values[name])
    values["covariance"] = [[_number_to_json(value) for value in row] for row in statistics.covariance.tolist()]
    values["notes"] = list(statistics.notes)
    return values


def _statistics(name: str, value: Any) -> Statistics | None:
    if value is None:
        return None
    _object(name, value, list(_STATISTICS))
    return Statistics(**{field: read(f"{name}.{field}", value[field]) for field, read in _STATISTICS.items()})


def _square(name: str, value: Any) -> np.ndarray:
    _list(name, value)
    rows = [_vector_of_any(f"{name}[{i}]", row) for i, row in enumerate(value)]
    if any(len(row) != len(rows) for row in rows):
        raise ValueError(f"{name} must have as many columns as rows")
    return np.array(rows)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    _list(name, value)
    return tuple(_text(f"{name}[{i}]", text) for i, text in enumerate(value))


# ---- labels ---------------------------------------------------------------------------------------------------------

def _classes(name: str, value: Any) -> np.ndarray:
    if type(value) is not dict:
        raise ValueError(f"{name} must be an object with dtype and values, not {_short(value)}")
    dtype = _text(f"{name}.dtype", value.get("dtype"))
    if dtype in _NUMBERS:
        _check_names(f"{name}.", value, ["dtype", "values"])
        classes, types = np.empty(2, dtype), [f"numpy.{dtype}"] * 2
    elif dtype in _TEXTS:
        _check_names(f"{name}.", value, ["dtype", "length", "values"])
        length = _integer(f"{name}.length", value["length"], at_least=1, at_most=_LONGEST_LABEL)
        classes, types = np.empty(2, f"{_TEXTS[dtype]}{length}"), [dtype] * 2
    elif dtype == "object":
        _check_names(f"{name}.", value, ["dtype", "types", "values"])
        classes, types = np.empty(2, object), value["types"]
        _list(f"{name}.types", types, 2)
    else:
        raise ValueError(f"{name}.dtype must be one of {', '.join([*_NUMBERS, *_TEXTS, 'object'])}, not {_short(dtype)}")
    _list(f"{name}.values", value["values"], 2)

    with np.errstate(all="ignore"):             # what overflows is found to differ
        labels = [_label(f"{name}.values[{i}]", types[i], value["values"][i]) for i in (0, 1)]
        classes[:] = labels
        if list(classes) != labels:             # too long, or NULs at the end, which NumPy drops
            raise ValueError(f"{name}.values are not labels of length {value['length']}")
        try:
            are_two = labels[0] < labels[1] or labels[1] < labels[0]
        except TypeError:
            are_two = False
    if not are_two:
        raise ValueError(f"{name}.values must be two different labels of one kind, not {_short(value['values'])}")
    return classes


def _label(name: str, type_name: Any, value: Any) -> Any:
    if _text(f"the type of {name}", type_name) not in _LABEL_TYPES:
        raise ValueError(f"{name} can't have the type {_short(type_name)}; there are {', '.join(_LABEL_TYPES)}")
    kind = type_name.removeprefix("numpy.").rstrip("0123456789")
    if kind == "bool":
        value = _flag(name, value)
    elif kind in ("int", "uint"):
        if type(value) is not int or abs(value) > 2 ** 1000:        # Python reads and writes no more than 4300 digits
            raise ValueError(f"{name} must be an integer of at most 2 ** 1000 in magnitude, not {_short(value)}")
    elif kind == "float":
        value = _number(name, value)
    else:
        value = _text(name, value)
        if kind == "bytes":
            value = _bytes(name, value)
    try:
        label = _LABEL_TYPES[type_name](value)
    except OverflowError:
        label = None
    if _plain(label) != value:
        raise ValueError(f"{name} must be of the type {type_name}, which can't hold {_short(value)}")
    return label


def _bytes(name: str, text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be bytes as Latin-1 text, not {_short(text)}") from None


def _classes_to_json(classes: np.ndarray) -> dict[str, Any]:
    values = [_label_to_json(label) for label in classes]
    if classes.dtype == object:
        names = {made: name for name, made in _LABEL_TYPES.items()}
        for label in classes:
            if type(label) not in names:
                raise TypeError(f"a file can't hold the label {label!r}, a {type(label).__name__}; train on labels that are "
                                "bool, int, float, str, bytes or NumPy's scalars")
        return {"dtype": "object", "types": [names[type(label)] for label in classes], "values": values}
    for name, kind in _TEXTS.items():
        if classes.dtype.kind == kind:
            return {"dtype": name, "length": classes.dtype.itemsize // np.dtype(f"{kind}1").itemsize, "values": values}
    if classes.dtype.name not in _NUMBERS:
        raise TypeError(f"a file can't hold labels of {classes.dtype}, which differs between machines; train on y.astype(float)")
    return {"dtype": classes.dtype.name, "values": values}


def _gap_kind(name: str, value: Any) -> str | None:
    if value not in ("bound", "estimate", None):
        raise ValueError(f'{name} must be "bound", "estimate" or null, not {_short(value)}')
    return value


def _label_to_json(label: Any) -> Any:
    plain = _plain(label)
    return plain.decode("latin-1") if isinstance(plain, bytes) else plain


def _plain(label: Any) -> Any:
    """Python's value; NumPy would compare np.float32(0.1) and 0.1 in float32."""
    return label.item() if isinstance(label, np.generic) else label


_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "w": _vector,
    "b": _number,
    "classes": _classes,
    "cost": _number,
    "costs": _vector,
    "history": _history,
    "n_iter": _integer,
    "converged": _flag,
    "stop_reason": _text,
    "grad_norm": _any_number,
    "gap": _any_number_or_none,
    "gap_kind": _gap_kind,
    "solver": _text,
    "backend": _text,
    "n_threads": partial(_integer, at_least=1),
    "elapsed": _number,
    "compile_time": _number,
    "feature_names": _texts_or_none,
    "has_offset": _flag,
    "statistics": _statistics,
}
_SINCE = {"history": 2, "statistics": 2, "gap_kind": 3}       # versions

_STATISTICS: dict[str, Callable[[str, Any], Any]] = {
    "covariance": _square,
    "examples": _number,
    "parameters": _integer,
    "log_likelihood": _any_number,
    "null_log_likelihood": _any_number,
    "l2": _number,
    "fit_intercept": _flag,
    "notes": _texts,
}
