"""JUnit's XML, which every CI server shows: a test suite a file, a failed test a finding."""

import re
from itertools import groupby
from xml.etree import ElementTree

from torchlint.diagnostic import Diagnostic
from torchlint.report import Report, on_disk
from torchlint.report.characters import well_formed
from torchlint.report.place import shown
from torchlint.source import Source

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """The findings as failed tests, failures of torchlint as errors; one passed test if there are none.

    XML 1.0 cannot hold most control characters, so they are replaced.
    """
    root = ElementTree.Element("testsuites", name="torchlint")
    by_file = sorted(enumerate(report.diagnostics), key=lambda item: (item[1].filename, item[0]))
    for filename, group in groupby((found for _, found in by_file), key=lambda found: found.filename):
        _add_suite(root, filename, list(group), report.sources.get(filename))
    if not report.diagnostics:
        suite = ElementTree.SubElement(root, "testsuite", name="torchlint", tests="1", failures="0", errors="0")
        ElementTree.SubElement(suite, "testcase", name="no findings", classname="torchlint")
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_suite(root: ElementTree.Element, filename: str, findings: list[Diagnostic], source: Source | None) -> None:
    path = _allowed(on_disk.path(filename))
    errors = sum(found.internal for found in findings)
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=path,
        tests=str(len(findings)),
        failures=str(len(findings) - errors),
        errors=str(errors),
    )
    for found in findings:
        place = shown(source, found.span)
        case = ElementTree.SubElement(
            suite,
            "testcase",
            # GitLab takes tests of one name and class for one and the same.
            name=_allowed(f"{found.code} {found.name} ({place})"),
            classname=path,
            file=path,
            line=str(on_disk.span(source, found.span).row),
        )
        outcome = ElementTree.SubElement(
            case,
            "error" if found.internal else "failure",
            message=_allowed(on_disk.with_cell(found.message, source, found.span)),
            type=found.severity.value,
        )
        lines = [f"{found.filename}:{place}: {found.message}", *([f"help: {found.help}"] if found.help else [])]
        outcome.text = _allowed("\n".join(lines))


def _allowed(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", well_formed(text))
