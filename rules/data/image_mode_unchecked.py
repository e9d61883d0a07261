import re

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.datasets import SAMPLE_METHODS, is_dataset_class
from torchlint.semantic.facts import Call
from torchlint.semantic.pipelines import Use
from torchlint.semantic.transforms import BGR_ARRAY, MODE, PIL_IMAGE, Fault, Image, Kind, run
from torchlint.semantic.values import UNKNOWN, Const, Instance, Origin, Value

TO_TENSOR = ("torch.from_numpy", "torch.as_tensor", "torch.tensor", "torchvision.transforms.functional.to_tensor")
FROM_ARRAY = "PIL.Image.fromarray"
CHECKED = re.compile(r"\.mode\b|getbands\(|BytesIO")
JPEG = re.compile(r"\.jpe?g\b", re.IGNORECASE)
OTHER_FORMATS = re.compile(r"\.(png|gif|webp|tiff?|bmp)\b", re.IGNORECASE)
# The mean of red in ImageNet, which models of torchvision are trained with.
IMAGENET_RED = 0.485
NOT_PHOTOGRAPHS = re.compile(
    r"(?<![a-z])(masks?|seg|segmentations?|labels?|targets?|gt|annotations?|depths?)(?![a-z])", re.IGNORECASE
)
# Means of blue, green and red, as models of Caffe take them.
CAFFE = re.compile(r"\b103\.9|\b104\.0|caffe|bgr", re.IGNORECASE)


