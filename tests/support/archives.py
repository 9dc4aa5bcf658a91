"""Archives that the kit would never make, of members that an attacker chooses, and folders' contents to compare."""

import hashlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pse_repro.study.archive import SUMS

FORMATS = pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".zip"])


@dataclass(frozen=True)
class Member:
    """A member of an archive; `kind` is a tar type, or a mode of a ZIP by the same name."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    link: str = ""


def members_of(files: Mapping[str, bytes]) -> list[Member]:
    return [Member(name, content) for name, content in files.items()]


def summed(files: Mapping[str, bytes], top: str = "x") -> dict[str, bytes]:
    """Return the files in a folder, with their checksums."""
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return {f"{top}/{name}": content for name, content in {**files, SUMS: sums.encode()}.items()}


def packed(suffix: str, members: Iterable[Member]) -> bytes:
    """Return an archive with these members, which the kit would never make."""
    buffer = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                info = zipfile.ZipInfo(member.name)
                kind = stat.S_IFREG if member.kind == tarfile.REGTYPE else stat.S_IFLNK
                info.external_attr = (kind | 0o644) << 16
                archive.writestr(info, member.content, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            header = tarfile.TarInfo(member.name)
            header.type, header.linkname = member.kind, member.link
            header.size = len(member.content) if header.isreg() else 0
            tar.addfile(header, io.BytesIO(member.content))
    return buffer.getvalue()


def contents(directory: Path) -> dict[str, bytes]:
    """Return the contents of all files in a folder by their relative paths."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}
