"""Where transform pipelines are used: which dataset gets which, and what images go into them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.datasets import SAMPLE_METHODS, is_dataset_class, method
from torchlint.semantic.facts import Call
from torchlint.semantic.knowledge.vision import (
    COMPOSE,
    LOADER_ARGUMENT,
    TARGET_KINDS,
    DatasetClass,
    dataset_class,
    transform_class,
)
from torchlint.semantic.transforms import (
    ANYTHING,
    Fault,
    Image,
    Kind,
    Problem,
    Step,
    channels_of,
    image_of,
    is_pipeline,
    run,
    steps,
)
from torchlint.semantic.values import (
    NONE,
    ClassInfo,
    Const,
    Instance,
    TupleOf,
    Value,
    alternatives,
)

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

_CALLED = (".__call__", ".forward")


class VisionDataset(NamedTuple):
    """A dataset of torchvision, or of a class of the project that only changes how it is made.

    `target`: what its targets are, `number`, `mask` or `other`. `node`: what in this file made it.
    """

    instance: Instance
    name: str
    known: DatasetClass
    node: cst.CSTNode

    def argument(self, name: str, index: int | None) -> Value | None:
        """An argument of torchvision's constructor by name and position; None when it is not given."""
        info = self.instance.info
        if info is not None and method(info, "__init__") is not None:
            # What it passes on is known by name only.
            index = None
        return self.instance.arguments.get(index, name)

    @property
    def image(self) -> Image:
        """The images that it gives."""
        loader = LOADER_ARGUMENT.get(self.name)
        if loader is not None and self.argument("loader", loader) is not None:
            return ANYTHING
        channels = channels_of(self.known.mode)
        if self.name == "FakeData":
            size = self.argument("image_size", 1)
            first = size.items[0] if isinstance(size, TupleOf) and size.items else None
            channels = 3 if size is None else first.value if isinstance(first, Const) else None
        return Image(Kind.PIL, channels)

    @property
    def target(self) -> str:
        """What its targets are: `number`, `mask` or `other`."""
        kinds = TARGET_KINDS.get(self.name)
        if kinds is None:
            return self.known.target
        (name, index), values = kinds
        given = self.argument(name, index)
        if given is None:
            return self.known.target if self.instance.arguments.complete else "other"
        return values.get(given.value, "other") if isinstance(given, Const) else "other"

    @property
    def part(self) -> object:
        """Which part of the data it is, as its argument says: True or False for `train`, the text of `split`; None
        where that is not known."""
        name, index = self.known.part if self.known.part is not None else ("train", None)
        given = self.argument(name, index)
        return given.value if isinstance(given, Const) and not given.assumed else None


class Use(NamedTuple):
    """Images that go through a pipeline.

    Attributes:
        pipeline: the transform.
        steps: its steps.
        image: what goes in.
        node: the node of this file where that is so: what made the dataset, or the call of the pipeline.
        dataset: the dataset of torchvision that has it; None for a call of the pipeline.
        call: the call of the pipeline, which may stand in another file; None for a dataset of torchvision.
        owner: the dataset of the project for one sample of which the call runs, None elsewhere.
        is_target: whether it is given the target.
    """

    pipeline: Value
    steps: tuple[Step, ...]
    image: Image
    node: cst.CSTNode
    dataset: VisionDataset | None = None
    call: Call | None = None
    owner: Instance | None = None
    is_target: bool = False


class Made(NamedTuple):
    """A `Compose` that this file makes: the call, and all its steps."""

    node: cst.CSTNode
    steps: tuple[Step, ...]

    def moved(
        self, step: int, to: int
    ) -> tuple[tuple[Step, ...], list[tuple[cst.BaseExpression, cst.BaseExpression]]] | None:
        """The steps when one of them is moved forward, and what has to be written in place of what for that.

        None where the steps are not written one by one in the call.
        """
        written = self.node.args[0].value if isinstance(self.node, cst.Call) and self.node.args else None
        if not isinstance(written, (cst.List, cst.Tuple)):
            return None
        nodes = [element.value for element in written.elements]
        if [made.origin.node if made.origin is not None else None for made in self.steps] != nodes:
            return None
        order = list(range(len(nodes)))
        order.insert(to, order.pop(step))
        changes = [(nodes[place], nodes[index]) for place, index in enumerate(order) if place != index]
        return tuple(self.steps[index] for index in order), changes


class Wrong(NamedTuple):
    """A step that is wrong where it stands, and the node of this file to say so at.

    `made`: the `Compose` of this file in which it is wrong whatever goes in. `use`: what goes in otherwise.
    """

    problem: Problem
    node: cst.CSTNode
    made: Made | None
    use: Use | None


class Pipelines(NamedTuple):
    """The pipelines of a file: those that are made in it, its datasets of torchvision, what goes through which
    pipeline, and which steps are wrong where they stand."""

    made: tuple[Made, ...]
    datasets: tuple[VisionDataset, ...]
    uses: tuple[Use, ...]
    wrong: tuple[Wrong, ...]


def pipelines(model: "Model") -> Pipelines:
    """All about the pipelines of a file, in the order in which it runs."""
    made = tuple(
        Made(call.node, steps(call.result, model.facts.end))
        for name in sorted(COMPOSE)
        for call in model.calls_of(name)
        if call.certain and isinstance(call.result, Instance)
    )
    found = tuple(_vision_datasets(model))
    uses = [use for dataset in found for use in _of_dataset(model, dataset)]
    uses.extend(_of_own_datasets(model))
    uses.extend(_of_calls(model, list(_direct_calls(model)), None, None))
    return Pipelines(made, found, tuple(uses), tuple(_wrong(model, made, uses)))


