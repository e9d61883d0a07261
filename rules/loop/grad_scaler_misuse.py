from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.flow import dotted
from torchlint.semantic.steps import excludes, runs_with, same
from torchlint.semantic.training import Backward, is_scaler
from torchlint.semantic.values import UNKNOWN, Const, Instance, Tri

SCALES = ("torch.GradScaler.scale", "torch.cuda.amp.GradScaler.scale", "torch.cpu.amp.GradScaler.scale")


class GradScalerMisuse(Rule):
    """Checks for broken steps of mixed precision training with a `GradScaler`.

    The order is: `scaler.scale(loss).backward()`, then `scaler.unscale_(optimizer)` if gradients are clipped or looked
    at, then `scaler.step(optimizer)`, then `scaler.update()`.

    ## Why is this bad?
    Gradients of a scaled loss are 65536 times too large until the scaler takes that back: a plain `optimizer.step()`
    moves the parameters by as much, and clipping cuts them to nearly nothing. Without `update()` the second step raises
    a RuntimeError, without `scale()` the first one raises an AssertionError.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(10):
        optimizer.zero_grad()
        with torch.autocast("cpu"):
            loss = model(torch.randn(8, 4)).square().mean()
        scaler.scale(loss).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(10):
        optimizer.zero_grad()
        with torch.autocast("cpu"):
            loss = model(torch.randn(8, 4)).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/amp_examples.html
    """

    code = "TL105"
    category = Category.CORRECTNESS
    words = ("scale", "Scaler")

    def visit_Expr(self, node: cst.Expr) -> None:
        value = node.value
        if isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and value.func.attr.value == "scale":
            calls = self.model.calls(value)
            if calls and all(call.name in SCALES for call in calls):
                self.report(
                    value,
                    "the scaled loss is not used; `scale()` does not change the loss that it is given",
                    help="call `backward()` on what it returns",
                )

    def leave_Module(self, node: cst.Module) -> None:
        events = self.model.events
        if not any(event.kind == "step" and event.detail is not None for event in events) and not any(
            event.kind == "backward" and _is_scaled(event) for event in events
        ):
            return
        # By place: what is wrong, None where it is right in some context.
        found: dict[int, tuple[Event, str, str] | None] = {}
        for index, event in enumerate(events):
            problem = None
            if event.kind == "step":
                problem = self._of_plain_step(index) if event.detail is None else self._of_scaled_step(index)
            elif event.kind == "clip" and event.detail is not None:
                problem = self._of_clip(index)
            elif event.kind == "unscale":
                problem = self._of_unscale(index)
            else:
                continue
            is_right = id(event.node) in found and found[id(event.node)] is None
            found[id(event.node)] = (event, *problem) if problem is not None and not is_right else None
        for reported in found.values():
            place = self.model.place(reported[0]) if reported is not None else None
            if reported is not None and place is not None:
                self.report(place, reported[1], help=reported[2])

    def _before(self, index: int) -> Iterator[Event]:
        """What happened before an event in the same passes, the last first; not in branches that exclude it."""
        events = self.model.events
        event = events[index]
        for position in range(index - 1, -1, -1):
            other = events[position]
            if other.turns[: len(event.turns)] != event.turns:
                return
            if not excludes(other, event):
                yield other

    def _of_plain_step(self, index: int) -> tuple[str, str] | None:
        step = self.model.events[index]
        for event in self._before(index):
            if event.kind in ("unscale", "engine", "escape", "update") or (
                event.kind == "step" and self.model.training.may_concern(event, step)
            ):
                return None
            if event.kind == "backward":
                if not runs_with(event, step) or not _is_enabled(event):
                    return None
                return (
                    "the gradients are scaled, 65536 times too large, and this step does not undo that",
                    f"call `scaler.step({step.text or 'optimizer'})`, then `scaler.update()`",
                )
        return None

    def _of_scaled_step(self, index: int) -> tuple[str, str] | None:
        step = self.model.events[index]
        if not is_scaler(step.detail) or _may_be_off(step.detail):
            return None
        backwards = []
        for event in self._before(index):
            if event.kind in ("engine", "escape", "step", "update"):
                break
            if event.kind == "backward":
                backwards.append(event)
        else:
            if backwards and all(_is_unscaled(event) and runs_with(event, step) for event in backwards):
                return ("the loss was not scaled; `scaler.step()` raises", "call `scaler.scale(loss).backward()`")
        training = self.model.training
        for each in training.passes:
            if step in each.steps and not training.is_last(each.turn):
                if not any(event.kind in ("update", "engine", "escape") for event in each.events):
                    return (
                        "`scaler.update()` is not called in this loop; the second `scaler.step()` raises",
                        "call `scaler.update()` after the step",
                    )
        return None

    def _of_clip(self, index: int) -> tuple[str, str] | None:
        clip = self.model.events[index]
        for event in self._before(index):
            if event.kind in ("unscale", "engine", "escape", "step"):
                return None
            if event.kind == "backward":
                if runs_with(event, clip) and _is_enabled(event) and self._is_stepped(index):
                    return (
                        "the gradients are still scaled, 65536 times too large; clipping cuts them to nearly nothing",
                        "call `scaler.unscale_(optimizer)` before",
                    )
                return None
        return None

    def _is_stepped(self, index: int) -> bool:
        """Whether a scaler makes the step that follows a place."""
        for event in self.model.events[index + 1 :]:
            if event.kind in ("step", "unscale", "backward"):
                return event.kind == "step" and event.detail is not None
        return False

    def _of_unscale(self, index: int) -> tuple[str, str] | None:
        again = self.model.events[index]
        for event in self._before(index):
            if event.kind in ("step", "update", "escape", "engine"):
                return None
            if event.kind == "unscale" and same(event, again) and runs_with(event, again):
                return ("the gradients are unscaled a second time, which raises", "unscale them once between two steps")
        return None


def _is_scaled(event: Event) -> bool:
    return isinstance(event.detail, Backward) and event.detail.scaled is Tri.YES


def _is_unscaled(event: Event) -> bool:
    return isinstance(event.detail, Backward) and event.detail.scaled is Tri.NO


def _is_enabled(event: Event) -> bool:
    """Whether the loss of a backward pass was scaled by a scaler that certainly does."""
    scaler = event.detail.scaler if isinstance(event.detail, Backward) else None
    if scaler is UNKNOWN:
        return _is_scaled(event) and "scaler" in _scaler_name(event)
    return is_scaler(scaler) and not _is_off(scaler)


def _scaler_name(event: Event) -> str:
    """`self.scaler` of `self.scaler.scale(loss).backward()`"""
    node = event.node
    for _ in range(2):
        func = node.func if isinstance(node, cst.Call) else None
        node = func.value if isinstance(func, cst.Attribute) else node
    return dotted(node).rpartition(".")[2].lower()


def _is_off(scaler: Instance) -> bool:
    """Whether a scaler may be one that never scales; a switch that is not known is on at some time."""
    enabled = scaler.arguments.keywords.get("enabled")
    if not scaler.arguments.complete or len(scaler.arguments.positional) > 4:
        return True
    return isinstance(enabled, Const) and not enabled.value


def _may_be_off(scaler: Instance) -> bool:
    # `enabled` is the last parameter of all scalers.
    arguments = scaler.arguments
    return not arguments.complete or "enabled" in arguments.keywords or len(arguments.positional) > 4
