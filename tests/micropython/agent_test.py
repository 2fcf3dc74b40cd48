# The agent in MicroPython against a live server. run_with_server.py starts one and publishes the drivers.
# Argument 2: a folder with `identity` and an EEPROM image NAME.eep for each driver.

import asyncio
import errno
import gc
import os
import sys
import check
import mpyd
import motherboard
from motherboard import GIVEN, memory, pages_of_code, wait_for_pages
from mpyd.store import FileStore

ROOT = check.folder()
CYCLES = 10000 if os.getenv("MPYD_TEST_FULL") else 200
THERMOS = ("thermo_x64", "thermo_any")  # one hardware ID each


def Motherboard(name, **options):
    return motherboard.Motherboard(ROOT + "/" + name, **options)


# --- a driver's life ---


def test_a_board_is_loaded_works_and_goes():
    for image in THERMOS:
        m = Motherboard("life_" + image)
        slot = m.agent.slots[1]
        assert slot.state == "empty" and slot.device is None and slot.board is None and slot.error is None
        device = m.load(1, image)
        assert slot.state == "running" and slot.device is device and slot.error is None
        assert device.temperature() == 21500
        assert m.agent.find(slot.board.hardware_id) is device
        assert m.agent.find("hat:Nobody:0001") is None
        m.unload(1)
        assert slot.state == "empty" and slot.device is None and slot.board is None
        m.agent.stop()


def test_the_loaded_event_tells_driver_version_and_abi():
    m = Motherboard("loaded_event")
    m.plug(0, "thermo_x64")
    event = m.wait("loaded")
    assert event.slot == 0 and event.error is None
    assert event.detail == "thermo 1.0.0 (6.3-x64)", event.detail
    assert str(event) == "slot 0  loaded thermo 1.0.0 (6.3-x64) in {} ms".format(event.duration_ms)
    m.agent.stop()


def test_two_boards_share_code_but_not_state():
    for image in THERMOS:
        m = Motherboard("two_" + image)
        first = m.load(0, image)
        mapped = pages_of_code()
        second = m.load(2, image)
        assert pages_of_code() == mapped
        first.limits(low=1000)
        assert first.limits() == (1000, 80000) and second.limits() == (75000, 80000)
        assert len(m.agent.find_all(m.agent.slots[0].board.hardware_id)) == 2
        m.unload(0)
        assert second.temperature() == 21500
        m.agent.stop()


def test_stop_detaches_while_the_hardware_is_there():
    m = Motherboard("stop")
    device = m.load(0, "thermo_x64")
    assert "01: 60" in m.registers(0)
    m.agent.stop()
    assert "01: 61" in m.registers(0)
    check.raises(errno.ENODEV, lambda: device.temperature)
    m.agent.stop()  # once more is harmless


def test_run_polls_until_stopped():
    m = Motherboard("run")
    m.plug(0, "thermo_x64")

    async def main():
        task = asyncio.create_task(m.agent.run())
        while m.agent.slots[0].device is None:
            await asyncio.sleep_ms(1)
        temperature = m.agent.slots[0].device.temperature()
        m.agent.stop()
        await task
        return temperature

    assert asyncio.run(asyncio.wait_for(main(), 10)) == 21500


# --- what the application may hold on to ---


def test_a_handle_raises_enodev_after_removal():
    for image in THERMOS:
        m = Motherboard("handle_" + image)
        device = m.load(0, image)
        m.unload(0)
        check.raises(errno.ENODEV, lambda: device.temperature)
        check.raises(errno.ENODEV, lambda: device())
        check.raises(errno.ENODEV, lambda: device[0])
        check.raises(errno.ENODEV, lambda: iter(device))
        check.raises(errno.ENODEV, setattr, device, "x", 1)
        assert repr(device) == "<device removed>"
        again = m.load(0, image)
        check.raises(errno.ENODEV, lambda: device.temperature)
        assert again.temperature() == 21500
        m.agent.stop()


def test_a_handle_passes_everything_on():
    m = Motherboard("forward")
    device = m.load(2, "curious")
    assert len(device) == 6 and device[1] == 2 and list(device)[1] == 2
    assert device("ab", times=2) == "abab"
    device.colour = "red"
    assert device.colour == "red"
    try:
        device.size
        raise AssertionError("no AttributeError")
    except AttributeError:
        pass
    m.agent.stop()


