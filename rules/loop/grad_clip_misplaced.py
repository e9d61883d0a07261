from math import inf

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.instances import is_module
from torchlint.semantic.steps import excludes
from torchlint.semantic.training import CLIPS, Clip, Optimized
from torchlint.semantic.values import Const, Instance

DEPRECATED = "torch.nn.utils.clip_grad_norm"


class GradClipMisplaced(Rule):
    """Checks for gradient clipping where it has no effect: before `backward()`, after `step()`, of another model.

    Also for `clip_grad_norm_(model, ...)` in place of its parameters, and for the old name `clip_grad_norm`.

    ## Why is this bad?
    Before `backward()` there are no gradients, or those of the pass before; after `step()` they have been used. The
    step is made with gradients of any size, and nothing warns.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        loss.backward()
        optimizer.step()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    ```

    ## Fix safety
    Safe: the old name is another name of the same function.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
    """

    code = "TL107"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("clip_grad",)

    # Calls that are statements: what they return is not used.
    statements: set[int]

    def visit_Module(self, node: cst.Module) -> None:
        self.statements = set()

    def visit_Expr(self, node: cst.Expr) -> None:
        self.statements.add(id(node.value))

    def leave_Module(self, node: cst.Module) -> None:
        self._check_arguments()
        found: dict[int, tuple[Event, str | None]] = {}
        for index, event in enumerate(self.model.events):
            if event.kind == "clip" and isinstance(event.detail, Clip):
                problem = self._problem(index, event)
                before = found.get(id(event.node))
                found[id(event.node)] = (event, problem if before is None or before[1] is not None else None)
        for event, problem in found.values():
            place = self.model.place(event)
            if problem is not None and place is not None:
                self.report(place, problem, help="clip between `backward()` and `step()`")

    def _check_arguments(self) -> None:
        seen: set[int] = set()
        for call in self.model.calls_of(*sorted(CLIPS)):
            if id(call.node) in seen or not isinstance(call.node, cst.Call):
                continue
            seen.add(id(call.node))
            given = call.argument(0, "parameters")
            if (
                given is not None
                and is_module(given)
                and all(is_module(other.argument(0, "parameters") or given) for other in self.model.calls(call.node))
            ):
                self.report(
                    call.node.args[0].value,
                    "clipping takes the parameters, not the module; this raises a TypeError",
                    help=f"give `{self.text(call.node.args[0].value)}.parameters()`",
                    fix=self.fix(
                        "give the parameters",
                        Applicability.SAFE,
                        self.insert_after(call.node.args[0].value, ".parameters()"),
                    ),
                )
            elif call.name == DEPRECATED:
                func = call.node.func
                name = func.attr if isinstance(func, cst.Attribute) else func
                if isinstance(name, cst.Name) and name.value == "clip_grad_norm":
                    self.report(
                        func,
                        "`clip_grad_norm` is deprecated",
                        help="use `clip_grad_norm_`",
                        severity=Severity.INFO,
                        fix=self.fix("use `clip_grad_norm_`", Applicability.SAFE, self.replace(name, "clip_grad_norm_"))
                        if isinstance(func, cst.Attribute)
                        else None,
                    )

    def _problem(self, index: int, clip: Event) -> str | None:
        """What is wrong with where a clip stands; None where that is right, or not certain."""
        assert isinstance(clip.detail, Clip)
        limit = clip.detail.call.argument(1, "max_norm", "clip_value")
        if id(clip.node) not in self.statements or (isinstance(limit, Const) and limit.value == inf):
            # It measures the norm.
            return None
        events = self.model.events
        before = after = None
        for event in reversed(events[:index]):
            if event.turns[: len(clip.turns)] != clip.turns:
                break
            if _counts(event) and not excludes(event, clip):
                before = event
                break
        for event in events[index + 1 :]:
            if event.turns[: len(clip.turns)] != clip.turns:
                break
            if _counts(event) and not excludes(event, clip):
                after = event
                break
        if after is not None and after.kind == "backward" and before is None and self._is_stepped(index, clip):
            return "the gradients are clipped before `backward()` computes them"
        if before is not None and before.kind == "step" and after is None and self._follows(before, clip):
            return "the gradients are clipped after `step()` used them"
        if before is not None and before.kind == "backward" and after is not None and after.kind == "step":
            return self._of_other_model(clip.detail.over, after)
        return None

    def _is_stepped(self, index: int, clip: Event) -> bool:
        """Whether a step with the gradients of this pass follows."""
        return any(
            event.kind == "step" and event.turns == clip.turns and event.active == clip.active
            for event in self.model.events[index + 1 :]
        )

    def _follows(self, step: Event, clip: Event) -> bool:
        """Whether a backward pass, this step and the clip stand in one pass of one function."""
        if step.turns != clip.turns or step.active != clip.active:
            return False
        return any(
            event.kind == "backward" and event.turns == step.turns and event.active == step.active
            for event in self.model.events[: self.model.events.index(step)]
        )

    def _of_other_model(self, clipped: Optimized, step: Event) -> str | None:
        made = self.model.training.made
        over = made.get(step.subject) if isinstance(step.subject, Instance) else None
        steps = [event for event in self.model.events if event.kind == "step"]
        known = [made.get(event.subject) if isinstance(event.subject, Instance) else None for event in steps]
        if over is None or not _is_known(clipped) or not all(other is not None and _is_known(other) for other in known):
            return None
        if any(other is not None and not clipped.held.isdisjoint(other.held) for other in known):
            return None
        return "the gradients of another model are clipped than the one whose parameters are stepped"


def _counts(event: Event) -> bool:
    return event.kind in ("backward", "step", "engine", "escape", "unscale", "grad-set")


def _is_known(over: Optimized) -> bool:
    return over.complete and bool(over.held) and not over.tensors
