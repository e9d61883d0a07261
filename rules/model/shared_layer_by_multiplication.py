import re

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.enclosing import enclosing
from torchlint.semantic.facts import Call
from torchlint.semantic.instances import is_module
from torchlint.semantic.parametrised import is_parametrised
from torchlint.semantic.repetition import Repetition, appended, is_made_before, repeated, repetitions
from torchlint.semantic.values import Instance, ListRef

CONTAINERS = ("torch.nn.ModuleList", "torch.nn.Sequential", "torch.nn.ModuleDict")
APPENDING = (
    "torch.nn.ModuleList.append", "torch.nn.Sequential.append", "torch.nn.Module.append", "torch.nn.Module.add_module",
    "torch.nn.Sequential.add_module", "torch.nn.ModuleList.add_module",
)  # fmt: skip
# What says that one layer is meant.
SHARED = re.compile(r"shar|tie[ds]?\b|tying|siames|recurren|recursi|univers|albert|same_|weight_ty", re.IGNORECASE)


class SharedLayerByMultiplication(Rule):
    """Checks for one layer that is put several times into a container: `nn.ModuleList([nn.Linear(8, 8)] * 4)`.

    A comprehension over a variable, `[layer for _ in range(4)]`, and a loop that appends the same variable each time
    are reported as well. Layers without parameters are not, nor layers that are an attribute of their own, nor where
    names say that sharing is meant.

    ## Why is this bad?
    Multiplying a list repeats references. The network has the parameters of one layer, in all places: it is smaller
    than it looks, and every place gets the same weights. Nothing says so.

    ## Example
    ```python
    from torch import nn

    layers = nn.ModuleList([nn.Linear(8, 8)] * 4)
    ```

    ## Use instead
    ```python
    from torch import nn

    layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(4)])
    ```

    ## Fix safety
    Unsafe: the network has more parameters then, and checkpoints of before fill them all with the same numbers.

    ## References
    - https://docs.python.org/3/faq/programming.html#how-do-i-create-a-multidimensional-list
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html
    """

    code = "TL513"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("ModuleList", "Sequential", "ModuleDict")

    def leave_Module(self, node: cst.Module) -> None:
        self.reported: set[int] = set()
        filled: set[ListRef] = set()
        seen: set[int] = set()
        for call in self.model.calls_of(*CONTAINERS):
            if id(call.node) in seen:
                continue
            seen.add(id(call.node))
            for arg in call.node.args if isinstance(call.node, cst.Call) else ():
                for found in repeated(self.model, arg.value):
                    self._check(found, call)
                for value in self.model.values(arg.value):
                    if isinstance(value, ListRef):
                        filled.add(value)
                    for found in repetitions(self.model, value):
                        self._check(found, call)
        for call in self.model.calls_of(*APPENDING):
            self._check_appended(call)
        for call in self.model.calls_of("builtins.list.append") if filled else ():
            if call.receiver in filled:
                self._check_appended(call)

    def _check_appended(self, call: Call) -> None:
        given = [value for value in call.arguments.positional if isinstance(value, Instance) and is_module(value)]
        if not call.loops or not given or not is_made_before(self.model, given[-1], call):
            return
        found = appended(call)
        if found is not None:
            self._check(found, call)

    def _check(self, found: Repetition, call: Call) -> None:
        if id(found.node) in self.reported or not call.certain:
            return
        layers = self.model.values(found.element)
        written = isinstance(found.element, cst.Call)
        if not layers or not all(isinstance(layer, Instance) and is_module(layer) for layer in layers):
            return
        for layer in layers:
            assert isinstance(layer, Instance)
            if not is_parametrised(self.model, layer) or self.model.may_be_frozen(layer):
                return
            if not written and any(layer is held for _, held in self.model.facts.members):
                # It has a name of its own.
                return
        if self._is_meant(found, call):
            return
        self.reported.add(id(found.node))
        first = layers[0]
        name = first.info.name if first.info is not None else f"nn.{str(first.symbol).rpartition('.')[2]}"  # type: ignore[attr-defined]
        self.report(
            found.node,
            f"this puts one `{name}` into the container several times: all places share its parameters",
            help="make a new one each time, by a comprehension that calls the constructor, or `copy.deepcopy`",
            fix=self._comprehension(found),
            related=[] if written else [(first.origin, "the one layer is made here")],
            severity=None if written else Severity.WARNING,
        )

    def _is_meant(self, found: Repetition, call: Call) -> bool:
        target = self.model.assigned_to(call.node)
        around = enclosing(self.model.module, call.node)
        nodes = [found.node, call.node, *([target] if target is not None else []), *call.tests]
        nodes.extend(outer.test for outer in around if isinstance(outer, cst.If))
        names = [function.name for function in call.active]
        names.extend(function.owner.name for function in call.active if function.owner is not None)
        return any(SHARED.search(text) for text in (*map(self.text, nodes), *names))

    def _comprehension(self, found: Repetition) -> Repair | None:
        node = found.node
        if not isinstance(node, cst.BinaryOperation) or not isinstance(found.element, cst.Call):
            return None
        literal, times = (node.left, node.right) if isinstance(node.left, cst.List) else (node.right, node.left)
        if not isinstance(literal, cst.List) or len(literal.elements) != 1:
            return None
        return self.fix(
            "make a new one each time",
            Applicability.UNSAFE,
            self.replace(node, f"[{self.text(found.element)} for _ in range({self.text(times)})]"),
        )
