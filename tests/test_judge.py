"""`make judge` on trainings that are drawn: gates between settings, the curve, forecasts on known answers, the README's table."""

import dataclasses

import numpy as np
import pytest
from test_compare import stored
from test_runs import CLASSES, place  # noqa: F401  the fixture
from test_search import wide  # noqa: F401  the fixture

from clf import compare, config, judge, paths, problem, runs, tables


@pytest.fixture
def settings(wide):  # noqa: F811
    """Trainings of three settings: two alike, one better; four seeds of each fold."""
    rights = {"a": 0.80, "b": 0.80, "c": 0.88}
    made = [stored(wide, name, right, luck=number, fold="all", seeds=4, width=1.0 + number) for number, (name, right) in enumerate(rights.items())]
    on = compare.bench(wide)
    return [compare.trainings(on, run) for run in made]


def test_gates_between_seeds_keep_little_and_those_between_settings_more_the_larger_the_gain(wide, settings, tmp_path):  # noqa: F811
    of = judge.judged(wide, settings, 96)
    assert {each.true for each in of.worthless} == {0.0}
    assert {(each.repeats, each.folds) for each in of.worthless} == {(sizes, count) for sizes in judge.REPEATS for count in (1, judge.FOLDS)}
    assert judge.share([each.kept for each in of.worthless])[0] < 0.1
    assert judge.share([each.inside for each in of.worthless])[0] > 0.85
    gains, kept, low, high, gates = zip(*judge.curve(of.real), strict=True)
    assert list(gains) == sorted(gains)
    assert kept[0] < 0.5 < kept[-1]
    assert all(a <= b <= c for a, b, c in zip(low, kept, high, strict=True))
    assert sum(gates) == sum(each.true > 0 for each in of.real)
    lines = judge.table({"x": of})
    assert sum(line.startswith("| x | accuracy |") for line in lines) == len(judge.REPEATS)
    assert "no answers" in lines[-1]
    judge.draw(tmp_path / "curve.png", {"x": of})
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    paths.write_json(paths.judge(), {"x": dataclasses.asdict(of)})
    assert judge.known() == {"x": of}
    assert "9 settings and folds" in judge.text("x", of)[-1]


def test_a_forecast_is_held_against_the_answers_of_the_test_rows(wide, settings):  # noqa: F811
    place, generator = wide, np.random.default_rng(0)  # noqa: F811
    ids = [f"t{row}" for row in range(400)]
    truth = generator.integers(0, 3, 400)
    paths.write_text(place.test, "id\n" + "".join(f"{name}\n" for name in ids))
    paths.write_text(place.answers, "id,label\n" + "".join(f"{name},{CLASSES[code]}\n" for name, code in zip(ids, truth, strict=True)))
    for each, right in zip(settings[0][:2], (0.8, 0.3), strict=True):
        codes = np.where(generator.random(400) < right, truth, (truth + 1) % 3)
        paths.write_predictions(each.run.fold(each.key).test, np.arange(400), np.eye(3, dtype=np.float32)[codes])
    on = dataclasses.replace(compare.bench(place), question=dataclasses.replace(problem.read(place.problem), columns=("label",)))
    same, other = judge.forecasts(on, settings[0][:2])
    assert same[1] <= same[3] <= same[2]
    assert same[0] == pytest.approx(0.8, abs=0.05)
    assert other[3] < other[1]
    assert other[3] == pytest.approx(0.3, abs=0.08)
    place.answers.unlink()
    assert judge.forecasts(on, settings[0][:2]) == []


def test_the_settings_differ_from_the_base_and_take_about_so_many_steps(wide):  # noqa: F811
    base = judge.base(wide, config.Config(width=0.5, model="resnet10"), 150, 4)
    table = tables.read(wide.folds)
    assert base.epochs * (len(table) * 4 / 5) / 64 == pytest.approx(150, abs=1)
    made = judge.variants(base)
    assert made["base"] == base
    assert len({*made.values()}) == len(judge.SETTINGS)
    assert "no label smoothing" not in judge.variants(dataclasses.replace(base, label_smoothing=0.0))
    assert made["longer"].epochs == pytest.approx(1.4 * base.epochs)
    assert made["narrower network"].width == pytest.approx(0.35)
    assert len(runs.fold_keys(wide, base)) == 20
