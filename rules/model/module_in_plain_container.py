import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.registration import Unregistered, unregistered
from torchlint.semantic.values import DictRef, ListRef, Symbol, TupleOf

KINDS = {ListRef: "list", DictRef: "dict", TupleOf: "tuple"}
# Keys that `nn.ModuleDict` refuses: names of its own methods.
REFUSED = frozenset(
    {"keys", "values", "items", "update", "pop", "clear", "type", "train", "eval", "forward", "training"}
)


class ModuleInPlainContainer(Rule):
    """Checks for layers and parameters that an `nn.Module` keeps in a plain list, tuple or dict.

    The container may be filled by a literal, a comprehension, `append`, `extend`, `+=` or by keys, before or after it
    becomes an attribute. What is registered in another way too (`nn.Sequential(*layers)`, `add_module`, `setattr`,
    another attribute) is not reported, nor what has no parameters, is frozen, or was given from outside.

    ## Why is this bad?
    torch only finds what is an attribute itself, or in a container of torch. `parameters()` leaves out the rest, so it
    is never trained: `ValueError: optimizer got an empty parameter list`, or nothing at all if there are other layers.
    `.to(device)`, `.eval()` and `state_dict()` leave it out as well.

    ## Example
    ```python
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(8, 8) for _ in range(4)]
    ```

    ## Use instead
    ```python
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(4)])
    ```

    ## Fix safety
    Unsafe: the layers are trained then, and the state dict has more keys, so that checkpoints of before do not load.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.ParameterList.html
    """

    code = "TL512"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("Module", "super")

    def leave_Module(self, node: cst.Module) -> None:
        for found in unregistered(self.model) if self.model.facts.settings else ():
            container = KINDS[type(found.setting.value)]
            wanted = self._wanted(found)
            text = self.text(found.setting.target)
            if found.kind == "modes":
                what = f"`{text}` is a plain {container}, so that `eval()` does not reach the layers in it"
            else:
                what = f"`{text}` is a plain {container}, so that the {found.kind} in it are not registered"
            first = next((element.origin for element in found.elements if element.origin is not None), None)
            self.report(
                found.setting.target,
                what,
                help=f"use `nn.{wanted}`",
                fix=self._wrap(found, wanted),
                related=[(first, "made here")],
            )

    @staticmethod
    def _wanted(found: Unregistered) -> str:
        container = "Dict" if isinstance(found.setting.value, DictRef) else "List"
        return f"Parameter{container}" if found.kind == "parameters" else f"Module{container}"

    def _wrap(self, found: Unregistered, wanted: str) -> Repair | None:
        """Put the container of torch around what is written, where all that it will hold may stand in it."""
        origin, spelled = found.setting.value.origin, self._spelled()
        if origin is None or origin.unit is not self.model.unit or spelled is None or not found.alone:
            return None
        written = origin.node
        if isinstance(written, cst.Dict):
            keys = [element.key for element in written.elements if isinstance(element, cst.DictElement)]
            names = [self.model.value(key) for key in keys]
            texts = [getattr(name, "value", None) for name in names]
            named = all(isinstance(text, str) and "." not in text and text not in REFUSED for text in texts)
            if not named or not texts or len(texts) < len(written.elements):
                return None
        elif not isinstance(written, (cst.List, cst.ListComp)):
            return None
        empty = isinstance(written, cst.List) and not written.elements
        content = f"{spelled}.{wanted}({'' if empty else self.text(written)})"
        return self.fix(f"use `nn.{wanted}`", Applicability.UNSAFE, self.replace(written, content))

    def _spelled(self) -> str | None:
        """How this file writes `torch.nn`."""
        if self.model.global_value("nn") == Symbol("torch.nn"):
            return "nn"
        return "torch.nn" if self.model.global_value("torch") == Symbol("torch") else None
