import re

from torchlint.diagnostic import Applicability, Category
from torchlint.rule import NodeEdit, Rule, Syntax
from torchlint.semantic.unterminated import Slip, becomes_python, repaired, slips

ESCAPED_QUOTE = re.compile(rb"""\\(?:'|")[ \t]*(?:[,)\]}:;+.%=!<>&|#\r\n]|\Z|[a-z'"])""")


class UnterminatedPathString(Rule):
    r"""Checks for strings that do not end because a backslash stands before the closing quote.

    ## Why is this bad?
    In `'C:\data\'` the `\'` is a quote inside the string, and the string goes on: `SyntaxError: unterminated
    string literal`. A raw string does not help: `r'C:\data\'` does not end either, and `r'C:\data\\'` ends in two
    backslashes. Python often points at another place, where the quotes that follow, wrongly paired, run out.

    ## Example
    ```python
    import os

    for name in os.listdir('C:\\data\'):
        print(name)
    ```

    ## Use instead
    ```python
    import os

    for name in os.listdir('C:\\data\\'):
        print(name)
    ```

    ## Fix safety
    Unsafe: it guesses where the string ends. It is offered only if the file is Python afterwards.

    ## References
    - https://docs.python.org/3/faq/design.html#why-can-t-raw-strings-r-strings-end-with-a-backslash
    - https://docs.python.org/3/library/pathlib.html
    """

    code = "TL902"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE

    @classmethod
    def may_apply(cls, data: bytes) -> bool:
        return ESCAPED_QUOTE.search(data) is not None

    def visit_unparsable(self, problem: Syntax) -> None:
        text = self.source.text
        row = self.source.position(problem.offset)[0]
        row_start = self.source.offset(row)
        for triple in (False, True):
            found = list(slips(text, row_start, triple))
            if found and becomes_python(self.source, found):
                edits = [self._edit(slip) for slip in found]
                for slip, edit in zip(found, edits, strict=True):
                    alone = len(found) == 1 or becomes_python(self.source, [slip])
                    self._report(slip, [edit] if alone else edits)
                return
        # Something else is wrong too: certain is only the string that Python complains of.
        for slip in slips(text, row_start, False):
            if "string literal" in problem.message and self.source.position(slip.start)[0] == row:
                self._report(slip, [])

    def _report(self, slip: Slip, edits: list[NodeEdit]) -> None:
        fix = self.fix("double the backslash at the end", Applicability.UNSAFE, *edits) if edits else None
        quote = slip.quote[0]
        self.report(
            (slip.start, slip.end + len(slip.quote)),
            f"the backslash makes the closing `{quote}` part of the string, which does not end here",
            help="double the backslash, leave it out, or use forward slashes or `pathlib`",
            fix=fix,
        )

    def _edit(self, slip: Slip) -> NodeEdit:
        place = (slip.start, slip.end + len(slip.quote))
        return self.replace(place, repaired(self.source.text, slip))
