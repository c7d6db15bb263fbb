"""Draw the package's folders, with the lines of each and who imports whom, as Mermaid: python tools/architecture.py."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "fastlr"


def imports(root: Path = PACKAGE) -> dict[str, set[str]]:
    """The modules of a package, and which others of them each imports.

    Imports inside functions count; those for a type checker alone (`if TYPE_CHECKING:`) don't.

    Parameters
    ----------
    root : Path
        The package's folder.

    Returns
    -------
    dict from str to set of str
        By dotted name; a folder's `__init__.py` has the folder's name.
    """
    files = {_name(root, file): file for file in sorted(root.rglob("*.py"))}
    return {name: {target for node in _executed(ast.parse(file.read_text(encoding="utf-8")))
                   for target in _targets(node, files)} - {name} for name, file in files.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules of which each imports every other, directly or not; none where imports run one way."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {tuple(sorted(other for other in reached[name] if name in reached[other])) for name in graph}
    return sorted(list(group) for group in groups if group)


def place(name: str) -> str:
    """The part of the package that a module belongs to: its folder below the package, or the module itself."""
    return (name.split(".") + ["__init__"])[1]


def main() -> None:
    """Print the picture: an arrow from each part of the package to those that it imports, unless another leads there too."""
    graph = imports()
    lines: dict[str, int] = {}
    arrows: dict[str, set[str]] = {}
    for name, targets in graph.items():
        file = PACKAGE.joinpath(*name.split(".")[1:])
        text = (file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text(encoding="utf-8")
        lines[place(name)] = lines.get(place(name), 0) + text.count("\n")
        arrows.setdefault(place(name), set()).update({place(target) for target in targets} - {place(name)})
    print("graph TD")
    for part, count in lines.items():
        print(f'    {part}_["{part}{"/" * (PACKAGE / part).is_dir()}: {count} lines"]')       # "graph" alone is a word of Mermaid
    for part, targets in arrows.items():
        for target in sorted(targets - set().union(*(_reached(arrows, other) for other in targets))):
            print(f"    {part}_ --> {target}_")


def _name(root: Path, file: Path) -> str:
    return ".".join(file.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """This statement and those below it, without what stands under `if TYPE_CHECKING:`."""
    yield node
    below = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        below = iter(node.orelse)
    for child in below:
        if not isinstance(child, ast.expr):             # which are most nodes, and import nothing
            yield from _executed(child)


def _targets(node: ast.AST, modules: dict[str, Path]) -> Iterator[str]:
    """The modules of the package that an import statement names; imports are absolute in this package."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            target = f"{node.module}.{alias.name}"
            if target in modules:
                yield target
            elif node.module in modules:
                yield str(node.module)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """What can be reached from `start` along one arrow or more."""
    found: set[str] = set()
    ahead = set(graph[start])
    while ahead:
        found |= ahead
        ahead = set().union(*(graph[name] for name in ahead)) - found
    return found


if __name__ == "__main__":
    main()
