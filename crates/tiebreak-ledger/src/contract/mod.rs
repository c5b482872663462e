//! The rules of [`Ledger`](crate::Ledger), one small scenario each, for every backend without exceptions.
//!
//! A backend implements [`Store`] and calls [`run`]. A broken rule panics with its name and what was seen.

mod crash;
mod expiry;
mod lookup;
mod making;
mod race;
mod searching;
mod settling;
mod trace;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::Ledger;

/// A future of the suite.
pub type Step<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// For the first time: it is empty.
    First,
    /// As the next process finds it after the last one was killed; where processes have leases, its lease has run out.
    AfterCrash,
    /// As the next process finds it after the last one closed it.
    AfterClose,
}

/// One store of a backend, which is opened several times.
pub trait Store: Send {
    /// Opens it. `AfterClose` closes what was opened before, `AfterCrash` does not.
    fn open(&mut self, how: Opening) -> Step<'_, Arc<dyn Ledger>>;
}

/// A rule: its name, and the scenario that would show it broken.
struct Rule {
    name: &'static str,
    check: fn(Box<dyn Store>) -> Step<'static, ()>,
}

macro_rules! rules {
    ($($module:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        const RULES: &[Rule] = &[$($(Rule {
            name: concat!(stringify!($module), "::", stringify!($name)),
            check: |store| Box::pin($module::$name(store)),
        }),*),*];
    };
}

rules! {
    lookup::{
        nothing_is_found_in_an_empty_store,
        a_key_belongs_to_its_digest,
        a_keyless_doubt_is_found_by_caller_and_fingerprint,
        a_doubt_stands_in_the_way_of_another_key,
        the_record_with_the_key_comes_before_a_doubt,
        the_oldest_of_several_doubts_is_found,
        records_come_back_as_they_went_in,
        an_id_serves_once,
        digests_with_equal_beginnings_differ,
    },
    race::{
        one_of_many_wins_a_key,
        keyless_writes_do_not_exclude_each_other,
        one_of_many_settles,
        one_of_many_retakes_a_doubt,
        operations_are_applied_in_the_order_of_their_calls,
        a_claim_that_nobody_waits_for_is_put_back,
        a_retaking_that_nobody_waits_for_is_put_back,
    },
    settling::{
        fences_only_grow,
        a_stale_fence_changes_nothing,
        a_write_settles_once,
        a_released_key_is_free,
        a_doubt_keeps_its_key,
        a_resolved_doubt_is_settled_and_says_why,
        a_doubt_settled_as_not_applied_frees_its_key,
        a_retaken_doubt_is_claimed_and_still_in_the_way,
        what_was_never_claimed_is_not_found,
        a_large_settlement_is_cut_and_says_so,
        a_claim_over_the_bound_is_refused,
        no_more_than_the_bound_is_outstanding,
        counts_follow_the_states,
    },
    expiry::{
        a_settled_key_is_free_when_its_time_is_over,
        a_new_claim_supersedes_an_expired_record,
        a_settled_key_without_expiry_stays,
        a_claim_and_a_doubt_never_expire,
        purge_deletes_what_is_over_and_nothing_else,
        purge_spares_the_successor_of_an_expired_key,
        purge_finds_many,
    },
    trace::{
        the_same_write_of_another_caller_is_found_by_its_key,
        a_key_that_can_be_guessed_is_each_callers_own,
        the_callers_own_record_comes_before_anothers,
        a_trace_goes_with_its_record,
        operators_find_a_key_whoever_used_it,
    },
    searching::{
        the_newest_come_first_and_pages_follow,
        what_is_given_must_hold,
        no_more_than_the_bound_are_found_at_once,
    },
    crash::{
        everything_acknowledged_is_there_after_a_crash,
        claims_are_in_doubt_after_a_crash,
        fences_grow_across_crashes,
        an_old_fence_changes_nothing_after_a_crash,
        a_retaken_doubt_is_a_doubt_after_a_crash,
        doubts_keep_their_order_across_reopenings,
        a_released_key_is_free_after_a_crash,
        a_successor_is_found_after_a_crash,
        a_closed_ledger_says_so,
        everything_is_there_after_a_clean_close,
    },
}

/// The bounds that a store of the suite must be opened with.
pub const BOUNDS: crate::bounds::Bounds = crate::bounds::Bounds {
    content: 4096,
    fields: 1024,
    evidence: 256,
    claim: 2048,
    outstanding: 200,
};

/// Runs every rule, each on a new store from `make`. Returns how many there are.
///
/// # Panics
/// At the first rule that the backend breaks.
pub async fn run(mut make: impl FnMut() -> Box<dyn Store>) -> usize {
    for rule in RULES {
        let store = make();
        if let Err(error) = tokio::spawn((rule.check)(store)).await {
            panic!("the rule {} is broken: {error}", rule.name);
        }
    }
    RULES.len()
}
