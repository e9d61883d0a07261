import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.modes import evaluates, is_training, mode_layers, reads_held_out
from torchlint.semantic.training import Forward
from torchlint.semantic.values import FunctionInfo, Instance, Tri

LOADED = ("torch.nn.Module.load_state_dict",)


class EvalWithoutEvalMode(Rule):
    """Checks for evaluation and inference with a model that is in train mode.

    Reported where all is known: the model, that it has layers that depend on its mode, and that nobody called
    `eval()`; in functions named `evaluate`, `validate`, `test`, `predict` or the like, and in scripts that load weights
    and predict.

    ## Why is this bad?
    Dropout still drops, so that predictions are random. Batch norm uses the statistics of the batch that is evaluated,
    and updates its running statistics with it. `torch.no_grad()` changes neither.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))


    def evaluate(model, batches):
        with torch.no_grad():
            return [model(batch).argmax(1) for batch in batches]


    predictions = evaluate(model, [torch.randn(8, 4)])
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))


    def evaluate(model, batches):
        model.eval()
        with torch.no_grad():
            return [model(batch).argmax(1) for batch in batches]


    predictions = evaluate(model, [torch.randn(8, 4)])
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/autograd.html#evaluation-mode-nn-module-eval
    """

    code = "TL113"
    category = Category.SUSPICIOUS
    words = ("no_grad", "inference_mode", "eval", "valid", "test", "predict", "infer", "accuracy")

    def leave_Module(self, node: cst.Module) -> None:
        reported: set[object] = set()
        for made in self.model.training.places("forward"):
            if all(self._is_wrong(event) for event in made):
                event = made[0]
                function = evaluates(event.active)
                if (function or event.subject) not in reported:
                    reported.add(function or event.subject)
                    self._report(event, function)

    def _is_wrong(self, event: Event) -> bool:
        """Whether a model is certainly evaluated in train mode."""
        model = event.subject
        assert isinstance(event.detail, Forward)
        if not isinstance(model, Instance) or not is_training(event.detail.training):
            return False
        if mode_layers(self.model, model) is not Tri.YES:
            return False
        function = evaluates(event.active)
        if function is None:
            if event.detail.grad is not Tri.NO:
                return False
            return (not event.active and self._only_predicts(model)) or self._validates(event, model)
        if event.detail.grad is not Tri.NO and not self._reads_batches(event, function):
            return False
        return not self._trains(function) and not self._may_be_set(event, model)

    def _only_predicts(self, model: Instance) -> bool:
        """Whether a script loads the weights of a model and never trains it."""
        if any(event.kind in ("backward", "engine", "step") for event in self.model.events):
            return False
        return any(call.receiver is model for call in self.model.calls_of(*LOADED)) and not any(
            event.kind in ("eval", "mode", "escape") and event.subject is model for event in self.model.events
        )

    def _validates(self, event: Event, model: Instance) -> bool:
        """Whether a model runs on validation or test data amid code that trains it."""
        loop = event.loops[-1] if event.loops else None
        if loop is None or not reads_held_out(loop) or self._may_be_set(event, model):
            return False
        events = self.model.events
        if any(other.kind in ("backward", "engine", "step") and loop in other.loops for other in events):
            return False
        forwards = [other for other in events if other.kind == "forward" and other.subject is model]
        return any(other.node is not event.node for other in forwards)

    def _reads_batches(self, event: Event, function: FunctionInfo) -> bool:
        """Whether an evaluating function goes through a loader."""
        return any(
            other.kind == "iterate" and function in other.active and set(event.turns) >= set(other.turns)
            for other in self.model.events
        ) and bool(event.loops)

    def _trains(self, function: FunctionInfo) -> bool:
        return any(
            event.kind in ("backward", "engine", "step") and function in event.active for event in self.model.events
        )

    def _may_be_set(self, event: Event, model: Instance) -> bool:
        """Whether something that is not known, or what holds the model, was put into eval mode before."""
        for other in self.model.events:
            if other is event:
                return False
            if other.kind in ("eval", "mode", "escape") and other.subject is model:
                # That it is in train mode now is certain only if it was put there.
                assert isinstance(event.detail, Forward)
                return event.detail.training is None or other.kind == "escape"
            if other.kind in ("eval", "mode") and (
                not isinstance(other.subject, Instance) or model in self.model.held_objects(other.subject)
            ):
                return True
        return False

    def _report(self, event: Event, function: FunctionInfo | None) -> None:
        place = self.model.place(event)
        if place is None:
            return
        name = event.text or "the model"
        self.report(
            place,
            f"`{name}` is evaluated in train mode: dropout drops, and batch norm uses this batch",
            help=f"call `{name}.eval()` before" if name != "the model" else "call `eval()` before",
            related=[(event.subject.origin, "the model")] if event.subject.origin is not None else (),
            severity=Severity.WARNING,
        )
