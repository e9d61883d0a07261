"""Calls: into functions, methods and classes of the project, and to what lies outside it.

A call into the project is followed into the callee with its arguments, bounded in depth and in work; a
call that was followed before with the same arguments, and that changed nothing, is not followed again.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import libcst as cst

from torchlint.semantic import attributes, instances, misfits, objects, training
from torchlint.semantic.checkpoints import LOADED, UNKNOWN_LOAD, UNKNOWN_STATE_DICT
from torchlint.semantic.datasets import SAMPLE_METHODS, is_dataset_class
from torchlint.semantic.facts import Call
from torchlint.semantic.knowledge import is_loss, kind
from torchlint.semantic.knowledge.dtypes_operations import DTYPES, with_dtype
from torchlint.semantic.knowledge.layouts_operations import LAYOUTS, with_layout
from torchlint.semantic.knowledge.shapes import SHAPES, shaped
from torchlint.semantic.knowledge.tensors import ONLY_OF_TENSORS, of_unknown
from torchlint.semantic.knowledge.transfer import TRANSFERS, module_forward
from torchlint.semantic.loaders import Loader, is_loader, loaded
from torchlint.semantic.parts import has_attribute
from torchlint.semantic.shapes import Mismatch
from torchlint.semantic.state import State
from torchlint.semantic.values import (
    CONTENT,
    FROZEN,
    NONE,
    UNKNOWN,
    Arguments,
    Cell,
    ClassInfo,
    Const,
    Device,
    DictRef,
    Entries,
    Frame,
    FunctionInfo,
    FunctionRef,
    Instance,
    Iterated,
    ListRef,
    Method,
    OneOf,
    Symbol,
    Tensor,
    Tri,
    TupleOf,
    Value,
    alternatives,
    join_all,
)

if TYPE_CHECKING:
    from torchlint.semantic.interpret import Interpreter

MAX_DEPTH = 24
MAX_NESTING = 4
MAX_FACTS = 24
EXITS = frozenset({"sys.exit", "os._exit", "builtins.exit", "builtins.quit", "builtins.SystemExit"})
PROPERTIES = frozenset({"builtins.property", "functools.cached_property", "torch.jit.unused", "abc.abstractproperty"})
# Decorators after which a function still does what it says.
TRANSPARENT = frozenset({
    "builtins.staticmethod", "builtins.classmethod", "builtins.property", "functools.cached_property",
    "functools.lru_cache", "functools.cache", "functools.wraps", "abc.abstractmethod", "typing.override",
    "typing_extensions.override", "typing.overload", "torch.jit.script", "torch.jit.export", "torch.jit.script_method",
    "torch.jit.ignore", "torch.compile", "torch.no_grad", "torch.inference_mode", "torch.enable_grad",
    "torch.set_grad_enabled", "hydra.main", "click.command", "click.option", "click.argument", "typing.final",
    "torch.autocast", "torch.amp.autocast", "torch.cuda.amp.autocast", "torch.cuda.amp.custom_fwd",
    "torch._dynamo.disable", "torch.compiler.disable", "contextlib.contextmanager",
})  # fmt: skip
GRAD_OFF_WORDS = ("no_grad", "inference_mode", "set_grad_enabled", "eval_mode")
# Calls of these on something unknown are named, so that rules find them.
UNKNOWN_RECEIVER = "#unknown"
MOVES = frozenset({"cuda", "to"})
# Calls that are kept when they stand in other files, if calls of the linted file lead to them.
LED_TO = frozenset({
    "torch.utils.data.random_split", "torch.utils.data.DistributedSampler", "multiprocessing.set_start_method",
    "torch.multiprocessing.set_start_method",
})  # fmt: skip
# Methods of datasets and transforms that the workers of a loader run.
SAMPLING = frozenset({*SAMPLE_METHODS, "__call__"})
SCRIPT_WORDS = (".backward(", "__main__")


def call(machine: "Interpreter", callee: Value, arguments: Arguments, node: cst.CSTNode, *, fact: bool = True) -> Value:
    """The value of a call; each thing that may be called is.

    `fact`: the call is written there, so that it becomes a fact about its node.
    """
    options: Sequence[Value] = (callee,)
    if type(callee) is OneOf or callee == NONE:
        options = [option for option in alternatives(callee) if option != NONE]
    results = []
    refused: list[tuple[Call, Mismatch]] = []
    doubtful = machine.doubtful
    if len(options) > 1:
        machine.doubtful = True
    keep = fact and machine.recording and machine.unit is machine.target and machine.facts is not None
    for option in options:
        made = Call(node, option, arguments, machine)
        made.certain = len(options) == 1 or all(is_same(option, options[0]) for option in options)
        if fact and type(option) is Instance and instances.is_module(option):
            training.forward(machine, made, option)
        try:
            made.result = _dispatch(machine, made)
            entry = SHAPES.get(made.name) if made.name is not None else None
            if entry is not None:
                made.result = shaped(machine, made, entry, made.result)
        except Mismatch as mismatch:
            refused.append((made, mismatch))
        typed = DTYPES.get(made.name) if made.name is not None else None
        if typed is not None:
            made.result = with_dtype(machine, made, typed, made.result)
        laid = LAYOUTS.get(made.name) if made.name is not None else None
        if laid is not None:
            made.result = with_layout(machine, made, laid, made.result)
        results.append(made.result)
        if type(made.result) is Instance and machine.facts is not None and _makes_loader(made):
            machine.facts.loaders.append(Loader(made, made.result))
        if keep and machine.facts is not None:
            if type(made.result) is TupleOf and made.result.made_by is not None:
                machine.facts.tuples = True
            facts = machine.facts.calls.setdefault(id(node), [])
            if len(facts) < MAX_FACTS:
                facts.append(made)
                if made.name is not None:
                    machine.facts.calls_by_name.setdefault(made.name, []).append(made)
        elif machine.facts is None or made.name is None:
            continue
        elif made.name in LED_TO:
            machine.facts.led_to.append(made)
        elif machine.sampling is not None and machine.recording:
            machine.facts.calls_elsewhere.setdefault(made.name, []).append(made)
        elif machine.stack and is_loss(made.name):
            machine.facts.losses_elsewhere.setdefault(id(machine.stack[-1]), []).append(made)
    machine.doubtful = doubtful
    if refused and len(refused) == len(options):
        misfits.note(machine, *refused[0])
    return results[0] if len(results) == 1 else join_all(results)


def _makes_loader(call: Call) -> bool:
    return isinstance(call.callee, (Symbol, ClassInfo)) and is_loader(call.result)


def is_same(option: Value, other: Value) -> bool:
    """Whether two things that may be called are objects of one class from outside the project, such as two losses."""
    if isinstance(option, Instance) and isinstance(other, Instance):
        return option.info is None and other.info is None and option.symbol == other.symbol
    return False


def _dispatch(machine: "Interpreter", fact: Call) -> Value:
    callee = fact.callee
    if callee is UNKNOWN:
        return _unknown(machine, fact)
    if isinstance(callee, Symbol):
        fact.name = callee.name
        return external(machine, fact)
    if isinstance(callee, Method):
        fact.name = callee.name
        fact.receiver = callee.receiver
        if isinstance(callee.receiver, Cell):
            fact.content = machine.read(callee.receiver, CONTENT)
        return external(machine, fact)
    if isinstance(callee, FunctionRef):
        result = function(machine, callee, fact.arguments)
        if callee.info.name == "step" and callee.receiver is not None and training.is_optimizer(callee.receiver):
            machine.event("step", callee.receiver, fact.node)
        return result
    if isinstance(callee, ClassInfo):
        return instantiate(machine, callee, fact.arguments, fact.node)
    if isinstance(callee, Instance):
        return call_instance(machine, callee, fact)
    return _unknown(machine, fact)


def _unknown(machine: "Interpreter", fact: Call) -> Value:
    """A call of something of which nothing is known."""
    func = fact.node.func if isinstance(fact.node, cst.Call) else None
    if type(func) is cst.Attribute:
        method = func.attr.value
        if method in training.METHODS:
            training.unknown(machine, fact, func)
        elif method == "requires_grad_":
            instances.freeze_unknown(machine)
        elif method == "state_dict":
            fact.name = UNKNOWN_STATE_DICT
            return TRANSFERS[UNKNOWN_STATE_DICT](machine, fact)
        elif method == "load_state_dict":
            fact.name = UNKNOWN_LOAD
            return UNKNOWN
        elif method in MOVES:
            # Of whatever it is: only tensors and modules have these.
            fact.name = f"{UNKNOWN_RECEIVER}.{method}"
        elif method in ONLY_OF_TENSORS:
            return of_unknown(machine, fact, method)
        else:
            training.unknown_forward(machine, fact, func)
    elif type(func) is cst.Name:
        training.unknown_forward(machine, fact, func)
    instances.escape(machine, fact.arguments)
    if machine.loops:
        training.escaped(machine, fact)
    return UNKNOWN


def external(machine: "Interpreter", fact: Call) -> Value:
    """The value of a call to something outside the project, by its qualified name."""
    name = fact.name
    assert name is not None
    transfer = TRANSFERS.get(name)
    if transfer is not None:
        return transfer(machine, fact)
    if name in EXITS:
        machine.state.dead = True
        return UNKNOWN
    receiver = fact.receiver
    if receiver is not None:
        if name.startswith("torch.Tensor."):
            return TRANSFERS["torch.Tensor.*"](machine, fact)
        if isinstance(receiver, Instance) and instances.is_module(receiver):
            base = f"torch.nn.Module.{name.rpartition('.')[2]}"
            if name.endswith((".forward", ".__call__")):
                return module_forward(machine, fact, receiver, name.rpartition(".")[0])
            if base in TRANSFERS:
                return TRANSFERS[base](machine, fact)
        if name.endswith(".__init__"):
            if isinstance(receiver, Instance) and receiver.info is not None and name != "torch.nn.Module.__init__":
                receiver.arguments = fact.arguments
                TRANSFERS["#container"](machine, fact)
            return NONE
        builtin = TRANSFERS.get(f"#{name.split('.')[0]}.*")
        if builtin is not None:
            return builtin(machine, fact)
        return TRANSFERS["#method"](machine, fact)
    what = kind(name)
    if what == "class" or (what is None and name.rpartition(".")[2][:1].isupper()):
        if what is None and not name.startswith(("torch.", "torchvision.")):
            instances.escape(machine, fact.arguments)
        made = instances.allocate(machine, fact.node, None, name, fact.arguments)
        if name.startswith(training.OPTIMIZERS):
            training.made(machine, fact, made)
        return made
    if what is not None:
        return TRANSFERS["torch.*"](machine, fact)
    return TRANSFERS["#function"](machine, fact)


def instantiate(machine: "Interpreter", info: ClassInfo, arguments: Arguments, node: cst.CSTNode) -> Value:
    """`Class(...)` for a class of the project: its `__init__` runs."""
    if attributes.from_class(machine, info.mro, "__new__", None) not in (None, UNKNOWN):
        instances.escape(machine, arguments)
        return UNKNOWN
    instance = instances.allocate(machine, node, info, None, arguments)
    known = machine.instances.setdefault(info, [])
    if instance not in known:
        known.append(instance)
    _construct(machine, instance, info, arguments)
    if training.is_optimizer(instance):
        training.made(machine, Call(node, info, arguments, machine), instance)
    return instance


def _construct(machine: "Interpreter", instance: Instance, info: ClassInfo, arguments: Arguments) -> None:
    for entry in info.mro:
        if isinstance(entry, ClassInfo):
            initializer = machine.read(entry, "__init__")
            if isinstance(initializer, FunctionRef):
                function(machine, FunctionRef(initializer.info, instance), arguments)
                return
            if entry.decorated:
                for name, value in arguments.keywords.items():
                    machine.write(instance, name, value)
        elif isinstance(entry, Symbol) and entry.name in instances.CONTAINERS:
            TRANSFERS["#fill"](machine, _plain_call(machine, instance, arguments))
            return


def _plain_call(machine: "Interpreter", receiver: Instance, arguments: Arguments) -> Call:
    assert receiver.origin is not None
    fact = Call(receiver.origin.node, receiver, arguments, machine)
    fact.receiver = receiver
    return fact


def call_instance(machine: "Interpreter", instance: Instance, fact: Call) -> Value:
    """Calling an object: `__call__`, or `forward` of a module."""
    info = instance.info
    fact.receiver = instance
    if info is None:
        symbol = instance.symbol or ""
        if instances.is_module(instance):
            fact.name = f"{symbol}.forward"
            return module_forward(machine, fact, instance, symbol)
        fact.name = f"{symbol}.__call__"
        return external(machine, fact) if symbol != LOADED else _unknown(machine, fact)
    for name in ("__call__", "forward"):
        method = attributes.from_class(machine, info.mro, name, instance)
        if isinstance(method, FunctionRef):
            return function(machine, method, fact.arguments)
            # A hook or an unresolved base class may still change what comes out; the class's own code decides.
        if isinstance(method, Method) and name == "forward":
            fact.name = method.name
            return module_forward(machine, fact, instance, method.name.rpartition(".")[0])
    instances.escape(machine, fact.arguments)
    return UNKNOWN


# -- functions of the project -----------------------------------------------------------------------


def bind_method(machine: "Interpreter", method: FunctionRef, receiver: Instance, owner: ClassInfo) -> Value:
    """A function found in a class, as looked up on an instance."""
    names = {decorator.name for decorator in method.info.decorators if isinstance(decorator, Symbol)}
    if "builtins.staticmethod" in names:
        return method
    if "builtins.classmethod" in names:
        return FunctionRef(method.info, receiver.info)
    bound = FunctionRef(method.info, receiver)
    if names & PROPERTIES:
        return function(machine, bound, Arguments())
    return bound


def _decorators(info: FunctionInfo) -> tuple[bool, Tri | None]:
    """Whether the function still does what it says, and the autograd mode that its decorators set."""
    transparent = True
    mode: Tri | None = None
    for decorator in info.decorators:
        symbol = decorator.symbol if isinstance(decorator, Instance) else getattr(decorator, "name", None)
        if symbol in objects.GRAD_CONTEXTS:
            mode = objects.grad_mode_of_context(decorator)
        elif symbol not in TRANSPARENT:
            transparent = False
            mode = mode or Tri.MAYBE
    return transparent, mode


def function(machine: "Interpreter", ref: FunctionRef, arguments: Arguments) -> Value:
    """Follow a call into a function of the project."""
    info = ref.info
    if len(machine.active) >= MAX_DEPTH or machine.active.count(info) >= MAX_NESTING or machine.fuel <= 0:
        instances.escape(machine, arguments)
        machine.event("escape", UNKNOWN, info.node)
        return UNKNOWN
    machine.entered.add(info)
    key = _memory_key(machine, ref, arguments)
    if key is not None:
        remembered = machine.memory.get(key)
        if remembered is not None and remembered[0] == machine.version:
            return remembered[1]
    version = machine.version
    events = len(machine.facts.events) if machine.facts is not None else 0
    frame = Frame(info.unit, info.closure, info, ref.receiver)
    transparent, mode = _decorators(info)
    base = machine.state
    before = machine.grad_mode()
    kept = (
        machine.frame, machine.unit, machine.returns, machine.yields, machine.breaks, machine.continues,
        machine.call_base, machine.loop_base, machine.active, machine.sampling,
        machine.in_module, machine.outer_tests,
    )  # fmt: skip
    if not machine.in_module:
        machine.outer_tests = len(machine.tests)
        machine.in_module = info.owner is not None and instances.is_module_class(info.owner) is Tri.YES
    try:
        machine.frame, machine.unit = frame, info.unit
        machine.returns, machine.yields, machine.breaks, machine.continues = [], [], [], []
        machine.active = (*machine.active, info)
        if machine.sampling is None and info.owner is not None:
            if info.name in SAMPLING or (info.name == "__init__" and is_dataset_class(info.owner)):
                machine.sampling = info
        machine.state, machine.call_base = State(base), base
        bind_parameters(machine, info, frame, arguments, ref.receiver)
        if mode is not None:
            machine.set_grad_mode(mode)
        result = _run(machine, info)
        states = [state for state, _ in machine.returns]
    finally:
        (
            machine.frame, machine.unit, machine.returns, machine.yields, machine.breaks, machine.continues,
            machine.call_base, machine.loop_base, machine.active, machine.sampling,
            machine.in_module, machine.outer_tests,
        ) = kept  # fmt: skip
    body = machine.state
    machine.state = base
    if not body.dead:
        states.append(body)
    if not frame.captured:
        for state in states:
            state.writes = {key_: value for key_, value in state.writes.items() if key_[0] is not frame}
    base.absorb(states)
    if not states:
        # Every path raised: whoever called this goes no further, unless the callee is abstract.
        base.dead = not _is_abstract(info)
    elif mode is not None:
        machine.set_grad_mode(before)
    if not transparent:
        result = UNKNOWN
    unchanged = machine.version == version and (machine.facts is None or len(machine.facts.events) == events)
    if key is not None and unchanged and states:
        machine.memory[key] = (version, result)
    return result


def _run(machine: "Interpreter", info: FunctionInfo) -> Value:
    """Run a function's body in its activation; what it returns."""
    node = info.node
    if isinstance(node, cst.Lambda):
        return machine.eval(node.body)
    machine._block(node.body)
    results = [value for _, value in machine.returns]
    if not machine.state.dead:
        results.append(NONE)
    if machine.yields:
        return Iterated(join_all(machine.yields))
    if node.asynchronous is not None:
        return UNKNOWN
    return join_all(results)


