"""What control groups, affinity and the system leave, in made-up trees of both versions."""

import os

import pytest

from fastlr.machine import limits

V2, V1 = "0::/a/b\n", "5:memory:/other\n4:cpu,cpuacct:/a/b\n1:name=systemd:/\n0::/\n"


@pytest.mark.parametrize(("membership", "files", "expected"), [
    (V2, {"a/b/cpu.max": "300000 100000\n"}, 3),
    (V2, {"a/b/cpu.max": "150000 100000\n"}, 1),
    (V2, {"a/b/cpu.max": "1000 100000\n"}, 1),
    (V2, {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "200000 100000\n"}, 2),
    (V2, {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "200000 50000\n", "cpu.max": "300000 100000\n"}, 3),
    (V2, {"cpu.max": "200000 100000\n"}, 2),                                # a container's own group at the root
    ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
    ("0::/../beside\n", {"cpu.max": "200000 100000\n", "beside/cpu.max": "100000 100000\n"}, 2),
    (V2, {"a/b/cpu.max": "max 100000\n"}, None),
    (V2, {"c/cpu.max": "100000 100000\n"}, None),                           # somebody else's
    (V1, {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n"}, 2),
    (V1, {"cpu/a/cpu.cfs_quota_us": "250000\n", "cpu/a/cpu.cfs_period_us": "50000\n"}, 5),
    (V1, {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
    (V1, {"cpu/a/b/cpu.cfs_quota_us": "-1\n", "cpu/a/b/cpu.cfs_period_us": "100000\n"}, None),
    (V1, {"cpu/a/b/cpu.cfs_quota_us": "200000\n"}, None),
    (V1, {"memory/other/cpu.cfs_quota_us": "100000\n", "memory/other/cpu.cfs_period_us": "100000\n"}, None),
    (V1, {"cpu/other/cpu.cfs_quota_us": "100000\n", "cpu/other/cpu.cfs_period_us": "100000\n"}, None),
    (V1, {"unified/a/b/cpu.max": "200000 100000", "cpu/a/cpu.cfs_quota_us": "300000",
          "cpu/a/cpu.cfs_period_us": "100000"}, 2),                         # both at once
    *((V2, {"a/b/cpu.max": text, "cpu.max": "200000 100000"}, 2) for text in (
        "", "\n", "max", "100000", "1 2 3", "100000 0", "0 100000", "-5 100000", "1e5 1e5", "nan 1", "\0", "9" * 5000 + " 1",
        "9" * 4000 + " 1")),
    ("", {"cpu.max": "200000 100000"}, None),
    ("\nnonsense\n0:\n", {"cpu.max": "200000 100000"}, 2),
    ("0::/a\0b\n0::/" + "x" * 5000 + "\n0::/\udc80\n", {"cpu.max": "200000 100000"}, 2),
])
def test_quota(tmp_path, monkeypatch, membership, files, expected):
    (tmp_path / "self").write_text(membership, errors="surrogateescape")
    for name, text in files.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    monkeypatch.setattr(limits, "TREE", tmp_path / "tree")
    monkeypatch.setattr(limits, "MEMBERSHIP", tmp_path / "self")
    assert limits.quota.__wrapped__() == expected


def test_no_quota_without_control_groups(tmp_path, monkeypatch):
    (tmp_path / "garbage").write_bytes(bytes(range(256)))
    for name in ("missing", "garbage"):
        monkeypatch.setattr(limits, "MEMBERSHIP", tmp_path / name)
        assert limits.quota.__wrapped__() is None


def test_the_smaller_of_quota_and_affinity_counts(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for granted, expected in ((None, 8), (3, 3), (9, 8)):
        monkeypatch.setattr(limits, "quota", lambda granted=granted: granted)
        assert limits.processors() == expected


MEMINFO = "MemTotal:       2000 kB\nMemFree:         100 kB\nMemAvailable:   1000 kB\n"
STAT = "anon 5\nactive_file 1000\ninactive_file 2000\ntotal_active_file 500\ntotal_inactive_file 100\nworkingset_file 7\n"


@pytest.mark.parametrize(("membership", "files", "expected"), [
    ("0::/a\n", {}, 1_024_000),
    ("0::/a\n", {"a/memory.max": "900000", "a/memory.current": "500000", "a/memory.stat": STAT}, 403_000),
    ("0::/a\n", {"a/memory.max": "max", "a/memory.current": "500000", "a/memory.stat": STAT}, 1_024_000),
    ("0::/a\n", {"memory.max": "600000", "memory.current": "500000", "memory.stat": STAT}, 103_000),
    ("4:memory:/a\n", {"memory/a/memory.limit_in_bytes": "600000", "memory/a/memory.usage_in_bytes": "500000",
                       "memory/a/memory.stat": STAT}, 100_600),
    ("4:cpu:/a\n", {"memory/a/memory.limit_in_bytes": "600000", "memory/a/memory.usage_in_bytes": "500000",
                    "memory/a/memory.stat": STAT}, 1_024_000),
    ("0::/a\n", {"a/memory.max": "400000", "a/memory.current": "500000", "a/memory.stat": STAT}, 0),
])
def test_available_memory(tmp_path, monkeypatch, membership, files, expected):
    (tmp_path / "self").write_text(membership)
    (tmp_path / "meminfo").write_text(MEMINFO)
    for name, text in files.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    for name, place in (("TREE", "tree"), ("MEMBERSHIP", "self"), ("MEMINFO", "meminfo")):
        monkeypatch.setattr(limits, name, tmp_path / place)
    assert limits.available_memory() == expected
