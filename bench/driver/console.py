"""The console: searching 10,000 stored writes, one write's story, and the map in a real Chromium."""
import http.client
import json
import re
import statistics
import threading
import time

from .webdriver import Chromium
from .workshop import BenchError

WRITES, WRITERS = 10_000, 20
# Each page so often, searches and all else in turn.
LOOKS = 20

# When the first text or drawing was on the screen, counted from the navigation; a page that is hidden never paints.
PAINTED = """
const done = arguments[arguments.length - 1];
const look = () => {
    const paint = performance.getEntriesByName('first-contentful-paint')[0];
    const load = performance.getEntriesByType('navigation')[0];
    if (paint) done([paint.startTime, load.responseEnd, load.domInteractive]); else setTimeout(look, 5);
};
look();
"""

# Pointing at each term in turn: what the handlers do, with the style and layout that follow.
POINTED = """
const done = arguments[arguments.length - 1], took = [];
for (const node of document.querySelectorAll('a.node')) {
    const from = performance.now();
    node.querySelector('rect').dispatchEvent(new PointerEvent('pointerover', {bubbles: true, pointerType: 'mouse'}));
    document.querySelector('#map').getBoundingClientRect();
    getComputedStyle(node).opacity;
    took.push(performance.now() - from);
}
done(took);
"""


def store(port):
    """Stores the writes; of each writer's the last is refused, for it names a version that there never was."""
    wrong = []

    def write(writer):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        last = WRITES // WRITERS - 1
        for n in range(last + 1):
            headers = {"content-type": "application/json", **({"if-match": '"never"'} if n == last else {})}
            connection.request("PUT", f"/things/{writer}-{n}", json.dumps({"n": n}), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != (409 if n == last else 201):
                wrong.append(answer.status)

    threads = [threading.Thread(target=write, args=(w,)) for w in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise BenchError(f"store {WRITES} writes: some were answered {wrong[:3]}")


def page(connection, path):
    """The page, and how long it took in milliseconds."""
    begun = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    took = (time.perf_counter() - begun) * 1e3
    if answer.status != 200:
        raise BenchError(f"open {path}: {answer.status}")
    return text, took


def look_up(admin):
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=60)
    first, _ = page(connection, "/writes")
    older = re.search(r'rel="next" href="([^"]*)"', first)[1].replace("&amp;", "&")
    pages = {
        "the newest": "/writes", "the next page": older, "by target": "/writes?q=/things/7-123",
        "by a target that there is not": "/writes?q=nothing-like-it", "by class": "/writes?class=stale",
        "by outcome and target": "/writes?state=refused&q=things", "by time": "/writes?from=2001-01-01T00:00",
        "a story": re.search(r'href="(/writes/[0-9a-f]{32})"', first)[1],
    }
    times = {name: [] for name in pages}
    for _ in range(LOOKS):
        for name, path in pages.items():
            times[name].append(page(connection, path)[1])
    return times


def draw(admin):
    """First paints of the map, without the first few (an empty cache), and answers to pointing."""
    paints, moves = [], []
    with Chromium() as browser:
        for n in range(LOOKS + 3):
            browser.open(f"http://127.0.0.1:{admin}/map")
            painted = browser.run(PAINTED)
            if n >= 3:
                paints.append(painted)
            moves.extend(browser.run(POINTED))
    return paints, moves


def run(workshop, report):
    if not workshop.with_gateway:
        print("needs Tiebreak: left out")
        return
    server, admin = workshop.console()
    store(server.port)
    times = look_up(admin)
    rows = [[name, statistics.median(some), max(some)] for name, some in times.items()]
    report.table("console", ["page, 10,000 writes stored", "median ms", "most ms"], rows)
    paints, moves = draw(admin)
    names = ("first paint", "of that: the page has come", "of that: it is read")
    rows = [[name, statistics.median(some), max(some)] for name, some in zip(names, zip(*paints))]
    rows.append(["answering a pointer move", statistics.median(moves), max(moves)])
    report.table("console", ["the map in Chromium", "median ms", "most ms"], rows)
    report.raw("console", {"pages": times, "paints": paints, "moves": moves})
    report.figure("console_page_ms", max(statistics.median(some) for some in times.values()))
    report.figure("map_first_paint_ms", statistics.median(paint[0] for paint in paints))
    report.figure("map_move_ms", statistics.quantiles(moves, n=100)[98])
