"""What loops over loaders bind: the numbers of batches, and the parts of a batch."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.loaders import Loader, is_loader
from torchlint.semantic.values import Const, Iterated, Tri

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.model import Model

TENSOR_DATASET = "torch.utils.data.TensorDataset"
# What is said to a tensor, and never to a number.
TENSOR_METHODS = ("to", "cuda", "cpu", "view", "reshape", "size", "float", "long", "unsqueeze", "squeeze", "permute")


def makes_batches(loader: Loader) -> bool:
    """Whether a loader certainly puts samples together: `batch_size` is not None."""
    size = loader.value("batch_size")
    return loader.arguments.complete if size is None else isinstance(size, Const) and size.value is not None


def gives_pairs(model: "Model", loader: Loader) -> bool:
    """Whether each batch certainly is two tensors: those of a `TensorDataset` of two, put together as torch does."""
    if not loader.is_plain or loader.given("collate_fn") is not Tri.NO or not makes_batches(loader):
        return False
    sources, complete = model.sources(loader)
    return (
        complete
        and bool(sources)
        and all(
            source.symbol == TENSOR_DATASET and source.arguments.complete and len(source.arguments.positional) == 2
            for source in sources
        )
    )


def counter_taken_for_batch(model: "Model", loop: cst.For, counter: cst.Name) -> "Call | None":
    """The call of a method of tensors on the number that `enumerate(loader)` gives; None where there is none."""
    over = model.value(loop.iter)
    if not isinstance(over, Iterated) or not any(map(is_loader, over.over)):
        return None
    if not any(call.name == "builtins.enumerate" for call in model.calls(loop.iter)):
        return None
    for call in model.calls_of(*[f"builtins.int.{name}" for name in TENSOR_METHODS]):
        func = call.node.func if isinstance(call.node, cst.Call) else None
        owner = func.value if isinstance(func, cst.Attribute) else None
        if isinstance(owner, cst.Name) and owner.value == counter.value and loop in call.loops and call.certain:
            return call
    return None
