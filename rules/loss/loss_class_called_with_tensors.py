import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.knowledge import module_class
from torchlint.semantic.label_names import LABELS, base_name
from torchlint.semantic.values import UNKNOWN, Instance, ParameterOf, Symbol, Tensor, Value, alternatives

# Losses of which the first parameter is a tensor of weights.
WEIGHTED = frozenset({"CrossEntropyLoss", "NLLLoss", "NLLLoss2d", "BCELoss", "BCEWithLogitsLoss", "MultiMarginLoss",
    "MultiLabelSoftMarginLoss"})  # fmt: skip
# What is done with a loss, and is not done with a module.
DONE_WITH_LOSSES = ("backward", "item")


class LossClassCalledWithTensors(Rule):
    """Checks for loss classes that are given predictions and targets where they are constructed.

    `nn.CrossEntropyLoss(output, target)`, and `criterion = nn.MSELoss` that is then called with tensors.

    ## Why is this bad?
    The constructor takes options, such as weights of classes. With two tensors it raises `RuntimeError: Boolean value
    of Tensor with more than one value is ambiguous`; with tensors of one element it builds a module, which is no loss.

    ## Example
    ```python
    import torch
    from torch import nn

    output, target = torch.randn(8, 3), torch.zeros(8, dtype=torch.long)
    loss = nn.CrossEntropyLoss(output, target)
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    output, target = torch.randn(8, 3), torch.zeros(8, dtype=torch.long)
    loss = nn.CrossEntropyLoss()(output, target)
    ```

    ## Fix safety
    Safe: the constructor raised, or what it built could not be used as a loss.

    ## References
    - https://docs.pytorch.org/docs/stable/nn.html#loss-functions
    """

    code = "TL207"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("Loss",)

    def leave_Module(self, node: cst.Module) -> None:
        for name in self.model.called:
            known = module_class(name) if name.startswith("torch.nn.") and name.endswith(("Loss", "Loss2d")) else None
            if known is not None and known.is_loss and not known.required:
                used = self._used_as_losses(name)
                for call in self.model.calls_of(name):
                    if isinstance(call.callee, Symbol) and call.certain and not call.tried:
                        self._check(call, name, used)

    def _used_as_losses(self, name: str) -> set[int]:
        """The calls of a class of which the result is asked for what only a computed loss has."""
        calls = self.model.calls_of(*[f"{name}.{method}" for method in DONE_WITH_LOSSES])
        made = [call.receiver.origin for call in calls if isinstance(call.receiver, Instance)]
        return {id(origin.node) for origin in made if origin is not None}

    def _check(self, call: Call, name: str, used: set[int]) -> None:
        given = call.arguments.positional
        if call.arguments.tail or not given:
            return
        short = name.rpartition(".")[2]
        if short in WEIGHTED:
            wrong = len(given) > 1 and (
                self._is_tensor(given[1])
                or (self._may_be(given[1]) and (id(call.node) in used or self._are_labels(call, 1)))
            )
        else:
            wrong = self._is_tensor(given[0]) or (
                len(given) > 1
                and all(map(self._may_be, given[:2]))
                and (id(call.node) in used or self._are_labels(call, 0) or self._are_labels(call, 1))
            )
        if wrong:
            self.report(
                call.node,
                f"`nn.{short}` is constructed from the predictions and targets",
                help=f"construct the loss first: `nn.{short}()(...)`",
                fix=self._call_instance(call, short),
            )

    @staticmethod
    def _is_tensor(value: Value) -> bool:
        return all(isinstance(option, (Tensor, ParameterOf)) for option in alternatives(value))

    @staticmethod
    def _are_labels(call: Call, index: int) -> bool:
        """Whether an argument, by its name, is what predictions are compared with."""
        node = call.node
        return isinstance(node, cst.Call) and index < len(node.args) and base_name(node.args[index].value) in LABELS

    def _may_be(self, value: Value) -> bool:
        return value is UNKNOWN or self._is_tensor(value)

    def _call_instance(self, call: Call, short: str) -> Repair | None:
        node = call.node
        func = node.func if isinstance(node, cst.Call) else None
        if not isinstance(func, (cst.Name, cst.Attribute)) or not isinstance(self.model.value(func), Symbol):
            return None
        last = func.attr.value if isinstance(func, cst.Attribute) else func.value
        # `self.criterion = nn.MSELoss` somewhere else: that is the place to mend.
        if last != short or call.arguments.keywords or len(call.arguments.positional) != 2:
            return None
        return self.fix("construct the loss and call it", Applicability.SAFE, self.insert_after(func, "()"))
