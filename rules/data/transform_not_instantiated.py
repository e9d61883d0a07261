import re

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.knowledge.vision import COMPOSE, TRANSFORM_MODULES, WITHOUT_ARGUMENTS, transform_class
from torchlint.semantic.values import ClassInfo, Const, FunctionRef, Instance, Symbol, TupleOf, Value

KEYWORDS = frozenset({"transform", "target_transform", "transforms"})


class TransformNotInstantiated(Rule):
    """Checks for a transform of torchvision given as a class, or as the module, where an instance is called.

    Reported are `transform=`, `target_transform=` and `transforms=` of datasets of torchvision and of the project's own
    datasets that call what they are given, default parameters, elements of `Compose`, a class called with an
    image, and `Compose` given transforms one by one.

    ## Why is this bad?
    Calling the class with an image constructs it: `TypeError: ToTensor.__init__() takes 1 positional argument
    but 2 were given`; or it silently gives a transform object in place of an image, and the next step fails.
    A module raises `TypeError: 'module' object is not callable`.

    ## Example
    ```python
    from torchvision import datasets, transforms

    data = datasets.MNIST("data", transform=transforms.ToTensor)
    ```

    ## Use instead
    ```python
    from torchvision import datasets, transforms

    data = datasets.MNIST("data", transform=transforms.ToTensor())
    ```

    ## Fix safety
    Safe: the code could not run before. `()` is added only where the class has no required argument.

    ## References
    - https://docs.pytorch.org/vision/stable/transforms.html
    """

    code = "TL401"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("transforms", "torchvision")

    def leave_Module(self, node: cst.Module) -> None:
        for call in self.model.all_calls:
            if call.certain and isinstance(call.node, cst.Call):
                self._check_call(call.node, call)

    def _check_call(self, node: cst.Call, call: Call) -> None:
        if call.name in COMPOSE:
            self._check_compose(node, call)
        elif isinstance(call.callee, Symbol):
            if call.callee.name.startswith("torchvision.datasets."):
                self._check_keywords(node)
                for arg in node.args:
                    # Whichever parameter it is: a dataset has no use for a transform class, or for the module.
                    if arg.keyword is None and not arg.star:
                        self._check_value(arg.value)
            elif _transform(call.callee) is not None:
                self._check_image(node, call)
        elif (
            isinstance(call.callee, ClassInfo)
            and any(map(_is_suspect, (*call.arguments.positional, *call.arguments.keywords.values())))
            and self._calls_its_transform(call.callee)
        ):
            self._check_keywords(node)
            self._check_positional(node, call.callee)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        """Default parameters: `def __init__(self, transform=transforms.ToTensor)`."""
        if node.name.value != "__init__" or not _calls_transform(self.source.text):
            return
        for parameter in (*node.params.params, *node.params.kwonly_params):
            if parameter.name.value in KEYWORDS and parameter.default is not None:
                self._check_value(parameter.default)

    def _check_keywords(self, node: cst.Call) -> None:
        for arg in node.args:
            if arg.keyword is not None and arg.keyword.value in KEYWORDS:
                self._check_value(arg.value)

    def _check_positional(self, node: cst.Call, info: ClassInfo) -> None:
        initializer = info.base.get("__init__")
        if not isinstance(initializer, FunctionRef) or any(arg.star for arg in node.args):
            return
        names = [parameter.name.value for parameter in initializer.info.node.params.params[1:]]
        for name, arg in zip(names, node.args, strict=False):
            if name in KEYWORDS and arg.keyword is None:
                self._check_value(arg.value)

    def _check_value(self, place: cst.BaseExpression) -> None:
        value = self.model.value(place)
        name = _transform(value)
        if name is not None:
            self.report(
                place,
                f"`{name}` is a class; what is called with an image must be an instance",
                help=f"make an instance: `{name}({'' if name in WITHOUT_ARGUMENTS else '...'})`",
                fix=self._instantiate(place, name),
            )
        elif isinstance(value, Symbol) and value.name in TRANSFORM_MODULES:
            self.report(
                place, "the module `transforms` is passed where a transform is called", help="pass a transform of it"
            )

    @staticmethod
    def _calls_its_transform(info: ClassInfo) -> bool:
        """Whether a dataset of the project calls the transform that it keeps with a sample."""
        return _calls_transform(info.unit.module.code_for_node(info.node))

    def _instantiate(self, place: cst.BaseExpression, name: str) -> Repair | None:
        if name not in WITHOUT_ARGUMENTS:
            return None
        return self.fix("add `()`", Applicability.SAFE, self.insert_after(place, "()"))

    def _check_compose(self, node: cst.Call, call: Call) -> None:
        if not node.args or node.args[0].star:
            return
        first = node.args[0]
        value = call.argument(0, "transforms")
        name = _transform(value) if value is not None else None
        if name is not None:
            self._check_value(first.value)
        elif len(call.arguments.positional) > 1 or (
            isinstance(value, Instance) and value.symbol is not None and _transform(Symbol(value.symbol)) is not None
        ):
            edits = (self.insert_before(first.value, "["), self.insert_after(node.args[-1].value, "]"))
            self.report(
                node,
                "`Compose` takes one list of transforms",
                help="put the transforms in a list",
                fix=self.fix("put them in a list", Applicability.SAFE, *edits)
                if not any(a.keyword for a in node.args)
                else None,
            )
        elif isinstance(first.value, (cst.List, cst.Tuple)):
            for element in first.value.elements:
                if not isinstance(element, cst.StarredElement):
                    self._check_value(element.value)
        else:
            held = call.lists.get(value) if value is not None else None
            names = [_transform(item) for item in (held.items or ()) if _transform(item)] if held is not None else []
            if names:
                self.report(
                    first.value,
                    f"the list holds the class `{names[0]}`; what is called with an image must be an instance",
                    help=f"make an instance: `{names[0]}({'' if names[0] in WITHOUT_ARGUMENTS else '...'})`",
                    related=[(value.origin if value is not None else None, "the list")],
                )

    def _check_image(self, node: cst.Call, call: Call) -> None:
        """`self.transform(image)` where it is a class: the call of something that is not written as the class."""
        assert isinstance(call.callee, Symbol)
        last = node.func.attr.value if isinstance(node.func, cst.Attribute) else getattr(node.func, "value", "")
        name = _transform(call.callee)
        given = call.arguments.positional
        if name is None or not given or not call.arguments.complete or isinstance(given[0], (Const, TupleOf)):
            return
        if name == "ToTensor" and last == name:
            self.report(
                node,
                "`ToTensor` is constructed from an image; its constructor takes no argument",
                help="make the instance first: `ToTensor()(image)`",
                fix=self.fix(
                    "construct an instance and call it", Applicability.SAFE, self.insert_after(node.func, "()")
                ),
            )


def _calls_transform(text: str) -> bool:
    """Whether code calls a transform that it keeps with something, and does not make the instance itself."""
    if re.search(r"transforms?\(\s*\)", text):
        return False
    return re.search(r"self\.\w*transforms?\(\s*\w", text) is not None


def _is_suspect(value: Value) -> bool:
    return _transform(value) is not None or (isinstance(value, Symbol) and value.name in TRANSFORM_MODULES)


def _transform(value: Value) -> str | None:
    """The name of the transform class that a value is, or None."""
    known = transform_class(value.name) if isinstance(value, Symbol) else None
    return known[0] if known is not None else None