def _is_abstract(info: FunctionInfo) -> bool:
    body = info.node.body
    if not isinstance(body, cst.IndentedBlock):
        return True
    return any(
        isinstance(small, cst.Raise) and "NotImplemented" in info.unit.module.code_for_node(small)
        for line in body.body
        if isinstance(line, cst.SimpleStatementLine)
        for small in line.body
    )


def _memory_key(machine: "Interpreter", ref: FunctionRef, arguments: Arguments) -> tuple[object, ...] | None:
    key = (
        ref, arguments.positional, tuple(sorted(arguments.keywords.items())) if arguments.keywords else (),
        arguments.complete, arguments.tail, machine.grad_mode(), machine.guarded, machine.importing,
        machine.recording, machine.sampling, bool(machine.loops),
    )  # fmt: skip
    try:
        hash(key)
    except TypeError:
        return None
    return key


def bind_parameters(
    machine: "Interpreter", info: FunctionInfo, frame: Frame, arguments: Arguments, receiver: Value | None
) -> None:
    """Give a function's parameters the values of a call."""
    parameters = info.node.params
    values = list(arguments.positional) if receiver is None else [receiver, *arguments.positional]
    keywords = dict(arguments.keywords)
    write = machine.state.set
    names = [*parameters.posonly_params, *parameters.params]
    for index, parameter in enumerate(names):
        write(
            frame,
            parameter.name.value,
            _argument(machine, info, parameter, values, index, keywords, arguments.complete),
        )
    for parameter in parameters.kwonly_params:
        write(frame, parameter.name.value, _argument(machine, info, parameter, (), 0, keywords, arguments.complete))
    if type(parameters.star_arg) is cst.Param:
        rest: Value = TupleOf(values[len(names) :]) if not arguments.tail and arguments.complete else Iterated(UNKNOWN)
        write(frame, parameters.star_arg.name.value, rest)
    if parameters.star_kwarg is not None:
        held = DictRef(Entries(keywords, arguments.complete))
        write(frame, parameters.star_kwarg.name.value, held)


