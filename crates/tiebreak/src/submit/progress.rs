//! What is shown while a job runs: a bar on a terminal, a plain line now and then in a pipe.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::dispatch::Tally;
use super::outcome::Came;

/// In a pipe: a line at least this far from the one before.
const EVERY: Duration = Duration::from_secs(5);

/// How far a job is.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// The size of the input, in bytes, where it is known.
    size: Option<u64>,
    done: u64,
    started: Instant,
    told: Instant,
    told_tenths: u64,
}

impl Progress {
    /// Progress over an input of this size.
    pub(super) fn new(size: Option<u64>) -> Progress {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| bar(size));
        Progress {
            bar,
            size,
            done: 0,
            started: now,
            told: now,
            told_tenths: 0,
        }
    }

    /// So many more bytes of the input are done with.
    pub(super) fn done(&mut self, bytes: u64) {
        self.done += bytes;
    }

    /// Shows the state, if it is time to.
    pub(super) fn show(&mut self, tally: &Tally) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
            bar.set_message(counts(tally));
            return;
        }
        let tenths = self
            .size
            .filter(|size| *size > 0)
            .map_or(0, |size| self.done * 10 / size);
        let now = Instant::now();
        let further = tenths > self.told_tenths && now.duration_since(self.told) > Duration::from_secs(1);
        if further || now.duration_since(self.told) >= EVERY {
            self.told = now;
            self.told_tenths = tenths;
            let share = self
                .size
                .filter(|s| *s > 0)
                .map(|s| format!("{:3} %, ", (self.done * 100 / s).min(100)));
            say(&format!("{}{}", share.unwrap_or_default(), counts(tally)));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&mut self, tally: &Tally) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        say(&format!("{} lines in {seconds:.1} s", tally.lines()));
    }
}

/// One line for people. A pipe that nobody reads any more must not end a job in the middle of its writes.
pub(super) fn say(text: &str) {
    let _unread = writeln!(std::io::stderr(), "tiebreak: {text}");
}

fn bar(size: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(5));
    let template = if size.is_some() {
        "{bar:30} {percent:>3} %  {elapsed_precise}  {msg}"
    } else {
        "{spinner} {elapsed_precise}  {msg}"
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn counts(tally: &Tally) -> String {
    let landed = tally.landed();
    let doubt = tally.of(Came::InDoubt);
    let rest = tally.lines() - landed - doubt;
    let mut text = format!("{} lines: {landed} landed, {rest} open", tally.lines());
    if doubt > 0 {
        text.push_str(&format!(", {doubt} in doubt"));
    }
    text
}
