"""One process of node for many questions: a line of JSON in, a line out."""

import json
import shutil
import subprocess
from pathlib import Path
from threading import Timer

import pytest

CLIENTS = Path(__file__).parent.parent / "clients"
PATIENCE = 60.0  # seconds for one answer


class NodeClient:
    """A script of `tests/clients` that answers every line with a line. Skips the test if it cannot run here."""

    def __init__(self, script: str, package: str) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.skip("node is not installed")
        if not (CLIENTS / "node_modules" / package).is_dir():
            pytest.skip(f"{package} is not installed: npm install --prefix tests/clients")
        self.process = subprocess.Popen(
            [node, script], cwd=CLIENTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def ask(self, question: object) -> str:
        """The answer to a question, which is sent as JSON."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        impatient = Timer(PATIENCE, self.process.kill)
        impatient.start()
        try:
            answer = self.process.stdout.readline()
        finally:
            impatient.cancel()
            impatient.join()
        assert answer.endswith(b"\n"), f"node ended: {answer!r} {self.process.stdout.read()!r}"
        return answer.decode()[:-1]

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
