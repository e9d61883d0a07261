"""Positions as readers count them: a notebook's by cell."""

from torchlint.diagnostic import Span
from torchlint.source import Source


def shown(source: Source | None, span: Span) -> str:
    """The start of a span: `row:column`, in a notebook `cell 3:row:column`."""
    cell = None if source is None else source.cell_at(span.start)
    if source is None or cell is None:
        return f"{span.row}:{span.column}"
    span = source.in_cell(span)
    return f"cell {cell.number}:{span.row}:{span.column}"
