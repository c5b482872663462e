//! How much of a write a ledger keeps.

use tiebreak_core::record::{Claim, Settlement};

use crate::LedgerError;

/// How much a ledger keeps of one write, and how many it keeps open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of answered content; the rest is cut and `truncated` set.
    pub content: usize,
    /// Bytes of answered fields, names and values; fields that do not fit are left out and `truncated` set.
    pub fields: usize,
    /// Bytes of evidence, and of the reason of a resolution; the rest is cut.
    pub evidence: usize,
    /// Bytes of method, target, lanes and held validator together; a larger claim is refused.
    pub claim: usize,
    /// Claims that may be open at once; each has room for its settlement set aside.
    pub outstanding: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            content: 64 << 10,
            fields: 16 << 10,
            evidence: 4 << 10,
            claim: 32 << 10,
            outstanding: 4096,
        }
    }
}

impl Bounds {
    /// Cuts `settlement` to these bounds.
    pub(crate) fn cut(&self, settlement: &mut Settlement) {
        if settlement.content.len() > self.content {
            settlement.content.truncate(self.content);
            settlement.truncated = true;
        }
        let mut room = self.fields;
        let before = settlement.fields.len();
        settlement.fields.retain(|(name, value)| {
            let size = name.len() + value.len();
            let fits = size <= room;
            if fits {
                room -= size;
            }
            fits
        });
        settlement.truncated |= settlement.fields.len() < before;
        self.cut_text(&mut settlement.evidence);
    }

    /// Cuts `text` to the bound for evidence, at a character boundary.
    pub(crate) fn cut_text(&self, text: &mut String) {
        let mut end = self.evidence.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }

    /// Refuses a claim that is too large to keep.
    pub(crate) fn check(&self, claim: &Claim) -> Result<(), LedgerError> {
        let lanes: usize = claim.lanes.iter().map(|l| l.0.len()).sum();
        let held = claim.held.as_ref().map_or(0, String::len);
        let size = claim.method.len() + claim.target.len() + lanes + held;
        if size > self.claim {
            let most = self.claim;
            return Err(LedgerError::Unavailable(format!(
                "method, target, lanes and validator of the write take {size} bytes, at most {most} are kept"
            )));
        }
        Ok(())
    }

    /// The error of a claim when [`Bounds::outstanding`] are open.
    pub(crate) fn too_many(&self) -> LedgerError {
        let most = self.outstanding;
        LedgerError::Unavailable(format!(
            "{most} writes are claimed at once, the most it allows; try again later"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let bounds = Bounds {
            evidence: 4,
            ..Bounds::default()
        };
        let mut text = "aaäöü".to_owned();
        bounds.cut_text(&mut text);
        assert_eq!(text, "aaä");
        let mut text = "aaaäö".to_owned();
        bounds.cut_text(&mut text);
        assert_eq!(text, "aaa");
    }
}
