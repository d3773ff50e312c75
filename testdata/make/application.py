"""The application behind the servers: answers each request as its X-Plan header asks, and lets the clock move on by as
long as the answer is planned to take."""

import asyncio
import os

REASONS = {200: "OK", 201: "Created", 204: "No Content", 302: "Found", 304: "Not Modified", 400: "Bad Request",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 422: "Unprocessable Entity",
           429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
           504: "Gateway Timeout"}


class Application(asyncio.Protocol):
    """One connection. X-Plan: status, bytes of the body, time of the end (26 bytes), and optionally the name of a gate:
    the answer then waits until somebody asks for /gate/NAME."""

    gates = {}
    opened = set()
    clock = None

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, rest = self.buffer.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            method, target, _ = lines[0].split(" ", 2)
            self.request(method, target, headers)

    def request(self, method, target, headers):
        if target.startswith("/gate/"):
            self.open_gate(target[6:])
            self.answer(method, 204, 0)
            return
        status, size, end, *gate = headers.get("x-plan", "404,9,").split(",")
        if gate:
            Application.gates[gate[0]] = lambda: self.answer(method, int(status), int(size))
            if gate[0] in Application.opened:
                self.open_gate(gate[0])
            return
        if end:
            os.pwrite(Application.clock, end.encode(), 0)
        self.answer(method, int(status), int(size))

    def open_gate(self, name):
        """Lets the answer behind a gate go out, or remembers to do so where the request has not come through yet."""
        Application.opened.add(name)
        if name in Application.gates:
            Application.gates.pop(name)()

    def answer(self, method, status, size):
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nContent-Type: application/json\r\n"
        if status not in (204, 304):
            head += f"Content-Length: {size}\r\n"
        body = b"" if method == "HEAD" or status in (204, 304) else b"x" * size
        self.transport.write(head.encode() + b"\r\n" + body)


def serve(port, clock_path):
    """Runs the application until the process is ended."""

    async def forever():
        Application.clock = os.open(clock_path, os.O_RDWR)
        server = await asyncio.get_running_loop().create_server(Application, "127.0.0.1", port, backlog=512)
        await server.serve_forever()

    asyncio.run(forever())
