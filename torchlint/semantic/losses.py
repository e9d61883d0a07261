"""Where losses of torch are computed, what they are given, and which place of the linted file that is the doing of."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.facts import Call
from torchlint.semantic.values import Arguments, Instance, Tensor, Value

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

# Losses as functions, and the classes that compute the same.
CLASSES = {
    "cross_entropy": ("CrossEntropyLoss",),
    "nll_loss": ("NLLLoss", "NLLLoss2d"),
    "binary_cross_entropy": ("BCELoss",),
    "binary_cross_entropy_with_logits": ("BCEWithLogitsLoss",),
    "ctc_loss": ("CTCLoss",),
    "kl_div": ("KLDivLoss",),
    "mse_loss": ("MSELoss",),
    "l1_loss": ("L1Loss",),
    "smooth_l1_loss": ("SmoothL1Loss",),
    "huber_loss": ("HuberLoss",),
}
_NAMES = {
    **{f"torch.nn.functional.{name}": name for name in CLASSES},
    **{f"torch.nn.{cls}.forward": name for name, classes in CLASSES.items() for cls in classes},
}
# Activations by what they are called with, for taking them away where they are written as a loss's argument.
_ACTIVATIONS = ("softmax", "log_softmax", "sigmoid", "expit")
_PLACES = ("torch.", "torch.nn.functional.", "torch.Tensor.", "torch.special.")


class Loss(NamedTuple):
    """One evaluation of a loss.

    Attributes:
        name: the function that computes it, such as `cross_entropy`.
        call: the evaluation; it may stand in another file.
        place: what of the linted file to point at: the first argument, or the call that leads to another file.
        here: whether it is computed in the linted file.
        given: what it is given as its first argument.
        target: what it is given as its second.
    """

    name: str
    call: Call
    place: cst.CSTNode
    here: bool
    given: Value | None
    target: Value | None

    @property
    def title(self) -> str:
        """The loss as the code names it: `nn.NLLLoss`, `nll_loss`."""
        name = self.call.name or ""
        return f"nn.{name.split('.')[-2]}" if name.endswith(".forward") else self.name

    @property
    def options(self) -> Arguments:
        """The arguments that choose how it is computed: of the constructor, or of the function itself."""
        receiver = self.call.receiver
        return receiver.arguments if isinstance(receiver, Instance) else self.call.arguments


def losses(model: "Model") -> Iterator[Loss]:
    """Each evaluation of a loss that the linted file is responsible for; one reached in several ways comes often."""
    by_name = model.facts.calls_by_name
    for full, name in _NAMES.items():
        for call in by_name.get(full, ()):
            if call.certain and isinstance(call.node, cst.Call):
                given, target = _given(call)
                place = argument(call.node, 0, "input", "log_probs") or call.node
                yield Loss(name, call, place, True, given, target)
    for calls in model.facts.losses_elsewhere.values():
        for call in calls:
            short = _NAMES.get(call.name or "")
            if short is not None and call.certain and _is_of_this_file(model, call):
                given, target = _given(call)
                yield Loss(short, call, call.stack[-1], False, given, target)


def _given(call: Call) -> tuple[Value | None, Value | None]:
    return call.argument(0, "input", "log_probs"), call.argument(1, "target", "targets")


def _is_of_this_file(model: "Model", call: Call) -> bool:
    """Whether a loss that another file computes is this file's doing: it chose the criterion, or the model."""
    if call.origin.unit is model.unit:
        # Something outside the project calls the loss, such as `functools.partial`.
        return True
    if call.receiver is not None and call.receiver.origin is not None:
        return call.receiver.origin.unit is model.unit
    scores = call.argument(0, "input", "log_probs")
    made = scores.numbers_origin if isinstance(scores, Tensor) else None
    return made is not None and made.unit is not call.origin.unit


def argument(node: cst.Call, index: int, *names: str) -> cst.BaseExpression | None:
    """An argument as written in a call; None where it is not written there."""
    for position, arg in enumerate(node.args):
        if arg.star:
            break
        if arg.keyword.value in names if arg.keyword is not None else position == index:
            return arg.value
    return next((arg.value for arg in node.args if arg.keyword is not None and arg.keyword.value in names), None)


def activation(model: "Model", node: cst.CSTNode) -> tuple[cst.Call, cst.BaseExpression] | None:
    """A call of softmax, log_softmax or sigmoid that is written at a place, and what it is called on; None where
    something else is."""
    if not isinstance(node, cst.Call):
        return None
    names = {place + name for place in _PLACES for name in _ACTIVATIONS}
    calls = model.calls(node)
    if not calls or not all(call.certain and call.name in names for call in calls):
        return None
    if calls[0].receiver is not None and isinstance(node.func, cst.Attribute):
        return node, node.func.value
    subject = argument(node, 0, "input")
    return None if subject is None else (node, subject)
