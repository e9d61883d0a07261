"""`lint`: a source and rules in, diagnostics out.

Pure: it opens no file, prints nothing and knows no configuration. What it needs of other files it asks of
the `Project` that it is given.
"""

import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import libcst as cst

from torchlint import locate, suppress
from torchlint.diagnostic import Diagnostic, Edit, Fix, Related, Severity, Span
from torchlint.nesting import TooDeep, with_room
from torchlint.parse import ParseProblem, broken_cells, parse
from torchlint.rule import Finding, NodeEdit, Place, Repair, Rule, Syntax
from torchlint.semantic.model import Model
from torchlint.semantic.project import Project, Trees, Unit
from torchlint.semantic.values import Origin
from torchlint.source import Source
from torchlint.target import ANY, Target

SYNTAX_ERROR = ("TL000", "syntax-error")
INTERNAL_ERROR = ("TL001", "internal-error")
Hook = Callable[[Any], None]
_Hooks = dict[str, list[tuple[Rule, Hook]]]
# The start of a line that is not blank.
_LINE = re.compile(r"(?:^|(?<=\r)(?!\n))(?=[ \t]*[^\s])", re.MULTILINE)


def lint(
    source: Source,
    rules: Sequence[type[Rule]],
    *,
    path: str | None = None,
    project: Project | None = None,
    known: Mapping[str, str] | None = None,
    target: Target = ANY,
) -> list[Diagnostic]:
    """What the rules find in a source, sorted by position, suppressed findings left out.

    Args:
        source: the text; `source.filename` is what diagnostics call it.
        rules: the rules to apply; each may still decline by its `words`.
        path: the absolute path (with `/`), by which imports of other files of the project are resolved.
        project: where other files come from; without it each import stays unknown.
        known: every name and code that there is, to its code; given, suppressions of unknown rules are found.
        target: what the code runs on.
    """

    def work() -> list[Diagnostic]:
        return _lint(source, rules, path, project, known, target)

    try:
        return with_room(source.text, work)
    except TooDeep:
        # The parser refuses it too, with a diagnostic in its place.
        return work()


def _lint(
    source: Source,
    rules: Sequence[type[Rule]],
    path: str | None,
    project: Project | None,
    known: Mapping[str, str] | None,
    target: Target,
) -> list[Diagnostic]:
    if project is not None:
        project.trim()
    data = source.text.encode("utf-8", "surrogatepass")
    active = _applicable(rules, data)
    diagnostics: list[Diagnostic] = []
    try:
        module = project.tree(path, source) if project is not None and path is not None else parse(source)
    except ParseProblem as problem:
        broken = broken_cells(source)
        if not broken:
            diagnostics = _unparsable(source, active, problem.syntax)
        for cell, syntax in broken.items():
            diagnostics += _unparsable(source.masked([cell]), active, syntax)
        source = source.masked([cell for cell in source.cells if cell not in broken])
        if broken:
            diagnostics += _check(Unit(path or source.filename, source, parse(source)), active, project, target)
    else:
        diagnostics = _check(Unit(path or source.filename, source, module), active, project, target)
    diagnostics = suppress.apply(source, diagnostics, rules, known=known)
    return sorted((_with_possible_fix(source, diagnostic) for diagnostic in diagnostics), key=_position)


def _applicable(rules: Sequence[type[Rule]], data: bytes) -> list[type[Rule]]:
    """The rules whose defects a file may have. Many ask for the same words: each is looked for once."""
    occurs: dict[str, bool] = {}
    # A word without white space stands in one of these if it stands anywhere; together they are half as long.
    pieces = b" ".join(set(data.split()))
    active = []
    for rule in rules:
        if rule.may_apply.__func__ is not Rule.may_apply.__func__:  # type: ignore[attr-defined]
            found = rule.may_apply(data)
        else:
            found = not rule.words
            for word in rule.words:
                there = occurs.get(word)
                if there is None:
                    there = occurs[word] = word.encode() in (data if " " in word else pieces)
                if there:
                    found = True
                    break
        if found:
            active.append(rule)
    return active


def _with_possible_fix(source: Source, diagnostic: Diagnostic) -> Diagnostic:
    possible = diagnostic.fix is None or source.allows(diagnostic.fix.edits)
    return diagnostic if possible else replace(diagnostic, fix=None)


def _position(diagnostic: Diagnostic) -> tuple[int, int, str, str]:
    return (diagnostic.span.start, diagnostic.span.end, diagnostic.code, diagnostic.message)


def _check(unit: Unit, active: Sequence[type[Rule]], project: Project | None, target: Target) -> list[Diagnostic]:
    if not active:
        return []
    model = Model(unit, project, target=target)
    instances = [rule(unit.source, model) for rule in active]
    try:
        crashes = _walk(unit.module, instances)
    except RecursionError:
        return [_diagnostic(unit.source, SYNTAX_ERROR, "the code is nested too deeply to be understood", 0)]
    found = [(rule, finding) for rule in instances for finding in rule.findings]
    trees = Trees() if project is None else project.trees
    diagnostics = [*_located(unit, found, trees), *(_crash(unit, rule, node, error) for rule, node, error in crashes)]
    model.close()
    return diagnostics


