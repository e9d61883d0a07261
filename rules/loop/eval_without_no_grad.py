import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.modes import evaluates, is_evaluating
from torchlint.semantic.parts import stands_in
from torchlint.semantic.steps import same
from torchlint.semantic.training import Forward
from torchlint.semantic.values import FunctionInfo, Instance, Symbol, Tensor, Tri

# Who asks for gradients of inputs needs the graph.
ASKING = ("torch.autograd.grad", "torch.Tensor.requires_grad_", "torch.autograd.backward")
TRAINING = frozenset({"backward", "engine", "step", "maybe-step"})


class EvalWithoutNoGrad(Rule):
    """Checks for loops that evaluate a model while autograd records.

    Reported for a loop that calls a model with trainable parameters in a function named `evaluate`, `validate`,
    `test`, `predict` or the like, or after `model.eval()`, where nothing turns gradients off and nothing needs them.

    ## Why is this bad?
    Each call builds the graph for a backward pass that never comes: it takes the memory of all activations, and more
    time. Where outputs are collected, the graphs of all batches are kept, and memory runs out.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)


    def evaluate(model, batches):
        model.eval()
        correct = 0
        for inputs, labels in batches:
            correct += (model(inputs).argmax(1) == labels).sum().item()
        return correct


    evaluate(model, [(torch.randn(8, 4), torch.zeros(8))])
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)


    @torch.no_grad()
    def evaluate(model, batches):
        model.eval()
        correct = 0
        for inputs, labels in batches:
            correct += (model(inputs).argmax(1) == labels).sum().item()
        return correct


    evaluate(model, [(torch.randn(8, 4), torch.zeros(8))])
    ```

    ## Fix safety
    Unsafe: what the function computes no longer has a graph; a caller that runs a backward pass on it would fail.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html
    """

    code = "TL114"
    category = Category.PERFORMANCE
    fix_safety = Applicability.UNSAFE
    words = ("eval", "valid", "test", "predict", "infer", "accuracy")

    def leave_Module(self, node: cst.Module) -> None:
        reported: set[object] = set()
        for made in self.model.training.places("forward"):
            event = made[0]
            where = self._where(event)
            if where is not None and where not in reported and all(self._records(other, where) for other in made):
                reported.add(where)
                self._report(event, where)

    def _where(self, event: Event) -> FunctionInfo | cst.CSTNode | None:
        """The function that evaluates, or the loop of a script that does; None where neither is certain."""
        function = evaluates(event.active)
        if function is not None:
            owner = function.owner
            if owner is not None and any(
                not base.startswith(("torch.nn.", "builtins.")) for base in owner.external_bases
            ):
                # A framework calls it, and turns gradients off.
                return None
            return function
        if not event.loops:
            return None
        assert isinstance(event.detail, Forward)
        return event.loops[-1] if self._is_put_into_eval_mode(event) else None

    def _is_put_into_eval_mode(self, event: Event) -> bool:
        """Whether a model was put into eval mode where it is called; in a function only one that is trained there."""
        assert isinstance(event.detail, Forward)
        if isinstance(event.subject, Instance) and (not event.active or not is_evaluating(event.detail.training)):
            return is_evaluating(event.detail.training)
        last = None
        for other in self.model.events:
            if other is event:
                break
            if other.kind in ("train", "eval", "mode") and same(other, event):
                last = other.kind
        return last == "eval" and any(
            other.kind == "forward" and other.active == event.active and same(other, event)
            for each in self.model.training.passes
            for other in each.events
        )

    def _records(self, event: Event, where: FunctionInfo | cst.CSTNode) -> bool:
        """Whether a call of a model certainly builds a graph that nothing needs."""
        forward = event.detail
        assert isinstance(forward, Forward)
        if forward.grad is not Tri.YES or not self._is_trainable(event):
            return False
        if any(self.model.training.is_last(turn) for turn in event.turns):
            # A single batch, to be looked at.
            return False
        loops = [loop for loop in event.loops if loop is where or self._stands_in(loop, where)]
        if not loops:
            return False
        if isinstance(where, FunctionInfo):
            inside = [other for other in self.model.events if where in other.active]
            if any(where in call.active for call in self.model.calls_of(*ASKING)):
                return False
        else:
            inside = [other for other in self.model.events if where in other.loops]
            if any(where in call.loops for call in self.model.calls_of(*ASKING)) or self._is_used_later(event, where):
                return False
        if any(other.kind in TRAINING for other in inside):
            return False
        return not isinstance(where, FunctionInfo) or not self._gives_graph(where, event)

    def _is_used_later(self, event: Event, loop: cst.CSTNode) -> bool:
        """Whether the next thing after a loop is a backward pass, through what the loop collected."""
        events = self.model.events
        for other in events[events.index(event) + 1 :]:
            if loop not in other.loops and other.kind in ("forward", "backward", "engine"):
                return other.kind != "forward"
        return False

    def _is_trainable(self, event: Event) -> bool:
        """Whether what a model gives requires grad, or it is named as one and put into eval mode right there."""
        assert isinstance(event.detail, Forward)
        if isinstance(event.subject, Instance):
            result = event.detail.call.result
            return isinstance(result, Tensor) and result.grad is Tri.YES
        return any(
            other.kind == "eval" and other.text == event.text and other.active == event.active
            for other in self.model.events
        )

    def _stands_in(self, loop: cst.CSTNode, where: FunctionInfo | cst.CSTNode) -> bool:
        return isinstance(where, FunctionInfo) and stands_in(loop, where.node)

    def _gives_graph(self, function: FunctionInfo, event: Event) -> bool:
        """Whether the function returns something with a graph to code that runs a backward pass."""
        outer = event.active[: event.active.index(function)]
        if not any(other.kind in TRAINING and other.active[: len(outer)] == outer for other in self.model.events):
            return False
        returned = self.model.returned(function)
        return any(isinstance(value, Tensor) and value.grad is not Tri.NO for value in returned)

    def _report(self, event: Event, where: FunctionInfo | cst.CSTNode) -> None:
        place = self.model.place(event)
        if place is None:
            return
        name = event.text or "the model"
        self.report(
            place,
            f"`{name}` is evaluated while autograd records: graphs are built that nothing uses",
            help="evaluate under `torch.no_grad()`",
            fix=self._without_grad(event, where),
        )

    def _without_grad(self, event: Event, where: FunctionInfo | cst.CSTNode) -> Repair | None:
        if event.origin.unit is not self.model.unit or not isinstance(where, FunctionInfo):
            return None
        if where.unit is not self.model.unit or not isinstance(where.node, cst.FunctionDef):
            return None
        torch = self.model.global_value("torch")
        if not isinstance(torch, Symbol) or torch.name != "torch":
            return None
        edit = self.insert_line(where.node, "@torch.no_grad()")
        return self.fix("turn gradients off in the function", Applicability.UNSAFE, edit)
