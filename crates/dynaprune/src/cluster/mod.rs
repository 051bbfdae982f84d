//! Runs on a cluster: the cells of a recipe as tasks of an array job, which the cluster's own scheduler starts.
//!
//! There is no scheduler here. [`tasks`] says which cells a task makes and which tasks come first, [`slurm`] and [`kubernetes`]
//! write that down for the two schedulers, [`submission`] is the folder in which it is kept. Tasks share nothing but the folder
//! of results: what one of them makes is found there by all others, whoever started them.

pub(crate) mod cells;
pub(crate) mod grid;
pub(crate) mod kubernetes;
pub(crate) mod resources;
pub(crate) mod shell;
pub(crate) mod slurm;
pub(crate) mod submission;
pub(crate) mod tasks;
