"""torchvision: its transforms by what they take and do, its datasets by what they give.

All of it is as in torchvision 0.28, where v1 is `torchvision.transforms` and v2 `torchvision.transforms.v2`.
https://docs.pytorch.org/vision/stable/transforms.html
"""

from typing import NamedTuple

_V1 = ("torchvision.transforms.", "torchvision.transforms.transforms.", "torchvision.transforms.autoaugment.")
_V2 = ("torchvision.transforms.v2.",)
TRANSFORM_PACKAGES = (*_V1, *_V2)
TRANSFORM_MODULES = frozenset(package.rstrip(".") for package in TRANSFORM_PACKAGES)

# -- transforms: all known ones, those that may be called without arguments first -------------------------

WITHOUT_ARGUMENTS = frozenset({
    "ToTensor", "PILToTensor", "ToPILImage", "RandomHorizontalFlip", "RandomVerticalFlip", "Grayscale",
    "RandomGrayscale", "ColorJitter", "RandomErasing", "RandomPerspective", "RandomEqualize", "RandomAutocontrast",
    "RandomInvert", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix", "ToImage", "ToPureTensor",
    "RandomPhotometricDistort", "RandomZoomOut", "RandomChannelPermutation", "Identity", "RGB", "GaussianNoise",
    "ElasticTransform",
})  # fmt: skip
WITH_ARGUMENTS = frozenset({
    "Resize", "CenterCrop", "RandomCrop", "RandomResizedCrop", "Normalize", "Compose", "Lambda", "RandomApply", "Pad",
    "RandomChoice", "RandomOrder", "RandomRotation", "RandomAffine", "LinearTransformation", "FiveCrop", "TenCrop",
    "GaussianBlur", "RandomPosterize", "RandomSolarize", "RandomAdjustSharpness", "ConvertImageDtype", "Scale",
    "RandomSizedCrop", "ToDtype", "ScaleJitter", "RandomShortestSize", "RandomResize",
})  # fmt: skip
TRANSFORMS = WITHOUT_ARGUMENTS | WITH_ARGUMENTS
COMPOSE = frozenset(f"{package}Compose" for package in TRANSFORM_PACKAGES)

# Transforms that draw where each pixel goes, and how likely they do something: the position of `p` and its default.
# None: always. The two that mix colours and places are among them.
RANDOM_GEOMETRY: dict[str, tuple[int, float] | None] = {
    "RandomHorizontalFlip": (0, 0.5), "RandomVerticalFlip": (0, 0.5), "RandomPerspective": (1, 0.5), "RandomCrop": None,
    "RandomResizedCrop": None, "RandomRotation": None, "RandomAffine": None, "ElasticTransform": None,
    "AutoAugment": None, "RandAugment": None, "TrivialAugmentWide": None, "AugMix": None, "RandomZoomOut": (2, 0.5),
    "RandomShortestSize": None, "RandomResize": None, "ScaleJitter": None, "RandomSizedCrop": None,
}  # fmt: skip
# Transforms that draw what a pixel becomes.
RANDOM_COLOUR: dict[str, tuple[int, float] | None] = {
    "ColorJitter": None, "RandomGrayscale": (0, 0.1), "RandomInvert": (0, 0.5), "RandomPosterize": (1, 0.5),
    "RandomSolarize": (1, 0.5), "RandomAdjustSharpness": (1, 0.5), "RandomAutocontrast": (0, 0.5),
    "RandomEqualize": (0, 0.5), "RandomPhotometricDistort": (4, 0.5), "RandomErasing": (0, 0.5), "GaussianNoise": None,
    "RandomChannelPermutation": None,
}  # fmt: skip
RANDOM = {**RANDOM_GEOMETRY, **RANDOM_COLOUR}
# Transforms of colours that take a float tensor for an image from 0 to 1, and clamp to that or compute with 1.
WITHIN_UNIT = frozenset({
    "ColorJitter", "RandomAdjustSharpness", "RandomInvert", "RandomSolarize", "RandomPhotometricDistort",
    "RandomPosterize", "RandomEqualize", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix",
})  # fmt: skip
# Transforms of v1 that take tensors only.
TENSORS_ONLY = frozenset({"Normalize", "ConvertImageDtype", "RandomErasing", "LinearTransformation"})
# Transforms of v1 that take tensors of `uint8` only, or do so with some of their operations.
BYTES_ONLY = frozenset({
    "RandomPosterize", "RandomEqualize", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix",
})  # fmt: skip
# Transforms after which all images have the size that they were given.
SIZING = frozenset({"CenterCrop", "RandomCrop", "RandomResizedCrop", "RandomSizedCrop", "FiveCrop", "TenCrop"})


def transform_class(symbol: str | None) -> tuple[str, int] | None:
    """Name and version (1 or 2) of a transform by its qualified name; None for what is no transform known here."""
    if symbol is None or not symbol.startswith("torchvision.transforms."):
        return None
    name = symbol.rpartition(".")[2]
    package = symbol[: -len(name)]
    if name not in TRANSFORMS:
        return None
    return (name, 1) if package in _V1 else (name, 2) if package in _V2 else None


