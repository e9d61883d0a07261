"""Python's builtins and standard library, as far as training scripts lean on them."""

from math import prod
from typing import TYPE_CHECKING, Any

import libcst as cst

from torchlint.semantic import attributes, objects, training
from torchlint.semantic.copies import deep_copy
from torchlint.semantic.datasets import is_dataset
from torchlint.semantic.instances import allocate, as_tensor, escape
from torchlint.semantic.knowledge.contract import Transfer
from torchlint.semantic.loaders import is_loader
from torchlint.semantic.values import (
    CONTENT,
    FACTORY,
    FALSE,
    MAX_ITEMS,
    NONE,
    PARTIAL,
    TRUE,
    UNKNOWN,
    WIDE_SEED,
    Arguments,
    Array,
    ClassInfo,
    Const,
    DictRef,
    Entries,
    Frame,
    Instance,
    Items,
    Iterated,
    ListRef,
    OneOf,
    Scalar,
    SuperRef,
    Tensor,
    TupleOf,
    Value,
    join,
    join_all,
)

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# Packages whose functions neither freeze a module nor change a list that they are given.
HARMLESS = frozenset({
    "builtins", "numpy", "scipy", "matplotlib", "time", "os", "sys", "json", "math", "random", "torchsummary",
    "torchinfo",
    "wandb", "thop", "logging", "sklearn", "pandas", "PIL", "cv2", "tqdm", "warnings", "seaborn", "plotly", "tabulate",
    "pprint", "statistics", "datetime", "pathlib", "re", "itertools", "string", "glob", "pickle", "csv", "IPython",
    "torchviz", "torchmetrics", "evaluate", "argparse", "yaml", "typing", "imageio", "skimage", "nltk", "collections",
})  # fmt: skip


# Methods of an array that give an array whatever their arguments.
SAME_ARRAY = frozenset({"astype", "copy", "reshape", "flatten", "ravel", "transpose", "squeeze", "swapaxes", "repeat"})


def _len(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0)
    items = objects.exact_items(machine, given) if given is not None else None
    return Const(len(items)) if items is not None else Scalar("int", machine.here(call.node))


def _scalar(kind: str) -> Transfer:
    def transfer(machine: "Interpreter", call: "Call") -> Value:
        given = call.argument(0)
        alone = len(call.arguments.positional) == 1 and not call.arguments.keywords and call.arguments.complete
        if alone and isinstance(given, Const) and isinstance(given.value, (int, float, str)):
            converters = {"int": int, "float": float, "bool": bool, "str": str}
            try:
                return Const(converters[kind](given.value), given.origin, given.assumed)
            except (ValueError, OverflowError):
                return Scalar(kind, machine.here(call.node))
        if kind == "int" and isinstance(given, Scalar) and given.kind == WIDE_SEED:
            return given
        return Scalar(kind, machine.here(call.node))

    return transfer


def _enumerate(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0, "iterable")
    if given is None:
        return UNKNOWN
    return Iterated(TupleOf((Scalar("int"), objects.iterate(machine, given, None))), _over(given))


def _zip(machine: "Interpreter", call: "Call") -> Value:
    given = call.arguments.positional
    if call.arguments.tail:
        return Iterated(UNKNOWN)
    over = tuple(loader for value in given for loader in _over(value))
    return Iterated(TupleOf(objects.iterate(machine, value, None) for value in given), over)


def _over(value: Value) -> tuple[Value, ...]:
    """The loaders that iterating over a value iterates over."""
    if is_loader(value):
        return (value,)
    return value.over if isinstance(value, Iterated) else ()


def same_elements(machine: "Interpreter", call: "Call") -> Value:
    """Something that iterates over what it is given, as `tqdm(loader)` and `iter(loader)` do."""
    given = call.argument(0, "iterable", "sequence", "it")
    if given is None:
        return UNKNOWN
    return Iterated(objects.iterate(machine, given, None), _over(given), given.origin or machine.here(call.node))


