import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.values import FALSE, Const

START_METHOD = tuple(
    f"{package}.set_start_method" for package in ("multiprocessing", "torch.multiprocessing", "multiprocessing.context")
)


class SetStartMethodUnguarded(Rule):
    """Checks for `set_start_method("spawn")` that runs whenever the file is imported.

    ## Why is this bad?
    Each spawned process imports the script again and comes to the same line, where the method is set already:
    `RuntimeError: context has already been set`. Loader workers then exit unexpectedly.

    ## Example
    ```python
    import torch.multiprocessing as mp

    mp.set_start_method("spawn")
    ```

    ## Use instead
    ```python
    import torch.multiprocessing as mp

    if __name__ == "__main__":
        mp.set_start_method("spawn")
    ```

    ## Fix safety
    Unsafe: `force=True` is added, which also overrides what another module has set.

    ## References
    - https://docs.python.org/3/library/multiprocessing.html#multiprocessing.set_start_method
    """

    code = "TL428"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("set_start_method", "multiprocessing", "torch")

    def leave_Module(self, node: cst.Module) -> None:
        if self.source.cells or self.source.filename.rpartition("/")[2].startswith("test_"):
            # No process imports a notebook, nor need one import a test.
            return
        reported: set[int] = set()
        for call in self.model.calls_led_to(*START_METHOD):
            place = self.model.place(call)
            if call.importing and not call.guarded and id(place) not in reported and self._fails_again(call):
                reported.add(id(place))
                here = call.node is place
                self.report(
                    place or call.node,
                    "each process that is started imports this file and sets the start method a second time",
                    help='call it under `if __name__ == "__main__":`, or pass `force=True`',
                    fix=self._force(call) if here else None,
                    related=[(None if here else call.origin, "it is set here")],
                )

    def _fails_again(self, call: Call) -> bool:
        method, force = call.argument(0, "method"), call.argument(1, "force")
        if not isinstance(method, Const) or method.value not in ("spawn", "forkserver"):
            return False
        if force not in (None, FALSE) or not call.arguments.complete or call.tried:
            return False
        return not any("start_method" in self.text(test) for test in call.tests)

    def _force(self, call: Call) -> Repair | None:
        node = call.node
        if not isinstance(node, cst.Call) or len(node.args) != 1 or node.args[0].star:
            return None
        edit = self.insert_after(node.args[0].value, ", force=True")
        return self.fix("pass `force=True`", Applicability.UNSAFE, edit)