def test_a_method_held_after_removal_raises_enodev_and_nothing_worse():
    for image in THERMOS:
        m = Motherboard("method_" + image)
        device = m.load(0, image)
        temperature, limits = device.temperature, device.limits
        m.unload(0)
        for _ in range(20):
            gc.collect()
            check.raises(errno.ENODEV, temperature)
            check.raises(errno.ENODEV, limits, low=1000)
            m.load(0, image)
            m.unload(0)
        m.agent.stop()
        m.agent = None
        gc.collect()
        check.raises(errno.ENODEV, temperature)


def test_code_goes_with_the_last_thing_that_points_into_it():
    m = Motherboard("last")
    held = []

    # In functions of their own: what a running function's frame held stays on the stack.
    def load_and_unload():
        held.append(m.load(0, "thermo_x64").temperature)
        assert pages_of_code() == 1
        m.unload(0)

    wait_for_pages(0)
    def call():
        check.raises(errno.ENODEV, held[0])

    wait_for_pages(0)
    load_and_unload()
    memory()
    assert pages_of_code() == 1
    call()
    held.clear()
    wait_for_pages(0)
    m.agent.stop()


def test_closures_and_generators_of_native_python_outlive_their_driver():
    m = Motherboard("native_python")
    device = m.load(0, "python_native")
    numbers, add, count = device.numbers(), device.adder(5), device.next
    assert (next(numbers), next(numbers), add(1), count()) == (1, 2, 6, 3)
    m.unload(0)
    for _ in range(10):
        gc.collect()
        m.load(0, "thermo_x64")
        m.unload(0)
    assert (next(numbers), add(1), count()) == (0, 6, 1)  # detach() had set the count to -1
    m.agent.stop()


def test_an_agent_that_is_dropped_takes_its_drivers_along():
    m = Motherboard("dropped")
    held = []

    # In a function of its own: what a running function's frame held stays on the stack.
    def load_and_drop():
        held.append(m.load(0, "thermo_x64").temperature)
        m.agent = None
        memory()
        assert held[0]() == 21500

    wait_for_pages(0)
    load_and_drop()
    assert pages_of_code() == 1
    held.clear()
    wait_for_pages(0)


# --- what a driver sees and may do ---


def test_a_driver_gets_its_board():
    m = Motherboard("board")
    device = m.load(2, "curious")
    address, slot, hardware_id, revision, serial, config = device
    assert (address, slot) == (0x50, 2)
    assert hardware_id == m.agent.slots[2].hardware_id
    assert revision == 3 and len(serial) == 16 and config == b"a configuration", (revision, serial, config)
    check.raises(errno.EPERM, device.write_identity)
    m.agent.stop()


def test_what_a_driver_logs_is_an_event():
    m = Motherboard("log")
    m.plug(2, "curious")
    event = m.wait("log")
    assert event.slot == 2 and event.detail == "attached to slot 2"
    m.agent.stop()


# --- what cannot happen to the application ---


def test_drivers_are_no_modules_of_the_application():
    m = Motherboard("modules")
    before = sorted(sys.modules)
    m.load(0, "os")
    m.load(1, "check")
    m.load(2, "thermo_x64")
    assert sorted(sys.modules) == before
    import os as os_again
    import check as check_again

    assert os_again is os and check_again is check
    assert not hasattr(os, "HIJACKED") and not hasattr(check, "HIJACKED")
    assert os.listdir(m.bus + "/slot0") != ["hijacked"]
    try:
        import thermo

        raise AssertionError("the driver can be imported")
    except ImportError:
        pass
    m.agent.stop()


def test_a_driver_that_raises_is_refused_with_its_words():
    for image, where in (("raises_attach", "attach"), ("body_raises", "load")):
        m = Motherboard("raises_" + image)
        m.plug(0, image)
        event = m.wait("refused")
        slot = m.agent.slots[0]
        assert event.error == slot.error.name == "driver_error"
        assert event.detail == str(slot.error) and "in {}: ".format(where) in event.detail, event.detail
        assert slot.state == "refused" and slot.device is None and slot.board is None
        m.unload(0)
        m.load(0, "thermo_x64")
        m.agent.stop()


def test_a_driver_that_raises_in_detach_is_reported():
    m = Motherboard("raises_detach")
    m.load(0, "raises_detach")
    m.pull(0)
    event = m.wait("driver_error", 0)
    assert "in detach: ValueError('raised on purpose'" in event.detail, event.detail
    m.agent.stop()


