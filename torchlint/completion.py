"""What a shell may complete on the command line: rules, selectors, paths.

The shells ask through `_TORCHLINT_COMPLETE`, which click answers. Rules are loaded only where rules are asked for.
"""

import os
from collections.abc import Sequence

from click import Context, Parameter
from click.shell_completion import CompletionItem

# Where a context says that the command was left out and no word was given yet.
FIRST_WORD = "torchlint.first_word"


def files(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Names of files and folders, which the shell itself knows best."""
    return [CompletionItem(incomplete, type="file")]


def paths_or_commands(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Files and folders; and commands too where one may stand."""
    commands = _commands(context) if context.meta.get(FIRST_WORD) else []
    fitting = [one for one in commands if one.value.startswith(incomplete)]
    # Shells look for files only where they are given nothing else.
    return [*fitting, *_entries(incomplete)] if fitting else files(context, parameter, incomplete)


def rules(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Codes and names of rules."""
    return [one for one in _rules() if one.value.lower().startswith(incomplete.lower())]


def selectors(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Codes and names of rules, and what else selects; of a list, its last item."""
    from torchlint.diagnostic import Category

    before, comma, last = incomplete.rpartition(",")
    known = [*_rules(), *(CompletionItem(category.value) for category in Category), CompletionItem("ALL")]
    found = [one for one in known if one.value.lower().startswith(last.lower())]
    return [CompletionItem(before + comma + one.value, help=one.help) for one in found]


def _commands(context: Context) -> Sequence[CompletionItem[str]]:
    group = context.parent
    if group is None:
        return []
    commands = getattr(group.command, "commands", {})
    return [CompletionItem(name, help=command.get_short_help_str()) for name, command in sorted(commands.items())]


def _entries(incomplete: str) -> Sequence[CompletionItem[str]]:
    """What lies in the working directory, but for what is hidden."""
    try:
        with os.scandir() as scan:
            names = sorted(entry.name + "/" * entry.is_dir() for entry in scan if entry.name.startswith(incomplete))
    except OSError:
        return []
    return [CompletionItem(name) for name in names if not name.startswith(".")]


def _rules() -> Sequence[CompletionItem[str]]:
    from torchlint.registry import load

    registry = load()
    known = sorted((code, name) for name, code in registry.known.items())
    by_code = [CompletionItem(code, help=name) for code, name in known]
    return [*by_code, *(CompletionItem(name, help=code) for code, name in known)]
