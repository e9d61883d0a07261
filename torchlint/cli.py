"""The console: commands, their options, and how the process ends.

Exit codes: 0 clean, 1 findings, 2 usage, configuration or internal error. Everything that costs time
to import is imported where it is used, so that `--version` and `--help` are instant.
"""

import gc
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from torchlint import __version__, completion
from torchlint.console import CLEAN, ERROR, INTERRUPTED, counted, is_coloured, is_debugging, json_text, say

if TYPE_CHECKING:
    from torchlint.check import Check
    from torchlint.config import Configuration
    from torchlint.registry import Documented

# `torchlint.config.OutputFormat` has the same; importing it here would cost every run of --help its time.
FORMATS = (
    "full", "concise", "grouped", "json", "json-lines", "sarif", "github", "gitlab", "junit", "rdjson", "azure",
    "pylint", "lsp",
)  # fmt: skip
LEVELS = ("error", "warning", "info")
PLATFORMS = ("any", "linux", "windows", "macos")
STDIN = "-"


class CheckByDefault(click.Group):
    """A group whose first argument may be left out: `torchlint PATH` is `torchlint check PATH`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "-h", "--help", "-V", "--version"}:
            ctx.meta[completion.FIRST_WORD] = not args
            args = ["check", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[check] [OPTIONS] [PATH]...")
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS] [ARGS]...", prefix="       ")


class CheckCommand(click.Command):
    """A command whose `--add-noqa` takes a value after `=` only: what stands next is a path."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        given = ["--add-noqa=" if arg == "--add-noqa" else arg for arg in args[:end]]
        return super().parse_args(ctx, given + args[end:])


@click.group(cls=CheckByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="torchlint", message="%(prog)s %(version)s")
def cli() -> None:
    """A linter for PyTorch code that knows what each value is.

    `torchlint PATH` lints files and folders; `torchlint check --help` lists its options.
    """


