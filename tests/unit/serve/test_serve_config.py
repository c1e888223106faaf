"""Settings that cannot work are refused when they are read."""

import pytest

from burnish.config import load_config
from burnish.errors import ConfigError
from burnish.serve.config import ServeConfig


@pytest.mark.parametrize(
    "flags",
    [
        {"max_batch_size": 0},
        {"queue_size": 0},
        {"instances": 0},
        {"port": 70_000},
        {"admin_port": -1},
        {"request_timeout_s": 0.0},
        {"max_queue_delay_us": -1},
        {"threads": -1},
        {"request_timeout_s": float("nan")},
        {"lock_policy": "stirct"},
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(flags):
    with pytest.raises(ConfigError, match=next(iter(flags))):
        load_config(ServeConfig, flags=flags)


def test_the_environment_sets_and_flags_win():
    environ = {"BURNISH_SERVE_PORT": "9000", "BURNISH_SERVE_INSTANCES": "3"}
    config = load_config(
        ServeConfig, env_prefix="BURNISH_SERVE_", environ=environ, flags={"port": 9100, "threads": None}
    )
    assert (config.port, config.instances, config.threads) == (9100, 3, 1)
