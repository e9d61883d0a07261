"""Loaders and what they read: every road from a dataset's class to the loader that is given it."""

import pytest
from test_interpret import model_of

from torchlint.semantic.datasets import is_dataset_class, is_iterable_class, started_by
from torchlint.semantic.loaders import Loader
from torchlint.semantic.model import Model
from torchlint.semantic.values import Const, Tri
from torchlint.target import Target, Versions

DATASET = """
from torch.utils.data import (ChainDataset, ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset,
    random_split)
import torch.utils.data as data
class Own(Dataset):
    def __init__(self, n=4, transform=None):
        self.n = n
        self.transform = transform
    def __len__(self):
        return self.n
    def __getitem__(self, index):
        return torch.randn(self.n)
"""
DATASET_FILE = "import torch\n" + DATASET

ROADS = [
    pytest.param("DataLoader(Own())", id="directly"),
    pytest.param("ds = Own()\nDataLoader(dataset=ds)", id="variable and keyword"),
    pytest.param("DataLoader(Subset(Own(), [0, 1]))", id="subset"),
    pytest.param("a, b = random_split(Own(), [2, 2])\nDataLoader(b)", id="split"),
    pytest.param("parts = random_split(Own(), [0.5, 0.5])\nDataLoader(parts[1])", id="split by index"),
    pytest.param("DataLoader(ConcatDataset([Own(), Own(3)]))", id="concatenation"),
    pytest.param("DataLoader(Own() + Own(3))", id="sum"),
    pytest.param("ds = Own()\nds = Subset(ds, range(2)) if len(ds) > 3 else ds\nDataLoader(ds)", id="either way"),
    pytest.param("def make():\n    return Own()\nDataLoader(make())", id="factory"),
    pytest.param("def load(ds, **more):\n    return DataLoader(ds, **more)\nload(Own(), batch_size=2)", id="helper"),
    pytest.param("class M:\n    def __init__(self):\n        self.train = Own()\n    def loader(self):\n"
                 "        return DataLoader(self.train)\nM().loader()", id="attribute"),
    pytest.param("import pytorch_lightning as pl\nclass M(pl.LightningDataModule):\n    def setup(self, stage=None):\n"
                 "        self.train, self.val = random_split(Own(), [2, 2])\n    def val_dataloader(self):\n"
                 "        return DataLoader(self.val, batch_size=2)", id="LightningDataModule"),
    pytest.param("sets = {k: Own() for k in ['train', 'val']}\n"
                 "loaders = {k: DataLoader(sets[k]) for k in ['train', 'val']}", id="dict of phases"),
    pytest.param("import copy\nDataLoader(copy.deepcopy(Own()))", id="copy"),
    pytest.param("class L(DataLoader):\n    def __init__(self, ds):\n        super().__init__(ds, 2)\nL(Own())",
                 id="class derived from DataLoader"),
]  # fmt: skip


def only(model: Model) -> Loader:
    return model.loaders[0]


@pytest.mark.parametrize("code", ROADS)
def test_a_loader_knows_its_dataset(code: str) -> None:
    model = model_of(DATASET + code)
    assert model.loaders
    for loader in model.loaders:
        datasets = model.sources(loader).datasets
        assert datasets
        assert {dataset.info.name for dataset in datasets if dataset.info} == {"Own"}
        assert any(info.name == "__getitem__" for info in model.worker_functions(loader))


def test_a_dataset_of_another_file_is_run_as_workers_run_it() -> None:
    code = "from own import Own\nloader = DataLoader(Own(), num_workers=2)"
    model = model_of(code, {"own.py": DATASET_FILE})
    loader = only(model)
    calls = [call for call in model.sample_calls("torch.randn") if model.worker_functions(loader) & {*call.active}]
    assert calls
    assert calls[0].origin.unit is not model.unit
    assert model.place(calls[0]) is None
    assert not list(model.calls_of("torch.randn"))


def test_workers_run_methods_as_a_subclass_inherits_them() -> None:
    model = model_of("""
    from torch.utils.data import Dataset
    class Base(Dataset):
        def __getitem__(self, index):
            return self.read(index)
    class Sub(Base):
        def read(self, index):
            return torch.sin(index)
    DataLoader(Sub(), num_workers=2)
    """)
    getter = model.classes[0].base["__getitem__"]
    assert any(getter.info in call.active for call in model.calls_of("torch.sin"))  # type: ignore[attr-defined]


