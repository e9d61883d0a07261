import codecs
import io
import tokenize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchlint.source import Source, SourceError

# Text in which every kind of line break, wide characters and tabs are likely.
TEXT = st.text(st.sampled_from("ab (\t\fé漢😀\u2028\x85\x1c\n\r'\"#"), max_size=40)


@given(TEXT)
def test_offset_and_position_are_each_others_inverse(text: str) -> None:
    source = Source("a.py", text)
    positions = [source.position(offset) for offset in range(len(text) + 1)]
    assert [source.offset(row, column) for row, column in positions] == list(range(len(text) + 1))
    assert positions == sorted(positions)


@given(TEXT)
def test_rows_are_those_of_pythons_tokenizer(text: str) -> None:
    source = Source("a.py", text)
    universal = io.StringIO(text, newline=None).read()  # every break becomes \n, and nothing else
    assert [source.line(row) for row in range(1, source.rows + 1)] == universal.split("\n")


@given(TEXT, st.data())
def test_a_span_knows_its_rows_and_columns(text: str, data: st.DataObject) -> None:
    source = Source("a.py", text)
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    span = source.span(start, end)
    assert (span.start, span.end) == (start, end)
    assert source.offset(span.row, span.column) == start
    assert source.offset(span.end_row, span.end_column) == end


@given(TEXT, st.booleans())
def test_utf8_comes_back_byte_for_byte(text: str, bom: bool) -> None:
    data = codecs.BOM_UTF8 * bom + text.encode()
    source = Source.from_bytes("a.py", data)
    assert (source.text, source.bom, source.encoding) == (text, bom, "utf-8")
    assert source.encode(source.text) == data


@given(st.binary(max_size=60))
def test_any_bytes_are_read_back_or_refused_in_one_line(data: bytes) -> None:
    try:
        source = Source.from_bytes("a.py", data)
    except SourceError as error:
        refusal = str(error)
    else:
        refusal = "read"
        assert source.encode(source.text) == data
    assert refusal
    assert "\n" not in refusal


@given(st.sampled_from(["latin-1", "cp1252", "utf-8", "shift_jis", "iso-8859-15"]), TEXT)
def test_a_cookie_decides(encoding: str, text: str) -> None:
    body = f"# -*- coding: {encoding} -*-\n{text}".encode(encoding, "ignore")
    source = Source.from_bytes("a.py", body)
    assert source.encode(source.text) == body
    assert source.text == body.decode(encoding)


@pytest.mark.parametrize(
    "head",
    [
        b"# coding: latin-1\n",
        b"#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\n",
        b"\r\n# -*- coding: latin-1 -*-\r\n",
        b"# coding: Latin-1-unix\n",
        b"# -*- coding: iso_8859_1-dos -*-\n",
        b"\f  # coding:latin-1\r",
    ],
)
def test_cookies_are_found_where_python_finds_them(head: bytes) -> None:
    data = head + b"x = '\xe9'\n"
    if b"\r" not in head.replace(b"\r\n", b""):
        assert tokenize.detect_encoding(io.BytesIO(data).readline)[0] == "iso-8859-1"
    assert Source.from_bytes("a.py", data).text.splitlines()[-1] == "x = 'é'"


@pytest.mark.parametrize(
    "head",
    [
        b"x = 1  # coding: latin-1\n",
        b"\n\n# coding: latin-1\n",
        b"x = 1\n# coding: latin-1\n",
        b"# encode: latin-1\n",
    ],
)
def test_cookies_are_not_found_elsewhere(head: bytes) -> None:
    assert Source.from_bytes("a.py", head).encoding == "utf-8"
    with pytest.raises(SourceError):
        Source.from_bytes("a.py", head + b"\xe9")


@pytest.mark.parametrize("cookie", ["utf-8", "UTF8", "utf_8", "utf-8-sig", "utf-8-unix", "U8"])
def test_utf8_by_any_name(cookie: str) -> None:
    data = f"# coding: {cookie}\nx = 'é'\n".encode()
    for bytes_ in (data, codecs.BOM_UTF8 + data):
        source = Source.from_bytes("a.py", bytes_)
        assert source.encoding == "utf-8"
        assert source.encode(source.text) == bytes_


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\xe9\n", "line 2 holds a byte that is not utf-8: 0xe9"),
        (b"# coding: ascii\n\xc3\xa9", "line 2 holds a byte that is not ascii: 0xc3"),
        (b"# coding: nonsense\n", "unknown encoding in the coding cookie: nonsense"),
        (b"# coding: hex\n", "not a text encoding in the coding cookie: hex"),
        (b"a\n\nb\0c", "line 3 holds a NUL byte; this is not Python source"),
        (
            "é\n".encode("utf-16"),
            "the file is UTF-16; Python reads UTF-8 unless a coding cookie says otherwise",
        ),
        (
            codecs.BOM_UTF8 + b"# coding: latin-1\n",
            "the file starts with a UTF-8 byte order mark but its coding cookie says latin-1",
        ),
        (
            b"# coding: unicode_escape\nx = 'a\\x62'\n",
            "the file's bytes cannot be restored from unicode",
        ),
        (b"# coding: undefined\n", "the file is not undefined: "),
    ],
)
def test_what_python_would_not_read_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(SourceError) as error:
        Source.from_bytes("a.py", data)
    assert str(error.value).startswith(message)


def test_a_character_that_the_encoding_lacks() -> None:
    source = Source.from_bytes("a.py", b"# coding: latin-1\n")
    with pytest.raises(SourceError, match="iso8859-1 cannot hold '漢'"):
        source.encode("漢")


def test_the_file_s_own_line_break() -> None:
    assert Source("a.py", "a").newline == "\n"
    assert Source("a.py", "a\r\nb\n").newline == "\r\n"
    assert Source("a.py", "a\rb\n").newline == "\r"


def test_past_the_end() -> None:
    source = Source("a.py", "ab\ncd")
    assert source.offset(2, 99) == 5
    assert source.offset(99) == 5
    assert source.rows == 2
