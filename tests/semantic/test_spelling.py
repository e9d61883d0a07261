"""Misspelt methods of tensors, beside what tensors have."""

import pytest
import torch

from torchlint.semantic.spelling import OF_ARRAYS, meant


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("detech", "detach"),
        ("unsqeeze", "unsqueeze"),
        ("premute", "permute"),
        ("contigous", "contiguous"),
        ("requires_grad", None),
        ("backwad", "backward"),
        ("log_sofmax", "log_softmax"),
        ("to_list", "tolist"),
        ("fill", "fill_"),
        ("copy", "clone"),
        ("astype", "to"),
        # Two letters from `hash_tensor`, of which the first is another one.
        ("as_tensor", None),
        # Those of dictionaries, lists and text, which may stand where a tensor is expected.
        ("items", None),
        ("keys", None),
        ("append", None),
        # Near to nothing, or to too much.
        ("frobnicate", None),
        ("sm", None),
        ("__array_", None),
    ],
)
def test_names(written: str, right: str | None) -> None:
    assert meant(written) == right
    if right is not None:
        assert not hasattr(torch.Tensor, written)
        assert callable(getattr(torch.Tensor, right))


def test_what_tensors_have_is_right() -> None:
    assert [name for name in dir(torch.Tensor) if meant(name) is not None] == []


def test_names_of_arrays_are_none_of_tensors() -> None:
    assert not [name for name in OF_ARRAYS if hasattr(torch.Tensor, name)]
