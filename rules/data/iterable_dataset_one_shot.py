from collections.abc import Iterator

import libcst as cst

from torchlint.diagnostic import Category, Severity
from torchlint.rule import Rule
from torchlint.semantic.attributes import setters
from torchlint.semantic.datasets import is_iterable_class, method
from torchlint.semantic.facts import Call
from torchlint.semantic.flow import exits, is_generator
from torchlint.semantic.members import Members, is_member, receiver_name
from torchlint.semantic.values import NONE, ClassInfo, Const, FunctionInfo, FunctionRef, Tri

FILES = frozenset(
    {"builtins.open", "io.open", "codecs.open", "pathlib.Path.open", "gzip.open", "bz2.open", "lzma.open"}
)
# Calls that make something that can be iterated over once.
ITERATORS = frozenset({
    "builtins.iter", "builtins.map", "builtins.zip", "builtins.filter", "builtins.enumerate", "builtins.reversed",
    "csv.reader", "csv.DictReader", "itertools.chain", "itertools.chain.from_iterable", "itertools.islice",
    "itertools.starmap", "itertools.takewhile", "itertools.dropwhile", "itertools.product", "itertools.permutations",
    "itertools.combinations", "re.finditer", "os.scandir", "os.walk", "glob.iglob", "pathlib.Path.glob",
    "pathlib.Path.rglob", "pathlib.Path.iterdir",
})  # fmt: skip
# Functions that read a table, all of it or in chunks.
READERS = frozenset({"pandas.read_csv", "pandas.read_table", "pandas.read_json", "pandas.read_sas"})
# Methods of a file and of an iterator that use it up.
READING = frozenset({"read", "readline", "readlines", "__next__", "__iter__"})


