"""fastlr path and fastlr train --l1."""

import json

import numpy as np
import pandas as pd
import pytest

import fastlr
from fastlr.cli.main import main

pytestmark = pytest.mark.slow

pytest.importorskip("pyarrow")

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.standard_normal((200, 6)), columns=["a", "b", "c", "d", "e", "f"])
FRAME["y"] = np.where(FRAME["a"] - FRAME["b"] + RNG.logistic(size=200) > 0, "yes", "no")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("data.csv", index=False)
    return tmp_path


def test_a_path_with_folds(folder, capsys):
    assert main(["path", "data.csv", "--target", "y", "--folds", "3", "--lambdas", "12", "--backend", "numpy", "-o", "path.json",
                 "--plot", "path.svg"]) == 0
    path = fastlr.path(FRAME[list("abcdef")], FRAME["y"], folds=3, lambdas=12, backend="numpy")
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "Path" and len(lines) == len(path) + 5
    assert lines[2 + path.best].split()[0] == "best" and lines[2 + path.best_1se].split()[0] == "best_1se"
    assert lines[-1].startswith("best_1se: a, b")
    saved = fastlr.Path.load("path.json")
    np.testing.assert_allclose(saved.w, path.w, atol=1e-12)
    assert saved.best == path.best and saved[0].classes.tolist() == ["no", "yes"] and saved[0].feature_names == tuple("abcdef")
    assert (folder / "path.svg").read_text().count("<svg") == 1


def test_a_path_as_json_without_folds(folder, capsys):
    assert main(["path", "data.csv", "--target", "y", "--l1-ratio", "0.5", "--smallest", "0.1", "--json", "--drop", "f"]) == 0
    found = json.loads(capsys.readouterr().out)
    path = fastlr.path(FRAME[list("abcde")], FRAME["y"], l1_ratio=0.5, smallest=0.1)
    assert found["columns"] == path.n_nonzero.tolist() and found["l1_ratio"] == 0.5 and "best" not in found
    np.testing.assert_allclose(found["lambda"], path.lambdas)


def test_a_path_of_three_classes(folder, capsys):
    frame = FRAME.assign(y=np.array(["red", "green", "blue"])[(3.0 * FRAME[["a", "b", "c"]]).to_numpy().argmax(axis=1)])
    frame.to_csv("colors.csv", index=False)
    assert main(["path", "colors.csv", "--target", "y", "--folds", "2", "--lambdas", "5", "--backend", "numpy", "-o", "path.json",
                 "--plot", "path.svg", "--json"]) == 0
    found, path = json.loads(capsys.readouterr().out), fastlr.Path.load("path.json")
    assert path.w.shape == (len(path), 3, 6) and path[0].classes.tolist() == ["blue", "green", "red"]
    assert found["columns"] == path.n_nonzero.tolist() and found["chosen"][:3] == ["a", "b", "c"]
    assert (folder / "path.svg").read_text().count('id="axes_') == 4 + 4         # three classes and the scores, each with counts
    assert main(["path", "colors.csv", "--target", "y", "--score", "auc"]) == 1
    assert "score='auc' is for two classes, and y has 3" in capsys.readouterr().err


def test_train_with_l1(folder, capsys):
    assert main(["train", "data.csv", "--target", "y", "--l1", "0.05", "--l2", "0.01", "-o", "model.json"]) == 0
    model = fastlr.train(FRAME[list("abcdef")], FRAME["y"], l1=0.05, l2=0.01)
    np.testing.assert_allclose(fastlr.load("model.json").w, model.w, atol=1e-12)
    assert f"l1 = 0.05 has chosen {np.count_nonzero(model.w)} of 6 columns" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("options", [["--folds", "1"], ["--lambdas", "0"], ["--score", "loss"], []])
def test_wrong_options(folder, options, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["path", "data.csv", *(["--target", "y"] if options else []), *options])


def test_what_can_not_be_done_is_one_line(folder, capsys):
    assert main(["path", "data.csv", "--target", "y", "--l1-ratio", "2"]) == 1
    assert capsys.readouterr().err == "fastlr: l1_ratio must be between 0 and 1, not 2.0\n"
    assert main(["path", "data.csv", "--target", "y", "-o", "data.csv"]) == 1
    assert "the output would replace what is read" in capsys.readouterr().err
