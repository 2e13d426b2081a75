"""Where connections come out: servers on hosts of the lab, which can be stopped and do not read when they are told not to."""

import contextlib
import socket
import struct
import threading
import time

from harness.lab import Failure

from .ledger import HANG, WHOLE
from .wire import DOWN, ECHO, HEADER, RECEIPT, UP, Stopped, Wire, ending_of, patiently, read_exactly


# A thread that waits in a socket cannot be told anything: it looks up so often.
LOOK_UP = 0.5
RESET_AT_CLOSE = struct.pack("ii", 1, 0)        # SO_LINGER


class Target:
    """Where connections of a flow come out: a server on a host that can be stopped, which resets what it has, and started again."""

    def __init__(self, lab, ledger, host, port, pace=None):
        self.lab, self.ledger, self.host, self.port, self.pace = lab, ledger, host, port, pace
        self.reading = threading.Event()        # cleared: nobody reads here
        self.reading.set()
        self._life = 0                          # which start this is; connections of an earlier one end
        self._threads, self._listener = [], None

    def start(self):
        self._listener = self.lab.listen(self.host, self.port, seconds=LOOK_UP)
        threading.Thread(target=self._accept, args=(self._listener, self._life), daemon=True).start()

    def stop(self):
        """As a program that is killed: nobody listens, and what is open is reset. Returns when it is."""
        self._life += 1
        listener, self._listener = self._listener, None
        if listener:
            listener.close()
        end = time.monotonic() + 30.0
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _accept(self, listener, life):
        while self._life == life:
            try:
                connection, _ = listener.accept()
            except socket.timeout:
                continue
            except OSError:
                return
            connection.settimeout(LOOK_UP)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection, life), daemon=True)
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def _serve(self, connection, life):
        side = None

        def stopped():
            return self._life != life
        try:
            number, what, count = HEADER.unpack(read_exactly(connection, HEADER.size, stopped))
            known = self.ledger.arrive(number, self.host)
            if known is None:
                return
            side = known.target
            wire = Wire(connection, side, number, False, self.pace, stopped)
            {DOWN: self._down, UP: self._up, ECHO: self._echo}[what](wire, count)
            side.finish(WHOLE)
        except (OSError, Failure) as problem:
            if isinstance(problem, Stopped):
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            # A connection that brought no header is none: its client's side tells of it.
            if side is not None:
                side.finish(ending_of(problem), str(problem))
        finally:
            with contextlib.suppress(OSError):
                connection.close()

    def _down(self, wire, count):
        wire.send(count)
        wire.finish()
        wire.receive_end()

    def _up(self, wire, _):
        self._wait_for_reader(wire)
        while wire.receive():
            self._wait_for_reader(wire)
        receipt = RECEIPT.pack(wire.side.received)
        patiently(lambda: wire.socket.sendall(receipt), wire.stopped)
        wire.finish()

    def _wait_for_reader(self, wire):
        end = time.monotonic() + HANG
        while not self.reading.wait(LOOK_UP) and time.monotonic() < end:
            if wire.stopped():
                raise Stopped("the target was stopped")

    def _echo(self, wire, _):
        """For what came as much goes back; of the two directions each has its own place in the pattern."""
        while got := wire.receive(4096):
            wire.send(got)
        wire.finish()
