"""The language server protocol's `PublishDiagnosticsParams`, a JSON object a file and line.

The language server sends what is made here too, so that there is one mapping. Lines and characters count from 0, and
characters are UTF-16 code units unless client and server agree on something else.
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from torchlint.diagnostic import Diagnostic, Edit, Related, Severity, Span
from torchlint.report import Report
from torchlint.report.characters import well_formed
from torchlint.source import Source

Encoding = Literal["utf-8", "utf-16", "utf-32"]
# What a place becomes: the URI of the document, and the range in it.
Locate = Callable[[Span], tuple[str, dict[str, Any]]]
LocateRelated = Callable[[Related], tuple[str, dict[str, Any]]]
Edits = Callable[[Sequence[Edit]], list[dict[str, Any]]]

SEVERITIES = {Severity.ERROR: 1, Severity.WARNING: 2, Severity.INFO: 3}
UNNECESSARY = 1
UNUSED_SUPPRESSION = "TL002"
# The name under which code from standard input is linted.
STDIN = "-"


def render(report: Report) -> str:
    """The findings of each file as one line of JSON. Positions are those of the file on disk."""
    files: dict[str, list[Diagnostic]] = {}
    for found in report.diagnostics:
        files.setdefault(found.filename, []).append(found)
    return "".join(_line(name, found, report) for name, found in files.items())


def diagnostic(found: Diagnostic, locate: Locate, related: LocateRelated, edits: Edits) -> dict[str, Any]:
    """A finding as the protocol's `Diagnostic`.

    `data.fix` holds the edits of the fix, so that an editor applies it without asking for another lint.
    """
    result: dict[str, Any] = {
        "range": locate(found.span)[1],
        "severity": SEVERITIES[found.severity],
        "code": found.code,
        "source": "torchlint",
        "message": well_formed(found.message if found.help is None else f"{found.message}\nhelp: {found.help}"),
    }
    if found.url is not None:
        result["codeDescription"] = {"href": found.url}
    if found.code == UNUSED_SUPPRESSION:
        result["tags"] = [UNNECESSARY]
    if found.related:
        result["relatedInformation"] = [_related(place, related) for place in found.related]
    data: dict[str, Any] = {"name": found.name}
    if found.fix is not None:
        data["fix"] = {
            "message": well_formed(found.fix.message),
            "applicability": found.fix.applicability.value,
            "edits": edits(found.fix.edits),
        }
    return {**result, "data": data}


def range_in(source: Source, span: Span, encoding: Encoding = "utf-16") -> dict[str, Any]:
    """A span of a source as the protocol's `Range`."""
    return {
        "start": _position(source, span.row, span.column, encoding),
        "end": _position(source, span.end_row, span.end_column, encoding),
    }


def range_without_text(span: Span) -> dict[str, Any]:
    """A span of a text that is not at hand; right where its lines hold no character outside the basic plane."""
    return {
        "start": {"line": span.row - 1, "character": span.column - 1},
        "end": {"line": span.end_row - 1, "character": span.end_column - 1},
    }


def units(text: str, encoding: Encoding) -> int:
    """How many code units a text has."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def uri_of(path: str) -> str:
    """The URI of a file; a path that is not absolute is one of the working directory."""
    if path == STDIN:
        return "untitled:stdin"
    return Path(os.path.abspath(path)).as_uri()


def _line(name: str, found: Sequence[Diagnostic], report: Report) -> str:
    source = report.sources.get(name)
    on_disk = None if source is None else _on_disk(source)

    def locate(span: Span) -> tuple[str, dict[str, Any]]:
        if source is None or on_disk is None:
            return uri_of(name), range_without_text(span)
        return uri_of(name), range_in(on_disk, source.in_file(span))

    def related(place: Related) -> tuple[str, dict[str, Any]]:
        if place.filename == name:
            return locate(place.span)
        other = report.sources.get(place.filename)
        place_range = range_without_text(place.span) if other is None else range_in(other, place.span)
        return uri_of(place.filename), place_range

    def edits(changes: Sequence[Edit]) -> list[dict[str, Any]]:
        assert source is not None, "a fix is a fix of a text"
        assert on_disk is not None
        return [
            {"uri": uri_of(name), "range": range_in(on_disk, edit.span), "newText": well_formed(edit.content)}
            for edit in source.edits_in_file(changes)
        ]

    params = {
        "uri": uri_of(name),
        "diagnostics": [diagnostic(one, locate, related, edits) for one in found],
    }
    return json.dumps(params, ensure_ascii=False) + "\n"


def _on_disk(source: Source) -> Source:
    """What the file on disk says: for a notebook that is JSON."""
    return Source(source.filename, source.file_text) if source.cells else source


def _related(place: Related, locate: LocateRelated) -> dict[str, Any]:
    uri, place_range = locate(place)
    return {"location": {"uri": uri, "range": place_range}, "message": well_formed(place.message)}


def _position(source: Source, row: int, column: int, encoding: Encoding) -> dict[str, int]:
    if row > source.rows:  # a place that is not in this text: its end
        row, column = source.position(len(source.text))
    return {"line": row - 1, "character": units(source.line(row)[: column - 1], encoding)}