def _first_argument(call: "Call") -> cst.BaseExpression | None:
    return call.node.args[0].value if isinstance(call.node, cst.Call) and call.node.args else None


def _next(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0)
    if given is None:
        return UNKNOWN
    node = _first_argument(call)
    if isinstance(given, Instance) and given.info is not None and not is_loader(given):
        return UNKNOWN
    return objects.iterate(machine, given, node)


def _list(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0)
    if given is None:
        return machine.allocate_list(call.node, Items(()))
    items = objects.exact_items(machine, given)
    if items is not None:
        return machine.allocate_list(call.node, Items(items))
    node = _first_argument(call)
    return machine.allocate_list(call.node, Items(None, objects.iterate(machine, given, node)))


def _sorted(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0)
    if given is None:
        return UNKNOWN
    return machine.allocate_list(call.node, Items(None, objects.iterate(machine, given, _first_argument(call))))


def _tuple(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0)
    items = objects.exact_items(machine, given) if given is not None else ()
    if items is not None:
        return TupleOf(items, machine.here(call.node))
    return Iterated(objects.iterate(machine, given, None)) if given is not None else UNKNOWN


def _dict(machine: "Interpreter", call: "Call") -> Value:
    entries: dict[Any, Value] = dict(call.arguments.keywords)
    exact = call.arguments.complete
    for given in call.arguments.positional:
        if isinstance(given, DictRef):
            held = machine.read(given, CONTENT)
            if isinstance(held, Entries):
                entries = {**held.entries, **entries}
                exact = exact and held.exact
                continue
        pairs = _pairs(machine, given)
        if pairs is None:
            exact = False
        else:
            entries = {**pairs, **entries}
    return machine.allocate_dict(call.node, Entries(entries, exact))


def _defaultdict(machine: "Interpreter", call: "Call") -> Value:
    made = machine.allocate_dict(call.node, Entries({}, False))
    factory = call.argument(0)
    if factory is not None:
        machine.write(made, FACTORY, factory)
    return made


def _partial(machine: "Interpreter", call: "Call") -> Value:
    return allocate(machine, call.node, None, PARTIAL, call.arguments)


def _call_partial(machine: "Interpreter", call: "Call") -> Value:
    """The function that was given first, with all arguments."""
    partial = call.receiver
    assert isinstance(partial, Instance)
    bound, more = partial.arguments, call.arguments
    if not bound.positional or bound.tail:
        return UNKNOWN
    arguments = Arguments(
        (*bound.positional[1:], *more.positional),
        {**bound.keywords, **more.keywords},
        bound.complete and more.complete,
        more.tail,
    )
    return machine.follow(bound.positional[0], arguments, call.node)


def _pairs(machine: "Interpreter", value: Value) -> dict[Any, Value] | None:
    items = objects.exact_items(machine, value)
    if items is None:
        return None
    pairs: dict[Any, Value] = {}
    for item in items:
        pair = objects.exact_items(machine, item)
        if pair is None or len(pair) != 2 or not isinstance(pair[0], Const):
            return None
        pairs[pair[0].value] = pair[1]
    return pairs


def _getattr(machine: "Interpreter", call: "Call") -> Value:
    owner, name = call.argument(0), call.argument(1)
    if owner is None or not isinstance(name, Const) or not isinstance(name.value, str) or name.assumed:
        return UNKNOWN
    found = attributes.attribute(machine, owner, name.value)
    default = call.argument(2)
    return found if default is None or found is not UNKNOWN else UNKNOWN


def _setattr(machine: "Interpreter", call: "Call") -> Value:
    owner, name, value = call.argument(0), call.argument(1), call.argument(2)
    if (
        isinstance(owner, (Instance, ClassInfo))
        and isinstance(name, Const)
        and isinstance(name.value, str)
        and value is not None
    ):
        machine.write(owner, name.value, value)
    return NONE


