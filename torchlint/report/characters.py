"""Which characters a report may hold: messages and names come from the linted code, and that may hold any."""

import unicodedata


def well_formed(text: str) -> str:
    """The text as UTF-8 can hold it: halves of a surrogate pair are joined, and a lone half is replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def one_line(text: str) -> str:
    """The text on one line, without characters that steer a terminal."""
    line = " ".join(text.splitlines())
    return line if line.isprintable() else "".join(map(_harmless, line))


def _harmless(character: str) -> str:
    if character == "\t":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in ("Cc", "Cs") else character
