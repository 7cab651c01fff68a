"""Layouts that the inference was not written for: each is what its sample submission says, and step 02 settles the question that is asked."""

import ast
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clf import archives, infer
from clf.config import Mistake
from clf.draft import Draft
from clf.raw import Raw
from tests.zoo import unseen, unseen_odd, unseen_tables
from tests.zoo.entry import Built, Entry

ENTRIES = {entry.competition: entry for module in (unseen, unseen_tables, unseen_odd) for entry in module.ENTRIES}

# Competition → layout, kind, metric, style, number of classes, group.
ASKED = {
    "datasciencebowl": ("folders", "multiclass", "log_loss", "columns", 6, ""),
    "intel-mobileodt-cervical-cancer-screening": ("folders", "multiclass", "log_loss", "columns", 3, ""),
    "cassava-disease": ("folders", "multiclass", "accuracy", "label", 5, ""),
    "chest-xray-pneumonia": ("folders", "binary", "accuracy", "label", 2, ""),
    "butterfly-species": ("folders", "multiclass", "accuracy", "label", 6, ""),
    "breast-histopathology-images": ("folders", "binary", "roc_auc", "positive", 2, "(folder)"),
    "leap-gestures": ("folders", "multiclass", "accuracy", "label", 5, "(folder)"),
    "gtsrb-german-traffic-sign": ("folders", "multiclass", "accuracy", "label", 5, ""),
    "stanford-dogs": ("folders", "multiclass", "accuracy", "label", 5, ""),
    "vehicle": ("folders", "multiclass", "accuracy", "label", 6, ""),
    "knee-osteoarthritis": ("folders", "ordinal", "kappa", "label", 5, ""),
    "dogs-vs-cats": ("filename", "binary", "accuracy", "index", 2, ""),
    "alien-weather": ("filename", "multiclass", "macro_f1", "label", 5, ""),
    "age-from-face": ("filename", "regression", "mae", "number", 1, ""),
    "Kannada-MNIST": ("pixels", "multiclass", "accuracy", "label", 10, ""),
    "letters-mnist": ("pixels", "multiclass", "accuracy", "label", 6, ""),
    "sign-language-mnist": ("pixels", "multiclass", "accuracy", "label", 6, ""),
    "iwildcam-2019-fgvc6": ("table", "multiclass", "macro_f1", "label", 5, "location"),
    "ifood-2019-fgvc6": ("table", "multiclass", "map_at_k", "ranking", 6, ""),
    "prostate-cancer-grade-assessment": ("table", "ordinal", "kappa", "label", 6, ""),
    "mayo-clinic-strip-ai": ("table", "binary", "log_loss", "columns", 2, "patient_id"),
    "conser-vision": ("columns", "multiclass", "log_loss", "columns", 8, ""),
    "artworks": ("table", "multiclass", "accuracy", "label", 5, ""),
    "acne-severity": ("table", "ordinal", "kappa", "label", 4, ""),
    "surface-cracks": ("table", "binary", "roc_auc", "positive", 2, ""),
    "smoker-detection": ("table", "binary", "accuracy", "label", 2, ""),
    "cat-breeds": ("table", "multiclass", "accuracy", "label", 5, ""),
    "facial-expression-recognition": ("pixels", "multiclass", "accuracy", "label", 7, ""),
    "herbarium-2022-fgvc9": ("coco", "multiclass", "macro_f1", "label", 5, "institution_id"),
    "plant-pathology-2021-fgvc8": ("table", "multilabel", "samples_f1", "labels", 6, ""),
    "yelp-restaurant-photo-classification": ("table", "multilabel", "samples_f1", "labels", 6, ""),
    "celebrities": ("columns", "multilabel", "roc_auc", "columns", 6, ""),
    "csiro-biomass": ("long", "regression", "rmse", "rows", 5, ""),
    "rsna-bone-age": ("table", "regression", "mae", "number", 1, ""),
    "fungi": ("table", "multiclass", "accuracy", "label", 5, ""),
    "ocular-disease": ("columns", "multilabel", "roc_auc", "columns", 6, ""),
    "nih-chest-xrays": ("table", "multilabel", "roc_auc", "columns", 6, "Patient ID"),
    "chexpert": ("columns", "multilabel", "roc_auc", "columns", 6, ""),
    "auto-tagging-gala-images": ("table", "multiclass", "accuracy", "label", 4, ""),
    "brain-tumor-mri": ("table", "multiclass", "log_loss", "columns", 4, ""),
    "year-of-a-painting": ("table", "regression", "mae", "number", 1, ""),
    "fish": ("table", "multiclass", "accuracy", "label", 5, ""),
}
REFUSED = {  # competition → what the question says: these cannot be answered, or only by the user
    "bengaliai-cv19": "several questions with classes of their own",
    "recursion-cellular-image-classification": "no picture is called like the 'id_code'",
    "severstal-steel-defect-detection": "has a number in each of EncodedPixels",
    "rsna-pneumonia-detection-challenge": "boxes or masks are not what this kit predicts",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """`built(competition)` → its folder with all archives unpacked, never to be changed, and what the builder returned."""
    top = tmp_path_factory.mktemp("zoo")

    @cache
    def make(competition: str) -> tuple[Path, Built]:
        folder = top / competition
        folder.mkdir()
        made = ENTRIES[competition].build(folder, np.random.default_rng(3))
        for archive in [path for path in sorted(folder.iterdir()) if archives.is_archive(path)]:
            archives.unpack(archive, folder)
            archive.unlink()
        return folder, made

    return make


def settle(entry: Entry, folder: Path) -> Draft:
    draft = Draft(entry.competition, Raw(folder), entry.facts(), {}, folder / "problem.toml")
    draft.settle(infer.QUESTION)
    return draft


def test_the_builders_import_nothing_of_what_they_test():
    for module in (unseen, unseen_tables, unseen_odd):
        found = [node for node in ast.walk(ast.parse(Path(module.__file__).read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [name.name for node in found for name in node.names] + [getattr(node, "module", "") or "" for node in found]
        assert not [name for name in names if name.split(".")[0] in ("clf", "scripts")]


def test_every_layout_has_one_expectation():
    assert ENTRIES.keys() == ASKED.keys() | REFUSED.keys()
    assert not ASKED.keys() & REFUSED.keys()


@pytest.mark.parametrize("competition", ENTRIES)
def test_a_sample_submission_has_the_ids_of_the_answers(competition, built):
    folder, made = built(competition)
    json.dumps(ENTRIES[competition].facts())
    tables = [pd.read_csv(path, dtype=str, keep_default_na=False, sep=None, engine="python") for path in folder.rglob("*[sS]*ubmission*.csv")]
    tables += [
        pd.read_csv(path, dtype=str, keep_default_na=False)
        for name in ("sample.csv", "test_sample.csv", "SampleSolution.csv")
        for path in folder.rglob(name)
    ]
    assert len(tables) == 1
    name = next(name for name in made.answers if made.answers[name].is_unique)
    for frame in (made.answers, made.prior):
        assert [*frame] == [*tables[0]]
        assert frame[name].equals(tables[0][name])
        assert all(isinstance(cell, str) for column in frame for cell in frame[column])
    assert len(tables[0]) >= 40
    assert not made.answers.equals(made.prior)


@pytest.mark.parametrize("competition", ASKED)
def test_the_question_is_settled(competition, built):
    folder, made = built(competition)
    draft = settle(ENTRIES[competition], folder)
    known = draft.known
    assert (known.layout, known.kind, known.metric, known.style, len(known.classes), known.group) == ASKED[competition]
    rows = draft.rows()
    assert (rows["path"] != "").mean() > 0.75
    if known.style == "label":
        answer = next(name for name in made.answers if name != known.id_column)
        assert set(made.answers[answer]) <= set(known.classes)


@pytest.mark.parametrize("competition", REFUSED)
def test_what_the_files_leave_open_is_asked(competition, built):
    folder, _ = built(competition)
    with pytest.raises(Mistake, match=REFUSED[competition]):
        settle(ENTRIES[competition], folder)