def _wrong(model: "Model", made: tuple[Made, ...], uses: list[Use]) -> Iterator[Wrong]:
    seen: set[tuple[Fault, cst.CSTNode]] = set()
    for pipeline in made:
        for problem in run(pipeline.steps)[1]:
            place = _place(model, problem)
            if place is None and problem.image.by is not None and _is_here(model, problem.image.by):
                place = pipeline.node
            if place is not None and (problem.fault, place) not in seen:
                seen.add((problem.fault, place))
                yield Wrong(problem, place, pipeline, None)
    for use in uses:
        anyway = {problem.step.value for problem in run(use.steps)[1]}
        for problem in run(use.steps, use.image)[1]:
            place = _place(model, problem)
            if place is None:
                if problem.step.value in anyway:
                    # It is said of the file that makes the pipeline.
                    continue
                place = use.node
            if (problem.fault, place) not in seen:
                seen.add((problem.fault, place))
                yield Wrong(problem, place, None, use)


def _place(model: "Model", problem: Problem) -> cst.CSTNode | None:
    """The node of the step that is to blame, if it stands in this file."""
    blamed = problem.blamed
    return blamed.origin.node if blamed.origin is not None and _is_here(model, blamed) else None


def _is_here(model: "Model", step: Step) -> bool:
    return step.origin is not None and step.origin.unit is model.unit


def transform_of(model: "Model", dataset: VisionDataset, *, target: bool = False) -> Value | None:
    """The transform that a dataset has, of images or of targets; None where it has none or it is not certain."""
    name = "target_transform" if target else "transform"
    index = dataset.known.transform
    value = model.facts.end.get(dataset.instance, name)
    if value is None:
        value = dataset.argument(name, None if index is None else index + target)
    options = [option for option in alternatives(value or NONE) if option != NONE]
    return options[0] if len(options) == 1 else None


def _vision_datasets(model: "Model") -> Iterator[VisionDataset]:
    for name in sorted(model.called):
        known = dataset_class(name)
        if known is None:
            continue
        for call in model.calls_of(name):
            if call.certain and isinstance(call.result, Instance) and call.receiver is None:
                yield VisionDataset(call.result, name.rpartition(".")[2], known, call.node)
    for instance, node in own_datasets(model):
        if instance.info is not None and method(instance.info, "__getitem__") is None:
            for base in instance.info.external_bases:
                known = dataset_class(base)
                if known is not None:
                    yield VisionDataset(instance, base.rpartition(".")[2], known, node)
                    break


def own_datasets(model: "Model") -> Iterator[tuple[Instance, cst.CSTNode]]:
    """The datasets of the project's classes that this file makes or loads, each with what in this file does so."""
    found: dict[Instance, cst.CSTNode] = {}
    for calls in model.facts.calls.values():
        for call in calls:
            if isinstance(call.callee, ClassInfo) and isinstance(call.result, Instance):
                if is_dataset_class(call.callee):
                    found.setdefault(call.result, call.node)
    for loader in model.loaders:
        for instance in model.sources(loader).datasets:
            place = model.place(loader.call)
            if place is not None and instance.info is not None and is_dataset_class(instance.info):
                found.setdefault(instance, place)
    yield from found.items()


def _of_dataset(model: "Model", dataset: VisionDataset) -> Iterator[Use]:
    for target in (False, True):
        value = transform_of(model, dataset, target=target)
        if value is not None and is_pipeline(value):
            kinds = {"number": Image(Kind.NUMBER), "mask": Image(Kind.PIL, 1)}
            image = kinds.get(dataset.target, ANYTHING) if target else dataset.image
            flat = steps(value, model.facts.end)
            yield Use(value, flat, image, dataset.node, dataset, is_target=target)


def _of_own_datasets(model: "Model") -> Iterator[Use]:
    for instance, node in own_datasets(model):
        yield from _of_calls(model, model.calls_of_sample(instance), node, instance)


def _direct_calls(model: "Model") -> Iterator[Call]:
    """The calls of transforms in this file, but for those in the methods of datasets whose samples are known."""
    known = {entry for instance, _ in own_datasets(model) if instance.info is not None for entry in instance.info.mro}
    for name in sorted(model.called):
        if name.endswith(_CALLED) and transform_class(name.rpartition(".")[0]) is not None:
            for call in model.calls_of(name):
                if not any(function.name in SAMPLE_METHODS and function.owner in known for function in call.active):
                    yield call


def _of_calls(
    model: "Model", calls: "tuple[Call, ...] | list[Call]", node: cst.CSTNode | None, owner: Instance | None
) -> Iterator[Use]:
    for call in calls:
        receiver = call.receiver
        if (
            not call.certain
            or call.name is None
            or not call.name.endswith(_CALLED)
            or not isinstance(receiver, Instance)
        ):
            continue
        if transform_class(receiver.symbol) is None or len(call.arguments.positional) != 1:
            continue
        place = call.node if call.origin.unit is model.unit else node
        if place is not None:
            # In a loop the image may come out of the turn before: of the step before, where a pipeline is a loop.
            image = image_of(call.arguments.positional[0]) if not call.loops else ANYTHING
            yield Use(receiver, steps(receiver, model.facts.end), image, place, call=call, owner=owner)
