"""Runs beside submissions, how far a gain is noise, the picks, the place on the leaderboard; with Kaggle's stand-in and the real client."""

import base64
import dataclasses
import re

import cv2
import numpy as np
import pandas as pd
import pytest
from kaggle_server import TOKEN, Server
from scipy import stats
from test_submission import PLAIN

from clf import config, ledger, metrics, paths, problem, standing, tables

ROWS = 60  # of test.csv


@pytest.fixture
def place(scratch):
    place = paths.Place("toy")
    problem.write(place.problem, PLAIN, {})
    labels = ["cat", "NA", "1e10", "NA"]
    tables.write(place.train, pd.DataFrame({"id": list("abcd"), "label": labels, "cluster": ""}))
    tables.write(place.folds, pd.DataFrame({"id": list("abcd"), "fold": list("0123"), "sample": list("0123")}))
    return place


def make_run(place, name: str, folds: list[float | None], width: float = 0.01, test: np.ndarray | None = None, **changes) -> paths.Run:
    """A whole run: its score is the folds' mean, its interval `width` to both sides."""
    run = place.run(name)
    config.write_toml(run.config, config.Config(**{"model": "net", **changes}), "a test", only_changes=False)
    paths.write_json(run.identity, {"made_from": {"problem.toml": problem.hash(problem.read(place.problem)), "train.csv": "sha256:1"}})
    test = probabilities(0) if test is None else test
    for key, value in enumerate(folds):
        fold = run.fold(key if value is not None else "full")
        paths.write_predictions(fold.test, np.arange(ROWS), test)
        paths.write_text(fold.history, '{"epoch": 1, "loss": 0.5, "learning_rate": 0.1}\n')
        if value is not None:
            paths.write_predictions(fold.valid, np.array([key]), np.eye(3)[[key % 3]])
    known = [value for value in folds if value is not None]
    score = float(np.mean(known)) if known else None
    keys = {str(key) if value is not None else "full": value for key, value in enumerate(folds)}
    found = {"score": score, "low": score and score - width, "high": score and score + width, "rows": len(known), "folds": keys}
    paths.write_json(run.score, {"metric": problem.read(place.problem).metric, **found, "seconds": 1.0})
    return run


