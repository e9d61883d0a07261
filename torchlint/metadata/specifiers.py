"""Versions as they stand in the files of projects: PEP 440, and the forms of Poetry and conda."""

import re

from torchlint.target import Versions, all_of, caret, clause, prefix, tilde

_CLAUSE = re.compile(r"(===|==|~=|!=|>=|<=|>|<|\^|~|=)?\s*(\d[^\s,|<>=!~^]*|\*)\s*")
_EXACT_BUILD = re.compile(r"={0,2}([^=<>!~,|]+)=[^=]+")


def versions(text: str) -> Versions | None:
    """What a specifier allows: `>=3.9,<3.14`, `^3.9`, `~2.1 || ^3.6`, `2.1.*`, `=2.1`, `1.7.1=py3.8_0`, `*`.

    A version without an operator means all that start like it. None where the text cannot be understood.
    """
    text = text.strip()
    if not text:
        return Versions()
    build = _EXACT_BUILD.fullmatch(text)
    if build is not None:
        text = f"={build.group(1)}"
    found: Versions | None = None
    for alternative in re.split(r"\|\|?", text):
        part = _together(alternative)
        if part is None:
            return None
        found = part if found is None else found.either(part)
    return found


def _together(text: str) -> Versions | None:
    """What clauses with commas or blanks between them allow together."""
    clauses = []
    for chunk in text.split(","):
        end = len(chunk) - len(chunk.lstrip())
        while match := _CLAUSE.match(chunk, end):
            clauses.append((match.group(1) or "", match.group(2)))
            end = match.end()
        if end < len(chunk):
            return None
    if not clauses:
        return None
    try:
        return all_of(_clause(operator, version) for operator, version in clauses)
    except ValueError:  # of packaging, and of numbers with thousands of digits
        return None


def _clause(operator: str, version: str) -> Versions:
    if version == "*":
        return Versions()
    if version.endswith("*") and not version.endswith(".*"):
        # To conda 2.1* is 2.1, and 2.10 too.
        release = version[:-1].split(".")
        return Versions(prefix(version[:-1]).lowest, prefix(".".join(release[:-1])).end if len(release) > 1 else None)
    if operator in ("", "="):
        return prefix(version)
    if operator == "^":
        return caret(version.removesuffix(".*"))
    if operator == "~":
        return tilde(version.removesuffix(".*"))
    if operator == "~=" and "." not in version:
        return Versions(prefix(version).lowest)
    return clause(operator, version)
