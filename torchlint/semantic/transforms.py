"""Transform pipelines of torchvision: which steps they take, and what becomes of an image on its way through them.

An image is followed step by step: whether it is a PIL image, an array or a tensor, of bytes or floats, with how many
channels. Steps that are not known, such as functions of the program, make it unknown again, so a fault that is found
is one whatever they do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.knowledge.vision import (
    BYTES_ONLY,
    RANDOM,
    RANDOM_GEOMETRY,
    SIZING,
    TENSORS_ONLY,
    WITHIN_UNIT,
    transform_class,
)
from torchlint.semantic.values import (
    CONTENT,
    Array,
    Const,
    FunctionInfo,
    FunctionRef,
    Instance,
    Items,
    ListRef,
    Origin,
    Scalar,
    Symbol,
    Tensor,
    TupleOf,
    Value,
)

if TYPE_CHECKING:
    from torchlint.semantic.state import State

PIL_IMAGE = "PIL.Image.Image"
# Where a PIL image keeps its mode, "?" for one that is converted in some way; missing for one as the file has it.
MODE = "#mode"
# What `cv2.imread` gives: an array whose channels are blue, green and red.
BGR_ARRAY = "cv2.Image"
MAX_NESTING = 8
_FLOATS = frozenset({"float", "float16", "float32", "float64", "double", "half", "bfloat16"})
_CHOOSING = frozenset({"RandomApply", "RandomChoice", "RandomOrder"})
# Methods of tensors that PIL images lack, and that keep the numbers as they are.
_TENSOR_METHODS = frozenset({
    "repeat", "expand", "unsqueeze", "squeeze", "permute", "view", "reshape", "flatten", "float", "mul", "div", "sub",
    "add", "numpy", "clamp", "unfold", "contiguous",
})  # fmt: skip
_RESHAPING = frozenset({"repeat", "expand", "unsqueeze", "squeeze", "permute", "view", "reshape", "flatten"})


class Kind(Enum):
    """What an image is."""

    UNKNOWN = "something unknown"
    PIL = "a PIL image"
    ARRAY = "an array"
    BYTES = "a tensor of `uint8`"
    FLOAT = "a tensor of floats"
    TENSOR = "a tensor"
    CROPS = "a tuple of crops"
    NUMBER = "a number"

    @property
    def is_tensor(self) -> bool:
        """Whether it is a tensor, of whatever type."""
        return self in (Kind.BYTES, Kind.FLOAT, Kind.TENSOR)


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a pipeline.

    `name`: that of a transform of torchvision, "" for anything else; `version`: 1 or 2, 0 for anything else.
    `inside`: what `RandomApply` and its like choose from, the steps of each choice.
    `widths`: how many numbers `mean` and `std` of a `Normalize` have, 0 for a bare number; None where not known.
    """

    value: Value
    name: str = ""
    version: int = 0
    inside: tuple[tuple["Step", ...], ...] = ()
    widths: tuple[int, int] | None = None

    @property
    def origin(self) -> Origin | None:
        """Where it is made."""
        return self.value.origin

    def argument(self, index: int | None, *names: str) -> Value | None:
        """An argument of its constructor; None when it is not given."""
        return self.value.arguments.get(index, *names) if isinstance(self.value, Instance) else None

    @property
    def inside_all(self) -> tuple["Step", ...]:
        """The steps of all its choices."""
        return tuple(step for choice in self.inside for step in choice)

    @property
    def chance(self) -> float:
        """How likely a random transform does something; 1.0 for others, and where that is not known."""
        known = RANDOM.get(self.name)
        if known is None:
            return 1.0
        given = self.argument(known[0], "p")
        if given is None:
            return known[1] if not isinstance(self.value, Instance) or self.value.arguments.complete else 1.0
        return float(given.value) if isinstance(given, Const) and isinstance(given.value, (int, float)) else 1.0


@dataclass(frozen=True)
class Image:
    """What is known of an image at a point of a pipeline.

    Attributes:
        kind: what it is.
        channels: how many it has, None where that is not known.
        by: the step that made it what it is; `demanded`: that took nothing else, rather than made it.
        scaled: the step that made 0 to 1 of 0 to 255.
        normalized: the step that normalized it.
    """

    kind: Kind = Kind.UNKNOWN
    channels: int | None = None
    by: Step | None = None
    demanded: bool = False
    scaled: Step | None = None
    normalized: Step | None = None


