"""The servers' clock: a file that libfaketime reads at every look at the time."""

import datetime
import glob
import os


def stamp(at):
    """Seconds since the epoch as libfaketime reads them, always 26 bytes."""
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")


class Clock:
    """The clock as a file; it never goes back."""

    def __init__(self, path):
        self.path = path
        self.now = 0.0
        self.timers = False
        self.file = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)

    def set(self, at):
        """Moves the clock to `at`, unless it is there already."""
        if at > self.now:
            self.now = at
            os.pwrite(self.file, stamp(at).encode(), 0)  # one write of fixed length: never seen half

    def environment(self):
        """What a server needs to live by this clock. Timers stay real unless `timers` is set."""
        libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not libraries:
            raise SystemExit("make.py: libfaketime is missing: apt-get install libfaketime")
        return {
            **os.environ,
            "TZ": "UTC",
            "LD_PRELOAD": libraries[0],
            "FAKETIME_TIMESTAMP_FILE": self.path,
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if self.timers else "1",
            "FAKETIME_DONT_RESET": "1",
        }
