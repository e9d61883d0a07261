import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.attributes import setters
from torchlint.semantic.datasets import is_dataset_class
from torchlint.semantic.facts import Call
from torchlint.semantic.loaders import Loader
from torchlint.semantic.randomness import GENERATORS, MANUAL_SEED, SAMPLING, WORKER_INFO, draws
from torchlint.semantic.values import ClassInfo, Const, FunctionInfo, Instance, Tri


class DatasetRngObject(Rule):
    """Checks for a generator of random numbers that a dataset keeps and draws samples with.

    Reported are NumPy's, Python's and torch's generators that are made in `__init__` or at module level and drawn
    from in `__getitem__` or `__iter__`, also through transforms that the dataset holds, and generators that are
    made anew for each sample with a constant seed. The global generators `np.random`, `random` and `torch` are
    fine: since torch 1.9 each worker's are seeded anew in each epoch.

    ## Why is this bad?
    Each worker gets a copy of the generator in the same state, so all workers draw the same numbers; and since
    workers are started anew for each epoch, each epoch draws them again. Augmentations repeat, silently.

    ## Example
    ```python
    import numpy as np
    from torch.utils.data import DataLoader, Dataset


    class Noisy(Dataset):
        def __init__(self, data):
            self.data = data
            self.rng = np.random.default_rng()

        def __len__(self):
            return len(self.data)

        def __getitem__(self, index):
            return self.data[index] + self.rng.normal()


    def make_loader(data):
        return DataLoader(Noisy(data), num_workers=2)
    ```

    ## Use instead
    ```python
    import numpy as np
    from torch.utils.data import DataLoader, Dataset


    class Noisy(Dataset):
        def __init__(self, data):
            self.data = data

        def __len__(self):
            return len(self.data)

        def __getitem__(self, index):
            return self.data[index] + np.random.normal()


    def make_loader(data):
        return DataLoader(Noisy(data), num_workers=2)
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/randomness.html#dataloader
    - https://docs.pytorch.org/docs/stable/data.html#randomness-in-multi-process-data-loading
    """

    code = "TL408"
    category = Category.SUSPICIOUS
    words = ("default_rng", "RandomState", "Random(", "Generator(")

    def leave_Module(self, node: cst.Module) -> None:
        made = {maker for makers in GENERATORS.values() for maker in makers}.intersection(self.model.called)
        reported: set[int] = set()
        for call in self.model.calls_of(*sorted(made)):
            if id(call.node) not in reported and isinstance(call.result, Instance):
                found = self._made_for_each_sample(call) if self._sampling(call) else self._kept(call)
                if found:
                    reported.add(id(call.node))

    @staticmethod
    def _sampling(call: Call) -> FunctionInfo | None:
        """The method, of a dataset or transform, that gives samples and in which a call runs."""
        return next((info for info in call.active if info.name in SAMPLING and info.owner is not None), None)

    def _kept(self, made: Call) -> bool:
        """Report a generator that lives longer than a sample, if samples are drawn from it in workers."""
        generator = made.result
        assert isinstance(generator, Instance)
        for draw in draws(self.model, generator):
            sampling = self._sampling(draw)
            if sampling is None or not draw.certain or self._is_renewed(sampling.owner, draw):
                continue
            using = [loader for loader in self.model.loaders if self.model.runs_in_workers(loader, draw)]
            risky = [loader for loader in using if self._may_repeat(loader)]
            assert sampling.owner is not None
            if (using and not risky) or not (using or is_dataset_class(sampling.owner)):
                continue
            self._report(made, draw, next((loader for loader in risky if loader.workers is Tri.YES), None))
            return True
        return False

    @staticmethod
    def _may_repeat(loader: Loader) -> bool:
        # What starts each worker may well give it a generator of its own.
        return loader.workers is not Tri.NO and loader.given("worker_init_fn") is Tri.NO

    def _is_renewed(self, owner: ClassInfo | None, draw: Call) -> bool:
        """Whether a class asks which worker it runs in, or gives itself another generator in another method."""
        if owner is None or any(
            info.owner is owner for call in self.model.calls_of(WORKER_INFO) for info in call.active
        ):
            return True
        function = draw.node.func if isinstance(draw.node, cst.Call) else None
        kept = function.value if isinstance(function, cst.Attribute) else None
        return isinstance(kept, cst.Attribute) and kept.attr.value in setters(owner)

    def _report(self, made: Call, draw: Call, loader: Loader | None) -> None:
        symbol = getattr(made.result, "symbol", "")
        workers = "the workers of the loader" if loader is not None else "workers that load this dataset"
        self.report(
            made.node,
            f"{workers} all draw the same numbers from this `{symbol}`, in each epoch again",
            help="draw from the global generator, which torch seeds, or make one in each worker from its seed",
            severity=Severity.WARNING if loader is not None else Severity.INFO,
            related=[
                (draw.origin, "samples draw from it here"),
                (loader.call.origin if loader is not None else None, "the loader with workers"),
            ],
        )

    def _made_for_each_sample(self, made: Call) -> bool:
        sampling = self._sampling(made)
        assert sampling is not None
        if sampling.name != "__getitem__" or sampling.owner is None or not is_dataset_class(sampling.owner):
            return False
        seed = made.argument(0, "seed", "x")
        if made.result.symbol == "torch.Generator":  # type: ignore[attr-defined]
            seeded = [call for call in self.model.calls_of(MANUAL_SEED) if call.receiver is made.result]
            seed = seeded[0].argument(0, "seed") if len(seeded) == 1 and not seeded[0].tests else None
        if made.tests or not isinstance(seed, Const) or seed.value is None:
            return False
        if not any(True for _ in draws(self.model, made.result)):  # type: ignore[arg-type]
            return False
        self.report(
            made.node,
            f"each sample draws the same numbers: this generator is made anew with the seed {seed.value!r}",
            help="let the seed depend on the index, or draw from the global generator",
        )
        return True
