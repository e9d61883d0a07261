import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.knowledge.vision import BYTES_ONLY, TENSORS_ONLY
from torchlint.semantic.pipelines import Made, Wrong
from torchlint.semantic.transforms import Fault, Kind, Problem, run


class TransformOrder(Rule):
    """Checks for a transform of torchvision that is given what it cannot take: a PIL image in place of a tensor, a
    tensor in place of a PIL image, integers in place of floats.

    Each step of a pipeline is followed: of `Compose`, of lists that are filled step by step, of `nn.Sequential`, with
    the images that its dataset gives where these are known. The transforms of `torchvision.transforms` and of
    `torchvision.transforms.v2` take different things.

    ## Why is this bad?
    The first sample raises, for example `TypeError: img should be Tensor Image. Got <class 'PIL.Image.Image'>`. Random
    transforms raise only when they are drawn, which may be hours into the training.

    ## Example
    ```python
    from torchvision import transforms

    transform = transforms.Compose([transforms.Normalize((0.5,), (0.5,)), transforms.ToTensor()])
    ```

    ## Use instead
    ```python
    from torchvision import transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    ```

    ## Fix safety
    Safe: `ToTensor()` is moved before the steps that take tensors, where every image raises today. There is no fix for
    steps that fail by chance.

    ## References
    - https://docs.pytorch.org/vision/stable/transforms.html#supported-input-types-and-conventions
    """

    code = "TL412"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("transform", "torchvision")

    def leave_Module(self, node: cst.Module) -> None:
        for wrong in self.model.pipelines.wrong:
            # That labels are no images is another rule's.
            if wrong.problem.fault is Fault.KIND and wrong.problem.image.kind is not Kind.NUMBER:
                self._report(wrong)

    def _report(self, wrong: Wrong) -> None:
        problem, use = wrong.problem, wrong.use
        blamed, image = problem.blamed, problem.image
        name = blamed.name or "Lambda"
        if blamed is not problem.step:
            message = f"`{name}` takes a tensor, and stands before `{problem.step.name}`, which makes one"
            related = [(problem.step.origin, "here it would become a tensor")]
        else:
            message = f"`{name}` takes {_taken(problem)}, and gets {image.kind.value}"
            related = [(image.by.origin if image.by is not None else None, f"here it becomes {image.kind.value}")]
        if not problem.always:
            message += "; it fails when drawn"
        if use is not None and use.node is not wrong.node:
            related.append((self.model.origin(use.node), "the images are given here"))
        elif blamed.origin is not None and blamed.origin.unit is not self.model.unit:
            related.append((blamed.origin, f"`{name}` stands here"))
        self.report(
            wrong.node,
            message,
            help=_help(problem),
            fix=self._reorder(problem, wrong.made),
            related=related,
            severity=None if problem.always else Severity.WARNING,
        )

    def _reorder(self, problem: Problem, made: Made | None) -> Repair | None:
        """Move the only `ToTensor()` of a list before the first step that takes tensors only."""
        if made is None or not problem.always:
            return None
        converters = [index for index, step in enumerate(made.steps) if step.name == "ToTensor"]
        first = next((index for index, step in enumerate(made.steps) if step.name in TENSORS_ONLY), None)
        if first is None or len(converters) != 1 or converters[0] < first:
            return None
        moved = made.moved(converters[0], first)
        if moved is None or any(found.fault is Fault.KIND for found in run(moved[0])[1]):
            return None
        edits = [self.replace(place, self.text(source)) for place, source in moved[1]]
        return self.fix("move `ToTensor()` before it", Applicability.SAFE, *edits)


def _taken(problem: Problem) -> str:
    name, kind = problem.step.name, problem.image.kind
    if name == "ToTensor":
        return "a PIL image or an array"
    if name == "PILToTensor" or (not name and kind.is_tensor):
        return "a PIL image"
    if name == "ToPILImage":
        return "a tensor or an array"
    if kind is Kind.BYTES:
        return "a tensor of floats"
    if name in BYTES_ONLY and kind is Kind.FLOAT:
        return "a PIL image or a tensor of `uint8`"
    return "a tensor" if name in TENSORS_ONLY or not name or problem.step.version == 2 else "a PIL image or a tensor"


def _help(problem: Problem) -> str:
    step, kind = problem.step, problem.image.kind
    if problem.blamed is not step:
        return f"put `{step.name}()` before it"
    if kind is Kind.BYTES:
        return (
            "convert to floats first: `ToTensor()` in place of `PILToTensor()`, or `ConvertImageDtype(torch.float32)`"
        )
    if kind is Kind.PIL:
        return "put `ToTensor()` before it" if step.name != "ToPILImage" else "leave it out"
    if kind is Kind.CROPS:
        return "apply it to each crop, in a `Lambda`"
    if kind is Kind.ARRAY:
        return "put `ToPILImage()` or `ToTensor()` before it"
    return "leave it out" if step.name == "ToTensor" else "put it before what makes a tensor"
