"""Text that any format can hold."""

from hypothesis import given
from made_up import texts

from torchlint.report.characters import one_line, well_formed


@given(texts)
def test_well_formed_text_is_left_alone_and_any_other_becomes_so(text: str) -> None:
    result = well_formed(text)
    result.encode()
    try:
        text.encode()
    except UnicodeEncodeError:
        assert result != text
        assert well_formed(result) == result
    else:
        assert result == text


def test_halves_of_a_pair() -> None:
    assert well_formed("a\ud83d\ude00b") == "a😀b"
    assert well_formed("a\ud83db") == "a\ufffdb"
    assert well_formed("a\ude00b") == "a\ufffdb"
    assert well_formed("\ude00\ud83d") == "\ufffd\ufffd"
    assert well_formed("😀\ud83d") == "😀\ufffd"


@given(texts)
def test_one_line_is_one_and_steers_no_terminal(text: str) -> None:
    line = one_line(text)
    line.encode()
    assert len(line.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)


def test_one_line_keeps_what_is_printable() -> None:
    assert one_line("`é` 日本😀\tb\nc") == "`é` 日本😀 b c"
    assert one_line("\x1b[31m") == "\ufffd[31m"
