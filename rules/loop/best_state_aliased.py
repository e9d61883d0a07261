from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import NodeEdit, Repair, Rule
from torchlint.semantic.checkpoints import RESULT, UNKNOWN_LOAD, is_live_state, is_test, is_touched, owner
from torchlint.semantic.enclosing import enclosing
from torchlint.semantic.flow import dotted
from torchlint.semantic.snapshots import Shared, binds, shared
from torchlint.semantic.values import Instance, Symbol

# Ways to take a state dict that is a copy.
COPYING = ("FullStateDictConfig", "FullyShardedDataParallel", "get_model_state_dict", "offload_to_cpu")


class BestStateAliased(Rule):
    """Checks for the best weights of a training run that are kept by reference.

    Reported are `best = model.state_dict()`, also with `.copy()`, `dict(...)`, `v.detach()` or `v.data`, and
    `best_model = model`, under a condition in a training loop or in an object that stops training early; and
    `model.load_state_dict(state)` of a state dict that was never copied: it is that of the model as it is now.

    ## Why is this bad?
    The tensors of `state_dict()` are those of the model. Each later optimizer step changes them, and so the snapshot of
    the best epoch is that of the last one. Nothing warns.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    best, best_state = float("inf"), None
    for x in torch.randn(9, 8, 4):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        if loss.item() < best:
            best = loss.item()
            best_state = model.state_dict()
    model.load_state_dict(best_state)
    ```

    ## Use instead
    ```python
    import copy

    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    best, best_state = float("inf"), None
    for x in torch.randn(9, 8, 4):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        if loss.item() < best:
            best = loss.item()
            best_state = copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    ```

    ## Fix safety
    Unsafe: another model is kept afterwards, which is the point, and it takes its own memory.

    ## References
    - https://docs.pytorch.org/docs/stable/notes/serialization.html
    - https://docs.python.org/3/library/copy.html
    """

    code = "TL111"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("best", "load_state_dict")

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.kept: list[tuple[cst.Assign, str]] = []
        self.reported: set[int] = set()

    def visit_Assign(self, node: cst.Assign) -> None:
        target = dotted(node.targets[0].target)
        if "best" in target.lower():
            self.kept.append((node, target))

    def leave_Module(self, node: cst.Module) -> None:
        if is_test(self.model) or any(word in self.source.text for word in COPYING):
            return
        found = [(assign, target, one) for assign, target in self.kept if (one := shared(self.model, assign.value))]
        sure = {target for assign, target, one in found if self._is_kept(assign, target, one)}
        for assign, target, one in found:
            if target in sure and (one.what != "module" or self._is_kept(assign, target, one)):
                self._report(one, target)
        self._check_loaded()

    # -- the best so far ----------------------------------------------------------------------------------

    def _is_kept(self, assign: cst.Assign, target: str, one: Shared) -> bool:
        """Whether an assignment under a condition keeps what training goes on to change."""
        around = enclosing(self.model.module, assign)
        start = max((i + 1 for i, outer in enumerate(around) if isinstance(outer, cst.FunctionDef)), default=0)
        conditions = [outer for outer in around[start:] if isinstance(outer, cst.If)]
        loops = [outer for outer in around[start:] if isinstance(outer, (cst.For, cst.While))]
        if not conditions or (not loops and ("." not in target or one.what == "module")):
            return False
        if loops and one.model and binds(loops[-1], one.model):
            # Another model in each turn, or whichever is looked at.
            return False
        if one.what == "module" and not self._is_trained(loops[-1]):
            return False
        return one.state is None or self._is_loaded(one.state) or not self._is_saved_at_once(conditions[-1], target)

    def _is_trained(self, loop: cst.CSTNode) -> bool:
        """Whether an optimizer steps in a loop, as far as is known."""
        return any(event.kind == "step" and loop in event.loops for event in self.model.events)

    def _is_loaded(self, state: Instance) -> bool:
        return any(call.argument(0, "state_dict") is state for call in self.model.calls_of(RESULT, UNKNOWN_LOAD))

    def _is_saved_at_once(self, condition: cst.CSTNode, target: str) -> bool:
        """Whether what is kept is written to a file under the very condition."""
        for call in self.model.calls_of("torch.save"):
            args = call.node.args if isinstance(call.node, cst.Call) else ()
            if args and dotted(args[0].value) == target and condition in enclosing(condition, call.node):
                return True
        return False

    def _report(self, one: Shared, target: str) -> None:
        if id(one.node) in self.reported:
            return
        self.reported.add(id(one.node))
        back = one.state is not None and self._is_loaded(one.state)
        what = {"state": "its tensors are", "values": "its tensors are", "module": "it is"}[one.what]
        self.report(
            one.node,
            f"`{target}` changes with the model: {what} the model's own",
            help="keep a copy: `copy.deepcopy(...)`",
            severity=None if back else Severity.WARNING,
            fix=self._copy(one),
        )

    # -- loading what is there ----------------------------------------------------------------------------

    def _check_loaded(self) -> None:
        for call in self.model.calls_of(RESULT):
            state, node = call.argument(0, "state_dict"), call.node
            if not isinstance(state, Instance) or not is_live_state(state) or not call.certain or state.origin is None:
                continue
            made = state.origin.node
            if id(node) in self.reported or id(made) in self.reported or state.origin.unit is not self.model.unit:
                continue
            if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
                continue
            one = shared(self.model, made) if isinstance(made, cst.Call) else None
            name = dotted(node.func.value)
            target = self.model.assigned_to(made)
            if one is None or not name or name != one.model or target is None or is_touched(self.model, state):
                continue
            if owner(state) is call.receiver and self._is_one_object(node, made, name):
                self.reported.add(id(node))
                self.report(
                    made,
                    f"this is loaded into `{name}` again, whose own tensors it holds: nothing changes",
                    help="keep a copy: `copy.deepcopy(...)`",
                    severity=Severity.WARNING,
                    fix=self._copy(one),
                    related=[(self.model.origin(node), "it is loaded here")],
                )

    def _is_one_object(self, node: cst.CSTNode, made: cst.CSTNode, name: str) -> bool:
        """Whether a name means one model at both places, which stand in one function."""
        around, others = enclosing(self.model.module, node), enclosing(self.model.module, made)
        functions = [outer for outer in around if isinstance(outer, cst.FunctionDef)]
        if functions != [outer for outer in others if isinstance(outer, cst.FunctionDef)]:
            return False
        blocks = [outer for outer in (*around, *others) if isinstance(outer, (cst.For, cst.While))]
        scope = functions[-1] if functions else self.model.module
        return binds(scope, name) <= 1 and not any(binds(block, name) for block in blocks)

    # -- the repair ---------------------------------------------------------------------------------------

    def _copy(self, one: Shared) -> Repair | None:
        node = one.node
        if one.what == "values":
            return self.fix("copy each tensor", Applicability.UNSAFE, self.insert_after(node, ".clone()"))
        if one.what == "module":
            return None
        copied = node
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "copy":
            copied = node.args[0].value if node.args else node.func.value
        name, edits = self._deepcopy()
        return self.fix("copy it", Applicability.UNSAFE, self.replace(node, f"{name}({self.text(copied)})"), *edits)

    def _deepcopy(self) -> tuple[str, list[NodeEdit]]:
        """How `copy.deepcopy` is called here, and what imports it where nothing does."""
        for name, value in self.model.unit.frame.base.items():
            if isinstance(value, Symbol) and value.name in ("copy", "copy.deepcopy"):
                return (f"{name}.deepcopy" if value.name == "copy" else name), []
        return "copy.deepcopy", [self.insert_line(line, "import copy") for line in self._imports()]

    def _imports(self) -> Iterator[cst.CSTNode]:
        for line in self.model.module.body:
            if isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], (cst.Import, cst.ImportFrom)):
                module = getattr(line.body[0], "module", None)
                if getattr(module, "value", "") != "__future__":
                    yield line
                    return
