"""Every layout of the zoo, by the competition that it is a small copy of."""

from tests.zoo import archives, containers, several, tables, trees
from tests.zoo.entry import Entry

ZOO: dict[str, Entry] = {entry.competition: entry for module in (tables, several, archives, trees, containers) for entry in module.ENTRIES}
