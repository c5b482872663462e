//! Many workers with one credential edit one document, each its own field, without ever naming a version. Is any
//! edit lost silently?
//!
//! A toy origin keeps every version; a toy gateway remembers what was served on which connection, asks the core
//! whose base a write has, and merges. Interleavings are drawn from a seed. `--nocapture` prints the shares.

#![allow(clippy::print_stdout, reason = "the shares are for people to read")]

use std::collections::HashMap;

use serde_json::{Map, Value};
use tiebreak_core::base::{BaseDecision, BaseUnknown, Connections, How, Question, Served, decide};
use tiebreak_core::json::parse_strict;
use tiebreak_core::merge::{Edit, MergeFailure, MergeRules, Representation, rebase};
use tiebreak_core::time::Time;
use tiebreak_core::validator::EntityTag;

/// SplitMix64: small, seeded, the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("fits")
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Wires {
    /// Each worker has its own connection.
    Own,
    /// Every request takes any of so many connections.
    Pool(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Fields {
    /// Worker 7 edits `/w7` only.
    Own,
    /// Each worker has its own item in one array that is merged as a whole.
    OwnItem,
    /// All edit `/n`.
    Shared,
    /// All turn one of four switches on or off, so that values come back all the time.
    Switches,
}

/// The member `/at`, which the origin sets with each version and the route declares volatile.
#[derive(Clone, Copy, PartialEq)]
enum Clock {
    None,
    /// It never has the same value twice.
    Fine,
    /// Three versions in a row have the same.
    Coarse,
}

impl Clock {
    fn set(self, document: &mut Value, version: usize) {
        match self {
            Clock::None => {}
            Clock::Fine => document["at"] = version.into(),
            Clock::Coarse => document["at"] = (version / 3).into(),
        }
    }

    fn rules(self) -> MergeRules {
        match self {
            Clock::None => MergeRules::default(),
            Clock::Fine | Clock::Coarse => MergeRules::default().with_volatile("/at").expect("a place"),
        }
    }
}

struct Scene {
    workers: usize,
    steps: usize,
    wires: Wires,
    fields: Fields,
    clock: Clock,
    /// Turn into `Connections::Pooled` once a write smelled, as the driver does.
    learns: bool,
    connections: Connections,
}

#[derive(Default, Debug)]
struct Tally {
    kept: usize,
    overlaps: usize,
    unknown: usize,
    by_connection: usize,
    lost: Vec<String>,
}

struct Worker {
    read: Option<Value>,
    count: u64,
}

struct World {
    random: Random,
    versions: Vec<(Value, Representation)>,
    served: Vec<Served>,
    connections: Connections,
    clock: Clock,
    tally: Tally,
}

fn rep(value: &Value) -> Representation {
    Representation::new("application/json", value.to_string())
}

fn run(seed: u64, scene: &Scene) -> Tally {
    let mut start: Value = match scene.fields {
        Fields::Own => (0..scene.workers)
            .map(|w| (format!("w{w}"), Value::from(0)))
            .collect::<Map<_, _>>()
            .into(),
        Fields::OwnItem => serde_json::json!({ "list": [] }),
        Fields::Shared => serde_json::json!({ "n": "start" }),
        Fields::Switches => serde_json::json!({ "a": false, "b": false, "c": false, "d": false }),
    };
    scene.clock.set(&mut start, 0);
    let mut world = World {
        random: Random(seed),
        versions: vec![(start.clone(), rep(&start))],
        served: Vec::new(),
        connections: scene.connections,
        clock: scene.clock,
        tally: Tally::default(),
    };
    let mut workers: Vec<Worker> = (0..scene.workers).map(|_| Worker { read: None, count: 0 }).collect();
    for step in 0..scene.steps {
        let who = world.random.below(scene.workers);
        let wire = match scene.wires {
            Wires::Own => who,
            Wires::Pool(size) => world.random.below(size),
        };
        let (wire, at) = (wire as u64, Time(step as u64));
        match workers[who].read.take() {
            None => {
                let (version, content) = world.versions.last().expect("never empty").clone();
                let tag = EntityTag::strong(format!("v{}", world.versions.len() - 1));
                world.served.push(Served {
                    etag: Some(tag),
                    content: Some(content),
                    at,
                    connection: Some(wire),
                    written_since: false,
                    ..Served::default()
                });
                workers[who].read = Some(version);
            }
            Some(read) => {
                let mut wanted = read.clone();
                workers[who].count += 1;
                let nth = world.random.below(4);
                edit(&mut wanted, scene.fields, who, workers[who].count, nth);
                world.write(seed, wire, &read, &wanted, scene.learns);
            }
        }
    }
    world.tally
}

fn edit(document: &mut Value, fields: Fields, who: usize, count: u64, nth: usize) {
    match fields {
        Fields::Switches => {
            let switch = ["a", "b", "c", "d"][nth];
            document[switch] = (document[switch] == false).into();
        }
        Fields::Own => document[format!("w{who}")] = Value::from(count),
        Fields::Shared => document["n"] = Value::from(format!("{who}-{count}")),
        Fields::OwnItem => {
            let items = document["list"].as_array_mut().expect("a list");
            items.retain(|item| !item.as_str().is_some_and(|item| item.starts_with(&format!("{who}-"))));
            items.push(Value::from(format!("{who}-{count}")));
        }
    }
}

impl World {
    /// What the gateway does with a write that names no version.
    fn write(&mut self, seed: u64, wire: u64, read: &Value, wanted: &Value, learns: bool) {
        let sent = Edit::Whole(rep(wanted));
        let rules = self.clock.rules();
        let (current, current_rep) = self.versions.last().expect("never empty").clone();
        let mut question = Question {
            edit: &sent,
            if_match: None,
            connection: Some(wire),
            served: &self.served,
            complete: true,
            current: None,
            rules: &rules,
            connections: self.connections,
        };
        let mut decision = decide(&question);
        if matches!(decision, BaseDecision::FetchCurrent(_)) {
            question.current = Some(&current_rep);
            decision = decide(&question);
        }
        let content = match decision {
            BaseDecision::Proven { base, how } => {
                self.tally.by_connection += usize::from(how == How::Connection);
                let base = self.served[base].content.as_ref().expect("kept");
                match rebase(&sent, base, &current_rep, &rules) {
                    Ok(merged) => Some(merged.content),
                    Err(MergeFailure::Overlap(_)) => {
                        self.tally.overlaps += 1;
                        None
                    }
                    Err(other) => panic!("seed {seed}: {other}"),
                }
            }
            BaseDecision::Agreed(merged) => Some(merged.content),
            BaseDecision::Unknown(why) => {
                self.tally.unknown += 1;
                if learns && why == BaseUnknown::Pooled {
                    self.connections = Connections::Pooled;
                }
                None
            }
            other => panic!("seed {seed}: {other:?}"),
        };
        for served in self.served.iter_mut().filter(|served| served.connection == Some(wire)) {
            served.written_since = true;
        }
        if let Some(content) = content {
            let mut next = parse_strict(&content, 128).expect("JSON");
            self.clock.set(&mut next, self.versions.len());
            self.check(seed, read, wanted, &current, &next);
            self.tally.kept += 1;
            let content = rep(&next);
            self.versions.push((next, content));
        }
    }

    /// The checker knows what the gateway does not: what the worker really read. An accepted write must have its own
    /// edits in it and change nothing else, and must not overwrite what its author never saw.
    fn check(&mut self, seed: u64, read: &Value, wanted: &Value, current: &Value, next: &Value) {
        let (read, wanted, current, next) = (leaves(read), leaves(wanted), leaves(current), leaves(next));
        let mut places: Vec<&String> = [&read, &wanted, &current, &next]
            .into_iter()
            .flat_map(HashMap::keys)
            .collect();
        places.sort();
        places.dedup();
        for place in places {
            let (r, w, c, n) = (read.get(place), wanted.get(place), current.get(place), next.get(place));
            let fault = if r == w {
                (n != c).then_some("somebody else's change was undone")
            } else if n != w {
                Some("the worker's own change is missing")
            } else {
                (c != r && c != w).then_some("a change that the worker never saw was overwritten")
            };
            if let Some(fault) = fault {
                self.tally.lost.push(format!(
                    "seed {seed}, {place}: {fault}: read {r:?}, wanted {w:?}, was {c:?}, is {n:?}"
                ));
            }
        }
    }
}

/// What the document says, item by item: members, and what is in the list.
fn leaves(document: &Value) -> HashMap<String, String> {
    let mut out = HashMap::new();
    for (name, value) in document.as_object().expect("an object") {
        if name == "at" {
            continue; // the origin's
        }
        match value {
            Value::Array(items) => {
                for item in items {
                    out.insert(format!("{name}:{item}"), String::new());
                }
            }
            value => drop(out.insert(name.clone(), value.to_string())),
        }
    }
    out
}

fn total(name: &str, seeds: u64, scene: &Scene) -> Tally {
    let mut sum = Tally::default();
    for seed in 0..seeds {
        let tally = run(seed, scene);
        sum.kept += tally.kept;
        sum.overlaps += tally.overlaps;
        sum.unknown += tally.unknown;
        sum.by_connection += tally.by_connection;
        sum.lost.extend(tally.lost);
    }
    let writes = sum.kept + sum.overlaps + sum.unknown;
    let percent = |part: usize| 100.0 * part as f64 / writes as f64;
    println!(
        "{name}: {seeds} seeds, {writes} writes: {:.1}% kept, {:.1}% overlap, {:.1}% base-unknown; base by connection {:.1}%; lost {}",
        percent(sum.kept),
        percent(sum.overlaps),
        percent(sum.unknown),
        percent(sum.by_connection),
        sum.lost.len()
    );
    assert!(writes > 0);
    sum
}

fn scene(wires: Wires, fields: Fields) -> Scene {
    Scene {
        workers: 64,
        steps: 400,
        wires,
        fields,
        clock: Clock::None,
        learns: false,
        connections: Connections::Unknown,
    }
}

#[test]
fn own_connections_keep_every_edit() {
    let tally = total("own connections, own fields", 20, &scene(Wires::Own, Fields::Own));
    assert_eq!(tally.lost, [""; 0]);
    assert_eq!((tally.overlaps, tally.unknown), (0, 0));
}

#[test]
fn a_pool_loses_nothing() {
    for size in [1, 2, 8, 64] {
        let tally = total(
            &format!("pool of {size}, own fields"),
            10,
            &scene(Wires::Pool(size), Fields::Own),
        );
        assert_eq!(tally.lost, [""; 0]);
        assert!(tally.kept > 0, "refusing everything would be safe, too");
    }
}

#[test]
fn small_crowds_on_a_pool_lose_nothing() {
    for workers in [2, 3, 5] {
        for size in [1, 2, 4] {
            let scene = Scene {
                workers,
                steps: 40,
                ..scene(Wires::Pool(size), Fields::Own)
            };
            let tally = total(&format!("{workers} workers, pool of {size}"), 300, &scene);
            assert_eq!(tally.lost, [""; 0]);
        }
    }
}

#[test]
fn a_member_that_the_origin_sets_makes_a_pool_useful() {
    for fields in [Fields::Own, Fields::Shared, Fields::Switches] {
        for size in [1, 8] {
            let fine = Scene {
                clock: Clock::Fine,
                learns: true,
                ..scene(Wires::Pool(size), fields)
            };
            let fine = total(&format!("pool of {size}, a fine clock in the document"), 10, &fine);
            assert_eq!(fine.lost, [""; 0]);
            assert_eq!(fine.unknown, 0, "each document says what it was made from");
        }
    }
}

#[test]
fn a_clock_that_stands_still_between_versions_loses_nothing() {
    for size in [2, 8] {
        let coarse = |fields| Scene {
            clock: Clock::Coarse,
            learns: true,
            connections: Connections::Pooled,
            ..scene(Wires::Pool(size), fields)
        };
        for fields in [Fields::Own, Fields::Shared, Fields::Switches] {
            let tally = total(&format!("pool of {size}, a coarse clock"), 10, &coarse(fields));
            assert_eq!(tally.lost, [""; 0]);
            assert!(tally.kept > 0);
        }
    }
}

/// Why nothing is inferred from how few edits a candidate implies: values that come back make the wrong one look best.
#[test]
fn switches_on_a_declared_pool_lose_nothing() {
    for size in [2, 8] {
        let scene = Scene {
            connections: Connections::Pooled,
            ..scene(Wires::Pool(size), Fields::Switches)
        };
        let tally = total(&format!("declared pool of {size}, switches"), 20, &scene);
        assert_eq!(tally.lost, [""; 0]);
    }
}

#[test]
fn a_pool_loses_nothing_in_arrays_that_are_one_value() {
    for workers in [3, 16] {
        let scene = Scene {
            workers,
            steps: 120,
            ..scene(Wires::Pool(4), Fields::OwnItem)
        };
        let tally = total(
            &format!("{workers} workers, pool of 4, own items of one array"),
            30,
            &scene,
        );
        assert_eq!(tally.lost, [""; 0]);
    }
}

#[test]
fn shared_fields_lose_nothing_on_own_connections_or_a_declared_pool() {
    let own = total(
        "own connections, one shared field",
        40,
        &scene(Wires::Own, Fields::Shared),
    );
    assert_eq!(own.lost, [""; 0]);
    assert!(own.kept > 0);
    let declared = Scene {
        connections: Connections::Pooled,
        ..scene(Wires::Pool(8), Fields::Shared)
    };
    let declared = total("declared pool of 8, one shared field", 15, &declared);
    assert_eq!(declared.lost, [""; 0]);
}

/// What `docs/merging.md` admits: the second rule cannot see this. If this test fails because nothing is lost any more, the
/// page can promise more.
#[test]
fn shared_fields_on_an_undeclared_pool_are_the_known_limit() {
    let undeclared = Scene {
        learns: true,
        ..scene(Wires::Pool(8), Fields::Shared)
    };
    let tally = total("undeclared pool of 8, one shared field", 15, &undeclared);
    assert!(!tally.lost.is_empty());
}

/// The checker itself must find what it looks for: a gateway that takes the connection's word loses edits.
#[test]
fn the_checker_sees_lost_edits() {
    let mut world = World {
        random: Random(0),
        versions: Vec::new(),
        served: Vec::new(),
        connections: Connections::Unknown,
        clock: Clock::None,
        tally: Tally::default(),
    };
    let v = |text: &str| parse_strict(text.as_bytes(), 8).expect("JSON");
    let (read, wanted) = (v(r#"{"a":1,"b":1}"#), v(r#"{"a":2,"b":1}"#));
    let current = v(r#"{"a":1,"b":5}"#);
    world.check(0, &read, &wanted, &current, &v(r#"{"a":2,"b":5}"#));
    assert!(world.tally.lost.is_empty());
    world.check(0, &read, &wanted, &current, &v(r#"{"a":2,"b":1}"#));
    assert_eq!(world.tally.lost.len(), 1);
    world.check(0, &read, &wanted, &current, &v(r#"{"a":1,"b":5}"#));
    assert_eq!(world.tally.lost.len(), 2);
}
