"""Write the knowledge about torch from the torch that is installed.

    python -m torchlint.semantic.knowledge.generate [FOLDER]

FOLDER is where both data files go: beside this file, unless given. This file and `sampling`,
`module_classes` and `conversions`, which it alone imports, are the ones that import torch; nothing that
lints imports them.
"""

import contextlib
import importlib
import inspect
import io
import json
import logging
import math
import pkgutil
import re
import sys
import types
import typing
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import torch
import torchgen  # type: ignore[import-untyped]
import yaml

from torchlint.semantic.knowledge import Argument, Conversions, ModuleClass, Overload, Return, parse_overload
from torchlint.semantic.knowledge.conversions import measure
from torchlint.semantic.knowledge.module_classes import describe
from torchlint.semantic.knowledge.sampling import observe, requires_grad
from torchlint.semantic.knowledge.schemas import HAND_WRITTEN, HAND_WRITTEN_SIGNATURES

_FOLDER = Path(__file__).parent
_PACKAGED = Path(torchgen.__file__).parent / "packaged"

# Modules that are private in spirit though not in name, and what needs packages that torch does not bring.
_SKIPPED_MODULES = (
    "torch.contrib",
    "torch.utils.tensorboard",
    "torch.distributed.elastic.rendezvous.etcd_rendezvous_backend",
)
# What `torch/utils/tensorboard/__init__.py` binds; importing it needs the tensorboard package.
_TENSORBOARD = {"FileWriter": "C", "RecordGeneratorWriter": "K", "SummaryWriter": "C"}
# Private modules whose names scripts do import.
_PRIVATE_MODULES = (
    "torch._tensor",
    "torch.utils.data._utils",
    "torch.utils.data._utils.collate",
    "torch.utils.data._utils.worker",
)
# Bound by `__getattr__` of the module alone.
_LAZY_NAMES = {"torch": ("has_cuda", "has_cudnn", "has_mkldnn", "has_mps")}
# What every module has.
_MODULE_ATTRIBUTES = frozenset(dir(types.ModuleType(""))) | {
    f"__{name}__" for name in ("all", "annotations", "builtins", "cached", "dir", "file", "getattr", "module", "path")
}
_MEMBER_CLASSES: tuple[type, ...] = (torch.Tensor, torch.nn.Module, torch.optim.Optimizer)
# Of several spellings of one object, one in these modules is the public one; earlier is better.
_HOMES = (
    "torch.nn.functional",
    "torch",
    "torch.nn",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.utils.data",
    "torch.nn.init",
    "torch.nn.utils",
    "torch.nn.utils.rnn",
    "torch.nn.parallel",
    "torch.autograd",
    "torch.cuda",
    "torch.distributed",
    "torch.distributions",
)
# Modules of internals: their names are recorded, their signatures are not.
_WITHOUT_SIGNATURES = re.compile(
    r"torch\.(ao|fx|testing|package|onnx\._|export\.|distributed\.\w+\.|utils\.(benchmark|data\.datapipes|hipify|viz)"
    r"|nn\.(quantiz\w+|qat|intrinsic)|quantization|overrides|return_types|masked)\b"
)
# Where the operators of native_functions.yaml live in Python, by the prefix of their names.
_INTERNAL_OPERATORS = ("_", "fbgemm_", "mkldnn_", "cudnn_", "miopen_", "quantized_")
_OPERATOR_MODULES = {"linalg": "linalg_", "fft": "fft_", "special": "special_", "sparse": "sparse_", "nn": ""}


def main(folder: Path) -> None:
    """Write both data files."""
    folder.joinpath("torch.json").write_text(render(knowledge()), encoding="utf-8")
    folder.joinpath("conversions.json").write_text(render(conversions()), encoding="utf-8")


