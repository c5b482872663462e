"""Checks the unit and the compose file of this folder with systemd's own program and a reader of YAML."""
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).parent


def unit():
    """What systemd says against the unit, with a program in the place of Tiebreak that is there."""
    text = (HERE / "tiebreak.service").read_text(encoding="utf-8")
    assert text.count("/usr/local/bin/tiebreak ") == 1
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tiebreak.service"
        file.write_text(text.replace("/usr/local/bin/tiebreak ", shutil.which("true") + " "), encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 and not done.stderr.strip() else [done.stderr.strip()]


def compose():
    """What the compose file names and does not hold."""
    told = yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))
    wrong = [f"`{name}` is no part of a compose file" for name in told.keys() - {"services", "secrets", "volumes"}]
    for name, service in told["services"].items():
        for secret in service.get("secrets", []):
            if secret not in told["secrets"]:
                wrong.append(f"service {name}: there is no secret {secret}")
        for volume in service.get("volumes", []):
            if volume.split(":")[0] not in told["volumes"]:
                wrong.append(f"service {name}: there is no volume {volume}")
        for other in service.get("depends_on", {}):
            if "healthcheck" not in told["services"].get(other, {}):
                wrong.append(f"service {name}: {other} cannot tell that it is healthy")
        used = re.findall(r"/run/secrets/(\w+)", str(service.get("command", "")) + str(service.get("environment", "")))
        for secret in used:
            if secret not in service.get("secrets", []):
                wrong.append(f"service {name}: the secret {secret} is not given to it")
    return wrong


def check():
    """What is wrong, in words."""
    return [f"{name}: {what}" for name, found in (("tiebreak.service", unit()), ("compose.yaml", compose()))
            for what in found]
