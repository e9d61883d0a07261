"""What training consists of, as the interpreter meets it: the events of a training step, in their order.

Kinds of events, each with what their `detail` is:

- `optimizer`: one is made (`Optimized`); `scheduler`: likewise (the `Call`)
- `forward`: a model is called from outside other models (`Forward`)
- `backward` (`Backward`); `engine`: an engine such as Accelerate's runs backward itself
- `step`: of an optimizer (the scaler that does it, or None); `maybe-step`: `step()` of something unknown
- `zero_grad`: gradients are cleared; `grad-set`: gradients are written otherwise
- `unscale`, `update` (of a gradient scaler), `clip` (`Clip`, None where the callee is not known), `schedule`
- `train`, `eval`: a module is put into that mode; `mode`: into one that is not known
- `replace`: a module that another one holds is replaced by another (the new one)
- `accumulate`: a tensor that autograd follows is added to something, or appended to a list (`Accumulation`)
- `rebound`: a name of a tensor that requires grad is bound to the result of an update: `w = w - lr * w.grad`
- `descend`: a tensor is updated in place by its gradient: `w -= lr * w.grad`
- `write`: a tensor that requires grad is written to in place by a statement, while autograd records
- `escape`: something that is not known got hold of the subject: it may do anything to its gradients

The subject is an object where it is known; otherwise it is `UNKNOWN`, and `text` is how the code names it.
"""

from typing import TYPE_CHECKING, NamedTuple, TypeGuard

import libcst as cst

from torchlint.semantic.flow import dotted
from torchlint.semantic.instances import is_module, submodules
from torchlint.semantic.knowledge import module_class
from torchlint.semantic.parts import parts
from torchlint.semantic.values import CONTENT as HELD
from torchlint.semantic.values import (
    NONE,
    TRAINING,
    UNKNOWN,
    Cell,
    Const,
    DictRef,
    Entries,
    FunctionRef,
    Instance,
    Items,
    Iterated,
    ListRef,
    ParameterOf,
    Tensor,
    Tri,
    TupleOf,
    Value,
    alternatives,
)

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

OPTIMIZERS = "torch.optim."
SCHEDULERS = "torch.optim.lr_scheduler."
SCALERS = frozenset({"torch.GradScaler", "torch.cuda.amp.GradScaler", "torch.cpu.amp.GradScaler"})
CLIPS = frozenset({
    "torch.nn.utils.clip_grad_norm_", "torch.nn.utils.clip_grad_value_", "torch.nn.utils.clip_grad_norm",
})  # fmt: skip
# What may happen in a call of a method of something unknown.
METHODS = frozenset({
    "backward", "step", "zero_grad", "unscale_", "update", "eval", "train", "clip_grad_norm_", "zero_", "fill_",
    "manual_backward", "add_param_group",
})  # fmt: skip
# Packages that run parts of training themselves.
ENGINES = ("accelerate.", "lightning.", "pytorch_lightning.", "deepspeed.", "ignite.", "fastai.", "transformers.")


class Optimized(NamedTuple):
    """What an optimizer was made over: the modules, with all that they held at that time; the tensors given one by one.

    `complete`: nothing else is among it, as far as is known. `partial`: not all parameters of the modules.
    """

    modules: frozenset[Instance]
    held: frozenset[Instance]
    tensors: tuple[Value, ...]
    complete: bool
    partial: bool


class Clip(NamedTuple):
    """Gradients are clipped by a call, of certain parameters."""

    call: "Call"
    over: Optimized


class Accumulation(NamedTuple):
    """What a tensor is added to: as written, and what it held before; and what is added, as written."""

    target: cst.BaseExpression
    before: Value
    added: cst.BaseExpression | None = None


class Forward(NamedTuple):
    """A call of a model: the mode in which it is (TRUE while training), autograd's mode, and the call."""

    training: Value | None
    grad: Tri
    call: "Call"


class Backward(NamedTuple):
    """`loss.backward()`: whether the graph is kept, whether the loss was scaled by a gradient scaler, and by which."""

    keeps_graph: Tri
    scaled: Tri
    scaler: Value | None


