"""`python -m torchlint`."""

from torchlint.cli import run

if __name__ == "__main__":
    run()