def test_workers_run_a_function_with_what_partial_binds() -> None:
    model = model_of("""
    from functools import partial
    def collate(samples, first, dim=1):
        return torch.stack(samples, dim), torch.sin(first)
    DataLoader([1], num_workers=2, collate_fn=partial(collate, first=3, dim=2))
    """)
    dims = [call.argument(1, "dim") for call in model.calls_of("torch.stack")]
    assert Const(2) in dims
    assert Const(3) in [call.argument(0) for call in model.calls_of("torch.sin")]
    (started,) = started_by(only(model), "collate_fn")
    assert (started.info.name, started.fixed, started.first) == ("collate", frozenset({"first", "dim"}), "samples")


@pytest.mark.parametrize(
    ("code", "tried"),
    [
        ("import pytest\nwith pytest.raises(ValueError):\n    DataLoader([1])", True),
        ("import contextlib\nwith contextlib.suppress(RuntimeError):\n    DataLoader([1])", True),
        ("import contextlib\nwith contextlib.suppress(FileNotFoundError):\n    DataLoader([1])", False),
        ("class T:\n    def t(self):\n        with self.assertRaises(ValueError):\n            DataLoader([1])", True),
        ("try:\n    DataLoader([1])\nexcept AttributeError:\n    pass", True),
        ("with open('x') as f:\n    DataLoader([1])", False),
        ("import pytest\nwith pytest.raises(ValueError):\n    pass\nDataLoader([1])", False),
    ],
)
def test_whether_a_call_is_there_to_fail(code: str, tried: bool) -> None:
    assert only(model_of(code)).call.tried is tried


def test_calls_of_other_files_that_this_one_leads_to() -> None:
    files = {
        "parts.py": """
        from torch.utils.data import random_split
        random_split([1], [1])
        def load(n):
            return random_split(list(range(n)), [1, n - 1])
        """
    }
    model = model_of("from parts import load\nload(4)\n", files)
    (call,) = model.calls_led_to("torch.utils.data.random_split")
    place = model.place(call)
    assert place is not None
    assert model.module.code_for_node(place) == "load(4)"
    assert not list(model.calls_led_to("torch.utils.data.DistributedSampler"))


def test_a_loader_made_in_another_file_has_its_place_here() -> None:
    files = {
        "own.py": DATASET_FILE,
        "loaders.py": "from torch.utils.data import DataLoader\nfrom own import Own\n"
        "def make(workers):\n    return DataLoader(Own(), num_workers=workers)\n",
    }
    model = model_of("from loaders import make\nloader = make(4)", files)
    loader = only(model)
    assert loader.workers is Tri.YES
    place = model.place(loader.call)
    assert place is not None
    assert model.module.code_for_node(place) == "make(4)"


WORKERS = [
    pytest.param("DataLoader(x)", Tri.NO, id="none"),
    pytest.param("DataLoader(x, 1, False, None, None, 2)", Tri.YES, id="by position"),
    pytest.param("DataLoader(x, **{'num_workers': 2})", Tri.YES, id="literal dict"),
    pytest.param("k = {'num_workers': 2} if flag else {}\nDataLoader(x, **k)", Tri.YES, id="conditional dict"),
    pytest.param("k = {}\nif flag:\n    k.update({'num_workers': 1})\nDataLoader(x, **k)", Tri.YES, id="updated dict"),
    pytest.param("DataLoader(x, **options)", Tri.MAYBE, id="unknown dict"),
    pytest.param("import os\nDataLoader(x, num_workers=os.cpu_count())", Tri.YES, id="number of CPUs"),
    pytest.param("import os\nDataLoader(x, num_workers=os.cpu_count() * 2)", Tri.YES, id="twice the CPUs"),
    pytest.param("import os\nDataLoader(x, num_workers=os.cpu_count() - 1)", Tri.MAYBE, id="all CPUs but one"),
    pytest.param("DataLoader(x, num_workers=int('10', base=n))", Tri.MAYBE, id="text in some base"),
    pytest.param("import os\nn = 0 if os.name == 'nt' else 4\nDataLoader(x, num_workers=n)", Tri.MAYBE, id="either"),
    pytest.param("import argparse\np = argparse.ArgumentParser()\np.add_argument('-w', '--workers', default=3)\n"
                 "DataLoader(x, num_workers=int(p.parse_args().workers))", Tri.YES, id="command line"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "expected"), WORKERS)
def test_whether_a_loader_has_workers(code: str, expected: Tri) -> None:
    assert only(model_of("x = torch.arange(4)\n" + code)).workers is expected


