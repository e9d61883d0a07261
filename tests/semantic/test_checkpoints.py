"""State dicts, what is loaded, and copies of modules."""

import libcst as cst
import pytest

from torchlint.parse import parse
from torchlint.semantic.checkpoints import (
    LOADED,
    RESULT,
    STATE_COPY,
    STATE_DICT,
    is_touched,
    is_written_here,
    kind_of,
    loaded_part,
    owner,
    saved_in,
)
from torchlint.semantic.model import Model
from torchlint.semantic.project import Project, Unit
from torchlint.semantic.values import Instance, Iterated, Tensor, Tri, TupleOf, Value
from torchlint.source import Source

START = "import copy\nimport torch\nfrom torch import nn\nmodel = nn.Linear(2, 2)\n"


def model_of(code: str) -> Model:
    source = Source("/project/main.py", START + code)
    return Model(Unit("/project/main.py", source, parse(source)), Project(lambda path: None))


def held(code: str, name: str = "x") -> Value:
    return model_of(code).global_value(name)


@pytest.mark.parametrize(
    ("code", "symbol"),
    [
        ("x = model.state_dict()", STATE_DICT),
        ("x = model.state_dict().copy()", STATE_DICT),
        ("x = copy.copy(model.state_dict())", STATE_DICT),
        ("x = copy.deepcopy(model.state_dict())", STATE_COPY),
        ("x = model.load_state_dict(model.state_dict())", RESULT),
        ("x = torch.load('model.pt')", LOADED),
        ("x = torch.load('model.pt').eval().to('cpu')", LOADED),
        ("def f(net):\n    return net.state_dict()\nx = f(torch.load('model.pt'))", None),
        ("x = unknown.state_dict()", STATE_DICT),
        ("x = model.state_dict(keep_vars=True)", None),
    ],
)
def test_what_saving_and_loading_give(code: str, symbol: str | None) -> None:
    value = held(code)
    assert (value.symbol if isinstance(value, Instance) else None) == symbol


def test_a_state_dict_knows_its_module_and_gives_detached_tensors() -> None:
    model = model_of("x = model.state_dict()\ny = x.items()")
    state = model.global_value("x")
    assert owner(state) is model.global_value("model")
    items = model.global_value("y")
    assert isinstance(items, Iterated)
    assert isinstance(items.element, TupleOf)
    tensor = items.element.items[1]
    assert isinstance(tensor, Tensor)
    assert tensor.grad is Tri.NO


@pytest.mark.parametrize(
    ("code", "touched"),
    [
        ("", False),
        ("y = x.keys()", False),
        ("x['weight'] = 1", True),
        ("y = x['weight']", True),
        ("x.update({})", True),
        ("for k, v in x.items():\n    pass", True),
        ("unknown(x)", True),
        ("model.load_state_dict(x)", False),
    ],
)
def test_a_state_dict_is_touched_by_what_may_change_it(code: str, touched: bool) -> None:
    model = model_of(f"x = model.state_dict()\n{code}")
    state = model.global_value("x")
    assert isinstance(state, Instance)
    assert is_touched(model, state) is touched


@pytest.mark.parametrize(
    ("saved", "kind"),
    [
        ("model.state_dict()", "state"),
        ("copy.deepcopy(model.state_dict())", "state"),
        ("{'model': model.state_dict(), 'epoch': 1}", "nested"),
        ("model", "module"),
        ("torch.zeros(2)", None),
        ("{'epoch': 1}", None),
    ],
)
def test_what_a_file_holds_is_what_was_saved_in_it(saved: str, kind: str | None) -> None:
    model = model_of(f"torch.save({saved}, 'a.pt')\nx = torch.load('a.pt')\ny = torch.load('b.pt')")
    loaded, other = model.global_value("x"), model.global_value("y")
    assert isinstance(loaded, Instance)
    assert isinstance(other, Instance)
    found = saved_in(model, loaded)
    assert found is not None
    assert kind_of(model, found[1]) == kind
    assert saved_in(model, other) is None


@pytest.mark.parametrize("part", ["x", "x['model']", "x.get('model')", "x['a']['b']"])
def test_a_part_of_what_was_loaded_is_traced_to_its_file(part: str) -> None:
    model = model_of(f"x = torch.load('a.pt')\nmodel.load_state_dict({part})")
    (call,) = model.calls_of(RESULT)
    assert isinstance(call.node, cst.Call)
    assert loaded_part(model, call.node.args[0].value) is model.global_value("x")


@pytest.mark.parametrize(
    ("code", "own"),
    [
        ("torch.save(1, 'a.pt')\ntorch.load('a.pt')", True),
        ("torch.save(1, path)\ntorch.load(path)", True),
        ("torch.save(1, 'a.pt')\ntorch.load('b.pt')", False),
        ("torch.load('a.pt')", False),
    ],
)
def test_a_script_may_load_what_it_writes_itself(code: str, own: bool) -> None:
    model = model_of(code)
    (call,) = model.calls_of(LOADED)
    assert is_written_here(model, call) is own


def test_a_deep_copy_is_another_module_with_other_parts() -> None:
    model = model_of(
        "net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())\n"
        "x = copy.deepcopy(net)\n"
        "for p in x.parameters():\n    p.requires_grad = False\n"
        "y = net(torch.zeros(2))\nz = x(torch.zeros(2))\n"
    )
    assert model.global_value("x") is not model.global_value("net")
    trained, frozen = model.global_value("y"), model.global_value("z")
    assert isinstance(trained, Tensor)
    assert isinstance(frozen, Tensor)
    assert (trained.grad, frozen.grad) == (Tri.YES, Tri.NO)


def test_a_shallow_copy_shares_its_parts() -> None:
    model = model_of(
        "x = copy.copy(model)\nfor p in x.parameters():\n    p.requires_grad = False\ny = model(torch.zeros(2))"
    )
    result = model.global_value("y")
    assert isinstance(result, Tensor)
    assert result.grad is Tri.NO
