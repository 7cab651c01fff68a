"""Words on the command line, `Config` (how we train), and `config.toml`.

A setting is a field of a dataclass, declared once with its type, default and help. There are three kinds: the place (`competition`,
`run`), `Config` (all that a run's identity hashes), and a script's own. Order of precedence of `Config`: its default, then the
competition's `config.toml`, then the words of the command.
"""

import contextlib
import dataclasses
import difflib
import errno
import importlib
import inspect
import math
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tomlkit
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from tqdm import tqdm

from clf import paths

DEFAULT_COMPETITION = "digit-recognizer"
STARTED = time.monotonic()  # of the command, near enough: budgets in minutes= count from here


def elapsed() -> float:
    """Seconds since the command began."""
    return time.monotonic() - STARTED


def progress(items=None, **settings) -> tqdm:
    """A progress bar with rate and time left, for what takes longer than two seconds; gone when done."""
    return tqdm(items, **{"delay": 2, "mininterval": 1, "leave": False, **settings})


class Mistake(Exception):
    """A user's mistake. The text names the value, the choices and the next command; `command` prints it and exits with 2."""


class Paused(Exception):
    """Work that stopped cleanly before its end because its time was up; `command` prints why and exits with 75 (try again later)."""


def word(default: Any, meaning: str, low: float = -math.inf, high: float = math.inf) -> Any:
    """A dataclass field with its help text and, for a number, its smallest and largest value."""
    return dataclasses.field(default=default, metadata={"help": meaning, "low": low, "high": high})


@dataclass(frozen=True)
class Words:
    """The place, known to every script; a script's own words are the fields that its subclass adds."""

    competition: str = word(DEFAULT_COMPETITION, "the competition's id, as in its address")


@dataclass(frozen=True)
class TrainingWords(Words):
    """The words of the scripts that train, besides `Config`."""

    improved: bool = word(True, "false: leave out what 06 wrote to config.toml, as make all does (data goes one way)")


@dataclass(frozen=True)
class Config:
    """How we train: every field is part of a run's identity."""

    model: str = word("auto", "network by name; auto: by the pictures' side, and whether there is a GPU")
    width: float = word(0.0, "multiplies the channels of the networks that have it; 0: 1, of airbench with minutes= what the time allows", 0, 16)
    dropout: float = word(0.0, "share of the pooled features that is dropped in training, before the head", 0, 0.95)
    drop_path: float = word(0.0, "stochastic depth: largest share of residual branches dropped, in the networks that have it", 0, 0.95)
    weights: str = word("", "first weights: imagenet, or the folder of a run (of any competition) or a .keras file; empty: random")
    freeze: float = word(0.1, "with weights=: share of the steps that train the new head alone", 0, 1)
    layer_decay: float = word(0.7, "with weights=: rate of a group of layers over that of the group above it", 0.01, 1)
    image_size: int = word(0, "side in px that the network sees; 0: the network's own, of resnet10 by minutes=; at most the store's", 0)
    fold: str = word("0", "one fold's number, all, or full (every row, nothing validated)")
    seeds: int = word(1, "trainings per fold, from seed= upwards, whose predictions are averaged", 1)
    epochs: float = word(0.0, "passes over the training rows; 0: as many as minutes= allows, for fold=full as many as the folds took, else 20", 0)
    minutes: float = word(0.0, "wall time of the whole command, start, validation and prediction included; 0: epochs= decides", 0)
    batch_size: int = word(0, "pictures per step; 0: by the number of rows", 0)
    accumulate: int = word(0, "parts that a batch is computed in, their gradients added up; 0: one, more where the memory is short", 0)
    optimizer: str = word("auto", "by name; auto: the network's own")
    schedule: str = word("one_cycle", "of the learning rate, by name")
    learning_rate: float = word(0.0, "peak of the schedule for batches of 128 (scaled with the batch); 0: the network's own", 0)
    weight_decay: float = word(
        -1.0, "decoupled decay of kernels per step, times the rate, not of norms and biases; below 0: the network's own", -1, 100
    )
    clip: float = word(0.0, "largest norm of all gradients together; 0: no clipping", 0)
    loss: str = word("auto", "by name; auto: by the problem's kind")
    balance: str = word("none", "of rare classes: none, weights (in the loss), sampling (in the batches) or logits (adjusted in the loss)")
    label_smoothing: float = word(
        -1.0, "share of each target spread over all classes (kinds with one label for each picture); below 0: by the metric", -1, 0.99
    )
    ema: float = word(0.1, "horizon of the weights' moving average, as a share of the run; 0: none", 0, 1)
    average: float = word(0.0, "share of the last steps whose weights are averaged evenly, in place of ema=; 0: none", 0, 1)
    augment: str = word("light", "set of augmentations by name, or operations joined by +")
    mix: str = word(
        "auto", "mixing of pictures within a batch by name; auto: both where a picture has one label and each row is seen often, else none"
    )
    views: str = word(
        "auto", "test-time views by name; auto: mirrored where the problem allows it, of airbench moved by a pixel, too, where the time allows it"
    )
    precision: str = word("auto", "float32, mixed_float16 or mixed_bfloat16; auto: half precision where the device is faster with it")
    xla: str = word("auto", "true or false: compile the step with XLA; auto: on one GPU, where a measured step is faster")
    seed: int = word(0, "of initial weights, order and augmentation", 0)


