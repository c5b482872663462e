"""A PostgreSQL cluster of the benchmarks' own: made in a folder, on a private port, and its pgbench."""
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .server import cpu_seconds, free_port
from .workshop import BenchError


def programs():
    """The folder of the newest server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if not found:
        raise BenchError("find PostgreSQL: run scripts/prepare")
    return found[-1].parent


def tps(text):
    """Transactions per second, from what pgbench prints."""
    found = re.search(r"^tps = ([\d.]+)", text, re.MULTILINE)
    if not found:
        raise BenchError(f"read the rate in the output of pgbench: {text[:200]!r}")
    return float(found[1])


class Database:
    """A running cluster with the durability of its defaults. PostgreSQL refuses root: then it runs as its own user."""
    name = "postgres"

    def __init__(self, env):
        self.programs, self.port = programs(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="tiebreak-bench-"))
        self.user = {}
        if os.geteuid() == 0:
            who = pwd.getpwnam("postgres")
            self.user = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
            os.chown(self.folder, who.pw_uid, who.pw_gid)
        if "LD_PRELOAD" in env:
            # Where that user can read it.
            env = {**env, "LD_PRELOAD": shutil.copy(env["LD_PRELOAD"], self.folder)}
        data = str(self.folder / "data")
        self.run("initdb", "-D", data, "-U", "tiebreak", "-A", "trust", "-E", "UTF8", "--locale=C")
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 80}
        argv = [self.programs / "postgres", "-D", data, "-p", self.port]
        argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([str(a) for a in argv], cwd=self.folder, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env={**os.environ, **env}, start_new_session=True,
                                            **self.user)
        end = time.monotonic() + 20
        while subprocess.run([self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                             check=False).returncode != 0:
            if time.monotonic() > end:
                raise BenchError(f"start PostgreSQL, see {self.folder / 'log'}")
            time.sleep(0.05)

    def run(self, program, *args):
        """What a program of PostgreSQL prints."""
        done = subprocess.run([str(self.programs / program), *map(str, args)], cwd=self.folder, capture_output=True,
                              text=True, timeout=120, check=False, **self.user)
        if done.returncode != 0:
            raise BenchError(f"run {program}: {done.stderr.strip()[:300]}")
        return done.stdout

    def at(self):
        return "-h", "127.0.0.1", "-p", self.port, "-U", "tiebreak"

    def address(self, schema):
        return f"postgres://tiebreak@127.0.0.1:{self.port}/postgres?schema={schema}"

    def pgbench(self, script, schema, clients, seconds):
        """Scripts per second over so many connections, in that schema."""
        file = self.folder / "script.sql"
        file.write_text(script, encoding="utf-8")
        self.run("psql", *self.at(), "-d", "postgres", "-q", "-c", f"ALTER ROLE tiebreak SET search_path TO {schema}")
        return tps(self.run("pgbench", *self.at(), "-n", "-M", "prepared", "-c", clients, "-j", min(clients, 2), "-T",
                            max(1, round(seconds)), "-f", file, "postgres"))

    def cpu_seconds(self):
        """User and system time so far, of the server and all its processes that still run."""
        return cpu_seconds(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
