"""Transform pipelines: their steps, and what becomes of an image on its way through them."""

from textwrap import dedent

import pytest

from torchlint.parse import parse
from torchlint.semantic.knowledge.vision import (
    DATASETS,
    RANDOM,
    TRANSFORMS,
    WITHIN_UNIT,
    dataset_class,
    transform_class,
)
from torchlint.semantic.model import Model
from torchlint.semantic.project import Project, Unit
from torchlint.semantic.transforms import Fault, Image, Kind, Step, random_steps, resized_by_short_side, run, steps
from torchlint.source import Source

IMPORTS = """
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets
from torchvision import transforms as T
from torchvision.transforms import v2
"""
NORMALIZE = "T.Normalize((0.5,) * 3, (0.5,) * 3)"


def model_of(code: str, files: dict[str, str] | None = None) -> Model:
    texts = {f"/project/{name}": dedent(text).encode() for name, text in (files or {}).items()}
    source = Source("/project/main.py", IMPORTS + dedent(code))
    return Model(Unit("/project/main.py", source, parse(source)), Project(texts.get))


def pipeline(expression: str, before: str = "") -> tuple[Step, ...]:
    """The steps of an expression."""
    model = model_of(f"{dedent(before)}\nwanted = {expression}")
    return steps(model.global_value("wanted"), model.facts.end)


def names(flat: tuple[Step, ...]) -> list[str]:
    return [step.name for step in flat]


@pytest.mark.parametrize(
    ("expression", "before", "expected"),
    [
        ("T.Compose([T.Resize(4), T.ToTensor()])", "", ["Resize", "ToTensor"]),
        ("T.Compose((T.Resize(4), T.ToTensor()))", "", ["Resize", "ToTensor"]),
        ("T.Compose(transforms=[T.ToTensor()])", "", ["ToTensor"]),
        ("T.Compose([T.Compose([T.Resize(4)]), nn.Sequential(T.CenterCrop(4))])", "", ["Resize", "CenterCrop"]),
        ("T.Compose(l)", "l = [T.Resize(4)]\nl.append(T.ToTensor())", ["Resize", "ToTensor"]),
        ("T.Compose(l)", "l = [T.ToTensor()]\nl.insert(0, T.Resize(4))", ["Resize", "ToTensor"]),
        ("T.Compose(l)", "l = [T.Resize(4)]\nl += [T.ToTensor()]", ["Resize", "ToTensor"]),
        ("T.Compose([T.Resize(4)] + l)", "l = [T.ToTensor()]", ["Resize", "ToTensor"]),
        ("T.Compose([*l, T.ToTensor()])", "l = [T.Resize(4)]", ["Resize", "ToTensor"]),
        ("c", "c = T.Compose([T.Resize(4)])\nc.transforms.append(T.ToTensor())", ["Resize", "ToTensor"]),
        ("T.Compose([T.ToTensor(), lambda x: x, T.Lambda(abs), abs])", "", ["ToTensor", "", "", ""]),
        ("T.Compose(unknown)", "", [""]),
        ("T.Compose([T.ToTensor() for _ in range(n)])", "n = int(input())", [""]),
        ("c", "c = T.Compose([T.ToTensor()])\nc.transforms = []", [""]),
        ("T.Compose()", "", [""]),
        ("T.ToTensor()", "", ["ToTensor"]),
        ("5", "", [""]),
        ("T.RandomApply([T.Resize(4)])", "", ["RandomApply"]),
    ],
)
def test_steps(expression: str, before: str, expected: list[str]) -> None:
    assert names(pipeline(expression, before)) == expected


def test_a_pipeline_that_holds_itself_ends() -> None:
    assert names(pipeline("c", "l = [T.ToTensor()]\nc = T.Compose(l)\nl.append(c)"))[0] == "ToTensor"


def test_a_step_is_of_a_version() -> None:
    assert [step.version for step in pipeline("T.Compose([T.ToTensor(), v2.ToTensor(), abs])")] == [1, 2, 0]