def _super(machine: "Interpreter", call: "Call") -> Value:
    frame: Frame | None = machine.frame
    while frame is not None and (frame.function is None or frame.function.owner is None):
        frame = frame.parent
    given = call.argument(0)
    if frame is None or frame.function is None or frame.function.owner is None:
        return UNKNOWN
    after = given if isinstance(given, ClassInfo) else frame.function.owner
    receiver = call.argument(1) or frame.receiver
    return SuperRef(receiver, after) if receiver is not None else UNKNOWN


def _extreme(machine: "Interpreter", call: "Call") -> Value:
    given = call.arguments.positional
    if len(given) > 1 and all(isinstance(value, Const) and isinstance(value.value, (int, float)) for value in given):
        pick = min if call.name == "builtins.min" else max
        return Const(pick(value.value for value in given), None, any(value.assumed for value in given))  # type: ignore[attr-defined]
    if all(_is_count(value) for value in given) and len(given) > 1:
        return Scalar("cpus")
    tensors = [as_tensor(machine, value) for value in given]
    if any(tensors):
        return objects.computed(machine, call.node, *given)
    if given and all(isinstance(value, (Const, Scalar)) for value in given) and len(given) > 1:
        return Scalar("number")
    return UNKNOWN


def _is_count(value: Value) -> bool:
    """Whether a value certainly is a positive number, as that of the CPUs is."""
    if isinstance(value, Const):
        return isinstance(value.value, (int, float)) and value.value > 0
    return isinstance(value, Scalar) and value.kind == "cpus"


def _sum(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0)
    if given is None:
        return UNKNOWN
    element = objects.iterate(machine, given, None)
    if isinstance(element, Tensor):
        return objects.computed(machine, call.node, element)
    numbers = objects.whole_numbers(machine, given)
    if numbers is not None and len(call.arguments.positional) == 1:
        return Const(sum(numbers), machine.here(call.node))
    return Scalar("number") if isinstance(element, (Const, Scalar)) else UNKNOWN


def _product(machine: "Interpreter", call: "Call") -> Value:
    """`numpy.prod(sizes)`, `math.prod(sizes)`"""
    given = call.argument(0, "a")
    alone = len(call.arguments.positional) == 1 and not call.arguments.keywords
    numbers = objects.whole_numbers(machine, given) if given is not None and alone else None
    return Const(prod(numbers), machine.here(call.node)) if numbers is not None else UNKNOWN


def _map(machine: "Interpreter", call: "Call") -> Value:
    callee, given = call.argument(0), call.argument(1)
    if callee is None or given is None or len(call.arguments.positional) != 2:
        return Iterated(UNKNOWN)
    element = objects.iterate(machine, given, None)
    return Iterated(machine.follow(callee, Arguments((element,)), call.node), _over(given))


def _filter(machine: "Interpreter", call: "Call") -> Value:
    from torchlint.semantic.values import ParameterOf

    given = call.argument(1)
    element = objects.iterate(machine, given, None) if given is not None else UNKNOWN
    kept = ParameterOf(element.module, True) if isinstance(element, ParameterOf) else element
    return Iterated(kept, (), machine.here(call.node))


def _chain(machine: "Interpreter", call: "Call") -> Value:
    """`itertools.chain(a, b)`"""
    elements = [objects.iterate(machine, value, None) for value in call.arguments.positional]
    known = elements and not call.arguments.tail and call.arguments.complete
    return Iterated(join_all(elements) if known else UNKNOWN, (), machine.here(call.node))


def _range(machine: "Interpreter", call: "Call") -> Value:
    return Iterated(Scalar("int"), (), machine.here(call.node))


def _nothing(machine: "Interpreter", call: "Call") -> Value:
    return NONE


def _boolean(machine: "Interpreter", call: "Call") -> Value:
    return Scalar("bool")


