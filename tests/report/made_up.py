"""Made-up findings, ordinary ones and such as only a fuzzer or a hostile repository has."""

import json

from hypothesis import strategies as st

from torchlint.diagnostic import Applicability, Category, Diagnostic, Edit, Fix, Related, RuleDescription, Severity
from torchlint.notebook import Notebook, read
from torchlint.report import Report
from torchlint.source import Source

SCRIPT = """\
import torch

class Trainer:
    def step(self, scores, target):
        probs = torch.softmax(scores, -1)
        '日本😀', self.criterion(probs, target)
"""
RULE = RuleDescription(
    "TL201",
    "softmax-into-cross-entropy",
    "Checks for softmax output passed to cross entropy.",
    "Checks for softmax output passed to cross entropy.\n\n## Why is this bad?\nIt is\nsquashed twice.\n\n## Example\n",
    Category.CORRECTNESS,
    Severity.ERROR,
    Applicability.UNSAFE,
)
# Characters that mean something in one format or another.
NASTY = (
    "a\nb", "a\rb", "a\r\nb", "a]b", "a;b", "a%b%0Ac%25", "a'b\"c", "<b>&amp;</b>", "::error::x", "a,b:c=d", "a|b|c",
    "`a`b`", "``a``", "\x00\x01\x1b[31m\x7f", "\x85\u2028\u2029\x0b\x0c", "\ud800", "\udc80", "\udfff\ud800", "é日本😀",
    "\ufffe\uffff", "##vso[task.setvariable variable=x]y", "[a](javascript:b)", "![a](b)", "**a** _b_ ~~c~~ $d$ \\",
    "<!-- a", "https://example.org www.example.org a@example.org", "]]>", "{0}", "", " ", "\t",
)  # fmt: skip

texts = st.one_of(
    st.text(), st.text(st.characters(exclude_categories=())), st.lists(st.sampled_from(NASTY)).map("".join)
)


def finding(
    source: Source,
    of: str,
    *,
    code: str = "TL201",
    name: str = "softmax-into-cross-entropy",
    message: str = "`criterion` expects logits",
    severity: Severity = Severity.ERROR,
    help: str | None = None,
    fix: Fix | None = None,
    related: tuple[Related, ...] = (),
    internal: bool = False,
) -> Diagnostic:
    """A finding about the first place where the source says `of`."""
    start = source.text.index(of)
    span = source.span(start, start + len(of))
    return Diagnostic(code, name, message, severity, source.filename, span, help, fix, related, internal)


def edit(source: Source, of: str, content: str) -> Edit:
    """Replace the first place where the source says `of`."""
    start = source.text.index(of)
    return Edit(source.span(start, start + len(of)), content)


def report(source: Source, *findings: Diagnostic, unsafe_fixes: bool = False) -> Report:
    """A report on one file."""
    return Report(findings, {source.filename: source}, unsafe_fixes=unsafe_fixes, rules=lambda: [RULE])


def notebook(*cells: str, filename: str = "train.ipynb", indent: int | None = 1, ascii: bool = False) -> Notebook:
    """A notebook with a cell of text and then these code cells, as Jupyter writes it."""
    described: list[dict[str, object]] = [{"cell_type": "markdown", "metadata": {}, "source": ["# Training"]}]
    for cell in cells:
        lines = cell.splitlines(keepends=True)
        described.append({"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines})
    document = {"cells": described, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return read(filename, json.dumps(document, indent=indent, ensure_ascii=ascii).encode())


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Reports whose messages and file names may hold anything, and some of whose sources are missing."""
    findings = []
    sources = {}
    for number in range(draw(st.integers(0, 4))):
        filename = f"{number}{draw(texts)}.py"
        text = draw(st.text(st.sampled_from("ab\"'=# \n\r\té日😀(){}"), max_size=40))
        source = Source(filename, text)
        if draw(st.booleans()):
            sources[filename] = source
        for _ in range(draw(st.integers(1, 2))):
            start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
            span = source.span(start, end)
            related = st.builds(Related, texts, st.sampled_from([filename, "b.py"]), st.just(span))
            fix = Fix(draw(texts), draw(st.sampled_from(Applicability)), (Edit(span, draw(texts)),))
            findings.append(
                Diagnostic(
                    draw(st.sampled_from(["TL201", "TL001", "ACME101"])),
                    "some-rule",
                    draw(texts),
                    draw(st.sampled_from(Severity)),
                    filename,
                    span,
                    draw(st.none() | texts),
                    draw(st.sampled_from([None, fix])),
                    tuple(draw(st.lists(related))),
                    draw(st.booleans()),
                )
            )
    return Report(findings, sources, unsafe_fixes=draw(st.booleans()), rules=lambda: [RULE])
