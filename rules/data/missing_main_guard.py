from collections.abc import Sequence

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Event
from torchlint.semantic.loaders import has_own_context, has_workers
from torchlint.semantic.values import Const, Instance, Tri


class MissingMainGuard(Rule):
    """Checks for a `DataLoader` with workers that is iterated over when the file is imported.

    The iteration may be a loop, `next(iter(loader))`, `list(loader)`, or stand in a function that the module
    calls, such as `main()`. Building the loader is harmless: only iterating starts workers.

    ## Why is this bad?
    Where processes are spawned (Windows, macOS) or come from a fork server (Linux from Python 3.14 on), each
    worker imports the script, reaches the iteration, and tries to start workers itself: `RuntimeError: An
    attempt has been made to start a new process before the current process has finished its bootstrapping
    phase`. Under `fork` it runs, so the script works for its author and fails for others.

    Where the configuration says that the code runs where processes are forked (`platform = "linux"`, and Pythons
    before 3.14), it is a warning.

    ## Example
    ```python
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.randn(8, 2)), num_workers=2)
    for batch in loader:
        print(batch)
    ```

    ## Use instead
    ```python
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.randn(8, 2)), num_workers=2)
    if __name__ == "__main__":
        for batch in loader:
            print(batch)
    ```

    ## Fix safety
    Unsafe: importing the file does not run the guarded code any more. There is no fix where the code after
    the first iteration defines functions or classes, which workers may need, or holds strings over several
    lines.

    ## References
    - https://docs.pytorch.org/docs/stable/data.html#platform-specific-behaviors
    - https://docs.python.org/3/library/multiprocessing.html#the-spawn-and-forkserver-start-methods
    """

    code = "TL402"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("num_workers", "DataLoader", "loader")

    def leave_Module(self, node: cst.Module) -> None:
        if self.source.cells or self._forks():
            # Workers do not import a notebook.
            return
        for event in self.model.events:
            if event.kind == "iterate" and event.importing and not event.guarded and self._starts_workers(event):
                self._report(node, event)
                # The others have the same cause and the same cure.
                return

    def _forks(self) -> bool:
        """Whether the script says itself that its processes are forked."""
        return any(
            event.kind == "start-method" and isinstance(event.subject, Const) and event.subject.value == "fork"
            for event in self.model.events
        )

    @staticmethod
    def _starts_workers(event: Event) -> bool:
        loader = event.subject
        return isinstance(loader, Instance) and has_workers(loader) is Tri.YES and not has_own_context(loader)

    def _report(self, module: cst.Module, event: Event) -> None:
        place = event.stack[0] if event.stack else event.node
        loader = event.subject
        related = [(loader.origin, "the loader with workers")]
        if event.stack and event.node is not place:
            inner = self.model.origin(event.node) if len(event.stack) == 1 or event.node in event.stack else None
            related.append((inner, "it is iterated over here"))
        runs = self.model.target.forks and not any(event.kind == "start-method" for event in self.model.events)
        self.report(
            place,
            'loader workers are started outside `if __name__ == "__main__":`'
            + (", which runs under `fork` only" if runs else ""),
            help='put what the script runs under `if __name__ == "__main__":`',
            fix=self._guard(module, event.statement),
            related=related,
            severity=Severity.WARNING if runs else None,
        )

    def _guard(self, module: cst.Module, first: cst.CSTNode | None) -> Repair | None:
        """Indent the module's statements from the first iteration on, under the guard."""
        start = next((index for index, statement in enumerate(module.body) if statement is first), None)
        if start is None:
            return None
        tail: Sequence[cst.CSTNode] = module.body[start:]
        if any(isinstance(statement, (cst.FunctionDef, cst.ClassDef)) for statement in tail):
            return None
        for quotes in ('"""', "'''"):
            if quotes in self.source.text and any(quotes in module.code_for_node(statement) for statement in tail):
                # Indenting would change the text of the string.
                return None
        return self.fix(
            "guard the rest of the script",
            Applicability.UNSAFE,
            self.nest(module.body[start], 'if __name__ == "__main__":', module.default_indent),
        )
