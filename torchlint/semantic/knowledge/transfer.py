"""What calls to the outside give and do, by qualified name.

Names that start with `#` are for names that have no entry of their own.
"""

from torchlint.semantic.knowledge import arrays, checkpoints, data, loading, modules, python, tensors
from torchlint.semantic.knowledge.contract import Transfer
from torchlint.semantic.knowledge.modules import module_forward

TRANSFERS: dict[str, Transfer] = {
    **python.TRANSFERS,
    **tensors.TRANSFERS,
    **modules.TRANSFERS,
    **loading.TRANSFERS,
    **arrays.TRANSFERS,
    **data.TRANSFERS,
    **checkpoints.TRANSFERS,
}

__all__ = ["TRANSFERS", "module_forward"]