def probabilities(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet([1, 1, 1], ROWS)


def sent(place, name: str, ref: int, public: float | str, status: str = "COMPLETE", private: str = "") -> None:
    facts = ledger.facts_of(place, name) if place.run(name).score.exists() else {}
    ledger.append(place, event="submit", time="2024-05-01T10:00:00+00:00", run=name, ref=ref, status="PENDING", message="m", **facts)
    ledger.append(place, event="score", run=name, ref=ref, status=status, public=public, private=private, message="m")


def lower_is_better(place) -> None:
    problem.write(place.problem, dataclasses.replace(PLAIN, metric="log_loss", style="columns", columns=PLAIN.classes), {})


# -- noise -------------------------------------------------------------------------------------------------------------------------


def test_the_half_width_is_that_of_students_interval():
    values = [0.91, 0.93, 0.9, 0.95]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert standing.half_width(values) == pytest.approx((high - low) / 2)


def test_noise_comes_from_folds_where_there_are_enough_else_from_rows():
    folds = {"0": 0.9, "0.1": 0.92, "1": 0.95, "2": 0.94, "3": None}
    assert standing.per_fold({"folds": folds}) == pytest.approx({"0": 0.91, "1": 0.95, "2": 0.94})
    known = {"folds": folds, "low": 0.9, "high": 0.94}
    assert standing.noise(known) == (pytest.approx(standing.half_width([0.91, 0.95, 0.94])), "the spread of its 3 folds")
    width, kind = standing.noise(known | {"folds": {"0": 0.9, "1": 0.8}})
    assert (width, "bootstrap" in kind) == (pytest.approx(0.02), True)
    assert standing.noise({"folds": {"full": None}, "low": None, "high": None}) is None


def test_runs_on_other_tables_and_without_a_score_are_not_compared(place):
    run = make_run(place, "net", [0.9])
    other = make_run(place, "other", [0.8])
    paths.write_json(other.identity, {"made_from": {**paths.read_json(other.identity)["made_from"], "train.csv": "sha256:2"}})
    assert "nothing to compare" in standing.gain_text(place, run)
    assert "no cross-validation score" in standing.gain_text(place, make_run(place, "full", [None]))


# -- the page ----------------------------------------------------------------------------------------------------------------------


def text_of(run: paths.Run) -> str:
    return re.sub(r"\s+", " ", run.page.read_text())


def test_the_page_of_a_run_holds_scipys_numbers_and_a_picture(place):
    folds = np.array([0.9, 0.91, 0.93, 0.9])
    shifts, public = [0.0, 0.01, 0.02, 0.03, 0.015], [0.90, 0.905, 0.93, 0.92, 0.91]
    for number, (shift, score) in enumerate(zip(shifts, public, strict=True)):
        make_run(place, f"net-{number}", list(folds + shift))
        sent(place, f"net-{number}", 10 + number, score)
    sent(place, "net-0", 20, "", status="ERROR")
    sent(place, "gone", 21, 0.99)  # no cross-validation score is known of it
    standing.refresh(place, "net-3")
    text = text_of(place.run("net-3"))
    expected = stats.spearmanr(np.mean(folds) + shifts, public)
    assert f"Over 5 scored submissions the rank correlation of cross-validation and public score is {expected.statistic:.2f}" in text
    assert f"p = {expected.pvalue:.2g}" in text
    assert f"± {stats.sem(folds) * stats.t.ppf(0.975, 3):.4f} (95 %, from the spread of its 4 folds)" in text
    content = re.search(r'alt="cross-validation against leaderboard" src="data:image/png;base64,([^"]+)"', text)[1]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
    orange, blue = ((picture == colour).all(2) for colour in ((33, 86, 192), (176, 108, 43)))  # in OpenCV's order
    own = cv2.erode(orange.astype(np.uint8), np.ones((5, 5)))  # no line is that wide
    others = cv2.erode(blue.astype(np.uint8), np.ones((3, 3)))
    assert [cv2.connectedComponents(each)[0] - 1 for each in (own, others)] == [1, 4]


def test_the_page_with_few_submissions_has_the_sentence_only(place):
    make_run(place, "base", [0.9])
    run = make_run(place, "net", [0.91])
    for number, name in enumerate(("net", "base")):
        sent(place, name, number, 0.9)
    standing.write_page(place, run)
    text = text_of(run)
    assert "Not compared with base, the best other run" in text  # these runs hold no predictions
    assert "rank correlation" not in text
    assert "cross-validation against leaderboard" not in text
    sent(place, "net", 3, 0.9)
    standing.write_page(place, run)
    assert "is not defined: one of them is the same everywhere" in text_of(run)


def test_a_page_that_cannot_be_drawn_stops_nothing(place, capsys):
    run = make_run(place, "net", [0.9])
    standing.refresh(place, "")
    standing.refresh(place, "elsewhere")
    assert not capsys.readouterr().out
    lower_is_better(place)
    standing.refresh(place, "net")
    assert "the page of run net stays as it was" in capsys.readouterr().out
    assert not run.page.exists()


# -- the table and the picks ---------------------------------------------------------------------------------------------------------


def test_runs_and_submissions_stand_side_by_side_best_first(place, script):
    make_run(place, "low-1", [0.8], epochs=3.0)
    make_run(place, "high-2", [0.9, 0.92], augment="strong", mix="cutmix", label_smoothing=0.2, weight_decay=0.001, seed=17)
    make_run(place, "a-very-long-name-that-somebody-gave", [0.85])
    make_run(place, "full-3", [None])
    begun = place.run("begun-4")
    config.write_toml(begun.config, config.Config(), "a test", only_changes=False)
    paths.write_json(begun.identity, {"made_from": {}})
    sent(place, "low-1", 1, "0.81", private="0.80")
    sent(place, "low-1", 2, "", status="ERROR")
    sent(place, "gone-5", 3, "0.5")
    sent(place, "", 4, "0.7")
    done = script("runs", "competition=toy")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    names = [line.split()[0] for line in lines[:9]]
    assert names == ["run", "high-2", "a-very-long-name-that-s…", "low-1", "low-1", "begun-4", "full-3", "(ref", "gone-5"]
    assert max(map(len, lines)) <= standing.WIDTH
    assert re.split("  +", lines[3])[1:8] == ["0.8000", "0.7900–0.8100", "1: 0.8000", "0.81", "0.80", "COMPLETE", "2024-05-01 10:00"]
    assert "2: 0.9000–0.9200" in lines[1]
    assert lines[0].index("public") == lines[3].index("0.81  ")
    assert "1. high-2: not scored yet: make submit COMPETITION=toy run=high-2\n     best cross-validation, 0.9100" in done.stdout


def test_submissions_are_listed_before_the_first_run(place, script):
    place.problem.unlink()
    ledger.append(place, event="score", ref="4", status="COMPLETE", public="0.7", message="by hand")
    done = script("runs", "competition=toy")
    assert done.returncode == 0, done.stderr
    assert "by hand" in done.stdout


def mixed(share: float, seed: int) -> np.ndarray:
    """Test predictions that agree with those of seed 0 the more, the larger the share."""
    return share * probabilities(0) + (1 - share) * probabilities(seed)


def test_the_correlation_is_scipys_mean_over_the_classes(place):
    question = problem.read(place.problem)
    found = []
    for name, test in (("one", probabilities(0)), ("other", mixed(0.5, 1))):
        make_run(place, name, [0.9], test=test)
        found.append(standing.runs.predictions(place, question, name))
    wanted = np.mean([stats.spearmanr(found[0].test[:, each], found[1].test[:, each]).statistic for each in range(3)])
    assert standing.correlation(*found) == pytest.approx(wanted)
    assert standing.correlation(found[0], found[0]) == pytest.approx(1)
    fewer = dataclasses.replace(found[1], test_rows=found[1].test_rows[::-2], test=found[1].test[::-2])
    wanted = stats.spearmanr(found[0].test[1::2, 0], found[1].test[1::2, 0]).statistic
    one_class = [dataclasses.replace(each, test=each.test[:, :1]) for each in (found[0], fewer)]
    assert standing.correlation(*one_class) == pytest.approx(wanted)
    constant = dataclasses.replace(found[0], test=np.full((ROWS, 3), 1 / 3))
    assert standing.correlation(found[0], constant) == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_the_second_pick_is_the_least_correlated_within_the_noise(place, sign):
    if sign < 0:
        lower_is_better(place)
    base = 0.9 if sign > 0 else 0.1
    assert standing.picks(place) == []
    make_run(place, "best", [base], width=0.01)
    assert [name for name, _ in standing.picks(place)] == ["best"]
    assert "only one run is whole" in standing.picks_text(place)
    make_run(place, "far", [base - sign * 0.02], test=mixed(0, 3))
    assert standing.picks(place)[1][0] == "far"
    assert "warning: worse by 0.0200 (noise ±0.0100), only the next best: rank" in standing.picks(place)[1][1]
    make_run(place, "alike", [base - sign * 0.002], test=mixed(0.95, 1))
    make_run(place, "unlike", [base - sign * 0.009], test=mixed(0.3, 2))
    make_run(place, "full", [None], test=mixed(0, 4))
    first, second = standing.picks(place)
    assert (first[0], second[0]) == ("best", "unlike")
    assert "least correlated with it of 2 within its interval" in second[1]
    sent(place, "unlike", 7, "0.89")
    assert standing.picks_text(place).splitlines()[3] == "  2. unlike: ref 7"


def test_a_run_on_every_row_is_picked_in_the_place_of_its_like_on_one_fold(place):
    one = make_run(place, "one-fold", [0.9], fold="0", seed=1)
    make_run(place, "other", [0.895], width=0.02, test=mixed(0.5, 1), model="other")
    every = make_run(place, "every-row", [None], fold="full")
    assert [name for name, _ in standing.picks(place)] == ["one-fold", "other"]  # without a score of its like it is no candidate
    for fold in (one.fold("0"), place.run("other").fold("0"), every.fold("full")):
        paths.write_json(fold.plan, {"steps": 10, "steps_per_epoch": 5})
    score = paths.read_json(every.score)
    paths.write_json(every.score, score | standing.runs.expected(place, every))
    first, second = standing.picks(place)
    assert (first[0], second[0]) == ("every-row", "other")
    assert first[1] == "best cross-validation, 0.9000, that of its like on folds"
    mean = make_run(place, "mean-of-two", [0.91, 0.89], fold="all", seed=2)
    for key in ("0", "1"):
        paths.write_json(mean.fold(key).plan, {"steps": 14, "steps_per_epoch": 5})  # trained longest: the like
    assert {run.name for run in standing._candidates(place, problem.read(place.problem))} == {"every-row", "one-fold", "other", "mean-of-two"}


# -- the leaderboard -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "sign", "place_of", "teams"),
    [(0.8, 1, 3, 5), (0.9, 1, 1, 5), (0.95, 1, 1, 6), (0.1, 1, 6, 6), (0.8, -1, 2, 5), (0.5, -1, 1, 5), (0.9, -1, 4, 5), (0.85, -1, 4, 6)],
)
def test_the_place_is_one_more_than_the_teams_that_are_better(own, sign, place_of, teams):
    scores = np.array([0.9, 0.9, 0.8, 0.8, 0.5])
    assert standing.place_among(scores, own, sign) == (place_of, teams)
    ranked = stats.rankdata(-sign * np.append(scores, own), method="min")
    assert ranked[-1] == place_of


