"""A computation graph in writing and in drawings: formulas, the chain rule line by line, the language DOT.

A node without a name is not drawn.  It is part of the formulas that it stands in.  Where no step has a name, all are drawn.
"""

import itertools
from html import escape
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fastlr.graph.value import Value

# How tightly an operation binds; an operand that binds less tightly than its place asks for is put in parentheses.
_BINDS = {"+": 1, "-": 1, "negative": 1, "*": 2, "/": 2, "@": 2, "**": 3, "transpose": 4}
_ATOM = 4
_ASKS = {"+": (1, 1), "-": (1, 2), "negative": (2,), "*": (2, 2), "/": (2, 3), "@": (2, 3), "**": (4, 4), "transpose": (4,)}

# Characters of a formula, at most; longer ones are cut, since a sum of many terms would take the square of their number.
_LONGEST = 60
# Nodes of the largest graph that a notebook draws by itself.
_MOST = 100
# Steps of the largest graph that is drawn with all steps, where none has a name.
_MOST_STEPS = 20
# Operations that mix the elements of an array.
_MIXING = ("sum", "@", "transpose")
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
        text = (f"-{written[0]}" if operation == "negative" else f"{written[0]}.T" if operation == "transpose" else
                f" {operation} ".join(written))
    return text if len(text) <= _LONGEST else "..."


def _binds(operand: Any) -> int:
    if getattr(operand, "name", ""):
        return _ATOM
    if getattr(operand, "operation", ""):
        return _BINDS.get(operand.operation, _ATOM)
    return _BINDS["negative"] if label(operand).startswith("-") else _ATOM


def chain_rule(J: "Value", derivative: dict["Value", Any]) -> str:
    """Write one line for each named node: its derivative as a sum over the nodes that it goes into, in names, then in numbers."""
    names = names_of_nodes(J)
    terms: dict[Value, list[tuple[Value, Any]]] = {}
    for node in names:
        for source, factor in _factors(node, names).items():
            terms.setdefault(source, []).append((node, factor))
    return "\n".join(_line(J, names, source, terms[source], derivative) for source in derivative if source in terms)


def _line(J: "Value", names: dict["Value", str], source: "Value", terms: list[tuple["Value", Any]],
          derivative: dict["Value", Any]) -> str:
    def of_each(node: Any, product: str) -> str:
        return f"sum({product})" if np.ndim(node.value) and not np.ndim(source.value) else product

    of, name, later = names[J], names[source], [(node, factor) for node, factor in terms if node is not J]
    in_names = [of_each(node, f"d{of}/d{names[node]} * d{names[node]}/d{name}") for node, _ in later]
    in_numbers = [of_each(node, f"{number(derivative[node])} * {number(factor)}") for node, factor in later if factor is not None]
    direct = [number(factor) for node, factor in terms if node is J]
    sides = [f"d{of}/d{name}", " + ".join(in_names + direct), " + ".join(in_numbers + direct), number(derivative[source])]
    if len(in_numbers) < len(later):
        sides.pop(2)
    return " = ".join(sides if later else [sides[0], sides[-1]])


def names_of_nodes(J: "Value") -> dict["Value", str]:
    """The nodes to draw, from right to left, and their names; a few steps, none of which has a name, are u1, u2, ..."""
    nodes = J._right_to_left()
    names = {J: J.name or "J"} | {node: node.name for node in nodes[1:] if node.name}
    steps = [node for node in nodes[1:] if node.operation]
    if any(node.name for node in steps) or len(steps) > _MOST_STEPS:
        return names
    free = (name for name in map("u{}".format, itertools.count(1)) if name not in names.values())
    of_steps = dict(zip(reversed(steps), free, strict=False))
    return {node: names.get(node) or of_steps[node] for node in nodes if node in names or node in of_steps}


def _factors(node: "Value", names: dict["Value", str]) -> dict["Value", Any]:
    """The derivatives with respect to the nearest nodes that are drawn; None where elements of an array mix on the way.

    That of an array has the derivative of each element with respect to its counterpart, or to the one number there is.
    """
    if not np.ndim(node.value):
        return {source: factor for source, factor in node._sweep(names.__contains__).items()
                if source in names and source is not node}
    between = node._right_to_left(names.__contains__)
    if any(step.operation in _MIXING for step in between):
        return dict.fromkeys(source for step in between for source, _ in step.edges if source in names)
    factors: dict[Value, Any] = {node: 1.0}
    for step in between:
        for source, factor in step.edges:
            factors[source] = factors.get(source, 0.0) + factors[step] * factor
    return {source: factor for source, factor in factors.items() if source in names and source is not node}


def _written(node: "Value", names: dict["Value", str]) -> str:
    """A node's name and its operation, in the names of its operands."""
    if not node.operation:
        return names[node]
    operands = [SimpleNamespace(name=names[operand]) if type(operand) is type(node) and operand in names else operand
                for operand in node.operands]
    return f"{names[node]} = {formula(node.operation, operands)}"


def dot(J: "Value", derivative: dict["Value", Any]) -> str:
    """Draw the graph in DOT: blue arrows for values, and red arrows back for derivatives that are given."""
    names = names_of_nodes(J)
    nodes = {node: f"node{i}" for i, node in enumerate(reversed(names))}
    lines = ["digraph {",
             "  rankdir=LR; nodesep=0.25; ranksep=0.8;",
             '  node [shape=plain, fontname="Helvetica", fontsize=14];',
             f'  edge [fontname="Helvetica", fontsize=11, arrowsize=0.7, color="{_BLUE}"];']
    for node, name in nodes.items():
        rows = [_row(_written(node, names), "black"), _row(number(node.value), _BLUE)]
        if derivative:
            rows.append(_row(f"d{names[node]} = {number(derivative[node])}", _RED))
        frame = f'BORDER="{int(bool(node.operation))}" COLOR="{_GREY}" STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="1"'
        lines.append(f"  {name} [label=<<TABLE {frame}>{''.join(rows)}</TABLE>>];")
    for node, name in nodes.items():
        for source, factor in _factors(node, names).items():
            lines.append(f"  {nodes[source]} -> {name};")
            if derivative:
                text = "" if factor is None else f"d{names[node]}/d{names[source]} = {number(factor)}"
                lines.append(f"  {name} -> {nodes[source]} "
                             f'[constraint=false, color="{_RED}", fontcolor="{_RED}", label={_quoted(text)}];')
    return "\n".join([*lines, "}", ""])


def _row(text: str, color: str) -> str:
    return f'<TR><TD><FONT COLOR="{color}">{escape(text)}</FONT></TD></TR>' if text else ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def svg(J: "Value") -> str | None:
    """Draw the graph as SVG; None if it is too large or Graphviz is missing."""
    if len(names_of_nodes(J)) > _MOST:
        return None
    try:
        return str(J.draw(backward=not np.ndim(J.value)).pipe(format="svg", encoding="utf-8"))
    except (ImportError, RuntimeError):         # no package; no program
        return None
