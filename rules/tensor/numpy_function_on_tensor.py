import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.losses import argument
from torchlint.semantic.tensor_names import asks_kind
from torchlint.semantic.values import ParameterOf, Tensor

# These hand over to the method of that name, with arguments that a tensor's does not know.
FUNCTIONS = {
    "mean": "mean",
    "sum": "sum",
    "prod": "prod",
    "max": "max",
    "min": "min",
    "amax": "max",
    "amin": "min",
    "any": "any",
    "all": "all",
    "std": "std",
    "var": "var",
}
# NumPy divides by the number of elements, torch by one less.
OTHER_RESULT = frozenset({"std", "var"})


class NumpyFunctionOnTensor(Rule):
    """Checks for tensors passed to NumPy functions that fail on any: `np.mean`, `np.sum`, `np.max`, `np.std` ...

    ## Why is this bad?
    These functions call the method of their name, with arguments that the one of a tensor does not have: `TypeError:
    mean() got an unexpected keyword argument 'axis'`. It fails for any tensor, also on the CPU and without a graph.

    ## Example
    ```python
    import numpy as np
    import torch

    losses = torch.rand(8)
    print(np.mean(losses))
    ```

    ## Use instead
    ```python
    import torch

    losses = torch.rand(8)
    print(losses.mean())
    ```

    ## Fix safety
    Unsafe: the result is a tensor, not a number of NumPy. For `np.std` and `np.var` there is no fix, since torch
    divides by another number.

    ## References
    - https://docs.pytorch.org/docs/stable/tensors.html
    """

    code = "TL310"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("numpy",)

    def leave_Module(self, node: cst.Module) -> None:
        for name, method in FUNCTIONS.items():
            for call in self.model.calls_of(f"numpy.{name}"):
                value = call.argument(0, "a")
                if not call.certain or call.tried or not isinstance(value, (Tensor, ParameterOf)):
                    continue
                if (isinstance(value, Tensor) and (value.batch or value.origin is None)) or self._is_about_arrays(call):
                    continue
                self.report(
                    call.node,
                    f"`numpy.{name}` fails on any tensor",
                    help=f"use the tensor's own `.{method}()`, or convert it by `.numpy()`",
                    fix=self._method(call, method) if name not in OTHER_RESULT else None,
                )

    def _is_about_arrays(self, call: Call) -> bool:
        """Whether the function around says that it is given arrays, whatever its callers are known to give."""
        if call.active and "ndarray" in self.text(call.active[-1].node.params):
            return True
        return asks_kind(self.model, call)

    def _method(self, call: Call, method: str) -> Repair | None:
        node = call.node
        if not isinstance(node, cst.Call) or len(node.args) != 1:
            return None
        subject = argument(node, 0, "a")
        if not isinstance(subject, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)):
            return None
        return self.fix(
            f"use `.{method}()`", Applicability.UNSAFE, self.replace(node, f"{self.text(subject)}.{method}()")
        )