def test_arguments_as_written() -> None:
    model = model_of("loader = DataLoader(torch.arange(3), 2, shuffle=True, **{'drop_last': True})")
    loader = only(model)
    written = {name: loader.node(name) for name in ("dataset", "batch_size", "shuffle", "drop_last", "timeout")}
    assert {name for name, node in written.items() if node is not None} == {"dataset", "batch_size", "shuffle"}
    assert loader.given("drop_last") is Tri.YES
    assert loader.given("timeout") is Tri.NO


def test_what_a_call_is_assigned_to() -> None:
    model = model_of("loader = DataLoader(torch.arange(3))\nprint(DataLoader(torch.arange(3)))")
    names = [model.assigned_to(loader.call.node) for loader in model.loaders]
    assert getattr(names[0], "value", None) == "loader"
    assert names[1] is None


CLASSES = [
    pytest.param("class D(Dataset): pass", True, False, id="Dataset"),
    pytest.param("class D(data.Dataset[int]): pass", True, False, id="generic"),
    pytest.param("class D(torch.utils.data.dataset.IterableDataset): pass", True, True, id="iterable"),
    pytest.param("class B(IterableDataset): pass\nclass D(B): pass", True, True, id="indirectly"),
    pytest.param("from torchvision.datasets import ImageFolder\nclass D(ImageFolder): pass", True, False, id="vision"),
    pytest.param("class D(object): pass", False, False, id="none"),
]


@pytest.mark.parametrize(("code", "dataset", "iterable"), CLASSES)
def test_classes_of_datasets(code: str, dataset: bool, iterable: bool) -> None:
    info = next(info for info in model_of(DATASET + code).classes if info.name == "D")
    assert is_dataset_class(info) is dataset
    assert is_iterable_class(info) is iterable


UNPICKLABLE = [
    pytest.param("DataLoader(Own(), collate_fn=lambda b: b)", "this lambda", id="lambda"),
    pytest.param("from functools import partial\nDataLoader(Own(), collate_fn=partial(lambda b, k: b, k=1))",
                 "this lambda", id="partial"),
    pytest.param("DataLoader(Own(transform=lambda x: x))", "this lambda", id="attribute"),
    pytest.param("from torchvision import transforms as T\n"
                 "DataLoader(Own(transform=T.Compose([T.ToTensor(), T.Lambda(lambda x: x)])))", "this lambda",
                 id="in a pipeline"),
    pytest.param("def f():\n    def g(b): return b\n    return DataLoader(Own(), collate_fn=g)\nf()",
                 "`g`, a function in a function,", id="local function"),
    pytest.param("import threading\nDataLoader(Own(transform=threading.Lock()))", "a lock", id="lock"),
    pytest.param("DataLoader(Own(transform=(i for i in range(3))))", "this generator", id="generator"),
    pytest.param("import random\nDataLoader(Own(transform=random))", "a module", id="module"),
    pytest.param("def f(b): return b\nDataLoader(Own(transform=f), collate_fn=f)", None, id="function"),
    pytest.param("DataLoader(Own(transform=sorted(i for i in range(3))))", None, id="list made of a generator"),
    pytest.param("DataLoader(Own(transform=max))", None, id="builtin"),
    pytest.param("class R(Own):\n    def __reduce__(self): return R, ()\nDataLoader(R(transform=lambda x: x))", None,
                 id="own way"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "expected"), UNPICKLABLE)
def test_what_cannot_be_pickled(code: str, expected: str | None) -> None:
    model = model_of(DATASET + code)
    loader = only(model)
    values = [value for name in ("dataset", "collate_fn") if (value := loader.value(name)) is not None]
    found = [found.what for value in values for found in model.unpicklable(value)]
    assert found == ([expected] if expected is not None else [])


def forks(code: str, target: Target) -> Tri:
    model = model_of("x = torch.arange(4)\n" + code)
    model.target = target
    return model.forks(only(model))


def test_whether_workers_are_forked() -> None:
    anywhere = Target(Versions(), Versions(), None)
    linux = Target(Versions((3, 11), (3, 12)), Versions(), "linux")
    windows = Target(Versions(), Versions(), "windows")
    assert forks("DataLoader(x)", anywhere) is Tri.MAYBE
    assert forks("DataLoader(x)", linux) is Tri.YES
    assert forks("DataLoader(x)", windows) is Tri.NO
    assert forks("DataLoader(x, multiprocessing_context='spawn')", linux) is Tri.NO
    assert forks("DataLoader(x, multiprocessing_context='fork')", anywhere) is Tri.YES
    assert forks("import multiprocessing as mp\nmp.set_start_method('spawn')\nDataLoader(x)", linux) is Tri.NO
    assert forks("DataLoader(x, multiprocessing_context=unknown)", linux) is Tri.MAYBE
