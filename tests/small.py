"""A real network for tests of what is around a network: traced and compiled in a third of resnet10's time."""

import pytest
from keras import layers

from clf import models, networks


def body(inputs, width: float = 1.0, drop_path: float = 0.0):
    """A stem and a residual block, both halving the side, with the end of resnet10."""
    x = networks._relu(networks._norm(networks._conv(inputs, round(16 * width), 4, 2)))
    x = networks._block(x, round(32 * width), 2, drop_path)
    return networks._norm(layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)]))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """For `from tests.small import small`: the network is one of the table's in every test of a file."""
    monkeypatch.setitem(models.MODELS, "small", models.Entry(body, "muon", 0.05, 64))
