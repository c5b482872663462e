"""What the scripts of this folder share: the relay's switch, racing, and the last word."""

import sys
import threading

SERVER, GATEWAY = sys.argv[1:3]


def lose_next_answer():
    """The next answer of the server is lost on its way to the gateway."""
    print("lose", flush=True)
    assert sys.stdin.readline() == "armed\n"


def race(count, work):
    """Runs work(n) for each n at the same time; gives back what each returned, in order."""
    results, start = [None] * count, threading.Barrier(count)

    def one(n):
        start.wait()
        try:
            results[n] = work(n)
        except BaseException as error:
            results[n] = error

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def held():
    print("all held", flush=True)
