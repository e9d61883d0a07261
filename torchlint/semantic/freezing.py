"""What `requires_grad` is set of, where values do not tell: by the loop, the class and the uses around it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from torchlint.semantic.enclosing import enclosing
from torchlint.semantic.flow import dotted
from torchlint.semantic.instances import is_module
from torchlint.semantic.members import is_member, receiver_name
from torchlint.semantic.parts import nodes_in
from torchlint.semantic.values import ClassInfo, Instance, Iterated, Method, ParameterOf, Tensor, TupleOf, Value

if TYPE_CHECKING:
    from torchlint.semantic.model import Model

FLAG, METHOD = "requires_grad", "requires_grad_"
# `require_grad`, `required_grad`, `requires_grads`, `requires_gard`, `requiresGrad` ...
_LIKE_FLAG = re.compile(r"_*req\w{2,6}g\w{2,7}", re.IGNORECASE)
# Methods that modules have, and tensors have not.
_OF_MODULES = frozenset({
    "parameters", "named_parameters", "children", "named_children", "modules", "named_modules", "eval", "train",
    "state_dict", "load_state_dict", "zero_grad",
})  # fmt: skip
# What iterating over the results of these methods gives; of pairs, the second part.
_ELEMENTS = {
    "parameters": "parameter", "named_parameters": "parameter", "children": "module", "named_children": "module",
    "modules": "module", "named_modules": "module",
}  # fmt: skip
# What gives the elements of its first argument.
_PASSING = frozenset({"list", "tuple", "reversed", "iter"})
# Names that nobody gives to a tensor, as variables and as attributes.
_MODULE_NAME = re.compile(
    r"(\w+_)?(model|net|network|backbone|encoder|decoder|generator|discriminator|unet|vae|bert|resnet\d*|vgg\d*)|net[GD]",
    re.IGNORECASE,
)
_LAYER_NAME = re.compile(r"(fc|layer|conv|bn)\d*|(\w+_)?classifier", re.IGNORECASE)
# Attributes that are layers where they are those of a model, and some that hold layers.
_PART_NAME = re.compile(r"embeddings|features|layers?|blocks|stages|resblocks|pooler|heads?")
_HOLDING_NAME = re.compile(r"features|layers?|blocks|stages|resblocks|classifier")
# Layers of torchvision's models, by their attributes.
_LAYERS = frozenset({
    "fc", "classifier", "features", "layer1", "layer2", "layer3", "layer4", "conv1", "bn1", "avgpool", "backbone",
    "heads", "head", "encoder", "AuxLogits",
})  # fmt: skip
_OWN_FLAG = re.compile(r"\bself\.requires_grad\b")
# `param.requires_grad == False` on a line of its own.
_COMPARED = re.compile(rf"\b{FLAG}\s*==\s*(True|False)\b")
# Objects that hold settings, under any names.
_SETTINGS = re.compile(r"cfg|conf|args|opt(ion)?s?$|params|settings|spec", re.IGNORECASE)


class Element(NamedTuple):
    """What a loop variable is: a `parameter`, a `module`, or an `entry` of a state dict; `pair`: with its name."""

    kind: str
    pair: bool


def is_like_flag(name: str) -> bool:
    """Whether a name is `requires_grad` misspelled."""
    return name not in (FLAG, METHOD) and _LIKE_FLAG.fullmatch(name) is not None


def kind_of(model: "Model", text: str, target: cst.Attribute, owner: Value) -> str | None:
    """What an attribute is assigned of, in a file with a text: `module`, `parameter`, `parameters`, `pair`, `entry`;
    `unknown` where nothing is known, and None where all is well."""
    written = target.value
    if isinstance(owner, Instance):
        return "module" if _is_module(owner, target) else None
    if isinstance(owner, Method):
        receiver = owner.receiver
        known = isinstance(receiver, Instance) and (receiver.symbol or "").startswith("torchvision.models.")
        return "module" if known and owner.attribute in _LAYERS else None
    if isinstance(owner, Iterated):
        first = owner.element.items[-1] if isinstance(owner.element, TupleOf) else owner.element
        return "parameters" if isinstance(first, ParameterOf) else None
    if isinstance(owner, TupleOf):
        return "pair" if isinstance(owner.items[-1], ParameterOf) and len(owner.items) == 2 else None
    if isinstance(owner, (ParameterOf, Tensor)):
        if not isinstance(written, cst.Name) or "state_dict" not in text:
            return "parameter"
        element = loop_element(model.module, written)
        return "entry" if element is not None and element.kind == "entry" else "parameter"
    if _OWN_FLAG.search(text):
        # It may be an object that has such a flag.
        return None
    if isinstance(written, cst.Call):
        return "parameters" if _gives_parameters(written) else None
    if isinstance(written, cst.Name):
        element = loop_element(model.module, written)
        if element is not None:
            return "pair" if element.pair else element.kind
    known = is_named_as_module(written) or is_used_as_module(model.module, written)
    return "module" if known else "unknown"


def _is_module(owner: Instance, target: cst.Attribute) -> bool:
    if not is_module(owner):
        return False
    if owner.info is None:
        return True
    own = isinstance(target.value, cst.Name) and target.value.value == "self"
    return not own and not has_own(owner.info, target.attr.value)


def _gives_parameters(written: cst.Call) -> bool:
    func = written.func
    return isinstance(func, cst.Attribute) and func.attr.value in ("parameters", "named_parameters")


def compared(root: cst.Module, text: str) -> Iterator[tuple[cst.Expr, cst.Attribute, str]]:
    """The statements `param.requires_grad == False` of a file with a text: what is compared, and to what."""
    for node in nodes_in(root) if _COMPARED.search(text) else ():
        test = node.value if isinstance(node, cst.Expr) else None
        if isinstance(test, cst.Comparison) and len(test.comparisons) == 1 and isinstance(test.left, cst.Attribute):
            first, left = test.comparisons[0], test.left
            if left.attr.value == FLAG and isinstance(first.operator, cst.Equal):
                if dotted(first.comparator) in ("True", "False") and isinstance(node, cst.Expr):
                    yield node, left, dotted(first.comparator)


def loop_element(root: cst.Module, variable: cst.Name) -> Element | None:
    """What a variable is by the innermost loop around a place that binds it."""
    for outer in reversed(enclosing(root, variable)):
        if not isinstance(outer, cst.For):
            continue
        target = outer.target
        if isinstance(target, cst.Name) and target.value == variable.value:
            return _element(root, outer.iter)
        if isinstance(target, cst.Tuple):
            inner = [element.value for element in target.elements]
            if isinstance(inner[-1], cst.Name) and inner[-1].value == variable.value and len(inner) == 2:
                source = outer.iter
                if isinstance(source, cst.Call) and dotted(source.func) == "enumerate" and source.args:
                    return _element(root, source.args[0].value)
                found = _element(root, source)
                return Element(found.kind, False) if found is not None and found.pair else None
    return None


def _element(root: cst.Module, source: cst.BaseExpression, followed: bool = False) -> Element | None:
    while True:
        if isinstance(source, cst.Subscript):
            source = source.value
        elif isinstance(source, cst.Call) and dotted(source.func) in _PASSING and len(source.args) == 1:
            source = source.args[0].value
        else:
            break
    if isinstance(source, cst.Name):
        made = _assigned(root, source) if not followed else None
        return _element(root, made, True) if made is not None else None
    if isinstance(source, cst.Attribute) and _HOLDING_NAME.fullmatch(source.attr.value):
        return Element("module", False) if _is_of_model(source) else None
    if not isinstance(source, cst.Call) or not isinstance(source.func, cst.Attribute):
        return None
    method, owner = source.func.attr.value, source.func.value
    if method in _ELEMENTS:
        return Element(_ELEMENTS[method], method.startswith("named_"))
    if method in ("items", "values") and not source.args and isinstance(owner, cst.Call) and not owner.args:
        if isinstance(owner.func, cst.Attribute) and owner.func.attr.value == "state_dict":
            return Element("entry", method == "items")
    return None


def _assigned(root: cst.Module, variable: cst.Name) -> cst.Call | None:
    """The one call that a variable is assigned, where nothing else in its function binds it: `list(net.children())`."""
    scopes = [outer for outer in enclosing(root, variable) if isinstance(outer, cst.FunctionDef)]
    targets = (node for node in nodes_in(scopes[-1] if scopes else root) if isinstance(node, cst.Assign))
    found = [node.value for node in targets if any(dotted(each.target) == variable.value for each in node.targets)]
    return found[0] if len(found) == 1 and isinstance(found[0], cst.Call) else None


def _is_of_model(part: cst.Attribute) -> bool:
    """Whether the owner of an attribute is a model by its name: `model.features`, `self.bert.encoder.layer`."""
    owner = part.value
    last = owner.attr.value if isinstance(owner, cst.Attribute) else dotted(owner)
    return _MODULE_NAME.fullmatch(last) is not None


def is_used_as_module(root: cst.Module, target: cst.BaseExpression) -> bool:
    """Whether the code around calls `self.net(x)`, `self.net.parameters()` and the like of what a target names."""
    name = dotted(target)
    if not name:
        return False
    around = enclosing(root, target)
    wanted = cst.ClassDef if name.startswith("self.") else cst.FunctionDef
    scope = next((outer for outer in reversed(around) if isinstance(outer, wanted)), root)
    found = False
    for node in nodes_in(scope):
        if type(node) is cst.Call and type(node.func) in (cst.Name, cst.Attribute):
            called = dotted(node.func)
            if called in ("isinstance", "hasattr") and node.args and dotted(node.args[0].value) == name:
                # It may be one thing or another.
                return False
            owner, _, method = called.rpartition(".")
            found = found or called == name or (owner == name and method in _OF_MODULES)
    return found


def is_named_as_module(target: cst.BaseExpression) -> bool:
    """Whether a name plainly says that it is a module: `self.backbone`, `text_encoder`, `model.fc`."""
    if isinstance(target, cst.Subscript) and isinstance(target.value, cst.Attribute):
        # `model.classifier[6]`
        index = target.slice[0].slice
        number = isinstance(index, cst.Index) and isinstance(index.value, (cst.Integer, cst.UnaryOperation))
        return number and _HOLDING_NAME.fullmatch(target.value.attr.value) is not None and _is_of_model(target.value)
    if isinstance(target, cst.Attribute) and _PART_NAME.fullmatch(target.attr.value) and _is_of_model(target):
        return True
    *owners, last = dotted(target).split(".")
    if isinstance(target, cst.Attribute):
        owners, last = owners or ["..."], target.attr.value
    if any(map(_SETTINGS.search, (*owners, last))):
        return False
    return _MODULE_NAME.fullmatch(last) is not None or (bool(owners) and _LAYER_NAME.fullmatch(last) is not None)


def is_read(root: cst.Module, name: str) -> bool:
    """Whether a file reads an attribute of this name, or has a variable or argument of it."""
    written: set[cst.CSTNode] = set()
    found: set[cst.CSTNode] = set()
    for node in nodes_in(root):
        if isinstance(node, cst.AssignTarget) and isinstance(node.target, cst.Attribute):
            written.add(node.target.attr)
        elif isinstance(node, cst.Name) and node.value == name:
            found.add(node)
    return bool(found - written)


def has_own(info: ClassInfo, name: str) -> bool:
    """Whether a class of the project, or one that it derives from, has an attribute of this name itself."""
    for entry in info.mro:
        if isinstance(entry, ClassInfo):
            if name in entry.base:
                return True
            for method in entry.node.body.body:
                if isinstance(method, cst.FunctionDef):
                    receiver = receiver_name(method)
                    if any(is_member(node, receiver) and node.attr.value == name for node in nodes_in(method)):
                        return True
    return False
