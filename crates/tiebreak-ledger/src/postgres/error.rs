//! What a database says when it fails, and what follows from it.

use tokio_postgres::error::SqlState;

use crate::shared::Trouble;

/// Reads an error of the driver. Never holds values: PostgreSQL's details may quote them, so only the message is kept.
#[allow(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(super) fn trouble(error: tokio_postgres::Error) -> Trouble {
    let Some(database) = error.as_db_error() else {
        return Trouble::Gone(chain(&error));
    };
    let said = database.message().to_owned();
    match database.code() {
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE => {
            Trouble::Again(said)
        }
        &SqlState::DISK_FULL => Trouble::Full,
        // What no statement of ours comes to but the one that looks whether its session was succeeded.
        &SqlState::DIVISION_BY_ZERO => Trouble::Gone("another session of this process has begun".into()),
        // A standby, or a primary that was made read-only.
        &SqlState::READ_ONLY_SQL_TRANSACTION => Trouble::Gone(said),
        code => match code.code().get(..2) {
            // Connection, resources, shutdown and recovery, input and output.
            Some("08" | "53" | "57" | "58") => Trouble::Gone(said),
            _ => Trouble::Refused(said),
        },
    }
}

/// An error with its causes. None of them names a password: the driver's errors hold no configuration.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !told.contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        cause = inner.source();
    }
    told
}
