"""JUnit's XML, read by others."""

from dataclasses import replace

import pytest
from hypothesis import given
from junitparser import Error, Failure, JUnitXml, TestSuite
from lxml import etree  # type: ignore[import-untyped]
from made_up import SCRIPT, finding, notebook, report, reports

from torchlint.diagnostic import Severity
from torchlint.report import Report, junit
from torchlint.source import Source

SOURCE = Source("train.py", SCRIPT)


def suites(text: str) -> list[TestSuite]:
    return list(JUnitXml.fromstring(text.encode()))


def test_a_finding() -> None:
    found = finding(SOURCE, "probs, target", help="pass the scores")
    (suite,) = suites(junit.render(report(SOURCE, found)))
    (case,) = suite
    (failure,) = case.result
    assert (suite.name, suite.tests, suite.failures, suite.errors) == ("train.py", 1, 1, 0)
    assert (case.name, case.classname) == ("TL201 softmax-into-cross-entropy (6:31)", "train.py")
    assert isinstance(failure, Failure)
    assert (failure.message, failure.type) == ("`criterion` expects logits", "error")
    assert failure.text == "train.py:6:31: `criterion` expects logits\nhelp: pass the scores"


def test_nothing_found_is_one_passed_test() -> None:
    (suite,) = suites(junit.render(Report([], {})))
    (case,) = suite
    assert (suite.tests, suite.failures, suite.errors, case.is_passed) == (1, 0, 0, True)


def test_a_failure_of_torchlint_is_an_error() -> None:
    found = finding(SOURCE, "probs")
    (suite,) = suites(junit.render(report(SOURCE, found, replace(found, internal=True, severity=Severity.WARNING))))
    assert (suite.tests, suite.failures, suite.errors) == (2, 1, 1)
    assert [type(case.result[0]) for case in suite] == [Failure, Error]


def test_a_notebook_is_looked_up_in_its_json() -> None:
    source = notebook("import torch\n", "x = 1\ny = bad\n")
    root = etree.fromstring(junit.render(report(source, finding(source, "bad"))).encode())
    (case,) = root.iter("testcase")
    assert "bad" in source.file_text.splitlines()[int(case.get("line", "0")) - 1]
    assert case.get("name") == "TL201 softmax-into-cross-entropy (cell 3:2:5)"
    assert case[0].get("message") == "cell 3, line 2: `criterion` expects logits"


@given(reports())
def test_any_finding_is_xml_and_counts_add_up(made_up: Report) -> None:
    text = junit.render(made_up)
    root = etree.fromstring(text.encode())
    read = JUnitXml.fromstring(text.encode())
    assert len(list(root.iter("testcase"))) == max(1, len(made_up.diagnostics)) == read.tests
    internal = sum(found.internal for found in made_up.diagnostics)
    assert (read.errors, read.failures) == (internal, len(made_up.diagnostics) - internal)
    counted = [(suite.tests, suite.failures, suite.errors) for suite in read]
    assert tuple(map(sum, zip(*counted, strict=True))) == (read.tests, read.failures, read.errors)
    for suite in read:
        before = (suite.tests, suite.failures, suite.errors)
        suite.update_statistics()  # type: ignore[no-untyped-call]
        assert (suite.tests, suite.failures, suite.errors) == before


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x0b", "\x1f", "\udfff", "\ufffe", "\uffff"])
def test_what_xml_forbids_is_replaced(character: str) -> None:
    message = f"a{character}b"
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(f"<a>{message}</a>".encode("utf-8", "surrogatepass"))
    (suite,) = suites(junit.render(report(SOURCE, finding(SOURCE, "probs", message=message))))
    assert next(iter(suite)).result[0].message == "a\ufffdb"


@pytest.mark.parametrize("message", ["<b>&amp;]]>\"'", "a\nb\r\tc", "é日本😀", "\x7f\x85\u2028"])
def test_all_else_is_kept(message: str) -> None:
    (suite,) = suites(junit.render(report(SOURCE, finding(SOURCE, "probs", message=message))))
    assert next(iter(suite)).result[0].message == message
