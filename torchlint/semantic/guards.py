"""What a condition in a method that gives samples is about: the sample, the index, or how the dataset was made.

A condition about the sample comes out either way sooner or later. One about how the dataset was made always comes out
the same, and `if mode == "train": ... elif mode == "test": ...` names all modes that there are.
"""

from collections.abc import Iterator
from enum import Enum

import libcst as cst

from torchlint.semantic.flow import Gate, Path, dotted, own_nodes
from torchlint.semantic.parts import parts

# Functions that ask what something is, which a program asks to tell all its cases apart.
_KINDS = frozenset({"isinstance", "hasattr", "callable", "issubclass", "torch.is_tensor", "type"})


class About(Enum):
    """What decides how a condition comes out."""

    SAMPLE = 0
    INDEX = 1
    DATASET = 2


def depends_on_sample(function: cst.FunctionDef, path: Path) -> bool:
    """Whether control certainly goes a way through a method for some samples, and for others may not.

    So it is after exceptions that are caught, and after conditions about the sample. Also when nothing decides.
    """
    names = _Names(function)
    taken: list[tuple[str, bool]] = []
    compared: set[str] = set()
    for position, gate in enumerate(path):
        if gate.kind == "if":
            test, holds = _without_not(gate.node, gate.holds)
            # An opposite of what was found before cannot be: nothing was assigned in between that matters.
            text = _text(test)
            if (text, not holds) in taken:
                return False
            taken.append((text, holds))
            if not (names.may_be_entered(test) if holds else names.may_fail(test)):
                return False
            sides = {_text(side) for side in _sides(test)}
            if not sides.isdisjoint(compared):
                # `if n < 3: ... elif n >= 3: ...` leaves nothing over.
                return False
            compared |= sides
        elif gate.kind == "loop":
            failed = any(before.kind == "except" for before in path[:position])
            if not (failed and isinstance(gate.node, cst.For) and _is_range(gate.node.iter)):
                return False
        elif gate.kind != "except":
            return False
    return True


def is_about_sample(function: cst.FunctionDef, gate: Gate) -> bool:
    """Whether it is the sample that decides at a gate: what an exception says, or a condition about the sample."""
    if gate.kind == "if":
        assert isinstance(gate.node, cst.BaseExpression)
        return _Names(function).about(gate.node) is About.SAMPLE
    return gate.kind == "except"


class _Names:
    """The names of a function that hold something of the sample."""

    def __init__(self, function: cst.FunctionDef) -> None:
        parameters = [parameter.name.value for parameter in (*function.params.posonly_params, *function.params.params)]
        self.index = parameters[1] if len(parameters) > 1 else ""
        self.sample: set[str] = set()
        assigned = list(_assigned(function))
        for _ in range(3):
            for target, value in assigned:
                if target != self.index and self._mentions_sample(value):
                    self.sample.add(target)

    def _mentions_sample(self, node: cst.CSTNode) -> bool:
        return any(
            isinstance(inner, cst.Name) and (inner.value == self.index or inner.value in self.sample)
            for inner in _expressions(node)
        )

    def about(self, test: cst.BaseExpression) -> About:
        if not self._mentions_sample(test):
            return About.DATASET
        if isinstance(test, cst.Comparison):
            if any(self._is_index(side) for side in _sides(test)):
                return About.INDEX
        return About.SAMPLE

    def _is_index(self, node: cst.BaseExpression) -> bool:
        """Whether an expression is the index, or a number computed from it alone."""
        if isinstance(node, cst.BinaryOperation):
            return self._is_index(node.left) or self._is_index(node.right)
        return isinstance(node, cst.Name) and node.value == self.index

    def may_be_entered(self, test: cst.BaseExpression) -> bool:
        """Whether a condition holds for a valid index: whoever writes code for that case expects it."""
        if isinstance(test, cst.BooleanOperation):
            return self.may_be_entered(test.left) and self.may_be_entered(test.right)
        return self.about(test) is not About.INDEX and not _asks_kind(test)

    def may_fail(self, test: cst.BaseExpression) -> bool:
        """Whether a condition about the sample fails for some samples, and is no part of a list of all its cases."""
        test, holds = _without_not(test, True)
        if isinstance(test, cst.BooleanOperation):
            left, right = self.may_fail(test.left), self.may_fail(test.right)
            # Both are about the sample: how the dataset was made may be what tells the cases apart.
            return (left or right) if isinstance(test.operator, cst.And) and self._all_about(test) else left and right
        if self.about(test) is not About.SAMPLE or _asks_kind(test):
            return False
        if isinstance(test, cst.Comparison):
            if len(test.comparisons) != 1:
                return True
            operator, right_side = test.comparisons[0].operator, test.comparisons[0].comparator
            if isinstance(operator, (cst.Is, cst.IsNot)):
                return True
            listed = (cst.Equal, cst.In) if holds else (cst.NotEqual, cst.NotIn)
            return not isinstance(operator, listed) or (isinstance(right_side, cst.Name) and right_side.value == "None")
        return True

    def _all_about(self, test: cst.BooleanOperation) -> bool:
        return all(self.about(side) is About.SAMPLE for side in (test.left, test.right))


