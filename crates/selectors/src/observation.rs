//! Scores on their way into per-sample columns.

use crate::Error;

/// Lists shorter than this are not worth another thread.
const CHUNK: usize = 1 << 14;

/// One row for each sample, spread over several slices.
pub(crate) trait Columns: Send + Sized {
    /// The rows before `row`, and the others.
    fn split_at(self, row: usize) -> (Self, Self);
}

impl<A: Send> Columns for &mut [A] {
    fn split_at(self, row: usize) -> (Self, Self) {
        self.split_at_mut(row)
    }
}

impl<A: Columns, B: Columns> Columns for (A, B) {
    fn split_at(self, row: usize) -> (Self, Self) {
        let ((a, a_rest), (b, b_rest)) = (self.0.split_at(row), self.1.split_at(row));
        ((a, b), (a_rest, b_rest))
    }
}

/// Calls `update(columns, row, score)` for each observation, those of one sample in list order.
///
/// Infinite scores arrive as the largest finite ones, so that a moving average can come back from
/// them; NaN is no observation and does not arrive. Nothing is updated if the lists are wrong.
pub(crate) fn observe<C: Columns>(
    mut columns: C,
    samples: u32,
    indices: &[u32],
    scores: &[f32],
    update: impl Fn(&mut C, usize, f32) + Copy + Send + Sync,
) -> Result<(), Error> {
    if indices.len() != scores.len() {
        return Err(Error::ObservedLengths {
            indices: indices.len(),
            scores: scores.len(),
        });
    }
    if let Some(position) = indices.iter().position(|&index| index >= samples) {
        return Err(Error::IndexOutOfRange {
            index: indices[position],
            position,
            samples: samples as usize,
        });
    }
    if indices.len() > CHUNK && indices.is_sorted_by(|a, b| a < b) {
        apply_ascending(columns, 0, indices, scores, update);
    } else {
        apply(&mut columns, 0, indices, scores, update);
    }
    Ok(())
}

fn apply<C>(columns: &mut C, first: u32, indices: &[u32], scores: &[f32], update: impl Fn(&mut C, usize, f32)) {
    for (&index, &score) in indices.iter().zip(scores).filter(|(_, score)| !score.is_nan()) {
        update(columns, (index - first) as usize, score.clamp(f32::MIN, f32::MAX));
    }
}

/// Indices that ascend fall into disjoint ranges of rows, one a thread; `columns` begin at sample
/// `first`.
fn apply_ascending<C: Columns>(
    mut columns: C,
    first: u32,
    indices: &[u32],
    scores: &[f32],
    update: impl Fn(&mut C, usize, f32) + Copy + Send + Sync,
) {
    if indices.len() <= CHUNK {
        return apply(&mut columns, first, indices, scores, update);
    }
    let (indices, indices_rest) = indices.split_at(indices.len() / 2);
    let (scores, scores_rest) = scores.split_at(indices.len());
    let (columns, columns_rest) = columns.split_at((indices_rest[0] - first) as usize);
    rayon::join(
        || apply_ascending(columns, first, indices, scores, update),
        || apply_ascending(columns_rest, indices_rest[0], indices_rest, scores_rest, update),
    );
}
