"""How much memory a large project takes.

    python tests/benchmarks/memory.py FOLDER... [--lines 100000]

Copies the Python files of the folders next to each other, as often as it takes to reach that many lines, and
measures the peak memory of one process that lints them all.
"""

import argparse
import tempfile
from itertools import count
from pathlib import Path

from measure import TORCHLINT, lines_in, linted_files, run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--lines", type=int, default=100_000, help="how many (default: 100000)")
    arguments = parser.parse_args()
    if not lines_in(linted_files(arguments.folders)):
        parser.error("there are no lines of Python in these folders")

    with tempfile.TemporaryDirectory() as place:
        lines = copy_until(arguments.lines, arguments.folders, Path(place))
        files = linted_files([place])
        cost, _ = run([*TORCHLINT, "--isolated", "--no-cache", "-j", "1", "--quiet", "--exit-zero", place])
    print(f"{len(files)} files, {lines:,} lines: peak {cost.peak / 1e6:.0f} MB, {cost.cpu:.1f} CPU seconds")


def copy_until(lines: int, folders: list[str], place: Path) -> int:
    """Copy the files of some folders into numbered folders until they have that many lines; how many they have."""
    copied = 0
    for number in count():
        for folder in folders:
            root = Path(folder).resolve()
            for name in linted_files([str(root)]):
                target = place / str(number) / root.name / Path(name).resolve().relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                data = Path(name).read_bytes()
                target.write_bytes(data)
                copied += data.count(b"\n")
                if copied >= lines:
                    return copied
    raise AssertionError("counting does not end")


if __name__ == "__main__":
    main()