def render(data: dict[str, object]) -> str:
    """JSON with one entry a line: sections, and in nested sections their members, each on its own."""
    lines = ["{"]
    for index, (section, content) in enumerate(data.items()):
        comma = "," if index < len(data) - 1 else ""
        if not isinstance(content, dict):
            lines.append(f"{_json(section)}:{_json(content)}{comma}")
            continue
        lines.append(f"{_json(section)}:{{")
        entries: list[str] = []
        for name, entry in content.items():
            if isinstance(entry, dict) and entry and section == "namespaces":
                members = ",\n".join(f"{_json(member)}:{_json(text)}" for member, text in entry.items())
                entries.append(f"{_json(name)}:{{\n{members}}}")
            else:
                entries.append(f"{_json(name)}:{_json(entry)}")
        lines.append(",\n".join(entries))
        lines.append(f"}}{comma}")
    return "\n".join([*lines, "}"]) + "\n"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def conversions() -> dict[str, object]:
    """The content of conversions.json."""
    measured: Conversions = measure()
    return {
        "versions": measured.versions,
        "effects": {name: list(pair) for name, pair in measured.effects.items()},
    }


def knowledge() -> dict[str, object]:
    """The content of torch.json."""
    warnings.simplefilter("ignore")
    namespaces, objects = _namespaces()
    attributes = [name for name in dir(torch.Tensor) if not name.startswith("_")]
    methods = [name for name in attributes if callable(inspect.getattr_static(torch.Tensor, name))]
    return {
        "torch": torch.__version__.partition("+")[0],
        "tensor_methods": methods,
        "tensor_properties": sorted({*attributes} - {*methods}),
        "namespaces": namespaces,
        "signatures": _signatures(objects),
        "operators": _operators(),
        "module_classes": {
            name: msgspec.to_builtins(described) for name, described in _module_classes(objects).items()
        },
    }


# Names


def _public_modules() -> Iterator[tuple[str, types.ModuleType]]:
    """Each public module, right after its import: it then binds only those children that it imports."""

    def walk(path: list[str], prefix: str) -> Iterator[tuple[str, types.ModuleType]]:
        for found in sorted(pkgutil.iter_modules(path, prefix), key=lambda found: found.name):
            if found.name.rpartition(".")[2].startswith("_") or found.name in _SKIPPED_MODULES:
                continue
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                module = importlib.import_module(found.name)
            yield found.name, module
            if found.ispkg:
                yield from walk(list(getattr(module, "__path__", [])), f"{found.name}.")

    logging.disable(logging.WARNING)
    try:
        yield "torch", torch
        yield from walk(list(torch.__path__), "torch.")
        for name in _PRIVATE_MODULES:
            yield name, importlib.import_module(name)
    finally:
        logging.disable(logging.NOTSET)


def _code(value: object) -> str:
    if isinstance(value, types.ModuleType):
        return "M"
    if isinstance(value, type):
        return "C"
    if inspect.isroutine(value):
        return "F"
    # An instance that can be called is a function to its reader; so not a tensor or what typing makes.
    return "F" if callable(value) and type(value).__module__ not in ("typing", "types") else "K"


def _namespaces() -> tuple[dict[str, dict[str, str]], dict[str, object]]:
    """What each module and member class binds, and all classes and functions by their canonical name."""
    bound: dict[str, dict[str, object]] = {}
    exported: dict[str, set[str]] = {}
    # What `import torch` alone binds: importing more modules binds more children in their packages.
    at_first = {name: set(vars(module)) for name, module in sys.modules.items() if name.startswith("torch")}
    for name, module in _public_modules():
        members = {member: _member(module, member) for member in _member_names(module, name)}
        bound[name] = dict(sorted(members.items()))
        declared = vars(module).get("__all__")
        exported[name] = set(
            declared
            if declared is not None
            else (member for member in at_first.get(name, vars(module)) if not member.startswith("_"))
        )
    for name in list(bound):
        # A child is an attribute of its package once anything has imported it.
        parent, _, member = name.rpartition(".")
        if parent in bound and not member.startswith("_"):
            bound[parent].setdefault(member, sys.modules[name])
    homes = _canonical_names(bound)
    spaces: dict[str, dict[str, str]] = {}
    objects: dict[str, object] = {}
    for name, members in bound.items():
        spaces[name] = {}
        for member, value in sorted(members.items()):
            here = f"{name}.{member}"
            code = _code(value)
            target = here
            if isinstance(value, types.ModuleType):
                target = here if here in bound else value.__name__
            elif isinstance(value, torch.dtype):
                target = str(value)
            elif code in "CF" and id(value) in homes:
                target = homes[id(value)]
                objects[target] = value
            letter = code if member in exported[name] else code.lower()
            spaces[name][member] = letter if target == here else f"{letter}={target}"
    spaces["torch.utils"]["tensorboard"] = "m"
    spaces["torch.utils.tensorboard"] = dict(_TENSORBOARD)
    for owner in _MEMBER_CLASSES:
        name = homes[id(owner)]
        spaces[name] = {}
        for member in dir(owner):
            value = inspect.getattr_static(owner, member)
            if member.startswith("_") or hasattr(object, member):
                continue
            spaces[name][member] = (
                "F" if callable(getattr(owner, member, None)) and not isinstance(value, property) else "K"
            )
            if inspect.isroutine(value):
                objects[f"{name}.{member}"] = value
    return dict(sorted(spaces.items())), dict(sorted(objects.items()))


