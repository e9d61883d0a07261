"""How long an editor waits for diagnostics after an edit, in a training script of 1,000 lines.

    python tests/benchmarks/latency.py [--edits 60] [--lines 1000] [--script FILE]

Starts `torchlint server`, opens the script in an empty folder and makes edits in different places, each after the
diagnostics of the one before. Measured is the time from writing `didChange` to having read the diagnostics of that
version. Beside it stands what parsing the script alone costs, for comparison with other machines.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))

from raw_client import RawClient

HEAD = '''\
"""Train classifiers on windows of sensor readings."""

import argparse
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

# Where checkpoints and predictions go, unless the command line says otherwise.
DEFAULT_OUT = Path("runs")


def seed_everything(seed: int) -> None:
    """Make runs repeatable as far as the device allows."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
'''

PART = '''

class Windows{n}(Dataset):
    """Overlapping windows of a recording, with the label of their last reading.

    The file holds one row a reading; its last column is the label.
    """

    def __init__(self, path, length=128, stride=64):
        self.data = np.load(path)
        self.length = length
        # The start of each window; the last one still has to fit.
        self.starts = list(range(0, len(self.data) - length, stride))

    def __len__(self):
        return len(self.starts)

    def __getitem__(self, index):
        start = self.starts[index]
        window = self.data[start : start + self.length]
        features = torch.as_tensor(window[:, :-1], dtype=torch.float32)
        label = torch.tensor(int(window[-1, -1]))
        return features, label


class Classifier{n}(nn.Module):
    """A recurrent network with a small head."""

    def __init__(self, features, hidden, classes):
        super().__init__()
        self.embed = nn.Linear(features, hidden)
        self.lstm = nn.LSTM(hidden, hidden, num_layers=2, batch_first=True)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(hidden, classes)

    def forward(self, batch):
        x = F.relu(self.embed(batch))
        # The output of the last step stands for the whole window.
        out, (hidden, cell) = self.lstm(x)
        x = self.drop(out[:, -1])
        return self.head(x)


def train_epoch_{n}(model, loader, optimizer, device, args):
    """Train for one epoch.

    Returns the mean loss, weighted by the size of each batch.
    """
    model.train()
    total, count = 0.0, 0
    for step, (windows, labels) in enumerate(loader):
        windows = windows.to(device)
        labels = labels.to(device)

        optimizer.zero_grad()
        loss = F.cross_entropy(model(windows), labels)
        loss.backward()
        optimizer.step()

        total += loss.item() * len(labels)
        count += len(labels)
        if step % args.log_interval == 0:
            print(f"step {{step}} of {{len(loader)}}: loss {{loss.item():.4f}}")
    return total / count


def evaluate_{n}(model, loader, device):
    """The accuracy on held-out windows."""
    model.eval()
    right, count = 0, 0
    with torch.no_grad():
        for windows, labels in loader:
            output = model(windows.to(device))
            prediction = output.argmax(dim=1).cpu()
            right += (prediction == labels).sum().item()
            count += len(labels)
    return right / count


def parse_args_{n}():
    parser = argparse.ArgumentParser(description="Train classifier {n}")
    parser.add_argument("train", type=Path, help="recording to train on")
    parser.add_argument("test", type=Path, help="recording to test on")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--lr", type=float, default=1e-3, help="learning rate (default: 1e-3)")
    parser.add_argument("--log-interval", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main_{n}():
    args = parse_args_{n}()
    seed_everything(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    train_loader = DataLoader(Windows{n}(args.train), batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(Windows{n}(args.test), batch_size=args.batch_size)

    model = Classifier{n}(features=9, hidden=64, classes=6).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)

    best = 0.0
    for epoch in range(1, args.epochs + 1):
        loss = train_epoch_{n}(model, train_loader, optimizer, device, args)
        accuracy = evaluate_{n}(model, test_loader, device)
        scheduler.step()
        print(f"epoch {{epoch}}: loss {{loss:.4f}}, accuracy {{accuracy:.3f}}")
        if accuracy > best:
            best = accuracy
            torch.save(model.state_dict(), DEFAULT_OUT / "best_{n}.pt")

    # What the model says about one batch, for the report.
    windows, labels = next(iter(test_loader))
    prediction = model(windows.to(device))
    np.save(DEFAULT_OUT / "prediction_{n}.npy", prediction.numpy())
'''


def script(lines: int) -> str:
    """A training script of so many lines: models, data sets, loops and command lines, one after the other."""
    text = HEAD
    number = 0
    while text.count("\n") < lines:
        number += 1
        text += PART.format(n=number)
    return "".join(text.splitlines(keepends=True)[:lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--edits", type=int, default=60, help="how many edits are made (default: 60)")
    parser.add_argument("--lines", type=int, default=1000, help="how long the script is (default: 1000)")
    parser.add_argument("--script", type=Path, help="a script to use in place of the one that is made up")
    arguments = parser.parse_args()
    text = arguments.script.read_text("utf-8") if arguments.script else script(arguments.lines)
    rows = text.split("\n")
    # Lines on which a statement ends, spread over the script.
    places = [index for index, row in enumerate(rows) if row.endswith((")", '"')) and not row.startswith("class")]
    places = places[:: max(len(places) // arguments.edits, 1)][: arguments.edits]

    waits: list[float] = []
    with tempfile.TemporaryDirectory() as folder, RawClient() as client:
        path = Path(folder).resolve() / "train.py"
        client.initialize(path.parent)
        start = time.perf_counter()
        client.open(path.as_uri(), text)
        found = client.diagnostics(path.as_uri(), 1)
        first = time.perf_counter() - start
        for version, row in enumerate(places, start=2):
            place = {"line": row, "character": len(rows[row])}
            rows[row] += f"  # {version}"
            start = time.perf_counter()
            client.change(path.as_uri(), version, {"range": {"start": place, "end": place}, "text": f"  # {version}"})
            client.diagnostics(path.as_uri(), version)
            waits.append(time.perf_counter() - start)
        client.finish()

    waits.sort()
    print(f"{len(rows) - 1:,} lines, {len(text):,} characters, {len(found)} findings")
    print(f"parsing alone: {_parsing(text):.0f} ms")
    print(f"opened: {first * 1e3:.0f} ms")
    p95 = waits[min(len(waits) * 95 // 100, len(waits) - 1)]
    print(
        f"{len(waits)} edits: median {statistics.median(waits) * 1e3:.0f} ms, 95th percentile {p95 * 1e3:.0f} ms, "
        f"most {waits[-1] * 1e3:.0f} ms"
    )


def _parsing(text: str) -> float:
    import libcst

    times = []
    for _ in range(9):
        start = time.perf_counter()
        libcst.parse_module(text)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


if __name__ == "__main__":
    main()