def test_a_driver_that_does_not_fit_is_refused_for_memory():
    m = Motherboard("hungry")
    m.plug(0, "hungry")
    event = m.wait("refused")
    assert event.error == "memory", event.error
    m.unload(0)
    assert m.load(0, "thermo_x64").temperature() == 21500
    m.agent.stop()


def test_a_driver_cannot_enter_the_agent_that_called_it():
    m = Motherboard("reentry")
    device = m.load(2, "curious")
    device.poll_from_detach = m.agent.poll
    m.pull(2)
    assert "RuntimeError" in m.wait("driver_error").detail
    m.agent.stop()


def test_a_module_without_attach_is_refused():
    m = Motherboard("no_attach")
    m.plug(0, "no_attach")
    assert m.wait("refused").error == "load_error"
    m.agent.stop()


def test_a_listener_that_raises_disturbs_nobody():
    m = Motherboard("listener")

    def broken(event):
        raise ValueError("raised on purpose, by a listener")

    m.agent.on("loaded", broken)
    assert m.load(0, "thermo_x64").temperature() == 21500
    m.agent.stop()


def test_a_listener_may_stop_the_agent():
    m = Motherboard("stopping")
    m.agent.on("loaded", lambda event: m.agent.stop())
    m.plug(0, "thermo_x64")
    m.wait("loaded")
    assert not m.agent.is_running and m.agent.slots[0].device is None


def test_the_watchdog_is_fed():
    class Watchdog:
        fed = 0

        def feed(self):
            self.fed += 1

    watchdog = Watchdog()
    m = Motherboard("watchdog", watchdog=watchdog)
    m.load(0, "thermo_x64")
    assert watchdog.fed > 10
    m.agent.stop()


# --- pass 2 ---


class SpoiledStore(FileStore):
    """A cache whose packages go bad once they have been verified."""

    spoil = None  # a function of (offset, buffer, bytes read) -> bytes read

    def read(self, name, offset, buffer):
        count = super().read(name, offset, buffer)
        if self.spoil and name.startswith("p-"):
            return self.spoil(offset, buffer, count)
        return count


def spoil_after(chunks):
    """Flips a bit of the chunk that is read after so many good ones."""
    state = [chunks]

    def spoil(offset, buffer, count):
        state[0] -= 1
        if state[0] < 0:
            buffer[count // 2] ^= 1
        return count

    return spoil


def cut_at(chunks):
    state = [chunks]

    def cut(offset, buffer, count):
        state[0] -= 1
        return count if state[0] >= 0 else count // 2

    return cut


def test_a_chunk_that_goes_bad_before_pass_2_stops_the_loader():
    for image in ("thermo_x64", "python_native", "thermo_any"):
        m = Motherboard("bad_" + image)
        store = SpoiledStore(m.bus + "/spoiled")
        m.agent.stop()
        m.options["store"] = store
        m.start()
        wait_for_pages(0)
        used = []
        chunks = 3 if image == "thermo_any" else 5
        for spoil, error in ((spoil_after, "bad_digest"), (cut_at, "truncated")):
            for round in range(3):
                for good_chunks in range(chunks):
                    store.spoil = spoil(good_chunks)
                    m.plug(0, image)
                    event = m.wait("refused")
                    assert event.error == error, (image, good_chunks, event.error)
                    m.unload(0)
                used.append(memory())
                assert pages_of_code() == 0
        assert max(used[1:]) - min(used[1:]) < 512, used
        store.spoil = None
        device = m.load(0, image)
        assert device.next() == 1 if image == "python_native" else device.temperature() == 21500
        m.agent.stop()


def test_a_driver_with_bytes_after_its_end_does_not_run():
    m = Motherboard("trailing")
    m.plug(0, "trailing")
    assert m.wait("refused").error == "load_error"
    assert "01: 00" in m.registers(0)  # untouched
    m.agent.stop()


# --- memory ---


def test_plugging_and_unplugging_leaves_nothing_behind():
    for image, cycles in (("thermo_x64", CYCLES), ("thermo_any", 200), ("python_native", 200)):
        m = Motherboard("cycles_" + image)

        def cycle(count):
            for _ in range(count):
                device = m.load(0, image)
                device = None
                m.unload(0)
                m.events.clear()

        cycle(10)
        after_10, mapped = memory(), pages_of_code()
        cycle(cycles)
        after_all = memory()
        assert pages_of_code() == mapped
        assert after_all == after_10, (image, after_10, after_all)
        m.agent.stop()


check.run(globals())
