import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.instances import is_module_class
from torchlint.semantic.knowledge import kind, module_class, signature
from torchlint.semantic.values import ClassInfo, FunctionRef, ListRef, Symbol, Tensor, Tri, TupleOf, Value

CONTAINERS = frozenset({"torch.nn.Sequential", "torch.nn.ModuleList"})


class ModuleClassNotInstantiated(Rule):
    """Checks for an `nn.Module` class used where an instance is needed, or constructed from a tensor.

    Reported are classes, functions and lists as elements of `nn.Sequential` and `nn.ModuleList`, layers whose
    constructor is given the data (`nn.ReLU(x)`, `self.act = nn.GELU` and then `self.act(x)`), and a `nn.ModuleList`
    that is called. Of losses, `loss-class-called-with-tensors` tells.

    ## Why is this bad?
    Containers raise `TypeError: torch.nn.modules.activation.ReLU is not a Module subclass`. A constructor that
    is given a tensor raises, or silently builds a module, which the next operation fails on.

    ## Example
    ```python
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU)
    ```

    ## Use instead
    ```python
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    ```

    ## Fix safety
    Adding `()` to a class in a container, and unpacking a list into a container, is safe: the code could not
    run before. So is `nn.X()(...)` where the constructor always raised; it is unsafe where a module was
    silently built.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Sequential.html
    """

    code = "TL503"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("nn", "Module")

    def leave_Module(self, node: cst.Module) -> None:
        for call in self.model.all_calls:
            if call.certain and isinstance(call.node, cst.Call):
                self._check_call(call.node, call)

    def _check_call(self, node: cst.Call, call: Call) -> None:
        if call.name in CONTAINERS:
            self._check_container(node, call)
        elif call.name == "torch.nn.ModuleList.forward":
            self.report(
                node, "`nn.ModuleList` cannot be called", help="call its modules one by one, or use `nn.Sequential`"
            )
        elif isinstance(call.callee, Symbol) and module_class(call.callee.name) is not None:
            self._check_construction(node, call, call.callee.name)
        elif isinstance(call.callee, ClassInfo):
            self._check_class(node, call, call.callee)

    # -- elements of containers -----------------------------------------------------------------

    def _check_container(self, node: cst.Call, call: Call) -> None:
        assert call.name is not None
        container = call.name.rpartition(".")[2]
        if container == "ModuleList":
            if len(call.arguments.positional) > 1:
                self.report(node, "`nn.ModuleList` takes one list of modules", help="put the modules in a list")
                return
            argument = node.args[0].value if node.args else None
            if isinstance(argument, cst.List):
                for element in argument.elements:
                    if not isinstance(element, cst.StarredElement):
                        self._check_element(element.value, self.model.value(element.value), container)
            return
        for arg in node.args:
            value = self.model.value(arg.value)
            if arg.star == "*" and isinstance(arg.value, cst.List):
                for element in arg.value.elements:
                    self._check_element(element.value, self.model.value(element.value), container)
            elif arg.star == "*" and len(node.args) == 1:
                # A list that was filled before: its classes stand elsewhere.
                names = [name for name in map(self._class_name, call.arguments.positional) if name is not None]
                if names:
                    self.report(
                        arg.value,
                        f"the layers hold the class `{names[0]}`; `nn.{container}` needs instances",
                        help=f"make an instance: `{names[0]}(...)`",
                    )
            elif not arg.star and arg.keyword is None:
                if isinstance(value, (ListRef, TupleOf)):
                    self._check_list(node, arg)
                else:
                    self._check_element(arg.value, value, container)

    def _check_list(self, node: cst.Call, arg: cst.Arg) -> None:
        if len(node.args) == 1:
            self.report(
                arg.value,
                "`nn.Sequential` takes modules one by one, not a list",
                help="unpack it with `*`",
                fix=self.fix("unpack the list", Applicability.SAFE, self.insert_before(arg.value, "*")),
            )

    def _check_element(self, place: cst.BaseExpression, value: Value, container: str) -> None:
        name = self._class_name(value)
        if name is not None:
            self.report(
                place,
                f"`{name}` is a class; `nn.{container}` needs an instance",
                help=f"make an instance: `{name}(...)`",
                fix=self._instantiate(place, value),
            )
        elif isinstance(value, Symbol) and value.name.startswith("torch.") and kind(value.name) == "function":
            self.report(
                place,
                f"`{value.name.rpartition('.')[2]}` is a function; `nn.{container}` needs modules",
                help="use the module of that name in `torch.nn`",
            )
        elif isinstance(value, FunctionRef):
            self.report(
                place,
                f"a function is no module; `nn.{container}` needs modules",
                help="write an `nn.Module` that calls it",
            )

    @staticmethod
    def _class_name(value: Value) -> str | None:
        if isinstance(value, Symbol) and module_class(value.name) is not None:
            return f"nn.{value.name.rpartition('.')[2]}" if value.name.startswith("torch.nn.") else value.name
        if isinstance(value, ClassInfo) and is_module_class(value) is Tri.YES:
            return value.name
        return None

    def _instantiate(self, place: cst.BaseExpression, value: Value) -> Repair | None:
        known = module_class(value.name) if isinstance(value, Symbol) else None
        if known is None or known.required:
            return None
        return self.fix("add `()`", Applicability.SAFE, self.insert_after(place, "()"))

    # -- constructors that are given the data ------------------------------------------------------

    def _check_construction(self, node: cst.Call, call: Call, name: str) -> None:
        known = module_class(name)
        given = call.arguments.positional
        if known is None or not given or call.arguments.tail:
            return
        tensors = [isinstance(value, Tensor) for value in given]
        short = name.rpartition(".")[2]
        if tensors[0] and name.startswith("torch.nn.") and not known.is_loss and not self._takes_tensor(name):
            accepted = signature(name)
            # `*args` is that of nn.Module, which takes none.
            raises = accepted is not None and [parameter.name for parameter in accepted.parameters[:1]] in (
                [],
                ["args"],
            )
            applicability = Applicability.SAFE if raises else Applicability.UNSAFE
            self.report(
                node,
                f"`nn.{short}` is constructed from a tensor; this builds a module and computes nothing",
                help=f"construct it once, `nn.{short}(...)`, and call the instance",
                fix=self._call_instance(node, applicability) if not known.required and len(node.args) == 1 else None,
            )

    @staticmethod
    def _takes_tensor(name: str) -> bool:
        """Whether a constructor's first parameter is a module, a tensor or a list of them."""
        accepted = signature(name)
        first = accepted.parameters[0].name if accepted is not None and accepted.parameters else ""
        return first in ("weight", "_weight", "module", "modules", "parameters", "values", "embeddings")

    def _call_instance(self, node: cst.Call, applicability: Applicability) -> Repair | None:
        written = self.model.value(node.func)
        if not isinstance(written, Symbol) or not isinstance(node.func, (cst.Name, cst.Attribute)):
            return None
        last = node.func.attr.value if isinstance(node.func, cst.Attribute) else node.func.value
        if last != written.name.rpartition(".")[2]:
            # `self.act = nn.GELU` somewhere else: that is the place to mend.
            return None
        return self.fix("construct an instance and call it", applicability, self.insert_after(node.func, "()"))

    def _check_class(self, node: cst.Call, call: Call, info: ClassInfo) -> None:
        """`model = Net; model(x)`: the class of the project is called with data that its `__init__` cannot take."""
        if is_module_class(info) is not Tri.YES or not call.arguments.positional or info.decorated:
            return
        if (isinstance(node.func, cst.Name) and node.func.value == info.name) or info.unit is not self.model.unit:
            return
        initializer = info.base.get("__init__")
        if not isinstance(initializer, FunctionRef) or not isinstance(call.arguments.positional[0], Tensor):
            return
        parameters = initializer.info.node.params
        if isinstance(parameters.star_arg, cst.Param) or parameters.star_kwarg is not None:
            return
        if len(parameters.params) + len(parameters.posonly_params) - 1 < len(call.arguments.positional):
            self.report(
                node,
                f"`{info.name}` is a class here, constructed from data; no instance was made of it",
                help=f"make the instance first: `{info.name}()`",
                related=[(info.origin, "the class")],
            )
