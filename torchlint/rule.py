"""The contract of a rule.

A rule is a class in a file of its own. It names what it is about in class attributes, looks at
nodes in `visit_X` / `leave_X` methods (libcst's names and node types), asks `self.model` what
things are, and says what it found with `self.report`. It never walks the tree, opens a file,
or decides whether a finding is suppressed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import cleandoc
from typing import TYPE_CHECKING, ClassVar

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity

if TYPE_CHECKING:
    from torchlint.semantic.model import Model
    from torchlint.semantic.values import Origin
    from torchlint.source import Source

SEVERITY_OF_CATEGORY = {
    Category.CORRECTNESS: Severity.ERROR,
    Category.SUSPICIOUS: Severity.WARNING,
    Category.PERFORMANCE: Severity.WARNING,
    Category.PORTABILITY: Severity.WARNING,
    Category.NURSERY: Severity.WARNING,
}

# A place: a node of the linted tree, or start and end offset (code points) where there is no tree.
Place = cst.CSTNode | tuple[int, int]


@dataclass(frozen=True, slots=True)
class NodeEdit:
    """One edit of a fix, in terms of a place.

    `where`: `replace` the place by `content`; insert `content` `before` or `after` it, or as a `line` of its own before
    the statement that the place is; or `nest` the text from the place's line to the end of the file, indented by
    `indent`, under the line `content`.
    """

    place: Place
    where: str
    content: str
    indent: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """A fix in terms of places; the linter lowers it to text edits."""

    message: str
    applicability: Applicability
    edits: tuple[NodeEdit, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule said, before positions are known."""

    place: Place
    message: str
    severity: Severity
    help: str | None
    repair: Repair | None
    related: tuple[tuple["Origin", str], ...]


@dataclass(frozen=True, slots=True)
class Syntax:
    """Why a file does not parse: the message and the offset (code points) where the parser gave up."""

    message: str
    offset: int


class Rule:
    """Base of all rules. One instance lives for one file, so attributes are per-file state.

    Class attributes:
        code: `TL` and three digits, unique, never reused.
        category: decides the default severity, and whether the rule is on by default.
        fix_safety: the least safe fix that the rule may offer; None for a rule without fixes.
        words: a file in which none of these occurs cannot contain the defect, so the rule is
            skipped there. Empty: every file may.
    """

    code: ClassVar[str]
    category: ClassVar[Category]
    fix_safety: ClassVar[Applicability | None] = None
    words: ClassVar[tuple[str, ...]] = ()

    def __init__(self, source: "Source", model: "Model") -> None:
        self.source = source
        self.model = model
        self.findings: list[Finding] = []

    @classmethod
    def name(cls) -> str:
        """The kebab-case name, derived from the class name so that the two cannot differ."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()

    @classmethod
    def may_apply(cls, data: bytes) -> bool:
        """Whether the defect can occur at all in a file with these bytes. Cheap; errs towards yes."""
        return not cls.words or any(word.encode() in data for word in cls.words)

    @classmethod
    def documentation(cls) -> "Documentation":
        """The rule's docstring, parsed."""
        return Documentation(cleandoc(cls.__doc__ or ""))

    def may_find(self) -> bool:
        """Whether the defect can occur, now that the file is understood: asked once, before nodes are visited.

        A rule with hooks for expressions that answers no saves a walk through all of them.
        """
        return True

    def visit_unparsable(self, problem: Syntax) -> None:
        """Called in place of the walk when the file does not parse. Places are offsets then."""

    def report(
        self,
        place: Place,
        message: str,
        *,
        help: str | None = None,
        fix: Repair | None = None,
        related: Iterable[tuple["Origin | None", str]] = (),
        severity: Severity | None = None,
    ) -> None:
        """Say that something is wrong at a place.

        `message` says what is wrong, `help` what to do. `related` are other places and what they
        are; a None place is left out. `severity` overrides that of the category.
        """
        self.findings.append(
            Finding(
                place,
                message,
                severity or SEVERITY_OF_CATEGORY[self.category],
                help,
                fix,
                tuple((origin, text) for origin, text in related if origin is not None),
            )
        )

    def fix(self, message: str, applicability: Applicability, *edits: NodeEdit) -> Repair:
        """A fix made of edits, all against the text as it is now."""
        return Repair(message, applicability, edits)

    def replace(self, place: Place, content: str) -> NodeEdit:
        """Replace a place (an expression without its own parentheses) by text."""
        return NodeEdit(place, "replace", content)

    def insert_before(self, place: Place, content: str) -> NodeEdit:
        """Insert text right before a place."""
        return NodeEdit(place, "before", content)

    def insert_after(self, place: Place, content: str) -> NodeEdit:
        """Insert text right after a place."""
        return NodeEdit(place, "after", content)

    def insert_line(self, place: Place, content: str) -> NodeEdit:
        """Insert a line before a statement that starts its own line, indented as that is."""
        return NodeEdit(place, "line", content)

    def nest(self, place: Place, header: str, indent: str) -> NodeEdit:
        """Put everything from a place's line to the end of the file under a header line such as an `if`."""
        return NodeEdit(place, "nest", header, indent)

    def text(self, node: cst.CSTNode) -> str:
        """The text of a node, with its own parentheses if it has any."""
        return self.model.module.code_for_node(node)


class Documentation:
    """A rule's docstring by its headings."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def sections(self) -> dict[str, str]:
        """Heading to text, in order; the text before the first heading stands under ''."""
        parts = re.split(r"^## (.+)$", self.text, flags=re.MULTILINE)
        return {"": parts[0].strip()} | {
            heading.strip(): body.strip() for heading, body in zip(parts[1::2], parts[2::2], strict=True)
        }

    @property
    def summary(self) -> str:
        """The first paragraph on one line."""
        return " ".join(self.sections[""].split("\n\n")[0].split())

    def code_blocks(self, heading: str) -> Sequence[str]:
        """The fenced Python blocks of a section."""
        return re.findall(r"```python\n(.*?)```", self.sections.get(heading, ""), flags=re.DOTALL)
