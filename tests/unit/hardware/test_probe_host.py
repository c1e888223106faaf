"""What the kernel's files tell of a processor, read from a tree of such files."""

import pytest

from burnish.hardware.probe import Cache, read_host
from burnish.hardware.probe.host import members


@pytest.fixture
def tree(tmp_path):
    """Return a function that writes files below a root and returns the root."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n")
        return tmp_path

    return write


CPU0 = "sys/devices/system/cpu/cpu0"


def test_cores_caches_and_flags_are_read(tree):
    host = read_host(
        tree(
            {
                "proc/cpuinfo": "vendor_id\t: GenuineIntel\nmodel name\t: Xeon\nflags\t: smep avx2 amx_int8 fma",
                f"{CPU0}/topology/thread_siblings_list": "0,64",
                f"{CPU0}/cpufreq/scaling_governor": "powersave",
                f"{CPU0}/cache/index0/level": "1",
                f"{CPU0}/cache/index0/type": "Data",
                f"{CPU0}/cache/index0/size": "48K",
                f"{CPU0}/cache/index0/shared_cpu_list": "0,64",
                f"{CPU0}/cache/index1/level": "1",
                f"{CPU0}/cache/index1/type": "Instruction",
                f"{CPU0}/cache/index1/size": "32K",
                f"{CPU0}/cache/index3/level": "3",
                f"{CPU0}/cache/index3/type": "Unified",
                f"{CPU0}/cache/index3/size": "60M",
                f"{CPU0}/cache/index3/shared_cpu_list": "0-31,64-95",
                "sys/devices/system/node/online": "0-1",
            }
        )
    )
    assert (host.cpu, host.vendor, host.threads_per_core, host.numa_nodes) == ("Xeon", "Intel", 2, 2)
    assert host.isa == ("amx_int8", "avx2", "fma")
    assert host.governor == "powersave"
    assert host.caches == (Cache(1, 48 << 10, 2), Cache(3, 60 << 20, 64))
    assert not host.hypervisor


def test_a_system_that_tells_nothing_gives_nothing(tmp_path):
    host = read_host(tmp_path)
    assert host.cores >= 1
    assert (host.cpu, host.vendor, host.isa, host.caches) == ("", "", (), ())
    assert (
        host.quota is host.memory_limit is host.threads_per_core is host.numa_nodes is host.governor is None
    )


@pytest.mark.parametrize(
    ("files", "quota", "memory"),
    [
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, None, None),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5, None),
        (  # the group around it is the tighter one
            {
                "proc/self/cgroup": "0::/pod/inner",
                "sys/fs/cgroup/pod/inner/cpu.max": "400000 100000",
                "sys/fs/cgroup/pod/cpu.max": "200000 100000",
                "sys/fs/cgroup/pod/inner/memory.max": "1073741824",
                "sys/fs/cgroup/pod/memory.max": "max",
            },
            2.0,
            1 << 30,
        ),
        (  # the first version: a tree for each set of controllers
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/job\n2:memory:/job\n1:pids:/job",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "50000",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "9223372036854771712",
            },
            0.5,
            None,
        ),
    ],
)
def test_the_tightest_control_group_counts(tree, files, quota, memory):
    host = read_host(tree(files))
    assert (host.quota, host.memory_limit) == (quota, memory)


@pytest.mark.parametrize(("text", "numbers"), [("0", [0]), ("0-2,8", [0, 1, 2, 8]), ("1,3", [1, 3])])
def test_lists_of_the_kernel(text, numbers):
    assert members(text) == numbers
