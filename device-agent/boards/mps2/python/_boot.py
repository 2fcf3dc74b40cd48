# Before anything else: the file system on the motherboard's flash. Only a chip that was never used is formatted: what
# is on another one are keys, and what must not go back.
import vfs
import _mps2


def is_blank(flash):
    block = bytearray(4096)
    for i in range(2):
        flash.readblocks(i, block)
        if block != b"\xff" * len(block):
            return False
    return True


flash = _mps2.Flash("flash.img")
if is_blank(flash):
    vfs.VfsLfs2.mkfs(flash)
vfs.mount(vfs.VfsLfs2(flash), "/")
