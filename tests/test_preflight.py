"""The checks of the circumstances: each is broken on purpose, and what stops an upload is what should."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from clf import config, preflight
from clf.preflight import Check, Occasion

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ALLOWED = {"today": 1, "total": 7, "allowed": 4, "by_total": False}
NONE_LEFT = {"today": 5, "total": 11, "allowed": 0, "by_total": False}
SENT = {"ref": "71", "run": "net-1234", "status": "COMPLETE"}


def facts(hours: float = 100, code: bool = False) -> dict:
    return {"deadline": f"{(NOW + timedelta(hours=hours)).replace(tzinfo=None).isoformat()}Z", "code_competition": code}


GOOD = Occasion("toy", "net-1234", facts=facts(), allowance=ALLOWED, now=NOW)
BROKEN = {  # name of the check → (what is changed, state, words of the line)
    "whole data": [({"whole": False}, "failed", "a slice of the competition's")],
    "kind": [
        ({"facts": facts(code=True)}, "failed", "make export COMPETITION=toy run=net-1234, attach that folder as a Kaggle dataset"),
        ({"facts": {}, "unasked": "no credentials"}, "not asked", "no credentials"),
    ],
    "deadline": [
        ({"facts": facts(-1)}, "warned", "passed on 2026-05-01 11:00 UTC: Kaggle takes late submissions at most"),
        ({"facts": facts(5)}, "warned", "in 5.0 hours, 2026-05-01 17:00 UTC"),
        ({"facts": {}, "unasked": "no credentials"}, "not asked", "no credentials"),
    ],
    "tries left": [
        ({"allowance": NONE_LEFT}, "failed", "none (5 made today, 11 in all; the day ends at 00:00 UTC)"),
        ({"allowance": NONE_LEFT | {"by_total": True}}, "failed", "none (5 made today, 11 in all)"),
        ({"allowance": NONE_LEFT, "sent": SENT, "force": True}, "failed", "none (5 made today"),
        ({"allowance": NONE_LEFT, "sent": SENT}, "passed", "none is needed"),
        ({"allowance": ALLOWED | {"allowed": None}}, "passed", "first submission"),
        ({"allowance": None, "unasked": "no credentials"}, "not asked", "no credentials"),
    ],
    "sent before": [
        ({"sent": SENT}, "warned", "as ref 71 (run net-1234, COMPLETE): not sent again, its score is asked for"),
        ({"sent": SENT, "force": True}, "warned", "as ref 71 (run net-1234, COMPLETE); force=true sends it again"),
    ],
}


def found(occasion: Occasion) -> dict[str, Check]:
    return {check.name: check for check in preflight.check_occasion(occasion)}


def test_every_check_is_broken_below_and_passes_where_nothing_is_wrong():
    assert BROKEN.keys() == preflight.OCCASION.keys()
    assert {check.state for check in found(GOOD).values()} == {"passed"}
    assert found(GOOD)["deadline"].text == "in 4 days, 2026-05-05 16:00 UTC"
    assert found(GOOD)["tries left"].text == "4, this one included (1 made today, 7 in all)"


@pytest.mark.parametrize(("name", "changed", "state", "words"), [(name, *case) for name, cases in BROKEN.items() for case in cases])
def test_each_broken_circumstance_is_seen(name, changed, state, words):
    check = found(dataclasses.replace(GOOD, **changed))[name]
    assert check.state == state
    assert words in check.text


def test_failures_always_stop_doubts_unless_forced_and_other_warnings_never():
    passed, mix = Check("ids", "passed", "x"), Check("class mix", "warned", "x")
    doubt, failure = Check("spread", "warned", "x", True), Check("order", "failed", "x", True)
    preflight.refuse([passed, mix], force=False)
    with pytest.raises(config.Mistake, match=r"doubts the file \(spread\): nothing was uploaded.*force=true"):
        preflight.refuse([passed, mix, doubt], force=False)
    preflight.refuse([passed, mix, doubt], force=True)
    for force in (False, True):
        with pytest.raises(config.Mistake, match=r"failed \(order\): nothing was uploaded"):
            preflight.refuse([doubt, failure], force=force)


def test_what_the_table_says_of_stopping():
    """A file that says nothing stops; a shift, a size, a deadline do not: a first submission in an unattended `make all` goes out."""
    stops = {name for name, (_, state, stop) in {**preflight.FILE, **preflight.OCCASION}.items() if state == "warned" and stop}
    assert stops == {"spread", "constant columns"}
    assert all(stop for _, state, stop in {**preflight.FILE, **preflight.OCCASION}.values() if state == "failed")