def _without_not(test: cst.CSTNode, holds: bool) -> tuple[cst.BaseExpression, bool]:
    assert isinstance(test, cst.BaseExpression)
    while isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        test, holds = test.expression, not holds
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        opposite = {cst.IsNot: cst.Is, cst.NotEqual: cst.Equal, cst.NotIn: cst.In}
        kind = opposite.get(type(test.comparisons[0].operator))
        if kind is cst.Is:
            part = test.comparisons[0].with_changes(operator=cst.Is())
            return test.with_changes(comparisons=[part]), not holds
    return test, holds


def _sides(test: cst.BaseExpression) -> list[cst.BaseExpression]:
    """What a comparison compares, literals left out."""
    if not isinstance(test, cst.Comparison):
        return []
    sides = [test.left, *(part.comparator for part in test.comparisons)]
    return [side for side in sides if not isinstance(side, (cst.BaseNumber, cst.BaseString)) and _text(side) != "None"]


def _asks_kind(test: cst.BaseExpression) -> bool:
    if isinstance(test, cst.Comparison):
        return any(map(_asks_kind, _sides(test)))
    return isinstance(test, cst.Call) and dotted(test.func) in _KINDS


def _is_range(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Call) and dotted(node.func) == "range"


def _text(node: cst.BaseExpression) -> str:
    return cst.Module([]).code_for_node(node)


def _assigned(function: cst.FunctionDef) -> Iterator[tuple[str, cst.CSTNode]]:
    """Each name that a function assigns, with what it is assigned."""
    for node in own_nodes(function):
        if isinstance(node, cst.Assign):
            for target in node.targets:
                yield from ((name, node.value) for name in _bound(target.target))
        elif isinstance(node, (cst.AnnAssign, cst.AugAssign, cst.NamedExpr)) and node.value is not None:
            yield from ((name, node.value) for name in _bound(node.target))
        elif isinstance(node, cst.For):
            yield from ((name, node.iter) for name in _bound(node.target))
        elif isinstance(node, cst.WithItem) and node.asname is not None:
            yield from ((name, node.item) for name in _bound(node.asname.name))


def _bound(target: cst.CSTNode) -> Iterator[str]:
    for inner in _expressions(target):
        if isinstance(inner, cst.Name):
            yield inner.value


def _expressions(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and all in it, without names of attributes and keywords."""
    pending = [node]
    while pending:
        inner = pending.pop()
        yield inner
        if isinstance(inner, (cst.Attribute, cst.Arg)):
            pending.append(inner.value)
        elif not isinstance(inner, cst.Name):
            pending.extend(parts(inner))
