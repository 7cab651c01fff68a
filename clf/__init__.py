"""From raw competition files to predictions: the nouns that the numbered scripts compose."""

import os
import platform

# Both have to be said before TensorFlow is imported. Its start-up lines on machines without a GPU hide our own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if platform.machine() in ("x86_64", "AMD64"):
    # TensorFlow leaves oneDNN's convolutions out on processors without VNNI or AVX-512, where they are 1.3 to 1.9 times as fast as Eigen's.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Tables are columns of Arrow, whose own allocator keeps what was freed: a table takes twice its size.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