def test_a_score_that_the_leaderboard_shows_with_fewer_digits_is_no_team_more():
    scores = np.array([0.91235, 0.81235, 0.71235])
    for own in (0.8123456, 0.8123549):
        assert standing.place_among(scores, own, 1) == (2, 3)
        assert standing.place_among(scores, own, -1) == (2, 3)
    assert standing.place_among(scores, 0.81236, 1) == (2, 4)


@pytest.mark.parametrize(
    ("teams", "wanted"),
    [(9, (0, 1, 3)), (99, (9, 19, 39)), (100, (10, 20, 40)), (249, (10, 49, 99)), (250, (10, 50, 100)), (999, (11, 50, 100)), (5000, (20, 250, 500))],
)
def test_medals_by_the_number_of_teams(teams, wanted):
    assert tuple(standing.medals(teams).values()) == wanted


def leaderboard_file(place, scores: list) -> object:
    lines = ["Rank,TeamId,TeamName,LastSubmissionDate,Score,SubmissionCount,TeamMemberUserNames"]
    lines += [f'{at},{at},"a, {at}",2024-01-01 00:00:00,{score},1,x' for at, score in enumerate(scores, 1)]
    paths.write_text(place.leaderboards / "a.csv", "\n".join(lines) + "\n")
    return place.leaderboards / "a.csv"


