from collections.abc import Sequence

import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.instances import has_parameters
from torchlint.semantic.training import Forward, Optimized
from torchlint.semantic.values import Instance, Tensor, Tri


class OptimizerStaleParameters(Rule):
    """Checks for optimizers over parameters that are not those of the model that is trained.

    The model, or a layer of it, was replaced after the optimizer was made; or the optimizer was made over another
    model than the one that the loop calls.

    ## Why is this bad?
    The optimizer goes on updating parameters that nothing uses. The new layer, or the whole new model, never changes,
    and nothing warns.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model[2] = nn.Linear(8, 10)
    for _ in range(10):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    model[2] = nn.Linear(8, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/optim.html#constructing-it
    """

    code = "TL109"
    category = Category.CORRECTNESS
    words = ("optim",)

    def leave_Module(self, node: cst.Module) -> None:
        if self.model.training.made:
            self._check_replaced()
            self._check_other_model()

    def _check_replaced(self) -> None:
        """A layer with parameters takes the place of one that an optimizer was made over."""
        events = self.model.events
        seen: set[int] = set()
        for index, event in enumerate(events):
            if event.kind != "replace" or id(event.node) in seen:
                continue
            made = self._optimizer_over(event, events[:index])
            layer = event.detail
            if made is None or not isinstance(layer, Instance) or has_parameters(layer) is not Tri.YES:
                continue
            if self._is_used_later(made, layer, events[index:]):
                seen.add(id(event.node))
                self._report(
                    event, made, "the optimizer was made before this layer, and never updates its parameters",
                    "make the optimizer after the model is complete, or call `add_param_group`",
                )  # fmt: skip

    def _optimizer_over(self, event: Event, before: Sequence[Event]) -> Event | None:
        """The last optimizer that was made over all parameters of what is changed, before that happens."""
        for made in reversed(before):
            if made.kind == "optimizer":
                over = made.detail
                assert isinstance(over, Optimized)
                whole = over.complete and not over.partial and not over.tensors
                return made if whole and event.subject in over.held and event.detail not in over.held else None
        return None

    def _is_used_later(self, made: Event, layer: Instance, after: Sequence[Event]) -> bool:
        """Whether that very optimizer steps later, and nothing gives it the new parameters."""
        stepped = False
        for event in after:
            if event.kind in ("optimizer", "add-group", "escape") and (
                event.subject in (made.subject, layer) or event.kind != "escape"
            ):
                return False
            stepped = stepped or (event.kind == "step" and event.subject is made.subject)
        return stepped

    def _check_other_model(self) -> None:
        """A loop trains one model, and steps an optimizer over another one that it never calls."""
        for made in self.model.training.step_nodes.values():
            problems = [self._unused(each.events, step) for each, step in made]
            first = problems[0]
            if first is not None and all(problem is not None for problem in problems):
                step, (forward, over) = made[0][1], first
                place = self.model.place(step)
                if place is not None:
                    self.report(
                        place,
                        "the optimizer was made over another model than the one that is trained here",
                        help="make the optimizer over the model that computes the loss",
                        related=[
                            (forward.origin, "this model is trained"),
                            (over.origin, "the optimizer is made here"),
                        ],
                    )

    def _unused(self, events: Sequence[Event], step: Event) -> tuple[Event, Event] | None:
        """The model that a pass trains, and the optimizer, if that is over others alone."""
        training = self.model.training
        over = training.made.get(step.subject) if isinstance(step.subject, Instance) else None
        if over is None or not over.complete or over.tensors or not over.held:
            return None
        if any(event.kind in ("escape", "engine", "add-group") for event in events):
            return None
        steps = {event.subject for event in events if event.kind in ("step", "maybe-step")}
        if len(steps) > 1:
            return None
        forwards = [event for event in events if event.kind == "forward"]
        trained = []
        for event in forwards:
            assert isinstance(event.detail, Forward)
            model = event.subject
            if not isinstance(model, Instance):
                return None
            if not over.held.isdisjoint(self.model.held_objects(model)) or any(
                model in self.model.held_objects(module) for module in over.modules
            ):
                return None
            result = event.detail.call.result
            if isinstance(result, Tensor) and result.grad is Tri.YES:
                trained.append(event)
        made = next(event for event in training.events if event.kind == "optimizer" and event.subject is step.subject)
        # Parameters that are used by name, or by a method of the model, leave no call of it.
        if not trained or self._is_used_otherwise(over):
            return None
        same_kind = any(
            isinstance(event.subject, Instance) and _is_alike(event.subject, module)
            for event in trained
            for module in over.modules
        )
        return (trained[0], made) if same_kind else None

    def _is_used_otherwise(self, over: Optimized) -> bool:
        return any(
            event.kind == "forward" and event.subject in over.held and event.turns for event in self.model.events
        )

    def _report(self, event: Event, made: Event, message: str, help_: str) -> None:
        place = self.model.place(event)
        if place is not None:
            self.report(place, message, help=help_, related=[(made.origin, "the optimizer is made here")])


def _is_alike(model: Instance, other: Instance) -> bool:
    """Whether two models are of one class, as where one takes the place of the other."""
    return model.info is other.info and model.symbol == other.symbol
