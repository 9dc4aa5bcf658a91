"""Folders whose contents are lost when the container is removed.

Source of the format: proc_pid_mountinfo(5).
"""

import re
from pathlib import Path

from pse_repro.machine.system import read_container, text_of

_IN_MEMORY_OR_LAYER = ("overlay", "fuse-overlayfs", "tmpfs")  # the container's own layer, or --tmpfs
_ANONYMOUS = re.compile(r"/volumes/[0-9a-f]{64}(/|$)")  # made by docker and podman for a VOLUME that is not mounted


def lost_with_container(path: Path, root: Path = Path("/")) -> bool:
    """Return True if files written to `path` are lost with this container (False outside of containers)."""
    if not read_container(root):
        return False
    kind, source = _mount(path.absolute(), text_of(root / "proc/self/mountinfo"))
    return kind in _IN_MEMORY_OR_LAYER or _ANONYMOUS.search(source) is not None


def lost_warning(*places: Path) -> str:
    """Return a warning about the places that are lost with this container and how to keep them; empty if none is."""
    lost = [place.absolute() for place in places if lost_with_container(place)]
    if not lost:
        return ""
    names = " and ".join(map(str, lost))
    return f"warning: files written to {names} are lost with this container; to keep them: {mount_option(*lost)}"


def mount_option(*places: Path) -> str:
    """Return the options of `docker run` that mount these folders from the host, for this user."""
    mounts = " ".join(f"-v DIR:{place.absolute()}" for place in places)
    return f'docker run --user "$(id -u):$(id -g)" {mounts} ..., with a DIR of your own'


def _mount(path: Path, mountinfo: str) -> tuple[str, str]:
    """Return (type of the file system, mounted path in it) of the mount that contains `path`; empty if unknown."""
    found, nearest = ("", ""), Path()
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]))
        if path.is_relative_to(point) and (not found[0] or point.is_relative_to(nearest)):  # later mounts hide earlier
            found, nearest = (kinds[0], fields[3]), point
    return found
