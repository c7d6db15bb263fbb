"""The fastlr command on tables: what it reads and writes, and how it ends."""

import contextlib
import csv
import decimal
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
from sklearn import metrics
from sklearn.calibration import calibration_curve

import fastlr
from fastlr.cli.evaluation import evaluate
from fastlr.cli.main import main
from fastlr.data import tables

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import feather, parquet  # noqa: E402

pytestmark = pytest.mark.slow

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
    return (np.array_equal(model.w, other.w) and np.array_equal(model.b, other.b)
            and model.classes.tolist() == other.classes.tolist())


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
    (["--l1", "0.02", "--l2", "0.1"], {"l1": 0.02, "l2": 0.1}),
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
    monkeypatch.setattr("fastlr.data.tables.csv_files.BLOCK_BYTES", 1500)
    monkeypatch.setattr("fastlr.data.tables.columns.PANEL_BYTES", rows * 8 * 5)
    assert main(["train", "data.csv", "--target", "y", "--drop", "id", "--weight", "w", "--offset", "o", "-o", "model.json"]) == 0
    assert same(fastlr.load("model.json"), fastlr.train(FRAME[FEATURES], FRAME["y"], sample_weight=FRAME["w"], offset=FRAME["o"]))


@pytest.mark.parametrize("order", "CF")
def test_npy_files(folder, monkeypatch, order):
    """Read in batches, by a model of an array, which knows no names; and trained on by columns x0, x1, ..."""
    monkeypatch.setattr("fastlr.data.tables.npy_files.BATCH_BYTES", 3000)
    X, y = FRAME[FEATURES].to_numpy(np.float64), FRAME["y"].to_numpy()
    np.save("X.npy", np.asarray(X, order=order))
    model = fastlr.train(X, y)
    model.save("model.json")
    assert main(["predict", "model.json", "X.npy", "-o", "predicted.csv"]) == 0
    np.testing.assert_allclose(pd.read_csv("predicted.csv").iloc[:, 1:], model.predict_proba(X), rtol=1e-9)
    np.save("Xy.npy", np.column_stack([X, X[:, 0] > 0.0]))
    assert main(["train", "Xy.npy", "--target", f"x{X.shape[1]}", "--drop", "x0", "-o", "model.json"]) in (0, 3)
    assert fastlr.load("model.json").feature_names == tuple(f"x{j}" for j in range(1, X.shape[1]))


def test_x_is_trained_where_it_was_read(folder, monkeypatch):
    found = []
    side_by_side, matrix = tables.side_by_side, fastlr.data.arrays.real_matrix
    monkeypatch.setattr(tables, "side_by_side", lambda blocks: found.append(side_by_side(blocks)) or found[0])
    monkeypatch.setattr(fastlr.data.arrays, "real_matrix", lambda *X: found.append(matrix(*X)[0]) or matrix(*X))
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


def test_numbers_of_other_types(folder):
    frame = pd.DataFrame({"i": [1, 2, 3, 4], "b": [True, False, False, True], "f": np.float32([0.1, 0.2, 0.3, 0.1]),
                          "y": [0, 1, 0, 1]})
    frame.to_parquet("t.parquet")
    assert main(["train", "t.parquet", "--target", "y", "--l2", "1", "-o", "model.json"]) == 0
    assert same(fastlr.load("model.json"), fastlr.train(frame[["i", "b", "f"]].astype(float), frame["y"], l2=1.0))


# ---- labels as they stood --------------------------------------------------------------------------------------------

A = FRAME["a"].round(3)
IS_SECOND = (FRAME["y"] == "yes").to_numpy()


def labels_back(name, *options):
    """The classes of the model, and the labels and the last two names of what is predicted, after the command has trained."""
    assert main(["train", name, "--target", "y", "--backend", "numpy", "-o", "model.json", *options]) == 0
    assert main(["predict", "model.json", name, "-o", "out.csv"]) == 0
    with open("out.csv", newline="") as file:
        rows = list(csv.reader(file))
    return fastlr.load("model.json").classes.tolist(), {row[0] for row in rows[1:]}, rows[0][1:]


