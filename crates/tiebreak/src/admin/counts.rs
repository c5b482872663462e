//! `/api/counts`: how often each class, status, problem and step was met since the start.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::Desk;

/// `/api/counts`.
pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/api/counts", get(counts))
}

async fn counts(State(desk): State<Arc<Desk>>) -> Json<Value> {
    let figures = desk.watch.figures();
    let mut outcomes = Map::new();
    let mut guarantees = Map::new();
    let mut writes = 0;
    for tally in figures.tallies() {
        writes += tally.count;
        add(&mut outcomes, tally.outcome.as_str(), tally.count);
        add(&mut guarantees, tally.guarantee.as_str(), tally.count);
    }
    let classes = figures.classes().into_iter().map(|(c, n)| (c.as_str().to_owned(), n));
    let steps = figures.steps().into_iter().map(|(s, n)| (s.as_str().to_owned(), n));
    let statuses = figures.statuses().into_iter().map(|(s, n)| (s.to_string(), n));
    let problems = figures.problems().into_iter().map(|(k, n)| (k.slug().to_owned(), n));
    let bounds = figures.bounds().into_iter().map(|(b, n)| (b.as_str().to_owned(), n));
    Json(json!({
        "since": desk.started.0,
        "writes": writes,
        "outcomes": outcomes,
        "guarantees": guarantees,
        "classes": object(classes),
        "statuses": object(statuses),
        "problems": object(problems),
        "steps": object(steps),
        "bounds": object(bounds),
    }))
}

fn add(to: &mut Map<String, Value>, name: &str, count: u64) {
    let sum = to.get(name).and_then(Value::as_u64).unwrap_or(0) + count;
    to.insert(name.to_owned(), sum.into());
}

fn object(pairs: impl Iterator<Item = (String, u64)>) -> Map<String, Value> {
    pairs.map(|(name, n)| (name, n.into())).collect()
}
