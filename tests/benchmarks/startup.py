"""How long `torchlint --version` keeps a shell prompt or an editor waiting.

    python tests/benchmarks/startup.py [--runs 15]

Measures it, and `--help`, against an interpreter that starts and does nothing. Medians of runs taken in turn.
"""

import argparse
import sys

from measure import TORCHLINT, compare


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="how often each is run (default: 15)")
    arguments = parser.parse_args()
    commands = {
        "bare interpreter": [sys.executable, "-c", ""],
        "torchlint --version": [*TORCHLINT, "--version"],
        "torchlint --help": [*TORCHLINT, "--help"],
    }
    costs = compare(commands, arguments.runs)
    bare = costs["bare interpreter"]
    for name, cost in costs.items():
        print(f"{name:20} {cost.wall * 1e3:6.0f} ms (+{(cost.wall - bare.wall) * 1e3:.0f} ms)")


if __name__ == "__main__":
    main()
