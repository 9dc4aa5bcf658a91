"""Archives of hostile members, and files that only look like archives."""

import gzip
import tarfile

from pse_repro.study.archive import SUMS
from tests.support.archives import Member, members_of, summed
from tests.support.hostile_places import SECRET


def _of_run(files: dict[str, bytes]) -> list[Member]:
    return members_of(summed(files, "run"))


def hostile_members(good: dict[str, bytes]) -> dict[str, list[Member]]:
    """Return the members of hostile archives, made of the files of a good one."""
    whole = _of_run(good)
    found = {
        f"a member {name[:40]!r}": [*whole, Member(name, SECRET)]
        for name in (
            "/etc/evil", "../evil", "run/../../evil", "run/./evil", "run//evil", "run/a\nb", "run\\evil", "C:/evil",
            "run/" + "a" * 300, "/".join(["run", *"a" * 3000]), "run/\x1b[31m", "run/\u202egpj.exe",
            "run/a\0b", "..", ".",
        )
    }  # fmt: skip
    kinds = {
        "a symbolic link": tarfile.SYMTYPE, "a hard link": tarfile.LNKTYPE, "a device": tarfile.CHRTYPE,
        "a block device": tarfile.BLKTYPE, "a named pipe": tarfile.FIFOTYPE,
    }  # fmt: skip
    for name, kind in kinds.items():
        found[name] = [Member("run/figures/a.svg", b"/etc/passwd", kind, "/etc/passwd"), *whole]
    found["a link to a folder, and a file in it"] = [Member("run/x", b"/tmp", tarfile.SYMTYPE, "/tmp"),
                                                     Member("run/x/evil", SECRET), *whole]  # fmt: skip
    found["a member twice"] = [*whole, whole[0]]
    found["a file for a folder"] = [*whole, Member("run/run.json/a", SECRET)]
    found["a folder for a file"] = [Member("run/run.json/a", SECRET), *whole]
    found["200,000 members"] = [*whole, *(Member(f"run/a{number}") for number in range(200_000))]
    found["no sums"] = whole[:-1]
    found["sums of another run"] = [*whole[:-1], Member(f"run/{SUMS}", b"0" * 64 + b"  run.json\n")]
    found["sums that are binary"] = [*whole[:-1], Member(f"run/{SUMS}", bytes(range(256)) * 9)]
    found["empty sums"] = [*whole[:-1], Member(f"run/{SUMS}")]
    found["a file without its sum"] = [*whole, Member("run/more.csv", SECRET)]
    found["an altered file"] = [Member(whole[0].name, whole[0].content + b" "), *whole[1:]]
    found["a missing file"] = whole[1:]
    found["two folders"] = [*whole, Member("other/run.json", b"{}")]
    found["no folder"] = [Member(name, content) for name, content in good.items()]
    found["nothing"] = []
    found["a large file"] = [*whole, Member("run/large", bytes(200_000_000))]
    found["a record of others"] = _of_run(good | {"run.json": b'{"study": {}}'})
    found["a record that is a list"] = _of_run(good | {"run.json": b"[]"})
    found["a manifest of others"] = _of_run(good | {"manifest.jsonl": b"{}\n"})
    found["a manifest of deep lists"] = _of_run(good | {"manifest.jsonl": b"[" * 100_000})
    found["altered results with a fitting sum"] = _of_run(
        good | {"results.csv": good["results.csv"].replace(b"1", b"2")}
    )
    outside = b'{"name": "../../elsewhere/file.txt", "length": 1, "sha256": "0", "adopted": true}\n'
    found["a manifest that names a path outside"] = _of_run(good | {"manifest.jsonl": good["manifest.jsonl"] + outside})
    return found


def raw_archives() -> dict[str, bytes]:
    """Return the contents of files that only look like archives, and of headers that claim too much."""
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    pax = tarfile.TarInfo("run/run.json")
    pax.pax_headers = {"comment": "a" * 50_000_000}
    sparse = tarfile.TarInfo("run/run.json")
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**50)}
    size = tarfile.TarInfo("run/run.json")
    size.pax_headers = {"size": "-1"}
    headers = {"a long name": long.tobuf(tarfile.GNU_FORMAT) + bytes(40_000_000)}
    headers |= {
        name: info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)
        for name, info in {"a pax bomb": pax, "a sparse pax header": sparse, "a negative pax size": size}.items()
    }
    return {name: gzip.compress(content, 1) for name, content in headers.items()} | {
        "empty": b"",
        "a gzip of nothing": gzip.compress(b""),
        "a gzip bomb": gzip.compress(gzip.compress(bytes(300_000_000), 1), 1),
        "the first bytes of a ZIP": b"PK\x03\x04",
        "the first bytes of a gzip": b"\x1f\x8b",
        "a ZIP without members": b"PK\x05\x06" + bytes(18),
        "a page": b"<html>",
    }
