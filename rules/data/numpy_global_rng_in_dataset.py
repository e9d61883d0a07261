from collections.abc import Sequence

import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import Tri

NUMPY = "numpy.random."
# What makes or moves a generator, and draws nothing.
NO_DRAWS = frozenset({
    "seed", "get_state", "set_state", "default_rng", "RandomState", "Generator", "SeedSequence", "PCG64", "MT19937",
})  # fmt: skip


class NumpyGlobalRngInDataset(Rule):
    """Checks for draws from NumPy's global generator in a dataset, where torch is older than 1.9.

    It speaks only where the project says so, by `target-torch`, or by the versions of torch that its requirements
    or lock files allow. From torch 1.9 on NumPy is seeded anew in each worker and each epoch, and all is well.

    ## Why is this bad?
    Before torch 1.9 a worker inherits the state of NumPy's generator: all workers draw the same numbers, and each
    epoch draws them again. Augmentations repeat, silently.

    ## Example
    ```python
    # target: torch 1.8
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

    ## Use instead
    ```python
    # target: torch 1.8
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, Dataset


    class Noisy(Dataset):
        def __init__(self, data):
            self.data = data

        def __len__(self):
            return len(self.data)

        def __getitem__(self, index):
            return self.data[index] + np.random.normal()


    def seed_worker(worker_id):
        np.random.seed(torch.initial_seed() % 2**32)


    def make_loader(data):
        return DataLoader(Noisy(data), num_workers=2, worker_init_fn=seed_worker)
    ```

    ## References
    - https://github.com/pytorch/pytorch/issues/5059
    - https://github.com/pytorch/pytorch/pull/56488
    """

    code = "TL437"
    category = Category.SUSPICIOUS
    words = ("numpy", "DataLoader", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        if not self.model.target.torch.all_below(1, 9):
            return
        reported: set[int] = set()
        seeding = list(self.model.sample_calls("numpy.random.seed"))
        for name in sorted(name for name in {*self.model.called, *self.model.called_by_samples} if _draws(name)):
            for call in self.model.sample_calls(name):
                loader = self._loader(call, seeding)
                if loader is None:
                    continue
                here = call.origin.unit is self.model.unit
                place = call.node if here else self.model.place(loader.call)
                if place is not None and id(place) not in reported:
                    reported.add(id(place))
                    self.report(
                        place,
                        "before torch 1.9 all workers draw the same numbers here, in each epoch again",
                        help="seed NumPy in a `worker_init_fn`, with `torch.initial_seed() % 2**32`",
                        related=[
                            (loader.call.origin, "the loader with workers"),
                            (None if here else call.origin, "they are drawn here"),
                        ],
                    )

    def _loader(self, call: Call, seeding: Sequence[Call]) -> Loader | None:
        """A loader whose workers draw by a call, and whose workers or samples nothing seeds."""
        for loader in self.model.loaders:
            if loader.workers is Tri.YES and loader.given("worker_init_fn") is Tri.NO:
                running = self.model.worker_functions(loader).intersection(call.active)
                if (
                    running
                    and self.model.runs_in_workers(loader, call)
                    and all(running.isdisjoint(seeded.active) for seeded in seeding)
                ):
                    return loader
        return None


def _draws(name: str) -> bool:
    return name.startswith(NUMPY) and name.count(".") == 2 and name.rpartition(".")[2] not in NO_DRAWS
