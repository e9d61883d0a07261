"""Overloads and signatures that no file of torch states: of untyped functions and hand-made C++ bindings.

Read by the generator alone. The notation is that of `parse_overload`. Sources: torch's `_torch_docs.py`,
`_tensor_docs.py`, `functional.py`, `_tensor.py` and `nn/functional.py` (2.13). The generator runs each
overload and trusts what it sees over the `^` written here.
"""

_FACTORY = "*, ScalarType? dtype=None, Device? device=None"
_MEMORY = "*, MemoryFormat? memory_format=None"
_TO = "bool non_blocking=False, bool copy=False, *, MemoryFormat? memory_format=None"
_MOVE = "Device? device=None, bool non_blocking=False, *, MemoryFormat? memory_format=None"
_STFT = (
    "int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, "
    "str pad_mode='reflect', bool normalized=False, bool? onesided=None, bool? return_complex=None, "
    "bool? align_to_window=None"
)
_ISTFT = (
    "int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, "
    "bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False"
)
_NORM = "Any p='fro', Any dim=None, bool keepdim=False"
_UPSAMPLE = "(Tensor input, int[]? size=None, float[]? scale_factor=None"
_LOBPCG = (
    "(Tensor A, int? k=None, Tensor? B=None, Tensor? X=None, int? n=None, Tensor? iK=None, int? niter=None, "
    "float? tol=None, bool? largest=None, str? method=None, Any tracker=None, Any ortho_iparams=None, "
    "Any ortho_fparams=None, Any ortho_bparams=None) -> (Tensor^, Tensor^)"
)


def _unique(receiver: str, leading: str, trailing: str) -> list[str]:
    """The four shapes of the result, by the two literal flags."""
    overloads = []
    for inverse in (False, True):
        for counts in (False, True):
            # A flag that must be True has no default, so all after it can only be given by name.
            flags = ", ".join(
                f"{flag} {name}={flag}" if not flag else f"True {name}"
                for name, flag in (("return_inverse", inverse), ("return_counts", counts))
            )
            extra = [name for name, flag in (("inverse", inverse), ("counts", counts)) if flag]
            results = ", ".join(["Tensor output", *(f"Tensor {name}" for name in extra)])
            before = ", ".join(part for part in (receiver, leading) if part)
            head = f"({before}, {flags}, {trailing})" if before else f"({flags}, {trailing})"
            overloads.append(f"{head} -> {f'({results})' if extra else 'Tensor'}")
    return overloads


