from collections.abc import Sequence
from typing import NamedTuple

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.datasets import SUBSET, method
from torchlint.semantic.knowledge.vision import dataset_class
from torchlint.semantic.values import NONE, UNKNOWN, Instance, Symbol, Value

SPLIT = "torch.utils.data.random_split"
TRANSFORMS = frozenset({"transform", "transforms", "target_transform"})


class Write(NamedTuple):
    """`split.dataset.transform = value`, and the dataset that the split reads there."""

    line: cst.SimpleStatementLine
    target: cst.Attribute
    split: Instance
    base: Instance
    value: Value
    # As written: the part, and what is set.
    part: str
    text: str
    scope: cst.CSTNode | None


class SplitSharesTransform(Rule):
    """Checks for a transform set on one part of a split dataset, which sets it for the other parts as well.

    `random_split` and `Subset` copy no data: `val.dataset` is the whole dataset, for each part the same object.
    Also reported: `val.transform = ...` on a part itself, which nothing ever reads.

    ## Why is this bad?
    The last assignment wins for all parts, silently: usually the training part loses its augmentation, or the
    validation part gets it.

    ## Example
    ```python
    from torch.utils.data import random_split
    from torchvision import datasets, transforms

    data = datasets.ImageFolder("images", transform=transforms.RandomHorizontalFlip())
    train, val = random_split(data, [0.8, 0.2])
    val.dataset.transform = transforms.ToTensor()
    ```

    ## Use instead
    ```python
    import copy

    from torch.utils.data import random_split
    from torchvision import datasets, transforms

    data = datasets.ImageFolder("images", transform=transforms.RandomHorizontalFlip())
    train, val = random_split(data, [0.8, 0.2])
    val.dataset = copy.copy(val.dataset)
    val.dataset.transform = transforms.ToTensor()
    ```

    ## Fix safety
    Unsafe: the parts give other samples than before. Offered where the module `copy` is imported.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.random_split
    """

    code = "TL414"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("random_split", "Subset", ".dataset.transform")

    # Names that the results of calls are assigned to, by the calls, and the transforms set on parts, in order.
    names: dict[int, tuple[str, ...]]
    writes: list[Write]
    # The functions and loops that are open, outermost first.
    scopes: list[cst.CSTNode]

    def visit_Module(self, node: cst.Module) -> None:
        self.names = {}
        self.writes = []
        self.scopes = []

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self.scopes.append(node)

    def leave_FunctionDef(self, node: cst.FunctionDef) -> None:
        self.scopes.pop()

    def visit_For(self, node: cst.For) -> None:
        self.scopes.append(node)

    def leave_For(self, node: cst.For) -> None:
        self.scopes.pop()

    def visit_While(self, node: cst.While) -> None:
        self.scopes.append(node)

    def leave_While(self, node: cst.While) -> None:
        self.scopes.pop()

    def visit_SimpleStatementLine(self, node: cst.SimpleStatementLine) -> None:
        statement = node.body[0]
        if not isinstance(statement, cst.Assign) or len(statement.targets) != 1:
            return
        target = statement.targets[0].target
        if type(statement.value) is cst.Call:
            elements = target.elements if isinstance(target, (cst.Tuple, cst.List)) else ()
            self.names[id(statement.value)] = tuple(
                element.value.value for element in elements if isinstance(element.value, cst.Name)
            )
        if type(target) is cst.Attribute and target.attr.value in TRANSFORMS:
            self._record(node, target, statement.value)

    def _record(self, line: cst.SimpleStatementLine, target: cst.Attribute, value: cst.BaseExpression) -> None:
        owner = target.value
        part = self.model.value(owner)
        if _is_part(part):
            self.report(
                target,
                f"a `Subset` has no `{target.attr.value}`; nothing reads what is set here",
                help="set it on a dataset of its own: copy `.dataset`, or wrap the part in a dataset that transforms",
                related=[(part.origin, "the part is made here")],
            )
        elif isinstance(owner, cst.Attribute) and owner.attr.value == "dataset":
            split = self.model.value(owner.value)
            if _is_part(split) and isinstance(split, Instance) and isinstance(part, Instance):
                given = self.model.value(value)
                texts = (self.text(owner.value), self.text(value))
                scope = self.scopes[-1] if self.scopes else None
                self.writes.append(Write(line, target, split, part, given, *texts, scope))

    def leave_Module(self, node: cst.Module) -> None:
        for index, write in enumerate(self.writes):
            others = [other for other in self.writes[:index] if _changes(other, write)]
            if not self._is_shared(write) or self._takes_turns(node, write):
                continue
            if others:
                message = "all parts of the split share this dataset; this replaces the transform set before"
                related = [(self.model.origin(others[-1].target), "it was set for another part here")]
            elif not any(_changes(write, other) for other in self.writes[index + 1 :]) and _had_transform(write):
                message = "all parts of the split share this dataset; this changes the transform of the others too"
                related = (
                    [(write.base.origin, "the dataset was made with another transform")] if write.base.origin else []
                )
            else:
                continue
            self.report(
                write.target,
                message,
                help="give the part a dataset of its own: `copy.copy(part.dataset)`",
                fix=self._repair(write),
                related=related,
            )

    def _takes_turns(self, module: cst.Module, write: Write) -> bool:
        """Whether the transform may be changed for what comes next: in a loop, or after a loader has been used."""
        if isinstance(write.scope, (cst.For, cst.While)):
            return True
        order = {id(statement): index for index, statement in enumerate(module.body)}
        place = order.get(id(write.line))
        return place is not None and any(
            event.kind == "iterate" and event.statement is not None and order.get(id(event.statement), place) < place
            for event in self.model.events
        )

    def _is_shared(self, write: Write) -> bool:
        """Whether another part, which is not thrown away, reads the same dataset."""
        if self.model.held(write.split, "dataset") not in (UNKNOWN, write.base):
            return False
        for call in self.model.calls_led_to(SPLIT):
            parts = self.model.elements(call.result) or ()
            if write.split in parts and isinstance(call.node, cst.Call):
                place = self.model.place(call)
                if place is not call.node and not self._gives_several(place, parts):
                    return False
                names = self.names.get(id(place), ())
                if any(name.startswith("_") for name in names):
                    return False
                bases = [_base(self.model.held(part, "dataset"), part) for part in parts if isinstance(part, Instance)]
                # Of a list of unknown length, one part stands for all.
                alone = self.model.held(write.split, "dataset") is UNKNOWN
                return bases.count(write.base) > 1 or (len(parts) == 1 and len(names) > 1 and alone)
        subsets = [
            call.result
            for call in self.model.calls_of(SUBSET)
            if isinstance(call.result, Instance)
            and _base(self.model.held(call.result, "dataset"), call.result) is write.base
        ]
        return write.split in subsets and len(set(subsets)) > 1

    def _gives_several(self, place: cst.CSTNode | None, parts: Sequence[Value]) -> bool:
        """Whether what a function of another file gives has several parts of the split that it makes."""
        given = self.model.elements(self.model.value(place)) if place is not None else None
        return sum(part in parts for part in given or ()) > 1

    def _repair(self, write: Write) -> Repair | None:
        copy = self.model.unit.frame.base.get("copy")
        if not isinstance(copy, Symbol) or copy.name != "copy" or len(write.line.body) > 1:
            return None
        part = self.text(write.target.value)
        return self.fix(
            "copy the dataset first", Applicability.UNSAFE, self.insert_line(write.line, f"{part} = copy.copy({part})")
        )


def _is_part(value: Value) -> bool:
    return isinstance(value, Instance) and value.symbol == SUBSET


def _base(held: Value, part: Instance) -> Value:
    """The dataset that a part reads: one assigned to it later, or that it was made of."""
    return held if held is not UNKNOWN else part.arguments.get(0, "dataset") or UNKNOWN


def _changes(one: Write, other: Write) -> bool:
    """Whether two parts of one dataset are given different transforms."""
    if one.base is not other.base or one.target.attr.value != other.target.attr.value or one.part == other.part:
        return False
    if one.scope is not other.scope:
        # Each may be right for what its function does next.
        return False
    return one.text != other.text and (one.value is UNKNOWN or one.value != other.value)


def _had_transform(write: Write) -> bool:
    """Whether the dataset was made with a transform, which is another one."""
    name, base = write.target.attr.value, write.base
    initializer = method(base.info, "__init__") if base.info is not None else None
    known = dataset_class(base.symbol)
    index = known.transform if known is not None and name == "transform" else None
    if initializer is not None:
        names = [parameter.name.value for parameter in initializer.node.params.params[1:]]
        index = names.index(name) if name in names else None
    made = base.arguments.get(index, name)
    return made is not None and made is not UNKNOWN and made not in (NONE, write.value)
