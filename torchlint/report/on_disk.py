"""Where findings stand in the files on disk, for programs that look there: a notebook's rows are those of its JSON."""

import os

from torchlint.diagnostic import Span
from torchlint.source import Source


def path(filename: str) -> str:
    """The name of a file with forward slashes, as the hosts of repositories write it."""
    return filename.replace(os.sep, "/")


def span(source: Source | None, span: Span) -> Span:
    """The span in the file on disk; as it is where the source is not at hand."""
    return span if source is None else source.in_file(span)


def cell_and_row(source: Source | None, span: Span) -> tuple[int, int] | None:
    """The number of the cell that a span starts in and the row there; None outside notebooks."""
    cell = None if source is None else source.cell_at(span.start)
    return None if source is None or cell is None else (cell.number, source.in_cell(span).row)


def with_cell(message: str, source: Source | None, span: Span) -> str:
    """A message that says which cell it is about, since the rows of the JSON tell a reader nothing."""
    place = cell_and_row(source, span)
    return message if place is None else f"cell {place[0]}, line {place[1]}: {message}"
