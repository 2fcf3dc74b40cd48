# The core's storage on a file system whose rename() replaces atomically (littlefs, POSIX; not FAT).

import _mpyd
import errno
import os

# Not in any name the core uses, so never listed: a file half written.
_TEMPORARY = "/~"


def _make_folders(path):
    at = path.find("/", 1)
    while True:
        try:
            os.mkdir(path if at < 0 else path[:at])
        except OSError as e:
            if e.errno != errno.EEXIST:
                raise
        if at < 0:
            return
        at = path.find("/", at + 1)


class FileStore:
    def __init__(self, folder):
        self._folder = folder.rstrip("/")
        _make_folders(self._folder)
        if hasattr(_mpyd, "make_private"):
            _mpyd.make_private(self._folder)  # keys lie in it
        self._pending = None  # (name, file) between begin() and commit()
        self._reading = None  # (name, file): a package is read in many pieces

    def _path(self, name):
        return self._folder + "/" + name

    def _forget(self, name):
        if self._reading and self._reading[0] == name:
            self._reading[1].close()
            self._reading = None

    def size(self, name):
        return os.stat(self._path(name))[6]

    def read(self, name, offset, buffer):
        if not self._reading or self._reading[0] != name:
            if self._reading:
                self._forget(self._reading[0])
            self._reading = name, open(self._path(name), "rb")
        f = self._reading[1]
        f.seek(offset)
        return f.readinto(buffer)

    def write(self, name, data):
        with open(self._folder + _TEMPORARY + "write", "wb") as f:
            f.write(data)
            f.flush()
        self._replace(name, "write")

    def begin(self, name):
        self.abort()
        self._pending = name, open(self._folder + _TEMPORARY + "begin", "wb")

    def append(self, data):
        self._pending[1].write(data)

    def commit(self):
        name, f = self._pending
        self._pending = None
        f.flush()
        f.close()
        self._replace(name, "begin")

    def abort(self):
        if self._pending:
            self._pending[1].close()
            self._pending = None
            os.remove(self._folder + _TEMPORARY + "begin")

    def _replace(self, name, temporary):
        self._forget(name)
        os.rename(self._folder + _TEMPORARY + temporary, self._path(name))

    def remove(self, name):
        self._forget(name)
        try:
            os.remove(self._path(name))
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise

    def find(self, prefix, n):
        names = sorted(e[0] for e in os.ilistdir(self._folder) if e[0].startswith(prefix) and e[0][0] != "~")
        return names[n] if n < len(names) else None


# What the core keeps, in the order in which it may go: what lets anything run first, so that a power
# cut on the way leaves less, never something that counts again. Other files in the folder stay.
_KEPT = ("k-", "f-", "a-", "e-", "l-", "p-"), ("head", "root", "trials", "time", "counter", "server", "revoked")


def factory_reset(cache="/mpyd/cache", keep_key=True):
    """Forgets everything an agent keeps in `cache`: trust, policy, keys, packages, quarantine. No agent may be running.

    The device's own key stays, so that the server knows it again. keep_key=False: it goes, too; for passing a
    motherboard on. It enrols as another device then, if its identity lets it.
    """
    cache = cache.rstrip("/")
    prefixes, names = _KEPT
    found = [e[0] for e in os.ilistdir(cache)]
    doomed = [n for p in prefixes for n in found if n.startswith(p)]
    doomed += [n for n in found if n in ("~write", "~begin")]
    doomed += [n for n in names if n in found]
    if not keep_key and "device" in found:
        doomed.append("device")
    for name in doomed:
        os.remove(cache + "/" + name)
