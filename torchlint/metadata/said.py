"""What one file of a project says of the versions that it runs on."""

from collections.abc import Callable
from dataclasses import dataclass

from torchlint.target import Versions

# The bytes of a file by its absolute path; None where there is no such file.
Read = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Said:
    """All that a file says of Python and of torch; each statement narrows what is possible."""

    python: tuple[Versions, ...] = ()
    torch: tuple[Versions, ...] = ()


def known(*versions: Versions | None) -> tuple[Versions, ...]:
    """Those statements that could be understood."""
    return tuple(one for one in versions if one is not None)