def is_optimizer(value: Value) -> bool:
    """Whether a value certainly is an optimizer of torch, or of a class that is derived from one."""
    return isinstance(value, Instance) and _is_of(value, OPTIMIZERS) and not is_scheduler(value)


def is_scheduler(value: Value) -> bool:
    """Whether a value certainly is a learning rate scheduler of torch, or of a class that is derived from one."""
    return isinstance(value, Instance) and _is_of(value, SCHEDULERS)


def is_scaler(value: object) -> TypeGuard[Instance]:
    """Whether a value certainly is a gradient scaler."""
    return isinstance(value, Instance) and value.symbol in SCALERS


def _is_of(instance: Instance, prefix: str) -> bool:
    if instance.symbol is not None:
        return instance.symbol.startswith(prefix)
    return instance.info is not None and any(base.startswith(prefix) for base in instance.info.external_bases)


# -- what the interpreter calls ---------------------------------------------------------------------


def made(machine: "Interpreter", call: "Call", instance: Instance) -> None:
    """An object of torch.optim is made."""
    if is_scheduler(instance):
        machine.event("scheduler", instance, call.node, detail=call)
    else:
        given = call.argument(0, "params")
        machine.event("optimizer", instance, call.node, detail=optimized(machine, given or UNKNOWN))


def optimized(machine: "Interpreter", given: Value) -> Optimized:
    """What an optimizer is made over, by its first argument."""
    modules: set[Instance] = set()
    tensors: list[Value] = []
    complete = partial = False
    if given is not UNKNOWN:
        complete, partial = _parameters(machine, given, modules, tensors, 0)
    held: set[Instance] = set()
    for module in modules:
        submodules(machine, module, held)
    return Optimized(frozenset(modules), frozenset(held), tuple(tensors), complete, partial)


def _parameters(
    machine: "Interpreter", given: Value, modules: set[Instance], tensors: list[Value], depth: int
) -> tuple[bool, bool]:
    """Collect whose parameters a value is; whether that is all, and whether some of theirs are left out."""
    if depth > 4:
        return False, True
    complete, partial = True, False
    for option in alternatives(given):
        parts: tuple[Value, ...]
        if isinstance(option, ParameterOf):
            modules.add(option.module)
            # `model.fc.weight` is one parameter; an element of `model.parameters()` stands for all.
            partial = partial or option.partial or depth == 0
            continue
        if isinstance(option, Tensor):
            tensors.append(option)
            continue
        if isinstance(option, Iterated):
            parts = (option.element,)
        elif isinstance(option, TupleOf):
            # `(name, parameter)` of named_parameters
            parts = tuple(item for item in option.items if not isinstance(item, (Const,)))
        elif isinstance(option, ListRef):
            held = machine.read(option, HELD)
            if not isinstance(held, Items):
                return False, True
            parts = held.items if held.items is not None else (held.element,)
        elif isinstance(option, DictRef):
            entries = machine.read(option, HELD)
            inner = entries.entries.get("params") if isinstance(entries, Entries) else None
            parts = (inner,) if inner is not None else ()
            complete = complete and inner is not None
        else:
            complete = False
            continue
        for part in parts:
            all_, some = _parameters(machine, part, modules, tensors, depth + 1)
            complete, partial = complete and all_, partial or some
    return complete, partial


