"""Inside the sandbox: listens on loopback and pipes each connection to the unix socket of the gate.

    python3 -I -S forwarder.py SOCKET [COMMAND ARGUMENT...]

With a command, it becomes the command once it listens, and a child of it forwards until the command has ended: no
race, and the exit code is the command's own. It stands alone and uses the standard library only, because it is copied
into sandboxes without socat. It decides nothing and need not be trusted: the rules are at the other end of the socket.

One thread, because threads count as processes there; a direction that the other side does not take is not read.
"""

import os
import select
import signal
import socket
import sys

PORT = 3128
CHUNK = 1 << 16
MOST = 100  # connections; the next wait to be accepted until one has ended
PARENT_SEEN = 500  # milliseconds between looks whether the command still runs


class Pipe:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.waiting = b""
        self.is_over = False

    @property
    def wants(self) -> tuple[int, int]:
        """The descriptor that it waits for, and the event."""
        return (self.sink.fileno(), select.POLLOUT) if self.waiting else (self.source.fileno(), select.POLLIN)

    def move(self) -> None:
        """Raises OSError when the connection is lost."""
        try:
            if not self.waiting:
                self.waiting = self.source.recv(CHUNK)
                if not self.waiting:
                    self.is_over = True
                    self.sink.shutdown(socket.SHUT_WR)
                    return
            self.waiting = self.waiting[self.sink.send(self.waiting) :]
        except BlockingIOError:
            return


class Forwarder:
    def __init__(self, gate: str) -> None:
        self.gate = gate
        self.pipes: list[Pipe] = []
        self.listener = socket.create_server(("127.0.0.1", PORT), backlog=128)
        self.listener.setblocking(False)

    def run(self, parent: int | None) -> None:
        while parent is None or os.getppid() == parent:
            poll = select.poll()
            if len(self.pipes) < 2 * MOST:
                poll.register(self.listener, select.POLLIN)
            wanted: dict[int, int] = {}
            for descriptor, event in (pipe.wants for pipe in self.pipes):
                wanted[descriptor] = wanted.get(descriptor, 0) | event
            for descriptor, events in wanted.items():
                poll.register(descriptor, events)
            ready = dict(poll.poll(PARENT_SEEN))
            self._move(ready)
            if self.listener.fileno() in ready:
                self._accept()

    def _move(self, ready: dict[int, int]) -> None:
        over = select.POLLHUP | select.POLLERR | select.POLLNVAL
        for pipe in list(self.pipes):
            if pipe not in self.pipes:  # its other direction has just ended both
                continue
            descriptor, event = pipe.wants
            if not ready.get(descriptor, 0) & (event | over):
                continue
            try:
                pipe.move()
            except OSError:
                self._close(pipe)
            else:
                if pipe.is_over:
                    self._finish(pipe)

    def _accept(self) -> None:
        try:
            inner, _ = self.listener.accept()
        except OSError:  # it is gone again, or there are no descriptors left
            return
        outer = socket.socket(socket.AF_UNIX)
        try:
            outer.connect(self.gate)
        except OSError:
            inner.close()
            outer.close()
            return
        for end in (inner, outer):
            end.setblocking(False)
        self.pipes += [Pipe(inner, outer), Pipe(outer, inner)]

    def _finish(self, pipe: Pipe) -> None:
        """The other direction may go on."""
        self.pipes.remove(pipe)
        if not any(other.source is pipe.sink for other in self.pipes):
            pipe.source.close()
            pipe.sink.close()

    def _close(self, pipe: Pipe) -> None:
        self.pipes = [other for other in self.pipes if other.source not in (pipe.source, pipe.sink)]
        pipe.source.close()
        pipe.sink.close()


def detach(kept: int) -> None:
    """Whoever reads the command's output waits for all who could write to it: so this process must not."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    os.setsid()


def become(command: list[str]) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and who ignores them hands that on
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}.\n")
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def main(gate: str, command: list[str]) -> None:
    forwarder = Forwarder(gate)
    if not command:
        forwarder.run(None)
    parent = os.getpid()
    if os.fork() == 0:
        detach(forwarder.listener.fileno())
        forwarder.run(parent)
        os._exit(0)
    become(command)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"Usage: {sys.argv[0]} SOCKET [COMMAND ARGUMENT...]")
    main(sys.argv[1], sys.argv[2:])
