import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.fresh_layers import Fresh, fresh_layers
from torchlint.semantic.values import Instance, Origin


class LayerCreatedInForward(Rule):
    """Checks for layers that `forward` makes anew each time: `nn.Linear(8, 8)(x)`, `nn.Dropout(0.5)(x)`.

    Reported are layers that have parameters or that depend on the mode, and `nn.Parameter`, made by `forward` or by
    what it calls. Layers without either (`nn.ReLU()(x)`) are not, nor what is made once, under a condition on an
    attribute, nor layers whose weights are set from elsewhere.

    ## Why is this bad?
    The layer has new random weights at each call. No optimizer knows them, `state_dict()` lacks them, and the same
    input gives another output each time. A new `nn.Dropout` is always in train mode: `eval()` does not reach it.

    ## Example
    ```python
    from torch import nn


    class Net(nn.Module):
        def forward(self, x):
            return nn.Linear(8, 2)(x)
    ```

    ## Use instead
    ```python
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 2)

        def forward(self, x):
            return self.fc(x)
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    - https://docs.pytorch.org/tutorials/beginner/basics/buildmodel_tutorial.html
    """

    code = "TL515"
    category = Category.CORRECTNESS
    words = ("forward",)

    def leave_Module(self, node: cst.Module) -> None:
        for found in fresh_layers(self.model):
            name = self._name(found.call)
            if found.kind == "mode":
                text = f"`{name}` is made anew in each `forward`, in train mode: `eval()` does not reach it"
            elif found.kind == "parameter":
                text = "this `nn.Parameter` is made anew in each `forward`, and never trained"
            else:
                text = f"`{name}` is made anew in each `forward`, with new weights that are never trained"
            origin = Origin(found.forward.node, found.forward.unit)
            self.report(found.call.node, text, help=self._advice(found), related=[(origin, "in this `forward`")])

    @staticmethod
    def _advice(found: Fresh) -> str:
        if found.kind == "mode" and "Dropout" in str(getattr(found.call.callee, "name", "")):
            return "make it in `__init__`, or call `F.dropout` with `training=self.training`"
        return "make it in `__init__`, as an attribute"

    @staticmethod
    def _name(call: Call) -> str:
        made = call.result
        if isinstance(made, Instance) and made.info is not None:
            return made.info.name
        return f"nn.{str(getattr(call.callee, 'name', '')).rpartition('.')[2]}"