ANYTHING = Image()


class Fault(Enum):
    """What is wrong with a step where it stands."""

    KIND = "it does not take what it is given"
    CHANNELS = "it is for another number of channels"
    RANGE = "it takes numbers from 0 to 1 and gets normalized ones"


class Problem(NamedTuple):
    """A step that is wrong where it stands: what it gets there. `always`: whatever the random numbers are."""

    fault: Fault
    step: Step
    image: Image
    always: bool = True

    @property
    def blamed(self) -> Step:
        """The step that stands in the wrong place: that itself, or one before it that takes nothing else."""
        image = self.image
        return image.by if self.fault is Fault.KIND and image.demanded and image.by is not None else self.step


def steps(value: Value, end: "State") -> tuple[Step, ...]:
    """The steps of a pipeline in order, nested ones in their place: of a `Compose`, a list, or one transform.

    A step that is not known is one without a name.
    """
    return tuple(_steps(value, end, 0))


def _steps(value: Value, end: "State", depth: int) -> Iterator[Step]:
    if depth > MAX_NESTING:
        yield Step(value)
    elif isinstance(value, (ListRef, TupleOf)):
        items = _items(value, end)
        if items is None:
            yield Step(value)
        for item in items or ():
            yield from _steps(item, end, depth + 1)
    elif not isinstance(value, Instance):
        yield Step(value)
    elif value.symbol == "torch.nn.Sequential":
        for part in value.arguments.positional if value.arguments.complete else (value,):
            if part is value or not isinstance(part, Instance):
                yield Step(value)
            else:
                yield from _steps(part, end, depth + 1)
    else:
        known = transform_class(value.symbol)
        if known is None:
            yield Step(value)
        elif known[0] == "Compose":
            held = value.arguments.get(0, "transforms")
            written = end.get(value, "transforms")
            if held is None or written is not None:
                yield Step(value)
            else:
                yield from _steps(held, end, depth + 1)
        elif known[0] in _CHOOSING:
            yield Step(value, *known, _choices(value, known[0], end, depth))
        elif known[0] == "Lambda":
            yield Step(value)
        else:
            yield Step(value, *known, widths=_widths(value, end) if known[0] == "Normalize" else None)


def _choices(value: Instance, name: str, end: "State", depth: int) -> tuple[tuple[Step, ...], ...]:
    held = value.arguments.get(0, "transforms")
    if held is None:
        return ()
    if name != "RandomChoice":
        return (tuple(_steps(held, end, depth + 1)),)
    items = _items(held, end)
    return tuple(tuple(_steps(item, end, depth + 1)) for item in items or ()) or ((Step(held),),)


def _items(value: Value, end: "State") -> tuple[Value, ...] | None:
    """The elements of a list or tuple, when they are known one by one."""
    if isinstance(value, TupleOf):
        return value.items
    held = end.get(value, CONTENT) if isinstance(value, ListRef) else None
    return held.items if isinstance(held, Items) else None


def is_pipeline(value: Value) -> bool:
    """Whether a value is a transform of torchvision, or a list of such."""
    if isinstance(value, Instance):
        return transform_class(value.symbol) is not None or value.symbol == "torch.nn.Sequential"
    return isinstance(value, (ListRef, TupleOf))


def every_step(pipeline: Sequence[Step]) -> Iterator[Step]:
    """All steps, those inside of `RandomApply` and its like after it."""
    for step in pipeline:
        yield step
        for choice in step.inside:
            yield from every_step(choice)


def random_steps(pipeline: Sequence[Step], *, geometry: bool = False) -> Iterator[Step]:
    """The steps that change an image by chance; with `geometry` those that move pixels."""
    names = RANDOM_GEOMETRY if geometry else RANDOM
    for step in every_step(pipeline):
        if step.name in names and step.chance > 0 and (names[step.name] is None or step.chance < 1):
            if not _is_fixed(step):
                yield step


