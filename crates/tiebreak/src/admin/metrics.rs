//! `/metrics` in the OpenMetrics text format.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tiebreak_client::figures::{AtBound, Latency, Step, Tally};
use tiebreak_client::lanes::LaneLoad;
use tiebreak_core::problem::Kind;
use tiebreak_core::verdict::Class;
use tiebreak_ledger::Stats;

use super::Desk;
use super::refusal::refusal;

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/metrics`.
pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    let figures = desk.watch.figures();
    let mut registry = Registry::with_prefix("tiebreak");
    registry.register_collector(Box::new(Snapshot {
        tallies: figures.tallies(),
        classes: figures.classes().to_vec(),
        steps: figures.steps().to_vec(),
        statuses: figures.statuses(),
        problems: figures.problems(),
        bounds: figures.bounds().to_vec(),
        latency: figures.latency(),
        lanes: desk.engine.lanes().load(),
        ledger: desk.engine.ledger().stats().await.ok(),
        running: desk.watch.running() as u64,
    }));
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written");
    }
    let mut answer = text.into_response();
    let kind = HeaderValue::from_static(MEDIA_TYPE);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// What is counted, at one moment.
#[derive(Debug)]
struct Snapshot {
    tallies: Vec<Tally>,
    classes: Vec<(Class, u64)>,
    steps: Vec<(Step, u64)>,
    statuses: Vec<(u16, u64)>,
    problems: Vec<(Kind, u64)>,
    bounds: Vec<(AtBound, u64)>,
    latency: Latency,
    lanes: LaneLoad,
    /// `None`: the ledger cannot be read.
    ledger: Option<Stats>,
    running: u64,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Writes that ended, by what they came to";
        let mut family = encoder.encode_descriptor("writes", help, None, MetricType::Counter)?;
        for tally in &self.tallies {
            let labels = [
                ("outcome", tally.outcome.as_str()),
                ("class", tally.class.map_or("none", Class::as_str)),
                ("guarantee", tally.guarantee.as_str()),
            ];
            counter(family.encode_family(&labels)?, tally.count)?;
        }
        let help = "Verdicts by class, also of conflicts that were overcome";
        let mut family = encoder.encode_descriptor("conflicts", help, None, MetricType::Counter)?;
        for (class, count) in &self.classes {
            counter(family.encode_family(&[("class", class.as_str())])?, *count)?;
        }
        let help = "Steps on the way of writes";
        let mut family = encoder.encode_descriptor("steps", help, None, MetricType::Counter)?;
        for (step, count) in &self.steps {
            counter(family.encode_family(&[("step", step.as_str())])?, *count)?;
        }
        let help = "Answers of the origin to attempts, by status";
        let mut family = encoder.encode_descriptor("origin_answers", help, None, MetricType::Counter)?;
        for (status, count) in &self.statuses {
            counter(family.encode_family(&[("status", status.to_string())])?, *count)?;
        }
        let help = "Problems that Tiebreak itself answered with";
        let mut family = encoder.encode_descriptor("problems", help, None, MetricType::Counter)?;
        for (kind, count) in &self.problems {
            counter(family.encode_family(&[("type", kind.slug())])?, *count)?;
        }
        let help = "Connections refused and answers to reads cut at a bound, by the setting that holds it";
        let mut family = encoder.encode_descriptor("at_bound", help, None, MetricType::Counter)?;
        for (bound, count) in &self.bounds {
            counter(family.encode_family(&[("bound", bound.as_str())])?, *count)?;
        }
        self.encode_latency(&mut encoder)?;
        let mut gauge = |name: &str, help: &str, value: u64| {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(gauge)
        };
        gauge("running", "Writes on their way", self.running)?;
        gauge("lanes", "Lanes with writes in them", self.lanes.busy as u64)?;
        gauge("lane_places", "Places taken in all lanes", self.lanes.places as u64)?;
        gauge("lane_longest", "Writes in the longest lane", self.lanes.longest as u64)?;
        gauge(
            "ledger_up",
            "Whether the ledger can be read",
            u64::from(self.ledger.is_some()),
        )?;
        if let Some(stats) = &self.ledger {
            gauge("doubts", "Open doubts", stats.in_doubt)?;
            gauge("claims", "Writes that are claimed", stats.claimed)?;
            gauge("ledger_settled", "Settled writes that are remembered", stats.settled)?;
            gauge("ledger_bytes", "Bytes that the ledger occupies", stats.bytes)?;
        }
        Ok(())
    }
}

impl Snapshot {
    fn encode_latency(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "How long writes took, from request to answer";
        let unit = Unit::Seconds;
        let mut histogram = encoder.encode_descriptor("write_duration", help, Some(&unit), MetricType::Histogram)?;
        histogram.encode_histogram::<NoLabelSet>(
            self.latency.sum(),
            self.latency.count(),
            &self.latency.buckets(),
            None,
        )
    }
}

fn counter(encoder: MetricEncoder<'_>, value: u64) -> Result<(), fmt::Error> {
    ConstCounter::new(value).encode(encoder)
}