@pytest.mark.parametrize("first, second, classes", [
    ("0", "1", [0, 1]), ("-1.5", "2.0", [-1.5, 2.0]), ("0.0", "1.0", [0.0, 1.0]), ("9", "10", [9, 10]),
    ("007", "008", None), ("1E5", "2E5", None), ("1_0", "1_1", None), ("01", "1", None), ("1", "1.0", None), ("0", "0.5", None),
    ("9.00", "10.00", None), ("-1", "+1", None), ("-0.0", "0.0", None), ("1", str(2 ** 70), None), ("1e400", "1e500", None),
    (str(2 ** 70), str(2 ** 70 + 1), None), ("inf", "nan", None), ("NA", "ZA", None), ("1,5", "10,5", None),
    (" yes", "yes", None), ("0", "1a", None), ("FALSE", "TRUE", None), ("a\nb", "c", None), ("no", "yes", None),
])
@pytest.mark.slow
def test_labels_of_csv_come_back_as_they_stood(folder, first, second, classes):
    labels = np.array([first, second])[IS_SECOND.astype(int)]
    pd.DataFrame({"a": A, "y": labels}).to_csv("t.csv", index=False, quoting=csv.QUOTE_NONNUMERIC)
    found, predicted, names = labels_back("t.csv")
    assert found == (classes or [first, second]) and [*map(type, found)] == [*map(type, classes or "ab")]
    assert predicted == {first, second} and names == [f"probability_{first}", f"probability_{second}"]


Z = decimal.Decimal


@pytest.mark.parametrize("labels, kind, classes, texts", [
    ([1, 2 ** 64 - 1], pyarrow.uint64(), [1, 2 ** 64 - 1], ["1", "18446744073709551615"]),
    ([False, True], pyarrow.bool_(), [False, True], ["False", "True"]),
    ([0.0, 1.0], pyarrow.float16(), [0.0, 1.0], ["0.0", "1.0"]),
    ([-1.5, 2.0], pyarrow.float64(), [-1.5, 2.0], ["-1.5", "2.0"]),
    (["10", "9"], pyarrow.string(), ["10", "9"], ["10", "9"]),
    (["no", "yes"], pyarrow.string_view(), ["no", "yes"], ["no", "yes"]),
    (["no", "yes"], pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), ["no", "yes"], ["no", "yes"]),
    ([3, 4], pyarrow.dictionary(pyarrow.int8(), pyarrow.int64()), [3, 4], ["3", "4"]),
    ([Z(0), Z(1)], pyarrow.decimal128(5, 0), [0, 1], ["0", "1"]),
    ([Z(9), Z(10)], pyarrow.decimal128(5, 2), ["9.00", "10.00"], ["9.00", "10.00"]),
    ([Z(2 ** 70), Z(2 ** 70 + 1)], pyarrow.decimal128(38, 0), [str(2 ** 70), str(2 ** 70 + 1)], [str(2 ** 70), str(2 ** 70 + 1)]),
])
def test_labels_of_arrow_keep_their_type(folder, labels, kind, classes, texts):
    column = pyarrow.array([labels[i] for i in IS_SECOND.astype(int)], getattr(kind, "value_type", kind))
    column = column.dictionary_encode() if pyarrow.types.is_dictionary(kind) else column
    feather.write_feather(pyarrow.table({"a": A, "y": column}), "t.arrow", compression="uncompressed")
    found, predicted, names = labels_back("t.arrow")
    assert found == classes and [*map(type, found)] == [*map(type, classes)]
    assert predicted == {*texts} and names == [f"probability_{text}" for text in texts]
    model = fastlr.train("t.arrow", "y", backend="numpy")
    assert sorted(map(str, model.classes.tolist())) == sorted(map(str, classes))


