import json


def test_every_stage_is_measured_beside_its_limit(script, scratch):
    done = script("bench", "files=50", "rows=200", "repeats=1")
    assert done.returncode == 0, done.stderr
    found = {row["stage"]: row for row in json.loads((scratch / "data" / "bench.json").read_text())}
    assert [row["unit"] for row in found.values()] == ["pictures/s", "pictures/s", "pictures/s", "s", "GiB"]
    for stage, row in found.items():
        assert row["spread"] == [row["ratio"]] * 2  # one repeat
        assert abs(row["ratio"] - row["rate"] / row["limit"]) < 1e-9
        assert any(line.startswith(stage) and f"{row['ratio']:.2f}" in line for line in done.stdout.splitlines())
    assert 0.02 < found["02's memory, 200 rows"]["rate"] < 2
    assert found["02 without inspect, 50 pictures"]["rate"] > 0
    assert [path.name for path in scratch.rglob("*") if path.is_file()] == ["bench.json"]  # what was made for it is gone
