//! The verbs.

pub(crate) mod data;
pub(crate) mod reproduce;