def _unparsable(source: Source, active: Sequence[type[Rule]], syntax: Syntax) -> list[Diagnostic]:
    diagnostics = []
    for rule in active:
        if rule.visit_unparsable is not Rule.visit_unparsable:
            instance = rule(source, None)  # type: ignore[arg-type]
            try:
                instance.visit_unparsable(syntax)
            except Exception as error:
                diagnostics.append(_internal(source, rule, error, syntax.offset))
                continue
            for finding in instance.findings:
                assert isinstance(finding.place, tuple)
                diagnostics.append(_lowered(source, instance, finding, {}, {}))
    explained = any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    if not explained:
        diagnostics.append(_diagnostic(source, SYNTAX_ERROR, syntax.message, syntax.offset))
    return diagnostics


# -- the walk ----------------------------------------------------------------------------------------

# Fields that hold white space, commas and parentheses: nothing that a rule is about.
_TRIVIA = frozenset({
    "leading_lines", "lines_after_decorators", "trailing_whitespace", "header", "footer", "lpar", "rpar", "comma",
    "semicolon", "dot", "equal", "colon", "lbracket", "rbracket", "lbrace", "rbrace", "indent",
    "star_ind", "param_star", "operator", "newline", "encoding", "default_indent", "default_newline",
})  # fmt: skip


_FIELDS: dict[type, tuple[str, ...]] = {}


class _Plan:
    """What to do at nodes of one class: hooks before, fields to go into, hooks after."""

    __slots__ = ("fields", "leave", "visit")

    def __init__(self, kind: type, visit: "_Hooks", leave: "_Hooks") -> None:
        self.visit = visit.get(kind.__name__, [])
        self.leave = leave.get(kind.__name__, [])
        fields = _FIELDS.get(kind)
        if fields is None:
            fields = _FIELDS[kind] = tuple(
                name
                for name in getattr(kind, "__dataclass_fields__", {})
                if name not in _TRIVIA and not name.startswith("whitespace")
            )
        self.fields = fields


def _hooks(rules: Iterable[Rule]) -> tuple["_Hooks", "_Hooks"]:
    visit: _Hooks = {}
    leave: _Hooks = {}
    for rule in rules:
        names = _hook_names(type(rule))
        if any(kind not in _STATEMENTS for _, kind, _ in names) and not rule.may_find():
            continue
        for name, kind, is_visit in names:
            (visit if is_visit else leave).setdefault(kind, []).append((rule, getattr(rule, name)))
    return visit, leave


def _hook_names(rule: type[Rule]) -> Sequence[tuple[str, str, bool]]:
    """The hooks of a rule: the method, the class of nodes, whether it comes before what is in the node."""
    known = _HOOK_NAMES.get(rule)
    if known is None:
        names = [name for name in dir(rule) if name.startswith(("visit_", "leave_")) and name != "visit_unparsable"]
        known = _HOOK_NAMES[rule] = [(name, name[6:], name.startswith("visit_")) for name in names]
    return known


# Classes of nodes that are statements, or that statements stand in.
_STATEMENTS = frozenset(
    name
    for name, kind in vars(cst).items()
    if isinstance(kind, type)
    and issubclass(
        kind,
        (
            cst.BaseStatement, cst.BaseSmallStatement, cst.BaseSuite, cst.Module, cst.Else, cst.Finally,
            cst.ExceptHandler, cst.ExceptStarHandler, cst.MatchCase,
        ),
    )
)  # fmt: skip
_HOOK_NAMES: dict[type[Rule], list[tuple[str, str, bool]]] = {}


def _walk(module: cst.Module, rules: Sequence[Rule]) -> list[tuple[Rule, cst.CSTNode, Exception]]:
    """One walk in source order for all rules. A rule that raises is dropped for this file; the others go on."""
    visit, leave = _hooks(rules)
    crashes: list[tuple[Rule, cst.CSTNode, Exception]] = []
    broken: set[Rule] = set()

    def call(hooks: list[tuple[Rule, Hook]], node: cst.CSTNode) -> None:
        for rule, hook in hooks:
            if rule not in broken:
                try:
                    hook(node)
                except RecursionError:
                    raise
                except Exception as error:
                    broken.add(rule)
                    crashes.append((rule, node, error))

    shallow = _STATEMENTS.issuperset(visit) and _STATEMENTS.issuperset(leave)
    # None for what is no node, and for nodes in which there is nothing to do.
    plans: dict[type, _Plan | None] = {type(None): None, str: None, int: None, bool: None}

    def plan_of(kind: type) -> _Plan | None:
        wanted = kind.__name__ in _STATEMENTS if shallow else issubclass(kind, cst.CSTNode)
        plan = _Plan(kind, visit, leave) if wanted else None
        if plan is not None and not (plan.visit or plan.leave or plan.fields):
            plan = None
        plans[kind] = plan
        return plan

    def enter(node: cst.CSTNode, plan: _Plan) -> None:
        if plan.visit:
            call(plan.visit, node)
        for field in plan.fields:
            child = getattr(node, field)
            kind = type(child)
            if kind is tuple or kind is list:
                for item in child:
                    kind = type(item)
                    inner = plans[kind] if kind in plans else plan_of(kind)
                    if inner is not None:
                        enter(item, inner)
            else:
                inner = plans[kind] if kind in plans else plan_of(kind)
                if inner is not None:
                    enter(child, inner)
        if plan.leave:
            call(plan.leave, node)

    enter(module, _Plan(type(module), visit, leave))
    return crashes


