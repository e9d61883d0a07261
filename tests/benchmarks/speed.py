"""How long linting takes, as a multiple of what no linter on libcst can do without.

    python tests/benchmarks/speed.py FOLDER... [--runs 5] [--torchfix PYTHON]

Measures a whole lint of the folders in one process, cold and without a cache, against a process that only calls
`libcst.parse_module` on the same files. Both start an interpreter and import what they need. They take turns; the
medians are printed, CPU time (user and system) first, since it suffers less from other work on the machine.

`--torchfix` names a Python in which TorchFix is installed (it needs an environment of its own). It then takes its
turns too, with all its rules, and so does torchlint with as many processes as it likes, which is TorchFix's default.
"""

import argparse
import sys

from measure import TORCHLINT, compare, lines_in, linted_files

PARSE = """
import sys
import libcst
for path in sys.stdin.read().split("\\0"):
    with open(path, "rb") as stream:
        data = stream.read()
    try:
        libcst.parse_module(data)
    except (libcst.ParserSyntaxError, UnicodeDecodeError):
        pass
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--runs", type=int, default=5, help="how often each is run (default: 5)")
    parser.add_argument("--torchfix", metavar="PYTHON", help="a Python that has TorchFix, to compare with")
    arguments = parser.parse_args()

    files = linted_files(arguments.folders)
    if not files:
        parser.error("there are no Python files in these folders")
    print(f"{len(files)} files, {lines_in(files):,} lines, medians of {arguments.runs} runs")

    lint = [*TORCHLINT, "--isolated", "--no-cache", "--quiet", "--exit-zero", *arguments.folders]
    commands = {"parse only": [sys.executable, "-c", PARSE], "torchlint": [*lint, "-j", "1"]}
    if arguments.torchfix:
        commands["torchlint, pool"] = lint
        commands["TorchFix"] = [arguments.torchfix, "-m", "torchfix", "--select", "ALL", *arguments.folders]
    costs = compare(commands, arguments.runs, stdin="\0".join(files).encode())

    floor, own = costs["parse only"], costs["torchlint"]
    print(f"{'':15}  {'CPU s':>7}  {'wall s':>7}  {'peak MB':>7}")
    for name, cost in costs.items():
        print(f"{name:15}  {cost.cpu:7.2f}  {cost.wall:7.2f}  {cost.peak / 1e6:7.0f}")
    print(f"torchlint / parse only: {own.cpu / floor.cpu:.2f} (CPU), {own.wall / floor.wall:.2f} (wall)")
    if "TorchFix" in costs:
        other, pool = costs["TorchFix"], costs["torchlint, pool"]
        print(f"TorchFix / torchlint: {other.cpu / own.cpu:.1f} (CPU), {other.wall / own.wall:.1f} (wall)")
        print(f"TorchFix / torchlint, pool: {other.cpu / pool.cpu:.1f} (CPU), {other.wall / pool.wall:.1f} (wall)")


if __name__ == "__main__":
    main()