def fields(kind: type) -> dict[str, dataclasses.Field]:
    return {field.name: field for field in dataclasses.fields(kind)}


def set_typed(kind: type, name: str, text: Any) -> Any:
    """The text as the field's type; text fields are taken literally (`0012` and `null` stay text).

    Raises Mistake with the value and the type or range that is wanted.
    """
    node = OmegaConf.structured(kind)
    OmegaConf.set_readonly(node, False)  # a frozen dataclass gives a read-only node
    try:
        OmegaConf.update(node, name, text)
        value = getattr(node, name)
    except OmegaConfBaseException:
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}.get(fields(kind)[name].type, "text")
        raise Mistake(f"{name}={text} is not {wanted}: {fields(kind)[name].metadata['help']}.") from None
    limits = fields(kind)[name].metadata
    # Written so that a value that is no number (nan) is refused, too.
    if isinstance(value, int | float) and not limits["low"] <= value <= limits["high"]:
        upwards = f"{limits['low']:g} or more" if limits["high"] == math.inf else f"{limits['low']:g} to {limits['high']:g}"
        raise Mistake(f"{name}={text} is out of range, it is {upwards}: {limits['help']}.")
    return value


def unknown_word(name: str, known: list[str], where: str) -> Mistake:
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f" Did you mean {' or '.join(f'{word}=' for word in near)}?" if near else ""
    return Mistake(f"unknown word {name}= for {where}.{hint} It reads: {' '.join(f'{word}=' for word in known)}")


