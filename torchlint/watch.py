"""`--watch`: run again when a file changes. Looks at the files' times, for want of anything that works everywhere."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from torchlint.config import Configuration, shown_path
from torchlint.discover import SUFFIXES, discover

# Seconds between two looks; a look that takes long is followed by a longer rest, so that watching costs little.
SHORTEST = 0.2
LONGEST = 5.0
REST_FOR_A_LOOK = 20
# A file is often written in several steps; only when nothing moves for so many seconds is it read.
SETTLED = 0.05

# What is looked at, by the name that a reader gives it. Where it changes, the value is another one.
Seen = Mapping[str, object]
SETTINGS = "the configuration"


def seen(configuration: Configuration, paths: Sequence[str]) -> Seen:
    """What the findings in paths depend on: the settings, the files themselves, and those that they may import.

    Of the latter the files beside them and those in folders that `src` names are looked at.

    Raises:
        ConfigError: a configuration file cannot be used.
    """
    here = configuration.settings(configuration.cwd)
    found = discover(paths, configuration)
    settings = frozenset({here, *(file.settings for file in found.files)})
    near = {os.path.dirname(file.path) for file in found.files}
    looked_at = {file.path for file in found.files} | {path for folder in near for path in _sources(folder)}
    folders = {folder for file in found.files for folder in file.settings.src if os.path.isdir(folder)}
    looked_at |= {file.path for file in discover(sorted(folders), configuration).files}
    if here.baseline is not None:
        looked_at.add(here.baseline)
    return {SETTINGS: settings} | {shown_path(path, configuration.cwd): _stamp(path) for path in looked_at}


def watch(
    run: Callable[[Seen | None, Seen], None],
    look: Callable[[], Seen],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run at first and whenever what `look` sees is different; for ever.

    Args:
        run: what to do, given what was seen the time before (None at first) and now.
        look: what is there to be seen, by name.
    """
    before: Seen | None = None
    now = look()
    while True:
        run(before, now)
        # What changed during the run is seen after it, for `now` is older than the run.
        before, now = now, _changed(now, look, sleep)


def changed(before: Seen, now: Seen) -> list[str]:
    """The names under which something else is seen than before, or nothing any more."""
    names = [name for name in {*before, *now} if before.get(name) != now.get(name)]
    return sorted(names, key=lambda name: (name != SETTINGS, name))


def _changed(before: Seen, look: Callable[[], Seen], sleep: Callable[[float], None]) -> Seen:
    while True:
        start = time.monotonic()
        now = look()
        while now != before:
            sleep(SETTLED)
            last, now = now, look()
            if now == last:
                return now
        sleep(min(max(SHORTEST, REST_FOR_A_LOOK * (time.monotonic() - start)), LONGEST))


def _sources(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.path for entry in entries if entry.name.lower().endswith(SUFFIXES))
    except OSError:
        return


def _stamp(path: str) -> object:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
