import json

import pytest

from clf import bench, bench_stages
from tests.layouts import prepare

FIELDS = {"stage", "unit", "rate", "limit", "ratio", "spread"}


def written(scratch) -> dict[str, dict]:
    return {row["stage"]: row for row in json.loads((scratch / "data" / "bench.json").read_text())}


def check(row: dict, repeats: int = 1) -> None:
    assert row.keys() - {"limit_name", "peak_mib"} == FIELDS
    low, high = row["spread"]
    assert low <= (row["rate"] if row["ratio"] is None else row["ratio"]) <= high
    if repeats == 1 and row["ratio"] is not None:
        assert abs(row["ratio"] - row["rate"] / row["limit"]) < 1e-9


def test_step_02_is_measured_beside_its_limits(script, scratch):
    done = script("bench", "set=explore", "files=50", "rows=200", "repeats=1")
    assert done.returncode == 0, done.stderr
    found = written(scratch)
    assert [row["unit"] for row in found.values()] == ["pictures/s", "pictures/s", "pictures/s", "s", "GiB"]
    for stage, row in found.items():
        check(row)
        assert row["spread"] == [row["ratio"]] * 2  # one repeat
        assert any(line.startswith(stage) and f"{row['ratio']:.2f}" in line for line in done.stdout.splitlines())
    assert 0.02 < found["02's memory, 200 rows"]["rate"] < 2
    assert found["02 without inspect, 50 pictures"]["rate"] > 0
    assert [path.name for path in scratch.rglob("*") if path.is_file()] == ["bench.json"]  # what was made for it is gone


def test_every_stage_is_measured(capsys):
    sizes = bench_stages.Sizes(photos=20, copies=1, height=120, width=160, batch=8, batches=3, epoch=3, seconds=0.05, networks=("resnet10",))
    found = list(bench_stages.measure(sizes, 1))
    for row in found:
        check(row, repeats=bench_stages.CLOSE)
        assert row["rate"] > 0
        assert row["limit"] > 0
        assert row["limit_name"]
    stages = [row["stage"] for row in found]
    assert len(set(stages)) == len(stages)
    for beginning in (
        *("inspect", "decode to the store, 160", "decode to the store, 256", "training batches, light, 32 px", "validation batches, 224 px"),
        *("an epoch of 3 batches, 32 px", "fit, resnet10", "augment=strong", "augment=cutout", "predict, 2 views", "an epoch's batches"),
        "fit beside Keras's",
    ):
        assert any(stage.startswith(beginning) for stage in stages), beginning
    if not any("ImageFolder" in row["limit_name"] for row in found):
        assert "left out: torchvision" in capsys.readouterr().out


def test_ways_take_turns_and_the_ratio_is_that_of_each_turn():
    order = []
    values = {"ours": iter([2.0, 30.0, 8.0]), "limit": iter([1.0, 10.0, 2.0])}
    found = bench.turns({name: lambda name=name: (order.append(name), next(values[name]))[1] for name in values}, 3)
    assert order == ["ours", "limit", "limit", "ours", "ours", "limit"]
    row = bench.record("a", found["ours"], "s", found["limit"])
    assert (row["rate"], row["limit"], row["ratio"], row["spread"]) == (8.0, 2.0, 3.0, [2.0, 4.0])


def test_memory_of_the_process_is_seen():
    with bench.peak(every=0.01) as before:
        bench.seconds(lambda: bench.time.sleep(0.05))
    with bench.peak(every=0.01) as most:
        held = bytearray(b"1") * (200 << 20)
        bench.time.sleep(0.05)
    if before:
        assert 190 < most[0] - before[0] < 260, len(held)


def test_a_competition_is_trained_for_each_budget_and_its_runs_stay(script, tmp_path):
    with prepare("small", tmp_path, pictures=60, side=32):
        done = script("bench", "set=small", "budgets=0.1", "repeats=1", CLF_WORK=str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = written(tmp_path)
    assert list(found) == ["small, minutes=0.1", "small, minutes=0.1: accuracy", "small, minutes=0.1: training"]
    assert found["small, minutes=0.1"]["limit"] == 6
    assert 0 <= found["small, minutes=0.1: accuracy"]["rate"] <= 1
    for row in found.values():
        check(row)
    assert not (tmp_path / "data" / "small" / "runs").exists()


@pytest.mark.parametrize(
    ("word", "said"), [("set=cifer-10", "make download explore prepare COMPETITION=cifer-10"), ("set=../x", "is no competition's id")]
)
def test_unknown_sets_name_the_choices(script, word, said):
    done = script("bench", word)
    assert done.returncode == 2
    assert said in done.stderr
