"""Who imports whom: down the order of the folders, and never in a circle."""

import ast

import pytest

from tools.architecture import PACKAGE, circles, imports, place

# From the lowest up; parts in one row don't import each other.
ORDER = [{"machine"}, {"backends"}, {"data"}, {"problem"}, {"solvers"}, {"inference"}, {"model"}, {"_train"}, {"_path"},
         {"_environment"}, {"formula", "graph", "sklearn"}, {"__init__"}, {"cli"}, {"__main__"}]
LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts}


@pytest.fixture(scope="module")
def graph():
    return imports()


def upward(graph):
    """The imports that don't run down, between parts of the package."""
    return [f"{name} imports {target}" for name, targets in graph.items() for target in sorted(targets)
            if place(name) != place(target) and LEVEL[place(name)] <= LEVEL[place(target)]]


def test_no_circles(graph):
    assert circles(graph) == []


def test_imports_run_down(graph):
    assert upward(graph) == []


def test_the_graph_is_the_packages(graph):
    assert len(graph) == len(list(PACKAGE.rglob("*.py"))) and {place(name) for name in graph} == set(LEVEL)
    assert {"fastlr.backends", "fastlr.data.door", "fastlr.model.model", "fastlr.machine.warnings"} <= graph["fastlr._train"]


@pytest.mark.parametrize("text", ["import pack.b", "from pack import b", "from pack.b import name", "from pack.b import *",
                                  "def f():\n    from pack import b", "class A:\n    import os, pack.b as other"])
def test_every_kind_of_import_counts(tmp_path, text):
    root = package(tmp_path, a=text, b="")
    assert imports(root) == {"pack": set(), "pack.a": {"pack.b"}, "pack.b": set()}


def test_imports_for_a_type_checker_alone_do_not_count(tmp_path):
    root = package(tmp_path, a="import typing\nif typing.TYPE_CHECKING:\n    import pack.b\nelse:\n    import pack.c", b="", c="")
    assert imports(root)["pack.a"] == {"pack.c"}


def test_a_circle_and_a_way_up_are_found(tmp_path):
    root = package(tmp_path, a="import pack.b", b="from pack import c", c="def f():\n    import pack.a", d="import pack.a")
    assert circles(imports(root)) == [["pack.a", "pack.b", "pack.c"]]
    assert upward({"fastlr.data.door": {"fastlr.backends", "fastlr.problem.problem"}}) == [
        "fastlr.data.door imports fastlr.problem.problem"]


@pytest.mark.parametrize("folder", sorted({file.parent for file in PACKAGE.rglob("*.py")}), ids=lambda folder: folder.name)
def test_every_folder_says_what_it_is_for(folder):
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))


def package(folder, **modules):
    root = folder / "pack"
    root.mkdir()
    for name, text in {"__init__": "", **modules}.items():
        (root / f"{name}.py").write_text(text)
    return root
