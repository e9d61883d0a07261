"""What torchlint says about a file: frozen values, no behaviour, nothing of ours imported.

Offsets are code points into the text of the linted `Source`; rows and columns count from 1,
columns in code points.
"""

from dataclasses import dataclass
from enum import Enum

RULE_URL = "https://github.com/torchlint/torchlint#"


class Severity(str, Enum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Category(str, Enum):
    """What kind of trouble a rule is about; decides the default severity and whether it is on by default."""

    CORRECTNESS = "correctness"
    SUSPICIOUS = "suspicious"
    PERFORMANCE = "performance"
    PORTABILITY = "portability"
    NURSERY = "nursery"


class Applicability(str, Enum):
    """Who may apply a fix.

    SAFE: the program means the same afterwards, or could not run before. Applied by `--fix`.
    UNSAFE: what the author surely wanted, but results change. Applied with `--unsafe-fixes`.
    DISPLAY: shown, never applied.
    """

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY = "display"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of the text: code-point offsets (end exclusive) and the same as rows and columns."""

    start: int
    end: int
    row: int
    column: int
    end_row: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of `span` by `content`. An empty span inserts."""

    span: Span
    content: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits, all against the text that was linted, that repair a finding together."""

    message: str
    applicability: Applicability
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Related:
    """Another place, perhaps in another file, that a finding rests on."""

    message: str
    filename: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    `internal` marks a failure of torchlint or of a plugin: the run then ends with exit code 2.
    """

    code: str
    name: str
    message: str
    severity: Severity
    filename: str
    span: Span
    help: str | None = None
    fix: Fix | None = None
    related: tuple[Related, ...] = ()
    internal: bool = False

    @property
    def url(self) -> str | None:
        """Where the rule is described; None for the rules of others."""
        return rule_url(self.code, self.name)

    @property
    def noqa_rows(self) -> tuple[int, int]:
        """The rows on which a suppression comment silences this finding: its first and its last."""
        return (self.span.row, self.span.end_row)


def rule_url(code: str, name: str) -> str | None:
    """Where a rule is described; None for the rules of others, which torchlint's own pages do not know."""
    return RULE_URL + name if code.startswith("TL") else None


@dataclass(frozen=True, slots=True)
class RuleDescription:
    """What a report may say about a rule. `documentation` is Markdown; `summary` its first paragraph on one line."""

    code: str
    name: str
    summary: str
    documentation: str
    category: Category
    severity: Severity
    fix_safety: Applicability | None

    @property
    def url(self) -> str | None:
        """Where the rule is described; None for the rules of others."""
        return rule_url(self.code, self.name)