def _is_fixed(step: Step) -> bool:
    """Whether its arguments leave nothing to chance: `RandomRotation((90, 90))`, `ColorJitter()`."""
    if step.name == "RandomRotation":
        degrees = step.argument(0, "degrees")
        if isinstance(degrees, Const):
            return bool(degrees.value == 0)
        return isinstance(degrees, TupleOf) and len(degrees.items) == 2 and degrees.items[0] == degrees.items[1]
    if step.name == "ColorJitter":
        return (
            isinstance(step.value, Instance)
            and step.value.arguments.complete
            and not (step.value.arguments.positional or step.value.arguments.keywords)
        )
    return False


def resized_by_short_side(pipeline: Sequence[Step], end: "State") -> Step | None:
    """The last `Resize` with one number, if the images have no common size after the pipeline for all that is known.

    None as well where any step may give them one.
    """
    last: Step | None = None
    for step in pipeline:
        if not step.name or step.name in SIZING:
            return None
        if any(
            inner.name in SIZING or inner.name == "Resize" or not inner.name for inner in every_step(step.inside_all)
        ):
            return None
        if step.name == "Resize":
            size = step.argument(0, "size")
            if size is None or step.argument(2, "max_size") is not None:
                return None
            items = _items(size, end)
            if items is not None and len(items) == 1:
                size = items[0]
            if not isinstance(size, Const) or not isinstance(size.value, int):
                return None
            last = step
    return last


def image_of(value: Value | None) -> Image:
    """What a value is as an image."""
    if isinstance(value, Array):
        return Image(Kind.ARRAY)
    if isinstance(value, Instance) and value.symbol == PIL_IMAGE:
        mode = value.base.get(MODE)
        return Image(Kind.PIL, channels_of(mode.value) if isinstance(mode, Const) else None)
    if isinstance(value, Instance) and value.symbol == BGR_ARRAY:
        return Image(Kind.ARRAY, 3)
    if isinstance(value, Tensor) and not value.batch:
        if value.dtype is None:
            return Image(Kind.TENSOR)
        return Image(Kind.BYTES if value.dtype == "uint8" else Kind.FLOAT if value.dtype in _FLOATS else Kind.TENSOR)
    if isinstance(value, Scalar) and value.kind in ("int", "float", "number"):
        return Image(Kind.NUMBER)
    return ANYTHING


def channels_of(mode: object) -> int | None:
    """The channels of a PIL image of a mode, None where that is not known."""
    return {"L": 1, "P": 1, "1": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}.get(mode) if isinstance(mode, str) else None


def run(pipeline: Sequence[Step], image: Image = ANYTHING) -> tuple[Image, list[Problem]]:
    """What comes out of a pipeline, and which steps are wrong where they stand. After one that always fails the
    image is unknown."""
    problems: list[Problem] = []
    for step in pipeline:
        image = _apply(step, image, problems)
    return image, problems


def _apply(step: Step, image: Image, problems: list[Problem]) -> Image:
    if step.inside:
        return _choose(step, image, problems)
    if not step.name:
        return _custom(step, image, problems)
    chance = step.chance
    if chance == 0:
        return image
    problem = _kind_problem(step, image)
    if problem:
        # Something in it may still be done to any image.
        sometimes = image.kind is Kind.FLOAT and step.name in BYTES_ONLY - {"RandomPosterize", "RandomEqualize"}
        # One that takes tensors only, but is left out by chance, lets the image through then.
        left_out = image.demanded and image.by is not None and image.by.chance < 1
        problems.append(Problem(Fault.KIND, step, image, chance == 1 and not sometimes and not left_out))
        return ANYTHING
    if step.name in WITHIN_UNIT and image.normalized is not None:
        problems.append(Problem(Fault.RANGE, step, image, chance == 1))
    if step.name == "Normalize":
        widths = step.widths
        if not fits(step, image.channels):
            problems.append(Problem(Fault.CHANNELS, step, image))
            return ANYTHING
        if step.version == 2 and image.kind in (Kind.ARRAY, Kind.UNKNOWN):
            return replace(image, normalized=step)
        channels = max(image.channels, *widths) if image.channels and widths else image.channels
        return Image(Kind.FLOAT, channels, *_made_by(step, image), scaled=image.scaled, normalized=step)
    return _changed(step, image)


