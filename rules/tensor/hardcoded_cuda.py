import re

import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.enclosing import is_tried
from torchlint.semantic.facts import Call
from torchlint.semantic.objects import as_device
from torchlint.semantic.values import Const, Device, Symbol, Value
from torchlint.semantic.written import written_argument

# Who writes one of these has thought of machines without a GPU, or writes what runs nowhere else.
AWARE = re.compile(
    r"is_available|device_count|skipif|skipunless|requires?_(?:cuda|gpu)|(?:no|use|has|with|enable)_?(?:cuda|gpu)"
    r"|triton|apex|distributed|deepspeed|accelerat|bitsandbytes|flash_attn|xformers|tensorrt|cupy|pycuda|numba|nccl"
    r"|(?:args|opt|opts|config|cfg|flags|hparams|params|self)\.(?:cuda|gpu|device)|local_rank|--(?:gpu|device|cuda)"
    r"|diffusers|float16|\.half\(|load_in_[48]bit|vllm"
    r"|cuda_visible_devices|load_inline|cpp_extension|torch\.cuda\.(?:event|graph|stream|synchronize|set_device)",
    re.IGNORECASE,
)
LEGACY = re.compile(r"torch\.cuda\.\w+Tensor")
# So many places in a `try` show that the file can do without.
MAX_TRIED = 3
MISNAMED = re.compile(r"""["'](?:[Gg][Pp][Uu]|CUDA|Cuda|cuda\d)""")
NO_DEVICE = re.compile(r"gpu\d*|cuda\d+|CUDA|Cuda|GPU\d*")


class HardcodedCuda(Rule):
    """Checks for programs that put tensors and models on a GPU whether there is one or not.

    Reported is the first place in a file that nowhere asks for a GPU, as by `torch.cuda.is_available()`, and lets
    nobody choose a device; files that use several GPUs, or libraries for GPUs only, are left alone. A device that torch
    does not know, such as `"gpu"`, is reported as an error wherever it is used.

    ## Why is this bad?
    Without a GPU it raises `AssertionError: Torch not compiled with CUDA enabled` or `RuntimeError: Found no NVIDIA
    driver`: on a laptop, on a Mac, in CI. `"gpu"` raises `RuntimeError: Expected one of cpu, cuda, ...` everywhere.

    ## Example
    ```python
    import torch
    from torch import nn

    model = nn.Linear(4, 2).cuda()
    prediction = model(torch.randn(8, 4).cuda())
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = nn.Linear(4, 2).to(device)
    prediction = model(torch.randn(8, 4, device=device))
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/notes/cuda.html#device-agnostic-code
    """

    code = "TL305"
    category = Category.PORTABILITY
    words = ("cuda", "gpu", "GPU")

    def leave_Module(self, node: cst.Module) -> None:
        text = self.source.text
        aware = "is_available" in text or AWARE.search(text) is not None
        if aware and MISNAMED.search(text) is None:
            return
        places: dict[int, Call] = {}
        wrong: set[int] = set()
        for name in self.model.called:
            moves = name.endswith((".cuda", ".to"))
            if not moves and not name.startswith("torch."):
                continue
            for call in self.model.calls_of(name):
                if not call.certain or call.tried:
                    continue
                if self._is_unknown_device(call) and id(call.node) not in wrong:
                    wrong.add(id(call.node))
                    self._report_unknown(call)
                elif not aware and not call.tests and self._needs_gpu(call):
                    places.setdefault(id(call.node), call)
        calls = list(places.values())
        while calls and is_tried(node, calls[0].node) and len(places) - len(calls) < MAX_TRIED:
            del calls[0]
        if calls and len(places) - len(calls) < MAX_TRIED:
            self._report(calls)

    def _needs_gpu(self, call: Call) -> bool:
        assert call.name is not None
        if call.name.endswith(".cuda"):
            given = call.argument(0, "device")
            return given is None or isinstance(given, Const)
        if LEGACY.fullmatch(call.name):
            return True
        if call.name.endswith(".type"):
            wanted = call.argument(0, "dtype")
            return isinstance(wanted, Symbol) and LEGACY.fullmatch(wanted.name) is not None
        device = _device(call)
        if _is_parameter(call):
            return False
        known = as_device(device) if device is not None and not isinstance(device, Symbol) else None
        return known is not None and known.device is Device.ACCELERATOR and not _is_other(device)

    def _is_unknown_device(self, call: Call) -> bool:
        assert call.name is not None
        device = call.argument(0, "device") if call.name == "torch.device" else _device(call)
        if not isinstance(device, Const) or not isinstance(device.value, str) or call.name.startswith("#"):
            return False
        return NO_DEVICE.fullmatch(device.value.partition(":")[0]) is not None

    def _report_unknown(self, call: Call) -> None:
        self.report(
            call.node,
            "torch has no device of this name",
            help='the name is `"cuda"`, and `"cuda:0"` for the first GPU',
            severity=Severity.ERROR,
        )

    def _report(self, calls: list[Call]) -> None:
        more = f" ({len(calls)} such places)" if len(calls) > 1 else ""
        text = self.text(calls[0].node)
        what = f"`{text}`" if len(text) <= 40 and "\n" not in text else "this"
        self.report(
            calls[0].node,
            f"{what} needs a GPU, and this file never asks whether there is one{more}",
            help='choose it once: `device = "cuda" if torch.cuda.is_available() else "cpu"`',
            severity=Severity.INFO,
        )


def _device(call: Call) -> Value | None:
    """The device that a call is given: `device=`, or what `.to` is given first."""
    assert call.name is not None
    named = call.arguments.keywords.get("device")
    return named if named is not None or not call.name.endswith(".to") else call.argument(0)


def _is_parameter(call: Call) -> bool:
    """Whether the device is a parameter of the function, so that callers choose it, whatever its default."""
    arg = written_argument(call.node, 0 if (call.name or "").endswith(".to") else None, "device")
    if arg is None or not isinstance(arg.value, cst.Name) or not call.active:
        return False
    parameters = call.active[-1].node.params
    names = {p.name.value for p in (*parameters.posonly_params, *parameters.params, *parameters.kwonly_params)}
    return arg.value.value in names


def _is_other(device: Value | None) -> bool:
    """Whether a device is an accelerator other than a GPU of NVIDIA or AMD, or a number that says nothing."""
    return isinstance(device, Const) and not str(device.value).startswith("cuda")
