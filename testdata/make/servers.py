"""The servers: how each is started on its configuration, and how its log is taken away between two parts."""

import json
import os
import signal
import subprocess
import time


class Server:
    """A server that writes `access.log` in its working directory and lives by the faked clock."""

    faked = True

    def __init__(self, work, config, clock):
        self.work = work
        self.clock = clock
        self.config = os.path.join(work, os.path.basename(config))
        self.log = os.path.join(work, "access.log")
        with open(config) as template, open(self.config, "w") as made:
            made.write(template.read().replace("@DIR@", work))
        self.process = None
        self.output = subprocess.DEVNULL
        self.taken = 0  # bytes of the log that went into earlier parts

    def command(self):
        """The command line that keeps the server in the foreground."""
        raise NotImplementedError

    def start(self):
        environment = self.clock.environment() if self.faked else {**os.environ, "HOME": self.work, "TZ": "UTC"}
        errors = open(os.path.join(self.work, "errors"), "wb")
        self.process = subprocess.Popen(self.command(), env=environment, cwd=self.work, stdout=self.output, stderr=errors)

    def begin(self):
        """Forgets what was logged until now: the attempts to connect while it started."""
        time.sleep(0.5)
        self.taken = os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def lines(self, count):
        """Waits until the log has as many lines as calls were made; a server writes after it has answered."""
        for _ in range(400):
            with open(self.log, "rb") as log:
                log.seek(self.taken)
                text = log.read()
            if text.count(b"\n") >= count:
                return text
            time.sleep(0.025)
        raise SystemExit(f"make.py: {text.count(10)} lines logged of {count} requests")

    def take_log(self, calls):
        """What was logged for `calls`; the next part begins with an empty file."""
        text = self.lines(len(calls))
        self.rotate(len(text))
        return self.shift(text, calls)

    def rotate(self, length):
        """Begins a new part after `length` bytes. Where a server can only be made to reopen its log by a restart, the
        file goes on and is cut here."""
        self.taken += length

    def shift(self, text, calls):
        """Puts planned times into the log of a server that does not live by the faked clock."""
        return text


class Nginx(Server):
    def command(self):
        return ["nginx", "-p", self.work, "-c", self.config, "-e", os.path.join(self.work, "errors")]

    def rotate(self, length):
        os.rename(self.log, self.log + ".taken")
        self.process.send_signal(signal.SIGUSR1)
        for _ in range(400):
            if os.path.exists(self.log):
                time.sleep(0.3)  # the workers reopen after the master
                return
            time.sleep(0.025)
        raise SystemExit("make.py: nginx did not reopen its log")


class Apache(Server):
    def command(self):
        return ["apache2", "-DFOREGROUND", "-d", self.work, "-f", self.config]


class Lighttpd(Server):
    def start(self):
        # It looks at the time of day only when a second of its timers has passed, so they live by the faked clock too.
        self.clock.timers = True
        super().start()

    def command(self):
        return ["lighttpd", "-D", "-f", self.config]

    def lines(self, count):
        self.process.send_signal(signal.SIGHUP)  # writes out what it holds back, and opens the log again
        return super().lines(count)


class Haproxy(Server):
    def start(self):
        self.output = open(self.log, "ab")
        super().start()

    def command(self):
        return ["haproxy", "-db", "-f", self.config]


class Caddy(Server):
    """Caddy is a Go program: it asks the kernel for the time without the C library, so no preloaded library can fake
    it. Its lines are real; the time stamp and the duration in them are replaced afterwards by the planned ones."""

    faked = False

    def command(self):
        return ["caddy", "run", "--adapter", "caddyfile", "--config", self.config]

    def shift(self, text, calls):
        shifted = []
        for line, call in zip(text.splitlines(), calls, strict=True):
            entry = json.loads(line)
            request = entry["request"]
            if (request["remote_ip"], request["uri"]) != (call.client, call.target):
                raise SystemExit(f"make.py: line of {request['uri']} where {call.target} was expected")
            entry["ts"] = round(call.at + call.seconds, 6)
            entry["duration"] = call.seconds
            request["headers"].pop("X-Plan", None)
            shifted.append(json.dumps(entry, separators=(",", ":")))
        return ("\n".join(shifted) + "\n").encode()


SERVERS = {"nginx": Nginx, "apache": Apache, "lighttpd": Lighttpd, "haproxy": Haproxy, "caddy": Caddy}
