"""Code actions: the fix of a finding, a comment that silences it, and all safe fixes at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from lsprotocol import types

from torchlint import suppress
from torchlint.diagnostic import Applicability, Diagnostic
from torchlint.report.lsp import Encoding
from torchlint.server.lint import Result
from torchlint.server.snapshot import Part, Snapshot
from torchlint.source import Source

QUICK_FIX = "quickfix"
FIX_ALL = "source.fixAll.torchlint"
# What some editors ask for when a notebook is saved.
NOTEBOOK_FIX_ALL = f"notebook.{FIX_ALL}"
KINDS = (QUICK_FIX, FIX_ALL)
# Their lines are those of a whole file.
_NOT_SILENCED_BY_LINE = ("TL000", "TL002")


class _Edit(msgspec.Struct):
    uri: str
    range: dict[str, dict[str, int]]
    new_text: str = msgspec.field(name="newText")


class _Fix(msgspec.Struct):
    message: str
    applicability: str
    edits: list[_Edit]


class _Data(msgspec.Struct):
    """What a diagnostic of ours carries."""

    name: str
    version: int | None = None
    fix: _Fix | None = None


@dataclass(frozen=True)
class Asked:
    """What the client asks about: a text of a document, a range in it, what it knows there, and what it can do.

    `versions`: whether it takes edits that say which version of a text they are for.
    """

    part: Part
    range: types.Range
    diagnostics: Sequence[types.Diagnostic]
    only: Sequence[str] | None
    versions: bool

    def wants(self, kind: str) -> bool:
        """Whether actions of a kind are asked for. The empty kind stands for all of them."""
        return self.only is None or "" in self.only or self.names(kind)

    def names(self, kind: str) -> bool:
        """Whether a kind is asked for in so many words."""
        return any(kind == asked or kind.startswith(f"{asked}.") for asked in self.only or () if asked)


def for_findings(asked: Asked, result: Result, encoding: Encoding) -> Iterator[dict[str, Any]]:
    """The actions for the findings in a range: their fixes first, then what silences them."""
    if not asked.wants(QUICK_FIX):
        return
    shown = list(_shown(asked, result))
    for item in shown:
        action = _quick_fix(item, asked, result.snapshot)
        if action is not None:
            yield action
    found = {(one.code, _start(item)): one for one, item in _pairs(asked, result)}
    silenced: set[tuple[str, int]] = set()
    for item in shown:
        one = found.get((item["code"], _start(item)))
        if one is None or one.internal or one.code in _NOT_SILENCED_BY_LINE:
            continue
        if (one.code, one.span.row) not in silenced:
            silenced.add((one.code, one.span.row))
            yield from _disable(one, item, asked, result.snapshot, encoding)


def has_safe(result: Result) -> bool:
    """Whether any finding has a safe fix."""
    return any(one.fix is not None and one.fix.applicability is Applicability.SAFE for one in result.found)


def fix_all(snapshot: Snapshot, edits: Sequence[dict[str, Any]], *, kind: str, versions: bool) -> dict[str, Any]:
    """The action that applies all safe fixes."""
    return {"title": "Fix all safe torchlint findings", "kind": kind, "edit": edit(snapshot, edits, versions=versions)}


def edit(snapshot: Snapshot, edits: Iterable[dict[str, Any]], *, versions: bool) -> dict[str, Any]:
    """A `WorkspaceEdit` of edits that each have `uri`, `range` and `newText`."""
    by_uri: dict[str, list[dict[str, Any]]] = {}
    for one in edits:
        change = {"range": one["range"], "newText": one["newText"]}
        # Of several fixes that share an edit each has it.
        if change not in by_uri.setdefault(one["uri"], []):
            by_uri[one["uri"]].append(change)
    if not versions:
        return {"changes": by_uri}
    version_of = {part.uri: part.version for part in snapshot.parts}
    return {
        "documentChanges": [
            {"textDocument": {"uri": uri, "version": version_of.get(uri)}, "edits": changes}
            for uri, changes in by_uri.items()
        ]
    }


def _shown(asked: Asked, result: Result) -> Iterator[dict[str, Any]]:
    """Our diagnostics that the client names; if it names none of ours, those of the last lint in the range."""
    known = [one for one in asked.diagnostics if one.source == "torchlint"]
    items = result.items.get(asked.part.uri, [])
    if not known:
        yield from (item for item in items if _overlap(item, asked.range))
    for one in known:
        place = {
            "start": {"line": one.range.start.line, "character": one.range.start.character},
            "end": {"line": one.range.end.line, "character": one.range.end.character},
        }
        same = [item for item in items if item["code"] == one.code and item["range"] == place]
        if same:
            yield same[0]
        elif one.data is not None:
            yield {"code": one.code, "range": place, "message": one.message, "data": one.data}


def _pairs(asked: Asked, result: Result) -> Iterator[tuple[Diagnostic, dict[str, Any]]]:
    """The findings in the text that is asked about, each with its diagnostic."""
    items = result.items.get(asked.part.uri, [])
    if result.snapshot.parts:
        here = [one for one in result.found if result.snapshot.place(one.span)[0].uri == asked.part.uri]
        yield from zip(here, items, strict=True)


def _quick_fix(item: dict[str, Any], asked: Asked, snapshot: Snapshot) -> dict[str, Any] | None:
    try:
        data = msgspec.convert(item["data"], _Data)
    except msgspec.ValidationError:
        return None  # not as we made it
    uris = {part.uri for part in snapshot.parts}
    if data.fix is None or data.fix.applicability == "display" or data.version != asked.part.version:
        return None
    if not {one.uri for one in data.fix.edits} <= uris:
        return None
    is_safe = data.fix.applicability == "safe"
    title = f"{item['code']}: {data.fix.message}"
    action: dict[str, Any] = {
        "title": title if is_safe else f"{title} (unsafe: results change)",
        "kind": QUICK_FIX,
        "edit": edit(snapshot, msgspec.to_builtins(data.fix.edits), versions=asked.versions),
    }
    if is_safe:
        action["isPreferred"] = True
    return {**action, "diagnostics": [_back(item)]}


def _disable(
    found: Diagnostic, item: dict[str, Any], asked: Asked, snapshot: Snapshot, encoding: Encoding
) -> Iterator[dict[str, Any]]:
    edits = suppress.suppression(snapshot.source, [found])
    if edits and snapshot.source.allows(edits):
        changed = edit(snapshot, snapshot.edits(edits, encoding), versions=asked.versions)
        title = f"Disable {found.code} ({found.name}) for this line"
        yield {"title": title, "kind": QUICK_FIX, "edit": changed, "diagnostics": [_back(item)]}


def _back(item: dict[str, Any]) -> dict[str, Any]:
    """A diagnostic as an action names it."""
    return {"message": "", **item, "source": "torchlint"}


def _start(item: dict[str, Any]) -> tuple[int, int]:
    return item["range"]["start"]["line"], item["range"]["start"]["character"]


def _overlap(item: dict[str, Any], other: types.Range) -> bool:
    end = item["range"]["end"]
    starts_before_its_end = _start(item) <= (other.end.line, other.end.character)
    return starts_before_its_end and (other.start.line, other.start.character) <= (end["line"], end["character"])


def hover(
    source: Source, offset: int, known: Mapping[str, str], documentation: Callable[[str], str | None]
) -> tuple[int, int, str] | None:
    """The documentation of the rule whose code or name stands at an offset in a suppression, and where it stands."""
    for start, end, code in suppress.named(source, known):
        text = documentation(code) if start <= offset <= end else None
        if text is not None:
            return start, end, text
    return None
