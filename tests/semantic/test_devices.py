"""What the rule about mixed devices believes, seen on torch; the meta device stands for an accelerator."""

import importlib
from collections.abc import Callable

import pytest
import torch
from torch import nn

from torchlint.semantic.knowledge import operators

JOINING: frozenset[str] = importlib.import_module("torchlint.rules.tensor.device_mismatch").JOINING


def call(name: str, moved: torch.Tensor, stray: torch.Tensor) -> None:
    function: Callable[..., object] = eval(name, {"torch": torch})
    if any(overload.parameters[0].type == "Tensor[]" for overload in operators(name)):
        function([moved, stray])
    else:
        function(moved, stray)


# The meta device does not look at where the operands of a matrix product are; CUDA does.
PRODUCTS = ("matmul", "mm", "bmm", "einsum")


@pytest.mark.parametrize("name", sorted(name for name in JOINING if not name.endswith(PRODUCTS)))
def test_operations_that_refuse_two_devices(name: str) -> None:
    here, there = torch.ones(2, 2), torch.ones(2, 2, device="meta")
    for operands in ((there, here), (here, there)):
        with pytest.raises((RuntimeError, NotImplementedError)):
            call(name, *operands)


def test_numbers_may_be_on_any_device() -> None:
    there = torch.ones(2, 2, device="meta")
    assert (there + torch.tensor(1.0)).device.type == "meta"
    assert there[torch.arange(2)].device.type == "meta"


def test_modules_and_losses_refuse_two_devices() -> None:
    layer = nn.Linear(2, 2).to("meta")
    with pytest.raises(RuntimeError, match="is not on the expected device"):
        layer(torch.ones(2, 2))
    with pytest.raises(RuntimeError):
        nn.functional.cross_entropy(layer(torch.ones(2, 2, device="meta")), torch.zeros(2, dtype=torch.int64))
