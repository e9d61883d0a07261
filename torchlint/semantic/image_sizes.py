"""The size of images after a pipeline of torchvision's transforms."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torchlint.semantic.transforms import Step, every_step
from torchlint.semantic.values import CONTENT, Const, Items, ListRef, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.state import State

# Height and width.
ImageSize = tuple[int, int]
# Transforms that leave each image its size.
_KEEPING = frozenset({
    "ToTensor", "PILToTensor", "ToPILImage", "RandomHorizontalFlip", "RandomVerticalFlip", "Grayscale",
    "RandomGrayscale", "ColorJitter", "RandomErasing", "RandomPerspective", "RandomEqualize", "RandomAutocontrast",
    "RandomInvert", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix", "ToImage", "ToPureTensor",
    "RandomPhotometricDistort", "RandomChannelPermutation", "Identity", "RGB", "GaussianNoise", "ElasticTransform",
    "Normalize", "RandomAffine", "GaussianBlur", "RandomPosterize", "RandomSolarize", "RandomAdjustSharpness",
    "ConvertImageDtype", "ToDtype",
})  # fmt: skip


def size_after(pipeline: Sequence[Step], size: ImageSize | None, end: "State") -> ImageSize | None:
    """Height and width of all images after these steps; None where they differ, or are not known."""
    for step in pipeline:
        size = _after(step, size, end)
    return size


def _after(step: Step, size: ImageSize | None, end: "State") -> ImageSize | None:
    name = step.name
    if step.inside:
        return size if all(inner.name in _KEEPING for inner in every_step(step.inside_all)) else None
    if name in _KEEPING:
        return size
    if name in ("Resize", "Scale"):
        wanted = _numbers(step.argument(0, "size"), end)
        if wanted is None or step.argument(2, "max_size") is not None:
            return None
        if len(wanted) == 2:
            return wanted[0], wanted[1]
        # The shorter side becomes that long.
        return (wanted[0], wanted[0]) if size is not None and size[0] == size[1] else None
    if name in ("CenterCrop", "RandomCrop", "RandomResizedCrop", "RandomSizedCrop"):
        wanted = _numbers(step.argument(0, "size"), end)
        return (wanted[0], wanted[-1]) if wanted is not None else None
    if name == "RandomRotation":
        expands = step.argument(2, "expand")
        return size if expands is None or expands == Const(False) else None
    if name == "Pad":
        around = _numbers(step.argument(0, "padding"), end)
        if size is None or around is None:
            return None
        left, top, right, bottom = around if len(around) == 4 else (around[0], around[-1], around[0], around[-1])
        return size[0] + top + bottom, size[1] + left + right
    return None


def _numbers(value: Value | None, end: "State") -> tuple[int, ...] | None:
    """One number or several: `32`, `(32, 32)`, `[1, 2, 1, 2]`."""
    if isinstance(value, Const):
        return (value.value,) if type(value.value) is int and not value.assumed else None
    held = end.get(value, CONTENT) if isinstance(value, ListRef) else None
    items = value.items if isinstance(value, TupleOf) else held.items if isinstance(held, Items) else None
    if items is None or len(items) not in (1, 2, 4):
        return None
    known = [item.value for item in items if isinstance(item, Const) and type(item.value) is int and not item.assumed]
    return tuple(known) if len(known) == len(items) else None
