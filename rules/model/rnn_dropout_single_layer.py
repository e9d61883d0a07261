import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.values import Const, Value
from torchlint.semantic.written import written_argument

LAYERS = ("torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN")
# Where `dropout` stands among the arguments: `RNN` has `nonlinearity` before `bias`.
PLACES = {"torch.nn.LSTM": 5, "torch.nn.GRU": 5, "torch.nn.RNN": 6}


class RnnDropoutSingleLayer(Rule):
    """Checks for `dropout` in an `nn.LSTM`, `nn.GRU` or `nn.RNN` of one layer, which does nothing.

    ## Why is this bad?
    A recurrent network drops outputs of all its layers but the last. Of one layer nothing is dropped, in training
    neither; torch says so in a `UserWarning`, and the network overfits as it would without.

    ## Example
    ```python
    from torch import nn

    lstm = nn.LSTM(128, 256, dropout=0.5, batch_first=True)
    ```

    ## Use instead
    ```python
    from torch import nn

    lstm = nn.LSTM(128, 256, batch_first=True)
    dropout = nn.Dropout(0.5)
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """

    code = "TL524"
    category = Category.SUSPICIOUS
    words = ("LSTM", "GRU", "RNN")

    def leave_Module(self, node: cst.Module) -> None:
        made: dict[int, list[Call]] = {}
        for call in self.model.calls_of(*LAYERS):
            made.setdefault(id(call.node), []).append(call)
        for calls in made.values():
            if all(map(self._drops_nothing, calls)):
                self._report(calls[0])

    @staticmethod
    def _drops_nothing(call: Call) -> bool:
        """Whether the layer is the only one, and was given a dropout that is not zero."""
        assert call.name is not None
        if not call.certain or not call.arguments.complete:
            return False
        dropout = call.argument(PLACES[call.name], "dropout")
        return _is_one(call.argument(2, "num_layers")) and _is_positive(dropout)

    def _report(self, call: Call) -> None:
        name = call.name or ""
        written = written_argument(call.node, PLACES[name], "dropout")
        self.report(
            written if written is not None else call.node,
            f"`dropout` does nothing in an `nn.{name.rpartition('.')[2]}` of one layer",
            help="put an `nn.Dropout` after it, or give it more layers",
            severity=Severity.INFO,
        )


def _is_one(layers: Value | None) -> bool:
    return layers is None or (isinstance(layers, Const) and layers.value == 1 and not layers.assumed)


def _is_positive(dropout: Value | None) -> bool:
    return (
        isinstance(dropout, Const)
        and not dropout.assumed
        and isinstance(dropout.value, (int, float))
        and not isinstance(dropout.value, bool)
        and dropout.value > 0
    )
