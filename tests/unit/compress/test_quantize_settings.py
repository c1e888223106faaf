"""Settings that nothing reads are refused before time is spent."""

import pytest

from burnish.compress import CompressConfig
from burnish.compress.quantize import QuantScheme
from burnish.compress.quantize.settings import check_settings
from burnish.errors import ConfigError


def test_a_setting_that_one_of_several_methods_reads_is_fine():
    check_settings(QuantScheme(calibration="kl", weight_bits=4), ("static", "dynamic"))


@pytest.mark.parametrize(
    ("methods", "scheme", "told"),
    [
        (("dynamic",), QuantScheme(calibration="kl"), "the method dynamic"),
        (
            ("dynamic", "weight-only"),
            QuantScheme(equalize=0.5),
            "the methods dynamic and weight-only .*static",
        ),
        ((), QuantScheme(method="float16", embedding_bits=8), "the method float16"),
    ],
)
def test_a_recipe_whose_step_reads_it_nowhere_is_refused(methods, scheme, told):
    with pytest.raises(ConfigError, match=f"means nothing to {told}"):
        CompressConfig(methods=methods, quantize=scheme)
    assert CompressConfig(steps=("prune",), methods=methods, quantize=scheme).quantize == scheme