def _member_names(module: types.ModuleType, name: str) -> set[str]:
    """The names to record: the public ones, and private ones that are the module's own."""
    declared = {member for member in vars(module).get("__all__", ()) if hasattr(module, member)}
    # Modules such as torch.backends.cudnn have a class with properties.
    own = {*vars(module), *_LAZY_NAMES.get(name, ()), *dir(type(module))} - {*dir(types.ModuleType)}
    return declared | {
        member
        for member in own - _MODULE_ATTRIBUTES
        if not member.startswith("_")
        or re.fullmatch(r"__\w+__", member)
        or getattr(vars(module).get(member), "__module__", None) == name
    }


def _member(module: types.ModuleType, member: str) -> object:
    try:
        return getattr(module, member)
    except (AttributeError, RuntimeError, AssertionError):
        # A property that needs a device.
        return None


def _canonical_names(bound: dict[str, dict[str, object]]) -> dict[int, str]:
    """The best spelling of each class and function that is torch's own, by id."""
    spellings: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for module, members in bound.items():
        for member, value in members.items():
            if _code(value) in "CF" and _is_torchs(value):
                spellings[id(value)].append((module, member))

    def rank(spelling: tuple[str, str]) -> tuple[bool, int, int, int, str]:
        module, member = spelling
        value = bound[module][member]
        home = _HOMES.index(module) if module in _HOMES else len(_HOMES)
        # Classes in torch.nn.functional are but imports.
        if module == "torch.nn.functional" and isinstance(value, type):
            home = len(_HOMES)
        private = member.startswith("_") or "._" in module
        renamed = getattr(value, "__name__", member) != member
        return private, home, renamed, module.count("."), f"{module}.{member}"

    best: dict[int, tuple[str, str]] = {key: min(found, key=rank) for key, found in spellings.items()}
    return {key: f"{module}.{member}" for key, (module, member) in best.items()}


def _is_torchs(value: object) -> bool:
    module = getattr(value, "__module__", None)
    # Functions of the C extension have no module.
    return module is None or module.split(".")[0] == "torch"


# Signatures


def _signatures(objects: dict[str, object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in objects.items():
        if _WITHOUT_SIGNATURES.match(name) or not callable(value):
            continue
        owner = objects.get(name.rpartition(".")[0])
        receiver = isinstance(owner, type) and not isinstance(value, (staticmethod, classmethod))
        text = HAND_WRITTEN_SIGNATURES.get(name) or _signature(value, drop_first=receiver)
        if text is not None:
            found[name] = text
    return found


def _signature(value: Callable[..., object], *, drop_first: bool) -> str | None:
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (ValueError, TypeError):
        return None
    if drop_first:
        parameters = parameters[1:]
    if [parameter.kind.name for parameter in parameters] == [
        "VAR_POSITIONAL",
        "VAR_KEYWORD",
    ] and not isinstance(value, type):
        # A wrapper that hides what it wraps.
        return None
    parts: list[str] = []
    previous = None
    for parameter in parameters:
        kind = parameter.kind
        if previous is inspect.Parameter.POSITIONAL_ONLY is not kind:
            parts.append("/")
        if kind is inspect.Parameter.KEYWORD_ONLY and previous not in (
            kind,
            inspect.Parameter.VAR_POSITIONAL,
        ):
            parts.append("*")
        stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(kind.name, "")
        default = "" if parameter.default is inspect.Parameter.empty else f"={_default(parameter.default)}"
        parts.append(f"{stars}{parameter.name}{default}")
        previous = kind
    if previous is inspect.Parameter.POSITIONAL_ONLY:
        parts.append("/")
    return ", ".join(parts)


def _default(value: object) -> str:
    plain = value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))
    return repr(value) if plain else "..."


