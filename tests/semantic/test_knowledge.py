"""The knowledge about torch: what it says, and that the installed torch agrees."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from torchlint.semantic import knowledge
from torchlint.semantic.knowledge import Argument, ParameterKind, Return

FOLDER = Path(knowledge.__file__).parent
with_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("torch.nn.modules.activation.Softmax", "torch.nn.Softmax"),
        ("torch.utils.data.dataloader.DataLoader", "torch.utils.data.DataLoader"),
        ("torch.utils.data._utils.collate.default_collate", "torch.utils.data.default_collate"),
        ("torch.functional.einsum", "torch.einsum"),
        ("torch.autograd.grad_mode.no_grad", "torch.no_grad"),
        ("torch.autograd.no_grad", "torch.no_grad"),
        ("torch.optim.adam.Adam", "torch.optim.Adam"),
        ("torch._tensor.Tensor.max", "torch.Tensor.max"),
        ("torch.nn.functional.torch.nn.Linear", "torch.nn.Linear"),
        ("torch.nn.modules.activation.Softmax.forward", "torch.nn.Softmax.forward"),
        ("torch.nn.functional.softmax", "torch.nn.functional.softmax"),
        ("torch.nn.functional.tanh", "torch.nn.functional.tanh"),
        ("torch.conv2d", "torch.nn.functional.conv2d"),
        ("torch.long", "torch.int64"),
        ("torch.no_such.name", "torch.no_such.name"),
        ("torchvision.models", "torchvision.models"),
        ("numpy.array", "numpy.array"),
        ("", ""),
    ],
)
def test_canonical(name: str, public: str) -> None:
    assert knowledge.canonical(name) == public
    assert knowledge.canonical(public) == public


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("torch", "module"),
        ("torch.nn.functional", "module"),
        ("torch.nn.Linear", "class"),
        ("torch.no_grad", "class"),
        ("torch.utils.tensorboard.SummaryWriter", "class"),
        ("torch.optim.lr_scheduler._LRScheduler", "class"),
        ("torch.relu", "function"),
        ("torch.nn.functional.max_pool2d", "function"),
        ("torch.Tensor.backward", "function"),
        ("torch.Tensor.grad", "constant"),
        ("torch.nn.Module.train", "function"),
        ("torch.float32", "constant"),
        ("torch.nan", "constant"),
        ("torch.backends.cudnn.benchmark", "constant"),
        ("torch.__version__", "constant"),
        ("torch.nn.Softmx", None),
        ("torchvision", None),
        ("numpy.array", None),
    ],
)
def test_kind(name: str, kind: str | None) -> None:
    assert knowledge.kind(name) == kind


def test_exports_of_unknown_modules_are_none() -> None:
    assert knowledge.exports("numpy") is None
    assert knowledge.exports("torch.no_such") is None
    assert knowledge.exports("torch.Tensor") is None


def test_signature() -> None:
    linear = knowledge.signature("torch.nn.Linear")
    assert linear is not None
    assert [parameter.name for parameter in linear.parameters] == [
        "in_features",
        "out_features",
        "bias",
        "device",
        "dtype",
    ]
    bias = linear.parameter("bias")
    assert bias is not None
    assert (bias.kind, bias.has_default, bias.default) == (ParameterKind.POSITIONAL_OR_KEYWORD, True, True)
    features = linear.parameter("in_features")
    assert features is not None
    assert (features.has_default, features.default) == (False, ...)
    adam = knowledge.signature("torch.optim.Adam")
    assert adam is not None
    betas, foreach = adam.parameter("betas"), adam.parameter("foreach")
    assert betas is not None
    assert foreach is not None
    assert (betas.has_default, betas.default) == (True, ...)
    assert foreach.kind is ParameterKind.KEYWORD_ONLY
    assert linear.parameter("no_such") is None


def test_signature_without_python_signature() -> None:
    only = knowledge.signature("torch.abs")
    assert only is not None
    assert [(p.name, p.kind.value, p.has_default) for p in only.parameters] == [
        ("input", "positional-or-keyword", False),
        ("out", "keyword-only", True),
    ]
    assert knowledge.signature("torch.max") is None
    assert knowledge.signature("torch.no_such") is None


def test_overloads_that_return_tuples_and_tensors() -> None:
    returns = {len(overload.parameters): overload.returns for overload in knowledge.operators("torch.Tensor.max")}
    assert returns[0] == (Return("", "Tensor", True),)
    assert returns[2] == (Return("values", "Tensor", True), Return("indices", "Tensor", False))
    single, pair = knowledge.operators("torch.nn.functional.max_pool2d")
    assert [result.differentiable for result in single.returns] == [True]
    assert [result.differentiable for result in pair.returns] == [True, False]
    assert [a.type for a in pair.parameters if a.name == "return_indices"] == ["True"]
    assert knowledge.operators("torch.no_such") == ()


def test_parse_overload() -> None:
    overload = knowledge.parse_overload(
        "(Tensor(a!) self, int[2]... size, *, str mode='a, b', int[1]? at=[0, 1]) -> (Tensor(a!)^ x, int)"
    )
    assert overload.parameters == (
        Argument("self", "Tensor"),
        Argument("size", "int[2]", variadic=True),
        Argument("mode", "str", keyword_only=True, default="'a, b'"),
        Argument("at", "int[1]?", keyword_only=True, default="[0, 1]"),
    )
    assert overload.returns == (Return("x", "Tensor", True), Return("", "int", False))
    assert knowledge.parse_overload("() -> ()") == knowledge.Overload((), ())
    with pytest.raises(ValueError, match="not an overload"):
        knowledge.parse_overload("Tensor self")


@pytest.mark.parametrize(
    ("name", "has_parameters", "returns", "is_loss"),
    [
        ("torch.nn.Linear", True, "tensor", False),
        ("torch.nn.ReLU", False, "tensor", False),
        ("torch.nn.LSTM", True, "tuple", False),
        ("torch.nn.GRUCell", True, "tensor", False),
        ("torch.nn.LSTMCell", True, "tuple", False),
        ("torch.nn.MultiheadAttention", True, "tuple", False),
        ("torch.nn.BatchNorm2d", True, "tensor", False),
        ("torch.nn.InstanceNorm2d", False, "tensor", False),
        ("torch.nn.CrossEntropyLoss", False, "tensor", True),
        ("torch.nn.Sequential", None, None, False),
        ("torch.nn.Identity", False, None, False),
    ],
)
def test_module_class(name: str, has_parameters: bool | None, returns: str | None, is_loss: bool) -> None:
    described = knowledge.module_class(name)
    assert described is not None
    assert (described.has_parameters, described.returns, described.is_loss) == (
        has_parameters,
        returns,
        is_loss,
    )
    assert described.bases[-1] == "torch.nn.Module"


def test_module_class_of_other_names() -> None:
    assert knowledge.module_class("torch.optim.Adam") is None
    assert knowledge.module_class("torch.nn.functional.relu") is None


def test_tensor_attributes() -> None:
    assert knowledge.is_tensor_method("backward")
    assert not knowledge.is_tensor_property("backward")
    assert knowledge.is_tensor_property("grad")
    assert not knowledge.is_tensor_method("grad")
    assert not knowledge.is_tensor_method("no_such")


def test_numpy_conversion() -> None:
    message = "RuntimeError: Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
    assert knowledge.numpy_conversion("numpy.array") == (message, message)
    assert knowledge.numpy_conversion("matplotlib.pyplot.plot") == (message, message)
    assert knowledge.numpy_conversion("numpy.no_such") == (None, None)
    direct, listed = knowledge.numpy_conversion("numpy.mean")
    assert direct is not None
    assert direct.startswith("TypeError")
    assert listed == message


def test_every_entry_can_be_read() -> None:
    data = json.loads(FOLDER.joinpath("torch.json").read_text(encoding="utf-8"))
    assert data["torch"] == knowledge.torch_version()
    for name in data["signatures"]:
        assert knowledge.canonical(name) == name
        assert knowledge.signature(name) is not None
        assert knowledge.kind(name) in ("class", "function"), name
    for name, texts in data["operators"].items():
        assert knowledge.canonical(name) == name
        assert len(knowledge.operators(name)) == len(texts) > 0
        assert knowledge.kind(name) == "function", name
    for name in data["module_classes"]:
        described = knowledge.module_class(name)
        assert described is not None
        assert knowledge.kind(name) == "class"
    for name in data["namespaces"]:
        knowledge.exports(name)
    for method in data["tensor_methods"]:
        assert knowledge.kind(f"torch.Tensor.{method}") == "function"


def test_data_holds_no_paths_of_a_machine() -> None:
    for file in FOLDER.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        assert not any(part in text for part in ("/home/", "/tmp/", "/root/", "site-packages", " at 0x", "Users"))


def test_the_loader_imports_no_torch() -> None:
    """Nothing that is imported for an answer imports torch or yaml."""
    code = (
        "import sys; from torchlint.semantic import knowledge; knowledge.operators('torch.max'); "
        "print([m for m in ('torch', 'yaml', 'numpy', 'inspect') if m in sys.modules and m != 'inspect'])"
    )
    root = FOLDER.parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert ast.literal_eval(done.stdout) == []


# The rest asks the installed torch.


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both data files, made anew."""
    import torch

    if torch.__version__.partition("+")[0] != knowledge.torch_version():
        pytest.skip(f"the data is of torch {knowledge.torch_version()}, installed is {torch.__version__}")
    for package in ("numpy", "matplotlib", "sklearn", "pandas", "PIL"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("knowledge")
    command = [sys.executable, "-m", "torchlint.semantic.knowledge.generate", str(folder)]
    subprocess.run(command, cwd=FOLDER.parents[2], check=True, capture_output=True, timeout=300)
    return folder


@with_torch
@pytest.mark.parametrize(
    "section",
    ["tensor_methods", "tensor_properties", "namespaces", "signatures", "operators", "module_classes"],
)
def test_regenerating_gives_the_same(regenerated: Path, section: str) -> None:
    stored = json.loads(FOLDER.joinpath("torch.json").read_text(encoding="utf-8"))[section]
    made = json.loads(regenerated.joinpath("torch.json").read_text(encoding="utf-8"))[section]
    if isinstance(stored, dict):
        assert {name: made.get(name) for name in stored if made.get(name) != stored[name]} == {}
    assert made == stored


@with_torch
def test_measuring_conversions_gives_the_same(regenerated: Path) -> None:
    stored = json.loads(FOLDER.joinpath("conversions.json").read_text(encoding="utf-8"))
    made = json.loads(regenerated.joinpath("conversions.json").read_text(encoding="utf-8"))
    if made["versions"] != stored["versions"]:
        pytest.skip(f"measured with {stored['versions']}, installed are {made['versions']}")
    assert made == stored


_STARRED = """
import json, sys, warnings
warnings.simplefilter("ignore")
import torch
bound = {}
for module in sys.argv[1:]:
    names = {}
    exec(f"from {module} import *", names)
    bound[module] = sorted(set(names) - {"__builtins__"})
print(json.dumps(bound))
"""


@with_torch
def test_exports_are_what_a_star_import_binds() -> None:
    modules = (
        "torch torch.nn torch.nn.functional torch.nn.init torch.nn.utils torch.nn.utils.rnn "
        "torch.nn.parallel torch.optim torch.optim.lr_scheduler torch.utils torch.utils.data "
        "torch.autograd torch.cuda torch.cuda.amp torch.amp torch.linalg torch.fft torch.special "
        "torch.distributed torch.distributions torch.multiprocessing torch.jit torch.hub "
        "torch.random torch.functional torch.nn.modules torch.nn.modules.loss torch.profiler "
        "torch.backends.cudnn "
    )
    command = [sys.executable, "-c", _STARRED, *modules.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for module, bound in json.loads(done.stdout).items():
        assert knowledge.exports(module) == frozenset(bound), module


@with_torch
def test_canonical_names_are_the_same_object() -> None:
    import torch

    for module in (
        "torch.nn.modules.activation",
        "torch.functional",
        "torch.autograd",
        "torch.nn.functional",
        "torch.amp",
    ):
        exported = knowledge.exports(module)
        assert exported is not None
        for member in exported:
            public = knowledge.canonical(f"{module}.{member}")
            if public.startswith("torch."):
                assert _lookup(torch, public) is _lookup(torch, f"{module}.{member}"), public


def _lookup(root: object, name: str) -> object:
    for part in name.split(".")[1:]:
        root = getattr(root, part)
    return root


def _unary_names() -> list[str]:
    data = json.loads(FOLDER.joinpath("torch.json").read_text(encoding="utf-8"))
    return [
        name
        for name in data["operators"]
        if name.count(".") == 1
        and not name.endswith("_")
        and len(overloads := knowledge.operators(name)) == 1
        and [a.type for a in overloads[0].parameters if a.default is None] == ["Tensor"]
    ]


@with_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _unary_names())
def test_operators_of_one_tensor_return_what_is_said(name: str) -> None:
    import torch

    tensor = torch.tensor([[0.9, 0.2], [0.2, 0.8]], requires_grad=True)
    try:
        result = _lookup(torch, name)(tensor)  # type: ignore[operator]
    except (RuntimeError, TypeError, ValueError, IndexError):
        pytest.skip("not for a square matrix of floats")
    (overload,) = knowledge.operators(name)
    results = [result] if len(overload.returns) == 1 else list(result)
    assert len(results) == len(overload.returns)
    for declared, seen in zip(overload.returns, results, strict=True):
        assert isinstance(seen, torch.Tensor) == (declared.type in ("Tensor", "Tensor?"))
        if isinstance(seen, torch.Tensor):
            assert seen.requires_grad == declared.differentiable


@with_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "expression",
    [
        "F.softmax(x, dim=1)",
        "F.cross_entropy(x, torch.tensor([0, 1]))",
        "F.kl_div(x, x)",
        "F.dropout(x)",
        "F.linear(x, x)",
        "F.interpolate(x[None, None], scale_factor=2)",
        "F.binary_cross_entropy(x, x.detach())",
        "F.embedding(torch.tensor([0]), x)",
        "F.one_hot(torch.tensor([0]))",
        "F.pad(x, (1, 1))",
        "torch.einsum('ij,jk->ik', x, x)",
        "torch.split(x, 1)",
        "torch.stft(x.flatten(), 4, return_complex=True)",
        "torch.norm(x)",
        "torch.unique(x)",
        "torch.meshgrid(x[0], x[1], indexing='ij')",
        "torch.zeros_like(x)",
        "torch.cat([x, x])",
        "torch.stack([x, x])",
        "torch.matmul(x, x)",
        "torch.as_tensor(x)",
        "torch.tensor([1.0])",
    ],
)
def test_common_calls_return_what_the_first_fitting_overload_says(expression: str) -> None:
    import torch
    import torch.nn.functional as functional

    scope = {"torch": torch, "F": functional, "x": torch.tensor([[0.9, 0.2], [0.2, 0.8]], requires_grad=True)}
    result = eval(expression, scope)
    name = expression.partition("(")[0].replace("F.", "torch.nn.functional.")
    declared = knowledge.operators(name)[0].returns
    assert len(declared) == 1
    if declared[0].type == "Tensor":
        assert isinstance(result, torch.Tensor)
        assert result.requires_grad == declared[0].differentiable
    else:
        assert declared[0].type == "Tensor[]"
        assert isinstance(result, (tuple, list))
        assert all(tensor.requires_grad == declared[0].differentiable for tensor in result)