def called(machine: "Interpreter", call: "Call") -> Value:
    """What a method of an optimizer, scheduler or scaler of torch gives; the events of training are noted."""
    assert call.name is not None
    method = call.name.rpartition(".")[2]
    receiver = call.receiver
    assert receiver is not None
    if call.name.startswith(SCHEDULERS):
        if method == "step":
            machine.event("schedule", receiver, call.node, _text(call), call)
        return UNKNOWN
    if call.name.startswith(OPTIMIZERS):
        if method == "step":
            closure = call.argument(0, "closure")
            if isinstance(closure, FunctionRef):
                # It computes the loss, and runs before the parameters change.
                machine.follow(closure, type(call.arguments)(), call.node)
            machine.event("step", receiver, call.node, _text(call))
        elif method == "zero_grad":
            machine.event("zero_grad", receiver, call.node, _text(call))
        elif method == "add_param_group":
            machine.event("add-group", receiver, call.node, _text(call))
        return UNKNOWN
    if method == "scale":
        given = call.argument(0, "outputs")
        return given.but(origin=machine.here(call.node)) if isinstance(given, Tensor) else UNKNOWN
    if method in ("step", "unscale_"):
        optimizer = call.argument(0, "optimizer")
        text = _argument_text(call)
        machine.event(
            "step" if method == "step" else "unscale",
            optimizer if optimizer is not None and is_optimizer(optimizer) else UNKNOWN,
            call.node,
            text,
            receiver,
        )
    elif method == "update":
        machine.event("update", receiver, call.node, _text(call))
    return UNKNOWN


def backward(machine: "Interpreter", call: "Call", loss: Value) -> None:
    """`loss.backward()`"""
    machine.event("backward", loss, call.node, _text(call), _backward_detail(machine, call, loss))
    differentiated(machine, call.node, loss)


def _backward_detail(machine: "Interpreter", call: "Call", loss: Value) -> Backward:
    # `retain_variables` is what it was called once.
    kept = call.argument(1, "retain_graph", "retain_variables")
    graph = call.argument(None, "create_graph")
    keeps = Tri.NO if kept is None else _tri(kept)
    if graph is not None and _tri(graph) is not Tri.NO:
        keeps = Tri.MAYBE
    func = call.node.func if isinstance(call.node, cst.Call) else None
    source: cst.CSTNode | None = func.value if isinstance(func, cst.Attribute) else None
    if not _is_scaling(source) and isinstance(loss, Tensor) and loss.origin is not None:
        source = loss.origin.node
    if _is_scaling(source):
        assert isinstance(source, cst.Call)
        assert isinstance(source.func, cst.Attribute)
        return Backward(keeps, Tri.YES, machine.eval_quietly(source.func.value))
    return Backward(keeps, Tri.NO if isinstance(loss, Tensor) else Tri.MAYBE, None)


