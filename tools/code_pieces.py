"""Bring the code in the documents up to date with its source: python -m tools.code_pieces, in the repository root.

A piece of code below a line

    `fastlr/backends/python_loops.py`, `cost_gradient`:

is the source of that function, class or constant of that file.  A test holds it so.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIECE = re.compile(r"^(`(\S+\.py)`, `(\S+)`:\n\n```python\n)(.*?)\n```$", re.MULTILINE | re.DOTALL)


def source_of(path: str, name: str) -> str:
    """The source of a function, class or constant: `name`, or `Class.name`."""
    text = (ROOT / path).read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        node = next(child for child in ast.iter_child_nodes(node) if part in _names(child))
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    return "\n".join(text.split("\n")[first - 1:node.end_lineno])


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [node.target.id] if isinstance(node, ast.AnnAssign) else [getattr(node, "name", "")]


def refreshed(text: str) -> str:
    """The text of a document with its pieces as they stand in the source now."""
    return PIECE.sub(lambda match: f"{match[1]}{source_of(match[2], match[3])}\n```", text)


def main() -> None:
    for path in (ROOT / "docs").glob("*.md"):
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
