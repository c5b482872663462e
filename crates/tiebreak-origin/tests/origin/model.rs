//! Random writes against a plain model. The seed is in every failure.

use std::collections::HashMap;
use std::sync::Arc;

use tiebreak_origin::{Origin, OriginOptions};

use crate::helpers::{ask, both};

/// A small generator (splitmix64), so that a seed alone reproduces a run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// What should be there: by id, the unique member, another, and the tag.
#[derive(Default)]
struct Model(HashMap<u64, (u64, u64, String)>);

impl Model {
    fn holder(&self, unique: u64) -> Option<u64> {
        self.0.iter().find(|(_, (u, ..))| *u == unique).map(|(id, _)| *id)
    }
}

async fn run(origin: &Origin, seed: u64, steps: usize) {
    let mut dice = Dice(seed);
    let mut model = Model::default();
    let mut old_tags = vec!["\"v0-00000000\"".to_owned()];
    ask(origin, "PUT /_collections/t", &[], r#"{"unique":["/u"]}"#).await;
    for step in 0..steps {
        let (id, unique, n) = (dice.roll(6), dice.roll(8), dice.roll(1000));
        let current = model.0.get(&id).cloned();
        let guard = dice.roll(4);
        let tag = match (guard, &current) {
            (1, Some((.., tag))) => tag.clone(),
            (2, _) => old_tags[usize::try_from(dice.roll(old_tags.len() as u64)).expect("small")].clone(),
            _ => "*".to_owned(),
        };
        let fields: Vec<(&str, &str)> = match guard {
            0 => vec![],
            3 => vec![("if-none-match", "*")],
            _ => vec![("if-match", &tag)],
        };
        let guard_holds = match guard {
            0 => true,
            3 => current.is_none(),
            _ => current.as_ref().is_some_and(|(.., now)| tag == "*" || *now == tag),
        };
        let refused = if guard == 3 { 412 } else { 409 };
        let place = format!("/t/{id}");
        let what = dice.roll(4);
        let context = format!("seed {seed}, step {step}, way {what}, {place}, {fields:?}");
        let taken = model.holder(unique).filter(|holder| *holder != id);
        let content = format!("{{\"u\":{unique},\"n\":{n}}}");
        let (said, expected) = match what {
            0 | 1 => {
                let said = ask(origin, &format!("PUT {place}"), &fields, &content).await;
                let expected = match (guard_holds, taken, &current) {
                    (false, ..) => refused,
                    (_, Some(_), _) => 409,
                    (.., None) => 201,
                    (.., Some(_)) => 200,
                };
                (said, expected)
            }
            2 => {
                let mut fields = fields.clone();
                fields.push(("content-type", "application/merge-patch+json"));
                let said = ask(origin, &format!("PATCH {place}"), &fields, &content).await;
                let expected = match (&current, guard_holds, taken) {
                    (None, ..) => 404,
                    (_, false, _) => refused,
                    (.., Some(_)) => 409,
                    _ => 200,
                };
                (said, expected)
            }
            _ => {
                let said = ask(origin, &format!("DELETE {place}"), &fields, "").await;
                let expected = match (&current, guard_holds) {
                    (None, _) => 404,
                    (_, false) => refused,
                    _ => 204,
                };
                (said, expected)
            }
        };
        assert_eq!(said.status, expected, "{context}: {said:?}");
        match said.status {
            200 | 201 => {
                let tag = said.etag();
                assert!(!old_tags.contains(&tag), "{context}: {tag} recurs");
                old_tags.push(tag.clone());
                model.0.insert(id, (unique, n, tag));
            }
            204 => drop(model.0.remove(&id)),
            _ => {}
        }
        let read = ask(origin, &format!("GET {place}"), &[], "").await;
        match model.0.get(&id) {
            Some((u, n, tag)) => {
                assert_eq!(
                    (read.json()["u"].clone(), read.json()["n"].clone()),
                    ((*u).into(), (*n).into()),
                    "{context}"
                );
                assert_eq!(read.etag(), *tag, "{context}");
            }
            None => assert_eq!(read.status, 404, "{context}"),
        }
    }
    let all = ask(origin, "GET /t", &[], "").await.json();
    assert_eq!(
        all["items"].as_array().map(Vec::len),
        Some(model.0.len()),
        "seed {seed}"
    );
}

#[tokio::test]
async fn random_writes_agree_with_a_plain_model() {
    for seed in 1..=20 {
        let (_folder, [memory, _]) = both(&OriginOptions::default());
        run(&memory, seed, 400).await;
    }
}

#[tokio::test]
async fn random_writes_agree_with_a_plain_model_on_disk() {
    for seed in 21..=23 {
        // Without a cache every read and every decision comes from the file.
        let options = OriginOptions {
            cache: if seed == 22 { 0 } else { 1 << 20 },
            ..OriginOptions::default()
        };
        let (_folder, [_, file]) = both(&options);
        run(&file, seed, 250).await;
    }
}

/// Tasks write at random, each remembering what was acknowledged; a document's versions form one chain: every
/// conditional write that won names the version before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_histories_form_one_chain() {
    let (_folder, origins) = both(&OriginOptions::default());
    for (seed, origin) in origins.into_iter().enumerate() {
        let first = ask(&origin, "PUT /t/1", &[], "{}").await.etag();
        let tasks: Vec<_> = (0..16)
            .map(|n| {
                let origin = Arc::clone(&origin);
                tokio::spawn(async move {
                    let mut dice = Dice((seed * 100 + n) as u64);
                    let mut links = Vec::new();
                    for _ in 0..30 {
                        let read = ask(&origin, "GET /t/1", &[], "").await.etag();
                        let content = format!("{}", dice.roll(1000));
                        let said = ask(&origin, "PUT /t/1", &[("if-match", &read)], &content).await;
                        if said.status == 200 {
                            links.push((read, said.etag()));
                        }
                    }
                    links
                })
            })
            .collect();
        let mut next = HashMap::new();
        for task in tasks {
            for (before, after) in task.await.unwrap() {
                assert_eq!(next.insert(before.clone(), after), None, "{before} was replaced twice");
            }
        }
        let (mut at, mut length) = (first, 0);
        while let Some(after) = next.get(&at) {
            at = after.clone();
            length += 1;
        }
        assert_eq!(length, next.len(), "the chain is broken at {at}");
        assert_eq!(ask(&origin, "GET /t/1", &[], "").await.etag(), at);
    }
}
