"""One forward pass over a file in execution order.

Module code runs first, then each function that nothing called, with what is known of its parameters.
Calls into the project are followed into the callee with the arguments of that call (`calls.py`), so a
fact is recorded once for each context in which its node ran. Branches join, loop bodies run twice.
"""

import builtins
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import libcst as cst

from torchlint.semantic import (
    attributes,
    calls,
    comprehensions,
    datasets,
    imports,
    instances,
    misfits,
    names,
    objects,
    rounds,
    scalars,
    stretches,
    training,
)
from torchlint.semantic.facts import Call, Event, Facts
from torchlint.semantic.flow import dotted
from torchlint.semantic.knowledge import canonical
from torchlint.semantic.knowledge.modules import run_uncalled_chains
from torchlint.semantic.loaders import is_loader
from torchlint.semantic.narrowing import narrow
from torchlint.semantic.project import Imported, Project, Unit
from torchlint.semantic.state import State, rebased
from torchlint.semantic.values import (
    CONTENT,
    FALSE,
    MAX_ITEMS,
    NONE,
    TRUE,
    UNKNOWN,
    Arguments,
    Array,
    Cell,
    ClassInfo,
    Const,
    Device,
    DeviceValue,
    DictRef,
    Entries,
    Frame,
    FunctionInfo,
    FunctionRef,
    Instance,
    Items,
    Iterated,
    ListRef,
    Method,
    Origin,
    ParameterOf,
    Scalar,
    Symbol,
    Tensor,
    Tri,
    TupleOf,
    Value,
    alternatives,
    join,
    join_all,
)

# Statements that one file's interpretation may run, at least and for each line of its text; beyond that, calls are
# no longer followed.
MIN_FUEL = 1_500
FUEL_PER_LINE = 2
# Of what is left, each function that nothing called may use this share, and at least so many statements.
GENERIC_SHARE = 4
MIN_GENERIC_FUEL = 200
# Different values that are kept of one expression.
MAX_CONTEXTS = 12
BUILTINS = frozenset(dir(builtins))
GRAD_MODE = "#grad-mode"
GRAD_ON, GRAD_MAYBE, GRAD_OFF = Const(Tri.YES), Const(Tri.MAYBE), Const(Tri.NO)
# Calling these ends the program.
EXITS = frozenset({"sys.exit", "os._exit", "builtins.exit", "builtins.quit"})


class Layer:
    """`with machine.layer() as state:` runs a branch on a state of its own."""

    __slots__ = ("below", "machine")

    def __init__(self, machine: "Interpreter") -> None:
        self.machine = machine
        self.below = machine.state

    def __enter__(self) -> State:
        state = self.machine.state = State(self.below)
        return state

    def __exit__(self, *_: object) -> None:
        self.machine.state = self.below


