"""The fastlr command on tables: what it reads and writes, and how it ends."""

import contextlib
import csv
import gzip
import io
import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import fastlr
from fastlr import _tables
from fastlr._cli import main

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import feather  # noqa: E402

RNG = np.random.default_rng(3)
FRAME = pd.DataFrame(RNG.standard_normal((500, 3)) * [1.0, 30.0, 0.2], columns=["a", "b b", "c,c"])
FRAME["id"] = [f"row {i}" for i in range(500)]
FRAME["w"] = RNG.integers(0, 4, 500)
FRAME["o"] = RNG.standard_normal(500)
FRAME["y"] = np.where(FRAME["a"] - FRAME["b b"] / 30 + RNG.logistic(size=500) > 0, "yes", "no")
FEATURES = ["a", "b b", "c,c"]
DROP = ["--drop", "id,w,o"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with data.csv in it."""
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("data.csv", index=False)
    return tmp_path


@pytest.fixture
def model(folder):
    """The model of data.csv, also in model.json."""
    model = fastlr.train(FRAME[FEATURES], FRAME["y"])
    model.summary()
    model.save("model.json")
    return model


def one_line(capsys):
    """All of standard error, which is one line, and nothing on standard output."""
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("fastlr: ") and err.count("\n") == 1 and err.endswith("\n")
    return err.removeprefix("fastlr: ").rstrip("\n")


def same(model, other):
    return np.array_equal(model.w, other.w) and model.b == other.b and model.classes.tolist() == other.classes.tolist()


def stdin(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


# ---- what comes in, and what comes out ------------------------------------------------------------------------------

def test_train_is_fastlr_train(folder, capsys):
    assert main(["train", "data.csv", "--target", "y", *DROP, "-o", "model.json"]) == 0
    expected = fastlr.train(FRAME[FEATURES], FRAME["y"])
    loaded = fastlr.load("model.json")
    assert same(loaded, expected) and loaded.feature_names == tuple(FEATURES)
    assert capsys.readouterr() == (f"{expected.summary()}\n", "")


@pytest.mark.parametrize("options, arguments", [
    (["--l2", "0.1"], {"l2": 0.1}),
    (["--weight", "w"], {"sample_weight": FRAME["w"]}),
    (["--offset", "o"], {"offset": FRAME["o"]}),
    (["--weight", "w", "--offset", "o"], {"sample_weight": FRAME["w"], "offset": FRAME["o"]}),
    (["--class-weight", "balanced"], {"class_weight": "balanced"}),
    (["--no-intercept"], {"fit_intercept": False}),
    (["--solver", "lbfgs", "--tol", "1e-3"], {"solver": "lbfgs", "tol": 1e-3}),
    (["--backend", "python", "--learning-rate", "0.01", "--max-iter", "3", "--threads", "1"],
     {"backend": "python", "learning_rate": 0.01, "max_iter": 3}),
])
def test_options_reach_fastlr_train(folder, options, arguments):
    assert main(["train", "data.csv", "--target", "y", "--features", 'a,b b,"c,c"', *options, "-o", "model.json"]) == 0
    loaded, expected = fastlr.load("model.json"), fastlr.train(FRAME[FEATURES], FRAME["y"], **arguments)
    assert same(loaded, expected)
    assert (loaded.solver, loaded.backend, loaded.n_iter) == (expected.solver, expected.backend, expected.n_iter)


def test_threads_reach_fastlr_train(folder, monkeypatch):
    found = {}
    train = fastlr.train
    monkeypatch.setattr(fastlr, "train", lambda *data, **options: found.update(options) or train(*data, **options))
    assert main(["train", "data.csv", "--target", "y", *DROP, "--threads", "7"]) == 0
    assert found["n_threads"] == 7


@pytest.mark.parametrize("rows", [1, 7, 500])
def test_batches_and_panels_are_put_together(folder, monkeypatch, rows):
    monkeypatch.setattr(_tables, "_BLOCK_BYTES", 1500)
    monkeypatch.setattr(_tables, "_PANEL_BYTES", rows * 8 * 5)
    assert main(["train", "data.csv", "--target", "y", "--drop", "id", "--weight", "w", "--offset", "o", "-o", "model.json"]) == 0
    assert same(fastlr.load("model.json"), fastlr.train(FRAME[FEATURES], FRAME["y"], sample_weight=FRAME["w"], offset=FRAME["o"]))


def test_x_is_trained_where_it_was_read(folder, monkeypatch):
    found = []
    side_by_side, matrix = _tables.side_by_side, fastlr._check.real_matrix
    monkeypatch.setattr(_tables, "side_by_side", lambda blocks: found.append(side_by_side(blocks)) or found[0])
    monkeypatch.setattr(fastlr._check, "real_matrix", lambda *X: found.append(matrix(*X)[0]) or matrix(*X))
    assert main(["train", "data.csv", "--target", "y", *DROP]) == 0
    assert np.shares_memory(found[0], found[1]) and found[1].flags.f_contiguous


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet", "t.feather", "t.arrow", "-", "t.tsv", "bom.csv", "windows.csv"])
def test_formats(folder, monkeypatch, name):
    options = []
    if name == "-":
        stdin(monkeypatch, FRAME.to_csv(index=False))
    elif name == "t.parquet":
        FRAME.to_parquet(name, row_group_size=70)
    elif name in ("t.feather", "t.arrow"):
        feather.write_feather(pyarrow.Table.from_pandas(FRAME), name, chunksize=70)
    elif name == "t.tsv":
        FRAME.to_csv(name, index=False, sep="\t")
        options = ["--delimiter", "tab"]
    else:
        FRAME.to_csv(name, index=False, encoding="utf-8-sig" if name == "bom.csv" else "utf-8",
                     lineterminator="\r\n" if name == "windows.csv" else "\n")
    assert main(["train", name, "--target", "y", *DROP, *options, "-o", "model.json"]) == 0
    assert same(fastlr.load("model.json"), fastlr.train(FRAME[FEATURES], FRAME["y"]))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("labels", [[0, 1], [-1.5, 2.0], ["0", "1a"], [False, True]])
def test_labels(folder, labels, suffix):
    frame = FRAME[FEATURES].assign(y=np.array(labels)[(FRAME["y"] == "yes").to_numpy().astype(int)])
    getattr(frame, f"to_{suffix}")(f"t.{suffix}", index=False)
    assert main(["train", f"t.{suffix}", "--target", "y", "-o", "model.json"]) == 0
    as_text = suffix == "csv" and labels[1] is True
    assert fastlr.load("model.json").classes.tolist() == (["False", "True"] if as_text else labels)


def test_categories_of_parquet_are_labels(folder):
    FRAME[FEATURES].assign(y=FRAME["y"].astype("category").cat.add_categories("never")).to_parquet("t.parquet")
    assert main(["train", "t.parquet", "--target", "y", "-o", "model.json"]) == 0
    assert same(fastlr.load("model.json"), fastlr.train(FRAME[FEATURES], FRAME["y"]))


def test_numbers_of_other_types(folder):
    frame = pd.DataFrame({"i": [1, 2, 3, 4], "b": [True, False, False, True], "f": np.float32([0.1, 0.2, 0.3, 0.1]),
                          "y": [0, 1, 0, 1]})
    frame.to_parquet("t.parquet")
    assert main(["train", "t.parquet", "--target", "y", "--l2", "1", "-o", "model.json"]) == 0
    assert same(fastlr.load("model.json"), fastlr.train(frame[["i", "b", "f"]].astype(float), frame["y"], l2=1.0))


# ---- predict --------------------------------------------------------------------------------------------------------

def predicted(text):
    rows = list(csv.reader(io.StringIO(text)))
    return rows[0], [row[-3] for row in rows[1:]], np.array([row[-2:] for row in rows[1:]], float)


def test_predict_is_predict_proba(model, capsys):
    assert main(["predict", "model.json", "data.csv"]) == 0
    names, labels, probabilities = predicted(capsys.readouterr().out)
    assert names == ["predicted", "probability_no", "probability_yes"]
    assert np.array_equal(probabilities, model.predict_proba(FRAME[FEATURES]))
    assert labels == model.predict(FRAME[FEATURES]).tolist()


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet", "out.feather"])
def test_predict_to_files(model, monkeypatch, name):
    monkeypatch.setattr(_tables, "_BLOCK_BYTES", 4000)
    assert main(["predict", "model.json", "data.csv", "-o", name]) == 0
    table = {"parquet": pd.read_parquet, "feather": pd.read_feather}.get(name[4:], pd.read_csv)(name)
    np.testing.assert_allclose(table[["probability_no", "probability_yes"]], model.predict_proba(FRAME[FEATURES]), rtol=1e-12)
    assert table["predicted"].tolist() == model.predict(FRAME[FEATURES]).tolist()


def test_columns_are_found_by_name(model, monkeypatch, capsys):
    stdin(monkeypatch, FRAME[["c,c", "id", "b b", "a"]].to_csv(index=False))
    assert main(["predict", "model.json", "-"]) == 0
    assert np.array_equal(predicted(capsys.readouterr().out)[2], model.predict_proba(FRAME[FEATURES]))


def test_kept_columns_are_as_they_were(model, capsys):
    frame = FRAME.head(3).assign(id=["007", 'say "NA", please', "NA"], o=["1.50", "", "x"])
    frame.to_csv("new.csv", index=False)
    assert main(["predict", "model.json", "new.csv", "--keep", "id,o"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0][:3] == ["id", "o", "predicted"]
    assert [row[:2] for row in rows[1:]] == frame[["id", "o"]].to_numpy().tolist()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_features_can_be_kept(model, capsys, suffix):
    getattr(FRAME, f"to_{suffix}")(f"new.{suffix}", index=False)
    assert main(["predict", "model.json", f"new.{suffix}", "--keep", "b b,y"]) == 0
    text = capsys.readouterr().out
    assert np.array_equal(predicted(text)[2], model.predict_proba(FRAME[FEATURES]))
    assert np.array_equal([float(row["b b"]) for row in csv.DictReader(io.StringIO(text))], FRAME["b b"])


def test_predict_needs_the_offset_it_was_trained_with(folder, capsys):
    model = fastlr.train(FRAME[FEATURES], FRAME["y"], offset=FRAME["o"])
    model.save("model.json")
    assert main(["predict", "model.json", "data.csv"]) == 1
    assert one_line(capsys) == "model.json: this model was trained with an offset; name the column with --offset"
    assert main(["predict", "model.json", "data.csv", "--offset", "o"]) == 0
    assert np.array_equal(predicted(capsys.readouterr().out)[2], model.predict_proba(FRAME[FEATURES], FRAME["o"]))


def test_a_model_without_names_takes_all_columns(folder, capsys):
    model = fastlr.train(FRAME[FEATURES].to_numpy(), FRAME["y"])
    model.save("model.json")
    FRAME[FEATURES].to_csv("three.csv", index=False)
    assert main(["predict", "model.json", "three.csv"]) == 0
    assert np.array_equal(predicted(capsys.readouterr().out)[2], model.predict_proba(FRAME[FEATURES].to_numpy()))
    assert main(["predict", "model.json", "data.csv"]) == 1
    assert "its 3 features and no other column; there are 7" in one_line(capsys)


def test_labels_that_need_quotes_get_them(folder, capsys):
    fastlr.train([[0.0], [1.0], [2.0], [3.0]], ["a,b", "c", "a,b", "c"]).save("model.json")
    (folder / "new.csv").write_text("x\n0\n3\n")
    assert main(["predict", "model.json", "new.csv"]) == 0
    names, labels, _ = predicted(capsys.readouterr().out)
    assert names == ["predicted", "probability_a,b", "probability_c"] and labels == ["a,b", "c"]


# ---- summary, info, JSON --------------------------------------------------------------------------------------------

def test_summary(model, capsys):
    assert main(["summary", "model.json"]) == 0
    assert capsys.readouterr().out == f"{model.summary()}\n"


def test_json(model, capsys):
    for arguments in (["summary", "model.json"], ["train", "data.csv", "--target", "y", *DROP]):
        assert main([*arguments, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == model.summary().to_dict()
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fastlr"] == fastlr.__version__


def test_a_model_without_a_summary(folder, capsys):
    fastlr.train(FRAME[FEATURES], FRAME["y"]).save("model.json")
    assert main(["summary", "model.json"]) == 1
    assert one_line(capsys).startswith("model.json: this model comes from a file ")


def test_info(capsys):
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    fastlr.show_versions()
    assert shown == capsys.readouterr().out and "pyarrow" in shown


# ---- how it ends ----------------------------------------------------------------------------------------------------

def test_separated_and_not_converged_end_with_3(folder, capsys):
    (folder / "t.csv").write_text("a,y\n1,0\n2,0\n3,1\n4,1\n")
    assert main(["train", "t.csv", "--target", "y", "-o", "model.json"]) == 3
    assert capsys.readouterr().err.startswith("fastlr: warning: ")
    assert not fastlr.load("model.json").converged
    assert main(["train", "data.csv", "--target", "y", *DROP, "--max-iter", "1", "--solver", "gd"]) == 3
    assert "fastlr: warning: " in capsys.readouterr().err


GOOD = "a,b,y\n1,5,0\n2,3,1\n3,4,0\n4,4,1\n"


@pytest.mark.parametrize("text, options, expected", [
    ("", [], "t.csv: the file is empty"),
    ("\n", [], "t.csv: the first line is blank; it must name the columns"),
    ("a,b,y\n", [], "t.csv: there is a header and no row"),
    ("a,b,y\n\n\n", [], "t.csv: there is a header and no row"),
    (GOOD.replace("3,4", "3,four"), [], "t.csv: column 'b', row 3: 'four' is not a number; turn text into numbers first"),
    (GOOD.replace("3,4", "3,"), [], "t.csv: column 'b', row 3: the value is missing"),
    (GOOD.replace("3,4", "3,NA"), [], "t.csv: column 'b', row 3: the value is missing"),
    (GOOD.replace("3,4", "3,-inf"), [], "t.csv: column 'b', row 3: -inf is not finite"),
    (GOOD.replace("3,1", "3,"), [], "t.csv: column 'y', row 2: the label is missing"),
    (GOOD.replace("3,1", "3"), [], "t.csv: CSV parse error: Row #2: Expected 3 columns, got 2"),
    (GOOD.replace("3,1", "3,2"), [], "t.csv: column 'y' holds 3 labels ('0', '1', '2'), and the target has two"),
    (GOOD.replace(",1\n", ",0\n"), [], "t.csv: column 'y' holds one label only, '0'; the target has two"),
    ("x,y\n" + "".join(f"{i},{i}\n" for i in range(101)), [], "t.csv: column 'y' has more than 100 different values"),
    (GOOD.replace("b", "a"), [], "t.csv: 2 columns are called 'a'; rename all but one"),
    ("y\n0\n1\n", [], "t.csv: no column is left to be a feature"),
    (GOOD, ["--target", "z"], "t.csv: target column is missing: 'z'; there are 'a', 'b', 'y'"),
    (GOOD, ["--weight", "z"], "t.csv: weight column is missing: 'z'; there are"),
    (GOOD, ["--offset", "z"], "t.csv: offset column is missing: 'z'; there are"),
    (GOOD, ["--features", "z,a,x"], "t.csv: columns are missing: 'z', 'x'; there are"),
    (GOOD, ["--drop", "z"], "t.csv: column is missing: 'z'; there are"),
    (GOOD, ["--features", "a,y"], "t.csv: the column 'y' is the target and can't be a feature too"),
    (GOOD, ["--weight", "y"], "t.csv: target and weight must be different columns"),
    (GOOD.replace("5", "-5"), ["--weight", "b"], "t.csv: column 'b', row 1: a weight must be at least 0, not -5.0"),
    (GOOD, ["--delimiter", ";"], "t.csv: target column is missing: 'y'; there are 'a,b,y'"),
])
def test_bad_tables(folder, capsys, text, options, expected):
    (folder / "t.csv").write_text(text)
    (folder / "model.json").write_text("the old one")
    assert main(["train", "t.csv", "--target", "y", "-o", "model.json", *options]) == 1
    assert one_line(capsys).startswith(expected)
    assert (folder / "model.json").read_text() == "the old one" and len(os.listdir()) == 3


@pytest.mark.parametrize("name, data, expected", [
    ("t.csv", b"\xff\xfe\x00\x01\n\x00", "t.csv: the first line is not text in UTF-8: is this a CSV file?"),
    ("t.csv", b"a,y\n\x00\xff,1\n", "t.csv: column 'a', row 1: "),
    ("t.csv", b"a,y\n1,\xff\n", "t.csv: column 'y', row 1: not text in UTF-8"),
    ("t.csv", b"a\x00\x1b[31m,b", "t.csv: target column is missing: 'y'; there are 'a\\x00\\x1b[31m', 'b'"),
    ("t.csv", b"a,y\n\x1b[31m\x07,1,2\n", "t.csv: CSV parse error: Row #1: Expected 2 columns, got 3: "),
    ("t.csv", b"x" * (1 << 24), "t.csv: the first line has more than 16777216 bytes: is this a CSV file?"),
    ("t.csv.gz", b"a,y\n1,1\n", "t.csv.gz: "),
    ("t.csv.gz", gzip.compress(b"a,y\n" + b"1,1\n" * 9, mtime=0)[:25], "t.csv.gz: "),
    ("t.parquet", b"PAR1 a,y\n1,1\n", "t.parquet: "),
    ("t.feather", b"a,y\n1,1\n", "t.feather: "),
])
def test_garbage(folder, capsys, name, data, expected):
    (folder / name).write_bytes(data)
    assert main(["train", name, "--target", "y"]) == 1
    line = one_line(capsys)
    assert line.startswith(expected) and len(line) > len(name) + 10 and line.isprintable()


def test_text_and_dates_in_parquet(folder, capsys):
    for value in ("x", pd.Timestamp(2020, 1, 1)):
        pd.DataFrame({"a": [value] * 2, "y": [0, 1]}).to_parquet("t.parquet")
        assert main(["train", "t.parquet", "--target", "y"]) == 1
        assert one_line(capsys).startswith("t.parquet: column 'a', row 1: ")
    pd.DataFrame({"a": [1.0, None], "y": [0, 1]}).to_parquet("t.parquet", row_group_size=1)
    assert main(["train", "t.parquet", "--target", "y"]) == 1
    assert one_line(capsys).startswith("t.parquet: column 'a', row 2: the value is missing")


@pytest.mark.parametrize("arguments, expected", [
    (["train", "none.csv", "--target", "y"], "none.csv: No such file or directory"),
    (["train", ".", "--target", "y"], ".: Is a directory"),
    (["train", "data.csv", "--target", "y", "-o", "none/model.json"], "none/model.json: No such file or directory"),
    (["train", "data.csv", "--target", "y", "-o", "/proc/model.json"], "/proc/model.json: "),
    (["train", "data.csv", "--target", "y", "-o", "."], "'.' is there already and is not a regular file"),
    (["predict", "none.json", "data.csv"], "none.json: No such file or directory"),
    (["predict", "data.csv", "data.csv"], "'data.csv' is not a model file that fastlr can read: "),
    (["predict", "model.json", "none.csv", "-o", "out.csv"], "none.csv: No such file or directory"),
    (["predict", "model.json", "data.csv", "-o", "none/out.csv"], "none/out.csv: No such file or directory"),
    (["predict", "model.json", "few.csv"], "few.csv: columns are missing: 'b b', 'c,c'; there are 'a', 'z'"),
    (["predict", "model.json", "data.csv", "--keep", "z"], "data.csv: column is missing: 'z'; there are"),
    (["predict", "model.json", "head.csv", "-o", "out.csv"], "head.csv: there is a header and no row"),
    (["summary", "none.json"], "none.json: No such file or directory"),
    (["summary", "data.csv"], "'data.csv' is not a model file that fastlr can read: "),
])
def test_bad_files(model, folder, capsys, arguments, expected):
    (folder / "few.csv").write_text("a,z\n1,1\n")
    (folder / "head.csv").write_text('a,b b,"c,c"\n')
    before = sorted(os.listdir())
    assert main(arguments) == 1
    assert one_line(capsys).startswith(expected)
    assert sorted(os.listdir()) == before


def test_unwritable_output_is_refused_before_training(folder, monkeypatch):
    monkeypatch.setattr(fastlr, "train", lambda *data, **options: pytest.fail("trained"))
    assert main(["train", "data.csv", "--target", "y", *DROP, "-o", "none/model.json"]) == 1


@pytest.mark.parametrize("value, expected", [("x", "'x' is not a number"), ("", "the value is missing")])
def test_an_error_late_in_the_table_leaves_the_old_output(model, folder, capsys, monkeypatch, value, expected):
    monkeypatch.setattr(_tables, "_BLOCK_BYTES", 2000)
    frame = FRAME[FEATURES].astype(object)
    frame.iloc[450, 1] = value
    frame.to_csv("new.csv", index=False)
    (folder / "out.csv").write_text("the old one")
    before = sorted(os.listdir())
    assert main(["predict", "model.json", "new.csv", "-o", "out.csv"]) == 1
    assert one_line(capsys).startswith(f"new.csv: column 'b b', row 451: {expected}")
    assert (folder / "out.csv").read_text() == "the old one" and sorted(os.listdir()) == before


@contextlib.contextmanager
def largest_file(size):
    """A disk that is soon full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet", "out.feather"])
def test_a_full_disk_leaves_the_old_output(model, folder, capsys, name):
    (folder / name).write_text("the old one")
    before = sorted(os.listdir())
    with largest_file(1000):
        assert main(["predict", "model.json", "data.csv", "-o", name]) == 1
    assert one_line(capsys) == f"{name}: File too large"
    assert (folder / name).read_text() == "the old one" and sorted(os.listdir()) == before


def test_without_pyarrow(model, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for arguments in (["train", "data.csv", "--target", "y"], ["predict", "model.json", "data.csv"]):
        assert main(arguments) == 1
        assert one_line(capsys).endswith("pip install 'fastlr[cli]'")


@pytest.mark.parametrize("options", [
    [], ["--target"], ["--target", "y", "--l2", "-1"], ["--target", "y", "--l2", "x"], ["--target", "y", "--tol", "nan"],
    ["--target", "y", "--max-iter", "1.5"], ["--target", "y", "--threads", "0"], ["--target", "y", "--solver", "sag"],
    ["--target", "y", "--backend", "cuda"], ["--target", "y", "--features", "a", "--drop", "b"],
    ["--target", "y", "--features", "a,a"], ["--target", "y", "--features", ""], ["--target", "y", "--delimiter", "::"],
    ["--target", "y", "-o", "-"], ["--target", "y", "--learning-rate", "0.1", "--solver", "newton"],
    ["--target", "y", "--learning-rate", "0"],
])
def test_wrong_options_end_with_2(folder, capsys, options):
    with pytest.raises(SystemExit) as error:
        main(["train", "data.csv", *options])
    assert error.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("usage: fastlr") and "_checked" not in err


def test_interrupted(model, capsys, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(fastlr, "load", interrupt)
    assert main(["summary", "model.json"]) == 130
    assert one_line(capsys) == "interrupted"


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.fixture
def child(model):
    """fastlr predict in a child that reads standard input, of which the first million bytes are there, and has begun to write."""
    process = subprocess.Popen([sys.executable, "-m", "fastlr", "predict", "model.json", "-"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=BUFFERED)
    process.stdin.write(("a,b b,\"c,c\"\n" + "0.5,1.5,2.5\n" * 300_000).encode())
    assert process.stdout.readline() == b"predicted,probability_no,probability_yes\n"
    with process:
        yield process
        process.kill()


def test_output_that_nobody_reads(child):
    child.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()
    assert child.wait() == 141
    assert child.stderr.read() == b""


def test_ctrl_c_while_waiting_for_input(child):
    child.send_signal(signal.SIGINT)
    assert child.communicate()[1] == b"fastlr: interrupted\n"
    assert child.returncode == 130


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["predict", "model.json", "data.csv"], ["info"]])
def test_standard_output_that_is_full(model, arguments):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([sys.executable, "-m", "fastlr", *arguments], stdout=full, stderr=subprocess.PIPE,
                                check=False, env=BUFFERED)
    assert (result.returncode, result.stderr) == (1, b"fastlr: No space left on device\n")


# ---- progress -------------------------------------------------------------------------------------------------------

def test_rows_are_counted_on_a_terminal_only(folder, capsys, monkeypatch):
    import tqdm

    bars = []

    class Bar(contextlib.AbstractContextManager):
        def __init__(self, **options):
            self.options, self.rows = options, 0
            bars.append(self)

        def update(self, rows):
            self.rows += rows

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    assert main(["train", "data.csv", "--target", "y", *DROP]) == 0
    assert not bars
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["train", "data.csv", "--target", "y", *DROP]) == 0
    assert bars[0].rows == 500 and bars[0].options["desc"] == "reading data.csv"