HAND_WRITTEN: dict[str, list[str]] = {
    "torch.as_tensor": ["(Any data, ScalarType? dtype=None, Device? device=None) -> Tensor^"],
    "torch.asarray": [f"(Any obj, {_FACTORY}, bool? copy=None, bool? requires_grad=None) -> Tensor^"],
    "torch.atleast_1d": ["(Tensor input) -> Tensor^", "(Tensor[]... tensors) -> Tensor[]^"],
    "torch.atleast_2d": ["(Tensor input) -> Tensor^", "(Tensor[]... tensors) -> Tensor[]^"],
    "torch.atleast_3d": ["(Tensor input) -> Tensor^", "(Tensor[]... tensors) -> Tensor[]^"],
    "torch.block_diag": ["(Tensor[]... tensors) -> Tensor^"],
    "torch.broadcast_shapes": ["(Any[]... shapes) -> Size"],
    "torch.broadcast_tensors": ["(Tensor[]... tensors) -> Tensor[]^"],
    "torch.cartesian_prod": ["(Tensor[]... tensors) -> Tensor^"],
    "torch.cdist": [
        "(Tensor x1, Tensor x2, float p=2.0, str compute_mode='use_mm_for_euclid_dist_if_necessary') -> Tensor^"
    ],
    "torch.chain_matmul": ["(Tensor[]... matrices, *, Tensor? out=None) -> Tensor^"],
    "torch.einsum": ["(str equation, Tensor[]... operands) -> Tensor^"],
    "torch.from_dlpack": ["(Any ext_tensor, *, Device? device=None, bool? copy=None) -> Tensor"],
    "torch.from_numpy": ["(Any ndarray) -> Tensor"],
    "torch.frombuffer": [
        "(Any buffer, *, ScalarType dtype, int count=-1, int offset=0, bool requires_grad=False) -> Tensor"
    ],
    "torch.get_default_dtype": ["() -> ScalarType"],
    "torch.get_device": ["(Tensor input) -> int"],
    "torch.is_grad_enabled": ["() -> bool"],
    "torch.is_inference_mode_enabled": ["() -> bool"],
    "torch.is_storage": ["(Any obj) -> bool"],
    "torch.is_tensor": ["(Any obj) -> bool"],
    "torch.lobpcg": [_LOBPCG],
    "torch.lu": [
        "(Tensor A, bool pivot=True, False get_infos=False, *, Tensor[]? out=None) -> (Tensor^, Tensor)",
        "(Tensor A, bool pivot=True, True get_infos, *, Tensor[]? out=None) -> (Tensor^, Tensor, Tensor)",
    ],
    "torch.manual_seed": ["(int seed) -> Generator"],
    "torch.meshgrid": ["(Tensor[]... tensors, *, str? indexing=None) -> Tensor[]^"],
    "torch.norm": [
        f"(Tensor input, {_NORM}, Tensor? out=None, ScalarType? dtype=None) -> Tensor^",
    ],
    "torch.numel": ["(Tensor input) -> int"],
    "torch.pca_lowrank": ["(Tensor A, int? q=None, bool center=True, int niter=2) -> (Tensor^, Tensor^, Tensor^)"],
    "torch.split": [
        "(Tensor tensor, int split_size_or_sections, int dim=0) -> Tensor[]^",
        "(Tensor tensor, int[] split_size_or_sections, int dim=0) -> Tensor[]^",
    ],
    "torch.stft": [f"(Tensor input, {_STFT}) -> Tensor^"],
    "torch.svd_lowrank": ["(Tensor A, int? q=6, int? niter=2, Tensor? M=None) -> (Tensor^, Tensor^, Tensor^)"],
    "torch.tensor": [f"(Any data, {_FACTORY}, bool pin_memory=False, bool requires_grad=False) -> Tensor"],
    "torch.tensordot": [
        "(Tensor a, Tensor b, Any dims=2, Tensor? out=None) -> Tensor^",
    ],
    "torch.unique": _unique("Tensor input", "bool sorted=True", "int? dim=None"),
    "torch.unique_consecutive": _unique("Tensor input", "", "int? dim=None"),
    "torch.unravel_index": ["(Tensor indices, Any shape) -> Tensor[]"],
    "torch.nonzero": [
        "(Tensor input, *, Tensor? out=None, False as_tuple=False) -> Tensor",
        "(Tensor input, *, True as_tuple) -> Tensor[]",
    ],
    "torch.sparse.sum": ["(Tensor input, int[]? dim=None, ScalarType? dtype=None) -> Tensor^"],
    "torch.nn.functional.sigmoid": ["(Tensor input) -> Tensor^"],
    "torch.nn.functional.softsign": ["(Tensor input) -> Tensor^"],
    "torch.nn.functional.tanh": ["(Tensor input) -> Tensor^"],
    "torch.nn.functional.tanhshrink": ["(Tensor input) -> Tensor^"],
    "torch.nn.functional.upsample": [f"{_UPSAMPLE}, str mode='nearest', bool? align_corners=None) -> Tensor^"],
    "torch.nn.functional.upsample_bilinear": [f"{_UPSAMPLE}) -> Tensor^"],
    "torch.nn.functional.upsample_nearest": [f"{_UPSAMPLE}) -> Tensor^"],
    "torch.Tensor.apply_": ["(Any callable) -> Tensor"],
    "torch.Tensor.as_subclass": ["(Any cls) -> Tensor^"],
    "torch.Tensor.backward": [
        "(Tensor? gradient=None, bool? retain_graph=None, bool create_graph=False, Any inputs=None) -> ()"
    ],
    "torch.Tensor.bfloat16": [f"({_MEMORY}) -> Tensor^"],
    "torch.Tensor.bool": [f"({_MEMORY}) -> Tensor"],
    "torch.Tensor.byte": [f"({_MEMORY}) -> Tensor"],
    "torch.Tensor.cdouble": [f"({_MEMORY}) -> Tensor^"],
    "torch.Tensor.cfloat": [f"({_MEMORY}) -> Tensor^"],
    "torch.Tensor.char": [f"({_MEMORY}) -> Tensor"],
    "torch.Tensor.cpu": [f"({_MEMORY}) -> Tensor^"],
    "torch.Tensor.cuda": [f"({_MOVE}) -> Tensor^"],
    "torch.Tensor.data_ptr": ["() -> int"],
    "torch.Tensor.dim_order": ["(*, Any ambiguity_check=False) -> int[]"],
    "torch.Tensor.double": [f"({_MEMORY}) -> Tensor^"],
    "torch.Tensor.element_size": ["() -> int"],
    "torch.Tensor.float": [f"({_MEMORY}) -> Tensor^"],
    "torch.Tensor.half": [f"({_MEMORY}) -> Tensor^"],
    "torch.Tensor.int": [f"({_MEMORY}) -> Tensor"],
    "torch.Tensor.is_shared": ["() -> bool"],
    "torch.Tensor.istft": [f"({_ISTFT}) -> Tensor^"],
    "torch.Tensor.long": [f"({_MEMORY}) -> Tensor"],
    "torch.Tensor.lu": [
        "(bool pivot=True, False get_infos=False) -> (Tensor^, Tensor)",
        "(bool pivot=True, True get_infos) -> (Tensor^, Tensor, Tensor)",
    ],
    "torch.Tensor.map_": ["(Tensor tensor, Any callable) -> Tensor"],
    "torch.Tensor.ndimension": ["() -> int"],
    "torch.Tensor.nelement": ["() -> int"],
    "torch.Tensor.new_tensor": [
        f"(Any data, {_FACTORY}, bool requires_grad=False, Layout? layout=None, bool pin_memory=False) -> Tensor"
    ],
    "torch.Tensor.nonzero": [
        "(*, False as_tuple=False) -> Tensor",
        "(*, True as_tuple) -> Tensor[]",
    ],
    "torch.Tensor.norm": [f"({_NORM}, ScalarType? dtype=None) -> Tensor^"],
    "torch.Tensor.numpy": ["(*, bool force=False) -> ndarray"],
    "torch.Tensor.register_hook": ["(Any hook) -> RemovableHandle"],
    "torch.Tensor.register_post_accumulate_grad_hook": ["(Any hook) -> RemovableHandle"],
    "torch.Tensor.share_memory_": ["() -> Tensor^"],
    "torch.Tensor.short": [f"({_MEMORY}) -> Tensor"],
    "torch.Tensor.size": ["(None dim=None) -> Size", "(int dim) -> int"],
    "torch.Tensor.split": [
        "(int split_size, int dim=0) -> Tensor[]^",
        "(int[] split_size, int dim=0) -> Tensor[]^",
    ],
    "torch.Tensor.stft": [f"({_STFT}) -> Tensor^"],
    "torch.Tensor.storage": ["() -> TypedStorage"],
    "torch.Tensor.storage_type": ["() -> Any"],
    "torch.Tensor.stride": ["() -> int[]", "(int dim) -> int"],
    "torch.Tensor.to_sparse_coo": ["() -> Tensor^"],
    "torch.Tensor.to": [
        f"(Device? device=None, ScalarType? dtype=None, {_TO}) -> Tensor^",
        f"(ScalarType dtype, {_TO}) -> Tensor^",
        f"(Tensor other, {_TO}) -> Tensor^",
    ],
    "torch.Tensor.tolist": ["() -> Any"],
    "torch.Tensor.type": [
        "(None dtype=None, bool non_blocking=False) -> str",
        "(Any dtype, bool non_blocking=False) -> Tensor^",
    ],
    "torch.Tensor.unflatten": ["(int dim, int[] sizes) -> Tensor^"],
    "torch.Tensor.unique": _unique("", "bool sorted=True", "int? dim=None"),
    "torch.Tensor.unique_consecutive": _unique("", "", "int? dim=None"),
    "torch.Tensor.untyped_storage": ["() -> UntypedStorage"],
    "torch.Tensor.xpu": [f"({_MOVE}) -> Tensor^"],
}

# The constructors of the recurrent modules take `*args, **kwargs`; so `nn/modules/rnn.py` documents them.
_RECURRENT = "bias=True, batch_first=False, dropout=0.0, bidirectional=False{extra}, device=None, dtype=None"
HAND_WRITTEN_SIGNATURES: dict[str, str] = {
    "torch.nn.GRU": "input_size, hidden_size, num_layers=1, " + _RECURRENT.format(extra=""),
    "torch.nn.LSTM": "input_size, hidden_size, num_layers=1, " + _RECURRENT.format(extra=", proj_size=0"),
    "torch.nn.RNN": "input_size, hidden_size, num_layers=1, nonlinearity='tanh', " + _RECURRENT.format(extra=""),
}
