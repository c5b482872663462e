"""A headless Chromium, driven over WebDriver by the machine's chromedriver."""
import json
import re
import subprocess
import tempfile
import urllib.error
import urllib.request

from .workshop import BenchError

ARGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
        "--no-first-run", "--window-size=1280,900"]


class Chromium:
    def __enter__(self):
        try:
            self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                           text=True)
        except FileNotFoundError as error:
            raise BenchError("start chromedriver: it is missing, run scripts/prepare") from error
        self.profile = tempfile.TemporaryDirectory()
        self.session = None
        try:
            found = next((m for m in (re.search(r"successfully on port (\d+)", line) for line in self.driver.stdout) if m),
                         None)
            if not found:
                raise BenchError("start chromedriver: it ended")
            self.url = f"http://127.0.0.1:{found[1]}"
            options = {"args": [*ARGS, f"--user-data-dir={self.profile.name}"]}
            asked = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
            self.session = self.command("POST", "/session", asked)["sessionId"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self.command("DELETE", f"/session/{self.session}")
        finally:
            self.driver.kill()
            self.driver.wait()
            self.profile.cleanup()

    def command(self, method, path, asked=None):
        content = None if asked is None else json.dumps(asked).encode()
        request = urllib.request.Request(self.url + path, content, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise BenchError(f"drive the browser: {path}: {error.read()[:300]!r}") from error

    def open(self, url):
        """Opens a page and waits until it is loaded."""
        self.command("POST", f"/session/{self.session}/url", {"url": url})

    def run(self, script):
        """What a script gives to its last argument, a function."""
        return self.command("POST", f"/session/{self.session}/execute/async", {"script": script, "args": []})
