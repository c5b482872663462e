//! The checkers see mistakes: each is built in on purpose, and the checker of its promise must speak.

use tiebreak_sim::sabotage::Sabotage;
use tiebreak_sim::scenario::{Scenario, named};
use tiebreak_sim::{checkers, run};

fn caught(name: &str, sabotage: Sabotage, promise: u8) {
    let scenario = Scenario {
        sabotage,
        ..named(name).expect("a scenario of this name")
    };
    let mut other = Vec::new();
    for seed in 0..40 {
        let found = checkers::check(&run(&scenario, seed));
        if found.iter().any(|v| v.promise == promise) {
            return;
        }
        other.extend(found);
    }
    panic!("nobody saw {sabotage:?} in 40 runs of {name}; seen: {other:?}");
}

#[test]
fn a_claim_that_is_not_kept_is_seen() {
    caught("calm", Sabotage::GrantUnkept, 1);
}

#[test]
fn a_blind_second_send_is_seen() {
    caught("tagless", Sabotage::ResendBlindly, 2);
    caught("creations", Sabotage::ResendBlindly, 2);
}

#[test]
fn a_settlement_that_is_not_kept_is_seen() {
    caught("calm", Sabotage::SettleUnkept, 3);
}

#[test]
fn an_overwritten_conflict_is_seen() {
    caught("rough", Sabotage::OverwriteWhenStale, 4);
}

#[test]
fn a_conflict_that_is_sent_again_is_seen() {
    caught("tagless", Sabotage::ResendConflicts, 5);
}

#[test]
fn a_cache_shared_among_callers_is_seen() {
    caught("private", Sabotage::SharedCache, 6);
}

#[test]
fn a_key_answered_to_a_stranger_is_seen() {
    caught("strangers", Sabotage::StrangersAreCallers, 6);
}

#[test]
fn a_claim_granted_while_the_ledger_is_down_is_seen() {
    caught("ledger-outages", Sabotage::GrantWhenDown, 7);
}

#[test]
fn an_invented_success_is_seen() {
    caught("rough", Sabotage::InventSuccess, 8);
}

#[test]
fn an_invented_refusal_is_seen() {
    caught("tagless", Sabotage::InventRefusal, 8);
}
