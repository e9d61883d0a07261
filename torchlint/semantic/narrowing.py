"""What a condition says about the values that it asks about, where it holds and where it does not."""

from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic import objects
from torchlint.semantic.values import NONE, UNKNOWN, Const, OneOf, alternatives, join_all

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter


def narrow(machine: "Interpreter", test: cst.BaseExpression, holds: bool) -> None:
    """Use what a condition says about a name: `x is None`, `not`, `and`, `or`, plain truth."""
    kind = type(test)
    if kind is cst.Name or kind is cst.Attribute:
        if holds:
            _narrow_none(machine, test, False)
    elif type(test) is cst.UnaryOperation:
        if type(test.operator) is cst.Not:
            narrow(machine, test.expression, not holds)
    elif type(test) is cst.BooleanOperation:
        if (type(test.operator) is cst.And) is holds:
            narrow(machine, test.left, holds)
            narrow(machine, test.right, holds)
    elif type(test) is cst.Comparison:
        operator, right = test.comparisons[0].operator, test.comparisons[0].comparator
        if type(right) is cst.Name and right.value == "None" and len(test.comparisons) == 1:
            if isinstance(operator, (cst.Is, cst.Equal)):
                _narrow_none(machine, test.left, holds)
            elif isinstance(operator, (cst.IsNot, cst.NotEqual)):
                _narrow_none(machine, test.left, not holds)
    elif type(test) is cst.Call and type(test.func) is cst.Name:
        if test.func.value == "isinstance" and test.args:
            _narrow_instance(machine, test, holds)


def _narrow_none(machine: "Interpreter", subject: cst.BaseExpression, is_none: bool) -> None:
    if not isinstance(subject, (cst.Name, cst.Attribute)):
        return
    value = machine.eval_quietly(subject)
    if is_none:
        if any(isinstance(option, Const) and option.value is None for option in alternatives(value)):
            machine.bind(subject, NONE)
    elif isinstance(value, OneOf):
        rest = [option for option in value.values if not (isinstance(option, Const) and option.value is None)]
        if len(rest) < len(value.values):
            machine.bind(subject, join_all(rest))


def _narrow_instance(machine: "Interpreter", test: cst.Call, holds: bool) -> None:
    """Under `isinstance(x, ...)` x is one of the values that agree with it, elsewhere one of the others."""
    subject = test.args[0].value
    if not isinstance(subject, (cst.Name, cst.Attribute)):
        return
    value = machine.eval_quietly(subject)
    if isinstance(subject, cst.Attribute) and not isinstance(value, OneOf):
        return
    classes = machine.eval_quietly(test.args[1].value) if len(test.args) > 1 else UNKNOWN
    if holds:
        kept = [option for option in alternatives(value) if objects.may_be_instance(option, classes)]
    else:
        kept = [option for option in alternatives(value) if not objects.must_be_instance(option, classes)]
    if isinstance(subject, cst.Name):
        machine.assign_name(subject.value, join_all(kept))
    else:
        machine.bind(subject, join_all(kept))
