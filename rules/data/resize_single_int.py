import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.knowledge.vision import SIZING
from torchlint.semantic.loaders import Loader
from torchlint.semantic.pipelines import Use
from torchlint.semantic.transforms import Kind, Step, every_step, resized_by_short_side
from torchlint.semantic.values import TupleOf


class ResizeSingleInt(Rule):
    """Checks for `Resize` with one number, where images of different shapes are to be stacked into a batch.

    It is reported where nothing after it crops the images to one size, and a loader with the default `collate_fn` makes
    batches of them: of the datasets of torchvision whose images have different shapes, and of an `ImageFolder` or of
    images that the program opens, if the number stands in brackets, as if they made a tuple, or another pipeline of the
    file makes one size of them.

    ## Why is this bad?
    One number is the length of the shorter side; the longer one follows from the image's shape. With a batch of
    different shapes the loader raises `RuntimeError: stack expects each tensor to be equal size`. `(224)` is the same
    number: brackets alone make no tuple.

    ## Example
    ```python
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.Resize((224)), transforms.ToTensor()])
    loader = DataLoader(datasets.ImageFolder("images", transform), batch_size=32)
    ```

    ## Use instead
    ```python
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    loader = DataLoader(datasets.ImageFolder("images", transform), batch_size=32)
    ```

    ## Fix safety
    Unsafe: two numbers distort images that are no squares. `Resize(256)` and `CenterCrop(224)` do not, but cut.

    ## References
    - https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Resize.html
    """

    code = "TL434"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("transform", "torchvision")

    def leave_Module(self, node: cst.Module) -> None:
        said: set[cst.CSTNode] = set()
        for use in self.model.pipelines.uses:
            if use.is_target or use.image.kind is not Kind.PIL:
                continue
            step = resized_by_short_side(use.steps, self.model.facts.end)
            if step is None:
                continue
            here = step.origin is not None and step.origin.unit is self.model.unit
            place = step.origin.node if here and step.origin is not None else use.node
            if place in said or not self._is_certain(use, step):
                continue
            loader = self._loader(use)
            if loader is not None:
                said.add(place)
                self._report(place, step, loader)

    def _is_certain(self, use: Use, step: Step) -> bool:
        """Whether the images have different shapes, or the author says so elsewhere, or believes to make them one."""
        if use.dataset is not None and use.dataset.name != "ImageFolder":
            return use.dataset.known.mode is not None and use.dataset.known.size is None
        return _in_brackets(step) or any(
            sizing.name in SIZING or (sizing.name == "Resize" and isinstance(sizing.argument(0, "size"), TupleOf))
            for made in self.model.pipelines.made
            if made.steps != use.steps
            for sizing in every_step(made.steps)
        )

    def _loader(self, use: Use) -> Loader | None:
        """A loader that stacks images that go through a pipeline."""
        dataset = use.dataset.instance if use.dataset is not None else use.owner
        return next(
            (
                loader
                for loader in self.model.loaders
                if dataset is not None and loader.stacks and dataset in self.model.sources(loader).datasets
            ),
            None,
        )

    def _report(self, place: cst.CSTNode, step: Step, loader: Loader) -> None:
        brackets = "; brackets alone make no tuple" if _in_brackets(step) else ""
        self.report(
            place,
            f"`Resize` with one number sets the shorter side: other shapes do not stack{brackets}",
            help="give height and width, `Resize((224, 224))`, or crop afterwards",
            fix=self._pair(place),
            related=[(loader.call.origin, "this loader stacks the images"), (step.origin, "they are resized here")][
                : 1 if step.origin is not None and step.origin.node is place else 2
            ],
        )

    def _pair(self, place: cst.CSTNode) -> Repair | None:
        number = _size(place)
        if number is None:
            return None
        text = self.text(number).strip("()[] ")
        content = f"{text}, {text}" if isinstance(number, cst.Integer) and number.lpar else f"({text}, {text})"
        if isinstance(number, (cst.List, cst.Tuple)):
            text = self.text(number.elements[0].value)
            content = f"{text}, {text}" if isinstance(number, cst.Tuple) and number.lpar else f"[{text}, {text}]"
        return self.fix("give height and width", Applicability.UNSAFE, self.replace(number, content))


def _size(node: cst.CSTNode | None) -> cst.BaseExpression | None:
    """The size as written in a call of `Resize`: a number, a name, or a list of one."""
    if not isinstance(node, cst.Call):
        return None
    for index, arg in enumerate(node.args):
        if not arg.star and (arg.keyword.value == "size" if arg.keyword is not None else index == 0):
            value = arg.value
            if isinstance(value, (cst.Integer, cst.Name, cst.Attribute)):
                return value
            if isinstance(value, (cst.List, cst.Tuple)) and len(value.elements) == 1:
                return value
    return None


def _in_brackets(step: Step) -> bool:
    size = _size(step.origin.node) if step.origin is not None else None
    return isinstance(size, (cst.Integer, cst.Name)) and bool(size.lpar)