@pytest.mark.parametrize("kind", [pyarrow.date32(), pyarrow.timestamp("us"), pyarrow.duration("us"),
                                  pyarrow.list_(pyarrow.field("element", pyarrow.int64()))])
def test_what_is_no_label_is_refused(folder, capsys, kind):
    labels = [[int(v)] if pyarrow.types.is_list(kind) else int(v) for v in IS_SECOND]
    column = pyarrow.array(labels, pyarrow.int32() if kind == pyarrow.date32() else kind)
    parquet.write_table(pyarrow.table({"a": A, "y": column.cast(kind)}), "t.parquet")
    assert main(["train", "t.parquet", "--target", "y"]) == 1
    way_out = "which can't be labels; write them as numbers or text"
    assert one_line(capsys) == f"t.parquet: column 'y' holds {column.cast(kind).type}, {way_out}"
    with pytest.raises(ValueError, match=way_out):
        fastlr.train("t.parquet", "y")


def test_categories_that_no_row_has_are_no_labels(folder):
    labels = pd.Categorical(FRAME["y"], categories=["no", *map(str, range(200)), "yes"])
    pd.DataFrame({"a": A, "y": labels}).to_parquet("t.parquet")
    assert labels_back("t.parquet")[0] == ["no", "yes"]


def test_event_is_the_second_label(folder, capsys):
    assert main(["train", "data.csv", "--target", "y", *DROP, "-o", "yes.json"]) == 0
    assert main(["train", "data.csv", "--target", "y", *DROP, "--event", "no", "-o", "no.json"]) == 0
    yes, no = fastlr.load("yes.json"), fastlr.load("no.json")
    assert no.classes.tolist() == ["yes", "no"] and "probability of 'no', against 'yes'" in " ".join(str(no.summary()).split())
    np.testing.assert_allclose(no.w, -yes.w, rtol=1e-6)
    assert (no.predict(FRAME[FEATURES]) == yes.predict(FRAME[FEATURES])).all()
    capsys.readouterr()
    assert main(["train", "data.csv", "--target", "y", *DROP, "--event", "maybe"]) == 1
    assert one_line(capsys) == "data.csv: column 'y' holds no label 'maybe', which --event names; there are 'no', 'yes'"


# ---- what other tools leave in files ---------------------------------------------------------------------------------

SMALL = pd.DataFrame({"a": A, "b": FRAME["b b"].round(2), "y": FRAME["y"]})
PLAIN = SMALL.to_csv(index=False)