# -- datasets ----------------------------------------------------------------------------------------------


class DatasetClass(NamedTuple):
    """A class of `torchvision.datasets`.

    Attributes:
        mode: the mode of the PIL images that it gives; None where files decide, or where they are none.
        size: width and height of all its images; None where they differ.
        target: what a target is: `number`, `mask` (class indices in an image) or `other`.
        transform: the position of `transform` in the constructor, `target_transform` is the next one; None where
            it is given by name only.
        part: the parameter that says whether it is the training part, and its position; None where there is none.
    """

    mode: str | None
    size: tuple[int, int] | None
    target: str
    transform: int | None
    part: tuple[str, int] | None = None


_TRAIN, _SPLIT = ("train", 1), ("split", 1)
DATASETS: dict[str, DatasetClass] = {
    "MNIST": DatasetClass("L", (28, 28), "number", 2, _TRAIN),
    "FashionMNIST": DatasetClass("L", (28, 28), "number", 2, _TRAIN),
    "KMNIST": DatasetClass("L", (28, 28), "number", 2, _TRAIN),
    "EMNIST": DatasetClass("L", (28, 28), "number", None, None),
    "QMNIST": DatasetClass("L", (28, 28), "number", None, None),
    "USPS": DatasetClass("L", (16, 16), "number", 2, _TRAIN),
    "SEMEION": DatasetClass("L", (16, 16), "number", 1),
    "FER2013": DatasetClass("L", (48, 48), "number", 2, _SPLIT),
    "Omniglot": DatasetClass("L", (105, 105), "number", 2),
    "CIFAR10": DatasetClass("RGB", (32, 32), "number", 2, _TRAIN),
    "CIFAR100": DatasetClass("RGB", (32, 32), "number", 2, _TRAIN),
    "SVHN": DatasetClass("RGB", (32, 32), "number", 2, _SPLIT),
    "STL10": DatasetClass("RGB", (96, 96), "number", 3, _SPLIT),
    "EuroSAT": DatasetClass("RGB", (64, 64), "number", 1),
    "PCAM": DatasetClass("RGB", (96, 96), "number", 2, _SPLIT),
    "CelebA": DatasetClass("RGB", (178, 218), "other", 3, _SPLIT),
    "LFWPeople": DatasetClass("RGB", (250, 250), "number", 3, _SPLIT),
    "CLEVRClassification": DatasetClass("RGB", (480, 320), "other", 2, _SPLIT),
    "ImageFolder": DatasetClass("RGB", None, "number", 1),
    "ImageNet": DatasetClass("RGB", None, "number", None, _SPLIT),
    "Imagenette": DatasetClass("RGB", None, "number", 4, _SPLIT),
    "Country211": DatasetClass("RGB", None, "number", 2, _SPLIT),
    "DTD": DatasetClass("RGB", None, "number", 3, _SPLIT),
    "FGVCAircraft": DatasetClass("RGB", None, "number", 3, _SPLIT),
    "Flowers102": DatasetClass("RGB", None, "number", 2, _SPLIT),
    "Food101": DatasetClass("RGB", None, "number", 2, _SPLIT),
    "GTSRB": DatasetClass("RGB", None, "number", 2, _SPLIT),
    "StanfordCars": DatasetClass("RGB", None, "number", 2, _SPLIT),
    "SUN397": DatasetClass("RGB", None, "number", 1),
    "RenderedSST2": DatasetClass("RGB", (448, 448), "number", 2, _SPLIT),
    "Places365": DatasetClass("RGB", None, "number", 4, _SPLIT),
    "INaturalist": DatasetClass("RGB", None, "other", 3),
    "Caltech101": DatasetClass(None, None, "other", 2),
    "Caltech256": DatasetClass(None, None, "number", 1),
    "VOCSegmentation": DatasetClass("RGB", None, "mask", 4, ("image_set", 2)),
    "VOCDetection": DatasetClass("RGB", None, "other", 4, ("image_set", 2)),
    "Cityscapes": DatasetClass("RGB", (2048, 1024), "other", 4, _SPLIT),
    "OxfordIIITPet": DatasetClass("RGB", None, "number", 4, _SPLIT),
    "CocoDetection": DatasetClass("RGB", None, "other", 2),
    "CocoCaptions": DatasetClass("RGB", None, "other", 2),
    "FakeData": DatasetClass("RGB", (224, 224), "number", 3),
}
# Where the other kind of target stands: its parameter and position, and what a target is then by its value.
TARGET_KINDS = {
    "Cityscapes": (("target_type", 3), {"semantic": "mask"}),
    "OxfordIIITPet": (("target_types", 2), {"segmentation": "mask"}),
}
# The argument by which images come from a function of the program, and no mode is known.
LOADER_ARGUMENT = {"ImageFolder": 3, "EuroSAT": 4}
PREFIX = "torchvision.datasets."


def dataset_class(symbol: str | None) -> DatasetClass | None:
    """What is known of a class of datasets by its qualified name; None for others."""
    if symbol is None or not symbol.startswith(PREFIX):
        return None
    return DATASETS.get(symbol.rpartition(".")[2])
