"""The rules of the code's structure: who may import what, who may spell what, and what starts without TensorFlow."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clf import paths

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = sorted((CHECKOUT / "clf").glob("*.py"))
SCRIPTS = sorted((CHECKOUT / "scripts").glob("*.py"))
LAYERS = {
    0: {"paths", "config", "credentials", "refusals", "kaggle", "downloads", "archives", "parts", "embedded", "sources"},
    1: {
        *(
            "problem",
            "targets",
            "raw",
            "joins",
            "readers",
            "groups",
            "draft",
            "location",
            "labels",
            "request",
            "infer",
            "geometry",
            "survey",
            "tables",
        ),
        *("images", "decoders", "containers", "duplicates", "store", "batch", "folds", "metrics", "decisions"),
        *("intervals", "gate", "compare"),
        *("styles", "submission", "preflight", "sending", "ledger", "standing", "runs", "report", "run_page", "shift", "errors", "crew"),
        *("hidden", "carving", "rehearsal", "steps"),
    },
    2: {"networks"},
    3: {"data", "augment", "models", "learn", "optim", "losses"},
    4: {"material", "planning", "train"},
    5: {"checks", "search", "inference", "bench", "bench_explore", "bench_stages", "bench_runs", "splitcheck", "judge"},
}
LAYER_OF = {module: layer for layer, modules in LAYERS.items() for module in modules}


def imports(path: Path) -> list[str]:
    """Every imported name, dotted, wherever in the file it stands."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{name.name}" for name in node.names] + [node.module]
    return found


def clf_imports(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("clf.")}


def test_every_module_has_a_layer():
    assert {path.stem for path in SOURCES} - {"__init__"} == set(LAYER_OF)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_imports_upward(path):
    if path.stem == "__init__":
        return
    layer = LAYER_OF[path.stem]
    above = {name for name in clf_imports(path) if LAYER_OF.get(name, -1) > layer}
    assert not above, f"{path.stem} (layer {layer}) imports {above}"
    if layer == 3:
        assert not {name for name in clf_imports(path) if LAYER_OF.get(name) == 3}
    assert path.stem == "models" or "networks" not in clf_imports(path)
    assert not [name for name in imports(path) if name.startswith("scripts")]


def test_what_infers_the_question_is_no_part_of_a_run():
    """Better inference must not make every run old: what it finds stands in problem.toml and the tables."""
    of_runs = paths.code("train", "submission", "store", "runs")
    assert "clf/problem.py" in of_runs
    assert not {f"clf/{name}.py" for name in ("draft", "infer", "location", "geometry", "groups", "readers", "survey")} & of_runs.keys()


def test_numbered_scripts_do_not_import_each_other():
    for path in SCRIPTS:
        assert not [name for name in imports(path) if name.startswith("scripts")], path


def test_only_these_modules_import_kaggle_keras_cv_and_mlxtend():
    where = {"kaggle": {"kaggle"}, "kagglesdk": {"kaggle"}, "keras_cv": {"networks", "augment", "bench_stages"}, "mlxtend": {"embedded"}}
    for library, allowed in where.items():
        users = {path.stem for path in SOURCES + SCRIPTS if any(name.split(".")[0] == library for name in imports(path))}
        assert users <= allowed, f"{library} is imported by {users}"


def test_kaggle_is_imported_inside_functions_only():
    tree = ast.parse((CHECKOUT / "clf" / "kaggle.py").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [name.name for node in top for name in node.names] + [getattr(node, "module", "") or "" for node in top]
    assert not [name for name in names if name.split(".")[0] in ("kaggle", "kagglesdk")]


ARTIFACTS = re.compile(
    r"[\"'](raw|download\.json|problem\.toml|train\.csv|test\.csv|pictures\.csv|quarantine\.csv|folds\.csv|packed|runs|record\.json|"
    r"score\.json|identity\.json|history\.jsonl|plan\.json|checkpoint\.npz|model\.keras|config\.toml|improve\.json|ledger\.csv|"
    r"answers\.csv|shift\.json|label_errors\.csv|prepare\.json|augment\.png|predictions|exports|saved_model|export\.json)[\"']"
)


@pytest.mark.parametrize("path", SOURCES + SCRIPTS, ids=lambda path: path.stem)
def test_only_paths_joins_the_names_of_our_artifacts(path):
    """A name that is joined to a folder, opened or read by another module than `paths`. (`train.csv` in raw/ is Kaggle's.)"""
    if path.stem in ("paths", "embedded"):
        return
    joined = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            right = node.right
            if isinstance(right, ast.Constant) and ARTIFACTS.fullmatch(repr(right.value)):
                joined.append(right.value)
    assert not joined, f"{path.name} joins {joined}: add a property to clf/paths.py"


@pytest.mark.parametrize("modules", [sorted(LAYERS[0]), sorted(LAYERS[1])], ids=["layer 0", "layer 1"])
def test_layers_0_and_1_load_no_tensorflow(modules):
    code = f"import sys; from clf import {', '.join(modules)}; assert not {{'tensorflow', 'keras', 'kaggle'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)


def test_scripts_start_without_tensorflow():
    """Also those that train: a no-op must not wait for it."""
    names = [path.stem for path in SCRIPTS]
    code = f"import sys, importlib; [importlib.import_module('scripts.' + name) for name in {names}]; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.stem[0].isdigit()], ids=lambda path: path.stem)
def test_a_numbered_script_is_a_docstring_its_words_and_one_main(path):
    tree = ast.parse(path.read_text())
    text = (ast.get_docstring(tree) or "").lower()
    assert "reads" in text
    assert "writes" in text
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["main"]


def test_the_project_names_no_place_of_the_machine_it_was_made_on():
    files = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()
    for name in files:
        text = (CHECKOUT / name).read_text(errors="ignore")
        assert not re.search(r"\.\./sha" + r"red|/wo" + r"rk/", text), name
