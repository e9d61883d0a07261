import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.sequence_order import Read, has_batch_of_one, reads, state_sizes
from torchlint.semantic.shapes import MANY
from torchlint.semantic.values import Const, Instance, Tensor, Tri

# Where `batch_first` stands among the arguments.
PLACES = {
    "torch.nn.LSTM": 4, "torch.nn.GRU": 4, "torch.nn.RNN": 5, "torch.nn.MultiheadAttention": 8,
    "torch.nn.TransformerEncoderLayer": 6,
}  # fmt: skip
RECURRENT = frozenset({"torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN"})
SEVERAL = RECURRENT | {"torch.nn.MultiheadAttention"}
ENCODER = "torch.nn.TransformerEncoder"


class AttentionBatchFirst(Rule):
    """Checks for recurrent and attention layers whose `batch_first` contradicts how the code around them takes
    their dimensions.

    ## Why is this bad?
    Without `batch_first=True` these layers take the first dimension for the sequence. Fed `(batch, sequence,
    features)`, an attention layer attends over the batch, and one sample changes the results of others; `out[:, -1]` is
    the last sample, not the last step. Nothing raises unless there is an initial state.

    ## Example
    ```python
    import torch
    from torch import nn


    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(8, 16)
            self.fc = nn.Linear(16, 2)

        def forward(self, x):
            out, _ = self.lstm(x)
            return self.fc(out[:, -1])
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn


    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(8, 16, batch_first=True)
            self.fc = nn.Linear(16, 2)

        def forward(self, x):
            out, _ = self.lstm(x)
            return self.fc(out[:, -1])
    ```

    ## Fix safety
    Unsafe: the layer takes its input differently then, which is the point.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """

    code = "TL520"
    category = Category.SUSPICIOUS
    fix_safety = Applicability.UNSAFE
    words = ("LSTM", "GRU", "RNN", "MultiheadAttention", "TransformerEncoder")

    def leave_Module(self, node: cst.Module) -> None:
        found: dict[int, list[Call]] = {}
        for name in (*PLACES, ENCODER):
            for call in self.model.calls_of(f"{name}.forward"):
                found.setdefault(id(call.node), []).append(call)
        for calls in found.values():
            orders = {_batch_first(call) for call in calls}
            if len(orders) == 1 and all(call.certain for call in calls):
                order = orders.pop()
                if order is not Tri.MAYBE:
                    self._check(calls, order is Tri.YES)

    def _check(self, calls: list[Call], batch_first: bool) -> None:
        call = calls[0]
        function = call.active[-1].node if call.active else None
        if isinstance(function, cst.FunctionDef) and isinstance(call.node, cst.Call):
            if _name(call) in RECURRENT and self._check_state(function, call, batch_first):
                return
            for read in reads(self.model, function, call.node, _name(call) in SEVERAL):
                if read.what == "first" and _name(call) in RECURRENT:
                    # The first step of a recurrent layer is of no use: it is a batch of one.
                    continue
                # Of the two dimensions it takes away the batch.
                if read.dim == (0 if batch_first else 1) and not has_batch_of_one(function):
                    self._report_read(call, read, batch_first)
                    return
        if not batch_first and all(map(_is_batch, calls)):
            short = _short(call)
            self.report(
                call.node,
                f"the input has the batch first; without `batch_first=True`, `nn.{short}` takes it for the sequence",
                help="give the layer `batch_first=True`",
                fix=self._batch_first(call),
            )

    def _check_state(self, function: cst.FunctionDef, call: Call, batch_first: bool) -> bool:
        assert isinstance(call.node, cst.Call)
        sizes = state_sizes(function, call.node)
        if not sizes:
            return False
        if sizes[0] is not None:
            message = "an initial state is `(layers, batch, features)`, also with `batch_first=True`; this one is not"
            self.report(call.node, message, help="make it `(layers, batch, features)`", severity=Severity.ERROR)
            return True
        if sizes[1] is None or sizes[1] == (0 if batch_first else 1):
            return False
        taken = "first" if sizes[1] == 0 else "second"
        self.report(
            call.node,
            f"the initial state has the batch size of the {taken} dimension; `nn.{_short(call)}` has it in the other",
            help="give the layer `batch_first=True`" if sizes[1] == 0 else "leave out `batch_first=True`",
            fix=self._batch_first(call) if sizes[1] == 0 else None,
            severity=Severity.ERROR,
        )
        return True

    def _report_read(self, call: Call, read: Read, batch_first: bool) -> None:
        text = self.text(read.node)
        shown = text if len(text) <= 20 else "this"
        which = f"the {read.what} over samples" if read.what[0] == "m" else f"the {read.what} sample"
        switch = "with" if batch_first else "without"
        self.report(
            read.node,
            f"`{shown}` is {which} of what `nn.{_short(call)}` gives {switch} `batch_first=True`",
            help="read the other dimension" if batch_first else "give the layer `batch_first=True`",
            fix=None if batch_first else self._batch_first(call),
            related=[(call.origin, "the layer is called here")],
            severity=Severity.ERROR,
        )

    def _batch_first(self, call: Call) -> Repair | None:
        layer = _layer(call)
        origin = layer.origin if layer is not None else None
        if origin is None or origin.unit is not self.model.unit or not isinstance(origin.node, cst.Call):
            return None
        args = origin.node.args
        if not args or any(arg.star or (arg.keyword and arg.keyword.value == "batch_first") for arg in args):
            return None
        if len([arg for arg in args if arg.keyword is None]) > PLACES[layer.symbol or ""]:  # type: ignore[union-attr]
            return None
        edit = self.insert_after(args[-1].value, ", batch_first=True")
        return self.fix("give `batch_first=True`", Applicability.UNSAFE, edit)


def _name(call: Call) -> str:
    return (call.name or "").removesuffix(".forward")


def _short(call: Call) -> str:
    return _name(call).rpartition(".")[2]


def _layer(call: Call) -> Instance | None:
    """The layer whose `batch_first` counts: of an encoder, the one that it is made of."""
    layer = call.callee
    if isinstance(layer, Instance) and layer.symbol == ENCODER:
        inner = layer.arguments.get(0, "encoder_layer")
        layer = inner if inner is not None else layer
    return layer if isinstance(layer, Instance) and layer.symbol in PLACES else None


def _batch_first(call: Call) -> Tri:
    layer = _layer(call)
    if layer is None or not layer.arguments.complete:
        return Tri.MAYBE
    given = layer.arguments.get(PLACES[layer.symbol or ""], "batch_first")
    if given is None:
        return Tri.NO
    if not isinstance(given, Const) or given.assumed:
        return Tri.MAYBE
    return Tri.YES if given.value else Tri.NO


def _is_batch(call: Call) -> bool:
    """Whether the first dimension of the input certainly counts the samples of a batch."""
    given = call.argument(0, "input", "src", "query")
    if not isinstance(given, Tensor) or given.batch or given.shape is None or given.shape.rank != 3:
        return False
    return given.shape.dims[0] == MANY and given.shape.dims[1] != MANY
