import re
from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.pipelines import Made, VisionDataset, Wrong, transform_of
from torchlint.semantic.transforms import Fault, Problem, Step, is_pipeline, random_steps, run, steps
from torchlint.semantic.values import CONTENT, UNKNOWN, DictRef, Entries, Value

EVALUATION = frozenset({"val", "valid", "validation", "test", "testing", "eval", "evaluation", "inference", "infer"})
TRAINING = frozenset({"train", "training", "tta", "aug", "augment", "augmented", "augmentation", "trainval"})
PARTS = ("test", "val", "valid", "validation")


class Evaluated(NamedTuple):
    """A pipeline for evaluation, the place to report at (None: the step), and whether training uses it as well."""

    steps: tuple[Step, ...]
    node: cst.CSTNode
    what: str
    place: cst.CSTNode | None
    shared: bool


class AugmentationInEvalPipeline(Rule):
    """Checks for random augmentation of images that a model is tested or validated on, and for changes of colour
    after `Normalize`.

    What images are for is known from `train=False` and `split="test"` of torchvision's datasets, from the name of
    the variable that the pipeline is assigned to, and from keys such as `"val"`. What only the test draws is taken to
    be what it is about.

    ## Why is this bad?
    A metric on randomly changed images is noise: it differs from run to run, and compares nothing. `ColorJitter` and
    the like take a float tensor for an image from 0 to 1 and clamp to that, so after `Normalize` they cut off half.

    ## Example
    ```python
    from torchvision import transforms

    transform = transforms.Compose([
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        transforms.ColorJitter(brightness=0.2),
    ])
    ```

    ## Use instead
    ```python
    from torchvision import transforms

    transform = transforms.Compose([
        transforms.ToTensor(),
        transforms.ColorJitter(brightness=0.2),
        transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ])
    ```

    ## Fix safety
    Unsafe: the change of colour is moved before `Normalize`, and images look different afterwards. Random augmentation
    has no fix.

    ## References
    - https://docs.pytorch.org/vision/stable/transforms.html
    """

    code = "TL435"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("transform", "torchvision")

    def leave_Module(self, node: cst.Module) -> None:
        for wrong in self.model.pipelines.wrong:
            if wrong.problem.fault is Fault.RANGE:
                self._report_clamped(wrong)
        evaluated = [found for found in self._evaluated() if any(random_steps(found.steps))]
        if evaluated:
            trained = self._drawn_in_training({found.node for found in evaluated})
            said: set[tuple[cst.CSTNode, ...]] = set()
            for found in evaluated:
                # What only the test draws is what it is about, such as robustness.
                step = next((step for step in random_steps(found.steps) if step.name in trained), None)
                places = tuple(made.origin.node for made in found.steps if made.origin is not None)
                if step is not None and (places not in said or found.shared):
                    said.add(places)
                    self._report_random(found, step)

    def _evaluated(self) -> Iterator[Evaluated]:
        """The pipelines that a name, a key or a dataset says are for evaluation."""
        pipelines = self.model.pipelines
        unnamed: dict[cst.CSTNode, Made] = {}
        for made in pipelines.made:
            target = self.model.assigned_to(made.node)
            if target is None:
                unnamed[made.node] = made
            elif _is_evaluation(_name(target)):
                yield Evaluated(made.steps, made.node, f"`{_name(target)}`", None, False)
        yield from self._under_keys({node: made for node, made in unnamed.items() if any(random_steps(made.steps))})
        joined = self._joined()
        training = {_made_at(value) for value in self._transforms(False, joined)}
        for dataset in pipelines.datasets:
            value = transform_of(self.model, dataset)
            if value is None or not is_pipeline(value) or not _is_tested_on(dataset) or dataset.instance in joined:
                continue
            part = "train=False" if dataset.part is False else f'"{dataset.part}"'
            place = dataset.node
            for arg in place.args if isinstance(place, cst.Call) else ():
                if self.model.value(arg.value) is value:
                    place = arg.value
            node = _made_at(value)
            flat = steps(value, self.model.facts.end)
            yield Evaluated(flat, node or place, f"`{dataset.name}` with `{part}`", place, node in training)

    def _transforms(self, tested_on: bool, joined: set[Value]) -> Iterator[Value]:
        """The transforms of the datasets of torchvision, of those for a test or of the others."""
        for dataset in self.model.pipelines.datasets:
            value = transform_of(self.model, dataset)
            if value is not None and (_is_tested_on(dataset) and dataset.instance not in joined) is tested_on:
                yield value

    def _drawn_in_training(self, evaluated: set[cst.CSTNode]) -> set[str]:
        """The random transforms of all pipelines that are not, or not only, for evaluation."""
        end = self.model.facts.end
        others = [made.steps for made in self.model.pipelines.made if made.node not in evaluated]
        others.extend(steps(value, end) for value in self._transforms(False, self._joined()))
        return {step.name for pipeline in others for step in random_steps(pipeline)}

    def _under_keys(self, random: dict[cst.CSTNode, Made]) -> Iterator[Evaluated]:
        """Pipelines that stand in a dict under a key such as `"val"`."""
        for values in self.model.facts.values.values() if random else ():
            held = values[-1]
            content = self.model.held(held, CONTENT) if isinstance(held, DictRef) else None
            for key, value in content.entries.items() if isinstance(content, Entries) else ():
                made = random.get(value.origin.node) if value.origin is not None else None
                if made is not None and isinstance(key, str) and _is_evaluation(key):
                    yield Evaluated(made.steps, made.node, f'the pipeline for `"{key}"`', None, False)

    def _joined(self) -> set[Value]:
        """The datasets that are joined with others: which part they are says nothing then."""
        joins = self.model.calls_of("torch.utils.data.ConcatDataset")
        return {part for call in joins for part in self.model.elements(call.argument(0, "datasets") or UNKNOWN) or ()}

    def _report_random(self, found: Evaluated, step: Step) -> None:
        origin = step.origin if found.place is None else None
        place = origin.node if origin is not None and origin.unit is self.model.unit else found.place or found.node
        self.report(
            place,
            f"{found.what} has the random `{step.name}`: what is measured on such images changes from run to run",
            help="leave it out of what the model is tested on",
            related=[(step.origin, f"`{step.name}` stands here")] if origin is None else (),
            severity=Severity.INFO,
        )

    def _report_clamped(self, wrong: Wrong) -> None:
        problem = wrong.problem
        normalized = problem.image.normalized
        self.report(
            wrong.node,
            f"`{problem.step.name}` takes numbers from 0 to 1, and is given what `Normalize` made of them",
            help="put it before `Normalize`",
            fix=self._move(problem, wrong.made),
            related=[(normalized.origin if normalized is not None else None, "they are normalized here")],
        )

    def _move(self, problem: Problem, made: Made | None) -> Repair | None:
        normalized = problem.image.normalized
        if made is None or problem.step not in made.steps or normalized not in made.steps:
            return None
        moved = made.moved(made.steps.index(problem.step), made.steps.index(normalized))
        if moved is None or any(found.step is problem.step for found in run(moved[0])[1]):
            return None
        edits = [self.replace(place, self.text(source)) for place, source in moved[1]]
        return self.fix("move it before `Normalize`", Applicability.UNSAFE, *edits)


def _made_at(value: Value) -> cst.CSTNode | None:
    return value.origin.node if value.origin is not None else None


def _is_tested_on(dataset: VisionDataset) -> bool:
    return dataset.part is False or dataset.part in PARTS


def _name(target: cst.BaseExpression) -> str:
    if isinstance(target, cst.Attribute):
        return target.attr.value
    if isinstance(target, cst.Subscript) and len(target.slice) == 1:
        index = target.slice[0].slice
        if isinstance(index, cst.Index) and isinstance(index.value, cst.SimpleString):
            return str(index.value.raw_value)
    return target.value if isinstance(target, cst.Name) else ""


def _is_evaluation(name: str) -> bool:
    """Whether a name says that something is for validation or a test, and nothing else."""
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    return bool(words & EVALUATION) and not words & TRAINING
