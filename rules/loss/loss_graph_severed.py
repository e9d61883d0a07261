import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.severed import Severed, severed

NUMBERS = ("builtins.number.backward", "builtins.float.backward")
COPIES = ("torch.tensor", "torch.FloatTensor", "torch.Tensor")


class LossGraphSevered(Rule):
    """Checks for losses that are cut off from the model before `backward()` is called on them.

    By `detach()`, `.data` or `.item()` on the way to the loss, by `torch.tensor([loss_1, loss_2])` or `Variable(loss)`,
    or by making the loss a leaf: `loss.requires_grad = True`, `Variable(loss, requires_grad=True)`.

    ## Why is this bad?
    `backward()` raises `RuntimeError: element 0 of tensors does not require grad`. With `requires_grad` forced, it
    runs, and gives a gradient to the loss alone: parameters get none, and training does nothing.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 1)
    first, second = model(torch.randn(8, 4)).mean(), model(torch.randn(8, 4)).var()
    loss = torch.tensor([first, second]).sum()
    loss.backward()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 1)
    first, second = model(torch.randn(8, 4)).mean(), model(torch.randn(8, 4)).var()
    loss = torch.stack([first, second]).sum()
    loss.backward()
    ```

    ## Fix safety
    Unsafe: `torch.stack` in place of `torch.tensor` lets the loss reach the model, which changes the training.

    ## References
    - https://docs.pytorch.org/docs/stable/notes/autograd.html
    """

    code = "TL212"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("backward", "optim", "criterion", "loss", "train")

    def leave_Module(self, node: cst.Module) -> None:
        for found in severed(self.model):
            if found.kind == "forced":
                self.report(
                    found.place,
                    "the loss was made a leaf: `backward()` gives no gradient to the model",
                    help="leave out what sets `requires_grad`, and find what cuts the graph if the loss needs it",
                    related=[(found.ended, "it is made to require grad here")],
                )
            elif found.kind == "doubtful":
                self.report(
                    found.place,
                    "the loss is made to require grad, which gives no gradient to the model if it needs that",
                    help="leave it out: a loss requires grad by itself, unless something cut it off from the model",
                    related=[(found.ended, "it is made to require grad here")],
                    severity=Severity.WARNING,
                )
            elif found.kind == "cut":
                self._report_cut(found)
            elif found.kind == "off":
                self.report(
                    found.place,
                    "the loss is computed while autograd does not record: `backward()` raises",
                    help="compute the predictions and the loss outside of `torch.no_grad()`",
                    related=[(found.ended, "it is computed here")],
                )
            elif found.kind == "number":
                self._report_number(found.place)
        for call in self.model.calls_of(*NUMBERS):
            if call.certain and not call.tried:
                self._report_number(call.node)

    def _report_number(self, place: cst.CSTNode) -> None:
        self.report(
            place,
            "`backward()` is called on a number, as `.item()` gives it",
            help="keep the loss as a tensor, and call `.item()` where it is only logged",
        )

    def _report_cut(self, found: Severed) -> None:
        text = self.text(found.ended.node)
        shown = f"`{text}`" if len(text) <= 40 and "\n" not in text else "the loss"
        self.report(
            found.place,
            f"{shown} is cut off from the graph: `backward()` raises",
            help="leave out `detach()`, `.data`, `Variable` and `torch.tensor` on the way from the model to the loss",
            fix=self._stack(found),
            related=[(found.ended, "the graph ends here")],
        )

    def _stack(self, found: Severed) -> Repair | None:
        """`torch.stack` of losses in place of a new tensor of their numbers."""
        node = found.ended.node
        calls: list[Call] = [] if found.ended.unit is not self.model.unit else [*self.model.calls(node)]
        if (
            not calls
            or not isinstance(node, cst.Call)
            or len(node.args) != 1
            or not isinstance(node.func, cst.Attribute)
        ):
            return None
        listed = isinstance(node.args[0].value, (cst.List, cst.ListComp)) and all(call.name in COPIES for call in calls)
        if not listed or self.text(node.func.value) != "torch":
            return None
        return self.fix("use `torch.stack`", Applicability.UNSAFE, self.replace(node.func.attr, "stack"))
