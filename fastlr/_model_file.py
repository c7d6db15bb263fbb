"""A model in a file: JSON text, and nothing in it is ever run.

One object, a field a line: "format" and "version", and every attribute of `Model` under its name.  Python writes floats so
that they come back bit for bit.  NaN, which JSON lacks, is null; classes carry the name of their dtype, bytes as text of the
same code points.  What is read is checked as if a stranger had written it.
"""

import json
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastlr._model import Model

_FORMAT = "fastlr-model"
_VERSION = 1
_NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")


def save(model: Model, path: Any) -> None:
    """Write a model; see `Model.save`."""
    values = model.to_dict()
    values["classes"] = _classes_to_json(model.classes)
    if math.isnan(model.grad_norm):
        values["grad_norm"] = None
    document = {"format": _FORMAT, "version": _VERSION, **values}
    lines = (f"{json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in document.items())
    _write("{\n" + ",\n".join(lines) + "\n}\n", Path(path).resolve())


def _write(text: str, path: Path) -> None:
    """All of it or nothing: a file that was there stays until the new one is complete."""
    if path.exists() and not path.is_file():
        raise ValueError(f"path must be that of a file, and {path} is none")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with open(temporary, "x", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _classes_to_json(classes: np.ndarray) -> dict[str, Any]:
    kind = {"U": "str", "S": "bytes", "O": "object"}.get(classes.dtype.kind, classes.dtype.name)
    values = [value.item() if isinstance(value, np.generic) else value for value in classes.tolist()]
    if kind == "bytes":
        values = [value.decode("latin-1") for value in values]
    if kind not in (*_NUMBERS, "str", "bytes", "object") or not all(type(value) in (str, bool, int, float) for value in values):
        raise TypeError(f"classes {classes.tolist()} of dtype {classes.dtype} can't be saved; only text, bytes and numbers can")
    return {"dtype": kind, "values": values}


def load(path: Any) -> Model:
    """Read a model that `Model.save` has written.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    Model
        With the same bits in every attribute.

    Raises
    ------
    OSError
        No such file, or it can't be read.
    ValueError
        It holds no model, or a broken one; the text names the path and the field.  Nothing in a file is ever run.

    Examples
    --------
    >>> import tempfile, fastlr
    >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.json")
    ...     again = fastlr.load(f"{folder}/model.json")
    >>> (again.w == model.w).all(), again.predict([[2.5]])
    (True, array(['yes'], dtype='<U3'))
    """
    path = Path(path)
    with open(path, "rb") as file:
        start = file.read(64)
        if not start.lstrip().startswith(b"{"):
            raise ValueError(f"{path} is no model that fastlr has saved: it doesn't start like one")
        content = start + file.read()
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no model that fastlr has saved, or damaged: {error}") from None
    if document.get("format") != _FORMAT:
        raise ValueError(f"{path} is no model that fastlr has saved: its format is {document.get('format')!r}")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"{path} is damaged: version is {version!r}")
    if version > _VERSION:
        raise ValueError(f"{path} was written by a newer fastlr (version {version} of the format, this one reads {_VERSION}); "
                         "upgrade fastlr")
    fields = {name: value for name, value in document.items() if name not in ("format", "version")}
    if fields.keys() != _CHECKS.keys():
        raise ValueError(f"{path} is damaged: it lacks {sorted(_CHECKS.keys() - fields.keys())} and has unknown "
                         f"{sorted(fields.keys() - _CHECKS.keys())}")
    values = {}
    for name, value in fields.items():
        try:
            values[name] = _CHECKS[name](value)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{path} is damaged: {name} {error}") from None
    if values["costs"].size != values["n_iter"]:
        raise ValueError(f"{path} is damaged: costs has {values['costs'].size} values, and n_iter is {values['n_iter']}")
    names = values["feature_names"]
    if names is not None and len(names) != values["w"].size:
        raise ValueError(f"{path} is damaged: feature_names has {len(names)} names, and w has {values['w'].size} values")
    return Model(**values)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a field stands there twice")
    return result


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


# ---- what each field has to be: the value for the Model, or ValueError with the rest of a sentence ---------------------

def _is(kind: type, wish: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"must be {wish}, not {_short(value)}")
        return value

    return check


def _count(least: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or value < least:
            raise ValueError(f"must be a count of at least {least}, not {_short(value)}")
        return value

    return check


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {_short(value)}")
    return float(value)


def _seconds(value: Any) -> float:
    if _number(value) < 0.0:
        raise ValueError(f"must not be negative, and is {_short(value)}")
    return float(value)


def _vector(value: Any) -> np.ndarray:
    return _frozen(np.array([_number(item) for item in _list(value)], np.float64))


def _weights(value: Any) -> np.ndarray:
    w = _vector(value)
    if w.size == 0:
        raise ValueError("must have a value for each feature, and is empty")
    return w


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError(f"must be a list, not {_short(value)}")
    return value


def _names(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(map(_is(str, "text"), _list(value)))


def _classes(value: Any) -> np.ndarray:
    if type(value) is not dict or value.keys() != {"dtype", "values"} or len(_list(value["values"])) != 2:
        raise ValueError(f"must be a dtype and two values, not {_short(value)}")
    kind, labels = value["dtype"], value["values"]
    if kind in ("str", "bytes"):
        labels = [_is(str, "text")(label) for label in labels]
        classes = np.array([label.encode("latin-1") for label in labels] if kind == "bytes" else labels)
    elif kind == "object":
        if not all(type(label) in (str, bool, int, float) for label in labels):
            raise ValueError(f"must be text or numbers, not {_short(labels)}")
        classes = np.array(labels, object)
    elif kind in _NUMBERS:
        expected = bool if kind == "bool" else float if kind.startswith("float") else int
        classes = np.array([_is(expected, f"of dtype {kind}")(label) for label in labels], kind)
        if classes.tolist() != labels:
            raise ValueError(f"{_short(labels)} don't fit into {kind}")
    else:
        raise ValueError(f"have an unknown dtype, {_short(kind)}")
    try:
        in_order = classes[0] < classes[1]
    except TypeError:
        in_order = False
    if not in_order:
        raise ValueError(f"must be two different labels in order, not {_short(labels)}")
    return _frozen(classes)


def _frozen(A: np.ndarray) -> np.ndarray:
    A.flags.writeable = False
    return A


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _or_null(check: Callable[[Any], Any], null: Any) -> Callable[[Any], Any]:
    return lambda value: null if value is None else check(value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "w": _weights,
    "b": _number,
    "classes": _classes,
    "cost": _number,
    "costs": _vector,
    "n_iter": _count(0),
    "converged": _is(bool, "true or false"),
    "stop_reason": _is(str, "text"),
    "grad_norm": _or_null(_number, math.nan),
    "gap": _or_null(_number, None),
    "solver": _is(str, "text"),
    "backend": _is(str, "text"),
    "n_threads": _count(1),
    "elapsed": _seconds,
    "compile_time": _seconds,
    "feature_names": _names,
    "has_offset": _is(bool, "true or false"),
}