def test_the_leaderboard_in_words(place):
    scores = [round(0.99 - 0.001 * number, 3) for number in range(200)]
    file = leaderboard_file(place, [*scores, ""])
    assert "200 teams, best 0.99; the ledger holds no public score" in standing.leaderboard_text(place, file)
    sent(place, "net", 1, "0.96")
    sent(place, "net", 2, "0.95")
    text = standing.leaderboard_text(place, file)
    assert "place 31 of 200 teams (top 15.5 %) with 0.96, run net, ref 1" in text
    assert "next above: 0.961; first: 0.99" in text
    assert "medal zone: silver" in text
    assert "gold to place 10 (0.981), silver to place 40 (0.951), bronze to place 80 (0.911)" in text
    assert "warning" not in text
    assert "empty" in standing.leaderboard_text(place, leaderboard_file(place, []))


def test_a_metric_that_points_the_other_way_is_said(place):
    rising = leaderboard_file(place, [0.1, 0.2, 0.3])
    assert "on the leaderboard lower is better, by accuracy" in standing.leaderboard_text(place, rising)
    lower_is_better(place)
    assert "warning" not in standing.leaderboard_text(place, rising)
    assert "on the leaderboard higher is better, by log_loss" in standing.leaderboard_text(place, leaderboard_file(place, [0.3, 0.2]))
    assert not metrics.METRICS["log_loss"].higher_is_better


