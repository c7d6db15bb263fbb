"""Model files: what is saved comes back bit for bit, and nothing that is not a model file does harm."""

import contextlib
import dataclasses
import enum
import errno
import io
import itertools
import json
import math
import os
import pickle
import re
import resource
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import fastlr
from fastlr.model import file as model_file
from fastlr.solvers.history import History
from tests.problems import problem, weights
from tests.processes import run

X, Y, *_ = problem(60, 4)
OFFSET = weights(60)[1]


def train(A=X, y=Y, **options):
    return fastlr.train(A, y, **{"backend": "numpy", "learning_rate": 0.5, "max_iter": 10} | options)


BASE = train()


def model_with(**fields):
    """BASE but for some fields, with a history that fits them."""
    model = dataclasses.replace(BASE, **fields)
    k = np.arange(model.n_iter + 1.0)
    history = History(np.append(model.costs, model.cost), np.where(k % 2, k, np.nan), 0.1 * k[1:], 0.01 * k)
    return dataclasses.replace(model, history=fields.get("history", history))


def model_of(labels):
    """labels (2,): a model that was trained on them."""
    return train([[0.0], [1.0], [2.0], [3.0]], labels[[0, 1, 0, 1]])


def bits(value):
    """Equal if and only if the values are, to the last bit, and their types."""
    if isinstance(value, np.ndarray):
        content = [bits(label) for label in value] if value.dtype == object else value.tobytes()
        return value.dtype, value.shape, content, value.flags.writeable
    if isinstance(value, tuple):
        return [bits(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return type(value), "nan" if math.isnan(value) else np.asarray(value).tobytes()
    return type(value), value


def assert_same(again, model):
    assert type(again) is type(model)
    for field in dataclasses.fields(model):
        if field.name != "_training":
            assert bits(getattr(again, field.name)) == bits(getattr(model, field.name)), field.name
    assert again._training is None


def assert_comes_back(model, path):
    model.save(str(path))
    again = fastlr.load(path)
    assert_same(again, model)
    return again


# ---- round trip -----------------------------------------------------------------------------------------------------

def objects(*labels):
    A = np.empty(2, object)
    A[:] = labels
    return A


NUMBERS = ["int8", "int64", "uint8", "uint64"], ["float16", "float32", "float64"]
LABELS = {
    "bool": np.array([False, True]),
    **{name: np.array([np.iinfo(name).min, np.iinfo(name).max], name) for name in NUMBERS[0]},
    **{name: np.array([np.finfo(name).smallest_subnormal, 1.1], name) for name in NUMBERS[1]},
    "-0.0": np.array([-0.0, 1e308]),
    "text": np.array(["no", "yes"]),
    "text with room": np.array(["no", "yes"], "U9"),
    "odd text": np.array(["", 'a"\\\n\x00\x7f\u2028é😀']),
    "objects: text": objects("", "nul\x00"),
    "objects: int": objects(-2 ** 1000, 2 ** 64),
    "objects: bool and int": objects(False, 2),
    "objects: int and float": objects(1, 1.7976931348623157e308),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_come_back(labels, tmp_path):
    model = model_of(labels)
    assert bits(model.classes)[:3] == bits(labels)[:3]
    again = assert_comes_back(model, tmp_path / "model")
    assert bits(again.predict([[-9.0], [9.0]])) == bits(model.predict([[-9.0], [9.0]]))


def test_labels_come_back_in_the_byte_order_of_the_machine(tmp_path):
    model_of(np.array(["no", "yes"], ">U3")).save(tmp_path / "model")
    assert bits(fastlr.load(tmp_path / "model").classes)[:3] == bits(np.array(["no", "yes"]))[:3]


@pytest.mark.parametrize("labels", [objects(np.int8(-3), np.uint64(2 ** 64 - 1)), objects(np.float16(0.1), np.float32(1.2)),
                                    objects(np.False_, np.True_), objects(np.str_("no"), np.str_("yes"))], ids=repr)
def test_numpys_scalars_come_back_as_the_same_labels_of_python(labels, tmp_path):
    model_of(labels).save(tmp_path / "model")
    again = fastlr.load(tmp_path / "model").classes
    assert bits(again)[:3] == bits(objects(*[label.item() for label in labels]))[:3] and list(again) == list(labels)


@pytest.mark.parametrize("options", [
    {}, {"offset": OFFSET}, {"learning_rate": None}, {"learning_rate": None, "solver": "newton"},
    {"learning_rate": None, "solver": "lbfgs"}, {"tol": 0.1, "max_iter": 1000}, {"max_iter": 0}, {"backend": "python"},
    {"sample_weight": weights(60)[0]}, {"l2": 0.1, "reduction": "sum", "fit_intercept": False},
], ids=str)
def test_model_comes_back(options, tmp_path):
    model = train(**options)
    again = assert_comes_back(model, tmp_path / "model")
    offset = options.get("offset")
    for method in ("decision_function", "predict_proba", "predict"):
        assert bits(getattr(again, method)(X, offset)) == bits(getattr(model, method)(X, offset))
    assert repr(again) == repr(model)
    if offset is not None:
        with pytest.raises(ValueError, match="trained with an offset"):
            again.predict(X)


ODD_NAMES = ("größe", "", 'a "b"\\\n', "😀\x00\x1f\u2029")


@pytest.mark.parametrize("frame", [pd.DataFrame(X), pd.DataFrame(X, columns=ODD_NAMES),
                                   pl.DataFrame(dict(zip(ODD_NAMES, X.T, strict=True)))],
                         ids=["numbers", "pandas", "polars"])
def test_names_come_back(frame, tmp_path):
    model = train(frame)
    again = assert_comes_back(model, tmp_path / "model")
    assert bits(again.predict(frame)) == bits(model.predict(frame))
    with pytest.raises(ValueError, match="other columns"):
        again.predict(pd.DataFrame(X, columns=list("abcd")))


EXTREME = [5e-324, -5e-324, 2.2250738585072009e-308, 1e308, -1.7976931348623157e308, -0.0, 0.1, 1 / 3, 9007199254740993.0]


def test_extreme_numbers_come_back(tmp_path):
    for b in EXTREME:
        assert_comes_back(model_with(w=np.array(EXTREME), b=b, cost=b, costs=np.array(EXTREME), n_iter=9, gap=b, grad_norm=b,
                                     elapsed=b, compile_time=b), tmp_path / "model")
    for value in (math.nan, math.inf, -math.inf):
        assert_comes_back(model_with(grad_norm=value, gap=value), tmp_path / "model")


def test_any_model_comes_back(tmp_path):
    """Floats of any bits, and text of any characters below and above the surrogates."""
    rng = np.random.default_rng(0)

    def finite(count):
        values = rng.integers(2 ** 64, size=count, dtype=np.uint64).view(np.float64)
        return np.where(np.isfinite(values), values, 0.0)

    def text():
        first, behind = ((0, 0x80), (0, 0xD800), (0xE000, 0x110000))[rng.integers(3)]
        return "".join(map(chr, rng.integers(first, behind, rng.integers(6))))

    for _ in range(60):
        n, n_iter = rng.integers(1, 7), int(rng.integers(7))
        b, cost, gap = finite(3).tolist()
        assert_comes_back(model_with(w=finite(n), feature_names=tuple(text() for _ in range(n)), costs=finite(n_iter),
                                     n_iter=n_iter, b=b, cost=cost, gap=gap, stop_reason=text()), tmp_path / "model")


def test_file_is_utf8_json_in_any_locale(tmp_path):
    model_with(stop_reason="größer 😀").save(tmp_path / "model")
    text = (tmp_path / "model").read_bytes().decode("utf-8")
    assert "größer 😀" in text and text.count("\n") == 24                     # one line a field
    document = json.loads(text, parse_constant=pytest.fail)
    assert document["format"] == "fastlr-model" and document["version"] == 6


def test_every_attribute_is_in_the_file():
    names = [field.name.removeprefix("_") for field in dataclasses.fields(fastlr.Model)]
    assert sorted(model_file._FIELDS) == sorted(set(names) - {"training"})


def test_files_of_version_1(tmp_path):
    """They have neither history nor statistics."""
    old = {name: value for name, value in GOOD.items() if name not in ("history", "statistics", "gap_kind")} | {"version": 1}
    (tmp_path / "model").write_text(json.dumps(old))
    model = fastlr.load(tmp_path / "model")
    assert model.history.cost.tolist() == [0.7, 0.5] and model.w.tolist() == [0.5, -2.0]
    assert all(np.isnan(values).all() for values in model.history[1:])
    assert [values.size for values in model.history] == [2, 2, 1, 2]
    with pytest.raises(ValueError, match=r"call summary\(\) before saving"):
        model.summary()
    (tmp_path / "model").write_text(json.dumps(old | {"history": GOOD["history"]}))
    with pytest.raises(ValueError, match="'history' is not a field of this version"):
        fastlr.load(tmp_path / "model")


def test_files_of_version_2(tmp_path):
    """They have no gap_kind."""
    (tmp_path / "model").write_text(text_without("gap_kind").replace('"version": 3', '"version": 2'))
    model = fastlr.load(tmp_path / "model")
    assert model.gap_kind is None and model._statistics.notes == ("one",)


def of_three_classes(**fields):
    """A good file of version 5."""
    statistics = GOOD["statistics"] | {"l1": 0.0, "covariance": np.eye(9).tolist()}
    return text_of(**{"version": 5, "w": [[0.5, -2.0], [1.0, 0.0], [-1.5, 2.0]], "b": [1.0, 0.5, -1.5], "statistics": statistics,
                      "classes": {"dtype": "int64", "values": [3, 1, 2]}} | fields)


def test_three_classes_come_back(tmp_path):
    rng = np.random.default_rng(0)
    model = fastlr.train(rng.standard_normal((60, 2)), np.resize(["a", "b", "c", "d"], 60), l2=0.1, backend="numpy")
    for first in (lambda: None, model.summary):             # the second file has the covariance
        first()
        model.save(tmp_path / "model")
        again = fastlr.load(tmp_path / "model")
        assert_same(again, dataclasses.replace(model, _training=None))
        assert again.predict_proba([[1.0, 2.0]]).shape == (1, 4)
    assert str(again.summary()) == str(model.summary())
    (tmp_path / "model").write_text(of_three_classes())
    assert fastlr.load(tmp_path / "model").b.tolist() == [1.0, 0.5, -1.5]


@pytest.mark.parametrize(("fields", "text"), [
    ({"version": 4}, r"w\[0\] must be a finite number"),
    ({"b": 1.0}, "b must be a list"),
    ({"b": [1.0, 2.0]}, "b has 2 values, and K is 3"),
    ({"w": [[0.5], [1.0, 0.0], [-1.5, 2.0]]}, r"w\[1\] has 2 values, and n is 1"),
    ({"w": [[0.5, -2.0], [1.0, 0.0]]}, r"w\[0\] must be a finite number"),
    ({"classes": {"dtype": "int64", "values": [0, 1]}}, r"classes\.values must have 3 values, not 2"),
    ({"classes": {"dtype": "str", "length": 2 ** 20, "values": ["a", "b", "c"]}}, r"classes\.length must be an integer"),
])
def test_files_of_three_classes_that_are_refused(fields, text, tmp_path):
    (tmp_path / "model").write_text(of_three_classes(**fields))
    with pytest.raises(ValueError, match=text):
        fastlr.load(tmp_path / "model")


@pytest.mark.parametrize("types", [["numpy.int8", "numpy.float16"], ["numpy.uint64", "float"]])
def test_files_of_version_3_with_numpys_scalars(types, tmp_path):
    """They were kept apart from Python's at first; the labels are the same."""
    (tmp_path / "model").write_text(labels("object", [3, 2.5], types=types))
    assert bits(fastlr.load(tmp_path / "model").classes)[:3] == bits(objects(3, 2.5))[:3]


@pytest.mark.parametrize("number", ["0", "-3", "1E2"])
def test_numbers_as_other_programs_write_them(number, tmp_path):
    (tmp_path / "model").write_text(text_with("b", number))
    model = fastlr.load(tmp_path / "model")
    assert model.b == float(number) and type(model.b) is float


# ---- what can't be saved --------------------------------------------------------------------------------------------

class Colour(enum.StrEnum):
    BLUE = "blue"
    RED = "red"


WAY_OUT = r"; train on labels that are bool, int, float or str: y\.astype\(str\), say$"


@pytest.mark.parametrize(("labels", "error", "text"), [
    (objects(Colour.BLUE, Colour.RED), TypeError, r"can't hold the label <Colour\.BLUE: 'blue'>, a Colour" + WAY_OUT),
    (objects(1, Fraction(7, 2)), TypeError, r"the label Fraction\(7, 2\), a Fraction" + WAY_OUT),
    (objects(b"a", b"b"), TypeError, r"the label b'a', a bytes" + WAY_OUT),
    (np.array([b"a", b"b"]), TypeError, r"the label b'a', a bytes" + WAY_OUT),
    (np.array([0, 1], np.longdouble), TypeError, r"the label np\.longdouble\('0\.0'\), a longdouble" + WAY_OUT),
    (objects(1, 2 ** 1000 + 1), ValueError, r"can't be saved: classes\.values\[1\] must be an integer from -1\.071509e\+301 to "),
    (np.array(["a", "\ud800"]), ValueError, r"can't be saved: classes\.values\[1\] must be text without half a surrogate pair"),
    (np.array(["a", "b"], "U1048577"), ValueError, r"can't be saved: classes\.length must be an integer from 1 to 1048576"),
], ids=["enum", "Fraction", "objects: bytes", "bytes", "longdouble", "huge int", "surrogate", "long"])
def test_labels_that_can_not_be_saved(labels, error, text, tmp_path):
    model = model_of(labels)
    with pytest.raises(error, match=text):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("fields", "text"), [
    ({"feature_names": ("a", "b", "c", "\udcff")}, r"^this model can't be saved: feature_names\[3\] must be text without half "),
    ({"b": math.nan}, r"^this model can't be saved: b must be a finite number, not 'nan'$"),
    ({"costs": np.array([math.inf]), "n_iter": 1}, r"^this model can't be saved: costs\[0\] must be a finite number, not 'inf'$"),
])
def test_fields_that_can_not_be_saved(fields, text, tmp_path):
    with pytest.raises(ValueError, match=text):
        model_with(**fields).save(tmp_path / "model")


def test_what_is_too_large_to_be_read_is_not_written(tmp_path, monkeypatch):
    BASE.save(tmp_path / "model")
    size = (tmp_path / "model").stat().st_size
    monkeypatch.setattr(model_file, "LARGEST_FILE", size - 1)
    with pytest.raises(ValueError, match=rf"can't be saved: it would take {size} bytes, and a .* has at most {size - 1}$"):
        BASE.save(tmp_path / "other")
    large = train(learning_rate=None)
    large.summary()
    with pytest.raises(ValueError, match=r"its covariance takes most of that: save it before summary\(\), or pickle it$"):
        large.save(tmp_path / "other")
    monkeypatch.setattr(model_file, "LARGEST_FILE", size)
    assert_comes_back(BASE, tmp_path / "model")


@pytest.mark.parametrize("path", [io.BytesIO(), 3, b"model", None], ids=["stream", "int", "bytes", "None"])
def test_path_of_another_type(path):
    for call in (BASE.save, fastlr.load):
        with pytest.raises(TypeError, match=rf"^path must be a str or an os\.PathLike, not {type(path).__name__}$"):
            call(path)


# ---- saving all or nothing ------------------------------------------------------------------------------------------

@pytest.fixture
def old(tmp_path):
    """A file that holds BASE, alone in its folder."""
    BASE.save(tmp_path / "model")
    return tmp_path / "model"


def assert_untouched(old):
    assert_same(fastlr.load(old), BASE)
    assert list(old.parent.iterdir()) == [old]


def test_full_disk_leaves_the_old_file(old):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    larger = model_with(w=np.arange(10_000.0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(OSError) as caught:
            larger.save(old)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG and caught.value.filename == str(old)
    assert_untouched(old)


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "Input/output error")], ids=["Ctrl-C", "disk"])
def test_interruption_leaves_the_old_file(old, monkeypatch, step, error):
    def fail(*arguments):
        assert len(list(old.parent.iterdir())) == 2
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(type(error)):
            model_with(b=7.0).save(old)
    assert_untouched(old)


def test_the_data_is_on_the_disk_before_the_name(old, monkeypatch):
    sizes, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: sizes.append(os.fstat(file).st_size) or fsync(file))
    monkeypatch.setattr(os, "replace", lambda one, other: sizes.append(os.stat(one).st_size) or replace(one, other))
    model_with(b=7.0).save(old)
    assert sizes == [old.stat().st_size] * 2 and fastlr.load(old).b == 7.0


