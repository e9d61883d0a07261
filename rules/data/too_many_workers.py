import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.loaders import Loader
from torchlint.semantic.values import Const, Scalar, Value

# More processes than the processors of most machines can serve for one loader.
MANY = 16


class TooManyWorkers(Rule):
    """Checks for a `DataLoader` with more workers than machines have processors for.

    Reported are numbers above 16 that are written in the program, multiples of the number of processors, the batch
    size, and `True`. Numbers from the command line are not: whoever starts the script knows the machine.

    ## Why is this bad?
    Each worker is a process with a copy of the dataset. Where there are more of them than processors they wait for
    each other, take memory, and slow the start of each epoch; torch warns: `UserWarning: This DataLoader will create
    64 worker processes in total`. The batch size counts samples, which has nothing to do with processes.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.randn(64, 2)), batch_size=8, num_workers=64)
    ```

    ## Use instead
    ```python
    import os

    import torch
    from torch.utils.data import DataLoader, TensorDataset

    workers = min(8, os.cpu_count() or 1)
    loader = DataLoader(TensorDataset(torch.randn(64, 2)), batch_size=8, num_workers=workers)
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#multi-process-data-loading
    """

    code = "TL436"
    category = Category.PERFORMANCE
    words = ("num_workers", "DataLoader")

    def leave_Module(self, node: cst.Module) -> None:
        for loader in self.model.loaders:
            place = self.model.place(loader.call)
            arg = loader.node("num_workers")
            if loader.call.origin.unit is self.model.unit:
                place = arg.value if arg is not None else place
            elif arg is not None and isinstance(arg.value, cst.Integer):
                # The other file shows it.
                continue
            problem = self._problem(loader, arg)
            if problem is not None and place is not None:
                self.report(
                    place,
                    problem,
                    help="start with 2 to 8 workers for each process that trains, and measure",
                    severity=Severity.INFO,
                )

    def _problem(self, loader: Loader, arg: cst.Arg | None) -> str | None:
        value = loader.value("num_workers")
        if isinstance(value, Const):
            if value.assumed:
                return None
            if value.value is True:
                return "`num_workers` is a number; `True` is one worker"
            if not isinstance(value.value, int) or value.value <= MANY:
                return None
            size = loader.node("batch_size")
            if arg is not None and size is not None and _is_variable(arg.value, size.value, self):
                return f"`num_workers` is the batch size, {value.value}; it counts processes"
            return f"{value.value} workers are more than most machines have processors"
        made = value.origin if isinstance(value, Scalar) else None
        if made is not None and made.unit is self.model.unit and self._multiplies(made.node):
            return "`num_workers` is a multiple of the number of processors"
        return None

    def _multiplies(self, node: cst.CSTNode) -> bool:
        """Whether it is `2 * os.cpu_count()`."""
        if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Multiply):
            return False
        sides = (self.model.value(node.left), self.model.value(node.right))
        return any(map(_counts_processors, sides)) and any(map(_is_above_one, sides))


def _is_variable(one: cst.BaseExpression, other: cst.BaseExpression, rule: Rule) -> bool:
    """Whether two arguments are one and the same variable."""
    return isinstance(one, (cst.Name, cst.Attribute)) and rule.text(one) == rule.text(other)


def _counts_processors(value: Value) -> bool:
    return isinstance(value, Scalar) and value.kind == "cpus"


def _is_above_one(value: Value) -> bool:
    return isinstance(value, Const) and isinstance(value.value, (int, float)) and value.value > 1
