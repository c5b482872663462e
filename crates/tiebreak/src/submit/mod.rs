//! The bulk client: pushes the lines of a file through the engine, and reports what became of each.
//!
//! | file | what it does |
//! |---|---|
//! | `args` | the command line |
//! | `input/` | reads lines and rows, and makes an [`entry`] of each |
//! | `place` | where writes go |
//! | `notes` | which submissions were met before, and what became of them |
//! | `dispatch` | in which order entries are sent, and how many at a time |
//! | `perform` | one entry through the engine |
//! | `outcome` | what an answer means for its line |
//! | `progress` | what is shown meanwhile |
//! | `report` | `results.ndjson`, the table, and the lines that need a person |

mod args;
mod dispatch;
mod entry;
mod input;
mod job;
mod notes;
mod outcome;
mod perform;
mod place;
mod progress;
mod report;

pub(crate) use args::SubmitArgs;
pub(crate) use job::run;
