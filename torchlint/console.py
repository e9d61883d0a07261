"""What all commands do alike when they print and end."""

import os
import sys
from typing import TextIO

import click

CLEAN, FINDINGS, ERROR, INTERRUPTED = 0, 1, 2, 130


def say(line: str) -> None:
    """Tell the reader something that is not the result: on standard error, under our name."""
    click.echo(f"torchlint: {line}", err=True)


def counted(number: int, noun: str) -> str:
    """A number and what it counts."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def json_text(value: object) -> str:
    """A value as JSON for people and programs."""
    import json

    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_bytes(data: bytes) -> None:
    """Print bytes as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def is_coloured(stream: TextIO) -> bool:
    """Whether a reader of the stream sees colours."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def is_debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get("TORCHLINT_DEBUG") == "1"
