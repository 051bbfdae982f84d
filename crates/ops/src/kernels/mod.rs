//! The kernels' source, and how each is launched for its shapes. Nothing here needs a GPU: see `cuda` for the launches.

#[cfg(test)]
mod emulated;
#[cfg(test)]
mod nvrtc;

/// The files of the kernels, which make one source.
const FILES: [&str; 8] = [
    include_str!("prelude.cu"),
    include_str!("batch_norm.cu"),
    include_str!("conv2d.cu"),
    include_str!("cross_entropy.cu"),
    include_str!("elementwise.cu"),
    include_str!("images.cu"),
    include_str!("linear.cu"),
    include_str!("pool.cu"),
];

/// The source that is compiled.
pub(crate) fn source() -> String {
    FILES.join("\n")
}

/// A kernel's grid in blocks and its block in threads. All shared memory is declared in the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
}

const THREADS: usize = 256;
const WARP: usize = 32;

/// Blocks that keep a large GPU busy: a few for each of some 130 multiprocessors.
const BLOCKS: usize = 528;

/// Blocks that sum up rows: two for each multiprocessor. Each leaves a partial sum for another kernel to add.
const SUM_BLOCKS: usize = 264;

/// A thread for each of `len` numbers.
fn each(len: usize) -> Launch {
    Launch {
        grid: [len.div_ceil(THREADS).max(1) as u32, 1, 1],
        block: [THREADS as u32, 1, 1],
    }
}

/// A warp for each of `len` results.
fn warps(len: usize) -> Launch {
    each(len * WARP)
}

/// At most `most` blocks over `rows` rows of `c` channels, each thread taking at least `least` rows if there are as many: see
/// `Walk` in `batch_norm.cu`.
fn rows(rows: usize, c: usize, most: usize, least: usize) -> (Launch, usize) {
    let vectors = c / vector(c);
    let groups = vectors.min(THREADS);
    let lanes = THREADS / groups;
    let blocks = (rows / (lanes * least)).clamp(1, most);
    let launch = Launch {
        grid: [blocks as u32, vectors.div_ceil(groups) as u32, 1],
        block: [THREADS as u32, 1, 1],
    };
    (launch, blocks)
}

/// 32 channels a block, each with 32 slices of the partial sums.
fn finish(c: usize) -> Launch {
    Launch {
        grid: [c.div_ceil(32) as u32, 1, 1],
        block: [32, 32, 1],
    }
}

/// The launch and how many partial sums [2, c] it makes.
pub(crate) fn bn_sums(row_count: usize, c: usize) -> (Launch, usize) {
    rows(row_count, c, SUM_BLOCKS, 4)
}

pub(crate) fn bn_finish(c: usize) -> Launch {
    finish(c)
}

pub(crate) fn bn_apply(row_count: usize, c: usize) -> Launch {
    rows(row_count, c, BLOCKS, 2).0
}

/// As [`bn_sums`].
pub(crate) fn bn_grad_sums(row_count: usize, c: usize) -> (Launch, usize) {
    rows(row_count, c, SUM_BLOCKS, 4)
}

pub(crate) fn bn_grad_finish(c: usize) -> Launch {
    finish(c)
}

pub(crate) fn bn_grad_apply(row_count: usize, c: usize) -> Launch {
    rows(row_count, c, BLOCKS, 2).0
}

/// A block a sample.
pub(crate) fn bn_grad_eval(n: usize) -> Launch {
    Launch {
        grid: [n as u32, 1, 1],
        block: [THREADS as u32, 1, 1],
    }
}

/// The gradient of a max pool: a thread for each window where they lie side by side and cover all `[n, h, w, c]`, else for
/// each pixel.
pub(crate) fn max_pool_grad([n, h, w, c]: [usize; 4], size: usize, stride: usize) -> Launch {
    let tiled = size == stride && h.is_multiple_of(size) && w.is_multiple_of(size);
    pool(n * h * w * c / if tiled { size * size } else { 1 }, c)
}

/// A thread for each number of the result, or for 8 channels of it.
pub(crate) fn pool(results: usize, c: usize) -> Launch {
    each(results / vector(c))
}

/// As [`pool`].
pub(crate) fn global_mean(n: usize, c: usize) -> Launch {
    pool(n * c, c)
}

/// Channels that a thread takes at a time.
fn vector(c: usize) -> usize {
    if c.is_multiple_of(8) { 8 } else { 1 }
}

pub(crate) fn linear(n: usize, o: usize) -> Launch {
    warps(n * o)
}

/// 32 weights or biases a block, 8 slices of the samples.
pub(crate) fn linear_grad_weight(i: usize, o: usize) -> Launch {
    Launch {
        grid: [((i + 1) * o).div_ceil(32) as u32, 1, 1],
        block: [32, 8, 1],
    }
}

pub(crate) fn linear_grad_input(n: usize, i: usize) -> Launch {
    each(n * i)
}

pub(crate) fn linear_squares(n: usize) -> Launch {
    warps(n)
}

/// A warp a sample.
pub(crate) fn cross_entropy(n: usize) -> Launch {
    warps(n)
}

/// Each thread takes every so many numbers.
pub(crate) fn elementwise(len: usize) -> Launch {
    let Launch {
        grid: [blocks, ..],
        block,
    } = each(len);
    Launch {
        grid: [blocks.min(8 * BLOCKS as u32), 1, 1],
        block,
    }
}

pub(crate) fn sgd(len: usize) -> Launch {
    elementwise(len)
}

pub(crate) fn advance() -> Launch {
    Launch {
        grid: [1; 3],
        block: [1; 3],
    }
}

/// A thread a pixel.
pub(crate) fn load_images(n: usize, h: usize, w: usize) -> Launch {
    each(n * h * w)
}

/// The largest batch for [`conv_weight_squares`]: a grid has no more blocks along its third axis.
pub(crate) const MOST_SAMPLES: usize = 65_535;

/// A tile of 64 x 64 weights of one sample a block; also how many tiles a sample has.
pub(crate) fn conv_weight_squares(n: usize, filter_rows: usize, co: usize) -> (Launch, usize) {
    let tiles = [filter_rows.div_ceil(64), co.div_ceil(64)];
    let launch = Launch {
        grid: [tiles[0] as u32, tiles[1] as u32, n as u32],
        block: [THREADS as u32, 1, 1],
    };
    (launch, tiles[0] * tiles[1])
}

pub(crate) fn add_tiles(n: usize) -> Launch {
    each(n)
}

pub(crate) fn permute_filter(window: usize, ci: usize, co: usize) -> Launch {
    each(window * ci * co)
}

/// How `load_images` is given a view: bits 0 to 15 are the top plus 32768, bits 16 to 30 the left plus 16384, bit 31 the flip.
pub(crate) fn pack_view(top: i32, left: i32, flip: bool) -> u32 {
    let top = top.clamp(-32_768, 32_767) + 32_768;
    let left = left.clamp(-16_384, 16_383) + 16_384;
    top as u32 | (left as u32) << 16 | u32::from(flip) << 31
}
