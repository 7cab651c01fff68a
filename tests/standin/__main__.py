"""The stand-in by hand: Kaggle's API on 127.0.0.1, for this project and for the real `kaggle` command, without an account.

    make kaggle-local [COMPETITION=cifar-10 folder=FOLDER answers=solution.csv] [metric=…] [port=7777] [fault=cut,lost] [ended=true]
    eval "$(make -s kaggle-local show=true)"        in another terminal; then: make all, kaggle competitions submissions -c …

Without `folder=` it serves the embedded 5,000 digits as digit-recognizer, or the zoo's small copy of the competition. `answers=` is a
table in the sample submission's layout, the id first; a column `Usage` (Public, Private, Ignored) parts the two leaderboards.
A fault can be planted later, too: `curl --noproxy '*' 127.0.0.1:7777/fault/cut`; without a name it lists all. Ctrl-C ends it.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from clf import config, embedded, paths
from tests.standin.competition import Competition
from tests.standin.faults import NAMED
from tests.standin.scoring import graded, parted
from tests.standin.server import Server, environment

ACCURACY = "Categorization Accuracy"  # as Kaggle's API names it


@dataclass(frozen=True)
class Words(config.Words):
    folder: str = config.word("", "what Kaggle would ship; empty: the embedded digits, or the zoo's small copy of the competition")
    answers: str = config.word("", "the solution, in the sample submission's layout, the id first, with a column Usage if you like")
    metric: str = config.word("", "the grader, by its name in tests/zoo/graders.py; empty: the zoo's for this competition, else accuracy")
    port: int = config.word(7777, "on 127.0.0.1", 0, 65535)
    fault: str = config.word("", f"what goes wrong, with commas between: {', '.join(NAMED)}")
    ended: bool = config.word(False, "as after the deadline: private scores show")
    show: bool = config.word(False, "only print the lines to export, for eval, and end")


def main(words: Words) -> None:
    if words.show:
        print(exports(f"http://127.0.0.1:{words.port}"))
        return
    for name in filter(None, words.fault.split(",")):
        config.choose(NAMED, name, "fault")
    try:
        server = Server(words.port)
    except OSError as error:
        raise config.Mistake(f"port={words.port} cannot be had ({error.strerror}): name another, such as port={words.port + 1}.") from None
    with server:
        competition = serve(server, words)
        for name in filter(None, words.fault.split(",")):
            print(f"{name}: {server.break_by_name(name)}", file=sys.stderr)
        print(f"kaggle-local: {words.competition}, {len(competition.files)} files, on {server.origin}. In another terminal:", file=sys.stderr)
        print(exports(server.origin), flush=True)
        port = f" port={words.port}" if words.port != Words.port else ""
        print(
            f'Or: eval "$(make -s kaggle-local show=true{port})"\nThen: make all COMPETITION={words.competition}, '
            f"kaggle competitions submissions -c {words.competition}\nCtrl-C ends it, and with it what was submitted.",
            file=sys.stderr,
            flush=True,
        )
        server.closing.wait()


def exports(origin: str) -> str:
    """The lines that point the client here. The token goes ahead of whatever else you are signed in with, so nothing real is sent."""
    return "\n".join(f"export {name}={value}" for name, value in environment(origin).items())


def serve(server: Server, words: Words) -> Competition:
    """The competition of the words, its files on disk."""
    import numpy as np

    from tests.zoo.graders import GRADERS
    from tests.zoo.layouts import ZOO

    entry = ZOO.get(words.competition)
    folder = Path(words.folder).expanduser()
    solution = b""
    if not words.folder:
        folder = Path(tempfile.mkdtemp(dir=server.scratch))
        if words.competition == embedded.COMPETITION:
            solution = embedded.write(folder).encode()
        elif entry:
            solution = entry.build(folder, np.random.default_rng(3)).answers.to_csv(index=False).encode()
        else:
            raise config.Mistake(f"folder= is wanted for {words.competition}. Without it: {', '.join([embedded.COMPETITION, *ZOO])}")
    files = {path.relative_to(folder).as_posix(): path for path in paths.files(folder)} if folder.is_dir() else {}
    if not files:
        raise config.Mistake(f"folder={words.folder} holds no file: give the folder with what Kaggle would ship.")
    if words.answers:
        file = Path(words.answers).expanduser()
        if not file.is_file():
            raise config.Mistake(f"answers={words.answers} is no file: give a table in the sample submission's layout.")
        solution = file.read_bytes()
    metric = words.metric or (entry.metric if entry else "accuracy")
    grader = config.choose(GRADERS, metric, "metric")
    says = (entry.says if entry and metric == entry.metric else "") or (ACCURACY if metric == "accuracy" else metric.replace("_", " "))
    facts = {"title": words.competition, "metric": says, "pages": {"evaluation": f"Submissions are evaluated on {says}."}}
    facts |= {"higher": grader.higher_is_better, "page": 200}
    if not solution:
        print("no answers=: every submission scores 0.5", file=sys.stderr)
        return server.add(words.competition, files, **facts)
    score = graded(metric, solution)
    private = graded(metric, solution, "Private" if parted(solution) else "Public") if words.ended else None
    return server.add(words.competition, files, score, private=private, **facts, others=known(score, folder))


def known(score, folder: Path) -> dict[str, float]:
    """A team on the leaderboard that has sent the sample submission."""
    for name in ("sample_submission.csv", "sampleSubmission.csv"):
        try:
            return {"the sample submission": score((folder / name).read_bytes())}
        except (OSError, ValueError):  # it is not there, or means nothing to the grader
            continue
    return {}


if __name__ == "__main__":
    config.command(main, Words)
