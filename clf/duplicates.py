"""Which of many pictures are the same, by their files' content and by how they look."""

from itertools import product

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from clf import config

BANDS = 4  # of 16 bits: hashes that agree in one band are compared
NEIGHBOURS = 24  # compared within a band's bucket, sorted by the whole hash: bounds the work where one hash is very common
MOST_BITS = 10  # of 64 that differ: pictures saved again as JPEG differ in up to 10
MOST_DIFFERENCE = 4.0  # mean absolute difference of two thumbnails, of 255; saved again: up to 2, resized: up to 5
LEAST_CORRELATION = 0.99
CHUNK = 20_000  # pictures or pairs at once


def clusters(thumbnails: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """Pictures that are the same → int [N], the number of the cluster, -1 for a picture that has no twin.

    thumbnails uint8 [N,S,S,C], digests int64 [N]. Files with equal content are the same. Otherwise a 64-bit difference hash (dHash,
    N. Krawetz 2013) proposes pairs, and the thumbnails must agree in mean absolute difference and in correlation: on small drawings
    the hash alone chains thousands of different pictures. Time N log N, memory 0.3 kB a picture.
    """
    first, numbers = _different(digests)
    hashes, sums = _describe(thumbnails, first)
    pairs = [np.empty((0, 2), int)]
    for part, distance in config.progress([*product(range(BANDS), range(1, NEIGHBOURS + 1))], desc="comparing pictures"):
        if distance == 1:
            keys = (hashes >> np.uint64(16 * part)) & np.uint64(0xFFFF)
            order = np.lexsort((hashes, keys))
        near = _neighbours(order, keys, distance)
        near = near[np.bitwise_count(hashes[near[:, 0]] ^ hashes[near[:, 1]]) <= MOST_BITS]
        pairs.append(near[_agree(thumbnails, first, sums, near)])
    edges = np.concatenate(pairs)
    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (len(first),) * 2)
    parts = connected_components(graph, directed=False)[1][numbers]
    sizes = np.bincount(parts, minlength=1)
    return np.where(sizes > 1, np.cumsum(sizes > 1) - 1, -1)[parts]


def _different(digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each content, int [M], ascending, and each row's place among these, int [N]."""
    _, first, numbers = np.unique(digests, return_index=True, return_inverse=True)
    order = np.argsort(first)
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return first[order], places[numbers]


def _describe(thumbnails: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the rows: difference hashes, uint64 [M], and the sums of 4 × 4 fields of each channel, uint16 [M,16·C].

    A field's side is at most 16 px, so that its sum fits.
    """
    starts = np.linspace(0, thumbnails.shape[1], 5)[:-1].astype(int)
    hashes, sums = np.empty(len(rows), np.uint64), np.empty((len(rows), 16 * thumbnails.shape[3]), np.uint16)
    for start in range(0, len(rows), CHUNK):
        end = start + CHUNK
        part = thumbnails[rows[start:end]]
        hashes[start:end] = difference_hashes(part.astype(np.float32).mean(axis=3))
        fields = np.add.reduceat(np.add.reduceat(part, starts, axis=1, dtype=np.int32), starts, axis=2)
        sums[start:end] = fields.reshape(len(part), -1)
    return hashes, sums


def difference_hashes(grey: np.ndarray) -> np.ndarray:
    """float [N,S,S] → uint64 [N]: is each of 8 × 8 fields brighter than its left neighbour?"""
    small = np.einsum("rh,nhw,cw->nrc", _shrink(grey.shape[1], 8), grey, _shrink(grey.shape[2], 9), optimize=True)
    bits = (small[:, :, 1:] > small[:, :, :-1] + 0.5).reshape(len(grey), 64)
    return (bits.astype(np.uint64) << np.arange(64, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)


def _shrink(size: int, fields: int) -> np.ndarray:
    """float32 [fields,size]: weights of the mean over each of `fields` equal parts."""
    edges = np.linspace(0, size, fields + 1)
    starts = np.arange(size)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    weights = np.clip(overlap, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _neighbours(order: np.ndarray, keys: np.ndarray, distance: int) -> np.ndarray:
    """int [P,2]: pairs `distance` apart in the order that have the same key."""
    first, second = order[:-distance], order[distance:]
    same = keys[first] == keys[second]
    return np.stack([first[same], second[same]], axis=1)


def _agree(thumbnails: np.ndarray, rows: np.ndarray, sums: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """bool [P]: the two thumbnails are the same but for noise. Pairs are places among the rows; see `_describe` for their sums."""
    flat = thumbnails.reshape(len(thumbnails), int(np.prod(thumbnails.shape[1:])))
    most = MOST_DIFFERENCE * flat.shape[1]
    said = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), CHUNK):
        part = pairs[start : start + CHUNK]
        # Fields never differ more than the pixels in them do: this leaves few pairs whose pixels must be looked at.
        one, other = (sums[part[:, side]].astype(np.int32) for side in (0, 1))
        near = start + np.flatnonzero(np.abs(one - other).sum(axis=1) <= most)
        first, second = (flat[rows[pairs[near, side]]].astype(np.float32) for side in (0, 1))
        same = np.abs(first - second).mean(axis=1) <= MOST_DIFFERENCE
        first -= first.mean(axis=1, keepdims=True)
        second -= second.mean(axis=1, keepdims=True)
        length = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        said[near] = same & ((first * second).sum(axis=1) >= LEAST_CORRELATION * length) & (length > 0)
    return said
