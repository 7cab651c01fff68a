"""A layout under other names, with files lost or added, is the same question to 02, or one that it asks: never another one in silence.

A twelfth of the layouts (all with CLF_TESTS=all); `make zoo` does them all.
"""

import shutil

import numpy as np
import pytest

from tests import cases
from tests.zoo import harness, same
from tests.zoo.layouts import ZOO
from tests.zoo.mutations import MUTATIONS


@pytest.mark.parametrize("competition", cases.part(ZOO, 12))
def test_a_mutation_is_the_same_question_or_is_asked_about(competition, tmp_path):
    entry, source = ZOO[competition], tmp_path / "built"
    built = harness.build(entry, source)
    harness.unpack(source)
    place, question, _ = harness.ask(entry, source)
    before = same.understood(place, question, built)
    went_through = 0
    for name, mutation in MUTATIONS.items():
        harness.forget(entry)
        folder = tmp_path / name
        shutil.copytree(source, folder)
        changed = mutation(folder, built, np.random.default_rng(5))
        if changed is not None:
            place, question, _ = harness.ask(entry, folder)
            if question is not None:
                went_through += 1
                assert same.differences(before, same.understood(place, question, changed)) == [], name
        shutil.rmtree(folder)
    assert went_through >= 2
