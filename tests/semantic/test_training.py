"""The events of training and the passes through its loops: what rules about loops stand on."""

import textwrap

import pytest

from torchlint.parse import parse
from torchlint.semantic.facts import Event
from torchlint.semantic.model import Model
from torchlint.semantic.project import Project, Unit
from torchlint.semantic.steps import assigned_in, excludes, runs_with, same
from torchlint.semantic.training import Backward, Forward, Optimized
from torchlint.semantic.values import Tri
from torchlint.source import Source

HEAD = """
import torch
from torch import nn

net, other = nn.Linear(2, 2), nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
second = torch.optim.SGD(other.parameters(), 0.1)
x = torch.randn(4, 2)
"""


def model_of(text: str, **files: str) -> Model:
    source = Source("/project/main.py", HEAD + textwrap.dedent(text))
    read = {f"/project/{name}.py": textwrap.dedent(text).encode() for name, text in files.items()}
    return Model(Unit("/project/main.py", source, parse(source)), Project(read.get))


def events(model: Model, *kinds: str) -> list[Event]:
    return [event for event in model.events if event.kind in kinds]


def test_a_step_belongs_to_the_innermost_pass_around_it_and_a_backward_pass() -> None:
    model = model_of(
        """
        for epoch in range(2):
            for batch in [x, x]:
                optimizer.zero_grad()
                net(batch).sum().backward()
                for each in (optimizer,):
                    each.step()
        """
    )
    loops = {each.loop for each in model.training.passes}
    (loop,) = loops
    assert model.module.code_for_node(loop).strip().startswith("for batch")
    for each in model.training.passes:
        kinds = [event.kind for event in each.events]
        assert kinds[:3] == ["zero_grad", "forward", "backward"]
        assert set(kinds[3:]) == {"step"}


def test_the_passes_of_a_loop_have_numbers_of_their_own() -> None:
    model = model_of(
        """
        kept = None
        for batch in [x, x]:
            kept = net(batch) if kept is None else net(kept)
            kept.sum().backward()
            optimizer.step()
        """
    )
    turns = [event.turns for event in events(model, "backward")]
    assert len(set(turns)) == len(turns) == 2
    assert not any(model.training.is_last(each.turn) for each in model.training.passes)


def test_a_pass_that_leaves_its_loop_is_the_last() -> None:
    model = model_of(
        """
        while True:
            net(x).sum().backward()
            optimizer.step()
            break
        """
    )
    assert [model.training.is_last(each.turn) for each in model.training.passes] == [True]


def test_what_concerns_an_optimizer() -> None:
    model = model_of(
        """
        net.zero_grad()
        other.zero_grad()
        second.zero_grad()
        optimizer.step()
        """
    )
    own, foreign, others = events(model, "zero_grad")
    (step,) = events(model, "step")
    training = model.training
    assert [training.may_concern(event, step) for event in (own, foreign, others)] == [True, False, False]
    assert training.certainly_concerns(own, step)
    assert not training.certainly_concerns(foreign, step)


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        ("net.parameters()", True),
        ("list(net.parameters())", True),
        ("[{'params': net.parameters()}]", True),
        ("[p for p in net.parameters() if p.requires_grad]", True),
        ("unknown", False),
    ],
)
def test_what_an_optimizer_is_made_over(given: str, complete: bool) -> None:
    model = model_of(f"from elsewhere import unknown\nmade = torch.optim.Adam({given})")
    over = events(model, "optimizer")[-1].detail
    assert isinstance(over, Optimized)
    assert over.complete is complete
    if complete:
        assert [module.symbol for module in over.modules] == ["torch.nn.Linear"]


def test_methods_of_something_unknown_are_taken_by_their_names() -> None:
    model = model_of(
        """
        def run(model, optimizer, scheduler, scaler, env, accelerator, loss):
            model.train()
            optimizer.zero_grad()
            loss.backward()
            accelerator.backward(loss)
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            scheduler.step()
            env.step(1)
            model.weight.grad.zero_()
            model.weight.grad = None
            model.eval()
        """
    )
    kinds = [event.kind for event in model.events if event.active]
    assert kinds == [
        "train", "zero_grad", "backward", "engine", "unscale", "step", "update", "schedule", "zero_grad", "zero_grad",
        "eval",
    ]  # fmt: skip


def test_backward_tells_of_scaling_and_of_the_graph() -> None:
    model = model_of(
        """
        scaler = torch.amp.GradScaler("cpu")
        loss = net(x).sum()
        loss.backward(retain_graph=True)
        loss.backward(retain_variables=True)
        scaler.scale(loss).backward()
        scaled = scaler.scale(loss)
        scaled.backward()
        """
    )
    details = [event.detail for event in events(model, "backward")]
    assert all(isinstance(detail, Backward) for detail in details)
    assert [(d.keeps_graph, d.scaled) for d in details if isinstance(d, Backward)] == [
        (Tri.YES, Tri.NO),
        (Tri.YES, Tri.NO),
        (Tri.NO, Tri.YES),
        (Tri.NO, Tri.YES),
    ]


def test_a_model_is_called_once_by_who_calls_it_from_outside() -> None:
    model = model_of(
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(nn.Linear(2, 2), nn.ReLU())

            def forward(self, x):
                return self.body(x)

        whole = Net()
        whole.eval()
        with torch.no_grad():
            whole(x)
        """
    )
    (forward,) = events(model, "forward")
    assert isinstance(forward.detail, Forward)
    assert forward.text == "whole"
    assert forward.detail.grad is Tri.NO


def test_branches_of_one_statement_exclude_each_other() -> None:
    model = model_of(
        """
        import sys
        if len(sys.argv) > 1:
            net.train()
        else:
            net.eval()
        optimizer.step()
        """
    )
    train, evaluate, step = events(model, "train", "eval", "step")
    assert excludes(train, evaluate)
    assert not excludes(train, step)
    assert runs_with(step, train)
    assert not runs_with(train, step)


def test_a_name_that_is_passed_on_is_the_same_thing() -> None:
    model = model_of(
        """
        def freeze(network):
            network.eval()

        def run(model):
            model.train()
            freeze(model)
            freeze(other)
        """
    )
    train, first, *_ = events(model, "train", "eval")
    assert same(first, train)


def test_functions_of_other_files_are_followed() -> None:
    model = model_of(
        """
        from engine import update
        for batch in [x, x]:
            update(net, optimizer, batch)
        """,
        engine="""
        def update(model, optimizer, batch):
            optimizer.zero_grad()
            model(batch).sum().backward()
            optimizer.step()
        """,
    )
    assert [event.kind for event in model.training.passes[0].events] == ["zero_grad", "forward", "backward", "step"]
    assert {model.training.may_concern(events(model, "zero_grad")[0], event) for event in events(model, "step")} == {
        True
    }


def test_assignments_in_a_loop() -> None:
    loop = parse(Source("a.py", "for i in y:\n    a, (b, *c) = f()\n    self.d += 1\n")).body[0]
    assert all(assigned_in(loop, name) for name in ("i", "a", "b", "self.d"))
    assert not assigned_in(loop, "y")
