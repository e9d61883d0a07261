import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.instances import is_module_class
from torchlint.semantic.layer_dtypes import Mismatch
from torchlint.semantic.values import Tensor, Tri

CASTS = {"float32": "float", "float64": "double"}
# Casts that an argument may end in already, in the place of which another is put.
ENDINGS = frozenset({"float", "double", "long", "int"})


class Float64IntoModule(Rule):
    """Checks for tensors of `float64`, or of whole numbers, that reach layers whose parameters are `float32`.

    Also the other way round, a tensor of `float32` for a model after `.double()`, and floats for an embedding.

    ## Why is this bad?
    NumPy's floats are `float64`, and `torch.from_numpy`, `torch.tensor` and `torch.as_tensor` keep the type of an
    array. Layers multiply only what is of the type of their parameters, which are `float32`:
    `RuntimeError: mat1 and mat2 must have the same dtype, but got Double and Float`.

    ## Example
    ```python
    import numpy as np
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    x = torch.from_numpy(np.random.rand(8, 4))
    print(model(x))
    ```

    ## Use instead
    ```python
    import numpy as np
    import torch
    from torch import nn

    model = nn.Linear(4, 2)
    x = torch.from_numpy(np.random.rand(8, 4))
    print(model(x.float()))
    ```

    ## Fix safety
    Safe: the layer raised before.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.from_numpy.html
    """

    code = "TL311"
    category = Category.CORRECTNESS
    fix_safety = Applicability.SAFE
    words = ("torch",)

    def leave_Module(self, original_node: cst.Module) -> None:
        seen: set[cst.CSTNode] = set()
        for mismatch in self.model.dtype_mismatches:
            if self._is_of_any_dtype(mismatch):
                continue
            place, written = self._entrance(mismatch)
            if place not in seen:
                seen.add(place)
                self._report(mismatch, place, written)

    @staticmethod
    def _is_of_any_dtype(mismatch: Mismatch) -> bool:
        """Whether nothing shows where the module is made that runs, so that whoever makes it may convert it."""
        owner = mismatch.entered.owner if mismatch.entered is not None else None
        return owner is not None and is_module_class(owner) is not Tri.NO

    def _entrance(self, mismatch: Mismatch) -> tuple[cst.CSTNode, cst.BaseExpression | None]:
        """The argument by which the tensor goes into a model; else the call, and None."""
        for node in mismatch.stack:
            for arg in node.args if isinstance(node, cst.Call) else ():
                known = self.model.values(arg.value)
                if known and not arg.star and all(self._is_like(value, mismatch.given) for value in known):
                    return arg.value, arg.value
        return mismatch.stack[-1], None

    @staticmethod
    def _is_like(value: object, given: Tensor) -> bool:
        return isinstance(value, Tensor) and value.dtype == given.dtype and not value.batch

    def _report(self, mismatch: Mismatch, place: cst.CSTNode, written: cst.BaseExpression | None) -> None:
        layer = (mismatch.layer.symbol or "torch.nn.Module").removeprefix("torch.")
        dtype, wanted = (mismatch.given.dtype or "").replace(" or ", "` or `"), mismatch.wanted
        if wanted is None:
            message = f"`{layer}` looks up a tensor of `{dtype}`, and takes `int64` or `int32` only"
            cast = "long"
        else:
            message = f"a tensor of `{dtype}` reaches `{layer}`, whose parameters are `{wanted}`"
            cast = CASTS[wanted]
        called = mismatch.called if mismatch.called.node is not mismatch.stack[-1] else None
        self.report(
            place,
            message,
            help=f"convert it: `.{cast}()`",
            fix=self._cast(written, cast) if written is not None else None,
            related=[(mismatch.layer.origin, "the layer is made here"), (called, "it is called here")],
        )

    def _cast(self, written: cst.BaseExpression, cast: str) -> Repair | None:
        """The argument with a cast after it, or in the place of the cast that it ends in."""
        kept = written
        if isinstance(written, cst.Call) and isinstance(written.func, cst.Attribute) and not written.args:
            if written.func.attr.value in ENDINGS:
                kept = written.func.value
        text = self.text(kept)
        if not isinstance(kept, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)) and not kept.lpar:
            text = f"({text})"
        return self.fix(f"convert it: `.{cast}()`", Applicability.SAFE, self.replace(written, f"{text}.{cast}()"))
