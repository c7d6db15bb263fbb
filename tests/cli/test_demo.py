"""The fastlr command without tables: the demo, options and help."""

import shutil
import subprocess

import pytest

from fastlr.cli.completion import SHELLS
from fastlr.cli.main import main

pytestmark = pytest.mark.slow


@pytest.mark.compiles
def test_demo_runs_every_backend_and_agrees(capsys, monkeypatch):
    monkeypatch.setattr("fastlr.cli.demo.SECONDS", 0.01)
    assert main(["demo", "--rows", "3000", "--features", "4"]) == 0
    printed = capsys.readouterr().out
    for name in ("python", "numpy", "loop", "parallel", "fused"):
        assert f"\n{name} " in printed
    assert "accuracy on 20000 new examples" in printed
    assert "DISAGREE" not in printed


def test_demo_of_three_classes(capsys, monkeypatch):
    monkeypatch.setattr("fastlr.backends.available_backends", lambda: {"python": None, "numpy": None})
    monkeypatch.setattr("fastlr.cli.demo.SECONDS", 0.01)
    assert main(["demo", "--rows", "300", "--features", "3", "--classes", "3"]) == 0
    printed = capsys.readouterr().out
    assert "Logistic regression of 3 classes on 300 x 3" in printed and "accuracy on 20000 new examples" in printed


def test_demo_fails_when_backends_disagree(capsys, monkeypatch):
    from fastlr.backends import numpy_vectorized

    monkeypatch.setattr("fastlr.backends.available_backends", lambda: {"python": None, "numpy": None})
    right = numpy_vectorized.cost_gradient

    def wrong(*arguments):
        loss = right(*arguments)
        arguments[-1][0] *= 1.001
        return loss

    monkeypatch.setattr(numpy_vectorized, "cost_gradient", wrong)
    assert main(["demo", "--rows", "300", "--features", "2"]) == 1
    assert "DISAGREE" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["demo", "--rows", "0"], ["demo", "--rows", "many"], ["nonsense"], ["--nonsense"]])
def test_wrong_arguments_end_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage: fastlr" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "parts"), [
    (["--version"], ["fastlr 0."]), (["--help"], ["usage: fastlr", "demo"]), ([], ["usage: fastlr", "examples:", "exit codes:"])])
def test_version_and_help(capsys, arguments, parts):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    shown = capsys.readouterr().out
    assert error.value.code == 0 and shown.startswith(parts[0]) and all(part in shown for part in parts)


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_a_script_that_the_shell_reads(shell, capsys, tmp_path):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "--learning-rate" in script or "-l learning-rate" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("words", "expected"), [
    (["fastlr", "pre"], ["predict"]), (["fastlr", "train", "--l2", "0.1", "--tar"], ["--target"]),
    (["fastlr", "train", "--solver", "l"], ["lbfgs"]), (["fastlr", "train", "da"], [])])
def test_bash_completes(words, expected, capsys):
    main(["completion", "bash"])
    line = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _fastlr; echo ${{COMPREPLY[@]}}"
    shown = subprocess.run(["bash", "-c", capsys.readouterr().out + line], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == expected