@pytest.mark.parametrize(
    ("expression", "kind", "channels"),
    [
        ("T.ToTensor()", Kind.FLOAT, 3),
        ("T.PILToTensor()", Kind.BYTES, 3),
        ("T.Compose([T.Grayscale(), T.ToTensor()])", Kind.FLOAT, 1),
        ("T.Compose([T.Grayscale(3)])", Kind.PIL, 3),
        ("T.Compose([T.Grayscale(n)])", Kind.PIL, None),
        ("T.Compose([T.PILToTensor(), T.ConvertImageDtype(torch.float32)])", Kind.FLOAT, 3),
        ("T.Compose([T.PILToTensor(), T.ConvertImageDtype(torch.int32)])", Kind.TENSOR, 3),
        ("T.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])", Kind.FLOAT, 3),
        ("v2.ToDtype(torch.float32, scale=True)", Kind.PIL, 3),
        ("v2.Compose([v2.ToTensor(), v2.ToTensor()])", Kind.FLOAT, 3),
        ("T.Compose([T.ToTensor(), T.ToPILImage()])", Kind.PIL, 3),
        ("T.FiveCrop(4)", Kind.CROPS, None),
        ("T.Compose([T.ToTensor(), lambda x: x.repeat(2, 1, 1)])", Kind.FLOAT, None),
        ("T.Compose([lambda x: x.convert('L')])", Kind.PIL, 1),
        ("T.Compose([T.ToTensor(), abs])", Kind.UNKNOWN, None),
        ("T.RandomApply([T.ToTensor()], p=0.5)", Kind.UNKNOWN, None),
        ("T.RandomApply([T.ToTensor()], p=1)", Kind.FLOAT, 3),
        ("T.RandomChoice([T.ToTensor(), T.Compose([T.Grayscale(), T.ToTensor()])])", Kind.FLOAT, None),
        ("T.RandomOrder([T.Grayscale(3), T.RandomHorizontalFlip()])", Kind.PIL, 3),
        ("v2.RGB()", Kind.PIL, 3),
    ],
)
def test_what_comes_out_of_an_image(expression: str, kind: Kind, channels: int | None) -> None:
    image, problems = run(pipeline(expression, "n = int(input())"), Image(Kind.PIL, 3))
    assert (image.kind, image.channels, problems) == (kind, channels, [])


@pytest.mark.parametrize(
    ("expression", "start", "blamed", "always"),
    [
        (f"[{NORMALIZE}, T.ToTensor()]", Kind.UNKNOWN, "Normalize", True),
        (f"[{NORMALIZE}, T.ToTensor()]", Kind.PIL, "Normalize", True),
        ("[T.ToTensor(), T.ToTensor()]", Kind.UNKNOWN, "ToTensor", True),
        ("[T.RandomErasing(), T.ToTensor()]", Kind.UNKNOWN, "RandomErasing", False),
        ("[T.RandomErasing(p=1), T.ToTensor()]", Kind.UNKNOWN, "RandomErasing", True),
        ("[T.RandomErasing(), T.ToTensor()]", Kind.PIL, "RandomErasing", False),
        ("[T.ToTensor(), T.RandAugment()]", Kind.UNKNOWN, "RandAugment", False),
        ("[T.ToTensor(), T.RandomPosterize(2, p=1.0)]", Kind.UNKNOWN, "RandomPosterize", True),
        (f"[T.PILToTensor(), {NORMALIZE}]", Kind.UNKNOWN, "Normalize", True),
        ("[T.PILToTensor(), T.PILToTensor()]", Kind.UNKNOWN, "PILToTensor", True),
        ("[T.ToPILImage()]", Kind.PIL, "ToPILImage", True),
        ("[T.Resize(4)]", Kind.ARRAY, "Resize", True),
        ("[T.ToTensor()]", Kind.NUMBER, "ToTensor", True),
        ("[T.TenCrop(4), T.ToTensor()]", Kind.UNKNOWN, "ToTensor", True),
        ("[T.RandomApply([T.ToTensor()], p=0.3)]", Kind.FLOAT, "ToTensor", False),
        ("[v2.Normalize([0.5], [0.5])]", Kind.PIL, "Normalize", True),
        ("[v2.GaussianNoise()]", Kind.PIL, "GaussianNoise", True),
    ],
)
def test_kinds_that_a_step_does_not_take(expression: str, start: Kind, blamed: str, always: bool) -> None:
    problem = run(pipeline(expression), Image(start))[1][0]
    assert (problem.fault, problem.blamed.name, problem.always) == (Fault.KIND, blamed, always)


