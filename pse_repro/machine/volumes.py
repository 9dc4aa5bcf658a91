"""What of a container's folders is gone when the container is.

Source of the format: proc_pid_mountinfo(5).
"""

import re
from pathlib import Path

from pse_repro.machine.system import read_container, text_of

_IN_MEMORY_OR_LAYER = ("overlay", "fuse-overlayfs", "tmpfs")  # the container's own layer, or --tmpfs
_NAMELESS = re.compile(r"/volumes/[0-9a-f]{64}(/|$)")  # of docker and podman, for a VOLUME that nothing is mounted on


def lost_with_container(path: Path, root: Path = Path("/")) -> bool:
    """Whether what is written to `path` goes with this container (False outside of containers)."""
    if not read_container(root):
        return False
    kind, source = _mount(path.absolute(), text_of(root / "proc/self/mountinfo"))
    return kind in _IN_MEMORY_OR_LAYER or _NAMELESS.search(source) is not None


def lost_warning(*places: Path) -> str:
    """One line on those of `places` that go with this container and how to keep them; empty where none does."""
    lost = [place.absolute() for place in places if lost_with_container(place)]
    if not lost:
        return ""
    names = " and ".join(map(str, lost))
    return f"warning: what is written to {names} is lost with this container; to keep it: {mount_option(*lost)}"


def mount_option(*places: Path) -> str:
    """What the engine must be told so that these folders are the host's, and this user's."""
    mounts = " ".join(f"-v DIR:{place.absolute()}" for place in places)
    return f'docker run --user "$(id -u):$(id -g)" {mounts} ..., with a DIR of your own'


def _mount(path: Path, mountinfo: str) -> tuple[str, str]:
    """(type of the file system, the place in it that is mounted) of the mount that `path` lies on; empty: unknown."""
    found, nearest = ("", ""), Path()
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]))
        if path.is_relative_to(point) and (not found[0] or point.is_relative_to(nearest)):  # the last one lies on top
            found, nearest = (kinds[0], fields[3]), point
    return found