def _isinstance(machine: "Interpreter", call: "Call") -> Value:
    value, classes = call.argument(0), call.argument(1)
    if value is None or classes is None or value is UNKNOWN or isinstance(value, OneOf):
        return Scalar("bool")
    if objects.must_be_instance(value, classes):
        return TRUE
    return Scalar("bool") if objects.may_be_instance(value, classes) else FALSE


def _text(machine: "Interpreter", call: "Call") -> Value:
    return Scalar("str")


def _number(machine: "Interpreter", call: "Call") -> Value:
    given = call.argument(0)
    tensor = as_tensor(machine, given) if given is not None else None
    return (
        objects.computed(machine, call.node, tensor)
        if tensor is not None
        else Scalar("number", machine.here(call.node))
    )


def _integer(machine: "Interpreter", call: "Call") -> Value:
    return Scalar("int")


def _cpus(machine: "Interpreter", call: "Call") -> Value:
    return Scalar("cpus")


def _context(machine: "Interpreter", call: "Call") -> Value:
    """A context manager that is made by a function."""
    return allocate(machine, call.node, None, call.name, call.arguments)


def _iterator(machine: "Interpreter", call: "Call") -> Value:
    """`loader.__iter__()`"""
    loader = call.receiver
    return Iterated(objects.iterate(machine, loader, None), (loader,), loader.origin) if loader is not None else UNKNOWN


def _copied(machine: "Interpreter", call: "Call") -> Value:
    """A dataset is another object afterwards, and so is a module that is copied with all that it holds."""
    given = call.argument(0, "x")
    if not isinstance(given, Instance) or not is_dataset(given):
        if given is not None and call.name == "copy.deepcopy":
            return deep_copy(machine, call.node, given)
        return given if given is not None else UNKNOWN
    copy = allocate(machine, call.node, given.info, given.symbol, given.arguments)
    for name in given.base.keys() | given.written:
        held = machine.read(given, name)
        if held is not None:
            machine.write(copy, name, held)
    return copy


# -- methods of lists, dicts and strings ------------------------------------------------------------


def _append(machine: "Interpreter", call: "Call") -> Value:
    receiver, value = call.receiver, call.argument(0)
    if isinstance(receiver, ListRef) and value is not None:
        held = objects.content(machine, receiver)
        if held is not None:
            machine.write(receiver, CONTENT, held.plus(value))
        func = call.node.func if isinstance(call.node, cst.Call) else None
        if isinstance(func, cst.Attribute):
            training.accumulated(machine, call.node, func.value, receiver, value)
    return NONE


def _extend(machine: "Interpreter", call: "Call") -> Value:
    receiver, value = call.receiver, call.argument(0)
    if isinstance(receiver, ListRef) and value is not None:
        held = objects.content(machine, receiver)
        more = objects.exact_items(machine, value)
        if held is not None and held.items is not None and more is not None:
            machine.write(receiver, CONTENT, Items((*held.items, *more)))
        elif held is not None:
            element = objects.iterate(machine, value, None)
            last = getattr(objects.content(machine, value), "last", None)
            machine.write(
                receiver, CONTENT, Items(None, element if held.items == () else join(held.any, element), last)
            )
    return NONE


def _insert(machine: "Interpreter", call: "Call") -> Value:
    receiver, value = call.receiver, call.argument(1)
    if isinstance(receiver, ListRef) and value is not None:
        held = objects.content(machine, receiver)
        index = call.argument(0)
        if held is not None and held.items is not None and len(held.items) < MAX_ITEMS:
            if isinstance(index, Const) and isinstance(index.value, int) and not index.assumed:
                items = list(held.items)
                items.insert(index.value, value)
                machine.write(receiver, CONTENT, Items(tuple(items)))
                return NONE
        if held is not None:
            machine.write(receiver, CONTENT, Items(None, value if held.items == () else join(held.any, value)))
    return NONE


def _clear(machine: "Interpreter", call: "Call") -> Value:
    if isinstance(call.receiver, ListRef):
        machine.write(call.receiver, CONTENT, Items(()))
    return NONE