@pytest.mark.parametrize(
    "expression",
    [
        f"[T.ToTensor(), T.RandomErasing(), {NORMALIZE}]",
        f"[{NORMALIZE}]",
        f"[v2.RandomErasing(), v2.ToImage(), v2.ToDtype(torch.float32), {NORMALIZE}]",
        "[T.ToTensor(), v2.RandomPosterize(2, p=1.0)]",
        "[T.ToTensor(), T.RandomEqualize(p=0)]",
        f"[T.ToTensor(), abs, T.ToTensor(), {NORMALIZE}]",
        f"[v2.ToTensor(), T.PILToTensor() if input() else abs, {NORMALIZE}]",
    ],
)
def test_right_orders(expression: str) -> None:
    assert run(pipeline(expression))[1] == []


@pytest.mark.parametrize(
    ("mean", "std", "channels", "fits"),
    [
        ("(0.5, 0.5, 0.5)", "(0.5, 0.5, 0.5)", 3, True),
        ("(0.5, 0.5, 0.5)", "(0.5, 0.5, 0.5)", 1, False),
        ("(0.5, 0.5, 0.5)", "(0.5, 0.5, 0.5)", 4, False),
        ("(0.5, 0.5, 0.5)", "(0.5, 0.5, 0.5)", None, True),
        ("[0.5]", "[0.5]", 3, True),
        ("0.5", "0.5", 3, True),
        ("(0.5, 0.5, 0.5)", "[0.5]", 3, True),
        ("(0.5, 0.5, 0.5)", "(0.5, 0.5)", None, False),
        ("mean", "(0.5, 0.5, 0.5)", 1, True),
        ("torch.tensor([0.5])", "torch.tensor([0.5])", 1, True),
    ],
)
def test_channels(mean: str, std: str, channels: int | None, fits: bool) -> None:
    problems = run(pipeline(f"T.Normalize({mean}, {std})", "mean = input()"), Image(Kind.FLOAT, channels))[1]
    assert [problem.fault for problem in problems] == ([] if fits else [Fault.CHANNELS])


def test_numbers_for_v2_are_no_sequences() -> None:
    assert run(pipeline("v2.Normalize(0.5, 0.5)"))[1][0].fault is Fault.CHANNELS


def test_colours_after_normalize() -> None:
    flat = pipeline(f"[T.ToTensor(), {NORMALIZE}, T.RandomErasing(), T.ColorJitter(0.2)]")
    assert [(problem.fault, problem.step.name) for problem in run(flat)[1]] == [(Fault.RANGE, "ColorJitter")]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[T.RandomHorizontalFlip(), T.ColorJitter(0.1)]", ["RandomHorizontalFlip", "ColorJitter"]),
        ("[T.RandomHorizontalFlip(p=0), T.RandomVerticalFlip(1.0)]", []),
        ("[T.RandomRotation((90, 90)), T.RandomRotation(0), T.ColorJitter()]", []),
        ("[T.RandomApply([T.RandomCrop(4)])]", ["RandomCrop"]),
        ("[T.Resize(4), T.FiveCrop(4), abs]", []),
    ],
)
def test_random_steps(expression: str, expected: list[str]) -> None:
    assert [step.name for step in random_steps(pipeline(expression))] == expected


def test_random_steps_that_move_pixels() -> None:
    flat = pipeline("[T.ColorJitter(0.1), T.RandomErasing(), T.RandomCrop(4)]")
    assert [step.name for step in random_steps(flat, geometry=True)] == ["RandomCrop"]


@pytest.mark.parametrize(
    ("expression", "short"),
    [
        ("[T.Resize(4), T.ToTensor()]", True),
        ("[T.Resize([4])]", True),
        ("[T.Resize((4, 4))]", False),
        ("[T.Resize(4), T.CenterCrop(4)]", False),
        ("[T.Resize(size)]", False),
        ("[T.Resize(4, max_size=8)]", False),
        ("[T.Resize(4), abs]", False),
        ("[T.ToTensor()]", False),
    ],
)
def test_resized_by_the_short_side(expression: str, short: bool) -> None:
    model = model_of(f"size = input()\nwanted = {expression}")
    flat = steps(model.global_value("wanted"), model.facts.end)
    assert (resized_by_short_side(flat, model.facts.end) is not None) is short


