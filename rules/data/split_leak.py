import re
from typing import NamedTuple

import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.datasets import SUBSET
from torchlint.semantic.facts import Call
from torchlint.semantic.knowledge.vision import dataset_class
from torchlint.semantic.values import NONE, UNKNOWN, Const, Instance, Value, alternatives

SPLIT = "torch.utils.data.random_split"
GENERATOR = "torch.Generator"
# Arguments of datasets that do not change which samples there are.
VIEWS = frozenset({"transform", "target_transform", "transforms", "download", "augment"})
SEEDING = re.compile(r"(?<!def )\b\w*seed\w*\s*\(")
# Other generators than that of torch.
ELSEWHERE = re.compile(r"\b(np|numpy|random)\.(random\.)?seed\s*\(")


class Half(NamedTuple):
    """A split of which one part is used: the call, and the number of that part."""

    call: Call
    part: int


class SplitLeak(Rule):
    """Checks for a training and a validation part that come from two random splits of the same data.

    The two calls may stand side by side, in two methods such as `train_dataloader` and `val_dataloader`, or be one
    call in a function that is called twice. Splits that are seeded alike are not reported.

    ## Why is this bad?
    Each call of `random_split` draws anew, so the parts overlap: with a fifth for validation, four of five
    validation samples are trained on. The validation loss is too good, and nothing says so.

    ## Example
    ```python
    import torch
    from torch.utils.data import TensorDataset, random_split

    data = TensorDataset(torch.randn(100, 2))
    train, _ = random_split(data, [80, 20])
    _, val = random_split(data, [80, 20])
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import TensorDataset, random_split

    data = TensorDataset(torch.randn(100, 2))
    train, val = random_split(data, [80, 20])
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.random_split
    """

    code = "TL415"
    category = Category.SUSPICIOUS
    words = ("random_split", "DataLoader")

    # For each call that is assigned: the parts that get a name which does not start with an underscore.
    named: dict[int, frozenset[int]]

    def visit_Module(self, node: cst.Module) -> None:
        self.named = {}

    def visit_Assign(self, node: cst.Assign) -> None:
        value, target = node.value, node.targets[0].target
        if type(value) is cst.Subscript and type(value.value) is cst.Call:
            index = (
                self.model.value(value.slice[0].slice.value) if isinstance(value.slice[0].slice, cst.Index) else None
            )
            number = getattr(index, "value", None)
            if type(number) is int and number >= 0:
                self.named[id(value.value)] = frozenset({number})
        elif type(value) is cst.Call and isinstance(target, (cst.Tuple, cst.List)):
            kept = set()
            for position, element in enumerate(target.elements):
                if isinstance(element, cst.StarredElement):
                    return
                if not (isinstance(element.value, cst.Name) and element.value.value.startswith("_")):
                    kept.add(position)
            self.named[id(value)] = frozenset(kept)

    def leave_Module(self, node: cst.Module) -> None:
        calls = list(self.model.calls_led_to(SPLIT))
        read = self._read() if calls else frozenset()
        halves = [half for call in calls if (half := self._half(call, read)) is not None]
        for number, second in enumerate(halves):
            for first in halves[:number]:
                if self._leaks(first, second):
                    self._report(first, second)
                    return

    def _read(self) -> frozenset[Value]:
        """The parts that loaders read: their datasets, and what datasets of the project hold."""
        read: set[Value] = set()
        for loader in self.model.loaders:
            for option in alternatives(loader.value("dataset") or UNKNOWN):
                read.add(option)
                if isinstance(option, Instance) and option.info is not None:
                    read.update(self.model.held(option, name) for name in option.base.keys() | option.written)
        return frozenset(read)

    def _half(self, call: Call, read: frozenset[Value]) -> Half | None:
        """The one part of a split that is used; None where it is none, or several."""
        if not call.certain or call.tried:
            return None
        named = self.named.get(id(call.node))
        if named is not None and len(named) == 1:
            return Half(call, next(iter(named)))
        parts = self.model.elements(call.result) or ()
        used = [index for index, part in enumerate(parts) if part in read]
        return Half(call, used[0]) if len(used) == 1 and len(parts) > 1 else None

    def _leaks(self, first: Half, second: Half) -> bool:
        if first.part == second.part or first.call.result is second.call.result:
            return False
        if self._are_seeded(first.call, second.call):
            return False
        if first.call.node is not second.call.node and (first.call.tests or second.call.tests):
            # They may stand in two branches, of which one runs.
            return False
        return self._is_same_data(first.call, second.call)

    def _are_seeded(self, first: Call, second: Call) -> bool:
        """Whether both splits may be drawn with the same seed."""
        one, other = (call.argument(2, "generator") or NONE for call in (first, second))
        if one is other and isinstance(one, Instance) and one.symbol == GENERATOR:
            # One generator goes on where it was, unless it is seeded again.
            seeded = {id(call.node) for call in self.model.calls_of(GENERATOR + ".manual_seed") if call.receiver is one}
            return len(seeded) > 1
        if (one, other) != (NONE, NONE) or not (first.arguments.complete and second.arguments.complete):
            return True
        texts = {unit: unit.source.text for unit in (self.model.unit, first.origin.unit, second.origin.unit)}.values()
        seedings = sum(len(SEEDING.findall(text)) - len(ELSEWHERE.findall(text)) for text in texts)
        return seedings > 1 or (first.node is second.node and self._seeds_itself(first))

    @staticmethod
    def _seeds_itself(call: Call) -> bool:
        """Whether the function of a split seeds: one that is called twice then draws the same twice."""
        function = call.active[-1] if call.active else None
        return function is not None and SEEDING.search(function.unit.module.code_for_node(function.node)) is not None

    def _is_same_data(self, first: Call, second: Call) -> bool:
        one, other = (call.argument(0, "dataset") or UNKNOWN for call in (first, second))
        if isinstance(one, Instance) and isinstance(other, Instance):
            return one is other or self._are_views(one, other)
        written = [self._written(call) for call in (first, second)]
        owners = [call.active[-1].owner if call.active else None for call in (first, second)]
        # The same attribute, in methods of one class.
        return written[0] == written[1] != "" and owners[0] is owners[1] is not None and written[0].startswith("self.")

    def _written(self, call: Call) -> str:
        args = call.node.args if isinstance(call.node, cst.Call) else ()
        return self.text(args[0].value) if args and not args[0].star and args[0].keyword is None else ""

    def _are_views(self, one: Instance, other: Instance) -> bool:
        """Whether two datasets read the same samples: they are made alike, but for their transforms."""
        if one.info is not other.info or one.symbol != other.symbol or one.symbol == SUBSET:
            return False
        first, second = _arguments(one), _arguments(other)
        if first is None or second is None or first.keys() != second.keys():
            return False
        if one.origin == other.origin:
            # A function that is called twice: whether with the same arguments, their values say.
            return all(value is not UNKNOWN and value == second[key][1] for key, (_, value) in first.items())
        return all(
            text == second[key][0]
            and not (_is_literal(value) and _is_literal(second[key][1]) and value != second[key][1])
            for key, (text, value) in first.items()
        )

    def _report(self, first: Half, second: Half) -> None:
        place = second.call.node
        if place is first.call.node and second.call.stack:
            place = self._caller(second.call)
        self.report(
            place,
            "the same data is split at random twice, and a part of each split is used; they overlap",
            help="split once and use both parts, or give both calls a generator with the same seed",
            related=[(first.call.origin, "the other split")],
        )

    @staticmethod
    def _caller(call: Call) -> cst.CSTNode:
        """The call of the function in which the split is."""
        outer = [node for node in call.stack if node is not call.node]
        return outer[-1] if outer else call.node


def _arguments(dataset: Instance) -> dict[str | int, tuple[str, Value]] | None:
    """What a dataset is made with, as written and by value, but for its transforms; None where that is not known."""
    origin, known = dataset.origin, dataset_class(dataset.symbol)
    if origin is None or not isinstance(origin.node, cst.Call):
        return None
    found: dict[str | int, tuple[str, Value]] = {}
    for index, arg in enumerate(origin.node.args):
        if arg.star:
            return None
        key = arg.keyword.value if arg.keyword is not None else index
        if key in VIEWS or (known is not None and index == known.transform and arg.keyword is None):
            continue
        value = dataset.arguments.get(index if arg.keyword is None else None, str(key))
        found[key] = (origin.unit.module.code_for_node(arg.value), value if value is not None else UNKNOWN)
    return found or None


def _is_literal(value: Value) -> bool:
    return isinstance(value, Const) and not value.assumed