def _argument(
    machine: "Interpreter",
    info: FunctionInfo,
    parameter: cst.Param,
    values: "list[Value] | tuple[Value, ...]",
    index: int,
    keywords: dict[str, Value],
    complete: bool,
) -> Value:
    name = parameter.name.value
    if index < len(values):
        return _annotated(machine, info, parameter, values[index])
    if name in keywords:
        return _annotated(machine, info, parameter, keywords.pop(name))
    if complete and name in info.defaults:
        return info.defaults[name]
    return _annotated(machine, info, parameter, UNKNOWN)


def _annotated(machine: "Interpreter", info: FunctionInfo, parameter: cst.Param, value: Value) -> Value:
    """A parameter of which nothing else is known is what its annotation says."""
    if value is not UNKNOWN or parameter.annotation is None:
        return value
    node = parameter.annotation.annotation
    if not isinstance(node, (cst.Name, cst.Attribute)):
        return value
    outer, machine.frame = machine.frame, info.closure
    meant = machine.eval_quietly(node)
    machine.frame = outer
    if isinstance(meant, Symbol):
        if meant.name == "torch.Tensor":
            return Tensor(Tri.MAYBE, Device.UNKNOWN)
        if meant.name == "torch.utils.data.DataLoader":
            return Instance(None, meant.name, Arguments(complete=False), machine.here(parameter))
    return value


