import pytest

from burnish.compress import CompressConfig, load_recipe
from burnish.compress.mixed import MixedConfig
from burnish.compress.pruning.prune import PruneConfig
from burnish.compress.recipe.config import STEPS
from burnish.compress.recipe.run import check_engines
from burnish.errors import ConfigError, NotFoundError


@pytest.fixture
def recipe_file(tmp_path):
    def write(text):
        (path := tmp_path / "recipe.toml").write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"backends": ()}, "backends"),
        ({"backends": ("openvino", "openvino")}, "backends"),
        ({"floor_points": -0.1}, "floor_points"),
        ({"finalists": -1}, "finalists"),
        ({"batches": ()}, "batches"),
        ({"batches": (0,)}, "batches"),
        ({"batches": (4, 4)}, "batches"),
        ({"methods": ("static", "static")}, "methods"),
        ({"steps": ()}, "steps"),
        ({"steps": ("quantize", "prune")}, "prune, quantize"),
        ({"steps": ("prune", "prune")}, "steps"),
        ({"steps": ("distil", "quantize")}, "distil"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, named):
    with pytest.raises(ValueError, match=named):
        CompressConfig(**settings)


def test_every_step_can_be_asked_for_in_its_order():
    assert CompressConfig(steps=STEPS).steps == STEPS


def test_each_kind_of_quantization_keeps_the_settings_they_share(recipe_file):
    recipe = load_recipe(
        recipe_file(
            '[compress]\nmethods = ["static", "dynamic"]\n[compress.quantize]\nper_channel = false\n'
        ),
        {},
    )
    schemes = recipe.compress.schemes()
    assert [scheme.method for scheme in schemes] == ["static", "dynamic"]
    assert not any(scheme.per_channel for scheme in schemes)


def test_without_a_list_the_schemes_own_kind_is_tried(recipe_file):
    recipe = load_recipe(recipe_file('[compress.quantize]\nmethod = "dynamic"\n'), {})
    assert [scheme.method for scheme in recipe.compress.schemes()] == ["dynamic"]


@pytest.mark.parametrize("by_flag", [True, False])
def test_the_floor_of_the_recipe_is_that_of_every_step_without_one(by_flag, recipe_file):
    text = "floor_points = 5.0\n"
    recipe = load_recipe(
        recipe_file("[compress]\n" + ("" if by_flag else text) + "[compress.mixed]\nfloor_points = 2.0\n"),
        {"compress": {"floor_points": 5.0 if by_flag else None}},
    )
    config = recipe.compress.settled()
    assert (config.floor_points, config.prune.floor, config.mixed.floor) == (5.0, 5.0, 2.0)
    assert CompressConfig().settled().prune.floor == PruneConfig().floor == MixedConfig().floor == 1.0


def test_paths_count_from_the_recipe_and_names_do_not(recipe_file, tmp_path):
    text = 'task = "{}"\nweights = "w.pt"\n'
    path = load_recipe(recipe_file(text.format("my/task.py:OTHER")), {})
    assert path.task == str(tmp_path / "my/task.py:OTHER")
    assert path.weights == str(tmp_path / "w.pt")
    assert load_recipe(recipe_file(text.format("digits")), {}).task == "digits"


def test_what_the_command_line_gives_wins_and_stays_as_it_is(recipe_file):
    file = recipe_file('task = "a.py"\nweights = "w.pt"\n[compress]\nfloor_points = 2.0\n')
    flags = {"task": "b.py", "weights": "v.pt", "compress": {"floor_points": 3.0, "finalists": None}}
    recipe = load_recipe(file, flags)
    assert (recipe.task, recipe.weights, recipe.compress.floor_points) == ("b.py", "v.pt", 3.0)


def engines(config):
    settled = config.settled()
    assert settled.settled() == settled
    return [(one.engine.backend, one.engine.batch) for one in (settled.prune, settled.mixed)]


def test_steps_measure_on_the_first_engine_and_batch_wherever_these_are_named(recipe_file):
    assert engines(CompressConfig()) == [("onnxruntime", 1)] * 2
    file = recipe_file('[compress]\nbackends = ["openvino", "onnxruntime"]\nbatches = [8, 1]\n')
    assert engines(load_recipe(file, {}).compress) == [("openvino", 8)] * 2
    flags = {"compress": {"backends": ["torch"], "batches": [4]}}
    assert engines(load_recipe(file, flags).compress) == [("torch", 4)] * 2


def test_an_engine_of_a_steps_own_stays(recipe_file):
    file = recipe_file('[compress.prune.engine]\nbackend = "openvino"\n[compress.mixed.engine]\nbatch = 2\n')
    flags = {"compress": {"backends": ["torch"], "batches": [4]}}
    assert engines(load_recipe(file, flags).compress) == [("openvino", 4), ("torch", 2)]


@pytest.mark.parametrize("step", ["prune", "mixed"])
def test_an_engine_of_a_step_of_the_recipe_is_checked_too(step, recipe_file):
    file = recipe_file(f'[compress]\nsteps = ["{step}"]\n[compress.{step}.engine]\nbackend = "openvin"\n')
    config = load_recipe(file, {}).compress
    with pytest.raises(NotFoundError, match="openvin"):
        check_engines(config)
    check_engines(load_recipe(file, {"compress": {"steps": ["quantize"]}}).compress)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[compres]\n", "unknown key 'compres'.*did you mean 'compress'"),
        ('[compress]\nsteps = ["prune", "distill"]\n', "steps = .*distill"),
        ('[compress]\nsteps = ["quantize", "prune"]\n', "order in which they build on each other"),
        ("[compress.qat]\nrange = 'ema'\n", "unknown key 'range'.*did you mean 'ranges'"),
    ],
)
def test_a_wrong_recipe_names_what_is_wrong(text, named, recipe_file):
    with pytest.raises(ConfigError, match=named):
        load_recipe(recipe_file(text), {})
