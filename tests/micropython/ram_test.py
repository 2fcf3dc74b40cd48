# How much memory a load takes at its height beyond what the loaded driver keeps; in build/micropython-unix-test. The
# agent's own buffer for one chunk is there from the start and comes on top.

import errno
import check
import motherboard
import mpyd
import mpyd_test

ROOT = check.folder()
CHUNK = 2048
BUDGET = CHUNK + 4096


class Bus:
    """A 24C512 at 0x50, which takes no memory of its own."""

    image = None
    counter = 0

    def _check(self, address):
        if self.image is None or address != 0x50:
            raise OSError(errno.ENODEV)

    def readfrom_into(self, address, buffer):
        self._check(address)
        for i in range(len(buffer)):
            buffer[i] = self.image[self.counter] if self.counter < len(self.image) else 0xFF
            self.counter = (self.counter + 1) % 65536

    def readfrom_mem_into(self, address, memaddr, buffer, *, addrsize=8):
        self._check(address)
        if addrsize == 16:  # else half an address, which changes nothing
            self.counter = memaddr
        self.readfrom_into(address, buffer)


class Motherboard(motherboard.Motherboard):
    def __init__(self, folder):
        self.eeprom = Bus()
        super().__init__(folder, muxes=[])

    def make_bus(self):
        return self.eeprom

    def plug(self, image):
        self.eeprom.image = check.read(motherboard.GIVEN + "/" + image + ".eep")
        self.wait("chosen")

    def pull(self):
        self.eeprom.image = None
        self.wait("removed")


def measure(m, image, origin):
    """Prints and checks what a load takes. The package is in the cache or on the board."""
    slot = m.agent.slots[0]
    m.plug(image)
    before = mpyd_test.used() + mpyd_test.mapped()
    mpyd_test.watch_peak()
    while slot.state != "running":
        m.agent.poll()
        assert slot.error is None, str(slot.error)
    peak = mpyd_test.peak()
    after = mpyd_test.used() + mpyd_test.mapped()
    beyond = peak - after + CHUNK
    told = "         {} from {}: {} bytes loaded, {} beyond that at the height"
    print(told.format(image, origin, after - before, beyond))
    assert after - before > 50000, "the driver is not there"
    assert beyond <= BUDGET, (beyond, BUDGET)


def test_a_load_from_network_and_cache_takes_one_chunk_and_4_kib_beyond_the_driver():
    for image in ("big_x64", "big_any"):
        m = Motherboard(ROOT + "/" + image)
        measure(m, image, "the network")
        m.pull()
        measure(m, image, "the cache")
        m.agent.stop()


def test_a_load_from_the_eeprom_takes_one_chunk_and_4_kib_beyond_the_driver():
    for image in ("big_x64_on_board", "big_any_on_board"):
        m = Motherboard(ROOT + "/" + image)
        measure(m, image, "the EEPROM")
        m.agent.stop()


check.run(globals())
