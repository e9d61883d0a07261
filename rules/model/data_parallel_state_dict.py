import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.checkpoints import RESULT, is_loaded, is_state, owner, saved_in
from torchlint.semantic.facts import Call
from torchlint.semantic.instances import WRAPPERS, is_module
from torchlint.semantic.knowledge import kind
from torchlint.semantic.values import Instance, Tri, Value

# What the wrappers have, besides what all modules have.
OWN = frozenset({
    "T_destination", "broadcast_bucket_size", "broadcast_buffers", "bucket_bytes_cap", "call_super_init",
    "ddp_uneven_inputs_config", "device", "device_ids", "device_mesh", "device_type", "dim", "dump_patches",
    "find_unused_parameters", "forward", "gather", "gradient_as_bucket_view", "is_multi_device_module", "join",
    "join_device", "join_hook", "join_process_group", "logger", "mixed_precision", "module", "no_sync",
    "output_device", "parallel_apply", "parameters_to_ignore", "process_group", "reducer", "register_comm_hook",
    "replicate", "require_backward_grad_sync", "require_forward_param_sync", "scatter",
    "skip_all_reduce_unused_params", "src_device_obj", "static_graph", "to_kwargs", "training",
    "will_sync_module_buffers",
})  # fmt: skip


class DataParallelStateDict(Rule):
    """Checks for models in `DataParallel` or `DistributedDataParallel` that are used as if they were not.

    Reported are attributes and methods of the model that are looked up on the wrapper, and state dicts of a wrapped
    model that are loaded into a bare one, or the other way round, directly or by a file.

    ## Why is this bad?
    The wrapper holds the model as its `module`, and nothing else of it: `AttributeError: 'DataParallel' object has no
    attribute 'fc'`. All names in its state dict start with `module.`, and a bare model knows none of them: `Missing
    key(s) in state_dict`. With `strict=False` nothing is loaded, silently.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.DataParallel(nn.Linear(4, 2))
    torch.save(model.state_dict(), "model.pt")
    fresh = nn.Linear(4, 2)
    fresh.load_state_dict(torch.load("model.pt", map_location="cpu"))
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    model = nn.DataParallel(nn.Linear(4, 2))
    torch.save(model.module.state_dict(), "model.pt")
    fresh = nn.Linear(4, 2)
    fresh.load_state_dict(torch.load("model.pt", map_location="cpu"))
    ```

    ## Fix safety
    Safe where an attribute is looked up, which could not work before. Unsafe for state dicts: what else reads the file
    may expect the names as they were.

    ## References
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html
    - https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html
    """

    code = "TL510"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("DataParallel",)

    def leave_Module(self, node: cst.Module) -> None:
        seen: dict[int, tuple[cst.Attribute, Instance]] = {}
        for attribute, wrapper in self.model.wrapped_attributes:
            seen.setdefault(id(attribute), (attribute, wrapper))
        for attribute, wrapper in seen.values():
            self._check_attribute(attribute, wrapper)
        reported: set[int] = set()
        for call in self.model.calls_of(RESULT):
            if call.certain and not call.tried and id(call.node) not in reported and self._check_loaded(call):
                reported.add(id(call.node))

    # -- attributes ---------------------------------------------------------------------------------------

    def _check_attribute(self, node: cst.Attribute, wrapper: Instance) -> None:
        name = node.attr.value
        if name in OWN or name.startswith("_") or kind(f"torch.nn.Module.{name}") is not None:
            return
        if name in wrapper.base or name in wrapper.written or wrapper.arguments.get(0, "module") is None:
            return
        if not all(isinstance(v, Instance) and v.symbol in WRAPPERS for v in self.model.values(node.value)):
            return
        short = (wrapper.symbol or "").rpartition(".")[2]
        text = self.text(node.value)
        self.report(
            node,
            f"`{name}` is looked up on the `{short}`, which does not have what the model in it has",
            help=f"ask the model in it: `{text}.module.{name}`" if len(text) < 40 else "ask its `module`",
            fix=self.fix("ask the model in it", Applicability.SAFE, self.insert_after(node.value, ".module")),
            related=[(wrapper.origin, "the model is wrapped here")],
        )

    # -- state dicts --------------------------------------------------------------------------------------

    def _check_loaded(self, call: Call) -> bool:
        into, state = call.receiver, call.argument(0, "state_dict")
        saved = None
        if isinstance(state, Instance) and is_loaded(state):
            found = saved_in(self.model, state)
            if found is None:
                return False
            saved, state = found
        if state is None or into is None or not is_state(state):
            return False
        source, target = _is_wrapped(owner(state)), _is_wrapped(into)
        if Tri.MAYBE in (source, target) or source is target:
            return False
        if source is Tri.YES:
            message = "these are weights of a wrapped model, whose names start with `module.`, for a bare one"
            advice = "take them from the model in it: `model.module.state_dict()`"
        else:
            message = "these are weights of a bare model, for a wrapped one, whose names start with `module.`"
            advice = "load them into the model in it: `model.module.load_state_dict(...)`"
        self.report(
            call.node,
            message,
            help=advice,
            fix=self._unwrap(state, call, source),
            related=[(saved.origin if saved is not None else None, "they are saved here")],
        )
        return True

    def _unwrap(self, state: Value, call: Call, source: Tri) -> Repair | None:
        """Put `.module` behind the wrapper, at whichever side it is."""
        place = call.node
        if source is Tri.YES:
            if state.origin is None or state.origin.unit is not self.model.unit:
                return None
            place = state.origin.node
        if not isinstance(place, cst.Call) or not isinstance(place.func, cst.Attribute):
            return None
        if place.func.attr.value not in ("state_dict", "load_state_dict"):
            return None
        edit = self.insert_after(place.func.value, ".module")
        return self.fix("use the model in it", Applicability.UNSAFE, edit)


def _is_wrapped(module: Value) -> Tri:
    if not isinstance(module, Instance) or not is_module(module):
        return Tri.MAYBE
    if module.symbol is not None:
        return Tri.YES if module.symbol in WRAPPERS else Tri.NO
    assert module.info is not None
    return Tri.MAYBE if module.info.has_unknown_base or WRAPPERS.intersection(module.info.external_bases) else Tri.NO
