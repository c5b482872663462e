//! Makes a batch of changes in one transaction and one round trip: everything is sent before the first answer is awaited.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use tiebreak_core::record::{Claim, Record, WriteId};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::arrays::{self, Amends, Asks, Claims, Doubts, Pairs, Passes, Settles, run};
use super::error::trouble;
use super::row;
use super::statements::{self, FRESH_PLANS};
use crate::LedgerError;
use crate::shared::{Asked, Change, Done, Job, Standing, Trouble, Writing};
use crate::words::parse_resolver;

/// A session of the writer.
pub struct Session {
    client: Client,
    writing: statements::Writing,
}

impl Writing for Session {
    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn perform(&self, owner: i64, jobs: &[Job]) -> Asked<Done> {
        // A dozen statements on their way at once make a large future.
        Box::pin(self.perform_together(owner, jobs)).await
    }

    async fn standing(&self, ids: &[WriteId]) -> Asked<HashMap<WriteId, Standing>> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id.0[..]).collect();
        let rows = self
            .client
            .query(&self.writing.standing, &[&ids])
            .await
            .map_err(trouble)?;
        let read = |row| standing(row).map_err(Trouble::Rule);
        rows.iter()
            .map(|row| read(row).map(|s| (s.record.claim.id, s)))
            .collect()
    }

    async fn taken_by(&self, claims: &[&Claim]) -> Asked<Vec<Option<Record>>> {
        let looks = claims
            .iter()
            .map(async |claim| arrays::look_up(&self.client, &self.writing.look_up, &claim.sought(), claim.at).await);
        try_join_all(looks).await
    }
}

fn standing(row: &Row) -> Result<Standing, LedgerError> {
    let resolved_by: Option<&str> = row::get(row, "resolved_by")?;
    Ok(Standing {
        record: row::decode(row)?,
        owner: row::get(row, "owner")?,
        resolved_by: resolved_by.and_then(parse_resolver),
    })
}

impl Session {
    pub(super) async fn begin(client: Client) -> Asked<Session> {
        client.batch_execute(FRESH_PLANS).await.map_err(trouble)?;
        let writing = statements::Writing::prepare(&client).await?;
        Ok(Session { client, writing })
    }

    async fn perform_together(&self, owner: i64, jobs: &[Job]) -> Asked<Done> {
        let (client, writing) = (&self.client, &self.writing);
        let (claims, amends, settles) = (Claims::of(jobs), Amends::of(jobs), Settles::of(jobs));
        let (doubts, releases, retakes, back) = (
            Doubts::of(jobs),
            Pairs::released(jobs),
            Amends::retaken(jobs),
            Pairs::back(jobs),
        );
        let resolves: Vec<&Change> = jobs
            .iter()
            .map(|j| &j.change)
            .filter(|c| matches!(c, Change::Resolve(..)))
            .collect();
        let (asks, passes) = (Asks::of(jobs), Passes::of(jobs));
        let retaking = async {
            let params: [&(dyn ToSql + Sync); 4] = [&owner, &retakes.ids, &retakes.attempts, &retakes.helds];
            run(client, &writing.retake, &params, retakes.ids.len()).await
        };
        let putting_back = async {
            let params: [&(dyn ToSql + Sync); 3] = [&owner, &back.ids, &back.fences];
            let _doubts = run(client, &writing.redoubt, &params, back.ids.len()).await?;
            run(client, &writing.unclaim, &params, back.ids.len()).await
        };
        let resolving = async {
            let mut rows = Vec::new();
            for change in resolves {
                rows.extend(arrays::resolve(client, writing, change).await?);
            }
            Ok::<_, Trouble>(rows)
        };
        // Polled in this order, hence sent in this order.
        let begin = client.batch_execute("BEGIN");
        let commit = client.batch_execute("COMMIT");
        let own: [&(dyn ToSql + Sync); 1] = [&owner];
        let alive = client.query(&writing.alive, &own);
        let done = if back.ids.is_empty() && jobs.iter().all(|j| !matches!(j.change, Change::Resolve(..))) {
            let (begun, alive, settled, doubted, released, amended, retaken, claimed, passed, asked, committed) = tokio::join!(
                biased;
                begin,
                alive,
                settles.run(client, &writing.settle),
                doubts.run(client, &writing.doubt),
                releases.run(client, &writing.release),
                amends.run(client, &writing.amend),
                retaking,
                claims.run(client, &writing.claim, owner),
                passes.run(client, &writing.pass, owner),
                asks.run(client, &writing.ask, owner),
                commit,
            );
            Answers {
                begun,
                alive,
                settled,
                doubted,
                released,
                amended,
                retaken,
                claimed,
                resolved: Ok(vec![]),
                passed,
                asked,
                committed,
            }
        } else {
            // Rare, and in several steps: one after the other.
            let (begun, alive) = (begin.await, alive.await);
            let back = putting_back.await;
            let resolved = match back {
                Ok(_) => resolving.await,
                Err(error) => Err(error),
            };
            let settled = settles.run(client, &writing.settle).await;
            let doubted = doubts.run(client, &writing.doubt).await;
            let released = releases.run(client, &writing.release).await;
            let amended = amends.run(client, &writing.amend).await;
            let retaken = retaking.await;
            let claimed = claims.run(client, &writing.claim, owner).await;
            let passed = passes.run(client, &writing.pass, owner).await;
            let asked = asks.run(client, &writing.ask, owner).await;
            Answers {
                begun,
                alive,
                settled,
                doubted,
                released,
                amended,
                retaken,
                claimed,
                resolved,
                passed,
                asked,
                committed: commit.await,
            }
        };
        // An error on the way makes the commit roll back.
        done.read()
    }
}