def _is_scaling(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "scale"


def _tri(value: Value) -> Tri:
    if isinstance(value, Const) and not value.assumed:
        return Tri.YES if value.value else Tri.NO
    return Tri.MAYBE


def forward(machine: "Interpreter", call: "Call", module: Instance) -> None:
    """A module is called, if that is not by another module."""
    caller = machine.frame.receiver
    if caller is not None and is_module(caller):
        return
    if module.symbol is not None:
        known = module_class(module.symbol)
        if known is not None and (known.is_loss or known.has_parameters is False):
            return
    mode = machine.read(module, TRAINING)
    machine.event("forward", module, call.node, _callee_text(call), Forward(mode, call.grad, call))


def unknown(machine: "Interpreter", call: "Call", func: cst.Attribute) -> None:
    """A method of something of which nothing is known: what the names say, as far as only one meaning is likely."""
    method, text = func.attr.value, dotted(func.value)
    name = text.rpartition(".")[2].lower()
    given = call.arguments.positional
    node = call.node
    if method in ("backward", "manual_backward"):
        if given or method == "manual_backward":
            machine.event("engine", UNKNOWN, node, text)
        else:
            machine.event("backward", UNKNOWN, node, text, _backward_detail(machine, call, UNKNOWN))
            differentiated(machine, node, UNKNOWN)
    elif method == "zero_grad":
        machine.event("zero_grad", UNKNOWN, node, text)
    elif method == "step":
        _unknown_step(machine, call, name, text)
    elif method == "unscale_":
        machine.event("unscale", _optimizer_in(call), node, _argument_text(call))
    elif method == "update":
        if "scal" in name and not given:
            machine.event("update", UNKNOWN, node, text)
    elif method in ("eval", "train"):
        if not given and not call.arguments.keywords:
            machine.event(method, UNKNOWN, node, text)
        elif method == "train" and len(given) == 1 and isinstance(given[0], Const) and not given[0].assumed:
            machine.event("train" if given[0].value else "eval", UNKNOWN, node, text)
        elif method == "train":
            machine.event("mode", UNKNOWN, node, text)
    elif method == "clip_grad_norm_":
        machine.event("clip", UNKNOWN, node, text)
    elif method == "add_param_group":
        machine.event("add-group", UNKNOWN, node, text)
    elif _is_gradient(func.value):
        machine.event("zero_grad", UNKNOWN, node, text)


def _unknown_step(machine: "Interpreter", call: "Call", name: str, text: str) -> None:
    given = call.arguments.positional
    if "sched" in name or name.startswith("lr_"):
        machine.event("schedule", UNKNOWN, call.node, text, call)
    elif "scal" in name and given:
        machine.event("step", _optimizer_in(call), call.node, _argument_text(call), call.receiver or UNKNOWN)
    elif "opt" in name:
        if given and isinstance(given[0], FunctionRef):
            machine.follow(given[0], type(call.arguments)(), call.node)
        machine.event("step", UNKNOWN, call.node, text)
    elif not given:
        machine.event("maybe-step", UNKNOWN, call.node, text)


def _optimizer_in(call: "Call") -> Value:
    given = call.argument(0, "optimizer")
    return given if given is not None and is_optimizer(given) else UNKNOWN


def _is_gradient(node: cst.BaseExpression) -> bool:
    """`w.grad`, `w.grad.data`"""
    while isinstance(node, cst.Attribute):
        if node.attr.value == "grad":
            return True
        node = node.value
    return False


def replaced(machine: "Interpreter", owner: Instance, before: Value | None, value: Value, node: cst.CSTNode) -> None:
    """`model.fc = nn.Linear(512, 10)`, other than by the model itself"""
    if before is not value and is_module(value) and is_module(owner) and machine.frame.receiver is not owner:
        machine.event("replace", owner, node, detail=value)


def is_of_gradient(node: cst.CSTNode) -> bool:
    """Whether a call is one of a method of a gradient: `w.grad.clamp_(-1, 1)`"""
    func = node.func if isinstance(node, cst.Call) else None
    return isinstance(func, cst.Attribute) and _is_gradient(func.value)


def written(machine: "Interpreter", call: "Call") -> None:
    """`w.grad.zero_()` of a known tensor."""
    func = call.node.func if isinstance(call.node, cst.Call) else None
    if isinstance(func, cst.Attribute) and _is_gradient(func.value):
        machine.event("zero_grad", UNKNOWN, call.node, dotted(func.value))


def gradient_set(machine: "Interpreter", owner: Value, target: cst.Attribute, value: Value) -> None:
    """`w.grad = ...`"""
    subject = owner if isinstance(owner, Cell) else UNKNOWN
    machine.event("zero_grad" if value == NONE else "grad-set", subject, target, dotted(target.value))


def clipped(machine: "Interpreter", call: "Call") -> None:
    """Gradients are clipped by a function of torch."""
    over = optimized(machine, call.argument(0, "parameters") or UNKNOWN)
    machine.event("clip", UNKNOWN, call.node, _argument_text(call), Clip(call, over))


def escaped(machine: "Interpreter", call: "Call") -> None:
    """Something that is not known is called: it may do anything with an optimizer that it is given, or with `self`."""
    node = call.node
    if not isinstance(node, cst.Call):
        return
    func = node.func
    if isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name) and func.value.value == "self":
        owner = machine.frame.receiver
        # What an object was given and keeps, such as a model, knows nothing of the object; a method does.
        if not isinstance(owner, Cell) or machine.read(owner, func.attr.value) is None:
            machine.event("escape", UNKNOWN, node, "self")
    for arg in node.args:
        text = dotted(arg.value)
        name = text.rpartition(".")[2].lower()
        if "opt" in name or "scal" in name:
            machine.event("escape", UNKNOWN, node, text)


# Names of models, of which nothing else is known.
MODEL_NAMES = ("model", "net", "network", "generator", "discriminator", "classifier", "encoder", "decoder")


