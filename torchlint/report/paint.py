"""Colour, for terminals."""

from collections.abc import Callable

from torchlint.diagnostic import Severity

# Takes text and a style such as "bold red"; gives the text in that style.
Paint = Callable[[str, str], str]

STYLE_OF_SEVERITY = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "bold yellow",
    Severity.INFO: "bold blue",
}


def painter(colour: bool) -> Paint:
    """What paints text, or leaves it as it is."""
    if not colour:
        return lambda text, style: text
    from rich.color import ColorSystem
    from rich.style import Style

    return lambda text, style: Style.parse(style).render(text, color_system=ColorSystem.STANDARD)
