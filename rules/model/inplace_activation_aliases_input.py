import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.reuse import read_again
from torchlint.semantic.values import CONTENT, Const, Instance, Items, Numbers, Tensor
from torchlint.semantic.written import written_argument

# Where `inplace` stands among the arguments of the layers, and of the functions, which take their input first.
PLACES = {
    "ReLU": 0, "ReLU6": 0, "SELU": 0, "SiLU": 0, "Mish": 0, "Hardswish": 0, "Hardsigmoid": 0, "LeakyReLU": 1, "ELU": 1,
    "CELU": 1, "Hardtanh": 2, "Threshold": 2, "RReLU": 2, "Dropout": 1, "Dropout1d": 1, "Dropout2d": 1, "Dropout3d": 1,
    "AlphaDropout": 1, "FeatureAlphaDropout": 1,
}  # fmt: skip
FUNCTIONS = {
    "relu": 1, "relu6": 1, "selu": 1, "silu": 1, "mish": 1, "hardswish": 1, "hardsigmoid": 1, "leaky_relu": 2, "elu": 2,
    "celu": 2, "hardtanh": 3, "threshold": 3, "rrelu": 4, "dropout": 3, "dropout1d": 3, "dropout2d": 3, "dropout3d": 3,
    "alpha_dropout": 3, "feature_alpha_dropout": 3,
}  # fmt: skip
# Those that have no switch.
ALWAYS = frozenset({
    "torch.relu_", "torch.selu_", "torch.celu_", "torch.rrelu_", "torch.nn.functional.relu_",
    "torch.nn.functional.leaky_relu_", "torch.nn.functional.elu_", "torch.nn.functional.selu_",
    "torch.nn.functional.celu_", "torch.nn.functional.hardtanh_", "torch.nn.functional.threshold_",
})  # fmt: skip
SEQUENTIAL = "torch.nn.Sequential"
# ReLU leaves such numbers as they are.
NOT_NEGATIVE = frozenset({Numbers.ACTIVATION, Numbers.SIGMOID, Numbers.SOFTMAX, Numbers.EXP, Numbers.CLAMPED_SIGMOID})


class InplaceActivationAliasesInput(Rule):
    """Checks for activations and dropout with `inplace=True` whose input is used again.

    `torch.relu_` and the like are the same without saying so.

    ## Why is this bad?
    `inplace=True` writes the result into the input. Whoever reads the input afterwards, such as the sum at the end of a
    residual block, gets the activation instead. Nothing raises; the network is another one.

    ## Example
    ```python
    import torch
    from torch import nn


    class Residual(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.relu = nn.ReLU(inplace=True)
            self.fc = nn.Linear(size, size)

        def forward(self, x):
            out = self.fc(self.relu(x))
            return out + x
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn


    class Residual(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.relu = nn.ReLU()
            self.fc = nn.Linear(size, size)

        def forward(self, x):
            out = self.fc(self.relu(x))
            return out + x
    ```

    ## Fix safety
    Unsafe: the network computes something else then, and takes more memory.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html
    """

    code = "TL521"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("inplace", "U(True", "h(True", ", True)", "lu_(")

    def leave_Module(self, node: cst.Module) -> None:
        found: dict[int, list[tuple[Call, cst.CSTNode]]] = {}
        counted: dict[int, int] = {}
        for call in self._activations():
            place = self._switch(call)
            counted[id(call.node)] = counted.get(id(call.node), 0) + 1
            if place is not None and call.certain and isinstance(call.node, cst.Call):
                found.setdefault(id(call.node), []).append((call, place))
        changing = [each for each in found.values() if len(each) == counted[id(each[0][0].node)]]
        self._again = frozenset(
            id(arg.value)
            for each in changing
            if _is_relu(each[0][0])
            for arg in [written_argument(each[0][0].node, 0, "input")]
            if arg is not None
        )
        for each in changing:
            self._check(each)

    def _activations(self) -> list[Call]:
        names = [f"torch.nn.{name}.forward" for name in PLACES]
        names += [f"torch.nn.functional.{name}" for name in FUNCTIONS]
        return [*self.model.calls_of(*names, *ALWAYS, f"{SEQUENTIAL}.forward")]

    def _switch(self, call: Call) -> cst.CSTNode | None:
        """What turns on that a call writes into its input; None where that is not certain."""
        assert call.name is not None
        if call.name in ALWAYS:
            return call.node
        if call.name.startswith("torch.nn.functional."):
            index = FUNCTIONS[call.name.rpartition(".")[2]]
            if _is_true(call.argument(index, "inplace")):
                arg = written_argument(call.node, index, "inplace")
                return arg.value if arg is not None else call.node
            return None
        layer = call.callee if isinstance(call.callee, Instance) else call.receiver
        for _ in range(3):
            if not isinstance(layer, Instance) or layer.symbol != SEQUENTIAL:
                break
            held = self.model.held(layer, CONTENT)
            layer = held.items[0] if isinstance(held, Items) and held.items else None
        return self._switch_of(layer) if isinstance(layer, Instance) else None

    @staticmethod
    def _switch_of(layer: Instance) -> cst.CSTNode | None:
        name = (layer.symbol or "").removeprefix("torch.nn.")
        if name not in PLACES or layer.origin is None or not _is_true(layer.arguments.get(PLACES[name], "inplace")):
            return None
        arg = written_argument(layer.origin.node, PLACES[name], "inplace")
        return arg.value if arg is not None else layer.origin.node

    def _check(self, calls: list[tuple[Call, cst.CSTNode]]) -> None:
        call, place = calls[0]
        function = call.active[-1].node if call.active else None
        given = written_argument(call.node, 0, "input")
        if given is None or not isinstance(given.value, cst.Name) or not isinstance(function, cst.FunctionDef):
            return
        if _is_relu(call) and any(_is_not_negative(each) for each, _ in calls):
            return
        assert isinstance(call.node, cst.Call)
        again = read_again(function, call.node, given.value.value, self._again if _is_relu(call) else frozenset())
        if again is None:
            return
        name = (call.name or "").rpartition(".")[2]
        what = f"`{name}`" if call.name in ALWAYS else "`inplace=True`"
        self.report(
            call.node,
            f"{what} changes `{given.value.value}` itself, which is used again",
            help="leave `inplace=True` out" if call.name not in ALWAYS else f"use `{name[:-1]}`",
            fix=self._left_out(place),
            related=[(self.model.origin(again), "this reads what was changed")],
        )

    def _left_out(self, place: cst.CSTNode) -> Repair | None:
        if not isinstance(place, cst.Name) or place.value != "True" or not self.model.values(place):
            return None
        edit = self.replace(place, "False")
        return self.fix("leave the input as it is", Applicability.UNSAFE, edit)


def _is_true(value: object) -> bool:
    return isinstance(value, Const) and value.value is True and not value.assumed


def _is_relu(call: Call) -> bool:
    """Whether doing it a second time changes nothing more."""
    name = (call.name or "").removesuffix(".forward")
    return name.rpartition(".")[2].lower().rstrip("_") in ("relu", "relu6")


def _is_not_negative(call: Call) -> bool:
    given = call.argument(0, "input")
    return isinstance(given, Tensor) and given.numbers in NOT_NEGATIVE
