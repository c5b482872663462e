"""Where the benchmarks work: folders, binaries, and the servers that are running."""
import json
import os
import shutil
import subprocess
from pathlib import Path

from . import gateway
from .server import Server, ServerError, free_port

ROOT = Path(__file__).resolve().parents[2]


class BenchError(Exception):
    """Completes "failed to …"."""


class Workshop:
    def __init__(self, args):
        self.args = args
        self.folder = ROOT / "target" / "bench"
        self.runs = self.folder / "run"
        shutil.rmtree(self.runs, ignore_errors=True)
        self.runs.mkdir(parents=True)
        self.load_binary = self.folder / "cargo" / "release" / "load"
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.tiebreak = target / "release" / "tiebreak"
        self.ledger_rate = target / "release" / "examples" / "ledger_rate"
        self.shared_rate = target / "release" / "examples" / "shared_rate"
        self.servers = []
        self.serial = 0

    @property
    def with_gateway(self):
        return not self.args.without_gateway

    def build(self):
        if not self.args.no_build:
            load = ROOT / "bench" / "load" / "Cargo.toml"
            self.command(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", load, "--target-dir",
                          self.folder / "cargo"], "build the load generators")
            if self.with_gateway:
                ledger = ["-p", "tiebreak-ledger", "--features", "postgres", "--example"]
                for what in (["-p", "tiebreak"], [*ledger, "ledger_rate"], [*ledger, "shared_rate"]):
                    self.command(["cargo", "build", "--release", "--locked", "--quiet", *what], f"build {what[-1]}")
        self.need(self.load_binary)
        if self.with_gateway:
            self.need(self.tiebreak)

    def need(self, binary):
        if not binary.exists():
            raise BenchError(f"find {binary}: run without --no-build")

    def command(self, argv, what):
        if subprocess.run([str(a) for a in argv], cwd=ROOT, check=False).returncode != 0:
            raise BenchError(what)

    def path(self, name):
        """A fresh path for a file or folder of this run."""
        self.serial += 1
        return self.runs / f"{self.serial:03d}-{name}"

    def start(self, name, argv, port, env=None, wait=True):
        server = Server(name, [str(a) for a in argv], port, self.path(f"{name}.log"), env)
        self.servers.append(server)
        if wait:
            try:
                server.wait()
            except ServerError as error:
                raise BenchError(str(error)) from error
        return server

    def stop(self, server):
        self.servers.remove(server)
        server.stop()

    def stop_all(self):
        while self.servers:
            self.servers.pop().stop()

    def upstream(self):
        port = free_port()
        return self.start("upstream", [self.load_binary, "upstream", "--listen", f"127.0.0.1:{port}"], port)

    def origin(self, service_us):
        port = free_port()
        return self.start("origin", [self.load_binary, "origin", "--listen", f"127.0.0.1:{port}", "--service-us",
                                     service_us], port)

    @staticmethod
    def source(name):
        """A file of the benchmarks' own."""
        return ROOT / "bench" / name

    def adopt(self, server):
        """Ends this server with the others, after those that are started later."""
        self.servers.append(server)
        return server

    def gateway(self, upstream, wait=True, env=None, ledger=None):
        """One with a ledger of its own, or with that which is shared."""
        port = free_port()
        argv = gateway.serve(self.tiebreak, port, upstream.url, ledger or self.path("gateway.ledger"))
        if ledger:
            argv += gateway.sharing(self.secret())
        return self.start("tiebreak", argv, port, env=env, wait=wait)

    def secret(self):
        """The file that all gateways of a fleet have."""
        file = self.runs / "secret"
        file.write_bytes(b"bench" * 8)
        return file

    def console(self):
        """A gateway before the embedded origin, and the port of its console."""
        port, admin, folder = free_port(), free_port(), self.path("console")
        folder.mkdir()
        return self.start("tiebreak", gateway.console(self.tiebreak, port, admin, folder), port), admin

    def load(self, *argv):
        """Runs a load generator; its result."""
        argv = [str(self.load_binary), *map(str, argv)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise BenchError(f"run `{' '.join(argv[1:])}`: {done.stderr.strip()}")
        return json.loads(done.stdout)
