"""What is decided by fitted numbers scores better on hidden rows than what is not, by the independent graders: layouts of the zoo, 02 to 07."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clf import paths, problem, runs, submission, tables, targets
from tests.zoo import harness
from tests.zoo.entry import Built
from tests.zoo.graders import GRADERS
from tests.zoo.layouts import ZOO


def ready(competition: str, folder) -> tuple[paths.Place, problem.Problem, runs.Predictions, Built]:
    """Linear models of all folds on the layout."""
    entry = ZOO[competition]
    built = harness.build(entry, folder / "built")
    place, question, _ = harness.ask(entry, folder / "built")
    harness.prepare(place, question)
    harness.quietly(harness.linear, place, question, "linear", True)
    return place, question, runs.predictions(place, question, "linear"), built


def written(place: paths.Place, question: problem.Problem, found: runs.Predictions, cuts: np.ndarray | None) -> pd.DataFrame:
    """The submission, as 07 makes it of these cuts."""
    train, sample = tables.read(place.train), submission.load(place.raw / question.submission_file)
    ids, predictions, _ = submission.complete(
        question, sample, tables.read(place.test), found.test_rows, found.test, targets.prior(question, train["label"])
    )
    return submission.parse(submission.text(submission.build(question, sample, ids, predictions, cuts)))


# At least so much is gained; the graders' own unit.
GAINS = {
    "aptos2019-blindness-detection": 0.05,  # kappa
    "herbarium-2020-fgvc7": 0.05,  # macro F1
    "noaa-right-whale-recognition": 0.1,  # log loss
}


@pytest.mark.parametrize("competition", GAINS)
def test_fitted_decisions_beat_the_plain_ones_on_hidden_rows(competition, tmp_path):
    place, question, found, built = ready(competition, tmp_path)
    grader = GRADERS[ZOO[competition].metric]
    cuts = runs.cuts(question, tables.read(place.train), found)
    plain, fitted = (grader.score(written(place, question, found, each), built.answers) for each in (None, cuts))
    assert (fitted - plain if grader.higher_is_better else plain - fitted) > GAINS[competition]
    sent = grader.score(harness.id_first(harness.submit(place), question), built.answers)
    assert sent == pytest.approx(fitted, abs=1e-9)
    honest = paths.read_json(place.run("linear").score)["score"]  # nested: as good as hidden rows say, not better
    assert honest < sent + 0.1 if grader.higher_is_better else honest > sent - 0.1


def test_a_ranking_beats_its_first_label_and_a_fitted_place_of_the_new_class_one_that_never_says_it(tmp_path):
    place, question, found, built = ready("whale-categorization-playground", tmp_path)
    grader = GRADERS["map5"]
    train = tables.read(place.train)
    ranked = written(place, question, found, runs.cuts(question, train, found))
    alone = ranked.assign(Id=ranked["Id"].str.split(" ").str[0])
    assert grader.score(ranked, built.answers) > grader.score(alone, built.answers) + 0.02
    unsaid = np.where(np.arange(len(question.classes)) == targets.new(question), 0.01, 1.0)  # as of a model that was not taught the class
    blind = replace(found, valid=found.valid * unsaid, test=found.test * unsaid, test_parts=tuple(part * unsaid for part in found.test_parts))
    cuts = runs.cuts(question, train, blind)
    plain, fitted = (grader.score(written(place, question, blind, each), built.answers) for each in (None, cuts))
    assert fitted > plain + 0.02
