"""Train and eval mode: which layers depend on it, which code evaluates."""

import re
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic.instances import WRAPPERS
from torchlint.semantic.knowledge import module_class
from torchlint.semantic.parts import parts
from torchlint.semantic.values import FALSE, TRUE, ClassInfo, Const, FunctionInfo, Instance, Tri, Value

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

# Layers of torch.nn that do one thing while training, and another thing else.
_DEPENDENT = re.compile(r"torch\.nn\.(Lazy)?(Feature)?(Alpha)?(Dropout|BatchNorm|SyncBatchNorm|RReLU|Transformer)")
_RECURRENT = ("torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN")
_FUNCTIONS = (
    "torch.nn.functional.dropout", "torch.nn.functional.dropout1d", "torch.nn.functional.dropout2d",
    "torch.nn.functional.dropout3d", "torch.nn.functional.batch_norm", "torch.nn.functional.alpha_dropout",
    "torch.nn.functional.scaled_dot_product_attention",
)  # fmt: skip
_EVALUATING = re.compile(
    r"(^|_)(eval|evaluate|evaluation|val|valid|validate|validation|test|testing|predict|prediction|predictions|infer|"
    r"inference|accuracy)(_|$|[A-Z]|\d)"
)
_SAMPLING = re.compile(r"mc_|monte|dropout|uncertain|stochastic|ensemble|bayes", re.IGNORECASE)


def mode_layers(model: "Model", module: Instance) -> Tri:
    """Whether a model has layers that depend on its mode: dropout, batch norm and the like."""
    found = Tri.NO
    for held in model.held_objects(module):
        if held.symbol is None:
            info = held.info
            if info is not None and (info.has_unknown_base or any(not _is_torch(base) for base in info.external_bases)):
                found = Tri.MAYBE
            elif info is not None and _calls_dependent(model, info):
                return Tri.YES
        elif _depends(held):
            return Tri.YES
        elif module_class(held.symbol) is None and held.symbol not in WRAPPERS:
            found = Tri.MAYBE
    return found


def _is_torch(base: str) -> bool:
    return base.startswith("torch.nn.") or base == "builtins.object"


def _depends(layer: Instance) -> bool:
    symbol = layer.symbol or ""
    if symbol.startswith(("torchvision.models.", "timm.")):
        return True
    if symbol in _RECURRENT or symbol == "torch.nn.MultiheadAttention":
        rate = layer.arguments.get(None, "dropout")
        return isinstance(rate, Const) and bool(rate.value)
    if _DEPENDENT.match(symbol) is None:
        return False
    rate = layer.arguments.get(0, "p") if "Dropout" in symbol else None
    return not (isinstance(rate, Const) and rate.value == 0)


def _calls_dependent(model: "Model", info: ClassInfo) -> bool:
    """Whether methods of a class call functions such as `F.dropout(x, training=self.training)`."""
    return any(
        function.owner is not None and function.owner in info.mro
        for call in model.calls_of(*_FUNCTIONS)
        for function in call.active
    )


def evaluates(active: tuple[FunctionInfo, ...]) -> FunctionInfo | None:
    """The innermost running function that is named as one that evaluates; None where there is none."""
    for function in reversed(active):
        if _SAMPLING.search(function.name):
            return None
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", function.name).lower()
        if name.startswith("test") and _is_test(function.unit.path):
            return None
        if _EVALUATING.search(name):
            return function
        if "train" in name or name == "fit":
            return None
    return None


def _is_test(path: str) -> bool:
    """Whether a file is one of unit tests, in which anything may be called in any mode."""
    *folders, file = path.split("/")
    return (
        file.startswith(("test_", "conftest")) or file.endswith("_test.py") or not {"tests", "test"}.isdisjoint(folders)
    )


_HELD_OUT = re.compile(
    r"(^|_)(val|valid|validation|test|testing|dev|eval|evaluation)(_|$|\d|loader|set|data|iter|dl$|batch)"
)


def reads_held_out(loop: cst.CSTNode) -> bool:
    """Whether a loop goes through what is named as data for evaluation: `val_loader`, `loaders["test"]`."""
    pending: list[cst.CSTNode] = [loop.iter] if isinstance(loop, cst.For) else []
    while pending:
        node = pending.pop()
        if isinstance(node, (cst.Name, cst.SimpleString)):
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.value.strip("'\"")).lower()
            if _HELD_OUT.search(name):
                return True
        pending.extend(parts(node))
    return False


def is_training(mode: Value | None) -> bool:
    """Whether a model certainly is in train mode: it was put there, or nothing ever changed its mode."""
    return mode is None or mode == TRUE


def is_evaluating(mode: Value | None) -> bool:
    """Whether a model certainly is in eval mode."""
    return mode == FALSE