class Interpreter:
    """The abstract machine. `facts` is None while an imported file is interpreted for its definitions only."""

    def __init__(self, unit: Unit, project: Project | None, facts: Facts | None) -> None:
        self.target = unit
        self.project = project
        self.facts = facts
        self.state = State()
        self.frame = unit.frame
        self.unit = unit
        self.recording = facts is not None
        self.ambient = Frame(unit)
        self.guarded = False
        self.importing = True
        self.stack: tuple[cst.CSTNode, ...] = ()
        self.statement: cst.CSTNode | None = None
        self.tests: tuple[cst.BaseExpression, ...] = ()
        self.tried = False
        self.loops: tuple[cst.CSTNode, ...] = ()
        # The branches around what is running: the statement, and which of its branches.
        self.path: tuple[tuple[cst.CSTNode, int], ...] = ()
        # The passes through the loops around what is running, one number for each.
        self.turns: tuple[int, ...] = ()
        self.turn = 0
        # Which rounds of loops that run once for each item these are, and how many more there may be.
        self.round: tuple[int, ...] = ()
        self.rounds_left = rounds.MAX_TOTAL
        # Each `nn.Sequential` that nothing has called so far, and the call that made it.
        self.uncalled_chains: dict[Instance, Call] = {}
        self.taken_apart: set[cst.CSTNode] = set()
        self.building: dict[int, tuple[bool, bool]] = {}
        # In the second run of a loop.
        self.again = False
        self.active: tuple[FunctionInfo, ...] = ()
        # The method of a dataset or transform that is running, the outermost: what it calls may run in a worker.
        self.sampling: FunctionInfo | None = None
        self.entered: set[FunctionInfo] = set()
        self.fuel = MIN_FUEL + FUEL_PER_LINE * unit.source.text.count("\n")
        self.version = 0
        self.memory: dict[tuple[object, ...], tuple[int, Value]] = {}
        # Names that are being looked up through star imports, which may go in circles.
        self.resolving: set[tuple[str, str]] = set()
        self.returns: list[tuple[State, Value]] = []
        self.yields: list[Value] = []
        self.breaks: list[State] = []
        self.continues: list[State] = []
        self.call_base = self.state
        self.loop_base = self.state
        self.functions: list[FunctionRef] = []
        self.classes: list[ClassInfo] = []
        self.instances: dict[ClassInfo, list[Instance]] = {}
        self._symbols: dict[int, int] = {}
        # One of several things may be called, so that what it refuses may never happen.
        self.doubtful = False
        # What is made belongs to an object of which nothing shows who makes it.
        self.unmade = False
        # Whether a method of a module is running, and how many of the tests stand outside of the outermost one.
        self.in_module = False
        self.outer_tests = 0
        # What each loader and dataset was found to give, with the arguments that it was made with.
        self.batches: dict[Instance, tuple[Arguments, Value]] = {}
        # The dtype of floats that none is said for, by file; see `promotion.py`.
        self.default_floats: dict[Unit, str | None] = {}

    # -- state ---------------------------------------------------------------------------------

    def read(self, cell: Cell, name: str) -> Value | None:
        """The content of a cell at this point."""
        return self.state.get(cell, name)

    def write(self, cell: Cell, name: str, value: Value) -> None:
        """Change the content of a cell at this point."""
        if not isinstance(cell, Frame) and self.state.get(cell, name) != value:
            self.version += 1
        self.state.set(cell, name, value)

    def layer(self) -> "Layer":
        """Run a branch on a layer of its own over the present state; the caller absorbs it."""
        return Layer(self)

    def grad_mode(self) -> Tri:
        """Whether autograd records operations at this point."""
        value = self.state.get(self.ambient, GRAD_MODE)
        return value.value if type(value) is Const else Tri.YES if value is None else Tri.MAYBE

    def set_grad_mode(self, mode: Tri) -> None:
        """Let autograd record, or not, from this point on."""
        self.state.set(self.ambient, GRAD_MODE, (GRAD_OFF, GRAD_MAYBE, GRAD_ON)[mode.value])

    def here(self, node: cst.CSTNode) -> Origin:
        """A node of the file that is running, as an origin."""
        return Origin(node, self.unit)

    def made_at(self, node: cst.CSTNode) -> Hashable:
        """What tells apart the objects that the places of an activation make."""
        return (id(node), *self.round) if self.round else id(node)

    def truth(self, test: cst.BaseExpression) -> bool | None:
        """Whether a condition certainly holds, or does not."""
        return truth_of(self.eval(test))

    def symbol(self, node: cst.CSTNode) -> str:
        """A symbol for a size that something here has, and of which nothing else is known."""
        return f"n{self._symbols.setdefault(id(node), len(self._symbols))}"

    def event(self, kind: str, subject: Value, node: cst.CSTNode, text: str = "", detail: object = None) -> None:
        """Note that something of the training loop happens here."""
        if self.facts is not None:
            self.facts.events.append(Event(kind, subject, node, self, text, detail))

    # -- modules and functions ------------------------------------------------------------------

    def run_module(self) -> None:
        """Run the module's own code and make what it defines the content of its frame."""
        self.write(self.frame, "__name__", Scalar("module name"))
        for statement in self.unit.module.body:
            self.statement = statement
            self.run_body((statement,))
        self.statement = None
        self.state.dead = False
        self.state.commit()
        self.unit.defined = True
        self.importing = False
        self.guarded = False

    def run_uncalled(self) -> None:
        """Run each function and method that nothing called, callers before callees as far as names tell."""
        mentioned = self.unit.source.text.count
        pending = [function for function in self.functions if function.info not in self.entered]
        pending.sort(key=lambda function: mentioned(function.info.name) > 1)
        for function in pending:
            if function.info not in self.entered:
                left = self.fuel
                self.fuel = share = max(left // GENERIC_SHARE, MIN_GENERIC_FUEL)
                calls.run_generic(self, function)
                self.fuel = left - (share - self.fuel)

    def run_workers(self) -> None:
        """Run what the workers of loaders run and nothing has called so far: functions of other files, methods as
        subclasses inherit them, functions with arguments that `functools.partial` binds."""
        assert self.facts is not None
        seen: set[tuple[FunctionInfo, ClassInfo] | None] = set()
        for loader in self.facts.loaders:
            for info, receiver, bound in tuple(datasets.worker_methods(loader, self.state)):
                inherited = self._of_subclass(info, receiver)
                if bound is None and (inherited in seen if inherited is not None else info in self.entered):
                    continue
                seen.add(inherited)
                left = self.fuel
                self.fuel = share = max(left // GENERIC_SHARE, MIN_GENERIC_FUEL)
                self.sampling = info
                calls.run_generic(self, FunctionRef(info, receiver), bound)
                self.sampling = None
                self.fuel = left - (share - self.fuel)

    @staticmethod
    def _of_subclass(info: FunctionInfo, receiver: Value | None) -> tuple[FunctionInfo, ClassInfo] | None:
        """A method with the class that inherits it, in which it may call other methods; None where none does."""
        owner = receiver.info if isinstance(receiver, Instance) else None
        return (info, owner) if owner is not None and info.owner is not owner else None

    def run_body(self, body: Sequence[cst.CSTNode]) -> None:
        """Run statements until one of them never ends."""
        statements = _STATEMENTS
        for statement in body:
            if self.state.dead:
                return
            self.fuel -= 1
            handler = statements.get(type(statement))
            if handler is not None:
                handler(self, statement)

    # -- statements -----------------------------------------------------------------------------

    def _line(self, node: cst.SimpleStatementLine | cst.SimpleStatementSuite) -> None:
        handlers = _STATEMENTS
        for small in node.body:
            if self.state.dead:
                return
            handler = handlers.get(type(small))
            if handler is not None:
                handler(self, small)

    def _block(self, node: cst.BaseSuite) -> None:
        if type(node) is cst.IndentedBlock:
            self.run_body(node.body)
        else:
            self._line(node)  # type: ignore[arg-type]

    def _expr(self, node: cst.Expr) -> None:
        self.eval(node.value)

    def _assign(self, node: cst.Assign) -> None:
        value = self.eval(node.value)
        given = type(node.value)
        if given is cst.BinaryOperation and self.loops:
            self._note_sum(node, node.targets[0].target, node.value)  # type: ignore[arg-type]
        for target in node.targets:
            self.bind(target.target, value)
        if given is cst.Call and self.facts is not None:
            self.facts.assigned[id(node.value)] = node.targets[0].target

    def _note_sum(self, statement: cst.Assign, target: cst.BaseExpression, node: cst.BinaryOperation) -> None:
        """`total = total + loss`, `w = w - lr * w.grad`"""
        if isinstance(node.operator, cst.Subtract):
            training.rebound(self, statement, target, node)
        if isinstance(node.operator, cst.Add) and dotted(target):
            for side, other in ((node.left, node.right), (node.right, node.left)):
                if dotted(side) == dotted(target):
                    known = self.facts.values.get(id(other), ()) if self.facts is not None else ()
                    added = known[0] if len(known) == 1 else self.eval_quietly(other)
                    training.accumulated(self, node, target, self.eval_quietly(side), added)

    def _ann_assign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, self.eval(node.value))

    def _aug_assign(self, node: cst.AugAssign) -> None:
        left = self.eval(node.target)
        right = self.eval(node.value)
        if type(right) is Method:
            self._mention(node.value, False)
        if type(left) is Tensor or type(left) is ParameterOf:
            training.written_to(self, node, node.target, left)
        if self.loops:
            if type(node.operator) is cst.SubtractAssign:
                training.descended(self, node)
            elif type(right) is Tensor and type(node.operator) is cst.AddAssign:
                training.accumulated(self, node, node.target, left, right)
        result = objects.augmented(self, left, type(node.operator).__name__, right, node)
        self.bind(node.target, result)

    def _return(self, node: cst.Return) -> None:
        value = self.eval(node.value) if node.value is not None else NONE
        self.returns.append((rebased(self.state, self.call_base), value))
        self.state.dead = True

    def _raise(self, node: cst.Raise) -> None:
        if node.exc is not None:
            self.eval(node.exc)
        self.state.dead = True

    def _break(self, node: cst.Break) -> None:
        self.breaks.append(rebased(self.state, self.loop_base))
        self.state.dead = True

    def _continue(self, node: cst.Continue) -> None:
        self.continues.append(rebased(self.state, self.loop_base))
        self.state.dead = True

    def _assert(self, node: cst.Assert) -> None:
        self._asked(node.test)
        if node.msg is not None:
            self.eval(node.msg)
        narrow(self, node.test, True)

    def _del(self, node: cst.Del) -> None:
        targets = (
            [element.value for element in node.target.elements] if isinstance(node.target, cst.Tuple) else [node.target]
        )
        for target in targets:
            if isinstance(target, cst.Name):
                self.assign_name(target.value, UNKNOWN)
            else:
                self.eval(target)
                if isinstance(target, cst.Subscript):
                    objects.delete_item(self, target)

    def _scope(self, node: cst.Global | cst.Nonlocal) -> None:
        for item in node.names:
            name = item.name.value
            frame = self.frame.globals_ if isinstance(node, cst.Global) else self._nonlocal(name)
            self.frame.outer_names[name] = frame

    def _nonlocal(self, name: str) -> Frame:
        frame = self.frame.parent
        while frame is not None and frame.parent is not None:
            if self.read(frame, name) is not None:
                return frame
            frame = frame.parent
        return self.frame.globals_

    def _asked(self, node: cst.BaseExpression) -> Value:
        """The value of an expression that is asked whether it is true."""
        value = self.eval(node)
        kind = type(value)
        if kind is Tensor and value.shape is not None:  # type: ignore[attr-defined]
            scalars.note_truth(self, node, value)  # type: ignore[arg-type]
        elif kind is Method or kind is Symbol:
            self._mention(node, True)
        return value

    def _mention(self, node: cst.BaseExpression, asked: bool) -> None:
        """A function or method is used as a condition, or as an operand."""
        if self.facts is not None and self.recording and self.unit is self.target:
            self.facts.mentioned.append((node, asked))

    def _if(self, node: cst.If) -> None:
        tested = self._asked(node.test)
        truth = truth_of(tested)
        guard = _is_main_guard(node.test) if type(node.test) is not cst.Name else None
        if isinstance(tested, Scalar) and tested.kind == "main guard":
            guard = True
        if guard is not None:
            # As a script the guarded code runs after the rest; importers see the module without it.
            inside, outside = (node.body, node.orelse) if guard else (node.orelse, node.body)
            if inside is not None:
                before, self.guarded = self.guarded, True
                self._block_or_else(inside)
                self.guarded = before
            if outside is not None:
                with self.layer():
                    self._block_or_else(outside)
            return
        if truth is not None:
            taken = node.body if truth else node.orelse
            if taken is not None:
                self._block_or_else(taken)
            return
        outer_tests, outer_path = self.tests, self.path
        self.tests = (*outer_tests, node.test)
        self.path = (*outer_path, (node, 0))
        with self.layer() as yes:
            narrow(self, node.test, True)
            self._block(node.body)
        with self.layer() as no:
            narrow(self, node.test, False)
            if node.orelse is not None:
                self.path = (*outer_path, (node, 1))
                self._block_or_else(node.orelse)
        self.tests, self.path = outer_tests, outer_path
        self.state.absorb((yes, no))

    def _block_or_else(self, node: cst.BaseSuite | cst.If | cst.Else) -> None:
        if isinstance(node, cst.If):
            self._if(node)
        else:
            self._block(node.body if isinstance(node, cst.Else) else node)

    def _loop(self, node: cst.For | cst.While, enter: Callable[[], None], *, endless: bool = False) -> None:
        """Run a loop body twice: as the first iteration finds the state, and, if that is another, as the later ones do.

        A loop is taken to run at least once: what holds only when it does not is rarely what is meant. In the second
        run of a loop those in it run once: the first one has shown what their later iterations find.
        """
        outer, outer_again = self.state, self.again
        kept = self.breaks, self.continues, self.loops, self.loop_base, self.turns
        self.breaks = []
        self.loops = (*self.loops, node)
        head = self.loop_base = State(outer)
        exits: list[State] = []
        turns: list[State] = []
        for again in (False, True):
            self.continues = []
            turn = self.state = State(head)
            self.turn += 1
            self.turns = (*kept[-1], self.turn)
            enter()
            self._block(node.body)
            turns = [state for state in (*self.continues, turn) if not state.dead]
            exits.extend(rebased(state, outer) for state in self.breaks)
            self.breaks = []
            if not turns and self.facts is not None:
                self.facts.left.add(self.turn)
            if not turns or again or not any(state.changes(outer) for state in turns):
                break
            if self.again:
                exits.append(State(outer))
                break
            self.again = True
            head.absorb((*turns, State(head)), widen=True)
        self.again = outer_again
        if not endless:
            exits.extend(rebased(state, outer) for state in turns)
        self.breaks, self.continues, self.loops, self.loop_base, self.turns = kept
        self.state = outer
        if exits:
            outer.absorb(exits, widen=True)
        elif endless:
            outer.dead = True

    def _for(self, node: cst.For) -> None:
        iterable = self.eval(node.iter)
        items = rounds.known_items(self, node, iterable) if self.active else None
        if items:
            rounds.run(self, node, items)
        else:
            before = self.state
            if items is not None:
                # Nothing to go over: what the loop would do is looked at, and does not happen.
                self.state = State(before)
            element = objects.iterate(self, iterable, node.iter)
            self._loop(node, lambda: self.bind(node.target, element))
            if items is not None:
                self.state = before
        if node.orelse is not None and not self.state.dead:
            with self.layer() as layer:
                self._block(node.orelse.body)
            self.state.absorb((layer, State(self.state)))

    def _while(self, node: cst.While) -> None:
        truth = truth_of(self.eval(node.test))
        if truth is False:
            return

        def enter() -> None:
            self.eval(node.test)
            narrow(self, node.test, True)

        self._loop(node, enter, endless=truth is True and isinstance(node.test, (cst.Name, cst.Integer)))
        if node.orelse is not None and not self.state.dead:
            self._block(node.orelse.body)

    def _with(self, node: cst.With) -> None:
        before, outer_tried = self.grad_mode(), self.tried
        left = len(self.returns), len(self.breaks), len(self.continues)
        for item in node.items:
            context = self.eval(item.item)
            self.tried = self.tried or _swallows_failure(item.item, context)
            mode = objects.grad_mode_of_context(context)
            if mode is not None:
                self.set_grad_mode(mode)
            if item.asname is not None and isinstance(item.asname.name, cst.BaseExpression):
                self.bind(item.asname.name, objects.entered(self, context))
        self._block(node.body)
        self.tried = outer_tried
        self.set_grad_mode(before)
        # Whatever leaves the block in its midst leaves the context, too.
        mode_now = self.state.writes[self.ambient, GRAD_MODE]
        ends = [state for state, _ in self.returns[left[0] :]]
        for state in (*ends, *self.breaks[left[1] :], *self.continues[left[2] :]):
            if (self.ambient, GRAD_MODE) in state.writes:
                state.writes[self.ambient, GRAD_MODE] = mode_now

    def _try(self, node: cst.Try | cst.TryStar) -> None:
        outer_tried = self.tried
        self.tried = outer_tried or _expects_failure(node)
        with self.layer() as body:
            self._block(node.body)
            self.tried = outer_tried
            if node.orelse is not None and not body.dead:
                self._block(node.orelse.body)
        ends = [body]
        outer_path = self.path
        handlers: Sequence[cst.ExceptHandler | cst.ExceptStarHandler] = node.handlers
        for index, handler in enumerate(handlers):
            self.path = (*outer_path, (node, index))
            with self.layer() as caught:
                # The body may have stopped anywhere: before its first effect, or after its last.
                tried = State(caught)
                tried.writes.update(body.writes)
                caught.absorb((tried, State(caught)))
                if handler.name is not None and isinstance(handler.name.name, cst.BaseExpression):
                    self.bind(handler.name.name, UNKNOWN)
                self._block(handler.body)
            ends.append(caught)
        self.path = outer_path
        self.state.absorb(ends)
        if node.finalbody is not None:
            dead, self.state.dead = self.state.dead, False
            self._block(node.finalbody.body)
            self.state.dead = self.state.dead or dead

    def _match(self, node: cst.Match) -> None:
        subject = self.eval(node.subject)
        ends = []
        exhaustive = False
        outer_path = self.path
        for index, case in enumerate(node.cases):
            self.path = (*outer_path, (node, index))
            with self.layer() as branch:
                self._pattern(case.pattern, subject)
                if case.guard is not None:
                    self.eval(case.guard)
                self._block(case.body)
            ends.append(branch)
            if case.guard is None and isinstance(case.pattern, cst.MatchAs) and case.pattern.pattern is None:
                exhaustive = True
        self.path = outer_path
        if not exhaustive:
            ends.append(State(self.state))
        self.state.absorb(ends)

    def _pattern(self, pattern: cst.CSTNode, subject: Value) -> None:
        if isinstance(pattern, cst.MatchAs):
            if pattern.pattern is not None:
                self._pattern(pattern.pattern, subject)
            if pattern.name is not None:
                self.assign_name(pattern.name.value, subject)
        elif isinstance(pattern, (cst.MatchList, cst.MatchTuple)):
            for index, element in enumerate(pattern.patterns):
                if isinstance(element, cst.MatchStar):
                    if element.name is not None:
                        self.assign_name(element.name.value, UNKNOWN)
                else:
                    exact = isinstance(subject, TupleOf) and len(subject.items) == len(pattern.patterns)
                    self._pattern(element.value, subject.items[index] if exact else UNKNOWN)  # type: ignore[attr-defined]
        else:
            for child in pattern.children:
                self._pattern(child, UNKNOWN)

    def _function_def(self, node: cst.FunctionDef) -> None:
        decorators = tuple(self._decorator(decorator.decorator) for decorator in node.decorators)
        info = FunctionInfo(node, self.unit, names.closure(self.frame), self._defaults(node.params), decorators)
        info.guarded, info.statement = self.guarded, self.statement
        function = FunctionRef(info)
        if self.unit is self.target:
            self.functions.append(function)
        if not any(_is_accessor(decorator.decorator) for decorator in node.decorators):
            self.assign_name(node.name.value, function)

    def _decorator(self, node: cst.BaseExpression) -> Value:
        """What decorates: the result of a call when that is known, else what was called."""
        value = self.eval(node)
        if value is UNKNOWN and isinstance(node, cst.Call):
            return self.eval_quietly(node.func)
        return value

    def _defaults(self, parameters: cst.Parameters) -> Mapping[str, Value]:
        return {
            parameter.name.value: self.eval(parameter.default)
            for parameter in (*parameters.posonly_params, *parameters.params, *parameters.kwonly_params)
            if parameter.default is not None
        }

    def _class_def(self, node: cst.ClassDef) -> None:
        bases = []
        for base in node.bases:
            value = self.eval(base.value.value if isinstance(base.value, cst.Subscript) else base.value)
            bases.append(value if not base.star else UNKNOWN)
        for keyword in node.keywords:
            self.eval(keyword.value)
        for decorator in node.decorators:
            self.eval(decorator.decorator)
        info = ClassInfo(node, self.unit, tuple(bases), bool(node.decorators))
        info.is_local = names.closure(self.frame).parent is not None
        info.guarded = self.guarded and not info.is_local
        if self.unit is self.target:
            self.classes.append(info)
            if self.facts is not None:
                self.facts.classes.append(info)
        outer = self.frame
        body = Frame(self.unit, outer)
        body.is_class = True
        self.frame = body
        self._block(node.body)
        self.frame = outer
        for (cell, name), value in list(self.state.writes.items()):
            if cell is body:
                if isinstance(value, FunctionRef) and value.info.owner is None and value.info.node in node.body.body:
                    value.info.owner = info
                info.base[name] = value
        self.assign_name(node.name.value, info)

    # -- binding --------------------------------------------------------------------------------

    def assign_name(self, name: str, value: Value) -> None:
        """Bind a name in the present frame, or where `global` / `nonlocal` says."""
        frame = self.frame.outer_names.get(name, self.frame) if self.frame.outer_names else self.frame
        self.state.set(frame, name, value)

    def bind(self, target: cst.BaseExpression, value: Value) -> None:
        """Assign to any target: a name, attribute, item, or a pattern of them."""
        # `type(...) is`: libcst's classes are abstract, which makes `isinstance` slow.
        kind = type(target)
        if kind is cst.Name:
            self.assign_name(target.value, value)  # type: ignore[attr-defined]
        elif kind is cst.Tuple or kind is cst.List:
            self._unpack(target, value)  # type: ignore[arg-type]
        elif kind is cst.Attribute:
            attributes.set_attribute(self, self.eval(target.value), target, value)  # type: ignore[attr-defined,arg-type]
        elif kind is cst.Subscript:
            objects.set_item(self, self.eval(target.value), target, value)  # type: ignore[attr-defined,arg-type]
        elif kind is cst.StarredElement:
            self.bind(target.value, value)  # type: ignore[attr-defined]

    def _unpack(self, target: cst.Tuple | cst.List, value: Value) -> None:
        if self.recording and self.unit is self.target:
            assert self.facts is not None
            self.facts.values.setdefault(id(target), []).append(value)
        elements = target.elements
        items = objects.unpacked(self, value, len(elements))
        starred = next((i for i, element in enumerate(elements) if type(element) is cst.StarredElement), None)
        if starred is not None:
            known = objects.exact_items(self, value)
            after = len(elements) - starred - 1
            for index, element in enumerate(elements):
                part: Value = UNKNOWN
                if index == starred:
                    part = ListRef(Items(known[starred : len(known) - after] if known is not None else None))
                elif known is not None and len(known) >= len(elements) - 1:
                    part = known[index if index < starred else index - len(elements)]
                self.bind(element.value, part)
            return
        for index, element in enumerate(elements):
            self.bind(element.value, items[index] if items is not None else UNKNOWN)

    # -- expressions ----------------------------------------------------------------------------

    def eval(self, node: cst.BaseExpression) -> Value:
        """The value of an expression at this point; recorded as a fact when this file is the one linted."""
        handler = _EXPRESSIONS.get(type(node))
        if handler is None:
            return UNKNOWN
        value = handler(self, node)
        if self.recording and self.unit is self.target:
            values = self.facts.values  # type: ignore[union-attr]
            known = values.get(id(node))
            if known is None:
                values[id(node)] = [value]
            elif known[-1] is not value and len(known) < MAX_CONTEXTS and value not in known:
                known.append(value)
        return value

    def eval_quietly(self, node: cst.BaseExpression) -> Value:
        """The value of an expression that has just been evaluated, without calling anything again."""
        kind = type(node)
        if kind is cst.Name or kind is cst.Attribute or kind is cst.Subscript:
            recording, self.recording = self.recording, False
            value = _EXPRESSIONS[kind](self, node)
            self.recording = recording
            return value
        if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
            value = self.eval_quietly(node.expression)
            return _negated(value)
        if isinstance(node, (cst.Integer, cst.SimpleString, cst.Tuple, cst.List)):
            return _EXPRESSIONS[type(node)](self, node)
        if isinstance(node, cst.Comparison) and len(node.comparisons) == 1:
            return objects.compared(
                self.eval_quietly(node.left),
                node.comparisons[0].operator,
                self.eval_quietly(node.comparisons[0].comparator),
            )
        if isinstance(node, cst.BooleanOperation):
            left, right = truth_of(self.eval_quietly(node.left)), truth_of(self.eval_quietly(node.right))
            if isinstance(node.operator, cst.And):
                known = False if left is False or right is False else True if left and right else None
            else:
                known = True if left or right else False if left is False and right is False else None
            return UNKNOWN if known is None else TRUE if known else FALSE
        if isinstance(node, cst.NamedExpr):
            return self.eval_quietly(node.target)
        return UNKNOWN

    def _name(self, node: cst.Name) -> Value:
        return self.lookup(node.value, self.frame)

    def lookup(self, name: str, frame: Frame | None) -> Value:
        """The value of a variable as seen from a frame."""
        while frame is not None:
            value = self.state.get(frame, name)
            if value is not None:
                if type(value) is Imported:
                    value = names.load(self, value)
                    # Bound for good: looking it up again gives the same.
                    self.state.resolve(frame, name, value)
                return value
            if frame.parent is None and name not in BUILTINS:
                unit = frame.unit
                if unit.star_paths:
                    value = names.star_imported(self, unit, name)
                    if value is not None:
                        self.state.set(frame, name, value)
                        return value
                if unit.stars:
                    # One star import of a package outside the project: where else could the name come from?
                    stars = unit.stars
                    return Symbol(canonical(f"{stars[0]}.{name}")) if len(stars) == 1 and stars[0] else UNKNOWN
            frame = frame.parent
        constant = _CONSTANTS.get(name)
        if constant is not None:
            return constant
        return Symbol("builtins." + name) if name in BUILTINS else UNKNOWN

    def _literal(self, node: cst.Integer | cst.Float) -> Value:
        text = node.value
        try:
            if type(node) is cst.Float:
                value = float(text)
            else:
                value = int(text) if text.isdigit() and (text[0] != "0" or text == "0") else node.evaluated_value
        except ValueError:
            # More digits than Python converts.
            return Scalar("int")
        return Const(value, self.here(node))

    def _string(self, node: cst.SimpleString) -> Value:
        return Const(objects.string_value(node), self.here(node))

    def _concatenated(self, node: cst.ConcatenatedString) -> Value:
        left, right = self.eval(node.left), self.eval(node.right)
        if isinstance(left, Const) and isinstance(right, Const) and type(left.value) is type(right.value):
            return Const(left.value + right.value, self.here(node))
        return Scalar("str", self.here(node))

    def _formatted(self, node: cst.FormattedString) -> Value:
        for part in node.parts:
            if isinstance(part, cst.FormattedStringExpression) and type(self.eval(part.expression)) is Method:
                self._mention(part.expression, False)
        first = node.parts[0] if node.parts else None
        if isinstance(first, cst.FormattedStringText) and first.value.partition(":")[0] in objects.ACCELERATORS:
            return DeviceValue(Device.ACCELERATOR, self.here(node))
        return Scalar("str", self.here(node))

    def _ellipsis(self, node: cst.Ellipsis) -> Value:
        return Const(...)

    def _attribute(self, node: cst.Attribute) -> Value:
        return attributes.attribute(self, self.eval(node.value), node.attr.value, node)

    def _subscript(self, node: cst.Subscript) -> Value:
        container = self.eval(node.value)
        if type(container) is Instance and is_loader(container):
            self.event("index", container, node)
        indexes = []
        for element in node.slice:
            piece = element.slice
            if isinstance(piece, cst.Index):
                indexes.append(self.eval(piece.value))
            else:
                bounds = (piece.lower, piece.upper, piece.step)  # type: ignore[attr-defined]
                indexes.append(objects.slice_value([self.eval(b) if b is not None else NONE for b in bounds]))
        if type(container) is Tensor and scalars.is_scalar(container):
            scalars.note_index(self, node, container, indexes)
        return objects.item(self, container, indexes, node)

    def _call(self, node: cst.Call) -> Value:
        callee = self.eval(node.func)
        arguments = self.arguments(node.args)
        outer = self.stack
        if self.unit is self.target:
            self.stack = (*outer, node)
        result = calls.call(self, callee, arguments, node)
        self.stack = outer
        return result

    def bind_method(self, method: FunctionRef, receiver: Instance, owner: ClassInfo) -> Value:
        """A function found in a class, as looked up on an instance."""
        return calls.bind_method(self, method, receiver, owner)

    def attribute_set_by(self, instance: Instance, owner: ClassInfo, method: str, name: str) -> Value | None:
        """What a method that has not run yet lets an attribute of its instance hold."""
        return calls.attribute_set_by(self, instance, owner, method, name)

    def iterate_instance(self, instance: Instance, node: cst.BaseExpression | None) -> Value:
        """What iterating over an object of a class of the project gives."""
        return calls.iterate_instance(self, instance, node)

    def follow(self, callee: Value, arguments: Arguments, node: cst.CSTNode) -> Value:
        """The value of a call that something outside the project makes, such as a container calling its layers."""
        return calls.call(self, callee, arguments, node, fact=False)

    def arguments(self, args: Sequence[cst.Arg]) -> Arguments:
        """Evaluate the arguments of a call."""
        positional: list[Value] = []
        tail: list[Value] = []
        keywords: dict[str, Value] = {}
        complete = True
        for arg in args:
            value = self.eval(arg.value)
            if arg.star == "*":
                items = objects.exact_items(self, value)
                if items is not None and not tail:
                    positional.extend(items)
                else:
                    complete = False
                    tail.append(objects.starred(self, value))
            elif arg.star == "**":
                entries = objects.exact_entries(self, value)
                complete = complete and entries is not None
                keywords.update(entries or objects.known_entries(self, value))
            elif arg.keyword is not None:
                keywords[arg.keyword.value] = value
            elif tail:
                tail.append(value)
            else:
                positional.append(value)
        return Arguments(tuple(positional), keywords, complete, tuple(tail))

    def _tuple(self, node: cst.Tuple) -> Value:
        items = self._elements(node.elements)
        return TupleOf(items, self.here(node)) if items is not None else Iterated(UNKNOWN)

    def _elements(self, elements: Sequence[cst.BaseElement]) -> list[Value] | None:
        items: list[Value] | None = []
        for element in elements:
            value = self.eval(element.value)
            if type(element) is cst.StarredElement:
                more = objects.exact_items(self, value)
                items = [*items, *more] if items is not None and more is not None else None
            elif items is not None:
                items.append(value)
        return items

    def _list(self, node: cst.List) -> Value:
        items: list[Value] = []
        exact = True
        last: Value | None = None
        for element in node.elements:
            value = self.eval(element.value)
            if isinstance(element, cst.StarredElement):
                more = objects.exact_items(self, value)
                if more is not None:
                    items.extend(more)
                else:
                    exact = False
                    star = objects.starred(self, value)
                    items.append(star.element)
                    last = star.last
            else:
                items.append(value)
                last = value
        if exact and len(items) <= MAX_ITEMS:
            return self.allocate_list(node, Items(tuple(items)))
        return self.allocate_list(node, Items(None, join_all(items), last if not exact else items[-1]))

    def allocate_list(self, node: cst.CSTNode, content: Items) -> ListRef:
        """The list made at a node, with this content now."""
        place = self.made_at(node)
        cell = self.frame.allocations.get(place)
        if not isinstance(cell, ListRef):
            cell = self.frame.allocations[place] = ListRef(content, self.here(node))
        self.state.set(cell, CONTENT, content)
        return cell

    def allocate_dict(self, node: cst.CSTNode, content: Entries) -> DictRef:
        """The dict made at a node, with this content now."""
        place = self.made_at(node)
        cell = self.frame.allocations.get(place)
        if not isinstance(cell, DictRef):
            cell = self.frame.allocations[place] = DictRef(content, self.here(node))
        self.state.set(cell, CONTENT, content)
        return cell

    def _set(self, node: cst.Set) -> Value:
        return Iterated(join_all([self.eval(element.value) for element in node.elements]))

    def _dict(self, node: cst.Dict) -> Value:
        entries: dict[Any, Value] = {}
        exact = True
        for element in node.elements:
            value = self.eval(element.value)
            if isinstance(element, cst.DictElement):
                key = self.eval(element.key)
                if isinstance(key, Const):
                    entries[key.value] = value
                else:
                    exact = False
            else:
                more = objects.exact_entries(self, value)
                exact = exact and more is not None
                entries.update(more or objects.known_entries(self, value))
        return self.allocate_dict(node, Entries(entries, exact))

    def _named(self, node: cst.NamedExpr) -> Value:
        value = self.eval(node.value)
        if isinstance(node.target, cst.Name):
            frame = self.frame
            # A walrus in a comprehension binds in the function around it.
            while frame.parent is not None and frame.allocations is frame.parent.allocations:
                frame = frame.parent
            self.state.set(frame.outer_names.get(node.target.value, frame), node.target.value, value)
        return value

    def _if_exp(self, node: cst.IfExp) -> Value:
        truth = truth_of(self._asked(node.test))
        if truth is not None:
            return self.eval(node.body if truth else node.orelse)
        outer_tests = self.tests
        self.tests = (*outer_tests, node.test)
        with self.layer() as yes:
            narrow(self, node.test, True)
            yes_value = self.eval(node.body)
        with self.layer() as no:
            narrow(self, node.test, False)
            no_value = self.eval(node.orelse)
        self.tests = outer_tests
        self.state.absorb((yes, no))
        chosen = objects.device_choice(self, node, yes_value, no_value)
        return chosen if chosen is not None else join(yes_value, no_value)

    def _lambda(self, node: cst.Lambda) -> Value:
        info = FunctionInfo(node, self.unit, names.closure(self.frame), self._defaults(node.params))
        info.guarded, info.statement = self.guarded, self.statement
        function = FunctionRef(info)
        if self.unit is self.target:
            self.functions.append(function)
        return function

    def _boolean(self, node: cst.BooleanOperation) -> Value:
        left = self._asked(node.left)
        truth = truth_of(left)
        is_and = isinstance(node.operator, cst.And)
        if truth is not None:
            return self._asked(node.right) if truth is is_and else left
        with self.layer() as after:
            narrow(self, node.left, is_and)
            right = self._asked(node.right)
        self.state.absorb((after, State(self.state)))
        if not is_and:
            # `x or y` gives x only when x is true, which None is not.
            rest = [option for option in alternatives(left) if not (isinstance(option, Const) and not option.value)]
            left = join_all(rest) if rest else right
        return join(left, right)

    def _binary(self, node: cst.BinaryOperation) -> Value:
        left, right = self.eval(node.left), self.eval(node.right)
        if type(left) is Method:
            self._mention(node.left, False)
        if type(right) is Method:
            self._mention(node.right, False)
        return objects.binary(self, left, type(node.operator).__name__, right, node)

    def _unary(self, node: cst.UnaryOperation) -> Value:
        if isinstance(node.operator, cst.Not):
            return _negated(self._asked(node.expression))
        value = self.eval(node.expression)
        if isinstance(value, Const) and isinstance(node.operator, cst.Minus) and isinstance(value.value, (int, float)):
            return Const(-value.value, self.here(node), value.assumed)
        if isinstance(value, Tensor):
            return objects.computed(self, node, value, dtype=value.dtype).of_shape(value.shape)
        if isinstance(value, Array):
            return Array(value.origin, value.shape, value.dtype)
        return value if isinstance(value, Scalar) else UNKNOWN

    def _comparison(self, node: cst.Comparison) -> Value:
        left = self.eval(node.left)
        if type(left) is Method:
            self._mention(node.left, False)
        result: Value = UNKNOWN
        for comparison in node.comparisons:
            right = self.eval(comparison.comparator)
            result = objects.compared(left, comparison.operator, right)
            if type(result) is Tensor:
                here = self.here(node)
                cut = here if objects.ends_graph(self, left, right) else result.grad_origin
                result = result.but(origin=here, grad_origin=cut)
                if result.shape is not None:
                    stretches.note(self, node, left, right)
                elif type(left) is Tensor and type(right) is Tensor:
                    misfits.note_comparison(self, node, left, right)
            left = right
        return result if len(node.comparisons) == 1 else Scalar("bool")

    def _await(self, node: cst.Await) -> Value:
        self.eval(node.expression)
        return UNKNOWN

    def _yield(self, node: cst.Yield) -> Value:
        if isinstance(node.value, cst.From):
            self.yields.append(objects.iterate(self, self.eval(node.value.item), node.value.item))
        elif node.value is not None:
            self.yields.append(self.eval(node.value))
        return UNKNOWN


def define(unit: Unit, project: Project) -> None:
    """Interpret the module code of an imported file, so that its frame holds what it defines."""
    Interpreter(unit, project, None).run_module()


def interpret(unit: Unit, project: Project | None) -> Facts:
    """Interpret a file that is linted: its module code, then all that was not called by it."""
    facts = Facts()
    machine = Interpreter(unit, project, facts)
    machine.run_module()
    machine.run_uncalled()
    machine.run_workers()
    run_uncalled_chains(machine)
    facts.end = machine.state
    return facts


def truth_of(value: Value) -> bool | None:
    """Whether a value certainly is true or false as a condition."""
    kind = type(value)
    if kind is Const:
        return None if value.assumed else bool(value.value)  # type: ignore[attr-defined]
    if kind is FunctionRef or kind is ClassInfo or (kind is Instance and instances.is_module(value)):
        return True
    return None


_FAILURES = ("RuntimeError", "TypeError", "AttributeError", "IndexError", "Exception", "BaseException")
# Contexts in which an exception is expected: it is swallowed, or a test asks for it.
_SWALLOWING = frozenset({"contextlib.suppress", "pytest.raises"})
_ASKING = frozenset({"assertRaises", "assertRaisesRegex"})


def _expects_failure(node: cst.Try | cst.TryStar) -> bool:
    """Whether a short `try` is there to see if its body works: it catches what a wrong use of a tensor raises."""
    if not isinstance(node.body, cst.IndentedBlock) or len(node.body.body) > 3:
        return False
    for handler in node.handlers:
        kind = handler.type
        kinds = [element.value for element in kind.elements] if isinstance(kind, cst.Tuple) else [kind]
        for caught in kinds:
            if caught is None or getattr(caught, "value", "") in _FAILURES:
                return True
    return False


def _swallows_failure(node: cst.BaseExpression, context: Value) -> bool:
    """Whether a `with` is there to see if its body fails: `suppress(RuntimeError)`, `pytest.raises(...)`."""
    if isinstance(context, Instance) and context.symbol in _SWALLOWING:
        caught = [option for given in context.arguments.positional for option in alternatives(given)]
        return context.symbol != "contextlib.suppress" or any(
            isinstance(kind, Symbol) and kind.name.removeprefix("builtins.") in _FAILURES for kind in caught
        )
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value in _ASKING


def _is_accessor(decorator: cst.BaseExpression) -> bool:
    """`@name.setter`, `@name.deleter`: the name stays the property."""
    return isinstance(decorator, cst.Attribute) and decorator.attr.value in ("setter", "deleter")


def _negated(value: Value) -> Value:
    if isinstance(value, Const) and not value.assumed:
        return FALSE if value.value else TRUE
    return Scalar("bool")


def _is_main_guard(test: cst.BaseExpression) -> bool | None:
    """True for `__name__ == "__main__"` in either order, False for `!=`, None for anything else.

    A guard may carry more conditions (`... and not debug`): the code under it still runs only in a script.
    """
    if type(test) is cst.BooleanOperation and type(test.operator) is cst.And:
        return True if _is_main_guard(test.left) or _is_main_guard(test.right) else None
    if type(test) is not cst.Comparison or len(test.comparisons) != 1:
        return None
    sides = (test.left, test.comparisons[0].comparator)
    names = [side for side in sides if type(side) is cst.Name and side.value == "__name__"]
    mains = [side for side in sides if type(side) is cst.SimpleString and side.raw_value == "__main__"]
    if not names or not mains:
        return None
    operator = test.comparisons[0].operator
    return True if isinstance(operator, cst.Equal) else False if isinstance(operator, cst.NotEqual) else None


_CONSTANTS: dict[str, Value] = {"True": TRUE, "False": FALSE, "None": NONE}

_STATEMENTS: dict[type, Callable[[Interpreter, Any], None]] = {
    cst.SimpleStatementLine: Interpreter._line,
    cst.Expr: Interpreter._expr,
    cst.Assign: Interpreter._assign,
    cst.AnnAssign: Interpreter._ann_assign,
    cst.AugAssign: Interpreter._aug_assign,
    cst.Return: Interpreter._return,
    cst.Raise: Interpreter._raise,
    cst.Break: Interpreter._break,
    cst.Continue: Interpreter._continue,
    cst.Assert: Interpreter._assert,
    cst.Del: Interpreter._del,
    cst.Global: Interpreter._scope,
    cst.Nonlocal: Interpreter._scope,
    cst.If: Interpreter._if,
    cst.For: Interpreter._for,
    cst.While: Interpreter._while,
    cst.With: Interpreter._with,
    cst.Try: Interpreter._try,
    cst.TryStar: Interpreter._try,
    cst.Match: Interpreter._match,
    cst.Import: imports.run_import,
    cst.ImportFrom: imports.run_import_from,
    cst.FunctionDef: Interpreter._function_def,
    cst.ClassDef: Interpreter._class_def,
}

_EXPRESSIONS: dict[type, Callable[[Interpreter, Any], Value]] = {
    cst.Name: Interpreter._name,
    cst.Attribute: Interpreter._attribute,
    cst.Call: Interpreter._call,
    cst.Subscript: Interpreter._subscript,
    cst.Integer: Interpreter._literal,
    cst.Float: Interpreter._literal,
    cst.SimpleString: Interpreter._string,
    cst.ConcatenatedString: Interpreter._concatenated,
    cst.FormattedString: Interpreter._formatted,
    cst.Ellipsis: Interpreter._ellipsis,
    cst.Tuple: Interpreter._tuple,
    cst.List: Interpreter._list,
    cst.Set: Interpreter._set,
    cst.Dict: Interpreter._dict,
    cst.ListComp: comprehensions.list_of,
    cst.SetComp: comprehensions.set_of,
    cst.GeneratorExp: comprehensions.set_of,
    cst.DictComp: comprehensions.dict_of,
    cst.NamedExpr: Interpreter._named,
    cst.IfExp: Interpreter._if_exp,
    cst.Lambda: Interpreter._lambda,
    cst.BooleanOperation: Interpreter._boolean,
    cst.BinaryOperation: Interpreter._binary,
    cst.UnaryOperation: Interpreter._unary,
    cst.Comparison: Interpreter._comparison,
    cst.Await: Interpreter._await,
    cst.Yield: Interpreter._yield,
}
