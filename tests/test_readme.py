"""README.md and docs/: their code runs, their transcript is true, their links lead somewhere."""

import fnmatch
import importlib.util
import io
import itertools
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fastlr.cli.main import main

ROOT = Path(__file__).parents[1]
PAGES = [path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"))]
# The code of the first is the package's own, which tests/test_lecture_document.py holds.  That of the second needs files of its
# own, which tests/test_contributing.py makes.
HELD_ELSEWHERE = ("docs/from-the-lecture-to-the-limit.md", "CONTRIBUTING.md")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def is_as_shown(printed, expected):
    """Whether this is what a page shows, in which "..." stands for any number of lines."""
    pattern = ".*".join(map(re.escape, re.split(r"^  \.\.\.\n", expected, flags=re.MULTILINE)))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python") and page not in HELD_ELSEWHERE])
@pytest.mark.compiles
def test_blocks_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names, text = {}, (ROOT / page).read_text("utf-8")
    for language, code, output in re.findall(r"^```(python|bash)\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", text,
                                             re.MULTILINE | re.DOTALL):
        if language == "bash":
            for command in re.findall("^fastlr (.*)", code, re.MULTILINE):
                assert main(shlex.split(command)) == 0, command
            continue
        exec(compile(code, page, "exec"), names)
        printed = capsys.readouterr().out
        assert not output or is_as_shown(printed, output), printed
    if page == "README.md":
        assert names["model"].converged and "std. error" in printed


@pytest.mark.parametrize("page", PAGES)
def test_shell_lines_name_what_there_is(page, pytestconfig):
    """Running these would take minutes: so what they install, run or call must be there."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    lines = "".join(blocks(page, "bash")).splitlines()
    for command in (command for line in lines for command in line.split("  #")[0].split(" && ")):
        program, *arguments = shlex.split(command)
        if program == "python" and arguments[0] == "-m":
            assert importlib.util.find_spec(arguments[1]) is not None, command
        elif program == "pip":
            assert all(extra in extras for group in re.findall(r"\[(.*)\]", command) for extra in group.split(",")), command
        elif program == "fastlr":
            with pytest.raises(SystemExit, match=r"^0$"):
                main([*arguments, "--help"])
        elif program == "pytest":
            assert all((ROOT / place).exists() for place in arguments if "/" in place), command
            markers = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
            assert {name for flag, name in itertools.pairwise(arguments) if flag == "-m"} <= markers, command
        else:
            known = ("asv", "ruff", "mypy", "pre-commit", "make", "benchopt")
            assert program in known or command == ". .venv/bin/activate", command


@pytest.mark.slow
def test_the_transcript_of_the_command(shared_data, tmp_path, monkeypatch, capfd):
    """Each command prints the lines below it, up to ten decimals; "..." stands for any number of lines."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(shared_data / "dense" / "pima_diabetes.csv", "diabetes.csv")
    (transcript,) = blocks("docs/command.md", "console")
    commands = re.findall(r"^\$ (.*)\n((?:[^$].*\n|\n)*)", transcript, re.MULTILINE)
    assert len(commands) == 6
    for command, expected in commands:
        before, call, after = re.fullmatch(r"(?:(.*) \| )?fastlr ([^|]*?)(?: \| (.*))?", command).groups()
        if before is not None:
            table = subprocess.run(before, shell=True, capture_output=True, check=True).stdout
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table)))
        main(shlex.split(call))
        printed = "".join(capfd.readouterr())
        if after is not None:
            printed = subprocess.run(after, shell=True, capture_output=True, check=True, text=True, input=printed).stdout
        printed, expected = (re.sub(r"(\.\d{10})\d+", r"\1", text) for text in (printed, expected))
        assert is_as_shown(printed, expected), printed


def test_links_lead_somewhere():
    links = [(page, name) for page in PAGES
             for name in re.findall(r"\]\((?!http|gallery/)([^)#]+)", (ROOT / page).read_text("utf-8"))]
    assert len(links) > 40
    assert not [link for link in links if not ((ROOT / link[0]).parent / link[1]).exists()]


def test_the_first_two_commands_are_the_demo_and_the_tests():
    demo, tests, *_ = blocks("README.md", "bash")
    assert "fastlr demo" in demo and "pytest" in tests


@pytest.mark.parametrize("page", PAGES)
def test_files_and_tests_that_a_page_names_exist(page):
    prose = re.sub(r"^(`\S+`:\n\n)?```.*?^```", "", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    names = re.findall(r"`([^`\s]+)`", prose)
    tests = re.findall(r"def (test_\w+)", "\n".join(file.read_text("utf-8") for file in (ROOT / "tests").rglob("test_*.py")))
    folders = {path.name for path in (*ROOT.iterdir(), *(ROOT / "fastlr").iterdir()) if path.is_dir()}
    missing = [name for name in names if name.partition("/")[0] in folders and name.partition("/")[2]
               and not (ROOT / name).exists() and not (ROOT / "fastlr" / name).exists()]
    missing += [name for name in names if re.fullmatch(r"test_[\w*]+", name) and not fnmatch.filter(tests, name)]
    assert not missing
