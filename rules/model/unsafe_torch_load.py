import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.checkpoints import LOADED, RESULT, UNKNOWN_LOAD, is_test, is_written_here
from torchlint.semantic.facts import Call
from torchlint.semantic.values import Const, Instance
from torchlint.semantic.written import written_argument

DOWNLOADS = ("torch.hub.load_state_dict_from_url", "torch.utils.model_zoo.load_url")
# What only a whole object has that was pickled, and no state dict or tensor.
OF_OBJECTS = (
    "__call__",
    "eval",
    "train",
    "parameters",
    "named_parameters",
    "state_dict",
    "load_state_dict",
    "children",
)
ALLOWING = frozenset({"torch.serialization.add_safe_globals", "torch.serialization.safe_globals"})


class UnsafeTorchLoad(Rule):
    """Checks for loads that run whatever code a file holds, and for those that torch refuses since 2.6.

    Reported are `weights_only=False`, a `torch.load` without `weights_only` where the project says that it runs on
    versions of torch before 2.6, whose default that was, weights that are downloaded without encryption, and a
    `torch.load` without it whose result is used as a model: such a file does not hold weights only.

    ## Why is this bad?
    A pickle is a program: `torch.load("model.pt", weights_only=False)` runs whatever the file's author put into it,
    with your rights. With `weights_only=True`, the default from torch 2.6 on, only tensors and plain containers are
    read; anything else, such as a whole model, raises `UnpicklingError: Weights only load failed`.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    model.load_state_dict(torch.load("model.pt", map_location="cpu", weights_only=False))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    model.load_state_dict(torch.load("model.pt", map_location="cpu", weights_only=True))
    ```

    ## Fix safety
    Unsafe: a file that holds more than tensors and plain containers is refused afterwards. There is a fix only where
    what was loaded is given to `load_state_dict` as it is.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.load.html
    - https://docs.pytorch.org/docs/stable/notes/serialization.html
    """

    code = "TL506"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("torch.load", "weights_only", ".load(", "load_url", "load_state_dict_from_url", "import load")

    def leave_Module(self, node: cst.Module) -> None:
        self.reported: set[int] = set()
        self.weights = self._given_to_modules()
        if is_test(self.model):
            return
        for call in self.model.calls_of(LOADED):
            if call.certain:
                self._check(call)
        for name in DOWNLOADS:
            for call in self.model.calls_of(name):
                self._check_download(call)
        if not ALLOWING.intersection(self.model.called):
            for name in OF_OBJECTS:
                for call in self.model.calls_of(f"{LOADED}.{name}"):
                    self._check_use(call)

    def _given_to_modules(self) -> set[int]:
        """The loads whose result is given to `load_state_dict` as it is."""
        found = set()
        for name in (RESULT, UNKNOWN_LOAD):
            for call in self.model.calls_of(name):
                given = call.argument(0, "state_dict")
                if isinstance(given, Instance) and given.symbol == LOADED and given.origin is not None:
                    found.add(id(given.origin.node))
        return found

    def _check(self, call: Call) -> None:
        where, only = call.argument(0, "f"), call.argument(None, "weights_only")
        if id(call.node) in self.reported or not call.arguments.complete:
            return
        if isinstance(where, Instance) and where.symbol == "io.BytesIO":
            return
        if is_written_here(self.model, call):
            return
        torch = self.model.target.torch
        if isinstance(only, Const) and only.value is False and not only.assumed:
            self._report(
                call, "`weights_only=False` runs whatever code the file holds", "load weights only, or trust the file"
            )
        elif only is None and not torch.is_anything and not torch.all_from(2, 6) and not torch.all_below(1, 13):
            self._report(
                call,
                "before torch 2.6, which this project allows, this runs whatever code the file holds",
                "pass `weights_only=True`",
            )

    def _report(self, call: Call, message: str, advice: str) -> None:
        self.reported.add(id(call.node))
        self.report(call.node, message, help=advice, fix=self._weights_only(call))

    def _weights_only(self, call: Call) -> Repair | None:
        node = call.node
        if id(node) not in self.weights or not isinstance(node, cst.Call) or not node.args:
            return None
        written = written_argument(node, None, "weights_only")
        if written is not None:
            edit = self.replace(written.value, "True")
        elif call.argument(None, "weights_only") is None:
            edit = self.insert_after(node.args[-1], ", weights_only=True")
        else:
            return None
        return self.fix("load weights only", Applicability.UNSAFE, edit)

    def _check_download(self, call: Call) -> None:
        url = call.argument(0, "url")
        if call.argument(None, "weights_only") is not None or id(call.node) in self.reported:
            return
        if isinstance(url, Const) and isinstance(url.value, str) and url.value.startswith("http://"):
            self.reported.add(id(call.node))
            self.report(
                call.node,
                "this runs whatever code the downloaded file holds, and anyone on the way can change it",
                help="take the file by https, and pass `weights_only=True`",
            )

    def _check_use(self, call: Call) -> None:
        """A model is used that a `torch.load` of weights only has given: it cannot."""
        made = call.receiver if isinstance(call.receiver, Instance) else None
        if not call.certain or call.tried or made is None or made.origin is None:
            return
        torch, place = self.model.target.torch, made.origin.node
        where = made.arguments.get(0, "f")
        jit = isinstance(where, Const) and isinstance(where.value, str) and "jit" in where.value.lower()
        given = made.arguments.get(None, "weights_only", "pickle_module")
        plain = given is None or (isinstance(given, Const) and given.value is True and not given.assumed)
        if made.origin.unit is not self.model.unit or not plain or jit or not made.arguments.complete:
            return
        if id(place) in self.reported or (torch.all_below(2, 6) and given is None):
            return
        self.reported.add(id(place))
        self.report(
            place,
            "the file holds a whole object, which `torch.load` refuses since torch 2.6",
            help="save its `state_dict()`, and load that into a new one",
            severity=Severity.ERROR if torch.all_from(2, 6) else None,
            related=[(self.model.origin(call.node), "it is used as one here")],
        )