# Operators


class _Native(typing.NamedTuple):
    """An entry of native_functions.yaml: as Python calls it, and its arguments as they are declared."""

    overload: Overload
    packet: str
    overload_name: str
    declared: tuple[Argument, ...]
    factory: bool


def _operators() -> dict[str, list[str]]:
    natives = _natives()
    overloads: dict[str, list[Overload]] = {}
    for name, found in natives.items():
        value = _lookup(name)
        # A Python function in front of an operator has a signature of its own.
        if value is None or isinstance(value, types.FunctionType) or not callable(value):
            continue
        overloads[name] = [_observed_native(native) for native in found]
    overloads |= _annotated_functions()
    for name, texts in HAND_WRITTEN.items():
        overloads[name] = [_observed(name, parse_overload(text)) for text in texts]
    homes = {
        id(value): name for name in overloads if (value := _lookup(name)) is not None and name.startswith("torch.nn.")
    }
    # conv2d and the like are one object under torch and torch.nn.functional.
    shared = {
        f"torch.nn.functional.{name.removeprefix('torch.')}": name
        for name in overloads
        if name.count(".") == 1 and getattr(torch.nn.functional, name.removeprefix("torch."), None) is _lookup(name)
    }
    for better, name in shared.items():
        if id(_lookup(name)) not in homes:
            overloads[better] = overloads.pop(name)
    return {name: [_text(overload) for overload in overloads[name]] for name in sorted(overloads)}


def _lookup(name: str) -> object:
    value: object = torch
    for part in name.split(".")[1:]:
        value = getattr(value, part, None)
    return value


def _natives() -> dict[str, list[_Native]]:
    """The operators of native_functions.yaml by the names under which Python reaches them."""
    entries = yaml.load((_PACKAGED / "ATen/native/native_functions.yaml").read_text(), yaml.CSafeLoader)
    derivatives = _derivatives()
    with_out: defaultdict[str, list[list[str]]] = defaultdict(list)
    parsed: list[tuple[str, str, dict[str, object], Overload]] = []
    for entry in entries:
        head, _, rest = entry["func"].replace("SymInt", "int").partition("(")
        base, _, overload_name = head.partition(".")
        overload = parse_overload(f"({rest}")
        outputs = entry["func"].count("!")
        if outputs and not base.endswith("_") and overload.parameters and "(a!)" in entry["func"]:
            names = [argument.name for argument in overload.parameters]
            with_out[base].append(names[: len(names) - len(overload.returns)])
        else:
            parsed.append((base, overload_name, entry, overload))
    found: defaultdict[str, list[_Native]] = defaultdict(list)
    for base, overload_name, entry, overload in parsed:
        module = str(entry.get("python_module", ""))
        member = base.removeprefix(_OPERATOR_MODULES.get(module, ""))
        if member.startswith(_INTERNAL_OPERATORS):
            continue
        key = f"{base}.{overload_name}" if overload_name else base
        dispatch = entry.get("dispatch")
        composite = not entry.get("structured_delegate") and (
            dispatch is None
            or any("CompositeImplicit" in str(backend) for backend in typing.cast(dict[str, str], dispatch))
        )
        # An operator in place has the derivative of the one it is made from.
        marks = derivatives.get(key) or derivatives.get(key.replace("_.", ".").removesuffix("_"))
        returns = tuple(
            Return(
                result.name,
                result.type,
                result.type.startswith("Tensor") and (marks[index] if marks else composite),
            )
            for index, result in enumerate(overload.returns)
        )
        factory = any(argument.name == "layout" and argument.keyword_only for argument in overload.parameters)
        variants = [variant.strip() for variant in str(entry.get("variants", "function")).split(",")]
        native = _Native(
            Overload(overload.parameters, returns),
            base,
            overload_name or "default",
            overload.parameters,
            factory,
        )
        if "function" in variants:
            home = {"": "torch", "nn": "torch.nn.functional"}.get(module, f"torch.{module}")
            has_out = [argument.name for argument in overload.parameters] in with_out[base]
            found[f"{home}.{member}"].append(native._replace(overload=_as_function(native, has_out=has_out)))
        if "method" in variants:
            found[f"torch.Tensor.{base}"].append(native._replace(overload=_as_method(native)))
    # Bound under the name of its Python function.
    found["torch.nn.functional.logsigmoid"] = found.pop("torch.nn.functional.log_sigmoid")
    return dict(found)


