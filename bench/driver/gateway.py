"""Tiebreak's command line as the benchmarks use it: the one place to change when it changes."""


def serve(binary, port, upstream, ledger):
    return [binary, "serve", "--listen", f"127.0.0.1:{port}", "--upstream", upstream, "--ledger", ledger, "--admin", "off"]


def sharing(secret):
    """What a gateway needs besides, if it shares its ledger."""
    return ["--secret", secret]


def console(binary, port, admin, folder):
    """Before the embedded origin, with everything in `folder` and a console."""
    return [binary, "serve", "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", "--ledger", folder / "ledger",
            "--data", "memory"]


def submit(binary, lines, to, ledger):
    """Plain records, one a line, each PUT to `to`/id."""
    return [binary, "submit", lines, "--to", to, "--id", "/id", "--ledger", ledger]
