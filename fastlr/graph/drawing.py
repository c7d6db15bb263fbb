"""A computation graph in writing and in drawings: formulas, the chain rule line by line, the language DOT.

A node without a name is not drawn.  It is part of the formulas that it stands in.
"""

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fastlr.graph.value import Value

# How tightly an operation binds; an operand that binds less tightly than its place asks for is put in parentheses.
_BINDS = {"+": 1, "-": 1, "negative": 1, "*": 2, "/": 2, "**": 3}
_ATOM = 4
_ASKS = {"+": (1, 1), "-": (1, 2), "negative": (2,), "*": (2, 2), "/": (2, 3), "**": (4, 4)}

# Characters of a formula, at most; longer ones are cut, since a sum of many terms would take the square of their number.
_LONGEST = 60
# Nodes of the largest graph that a notebook draws by itself.
_MOST = 100
_BLUE, _RED, _GREY = "#1c5aa6", "#c0281c", "#8a8a8a"


def number(value: Any) -> str:
    """Show a scalar with four digits, or the first numbers of an array."""
    if not isinstance(value, np.ndarray):
        return f"{value:.4g}"
    return f"[{', '.join(f'{x:.3g}' for x in value.flat[:3])}{', ...' if value.size > 3 else ''}]"


def label(operand: Any) -> str:
    """Show an operand: a node's name, or else its formula, or a plain number."""
    return getattr(operand, "name", "") or getattr(operand, "formula", "") or number(operand)


def formula(operation: str, operands: list[Any]) -> str:
    """Write an operation on its operands, such as "a + b * c" or "log(a)"."""
    if operation not in _ASKS:
        text = f"{operation}({label(operands[0])})"
    else:
        written = [f"({label(operand)})" if _binds(operand) < asked else label(operand)
                   for operand, asked in zip(operands, _ASKS[operation], strict=True)]
        text = f"-{written[0]}" if operation == "negative" else f" {operation} ".join(written)
    return text if len(text) <= _LONGEST else "..."


def _binds(operand: Any) -> int:
    if getattr(operand, "name", ""):
        return _ATOM
    if getattr(operand, "operation", ""):
        return _BINDS.get(operand.operation, _ATOM)
    return _BINDS["negative"] if label(operand).startswith("-") else _ATOM


def chain_rule(J: "Value", derivative: dict["Value", Any]) -> str:
    """Write one line for each named node: its derivative as a sum over the nodes that it goes into, in names, then in numbers."""
    terms: dict[Value, list[tuple[Value, float]]] = {}
    for node in [J, *named(J)]:
        for source, factor in node.factors().items():
            terms.setdefault(source, []).append((node, factor))
    return "\n".join(_line(J, source, terms[source], derivative) for source in derivative if source in terms)


def _line(J: "Value", source: "Value", terms: list[tuple["Value", float]], derivative: dict["Value", Any]) -> str:
    of = J.name or "J"
    names = [f"d{of}/d{node.name} * d{node.name}/d{source.name}" for node, _ in terms if node is not J]
    numbers = [f"{number(derivative[node])} * {number(factor)}" for node, factor in terms if node is not J]
    direct = [number(factor) for node, factor in terms if node is J]
    sides = [f"d{of}/d{source.name}", " + ".join(names + direct), " + ".join(numbers + direct), number(derivative[source])]
    return " = ".join(sides if names else [sides[0], sides[-1]])


def named(J: "Value") -> list["Value"]:
    """The nodes with names behind J, from right to left."""
    return [node for node in J._right_to_left() if node.name and node is not J]


def operands(node: "Value") -> dict["Value", Any]:
    """The nearest nodes with names, and the derivatives by them; None for a derivative that is an array."""
    if not np.ndim(node.value):
        return {source: factor if not np.ndim(factor) else None for source, factor in node.factors().items()}
    inside = node._right_to_left(stop=lambda other: bool(other.name))
    return {source: None for other in inside for source, _ in other.edges if source.name}


def dot(J: "Value", derivative: dict["Value", Any]) -> str:
    """Draw the graph in DOT: blue arrows for values, and red arrows back for derivatives that are given."""
    nodes = {node: f"node{i}" for i, node in enumerate([*reversed(named(J)), J])}
    lines = ["digraph {",
             "  rankdir=LR; nodesep=0.25; ranksep=0.8;",
             '  node [shape=plain, fontname="Helvetica", fontsize=14];',
             f'  edge [fontname="Helvetica", fontsize=11, arrowsize=0.7, color="{_BLUE}"];']
    for node, name in nodes.items():
        rows = [_row(" = ".join(filter(None, (node.name, node.operation and node.formula))), "black"),
                _row(number(node.value), _BLUE)]
        if derivative:
            rows.append(_row(f"d{node.name or 'J'} = {number(derivative[node])}", _RED))
        frame = f'BORDER="{int(bool(node.operation))}" COLOR="{_GREY}" STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="1"'
        lines.append(f"  {name} [label=<<TABLE {frame}>{''.join(rows)}</TABLE>>];")
    for node, name in nodes.items():
        for source, factor in operands(node).items():
            lines.append(f"  {nodes[source]} -> {name};")
            if derivative:
                text = "" if factor is None else f"d{node.name or 'J'}/d{source.name} = {number(factor)}"
                lines.append(f"  {name} -> {nodes[source]} "
                             f'[constraint=false, color="{_RED}", fontcolor="{_RED}", label={_quoted(text)}];')
    return "\n".join([*lines, "}", ""])


def _row(text: str, color: str) -> str:
    return f'<TR><TD><FONT COLOR="{color}">{escape(text)}</FONT></TD></TR>' if text else ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def svg(J: "Value") -> str | None:
    """Draw the graph as SVG; None if it is too large or Graphviz is missing."""
    if len(named(J)) > _MOST:
        return None
    try:
        return str(J.draw(backward=not np.ndim(J.value)).pipe(format="svg", encoding="utf-8"))
    except (ImportError, RuntimeError):         # no package; no program
        return None
