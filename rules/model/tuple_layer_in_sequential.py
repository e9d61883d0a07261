import libcst as cst

from torchlint.diagnostic import Category
from torchlint.rule import Rule
from torchlint.semantic.values import Instance, Symbol, Value

# They pass on what they are given, or are followed themselves.
TRANSPARENT = frozenset({"torch.nn.Identity", "torch.nn.Sequential"})


class TupleLayerInSequential(Rule):
    """Checks for a layer that returns a tuple before another layer in `nn.Sequential`.

    Recurrent layers and modules of the project whose `forward` returns a tuple are known as such; the
    container may be filled by arguments, a list, an `OrderedDict`, `append` or `add_module`.

    ## Why is this bad?
    `nn.Sequential` passes on what it gets. The next layer raises
    `TypeError: linear(): argument 'input' (position 1) must be Tensor, not tuple`.

    ## Example
    ```python
    from torch import nn

    model = nn.Sequential(nn.LSTM(8, 16), nn.Linear(16, 2))
    ```

    ## Use instead
    ```python
    from torch import nn


    class Output(nn.Module):
        def forward(self, result):
            return result[0]


    model = nn.Sequential(nn.LSTM(8, 16), Output(), nn.Linear(16, 2))
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.Sequential.html
    """

    code = "TL502"
    category = Category.CORRECTNESS
    words = ("Sequential",)

    def leave_Module(self, node: cst.Module) -> None:
        for layer, following, value in self.model.chains:
            if not self._wants_tensor(following) or layer.origin is None:
                continue
            here = layer.origin.unit is self.model.unit
            if not here:
                continue
            name = layer.info.name if layer.info is not None else f"nn.{str(layer.symbol).rpartition('.')[2]}"
            self.report(
                layer.origin.node,
                f"`{name}` returns a tuple, which the next layer in `nn.Sequential` cannot take",
                help="put a module between them that picks the output, or call the layers in a `forward` of your own",
                related=[(value.origin, "the tuple is made here"), (following.origin, "the next layer")],
            )

    @staticmethod
    def _wants_tensor(layer: Value) -> bool:
        """Layers of torch take a tensor; a module of the project may well be there to take the tuple."""
        if isinstance(layer, Symbol) or not isinstance(layer, Instance) or layer.info is not None:
            return False
        return layer.symbol is not None and layer.symbol.startswith("torch.nn.") and layer.symbol not in TRANSPARENT
