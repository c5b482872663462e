//! What contradicts itself in the tables.

use tokio_postgres::Client;

use super::error::trouble;
use crate::shared::Trouble;

/// What is counted, and what it means if there is any.
const COUNTS: [(&str, &str); 7] = [
    (
        "writes are claimed by a process that is no more",
        "FROM writes w WHERE state = 'claimed' AND NOT EXISTS (SELECT 1 FROM owners o WHERE o.owner = w.owner)",
    ),
    (
        "writes that are not claimed name a process",
        "FROM writes WHERE state <> 'claimed' AND owner IS NOT NULL",
    ),
    (
        "fences were never given out",
        "FROM writes WHERE fence > (SELECT last_value FROM fences)",
    ),
    (
        "writes hold another key than their own",
        "FROM writes WHERE slot IS NOT NULL AND slot IS DISTINCT FROM key",
    ),
    (
        "open writes gave up their keys",
        "FROM writes WHERE state <> 'settled' AND slot IS DISTINCT FROM key",
    ),
    (
        "settled writes count as doubts, or doubts do not",
        "FROM writes WHERE (state = 'settled' AND doubtful) OR (state = 'doubted' AND NOT doubtful)",
    ),
    (
        "processes wait for lanes without being signed in",
        "FROM lane_waits w WHERE NOT EXISTS (SELECT 1 FROM owners o WHERE o.owner = w.owner)",
    ),
];

/// Counts all of it in one snapshot.
pub(super) async fn check(client: &Client) -> Result<Vec<String>, Trouble> {
    let counts: Vec<String> = COUNTS
        .iter()
        .map(|(_, from)| format!("(SELECT count(*) {from})"))
        .collect();
    let row = client
        .query_one(&format!("SELECT {}", counts.join(", ")), &[])
        .await
        .map_err(trouble)?;
    let found = COUNTS.iter().enumerate().filter_map(|(at, (what, _))| {
        let count: i64 = row.get(at);
        (count > 0).then(|| format!("{count} {what}"))
    });
    Ok(found.collect())
}
