"""From raw competition files to predictions: the nouns that the numbered scripts compose."""

import os

# TensorFlow's start-up lines on machines without a GPU hide our own; it has to be said before it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
