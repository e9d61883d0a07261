"""What torch refuses because of sizes: layers, functions and operators whose operands do not go together."""

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.mode_conditions import mentions_mode
from torchlint.semantic.parts import has_attribute
from torchlint.semantic.shapes import Mismatch, Shape, broadcast, spelled
from torchlint.semantic.stretches import asks_for_shape
from torchlint.semantic.values import Instance, Origin, Tensor, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


class Misfit(NamedTuple):
    """An operation that torch refuses, in one context in which it runs.

    Attributes:
        place: what in the linted file is it, or leads to it.
        origin: where it stands.
        layer: the layer that refuses; None for a function, method or operator.
        given: the tensor that it is given first, if it is one.
        mismatch: what does not fit.
    """

    place: cst.CSTNode
    origin: Origin
    layer: Instance | None
    given: Tensor | None
    mismatch: Mismatch


def note(machine: "Interpreter", call: "Call", mismatch: Mismatch) -> None:
    """Keep a call that torch refuses."""
    receiver = call.receiver
    layer = receiver if isinstance(receiver, Instance) else None
    candidates = (receiver, *call.arguments.positional, *call.arguments.keywords.values())
    given = next((value for value in candidates if isinstance(value, Tensor)), None)
    _note(machine, call.node, layer, given, mismatch)


def note_operator(machine: "Interpreter", node: cst.CSTNode, mismatch: Mismatch, *operands: Value) -> None:
    """Keep an operator or index that torch refuses."""
    given = next((value for value in operands if isinstance(value, Tensor)), None)
    _note(machine, node, None, given, mismatch)


def note_comparison(machine: "Interpreter", node: cst.CSTNode, left: Tensor, right: Tensor) -> None:
    """Keep a comparison of tensors that do not go together."""
    try:
        broadcast(left.shape, right.shape)
    except Mismatch as mismatch:
        _note(machine, node, None, left, mismatch)


def note_written(machine: "Interpreter", node: cst.CSTNode, owner: Tensor, place: Shape | None, value: Tensor) -> None:
    """Keep an assignment to part of a tensor that does not hold what is assigned."""
    shape = value.shape
    if place is None or shape is None or place.open or shape.open:
        return
    for own, other in zip(reversed(place.dims), reversed(shape.dims), strict=False):
        if own != other and other != 1 and isinstance(own, int) and isinstance(other, int):
            text = f"of {place} cannot hold {shape}: {spelled(own)} and {spelled(other)}"
            _note(machine, node, None, value, Mismatch(text, other, own))
            return


def _is_doubtful(machine: "Interpreter") -> bool:
    """Whether a condition of the module that is running stands around this: it may hold for other sizes only."""
    tests = machine.tests[machine.outer_tests :]
    return not all(mentions_mode(test) or has_attribute(test, "is_available") for test in tests)


def _note(
    machine: "Interpreter", node: cst.CSTNode, layer: Instance | None, given: Tensor | None, mismatch: Mismatch
) -> None:
    if machine.facts is None or not machine.recording or machine.tried or machine.doubtful:
        return
    place = node if machine.unit is machine.target else machine.stack[-1] if machine.stack else None
    if place is None or _is_doubtful(machine) or asks_for_shape(machine.tests):
        return
    machine.facts.misfits.append(Misfit(place, machine.here(node), layer, given, mismatch))
