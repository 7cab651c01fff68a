"""The README is kept true: its tables of words, its verbs, and its table of where to add what."""

import re
import subprocess

from clf import augment, decisions, learn, losses, metrics, models, optim, paths, readers, search, styles
from scripts import readme

TEXT = paths.readme().read_text()


def test_the_tables_of_words_are_those_of_the_code():
    assert readme.filled(TEXT) == TEXT, "run `make readme`"


def test_make_alone_lists_every_verb_that_the_readme_names():
    listed = subprocess.run(["make", "VENV="], cwd=paths.CHECKOUT, capture_output=True, text=True, check=True).stdout
    verbs = re.findall(r"^make ([\w-]+)", listed, re.MULTILINE)
    assert verbs[1:8] == ["download", "explore", "prepare", "sample", "train", "improve", "submit"]
    assert set(re.findall(r"`?make (?:-s )?([a-z][a-z-]+)", TEXT)) <= set(verbs)


def test_the_tables_named_under_where_do_i_add_exist():
    named = dict(re.findall(r"`([A-Z]+)`, `clf/(\w+)\.py`", TEXT))
    modules = {
        module.__name__.split(".")[1]: module for module in (augment, decisions, learn, losses, metrics, models, optim, readers, search, styles)
    }
    assert named
    for table, module in named.items():
        assert isinstance(getattr(modules[module], table), dict), table
