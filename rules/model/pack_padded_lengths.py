import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.promotion import is_float
from torchlint.semantic.values import Const, Device, Items, Tensor, TupleOf, Value
from torchlint.semantic.written import written_argument

PACK = "torch.nn.utils.rnn.pack_padded_sequence"
MAKERS = ("torch.tensor", "torch.as_tensor", "torch.LongTensor")
ELSEWHERE = {
    Device.ACCELERATOR: "on the accelerator",
    Device.WHEN_AVAILABLE: "on the accelerator wherever there is one",
}


class PackPaddedLengths(Rule):
    """Checks for lengths that `pack_padded_sequence` refuses: on an accelerator, not sorted, or floats.

    ## Why is this bad?
    The lengths must be on the CPU, whole numbers, and sorted from the longest to the shortest unless the call says
    `enforce_sorted=False`. Otherwise it raises `RuntimeError: 'lengths' argument should be a 1D CPU int64 tensor`, or
    `` `lengths` array must be sorted in decreasing order ``.

    ## Example
    ```python
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence

    x = torch.zeros(3, 5, 8)
    packed = pack_padded_sequence(x, [2, 5, 3], batch_first=True)
    ```

    ## Use instead
    ```python
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence

    x = torch.zeros(3, 5, 8)
    packed = pack_padded_sequence(x, [2, 5, 3], batch_first=True, enforce_sorted=False)
    ```

    ## Fix safety
    Safe for `.cpu()`, since it raised before. Unsafe for `enforce_sorted=False`: it adds a sort, and cannot be
    exported to ONNX.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html
    """

    code = "TL523"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("pack_padded_sequence",)

    def leave_Module(self, original_node: cst.Module) -> None:
        seen: set[cst.CSTNode] = set()
        for call in self.model.calls_of(PACK):
            if not call.certain or call.tried or call.node in seen:
                continue
            lengths = call.argument(1, "lengths")
            if isinstance(lengths, Tensor) and lengths.device in ELSEWHERE and not lengths.batch:
                seen.add(call.node)
                self._on_device(call, lengths)
            elif isinstance(lengths, Tensor) and is_float(lengths.dtype) and not lengths.batch:
                seen.add(call.node)
                arg = written_argument(call.node, 1, "lengths")
                self.report(
                    arg.value if arg is not None else call.node,
                    f"`pack_padded_sequence` is given lengths of `{lengths.dtype}`, and takes `int64` only",
                    help="make them whole numbers: `.long()`",
                    severity=Severity.ERROR,
                )
            elif lengths is not None and self._must_be_sorted(call) and self._is_unsorted(call, lengths):
                seen.add(call.node)
                self.report(
                    call.node,
                    "the lengths are not sorted from the longest to the shortest",
                    help="say `enforce_sorted=False`, or sort the batch",
                    fix=self._unsorted(call),
                )

    def _on_device(self, call: Call, lengths: Tensor) -> None:
        arg = written_argument(call.node, 1, "lengths")
        fix = None
        if arg is not None and isinstance(arg.value, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)):
            if not arg.value.lpar:
                fix = self.fix("move them to the CPU", Applicability.SAFE, self.insert_after(arg.value, ".cpu()"))
        self.report(
            arg.value if arg is not None else call.node,
            f"`pack_padded_sequence` takes lengths on the CPU, and these are {ELSEWHERE[lengths.device]}",
            help="move them back: `.cpu()`",
            fix=fix,
            related=[(lengths.device_origin, "they are moved here")],
        )

    @staticmethod
    def _must_be_sorted(call: Call) -> bool:
        told = call.argument(3, "enforce_sorted")
        return call.arguments.complete and (told is None or (told == Const(True)))

    def _is_unsorted(self, call: Call, lengths: Value) -> bool:
        """Whether these are numbers that are not in order, or the lengths of what nothing in the file sorts."""
        if isinstance(lengths, Tensor) and lengths.origin is not None and lengths.origin.unit is self.model.unit:
            made = [each for each in self.model.calls(lengths.origin.node) if each.name in MAKERS]
            data = made[0].argument(0, "data") if made else None
            return data is not None and not isinstance(data, Tensor) and self._is_unsorted(made[0], data)
        held = call.lists.get(lengths)
        items = lengths.items if isinstance(lengths, TupleOf) else held.items if isinstance(held, Items) else None
        if items is not None and all(isinstance(item, Const) and type(item.value) is int for item in items):
            numbers = [item.value for item in items if isinstance(item, Const)]
            return numbers != sorted(numbers, reverse=True)
        return False

    def _unsorted(self, call: Call) -> Repair | None:
        node = call.node
        if not isinstance(node, cst.Call) or any(arg.star for arg in node.args):
            return None
        told = written_argument(node, 3, "enforce_sorted")
        if told is not None:
            edit = self.replace(told.value, "False")
        else:
            edit = self.insert_after(node.args[-1].value, ", enforce_sorted=False")
        return self.fix("say `enforce_sorted=False`", Applicability.UNSAFE, edit)
