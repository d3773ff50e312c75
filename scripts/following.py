"""What the scripts that try the follower share: a ledger of what was written, a writer that behaves like nginx, Lapwing
itself, and somebody who kills it all the time. Needs Python 3.8 and nothing else.
"""

import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# How long anything may take, in seconds: a machine may have other things to do.
PATIENCE = 600


def entry(line, raw=False):
    """What a line is known by: one carriage return at its end is no part of it, nor are the NULs of a hole before it
    (but of another follower's output they are)."""
    line = line if raw else line.lstrip(b"\0")
    return hashlib.sha256(line[:-1] if line.endswith(b"\r") else line).hexdigest()[:16]


class Ledger:
    """What was written."""

    def __init__(self):
        self.good, self.other, self.count, self.number = set(), set(), 0, 0
        self.lock = threading.Lock()

    def line(self, key=None):
        """A good line that nobody has written before, without its line feed."""
        with self.lock:
            self.number += 1
            number = self.number
        key = f"key{number % 7}" if key is None else key
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        text = (
            f'203.0.113.{number % 200} - {key} [{stamp}] "GET /v1/orders/{number} HTTP/1.1" 200 '
            f'{number % 5000} "-" "following/1 line {number:07}"'
        )
        line = text.encode()
        self.enter(line, self.good)
        return line

    def junk(self, line):
        """A line that need not be understood, but may not do harm."""
        self.enter(line, self.other)
        self.other.add(entry(line, raw=True))
        return line

    def enter(self, line, kind):
        with self.lock:
            kind.add(entry(line))
            self.count += 1


class Writer:
    """Writes like nginx: one write a line, to a descriptor that stays on its file whatever becomes of the name."""

    def __init__(self, ledger, path, append=True):
        self.ledger, self.path, self.append = ledger, path, append
        self.lock = threading.Lock()
        self.fd = None
        self.reopen()

    def reopen(self):
        with self.lock:
            if self.fd is not None:
                os.close(self.fd)
            flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if self.append else 0)
            self.fd = os.open(self.path, flags, 0o640)

    def write(self, lines, seconds=0.0):
        """So many lines, spread over so many seconds."""
        pause, began = seconds / max(lines, 1), time.monotonic()
        for n in range(lines):
            data = self.ledger.line() + b"\n"
            with self.lock:
                os.write(self.fd, data)
            ahead = began + n * pause - time.monotonic()
            if ahead > 0.002:
                time.sleep(ahead)

    def raw(self, data):
        with self.lock:
            os.write(self.fd, data)


class Lapwing:
    """The real binary with a configuration and a state directory of its own."""

    restarts = many_files = True

    def __init__(self, binary, place, pattern, more=""):
        self.binary, self.place = binary, place
        self.ledger_path = os.path.join(place, "ledger")
        self.config = os.path.join(place, "lapwing.toml")
        self.process = None
        self.lock = threading.RLock()
        self.starts = self.kills = 0
        with open(self.config, "w") as file:
            file.write(
                f'state_dir = "{place}/state"\n[source.api]\npath = ["{pattern}"]\nformat = "combined"\n'
                f'[channel.told]\nkind = "file"\npath = "{place}/told.jsonl"\n{more}'
            )

    def command(self, *arguments):
        return [self.binary, *arguments, "--config", self.config]

    def start(self):
        with self.lock:
            said = open(os.path.join(self.place, "said"), "ab")
            self.process = subprocess.Popen(
                self.command("run", "--ledger", self.ledger_path), stdout=said, stderr=said, stdin=subprocess.DEVNULL
            )
            said.close()
            self.starts += 1

    def wait_until_ready(self):
        def ready():
            process = self.process
            if process is not None and process.poll() is not None:
                raise RuntimeError(f"lapwing ended by itself: {self.said()[-2000:]}")
            return (self.status() or {}).get("state") in ("watching", "catching up")

        wait("lapwing answers", PATIENCE, ready)

    def stop(self, number=signal.SIGTERM):
        with self.lock:
            if self.process is None:
                return
            self.process.send_signal(number)
            code = self.process.wait(PATIENCE)
            self.process = None
            if number == signal.SIGKILL:
                self.kills += 1
            elif code not in (0, -signal.SIGTERM):
                raise RuntimeError(f"lapwing ended with {code}: {self.said()[-2000:]}")

    def said(self):
        with open(os.path.join(self.place, "said"), errors="replace") as file:
            return file.read()

    def status(self):
        done = subprocess.run(self.command("status", "--json"), capture_output=True)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def incidents(self):
        """What was decided, each incident with its newest words."""
        command = [self.binary, "incidents", "--config", self.config, "list", "--all", "--json", "--limit", "1000"]
        done = subprocess.run(command, capture_output=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def total(self):
        status = self.status()
        return None if status is None else status["lines_total"]

    def caught_up(self, ledger):
        """Waits until everything written so far is counted and saved."""
        wanted = ledger.count
        wait("lapwing has read and saved", PATIENCE, lambda: self.saved(wanted))

    def has_met(self, path):
        """Waits until a file is known and saved: what a link led to while nobody looked is known to nobody."""
        listed = None

        def met():
            nonlocal listed
            status = self.status()
            if status is None:
                return False
            files = [file["path"] for source in status["sources"] for file in source["files"]]
            if path not in files:
                return False
            # What is listed is in the next cut; where there is nothing to save any more, it was in the last one.
            last, now = status["store"]["last_cut"], time.monotonic()
            listed = listed or (last, now)
            return last != listed[0] or now - listed[1] > 70

        wait(f"{path} is met and saved", PATIENCE, met)

    def saved(self, wanted):
        status = self.status()
        if status is None or status["lines_total"] < wanted:
            return False
        # A stop saves; a new start goes on from there.
        with self.lock:
            if self.process is None:
                return False
            self.stop()
            self.start()
        self.wait_until_ready()
        return True

    def output(self, _ledger):
        with open(self.ledger_path) as file:
            return file.read().split()


def wait(what, at_most, is_so, pause=0.1):
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > at_most:
            raise TimeoutError(f"not within {at_most} s: {what}")
        time.sleep(pause)


class Unrest(threading.Thread):
    """Stops, kills and starts a follower all the time."""

    def __init__(self, follower, seed):
        super().__init__(daemon=True)
        self.follower, self.random = follower, random.Random(seed)
        self.peace = threading.Lock()
        self.over = threading.Event()
        self.failed = None

    def run(self):
        try:
            while not self.over.wait(self.random.uniform(0.2, 1.5)):
                with self.peace:
                    self.follower.stop(signal.SIGTERM if self.random.random() < 0.2 else signal.SIGKILL)
                    time.sleep(self.random.uniform(0, 0.4))
                    self.follower.start()
        except Exception as error:  # told by whoever asks for the result
            self.failed = error

    def end(self):
        """After a kill or two at least: what was written last is not saved yet."""
        began = time.monotonic()
        while self.follower.kills < 2 and not self.failed and time.monotonic() - began < 30:
            time.sleep(0.05)
        self.over.set()
        if self.is_alive():
            self.join()
        if self.failed:
            raise self.failed


def pack(path):
    with open(path, "rb") as plain, gzip.open(path + ".part", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.rename(path + ".part", path + ".gz")
    os.unlink(path)
