import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call, Event
from torchlint.semantic.values import UNKNOWN, Const, Instance, Iterated, Scalar, Value, alternatives

SAMPLER = "torch.utils.data.DistributedSampler"
SHUFFLE = 3
# These tell the sampler the epoch themselves.
OWNERS = ("lightning", "accelerate", "ignite", "transformers", "deepspeed", "composer", "fastai")


class DistributedSamplerNoSetEpoch(Rule):
    """Checks for a `DistributedSampler` that shuffles and is never told the epoch.

    Reported are samplers whose loader is iterated over in a loop over epochs, when nothing calls `set_epoch` on them.

    ## Why is this bad?
    The sampler seeds its shuffling with the epoch that `set_epoch` gives it. Without it each epoch has the same
    order, on all processes, silently.

    ## Example
    ```python
    from torch import nn, optim
    from torch.utils.data import DataLoader, DistributedSampler


    def fit(dataset):
        model = nn.Linear(8, 1)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        sampler = DistributedSampler(dataset)
        loader = DataLoader(dataset, batch_size=32, sampler=sampler)
        for epoch in range(10):
            for batch in loader:
                optimizer.zero_grad()
                model(batch).mean().backward()
                optimizer.step()
    ```

    ## Use instead
    ```python
    from torch import nn, optim
    from torch.utils.data import DataLoader, DistributedSampler


    def fit(dataset):
        model = nn.Linear(8, 1)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        sampler = DistributedSampler(dataset)
        loader = DataLoader(dataset, batch_size=32, sampler=sampler)
        for epoch in range(10):
            sampler.set_epoch(epoch)
            for batch in loader:
                optimizer.zero_grad()
                model(batch).mean().backward()
                optimizer.step()
    ```

    ## Fix safety
    Unsafe: the order changes. There is a fix only where the sampler has a name, and the loop over epochs a variable,
    in one and the same function.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.distributed.DistributedSampler
    """

    code = "TL413"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("DistributedSampler", "oader")

    def leave_Module(self, node: cst.Module) -> None:
        if any(owner in self.source.text for owner in OWNERS):
            return
        made = {
            call.result: call
            for call in self.model.calls_led_to(SAMPLER)
            if self._shuffles(call)
            and (call.origin.unit is self.model.unit or not _tells(call.origin.unit.source.text))
        }
        told = list(self.model.calls_of(f"{SAMPLER}.set_epoch"))
        if not made or self.source.text.count("set_epoch(") > len({id(call.node) for call in told}):
            # Something that is not known is told the epoch: it may be this sampler.
            return
        known = {option for call in told for option in alternatives(call.receiver or call.callee)}
        for event in self.model.events:
            sampler = self._sampler(event)
            if sampler is None or sampler in known or sampler not in made:
                continue
            call = made[sampler]
            elsewhere, place = event.origin.unit, self.model.place(call)
            if place is None or (elsewhere is not self.model.unit and ".set_epoch(" in elsewhere.source.text):
                continue
            epochs = next((loop for loop in event.loops if self._counts(loop) and loop not in call.loops), None)
            if epochs is not None and self._trains(event):
                del made[sampler]
                here = place is call.node
                self.report(
                    place,
                    f"{'this' if here else 'a'} sampler shuffles by the epoch and is never told it: "
                    "each epoch has the same order",
                    help="call `set_epoch(epoch)` on it at the start of each epoch",
                    fix=self._fix(sampler, epochs, call) if here else None,
                    related=[
                        (event.origin, "its loader is iterated over here, once an epoch"),
                        (None if here else call.origin, "the sampler is made here"),
                    ],
                )

    @staticmethod
    def _shuffles(call: Call) -> bool:
        shuffle = call.argument(SHUFFLE, "shuffle")
        if shuffle is None:
            return call.arguments.complete
        return isinstance(shuffle, Const) and bool(shuffle.value)

    def _sampler(self, event: Event) -> Value | None:
        """The sampler of the loader that is iterated over."""
        if event.kind == "iterate":
            for loader in self.model.loaders:
                if loader.instance is event.subject:
                    for option in alternatives(loader.value("sampler") or UNKNOWN):
                        if isinstance(option, Instance) and option.symbol == SAMPLER:
                            return option
        return None

    def _counts(self, loop: cst.CSTNode) -> bool:
        """Whether a loop counts, as one over epochs does, and does not go over loaders or phases."""
        if not isinstance(loop, cst.For):
            return isinstance(loop, cst.While)
        counted = self.model.value(loop.iter)
        return isinstance(counted, Iterated) and isinstance(counted.element, Scalar)

    def _trains(self, event: Event) -> bool:
        """Whether the model is trained on what the iteration gives: the order of other passes does not matter."""
        return any(
            other.kind == "backward"
            and any(isinstance(loop, cst.For) and loop.iter is event.node for loop in other.loops)
            for other in self.model.events
        )

    def _fix(self, sampler: Value, loop: cst.CSTNode, call: Call) -> Repair | None:
        if not isinstance(loop, cst.For) or not isinstance(loop.target, cst.Name):
            return None
        if not isinstance(loop.body, cst.IndentedBlock) or not isinstance(call.node, cst.Call):
            return None
        name = self.model.assigned_to(call.node)
        # What the loop goes over, `range(epochs)`, runs in the function that makes the sampler.
        inside = any(fact.active == call.active for fact in self.model.calls(loop.iter))
        if not isinstance(name, cst.Name) or not inside:
            return None
        line = f"{name.value}.set_epoch({loop.target.value})"
        return self.fix("tell it the epoch", Applicability.UNSAFE, self.insert_line(loop.body.body[0], line))


def _tells(text: str) -> bool:
    """Whether a file tells samplers the epoch, or leaves it to a package that does."""
    return ".set_epoch(" in text or any(owner in text for owner in OWNERS)