def _pop(machine: "Interpreter", call: "Call") -> Value:
    receiver = call.receiver
    if isinstance(receiver, ListRef):
        held = objects.content(machine, receiver)
        if held is not None:
            machine.write(receiver, CONTENT, Items(None, held.any))
            return held.any
    if isinstance(receiver, DictRef):
        key = objects.certain(call.argument(0) or UNKNOWN)
        held_entries = machine.read(receiver, CONTENT)
        if isinstance(held_entries, Entries) and isinstance(key, Const):
            popped: Value = held_entries.entries.get(key.value, UNKNOWN)
            return popped
    return UNKNOWN


def _copy(machine: "Interpreter", call: "Call") -> Value:
    receiver = call.receiver
    if isinstance(receiver, ListRef):
        held = objects.content(machine, receiver)
        return machine.allocate_list(call.node, held if held is not None else Items(None))
    if isinstance(receiver, DictRef):
        entries = machine.read(receiver, CONTENT)
        return machine.allocate_dict(call.node, entries if isinstance(entries, Entries) else Entries({}, False))
    return UNKNOWN


def _get(machine: "Interpreter", call: "Call") -> Value:
    receiver, default = call.receiver, call.argument(1)
    key = objects.certain(call.argument(0) or UNKNOWN)
    held = machine.read(receiver, CONTENT) if isinstance(receiver, DictRef) else None
    if not isinstance(held, Entries):
        return UNKNOWN
    fallback = default if default is not None else NONE
    if isinstance(key, Const):
        known: Value | None = held.entries.get(key.value)
        return known if known is not None else fallback if held.exact else UNKNOWN
    return join_all([*held.entries.values(), fallback]) if held.exact else UNKNOWN


def _values(machine: "Interpreter", call: "Call") -> Value:
    held = machine.read(call.receiver, CONTENT) if isinstance(call.receiver, DictRef) else None
    return Iterated(join_all(held.entries.values()) if isinstance(held, Entries) and held.exact else UNKNOWN)


def _items(machine: "Interpreter", call: "Call") -> Value:
    held = machine.read(call.receiver, CONTENT) if isinstance(call.receiver, DictRef) else None
    if isinstance(held, Entries) and held.exact and held.entries:
        key = join_all(Const(key) for key in held.entries)
        return Iterated(TupleOf((key, join_all(held.entries.values()))))
    return Iterated(TupleOf((UNKNOWN, UNKNOWN)))


def _update(machine: "Interpreter", call: "Call") -> Value:
    receiver = call.receiver
    held = machine.read(receiver, CONTENT) if isinstance(receiver, DictRef) else None
    if isinstance(receiver, DictRef) and isinstance(held, Entries):
        given = call.argument(0)
        entries = {**held.entries, **call.arguments.keywords}
        exact = held.exact and call.arguments.complete
        if given is not None:
            more = machine.read(given, CONTENT) if isinstance(given, DictRef) else None
            if isinstance(more, Entries):
                entries.update(more.entries)
                exact = exact and more.exact
            else:
                entries, exact = {}, False
        machine.write(receiver, CONTENT, Entries(entries, exact))
    return NONE


def _setdefault(machine: "Interpreter", call: "Call") -> Value:
    receiver = call.receiver
    if isinstance(receiver, DictRef):
        machine.write(receiver, CONTENT, Entries({}, False))
    return UNKNOWN


def _builtin_method(machine: "Interpreter", call: "Call") -> Value:
    """Any other method of a builtin type."""
    assert call.name is not None
    kind = call.name.split(".")[1]
    if kind == "str":
        name = call.name.rpartition(".")[2]
        if name in ("split", "rsplit", "splitlines", "partition", "rpartition"):
            return Iterated(Scalar("str"))
        return Scalar("bool") if name.startswith(("is", "starts", "ends")) else Scalar("str")
    if isinstance(call.receiver, (ListRef, DictRef)):
        name = call.name.rpartition(".")[2]
        if name in ("sort", "reverse", "remove"):
            held = objects.content(machine, call.receiver)
            if held is not None:
                machine.write(call.receiver, CONTENT, Items(None, held.any))
            return NONE
        if name in ("index", "count"):
            return Scalar("int")
        if name == "keys":
            return Iterated(Scalar("str"))
    return UNKNOWN


