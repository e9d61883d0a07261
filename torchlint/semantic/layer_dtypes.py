"""The dtypes of layers' parameters, and the layers that are given tensors of another dtype, which they refuse."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.instances import submodules
from torchlint.semantic.knowledge.dtypes import named
from torchlint.semantic.promotion import WIDE, default_float, is_whole
from torchlint.semantic.values import DTYPE, NONE, UNKNOWN, Const, FunctionInfo, Instance, Origin, Tensor, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# Half precision may be what autocast makes of it.
_REFUSED = frozenset({"float32", "float64"})
_INDEXES = frozenset({"int64", "int32"})


class Mismatch(NamedTuple):
    """A layer that is given a tensor of a dtype that it refuses, in one context.

    Attributes:
        stack: the calls of the linted file that led there, outermost first.
        layer: the layer.
        given: what it is given.
        wanted: the dtype of its parameters; None for a layer that wants indices.
        called: where it is called.
        entered: the function with which it all began, where no code of the module called it.
    """

    stack: tuple[cst.CSTNode, ...]
    layer: Instance
    given: Tensor
    wanted: str | None
    called: Origin
    entered: FunctionInfo | None


def dtype_of(machine: "Interpreter", layer: Instance) -> str | None:
    """The dtype of a layer's floating parameters; None where it is not certain."""
    held = machine.read(layer, DTYPE)
    if held is not None:
        return held.value if isinstance(held, Const) else None
    told = layer.arguments.keywords.get("dtype")
    if told is not None and told != NONE:
        return named(told)
    return default_float(machine) if layer.arguments.complete else None


def convert(machine: "Interpreter", module: Instance, dtype: str | None) -> None:
    """The parameters of a module, and of all that it holds, are converted; None: to what is not known."""
    value: Value = Const(dtype) if dtype is not None else UNKNOWN
    for part in submodules(machine, module):
        machine.write(part, DTYPE, value)


def note(machine: "Interpreter", call: "Call", layer: Instance, given: Value | None, wanted: str | None) -> None:
    """Keep a call of a layer that multiplies what it is given by its parameters, if their dtypes differ."""
    if type(given) is not Tensor or given.dtype == wanted or wanted not in _REFUSED or given.batch:
        return
    if given.dtype in _REFUSED or is_whole(given.dtype) or (given.dtype == WIDE and wanted == "float32"):
        _note(machine, call, layer, given, wanted)


def note_index(machine: "Interpreter", call: "Call", layer: Instance, given: Value | None) -> None:
    """Keep a call of an embedding that is given no indices."""
    if type(given) is not Tensor or given.batch or given.dtype == WIDE:
        return
    if given.dtype is not None and given.dtype not in _INDEXES:
        _note(machine, call, layer, given, None)


def _note(machine: "Interpreter", call: "Call", layer: Instance, given: Tensor, wanted: str | None) -> None:
    if machine.facts is None or not machine.recording or not machine.stack or call.tried or machine.doubtful:
        return
    entered = machine.active[0] if machine.statement is None and machine.active else None
    machine.facts.dtype_mismatches.append(Mismatch(machine.stack, layer, given, wanted, call.origin, entered))
