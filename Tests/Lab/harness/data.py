"""Bytes whose every position can be checked, and small servers that run in threads."""

import hashlib
import random
import socket
import threading

from .lab import Failure, check

# A prime length: no power-of-two sized loss, repetition or exchange of pieces goes unnoticed.
PERIOD = 1_048_573


class Pattern:
    """An endless stream of bytes, given by a seed."""

    def __init__(self, seed):
        block = random.Random(seed).randbytes(PERIOD)
        self._twice = memoryview(block + block)

    def at(self, offset, count):
        """`count` bytes (at most PERIOD) from `offset` on."""
        start = offset % PERIOD
        return self._twice[start:start + count]

    def send(self, connection, count, offset=0):
        """Send `count` bytes from `offset` on."""
        end = offset + count
        while offset < end:
            size = min(262144, end - offset)
            connection.sendall(self.at(offset, size))
            offset += size

    def receive(self, connection, count, offset=0):
        """Receive exactly `count` bytes and compare each with what must stand there."""
        end = offset + count
        while offset < end:
            part = connection.recv(min(262144, end - offset))
            check(part, f"the connection ended at byte {offset} of {end}")
            check(part == self.at(offset, len(part)), f"wrong bytes between {offset} and {offset + len(part)}")
            offset += len(part)


def receive_exactly(connection, count):
    got = bytearray()
    while len(got) < count:
        part = connection.recv(count - len(got))
        check(part, f"the connection ended after {len(got)} of {count} bytes")
        got += part
    return bytes(got)


def echo_works(connection, text=b"are you there?"):
    """One exchange with an echo server."""
    connection.sendall(text)
    return receive_exactly(connection, len(text)) == text


def write_file(path, count, seed):
    """A file of `count` pseudo-random bytes; returns its SHA-256."""
    generator = random.Random(seed)
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        while count > 0:
            part = generator.randbytes(min(4 << 20, count))
            digest.update(part)
            file.write(part)
            count -= len(part)
    return digest.hexdigest()


def file_digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Server:
    """A TCP server on a host: a thread accepts, and each connection has a thread of `handler`.

    What a handler raises is kept, and raised again when the `with` block is left.
    """

    def __init__(self, lab, host, port, handler, address="127.0.0.1"):
        self.listener = lab.listen(host, port, address, seconds=0.2)
        self.handler = handler
        self.problems = []
        self.accepted = 0
        self._connections = []
        self._threads = []
        self._stopping = False
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def _accept(self):
        while not self._stopping:
            try:
                connection, _ = self.listener.accept()
            except socket.timeout:
                continue
            except OSError:
                return
            self.accepted += 1
            connection.settimeout(120.0)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._connections.append(connection)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        try:
            with connection:
                self.handler(connection)
        except (OSError, Failure) as problem:
            if not self._stopping:
                self.problems.append(problem)

    def __enter__(self):
        self._acceptor.start()
        return self

    def __exit__(self, kind, *_):
        self._stopping = True
        self._acceptor.join(5.0)
        self.listener.close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(5.0)
        if kind is None and self.problems:
            raise Failure(f"at the target: {self.problems[0]}")


def echo(connection):
    """A handler: what comes is sent back, until the client's FIN."""
    while part := connection.recv(65536):
        connection.sendall(part)


def echo_until_end(connection):
    """Like `echo`, for tests that break connections: however it ends is right."""
    try:
        echo(connection)
    except OSError:
        pass
