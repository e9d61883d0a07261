"""Positions of the protocol and offsets, there and back."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchlint.report.lsp import Encoding, range_in, units
from torchlint.server.documents import path_of
from torchlint.server.positions import offset, offsets
from torchlint.source import Source

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
TEXTS = st.text(
    st.sampled_from("ab\t \r\n\f\N{LINE SEPARATOR}\N{COMBINING ACUTE ACCENT}\N{FIRE}\N{CJK UNIFIED IDEOGRAPH-4E00}")
)


@given(TEXTS, st.sampled_from(ENCODINGS), st.data())
def test_there_and_back(text: str, encoding: Encoding, data: st.DataObject) -> None:
    source = Source("a.py", text)
    places = range(len(text) + 1)
    # Between the characters of a line break there is no place.
    ends = st.sampled_from([place for place in places if text[place - 1 : place + 1] != "\r\n" or place == 0])
    start, end = sorted((data.draw(ends), data.draw(ends)))
    assert offsets(source, range_in(source, source.span(start, end), encoding), encoding) == (start, end)


@given(TEXTS, st.integers(-3, 9), st.integers(-3, 30), st.sampled_from(ENCODINGS))
def test_any_place_is_one_in_the_text(text: str, line: int, character: int, encoding: Encoding) -> None:
    assert 0 <= offset(Source("a.py", text), line, character, encoding) <= len(text)


@pytest.mark.parametrize(("encoding", "expected"), [("utf-8", 7), ("utf-16", 4), ("utf-32", 3)])
def test_units(encoding: Encoding, expected: int) -> None:
    assert units("a\N{FIRE}\N{COMBINING ACUTE ACCENT}", encoding) == expected
    assert units("\ud800", encoding) in (1, 3)


def test_inside_a_character_is_before_it() -> None:
    source = Source("a.py", "a\N{FIRE}b\n")
    assert [offset(source, 0, character, "utf-16") for character in range(6)] == [0, 1, 1, 2, 3, 3]
    assert [offset(source, 0, character, "utf-8") for character in range(8)] == [0, 1, 1, 1, 1, 2, 3, 3]


@pytest.mark.skipif("sys.platform == 'win32'", reason="paths of another kind")
@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a/b%20c.py", "/a/b c.py"),
        ("file:///a/%C3%A9%23.py", "/a/é#.py"),
        ("file:///a;b/c.py", "/a;b/c.py"),
        ("file://localhost/a/../b.py", "/b.py"),
        ("file:///a/%FF.py", "/a/\udcff.py"),
        ("file:///a/%00.py", None),
        ("file://[host/a.py", None),
        ("untitled:Untitled-1", None),
        ("vscode-notebook-cell:/a/b.ipynb#W1", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_paths(uri: str, path: str | None) -> None:
    assert path_of(uri) == path
