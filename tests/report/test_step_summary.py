"""The page of a step, read by a Markdown parser."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from made_up import NASTY, SCRIPT, finding, notebook, report, reports
from markdown_it import MarkdownIt

from torchlint.diagnostic import Severity
from torchlint.report import Report
from torchlint.report.characters import one_line
from torchlint.report.step_summary import LIMIT, step_summary
from torchlint.source import Source

SOURCE = Source("train.py", SCRIPT)
ORDER = [Severity.ERROR, Severity.WARNING, Severity.INFO]


class Page(HTMLParser):
    """The cells of the table as text, and the elements and links of the page."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.elements: set[str] = set()
        self.links: set[str | None] = set()
        self.comments: list[str] = []
        self._in_cell = False
        self.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.links |= {value for name, value in attrs if name in ("href", "src")}
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def plain(text: str) -> str:
    """A text as a cell shows it; backticks turn into code."""
    return " ".join(one_line(text).replace("`", "").split())


def test_a_page() -> None:
    found = [
        finding(SOURCE, "probs", severity=Severity.WARNING, code="ACME101", name="other", message="*not* a | b"),
        finding(SOURCE, "self.criterion"),
    ]
    text = step_summary(report(SOURCE, *found))
    assert text.startswith("\n\n### torchlint: 1 error, 1 warning\n\n| | place | rule | finding |\n")
    assert Page(text).rows == [
        ["", "place", "rule", "finding"],
        ["error", "train.py:6:16", "TL201 softmax-into-cross-entropy", "criterion expects logits"],
        ["warning", "train.py:5:9", "ACME101 other", "*not* a | b"],
    ]
    assert "<code>criterion</code> expects logits" in text
    assert Page(text).links == {"https://github.com/torchlint/torchlint#softmax-into-cross-entropy"}


def test_nothing_found() -> None:
    assert step_summary(Report([], {})) == "\n\n### torchlint: nothing found\n\n"


def test_a_cell_of_a_notebook() -> None:
    source = notebook("x = 1\n", "y = bad\n")
    assert Page(step_summary(report(source, finding(source, "bad")))).rows[1][1] == "train.ipynb:cell 3:1:5"


@given(reports())
def test_no_message_or_name_gets_out_of_its_cell(made_up: Report) -> None:
    page = Page("before" + step_summary(made_up) + "# after\n")
    assert page.elements <= {"p", "h1", "h3", "table", "thead", "tbody", "tr", "th", "td", "code", "a"}
    assert page.links <= {found.url for found in made_up.diagnostics}
    assert not page.comments
    assert "h1" in page.elements
    assert [[plain(cell) for cell in row] for row in page.rows[1:]] == [
        [
            found.severity.value,
            plain(f"{found.filename}:{found.span.row}:{found.span.column}"),
            f"{found.code} {found.name}",
            plain(found.message),
        ]
        for found in sorted(made_up.diagnostics, key=lambda found: ORDER.index(found.severity))
    ]


def test_a_page_is_never_too_long() -> None:
    found = [finding(SOURCE, "probs", message="日本😀|" * 1000) for _ in range(400)]
    found.append(finding(SOURCE, "probs", severity=Severity.INFO))
    text = step_summary(report(SOURCE, *found))
    assert LIMIT - 30_000 < len(text.encode()) <= LIMIT
    rows = Page(text).rows
    assert text.endswith(f"\n\nand {len(found) - len(rows) + 1} more, which the log of the step shows\n\n")
    assert text.startswith("\n\n### torchlint: 400 errors, 1 info\n")


@given(st.integers(-10, 3000), st.lists(st.sampled_from(NASTY), max_size=12))
def test_any_limit_is_kept(limit: int, messages: list[str]) -> None:
    found = [finding(SOURCE, "probs", message=message) for message in messages]
    text = step_summary(report(SOURCE, *found), limit=limit)
    assert len(text.encode()) <= max(limit, 0)
    rows = Page(text).rows[1:]
    if len(rows) < len(found) and rows:
        assert f"and {len(found) - len(rows)} more" in text
