"""One competition of the stand-in: its files, its rules, its submissions and their scores."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.standin import content
from tests.standin.content import Content


class Refusal(Exception):
    """An error answer: status and text."""


@dataclass
class Competition:
    name: str
    files: dict[str, Content]
    score: Callable[[bytes], float]  # ValueError: a scoring error, its text the reason
    private: Callable[[bytes], float] | None = None  # as `score`; shown as soon as it is there, as after the deadline
    title: str = "A competition"
    metric: str = "Categorization Accuracy"
    pages: dict[str, str] = field(default_factory=lambda: {"evaluation": "Submissions are evaluated on categorization accuracy."})
    deadline: str = "2030-01-31T23:59:00.000Z"
    page: int = 3  # files in one answer of ListDataFiles, whatever is asked for
    whole: Path | None = None  # the archive of everything, made already; `files` may be empty then
    zip_single: bool = False  # a file asked for alone arrives as NAME.zip
    listed: dict[str, int] | None = None  # what ListDataFiles says instead of the files' sizes
    accepted: bool = True  # the rules
    daily_limit: int = 5
    elsewhere: int = 0  # submissions of today that are not in the list
    quota_in_200: bool = False  # over quota is said inside a 200 answer, with ref 0
    closed: int = 0  # the status that refuses every submission
    code_only: bool = False
    polls: int = 1  # listings that still say PENDING
    failing: int = 0  # next submissions that cannot be scored
    submissions: list[dict] = field(default_factory=list)  # newest first
    higher: bool = True  # scores are better
    others: dict[str, float] = field(default_factory=dict)  # team → its public score

    # -- files ---------------------------------------------------------------------------------------------------------------------

    def archive(self) -> bytes:
        return content.packed(self.files)

    def shipped(self, scratch: Path) -> Content:
        """The archive of everything; where files lie on disk it is made there, once."""
        if self.whole is None and any(isinstance(held, Path) for held in self.files.values()):
            self.whole = scratch / f"{self.name}.zip"
            content.pack(self.files, self.whole)
        return self.whole or self.archive()

    def sizes(self) -> dict[str, int]:
        """Name → bytes, as ListDataFiles says them."""
        if self.listed is not None:
            return self.listed
        return {name: content.size(held) for name, held in self.files.items()} or content.members(self.whole)

    # -- submissions ---------------------------------------------------------------------------------------------------------------

    def made_today(self) -> int:
        today = datetime.now(UTC).strftime("%Y-%m-%d")
        return self.elsewhere + sum(made["date"].startswith(today) for made in self.submissions)

    def take(self, sent: bytes, file: str, description: str) -> dict:
        """A new submission; of the answers to it only `ref` and `message` are for the sender."""
        if self.closed:
            raise Refusal(self.closed, "The competition is closed and takes no submissions")
        if self.made_today() >= self.daily_limit:
            used = f"Your team has used its submission allowance ({self.daily_limit} of {self.daily_limit})."
            if self.quota_in_200:
                return {"message": used, "ref": 0}
            raise Refusal(400, f"Submission not allowed:  {used}")
        made = {
            "ref": 1000 + len(self.submissions) + 1,
            "fileName": file,
            "description": description,
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "polls": self.polls,
            "fails": self.failing > 0,
            "content": sent,
        }
        self.failing -= made["fails"]
        self.submissions.insert(0, made)
        return {"message": f"Successfully submitted to {self.title}", "ref": made["ref"]}

    def state(self, made: dict) -> dict:
        """A submission as the API shows it; each look brings its score nearer."""
        shown = {name: made[name] for name in ("ref", "fileName", "description", "date")}
        shown |= {"totalBytes": len(made["content"]), "teamName": "tester"}
        if made["polls"] > 0:
            made["polls"] -= 1
            return shown | {"status": "PENDING"}
        try:
            if made.get("fails"):
                raise ValueError("Evaluation Exception: the submission could not be scored")
            private = {} if self.private is None else {"privateScore": f"{self.private(made['content']):.5f}"}
            return shown | {"status": "COMPLETE", "publicScore": f"{self.score(made['content']):.5f}"} | private
        except ValueError as error:
            return shown | {"status": "ERROR", "errorDescription": str(error)}

    def standing(self) -> list[tuple[str, float]]:
        """Teams and their public scores, best first."""
        scored = [self.state(made) for made in self.submissions if made["polls"] <= 0]
        own = [float(made["publicScore"]) for made in scored if made["status"] == "COMPLETE"]
        own = [score for score in own if math.isfinite(score)]
        teams = self.others | ({"tester": (max if self.higher else min)(own)} if own else {})
        return sorted(teams.items(), key=lambda team: team[1], reverse=self.higher)
