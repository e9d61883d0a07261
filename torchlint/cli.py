"""The console: the only place that prints and exits.

Exit codes: 0 clean, 1 findings, 2 usage, configuration or internal error. Everything that costs time
to import is imported where it is used, so that `--version` and `--help` are instant.
"""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from torchlint import __version__

if TYPE_CHECKING:
    from rich.progress import Progress

    from torchlint.config import Configuration, Settings
    from torchlint.discover import File
    from torchlint.registry import Documented
    from torchlint.runner import FileResult

CLEAN, FINDINGS, ERROR, INTERRUPTED = 0, 1, 2, 130
# `torchlint.config.OutputFormat` has the same; importing it here would cost every run of --help its time.
FORMATS = (
    "full", "concise", "grouped", "json", "json-lines", "sarif", "github", "gitlab", "junit", "rdjson", "azure",
    "pylint", "lsp",
)  # fmt: skip
# Formats that end with a summary, since a person reads them.
HUMAN = ("full", "concise", "grouped")
STDIN = "-"
# A progress bar is drawn for runs that take longer than this many seconds.
PATIENCE = 1.0


class CheckByDefault(click.Group):
    """A group whose first argument may be left out: `torchlint PATH` is `torchlint check PATH`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "-h", "--help", "-V", "--version"}:
            args = ["check", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[check] [OPTIONS] [PATH]...")
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS] [ARGS]...", prefix="       ")


@click.group(cls=CheckByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="torchlint", message="%(prog)s %(version)s")
def cli() -> None:
    """A linter for PyTorch code that knows what each value is.

    `torchlint PATH` lints files and folders; `torchlint check --help` lists its options.
    """


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--fix", is_flag=True, help="Apply safe fixes. With -, print the fixed code.")
@click.option(
    "--unsafe-fixes/--no-unsafe-fixes",
    default=None,
    help="Offer, and with --fix apply, fixes that change results too.",
)
@click.option(
    "--diff", "show_diff", is_flag=True, help="Print what --fix would change as a patch; write nothing."
)
@click.option(
    "--select",
    multiple=True,
    metavar="SELECTORS",
    help="Rules to run: codes, prefixes, names, categories, ALL.",
)
@click.option("--ignore", multiple=True, metavar="SELECTORS", help="Rules not to run.")
@click.option(
    "--extend-select", multiple=True, metavar="SELECTORS", help="Rules to run besides those selected."
)
@click.option(
    "--per-file-ignores",
    multiple=True,
    metavar="PATTERN:SELECTORS",
    help="Rules not to run in the files that a pattern matches.",
)
@click.option("--output-format", type=click.Choice(FORMATS), help="How findings are printed. [default: full]")
@click.option(
    "-o", "--output-file", metavar="FILE", help="Write the report to a file. [default: standard output]"
)
@click.option("--statistics", is_flag=True, help="Print how often each rule was broken.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if there are findings.")
@click.option("--show-files", is_flag=True, help="Print the files that would be linted, and stop.")
@click.option(
    "--show-settings", is_flag=True, help="Print the settings of the first path and who set them, and stop."
)
@click.option(
    "--config",
    "configs",
    multiple=True,
    metavar="FILE|'KEY = VALUE'",
    help="A configuration file to use in place of those found, or one setting as TOML.",
)
@click.option("--isolated", is_flag=True, help="Read no configuration file.")
@click.option("--no-cache", is_flag=True, help="Accepted for scripts; there is no cache yet.")
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), help="How many processes to use. [default: one a CPU]"
)
@click.option("-q", "--quiet", is_flag=True, help="Print findings and errors only.")
@click.option("--no-plugins", is_flag=True, help="Load the built-in rules only.")
@click.option(
    "--force-exclude/--no-force-exclude", default=None, help="Exclude files even if they are named."
)
@click.option(
    "--respect-gitignore/--no-respect-gitignore",
    default=None,
    help="Leave out what git ignores. [default: on]",
)
@click.option(
    "--stdin-filename", metavar="FILE", help="The name of the code that is read from standard input."
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
    exit_zero: bool,
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
    if STDIN in paths and len(paths) > 1:
        raise click.UsageError("- (standard input) cannot be linted together with other paths.")
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
    }
    configuration = _configuration(cwd, configs, isolated, table)
    here = configuration.settings(cwd)
    if show_settings:
        _print_settings(configuration, paths)
        return CLEAN
    run = _Run(
        configuration,
        here,
        fix=fix,
        show_diff=show_diff,
        output_file=output_file,
        statistics=statistics,
        exit_zero=exit_zero,
        quiet=quiet,
        plugins=not no_plugins,
        jobs=jobs or _cpus(),
    )
    if paths == (STDIN,):
        return run.stdin(stdin_filename, show_files=show_files)
    return run.paths(paths or (".",), show_files=show_files)


class _Run:
    """One `torchlint check`: what was asked for, and what it prints."""

    def __init__(
        self,
        configuration: "Configuration",
        settings: "Settings",
        *,
        fix: bool,
        show_diff: bool,
        output_file: str | None,
        statistics: bool,
        exit_zero: bool,
        quiet: bool,
        plugins: bool,
        jobs: int,
    ) -> None:
        from torchlint.registry import load
        from torchlint.runner import Request

        self.configuration = configuration
        self.settings = settings
        self.fix = fix
        self.show_diff = show_diff
        self.output_file = output_file
        self.statistics = statistics
        self.exit_zero = exit_zero
        self.quiet = quiet
        self.jobs = jobs
        self.registry = load(plugins=plugins)
        self.request = Request(configuration.cwd, fix=fix or show_diff, plugins=plugins, debug=_debug())

    def paths(self, paths: Sequence[str], *, show_files: bool) -> int:
        from torchlint import runner
        from torchlint.discover import discover

        found = discover(paths, self.configuration)
        for line in found.problems:
            click.echo(f"torchlint: {line}", err=True)
        if show_files:
            for file in found.files:
                click.echo(file.name)
            return ERROR if found.problems else CLEAN
        self._validate(found.files)
        if not found.files and not found.problems:
            click.echo("torchlint: no Python files found", err=True)
        with _progress(self.quiet) as progress:
            results = runner.run(found.files, self.request, self.registry, jobs=self.jobs, progress=progress)
        if self.show_diff:
            for result in results:
                _write_bytes(runner.diff(result))
            return max(self._conclude_diff(results), ERROR if found.problems else CLEAN)
        if self.fix:
            results = runner.write(results)
        code = self._conclude(results, to_stderr=False)
        return ERROR if found.problems else code

    def stdin(self, filename: str | None, *, show_files: bool) -> int:
        from torchlint import runner
        from torchlint.config import shown_path
        from torchlint.discover import File, is_excluded

        cwd = self.configuration.cwd
        path = os.path.abspath(os.path.join(cwd, filename or STDIN))
        settings = self.configuration.settings(os.path.dirname(path))
        file = File(path, shown_path(path, cwd) if filename else STDIN, settings)
        if show_files:
            click.echo(file.name)
            return CLEAN
        self._validate([file])
        data = sys.stdin.buffer.read()
        if filename and settings.force_exclude and is_excluded(path, settings, is_folder=False):
            result = runner.FileResult(file)
        else:
            result = runner.Checker(self.request, self.registry).check(file, data)
        if self.show_diff:
            _write_bytes(runner.diff(result))
            return self._conclude_diff([result])
        if self.fix:
            _write_bytes(result.change.after if result.change else data)
        return self._conclude([result], to_stderr=self.fix)

    def _validate(self, files: Sequence["File"]) -> None:
        from torchlint.runner import Checker

        checker = Checker(self.request, self.registry)
        for settings in dict.fromkeys([self.settings, *(file.settings for file in files)]):
            checker.validate(settings)

    def _conclude(self, results: Sequence["FileResult"], *, to_stderr: bool) -> int:
        """Print the report; the exit code."""
        from torchlint.report import fixable

        remaining = [found for result in results for found in result.diagnostics]
        fixed = sum(len(result.fixed) for result in results)
        unsafe_fixes = self.settings.unsafe_fixes
        for_people = self.settings.output_format in HUMAN
        stream = sys.stderr if to_stderr else sys.stdout
        colour = self.output_file is None and _colour(stream)
        if self.statistics and not for_people:
            text = _json(
                [
                    {"code": code, "name": name, "count": count, "fixable": all_fixable}
                    for count, code, name, all_fixable in fixable.tally(remaining, unsafe_fixes=unsafe_fixes)
                ]
            )
        elif self.statistics:
            text = fixable.statistics(remaining, unsafe_fixes=unsafe_fixes)
        else:
            text = self._render(results, colour)
        if for_people and not self.quiet and (results or remaining):
            text += fixable.summary(remaining, fixed=fixed, unsafe_fixes=unsafe_fixes)
        if self.output_file is None:
            click.echo(text, nl=False, err=to_stderr, color=True)
        else:
            _write_report(self.output_file, text)
        return self._exit_code(results, bool(remaining))

    def _render(self, results: Sequence["FileResult"], colour: bool) -> str:
        from importlib import import_module

        from torchlint.report import Report

        name = self.settings.output_format.replace("-", "_")
        render: Callable[[Report], str] = import_module(f"torchlint.report.{name}").render
        return render(
            Report(
                [found for result in results for found in result.diagnostics],
                {result.file.name: result.source for result in results if result.source is not None},
                unsafe_fixes=self.settings.unsafe_fixes,
                colour=colour,
                rules=self.registry.descriptions,
            )
        )

    def _conclude_diff(self, results: Sequence["FileResult"]) -> int:
        fixed = sum(len(result.fixed) for result in results)
        for result in results:
            for found in result.diagnostics:
                if found.internal:
                    click.echo(f"torchlint: {found.filename}: {found.message}", err=True)
        if not self.quiet:
            noun = "finding" if fixed == 1 else "findings"
            click.echo(f"Would fix {fixed} {noun}." if fixed else "No fixes to apply.", err=True)
        return self._exit_code(results, any(result.change for result in results))

    def _exit_code(self, results: Sequence["FileResult"], findings: bool) -> int:
        for line in self.registry.problems:
            click.echo(f"torchlint: {line}", err=True)
        if self.registry.problems or any(
            found.internal for result in results for found in result.diagnostics
        ):
            return ERROR
        return FINDINGS if findings and not self.exit_zero else CLEAN


@cli.command()
@click.argument("name", required=False, metavar="NAME|CODE")
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
        click.echo(_json([_rule_object(known) for known in documented]), nl=False)
    elif output_format == "markdown":
        click.echo(rule_table(registry), nl=False)
    else:
        _print_markdown("\n\n".join(_rule_page(known) for known in documented))
    for line in registry.problems:
        click.echo(f"torchlint: {line}", err=True)
    return ERROR if registry.problems else CLEAN


@cli.command()
@click.option("--schema", is_flag=True, help="Print the JSON schema of the configuration.")
def config(schema: bool) -> int:
    """Print the keys that [tool.torchlint] and torchlint.toml know."""
    from torchlint.config import json_schema

    described = json_schema()
    if schema:
        click.echo(_json(described), nl=False)
        return CLEAN
    for key, value in described["properties"].items():
        click.echo(f"{key}\n    {value['description']}")
    return CLEAN


@cli.command()
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


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the console and end the process.

    No exception gets out: what torchlint itself raises is one line, anything else one line that
    says so, with a traceback where TORCHLINT_DEBUG=1 is set.
    """
    for stream in (sys.stdout, sys.stderr):
        # Code and paths may hold characters that the terminal's encoding lacks.
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(args, prog_name="torchlint", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:  # what click makes of Ctrl-C
        code = INTERRUPTED
    except Exception as error:
        code = ERROR
        if _debug():
            import traceback

            traceback.print_exc()
        if type(error).__module__.startswith("torchlint."):
            click.echo(f"torchlint: {error}", err=True)
        else:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            hint = "" if _debug() else " (TORCHLINT_DEBUG=1 shows where)"
            click.echo(f"torchlint: internal error: {text}{hint}", err=True)
    sys.exit(code)


def run() -> NoReturn:
    """`main` as a process of its own: it ends without taking the syntax trees apart, which would take a while."""
    code: object = ERROR
    try:
        main()
    except SystemExit as end:
        code = end.code
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else ERROR)


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


