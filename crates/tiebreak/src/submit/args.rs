//! The command line of `tiebreak submit`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::{HeaderMap, Method};
use tiebreak_core::json::Pointer;
use tiebreak_core::policy::{OnDuplicate, Policy};
use tiebreak_core::validator::EtagKind;

use super::input::{Format, Mode, RecordRules, Source, read_method};
use super::place::Place;
use crate::stores::SharedArgs;

/// Options of `tiebreak submit`.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// NDJSON or CSV: full writes ({"method","path","body",…}) or records; `-` reads standard input
    pub(super) file: PathBuf,
    /// Where to send: a URL, or a /path at the embedded origin; without it the embedded origin takes the paths of the lines
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Lines are records; their id is here, and each is written to URL/{id}
    #[arg(long, value_name = "POINTER")]
    id: Option<String>,
    /// Lines are records; these values together name one (may be repeated)
    #[arg(long, value_name = "POINTER", num_args = 1..)]
    key: Vec<String>,
    /// Lines are records, written with this method [default: PUT with --id, else POST]
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// What lines are, where it does not follow from the options or the first line
    #[arg(long = "as", value_name = "WHAT")]
    what: Option<What>,
    /// How the file is written [default: by its name, else ndjson]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// What separates the fields of CSV: one character, or `tab`
    #[arg(long, value_name = "CHAR", default_value = ",")]
    delimiter: String,
    /// What the fields of CSV records are: texts, or JSON where they look like a number, true, false or null
    #[arg(long, value_name = "TYPES", default_value = "strings")]
    types: Types,
    /// A field for every request, `Name: value`, or `@FILE` with one per line; never printed, never stored (may be repeated)
    #[arg(short = 'H', long = "header", value_name = "FIELD", requires = "to")]
    header: Vec<String>,
    /// At most so many writes at a time
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// Send every line, also those that repeat an earlier one
    #[arg(long)]
    pub(super) each: bool,
    /// What to do about a record that is there already: `adopt` it if it is equal, or `stop`
    /// [default: adopt with --id or --key, else stop]
    #[arg(long, value_name = "WHAT")]
    on_duplicate: Option<OnDuplicateArg>,
    /// The target honours Idempotency-Key: the same key is never performed twice
    #[arg(long)]
    honours_keys: bool,
    /// For how long the target knows a key, in seconds: what has been in doubt for longer is not sent again by it
    #[arg(long, value_name = "SECONDS", default_value = "86400")]
    honours_keys_for: u64,
    /// What the target's entity tags are worth: `version` if they never come back, `digest` if they follow the content
    #[arg(long, value_name = "KIND", default_value = "auto")]
    etag: Etag,
    /// How long we reckon with a request that applies after its answer was lost, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    late_after: u64,
    /// How long one line may wait for a conflict to pass, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "120")]
    patience: u64,
    /// How long one attempt may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    timeout: u64,
    /// The ledger of this job, `memory`, or postgres://user@host/database for one that is shared [default: FILE.tiebreak]
    #[arg(long, value_name = "PATH")]
    ledger: Option<PathBuf>,
    /// The embedded origin's data, or `memory` [default: FILE.origin]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Where the results go: one line per line of the input
    #[arg(long, value_name = "PATH", default_value = "results.ndjson")]
    pub(super) results: PathBuf,
    /// The JSON Schema of a collection of the embedded origin (may be repeated)
    #[arg(long, value_name = "COLLECTION=FILE")]
    schema: Vec<String>,
    /// Send once more what the target refused in an earlier run
    #[arg(long)]
    pub(super) again: bool,
    /// Forget what earlier runs of this job did, and send nothing
    #[arg(long, conflicts_with = "ledger")]
    pub(super) forget: bool,
    #[command(flatten)]
    pub(super) shared: SharedArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Full writes
    Writes,
    /// Records
    Records,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    Ndjson,
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Types {
    Strings,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnDuplicateArg {
    Adopt,
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Etag {
    Auto,
    Version,
    Digest,
}

impl SubmitArgs {
    /// The input; `None`: standard input.
    pub(super) fn path(&self) -> Option<&Path> {
        (self.file.as_os_str() != "-").then_some(self.file.as_path())
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.ledger.clone().unwrap_or_else(|| self.beside(".tiebreak"))
    }

    pub(super) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| self.beside(".origin"))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self
            .path()
            .map_or_else(|| OsString::from("submit"), |p| p.as_os_str().to_owned());
        name.push(suffix);
        name.into()
    }

    pub(super) fn workers(&self) -> usize {
        usize::from(self.workers)
    }

    pub(super) fn place(&self) -> Result<Place, String> {
        let place = self.to.as_deref().map_or_else(|| Ok(Place::embedded()), Place::to)?;
        if !place.is_embedded() && (self.data.is_some() || !self.schema.is_empty()) {
            return Err(
                "use --data or --schema with a --to that is elsewhere; they belong to the embedded origin".into(),
            );
        }
        Ok(place)
    }

    /// What is read and how.
    pub(super) fn source(&self, place: Place) -> Result<Source, String> {
        Ok(Source {
            path: self.path().map(Path::to_owned),
            format: self.format()?,
            mode: self.mode()?,
            place,
        })
    }

    fn format(&self) -> Result<Format, String> {
        let extension = self
            .path()
            .and_then(Path::extension)
            .map(|e| e.to_string_lossy().to_ascii_lowercase());
        let tabs = extension.as_deref() == Some("tsv");
        let csv = match (self.format, extension.as_deref()) {
            (Some(format), _) => format == FormatArg::Csv,
            (None, Some("csv" | "tsv")) => true,
            (None, _) => false,
        };
        if !csv {
            return Ok(Format::Ndjson);
        }
        let delimiter = match self.delimiter.as_str() {
            "tab" | "\\t" => b'\t',
            "," if tabs => b'\t',
            text => match text.as_bytes() {
                [one] if one.is_ascii() && !matches!(one, b'"' | b'\r' | b'\n') => *one,
                _ => return Err(format!("use --delimiter {text}; give one ASCII character, or `tab`")),
            },
        };
        Ok(Format::Csv {
            delimiter,
            typed: self.types == Types::Json,
        })
    }

    fn mode(&self) -> Result<Mode, String> {
        let pointer = |text: &String| Pointer::parse(text).map_err(|error| error.to_string());
        let rules = RecordRules {
            method: match &self.method {
                Some(text) => read_method(text)?,
                None if self.id.is_some() => Method::PUT,
                None => Method::POST,
            },
            id: self.id.as_ref().map(pointer).transpose()?,
            key: self.key.iter().map(pointer).collect::<Result<_, _>>()?,
        };
        let says_records = self.id.is_some() || !self.key.is_empty() || self.method.is_some();
        let mode = match self.what {
            Some(What::Writes) if says_records => {
                return Err("use --id, --key or --method with --as writes; they are for records".into());
            }
            Some(What::Writes) => Mode::Writes,
            Some(What::Records) => Mode::Records(rules),
            None if says_records => Mode::Records(rules),
            None if self.to.is_some() => Mode::AsTheFirst(rules),
            None => Mode::Writes,
        };
        if matches!(mode, Mode::Records(_)) && self.to.is_none() {
            return Err("send records without --to; name a URL, or a /collection of the embedded origin".into());
        }
        if let Mode::Records(rules) = &mode
            && rules.method != Method::POST
            && rules.id.is_none()
        {
            return Err(format!(
                "write records with {} without --id; say where a record's id is",
                rules.method
            ));
        }
        Ok(mode)
    }

    /// The fields that go with every request.
    pub(super) fn fields(&self) -> Result<HeaderMap, String> {
        crate::fields::read(&self.header)
    }

    /// Collections of the embedded origin and the files with their schemas.
    pub(super) fn schemas(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let pair = |given: &String| match given.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.into())),
            _ => Err(format!(
                "use --schema {given}; write it like airports=airports.schema.json"
            )),
        };
        self.schema.iter().map(pair).collect()
    }

    /// What applies to writes: to the embedded origin, which is known, or to another target.
    pub(super) fn policy(&self, embedded: bool) -> Policy {
        let names_records = self.id.is_some() || !self.key.is_empty();
        let on_duplicate = match self.on_duplicate {
            Some(OnDuplicateArg::Adopt) => OnDuplicate::Adopt,
            Some(OnDuplicateArg::Stop) => OnDuplicate::Stop,
            None if names_records => OnDuplicate::Adopt,
            None => OnDuplicate::Stop,
        };
        let seconds = Duration::from_secs;
        Policy {
            on_duplicate,
            etag: match self.etag {
                _ if embedded => EtagKind::Version,
                Etag::Auto => EtagKind::Auto,
                Etag::Version => EtagKind::Version,
                Etag::Digest => EtagKind::Digest,
            },
            honours_keys: embedded || self.honours_keys,
            honours_keys_for: (!embedded).then(|| seconds(self.honours_keys_for)),
            // The validator that guards an attempt is recorded with its claim: a rerun needs it.
            claim_ahead: false,
            patience: seconds(self.patience),
            attempt_timeout: seconds(self.timeout),
            // What was on its way to an origin in this process ended with the process.
            late_after: if embedded {
                Duration::ZERO
            } else {
                seconds(self.late_after)
            },
            remember: None,
            ..Policy::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: SubmitArgs,
    }

    fn parse(line: &str) -> SubmitArgs {
        Cli::try_parse_from(std::iter::once("submit").chain(line.split_whitespace()))
            .unwrap()
            .args
    }

    #[test]
    fn the_format_follows_the_name_unless_it_is_said() {
        let csv = |delimiter| Format::Csv {
            delimiter,
            typed: false,
        };
        let table = [
            ("a.ndjson", Format::Ndjson),
            ("-", Format::Ndjson),
            ("a.CSV", csv(b',')),
            ("a.tsv", csv(b'\t')),
            ("a --format csv --delimiter ;", csv(b';')),
            ("a.csv --format ndjson", Format::Ndjson),
        ];
        for (line, format) in table {
            assert_eq!(parse(line).format().unwrap(), format, "{line}");
        }
        assert!(parse("a.csv --delimiter ab").format().is_err());
    }

    #[test]
    fn records_need_a_place_and_edits_of_records_an_id() {
        for bad in [
            "a --id /id",
            "a --to http://h --method PUT",
            "a --to http://h --as writes --id /id",
            "a --to http://h --id id",
            "a --to http://h --method GET --id /id",
        ] {
            assert!(parse(bad).mode().is_err(), "{bad}");
        }
        assert!(matches!(parse("a --to http://h").mode(), Ok(Mode::AsTheFirst(_))));
        assert!(matches!(parse("a").mode(), Ok(Mode::Writes)));
    }

    #[test]
    fn names_of_files_follow_the_input() {
        assert_eq!(parse("x/a.ndjson").ledger(), Path::new("x/a.ndjson.tiebreak"));
        assert_eq!(parse("-").data(), Path::new("submit.origin"));
    }

    #[test]
    fn a_bad_field_is_refused_without_its_value() {
        for bad in ["Bearer-secret", "X Y: secret", "X: sec\u{1}ret"] {
            let why = crate::fields::read(&[bad.to_owned()]).unwrap_err();
            assert!(!why.contains("secret") && !why.contains("ret\""), "{why}");
        }
    }

    #[test]
    fn an_equal_record_is_adopted_only_where_records_have_names() {
        assert_eq!(
            parse("a --to http://h --id /id").policy(false).on_duplicate,
            OnDuplicate::Adopt
        );
        assert_eq!(parse("a --to http://h").policy(false).on_duplicate, OnDuplicate::Stop);
        let stop = parse("a --to http://h --id /id --on-duplicate stop");
        assert_eq!(stop.policy(false).on_duplicate, OnDuplicate::Stop);
    }
}