@cli.command(cls=CheckCommand, short_help="Lint files, folders or standard input.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=completion.paths_or_commands)
@click.option("--fix", is_flag=True, help="Apply safe fixes. With -, print the fixed code.")
@click.option(
    "--unsafe-fixes/--no-unsafe-fixes",
    default=None,
    help="Offer, and with --fix apply, fixes that change results too.",
)
@click.option("--diff", "show_diff", is_flag=True, help="Print what --fix would change as a patch; write nothing.")
@click.option(
    "--select",
    multiple=True,
    metavar="SELECTORS",
    shell_complete=completion.selectors,
    help="Rules to run: codes, prefixes, names, categories, ALL.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="SELECTORS",
    shell_complete=completion.selectors,
    help="Rules not to run.",
)
@click.option(
    "--extend-select",
    multiple=True,
    metavar="SELECTORS",
    shell_complete=completion.selectors,
    help="Rules to run besides those selected.",
)
@click.option(
    "--per-file-ignores",
    multiple=True,
    metavar="PATTERN:SELECTORS",
    help="Rules not to run in the files that a pattern matches.",
)
@click.option("--output-format", type=click.Choice(FORMATS), help="How findings are printed. [default: full]")
@click.option(
    "-o",
    "--output-file",
    metavar="FILE",
    shell_complete=completion.files,
    help="Write the report to a file. [default: standard output]",
)
@click.option("--statistics", is_flag=True, help="Print how often each rule was broken.")
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS),
    help="How bad a finding must be for exit code 1. [default: info, which is any]",
)
@click.option("--target-python", metavar="SPEC", help="The Pythons that the code runs on: 3.11, '>=3.9,<3.14', any.")
@click.option("--target-torch", metavar="SPEC", help="The versions of torch that the code runs on.")
@click.option("--platform", type=click.Choice(PLATFORMS), help="The system that the code runs on. [default: any]")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if there are findings.")
@click.option(
    "--baseline",
    metavar="FILE",
    shell_complete=completion.files,
    help="Leave out the findings that this file lists.",
)
@click.option("--write-baseline", is_flag=True, help="List all findings in the file of --baseline.")
@click.option(
    "--since",
    metavar="REVISION",
    help="Only findings on lines that changed since a revision of git.",
)
@click.option(
    "--add-noqa",
    metavar="[=REASON]",
    shell_complete=completion.files,
    help="Add a comment that silences it to each finding.",
)
@click.option("-w", "--watch", is_flag=True, help="Lint again whenever a file changes.")
@click.option("--show-files", is_flag=True, help="Print the files that would be linted, and stop.")
@click.option("--show-settings", is_flag=True, help="Print the settings of the first path and who set them, and stop.")
@click.option(
    "--config",
    "configs",
    multiple=True,
    metavar="FILE|'KEY = VALUE'",
    shell_complete=completion.files,
    help="A configuration file to use in place of those found, or one setting as TOML.",
)
@click.option("--isolated", is_flag=True, help="Read no configuration file.")
@click.option("--no-cache", is_flag=True, help="Accepted for scripts; there is no cache yet.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="How many processes to use. [default: one a CPU]")
@click.option("-q", "--quiet", is_flag=True, help="Print findings and errors only.")
@click.option("--no-plugins", is_flag=True, help="Load the built-in rules only.")
@click.option("--force-exclude/--no-force-exclude", default=None, help="Exclude files even if they are named.")
@click.option(
    "--respect-gitignore/--no-respect-gitignore",
    default=None,
    help="Leave out what git ignores. [default: on]",
)
@click.option(
    "--stdin-filename",
    metavar="FILE",
    shell_complete=completion.files,
    help="The name of the code that is read from standard input.",
)
def check(
    paths: tuple[str, ...],
    fix: bool,
    unsafe_fixes: bool | None,
    show_diff: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    extend_select: tuple[str, ...],
    per_file_ignores: tuple[str, ...],
    output_format: str | None,
    output_file: str | None,
    statistics: bool,
    fail_on: str | None,
    target_python: str | None,
    target_torch: str | None,
    platform: str | None,
    exit_zero: bool,
    baseline: str | None,
    write_baseline: bool,
    since: str | None,
    add_noqa: str | None,
    watch: bool,
    show_files: bool,
    show_settings: bool,
    configs: tuple[str, ...],
    isolated: bool,
    no_cache: bool,
    jobs: int | None,
    quiet: bool,
    no_plugins: bool,
    force_exclude: bool | None,
    respect_gitignore: bool | None,
    stdin_filename: str | None,
) -> int:
    """Lint files and folders (by default the current one), or standard input with -.

    Exits with 0 if nothing was found, 1 if something was, 2 if something went wrong.
    """
    if stdin_filename is not None and not paths:
        paths = (STDIN,)  # whoever names standard input means it
    if STDIN in paths and len(paths) > 1:
        raise click.UsageError("- (standard input) cannot be linted together with other paths.")
    if stdin_filename is not None and STDIN not in paths:
        raise click.UsageError("--stdin-filename is the name of standard input: give - or no path with it.")
    _refuse_together(
        {
            "--watch": watch,
            "--add-noqa": add_noqa is not None,
            "--write-baseline": write_baseline,
            "--since": since is not None,
            "--fix": fix,
            "--diff": show_diff,
            "--show-files": show_files,
            "--show-settings": show_settings,
            "--statistics": statistics,
            "--output-file": output_file is not None,
            "- (standard input)": STDIN in paths,
        }
    )
    cwd = os.getcwd()
    table: dict[str, Any] = {
        "select": _split(select),
        "ignore": _split(ignore),
        "extend-select": _split(extend_select),
        "per-file-ignores": _pattern_table(per_file_ignores),
        "output-format": output_format,
        "unsafe-fixes": unsafe_fixes,
        "force-exclude": force_exclude,
        "respect-gitignore": respect_gitignore,
        "fail-on": fail_on,
        "baseline": baseline,
        "target-python": target_python,
        "target-torch": target_torch,
        "platform": platform,
    }

    def configuration() -> "Configuration":
        return _configuration(cwd, configs, isolated, table)

    def prepared() -> "Check":
        from torchlint.check import Check, Wanted

        wanted = Wanted(
            fix=fix,
            diff=show_diff,
            statistics=statistics,
            exit_zero=exit_zero,
            show_files=show_files,
            write_baseline=write_baseline,
            add_noqa=add_noqa,
            since=since,
            output_file=output_file,
            quiet=quiet,
            plugins=not no_plugins,
            jobs=jobs or _cpus(),
        )
        return Check(configuration(), wanted)

    if show_settings:
        from torchlint.settings_listing import settings_listing

        path = os.path.abspath(paths[0]) if paths and paths[0] != STDIN else cwd
        click.echo(settings_listing(configuration(), path), nl=False)
        return CLEAN
    if watch:
        return _watch(prepared, configuration, paths or (".",), quiet=quiet)
    if paths == (STDIN,):
        return prepared().stdin(stdin_filename)
    return prepared().paths(paths or (".",))


def _watch(
    prepared: "Callable[[], Check]", configuration: Callable[[], "Configuration"], paths: Sequence[str], *, quiet: bool
) -> int:
    """Lint whenever something changes, until Ctrl-C."""
    from torchlint.config import ConfigError
    from torchlint.watch import SETTINGS, Seen, changed, seen, watch

    gc.enable()

    last: Seen = {}

    def look() -> Seen:
        nonlocal last
        try:
            last = seen(configuration(), paths)
        except (ConfigError, click.ClickException) as error:
            last = {**last, SETTINGS: f"{error}"}  # the files are what they were until it says again which they are
        return last

    def lint(before: "Seen | None", now: Seen) -> None:
        if sys.stdout.isatty():
            click.clear()
        if before is not None and not quiet:
            first, *others = changed(before, now)
            say(f"{first} and {counted(len(others), 'other')} changed" if others else f"{first} changed")
        _guarded(lambda: prepared().paths(paths))
        if not quiet:
            say("watching for changes; Ctrl-C ends")

    with suppress(KeyboardInterrupt):
        watch(lint, look)
    return INTERRUPTED


@cli.command()
@click.argument("name", required=False, metavar="NAME|CODE", shell_complete=completion.rules)
@click.option("--all", "show_all", is_flag=True, help="Print all rules.")
@click.option(
    "--output-format",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="markdown: a table of the built-in rules. [default: text]",
)
@click.option("--no-plugins", is_flag=True, help="Load the built-in rules only.")
def rule(name: str | None, show_all: bool, output_format: str, no_plugins: bool) -> int:
    """Print what a rule checks, why, and what to write instead."""
    from torchlint.registry import load, rule_table
    from torchlint.rule_page import rule_object, rule_page

    if show_all == (name is not None):
        raise click.UsageError("Give the name or code of a rule, or --all.")
    if output_format == "markdown" and not show_all:
        raise click.UsageError("--output-format markdown is the table of all rules: give --all.")
    registry = load(plugins=not no_plugins)
    documented: list[Documented] = [*registry.engine, *registry.rules]
    documented.sort(key=lambda known: known.code)
    if name is not None:
        wanted = [known for known in documented if name.lower() in (known.code.lower(), known.name())]
        if not wanted:
            from difflib import get_close_matches

            names = [text for known in documented for text in (known.name(), known.code)]
            close = get_close_matches(name, names, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else "; `torchlint rule --all` prints all"
            raise click.UsageError(f"there is no rule `{name}`{hint}")
        documented = wanted
    if output_format == "json":
        click.echo(json_text([rule_object(known) for known in documented]), nl=False)
    elif output_format == "markdown":
        click.echo(rule_table(registry), nl=False)
    else:
        _print_markdown("\n\n".join(rule_page(known) for known in documented))
    for line in registry.problems:
        say(line)
    return ERROR if registry.problems else CLEAN


@cli.command()
@click.option("--schema", is_flag=True, help="Print the JSON schema of the configuration.")
def config(schema: bool) -> int:
    """Print the keys that [tool.torchlint] and torchlint.toml know."""
    from torchlint.config import json_schema

    described = json_schema()
    if schema:
        click.echo(json_text(described), nl=False)
        return CLEAN
    for key, value in described["properties"].items():
        click.echo(f"{key}\n    {value['description']}")
    return CLEAN


@cli.command(short_help="Run the fixtures of rules on real torch.")
@click.argument("paths", nargs=-1, type=click.Path(exists=True), metavar="[PATH]...")
@click.option("-k", "match", metavar="SUBSTRING", help="Only fixtures whose name holds this.")
@click.option("--update", is_flag=True, help="Write the fixed files anew from what the fixes make.")
def prove(paths: tuple[str, ...], match: str | None, update: bool) -> int:
    """Run the fixtures of rules on real torch, and see that they do what they state.

    Without a path, the fixtures of the built-in rules are run. Needs the extra: torchlint[torch].
    """
    from pathlib import Path

    from torchlint.prove import prove as prove_fixtures

    return prove_fixtures([Path(path) for path in paths], match=match, update=update)


@cli.command(short_help="Serve an editor (LSP).")
@click.option("--stdio", is_flag=True, help="Accepted for editors; there is no other way.")
def server(stdio: bool) -> int:
    """Serve an editor: the language server protocol on standard input and output."""
    from torchlint.server import start

    gc.enable()
    return start()


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the console and end the process.

    No exception gets out: what torchlint itself raises is one line, anything else one line that
    says so, with a traceback where TORCHLINT_DEBUG=1 is set.
    """
    for stream in (sys.stdout, sys.stderr):
        # Code and paths may hold characters that the terminal's encoding lacks.
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_guarded(lambda: cli.main(args, prog_name="torchlint", standalone_mode=False)))


def run() -> NoReturn:
    """`main` as a process of its own: it ends without taking the syntax trees apart, which would take a while."""
    code: object = ERROR
    # Linting collects by itself what it lets go of; what else there is lives to the end.
    gc.disable()
    try:
        main()
    except SystemExit as end:
        code = end.code
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else ERROR)


def _guarded(work: Callable[[], int]) -> int:
    """The exit code of some work; what it raises is printed, on one line."""
    try:
        return work()
    except click.ClickException as error:
        say(" ".join(error.format_message().split()))
        return ERROR
    except click.Abort:  # what click makes of Ctrl-C
        return INTERRUPTED
    except Exception as error:
        if is_debugging():
            import traceback

            traceback.print_exc()
        if type(error).__module__.startswith("torchlint."):
            say(f"{error}")
        else:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            hint = "" if is_debugging() else " (TORCHLINT_DEBUG=1 shows where)"
            say(f"internal error: {text}{hint}")
        return ERROR


# What each of these options cannot be used together with.
_CONFLICTS = {
    "--watch": (
        "--add-noqa", "--write-baseline", "--fix", "--diff", "--show-files", "--show-settings", "- (standard input)",
    ),
    "--add-noqa": ("--write-baseline", "--fix", "--diff", "--statistics", "--output-file", "- (standard input)"),
    "--write-baseline": ("--since", "--fix", "--diff", "- (standard input)"),
    "--since": ("- (standard input)",),
    "--diff": ("--statistics", "--output-file"),
    # These two change nothing and print nothing else.
    "--show-files": (
        "--add-noqa", "--write-baseline", "--fix", "--diff", "--statistics", "--output-file", "--show-settings",
    ),
    "--show-settings": ("--add-noqa", "--write-baseline", "--fix", "--diff", "--statistics", "--output-file"),
}  # fmt: skip


def _refuse_together(given: Mapping[str, bool]) -> None:
    for option, others in _CONFLICTS.items():
        for other in others:
            if given[option] and given[other]:
                raise click.UsageError(f"{option} cannot be used together with {other}.")


def _split(values: Sequence[str]) -> list[str] | None:
    """The items of options that take comma lists; None where the option was not given."""
    return [item.strip() for value in values for item in value.split(",") if item.strip()] if values else None


def _pattern_table(values: Sequence[str]) -> dict[str, list[str]] | None:
    """`PATTERN:SELECTOR,SELECTOR` options as the table that the configuration has."""
    table: dict[str, list[str]] = {}
    for value in values:
        pattern = None
        for item in value.split(","):
            before, colon, selector = item.rpartition(":")
            if colon:
                pattern = before.strip()
            if not pattern or not selector.strip():
                raise click.UsageError(f"--per-file-ignores takes PATTERN:SELECTORS, not {value!r}")
            table.setdefault(pattern, []).append(selector.strip())
    return table or None


def _configuration(cwd: str, configs: Sequence[str], isolated: bool, table: dict[str, Any]) -> "Configuration":
    """The configuration that the command line asks for; `table` holds its options, None where not given."""
    from torchlint.config import COMMAND_LINE, Configuration, Layer, parse, parse_inline

    file: str | None = None
    overrides: list[Layer] = []
    for value in configs:
        path = os.path.expanduser(value)
        if os.path.isfile(path):
            if file is not None:
                raise click.UsageError("--config takes one file; others are for it to `extend`")
            file = path
        elif "=" in value:
            overrides.append(Layer(parse_inline(value), cwd, COMMAND_LINE))
        else:
            raise click.UsageError(f"--config: there is no file {value}")
    if isolated and file is not None:
        raise click.UsageError("--isolated reads no configuration file, so --config FILE makes no sense with it")
    given = {key: value for key, value in table.items() if value is not None}
    overrides.append(Layer(parse(given, COMMAND_LINE), cwd, COMMAND_LINE))
    return Configuration(cwd, file, isolated, overrides)


def _print_markdown(text: str) -> None:
    if not is_coloured(sys.stdout):
        click.echo(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
