//! Working memory that a thread keeps for its next call.
//!
//! It begins on a cache line: a register that lies across two takes two reads.

use std::cell::Cell;

thread_local! {
    static KEPT: Cell<Vec<Vec<f32>>> = const { Cell::new(Vec::new()) };
}

/// Numbers in a cache line.
pub(crate) const LINE: usize = 16;

/// The first number that begins a cache line.
pub(crate) fn aligned(memory: &[f32]) -> usize {
    memory.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE)
}

/// Calls `f` with `len` numbers of unspecified (but initialised) content.
///
/// The memory is taken from the thread's store and put back afterwards, so a nested call, or a task
/// that the thread picks up while it waits, gets memory of its own.
pub(crate) fn with<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut store = KEPT.take();
    // The smallest that is large enough, so that a large one stays free for a large need.
    let fit = (0..store.len())
        .filter(|&i| store[i].len() >= len + LINE)
        .min_by_key(|&i| store[i].len());
    let mut memory = match fit.or_else(|| store.len().checked_sub(1)) {
        Some(i) => store.swap_remove(i),
        None => Vec::new(),
    };
    KEPT.set(store);
    if memory.len() < len + LINE {
        // Not `resize`, which would copy what nobody needs.
        memory = vec![0.0; len + LINE];
    }
    let start = aligned(&memory);
    let result = f(&mut memory[start..start + len]);
    let mut store = KEPT.take();
    store.push(memory);
    KEPT.set(store);
    result
}