def _derivatives() -> dict[str, list[bool]]:
    """For each operator in derivatives.yaml, which of its outputs have a gradient."""
    entries = yaml.load((_PACKAGED / "autograd/derivatives.yaml").read_text(), yaml.CSafeLoader)
    marks: dict[str, list[bool]] = {}
    for entry in entries:
        head, _, rest = entry["name"].partition("(")
        overload = parse_overload(f"({rest}")
        formulas = {
            key: value for key, value in entry.items() if key not in ("name", "dispatch", "output_differentiability")
        }
        formulas |= entry.get("dispatch", {}).get("Default", {})
        differentiable = any(formula != "non_differentiable" for name, formula in formulas.items() if name != "result")
        stated = entry.get("output_differentiability")
        marks[head] = [mark is not False for mark in stated] if stated else [differentiable] * len(overload.returns)
    return marks


def _as_function(native: _Native, *, has_out: bool) -> Overload:
    parameters = [
        msgspec.structs.replace(argument, name="input") if argument.name == "self" else argument
        for argument in native.overload.parameters
    ]
    returns = native.overload.returns
    if has_out:
        parameters.append(Argument("out", "Tensor?" if len(returns) == 1 else "Tensor[]?", True, "None"))
    return _as_in_python(parameters, returns, factory=native.factory)


def _as_method(native: _Native) -> Overload:
    parameters = [argument for argument in native.overload.parameters if argument.name != "self"]
    return _as_in_python(parameters, native.overload.returns, factory=native.factory)


def _as_in_python(parameters: list[Argument], returns: tuple[Return, ...], *, factory: bool) -> Overload:
    positional = [argument for argument in parameters if not argument.keyword_only]
    if len(positional) == 1 and re.match(r"int\[\d*\]\??$", positional[0].type):
        parameters[parameters.index(positional[0])] = msgspec.structs.replace(positional[0], variadic=True)
    if factory:
        parameters.append(Argument("requires_grad", "bool", True, "False"))
        returns = tuple(msgspec.structs.replace(result, differentiable=False) for result in returns)
    return Overload(tuple(parameters), returns)


def _observed_native(native: _Native) -> Overload:
    """The overload with the gradients that were seen where the operator could be run."""
    if native.factory or not any(result.type.startswith("Tensor") for result in native.overload.returns):
        return native.overload
    packet = getattr(torch.ops.aten, native.packet, None)
    call = getattr(packet, native.overload_name, None)
    if call is None:
        return native.overload
    return _with_gradients(native.overload, observe(call, native.declared))


def _observed(name: str, overload: Overload) -> Overload:
    """The same for a Python callable; a method gets a receiver."""
    value = _lookup(name)
    if not callable(value) or not any(result.type.startswith("Tensor") for result in overload.returns):
        return overload
    parameters = overload.parameters
    if name.startswith("torch.Tensor."):
        parameters = (Argument("self", "Tensor"), *parameters)
    return _with_gradients(overload, observe(value, parameters, spread=True))


def _with_gradients(overload: Overload, observed: tuple[object] | None) -> Overload:
    if observed is None:
        return overload
    (result,) = observed
    results = [result] if len(overload.returns) == 1 else list(typing.cast(tuple[object, ...], result))
    if len(results) != len(overload.returns):
        raise ValueError(f"{len(results)} results, but expected {overload}")
    return Overload(
        overload.parameters,
        tuple(
            msgspec.structs.replace(declared, differentiable=declared.type.startswith("Tensor") and requires_grad(seen))
            for declared, seen in zip(overload.returns, results, strict=True)
        ),
    )


