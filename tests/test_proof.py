"""The run-time side of every fixture, on real torch: the defect is seen before, and gone after."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from torchlint.prove import run_all
from torchlint.prove.cases import STAND_INS, Case, find
from torchlint.prove.runtime import TorchMissing

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Mapping[str, Sequence[str]] | str:
    """What is wrong with each case that this session runs, all run together; or why none can be run."""
    cases: list[Case] = [
        item.callspec.params["case"]  # type: ignore[misc]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "outcomes" in item.fixturenames
    ]
    try:
        results = run_all([case for case in cases if not case.not_run], FIXTURES / STAND_INS)
    except TorchMissing as error:
        return f"torch is missing: {error}"
    return {case.name: problems for case, problems in results}


@pytest.mark.parametrize("case", list(find(FIXTURES)), ids=lambda case: case.name)
def test_proof(case: Case, outcomes: Mapping[str, Sequence[str]] | str) -> None:
    if case.not_run:
        pytest.skip(f"not run: {case.not_run}")
    if isinstance(outcomes, str):
        pytest.skip(outcomes)
    assert outcomes[case.name] == []