# -- what has no entry of its own --------------------------------------------------------------------


def _unknown_function(machine: "Interpreter", call: "Call") -> Value:
    assert call.name is not None
    package = call.name.partition(".")[0]
    if package not in HARMLESS:
        escape(machine, call.arguments)
    return UNKNOWN


def _unknown_method(machine: "Interpreter", call: "Call") -> Value:
    assert call.name is not None
    package, _, name = call.name.partition(".")[0], "", call.name.rpartition(".")[2]
    if call.name.startswith(training.OPTIMIZERS) or call.name.rpartition(".")[0] in training.SCALERS:
        return training.called(machine, call)
    if name in training.METHODS and isinstance(call.node, cst.Call) and isinstance(call.node.func, cst.Attribute):
        training.unknown(machine, call, call.node.func)
    if package not in HARMLESS and package != "torch":
        escape(machine, call.arguments)
    for value in (*call.arguments.positional, *call.arguments.keywords.values()):
        # A trainer iterates over the loaders that it is given.
        if name in ("fit", "validate", "test", "predict", "run", "train") and is_loader(value):
            machine.event("iterate", value, call.node)
    return UNKNOWN


def _array_method(machine: "Interpreter", call: "Call") -> Value:
    assert call.name is not None
    # Others, such as `mean`, give a scalar or an array as their arguments say.
    return Array(machine.here(call.node)) if call.name.rpartition(".")[2] in SAME_ARRAY else UNKNOWN


# -- argparse and processes --------------------------------------------------------------------------


def _add_argument(machine: "Interpreter", call: "Call") -> Value:
    parser = call.receiver
    keywords = call.arguments.keywords
    names = [
        value.value for value in call.arguments.positional if isinstance(value, Const) and isinstance(value.value, str)
    ]
    if not isinstance(parser, Instance) or not names:
        return UNKNOWN
    explicit = keywords.get("dest")
    long = [name for name in names if name.startswith("--")] or names
    name = explicit.value if isinstance(explicit, Const) else long[0].lstrip("-").replace("-", "_")
    action = keywords.get("action")
    default = keywords.get("default")
    value: Value = UNKNOWN
    if isinstance(default, Const) and default.value is not None:
        value = Const(default.value, default.origin, True)
    elif isinstance(action, Const) and action.value in ("store_true", "store_false") and default is None:
        value = Const(action.value == "store_false", None, True)
    machine.write(_parser(machine, parser), str(name), value)
    return UNKNOWN


def _parser(machine: "Interpreter", parser: Instance) -> Instance:
    """The parser behind an argument group."""
    root = machine.read(parser, "#parser")
    return root if isinstance(root, Instance) else parser


def _argument_group(machine: "Interpreter", call: "Call") -> Value:
    group = allocate(machine, call.node, None, "argparse.ArgumentParser", call.arguments)
    if isinstance(call.receiver, Instance):
        machine.write(group, "#parser", _parser(machine, call.receiver))
    return group


def _parse_args(machine: "Interpreter", call: "Call") -> Value:
    namespace = allocate(machine, call.node, None, "argparse.Namespace", call.arguments)
    parser = call.receiver
    if isinstance(parser, Instance):
        for name in sorted(parser.base.keys() | parser.written):
            value = machine.read(parser, name)
            if value is not None and not name.startswith("#"):
                machine.write(namespace, name, value)
    return namespace


def _parse_known_args(machine: "Interpreter", call: "Call") -> Value:
    return TupleOf((_parse_args(machine, call), UNKNOWN))