def choose(table: dict[str, Any], name: str, what: str) -> Any:
    """The entry of a table of names, or a Mistake that lists the known ones."""
    if name not in table:
        near = difflib.get_close_matches(name, table, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise Mistake(f"unknown {what} {name!r}.{hint} Known: {', '.join(sorted(table))}")
    return table[name]


def split_words(arguments: list[str]) -> dict[str, str]:
    """`["minutes=3", …]` → `{"minutes": "3"}`. Raises Mistake for what is no `name=value` and for a word given twice."""
    found = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name.isidentifier():
            raise Mistake(f"{argument!r} is no setting: write name=value, for example minutes=3.")
        if name in found and found[name] != value:
            raise Mistake(f"{name}= is given twice: {found[name]!r} and {value!r}.")
        found[name] = value
    return found


def read_toml(path) -> dict:
    """`config.toml` as settings of `Config`'s types. Raises Mistake naming the file and the line's name."""
    if not path.exists():
        return {}
    try:
        stored = tomlkit.parse(path.read_text()).unwrap()
    except tomlkit.exceptions.ParseError as error:
        raise Mistake(f"{paths.show(path)} is not valid TOML: {error}. Mend it or delete it.") from None
    for name in stored:
        if name not in fields(Config):
            raise unknown_word(name, list(fields(Config)), paths.show(path))
    return {name: set_typed(Config, name, value) for name, value in stored.items()}


def load(words: dict[str, str], stored: dict) -> Config:
    """Default, then the stored settings, then the words; prints what differs from the default and where it came from."""
    given = {name: set_typed(Config, name, text) for name, text in words.items()}
    config = Config(**{**stored, **given})
    said = []
    for name, field in fields(Config).items():
        if getattr(config, name) != field.default:
            said.append(f"{name}={getattr(config, name)} ({'word' if name in given else 'config.toml'})")
    if said:
        print("settings: " + " ".join(said))
    return config


def changes(config: Config) -> dict:
    """The settings that differ from their defaults."""
    return {name: getattr(config, name) for name, field in fields(Config).items() if getattr(config, name) != field.default}


def write_toml(path, config: Config, heading: str, only_changes: bool) -> None:
    document = tomlkit.document()
    for line in heading.splitlines():
        document.add(tomlkit.comment(line))
    for name, value in (changes(config) if only_changes else dataclasses.asdict(config)).items():
        document.add(name, value)
    paths.write_text(path, tomlkit.dumps(document))


def known_words(script) -> list[str]:
    """The words that a script module reads: the fields of its `Words`, and `Config`'s where its `main` takes one."""
    return list(fields(script.Words)) + (list(fields(Config)) if _takes_config(script.main) else [])


def _read_by_another_verb(name: str) -> bool:
    """Whether a word is another verb's of the same `make download explore …`, which hands every word to each."""
    verbs = os.environ.get("MAKECMDGOALS", "").split()
    others = [path.stem for verb in verbs if len(verbs) > 1 for path in (paths.CHECKOUT / "scripts").glob(f"*{verb.replace('-', '_')}.py")]
    return any(name in known_words(importlib.import_module(f"scripts.{other}")) for other in others)


def _takes_config(main: Callable) -> bool:
    return len(inspect.signature(main).parameters) == 2


def stored_settings(place: paths.Place, improved: bool) -> dict:
    """The settings of `config.toml`; not those that step 06 wrote where `improved` is false."""
    written = (paths.read_json(place.improve) or {}).get("config_hash")
    return {} if not improved and written == paths.hash_file(place.config) else read_toml(place.config)


@contextlib.contextmanager
def guard():
    """The one place where a Mistake becomes a message and exit status 2. Ctrl-C: status 130. Paused: 75."""
    try:
        yield
    except Mistake as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(2)
    except Paused as pause:
        print(f"paused: {pause} The same command continues.", file=sys.stderr)
        sys.exit(75)
    except KeyboardInterrupt:
        print("\nstopped. The same command continues.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(
            "error: the disk is full; nothing that was whole is lost. Free some space (make clean), then repeat the command.",
            file=sys.stderr,
        )
        sys.exit(2)


def check_competition(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise Mistake(f"competition={name!r} is no competition's id: it is the last part of its address, like {DEFAULT_COMPETITION}.")


def command(main: Callable, kind: type[Words] = Words) -> None:
    """Runs a script's `main(words)` or `main(words, config)` with the words of the command line."""
    with guard():
        given = split_words(sys.argv[1:])
        own, shared = fields(kind), fields(Config) if _takes_config(main) else {}
        for name in [name for name in given if name not in own and name not in shared]:
            if not _read_by_another_verb(name):
                raise unknown_word(name, [*own, *shared], os.path.basename(sys.argv[0]))
            del given[name]
        for name in {**own, **shared}:
            # Make exports its own words, but hands them on as well: a variable that is not among the words was set before the command.
            if name in os.environ and name not in given:
                print(f"warning: {name}={os.environ[name]} before the command is not read; write it behind.", file=sys.stderr)
        words = kind(**{name: set_typed(kind, name, text) for name, text in given.items() if name in own})
        check_competition(words.competition)
        if shared:
            stored = stored_settings(paths.Place(words.competition), words.improved)
            main(words, load({name: text for name, text in given.items() if name in shared}, stored))
        else:
            main(words)