def _configuration(
    cwd: str, configs: Sequence[str], isolated: bool, table: dict[str, Any]
) -> "Configuration":
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
        raise click.UsageError(
            "--isolated reads no configuration file, so --config FILE makes no sense with it"
        )
    given = {key: value for key, value in table.items() if value is not None}
    overrides.append(Layer(parse(given, COMMAND_LINE), cwd, COMMAND_LINE))
    return Configuration(cwd, file, isolated, overrides)


def _print_settings(configuration: "Configuration", paths: Sequence[str]) -> None:
    path = os.path.abspath(paths[0]) if paths and paths[0] != STDIN else configuration.cwd
    settings = configuration.settings(path if os.path.isdir(path) else os.path.dirname(path))
    values = {
        "select": settings.select,
        "ignore": settings.ignore,
        "extend-select": settings.extend_select,
        "per-file-ignores": {
            os.path.join(ignores.glob.folder, ignores.glob.pattern): ignores.selectors
            for ignores in settings.per_file_ignores
        },
        "exclude": [glob.pattern for glob in settings.exclude],
        "src": settings.src,
        "respect-gitignore": settings.respect_gitignore,
        "force-exclude": settings.force_exclude,
        "output-format": settings.output_format,
        "unsafe-fixes": settings.unsafe_fixes,
    }
    click.echo(f"# settings for {path}; the project is {settings.root}")
    for key, value in values.items():
        origins = {settings.origin(key), settings.origin(f"extend-{key}")} - {"default"} or {"default"}
        text = "(all rules but the nursery)" if value is None else _json(value, indent=None).strip()
        click.echo(f"{key} = {text}  # {', '.join(sorted(origins))}")


