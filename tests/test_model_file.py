"""Models in files: every bit comes back, and no file that a stranger wrote does harm."""

import copy
import dataclasses
import functools
import io
import json
import os
import pickle
import pickletools
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastlr
from fastlr import _model_file

train = functools.partial(fastlr.train, backend="numpy")        # nothing to compile

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3))
Y = (np.arange(40) % 3 == 0).astype(int)


def objects(*values):
    A = np.empty(len(values), object)
    A[:] = values
    return A


def same_bits(a, b):
    """Every attribute: type, dtype, bits."""
    for field in dataclasses.fields(fastlr.Model):
        left, right = getattr(a, field.name), getattr(b, field.name)
        assert type(left) is type(right), field.name
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, field.name
            assert left.tolist() == right.tolist() if left.dtype == object else left.tobytes() == right.tobytes(), field.name
            assert not right.flags.writeable
        elif isinstance(left, float):
            assert np.float64(left).tobytes() == np.float64(right).tobytes() or left != left, field.name
        else:
            assert left == right, field.name


def saved(model, tmp_path):
    model.save(tmp_path / "model.json")
    return fastlr.load(tmp_path / "model.json")


LABELS = {
    "int": np.array([0, 1]), "int8": np.array([-1, 1], np.int8), "uint64": np.array([0, 2**64 - 1], np.uint64),
    "int64": np.array([-2**63, 2**63 - 1]), "bool": np.array([False, True]), "float": np.array([-0.5, 1e300]),
    "float32": np.array([0.1, 0.2], np.float32), "float16": np.array([0.1, 0.2], np.float16), "text": np.array(["no", "yes"]),
    "unicode": np.array(["nein", "größer als \U0001f600\n\"'\\"]), "bytes": np.array([b"no", b"y\xffs"]),
    "objects of text": objects("no", "yes"), "objects of numbers": objects(1, 2.5), "objects of bools": objects(False, True),
    "lone surrogate": objects("\ud800", "\ud801"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_come_back(kind, tmp_path):
    model = train(X, LABELS[kind][Y], learning_rate=0.1, max_iter=3)
    again = saved(model, tmp_path)
    same_bits(model, again)
    assert again.predict(X).tolist() == model.predict(X).tolist()


@pytest.mark.parametrize("options", [
    {"learning_rate": 0.1, "max_iter": 7}, {"solver": "gd", "tol": 1e-2}, {"solver": "newton", "l2": 0.1}, {"solver": "lbfgs"},
    {"offset": np.ones(40)}, {"max_iter": 0, "tol": 0}, {"fit_intercept": False, "sample_weight": np.ones(40)}], ids=str)
def test_models_come_back(options, tmp_path):
    model = train(X, Y, **options)
    again = saved(model, tmp_path)
    same_bits(model, again)
    offset = np.ones(40) if model.has_offset else None
    assert again.predict_proba(X, offset).tobytes() == model.predict_proba(X, offset).tobytes()


def test_names_come_back(tmp_path):
    model = train(pd.DataFrame(X, columns=["age", 'a "quoted"\n', "größe"]), Y)
    again = saved(model, tmp_path)
    same_bits(model, again)
    with pytest.raises(ValueError, match="other columns"):
        again.predict(pd.DataFrame(X, columns=list("abc")))


@pytest.fixture(scope="module")
def model():
    return train(X, np.array(["no", "yes"])[Y])


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(w=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
       costs=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5),
       b=st.floats(allow_nan=False, allow_infinity=False), gap=st.none() | st.floats(allow_nan=False, allow_infinity=False),
       reason=st.text(), labels=st.sets(st.text(max_size=3), min_size=2, max_size=2))
def test_any_bits_come_back(tmp_path_factory, w, costs, b, gap, reason, labels):
    made = dataclasses.replace(train(X, Y, learning_rate=1, max_iter=0), w=np.array(w), b=b, gap=gap, stop_reason=reason,
                               costs=np.array(costs, float), n_iter=len(costs), classes=np.array(sorted(labels), object))
    same_bits(made, saved(made, tmp_path_factory.mktemp("any")))


def test_the_file_is_what_the_head_says(model, tmp_path):
    model.save(tmp_path / "model.json")
    document = json.loads((tmp_path / "model.json").read_text())
    assert (document.pop("format"), document.pop("version")) == ("fastlr-model", 1)
    assert list(document) == [field.name for field in dataclasses.fields(fastlr.Model)]
    assert document["classes"] == {"dtype": "str", "values": ["no", "yes"]}
    assert document["w"] == model.w.tolist()


@pytest.mark.parametrize("classes", [objects(1j, 2j), objects((0,), (1,)), objects(b"a", b"b"), np.array([1, 2], np.longdouble)],
                         ids=["complex", "tuples", "bytes in objects", "longdouble"])
def test_classes_that_json_lacks_are_refused(model, classes, tmp_path):
    with pytest.raises(TypeError, match=r"^classes .* can't be saved; only text, bytes and numbers can$"):
        dataclasses.replace(model, classes=classes).save(tmp_path / "model.json")
    assert not list(tmp_path.iterdir())


# ---- saving: all or nothing -------------------------------------------------------------------------------------------

def test_a_failed_save_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "model.json"
    model.save(path)
    before = path.read_bytes()

    def fail(*arguments):
        raise KeyboardInterrupt

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(_model_file.os, name, fail)
            with pytest.raises(KeyboardInterrupt):
                dataclasses.replace(model, b=7.0).save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(model, tmp_path):
    """The system's limit on the size of files gives the same error as a full disk, half way through."""
    path = tmp_path / "model.json"
    model.save(path)
    before = path.read_bytes()
    code = f"""
import resource, signal, fastlr, dataclasses, numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
model = fastlr.load({str(path)!r})
try: dataclasses.replace(model, w=np.ones(10_000) / 3).save({str(path)!r})
except OSError as error: print("OSError")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "OSError\n", result.stderr
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_paths(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save("here.json")
    (tmp_path / "link.json").symlink_to("here.json")
    dataclasses.replace(model, b=7.0).save("link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert fastlr.load(tmp_path / "here.json").b == 7.0
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "nowhere" / "model.json")
    for odd in (tmp_path, "/dev/null"):
        with pytest.raises(ValueError, match="is none"):
            model.save(odd)
    with pytest.raises(FileNotFoundError):
        fastlr.load("missing.json")


# ---- loading what a stranger wrote -------------------------------------------------------------------------------------

def document(model):
    stream = json.loads(json.dumps(model.to_dict() | {"grad_norm": None, "classes": {"dtype": "str", "values": ["no", "yes"]}}))
    return {"format": "fastlr-model", "version": 1, **stream}


class Planted:
    def __reduce__(self):
        return os.system, ("touch planted",)


def npz():
    stream = io.BytesIO()
    np.savez(stream, w=np.ones(3))
    return stream.getvalue()


NOT_A_MODEL = {
    "empty": b"", "text": b"hello", "pickle": pickle.dumps(Planted()), "npz": npz(), "list": b"[1, 2]", "nothing in it": b"{}",
    "half": b'{"format": "fastlr-model", "ver', "not utf-8": b'{"format": "\xff"}', "utf-16": '{"a": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"format": "fastlr-model"}', "deep": b'{"w": ' + b"[" * 200_000,
    "many digits": b'{"format": ' + b"9" * 10_000 + b"}", "other format": b'{"format": "other", "version": 1}',
    "null bytes": b"{" + b"\0" * 100,
}


@pytest.mark.parametrize("name", NOT_A_MODEL)
def test_what_is_no_model_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(NOT_A_MODEL[name])
    with pytest.raises(ValueError, match=r"^file is no model that fastlr has saved"):
        fastlr.load("file")
    assert not Path("planted").exists()


CHANGED = {
    "newer": ({"version": 2}, "^{path} was written by a newer fastlr .*upgrade"),
    "version text": ({"version": "1"}, "version is '1'"),
    "version true": ({"version": True}, "version is True"),
    "version 0": ({"version": 0}, "version is 0"),
    "unknown field": ({"code": "import os"}, r"lacks \[\] and has unknown \['code'\]"),
    "w NaN": ({"w": [1.0, float("nan"), 2.0]}, "NaN is no number"),
    "w inf": ({"w": [1.0, float("inf"), 2.0]}, "Infinity is no"),
    "w null": ({"w": [1.0, None, 2.0]}, "w must be a finite number, not None"),
    "w text": ({"w": ["1.0"] * 3}, "w must be .* '1.0'"),
    "w number": ({"w": 3.0}, "w must be a list, not 3.0"),
    "w nested": ({"w": [[1.0]]}, "w must be a finite number"),
    "w empty": ({"w": []}, "w must have a value"),
    "w bools": ({"w": [True] * 3}, "w must be a finite number, not True"),
    "w huge integer": ({"w": [10**400] * 3}, "w .*too large"),
    "w object": ({"w": {"0": 1.0}}, "w must be a list"),
    "b text": ({"b": "0"}, "b must be a finite number"),
    "b list": ({"b": [0.0]}, "b must be"),
    "b null": ({"b": None}, "b must be"),
    "three classes": ({"classes": {"dtype": "str", "values": ["a", "b", "c"]}}, "classes must be a dtype and two"),
    "equal classes": ({"classes": {"dtype": "str", "values": ["a", "a"]}}, "two different labels in order"),
    "classes backwards": ({"classes": {"dtype": "int64", "values": [1, 0]}}, "two different labels in order"),
    "classes mixed": ({"classes": {"dtype": "object", "values": ["a", 1]}}, "two different labels in order"),
    "classes of lists": ({"classes": {"dtype": "object", "values": [[0], [1]]}}, "must be text or numbers"),
    "classes too large": ({"classes": {"dtype": "int8", "values": [0, 1000]}}, "classes .*(fit|bounds|range)"),
    "classes negative": ({"classes": {"dtype": "uint8", "values": [-1, 1]}}, "classes .*(fit|bounds|range)"),
    "classes of the wrong type": ({"classes": {"dtype": "int64", "values": [0.0, 1.0]}}, "must be of dtype int64"),
    "classes of an odd dtype": ({"classes": {"dtype": "O8,f4", "values": [0, 1]}}, "have an unknown dtype"),
    "dtype a list": ({"classes": {"dtype": ["int64"], "values": [0, 1]}}, "have an unknown dtype"),
    "bytes beyond latin-1": ({"classes": {"dtype": "bytes", "values": ["a", "\u1234"]}}, "classes "),
    "classes a list": ({"classes": [0, 1]}, "classes must be a dtype"),
    "costs short": ({"costs": []}, "costs has 0 values, and"),
    "costs null": ({"costs": None}, "costs must be a list"),
    "n_iter float": ({"n_iter": 4.0}, "n_iter must be a count"),
    "n_iter negative": ({"n_iter": -1}, "n_iter must be a count"),
    "n_iter true": ({"n_iter": True}, "n_iter must be a count"),
    "converged 1": ({"converged": 1}, "converged must be true or false"),
    "reason null": ({"stop_reason": None}, "stop_reason must"),
    "gap text": ({"gap": "x"}, "gap must be a finite"),
    "threads 0": ({"n_threads": 0}, "n_threads must be a count of at least 1"),
    "elapsed negative": ({"elapsed": -1.0}, "elapsed must not be negative"),
    "names short": ({"feature_names": ["a"]}, "has 1 names"),
    "names numbers": ({"feature_names": [1, 2, 3]}, "feature_names must be text"),
    "offset null": ({"has_offset": None}, "has_offset"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_field_is_refused(model, name, tmp_path):
    change, text = CHANGED[name]
    path = tmp_path / "file"
    path.write_text(json.dumps(document(model) | change))
    with pytest.raises(ValueError, match=text.format(path=path)) as caught:
        fastlr.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_or_repeated_field_is_refused(model, tmp_path):
    path = tmp_path / "file"
    for field in dataclasses.fields(fastlr.Model):
        path.write_text(json.dumps({name: value for name, value in document(model).items() if name != field.name}))
        with pytest.raises(ValueError, match=rf"it lacks \['{field.name}'\]"):
            fastlr.load(path)
    path.write_text(json.dumps(document(model)).replace('"b":', '"b": 0.0, "b":'))
    with pytest.raises(ValueError, match="a field stands there twice"):
        fastlr.load(path)
    path.write_text(json.dumps(document(model)).replace('"b": ', '"b": 1e400, "x": '))
    with pytest.raises(ValueError, match="damaged"):
        fastlr.load(path)


def mutations(content, count, seed):
    """A good file with bytes flipped, pieces dropped, doubled or exchanged."""
    chance = random.Random(seed)
    tokens = [b"null", b"true", b"NaN", b"1e999", b"-1", b"[]", b"{}", b'""', b",", b"]", b"}", b'"', b"0" * 30]
    for _ in range(count):
        data = bytearray(content)
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            i, j = sorted(chance.randrange(len(data) + 1) for _ in range(2))
            j = min(j, i + chance.choice((1, 3, 40)))
            data[i:j] = chance.choice((b"", bytes(data[i:j]) * 2, chance.randbytes(j - i), chance.choice(tokens)))
        yield bytes(data)


def count_of_loaded(model, folder, count, seed):
    """How many of so many mutations load; all others must be refused in our words, and what loads must be sound."""
    model.save(folder / "good")
    path = folder / "bad"
    loaded = 0
    for data in mutations((folder / "good").read_bytes(), count, seed):
        path.write_bytes(data)
        try:
            again = fastlr.load(path)
        except ValueError as error:
            assert str(error).startswith(str(path)), data
            continue
        loaded += 1
        assert np.isfinite(again.w).all() and again.w.dtype == np.float64 and again.w.ndim == 1, data
        assert np.isfinite([again.b, again.cost, *again.costs]).all() and again.costs.size == again.n_iter, data
        assert again.classes.shape == (2,) and again.classes[0] < again.classes[1], data
        again.save(folder / "again")
        same_bits(again, fastlr.load(folder / "again"))
    return loaded


def test_mutated_files(model, tmp_path):
    assert 10 < count_of_loaded(model, tmp_path, 1500, seed=0) < 1000


@pytest.mark.long
def test_many_mutated_files(model, tmp_path):
    assert count_of_loaded(model, tmp_path, int(os.environ.get("FASTLR_FUZZ", "20000")), seed=1) > 0


# ---- pickle ------------------------------------------------------------------------------------------------------------

def test_a_pickle_holds_numpy_only(model):
    modules = {text.split()[0].partition(".")[0] for opcode, text, _ in pickletools.genops(pickle.dumps(model, protocol=2))
               if opcode.name == "GLOBAL"}
    assert modules <= {"fastlr", "numpy", "copy_reg", "_codecs"}
    for other in (pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model)):
        same_bits(model, other)


def test_a_pickle_loads_without_numba(model, tmp_path):
    compiled = fastlr.train(X, Y, backend="fused", learning_rate=0.1, max_iter=2)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(compiled))
    np.save(tmp_path / "X.npy", X)
    code = f"""
import sys; sys.modules["numba"] = None
import pickle, numpy as np
model = pickle.load(open({str(tmp_path / "model.pickle")!r}, "rb"))
print(model.predict_proba(np.load({str(tmp_path / "X.npy")!r})).tobytes().hex())
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == compiled.predict_proba(X).tobytes().hex(), result.stderr

