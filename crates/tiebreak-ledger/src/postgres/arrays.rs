//! The changes of one kind in a batch, as the arrays that their statement takes.

use tiebreak_core::record::{Fence, Record, Settlement, Sought};
use tiebreak_core::time::Time;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::error::trouble;
use super::row::{self, millis, small, text};
use crate::shared::{Change, Job, Trouble};
use crate::words::{resolver, unknown};

/// Runs a statement, unless there is nothing for it to do.
async fn run(
    client: &Client,
    statement: &Statement,
    params: &[&(dyn ToSql + Sync)],
    count: usize,
) -> Result<Vec<Row>, Trouble> {
    if count == 0 {
        return Ok(Vec::new());
    }
    client.query(statement, params).await.map_err(trouble)
}

/// A fence as it is stored.
fn stored(fence: Fence) -> i64 {
    i64::try_from(fence.0).unwrap_or(i64::MAX)
}

/// Claims.
#[derive(Default)]
pub(super) struct Claims<'a> {
    ids: Vec<&'a [u8]>,
    keys: Vec<Option<&'a [u8]>>,
    traces: Vec<Option<&'a [u8]>>,
    exclusive: Vec<Option<bool>>,
    callers: Vec<&'a [u8]>,
    fingerprints: Vec<&'a [u8]>,
    methods: Vec<String>,
    targets: Vec<String>,
    lanes: Vec<String>,
    attempts: Vec<i32>,
    helds: Vec<Option<&'a str>>,
    at: Vec<i64>,
    expires: Vec<Option<i64>>,
}

impl<'a> Claims<'a> {
    pub(super) fn of(jobs: &'a [Job]) -> Claims<'a> {
        let mut all = Claims::default();
        for job in jobs {
            let Change::Claim(claim, _) = &job.change else { continue };
            let lanes: Vec<&str> = claim.lanes.iter().map(|l| l.0.as_str()).collect();
            all.ids.push(&claim.id.0);
            all.keys.push(claim.key.as_ref().map(|k| &k.0.0[..]));
            all.traces.push(claim.trace.as_ref().map(|t| &t.digest.0[..]));
            all.exclusive.push(claim.trace.map(|t| t.exclusive));
            all.callers.push(&claim.caller.0.0);
            all.fingerprints.push(&claim.fingerprint.0.0);
            all.methods.push(text(&claim.method));
            all.targets.push(text(&claim.target));
            all.lanes.push(serde_json::json!(lanes).to_string());
            all.attempts.push(small(claim.attempt));
            all.helds.push(claim.held.as_deref());
            all.at.push(millis(claim.at));
            all.expires.push(claim.expires.map(millis));
        }
        all
    }

    pub(super) async fn run(&self, client: &Client, statement: &Statement, owner: i64) -> Result<Vec<Row>, Trouble> {
        let params: [&(dyn ToSql + Sync); 14] = [
            &owner,
            &self.ids,
            &self.keys,
            &self.callers,
            &self.fingerprints,
            &self.methods,
            &self.targets,
            &self.lanes,
            &self.attempts,
            &self.helds,
            &self.at,
            &self.expires,
            &self.traces,
            &self.exclusive,
        ];
        run(client, statement, &params, self.ids.len()).await
    }
}

/// Amendments, or (without fences) retakings.
#[derive(Default)]
pub(super) struct Amends<'a> {
    ids: Vec<&'a [u8]>,
    fences: Vec<i64>,
    attempts: Vec<i32>,
    helds: Vec<Option<&'a str>>,
}

