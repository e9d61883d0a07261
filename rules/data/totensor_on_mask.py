import re
from collections.abc import Iterable

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.pipelines import Use
from torchlint.semantic.transforms import MODE, PIL_IMAGE, Fault, Kind, Step, image_of, run
from torchlint.semantic.values import Const, Instance, Symbol, Tensor, Value

TO_INTEGERS = frozenset({"torch.Tensor.long", "torch.Tensor.int"})
CASTS = frozenset({"torch.Tensor.to", "torch.Tensor.type"})
INTEGERS = frozenset({"torch.long", "torch.int64", "torch.int", "torch.int32", "torch.LongTensor", "torch.uint8"})
# Methods that leave the numbers as they are.
SAME_NUMBERS = frozenset(
    f"torch.Tensor.{name}"
    for name in ("squeeze", "unsqueeze", "view", "reshape", "permute", "contiguous", "flatten", "clone", "detach")
)
TO_TENSOR = "torchvision.transforms.functional.to_tensor"
# The numbers are made whole again, or there are more than two classes.
SCALED_BACK = re.compile(r"\*=?\s*255|255\.?0?\s*\*|\bmul_?\(\s*255|\bround_?\(")
CLASSES = re.compile(r"cross_entropy|CrossEntropy|one_hot|num_classes|n_classes|NLLLoss|nll_loss")


