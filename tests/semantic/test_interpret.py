"""The model of values: what `show(...)` is given, by the ways in which programs say it."""

from textwrap import dedent

import libcst as cst
import pytest

from torchlint.notebook import from_cells
from torchlint.parse import parse
from torchlint.semantic.model import Model
from torchlint.semantic.project import Project, Unit
from torchlint.semantic.values import Tensor, Value
from torchlint.source import Source

IMPORTS = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader
"""


def model_of(code: str, files: dict[str, str] | None = None) -> Model:
    texts = {f"/project/{name}": dedent(text).encode() for name, text in (files or {}).items()}
    source = Source("/project/main.py", IMPORTS + dedent(code))
    return Model(Unit("/project/main.py", source, parse(source)), Project(texts.get))


def shown(code: str, files: dict[str, str] | None = None) -> list[Value]:
    """What each `show(value)` of the code is given, in every context."""
    model = model_of(code, files)
    found: list[Value] = []

    class Finder(cst.CSTVisitor):
        def leave_Call(self, original_node: cst.Call) -> None:
            if isinstance(original_node.func, cst.Name) and original_node.func.value == "show":
                found.extend(model.values(original_node.args[0].value))

    model.module.visit(Finder())
    return found


SOFTMAX = [
    pytest.param("p = F.softmax(torch.randn(2, 3), 1)\nshow(p)", id="variable"),
    pytest.param("p, q = F.softmax(torch.randn(2, 3), 1), 1\nshow(p)", id="tuple unpacking"),
    pytest.param("(p, (q, r)) = 1, (2, torch.randn(2).softmax(0))\nshow(r)", id="nested unpacking"),
    pytest.param("first, *rest, last = 1, 2, torch.randn(2).softmax(0)\nshow(last)", id="starred unpacking"),
    pytest.param("d = {'p': torch.randn(2).softmax(0)}\nshow(d['p'])", id="dict"),
    pytest.param("d = {}\nd['p'] = torch.randn(2).softmax(0)\nshow(d['p'])", id="dict item assigned"),
    pytest.param("d = dict(p=torch.randn(2).softmax(0))\nshow(d.get('p'))", id="dict call"),
    pytest.param("l = [1, torch.randn(2).softmax(0)]\nshow(l[-1])", id="list"),
    pytest.param("l = []\nl.append(torch.randn(2).softmax(0))\nshow(l[0])", id="append"),
    pytest.param("l = [torch.randn(2).softmax(0) for _ in range(3)]\nshow(l[1])", id="comprehension"),
    pytest.param("l = list(x.softmax(0) for x in [torch.randn(2)])\nshow(l[0])", id="generator"),
    pytest.param("if (p := torch.randn(2).softmax(0)) is not None:\n    show(p)", id="walrus"),
    pytest.param("def f():\n    return torch.randn(2).softmax(0)\nshow(f())", id="function"),
    pytest.param("f = lambda x: x.softmax(0)\nshow(f(torch.randn(2)))", id="lambda"),
    pytest.param("def f(x, dim=0):\n    return F.softmax(x, dim=dim)\ng = f\nshow(g(torch.randn(2)))", id="alias"),
    pytest.param("fn = F.softmax\nshow(fn(torch.randn(2), 0))", id="function of torch by another name"),
    pytest.param("N = nn\nshow(N.Softmax(0)(torch.randn(2)))", id="module by another name"),
    pytest.param("from torch.nn import *\nshow(Softmax(0)(torch.randn(2)))", id="star import of torch"),
    pytest.param("show(torch.nn.modules.activation.Softmax(0)(torch.randn(2)))", id="private path"),
    pytest.param("show(getattr(nn, 'Softmax')(0)(torch.randn(2)))", id="getattr"),
    pytest.param(
        "p = F.softmax(torch.randn(2), 0)\nwith open('x') as f:\n    show(p.cpu().view(-1).detach())", id="with"
    ),
    pytest.param("try:\n    p = torch.randn(2).softmax(0)\nexcept ValueError:\n    raise\nshow(p)", id="try"),
    pytest.param(
        "c = input()\nif c:\n    p = torch.randn(2).softmax(0)\nelse:\n    p = F.softmax(torch.ones(2), 0)\nshow(p)",
        id="branches",
    ),
    pytest.param("p = torch.randn(2).softmax(0) if input() else torch.ones(2).softmax(0)\nshow(p)", id="conditional"),
    pytest.param("for i in range(3):\n    p = torch.randn(2).softmax(0)\nshow(p)", id="loop"),
    pytest.param("while True:\n    p = torch.randn(2).softmax(0)\n    if input():\n        break\nshow(p)", id="while"),
    pytest.param(
        "match 1:\n    case 1:\n        p = torch.randn(2).softmax(0)\n"
        "    case _:\n        p = torch.ones(2).softmax(0)\nshow(p)",
        id="match",
    ),
    pytest.param("def f(*a, **k):\n    return k['p']\nshow(f(1, p=torch.randn(2).softmax(0)))", id="keywords"),
    pytest.param("def f(*a):\n    return a[1]\nargs = (1, torch.randn(2).softmax(0))\nshow(f(*args))", id="star"),
    pytest.param(
        "def outer():\n    p = torch.randn(2).softmax(0)\n    def inner():\n        return p\n"
        "    return inner\nshow(outer()())",
        id="closure",
    ),
    pytest.param("p = None\ndef f():\n    global p\n    p = torch.randn(2).softmax(0)\nf()\nshow(p)", id="global"),
    pytest.param("def f():\n    yield torch.randn(2).softmax(0)\nfor p in f():\n    show(p)", id="generator function"),
    pytest.param("m = nn.Sequential(nn.Linear(2, 2), nn.Softmax(1))\nshow(m(torch.randn(2, 2)))", id="sequential"),
    pytest.param(
        "m = nn.Sequential(nn.Sequential(nn.Softmax(1)), nn.Identity())\nshow(m(torch.randn(2, 2)))", id="nested"
    ),
    pytest.param("show(torch.stack([torch.ones(2).softmax(0)] * 2))", id="stack"),
]


@pytest.mark.parametrize("code", SOFTMAX)
def test_softmax_is_followed(code: str) -> None:
    values = shown(code)
    assert values
    assert all(isinstance(value, Tensor) and value.numbers.name == "SOFTMAX" for value in values), values


CLASSES = """
class Base(nn.Module):
    scale = 2

    def __init__(self, width=4, soft=True):
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.soft = soft

    @property
    def head(self):
        return self.fc

    @staticmethod
    def act(x):
        return F.softmax(x, dim=1)

    def build(self):
        self.late = nn.Softmax(dim=1)


