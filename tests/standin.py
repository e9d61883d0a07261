"""Stand-ins for the rules and for `lint`, for tests of what is round them.

Each `bad` in a file is a finding, and can be repaired to `good`; other words make trouble.
"""

import os
import re
import time
import types
from collections.abc import Sequence

from torchlint.diagnostic import Applicability, Category, Diagnostic, Edit, Fix, Related, Severity
from torchlint.registry import Registry
from torchlint.rule import Rule
from torchlint.source import Source


class BadWord(Rule):
    """Checks for a bad word."""

    code = "TL101"
    category = Category.SUSPICIOUS
    words = ("torch",)


REGISTRY = Registry((BadWord,))


def lint(source: Source, rules: Sequence[type[Rule]], **options: object) -> list[Diagnostic]:
    if "crash" in source.text:
        raise ZeroDivisionError("division by zero\nmore")
    if "die" in source.text:
        os._exit(3)
    if "interrupt" in source.text:
        raise KeyboardInterrupt
    if "slow" in source.text:
        time.sleep(60)
    found = []
    for match in re.finditer("bad", source.text):
        span = source.span(*match.span())
        fix = Fix("say good", Applicability.SAFE, (Edit(span, "good"),))
        related = (Related("see", os.path.join(os.getcwd(), "other.py"), span),)
        found.append(
            Diagnostic("TL101", "bad-word", "bad", Severity.WARNING, source.filename, span, None, fix, related)
        )
    if "unused" in source.text:
        where = source.span(0, 1)
        found.append(Diagnostic("TL002", "unused-suppression", "unused", Severity.WARNING, source.filename, where))
    return found if rules else []


# Takes the place of `torchlint.linter` in `sys.modules`; workers that are forked inherit it.
LINTER = types.ModuleType("torchlint.linter")
LINTER.lint = lint  # type: ignore[attr-defined]