# -- what nothing called ----------------------------------------------------------------------------


def run_generic(machine: "Interpreter", ref: FunctionRef, bound: Arguments | None = None) -> None:
    """Run a function that nothing called, with what is known of its parameters without a caller.

    `bound`: the arguments that it is given whoever calls it.
    """
    info = ref.info
    base = machine.state
    with machine.layer() as layer:
        machine.set_grad_mode(_mode_without_caller(info))
        known = info in machine.entered
        receiver = ref.receiver if ref.receiver is not None else _receiver_without_caller(machine, info)
        if known or info not in machine.entered:
            # Making the receiver runs `__init__`, once is enough.
            _follow_generic(machine, info, receiver, bound)
        machine.set_grad_mode(Tri.YES)
    layer.dead = False
    # It may or may not have run when the next one does.
    base.absorb((layer, State(base)))


def _follow_generic(
    machine: "Interpreter", info: FunctionInfo, receiver: Value | None, bound: Arguments | None = None
) -> None:
    parameters = info.node.params
    named = [*parameters.posonly_params, *parameters.params]
    keywords: dict[str, Value] = {}
    given = bound if bound is not None else Arguments()
    first = len(given.positional) + (1 if receiver is not None else 0)
    for parameter in [*named[first:], *parameters.kwonly_params]:
        name = parameter.name.value
        if name in given.keywords:
            continue
        default = info.defaults.get(name, UNKNOWN)
        # A caller may well override a default that is a plain switch or number; one that is an object, hardly.
        keywords[name] = _assumed(default)
        if isinstance(default, Const) and default.value is None:
            keywords[name] = UNKNOWN
    function(machine, FunctionRef(info, receiver), Arguments(given.positional, {**given.keywords, **keywords}, False))