def _set_start_method(machine: "Interpreter", call: "Call") -> Value:
    method = call.argument(0, "method")
    machine.event("start-method", method if method is not None else UNKNOWN, call.node)
    return NONE


_B = "builtins."
_PASS = ("tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.notebook.tqdm", "tqdm.std.tqdm", "tqdm.tqdm_notebook",
    "tqdm.autonotebook.tqdm",
    "rich.progress.track", _B + "iter", _B + "reversed", "itertools.islice", "alive_progress.alive_it",
    "itertools.cycle", "fastprogress.progress_bar", "fastprogress.fastprogress.progress_bar")  # fmt: skip

TRANSFERS: dict[str, Transfer] = {
    _B + "len": _len,
    _B + "int": _scalar("int"),
    _B + "float": _scalar("float"),
    _B + "bool": _scalar("bool"),
    _B + "str": _scalar("str"),
    _B + "enumerate": _enumerate,
    _B + "zip": _zip,
    **dict.fromkeys(_PASS, same_elements),
    _B + "next": _next,
    _B + "list": _list,
    _B + "sorted": _sorted,
    _B + "set": _tuple,
    _B + "tuple": _tuple,
    _B + "dict": _dict,
    "collections.OrderedDict": _dict,
    "collections.defaultdict": _defaultdict,
    PARTIAL: _partial,
    f"{PARTIAL}.__call__": _call_partial,
    _B + "isinstance": _isinstance,
    _B + "getattr": _getattr,
    _B + "setattr": _setattr,
    _B + "super": _super,
    _B + "min": _extreme,
    _B + "max": _extreme,
    _B + "sum": _sum,
    **dict.fromkeys(("numpy.prod", "math.prod"), _product),
    _B + "map": _map,
    _B + "filter": _filter,
    "itertools.chain": _chain,
    _B + "range": _range,
    "tqdm.trange": _range,
    _B + "print": _nothing,
    **dict.fromkeys((_B + "hasattr", _B + "callable", _B + "issubclass", _B + "any", _B + "all"), _boolean),
    **dict.fromkeys((_B + "repr", _B + "format", "os.getenv", "os.path.join", "os.path.expanduser"), _text),
    **dict.fromkeys(
        (_B + "abs", _B + "round", "time.time", "math.sqrt", "math.log", "math.exp", "math.floor", "math.ceil"), _number
    ),
    **dict.fromkeys((_B + "id", "torch.cuda.device_count"), _integer),
    **dict.fromkeys(("os.cpu_count", "multiprocessing.cpu_count", "torch.multiprocessing.cpu_count"), _cpus),
    **dict.fromkeys(("contextlib.suppress", "pytest.raises"), _context),
    "torch.utils.data.DataLoader.__iter__": _iterator,
    "copy.deepcopy": _copied,
    "copy.copy": _copied,
    _B + "list.append": _append,
    _B + "list.extend": _extend,
    _B + "list.insert": _insert,
    _B + "list.clear": _clear,
    _B + "list.pop": _pop,
    _B + "list.copy": _copy,
    _B + "dict.pop": _pop,
    _B + "dict.copy": _copy,
    _B + "dict.get": _get,
    _B + "dict.values": _values,
    _B + "dict.items": _items,
    _B + "dict.update": _update,
    _B + "dict.setdefault": _setdefault,
    "argparse.ArgumentParser.add_argument": _add_argument,
    "argparse.ArgumentParser.add_argument_group": _argument_group,
    "argparse.ArgumentParser.add_mutually_exclusive_group": _argument_group,
    "argparse.ArgumentParser.parse_args": _parse_args,
    "argparse.ArgumentParser.parse_known_args": _parse_known_args,
    **{
        f"{package}.set_start_method": _set_start_method
        for package in ("multiprocessing", "torch.multiprocessing", "multiprocessing.context")
    },
    "#function": _unknown_function,
    "#method": _unknown_method,
    "#builtins.*": _builtin_method,
    "#numpy.*": _array_method,
}
