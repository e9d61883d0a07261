import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.facts import Call


class CudaEmptyCacheInLoop(Rule):
    """Checks for `torch.cuda.empty_cache()` in each step of a training or evaluation loop.

    Once in each epoch it does no harm, and is not reported. The rule is off by default: now and then the call is what
    makes a program fit that shares its GPU.

    ## Why is this bad?
    PyTorch keeps memory that it has freed, and takes it again for the next batch. Emptying this cache waits for the
    GPU, and then the memory must be asked for again, in each step. It frees nothing that a tensor still uses, so it
    does not help against running out of memory.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    for x in torch.randn(3, 8, 4):
        model(x).sum().backward()
        model.zero_grad()
        torch.cuda.empty_cache()
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    for x in torch.randn(3, 8, 4):
        model(x).sum().backward()
        model.zero_grad()
    torch.cuda.empty_cache()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/cuda.html#memory-management
    """

    code = "TL116"
    category = Category.NURSERY
    words = ("empty_cache",)

    def leave_Module(self, node: cst.Module) -> None:
        calls = list(self.model.calls_of("torch.cuda.empty_cache"))
        if not calls:
            return
        stepping = self._stepping()
        by_node: dict[int, list[Call]] = {}
        for call in calls:
            by_node.setdefault(id(call.node), []).append(call)
        for calls in by_node.values():
            # A condition around it may well hold once in a thousand steps.
            if all(call.loops and id(call.loops[-1]) in stepping and not call.tests for call in calls):
                self.report(
                    calls[0].node,
                    "the memory that is kept for the next batch is given back in each step",
                    help="leave it out, or call it once after the loop",
                    severity=Severity.INFO,
                )

    def _stepping(self) -> set[int]:
        """The innermost loops around a backward pass or a step, and those over a loader."""
        found = set()
        iterated = {id(event.node) for event in self.model.events if event.kind == "iterate"}
        for event in self.model.events:
            if event.kind in ("backward", "step") and event.loops:
                found.add(id(event.loops[-1]))
        for call in self.model.calls_of("torch.cuda.empty_cache"):
            for loop in call.loops:
                if isinstance(loop, cst.For) and id(loop.iter) in iterated:
                    found.add(id(loop))
        return found