def _assumed(default: Value) -> Value:
    """What a parameter is by its default, which a caller may override."""
    if isinstance(default, Const):
        return Const(default.value, default.origin, True)
    if type(default) is TupleOf:
        return TupleOf(map(_assumed, default.items), default.origin)
    return default


def _receiver_without_caller(machine: "Interpreter", info: FunctionInfo) -> Value | None:
    if info.owner is None:
        return None
    names = {decorator.name for decorator in info.decorators if isinstance(decorator, Symbol)}
    if "builtins.staticmethod" in names:
        return None
    if "builtins.classmethod" in names:
        return info.owner
    return generic_instance(machine, info.owner)


def _is_same(instance: Instance, other: Instance) -> bool:
    """Whether two objects are made at one place with the same arguments, as the layers of a list are."""
    if instance is other:
        return True
    if instance.origin is None or other.origin is None or instance.origin.node is not other.origin.node:
        return False
    return instance.arguments.complete and instance.arguments == other.arguments


def generic_instance(machine: "Interpreter", owner: ClassInfo) -> Instance:
    """The one instance that the file makes of a class, else one made with unknown arguments."""
    known = machine.instances.setdefault(owner, [])
    generic = [instance for instance in known if not instance.arguments.complete]
    if known and all(_is_same(instance, known[0]) for instance in known):
        return known[0]
    if generic:
        return generic[0]
    instance = Instance(owner, None, Arguments(complete=False), owner.origin)
    instance.base[FROZEN] = instances.NOT_FROZEN
    known.append(instance)
    initializer = attributes.from_class(machine, owner.mro, "__init__", instance)
    if isinstance(initializer, FunctionRef):
        # Whoever makes one may move it anywhere.
        outer, machine.unmade = machine.unmade, True
        _follow_generic(machine, initializer.info, instance)
        machine.unmade = outer
        machine.state.dead = False
    return instance


