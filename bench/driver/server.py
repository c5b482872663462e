"""A server process: started, measured through /proc, ended."""
import os
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


class ServerError(Exception):
    """Completes "failed to …"."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port, path="/", timeout=0.5):
    """Whether any HTTP answer comes from the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            return s.recv(16).startswith(b"HTTP/1.1 ")
    except OSError:
        return False


def stat_fields(text):
    """The fields of /proc/PID/stat from the third on; the name before them may hold blanks and brackets."""
    return text.rsplit(")", 1)[1].split()


def family(pid):
    """The process and everything it started."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                parents[int(entry)] = int(stat_fields(f.read())[1])
        except (OSError, IndexError):
            continue  # it ended in between
    found, grew = {pid}, True
    while grew:
        more = {p for p, parent in parents.items() if parent in found} - found
        found |= more
        grew = bool(more)
    return found


def cpu_seconds(pid):
    """User and system time so far, of the process and everything it started that still runs."""
    total = 0
    for one in family(pid):
        try:
            with open(f"/proc/{one}/stat", encoding="utf-8", errors="replace") as f:
                fields = stat_fields(f.read())
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


class Server:
    def __init__(self, name, argv, port, log, env=None):
        self.name, self.port = name, port
        self.log = open(log, "ab")
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                        env={**os.environ, **(env or {})}, start_new_session=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def wait(self, seconds=20, pause=0.02):
        """Waits for the first answer; the milliseconds from the start to it."""
        end = self.begun + seconds
        while time.perf_counter() < end:
            if self.process.poll() is not None:
                raise ServerError(f"start {self.name}: it ended with {self.process.returncode}, see {self.log.name}")
            if answers(self.port):
                return (time.perf_counter() - self.begun) * 1e3
            time.sleep(pause)
        raise ServerError(f"get an answer from {self.name} within {seconds} s, see {self.log.name}")

    def cpu_seconds(self):
        """User and system time so far, of the process and its children."""
        return cpu_seconds(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
