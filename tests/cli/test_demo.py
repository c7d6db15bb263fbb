"""The fastlr command without tables: the demo, options and help."""

import subprocess
import sys

import pytest

from fastlr.cli.main import main


@pytest.mark.compiles
def test_demo_runs_every_backend_and_agrees(capsys):
    assert main(["demo", "--rows", "3000", "--features", "4"]) == 0
    printed = capsys.readouterr().out
    for name in ("python", "numpy", "loop", "parallel", "fused"):
        assert f"\n{name} " in printed
    assert "accuracy on 20000 new examples" in printed
    assert "DISAGREE" not in printed


@pytest.mark.compiles
def test_demo_fails_when_backends_disagree(capsys, monkeypatch):
    from fastlr.backends import numpy_vectorized

    right = numpy_vectorized.cost_gradient

    def wrong(*arguments):
        loss = right(*arguments)
        arguments[-1][0] *= 1.001
        return loss

    monkeypatch.setattr(numpy_vectorized, "cost_gradient", wrong)
    assert main(["demo", "--rows", "300", "--features", "2"]) == 1
    assert "DISAGREE" in capsys.readouterr().out


def test_python_dash_m():
    result = subprocess.run([sys.executable, "-m", "fastlr", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("fastlr 0.")


@pytest.mark.parametrize("arguments", [["demo", "--rows", "0"], ["demo", "--rows", "many"], ["nonsense"], ["--nonsense"]])
def test_wrong_arguments_end_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage: fastlr" in capsys.readouterr().err


def test_help_names_the_demo(capsys):
    with pytest.raises(SystemExit) as error:
        main(["--help"])
    assert error.value.code == 0
    assert "demo" in capsys.readouterr().out