class ImageModeUnchecked(Rule):
    """Checks for images that go into tensors with whatever channels their files have: of `Image.open` without
    `.convert(...)`, and of `cv2.imread` as if they were red, green and blue.

    It is reported where datasets of the project open files, and their transforms are known. If a program speaks of no
    images but JPEG, their mode is taken for granted.

    ## Why is this bad?
    A grey image has one channel, one with transparency has four, one with a palette has one of indices. `Normalize` for
    three channels then raises in the middle of an epoch. `cv2.imread` gives blue, green and red: a model that was
    trained on RGB silently gets the colours swapped.

    ## Example
    ```python
    from PIL import Image
    from torch.utils.data import Dataset
    from torchvision import transforms

    normalize = transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


    class Photographs(Dataset):
        def __init__(self, paths):
            self.paths = paths
            self.transform = transforms.Compose([transforms.ToTensor(), normalize])

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            return self.transform(Image.open(self.paths[index]))
    ```

    ## Use instead
    ```python
    from PIL import Image
    from torch.utils.data import Dataset
    from torchvision import transforms

    normalize = transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


    class Photographs(Dataset):
        def __init__(self, paths):
            self.paths = paths
            self.transform = transforms.Compose([transforms.ToTensor(), normalize])

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            return self.transform(Image.open(self.paths[index]).convert("RGB"))
    ```

    ## Fix safety
    Unsafe: images that are not of mode RGB are changed. There is no fix for `cv2.imread`.

    ## References
    - https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes
    - https://docs.opencv.org/4.x/d4/da8/group__imgcodecs.html
    """

    code = "TL432"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("transform", "Image", "cv2")

    def leave_Module(self, node: cst.Module) -> None:
        self._said: set[cst.CSTNode] = set()
        for use in self.model.pipelines.uses:
            if use.call is not None and _gives_samples(use.call):
                given = use.call.argument(0)
                if isinstance(given, Instance) and not NOT_PHOTOGRAPHS.search(self._words(use.call, given)):
                    if given.symbol == PIL_IMAGE and MODE not in given.base:
                        self._check_opened(use, given)
                    elif given.symbol == BGR_ARRAY:
                        self._check_bgr(use, given)
        self._check_arrays()

    def _words(self, call: Call, given: Instance) -> str:
        """What is written where an image is opened, and where it is given on: the names say what it is."""
        written = [(call.origin, call.node)]
        if given.origin is not None:
            written.append((given.origin, given.origin.node))
        return " ".join(origin.unit.module.code_for_node(node) for origin, node in written)

    def _check_opened(self, use: Use, image: Instance) -> None:
        """An image of unknown mode: which of the modes that it may have does the pipeline not take?"""
        if use.image.kind is not Kind.PIL or run(use.steps, use.image)[1] or self._is_known_otherwise(image):
            return
        grey, transparent = (run(use.steps, Image(Kind.PIL, channels)) for channels in (1, 4))
        fails = [problem for _, found in (grey, transparent) for problem in found if problem.fault is Fault.CHANNELS]
        if len(fails) == 2:
            widths = fails[0].step.widths or (3, 3)
            self._report(
                use,
                image,
                f"`Image.open` gives an image with the channels of the file, and `Normalize` takes {max(widths)}",
                fails[0].step.origin,
            )

    def _is_known_otherwise(self, image: Instance) -> bool:
        """Whether the mode is checked, or the program speaks of JPEG files alone: nearly all are of mode RGB."""
        opened = image.origin.unit.source.text if image.origin is not None else ""
        if CHECKED.search(opened):
            # The mode is looked at, or the images come from a store that the program filled itself.
            return True
        text = opened if JPEG.search(opened) or OTHER_FORMATS.search(opened) else self.source.text
        return JPEG.search(text) is not None and OTHER_FORMATS.search(text) is None

    def _report(self, use: Use, image: Instance, message: str, normalized: Origin | None) -> None:
        opened = image.origin
        here = opened is not None and opened.unit is self.model.unit
        if opened is None or opened.node in self._said:
            return
        self._said.add(opened.node)
        place = opened.node if here else use.node
        mixed = OTHER_FORMATS.search(opened.unit.source.text) or OTHER_FORMATS.search(self.source.text)
        self.report(
            place,
            message,
            help='convert it: `Image.open(path).convert("RGB")`',
            fix=self._convert(place) if here else None,
            related=[(normalized, "it is normalized here"), (None if here else opened, "it is opened here")],
            severity=Severity.WARNING if mixed else Severity.INFO,
        )

    def _convert(self, place: cst.CSTNode) -> Repair | None:
        if not isinstance(place, cst.Call):
            return None
        return self.fix("convert to RGB", Applicability.UNSAFE, self.insert_after(place, '.convert("RGB")'))

    def _check_bgr(self, use: Use, image: Instance) -> None:
        """An array of blue, green and red in a pipeline."""
        if use.call is None or CAFFE.search(use.call.origin.unit.source.text) or CAFFE.search(self.source.text):
            return
        if not use.steps or use.steps[0].name not in ("ToTensor", "ToPILImage", "ToImage"):
            return
        normalized = next((step for step in use.steps if step.name == "Normalize"), None)
        means = self.model.elements(normalized.argument(0, "mean") or UNKNOWN) if normalized is not None else None
        red_first = means is not None and any(mean == Const(IMAGENET_RED) for mean in means[:1])
        severity = Severity.WARNING if red_first or use.steps[0].name == "ToPILImage" else Severity.INFO
        self._report_bgr(use.node, image, f"`{use.steps[0].name}`", severity)

    def _check_arrays(self) -> None:
        """Arrays of blue, green and red that become PIL images anywhere, or tensors in a dataset."""
        for call in self.model.calls_of(FROM_ARRAY, *TO_TENSOR):
            image = call.argument(0)
            if isinstance(image, Instance) and image.symbol == BGR_ARRAY and not CAFFE.search(self.source.text):
                name = (call.name or "").rpartition(".")[2]
                if call.name == FROM_ARRAY:
                    self._report_bgr(call.node, image, "`Image.fromarray`", Severity.WARNING)
                elif _gives_samples(call):
                    self._report_bgr(call.node, image, f"`{name}`", Severity.INFO)

    def _report_bgr(self, node: cst.CSTNode, image: Value, taker: str, severity: Severity) -> None:
        if node in self._said:
            return
        self._said.add(node)
        self.report(
            node,
            f"`cv2.imread` gives blue, green and red, and {taker} is given them as they are",
            help="convert first: `cv2.cvtColor(image, cv2.COLOR_BGR2RGB)`",
            related=[(image.origin, "it is read here")],
            severity=severity,
        )


def _gives_samples(call: Call) -> bool:
    """Whether a call runs for a sample of a dataset of the project."""
    return any(
        function.name in SAMPLE_METHODS and function.owner is not None and is_dataset_class(function.owner)
        for function in call.active
    )
