//! Specs as people write them: what they mean, what is refused, and what a cell is called.

mod grids;
mod ids;
mod mistakes;
mod runs;
mod static_scores;
mod written;
