from collections.abc import Sequence

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.modes import evaluates
from torchlint.semantic.parts import stands_in
from torchlint.semantic.steps import assigned_in, runs_with
from torchlint.semantic.training import Accumulation, Backward
from torchlint.semantic.values import ListRef, Tensor, Tri, alternatives


class LossAccumulatedWithGraph(Rule):
    """Checks for losses and outputs that are summed up or collected over batches together with their graphs.

    Reported for `total += loss` and `losses.append(loss)` in loops over batches, where autograd records and nothing
    runs a backward pass on the sum.

    ## Why is this bad?
    The sum holds the graph of each batch. After `backward()` most of a graph has been freed, and the rest still grows
    with each batch; without one, as in a validation, the activations of all batches are kept until memory runs out.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    total = 0.0
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        loss.backward()
        optimizer.step()
        total += loss
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    total = 0.0
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.zeros(8, dtype=torch.int64))
        loss.backward()
        optimizer.step()
        total += loss.item()
    ```

    ## Fix safety
    Unsafe: the sum becomes a Python number, and `.item()` waits for the device.

    ## References
    - https://docs.pytorch.org/docs/stable/notes/faq.html#my-model-reports-cuda-runtime-error-2-out-of-memory
    """

    code = "TL104"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("+=", "append", "+")

    def leave_Module(self, node: cst.Module) -> None:
        for events in self.model.training.places("accumulate"):
            if events[0].origin.unit is not self.model.unit:
                continue
            known = [self._is_trained_on(event) for event in events]
            if all(trained is not None for trained in known) and any(map(self._is_carried, events)):
                self._report(events[-1], bool(known[-1]))

    def _is_carried(self, event: Event) -> bool:
        """Whether what is added to holds tensors of passes before."""
        assert isinstance(event.detail, Accumulation)
        before = event.detail.before
        if isinstance(before, ListRef):
            name = event.text.partition("[")[0]
            if any(
                assigned_in(info.node.body, name) for info in event.active if not stands_in(event.loops[-1], info.node)
            ):
                # Made anew in each call.
                return False
            return not assigned_in(event.loops[-1], name)
        return any(isinstance(option, Tensor) and option.grad is not Tri.NO for option in alternatives(before))

    def _is_trained_on(self, event: Event) -> bool | None:
        """Whether each pass runs a backward pass on what is added; False where nothing ever does, None if unknown."""
        if not event.text or not event.turns or self.model.training.is_last(event.turns[-1]):
            return None
        within = self.model.training.within(event.turns[-1])
        added = event.subject
        if self._is_used_up(event, within):
            return True
        for other in within:
            if other.kind == "backward" and other.turns == event.turns and isinstance(other.subject, Tensor):
                assert isinstance(added, Tensor)
                if other.subject.origin == added.origin:
                    return True
        function = evaluates(event.active)
        for other in self.model.events:
            if other.kind in ("backward", "engine"):
                inside = function in other.active if function is not None else True
                if inside and other.active == event.active[: len(other.active)]:
                    return None
        batches = function is not None or any(
            other.kind == "iterate" and other.turns == event.turns[:-1] for other in self.model.events
        )
        forwards = any(other.kind == "forward" and other.turns == event.turns for other in within)
        return False if batches and forwards and not self._gives_graph(event) else None

    def _is_used_up(self, event: Event, within: Sequence[Event]) -> bool:
        """Whether the graph of what is added was freed by the backward pass on it before, in the same pass."""
        passes = [other for other in within if other.kind in ("backward", "engine")]
        at = within.index(event)
        if not passes or any(
            within.index(other) > at or not isinstance(other.detail, Backward) or other.detail.keeps_graph is not Tri.NO
            for other in passes
        ):
            return False
        last = passes[-1]
        if last.turns != event.turns or not runs_with(last, event):
            return False
        if any(other.kind == "forward" for other in within[within.index(last) : at]):
            return False
        return not any(
            other.kind in ("backward", "engine")
            and other.turns == event.turns[: len(other.turns)] != event.turns
            and other.active == event.active[: len(other.active)]
            for other in self.model.events
        )

    def _gives_graph(self, event: Event) -> bool:
        """Whether a function that is called from code that trains may give the sum back to it."""
        if not event.active or evaluates(event.active) is not None:
            return False
        trains = any(other.kind in ("backward", "engine") for other in self.model.events)
        return trains or event.active[-1].owner is not None

    def _report(self, event: Event, trained: bool) -> None:
        assert isinstance(event.detail, Accumulation)
        is_list = isinstance(event.detail.before, ListRef)
        self.report(
            event.node,
            f"`{event.text}` {'collects' if is_list else 'sums up'} tensors with the graphs that they were computed by",
            help="add `.detach()` of it" if is_list else "add `.item()` of it, a plain number",
            severity=Severity.WARNING if trained else Severity.ERROR,
            fix=self._plain(event, is_list),
        )

    def _plain(self, event: Event, is_list: bool) -> Repair | None:
        node = event.node
        if isinstance(node, cst.AugAssign):
            value, suffix = node.value, ".item()"
        elif isinstance(node, cst.Call) and is_list and len(node.args) == 1:
            value, suffix = node.args[0].value, ".detach()"
        else:
            return None
        if not isinstance(value, (cst.Name, cst.Attribute, cst.Call)):
            return None
        tensor = event.subject
        if suffix == ".item()" and not (
            isinstance(tensor, Tensor) and tensor.shape is not None and tensor.shape.rank == 0
        ):
            return None
        return self.fix("keep no graph", Applicability.UNSAFE, self.insert_after(value, suffix))
