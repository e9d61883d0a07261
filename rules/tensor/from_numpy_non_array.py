import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.losses import argument
from torchlint.semantic.slices import reversed_in
from torchlint.semantic.values import Array, Const, DictRef, ListRef, Scalar, Tensor, TupleOf, Value

# All that take an array, and refuse one with a negative stride.
TAKERS = ("from_numpy", "tensor", "as_tensor", "asarray", "Tensor", "FloatTensor", "LongTensor")
NUMBERS = (bool, int, float)


class FromNumpyNonArray(Rule):
    """Checks for `torch.from_numpy` of what is no array, and for tensors made of reversed views of arrays.

    ## Why is this bad?
    Lists, numbers and tensors raise `TypeError: expected np.ndarray (got list)`; the mean of an array is a number too.
    `image[:, :, ::-1]` and `np.flip` are views with a negative stride, which a tensor cannot have:
    `ValueError: At least one stride in the given numpy array is negative`.

    ## Example
    ```python
    import numpy as np
    import torch

    image = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels = torch.from_numpy(image[:, :, ::-1])
    ```

    ## Use instead
    ```python
    import numpy as np
    import torch

    image = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels = torch.from_numpy(image[:, :, ::-1].copy())
    ```

    ## Fix safety
    Safe: it raised before.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.from_numpy.html
    """

    code = "TL318"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("from_numpy", "::-1", "flip")

    def leave_Module(self, original_node: cst.Module) -> None:
        seen: set[cst.CSTNode] = set()
        for call in self.model.calls_of(*(f"torch.{name}" for name in TAKERS)):
            node = call.node
            if not call.certain or call.tried or not isinstance(node, cst.Call) or node in seen:
                continue
            given, written = call.argument(0, "data", "obj", "ndarray"), argument(node, 0, "data", "obj")
            name = (call.name or "").rpartition(".")[2]
            if written is None or given is None:
                continue
            if self._is_reversed(given) or (name == "from_numpy" and self._is_written_reversed(call, written)):
                seen.add(node)
                self.report(
                    written,
                    f"`torch.{name}` of a reversed view, which has a negative stride",
                    help="copy it: `.copy()`",
                    fix=self._copied(written),
                )
            elif name == "from_numpy" and (what := self._what(given)) is not None:
                seen.add(node)
                self.report(
                    written,
                    f"`torch.from_numpy` is given {what}, and takes an array only",
                    help="use it as it is" if isinstance(given, Tensor) else "use `torch.tensor`",
                    fix=self._tensor(node, given),
                )

    @staticmethod
    def _is_reversed(given: Value) -> bool:
        return isinstance(given, Array) and given.backwards

    def _is_written_reversed(self, call: Call, written: cst.BaseExpression) -> bool:
        """Whether the argument ends in `[::-1]`: an array runs backwards then, and all else is refused as well."""
        return not isinstance(call.argument(0), (Array, Tensor)) and reversed_in(written)

    @staticmethod
    def _what(given: Value) -> str | None:
        if isinstance(given, Tensor):
            return None if given.batch or given.is_vague else "a tensor"
        for kind, what in ((ListRef, "a list"), (TupleOf, "a tuple"), (DictRef, "a dict")):
            if isinstance(given, kind):
                return what
        if isinstance(given, Scalar):
            return "a number" if given.kind in ("int", "float", "float64") else None
        return "a number" if isinstance(given, Const) and type(given.value) in NUMBERS else None

    def _copied(self, written: cst.BaseExpression) -> Repair | None:
        if isinstance(written, (cst.Name, cst.Attribute, cst.Subscript, cst.Call)) and not written.lpar:
            return self.fix("copy it", Applicability.SAFE, self.insert_after(written, ".copy()"))
        return None

    def _tensor(self, node: cst.Call, given: Value) -> Repair | None:
        if not isinstance(given, (ListRef, TupleOf, Const, Scalar)) or not isinstance(node.func, cst.Attribute):
            return None
        return self.fix("use `torch.tensor`", Applicability.SAFE, self.replace(node.func.attr, "tensor"))
