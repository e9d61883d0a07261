import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.collation import graph_part, refused, refused_literals
from torchlint.semantic.datasets import collates_by_default, method
from torchlint.semantic.flow import is_generator
from torchlint.semantic.loaders import Loader
from torchlint.semantic.pipelines import VisionDataset, transform_of
from torchlint.semantic.transforms import Kind, is_pipeline, run, steps
from torchlint.semantic.values import NONE, ClassInfo, FunctionInfo, Instance, Symbol, Tri

TRANSFORMS = "torchvision.transforms"
# What fails where the batch is made.
NO_BATCH = "`default_collate` cannot make a batch of that"


class SampleNotCollatable(Rule):
    """Checks for samples of which a loader cannot make a batch.

    Reported are datasets of torchvision whose transform leaves PIL images as they are, or that have none, and
    `__getitem__` and `__iter__` that give PIL images, paths, sets, objects of the program's own classes and tensors
    that require grad, where the loader has neither a `collate_fn` nor `batch_size=None`.

    ## Why is this bad?
    The first batch raises `TypeError: default_collate: batch must contain tensors, numpy arrays, numbers, dicts or
    lists; found <class 'PIL.Image.Image'>`. Tensors that require grad cannot leave a worker: `stack(): functions with
    out=... arguments don't support automatic differentiation`.

    ## Example
    ```python
    from torch.utils.data import DataLoader
    from torchvision import datasets


    def make_loader():
        return DataLoader(datasets.CIFAR10("data", download=True), batch_size=32, shuffle=True)
    ```

    ## Use instead
    ```python
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms


    def make_loader():
        images = datasets.CIFAR10("data", download=True, transform=transforms.ToTensor())
        return DataLoader(images, batch_size=32, shuffle=True)
    ```

    ## Fix safety
    `transform=transforms.ToTensor()` is added where the dataset has none and the file imports the transforms. Unsafe,
    as images of different sizes need more.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.default_collate
    """

    code = "TL424"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("oader",)

    def leave_Module(self, node: cst.Module) -> None:
        self.done: set[object] = set()
        if "default_collate_fn_map" in self.source.text:
            # Somebody says how batches are made of what they are not made of by default.
            return
        for loader in self.model.loaders:
            if collates_by_default(loader) is not Tri.YES or loader.call.tried:
                continue
            for dataset in self.model.sources(loader).datasets:
                if dataset.info is None or method(dataset.info, "__getitem__") is None:
                    self._check_vision(loader, dataset)
                if dataset.info is not None:
                    self._check_own(loader, dataset, dataset.info)

    # -- datasets of torchvision --------------------------------------------------------------------------

    def _check_vision(self, loader: Loader, dataset: Instance) -> None:
        vision = next((each for each in self.model.pipelines.datasets if each.instance is dataset), None)
        if vision is None or vision.node in self.done or not dataset.arguments.complete:
            return
        if vision.argument("transforms", None) is not None or dataset.info is not None:
            return
        for target in (False, True):
            if target and vision.target != "mask":
                continue
            what = "masks" if target else "images"
            transform = transform_of(self.model, vision, target=target)
            if transform is None:
                if not self._is_plain(vision, target) or (not target and vision.image.kind is not Kind.PIL):
                    continue
                message = f"this dataset has no transform: its {what} are PIL images, and {NO_BATCH}"
            elif is_pipeline(transform) and not target:
                image, problems = run(steps(transform, self.model.facts.end), vision.image)
                if problems or image.kind is not Kind.PIL:
                    continue
                message = f"the transform of this dataset gives PIL images: {NO_BATCH}"
            else:
                continue
            self.done.add(vision.node)
            self.report(
                vision.node,
                message,
                help="end the transform with `ToTensor()`",
                fix=self._transform(vision) if transform is None and not target else None,
                related=[(loader.call.origin, "the loader")],
            )
            return

    def _is_plain(self, vision: VisionDataset, target: bool) -> bool:
        """Whether a dataset certainly has no transform, neither given to it nor set later."""
        name = "target_transform" if target else "transform"
        index = vision.known.transform
        given = vision.argument(name, None if index is None else index + target)
        held = self.model.facts.end.get(vision.instance, name)
        # An older signature may have it at a place that is not known.
        hidden = index is None and len(vision.instance.arguments.positional) > 2
        return given in (None, NONE) and held in (None, NONE) and not hidden

    def _transform(self, vision: VisionDataset) -> Repair | None:
        call = vision.node
        module = self._transforms_name()
        if not isinstance(call, cst.Call) or not call.args or module is None:
            return None
        if any(arg.star or (arg.keyword is not None and arg.keyword.value == "transform") for arg in call.args):
            return None
        return self.fix(
            "turn the images into tensors",
            Applicability.UNSAFE,
            self.insert_after(call.args[-1].value, f", transform={module}.ToTensor()"),
        )

    def _transforms_name(self) -> str | None:
        """What the file calls the module of transforms."""
        for name in sorted(self.model.unit.frame.base):
            value = self.model.global_value(name)
            if isinstance(value, Symbol) and value.name == TRANSFORMS:
                return name
        return None

    # -- the project's datasets ---------------------------------------------------------------------------

    def _check_own(self, loader: Loader, dataset: Instance, info: ClassInfo) -> None:
        function = method(info, "__getitem__") or method(info, "__iter__")
        if function is None or function in self.done or not isinstance(function.node, cst.FunctionDef):
            return
        here = function.unit is self.model.unit
        place = function.node.name if here else self.model.place(loader.call)
        sample = self.model.sample(dataset)
        found = refused(sample)
        if found is not None and place is not None:
            self._report(place, f"samples hold {found.what}: {NO_BATCH}", loader, function, here)
            return
        tensor = graph_part(sample)
        if tensor is not None and place is not None and loader.workers is Tri.YES:
            self._report(
                place, "samples hold a tensor that requires grad: it cannot leave a worker", loader, function, here
            )
            return
        if not is_generator(function.node) and function.name == "__getitem__":
            for literal, what in refused_literals(function.node):
                where = literal if here else place
                if where is not None:
                    self._report(where, f"samples hold {what}: {NO_BATCH}", loader, function, here)
                    return

    def _report(self, place: cst.CSTNode, message: str, loader: Loader, function: FunctionInfo, here: bool) -> None:
        self.done.add(function)
        grad = "requires grad" in message
        owner = function.owner
        self.report(
            place,
            message,
            help="`detach()` it" if grad else "turn it into a tensor or a number, or give the loader a `collate_fn`",
            related=[
                (loader.call.origin, "the loader") if here else (owner.origin if owner else None, "the dataset"),
            ],
        )
