//! Entity tags: what they are, and whether preconditions on them are enforced.

use http::header;
use tiebreak_core::judge::Judge;
use tiebreak_core::validator::{EntityTag, EtagKind};

use super::found::{Found, Honoured, TagFacts, Tags};
use super::scratch::{Scratch, Seen, told};
use super::wire::Wire;
use crate::exit::Failure;

/// A tag that no origin has given out.
const NEVER: &str = "\"tiebreak-probe-never-given-out\"";

pub(super) async fn ask(wire: &Wire, judge: &Judge, scratch: &mut Scratch, found: &mut Found) -> Result<(), Failure> {
    let first = scratch.take_numbers(1);
    scratch.write_number(wire, first).await?;
    let (one, again) = (scratch.look(wire).await?, scratch.look(wire).await?);
    found.last_modified = one.last_modified.is_some();
    let Some(tag) = one.etag.clone() else {
        found.tags = Some(match &one.etag_text {
            Some(text) => Tags::Malformed(text.clone()),
            None => Tags::None,
        });
        // Preconditions may be enforced all the same, against tags that are never served.
        found.if_match = Some(wrong_tag(wire, judge, scratch).await?);
        return Ok(());
    };
    if one.content == again.content && one.etag != again.etag {
        let both = [shown(&one), shown(&again)];
        found.tags = Some(Tags::Unstable(both.concat()));
        return Ok(());
    }
    // A→B→A: the same content twice, with another in between.
    let second = scratch.write(wire).await?;
    let other = scratch.look(wire).await?;
    scratch.write_number(wire, first).await?;
    let back = scratch.look(wire).await?;
    let facts = TagFacts {
        weak: tag.is_weak(),
        seen: [&one, &other, &back].map(shown).concat(),
        moved: one.etag != other.etag,
        recurs: back.etag == one.etag,
        same_content: back.content == one.content && scratch.holds(&other, second),
        looks_like_version: EtagKind::Auto.is_version(&tag, Some(&one.content)),
    };
    found.tags = Some(Tags::Given(facts));
    found.if_match = Some(wrong_tag(wire, judge, scratch).await?);
    if !tag.is_weak() {
        found.stale_tag = Some(stale_tag(wire, judge, scratch, &other).await?);
    }
    found.if_none_match = Some(create_only(wire, judge, scratch).await?);
    Ok(())
}

/// A write under a tag that never was has to be refused.
async fn wrong_tag(wire: &Wire, judge: &Judge, scratch: &mut Scratch) -> Result<Honoured, Failure> {
    let url = scratch.url();
    let ask = scratch.change(&url).with(header::IF_MATCH, NEVER);
    let answer = wire.send(&ask).await?;
    Ok(Honoured {
        yes: !answer.status.is_success(),
        told: told(judge, &ask, &answer),
    })
}

/// So has one under the tag of a version that is not there any more.
async fn stale_tag(wire: &Wire, judge: &Judge, scratch: &mut Scratch, old: &Seen) -> Result<Honoured, Failure> {
    let url = scratch.url();
    let change = scratch.change(&url);
    let ask = match &old.etag_text {
        Some(text) => change.with(header::IF_MATCH, text),
        None => change,
    };
    let answer = wire.send(&ask).await?;
    Ok(Honoured {
        yes: !answer.status.is_success(),
        told: told(judge, &ask, &answer),
    })
}

/// `If-None-Match: *` on what is there has to be refused (RFC 9110 §13.1.2).
async fn create_only(wire: &Wire, judge: &Judge, scratch: &mut Scratch) -> Result<Honoured, Failure> {
    let url = scratch.url();
    let ask = scratch.change(&url).with(header::IF_NONE_MATCH, "*");
    let answer = wire.send(&ask).await?;
    Ok(Honoured {
        yes: !answer.status.is_success(),
        told: told(judge, &ask, &answer),
    })
}

fn shown(seen: &Seen) -> Vec<String> {
    seen.etag.as_ref().map(EntityTag::to_string).into_iter().collect()
}
