import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import Tri

# What OpenCV does in one thread anyway, or outside of samples.
NO_THREADS = frozenset({
    "imread", "imwrite", "imdecode", "imencode", "VideoCapture", "VideoWriter", "setNumThreads", "getNumThreads",
    "imshow", "waitKey", "destroyAllWindows", "setUseOptimized", "circle", "line", "rectangle", "putText",
    "boundingRect", "contourArea", "getRotationMatrix2D", "getAffineTransform", "getPerspectiveTransform",
})  # fmt: skip
ALBUMENTATIONS = "albumentations."


class Cv2ThreadsInWorkers(Rule):
    """Checks for OpenCV in loader workers whose threads are left on.

    Reported is OpenCV's work on images, also that of albumentations, in the dataset or transforms of a loader with
    workers, when nothing in the files concerned calls `cv2.setNumThreads`.

    ## Why is this bad?
    torch limits its own threads to one in each worker; OpenCV's stay as many as there are CPUs. Eight workers on eight
    CPUs run 64 threads, which wait for each other. Some builds of OpenCV hang after a fork.

    ## Example
    ```python
    import cv2
    from torch.utils.data import DataLoader, Dataset


    class Images(Dataset):
        def __init__(self, paths):
            self.paths = paths

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            image = cv2.imread(self.paths[index], cv2.IMREAD_GRAYSCALE)
            return cv2.resize(image, (64, 64))


    def make_loader(paths):
        return DataLoader(Images(paths), num_workers=8)
    ```

    ## Use instead
    ```python
    import cv2
    from torch.utils.data import DataLoader, Dataset

    cv2.setNumThreads(0)


    class Images(Dataset):
        def __init__(self, paths):
            self.paths = paths

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, index):
            image = cv2.imread(self.paths[index], cv2.IMREAD_GRAYSCALE)
            return cv2.resize(image, (64, 64))


    def make_loader(paths):
        return DataLoader(Images(paths), num_workers=8)
    ```

    ## Fix safety
    Unsafe: `cv2.setNumThreads(0)` holds for all that the process does with OpenCV.

    ## References
    - https://docs.opencv.org/4.x/db/de0/group__core__utils.html#gae78625c3c2aa9e0b83ed31b73c6549c0
    - https://github.com/pytorch/pytorch/issues/1355
    """

    code = "TL433"
    category = Category.PERFORMANCE
    fix_safety = Applicability.UNSAFE
    words = ("num_workers", "DataLoader", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        if "setNumThreads" in self.source.text:
            return
        names = {*self.model.called, *self.model.called_by_samples}
        working = sorted(name for name in names if _uses_threads(name))
        if not working:
            return
        for loader in self.model.loaders:
            call = self._call(loader, working) if loader.workers is Tri.YES else None
            if call is not None:
                self._report(node, loader, call)
                # The others have the same cause and the same cure.
                return

    def _call(self, loader: Loader, names: list[str]) -> Call | None:
        for call in self.model.sample_calls(*names):
            if self.model.runs_in_workers(loader, call):
                if not any("setNumThreads" in info.unit.source.text for info in call.active):
                    return call
        return None

    def _report(self, module: cst.Module, loader: Loader, call: Call) -> None:
        here = call.origin.unit is self.model.unit
        place = call.node if here else self.model.place(loader.call)
        if place is None:
            return
        assert call.name is not None
        library = "albumentations" if call.name.startswith(ALBUMENTATIONS) else "OpenCV"
        self.report(
            place,
            f"{library} runs here in as many threads as there are CPUs, in each worker",
            help="call `cv2.setNumThreads(0)` after `import cv2`",
            severity=Severity.INFO,
            fix=self._limit(module),
            related=[
                (loader.call.origin, "the loader with workers"),
                (None if here else call.origin, "it is called here"),
            ],
        )

    def _limit(self, module: cst.Module) -> Repair | None:
        """Insert the call before what follows the imports at the head of the file."""
        body = module.body
        imported = False
        for statement in body:
            small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
            if isinstance(small, cst.Import) and any(
                isinstance(alias.name, cst.Name) and alias.name.value == "cv2" and alias.asname is None
                for alias in small.names
            ):
                imported = True
            elif imported and not isinstance(small, (cst.Import, cst.ImportFrom)):
                end = self.source.newline
                text = f"cv2.setNumThreads(0){end}{end}{end}"
                return self.fix("limit OpenCV's threads", Applicability.UNSAFE, self.insert_before(statement, text))
        return None


def _uses_threads(name: str) -> bool:
    if name.startswith(ALBUMENTATIONS):
        return name.endswith(".__call__")
    return name.startswith("cv2.") and name.count(".") == 1 and name.rpartition(".")[2] not in NO_THREADS