class Net(Base):
    def forward(self, x):
        return self.act(self.head(x)) if self.soft else self.fc(x)


class Late(Base):
    def forward(self, x):
        return self.late(self.fc(x))
"""


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("Net()(torch.randn(1, 4))", "SOFTMAX"),
        ("Net(soft=False)(torch.randn(1, 4))", "LOGITS"),
        ("Late()(torch.randn(1, 4))", "SOFTMAX"),
        ("nn.DataParallel(Net()).module(torch.randn(1, 4))", "SOFTMAX"),
        ("torch.compile(Net().eval().to('cpu'))(torch.randn(1, 4))", "SOFTMAX"),
        ("Base.act(torch.randn(1, 4))", "SOFTMAX"),
        ("nn.ModuleList([Net()])[0](torch.randn(1, 4))", "SOFTMAX"),
        ("nn.ModuleDict({'a': Net()})['a'](torch.randn(1, 4))", "SOFTMAX"),
        ("{'net': Net}['net']()(torch.randn(1, 4))", "SOFTMAX"),
    ],
)
def test_classes(expression: str, numbers: str) -> None:
    (value,) = shown(f"{CLASSES}\nshow({expression})")
    assert isinstance(value, Tensor)
    assert value.numbers.name == numbers
    assert value.grad.name == ("NO" if "Base.act" in expression else "YES")


FILES = {
    "pkg/__init__.py": "from .net import Net\nfrom . import tools as helpers\n",
    "pkg/net.py": """
        import torch.nn as nn
        from .tools import normalize

        class Net(nn.Module):
            def forward(self, x):
                return normalize(x)
    """,
    "pkg/tools.py": "from torch import softmax\nimport pkg.net\n\ndef normalize(x):\n    return softmax(x, 1)\n",
    "stars.py": "from pkg.net import *\nfrom torch.nn import *\n",
    "cycle_a.py": "from cycle_b import g\ndef f(x):\n    return g(x)\n",
    "cycle_b.py": "import cycle_a\nimport torch\ndef g(x):\n    return torch.softmax(x, 1) if True else cycle_a.f(x)\n",
}


@pytest.mark.parametrize(
    "code",
    [
        "from pkg import Net\nshow(Net()(torch.ones(1, 2)))",
        "from pkg.net import Net as N\nshow(N()(torch.ones(1, 2)))",
        "import pkg\nshow(pkg.Net()(torch.ones(1, 2)))",
        "import pkg.net as n\nshow(n.Net()(torch.ones(1, 2)))",
        "from pkg import tools\nshow(tools.normalize(torch.ones(1, 2)))",
        "from pkg import helpers\nshow(helpers.normalize(torch.ones(1, 2)))",
        "from stars import *\nshow(Net()(torch.ones(1, 2)))",
        "from stars import Softmax\nshow(Softmax(1)(torch.ones(1, 2)))",
        "from cycle_a import f\nshow(f(torch.ones(1, 2)))",
        "try:\n    from missing import Net\nexcept ImportError:\n    from pkg import Net\n"
        "show(Net()(torch.ones(1, 2)))",
    ],
)
def test_other_files(code: str) -> None:
    values = shown(code, FILES)
    if "missing" in code:
        # Either of two things may be called: nothing is certain.
        assert not isinstance(values[0], Tensor)
    else:
        assert [value.numbers.name for value in values if isinstance(value, Tensor)] == ["SOFTMAX"]


MODEL = "net = nn.Linear(2, 2)\nx = torch.randn(1, 2)\n"


@pytest.mark.parametrize(
    ("code", "grad"),
    [
        ("show(net(x))", "YES"),
        ("show(net(x).detach())", "NO"),
        ("show(net(x).argmax(1))", "NO"),
        ("show(net(x) > 0)", "NO"),
        ("show(torch.max(net(x), 1)[0])", "YES"),
        ("show(torch.max(net(x), 1).indices)", "NO"),
        ("with torch.no_grad():\n    show(net(x))", "NO"),
        ("with torch.no_grad(), open('f'):\n    pass\nshow(net(x))", "YES"),
        ("with torch.no_grad():\n    with torch.enable_grad():\n        show(net(x))", "YES"),
        ("torch.set_grad_enabled(False)\nshow(net(x))", "NO"),
        ("with torch.set_grad_enabled(input() == 'train'):\n    show(net(x))", "MAYBE"),
        ("with unknown():\n    show(net(x))", "MAYBE"),
        ("@torch.no_grad()\ndef f():\n    show(net(x))\nf()", "NO"),
        ("@torch.inference_mode\ndef f():\n    show(net(x))\nf()", "NO"),
        ("@unknown\ndef f():\n    show(net(x))\nf()", "MAYBE"),
        ("for p in net.parameters():\n    p.requires_grad = False\nshow(net(x))", "NO"),
        (
            "for n, p in net.named_parameters():\n    if 'w' in n:\n        p.requires_grad = False\nshow(net(x))",
            "MAYBE",
        ),
        ("net.requires_grad_(False)\nshow(net(x))", "NO"),
        ("unknown(net)\nshow(net(x))", "MAYBE"),
        ("for m in unknown():\n    m.requires_grad = False\nshow(net(x))", "MAYBE"),
        ("y = net(x)\ny.detach_()\nshow(y)", "NO"),
        ("y = torch.zeros(3)\ny[0] = net(x).sum()\nshow(y)", "YES"),
        ("total = 0\nfor _ in range(3):\n    total += net(x).sum()\nshow(total.mean())", "YES"),
        ("for batch, label in DataLoader([1]):\n    show(batch)", "NO"),
        ("w = torch.ones(2, requires_grad=True)\nshow(w * 2)", "YES"),
        ("def f(n):\n    return net(x) if n == 0 else f(n - 1)\nshow(f(unknown()))", "MAYBE"),
    ],
)
def test_requires_grad(code: str, grad: str) -> None:
    values = [value for value in shown(MODEL + code) if isinstance(value, Tensor)]
    if "def f(n)" in code:
        # Bounded recursion: the value is at most uncertain.
        assert all(value.grad.name in ("YES", "MAYBE") for value in values)
        return
    assert values
    assert {value.grad.name for value in values} == {grad}


@pytest.mark.parametrize(
    ("code", "device"),
    [
        ("show(torch.ones(2))", "CPU"),
        ("show(torch.ones(2).cuda())", "ACCELERATOR"),
        ("show(torch.ones(2, device='cuda:1'))", "ACCELERATOR"),
        ("show(torch.ones(2).to('cuda').cpu())", "CPU"),
        (
            "d = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nshow(torch.ones(2).to(d))",
            "WHEN_AVAILABLE",
        ),
        ("d = 'cuda' if input() else 'cpu'\nshow(torch.ones(2).to(d))", "UNKNOWN"),
        ("net = nn.Linear(2, 2).cuda()\nshow(net(unknown()))", "ACCELERATOR"),
        ("net = nn.Linear(2, 2).cuda()\nnet.to('cpu')\nshow(net(unknown()))", "CPU"),
        ("show(torch.ones(2).to(unknown()))", "UNKNOWN"),
        ("show(torch.zeros_like(torch.ones(2).cuda()))", "ACCELERATOR"),
    ],
)
def test_device(code: str, device: str) -> None:
    (value,) = shown(code)
    assert isinstance(value, Tensor)
    assert value.device.name == device


@pytest.mark.parametrize(
    "pick", ["{'a': F.softmax, 'b': F.relu}[args.kind]", "{'a': F.softmax, 'b': F.relu}.get(args.kind)"]
)
def test_a_default_of_the_command_line_picks_nothing_for_certain(pick: str) -> None:
    code = f"""
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--kind", default="a")
args = parser.parse_args()
show(({pick})(torch.ones(2), 0))
"""
    assert not any(isinstance(value, Tensor) and value.numbers.name == "SOFTMAX" for value in shown(code))


def test_each_caller_is_a_context_of_its_own() -> None:
    values = shown("def f(t):\n    show(t)\nf(torch.ones(2))\nf(torch.ones(2, requires_grad=True))")
    assert [value.grad.name for value in values if isinstance(value, Tensor)] == ["NO", "YES"]


def test_training_events_in_order_through_helpers() -> None:
    model = model_of(
        """
        net = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)

        def update(loss):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        def train(loader):
            net.train()
            for x in loader:
                update(net(x).sum())

        train(DataLoader([1]))
        net.eval()
        """
    )
    kinds = [event.kind for event in model.events]
    once = ["forward", "zero_grad", "backward", "step"]
    assert kinds == ["optimizer", "train", "iterate", *once, "eval"]
    assert len({event.loops for event in model.events if event.kind in ("zero_grad", "backward", "step")}) == 1
    assert all(event.importing and not event.guarded for event in model.events)


def test_code_under_the_main_guard_is_not_run_by_an_import() -> None:
    model = model_of("def main():\n    for x in DataLoader([1]):\n        pass\nif __name__ == '__main__':\n    main()")
    (event,) = model.events
    assert event.guarded


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return f(x)\nf(1)",
        "class A:\n    def __init__(self):\n        self.a = A()\nA()",
        "x = [x for x in y]\nx.append(x)\nx[0] = x\nshow(x)",
        "def f(*, a, b=1, **k): return k\nf(1, 2, 3, a=2, **{'c': 1}, **k)",
        "class A(A): pass\nA().b.c[1:2](3)",
        "for i in range(3):\n    while True:\n        try:\n            continue\n        finally:\n            break",
        "match x:\n    case {'a': [1, *r], **k} | [Point(x=0)]:\n        pass",
        "async def f():\n    async with a as b:\n        async for c in d:\n            await e",
        "del a, b[0]\nassert a, b\nglobal z\nlambda: (yield)",
        "x: int\ny: int = 1\nx = y = z = 3\nx @= y\na[b].c += 1",
        "import a.b.c\nfrom . import d\nfrom .. import e as f\nfrom ...g import *",
        "with (a as (b, c), d as e.f):\n    raise X from Y",
        "nn.Sequential()(1)\nnn.ModuleList()[0]\nnn.Sequential(*a, *b)(2)",
        "class M(nn.Module):\n    def forward(self, x):\n        return self(x)\nM()(1)",
        "type X = int\ndef g[T](x: T) -> T: return x",
    ],
)
def test_any_code_is_survived(code: str) -> None:
    model = model_of(code)
    assert model.facts is not None


def test_the_last_expression_of_a_cell_is_shown() -> None:
    def shown_of(source: Source) -> list[str]:
        model = Model(Unit("a.ipynb", source, parse(source)))
        found: list[str] = []

        class Finder(cst.CSTVisitor):
            def leave_Expr(self, original_node: cst.Expr) -> None:
                if model.is_shown(original_node):
                    found.append(model.module.code_for_node(original_node.value))

        model.module.visit(Finder())
        return found

    cells = [(1, "a\nb\n"), (3, "if x:\n    c"), (4, "d = 1"), (5, ""), (6, "e; f  # comment\n\n"), (7, "%cd x\ng;\n")]
    assert shown_of(from_cells("a.ipynb", cells)) == ["b", "f", "g"]
    assert shown_of(Source("a.py", "a\nb\n")) == []
