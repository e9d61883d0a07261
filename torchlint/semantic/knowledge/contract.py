"""The contract of a transfer function: what a call to something outside the project gives and does.

It is given the machine and the call, with the callee's name, the receiver of a method and the arguments in
it, and returns the value of the call.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torchlint.semantic.values import Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

Transfer = Callable[["Interpreter", "Call"], Value]
