"""Runs each scenario against its real server and keeps the logs. Started by run.sh, inside its network namespace."""

import base64
import gzip
import heapq
import http.client
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time

import application
from clock import Clock, stamp
from scenarios import SCENARIOS
from servers import SERVERS

HERE = os.path.dirname(os.path.abspath(__file__))
TESTDATA = os.path.dirname(HERE)
APPLICATION_PORT = 18080
SERVER_PORT = 8080
SERVER_ADDRESS = {4: "192.0.2.80", 6: "2001:db8::80"}


class Sender:
    """Sends calls in the order of their times, each from its own client address, on kept connections."""

    def __init__(self, clock):
        self.clock = clock
        self.connections = {}
        self.waiting = []  # (end, number, call, connection) of calls whose answer is held back
        self.sent = 0

    def send_all(self, calls):
        for call in calls:
            self.finish_waiting(call.at)
            self.send(call)
        self.finish_waiting(float("inf"))

    def send(self, call):
        self.sent += 1
        self.clock.set(call.at)
        end = max(self.clock.now, call.at) + call.seconds
        plan = f"{call.status},{call.size},{'' if call.gate else stamp(end)}"
        if call.gate:
            plan += f",{self.sent}"
        headers = {"Host": "api.example.com", "User-Agent": call.agent, "X-Plan": plan}
        if call.user:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{call.user}:{call.user}".encode()).decode()
        body = b"x" * call.body if call.body else None
        if call.gate:
            connection = self.connect(call.client)
            connection.request(call.method, call.target, body, headers)
            heapq.heappush(self.waiting, (end, self.sent, connection))
            time.sleep(0.02)  # real time: until the application holds the request
            return
        kept = self.connections.get(call.client)
        connection = kept or self.connect(call.client)
        try:
            response = self.answer_on(connection, call, body, headers)
        except (OSError, http.client.HTTPException) as error:
            if not kept:
                raise SystemExit(f"make.py: {call.client} {call.target}: {error!r}") from error
            # The server had closed a kept connection, as it may; every client then tries on a new one.
            connection = self.connect(call.client)
            response = self.answer_on(connection, call, body, headers)
        self.connections[call.client] = connection
        if response.status != call.status:
            raise SystemExit(f"make.py: {call.target} was to be answered {call.status}, was {response.status}")
        self.clock.now = max(self.clock.now, end)

    @staticmethod
    def answer_on(connection, call, body, headers):
        connection.request(call.method, call.target, body, headers)
        response = connection.getresponse()
        response.read()
        return response

    def finish_waiting(self, until):
        """Lets the answers go out whose time has come."""
        while self.waiting and self.waiting[0][0] <= until:
            end, number, connection = heapq.heappop(self.waiting)
            self.clock.set(end)
            gate = http.client.HTTPConnection("127.0.0.1", APPLICATION_PORT, timeout=20)
            gate.request("GET", f"/gate/{number}")
            gate.getresponse().read()
            gate.close()
            connection.getresponse().read()
            connection.close()

    def connect(self, client):
        family = 6 if ":" in client else 4
        return http.client.HTTPConnection(SERVER_ADDRESS[family], SERVER_PORT, timeout=20, source_address=(client, 0))


def wait_for(port, address="127.0.0.1"):
    """Until somebody listens."""
    for _ in range(400):
        try:
            http.client.HTTPConnection(address, port, timeout=1).connect()
            return
        except OSError:
            time.sleep(0.025)
    raise SystemExit(f"make.py: nobody listens on {address}:{port}")


def make(scenario):
    """One scenario: its server under its clock, its traffic in parts, its logs kept, its labels written."""
    work = tempfile.mkdtemp(prefix="lapwing-testdata-")
    os.chmod(work, 0o755)
    clock = Clock(os.path.join(work, "now"))
    clock.set(scenario.parts[0][1][0].at - 1)
    stub = multiprocessing.Process(target=application.serve, args=(APPLICATION_PORT, clock.path), daemon=True)
    stub.start()
    wait_for(APPLICATION_PORT)
    server = SERVERS[scenario.server](work, os.path.join(HERE, "configs", scenario.config), clock)
    try:
        server.start()
        wait_for(SERVER_PORT, SERVER_ADDRESS[4])
        server.begin()
        sender = Sender(clock)
        target = os.path.join(TESTDATA, scenario.name)
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        for file_name, calls in scenario.parts:
            began = time.monotonic()
            sender.send_all(calls)
            text = server.take_log(calls)
            keep(os.path.join(target, file_name), text)
            print(f"{scenario.name}/{file_name}: {text.count(10)} lines, {len(text)} bytes, {time.monotonic() - began:.0f} s", flush=True)
        with open(os.path.join(target, "incident.toml"), "w") as labels:
            labels.write(scenario.labels())
    except SystemExit:
        with open(os.path.join(work, "errors")) as errors:
            print(errors.read()[-2000:], file=sys.stderr)
        raise
    finally:
        server.stop()
        stub.terminate()
        stub.join()
        shutil.rmtree(work, ignore_errors=True)


def keep(path, text):
    """Writes a log, compressed if its name says so; the same input gives the same bytes."""
    if path.endswith(".gz"):
        with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
            packed.write(text)
    else:
        with open(path, "wb") as plain:
            plain.write(text)


if __name__ == "__main__":
    wanted = sys.argv[1:]
    unknown = set(wanted) - {scenario.name for scenario in SCENARIOS}
    if unknown:
        raise SystemExit(f"make.py: no scenario {sorted(unknown)}; there are {json.dumps([s.name for s in SCENARIOS])}")
    for each in SCENARIOS:
        if not wanted or each.name in wanted:
            make(each)