# -- findings to diagnostics -------------------------------------------------------------------------


def _located(unit: Unit, found: Sequence[tuple[Rule, Finding]], trees: Trees) -> list[Diagnostic]:
    """Findings with their positions: of this file's nodes, and of related nodes in other files."""
    wanted: dict[Unit, list[cst.CSTNode]] = {unit: []}
    for _, finding in found:
        wanted[unit].extend(_nodes(finding))
        for origin, _text in finding.related:
            wanted.setdefault(origin.unit, []).append(origin.node)
    extents = {owner: trees.extents(owner.module, owner.source.text, nodes) for owner, nodes in wanted.items()}
    unique: dict[tuple[str, Span, str], Diagnostic] = {}
    for rule, finding in found:
        diagnostic = _lowered(unit.source, rule, finding, extents[unit], extents)
        # The same finding reached in several contexts is one finding.
        unique.setdefault((diagnostic.code, diagnostic.span, diagnostic.message), diagnostic)
    return list(unique.values())


def _nodes(finding: Finding) -> Iterable[cst.CSTNode]:
    places = [finding.place, *(edit.place for edit in finding.repair.edits)] if finding.repair else [finding.place]
    return [place for place in places if isinstance(place, cst.CSTNode)]


def _span(source: Source, place: Place, extents: dict[int, locate.Extent]) -> Span:
    if isinstance(place, tuple):
        return source.span(*place)
    extent = extents[id(place)]
    return source.span(extent.start, extent.end)


def _lowered(
    source: Source,
    rule: Rule,
    finding: Finding,
    extents: dict[int, locate.Extent],
    foreign: dict[Unit, dict[int, locate.Extent]],
) -> Diagnostic:
    return Diagnostic(
        rule.code,
        rule.name(),
        finding.message,
        finding.severity,
        source.filename,
        _span(source, finding.place, extents),
        finding.help,
        _fix(source, finding.repair, extents) if finding.repair is not None else None,
        tuple(
            _related(origin, text, foreign[origin.unit])
            for origin, text in finding.related
            if id(origin.node) in foreign[origin.unit]
        ),
    )


def _related(origin: Origin, text: str, extents: dict[int, locate.Extent]) -> Related:
    source = origin.unit.source
    return Related(text, source.filename, _span(source, origin.node, extents))


def _fix(source: Source, repair: Repair, extents: dict[int, locate.Extent]) -> Fix:
    return Fix(repair.message, repair.applicability, tuple(_edit(source, edit, extents) for edit in repair.edits))


def _edit(source: Source, edit: NodeEdit, extents: dict[int, locate.Extent]) -> Edit:
    place = edit.place
    start, end, outer_start, outer_end = (*place, *place) if isinstance(place, tuple) else extents[id(place)]
    if edit.where == "before":
        start = end = outer_start
    elif edit.where == "after":
        start = end = outer_end
    elif edit.where == "line":
        row_start = source.offset(source.position(start)[0])
        indent = source.text[row_start:start]
        start = end = row_start
        return Edit(source.span(start, end), f"{indent}{edit.content}{source.newline}")
    elif edit.where == "nest":
        start = source.offset(source.position(start)[0])
        end = len(source.text)
        body = _LINE.sub(edit.indent, source.text[start:])
        return Edit(source.span(start, end), f"{edit.content}{source.newline}{body}")
    return Edit(source.span(start, end), edit.content)


# -- failures ----------------------------------------------------------------------------------------


def _diagnostic(source: Source, kind: tuple[str, str], message: str, offset: int, internal: bool = False) -> Diagnostic:
    end = min(offset + 1, len(source.text))
    return Diagnostic(
        *kind, message, Severity.ERROR, source.filename, source.span(min(offset, end), end), internal=internal
    )


def _internal(source: Source, rule: type[Rule], error: Exception, offset: int) -> Diagnostic:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    message = f"rule {rule.code} {rule.name()} failed here: {type(error).__name__}: {error}{where}"
    return _diagnostic(source, INTERNAL_ERROR, " ".join(message.split()), offset, internal=True)


def _crash(unit: Unit, rule: Rule, node: cst.CSTNode, error: Exception) -> Diagnostic:
    extent = locate.extents(unit.module, [node]).get(id(node))
    return _internal(unit.source, type(rule), error, extent.start if extent is not None else 0)
