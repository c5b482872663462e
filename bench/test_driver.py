"""The driver's own arithmetic: a wrong figure would be believed."""
import argparse
import contextlib
import io
import os
import re
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))

from driver.durable import ledger_pairs  # noqa: E402
from driver.postgres import tps  # noqa: E402
from driver.race import per_write  # noqa: E402
from driver.report import GOALS, Report, table  # noqa: E402
from driver.server import family, stat_fields  # noqa: E402
from driver.shared import per_write as processor_time, rates  # noqa: E402
from driver.workshop import BenchError  # noqa: E402


class Arithmetic(unittest.TestCase):
    def test_requests_per_write_leave_out_the_own_reads(self):
        got = {"own_reads": 64, "origin": {"reads": 164, "writes": 92, "applied": 64}}
        self.assertEqual(per_write(got), 3.0)

    def test_nothing_applied_is_no_division_by_zero(self):
        self.assertEqual(per_write({"own_reads": 1, "origin": {"reads": 1, "writes": 5, "applied": 0}}), 5)

    def test_the_rate_is_the_ledgers_not_the_logs(self):
        text = ("round 1: ledger 19300 pairs/s, log 33900 pairs/s, ratio 0.57\n"
                "median of 1 rounds with 64 callers: ledger 19400 pairs/s, log 33900 pairs/s, ratio 0.57\n")
        self.assertEqual(ledger_pairs(text), 19400)
        with self.assertRaises(BenchError):
            ledger_pairs("no rate here")

    def test_the_rates_of_a_shared_ledger_are_the_medians(self):
        text = ("round 1: 4501 claims/s in batches, 154 one by one, ratio 29.2\n"
                "median of 1 rounds with 64 callers, 1 connections one by one: 4500 claims/s in batches, 150 one by one, ratio 30.0\n")
        self.assertEqual(rates(text), (4500, 150))
        self.assertEqual(tps("latency average = 1 ms\ntps = 1234.5 (without initial connection time)\n"), 1234.5)
        for read in (rates, tps):
            with self.assertRaises(BenchError):
                read("no rate here")
        self.assertEqual(processor_time((1, 2), (1.5, 2.25), 1000), {"gateway": 500, "database": 250})

    def test_a_process_name_may_hold_brackets(self):
        self.assertEqual(stat_fields("7 (a) b (c) S 1 2")[:2], ["S", "1"])

    def test_the_family_holds_this_process(self):
        self.assertIn(os.getpid(), family(os.getpid()))

    def test_columns_line_up(self):
        self.assertEqual(table(["a", "n"], [["x", 1200], ["yy", 0.5]]), "a       n\n--  -----\nx   1,200\nyy    0.5")


class Figures(unittest.TestCase):
    def report(self):
        return Report(SimpleNamespace(folder=Path("unused"), args=argparse.Namespace(rounds=1, seconds=1)))

    def test_a_missed_goal_is_said_and_kept(self):
        report, out = self.report(), io.StringIO()
        with contextlib.redirect_stdout(out):
            report.figure("race_lost_updates", 1)
            report.figure("start_ms", 12.5)
        self.assertEqual(out.getvalue().splitlines(),
                         ["figure: race_lost_updates 1 goal <= 0 MISSED", "figure: start_ms 12.5 goal <= 100 ok"])
        self.assertEqual(report.missed, ["race_lost_updates"])

    def test_every_figure_has_a_goal_and_every_goal_a_figure(self):
        source = "".join(p.read_text() for p in (Path(__file__).parent / "driver").glob("*.py"))
        source = source.replace("lane_goodput_{name}_vs_serial", "lane_goodput_1ms_vs_serial lane_goodput_0ms_vs_serial")
        for name, goal in GOALS.items():
            self.assertIn(name, source)
            self.assertIn(goal["op"], ("<=", ">="))
        for name in re.findall(r'figure\("(\w+)"', source):
            self.assertIn(name, GOALS)


if __name__ == "__main__":
    unittest.main()
