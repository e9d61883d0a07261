"""The one façade that rules ask: what expressions are, what calls were given, what happens in loops."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import libcst as cst

from torchlint.locate import extents
from torchlint.semantic import datasets
from torchlint.semantic.datasets import Sources, is_dataset_class
from torchlint.semantic.facts import Call, Event, Facts
from torchlint.semantic.interpret import interpret
from torchlint.semantic.layer_dtypes import Mismatch
from torchlint.semantic.loaders import Loader
from torchlint.semantic.losses import Loss, losses
from torchlint.semantic.misfits import Misfit
from torchlint.semantic.pickling import Unpicklable, unpicklable
from torchlint.semantic.pipelines import Pipelines, pipelines
from torchlint.semantic.project import Project, Unit
from torchlint.semantic.samples import Sample, sample
from torchlint.semantic.scalars import ScalarUse
from torchlint.semantic.single_batches import SingleBatch
from torchlint.semantic.steps import Protocol
from torchlint.semantic.stretches import Stretch
from torchlint.semantic.unregistered import Kept
from torchlint.semantic.values import (
    FROZEN,
    UNKNOWN,
    Cell,
    ClassInfo,
    Const,
    FunctionInfo,
    FunctionRef,
    Instance,
    Origin,
    Tensor,
    Tri,
    TupleOf,
    Value,
    join_all,
)
from torchlint.target import ANY, Target

# What only notebooks of Colab and Kaggle have, in their metadata or in their paths.
_HOSTS = re.compile(r'"colab"\s*:|google\.colab|/kaggle/')


class Model:
    """What is known about one file. The file is interpreted when the first question is asked."""

    def __init__(self, unit: Unit, project: Project | None = None, *, target: Target = ANY) -> None:
        self.unit = unit
        self.target = target
        self.module = unit.module
        self._project = project
        self._samples: dict[Instance, Sample] = {}

    @cached_property
    def facts(self) -> Facts:
        """All facts of the file."""
        return interpret(self.unit, self._project)

    def close(self) -> None:
        """Let go of what was known. Functions, classes and frames refer to each other in circles; this opens them."""
        facts = self.__dict__.pop("facts", None)
        self.__dict__.pop("pipelines", None)
        self.__dict__.pop("losses", None)
        self.__dict__.pop("training", None)
        self._samples.clear()
        if isinstance(facts, Facts):
            facts.close(self.unit)
        self.unit.frame.close()

    def value(self, node: cst.CSTNode) -> Value:
        """What an expression is, in every context in which it runs; `UNKNOWN` where nothing is certain."""
        return join_all(self.facts.values.get(id(node), (UNKNOWN,)))

    def values(self, node: cst.CSTNode) -> Sequence[Value]:
        """What an expression is in each context in which it runs (first or later iteration, each caller)."""
        return self.facts.values.get(id(node), ())

    def calls(self, node: cst.CSTNode) -> Sequence[Call]:
        """Each evaluation of a call, in each context in which it runs."""
        return self.facts.calls.get(id(node), ())

    def losses_elsewhere(self, node: cst.CSTNode) -> Sequence[Call]:
        """The losses that a call of this file leads to in functions of other files."""
        return self.facts.losses_elsewhere.get(id(node), ())

    @property
    def all_calls(self) -> Iterator[Call]:
        """Each evaluation of each call of this file."""
        for calls in self.facts.calls.values():
            yield from calls

    def calls_of(self, *names: str) -> Iterator[Call]:
        """Each evaluation of a call of this file to something outside the project, by its qualified name."""
        for name in names:
            yield from self.facts.calls_by_name.get(name, ())

    def returned(self, function: FunctionInfo) -> Iterator[Value]:
        """What calls of this file to a function of the project gave, the parts of tuples one by one."""
        for calls in self.facts.calls.values():
            for call in calls:
                if isinstance(call.callee, FunctionRef) and call.callee.info is function:
                    yield from call.result.items if isinstance(call.result, TupleOf) else (call.result,)

    def assigned_to(self, call: cst.CSTNode) -> cst.BaseExpression | None:
        """What the result of a call is assigned to; None where it is used otherwise."""
        return self.facts.assigned.get(id(call))

    @property
    def called(self) -> Iterable[str]:
        """The qualified names of all that is called outside the project."""
        return self.facts.calls_by_name.keys()

    @property
    def loaders(self) -> Sequence[Loader]:
        """Each DataLoader that is made, also by calls in other files that were led to from here."""
        return self.facts.loaders

    @cached_property
    def losses(self) -> Sequence[Loss]:
        """Each evaluation of a loss of torch that this file is responsible for."""
        return tuple(losses(self))

    @property
    def classes(self) -> Sequence[ClassInfo]:
        """The classes of this file."""
        return self.facts.classes

    def sources(self, loader: Loader) -> Sources:
        """The datasets that a loader reads in the end, behind subsets and concatenations."""
        return datasets.sources(loader.value("dataset"), self.facts.end)

    def readers(self, info: FunctionInfo) -> Iterator[tuple[Loader, Instance]]:
        """The loaders that get their samples by a method, each with the dataset that it reads."""
        for loader in self.loaders:
            for dataset in self.sources(loader).datasets:
                if dataset.info is not None and datasets.method(dataset.info, info.name) is info:
                    yield loader, dataset

    def held(self, cell: Cell, name: str) -> Value:
        """What an object holds in an attribute when all has run; `UNKNOWN` where nothing is certain."""
        return self.facts.end.get(cell, name) or UNKNOWN

    def global_value(self, name: str) -> Value:
        """What a name of the module means when all has run; `UNKNOWN` where it is not bound or not certain."""
        return self.held(self.unit.frame, name)

    def may_be_frozen(self, module: Instance) -> bool:
        """Whether anything may ever have told the parameters of a module not to require grad."""
        value = self.held(module, FROZEN)
        return not (isinstance(value, Const) and value.value is Tri.NO)

    def held_objects(self, value: Value) -> Iterator[Instance]:
        """An object and all that it holds in attributes, constructor arguments and containers, nearest first."""
        return datasets.held_objects(value, self.facts.end)

    def elements(self, value: Value) -> tuple[Value, ...] | None:
        """The elements of a list or tuple when all has run, one for all where they are not known one by one."""
        return datasets.elements(value, self.facts.end)

    def worker_functions(self, loader: Loader) -> frozenset[FunctionInfo]:
        """The functions of the project in which a loader's workers start: of its dataset, the transforms and other
        objects that it holds, `collate_fn` and `worker_init_fn`. What they call runs in the workers too."""
        known = self._worker_functions.get(id(loader))
        if known is None:
            known = frozenset(started.info for started in datasets.worker_methods(loader, self.facts.end))
            self._worker_functions[id(loader)] = known
        return known

    def runs_in_workers(self, loader: Loader, call: Call) -> bool:
        """Whether a call is made by what a loader's workers run, and not by another dataset that inherits it."""
        if self.worker_functions(loader).isdisjoint(call.active):
            return False
        others = [info.owner for info in call.active if info.owner is not None and is_dataset_class(info.owner)]
        if not others:
            return True
        dataset = loader.value("dataset")
        held = {held.info for held in self.held_objects(dataset)} if dataset is not None else set()
        return all(any(owner in info.mro for info in held if info is not None) for owner in others)

    @cached_property
    def _worker_functions(self) -> dict[int, frozenset[FunctionInfo]]:
        return {}

    @property
    def called_by_samples(self) -> Iterable[str]:
        """The qualified names of all that methods of datasets and transforms in other files call."""
        return self.facts.calls_elsewhere.keys()

    def sample_calls(self, *names: str) -> Iterator[Call]:
        """Like `calls_of`, and also the calls in methods of datasets and transforms of other files."""
        yield from self.calls_of(*names)
        for name in names:
            yield from self.facts.calls_elsewhere.get(name, ())

    def calls_led_to(self, *names: str) -> Iterator[Call]:
        """Like `calls_of`, and also those in other files to which calls of this file lead; see `calls.LED_TO`."""
        yield from self.calls_of(*names)
        yield from (call for call in self.facts.led_to if call.name in names and call.stack)

    def calls_of_sample(self, dataset: Instance) -> tuple[Call, ...]:
        """The calls that getting one sample of a dataset of the project takes, with what this very object holds."""
        return self._sample(dataset).calls

    def sample(self, dataset: Instance) -> Value:
        """One sample of a dataset of the project, by what this very object holds; lists and dicts are `Items` and
        `Entries`. `UNKNOWN` where nothing is certain."""
        return self._sample(dataset).value

    def _sample(self, dataset: Instance) -> Sample:
        known = self._samples.get(dataset)
        if known is None:
            known = self._samples[dataset] = sample(dataset, self._project, self.facts.end)
        return known

    @cached_property
    def pipelines(self) -> Pipelines:
        """The transform pipelines of torchvision, and what goes through them."""
        return pipelines(self)

    def unpicklable(self, value: Value) -> Iterator[Unpicklable]:
        """What certainly cannot be pickled of all that an object holds."""
        return unpicklable(value, self.facts.end)

    def forks(self, loader: Loader) -> Tri:
        """Whether the workers of a loader are forked, by what it is told, what the script sets, and the target."""
        told = loader.start_method
        set_here = [event.subject for event in self.events if event.kind == "start-method"]
        if told is not None or set_here:
            method = told if told is not None else set_here[0]
            if not isinstance(method, Const) or len(set_here) > 1:
                return Tri.MAYBE
            return Tri.YES if method.value == "fork" else Tri.NO
        if self.target.forks or self._is_hosted:
            return Tri.YES
        return Tri.NO if self.target.never_forks else Tri.MAYBE

    @cached_property
    def _is_hosted(self) -> bool:
        """Whether a notebook says that it is one of Colab or Kaggle, which run on Linux, with a Python that forks."""
        source = self.unit.source
        return bool(source.cells) and _HOSTS.search(source.file_text) is not None

    def statement_of(self, function: cst.Lambda) -> cst.CSTNode | None:
        """The statement of the module in which a lambda stands; None where it is part of a function or class."""
        for value in self.values(function):
            if isinstance(value, FunctionRef) and not value.info.is_local:
                statement = value.info.statement
                return statement if isinstance(statement, cst.SimpleStatementLine) else None
        return None

    def place(self, call: Call | Event) -> cst.CSTNode | None:
        """Where a call or event stands in this file, or what in this file led to it; None where nothing here did."""
        if call.origin.unit is self.unit:
            return call.node
        return call.stack[-1] if call.stack else None

    @property
    def events(self) -> Sequence[Event]:
        """What training consists of (backward, step, iteration over a loader ...), in the order in which it happens."""
        return self.facts.events

    @cached_property
    def training(self) -> Protocol:
        """The events of training by the passes through its loops; see `steps.py`."""
        return Protocol(self.facts)

    @property
    def scalar_uses(self) -> Sequence[ScalarUse]:
        """Tensors of this file that are used as what their shapes say they are not: indexed, or asked for truth."""
        return self.facts.scalar_uses

    @property
    def single_batches(self) -> Sequence[SingleBatch]:
        """Batch norms that get one value for each channel while they train, also in other files."""
        return self.facts.single_batches

    @property
    def dtype_mismatches(self) -> Sequence[Mismatch]:
        """Layers that are given tensors of a dtype that they refuse, also in other files."""
        return self.facts.dtype_mismatches

    @property
    def kept(self) -> Sequence[Kept]:
        """Tensors that modules of this file are given as plain attributes, neither parameters nor buffers."""
        return self.facts.kept

    @property
    def gradients_read(self) -> Sequence[tuple[cst.Attribute, Tensor, tuple[FunctionInfo, ...]]]:
        """Where this file asks for the gradient of a tensor that requires grad, with the functions that run there."""
        return self.facts.gradients_read

    @property
    def misfits(self) -> Sequence[Misfit]:
        """What torch refuses because of sizes, also in other files to which calls of this one lead."""
        return self.facts.misfits

    @property
    def stretches(self) -> Sequence[Stretch]:
        """Operators of this file that stretch both of their tensors, as `(N, 1)` and `(N,)`."""
        return self.facts.stretches

    @property
    def chains(self) -> Sequence[tuple[Instance, Value, TupleOf]]:
        """Layers in a Sequential that give a tuple to the layer after them: the layer, the next one, the tuple."""
        return self.facts.chains

    @property
    def wrapped_attributes(self) -> Sequence[tuple[cst.Attribute, Instance]]:
        """Attributes that are looked up, under no condition, on a `DataParallel` or `DistributedDataParallel`."""
        return self.facts.wrapped

    def is_shown(self, statement: cst.Expr) -> bool:
        """Whether a bare expression is the last of a notebook's cell, whose value is shown and not discarded."""
        return id(statement) in self._shown

    @cached_property
    def _shown(self) -> frozenset[int]:
        source, body = self.unit.source, self.module.body
        places = extents(self.module, body if source.cells else ())
        last = {}
        for statement in body if source.cells else ():
            last[source.cell_at(places[id(statement)].start)] = statement
        ends = [statement.body[-1] for statement in last.values() if isinstance(statement, cst.SimpleStatementLine)]
        return frozenset(id(end) for end in ends if isinstance(end, cst.Expr))

    def origin(self, node: cst.CSTNode) -> Origin:
        """A node of this file as a place to point at."""
        return Origin(node, self.unit)
