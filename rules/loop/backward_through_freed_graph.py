from collections.abc import Sequence

import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.facts import Call, Event
from torchlint.semantic.flow import dotted
from torchlint.semantic.freed import Freed, may_meet
from torchlint.semantic.steps import assigned_in, bound_in_pass, flattened, runs_with
from torchlint.semantic.training import Accumulation, Backward, Forward
from torchlint.semantic.values import Origin, Tensor, Tri, TupleOf, Value, alternatives

GRADIENTS = ("torch.autograd.grad",)
RECURRENT = tuple(f"torch.nn.{kind}{cell}" for kind in ("LSTM", "GRU", "RNN") for cell in ("", "Cell"))


class BackwardThroughFreedGraph(Rule):
    """Checks for backward passes through a graph that the pass before has freed, and for graphs kept to no use.

    A hidden state that goes from batch to batch without `detach()`, and a sum of losses that is never reset, lead
    back into the graphs of earlier batches. `retain_graph=True` for the only backward pass of a graph is reported as
    information.

    ## Why is this bad?
    `backward()` frees the graph: a second one raises `Trying to backward through the graph a second time`. Keeping the
    graph instead takes the memory and the time of all batches so far, and raises as soon as a step has changed the
    parameters in place.

    ## Example
    ```python
    import torch
    from torch import nn

    rnn, head = nn.GRU(4, 8), nn.Linear(8, 2)
    optimizer = torch.optim.SGD([*rnn.parameters(), *head.parameters()], lr=0.1)
    hidden = torch.zeros(1, 3, 8)
    for _ in range(10):
        output, hidden = rnn(torch.randn(5, 3, 4), hidden)
        optimizer.zero_grad()
        head(output).square().mean().backward()
        optimizer.step()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    rnn, head = nn.GRU(4, 8), nn.Linear(8, 2)
    optimizer = torch.optim.SGD([*rnn.parameters(), *head.parameters()], lr=0.1)
    hidden = torch.zeros(1, 3, 8)
    for _ in range(10):
        output, hidden = rnn(torch.randn(5, 3, 4), hidden.detach())
        optimizer.zero_grad()
        head(output).square().mean().backward()
        optimizer.step()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html
    """

    code = "TL108"
    category = Category.CORRECTNESS
    words = ("backward",)

    def leave_Module(self, node: cst.Module) -> None:
        backwards = self.model.training.places("backward")
        if backwards:
            self._check_carried()
            self._check_held()
            self._check_again(backwards)
            for events in backwards:
                self._check_sum(events)
                self._check_kept(events)

    def _check_carried(self) -> None:
        """A model that is given what it gave in the pass before."""
        for events in self.model.training.places("forward"):
            made: set[Origin] = set()
            for event in (each for each in events if each.turns):
                forward = event.detail
                assert isinstance(forward, Forward)
                carried = [
                    tensor
                    for value in (*forward.call.arguments.positional, *forward.call.arguments.keywords.values())
                    for tensor in _tensors(value)
                    if tensor.grad is Tri.YES and tensor.origin in made and not self._is_made_before(tensor, event)
                ]
                if (carried or self._is_carried(event)) and self._is_trained(event):
                    place = self.model.place(event)
                    if place is not None:
                        self.report(
                            place,
                            "a state of the batch before is passed on with its graph, which `backward()` has freed",
                            help="pass on `state.detach()`, or start each batch anew",
                        )
                    break
                made.update(tensor.origin for tensor in _tensors(forward.call.result) if tensor.origin is not None)

    def _check_held(self) -> None:
        """A recurrent layer that is given the state that the model keeps from the batch before."""
        for name in RECURRENT:
            made: set[tuple[Value | None, Origin]] = set()
            for call in self.model.calls_of(f"{name}.forward"):
                state = call.argument(1, "hx")
                carried = [tensor for tensor in _tensors(state) if tensor.grad is Tri.YES] if state is not None else []
                known = any((call.receiver, tensor.origin) in made for tensor in carried if tensor.origin is not None)
                if known and self._is_trained_once(call):
                    self.report(
                        call.node,
                        "the state of the batch before is kept with its graph, which `backward()` has freed",
                        help="detach the state before each batch, or start anew",
                    )
                    break
                made.update((call.receiver, each.origin) for each in _tensors(call.result) if each.origin is not None)

    def _is_trained_once(self, call: Call) -> bool:
        """Whether each pass of the loop around a call inside a model calls the model once, then runs backward."""
        passes: dict[int, list[Event]] = {}
        for event in self.model.events:
            if event.loops == call.loops and event.turns and event.kind in ("forward", "backward", "engine"):
                passes.setdefault(event.turns[-1], []).append(event)
        # Called twice in a pass, the second call may be given what the first one gave.
        calls = [other for other in self.model.calls(call.node) if other.loops == call.loops]
        return 1 < len(passes) >= len(calls) and all(
            [event.kind for event in events] == ["forward", "backward"]
            and isinstance(events[1].detail, Backward)
            and events[1].detail.keeps_graph is Tri.NO
            and runs_with(events[1], events[0])
            for events in passes.values()
        )

    def _check_again(self, backwards: list[list[Event]]) -> None:
        """Two backward passes through what a model gave, or one in each pass of a loop."""
        freed = Freed(self.model)
        scopes: dict[int, list[Event]] = {}
        for event, *_ in backwards:
            if event.origin.unit is self.model.unit:
                scopes.setdefault(id(event.active[-1].node if event.active else None), []).append(event)
        for events in scopes.values():
            scope = events[0].active[-1].node if events[0].active else self.model.module
            if isinstance(scope, cst.Lambda) or not may_meet(self.model, events):
                continue
            body = scope.body if isinstance(scope, cst.Module) else scope.body.body
            for again in freed.again(body):
                name = again.result.name
                self.report(
                    again.node,
                    f"`backward()` goes through `{name}` in each pass, and the first one has freed its graph"
                    if again.looped
                    else f"`backward()` goes through `{name}` again, and the one before has freed its graph",
                    help="compute it anew, detach it, or call `backward()` once on the sum of the losses",
                    related=[(self.model.origin(again.result.node), "computed here")],
                )

    def _is_made_before(self, tensor: Tensor, event: Event) -> bool:
        """Whether a model of the same class may have given a tensor earlier in the same pass."""
        for other in self.model.training.within(event.turns[-1]):
            if other is event:
                return False
            if isinstance(other.detail, Forward):
                if any(given.origin == tensor.origin for given in _tensors(other.detail.call.result)):
                    return True
        return False

    def _is_carried(self, event: Event) -> bool:
        """`output, hidden = model(x, hidden)`, where nothing else in the loop assigns `hidden`."""
        node, loop = event.node, event.loops[-1]
        target = self.model.assigned_to(node)
        if target is None or not isinstance(node, cst.Call) or event.origin.unit is not self.model.unit:
            return False
        assert isinstance(event.detail, Forward)
        result = event.detail.call.result
        parts = result.items if isinstance(result, TupleOf) else (result,)
        names = [dotted(item) for item in flattened(target)]
        if len(names) != len(parts):
            return False
        for arg in node.args:
            name = dotted(arg.value)
            if name in names and name and not assigned_in(loop, name, but=target):
                given = [tensor for value in self.model.values(arg.value) for tensor in _tensors(value)]
                made = _tensors(parts[names.index(name)])
                if made and all(tensor.grad is Tri.YES for tensor in made):
                    return any(tensor.grad is not Tri.NO for tensor in given)
        return False

    def _is_trained(self, event: Event) -> bool:
        """Whether each pass runs a backward pass that frees the graph."""
        return any(
            other.kind == "backward"
            and other.turns == event.turns
            and isinstance(other.detail, Backward)
            and other.detail.keeps_graph is Tri.NO
            and runs_with(other, event)
            for other in self.model.training.within(event.turns[-1])
        )

    def _check_sum(self, events: list[Event]) -> None:
        """`total += loss; total.backward()` in each pass, where nothing resets the sum."""
        for event in events:
            if not event.text or not event.turns or not isinstance(event.detail, Backward):
                return
            if event.detail.keeps_graph is not Tri.NO:
                return
            summed = [
                other
                for other in self.model.training.within(event.turns[-1])
                if other.kind == "accumulate"
                and other.text == event.text
                and other.turns == event.turns
                and other.active == event.active
                and runs_with(event, other)
            ]
            if not summed or self._is_reset(summed[0]):
                return
        place = self.model.place(events[0])
        if place is not None:
            self.report(
                place,
                f"`{events[0].text}` holds the losses of the batches before, whose graphs are freed",
                help="call `backward()` on the loss of this batch",
            )

    def _is_reset(self, summed: Event) -> bool:
        assert isinstance(summed.detail, Accumulation)
        if not isinstance(summed.node, cst.AugAssign):
            return True
        return bound_in_pass(summed, summed.loops[-1], but=summed.node)

    def _check_kept(self, events: list[Event]) -> None:
        """`retain_graph=True` where no other backward pass goes through the graph."""
        for event in events:
            if not isinstance(event.detail, Backward) or event.detail.keeps_graph is not Tri.YES or not event.turns:
                return
            within = self.model.training.within(event.turns[-1])
            if any(other.kind in ("backward", "engine", "escape") and other.node is not event.node for other in within):
                return
            if not any(other.kind == "step" and other.turns == event.turns for other in within):
                return
            if any(other.kind == "accumulate" for other in within) or not self._is_fresh(event, within):
                return
        if any(True for _ in self.model.calls_of(*GRADIENTS)):
            return
        place = self.model.place(events[0])
        if place is not None:
            self.report(
                place,
                "the graph is kept, and no other backward pass goes through it",
                help="leave out `retain_graph`; where that raises, detach what is carried over from batch to batch",
                severity=Severity.INFO,
            )

    def _is_fresh(self, event: Event, within: Sequence[Event]) -> bool:
        """Whether all that goes into the models of a pass certainly has no graph from before it."""
        forwards = [other for other in within if other.kind == "forward" and other.turns == event.turns]
        for forward in forwards:
            assert isinstance(forward.detail, Forward)
            arguments = forward.detail.call.arguments
            given = [tensor for value in arguments.positional for tensor in _tensors(value)]
            if len(given) < len(arguments.positional) or arguments.keywords or arguments.tail:
                return False
            if any(tensor.grad is not Tri.NO for tensor in given):
                return False
        return len(forwards) == 1


def _tensors(value: Value) -> list[Tensor]:
    """The tensors among a value and the parts of tuples in it."""
    found: list[Tensor] = []
    for option in alternatives(value):
        if isinstance(option, Tensor):
            found.append(option)
        elif isinstance(option, TupleOf):
            for item in option.items:
                found.extend(_tensors(item))
    return found
