//! The sequential model: one document, edited by one caller after the other.

/// A document: for each of its members the number of the value that it has. Values are never written twice, so that equal
/// documents are equal versions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Document(pub Vec<u32>);

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    /// The document.
    Read,
    /// Member `member`, which had the value `from`, shall have the value `to`, whatever became of the others.
    Edit {
        /// Which member.
        member: usize,
        /// What its author had read.
        from: u32,
        /// What it shall be.
        to: u32,
    },
    /// The same, if the whole document still is what its author had read.
    EditVersion {
        /// What its author had read.
        read: Document,
        /// Which member.
        member: usize,
        /// What it shall be.
        to: u32,
    },
}

/// What a caller saw.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Saw {
    /// This document.
    Document(Document),
    /// The edit was made.
    Applied,
    /// It was not made, and never will be.
    Refused,
}

impl Document {
    /// Performs `op`, as the document now is.
    pub fn perform(&mut self, op: &Op) -> Saw {
        let (fits, member, to) = match op {
            Op::Read => return Saw::Document(self.clone()),
            Op::Edit { member, from, to } => (self.0[*member] == *from, *member, *to),
            Op::EditVersion { read, member, to } => (self == read, *member, *to),
        };
        if fits {
            self.0[member] = to;
        }
        if fits { Saw::Applied } else { Saw::Refused }
    }

    /// Performs `op` if its caller can have seen `saw` of it. A refusal has many reasons; it changes nothing.
    pub fn admits(&mut self, op: &Op, saw: &Saw) -> bool {
        match (op, saw) {
            (Op::Edit { .. } | Op::EditVersion { .. }, Saw::Refused) => true,
            _ => self.perform(op) == *saw,
        }
    }
}
