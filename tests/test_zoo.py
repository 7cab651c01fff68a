"""Real competitions' layouts, from the files to a submission: 02 infers what `Entry.expects` says, a linear model predicts, the grader scores."""

import pytest

from tests.zoo import harness, table
from tests.zoo.layouts import ZOO


@pytest.mark.parametrize("competition", ZOO)
def test_a_layout_is_understood_and_its_submission_beats_the_prior(competition, tmp_path):
    entry = ZOO[competition]
    built = harness.build(entry, tmp_path / "built")
    found = harness.run(entry, tmp_path / "built", built)
    assert bool(found.asked) == bool(entry.answers), found.asked
    assert found.inferred == entry.expects
    assert found.better, (found.score, found.prior)


def test_the_readme_has_every_layout_as_it_is_understood():
    """The columns without scores; `make zoo` writes them with all others."""
    kept = len(table.COLUMNS) - len(table.SCORES)
    written = [row[:kept] for row in table.written(table.README.read_text())]
    assert written == [table.understood(entry, entry.expects, bool(entry.answers)) for entry in ZOO.values()]
