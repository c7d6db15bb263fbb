"""What pip knows the project by: its own name, hints that work, and a word where another module of the name is installed too."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fastlr
from fastlr import _environment
from fastlr.machine import distribution

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path):
    """A folder of installed packages that has this one in it."""
    shutil.copytree(Path(fastlr.__file__).parent, tmp_path / "fastlr")
    (tmp_path / "fastlr_numba-0.1.0.dist-info").mkdir()
    return tmp_path


def imported_with(*folders):
    """What a new process prints and warns of."""
    run = subprocess.run([sys.executable, "-P", "-c", "import fastlr; print(fastlr.__file__)"], capture_output=True, text=True,
                         check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))})
    return run.stdout.strip(), run.stderr


def test_beside_another(site):
    other = site / "fastlr-7.2.dist-info"
    other.mkdir()
    imported, warned = imported_with(site)
    assert imported == str(site / "fastlr" / "__init__.py")
    assert re.match(r"<string>:1: RuntimeWarning: two distributions have the module fastlr", warned)        # the caller's line
    for word in ("fastlr-numba", str(site / "fastlr"), str(other), "pip uninstall fastlr;", "pip install --force-reinstall"):
        assert word in warned


def test_another_further_down_the_path(site, tmp_path):
    """What is imported depends on the order alone: a script elsewhere gets the other one."""
    other = tmp_path / "other"
    (other / "fastlr").mkdir(parents=True)
    (other / "fastlr-0.1.0.dist-info").mkdir()
    assert "two distributions" in imported_with(site, other)[1]


def test_what_an_old_editable_installation_leaves(site, tmp_path):
    """It has no files of the module: they are a clone's."""
    old = tmp_path / "old"
    (old / "fastlr-0.1.0.dist-info").mkdir(parents=True)
    assert imported_with(site, old) == (str(site / "fastlr" / "__init__.py"), "")


def test_the_version_is_the_modules_own(monkeypatch):
    """Not that of the metadata, which another installation may have written."""
    assert fastlr.__version__ == distribution.VERSION
    monkeypatch.setattr(distribution, "VERSION", "99.0")
    assert _environment.versions()["fastlr"] == "99.0"


def test_the_distribution_has_its_own_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == distribution.NAME
    assert not re.search(r"\bfastlr\[", str(project["optional-dependencies"]))
    assert "On PyPI \"fastlr\" is a different project" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("pattern", ["*.md", "docs/*", "fastlr/**/*.py"])
def test_no_hint_installs_the_other_project(pattern):
    texts = {file: " ".join(file.read_text("utf-8").split()) for file in ROOT.glob(pattern) if file.suffix in (".md", ".py")}
    assert texts
    for file, text in texts.items():
        assert not re.search(r"(?<!un)install [`\"']*fastlr\b(?!-)|fastlr\[\w+\]", text), file