# -- with Kaggle -----------------------------------------------------------------------------------------------------------------------


def scored(content: bytes) -> float:
    if content == b"bad":
        raise ValueError("row 7 has no id")
    return 0.5


def made(ref: int, message: str, polls: int = 0, content: bytes = b"") -> dict:
    date = f"2024-05-01T10:00:{ref:02d}.000Z"
    return {"ref": ref, "fileName": "a.csv", "description": message, "date": date, "polls": polls, "content": content}


def test_without_credentials_the_next_command_is_make_scores(place, script):
    done = script("scores", "competition=toy")
    assert done.returncode == 2
    assert "then: make scores COMPETITION=toy" in done.stderr
    assert "make submit" not in done.stderr


def test_scores_that_came_later_and_the_leaderboard(place, script):
    run = make_run(place, "net", [0.9])
    ledger.append(place, event="submit", run="net", ref=1, status="PENDING", message="run net #00000000", **ledger.facts_of(place, "net"))
    with Server() as server:
        one = server.add("toy", {"train.csv": b"id\n"}, scored, others={"first": 0.9, "tie": 0.5, "last": 0.1})
        one.submissions += [made(3, "by hand", content=b"bad"), made(2, "run far-1 cv 0.7 abc #0123abcd", polls=1), made(1, "run net #00000000")]
        environment = server.environment()
        done = script("scores", "competition=toy", **environment)
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()[1:]  # behind who is signed in
        assert said[0] == "ref 1, run net: public 0.50000, private –"
        assert said[1] == "ref 2, run far-1: not in the ledger before, pending"
        assert said[2] == "ref 3, 'by hand': not in the ledger before, Kaggle could not score it: row 7 has no id"
        assert "3 of 3 submissions changed" in said[3]
        assert "Against the leaderboard" in run.page.read_text()
        one.private = lambda content: 0.41
        done = script("scores", "competition=toy", **environment)
        assert done.stdout.splitlines()[1:3] == [
            "ref 1, run net: public 0.50000, private 0.41000",
            "ref 2, run far-1: public 0.50000, private 0.41000",
        ]
        again = script("scores", "competition=toy", **environment)
        assert again.stdout.splitlines()[1:] == ["scores: nothing new"]
        board = script("leaderboard", "competition=toy", **environment)
        assert board.returncode == 0, board.stderr
    found = ledger.folded(place)
    assert found[["ref", "public", "private"]].to_numpy().tolist() == [["1", "0.50000", "0.41000"], ["2", "0.50000", "0.41000"], ["3", "", ""]]
    assert "place 2 of 4 teams (top 50.0 %) with 0.5, run net, ref 1" in board.stdout
    assert len(list(place.leaderboards.iterdir())) == 1
    everything = "".join(each.stdout + each.stderr for each in (done, again, board)) + place.ledger.read_text()
    assert TOKEN not in everything
