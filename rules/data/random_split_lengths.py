import math
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.lengths import Formula, Number, Read, comprehended, formulas, is_same_object, known_length
from torchlint.semantic.values import UNKNOWN, Const, TupleOf, Value

SPLIT = "torch.utils.data.random_split"
# Lengths of datasets that are tried where the true one is not known, in no step with tenths or hundredths.
TRIED = range(1009, 5000, 37)
# The share of the first part, where that is another unknown.
SHARES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
# Lengths that fail for fewer of them are not reported.
FAILING = 0.2


class RandomSplitLengths(Rule):
    """Checks for lengths given to `random_split` that do not add up to the length of the dataset.

    Lengths are followed through the variables and the arithmetic that they come from, and tried on many lengths of
    the dataset, or on its true one where that is known.

    ## Why is this bad?
    `random_split` raises `ValueError: Sum of input lengths does not equal the length of the input dataset!`.
    Truncated parts such as `int(0.8 * n)` and `int(0.2 * n)` lose a sample for four of five lengths, so the script
    works on one dataset and fails on the next. Lengths that are floats raise `TypeError`, and fractions must add up
    to 1.

    ## Example
    ```python
    import torch
    from torch.utils.data import TensorDataset, random_split

    data = TensorDataset(torch.randn(99, 2))
    train, test = random_split(data, [int(0.8 * len(data)), int(0.2 * len(data))])
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import TensorDataset, random_split

    data = TensorDataset(torch.randn(99, 2))
    train, test = random_split(data, [int(0.8 * len(data)), len(data) - int(0.8 * len(data))])
    ```

    ## Fix safety
    Safe: the last length becomes what the others leave, which changes nothing where the call worked.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.random_split
    """

    code = "TL406"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("random_split",)

    def leave_Module(self, node: cst.Module) -> None:
        for call in self.model.calls_of(SPLIT):
            lengths = call.argument(1, "lengths")
            if lengths is None or not isinstance(call.node, cst.Call) or not call.certain or call.tried:
                continue
            values = lengths.items if isinstance(lengths, TupleOf) else None
            if values is None and lengths in call.lists:
                values = call.lists[lengths].items
            if values:
                self._check(call, call.node, values)

    def _check(self, call: Call, node: cst.Call, values: Sequence[Value]) -> None:
        written = _argument(node, 1, "lengths")
        elements = _elements(written, len(values))
        given = call.argument(1, "lengths") or UNKNOWN
        reads = (
            [Read(value, element) for value, element in zip(values, elements, strict=True)]
            if elements
            else comprehended(self.model, given, values)
        )
        lengths = formulas(self.model, reads)
        if lengths is None:
            return
        source = _argument(node, 0, "dataset")
        known = known_length(self.model, call.argument(0, "dataset") or UNKNOWN)
        unknowns = lengths[0].unknowns
        if not unknowns:
            problem = self._of_numbers(values, [part.at(()) for part in lengths], known)
        else:
            counted = [index for index, unknown in enumerate(unknowns) if unknown.counted is not None]
            place = counted[0] if len(counted) == 1 else 0
            if len(unknowns) > 2 or len(counted) > 1 or (len(unknowns) == 2 and not counted):
                return
            own = unknowns[place].counted
            is_own = (
                len(unknowns) == 1
                and own is not None
                and source is not None
                and is_same_object(self.model, own, source)
            )
            lone = len(unknowns) == 1
            problem = _of_formulas(
                [_of_length(part, place) for part in lengths], known if is_own else None, is_own, lone
            )
        if problem is not None:
            self.report(
                written if written is not None else node,
                problem,
                help="give the last part what the others leave"
                if unknowns or known is not None
                else "give fractions that add up to 1",
                fix=self._repair(source, elements, lengths) if len(unknowns) == 1 else None,
            )

    def _of_numbers(self, values: Sequence[Value], numbers: Sequence[Number], known: int | None) -> str | None:
        compensated = self.model.target.python.all_from(3, 12)
        fractions = _are_fractions(numbers, compensated)
        if known is None:
            if all(isinstance(number, int) for number in numbers) or fractions:
                return None
            return _said(numbers, compensated)
        assumed = any(isinstance(value, Const) and value.assumed for value in values)
        if assumed or _are_accepted(numbers, known, compensated):
            return None
        if not fractions and all(isinstance(number, int) for number in numbers):
            return f"the lengths add up to {sum(numbers)}, and the dataset has {known} samples"
        return _said(numbers, compensated)

    def _repair(
        self, source: cst.BaseExpression | None, elements: Sequence[cst.BaseExpression], lengths: Sequence[Formula]
    ) -> Repair | None:
        """`[a, len(data) - a]` in place of `[a, b]`."""
        if not elements or not isinstance(source, (cst.Name, cst.Attribute)) or len(elements) < 2:
            return None
        *others, last = elements
        floats = [isinstance(part.at((TRIED[0],)), float) for part in lengths]
        texts = [f"int({self.text(other)})" if floats[i] else self.text(other) for i, other in enumerate(others)]
        if any("\n" in text or "#" in text for text in (*texts, self.text(last))):
            return None
        if not _leave_something(lengths[:-1]):
            return None
        bare = [
            text if floats[i] or isinstance(other, (cst.Name, cst.Attribute, cst.Call, cst.Integer)) or other.lpar
            else f"({text})"
            for i, (text, other) in enumerate(zip(texts, others, strict=True))
        ]  # fmt: skip
        rest = " - ".join((f"len({self.text(source)})", *bare))
        edits = [self.replace(other, texts[i]) for i, other in enumerate(others) if floats[i] and not other.lpar]
        if last.lpar or any(floats[i] and other.lpar for i, other in enumerate(others)):
            return None
        return self.fix(
            "give the last part what the others leave", Applicability.SAFE, *edits, self.replace(last, rest)
        )


