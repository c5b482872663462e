//! What the origin needs to know about JSON texts beyond reading them.

pub(crate) mod equality;
pub(crate) mod json_patch;
pub(crate) mod merge_patch;
pub(crate) mod scan;