class IterableDatasetOneShot(Rule):
    """Checks for an `IterableDataset` whose samples can be had once: from the second epoch on there are none.

    Reported are `__iter__` that returns the object itself whose `__next__` counts and never starts anew, and files,
    generators and iterators (`iter`, `map`, `zip`, `csv.reader`) that are made in `__init__` and used up in `__iter__`.

    ## Why is this bad?
    The loop over the loader ends at once, without an error: each epoch but the first trains on nothing. Forked
    workers hide it, as each epoch's get a fresh copy, but for open files, whose position they share.

    ## Example
    ```python
    from torch.utils.data import IterableDataset


    class Lines(IterableDataset):
        def __init__(self, path):
            self.file = open(path)

        def __iter__(self):
            for line in self.file:
                yield line.strip()
    ```

    ## Use instead
    ```python
    from torch.utils.data import IterableDataset


    class Lines(IterableDataset):
        def __init__(self, path):
            self.path = path

        def __iter__(self):
            with open(self.path) as file:
                for line in file:
                    yield line.strip()
    ```

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#iterable-style-datasets
    """

    code = "TL425"
    category = Category.SUSPICIOUS
    words = ("IterableDataset", "Dataset")

    def leave_Module(self, node: cst.Module) -> None:
        for info in self.model.classes:
            found = info.base.get("__iter__")
            function = found.info if isinstance(found, FunctionRef) else None
            if function is None or function.owner is not info or not is_iterable_class(info):
                continue
            if isinstance(function.node, cst.FunctionDef):
                self._check_counter(info, function, function.node)
                self._check_sources(info, function)

    # -- objects that are their own iterator --------------------------------------------------------------

    def _check_counter(self, info: ClassInfo, function: FunctionInfo, node: cst.FunctionDef) -> None:
        following = method(info, "__next__")
        if following is None or not isinstance(following.node, cst.FunctionDef) or is_generator(node):
            return
        receiver = receiver_name(node)
        returns = exits(node).returns
        if not returns or not all(isinstance(r.value, cst.Name) and r.value.value == receiver for r, _ in returns):
            return
        starting, going = Members(info, [function]), Members(info, [following])
        if not any(isinstance(inner, cst.Raise) and _stops(inner) for inner in going.nodes):
            return
        counted = {change.name for change in going.changes if change.how == "counted"}
        # Somebody lets it start anew: `__iter__`, `__next__` at the end, or a method that is called between epochs.
        anew = starting.assigned() | going.assigned() | setters(info).keys()
        if counted and not counted & anew and not starting.changes:
            self._report(
                function.node.name,  # type: ignore[union-attr]
                "iteration goes on where it stopped: from the second epoch on there are no samples",
                "let `__iter__` start anew, or make it a generator",
                info,
                in_workers=False,
            )

    # -- what is used up ----------------------------------------------------------------------------------

    def _check_sources(self, info: ClassInfo, function: FunctionInfo) -> None:
        initializer = method(info, "__init__")
        if initializer is None or initializer.unit is not self.model.unit:
            return
        following = method(info, "__next__")
        using = Members(info, [function, *([following] if following is not None else [])])
        for name, value in _kept(Members(info, [initializer])):
            what = self._one_shot(value)
            if what is None or name in setters(info) or name in using.assigned() or not _uses_up(using, name):
                continue
            self._report(
                value,
                f"{what} is used up by the first epoch: from the second one on there are no samples",
                "make it in `__iter__`",
                info,
                in_workers=what == "this file",
            )

    def _one_shot(self, value: cst.BaseExpression) -> str | None:
        """What an expression makes, if that can be iterated over once and has an end."""
        if isinstance(value, cst.GeneratorExp):
            return "this generator"
        calls = self.model.calls(value)
        if not calls:
            return None
        if all(call.name in FILES for call in calls):
            return "this file"
        if all(call.name in ITERATORS for call in calls):
            return "this iterator"
        if all(call.name in READERS and _reads_in_chunks(call) for call in calls):
            return "this reader"
        functions = [call.callee.info.node for call in calls if isinstance(call.callee, FunctionRef)]
        ended = [node for node in functions if isinstance(node, cst.FunctionDef) and is_generator(node)]
        if len(ended) == len(calls) and all(exits(node).ends for node in ended):
            return "this generator"
        return None

    def _report(self, place: cst.CSTNode, message: str, help: str, info: ClassInfo, *, in_workers: bool) -> None:
        loaders = [
            loader
            for loader in self.model.loaders
            for dataset in self.model.sources(loader).datasets
            if dataset.info is not None and info in dataset.info.mro
        ]
        # Forked workers get a copy for each epoch; others cannot be sent an iterator at all.
        again = [
            loader
            for loader in loaders
            if (in_workers or loader.workers is Tri.NO)
            and any(event.kind == "iterate" and event.subject is loader.instance and event.loops
                    for event in self.model.events)
        ]  # fmt: skip
        self.report(
            place,
            message,
            help=help,
            severity=Severity.WARNING if again else Severity.INFO,
            related=[(loader.call.origin, "the loader that goes through it") for loader in (again or loaders)[:1]],
        )


def _reads_in_chunks(call: Call) -> bool:
    given = (call.argument(None, name) for name in ("chunksize", "iterator"))
    return any(value is not None and value not in (NONE, Const(False)) for value in given)


def _stops(node: cst.Raise) -> bool:
    raised = node.exc.func if isinstance(node.exc, cst.Call) else node.exc
    return isinstance(raised, cst.Name) and raised.value == "StopIteration"


def _kept(members: Members) -> Iterator[tuple[str, cst.BaseExpression]]:
    """What `__init__` puts into attributes."""
    if not members.functions or not isinstance(members.functions[0].node, cst.FunctionDef):
        return
    receiver = receiver_name(members.functions[0].node)
    for node in members.nodes:
        if isinstance(node, cst.Assign):
            for target in node.targets:
                if is_member(target.target, receiver):
                    yield target.target.attr.value, node.value
        elif isinstance(node, cst.AnnAssign) and node.value is not None and is_member(node.target, receiver):
            yield node.target.attr.value, node.value


def _uses_up(members: Members, name: str) -> bool:
    """Whether methods iterate over an attribute or read it, and never put it back to its start."""
    reads = members.reads.get(name, [])
    methods = {
        id(node.value): node.attr.value for node in members.nodes if isinstance(node, cst.Attribute)
    }  # fmt: skip
    used = [methods.get(id(read)) for read in reads]
    return any(how is None or how in READING for how in used) and "seek" not in used