def _said(numbers: Sequence[Number], compensated: bool) -> str:
    if max(numbers) <= 1:
        since = "before Python 3.12 " if _are_fractions(numbers, compensated=True) else ""
        return f"{since}the fractions add up to {_sum(numbers, compensated)!r}, not to 1"
    return "lengths are floats; they must be integers, or fractions that add up to 1"


def _of_length(part: Formula, place: int) -> Callable[[int, float], Number]:
    """A length as a function of the dataset's length and of another unknown, if it has one."""
    return lambda total, share: part.at((total, share) if place == 0 else (share, total))


def _of_formulas(
    lengths: Sequence[Callable[[int, float], Number]], known: int | None, is_own: bool, lone: bool
) -> str | None:
    """What is wrong with lengths that depend on a number.

    `is_own`: it is the length of the dataset itself. `lone`: they depend on nothing else.
    """
    tried = [(total, share) for total in ((known,) if known is not None else TRIED) for share in SHARES]
    failing = 0
    for total, share in tried:
        try:
            numbers = [length(total, share) for length in lengths]
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return None
        if not is_own and abs(sum(numbers) / total - 1) > 0.01:
            # A number that may have little to do with the dataset.
            return None
        if not lone and any(isinstance(number, float) for number in numbers):
            # The other unknown may be a number of samples, not a share.
            return None
        if not _are_accepted(numbers, total):
            failing += 1
    if failing < FAILING * len(tried):
        return None
    if any(isinstance(number, float) for number in numbers):
        return "lengths are floats; they must be integers, or fractions that add up to 1"
    if failing == len(tried):
        return "the lengths do not add up to the length of the dataset"
    return "the lengths are rounded one by one; for most datasets they do not add up to its length"


def _leave_something(others: Sequence[Formula]) -> bool:
    """Whether all but the last length leave something for the last one, for any dataset of some size."""
    return all(sum(int(part.at((total,))) for part in others) < total for total in TRIED)


def _sum(numbers: Sequence[Number], compensated: bool) -> Number:
    """`sum(numbers)` as Python computes it: from left to right, from 3.12 on without the errors of rounding."""
    if compensated and not all(isinstance(number, int) for number in numbers):
        return math.fsum(numbers)
    return reduce(add, numbers)


def _are_fractions(numbers: Sequence[Number], compensated: bool = False) -> bool:
    """Whether torch takes numbers as fractions; the sum is computed as torch does."""
    total = _sum(numbers, compensated)
    return math.isclose(total, 1) and total <= 1


def _are_accepted(numbers: Sequence[Number], length: int, compensated: bool = False) -> bool:
    """Whether `random_split` accepts lengths for a dataset of a length."""
    if _are_fractions(numbers, compensated):
        return all(0 <= number <= 1 for number in numbers)
    return sum(numbers) == length and all(isinstance(number, int) for number in numbers)


def _argument(node: cst.Call, index: int, name: str) -> cst.BaseExpression | None:
    """An argument as written; None where it is not written there."""
    for position, arg in enumerate(node.args):
        if arg.star:
            return None
        if arg.keyword.value == name if arg.keyword is not None else position == index:
            return arg.value
    return None


def _elements(node: cst.BaseExpression | None, count: int) -> tuple[cst.BaseExpression, ...]:
    """The lengths as written one by one, or () where they are not."""
    if not isinstance(node, (cst.List, cst.Tuple)) or len(node.elements) != count:
        return ()
    if any(isinstance(element, cst.StarredElement) for element in node.elements):
        return ()
    return tuple(element.value for element in node.elements)
