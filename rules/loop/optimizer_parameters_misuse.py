from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.flow import dotted
from torchlint.semantic.instances import has_parameters, is_module
from torchlint.semantic.knowledge import ParameterKind, kind, signature
from torchlint.semantic.training import CLIPS, is_optimizer
from torchlint.semantic.values import (
    ClassInfo,
    DictRef,
    Instance,
    Iterated,
    ListRef,
    ParameterOf,
    Tensor,
    Tri,
    TupleOf,
    Value,
    alternatives,
)
from torchlint.semantic.written import written_argument

# Modules over which a loop gives parameters, as an optimizer wants them.
OF_PARAMETERS = frozenset({"torch.nn.ParameterList", "torch.nn.ParameterDict"})
OPTIMIZER = "torch.optim.Optimizer"


class OptimizerParametersMisuse(Rule):
    """Checks for optimizers and gradient clipping that get no parameters, or not as they take them.

    Reported are `Adam(model)`, a list of `parameters()` generators or a sum of them, one tensor alone, modules among
    the parameters, the same parameters in two groups, an argument that the optimizer does not have, a generator that
    the optimizer has used up before gradients are clipped with it, `optimizer.lr = ...`, `optimizer.step(loss)`, and
    `LBFGS.step()` without a closure.

    ## Why is this bad?
    Most of it raises, such as `TypeError: 'Net' object is not iterable`. Two are silent: `model.parameters()` is a
    generator, which gives its parameters once. Clipped with a used one, gradients stay as large as they are. And
    `optimizer.lr = 0.1` sets an attribute that nobody reads.

    ## Example
    ```python
    import torch
    from torch import nn

    encoder, decoder = nn.Linear(4, 2), nn.Linear(2, 4)
    optimizer = torch.optim.Adam([encoder.parameters(), decoder.parameters()])
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    encoder, decoder = nn.Linear(4, 2), nn.Linear(2, 4)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
    ```

    ## Fix safety
    Safe where the code could not run before, and where a generator becomes a list. Unsafe for `optimizer.lr = ...`: the
    learning rate changes then, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/optim.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html
    """

    code = "TL110"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("optim", "clip_grad")

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            if isinstance(target.target, cst.Attribute) and target.target.attr.value == "lr":
                self._check_attribute(node, target.target, only=len(node.targets) == 1)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        if isinstance(node.target, cst.Attribute) and node.target.attr.value == "lr":
            self._check_attribute(node, node.target, only=True)

    def leave_Module(self, node: cst.Module) -> None:
        self.reported: set[int] = set()
        # The generators that optimizers were given.
        self.used: list[tuple[Value, Call]] = []
        names = sorted(self.model.called)
        for name in names:
            if name.startswith("torch.optim.") and name.count(".") == 2 and kind(name) == "class":
                for call in self.model.calls_of(name):
                    self._check_optimizer(call)
        for name in names:
            if name in CLIPS:
                for call in self.model.calls_of(name):
                    if call.certain and not call.tried:
                        self._check_given(call, "parameters")
                        self._check_used_up(call)
            elif name.startswith("torch.optim.") and name.endswith(".step"):
                for call in self.model.calls_of(name):
                    self._check_step(call)

    def _say(self, place: cst.CSTNode, message: str, help: str, fix: Repair | None = None) -> None:
        if id(place) not in self.reported:
            self.reported.add(id(place))
            self.report(place, message, help=help, fix=fix)

    # -- making an optimizer ------------------------------------------------------------------------------

    def _check_optimizer(self, call: Call) -> None:
        if not call.certain or call.tried or call.name == OPTIMIZER:
            return
        self._check_given(call, "params")
        self._check_arguments(call)
        given = call.argument(0, "params")
        if isinstance(given, Iterated):
            self.used.append((given, call))
        elif isinstance(given, (ListRef, TupleOf)):
            self._check_groups(call, given)

    def _check_arguments(self, call: Call) -> None:
        assert call.name is not None
        known = signature(call.name)
        if known is None or not isinstance(call.node, cst.Call):
            return
        short = call.name.rpartition(".")[2]
        second, arg = call.argument(1), written_argument(call.node, 1)
        if isinstance(second, Iterated) and isinstance(second.element, ParameterOf) and arg is not None:
            self._say(
                arg.value,
                f"`{short}` takes all parameters as its first argument, and the learning rate as its second",
                "join them: `[*a.parameters(), *b.parameters()]`",
            )
        if any(parameter.kind is ParameterKind.VAR_KEYWORD for parameter in known.parameters):
            return
        for written in call.node.args:
            if written.keyword is not None and known.parameter(written.keyword.value) is None:
                self._say(written, f"`{short}` has no argument `{written.keyword.value}`", "leave it out")

    # -- what it is given ---------------------------------------------------------------------------------

    def _check_given(self, call: Call, name: str) -> None:
        """The parameters of an optimizer, or those whose gradients are clipped."""
        given, arg = call.argument(0, name), written_argument(call.node, 0, name)
        if given is None or arg is None:
            return
        place = arg.value
        clipping = call.name in CLIPS
        if all(is_module(option) and not _gives_parameters(option) for option in alternatives(given)):
            edit = self.insert_after(place, ".parameters()")
            fix = self.fix("pass its parameters", Applicability.SAFE, edit)
            self._say(
                place,
                "a module is no list of parameters",
                "pass its `parameters()`",
                fix if dotted(place) or isinstance(place, cst.Call) else None,
            )
        elif isinstance(given, (Tensor, ParameterOf)) and not clipping:
            if not isinstance(given, Tensor) or not given.batch:
                edits = self.insert_before(place, "["), self.insert_after(place, "]")
                fix = self.fix("make it a list", Applicability.SAFE, *edits)
                self._say(place, "an optimizer takes a list of tensors, not one tensor", "make it a list", fix)
        elif isinstance(given, (ListRef, TupleOf)):
            self._check_elements(place, self._elements(call, given))
        elif isinstance(place, cst.BinaryOperation) and isinstance(place.operator, cst.Add):
            sides = [self.model.value(side) for side in (place.left, place.right)]
            if all(isinstance(side, Iterated) and isinstance(side.element, ParameterOf) for side in sides):
                text = f"[*{self.text(place.left)}, *{self.text(place.right)}]"
                fix = self.fix("join them in a list", Applicability.SAFE, self.replace(place, text))
                self._say(place, "generators such as `parameters()` cannot be added", "join them in a list", fix)

    def _elements(self, call: Call, value: Value) -> tuple[Value, ...]:
        if isinstance(value, TupleOf):
            return value.items
        held = call.lists.get(value)
        return held.items or () if held is not None else ()

    def _check_elements(self, place: cst.BaseExpression, items: tuple[Value, ...]) -> None:
        whole = [index for index, item in enumerate(items) if _is_several(item)]
        if not whole:
            return
        module = is_module(items[whole[0]])
        fix = None
        if isinstance(place, (cst.List, cst.Tuple)) and len(place.elements) == len(items):
            nodes = [place.elements[index].value for index in whole]
            fits = all(isinstance(element, cst.Element) for element in place.elements)
            if fits and (not module or all(dotted(node) for node in nodes)):
                edits = [self.insert_before(node, "*") for node in nodes]
                edits += [
                    self.insert_after(n, ".parameters()")
                    for n, i in zip(nodes, whole, strict=True)
                    if is_module(items[i])
                ]
                fix = self.fix("put the parameters themselves into the list", Applicability.SAFE, *edits)
        self._say(
            place,
            "modules stand where parameters should" if module else "generators of parameters stand where those should",
            "put the parameters themselves into the list: `[*a.parameters(), *b.parameters()]`",
            fix,
        )

    def _check_groups(self, call: Call, given: Value) -> None:
        """The groups of an optimizer: what each has for `params`."""
        seen: set[Instance] = set()
        arg = written_argument(call.node, 0, "params")
        for group in self._elements(call, given):
            held = dict(self._entries(group)).get("params")
            if arg is None or held is None:
                continue
            if is_module(held) and not _gives_parameters(held):
                self._say(arg.value, "the `params` of a group are a module", "pass its `parameters()`")
            elif isinstance(held, (ListRef, TupleOf)):
                items = self.model.elements(held) or ()
                if any(_is_several(item) for item in items):
                    self._check_elements(arg.value, items)
            elif isinstance(held, Iterated) and isinstance(held.element, ParameterOf) and not held.element.partial:
                module = held.element.module
                if any(self._share(module, other) for other in seen):
                    self._say(arg.value, "two groups have the same parameters", "put each parameter into one group")
                seen.add(module)

    def _share(self, module: Instance, other: Instance) -> bool:
        """Whether two modules are one, or one is a part of the other that certainly has parameters."""
        if module is other:
            return True
        for whole, part in ((module, other), (other, module)):
            if has_parameters(part) is Tri.YES and part in self.model.held_objects(whole):
                return True
        return False

    def _entries(self, value: Value) -> Iterator[tuple[object, Value]]:
        if isinstance(value, DictRef):
            held = self.model.held(value, "#content")
            yield from getattr(held, "entries", {}).items()

    # -- generators that have given all -------------------------------------------------------------------

    def _check_used_up(self, call: Call) -> None:
        given, arg = call.argument(0, "parameters"), written_argument(call.node, 0, "parameters")
        if not isinstance(given, Iterated) or given.origin is None or arg is None or not dotted(arg.value):
            return
        made = given.origin
        target = self.model.assigned_to(made.node)
        if made.unit is not self.model.unit or target is None or dotted(target) != dotted(arg.value):
            return
        before = [optimizer for value, optimizer in self.used if value is given]
        around = [len(making.loops) for making in self.model.calls(made.node)]
        # Made outside of a loop in which they are used.
        repeated = bool(around) and max(around) < len(call.loops)
        if not before and not repeated:
            return
        text = made.node
        edits = self.insert_before(text, "list("), self.insert_after(text, ")")
        if id(call.node) not in self.reported:
            self.reported.add(id(call.node))
            self.report(
                call.node,
                f"`{dotted(arg.value)}` is a generator that has given all its parameters before: nothing is clipped",
                help="make it a list, or ask the model for its `parameters()` again",
                fix=self.fix("make it a list", Applicability.SAFE, *edits),
                related=[(made, "it is made here"), (before[0].origin if before else None, "it is used up here")],
            )

    # -- an optimizer's attributes and step ---------------------------------------------------------------

    def _check_attribute(self, node: cst.Assign | cst.AugAssign, target: cst.Attribute, *, only: bool) -> None:
        values = self.model.values(target.value)
        if not values or not all(isinstance(v, Instance) and v.info is None and is_optimizer(v) for v in values):
            return
        if "param_groups" in self.source.text:
            # The rate is set where it counts, too.
            return
        owner = self.text(target.value)
        operator = "=" if isinstance(node, cst.Assign) else self.text(node.operator).strip()
        fix = None
        if only and "\n" not in self.text(node.value):
            text = f'for group in {owner}.param_groups: group["lr"] {operator} {self.text(node.value)}'
            fix = self.fix("set it in each group", Applicability.UNSAFE, self.replace(node, text))
        self.report(
            target,
            "an optimizer has no attribute `lr` that it reads: its learning rate stays as it is",
            help='set it in each group: `for group in optimizer.param_groups: group["lr"] = ...`',
            fix=fix,
        )

    def _check_step(self, call: Call) -> None:
        if not call.certain or call.tried or call.receiver is None or not is_optimizer(call.receiver):
            return
        assert call.name is not None
        closure = call.argument(0, "closure")
        if isinstance(closure, Tensor):
            self._say(call.node, "`step` takes a closure that computes the loss, not the loss", "call `step()`")
        elif closure is None and call.name == "torch.optim.LBFGS.step" and call.arguments.complete:
            self._say(
                call.node,
                "`LBFGS` computes the loss several times in each step, and needs a closure for it",
                "pass a function that clears gradients, computes the loss, calls `backward`, and returns the loss",
            )


def _gives_parameters(module: Value) -> bool:
    """Whether iterating over a module may give parameters."""
    if not isinstance(module, Instance):
        return True
    if module.symbol is not None:
        return module.symbol in OF_PARAMETERS
    assert module.info is not None
    if any(base in OF_PARAMETERS for base in module.info.external_bases) or module.info.has_unknown_base:
        return True
    return any(isinstance(entry, ClassInfo) and "__iter__" in entry.base for entry in module.info.mro)


def _is_several(value: Value) -> bool:
    """Whether a value is a module or a generator of parameters, where one parameter should be."""
    if is_module(value):
        return True
    return isinstance(value, Iterated) and isinstance(value.element, ParameterOf)