class TotensorOnMask(Rule):
    """Checks for `ToTensor` on the class indices of a mask, or on labels that are numbers.

    It is reported for `target_transform=` of torchvision's datasets, and where what `ToTensor` made of an image is
    converted to integers. So is a `Resize` of a mask that computes the mean of class indices.

    ## Why is this bad?
    `ToTensor` divides bytes by 255. Of the classes 0 to 20 `.long()` then makes nothing but 0, and the model learns
    that everything is background. Labels that are numbers raise `TypeError: pic should be PIL Image or ndarray. Got
    <class 'int'>`.

    ## Example
    ```python
    from torchvision import datasets, transforms

    data = datasets.VOCSegmentation("data", transform=transforms.ToTensor(), target_transform=transforms.ToTensor())
    ```

    ## Use instead
    ```python
    from torchvision import datasets, transforms

    data = datasets.VOCSegmentation("data", transform=transforms.ToTensor(), target_transform=transforms.PILToTensor())
    ```

    ## Fix safety
    Unsafe: `PILToTensor` keeps the class indices, in a tensor of `uint8`.

    ## References
    - https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html
    - https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.PILToTensor.html
    """

    code = "TL421"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("transform", "torchvision", "to_tensor")

    def leave_Module(self, node: cst.Module) -> None:
        self._said: set[cst.CSTNode] = set()
        for wrong in self.model.pipelines.wrong:
            if wrong.problem.fault is Fault.KIND and wrong.problem.image.kind is Kind.NUMBER and wrong.use is not None:
                dataset = wrong.use.dataset
                self._said.add(wrong.node)
                self.report(
                    wrong.node,
                    f"`{wrong.problem.step.name}` takes an image, and the targets of"
                    f" `{dataset.name if dataset is not None else 'the dataset'}` are numbers",
                    help="leave `target_transform` out: the loader makes tensors of numbers",
                    related=[(self.model.origin(wrong.use.node), "the dataset")]
                    if wrong.use.node is not wrong.node
                    else (),
                    severity=Severity.ERROR,
                )
        for use in self.model.pipelines.uses:
            if use.is_target and use.dataset is not None and use.dataset.target == "mask":
                self._check_target(use)
        self._check_conversions()

    def _check_target(self, use: Use) -> None:
        assert use.dataset is not None
        image, _ = run(use.steps, use.image)
        name = use.dataset.name
        if image.scaled is not None:
            self._report(
                use.node,
                image.scaled,
                f"`{image.scaled.name}` divides the class indices of `{name}` by 255",
                "use `PILToTensor()`, which keeps them",
                self._keep(image.scaled) if use.steps[-1] is image.scaled else None,
            )
            return
        for index, step in enumerate(use.steps):
            if step.name == "Resize" and step.argument(1, "interpolation") is None:
                before = run(use.steps[:index], use.image)[0]
                # PIL itself picks the nearest for images with a palette, as those of VOC are.
                if before.kind.is_tensor or (before.kind is Kind.PIL and name == "Cityscapes"):
                    self._report(
                        use.node,
                        step,
                        f"`Resize` computes means of the class indices of `{name}`",
                        "give `interpolation=InterpolationMode.NEAREST`",
                        None,
                    )

    def _report(self, node: cst.CSTNode, step: Step, message: str, help: str, fix: Repair | None) -> None:
        here = step.origin is not None and step.origin.unit is self.model.unit
        place = step.origin.node if here and step.origin is not None else node
        if place not in self._said and SCALED_BACK.search(self.source.text) is None:
            self._said.add(place)
            related = (
                [(self.model.origin(node), "the masks come from here")] if here else [(step.origin, "it stands here")]
            )
            self.report(place, message, help=help, fix=fix if here else None, related=related)

    def _keep(self, step: Step) -> Repair | None:
        """`transforms.ToTensor()` to `transforms.PILToTensor()`."""
        node = step.origin.node if step.origin is not None else None
        if step.name != "ToTensor" or not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
            return None
        return self.fix("keep the class indices", Applicability.UNSAFE, self.replace(node.func.attr, "PILToTensor"))

    def _check_conversions(self) -> None:
        """`to_tensor(mask).long()`, in this file or for one sample of its datasets."""
        if not any(name in TO_INTEGERS or name in CASTS for name in self.model.called):
            return
        scaled = {use.call.node for use in self.model.pipelines.uses if use.call is not None and _scales(use)}
        scaled |= {call.node for call in self.model.calls_of(TO_TENSOR) if _is_multicolour(call.argument(0, "pic"))}
        text = self.source.text
        if not scaled or CLASSES.search(text) is None or SCALED_BACK.search(text) is not None:
            return
        calls = list(self.model.calls_of(*TO_INTEGERS, *CASTS))
        for use in self.model.pipelines.uses:
            if use.owner is not None:
                calls.extend(
                    call for call in self.model.calls_of_sample(use.owner) if call.origin.unit is self.model.unit
                )
        for call in calls:
            if call.node not in self._said and _makes_integers(call):
                source = self._source(call.receiver)
                if source in scaled:
                    self._said.add(call.node)
                    self.report(
                        call.node,
                        "`ToTensor` divided the image by 255; as integers its class indices are all 0",
                        help="use `PILToTensor()`, or `torch.as_tensor(np.array(mask), dtype=torch.long)`",
                        related=[(self.model.origin(source), "it is divided here")] if source is not None else (),
                    )

    def _source(self, value: Value | None) -> cst.CSTNode | None:
        """The call that a tensor comes from, before methods that leave its numbers as they are."""
        for _ in range(8):
            origin = value.origin if isinstance(value, Tensor) else None
            if origin is None or origin.unit is not self.model.unit:
                return None
            made: Iterable[Call] = self.model.calls(origin.node)
            method = next((call for call in made if call.name in SAME_NUMBERS), None)
            if method is None:
                return origin.node
            value = method.receiver
        return None


def _scales(use: Use) -> bool:
    """Whether a pipeline makes 0 to 1 of an image that may hold class indices."""
    given = use.call.argument(0) if use.call is not None else None
    return _is_multicolour(given) and run(use.steps, image_of(given))[0].scaled is not None


def _is_multicolour(value: Value | None) -> bool:
    """Whether it is an image with any mode but the grey one, in which masks of two classes are stored as 0 and 255."""
    if not isinstance(value, Instance) or value.symbol != PIL_IMAGE:
        return False
    mode = value.base.get(MODE)
    return mode is None or (isinstance(mode, Const) and mode.value == "P")


def _makes_integers(call: Call) -> bool:
    if call.name in TO_INTEGERS:
        return True
    if call.name not in CASTS:
        return False
    wanted = call.argument(0, "dtype")
    return isinstance(wanted, Symbol) and wanted.name in INTEGERS
