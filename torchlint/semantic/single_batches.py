"""Batch norms that are given one value for each channel while they train."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.instances import tri
from torchlint.semantic.shapes import Shape
from torchlint.semantic.values import NONE, TRAINING, Instance, Origin, Tri

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


class SingleBatch(NamedTuple):
    """A batch norm in one context in which each of its channels gets one value.

    Attributes:
        stack: the calls of the linted file that led there, outermost first.
        layer: the layer.
        shape: what it is given.
        called: where it is called.
    """

    stack: tuple[cst.CSTNode, ...]
    layer: Instance
    shape: Shape
    called: Origin


def note(machine: "Interpreter", call: "Call", given: Shape) -> None:
    """Keep a call of a batch norm if it raises: one value for each channel, while it trains."""
    dims = given.dims
    layer = call.receiver
    if machine.facts is None or given.open or len(dims) < 2 or dims[0] != 1 or any(dim != 1 for dim in dims[2:]):
        return
    if not isinstance(layer, Instance) or call.tried or not machine.stack or not machine.recording:
        return
    if _trains(machine, layer):
        machine.facts.single_batches.append(SingleBatch(machine.stack, layer, given, call.origin))


def _trains(machine: "Interpreter", layer: Instance) -> bool:
    """Whether a layer certainly takes its statistics from the batch.

    Which modules hold it is not known here, so the last switch of any module must have been one to training.
    """
    assert machine.facts is not None
    tracked = layer.arguments.get(4, "track_running_stats")
    if tracked is not None and tri(tracked) is Tri.NO:
        return True
    own = machine.read(layer, TRAINING)
    if own is not None and tri(own) is not Tri.YES:
        return False
    switches = [event.kind for event in machine.facts.events if event.kind in ("train", "eval", "mode", "escape")]
    return not switches or (own is not None and own != NONE) or switches[-1] == "train"
