//! Conclusive signatures of bot blocks.

use crate::judge::Asked;
use crate::response::Response;
use crate::verdict::Verdict;

/// The verdict on an answer that is conclusively a block and not the API speaking.
pub(crate) fn detect(_asked: &Asked<'_>, _response: &Response) -> Option<Verdict> {
    None
}
