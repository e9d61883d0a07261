import re

import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.uses import tensor_uses
from torchlint.semantic.values import Const, Tensor, TupleOf, Value

LSTM, LSTM_CELL, STATE = "torch.nn.LSTM", "torch.nn.LSTMCell", "torch.nn.LSTM.state"
ONE_STATE = frozenset({"torch.nn.GRU", "torch.nn.RNN"})
RECURRENT = ONE_STATE | {LSTM}
STRUCTURE = {
    LSTM: "`nn.LSTM` returns `(output, (h_n, c_n))`",
    "torch.nn.GRU": "`nn.GRU` returns `(output, h_n)`",
    "torch.nn.RNN": "`nn.RNN` returns `(output, h_n)`",
    LSTM_CELL: "`nn.LSTMCell` returns `(h_1, c_1)`",
}
HIDDEN_NAME = re.compile(r"h|hx|hn|h_n|ht|h_t|hidden|hidden_state")
CELL_NAME = re.compile(r"c|cx|cn|c_n|ct|c_t|cell|cell_state")


class LstmUnpack(Rule):
    """Checks for results of `nn.LSTM`, `nn.GRU`, `nn.RNN` and `nn.LSTMCell` used against their structure.

    Reported are targets that do not fit (`out, h, c = lstm(x)`, `out, (h, c) = gru(x)`), the whole result or
    the state pair used as one tensor (`self.fc(h)`, `lstm(x)[:, -1]`), `h[-1]` of the state pair, which is the
    cell state, and an initial state of the wrong kind.

    ## Why is this bad?
    Most of it raises `ValueError: not enough values to unpack`, `TypeError` or `AttributeError`. Some of it is
    silently wrong: `h[-1]` of `(h_n, c_n)` is the cell state, and `out, (h, c) = gru(x)` takes a two-layer
    network's layers for hidden and cell state.

    ## Example
    ```python
    import torch
    from torch import nn

    lstm = nn.LSTM(8, 16)
    out, h, c = lstm(torch.randn(5, 3, 8))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    lstm = nn.LSTM(8, 16)
    out, (h, c) = lstm(torch.randn(5, 3, 8))
    ```

    ## Fix safety
    Safe: three targets for an LSTM's result always raised. Nothing else is fixed, since which part is meant
    is not certain.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
    """

    code = "TL501"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("LSTM", "GRU", "RNN", "rnn", "lstm", "gru")

    def may_find(self) -> bool:
        return any("LSTM" in name or "GRU" in name or "RNN" in name for name in self.model.called)

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            if isinstance(target.target, (cst.Tuple, cst.List)):
                for value in self.model.values(target.target):
                    self._check_targets(target.target, value)

    def visit_For(self, node: cst.For) -> None:
        self._check_nested(node.target)

    def _check_nested(self, target: cst.BaseExpression) -> None:
        if isinstance(target, (cst.Tuple, cst.List)):
            for value in self.model.values(target):
                self._check_targets(target, value)

    def visit_Attribute(self, node: cst.Attribute) -> None:
        self._check_uses(node)

    def visit_BinaryOperation(self, node: cst.BinaryOperation) -> None:
        self._check_uses(node)

    def visit_Comparison(self, node: cst.Comparison) -> None:
        self._check_uses(node)

    def visit_Subscript(self, node: cst.Subscript) -> None:
        self._check_uses(node)
        if not self._is_minus_one(node):
            return
        for value in self.model.values(node.value):
            if isinstance(value, TupleOf) and value.made_by == STATE:
                self.report(
                    node,
                    "`[-1]` of the state `(h_n, c_n)` of an LSTM is the cell state",
                    help="unpack it, `out, (h, c) = lstm(x)`, and take `h[-1]` for the last layer's hidden state",
                    related=[(value.origin, "the LSTM is called here")],
                )

    def visit_Call(self, node: cst.Call) -> None:
        self._check_uses(node)
        for call in self.model.calls(node):
            if call.certain and call.name is not None and call.name.endswith(".forward"):
                self._check_initial_state(node, call, call.name.removesuffix(".forward"))

    def _check_targets(self, target: cst.Tuple | cst.List, value: Value) -> None:
        made_by = value.made_by if isinstance(value, TupleOf) else None
        elements = target.elements
        if made_by not in STRUCTURE or any(isinstance(element, cst.StarredElement) for element in elements):
            return
        related = [(value.origin, "this is what it returns")] if value.origin is not None else []
        if len(elements) != 2:
            self.report(
                target,
                f"{STRUCTURE[made_by]}, two values, which are unpacked into {len(elements)}",
                help="`out, (h, c) = ...`" if made_by == LSTM else "unpack it into two",
                fix=self._nest(target) if made_by == LSTM and len(elements) == 3 else None,
                related=related,
            )
            return
        first, second = elements[0].value, elements[1].value
        pair = isinstance(second, (cst.Tuple, cst.List)) and len(second.elements) == 2
        if pair and made_by in ONE_STATE:
            self.report(
                second,
                f"{STRUCTURE[made_by]}; there is no cell state to unpack `h_n` into",
                help="`out, h = ...`",
                related=related,
            )
        elif pair and made_by == LSTM_CELL:
            self.report(
                second,
                f"{STRUCTURE[made_by]}; the cell has no other output, and the batch is unpacked here",
                help="`h, c = ...`",
                related=related,
            )
        elif (
            made_by in ONE_STATE
            and isinstance(first, cst.Name)
            and isinstance(second, cst.Name)
            and HIDDEN_NAME.fullmatch(first.value)
            and CELL_NAME.fullmatch(second.value)
        ):
            self.report(
                target,
                f"{STRUCTURE[made_by]}, not a hidden and a cell state",
                help="`out, h = ...`",
                related=related,
            )

    def _nest(self, target: cst.Tuple | cst.List) -> Repair | None:
        nodes = [element.value for element in target.elements]
        if not isinstance(target, cst.Tuple) or any(isinstance(node, cst.Tuple) for node in nodes):
            return None
        return self.fix(
            "nest the state: `out, (h, c)`",
            Applicability.SAFE,
            self.insert_before(nodes[1], "("),
            self.insert_after(nodes[2], ")"),
        )

    def _check_uses(self, node: cst.CSTNode) -> None:
        for use in tensor_uses(self.model, node):
            made_by = use.value.made_by
            if made_by in RECURRENT:
                what, advice = "the result of a recurrent layer is a tuple", "take its output: `out, _ = ...`"
            elif made_by == STATE:
                what, advice = (
                    "the state of an LSTM is the tuple `(h_n, c_n)`",
                    "take the hidden state: `out, (h, c) = ...`",
                )
            else:
                continue
            self.report(
                use.node, f"{what}; {use.how}", help=advice, related=[(use.value.origin, "it is returned here")]
            )

    @staticmethod
    def _is_minus_one(node: cst.Subscript) -> bool:
        piece = node.slice[0].slice
        return (
            len(node.slice) == 1
            and isinstance(piece, cst.Index)
            and isinstance(piece.value, cst.UnaryOperation)
            and isinstance(piece.value.operator, cst.Minus)
            and isinstance(piece.value.expression, cst.Integer)
            and piece.value.expression.value == "1"
        )

    def _check_initial_state(self, node: cst.Call, call: Call, owner: str) -> None:
        state = call.argument(1, "hx")
        place = next((arg.value for arg in node.args if arg.keyword is not None and arg.keyword.value == "hx"), None)
        if place is None and len(node.args) > 1 and node.args[1].keyword is None and not node.args[0].star:
            place = node.args[1].value
        if state is None or place is None or (isinstance(state, Const) and state.value is None):
            return
        if owner in (LSTM, LSTM_CELL) and isinstance(state, Tensor) and not state.batch:
            self.report(
                place,
                f"`nn.{owner.rpartition('.')[2]}` takes its initial state as the tuple `(h_0, c_0)`, not as one tensor",
                help="pass `(h, c)`",
            )
        elif owner in (*ONE_STATE, "torch.nn.GRUCell", "torch.nn.RNNCell") and isinstance(state, TupleOf):
            self.report(
                place,
                f"`nn.{owner.rpartition('.')[2]}` takes its initial state as one tensor, not as a tuple",
                help="pass the hidden state alone",
            )
