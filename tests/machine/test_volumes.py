"""A container's mounts show which folders are lost with it."""

from pathlib import Path

import pytest

from pse_repro.machine import volumes
from pse_repro.machine.volumes import lost_warning, lost_with_container, mount_option

NAMELESS = "c0ffee" * 10 + "abcd"
MOUNTINFO = "\n".join(
    [
        "100 90 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a,upperdir=/b",
        "101 100 0:51 / /proc rw,nosuid - proc proc rw",
        f"110 100 254:0 /docker/volumes/{NAMELESS}/_data /data rw,relatime - ext4 /dev/vda rw",
        "111 100 254:0 /docker/volumes/runs/_data /runs rw,relatime master:1 - ext4 /dev/vda rw",
        "112 100 254:0 /home/me/my\\040photos /my\\040photos rw,relatime - ext4 /dev/vda rw",
        "113 100 0:60 / /tmp rw,nosuid,nodev,noexec - tmpfs tmpfs rw",
        "114 113 254:0 /home/me /tmp/mine rw - ext4 /dev/vda rw",
        "a line cut short",
    ]
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(MOUNTINFO)
    (tmp_path / ".dockerenv").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "lost"),
    [
        ("/", True),
        ("/srv/runs", True),  # the container's own layer
        ("/data", True),  # a volume without a name
        ("/data/stl10_binary", True),
        ("/database", True),  # not below /data
        ("/runs/full", False),  # a named volume
        ("/my photos", False),  # a folder of the host
        ("/tmp/runs", True),
        ("/tmp/mine/runs", False),
    ],
)
def test_what_is_written_in_a_container_is_kept_or_lost(root: Path, path: str, lost: bool) -> None:
    assert lost_with_container(Path(path), root) == lost


def test_the_mount_on_top_counts(root: Path) -> None:
    over = f"{MOUNTINFO}\n120 100 254:0 /home/me /data rw - ext4 /dev/vda rw"
    (root / "proc/self/mountinfo").write_text(over)
    assert not lost_with_container(Path("/data"), root)


def test_nothing_is_lost_outside_of_containers(root: Path) -> None:
    (root / ".dockerenv").unlink()
    assert not lost_with_container(Path("/data"), root)


def test_a_container_that_does_not_tell_its_mounts(root: Path) -> None:
    (root / "proc/self/mountinfo").unlink()
    assert not lost_with_container(Path("/data"), root)


def test_the_warning_names_the_places_and_how_to_keep_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "lost_with_container", lambda place: place != Path("/kept"))
    assert lost_warning(Path("/kept")) == ""
    assert lost_warning(Path("/data"), Path("/kept"), Path("/runs")) == (
        "warning: files written to /data and /runs are lost with this container; to keep them: "
        'docker run --user "$(id -u):$(id -g)" -v DIR:/data -v DIR:/runs ..., with a DIR of your own'
    )


def test_a_mount_is_named_by_its_absolute_path() -> None:
    assert f"-v DIR:{Path.cwd()}/runs" in mount_option(Path("runs"))