struct Answers {
    begun: Result<(), tokio_postgres::Error>,
    alive: Result<Vec<Row>, tokio_postgres::Error>,
    settled: Result<Vec<Row>, Trouble>,
    doubted: Result<Vec<Row>, Trouble>,
    released: Result<Vec<Row>, Trouble>,
    amended: Result<Vec<Row>, Trouble>,
    retaken: Result<Vec<Row>, Trouble>,
    claimed: Result<Vec<Row>, Trouble>,
    resolved: Result<Vec<Row>, Trouble>,
    passed: Result<Vec<Row>, Trouble>,
    asked: Result<Vec<Row>, Trouble>,
    committed: Result<(), tokio_postgres::Error>,
}

impl Answers {
    fn read(self) -> Result<Done, Trouble> {
        self.begun.map_err(trouble)?;
        let alive = !self.alive.map_err(trouble)?.is_empty();
        let mut done = Done {
            alive,
            ..Done::default()
        };
        for rows in [self.settled?, self.doubted?, self.released?] {
            for row in rows {
                done.ended.insert(row::id(&row, "id").map_err(Trouble::Rule)?, None);
            }
        }
        for row in self.resolved? {
            let record = row::decode(&row).map_err(Trouble::Rule)?;
            done.ended.insert(record.claim.id, Some(record));
        }
        for rows in [self.amended?, self.retaken?, self.claimed?] {
            for row in rows {
                let id = row::id(&row, "id").map_err(Trouble::Rule)?;
                let fence = row::get(&row, "fence").map_err(Trouble::Rule)?;
                done.granted.insert(id, row::fence(fence));
            }
        }
        for row in self.passed? {
            done.passed.insert(row::lane(&row).map_err(Trouble::Rule)?);
        }
        for row in self.asked? {
            let tag = row::get(&row, "tag").map_err(Trouble::Rule)?;
            let suspect: i64 = row::get(&row, "suspect_ms").map_err(Trouble::Rule)?;
            let suspect = Duration::from_millis(suspect.unsigned_abs());
            done.taken
                .insert(row::lane(&row).map_err(Trouble::Rule)?, (tag, suspect));
        }
        self.committed.map_err(trouble)?;
        Ok(done)
    }
}
