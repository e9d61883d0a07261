"""Random numbers: what seeds the global generators, what are generators of their own, who draws from them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torchlint.semantic.datasets import SAMPLE_METHODS
from torchlint.semantic.values import FunctionInfo, Instance

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.model import Model

# Functions that seed a global generator with their first argument.
SEEDING = (
    "random.seed", "numpy.random.seed", "torch.manual_seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all",
    "pytorch_lightning.seed_everything", "lightning.seed_everything", "lightning.pytorch.seed_everything",
    "transformers.set_seed", "accelerate.utils.set_seed",
)  # fmt: skip
# Functions that put a global generator back to where it was.
RESTORING = (
    "random.setstate", "numpy.random.set_state", "torch.set_rng_state", "torch.random.set_rng_state",
    "torch.cuda.set_rng_state", "torch.cuda.set_rng_state_all", "torch.random.fork_rng",
)  # fmt: skip
# Classes of generators, and the calls that make them.
GENERATORS = {
    "numpy.random.Generator": ("numpy.random.default_rng",),
    "numpy.random.RandomState": ("numpy.random.RandomState",),
    "random.Random": ("random.Random",),
    "torch.Generator": ("torch.Generator",),
}
MANUAL_SEED = "torch.Generator.manual_seed"
WORKER_INFO = "torch.utils.data.get_worker_info"
# Methods in which samples are made: of datasets, and of transforms.
SAMPLING = frozenset({*SAMPLE_METHODS, "__call__", "forward"})


def restores(model: "Model", function: FunctionInfo | None) -> bool:
    """Whether a function (None: any of the file) puts a global generator back to where it was."""
    return any(function is None or function in call.active for call in model.sample_calls(*RESTORING))


def draws(model: "Model", generator: Instance) -> Iterator["Call"]:
    """The calls that draw from a generator: its methods, and functions of torch that are given it."""
    symbol = generator.symbol or ""
    for name in list(model.called):
        if name.startswith(symbol + "."):
            for call in model.calls_of(name):
                if call.receiver is generator:
                    yield call
        elif symbol == "torch.Generator" and name.startswith("torch."):
            for call in model.calls_of(name):
                if call.arguments.keywords.get("generator") is generator:
                    yield call
