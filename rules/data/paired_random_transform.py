import re

import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.pipelines import Use, VisionDataset, transform_of
from torchlint.semantic.transforms import Kind, Step, random_steps, steps
from torchlint.semantic.values import Value

TARGETS = frozenset({
    "mask", "masks", "seg", "segmentation", "label", "labels", "lbl", "target", "gt", "annotation", "groundtruth",
})  # fmt: skip
# Words of a function that draws the same random numbers twice on purpose, or knows nothing of pairs.
SEEDING = re.compile(r"seed|rng_state|[gs]etstate|\bpositive\b|\banchor\b|\bcontent\b|\bstyle\b")


class PairedRandomTransform(Rule):
    """Checks for an image that is flipped, cropped or turned at random while its mask is not, or is so at random again.

    It is reported for datasets of torchvision whose targets are masks, and for functions that put an image and what is
    named as its mask, label or target through transforms one after the other.

    ## Why is this bad?
    Each call of a random transform draws anew, so image and mask do not belong together any more. Nothing fails: the
    model learns from wrong masks, and the loss falls more slowly than it could.

    ## Example
    ```python
    from torchvision import datasets, transforms

    augment = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.PILToTensor()])
    data = datasets.VOCSegmentation("data", transform=augment, target_transform=augment)
    ```

    ## Use instead
    ```python
    from torchvision import datasets
    from torchvision.transforms import v2

    augment = v2.Compose([v2.RandomHorizontalFlip(), v2.PILToTensor()])
    data = datasets.VOCSegmentation("data", transforms=augment)
    ```

    ## References
    - https://docs.pytorch.org/vision/stable/auto_examples/transforms/plot_transforms_e2e.html
    """

    code = "TL418"
    category = Category.SUSPICIOUS
    words = ("transform", "torchvision")

    def leave_Module(self, node: cst.Module) -> None:
        for dataset in self.model.pipelines.datasets:
            if dataset.target == "mask":
                self._check_dataset(dataset)
        groups: dict[tuple[int, ...], list[Use]] = {}
        for use in self.model.pipelines.uses:
            if use.call is not None and use.call.active:
                groups.setdefault((id(use.owner), *map(id, use.call.active)), []).append(use)
        said: set[cst.CSTNode] = set()
        for group in groups.values():
            self._check_function(group, said)

    def _check_dataset(self, dataset: VisionDataset) -> None:
        drawn = self._drawn(transform_of(self.model, dataset))
        if drawn is None:
            return
        again = self._drawn(transform_of(self.model, dataset, target=True))
        self.report(
            dataset.node,
            f"the images of `{dataset.name}` go through the random `{drawn.name}`; "
            + ("their masks are drawn for anew" if again is not None else "their masks do not"),
            help="give `transforms=` one transform of `torchvision.transforms.v2`, which changes both alike",
            related=[(drawn.origin, "it is drawn here")],
        )

    def _drawn(self, value: Value | None) -> Step | None:
        """The first step of a transform that moves pixels at random."""
        flat = steps(value, self.model.facts.end) if value is not None else ()
        return next(random_steps(flat, geometry=True), None)

    def _check_function(self, group: list[Use], said: set[cst.CSTNode]) -> None:
        for image in group:
            drawn = next(random_steps(image.steps, geometry=True), None)
            name = self._name(image)
            if drawn is None or not name or _is_target(name):
                continue
            for mask in group:
                other = self._name(mask)
                if mask.node in said or not _is_target(other) or not self._is_pair(image, mask):
                    continue
                said.add(mask.node)
                again = next(random_steps(mask.steps, geometry=True), None)
                assert image.call is not None
                self.report(
                    mask.node,
                    f"`{name}` goes through the random `{drawn.name}`, "
                    + (f"and `{other}` is drawn for anew" if again is not None else f"and `{other}` does not"),
                    help="give both to one call of a transform of `torchvision.transforms.v2`",
                    related=[(image.call.origin, f"`{name}` is changed here"), (drawn.origin, "it is drawn here")],
                )
                return

    def _name(self, use: Use) -> str:
        """The name of what is given to a transform; of what its result is assigned to for an image just opened."""
        given = _name(use)
        is_opened = not given and use.call is not None and use.image.kind is Kind.PIL
        target = self.model.assigned_to(use.call.node) if is_opened and use.call is not None else None
        if isinstance(target, cst.Attribute):
            return target.attr.value
        return target.value if isinstance(target, cst.Name) else given

    @staticmethod
    def _is_pair(image: Use, mask: Use) -> bool:
        if image.call is None or mask.call is None or image.call.node is mask.call.node:
            return False
        return not any(
            SEEDING.search(function.unit.module.code_for_node(function.node)) for function in image.call.active
        )


def _name(use: Use) -> str:
    """The name of what is given to a transform: of a variable, an attribute, or what an item is of."""
    node = use.call.node if use.call is not None else None
    given: cst.BaseExpression | None = node.args[0].value if isinstance(node, cst.Call) and node.args else None
    while isinstance(given, (cst.Subscript, cst.Call)):
        if isinstance(given, cst.Call):
            given = given.func.value if isinstance(given.func, cst.Attribute) and not given.args else None
        else:
            given = given.value
    if isinstance(given, cst.Attribute):
        return given.attr.value
    return given.value if isinstance(given, cst.Name) else ""


def _is_target(name: str) -> bool:
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return not TARGETS.isdisjoint(words)