@pytest.mark.parametrize(
    ("code", "kind", "channels", "target", "part"),
    [
        ("datasets.MNIST('d', False)", Kind.PIL, 1, "number", False),
        ("datasets.CIFAR10('d', train=flag)", Kind.PIL, 3, "number", None),
        ("datasets.SVHN('d', 'test')", Kind.PIL, 3, "number", "test"),
        ("datasets.ImageFolder('d', loader=print)", Kind.UNKNOWN, None, "number", None),
        ("datasets.FakeData(4, (1, 8, 8))", Kind.PIL, 1, "number", None),
        ("datasets.FakeData(4)", Kind.PIL, 3, "number", None),
        ("datasets.OxfordIIITPet('d', target_types='segmentation')", Kind.PIL, 3, "mask", None),
        ("datasets.OxfordIIITPet('d', target_types=flag)", Kind.PIL, 3, "other", None),
        ("datasets.Cityscapes('d', 'val', 'fine', 'semantic')", Kind.PIL, 3, "mask", "val"),
        ("Own('d', True)", Kind.PIL, 1, "number", None),
    ],
)
def test_datasets(code: str, kind: Kind, channels: int | None, target: str, part: object) -> None:
    model = model_of(
        f"""
        class Own(datasets.MNIST):
            def __init__(self, root, flag):
                super().__init__(root)
        flag = input()
        data = {code}
        """
    )
    (dataset,) = model.pipelines.datasets
    assert (dataset.image.kind, dataset.image.channels, dataset.target, dataset.part) == (kind, channels, target, part)


OWN = {
    "own.py": """
    from PIL import Image
    from torch.utils.data import Dataset

    class Own(Dataset):
        def __init__(self, paths, transform=None, target_transform=None):
            self.paths = paths
            self.transform = transform
            self.target_transform = target_transform

        def read(self, index):
            return Image.open(self.paths[index])

        def __getitem__(self, index):
            image = self.read(index)
            target = image.convert("L")
            if self.transform is not None:
                image = self.transform(image)
            if self.target_transform is not None:
                target = self.target_transform(target)
            return image, target
    """
}


def test_what_a_dataset_of_another_file_puts_through_which_pipeline() -> None:
    model = model_of(
        """
        from own import Own
        train = Own([], T.Compose([T.ToTensor()]), T.PILToTensor())
        test = Own([], T.Compose([T.Resize(4)]))
        """,
        OWN,
    )
    found = [(names(use.steps), use.image.kind, use.image.channels) for use in model.pipelines.uses]
    assert found == [
        (["ToTensor"], Kind.PIL, None), (["PILToTensor"], Kind.PIL, 1), (["Resize"], Kind.PIL, None),
    ]  # fmt: skip


def test_which_of_two_transforms_is_not_certain() -> None:
    model = model_of(
        """
        transform = T.Compose([T.ToTensor()]) if input() else T.Compose([T.Resize(4)])
        data = datasets.MNIST("d", transform=transform)
        later = datasets.MNIST("d", transform=T.ToTensor())
        later.transform = T.Compose([T.Resize(4)])
        """
    )
    assert [names(use.steps) for use in model.pipelines.uses] == [["Resize"]]


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("torchvision.transforms.ToTensor", ("ToTensor", 1)),
        ("torchvision.transforms.transforms.ToTensor", ("ToTensor", 1)),
        ("torchvision.transforms.v2.ToTensor", ("ToTensor", 2)),
        ("torchvision.transforms.v2.functional.Resize", None),
        ("torchvision.transforms.Unheard", None),
        ("albumentations.Normalize", None),
        (None, None),
    ],
)
def test_transform_class(symbol: str | None, expected: tuple[str, int] | None) -> None:
    assert transform_class(symbol) == expected


def test_the_tables_agree() -> None:
    assert RANDOM.keys() <= TRANSFORMS
    assert RANDOM.keys() >= WITHIN_UNIT
    assert dataset_class("torchvision.datasets.MNIST") is DATASETS["MNIST"]
    assert dataset_class("own.datasets.MNIST") is None
    assert dataset_class(None) is None