def test_what_is_missing_is_named_as_given(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such model"):
        fastlr.load("no such model")
    with pytest.raises(FileNotFoundError) as caught:
        BASE.save(tmp_path / "nowhere" / "model")
    assert caught.value.filename == str(tmp_path / "nowhere" / "model")


def test_save_keeps_the_mode_and_the_link(old):
    old.chmod(0o640)
    link = old.parent / "link"
    link.symlink_to(old.name)
    model_with(b=7.0).save(link)
    assert link.is_symlink() and fastlr.load(old).b == 7.0
    assert old.stat().st_mode & 0o777 == 0o640


def test_new_file_has_the_mode_of_any_new_file(old):
    (old.parent / "other").touch()
    assert old.stat().st_mode == (old.parent / "other").stat().st_mode


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_replaced(tmp_path, make):
    make(tmp_path / "there")
    with pytest.raises(ValueError, match=r"there' is there already and is not a regular file$"):
        BASE.save(tmp_path / "there")
    assert [path.is_file() for path in tmp_path.iterdir()] == [False]


@pytest.mark.parametrize(("path", "text"), [("/dev", "it is a directory"), ("/dev/null", "it is not a regular file")])
def test_what_is_no_file_is_not_read(path, text):
    with pytest.raises(ValueError, match=f"^'{path}' is not a model file that fastlr can read: {text}$"):
        fastlr.load(path)


# ---- hostile files --------------------------------------------------------------------------------------------------

def document_of(model, path):
    model.save(path)
    return path.read_text()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Texts of files of several kinds."""
    folder = tmp_path_factory.mktemp("good")
    models = [BASE, train(pd.DataFrame(X, columns=ODD_NAMES), np.array(["no", "yes"])[Y.astype(int)], offset=OFFSET),
              model_of(objects(np.int8(-3), 2.5)), train(learning_rate=None)]
    return [document_of(model, folder / "model") for model in models]


GOOD = {"format": "fastlr-model", "version": 3, "gap_kind": "bound", "w": [0.5, -2.0], "b": 1.0,
        "classes": {"dtype": "int64", "values": [0, 1]},
        "cost": 0.5, "costs": [0.7], "n_iter": 1, "converged": False, "stop_reason": "enough", "grad_norm": 0.1, "gap": None,
        "solver": "gd", "backend": "numpy", "n_threads": 1, "elapsed": 0.1, "compile_time": 0.0, "feature_names": ["x", "y"],
        "has_offset": False, "history": {"grad_norm": ["nan", 0.1], "step": [1.0], "seconds": [0.0, 0.1]},
        "statistics": {"covariance": [["nan", 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.5, 1.0]], "examples": 10.0, "parameters": 3,
                       "log_likelihood": -2.0, "null_log_likelihood": -3.0, "l2": 0.0, "fit_intercept": True, "notes": ["one"]}}


def text_with(field, value):
    """A good file but for one field, given as JSON."""
    return json.dumps(GOOD | {field: "here"}).replace('"here"', value)


def text_of(**fields):
    return json.dumps(GOOD | fields)


def text_without(field):
    return json.dumps({name: value for name, value in GOOD.items() if name != field})


def labels(dtype, values, **more):
    return text_of(classes={"dtype": dtype, "values": values} | more)


FIELDS = [name for name in GOOD if name not in ("format", "version")]


def array_file(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


HOSTILE = [
    ("empty", b"", "it is not JSON in UTF-8: Expecting value"),
    ("truncated", text_of()[:-30], "it is not JSON in UTF-8: "),
    ("pickle", pickle.dumps(GOOD), "it is not JSON in UTF-8: .*can't decode byte 0x80"),
    ("pickle of protocol 0", pickle.dumps(GOOD, 0), "it is not JSON in UTF-8"),
    ("npz", array_file(w=np.zeros(2)), "it is not JSON in UTF-8"),
    ("npz of objects", array_file(w=objects("a", 1)), "it is not JSON in UTF-8"),
    ("invalid UTF-8", text_of().encode() + b"\xff", "it is not JSON in UTF-8: .*byte 0xff"),
    ("UTF-16", text_of().encode("utf-16"), "it is not JSON in UTF-8"),
    ("UTF-16 without mark", text_of().encode("utf-16-le"), "it is not JSON in UTF-8"),
    ("mark", b"\xef\xbb\xbf" + text_of().encode(), "it is not JSON in UTF-8: Unexpected UTF-8 BOM"),
    ("twice", text_of() * 2, "it is not JSON in UTF-8: Extra data"),
    ("nested", "[" * 100_000, "it is nested too deeply"),
    ("nested objects", '{"w":' * 100_000, "it is nested too deeply"),
    ("nested field", text_with("w", "[" * 100_000 + "]" * 100_000), "it is nested too deeply"),
    ("digits", text_with("n_iter", "1" * 5000), r"4300 digits"),
    ("digits of a number", text_with("b", "1" * 400), r"b must be a finite number, not 111"),
    ("duplicate", text_of()[:-1] + ', "b": 7.0}', "it has the field 'b' twice"),
    ("duplicate inside", text_with("classes", '{"dtype": "bool", "dtype": "int8"}'), "it has the field 'dtype' twice"),
    *[(f"top {text}", text, 'it has no "format": "fastlr-model"') for text in ("null", "[]", "{}", "1", '"fastlr-model"')],
    ("other format", text_of(format=["fastlr-model"]), 'it has no "format": "fastlr-model"'),
    ("newer", text_of(version=7, new=1), r"it was written by a newer fastlr \(version 7 of .* reads 6\): upgrade fastlr"),
    *[(f"version {value!r}", text_of(version=value), "version must be an integer from 1 ") for value in (0, True, 1.0, "1")],
    ("no version", text_without("version"), "version must be an integer from 1 .* not None"),
    *[(f"no {field}", text_without(field), f"the field {field} is missing") for field in FIELDS],
    ("unknown", text_of(py_reduce=["os.system", "true"]), "'py_reduce' is not a field of this version"),
    # every field with values of other types
    *[(f"{field} {value}", text_with(field, value), rf"{field} must be {what}, not ")
      for fields, what, values in (
          (("w", "costs", "feature_names"), "a list", ("{}", '"ab"', "1.5", "true")),
          (("w", "costs"), "a list", ("null",)),
          (("b", "cost", "elapsed", "compile_time"), "a finite number",
           ("NaN", "Infinity", "1e400", '"1"', '"nan"', "true", "[1.0]", "{}", "null")),
          (("grad_norm", "gap"), 'a number, "nan", "inf" or "-inf"', ("NaN", "1e400", '"1"', '"NaN"', "true", "[1.0]", "{}")),
          (("grad_norm",), 'a number, "nan", "inf" or "-inf"', ("null",)),
          (("converged", "has_offset"), "true or false", ("0", "1", "null", '"true"', "[]")),
          (("stop_reason", "solver", "backend"), "text without half a surrogate pair", ("0", "null", "[]", "{}", r'"\ud800"')),
          (("gap_kind",), '"bound" or "estimate"', ("1", '"proof"', "[]")),
          (("n_iter", "n_threads"), r"an integer from [01] to 9\.223372e\+18",
           ("-1", "1.0", "true", "null", '"1"', "9223372036854775808", "NaN")),
          (("n_threads",), r"an integer from 1 to 9\.223372e\+18", ("0",)),
          (("history",), "an object with grad_norm, step, seconds", ("null", "[]", "1.5")),
          (("statistics",), "an object with covariance, .*notes", ("[]", "1.5", '"none"')))
      for field in fields for value in values],
    *[(f"{field} [{value}]", text_with(field, f"[0.5, {value}]"), rf"{field}\[1\] must be a finite number, not ")
      for field in ("w",) for value in ("NaN", "Infinity", "-1e400", '"1"', "true", "null", "[1.0]", "{}", "9" * 400)],
    ("w empty", text_of(w=[], feature_names=None), "w is empty"),
    ("fewer costs", text_of(costs=[]), "costs has 0 values, and n_iter is 1"),
    ("more costs", text_of(n_iter=0), "costs has 1 values, and n_iter is 0"),
    ("fewer names", text_of(feature_names=["x"]), "feature_names has 1 values, and n is 2"),
    *[(f"name {value}", text_with("feature_names", f'["x", {value}]'), r"feature_names\[1\] must be text ")
      for value in ("1", "null", '["y"]')],
    *[(f"no {part} {field}", text_of(**{part: {k: v for k, v in GOOD[part].items() if k != field}}),
       rf"the field {part}\.{field} is missing") for part in ("history", "statistics") for field in GOOD[part]],
    *[(f"{part} {field} {value!r}", text_of(**{part: GOOD[part] | {field: value}}), rf"{part}\.{field}.* (must|has) ")
      for part, field, values in (
          ("history", "grad_norm", ([0.5] * 3, [])), ("history", "step", ([0.5] * 3, ["nan"])), ("history", "seconds", (None, 1)),
          ("statistics", "covariance", (None, [[1.0]], [[1.0, 2.0]] * 3, [[1.0] * 3, "a", []], [[None] * 3] * 3)),
          ("statistics", "examples", ("nan",)), ("statistics", "parameters", (1.0,)), ("statistics", "log_likelihood", (None,)),
          ("statistics", "l2", (True,)), ("statistics", "fit_intercept", (1,)), ("statistics", "notes", ("one", [1])))
      for value in values],
    *[(f"classes {value!r}", text_of(classes=value), "classes must be an object with a dtype that is bool, .*str or object, not ")
      for value in (None, [0, 1], "int64", {})],
    *[(f"dtype {value!r}", labels(value, [0, 1]), "classes must be an object with a dtype that is bool, .*str or object, not ")
      for value in (None, 1, ["int64"], {}, "|O", "float128", "complex128", "bytes", "M8[s]", "os.system", "U3")],
    ("no values", text_of(classes={"dtype": "bool"}), r"the field classes\.values is missing"),
    ("no length", labels("str", ["a", "b"]), r"the field classes\.length is missing"),
    ("no types", labels("object", ["a", "b"]), r"the field classes\.types is missing"),
    ("length of numbers", labels("int8", [0, 1], length=3), r"classes\.'length' is not a field"),
    *[(f"length {value!r}", labels("str", ["a", "b"], length=value), r"classes\.length must be an integer from 1 to 1048576,")
      for value in (0, 10 ** 12, True, 1.0, "1", None)],
    *[(f"types {value!r}", labels("object", [0, 1], types=value), r"classes\.types must ") for value in (None, "int", ["int"])],
    *[(f"type {value!r}", labels("object", [0, 1], types=["int", value]), r"classes\.values\[1\] can't have the type ")
      for value in (None, 1, ["int"], {}, "os.system", "numpy.object", "eval", "complex", "bytes", "")],
    *[(f"values {value!r}", labels("int64", value), r"classes\.values must (be a list|have 2 values), not ")
      for value in (None, 1, "ab", {}, [], [0], [0, 1, 2])],
    *[(f"{dtype} {values!r}", labels(dtype, values, **more), rf"classes\.values are .*, which {held} can't hold")
      for dtype, values, more, held in (
          ("int8", [0, 128], {}, "int8"), ("uint8", [-1, 1], {}, "uint8"), ("uint64", [0, 2 ** 64], {}, "uint64"),
          ("float16", [0, 1e300], {}, "float16"), ("float32", [0, 0.1], {}, "float32"), ("str", ["a", "bc"], {"length": 1}, "U1"),
          ("str", ["a", "b\0"], {"length": 2}, "U2"))],
    *[(f"{dtype} {value!r}", labels(dtype, [False, value], **more), r"classes\.values\[\d\] must be ")
      for dtype, value, more in (("bool", 1, {}), ("int8", True, {}), ("float64", "1", {}), ("int8", [1], {}), ("bool", {}, {}),
                                 ("str", "a", {"length": 1}), ("object", 2 ** 1001, {"types": ["bool", "int"]}))],
    ("infinite label", text_with("classes", '{"dtype": "float64", "values": [0.0, 1e400]}'), "must be a finite number, not inf"),
    ("NaN label", text_with("classes", '{"dtype": "float64", "values": [NaN, 0.0]}'), "must be a finite number, not nan"),
    *[(f"{dtype} {values!r}", labels(dtype, values, **more), r"classes\.values must be different labels of one kind, ")
      for dtype, values, more in (("int64", [1, 1], {}), ("float64", [0.0, -0.0], {}), ("str", ["b", "b"], {"length": 1}),
                                  ("object", [1, True], {"types": ["int", "bool"]}),
                                  ("object", ["a", 1], {"types": ["str", "int"]}))],
]


def test_the_good_file_is_good(tmp_path):
    (tmp_path / "model").write_text(text_of())
    assert fastlr.load(tmp_path / "model").predict([[0.0, 0.0]]).tolist() == [1]


@pytest.mark.slow
def test_hostile_files(tmp_path):
    path = tmp_path / "model"
    start = re.escape(f"{str(path)!r} is not a model file that fastlr can read: ")
    for name, content, text in HOSTILE:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ValueError) as caught:
            fastlr.load(path)
        assert re.search(f"^{start}.*{text}", str(caught.value)), (name, str(caught.value))
        assert type(caught.value) is ValueError and len(str(caught.value)) < len(str(path)) + 400, name


def test_file_of_ten_gigabytes_is_not_read(tmp_path):
    with open(tmp_path / "model", "wb") as file:
        file.truncate(10 ** 10)
    with pytest.raises(ValueError, match=r"it has 10000000000 bytes, and a model file has at most 268435456$"):
        fastlr.load(tmp_path / "model")


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


@pytest.mark.parametrize("plant", [lambda trap: pickle.dumps(trap), lambda trap: pickle.dumps(trap, 0),
                                   lambda trap: array_file(w=objects(trap, 1))], ids=["pickle", "protocol 0", "npz"])
def test_planted_code_does_not_run(plant, tmp_path):
    marker, path = tmp_path / "it ran", tmp_path / "model"
    path.write_bytes(plant(Trap(marker)))
    with pytest.raises(ValueError, match="is not a model file"):
        fastlr.load(path)
    assert not marker.exists()


def test_the_trap_works(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "it ran"))).close()
    assert (tmp_path / "it ran").exists()


# ---- random damage --------------------------------------------------------------------------------------------------

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.\w]+|[\[\]{}:,]')
PLANTED = ["NaN", "Infinity", "-Infinity", "1e400", "1e308", "5e-324", "-0.0", "-0", "0", "1", "-1", "2", "true", "false", "null",
           '""', '"nan"', '"\\ud800"', "[]", "{}", "[[]]", "9" * 400, "9" * 5000, "[" * 3000, '"object"', '"str"', '"int"',
           '"numpy.int8"', '"dtype"', '"float16"', '"bytes"', ",", ":", "]", "}"]


def damaged(rng, data):
    """The file with one small damage."""
    i = int(rng.integers(len(data) + 1))
    j = i + int(rng.choice([1, 3, len(data)]))
    spans = [match.span() for match in itertools.islice(TOKEN.finditer(data.decode("latin-1")), 400)] or [(0, 0)]
    (a, b), (c, d) = (spans[k] for k in sorted(rng.integers(len(spans), size=2)))
    kinds = [
        lambda: data[:i] + bytes(byte ^ 1 << int(rng.integers(8)) for byte in data[i:i + 1]) + data[i + 1:],    # a bit flipped
        lambda: data[:i] + b"%d" % rng.integers(10) + data[i + 1:],                             # a digit
        lambda: data[:i] + data[j:],                                                            # a piece lost
        lambda: data[:j] + data[i:],                                                            # or doubled
        lambda: data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:] if a < c else data,     # tokens swapped
        lambda: data[:a] + data[c:d] + data[b:],                                                # one copied
        lambda: data[:a] + PLANTED[rng.integers(len(PLANTED))].encode() + data[b:],             # or put there
    ]
    return kinds[rng.integers(len(kinds))]()


def assert_valid(model, path):
    """What every Model that `load` returns is, whatever was in the file."""
    for name in ("w", "costs"):
        A = getattr(model, name)
        assert A.dtype == np.float64 and A.ndim == 1 and np.isfinite(A).all() and not A.flags.writeable
    assert model.w.size >= 1 and model.costs.size == model.n_iter
    numbers = (model.b, model.cost, model.elapsed, model.compile_time)
    assert all(type(number) is float and math.isfinite(number) for number in numbers)
    assert type(model.grad_norm) is float and type(model.gap) in (float, type(None))
    assert type(model.n_iter) is int and type(model.n_threads) is int and model.n_threads >= 1
    assert type(model.converged) is bool and type(model.has_offset) is bool
    assert all(type(value) is str for value in (model.stop_reason, model.solver, model.backend))
    names = model.feature_names
    assert names is None or (type(names) is tuple and len(names) == model.w.size and all(type(name) is str for name in names))
    assert model.classes.shape == (2,) and model.classes[0] != model.classes[1] and not model.classes.flags.writeable
    assert model.classes.dtype.kind in "biufUO" and model.classes.dtype.isnative
    for label in model.classes:
        assert isinstance(label, str) or abs(label) < math.inf
    assert "fastlr.Model" in repr(model)
    zero = np.zeros((1, model.w.size))
    assert model.predict(zero, [0.0])[0] == model.classes[int(model.b > 0.0)]
    assert np.isfinite(model.predict_proba(zero, [0.0])).all()
    assert_comes_back(model, path)


@pytest.fixture
def files(monkeypatch):
    """Files by path, in memory: opening thousands of real ones takes seconds."""
    found = {}

    @contextlib.contextmanager
    def replacing(path):
        yield (file := io.BytesIO())
        found[path] = file.getvalue()

    monkeypatch.setattr(model_file, "_read", found.__getitem__)
    monkeypatch.setattr(model_file, "replacing", replacing)
    return found


def count_of_damaged_files_that_load(files, good, seed, count):
    rng = np.random.default_rng(seed)
    loaded = 0
    for i in range(count):
        data = good[i % len(good)].encode()
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            data = damaged(rng, data)
        files["model"] = data
        try:
            model = fastlr.load("model")
        except ValueError as error:
            assert type(error) is ValueError and str(error).startswith("'model' is not a model file"), data
        except Exception as error:
            raise AssertionError(data) from error
        else:
            loaded += 1
            assert_valid(model, "again")
    return loaded


@pytest.mark.slow
def test_damaged_file_is_refused_or_a_valid_model(good, files):
    loaded = count_of_damaged_files_that_load(files, good, 0, 1000)
    assert 100 < loaded < 700                           # neither is rare


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_damaged_files(good, files, seed):
    count = int(os.environ.get("FASTLR_DAMAGED_FILES", "50000"))
    print(f"{count_of_damaged_files_that_load(files, good, seed, count)} of {count} damaged files load, as valid models")


# ---- pickle and copy ------------------------------------------------------------------------------------------------

class Recorder(pickle.Unpickler):
    """Notes every global that a pickle refers to."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.found = set()

    def find_class(self, module, name):
        self.found.add((module, name))
        return super().find_class(module, name)


@pytest.mark.parametrize("labels", [LABELS["int64"], LABELS["text"], objects(np.int8(-3), 5)], ids=["int", "text", "objects"])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_refers_to_numpy_and_model_alone(labels, protocol):
    model = model_of(labels)
    recorder = Recorder(pickle.dumps(model, protocol))
    assert_same(recorder.load(), model)
    others = {(module, name) for module, name in recorder.found if module.partition(".")[0] != "numpy"}
    others -= {("_codecs", "encode")}           # how protocol 2 writes bytes
    assert others == {("fastlr.model.model", "Model"), ("fastlr.solvers.history", "History")}


def test_copies_are_the_same():
    import copy

    for made in (copy.copy, copy.deepcopy):
        again = made(BASE)
        assert again is not BASE and again._training is BASE._training          # only pickles and files drop it
        assert_same(dataclasses.replace(again, _training=None), BASE)


@pytest.mark.compiles
@pytest.mark.slow
def test_models_come_back_without_numba(tmp_path):
    model = train(backend="fused")
    model.save(tmp_path / "model.json")
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    (tmp_path / "numba.py").write_text("raise ImportError('there is no numba here')")
    code = ("import pickle, sys, fastlr\n"
            "for model in (pickle.load(open('model.pickle', 'rb')), fastlr.load('model.json')):\n"
            "    print(model.predict_proba([[1.0, -2.0, 0.5, 3.0]]).tobytes().hex(), model.backend)\n"
            "print(sorted({'numba', 'llvmlite', 'scipy', 'sklearn'} & set(sys.modules)))\n")
    result = run(code, cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    expected = f"{model.predict_proba([[1.0, -2.0, 0.5, 3.0]]).tobytes().hex()} fused"
    assert result.stdout.splitlines() == [expected, expected, "[]"], result.stderr
