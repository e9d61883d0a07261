"""One file a format: findings in, text out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torchlint.diagnostic import Diagnostic, RuleDescription
from torchlint.source import Source


@dataclass(frozen=True, slots=True)
class Report:
    """What a format is given to render.

    Attributes:
        diagnostics: the findings, in the order of their files and positions.
        sources: the linted files by the name that diagnostics call them; a file that could not be read is missing.
        unsafe_fixes: whether fixes that change results count as fixes.
        colour: whether to use the colours of a terminal.
        rules: describes every rule that ran, the engine's own diagnostics included. Costs time, so ask only once.
    """

    diagnostics: Sequence[Diagnostic]
    sources: Mapping[str, Source]
    unsafe_fixes: bool = False
    colour: bool = False
    rules: Callable[[], Sequence[RuleDescription]] = tuple
