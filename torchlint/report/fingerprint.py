"""What a finding is known by from one run to the next, wherever its lines have moved to.

A finding's identity is its rule, its file, the functions and classes around it, and the text of its first line without
its blanks. Findings that share all of these are told apart by their order.
"""

import ast
import json
import warnings
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b

from torchlint.report import Report, on_disk
from torchlint.source import Source


def fingerprints(report: Report) -> list[str]:
    """The fingerprints of the findings, in their order: 32 hexadecimal digits each, no two the same."""
    scopes: dict[str, list[str]] = {}
    seen: Counter[str] = Counter()
    result = []
    for found in report.diagnostics:
        source = report.sources.get(found.filename)
        scope = line = ""
        if source is not None:
            row = min(found.span.row, source.rows)
            if found.filename not in scopes:
                scopes[found.filename] = _scope_of_rows(source)
            scope = scopes[found.filename][row - 1]
            line = " ".join(source.line(row).split())
        key = json.dumps([found.code, on_disk.path(found.filename), scope, line])
        result.append(blake2b(f"{key}{seen[key]}".encode(), digest_size=16).hexdigest())
        seen[key] += 1
    return result


def _scope_of_rows(source: Source) -> list[str]:
    """The dotted name of the innermost function or class around each row. Code that does not parse has none."""
    scopes = [""] * source.rows
    # Cell by cell, so that one that does not parse costs the others nothing.
    parts = [(source.opening(cell), cell.end) for cell in source.cells] or [(0, len(source.text))]
    for start, end in parts:
        above = source.position(start)[0] - 1
        for name, first, last in _definitions(source.text[start:end]):
            scopes[above + first - 1 : above + last] = [name] * (last - first + 1)
    return scopes


def _definitions(text: str) -> Iterator[tuple[str, int, int]]:
    """Functions and classes as dotted name, first and last row, the outer ones first."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the linted code, not of ours
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, scope = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scope = f"{scope}.{node.name}" if scope else node.name
            yield scope, node.lineno, node.end_lineno or node.lineno
        waiting += [(child, scope) for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]
