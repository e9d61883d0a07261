"""torchlint: a linter for PyTorch code that knows what each value is."""

from pathlib import Path

__version__ = "0.1.0"

_here = Path(__file__).parent
if not (_here / "rules").is_dir():  # a checkout keeps `rules/` beside this package
    __path__.append(str(_here.parent))
