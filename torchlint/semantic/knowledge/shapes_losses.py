"""The shapes that losses give, and what they take."""

from typing import TYPE_CHECKING

from torchlint.semantic import shapes
from torchlint.semantic.knowledge.shapes_arguments import Entry, operand_shape
from torchlint.semantic.shapes import MANY, MULTIPLE, SCALAR, Mismatch, Shape
from torchlint.semantic.values import Const, Instance, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter


def _loss(call: "Call") -> tuple[str | None, Value | None, Value | None]:
    """How a loss puts its values together (None: not known), its input and its target."""
    instance = call.receiver
    arguments = instance.arguments if isinstance(instance, Instance) else call.arguments
    target = call.argument(1, "target")
    given = call.argument(0, "input")
    if not arguments.complete or arguments.get(None, "size_average", "reduce") is not None:
        return None, given, target
    how = arguments.get(None, "reduction")
    if how is None:
        # By position it comes last, after what only the signature of each loss tells.
        options = arguments.positional if isinstance(instance, Instance) else arguments.positional[2:]
        positional = [option for option in options if isinstance(option, Const) and isinstance(option.value, str)]
        return (positional[-1].value if positional else "mean"), given, target
    return (how.value if isinstance(how, Const) and not how.assumed else None), given, target


def _elementwise_loss(machine: "Interpreter", call: "Call") -> Shape | None:
    how, given, target = _loss(call)
    try:
        both = shapes.broadcast(operand_shape(given), operand_shape(target))
    except Mismatch:
        if "binary_cross_entropy" in (call.name or "") or "BCE" in (call.name or ""):
            # These stretch nothing, which is a matter of its own.
            return SCALAR if how in ("mean", "sum") else None
        raise
    return SCALAR if how in ("mean", "sum", "batchmean") else both if how == "none" else None


def _class_loss(machine: "Interpreter", call: "Call") -> Shape | None:
    how, given, target = _loss(call)
    labels, scores = operand_shape(target), operand_shape(given)
    if labels is not None and scores is not None and not labels.open and not scores.open:
        if len(scores.dims) > 1 and labels.dims:
            shapes.expect(scores.dims[0], labels.dims[0], "samples")
            if scores.dims[0] == MULTIPLE and labels.dims[0] == MANY:
                raise Mismatch("takes one row for each target, but is given several rows for each sample")
        if 2 < len(scores.dims) == len(labels.dims) + 1:
            for own, other in zip(scores.dims[2:], labels.dims[1:], strict=True):
                shapes.expect(own, other, "positions")
    if how in ("mean", "sum"):
        return SCALAR
    if how != "none" or labels is None or scores is None or labels.open or scores.open:
        return None
    return labels if len(labels.dims) < len(scores.dims) else None


def _other_loss(machine: "Interpreter", call: "Call") -> Shape | None:
    how, _, _ = _loss(call)
    return SCALAR if how in ("mean", "sum") else None


# -- the table ---------------------------------------------------------------------------------------------------------

_ELEMENTWISE_LOSSES = (
    "MSELoss mse_loss", "L1Loss l1_loss", "SmoothL1Loss smooth_l1_loss", "HuberLoss huber_loss",
    "BCELoss binary_cross_entropy", "BCEWithLogitsLoss binary_cross_entropy_with_logits", "KLDivLoss kl_div",
    "SoftMarginLoss soft_margin_loss", "PoissonNLLLoss poisson_nll_loss",
)  # fmt: skip
_CLASS_LOSSES = ("CrossEntropyLoss cross_entropy", "NLLLoss nll_loss")
_OTHER_LOSSES = (
    "CTCLoss ctc_loss", "TripletMarginLoss triplet_margin_loss", "MarginRankingLoss margin_ranking_loss",
    "HingeEmbeddingLoss hinge_embedding_loss", "CosineEmbeddingLoss cosine_embedding_loss",
    "MultiMarginLoss multi_margin_loss", "MultiLabelMarginLoss multilabel_margin_loss",
    "MultiLabelSoftMarginLoss multilabel_soft_margin_loss", "GaussianNLLLoss gaussian_nll_loss",
)  # fmt: skip
# Losses as functions and as classes, by the names in torch.nn.
LOSSES: dict[str, Entry] = {
    qualified: entry
    for losses, entry in (
        (_ELEMENTWISE_LOSSES, _elementwise_loss),
        (_CLASS_LOSSES, _class_loss),
        (_OTHER_LOSSES, _other_loss),
    )
    for pair in losses
    for qualified in (f"{pair.split()[0]}.forward", f"functional.{pair.split()[1]}")
}
