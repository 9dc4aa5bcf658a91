"""STL-10 from its archive: a resumable download, verified by MD5, safely extracted."""
