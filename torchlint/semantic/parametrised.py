"""Which modules certainly have parameters."""

from typing import TYPE_CHECKING

from torchlint.semantic.instances import is_module
from torchlint.semantic.knowledge import module_class
from torchlint.semantic.values import Const, Instance, Tensor, Tri

if TYPE_CHECKING:
    from torchlint.semantic.model import Model


def is_parametrised(model: "Model", module: Instance) -> bool:
    """Whether a module certainly has parameters, of its own or in what it holds when all has run."""
    return any(has_own_parameters(model, held) for held in model.held_objects(module))


def has_own_parameters(model: "Model", module: Instance) -> bool:
    """Whether a module certainly has parameters, those of the modules that it holds left out."""
    if module.info is not None:
        # A tensor that requires grad, and is an attribute of a module, hardly is anything else.
        names = module.base.keys() | module.written if is_module(module) else ()
        held = (model.held(module, name) for name in names if name[0] != "#")
        return any(isinstance(value, Tensor) and value.grad is Tri.YES for value in held)
    known = module_class(module.symbol or "")
    if known is None:
        return is_module(module)
    if not known.has_parameters:
        # Instance norms have parameters only when asked.
        return module.arguments.get(None, "affine") == Const(True)
    wanted = [module.arguments.get(None, name) for name in ("affine", "elementwise_affine")]
    return all(value is None or value == Const(True) for value in wanted)
