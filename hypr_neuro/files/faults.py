"""What helps when the operating system does not let a file be read or written."""

from __future__ import annotations

import errno

REMEDIES = {
    errno.ENOSPC: "make room there, or choose a folder on another disk",
    errno.EDQUOT: "remove files of yours on that disk, or choose a folder on another one",
    errno.EROFS: "choose a folder on another file system",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or write less",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "choose a folder that exists",
    errno.ENOTDIR: "a part of the path is a file and no folder: choose another path",
    errno.EEXIST: "a file of this name is there: choose another name",
    errno.EACCES: "choose a place that you may read and write",
    errno.EPERM: "choose a place that you may read and write",
    errno.ELOOP: "links lead in a circle: choose another path",
    errno.EMFILE: "close some, or raise the limit of open files (ulimit -n)",
    errno.EIO: "the disk fails: choose a folder on another one",
}


def told(error: OSError) -> str:
    """Return "what is wrong; what helps" of an error of the operating system."""
    remedy = REMEDIES.get(error.errno or 0, "choose a place that can be written")
    return f"{error.strerror or error}; {remedy}"