impl<'a> Amends<'a> {
    pub(super) fn of(jobs: &'a [Job]) -> Amends<'a> {
        let mut all = Amends::default();
        for job in jobs {
            let Change::Amend(id, fence, attempt, held, _) = &job.change else {
                continue;
            };
            all.ids.push(&id.0);
            all.fences.push(stored(*fence));
            all.attempts.push(small(*attempt));
            all.helds.push(held.as_deref());
        }
        all
    }

    pub(super) fn retaken(jobs: &'a [Job]) -> Amends<'a> {
        let mut all = Amends::default();
        for job in jobs {
            let Change::Retake(id, attempt, held, _) = &job.change else {
                continue;
            };
            all.ids.push(&id.0);
            all.attempts.push(small(*attempt));
            all.helds.push(held.as_deref());
        }
        all
    }

    pub(super) async fn run(&self, client: &Client, statement: &Statement) -> Result<Vec<Row>, Trouble> {
        let params: [&(dyn ToSql + Sync); 4] = [&self.ids, &self.fences, &self.attempts, &self.helds];
        run(client, statement, &params, self.ids.len()).await
    }

    pub(super) async fn retake(&self, client: &Client, statement: &Statement, owner: i64) -> Result<Vec<Row>, Trouble> {
        let params: [&(dyn ToSql + Sync); 4] = [&owner, &self.ids, &self.attempts, &self.helds];
        run(client, statement, &params, self.ids.len()).await
    }
}

/// The columns of settlements.
#[derive(Default)]
struct Columns<'a> {
    outcomes: Vec<&'static str>,
    statuses: Vec<i32>,
    fields: Vec<String>,
    contents: Vec<&'a [u8]>,
    truncated: Vec<bool>,
    classes: Vec<Option<&'static str>>,
    evidence: Vec<String>,
    guarantees: Vec<&'static str>,
    attempts: Vec<i32>,
    at: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, settlement: &'a Settlement) {
        self.outcomes.push(settlement.outcome.as_str());
        self.statuses.push(i32::from(settlement.status));
        self.fields.push(serde_json::json!(settlement.fields).to_string());
        self.contents.push(&settlement.content);
        self.truncated.push(settlement.truncated);
        self.classes
            .push(settlement.class.map(tiebreak_core::verdict::Class::as_str));
        self.evidence.push(text(&settlement.evidence));
        self.guarantees.push(settlement.guarantee.as_str());
        self.attempts.push(small(settlement.attempts));
        self.at.push(millis(settlement.at));
    }

    /// After those that come first, in the order in which the statements name them.
    fn params<'b>(&'b self, first: &[&'b (dyn ToSql + Sync)]) -> Vec<&'b (dyn ToSql + Sync)> {
        let own: [&'b (dyn ToSql + Sync); 10] = [
            &self.outcomes,
            &self.statuses,
            &self.fields,
            &self.contents,
            &self.truncated,
            &self.classes,
            &self.evidence,
            &self.guarantees,
            &self.attempts,
            &self.at,
        ];
        [first, &own].concat()
    }
}

/// Settlements.
#[derive(Default)]
pub(super) struct Settles<'a> {
    ids: Vec<&'a [u8]>,
    fences: Vec<i64>,
    columns: Columns<'a>,
}

impl<'a> Settles<'a> {
    pub(super) fn of(jobs: &'a [Job]) -> Settles<'a> {
        let mut all = Settles::default();
        for job in jobs {
            let Change::Settle(id, fence, settlement, _) = &job.change else {
                continue;
            };
            all.ids.push(&id.0);
            all.fences.push(stored(*fence));
            all.columns.push(settlement);
        }
        all
    }

    pub(super) async fn run(&self, client: &Client, statement: &Statement) -> Result<Vec<Row>, Trouble> {
        let params = self.columns.params(&[&self.ids, &self.fences]);
        run(client, statement, &params, self.ids.len()).await
    }
}

/// Doubts that end.
#[derive(Default)]
pub(super) struct Resolves<'a> {
    ids: Vec<&'a [u8]>,
    by: Vec<&'static str>,
    reasons: Vec<String>,
    columns: Columns<'a>,
}

impl<'a> Resolves<'a> {
    pub(super) fn of(jobs: &'a [Job]) -> Resolves<'a> {
        let mut all = Resolves::default();
        for job in jobs {
            let Change::Resolve(id, with, _) = &job.change else {
                continue;
            };
            all.ids.push(&id.0);
            all.by.push(resolver(with.1.by));
            all.reasons.push(text(&with.1.reason));
            all.columns.push(&with.0);
        }
        all
    }

    pub(super) async fn run(&self, client: &Client, statement: &Statement) -> Result<Vec<Row>, Trouble> {
        let params = self.columns.params(&[&self.ids, &self.by, &self.reasons]);
        run(client, statement, &params, self.ids.len()).await
    }
}

/// Doubts.
#[derive(Default)]
pub(super) struct Doubts<'a> {
    ids: Vec<&'a [u8]>,
    fences: Vec<i64>,
    reasons: Vec<String>,
    attempts: Vec<i32>,
    guarantees: Vec<&'static str>,
    since: Vec<i64>,
}

impl<'a> Doubts<'a> {
    pub(super) fn of(jobs: &'a [Job]) -> Doubts<'a> {
        let mut all = Doubts::default();
        for job in jobs {
            let Change::Doubt(id, fence, doubt, _) = &job.change else {
                continue;
            };
            all.ids.push(&id.0);
            all.fences.push(stored(*fence));
            all.reasons.push(unknown(doubt.reason));
            all.attempts.push(small(doubt.attempts));
            all.guarantees.push(doubt.guarantee.as_str());
            all.since.push(millis(doubt.since));
        }
        all
    }

    pub(super) async fn run(&self, client: &Client, statement: &Statement) -> Result<Vec<Row>, Trouble> {
        let params: [&(dyn ToSql + Sync); 6] = [
            &self.ids,
            &self.fences,
            &self.reasons,
            &self.attempts,
            &self.guarantees,
            &self.since,
        ];
        run(client, statement, &params, self.ids.len()).await
    }
}

/// Writes with their fences, where those are known.
#[derive(Default)]
pub(super) struct Pairs<'a> {
    ids: Vec<&'a [u8]>,
    fences: Vec<Option<i64>>,
}