def _annotated_functions() -> dict[str, list[Overload]]:
    """The functions of torch.nn.functional that are written in Python, as annotated."""
    overloads: dict[str, list[Overload]] = {}
    functional = torch.nn.functional
    for member in dir(functional):
        value = getattr(functional, member)
        name = f"torch.nn.functional.{member}"
        if not isinstance(value, types.FunctionType) or value.__module__ != functional.__name__:
            continue
        if member.startswith("_") or member.endswith("_with_indices"):
            continue
        variant = getattr(functional, f"{member}_with_indices", None)
        if variant is not None:
            both = _annotated(variant)
            pooled, indices = both.returns
            indices = msgspec.structs.replace(indices, differentiable=False)
            overloads[name] = [
                _observed(name, Overload(_flagged(both.parameters, literal="False"), (pooled,))),
                _observed(name, Overload(_flagged(both.parameters, literal="True"), (pooled, indices))),
            ]
        elif "return" in value.__annotations__ and _annotation(value.__annotations__["return"]).startswith(
            ("Tensor", "(")
        ):
            overloads[name] = [_observed(name, _annotated(value))]
    return overloads


def _flagged(parameters: tuple[Argument, ...], *, literal: str) -> tuple[Argument, ...]:
    default = "False" if literal == "False" else None
    return tuple(
        msgspec.structs.replace(argument, type=literal, default=default)
        if argument.name == "return_indices"
        else argument
        for argument in parameters
        if not argument.name.startswith("_")
    )


def _annotated(function: Callable[..., object]) -> Overload:
    described = inspect.signature(function)
    parameters = tuple(
        Argument(
            parameter.name,
            _parameter_type(parameter),
            parameter.kind is parameter.KEYWORD_ONLY,
            None if parameter.default is parameter.empty else repr(parameter.default),
        )
        for parameter in described.parameters.values()
        if not parameter.name.startswith("_")
    )
    result = _annotation(described.return_annotation)
    inner = result[1:-1].split(", ") if result.startswith("(") else [result]
    return Overload(parameters, tuple(Return("", type_, type_.startswith("Tensor")) for type_ in inner))


def _parameter_type(parameter: inspect.Parameter) -> str:
    # torch.jit knows a dtype as an int.
    type_ = "ScalarType?" if parameter.name == "dtype" else _annotation(parameter.annotation)
    return f"{type_}?" if parameter.default is None and not type_.endswith(("?", "Any")) else type_


_ANNOTATIONS = {
    torch.Tensor: "Tensor",
    int: "int",
    float: "float",
    bool: "bool",
    str: "str",
    # torch.jit's BroadcastingList: an int, or one for each dimension.
    None: "int[1]",
    types.NoneType: "int[1]",
    torch.dtype: "ScalarType",
}


def _annotation(annotation: object) -> str:
    if isinstance(annotation, typing.Hashable) and annotation in _ANNOTATIONS:
        return _ANNOTATIONS[typing.cast(type, annotation)]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType) and types.NoneType in arguments and len(arguments) == 2:
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return f"{_annotation(inner)}?"
    if arguments in ((int, float), (float, int)):
        return "Scalar"
    if origin is list:
        return f"{_annotation(arguments[0])}[]"
    if origin is tuple:
        return f"({', '.join(map(_annotation, arguments))})"
    return "Any"


def _text(overload: Overload) -> str:
    """The inverse of `parse_overload`."""
    parts: list[str] = []
    starred = False
    for argument in overload.parameters:
        if argument.keyword_only and not starred:
            parts.append("*")
            starred = True
        default = "" if argument.default is None else f"={argument.default}"
        parts.append(f"{argument.type}{'...' if argument.variadic else ''} {argument.name}{default}")
    results = [
        f"{result.type}{'^' if result.differentiable else ''} {result.name}".strip() for result in overload.returns
    ]
    tail = results[0] if len(results) == 1 else f"({', '.join(results)})"
    return f"({', '.join(parts)}) -> {tail}"


# Modules


def _module_classes(objects: dict[str, object]) -> dict[str, ModuleClass]:
    names = {id(value): name for name, value in objects.items()}
    described: dict[str, ModuleClass] = {}
    for name, value in objects.items():
        if (
            isinstance(value, type)
            and issubclass(value, torch.nn.Module)
            and name.startswith("torch.nn.")
            and not _WITHOUT_SIGNATURES.match(name)
        ):
            described[name] = describe(value, names)
    return described


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _FOLDER)
