//! The tables, and how an older database is brought up to them: when an operator says so, since gateways of the older version cannot
//! connect anew from then on.
//!
//! One row per write, found by its id. `slot` holds the key for as long as the row holds it: what expired gives it up to
//! its successor, which a unique index makes one step; another keeps a key that cannot be guessed one caller's. The other indexes are partial and small: what is claimed (by
//! owner), what stands in the way as a doubt, open doubts in order of arrival, and what may be purged.

use tokio_postgres::Client;

use super::error::trouble;
use crate::LedgerError;
use crate::shared::Trouble;

/// The version of the tables below.
pub(super) const VERSION: i32 = 2;

/// Version 1.
const TABLES: &str = "
CREATE TABLE ledger (version integer NOT NULL);
CREATE SEQUENCE fences;                       -- one for all gateways, so that fences grow across them
CREATE SEQUENCE tickets;                      -- the order in which gateways wait for lanes
CREATE TABLE owners (
    owner       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,                -- of the process, for people
    lease_until timestamptz NOT NULL,         -- when it counts as dead, unless it says so again
    late_ms     bigint NOT NULL               -- how long its lanes are suspect after that
);
CREATE TABLE writes (
    id              bytea PRIMARY KEY,        -- 16 bytes, beginning with a time
    row             bigint GENERATED ALWAYS AS IDENTITY, -- in order of arrival
    state           text NOT NULL,            -- 'claimed', 'settled', 'doubted'
    fence           bigint NOT NULL,
    owner           bigint,                   -- who claimed it, for as long as it is claimed
    key             bytea,                    -- 32 bytes, digest
    slot            bytea,                    -- the key, for as long as this row holds it
    expires         bigint,                   -- ms since 1970; null: never
    trace           bytea,                    -- 32 bytes, HMAC of the key without its caller
    exclusive       boolean,                  -- the key cannot be guessed, so it is one caller's
    caller          bytea NOT NULL,           -- 32 bytes, HMAC
    fingerprint     bytea NOT NULL,           -- 32 bytes, digest
    doubtful        boolean NOT NULL DEFAULT false, -- in doubt, or taken up again after a doubt
    method          text NOT NULL,
    target          text NOT NULL,
    lanes           text NOT NULL,            -- JSON, array of strings
    attempt         integer NOT NULL,
    held            text,
    claimed_at      bigint NOT NULL,          -- ms since 1970
    outcome         text,
    status          integer,
    fields          text,                     -- JSON, array of [name, value]
    content         bytea,
    truncated       boolean,
    class           text,
    evidence        text,
    guarantee       text,
    attempts        integer,
    settled_at      bigint,                   -- ms since 1970
    resolved_by     text,                     -- 'proof' or 'person', where it was in doubt before
    resolution      text,
    doubt_reason    text,
    doubt_attempts  integer,
    doubt_guarantee text,
    doubt_since     bigint                    -- ms since 1970
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX writes_by_key ON writes (slot) WHERE slot IS NOT NULL;
CREATE UNIQUE INDEX writes_by_trace ON writes (trace, fingerprint) WHERE exclusive AND slot IS NOT NULL;
-- Neither is by state: claims and settlements must not choose these two, which hold what they do not look for.
CREATE INDEX writes_claimed ON writes (owner) WHERE owner IS NOT NULL;
CREATE INDEX writes_doubtful ON writes (caller, fingerprint) WHERE doubtful;
CREATE INDEX writes_in_doubt ON writes (row) WHERE state = 'doubted';
CREATE INDEX writes_expiring ON writes (expires) WHERE outcome IS NOT NULL;
CREATE TABLE lanes (
    lane          bytea PRIMARY KEY,          -- 32 bytes, digest of its name
    owner         bigint,                     -- which gateway serves it now
    fence         bigint NOT NULL,            -- of its last holding
    tag           text,                       -- the version that the last write in it produced
    suspect_until timestamptz,                -- an unguarded request may still arrive until then
    touched       timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX lanes_by_owner ON lanes (owner) WHERE owner IS NOT NULL;
CREATE TABLE lane_waits (
    lane   bytea NOT NULL,
    owner  bigint NOT NULL,
    ticket bigint NOT NULL,
    PRIMARY KEY (lane, owner)
);
INSERT INTO ledger VALUES (1);
";

/// Version 2: what a process has sent in an earlier session is not made any more.
const SESSIONS: &str = "
ALTER TABLE owners ADD COLUMN session bigint NOT NULL DEFAULT 0; -- the number of the last one in which it makes changes
";

/// The version of the tables in the schema that the session uses; 0 if there are none.
pub(super) async fn version(client: &Client) -> Result<i32, Trouble> {
    let there = "SELECT to_regclass('ledger') IS NOT NULL AND to_regclass('writes') IS NOT NULL";
    let there: bool = client.query_one(there, &[]).await.map_err(trouble)?.get(0);
    if !there {
        return Ok(0);
    }
    let row = client
        .query_one("SELECT version FROM ledger", &[])
        .await
        .map_err(trouble)?;
    Ok(row.get(0))
}

/// Refuses tables of another version.
pub(super) fn check(found: i32, shown: &str) -> Result<(), LedgerError> {
    if found == VERSION {
        return Ok(());
    }
    if found > VERSION {
        return Err(LedgerError::Newer {
            path: shown.to_owned(),
            found: found.unsigned_abs(),
            known: VERSION.unsigned_abs(),
        });
    }
    Err(LedgerError::Older {
        path: shown.to_owned(),
        found: found.unsigned_abs(),
        needed: VERSION.unsigned_abs(),
    })
}

/// Makes the tables if there are none; refuses those of another version.
pub(super) async fn prepare(client: &Client, schema: &str, shown: &str) -> Result<(), Trouble> {
    match version(client).await? {
        0 => migrate(client, schema, shown).await.map(drop),
        found => check(found, shown).map_err(Trouble::Rule),
    }
}

/// Makes the tables in `schema`, or brings those that are there up to date, in one transaction. Returns the version before.
pub(super) async fn migrate(client: &Client, schema: &str, shown: &str) -> Result<i32, Trouble> {
    let found = version(client).await?;
    if found == VERSION {
        return Ok(found);
    }
    if found > VERSION {
        check(found, shown).map_err(Trouble::Rule)?;
    }
    let schema = super::connect::quoted(schema);
    let mut script = format!("BEGIN; CREATE SCHEMA IF NOT EXISTS {schema};");
    // One arm per older version; each brings the tables to the next one.
    for version in found..VERSION {
        match version {
            0 => script.push_str(TABLES),
            1 => script.push_str(SESSIONS),
            other => unreachable!("version {other} is not older than {VERSION}"),
        }
    }
    script.push_str(&format!("UPDATE ledger SET version = {VERSION}; COMMIT;"));
    let done = client.batch_execute(&script).await;
    if let Err(error) = done {
        let _ended = client.batch_execute("ROLLBACK").await;
        // Another gateway that was started at the same moment may have made them.
        if version(client).await? == VERSION {
            return Ok(VERSION);
        }
        return Err(trouble(error));
    }
    Ok(found)
}
