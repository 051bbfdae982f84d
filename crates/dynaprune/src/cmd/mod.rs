//! The verbs.

pub(crate) mod bench;
pub(crate) mod data;
pub(crate) mod report;
pub(crate) mod reproduce;
pub(crate) mod score;
pub(crate) mod scores;