def _mode_without_caller(info: FunctionInfo) -> Tri:
    """Whether autograd records in a function whose callers are not known.

    Certainly when the file is a script, or trains, and nothing in it ever turns recording off.
    """
    text = info.unit.source.text
    if isinstance(info.node, cst.Lambda):
        return Tri.MAYBE
    owner = info.owner
    if owner is not None and any(not base.startswith(("torch.nn.", "builtins.")) for base in owner.external_bases):
        return Tri.MAYBE
    if owner is not None and owner.has_unknown_base:
        return Tri.MAYBE
    if any(word in text for word in GRAD_OFF_WORDS):
        if ".backward(" not in text:
            return Tri.MAYBE
        return Tri.YES if has_attribute(info.node, "backward") else Tri.MAYBE
    return Tri.YES if any(word in text for word in SCRIPT_WORDS) else Tri.MAYBE


def attribute_set_by(
    machine: "Interpreter", instance: Instance, owner: ClassInfo, method: str, name: str
) -> Value | None:
    """What a method that has not run yet lets an attribute of its instance hold."""
    ref = machine.read(owner, method)
    if not isinstance(ref, FunctionRef) or ref.info in machine.active or machine.fuel <= 0:
        return None
    recording, machine.recording = machine.recording, False
    facts, machine.facts = machine.facts, None
    entered = set(machine.entered)
    with machine.layer() as layer:
        _follow_generic(machine, ref.info, instance)
        value = machine.read(instance, name)
    machine.recording, machine.facts, machine.entered = recording, facts, entered
    for (cell, key), held in layer.writes.items():
        if cell is not instance and isinstance(cell, (Instance, ListRef, DictRef)):
            machine.state.set(cell, key, held)
    if value is None or (isinstance(value, Const) and value.value is None):
        return None
    machine.state.set(instance, name, value)
    return value


def iterate_instance(machine: "Interpreter", instance: Instance, node: cst.BaseExpression | None) -> Value:
    """What iterating over an object of a class of the project gives."""
    assert instance.info is not None
    method = attributes.from_class(machine, instance.info.mro, "__iter__", instance)
    if isinstance(method, FunctionRef):
        result = function(machine, method, Arguments())
        return result.element if isinstance(result, Iterated) else UNKNOWN
    if is_loader(instance) and node is not None:
        machine.event("iterate", instance, node)
        return loaded(instance)
    return UNKNOWN
