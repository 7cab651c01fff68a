"""Words and config.toml: literal text, typed numbers, precedence, and what a hurried user types wrong."""

import pytest

from clf import config, paths
from clf.config import Config, Mistake


def test_text_is_literal_and_numbers_are_parsed():
    assert config.set_typed(Config, "model", "0012") == "0012"
    assert config.set_typed(Config, "model", "1e10") == "1e10"
    assert config.set_typed(Config, "model", "null") == "null"
    assert config.set_typed(Config, "fold", "0") == "0"
    assert config.set_typed(Config, "epochs", "1e1") == 10.0
    assert config.set_typed(config.TrainingWords, "improved", "false") is False


@pytest.mark.parametrize(("name", "text"), [("epochs", "ten"), ("batch_size", "1.5"), ("seed", "")])
def test_a_wrong_type_names_the_value_and_what_is_wanted(name, text):
    with pytest.raises(Mistake, match=f"{name}={text} is not a"):
        config.set_typed(Config, name, text)


@pytest.mark.parametrize(
    ("name", "text", "range"),
    [("seeds", "0", "1 or more"), ("minutes", "-3", "0 or more"), ("dropout", "1.5", "0 to 0.95"), ("minutes", "nan", "0 or more")],
)
def test_a_number_out_of_range_names_the_range(name, text, range):
    with pytest.raises(Mistake, match=f"{name}={text} is out of range, it is {range}"):
        config.set_typed(Config, name, text)


def test_words_beat_config_toml_beats_defaults(scratch, capsys):
    place = paths.Place("x")
    paths.write_text(place.config, 'epochs = 3\nmodel = "resnet10"  # mine\n')
    loaded = config.load({"epochs": "5"}, config.read_toml(place.config))
    assert (loaded.epochs, loaded.model, loaded.seed) == (5.0, "resnet10", 0)
    assert capsys.readouterr().out == "settings: model=resnet10 (config.toml) epochs=5.0 (word)\n"


def test_an_unknown_name_in_config_toml_stops(scratch):
    place = paths.Place("x")
    paths.write_text(place.config, "epoch = 3\n")
    with pytest.raises(Mistake, match=r"unknown word epoch= .*Did you mean epochs="):
        config.read_toml(place.config)


def test_what_06_wrote_can_be_left_out_but_not_what_a_user_wrote(scratch):
    place = paths.Place("x")
    paths.write_text(place.config, "width = 1.5\n")
    assert config.stored_settings(place, improved=False) == {"width": 1.5}
    paths.write_json(place.improve, {"config_hash": paths.hash_file(place.config)})
    assert config.stored_settings(place, improved=False) == {}
    assert config.stored_settings(place, improved=True) == {"width": 1.5}
    paths.write_text(place.config, "width = 1.75\n")
    assert config.stored_settings(place, improved=False) == {"width": 1.75}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["epoch=3"], "unknown word epoch="),
        (["minutes"], "'minutes' is no setting"),
        (["--minutes=3"], "is no setting"),
        (["minutes=three"], "minutes=three is not a number"),
        (["minutes=1", "minutes=2"], "given twice"),
        (["competition=../x"], "is no competition's id"),
        (["competition="], "is no competition's id"),
    ],
)
def test_bad_words_exit_with_2_and_no_traceback(script, words, message):
    done = script("05_train", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_make_all_stops_before_01_on_a_word_that_no_step_reads(script, scratch):
    done = script("all", "minuts=3")
    assert done.returncode == 2
    assert "Did you mean minutes=" in done.stderr
    assert not (scratch / "data").exists()


def test_a_variable_before_the_command_is_warned_about(script):
    assert "minutes=3 before the command is not read" in script("05_train", minutes="3").stderr


@pytest.mark.parametrize("step", ["02_explore", "03_prepare", "04_train_sample", "05_train", "06_improve", "07_submit"])
def test_a_step_before_the_one_it_needs_says_what_to_run(script, step):
    done = script(step, "competition=never-seen")
    assert done.returncode == 2
    assert "make " in done.stderr
    assert "Traceback" not in done.stderr


def test_choose_lists_the_known_names():
    with pytest.raises(Mistake, match=r"unknown model 'resnet1O'. Did you mean resnet10\? Known: resnet10, vgg"):
        config.choose({"resnet10": 1, "vgg": 2}, "resnet1O", "model")