def unknown_forward(machine: "Interpreter", call: "Call", func: cst.BaseExpression) -> None:
    """A call of something unknown that is named as a model."""
    text = dotted(func)
    if text and text.rpartition(".")[2].lower().endswith(MODEL_NAMES):
        machine.event("forward", UNKNOWN, call.node, text, Forward(None, call.grad, call))


def accumulated(
    machine: "Interpreter", node: cst.CSTNode, target: cst.BaseExpression, before: Value, value: Value
) -> None:
    """`total += loss`, `losses.append(loss)`"""
    if machine.loops and isinstance(value, Tensor) and value.grad is Tri.YES and machine.grad_mode() is Tri.YES:
        added = node.value if isinstance(node, cst.AugAssign) else None
        if isinstance(node, cst.Call) and node.args:
            added = node.args[0].value
        elif isinstance(node, cst.BinaryOperation):
            added = node.right if dotted(node.left) == dotted(target) else node.left
        machine.event("accumulate", value, node, _place_text(target), Accumulation(target, before, added))


def _place_text(target: cst.BaseExpression) -> str:
    """`self.total`, or `stats["loss"]`"""
    if not isinstance(target, cst.Subscript) or len(target.slice) != 1:
        return dotted(target)
    index = target.slice[0].slice
    key = index.value if isinstance(index, cst.Index) else None
    text = key.value if isinstance(key, cst.SimpleString) else dotted(key) if key is not None else ""
    return f"{dotted(target.value)}[{text}]" if text and dotted(target.value) else ""


def descended(machine: "Interpreter", node: cst.AugAssign) -> None:
    """`w -= lr * w.grad`, `w.data -= lr * w.grad.data`"""
    target: cst.BaseExpression = node.target
    if isinstance(target, cst.Attribute) and target.attr.value == "data":
        target = target.value
    name = dotted(target)
    if name and mentions_gradient(node.value, name):
        machine.event("descend", machine.eval_quietly(target), node, name)


def differentiated(machine: "Interpreter", node: cst.CSTNode, loss: Value) -> None:
    """After `loss.backward()`: what it was called on certainly has a graph."""
    func = node.func if isinstance(node, cst.Call) else None
    if not isinstance(func, cst.Attribute) or not isinstance(func.value, cst.Name):
        return
    here = machine.here(node)
    if isinstance(loss, Tensor):
        if loss.grad is Tri.MAYBE:
            machine.bind(func.value, loss.but(grad=Tri.YES, grad_origin=here))
    elif loss is UNKNOWN and machine.unit.source.text.find("import torch") >= 0:
        machine.bind(func.value, Tensor(Tri.YES, origin=here, grad_origin=here))


def rebound(machine: "Interpreter", node: cst.Assign, target: cst.BaseExpression, update: cst.BinaryOperation) -> None:
    """`w = w - lr * w.grad`"""
    name = dotted(target)
    if name and dotted(update.left) == name and mentions_gradient(update.right, name):
        machine.event("rebound", machine.eval_quietly(target), node, name)


def mentions_gradient(node: cst.CSTNode, name: str) -> bool:
    """Whether an expression uses the gradient of something that has a plain name: `lr * w.grad`."""
    pending = [node]
    while pending:
        inner = pending.pop()
        if isinstance(inner, cst.Attribute) and inner.attr.value == "grad" and dotted(inner.value) == name:
            return True
        pending.extend(parts(inner))
    return False


def written_to(machine: "Interpreter", node: cst.CSTNode, target: cst.BaseExpression, value: Value) -> None:
    """`w -= ...`, `w[0] = ...`"""
    if isinstance(value, ParameterOf) or (isinstance(value, Tensor) and value.grad is Tri.YES):
        if machine.grad_mode() is Tri.YES:
            machine.event("write", value, node, dotted(target))


def _text(call: "Call") -> str:
    func = call.node.func if isinstance(call.node, cst.Call) else None
    return dotted(func.value) if isinstance(func, cst.Attribute) else ""


def _callee_text(call: "Call") -> str:
    return dotted(call.node.func) if isinstance(call.node, cst.Call) else ""


def _argument_text(call: "Call") -> str:
    node = call.node
    return dotted(node.args[0].value) if isinstance(node, cst.Call) and node.args else ""
