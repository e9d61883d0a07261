"""Making each module of torch.nn and calling it, to see what it has and returns. For the generator alone."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import torch
from torch import nn

from torchlint.semantic.knowledge import ModuleClass

# Constructor arguments that work for nearly every module, by name.
_ARGUMENTS: dict[str, object] = {
    "in_features": 4,
    "in1_features": 4,
    "in2_features": 4,
    "out_features": 4,
    "in_channels": 2,
    "out_channels": 2,
    "kernel_size": 2,
    "num_features": 2,
    "num_channels": 2,
    "num_groups": 1,
    "normalized_shape": 4,
    "num_embeddings": 5,
    "embedding_dim": 4,
    "input_size": 4,
    "hidden_size": 4,
    "embed_dim": 4,
    "num_heads": 1,
    "d_model": 4,
    "nhead": 1,
    "num_layers": 1,
    "output_size": 2,
    "norm_type": 2.0,
    "padding": 1,
    "upscale_factor": 1,
    "downscale_factor": 1,
    "groups": 1,
    "size": 2,
    "dim": 1,
    "unflattened_size": (2, 2),
    "threshold": 0.5,
    "value": 0.0,
    "n_classes": 12,
    "cutoffs": [4],
}
# What the names above do not say, or mean otherwise.
_SPECIAL: dict[type[nn.Module], Callable[[], nn.Module]] = {
    nn.UpsamplingBilinear2d: lambda: nn.UpsamplingBilinear2d(scale_factor=2),
    nn.UpsamplingNearest2d: lambda: nn.UpsamplingNearest2d(scale_factor=2),
    nn.FractionalMaxPool2d: lambda: nn.FractionalMaxPool2d(2, output_size=2),
    nn.FractionalMaxPool3d: lambda: nn.FractionalMaxPool3d(2, output_size=2),
    nn.Fold: lambda: nn.Fold((4, 4), (2, 2)),
    nn.LinearCrossEntropyLoss: lambda: nn.LinearCrossEntropyLoss(4, 3),
    nn.TransformerEncoder: lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 1), 1),
    nn.TransformerDecoder: lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 1), 1),
    nn.Transformer: lambda: nn.Transformer(4, 1, 1, 1, 4),
    nn.Upsample: lambda: nn.Upsample(scale_factor=2),
}
# Modules that are what they are given, or return what they are given.
_TRANSPARENT: tuple[type[nn.Module], ...] = (
    nn.Module,
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.ParameterList,
    nn.ParameterDict,
    nn.Container,
    nn.DataParallel,
    nn.parallel.DistributedDataParallel,
)


def describe(cls: type[nn.Module], names: Mapping[int, str]) -> ModuleClass:
    """What is to be known of a class; `names` are the canonical names of objects by id."""
    parameters = inspect.signature(cls).parameters.values()
    required = tuple(
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    )
    if cls in (nn.RNN, nn.LSTM, nn.GRU):
        # Their constructors take `*args`.
        required = ("input_size", "hidden_size")
    instance = None if issubclass(cls, _TRANSPARENT) and cls in _TRANSPARENT else _make(cls, required)
    return ModuleClass(
        bases=tuple(
            names.get(id(base), f"{base.__module__}.{base.__qualname__}")
            for base in cls.__mro__[1:]
            if issubclass(base, nn.Module)
        ),
        required=required,
        has_parameters=None if instance is None else next(instance.parameters(), None) is not None,
        returns=None if instance is None or cls is nn.Identity else _returns(instance),
        is_loss=cls.__module__ == "torch.nn.modules.loss",
    )


def _make(cls: type[nn.Module], required: tuple[str, ...]) -> nn.Module | None:
    torch.manual_seed(0)
    try:
        special = _SPECIAL.get(cls)
        return special() if special is not None else cls(*(_ARGUMENTS[name] for name in required))
    except (KeyError, TypeError, ValueError, RuntimeError, NotImplementedError):
        return None


def _inputs() -> Iterator[tuple[torch.Tensor, ...]]:
    """Inputs to try, the commonest first."""
    images = [torch.rand(2, *[4] * count) for count in (1, 2, 3, 4)]
    channels = [torch.rand(2, 2, *[4] * count) for count in (1, 2, 3)]
    for tensor in (*images, *channels):
        yield (tensor,)
    classes = torch.tensor([1, 2])
    yield (torch.tensor([[1, 2], [3, 4]]),)
    for tensor in (*images[:2], *channels):
        yield (tensor, tensor)
        yield (tensor, tensor, tensor)
        yield (tensor, torch.zeros(tensor.shape, dtype=torch.int64))
    yield (images[0], classes)
    yield (images[0], images[0], torch.ones(2))
    yield (
        torch.rand(3, 2, 5).log_softmax(2),
        torch.ones(2, 1, dtype=torch.int64),
        torch.tensor([3, 3]),
        torch.tensor([1, 1]),
    )
    yield (torch.rand(2, 8, 9),)


def _returns(instance: nn.Module) -> Literal["tensor", "tuple", "other"] | None:
    if isinstance(instance, nn.modules.loss._Loss):
        # A loss accepts one input only by mistake.
        candidates = [inputs for inputs in _inputs() if len(inputs) > 1]
    else:
        candidates = list(_inputs())
    for inputs in candidates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = instance(*inputs)
        except (
            RuntimeError,
            TypeError,
            ValueError,
            IndexError,
            AssertionError,
            NotImplementedError,
            AttributeError,
        ):
            continue
        if isinstance(result, torch.Tensor):
            return "tensor"
        return "tuple" if isinstance(result, tuple) else "other"
    return None