def written_by(text, name="t.csv"):
    with open(name, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return name


@pytest.mark.parametrize("name, data, options, note", [
    ("pandas.csv", SMALL.to_csv().encode(), [], "a column without a name"),
    ("pandas.csv", SMALL.to_csv().encode(), ["--drop", ""], ""),
    ("bom.csv", b"\xef\xbb\xbf" + SMALL.to_csv().encode(), ["--drop", ""], ""),
    ("trailing.csv", PLAIN.replace("\n", ",\n").encode(), ["--drop", ""], ""),
    ("both.csv", SMALL.to_csv().replace("\n", ",\n").encode(), ["--drop", ""], ""),
    ("mac.csv", PLAIN.replace("\n", "\r").encode(), [], ""),
    ("twice.csv", PLAIN.replace("\n", "\r\r\n").encode(), [], ""),
    ("mac.CSV.GZ", gzip.compress(PLAIN.replace("\n", "\r").encode()), [], ""),
    ("blank.csv", f"{PLAIN}\n\n".encode(), [], ""),
    ("excel.csv", SMALL.to_csv(index=False, sep=";", decimal=",").encode(), ["--delimiter", ";", "--decimal", ","], ""),
    ("R2.csv", SMALL.to_csv(sep=";", decimal=",", quoting=csv.QUOTE_NONNUMERIC).encode(),
     ["--delimiter", ";", "--decimal", ",", "--drop", ""], ""),
])
def test_csv_of_other_tools_is_read_right(folder, capsys, name, data, options, note):
    assert main(["train", written_by(data, name), "--target", "y", "-o", "model.json", *options]) == 0
    err = capsys.readouterr().err
    assert err.startswith(f"fastlr: note: {note}") and err.count("\n") == 1 if note else err == ""
    loaded = fastlr.load("model.json")
    assert same(loaded, fastlr.train(SMALL[["a", "b"]], SMALL["y"])) and loaded.feature_names == ("a", "b")


@pytest.mark.parametrize("name", ["t.PARQUET", "t.Feather"])
def test_the_index_of_a_pandas_frame_is_no_feature(folder, capsys, name):
    shuffled = SMALL.sample(frac=1.0, random_state=0).rename_axis("key")
    table = pyarrow.Table.from_pandas(shuffled)
    (parquet.write_table if name == "t.PARQUET" else feather.write_feather)(table, name)
    assert main(["train", name, "--target", "y", "-o", "model.json"]) == 0
    assert "'key', the index of a pandas frame, is left out" in capsys.readouterr().err
    for model in (fastlr.load("model.json"), *(fastlr.train(X, "y", backend="numpy") for X in (name, fastlr.stream(name)))):
        assert model.feature_names == ("a", "b")
    assert main(["train", name, "--target", "y", "--features", "a,key", "-o", "model.json"]) == 0
    assert fastlr.load("model.json").feature_names == ("a", "key")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_row_may_be_longer_than_what_is_read_at_once(folder, monkeypatch, end):
    monkeypatch.setattr("fastlr.data.tables.csv_files.BLOCK_BYTES", 500)
    notes = ["p", "x" * 1300, "one\ntwo" * 500, 'say "hi",' * 230, 'end,"\n' * 200, ""]
    lines = ['"{}",{},{}'.format(notes[i % 6].replace('"', '""'), a, y)
             for i, (a, y) in enumerate(zip(A, FRAME["y"], strict=True))]
    written_by(end.join(["note,a,y", *lines, ""]))
    assert main(["train", "t.csv", "--target", "y", "--drop", "note", "-o", "model.json"]) == 0
    assert same(fastlr.load("model.json"), fastlr.train(A.to_frame(), FRAME["y"]))


def test_a_name_may_have_many_lines(folder):
    name = "line\n" * 300_000
    written_by(f'"{name}",y\n' + "".join(f"{a},{y}\n" for a, y in zip(A, FRAME["y"], strict=True)))
    assert main(["train", "t.csv", "--target", "y", "-o", "model.json"]) == 0
    assert fastlr.load("model.json").feature_names == (name,)


@pytest.mark.parametrize("text, options, expected", [
    ("a;y\n0,5;0\n1,5;1\n", ["--delimiter", ";"], "column 'a', row 1: '0,5' is not a number; pass --decimal ',' if that is the"),
    ("a;y\n0.5;0\n", ["--delimiter", ";", "--decimal", ","], "column 'a', row 1: '0.5' is not a number; pass --decimal '.' if"),
    ('a,y\n"1,234,567",0\n', [], "column 'a', row 1: '1,234,567' is not a number; take out ',', which separates thousands"),
    ('a,y\n"1,234",0\n', [], "column 'a', row 1: '1,234' is not a number; pass --decimal ',' if that is the decimal point; take"),
    ("a;y\n1.234,5;0\n", ["--delimiter", ";", "--decimal", ","], "column 'a', row 1: '1.234,5' is not a number; take out '.'"),
    ("a,y\nTrue,0\n", [], "column 'a', row 1: 'True' is not a number; write 1 for true and 0 for false"),
    ("a;y\n1;0\n", [], "target column is missing: 'y'; there are 'a;y'; pass --delimiter ';' if that is between the columns"),
    ("a\ty\n1\t0\n", [], "target column is missing: 'y'; there are 'a\\ty'; pass --delimiter tab if that is between the columns"),
    ("sep=;\na;y\n1;0\n", [], "the first line is an instruction to Excel; remove it, and pass --delimiter ';'"),
    ("a,Y \n1,0\n", [], "target column is missing: 'y'; did you mean 'Y '? there are 'a', 'Y '"),
    ("a,y\n1,1,0\n", [], "CSV parse error: Row #1: Expected 2 columns, got 3: 1,1,0; the first line must name every column"),
    ('a,y\n"NA",0\n', [], "column 'a', row 1: the value is missing"),
    ('a,y\n"",0\n', [], "column 'a', row 1: the value is missing"),
    ('a,y\n1,0\n1,""\n', [], "column 'y', row 2: the label is missing; drop such rows, or say with --na which texts stand for"),
    ("a,y\n1,0\n-,1\n", ["--na", "?", "--na", "-"], "column 'a', row 2: the value is missing"),
    ("a,y\n1,0\n1,?\n", ["--na", "?", "--na", "-"], "column 'y', row 2: the label is missing"),
    ("a,y\n1,0\n1e200,1\n", [], "column 'a', row 2: 1e+200 is too large; divide the column by a constant"),
    ("a,w,y\n1,0,0\n1,0,1\n", ["--weight", "w"], "column 'w': sample_weight is zero in every row"),
    ("a,w,y\n1,1,n\n1,0,y\n", ["--weight", "w"], "column 'w': every row of class 'y' has weight 0"),
    ('"a,y\n1,0\n', [], "the first line can't be split into column names; perhaps a quotation mark is not closed"),
    (b"PK\x03\x04" + bytes(99), [], "this is not a CSV file: it is an Excel file, or another archive; save the sheet as CSV"),
    (b"PAR1" + bytes(99), [], "this is not a CSV file: it is Parquet; its name must end in .parquet"),
    (gzip.compress(b"a,y\n1,1\n", mtime=0), [], "this is not a CSV file: it is compressed; its name must end in .gz"),
    (PLAIN.encode("utf-16"), [], "the first line is not text in UTF-8. If this is a CSV file in another encoding, convert it "
     "first, for example by iconv -f UTF-16 -t UTF-8"),
    ("a,y\n1,é\n".encode("latin-1"), [], "column 'y', row 1: not text in UTF-8; a file in another encoding can be converted, as"),
])
def test_csv_of_other_tools_is_refused_with_the_way_out(folder, capsys, text, options, expected):
    written_by(text)
    assert main(["train", "t.csv", "--target", "y", *options]) == 1
    assert one_line(capsys).startswith(f"t.csv: {expected}")


@pytest.mark.parametrize("name", ["holes.csv", "holes.parquet"])
def test_missing_values_are_dropped_where_that_is_said(folder, capsys, name):
    frame = FRAME.astype({"w": float})
    frame.loc[3:5, "a"] = frame.loc[5:9, "w"] = np.nan
    frame.loc[498:, "y"] = None
    frame.to_csv(name, index=False) if name.endswith("csv") else frame.to_parquet(name)
    arguments = ["train", name, "--target", "y", "--weight", "w", "--drop", "id,o", "-o", "model.json"]
    assert main(arguments) == 1 and "the value is missing" in one_line(capsys)
    assert main([*arguments, "--missing", "drop"]) == 0
    kept = FRAME.drop(index=[*range(3, 10), 498, 499])
    assert same(fastlr.load("model.json"), fastlr.train(kept[FEATURES], kept["y"], sample_weight=kept["w"]))
    assert capsys.readouterr().err == (
        "fastlr: note: 9 of 500 rows are left out, since values are missing, by column: a 3, w 5, y 2\n")
    frame["a"] = np.nan
    frame.to_csv("holes.csv", index=False)
    assert main(["train", "holes.csv", *arguments[2:], "--missing", "drop"]) == 1
    assert "500 of 500 rows are left out, since values are missing, by column: a 500, w 5, y 2; no row is" in one_line(capsys)


def test_a_bad_value_is_named_by_its_row_beside_missing_ones(folder, capsys):
    (folder / "t.csv").write_text("a,y\n,0\n1,\n2,1\n1e200,0\n")
    assert main(["train", "t.csv", "--target", "y", "--missing", "drop"]) == 1
    assert "column 'a', row 4: 1e+200 is too large" in one_line(capsys)


def test_na_says_what_is_missing(folder):
    labels = np.where(IS_SECOND, "ZA", "NA")
    pd.DataFrame({"a": A, "y": labels}).to_csv("t.csv", index=False)
    assert main(["train", "t.csv", "--target", "y"]) == 1
    assert labels_back("t.csv", "--na", "")[0] == ["NA", "ZA"]


def test_options_of_csv_are_refused_for_other_files(folder, capsys):
    SMALL.to_parquet("t.parquet")
    assert main(["train", "t.parquet", "--target", "y", "--decimal", ","]) == 1
    assert one_line(capsys) == "t.parquet: --delimiter, --decimal and --na say how CSV is written, and this file is not CSV"


def test_what_is_read_is_not_replaced(model, capsys):
    for arguments in (["train", "data.csv", "--target", "y", "-o", "data.csv"],
                      ["predict", "model.json", "data.csv", "-o", "data.csv"],
                      ["predict", "model.json", "data.csv", "-o", "./model.json"]):
        assert main(arguments) == 1
        assert one_line(capsys).endswith(": the output would replace what is read; name another file")


def test_closed_standard_streams(model, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["predict", "model.json", "-"]) == 1
    assert one_line(capsys) == "standard input: it is closed"
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdout", None)
        assert main(["summary", "model.json"]) == 1
    assert one_line(capsys) == "standard output is closed"


def test_no_error_is_a_traceback(model, capsys, monkeypatch):
    monkeypatch.setattr(fastlr, "load", lambda path: {}["a key"])
    assert main(["summary", "model.json"]) == 1
    assert one_line(capsys) == "'a key'"


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
    monkeypatch.setattr("fastlr.data.tables.csv_files.BLOCK_BYTES", 4000)
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


@pytest.mark.parametrize("name", ["p.xlsx", "p.json", "p.xlsx.gz"])
def test_a_format_that_is_not_written_is_refused(model, capsys, name):
    assert main(["predict", "model.json", "data.csv", "-o", name]) == 1
    assert one_line(capsys).endswith(" can't be written; name the file .csv (or .csv.gz), .parquet or .feather")
    assert not os.path.exists(name)


# ---- evaluate -------------------------------------------------------------------------------------------------------

def test_evaluate_is_what_scikit_learn_says(model, capsys):
    y, p, s = FRAME["y"] == "yes", model.predict_proba(FRAME[FEATURES])[:, 1], FRAME["w"]
    assert main(["evaluate", "model.json", "data.csv", "--target", "y", "--weight", "w", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, p, sample_weight=s), rel=1e-12)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(y, p, sample_weight=s), rel=1e-12)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, p > 0.5, sample_weight=s), rel=1e-12)
    np.testing.assert_allclose(found["confusion"], metrics.confusion_matrix(y, p > 0.5, sample_weight=s))
    null = metrics.log_loss(y, np.full(500, np.average(y, weights=s)), sample_weight=s)
    assert found["null_log_loss"] == pytest.approx(null, rel=1e-12)
    assert main(["evaluate", "model.json", "data.csv", "--target", "y", "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)["calibration"]
    share, mean = calibration_curve(y, p, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([[group["share"], group["probability"]] for group in groups], np.column_stack([share, mean]))


def test_equal_probabilities_count_half():
    y, p = np.array([0, 1, 0, 1, 1]), np.array([0.3, 0.3, 0.5, 0.5, 0.9])
    found = evaluate(y, np.column_stack([1 - p, p]), np.ones(5), ["no", "yes"])
    assert found.auc == metrics.roc_auc_score(y, p)


def test_evaluate_prints_and_plots(model, capsys):
    assert main(["evaluate", "model.json", "data.csv", "--target", "y", "--plot", "curves.png"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[:2] == ["Evaluation", "  examples  500"] and "predicted 'yes'" in shown
    with open("curves.png", "rb") as file:
        assert file.read(4) == b"\x89PNG"


def test_a_table_of_one_label_has_no_loss_by_shares(model, folder, capsys):
    FRAME[FRAME["y"] == "no"].to_csv("new.csv", index=False)
    assert main(["evaluate", "model.json", "new.csv", "--target", "y"]) == 0
    assert "(0.000000 by the shares of the labels alone)" in capsys.readouterr().out


def test_evaluate_refuses_labels_that_the_model_does_not_know(model, folder, capsys):
    FRAME.assign(y=FRAME["y"].replace("no", "perhaps")).to_csv("new.csv", index=False)
    assert main(["evaluate", "model.json", "new.csv", "--target", "y"]) == 1
    assert one_line(capsys) == "new.csv: column 'y' holds 'perhaps', and the model's labels are 'no', 'yes'"
    assert main(["evaluate", "model.json", "new.csv", "--target", "a"]) == 1
    assert one_line(capsys) == "new.csv: the column 'a' is a feature of the model and can't be the target too"


# ---- formulas, covariances ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather"])
def test_a_formula_is_fastlr_formula_train(folder, capsys, suffix):
    frame = FRAME.assign(city=np.array(["Oslo", "Rome"])[FRAME.index % 2]).rename(columns={"b b": "b", "c,c": "c"})
    frame.to_csv("t.csv", index=False) if suffix == "csv" else getattr(frame, f"to_{suffix}")(f"t.{suffix}")
    formula = "y ~ a + C(city) + b:a"
    assert main(["train", f"t.{suffix}", "--formula", formula, "--weight", "w", "--l2", "0"]) == 0
    expected = fastlr.formula.train(formula, frame, sample_weight="w").model.summary()
    assert capsys.readouterr().out == f"{expected}\n"
    assert main(["train", f"t.{suffix}", "--formula", formula, "-o", "model.json"]) == 1
    assert "-o can't be combined with --formula: " in one_line(capsys)


def test_three_labels_and_more_are_trained_predicted_and_evaluated(folder, capsys):
    y = np.array(["low", "middle", "high"])[np.digitize(FRAME["a"] + RNG.logistic(size=500), [-0.5, 0.8])]
    FRAME.assign(y=y).to_csv("t.csv", index=False)
    assert main(["train", "t.csv", "--target", "y", *DROP, "--l2", "0.1", "-o", "model.json"]) == 0
    expected = fastlr.train(FRAME[FEATURES], y, l2=0.1)
    assert same(fastlr.load("model.json"), expected) and capsys.readouterr().out == f"{expected.summary()}\n"
    assert main(["predict", "model.json", "t.csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["predicted"] for row in rows] == expected.predict(FRAME[FEATURES]).tolist()
    assert float(rows[7]["probability_middle"]) == expected.predict_proba(FRAME[FEATURES])[7, 2]
    assert main(["evaluate", "model.json", "t.csv", "--target", "y", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, expected.predict_proba(FRAME[FEATURES])), rel=1e-12)
    assert found["auc"] is None and np.trace(found["confusion"]) == pytest.approx(500 * found["accuracy"])


def test_robust_standard_errors(folder, capsys):
    assert main(["train", "data.csv", "--target", "y", *DROP, "--covariance", "HC1", "--level", "0.9"]) == 0
    expected = fastlr.train(FRAME[FEATURES], FRAME["y"]).summary("HC1", 0.9)
    assert capsys.readouterr().out == f"{expected}\n"


@pytest.mark.parametrize("way", ["--target", "--formula"])
def test_clusters(folder, capsys, way):
    """Groups are texts, and empty in one row; they are no features."""
    frame = FRAME.rename(columns={"b b": "b", "c,c": "c"}).assign(school=[f"no. {i % 30}" for i in range(len(FRAME))])
    frame["ward"] = np.arange(len(frame)) // 25
    frame.to_csv("t.csv", index=False)
    given = [way, *(["y", "--features", "a,b"] if way == "--target" else ["y ~ a + b"])]
    for names in (["school"], ["school", "ward"]):
        assert main(["train", "t.csv", *given, "--cluster", ",".join(names)]) == 0
        expected = fastlr.train(frame[["a", "b"]], frame["y"]).summary(("cluster", tuple(frame[name] for name in names)))
        assert capsys.readouterr().out == f"{expected}\n"
    frame.loc[3, "school"] = ""
    frame.to_csv("t.csv", index=False)
    assert main(["train", "t.csv", *given, "--cluster", "school"]) == 1
    assert "missing" in one_line(capsys)
    if way == "--target":
        assert main(["train", "t.csv", *given, "--cluster", "school", "--missing", "drop"]) == 0
        kept = frame.drop(index=3)
        expected = fastlr.train(kept[["a", "b"]], kept["y"]).summary(("cluster", kept["school"]))
        assert capsys.readouterr().out == f"{expected}\n"
        assert main(["train", "t.csv", "--target", "y", "--features", "a,ward", "--cluster", "ward"]) == 1
        assert one_line(capsys) == "t.csv: the column 'ward' is the cluster and can't be a feature too"


# ---- summary, info, JSON --------------------------------------------------------------------------------------------

def test_summary_and_json(model, capsys):
    for options, level in (([], 0.95), (["--level", "0.5"], 0.5)):
        assert main(["summary", "model.json", *options]) == 0
        assert capsys.readouterr().out == f"{model.summary(level=level)}\n"
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
    (GOOD.replace("3,4", "3,"), [], "t.csv: column 'b', row 3: the value is missing; fill such values in, or leave"),
    (GOOD.replace("3,4", "3,NA"), [], "t.csv: column 'b', row 3: the value is missing"),
    (GOOD.replace("3,4", "3,-inf"), [], "t.csv: column 'b', row 3: -inf is not finite"),
    (GOOD.replace("3,1", "3,"), [], "t.csv: column 'y', row 2: the label is missing"),
    (GOOD.replace("3,1", "3"), [], "t.csv: CSV parse error: Row #2: Expected 3 columns, got 2"),
    (GOOD.replace("3,1", "3,2.5"), [], "t.csv: column 'y' holds 3 labels ('0', '1', '2.5'), which are not whole numbers"),
    (GOOD.replace("3,1", "3,2"), ["--event", "2"], "t.csv: column 'y' holds 3 labels ('0', '1', '2'); --event chooses"),
    (GOOD.replace(",1\n", ",0\n"), [], "t.csv: column 'y' holds one label only, '0'; the target has two or more"),
    ("x,y\n" + "".join(f"{i},{i}\n" for i in range(101)), [],
     "t.csv: column 'y' has more than 100 different values, too many for labels"),
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
    ("t.csv", b"\xff\xfe\x00\x01\n\x00", "t.csv: the first line is not text in UTF-8."),
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
    monkeypatch.setattr("fastlr.data.tables.csv_files.BLOCK_BYTES", 2000)
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
        assert one_line(capsys).endswith("install it with: pip install pyarrow")


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


def test_output_that_nobody_reads(model, capsys, monkeypatch):
    out, into = os.pipe()
    os.close(out)
    with open(into, "w") as unread:
        monkeypatch.setattr(sys, "stdout", unread)
        assert main(["predict", "model.json", "data.csv"]) == 141
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_while_waiting_for_input(child):
    child.send_signal(signal.SIGINT)
    assert child.communicate()[1] == b"fastlr: interrupted\n"
    assert child.returncode == 130


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["predict", "model.json", "data.csv"], ["info"]])
def test_standard_output_that_is_full(model, capsys, monkeypatch, arguments):
    """And nothing is left for Python to write at its end."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(arguments) == 1
    assert one_line(capsys) == "No space left on device"


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