impl<'a> Pairs<'a> {
    pub(super) fn released(jobs: &'a [Job]) -> Pairs<'a> {
        let mut all = Pairs::default();
        for job in jobs {
            let Change::Release(id, fence, _) = &job.change else {
                continue;
            };
            all.ids.push(&id.0);
            all.fences.push(Some(stored(*fence)));
        }
        all
    }

    pub(super) fn back(jobs: &'a [Job]) -> Pairs<'a> {
        let mut all = Pairs::default();
        for job in jobs {
            let Change::PutBack(id, fence) = &job.change else {
                continue;
            };
            all.ids.push(&id.0);
            all.fences.push(fence.map(stored));
        }
        all
    }

    pub(super) async fn run(&self, client: &Client, statement: &Statement) -> Result<Vec<Row>, Trouble> {
        let params: [&(dyn ToSql + Sync); 2] = [&self.ids, &self.fences];
        run(client, statement, &params, self.ids.len()).await
    }

    pub(super) async fn put_back(
        &self,
        client: &Client,
        statement: &Statement,
        owner: i64,
    ) -> Result<Vec<Row>, Trouble> {
        let params: [&(dyn ToSql + Sync); 3] = [&owner, &self.ids, &self.fences];
        run(client, statement, &params, self.ids.len()).await
    }
}

/// Lanes that are asked for.
pub(super) struct Asks<'a>(Vec<&'a [u8]>);

impl<'a> Asks<'a> {
    pub(super) fn of(jobs: &'a [Job]) -> Asks<'a> {
        let lanes = jobs.iter().filter_map(|job| match &job.change {
            Change::Ask(lane, _) => Some(&lane[..]),
            _ => None,
        });
        Asks(lanes.collect())
    }

    pub(super) async fn run(&self, client: &Client, statement: &Statement, owner: i64) -> Result<Vec<Row>, Trouble> {
        run(client, statement, &[&owner, &self.0], self.0.len()).await
    }
}

/// Lanes that are given up.
#[derive(Default)]
pub(super) struct Passes<'a> {
    lanes: Vec<&'a [u8]>,
    fences: Vec<Option<i64>>,
    suspect: Vec<i64>,
    tags: Vec<Option<&'a str>>,
    only_if_wanted: Vec<bool>,
}

impl<'a> Passes<'a> {
    pub(super) fn of(jobs: &'a [Job]) -> Passes<'a> {
        let mut all = Passes::default();
        for job in jobs {
            let Change::Pass {
                lane,
                fence,
                left,
                only_if_wanted,
                ..
            } = &job.change
            else {
                continue;
            };
            all.lanes.push(lane);
            all.fences.push(fence.map(stored));
            all.suspect
                .push(i64::try_from(left.suspect_for.as_millis()).unwrap_or(i64::MAX));
            all.tags.push(left.tag.as_deref());
            all.only_if_wanted.push(*only_if_wanted);
        }
        all
    }

    pub(super) async fn run(&self, client: &Client, statement: &Statement, owner: i64) -> Result<Vec<Row>, Trouble> {
        let params: [&(dyn ToSql + Sync); 6] = [
            &owner,
            &self.lanes,
            &self.suspect,
            &self.tags,
            &self.only_if_wanted,
            &self.fences,
        ];
        run(client, statement, &params, self.lanes.len()).await
    }
}

/// What stands in the way of a write.
pub(super) async fn look_up(
    client: &Client,
    statement: &Statement,
    sought: &Sought,
    now: Time,
) -> Result<Option<Record>, Trouble> {
    let key = sought.key.as_ref().map(|k| &k.0.0[..]);
    let trace = sought.trace.as_ref().filter(|t| t.exclusive).map(|t| &t.digest.0[..]);
    let (caller, fingerprint, now) = (&sought.caller.0.0[..], &sought.fingerprint.0.0[..], millis(now));
    let params: [&(dyn ToSql + Sync); 5] = [&key, &caller, &fingerprint, &now, &trace];
    let row = client.query_opt(statement, &params).await.map_err(trouble)?;
    row.as_ref().map(row::decode).transpose().map_err(Trouble::Rule)
}
