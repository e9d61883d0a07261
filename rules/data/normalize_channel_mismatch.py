import libcst as cst

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import Repair, Rule
from torchlint.semantic.facts import Call
from torchlint.semantic.knowledge.vision import TRANSFORM_PACKAGES
from torchlint.semantic.pipelines import Wrong
from torchlint.semantic.transforms import Fault, Step, fits, run, steps
from torchlint.semantic.values import Instance

NORMALIZE = tuple(f"{package}Normalize" for package in TRANSFORM_PACKAGES)


class NormalizeChannelMismatch(Rule):
    """Checks for a `Normalize` whose mean and standard deviation are for another number of channels than the image has.

    The number of channels is known for the datasets of torchvision, and after `Grayscale` and the like. Reported as
    well are means and deviations of different lengths, and numbers without brackets for `v2.Normalize`.

    ## Why is this bad?
    Three means for an image of one channel raise `RuntimeError: output with shape [1, 28, 28] doesn't match the
    broadcast shape [3, 28, 28]`. In `torchvision.transforms.v2` it is worse: the image silently becomes one of three
    channels.

    ## Example
    ```python
    from torchvision import datasets, transforms

    normalize = transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    data = datasets.MNIST("data", transform=transforms.Compose([transforms.ToTensor(), normalize]))
    ```

    ## Use instead
    ```python
    from torchvision import datasets, transforms

    normalize = transforms.Normalize((0.5,), (0.5,))
    data = datasets.MNIST("data", transform=transforms.Compose([transforms.ToTensor(), normalize]))
    ```

    ## Fix safety
    Unsafe: of three equal numbers one is kept, and other images may go through the same transform. There is no fix
    where the numbers differ.

    ## References
    - https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html
    """

    code = "TL416"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE
    words = ("transform", "torchvision")

    def leave_Module(self, node: cst.Module) -> None:
        broken: set[cst.CSTNode] = set()
        for call in self.model.calls_of(*NORMALIZE):
            if isinstance(call.result, Instance) and call.certain and call.node not in broken:
                step = steps(call.result, self.model.facts.end)[0]
                if not fits(step, None):
                    broken.add(call.node)
                    self._report_by_itself(call, step)
        for wrong in self.model.pipelines.wrong:
            if wrong.problem.fault is Fault.CHANNELS and wrong.node not in broken:
                self._report_in_pipeline(wrong)

    def _report_by_itself(self, call: Call, step: Step) -> None:
        assert step.widths is not None
        if 0 in step.widths:
            self.report(
                call.node,
                "`Normalize` of `v2` takes sequences for `mean` and `std`, and is given a number",
                help="write `(0.5,)`: brackets alone make no tuple",
                fix=self._bracket(call.node, step.widths),
            )
        else:
            mean, std = step.widths
            self.report(
                call.node,
                f"`Normalize` has {mean} means and {std} standard deviations",
                help="give one each for each channel",
            )

    def _report_in_pipeline(self, wrong: Wrong) -> None:
        step, image, use = wrong.problem.step, wrong.problem.image, wrong.use
        assert step.widths is not None
        assert image.channels is not None
        of = f" of `{use.dataset.name}`" if use is not None and use.dataset is not None else ""
        channels = "one channel" if image.channels == 1 else f"{image.channels} channels"
        message = f"`Normalize` is for {max(step.widths)} channels; the image{of} has {channels}"
        related = [(step.origin, "the numbers are given here")] if not self._is_at(wrong.node, step) else []
        if use is not None and use.node is not wrong.node:
            related.append((self.model.origin(use.node), "the images come from here"))
        self.report(
            wrong.node,
            message,
            help=f"give {image.channels} for `mean` and `std`"
            + (", as in `Normalize((0.5,), (0.5,))`" if image.channels == 1 else ""),
            fix=self._shorten(wrong.node)
            if image.channels == 1 and self._is_at(wrong.node, step) and not self._also_fits(step)
            else None,
            related=related,
        )

    @staticmethod
    def _is_at(node: cst.CSTNode, step: Step) -> bool:
        return step.origin is not None and step.origin.node is node

    def _also_fits(self, step: Step) -> bool:
        """Whether images of that many channels go through it as well."""
        return any(
            used.value is step.value
            for use in self.model.pipelines.uses
            for used in use.steps
            if use.image.channels not in (None, 1) and not run(use.steps, use.image)[1]
        )

    def _shorten(self, node: cst.CSTNode) -> Repair | None:
        """Keep one of several equal numbers, where they are written in the call."""
        if not isinstance(node, cst.Call):
            return None
        edits = []
        for arg in node.args:
            if not isinstance(arg.value, (cst.Tuple, cst.List)):
                continue
            numbers = [self.text(element.value) for element in arg.value.elements]
            if len(set(numbers)) != 1:
                return None
            # The brackets of a tuple are no part of it as a place.
            bare = isinstance(arg.value, cst.Tuple) and bool(arg.value.lpar)
            edits.append(self.replace(arg.value, f"{numbers[0]}," if bare else f"[{numbers[0]}]"))
        return self.fix("keep one number", Applicability.UNSAFE, *edits) if len(edits) == 2 else None

    def _bracket(self, node: cst.CSTNode, widths: tuple[int, int]) -> Repair | None:
        """Make tuples of numbers: the code could not run before, but how many channels there are is a guess."""
        if not isinstance(node, cst.Call):
            return None
        numbers = [arg.value for arg in node.args if isinstance(arg.value, cst.Float)]
        if len(numbers) != 2 or widths != (0, 0):
            return None
        return self.fix(
            "make tuples",
            Applicability.UNSAFE,
            *(self.replace(number, f"{number.value}," if number.lpar else f"({number.value},)") for number in numbers),
        )
