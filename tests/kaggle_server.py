"""A stand-in for Kaggle's API on loopback, for the unmodified `kaggle` client.

The client knows one address for such a server, `http://localhost` on port 80, so this one also answers as an http proxy:

    with Server() as server:
        server.add("my-competition", files={"train.csv": b"…"}, score=lambda content: 0.5)
        os.environ.update(server.environment())

By hand: `make kaggle-local`. Faults are planted by the name of the call (`"CreateSubmission"`, …), `"store"` for a signed download or
`"upload"` for the PUT: `server.plant("ListSubmissions", status=500, times=2)`; some have a name: `server.break_by_name("cut")`.
"""

from tests.standin.competition import Competition
from tests.standin.faults import NAMED, Fault
from tests.standin.scoring import accuracy, graded
from tests.standin.server import CALLS, SIGNATURE, TOKEN, Server

__all__ = ["CALLS", "NAMED", "SIGNATURE", "TOKEN", "Competition", "Fault", "Server", "accuracy", "graded"]