def _made_by(step: Step, image: Image) -> tuple[Step | None, bool]:
    """Whose work it is that the image is a tensor: a step that takes tensors only may say so of an unknown one."""
    return (image.by, image.demanded) if image.kind.is_tensor else (step, True)


def _choose(step: Step, image: Image, problems: list[Problem]) -> Image:
    """`RandomApply`, `RandomChoice`, `RandomOrder`: what holds whatever is chosen."""
    given = step.argument(1, "p")
    sure = step.name == "RandomApply" and isinstance(given, Const) and given.value == 1
    if step.name == "RandomApply" and isinstance(given, Const) and given.value == 0:
        return image
    results = [] if sure or step.name != "RandomApply" else [image]
    for choice in step.inside:
        found: list[Problem] = []
        result = image
        for inner in choice:
            # In any order: each may be the first.
            before = image if step.name == "RandomOrder" else result
            result = _apply(inner, before, found)
            if step.name == "RandomOrder" and result.kind is not image.kind:
                result = ANYTHING
        problems.extend(problem._replace(always=problem.always and sure) for problem in found)
        results.append(result)
    first = results[0]
    if any(result.kind is not first.kind for result in results):
        return ANYTHING
    if any(result.channels != first.channels for result in results):
        first = replace(first, channels=None)
    return (
        first if all(result.normalized is first.normalized for result in results) else replace(first, normalized=None)
    )


def _kind_problem(step: Step, image: Image) -> bool:
    """Whether a step raises, or may, for what the image is."""
    kind, name = image.kind, step.name
    if kind is Kind.UNKNOWN:
        return False
    if step.version == 2:
        if kind is Kind.PIL:
            return name in ("Normalize", "LinearTransformation", "GaussianNoise")
        return kind is Kind.BYTES and name == "Normalize"
    if name == "ToTensor":
        return kind not in (Kind.PIL, Kind.ARRAY)
    if name == "PILToTensor":
        return kind is not Kind.PIL
    if name == "ToPILImage":
        return not kind.is_tensor and kind is not Kind.ARRAY
    if kind in (Kind.ARRAY, Kind.CROPS, Kind.NUMBER):
        return True
    if name in TENSORS_ONLY:
        return kind is Kind.PIL or (name == "Normalize" and kind is Kind.BYTES)
    return name in BYTES_ONLY and kind is Kind.FLOAT


def _changed(step: Step, image: Image) -> Image:
    """What a step that takes the image makes of it."""
    name, kind, v2 = step.name, image.kind, step.version == 2
    if name == "ToTensor":
        if v2 and kind.is_tensor:
            return image
        scaled = step if kind is Kind.PIL else None
        unsure = kind is Kind.UNKNOWN and v2
        return Image(Kind.TENSOR if unsure else Kind.FLOAT, image.channels, None if unsure else step, scaled=scaled)
    if name in ("PILToTensor", "ToImage"):
        if kind.is_tensor or (kind is Kind.UNKNOWN and v2 and name == "PILToTensor"):
            return image
        if v2 and name == "PILToTensor" and kind is not Kind.PIL:
            return image
        surely = kind is Kind.PIL or name == "PILToTensor"
        return Image(Kind.BYTES if surely else Kind.TENSOR, image.channels, step)
    if name == "ToPILImage":
        return image if kind is Kind.PIL else Image(Kind.PIL, image.channels, step)
    if name in ("ConvertImageDtype", "ToDtype"):
        return _converted(step, image)
    if name == "Grayscale":
        given = step.argument(0, "num_output_channels")
        wanted = 1 if given is None else given.value if isinstance(given, Const) else None
        return replace(image, channels=wanted if isinstance(wanted, int) else None)
    if name == "RGB":
        return replace(image, channels=3)
    if name in ("FiveCrop", "TenCrop"):
        return Image(Kind.CROPS if not v2 else Kind.UNKNOWN, None, step)
    if step.version == 1 and name in TENSORS_ONLY and not kind.is_tensor:
        return Image(Kind.TENSOR, image.channels, step, True)
    return image


