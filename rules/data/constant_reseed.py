import re

import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.datasets import SAMPLE_METHODS, is_dataset_class
from torchlint.semantic.facts import Call
from torchlint.semantic.flow import runs_always
from torchlint.semantic.randomness import MANUAL_SEED, SAMPLING, SEEDING, restores
from torchlint.semantic.values import Const, FunctionInfo, FunctionRef, Iterated

# Loops over these repeat a whole experiment, which may well start from the same seed.
OTHERS = frozenset({"seed", "run", "trial", "fold", "rep", "repeat", "repetition", "experiment", "exp", "replica"})
# Names of functions that seed for others.
_SEEDER = re.compile(r"seed|determin|reproduc", re.IGNORECASE)


class ConstantReseed(Rule):
    """Checks for a generator that is seeded with a constant for each sample, or in each epoch of training.

    Reported are `random.seed`, `np.random.seed`, `torch.manual_seed` and the like, called in `__getitem__`, in a
    transform or collate function of a loader, or in the loop over epochs, directly or by a helper such as
    `set_seed(42)`; and a loader that is built in that loop with a generator of constant seed.

    ## Why is this bad?
    In `__getitem__` each sample draws the same random numbers: one and the same crop and flip for all. In the loop
    over epochs each epoch shuffles and augments alike. The numbers look random in a single batch, so nothing shows.

    ## Example
    ```python
    import random

    from torch.utils.data import Dataset


    class Flipped(Dataset):
        def __init__(self, images):
            self.images = images

        def __len__(self):
            return len(self.images)

        def __getitem__(self, index):
            random.seed(0)
            image = self.images[index]
            return image.flip(-1) if random.random() < 0.5 else image
    ```

    ## Use instead
    ```python
    import random

    from torch.utils.data import Dataset


    class Flipped(Dataset):
        def __init__(self, images):
            self.images = images

        def __len__(self):
            return len(self.images)

        def __getitem__(self, index):
            image = self.images[index]
            return image.flip(-1) if random.random() < 0.5 else image
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/randomness.html
    """

    code = "TL419"
    category = Category.SUSPICIOUS
    words = ("seed", "Dataset")

    def leave_Module(self, node: cst.Module) -> None:
        reported: set[int] = set()
        for call in self.model.sample_calls(*SEEDING, MANUAL_SEED):
            seed = call.argument(0, "seed", "a", "x")
            if not isinstance(seed, Const) or seed.value is None or call.tests or not call.certain:
                continue
            if restores(self.model, call.active[-1] if call.active else None):
                continue
            found = self._for_each_sample(call) or self._in_each_epoch(call)
            if found is not None and id(found[0]) not in reported:
                place, message = found
                reported.add(id(place))
                related = [(call.origin, "the generator is seeded here")] if place is not call.node else []
                self.report(
                    place,
                    message,
                    help="seed once, before the data is loaded, or let the seed depend on the index or the epoch",
                    related=related,
                )

    def _place(self, call: Call) -> cst.CSTNode | None:
        """Where seeding is asked for: not in a helper such as `set_seed`. None under a condition, which is meant."""
        function = call.active[-1] if call.active else None
        if call.origin.unit is not self.model.unit and function is not None and not _SEEDER.search(function.name):
            return self.model.place(call) if self._runs_always(function, call.node) else None
        for node in reversed(call.stack):
            made = next((made for made in self.model.calls(node) if made.stack == call.stack[: len(made.stack)]), None)
            function = made.active[-1] if made is not None and made.active else None
            if made is not None and (function is None or not _SEEDER.search(function.name)):
                return node if self._runs_always(function, node) else None
        return None

    @staticmethod
    def _runs_always(function: FunctionInfo | None, node: cst.CSTNode) -> bool:
        return function is None or not isinstance(function.node, cst.FunctionDef) or runs_always(function.node, node)

    # -- samples ------------------------------------------------------------------------------------------

    def _for_each_sample(self, call: Call) -> tuple[cst.CSTNode, str] | None:
        info = next((info for info in call.active if self._gives_samples(info)), None)
        if info is None or call.name == MANUAL_SEED:
            return None
        place = self._place(call)
        if place is None:
            return None
        if info.name == "__iter__":
            return place, "the generator is seeded with a constant whenever iteration starts: each epoch is alike"
        return place, "the generator is seeded with a constant for each sample: all draw the same numbers"

    def _gives_samples(self, info: FunctionInfo) -> bool:
        if info.owner is not None and is_dataset_class(info.owner):
            return info.name in SAMPLE_METHODS
        if info.name not in SAMPLING and not self._collates(info):
            return False
        return any(info in self.model.worker_functions(loader) for loader in self.model.loaders)

    def _collates(self, info: FunctionInfo) -> bool:
        values = [loader.value("collate_fn") for loader in self.model.loaders]
        return any(isinstance(value, FunctionRef) and value.info is info for value in values)

    # -- epochs -------------------------------------------------------------------------------------------

    def _in_each_epoch(self, call: Call) -> tuple[cst.CSTNode, str] | None:
        loop = next((loop for loop in call.loops if self._trains(loop)), None)
        if loop is None or any(info.name.startswith("test") for info in call.active):
            return None
        if call.name == MANUAL_SEED:
            made = [loader for loader in self.model.loaders if loader.value("generator") is call.receiver]
            if not any(loop in loader.call.loops for loader in made):
                return None
            message = "the loader's generator is made anew with a constant seed in each turn: each shuffles alike"
        else:
            message = "the generator is seeded with a constant in each turn of the training loop: each draws alike"
        place = self._place(call)
        return (place, message) if place is not None else None

    def _trains(self, loop: cst.CSTNode) -> bool:
        """Whether a loop goes on with the training of one model, and not with another model or another seed."""
        if isinstance(loop, cst.For):
            counted = self.model.value(loop.iter)
            if not isinstance(counted, Iterated) or self._target(loop) in OTHERS:
                return False
        if any(loop in call.loops for name in self._optimizers for call in self.model.calls_of(name)):
            return False
        return any(event.kind == "step" and loop in event.loops for event in self.model.events)

    @property
    def _optimizers(self) -> list[str]:
        return [name for name in self.model.called if name.startswith("torch.optim.") and name.count(".") == 2]

    @staticmethod
    def _target(loop: cst.For) -> str:
        return loop.target.value.lower() if isinstance(loop.target, cst.Name) else ""
