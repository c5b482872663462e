//! Makes a batch of changes in one transaction and one round trip: everything is sent before the first answer is awaited.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use tiebreak_core::record::{Claim, Record, WriteId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::arrays::{self, Amends, Asks, Claims, Doubts, Pairs, Passes, Resolves, Settles};
use super::connect::Connected;
use super::error::trouble;
use super::row;
use super::statements::{self, ONE_PLAN};
use crate::LedgerError;
use crate::shared::{Asked, Done, Job, Standing, Taken, Trouble, Writing};
use crate::words::parse_resolver;

/// A session of the writer.
pub struct Session {
    client: Connected,
    writing: statements::Writing,
    owner: i64,
    /// Which of its owner's.
    number: i64,
}

impl Writing for Session {
    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn perform(&self, jobs: &[Job]) -> Asked<Done> {
        // A dozen statements on their way at once make a large future.
        Box::pin(self.perform_together(jobs)).await
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
    pub(super) async fn begin(client: Connected, owner: i64, number: i64) -> Asked<Session> {
        client.batch_execute(ONE_PLAN).await.map_err(trouble)?;
        let writing = statements::Writing::prepare(&client).await?;
        // Where there is no row any more, the owner was declared dead, and claims nothing.
        client
            .execute(&writing.succeed, &[&owner, &number])
            .await
            .map_err(trouble)?;
        Ok(Session {
            number,
            client,
            writing,
            owner,
        })
    }

    async fn perform_together(&self, jobs: &[Job]) -> Asked<Done> {
        let (client, writing, owner) = (&*self.client, &self.writing, self.owner);
        let (claims, amends, retakes) = (Claims::of(jobs), Amends::of(jobs), Amends::retaken(jobs));
        let (settles, doubts, resolves) = (Settles::of(jobs), Doubts::of(jobs), Resolves::of(jobs));
        let (releases, back) = (Pairs::released(jobs), Pairs::back(jobs));
        let (asks, passes) = (Asks::of(jobs), Passes::of(jobs));
        let own: [&(dyn ToSql + Sync); 1] = [&owner];
        let numbered: [&(dyn ToSql + Sync); 2] = [&owner, &self.number];
        // Polled in this order, hence sent in this order, each whether or not the one before it was answered.
        let (
            begun,
            alive,
            current,
            redoubted,
            unclaimed,
            resolved,
            settled,
            doubted,
            released,
            amended,
            retaken,
            claimed,
            passed,
            asked,
            committed,
        ) = tokio::join!(
            biased;
            client.batch_execute("BEGIN"),
            client.query(&writing.alive, &own),
            client.query(&writing.current, &numbered),
            back.put_back(client, &writing.redoubt, owner),
            back.put_back(client, &writing.unclaim, owner),
            resolves.run(client, &writing.resolve),
            settles.run(client, &writing.settle),
            doubts.run(client, &writing.doubt),
            releases.run(client, &writing.release),
            amends.run(client, &writing.amend),
            retakes.retake(client, &writing.retake, owner),
            claims.run(client, &writing.claim, owner),
            passes.run(client, &writing.pass, owner),
            asks.run(client, &writing.ask, owner),
            client.batch_execute("COMMIT"),
        );
        // The first that failed is why the others did; the commit rolled back.
        begun.map_err(trouble)?;
        let mut done = Done {
            alive: !alive.map_err(trouble)?.is_empty(),
            ..Done::default()
        };
        current.map_err(trouble)?;
        for put_back in [redoubted, unclaimed] {
            put_back?;
        }
        done.read_resolved(&resolved?).map_err(Trouble::Rule)?;
        for rows in [settled, doubted, released] {
            done.read_ended(&rows?).map_err(Trouble::Rule)?;
        }
        for rows in [amended, retaken, claimed] {
            done.read_granted(&rows?).map_err(Trouble::Rule)?;
        }
        done.read_lanes(&passed?, &asked?).map_err(Trouble::Rule)?;
        committed.map_err(trouble)?;
        Ok(done)
    }
}

impl Done {
    fn read_resolved(&mut self, rows: &[Row]) -> Result<(), LedgerError> {
        for row in rows {
            let record = row::decode(row)?;
            self.ended.insert(record.claim.id, Some(record));
        }
        Ok(())
    }

    fn read_ended(&mut self, rows: &[Row]) -> Result<(), LedgerError> {
        for row in rows {
            self.ended.insert(row::id(row, "id")?, None);
        }
        Ok(())
    }

    fn read_granted(&mut self, rows: &[Row]) -> Result<(), LedgerError> {
        for row in rows {
            self.granted
                .insert(row::id(row, "id")?, row::fence(row::get(row, "fence")?));
        }
        Ok(())
    }

    fn read_lanes(&mut self, passed: &[Row], asked: &[Row]) -> Result<(), LedgerError> {
        for row in passed {
            self.passed.insert(row::lane(row)?);
        }
        for row in asked {
            let suspect: i64 = row::get(row, "suspect_ms")?;
            let taken = Taken {
                fence: row::fence(row::get(row, "fence")?),
                tag: row::get(row, "tag")?,
                suspect_for: Duration::from_millis(suspect.unsigned_abs()),
            };
            self.taken.insert(row::lane(row)?, taken);
        }
        Ok(())
    }
}