def _rule_object(known: "Documented") -> dict[str, Any]:
    from torchlint.registry import describe

    rule = describe(known)
    return {
        "code": rule.code,
        "name": rule.name,
        "summary": rule.summary,
        "category": rule.category.value,
        "severity": rule.severity.value,
        "fix": rule.fix_safety.value if rule.fix_safety else None,
        "documentation": rule.documentation,
        "url": rule.url,
    }


def _rule_page(known: "Documented") -> str:
    facts = _rule_object(known)
    article = "an" if facts["fix"] == "unsafe" else "a"
    fix = f"has {article} {facts['fix']} fix" if facts["fix"] else "has no fix"
    head = f"# {facts['name']} ({facts['code']})"
    about = f"Category {facts['category']}, reported as {facts['severity']}, {fix}."
    return f"{head}\n\n{about}\n\n{facts['documentation']}"


def _print_markdown(text: str) -> None:
    if not _colour(sys.stdout):
        click.echo(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


def _json(value: object, indent: int | None = 2) -> str:
    import json

    return json.dumps(value, indent=indent, ensure_ascii=False) + "\n"


def _write_bytes(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _write_report(path: str, text: str) -> None:
    """Write a report at once and wholly, so that no reader finds half of it."""
    from pathlib import Path

    from torchlint.fixer import FixError, put

    try:
        put(Path(path), text.encode("utf-8", "backslashreplace"))
    except FixError as error:
        raise click.ClickException(f"--output-file {path}: {error}") from None


def _colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _debug() -> bool:
    return os.environ.get("TORCHLINT_DEBUG") == "1"


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """What to tell how many files are done. Draws a bar on a terminal once the run has taken a while."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    start = time.monotonic()
    bars: list[Progress] = []

    def show(done: int, total: int) -> None:
        if not bars:
            if time.monotonic() - start < PATIENCE:
                return
            from rich.console import Console
            from rich.progress import Progress

            bars.append(Progress(console=Console(stderr=True), transient=True))
            bars[0].add_task("linting", total=total)
            bars[0].start()
        bars[0].update(bars[0].task_ids[0], completed=done)

    try:
        yield show
    finally:
        for bar in bars:
            bar.stop()
