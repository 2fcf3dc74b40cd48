#!/usr/bin/python3
"""kill -9 at random moments while releases are published: nothing acknowledged is lost, nothing is half there."""

import os
import random
import shutil
import time
import unittest

from publishing import Publisher, assert_served_whole, delegate_all
from support import live

KILLS = 200 if os.environ.get("MPYD_TEST_FULL") else 20
PUBLISHERS = 2


class Killed(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)

    def test_a_server_killed_at_random_moments_starts_by_itself_with_all_it_acknowledged(self):
        seed = int(os.environ.get("MPYD_TEST_SEED", random.randrange(1 << 30)))
        chance = random.Random(seed)
        delegate_all(self.server, PUBLISHERS)
        acknowledged = {}
        releases = [1] * PUBLISHERS
        for kill in range(KILLS):
            publishers = [Publisher(self.server, n, self.folder, releases[n]) for n in range(PUBLISHERS)]
            for publisher in publishers:
                publisher.start()
            # Within an upload, most of the time: between its first byte and a little after its answer.
            for _ in range(chance.randrange(1, 4)):
                publishers[0].sending.clear()
                publishers[0].sending.wait(20)
            time.sleep(chance.uniform(0, 0.03))
            self.server.kill()
            for publisher in publishers:
                publisher.stop()
                acknowledged.setdefault(publisher.hardware_id, {}).update(publisher.acknowledged)
            try:
                self.server.start()
                listed = assert_served_whole(self, self.server, acknowledged)
                self.server.admin("audit", "verify")
            except AssertionError as failure:
                raise AssertionError(f"after kill {kill}, MPYD_TEST_SEED={seed}: {failure}") from None
            # What was not acknowledged may be there all the same: the next number is above it.
            releases = [1 + len(listed.get(p.hardware_id, {})) for p in publishers]
        self.assertGreaterEqual(sum(map(len, acknowledged.values())), KILLS // 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
