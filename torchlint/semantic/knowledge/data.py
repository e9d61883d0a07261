"""torch.utils.data, and what datasets keep: open files and databases, generators of random numbers."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.datasets import SUBSET
from torchlint.semantic.instances import allocate
from torchlint.semantic.knowledge.contract import Transfer
from torchlint.semantic.objects import exact_items
from torchlint.semantic.values import (
    NONE,
    UNKNOWN,
    WIDE_SEED,
    Arguments,
    Const,
    Instance,
    Items,
    OneOf,
    Scalar,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

WORKER_INFO = "torch.utils.data._utils.worker.WorkerInfo"
# Functions that make an object of a class with a name of its own.
MAKERS = {
    "builtins.open": "builtins.open",
    "io.open": "builtins.open",
    "codecs.open": "builtins.open",
    "pathlib.Path.open": "builtins.open",
    "gzip.open": "builtins.open",
    "bz2.open": "builtins.open",
    "lzma.open": "builtins.open",
    "lmdb.open": "lmdb.Environment",
    "lmdb.Environment": "lmdb.Environment",
    "sqlite3.connect": "sqlite3.Connection",
    "sqlite3.Connection.cursor": "sqlite3.Cursor",
    "tarfile.open": "tarfile.TarFile",
    "rasterio.open": "rasterio.DatasetReader",
    "tables.open_file": "tables.File",
    "wave.open": "wave.Wave_read",
    "numpy.random.default_rng": "numpy.random.Generator",
    "random.SystemRandom": "random.SystemRandom",
    "logging.getLogger": "logging.Logger",
    "threading.Lock": "threading.Lock",
    "threading.RLock": "threading.RLock",
}


def _make(symbol: str) -> Transfer:
    def transfer(machine: "Interpreter", call: "Call") -> Value:
        return allocate(machine, call.node, None, symbol, call.arguments)

    return transfer


def _random_split(machine: "Interpreter", call: "Call") -> Value:
    """A list of subsets, one for each length; they share the call as their origin."""
    dataset = call.argument(0, "dataset") or UNKNOWN
    lengths = call.argument(1, "lengths")
    items = exact_items(machine, lengths) if lengths is not None else None
    parts = [_part(machine, call, dataset, index) for index in range(len(items) if items is not None else 1)]
    return machine.allocate_list(call.node, Items(tuple(parts)) if items is not None else Items(None, parts[0]))


def _part(machine: "Interpreter", call: "Call", dataset: Value, index: int) -> Instance:
    key = (id(call.node), index)
    part = machine.frame.allocations.get(key)
    arguments = Arguments((dataset,))
    if not isinstance(part, Instance):
        part = machine.frame.allocations[key] = Instance(None, SUBSET, arguments, machine.here(call.node))
    part.arguments = arguments
    return part


def _load(machine: "Interpreter", call: "Call") -> Value:
    """`numpy.load`: an open archive where the name says so."""
    path = call.argument(0, "file")
    known = isinstance(path, Const) and isinstance(path.value, str) and path.value.endswith(".npz")
    if known or (isinstance(call.node, cst.Call) and call.node.args and _is_archive(call.node.args[0].value)):
        return allocate(machine, call.node, None, "numpy.NpzFile", call.arguments)
    return UNKNOWN


def _is_archive(path: cst.BaseExpression) -> bool:
    """Whether the text of a path ends in the suffix of an archive, whatever stands before it."""
    if isinstance(path, cst.SimpleString):
        return path.raw_value.endswith(".npz")
    if isinstance(path, cst.FormattedString) and path.parts:
        last = path.parts[-1]
        return isinstance(last, cst.FormattedStringText) and last.value.endswith(".npz")
    if isinstance(path, cst.BinaryOperation):
        return _is_archive(path.right)
    return isinstance(path, cst.Call) and bool(path.args) and _is_archive(path.args[-1].value)


def _seeded(machine: "Interpreter", call: "Call") -> Value:
    """`torch.Generator().manual_seed(0)` gives the generator."""
    return call.receiver if call.receiver is not None else UNKNOWN


def _worker_info(machine: "Interpreter", call: "Call") -> Value:
    """None in the main process. The seed is one of 64 bits."""
    info = allocate(machine, call.node, None, WORKER_INFO, call.arguments)
    origin = machine.here(call.node)
    for name in ("id", "num_workers"):
        machine.write(info, name, Scalar("int", origin))
    machine.write(info, "seed", Scalar(WIDE_SEED, origin))
    return OneOf((NONE, info))


def _initial_seed(machine: "Interpreter", call: "Call") -> Value:
    return Scalar(WIDE_SEED, machine.here(call.node))


TRANSFERS: dict[str, Transfer] = {
    "torch.utils.data.get_worker_info": _worker_info,
    "torch.initial_seed": _initial_seed,
    "torch.seed": _initial_seed,
    "torch.utils.data.random_split": _random_split,
    "numpy.load": _load,
    "torch.Generator.manual_seed": _seeded,
    **{name: _make(symbol) for name, symbol in MAKERS.items()},
}
