from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.assignments import assigned_once
from torchlint.semantic.datasets import Started, started_by
from torchlint.semantic.facts import Call
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import (
    UNKNOWN,
    WIDE_SEED,
    Const,
    FunctionInfo,
    Origin,
    Scalar,
    Symbol,
    Tri,
    Value,
)

# The functions that seed what a worker draws from; Python's own takes a seed of any size.
SEEDING = ("numpy.random.seed", "random.seed", "torch.manual_seed")


class WorkerInitFnSeed(Rule):
    """Checks for a `worker_init_fn` that raises, or that seeds the workers of each epoch alike.

    Since torch 1.9 the workers' `random`, NumPy and torch generators are seeded anew in each epoch, so a
    `worker_init_fn` is not needed for that; one that seeds them again can only do worse.

    ## Why is this bad?
    - `np.random.seed(torch.initial_seed())` raises `ValueError: Seed must be between 0 and 2**32 - 1`: torch's seeds
      have 64 bits.
    - `np.random.seed(42)`: all workers draw the same numbers, and each epoch draws them again.
    - `np.random.seed(42 + worker_id)`: each epoch draws the same numbers.
    - `np.random.seed(np.random.get_state()[1][0] + worker_id)`, advice from before torch 1.9: NumPy is seeded by an
      array by then, so that the first word of its state is the same number in each epoch and each run.

    ## Example
    ```python
    import numpy as np
    from torch.utils.data import DataLoader


    def seed_worker(worker_id):
        np.random.seed(worker_id)


    def make_loader(dataset):
        return DataLoader(dataset, num_workers=2, worker_init_fn=seed_worker)
    ```

    ## Use instead
    ```python
    import numpy as np
    import torch
    from torch.utils.data import DataLoader


    def seed_worker(worker_id):
        np.random.seed(torch.initial_seed() % 2**32)


    def make_loader(dataset):
        return DataLoader(dataset, num_workers=2, worker_init_fn=seed_worker)
    ```

    ## Fix safety
    `% 2**32` is safe: the call raised before. Other seeds become `torch.initial_seed() % 2**32`, which is unsafe:
    other numbers are drawn.

    ## References
    - https://docs.pytorch.org/docs/stable/notes/randomness.html#dataloader
    - https://github.com/pytorch/pytorch/pull/56488
    """

    code = "TL409"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("worker_init_fn",)

    def leave_Module(self, node: cst.Module) -> None:
        seen: set[int] = set()
        for loader in self.model.loaders:
            for started in started_by(loader, "worker_init_fn"):
                for call in self._seedings(started.info):
                    # Of a function in another file, the loader that is given it is what stands here.
                    here = call.origin.unit is self.model.unit
                    place = self._place(started.info, call) if here else self.model.place(loader.call)
                    if place is not None and id(place) not in seen:
                        seen.add(id(place))
                        self._check(loader, started, call, place)

    def _seedings(self, info: FunctionInfo) -> Iterator[Call]:
        for call in self.model.sample_calls(*SEEDING):
            if info in call.active and not call.tests and isinstance(call.node, cst.Call) and call.node.args:
                if call.active[-1] is info or isinstance(call.argument(0, "seed", "a"), (Const, Scalar)):
                    yield call

    def _place(self, info: FunctionInfo, call: Call) -> cst.CSTNode | None:
        """What stands in the function itself: the call, or that of a helper such as `set_seed`."""
        if call.active[-1] is info:
            return call.node
        return next(
            (node for node in call.stack if any(o.active[-1:] == (info,) for o in self.model.calls(node))), None
        )

    def _check(self, loader: Loader, started: Started, call: Call, place: cst.CSTNode) -> None:
        assert isinstance(call.node, cst.Call)
        info = started.info
        value, argument = call.argument(0, "seed", "a"), call.node.args[0].value
        here = place is call.node
        own_file = call.origin.unit is self.model.unit
        origin = Origin(info.node, info.unit) if own_file else call.origin
        related = [(origin, "the function that each worker starts with" if own_file else "it is seeded here")]
        own = "torch.initial_seed() % 2**32"
        if isinstance(value, Scalar) and value.kind == WIDE_SEED:
            if call.name == "numpy.random.seed" and not self._seeded_small_before(info, call):
                self.report(
                    place,
                    "torch's seeds have 64 bits; `np.random.seed` takes 32 and raises",
                    help="take it modulo `2**32`",
                    severity=Severity.ERROR,
                    fix=self._modulo(argument) if here else None,
                    related=related,
                )
            return
        message = self._repeated(loader, started, call, argument)
        if message is not None:
            self.report(
                place,
                message,
                help=f"seed with `{own}`, or leave it out: torch 1.9 and later seed the workers of each epoch anew",
                fix=self._own_seed(argument, own) if here else None,
                related=related,
            )

    def _own_seed(self, argument: cst.BaseExpression, content: str) -> Repair | None:
        if self.model.global_value("torch") != Symbol("torch"):
            return None
        return self.fix("seed with torch's own seed", Applicability.UNSAFE, self.replace(argument, content))

    def _modulo(self, argument: cst.BaseExpression) -> Repair:
        text = self.text(argument)
        plain = isinstance(argument, (cst.Name, cst.Attribute, cst.Call)) or text.startswith("(")
        edit = self.replace(argument, f"{text} % 2**32" if plain else f"({text}) % 2**32")
        return self.fix("take it modulo 2**32", Applicability.SAFE, edit)

    def _seeded_small_before(self, info: FunctionInfo, call: Call) -> bool:
        """Whether the function seeds torch itself first: with a small seed, `torch.initial_seed()` is small."""
        return any(info in other.active for other in self.model.sample_calls("torch.manual_seed"))

    def _repeated(self, loader: Loader, started: Started, call: Call, argument: cst.BaseExpression) -> str | None:
        value = call.argument(0, "seed", "a")
        own = call.active[-1] is started.info
        # What `functools.partial` binds is fixed with the loader.
        fixed = frozenset() if loader.call.loops else started.fixed
        parts = {"constant"} if _is_number(value) else self._parts(started, argument, fixed) if own else None
        if parts is None or self.model.target.torch.all_below(1, 9):
            return None
        if "state" in parts:
            return "NumPy's state starts with the same number in each epoch and each run, so this seed never changes"
        if "id" not in parts:
            return "all workers are seeded alike and draw the same numbers, in each epoch again"
        if loader.given("persistent_workers") is not Tri.NO:
            return None
        return "the workers are seeded alike in each epoch, so that each draws the same numbers"

    def _parts(self, started: Started, node: cst.BaseExpression, fixed: frozenset[str]) -> set[str] | None:
        """What a seed is computed from: the worker's `id`, a `constant`, NumPy's `state`; None for anything else."""
        if isinstance(node, cst.BinaryOperation):
            left, right = self._parts(started, node.left, fixed), self._parts(started, node.right, fixed)
            return left | right if left is not None and right is not None else None
        if isinstance(node, cst.Name):
            if node.value == started.first:
                return {"id"}
            if node.value in fixed:
                return {"constant"}
            meant = assigned_once(started.info.node, node.value)
            if meant is not None:
                return self._parts(started, meant, fixed)
        if isinstance(node, cst.Subscript):
            inner = node.value
            while isinstance(inner, cst.Subscript):
                inner = inner.value
            asked = any(call.node is inner for call in self.model.sample_calls("numpy.random.get_state"))
            return {"state"} if asked else None
        value = self.model.value(node)
        if isinstance(node, cst.Integer) or _is_number(value):
            return {"constant"}
        # Of a configuration, which no epoch changes.
        of_seed = isinstance(node, cst.Attribute) and node.attr.value.lower() in ("seed", "random_seed", "manual_seed")
        return {"constant"} if of_seed and value is UNKNOWN else None


def _is_number(value: Value | None) -> bool:
    return isinstance(value, Const) and isinstance(value.value, int)