def _converted(step: Step, image: Image) -> Image:
    """`ConvertImageDtype`, `ToDtype`: the latter scales only if it is told so."""
    if not image.kind.is_tensor:
        unknown = image.kind is Kind.UNKNOWN and step.version == 1
        return Image(Kind.TENSOR, image.channels, step, True) if unknown else image
    dtype = step.argument(0, "dtype")
    scale = step.argument(1, "scale")
    scales = step.name == "ConvertImageDtype" or (isinstance(scale, Const) and scale.value is True)
    if isinstance(dtype, Const) or (dtype is None and step.name == "ConvertImageDtype"):
        dtype = Symbol("torch.float32") if dtype is None else dtype
    name = dtype.name.rpartition(".")[2] if isinstance(dtype, Symbol) else ""
    if name in _FLOATS:
        scaled = step if scales and image.kind is Kind.BYTES else image.scaled
        return replace(image, kind=Kind.FLOAT, by=step, demanded=False, scaled=scaled)
    kind = Kind.BYTES if name == "uint8" else Kind.TENSOR
    return replace(image, kind=kind, by=step, demanded=False, scaled=None)


def _custom(step: Step, image: Image, problems: list[Problem]) -> Image:
    """A function of the program: known if all it does is to call one method of the image."""
    method = _method_of_lambda(step.value)
    if method is None:
        return ANYTHING
    name, mode = method
    if name == "convert":
        if image.kind.is_tensor and not image.demanded:
            problems.append(Problem(Fault.KIND, step, image))
            return ANYTHING
        return Image(Kind.PIL, channels_of(mode), step)
    if image.kind is Kind.PIL:
        problems.append(Problem(Fault.KIND, step, image))
        return ANYTHING
    if image.kind.is_tensor and name in _RESHAPING:
        return replace(image, channels=None)
    return ANYTHING


def _method_of_lambda(value: Value) -> tuple[str, object] | None:
    """Method and argument of `lambda x: x.method(argument)`, of methods that only tensors, or only images, have."""
    if isinstance(value, Instance) and value.symbol is not None and value.symbol.startswith("torchvision.transforms"):
        # `Lambda` itself has no name among the known steps.
        held = value.arguments.get(0, "lambd")
        value = held if held is not None else value
    info = value.info if isinstance(value, FunctionRef) else None
    return _called_on_parameter(info) if info is not None else None


def _called_on_parameter(info: FunctionInfo) -> tuple[str, object] | None:
    node = info.node
    if not isinstance(node, cst.Lambda) or len(node.params.params) != 1:
        return None
    body = node.body
    if not isinstance(body, cst.Call) or not isinstance(body.func, cst.Attribute):
        return None
    receiver = body.func.value
    if not isinstance(receiver, cst.Name) or receiver.value != node.params.params[0].name.value:
        return None
    name = body.func.attr.value
    if name == "convert":
        first = body.args[0].value if body.args else None
        return name, first.raw_value if isinstance(first, cst.SimpleString) else None
    return (name, None) if name in _TENSOR_METHODS else None


def _widths(value: Instance, end: "State") -> tuple[int, int] | None:
    lengths = []
    for index, name in enumerate(("mean", "std")):
        given = value.arguments.get(index, name)
        length = _width(given, end) if given is not None else None
        if length is None:
            return None
        lengths.append(length)
    return lengths[0], lengths[1]


def _width(value: Value, end: "State") -> int | None:
    if isinstance(value, (TupleOf, ListRef)):
        items = _items(value, end)
        return len(items) if items is not None else None
    number = isinstance(value, Const) and isinstance(value.value, (int, float))
    return 0 if number or (isinstance(value, Scalar) and value.kind == "float") else None


def fits(step: Step, channels: int | None) -> bool:
    """Whether `Normalize` takes that many channels, by torch's rules of broadcasting; v2 lets one channel become
    more, which nobody wants."""
    if step.widths is None:
        return True
    if step.version == 2 and 0 in step.widths:
        # `list(0.5)` raises when it is constructed.
        return False
    wide = {width for width in step.widths if width > 1}
    if len(wide) > 1:
        return False
    return channels is None or not wide or wide == {channels}
