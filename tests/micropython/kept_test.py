# What an application keeps of a pulled board's driver: each of it works or raises OSError(ENODEV), and never anything
# worse; once it is dropped, the memory is back.

import asyncio
import errno
import gc
import micropython
import os
import time
import check
import mpyd
import motherboard
from motherboard import memory, pages_of_code, wait_for_pages

ROOT = check.folder()
TIMES = 1000 if os.getenv("MPYD_TEST_FULL") else 100


def Motherboard(name):
    return motherboard.Motherboard(ROOT + "/" + name)


def works_or_raises_enodev(f, *args):
    """Whether it works."""
    try:
        f(*args)
        return True
    except OSError as e:
        assert e.errno == errno.ENODEV, e
        return False


def disturb(m, i):
    """Collects, and lets other code lie where the pulled driver's would have been."""
    if i % 8 == 0:
        gc.collect()
    if i % 50 == 0:
        m.load(1, "thermo_x64")
        m.unload(1)


def check_memory_is_back(try_it):
    """try_it() leaves nothing behind, from its second call on."""
    try_it()
    wait_for_pages(0)
    before = memory()
    try_it()
    wait_for_pages(0)
    assert mpyd.kept_modules() == (0, 0), mpyd.kept_modules()
    assert memory() <= before, (before, memory())


def test_a26_everything_kept_of_a_native_driver_works_or_raises():
    m = Motherboard("native")

    def load_and_keep():
        kept = m.load(0, "keepsake").keep()
        function, method, instance, iterator = kept
        assert function(21) == 42 and method() == instance.read() == next(iterator) == b"\x15\x80"
        m.unload(0)
        return kept

    def try_it():
        kept = load_and_keep()
        motherboard.scrub()
        gc.collect()
        modules, code_bytes = mpyd.kept_modules()
        assert modules == 1 and code_bytes > 500, (modules, code_bytes)
        for i in range(TIMES):
            disturb(m, i)
            function, method, instance, iterator = kept
            assert function(i) == 2 * i
            assert not works_or_raises_enodev(method)
            assert not works_or_raises_enodev(instance.read)
            assert not works_or_raises_enodev(next, iterator)
            assert not works_or_raises_enodev(lambda: [value for value in iterator])

    check_memory_is_back(try_it)
    m.agent.stop()


def test_a26_each_kind_alone_keeps_the_code():
    m = Motherboard("each")

    def load_and_keep(which):
        kept = m.load(0, "keepsake").keep()[which]
        m.unload(0)
        return kept

    def try_it(which):
        kept = load_and_keep(which)
        for i in range(TIMES // 4):
            disturb(m, i)
            assert pages_of_code() == 1
            if which == 0:
                assert kept(i) == 2 * i
            elif which == 3:
                assert not works_or_raises_enodev(next, kept)
            else:
                assert not works_or_raises_enodev(kept if which == 1 else kept.read)

    for which in range(4):
        check_memory_is_back(lambda: try_it(which))
    m.agent.stop()


def test_a26_a_timers_callback_works_or_raises():
    # The unix port has no machine.Timer: what one calls goes through micropython.schedule() on every port.
    m = Motherboard("timer")

    def load_and_keep():
        device = m.load(0, "watcher")
        callback = device.on_timer
        micropython.schedule(callback, None)
        time.sleep_ms(1)
        assert device.seen == 2
        m.unload(0)
        return callback

    def try_it():
        callback = load_and_keep()
        raised = []

        def on_timer(argument):
            raised.append(not works_or_raises_enodev(callback, argument))

        for i in range(TIMES):
            disturb(m, i)
            micropython.schedule(on_timer, None)
            time.sleep_ms(0)
        assert raised == [True] * TIMES
        micropython.schedule(callback, None)  # by itself: MicroPython prints the exception
        time.sleep_ms(1)
        for _ in range(16):
            micropython.schedule(id, None)  # MicroPython does not forget what it called before others took its place
            time.sleep_ms(0)

    check_memory_is_back(try_it)
    m.agent.stop()


def test_a26_a_drivers_task_ends_with_enodev():
    m = Motherboard("task")

    async def life(count):
        device = m.load(0, "watcher")
        tasks = [asyncio.create_task(device.watch()) for _ in range(count)]
        await asyncio.sleep_ms(0)
        await asyncio.sleep_ms(0)
        assert device.seen >= 2 * count
        m.unload(0)
        for task in tasks:
            try:
                await task
                raise AssertionError("it went on")
            except OSError as e:
                assert e.errno == errno.ENODEV

    def try_it():
        for _ in range(TIMES // 20):
            asyncio.run(life(20))
        asyncio.new_event_loop()

    check_memory_is_back(try_it)
    m.agent.stop()


def test_a26_code_that_is_kept_is_counted_and_tried_again():
    m = Motherboard("counted")
    kept = []

    def load_and_keep(image):
        device = m.load(0, image)
        kept.append(device.keep()[0] if image == "keepsake" else device.temperature)
        m.unload(0)

    wait_for_pages(0)
    load_and_keep("keepsake")
    load_and_keep("thermo_x64")
    memory()
    assert mpyd.kept_modules()[0] == 2, mpyd.kept_modules()
    kept.pop()
    wait_for_pages(1)
    memory()
    assert mpyd.kept_modules()[0] == 1, mpyd.kept_modules()
    # Loaded again it is another copy: the one that is kept stays what it was.
    load_and_keep("keepsake")
    memory()
    assert mpyd.kept_modules()[0] == 2 and kept[0](1) == kept[1](1) == 2
    kept.clear()
    wait_for_pages(0)
    memory()
    assert mpyd.kept_modules() == (0, 0)
    m.agent.stop()


check.run(globals())
