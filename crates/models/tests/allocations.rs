//! A training step and a pass for gradient norms use the same memory again and again: they allocate no large buffer.
//!
//! The allocator that counts is the only `unsafe` outside of `crates/ops`.

use candle_core::Device;
use dynaprune_models::{Gradients, Input, Net, find};
use dynaprune_ops::{CrossEntropy, Sgd};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Passes requests on to the system, and notes the largest.
struct Counting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every request goes to `System` as it came, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a step may ask for at once: lists of pixels, never images. The smallest activation below is four times as large.
const LARGE: usize = 64 * 1024;

/// One test at a time: the allocator is the whole program's.
static ALONE: Mutex<()> = Mutex::new(());

/// The largest allocation of each of `steps` steps, after the first `before`.
fn largest(
    work: fn(&mut Net),
    (model, width): (&str, usize),
    threads: usize,
    before: usize,
    steps: usize,
) -> Vec<usize> {
    let input = Input {
        height: 32,
        width: 32,
        channels: 3,
        classes: 10,
    };
    let samples = 32;
    let graph = (find(model).expect("a network").build)(input, width).expect("fits");
    let mut net = Net::new(graph, samples, 0, &Device::Cpu).expect("fits");
    let mut spare = net.spare_batch().expect("memory");
    let mut step = || {
        let filled = spare.fill(samples, |images, labels| {
            images
                .iter_mut()
                .enumerate()
                .for_each(|(i, x)| *x = (i % 17) as f32 / 8.0 - 1.0);
            labels.iter_mut().enumerate().for_each(|(i, y)| *y = i as u32 % 10);
        });
        filled.and_then(|()| net.exchange(&mut spare)).expect("a batch");
        work(&mut net);
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool");
    pool.install(|| {
        (0..before).for_each(|_| step());
        let counted = (0..steps).map(|_| {
            LARGEST.store(0, Ordering::Relaxed);
            step();
            LARGEST.load(Ordering::Relaxed)
        });
        counted.collect()
    })
}

fn training(net: &mut Net) {
    let sgd = Sgd {
        learning_rate: 0.01,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 5e-4,
    };
    net.forward_backward(CrossEntropy::default()).expect("runs");
    net.step(&sgd).expect("runs");
}

fn norms(net: &mut Net) {
    net.gradient_norms(Gradients::All).expect("runs");
}

#[test]
fn after_the_third_step_no_large_buffer_is_allocated() {
    let _alone = ALONE.lock();
    for (model, width) in [("resnet18", 16), ("resnet9", 16), ("resnet8", 12), ("cnn", 8)] {
        for work in [training, norms] {
            let found = largest(work, (model, width), 1, 3, 3);
            assert!(found.iter().all(|&size| size < LARGE), "{model}: {found:?}");
        }
    }
}

/// With several threads, each takes its working memory when it first has that kind of work, which may be late.
#[test]
fn with_two_threads_the_memory_settles() {
    let _alone = ALONE.lock();
    for (work, steps) in [(training as fn(&mut Net), 60), (norms, 30)] {
        let found = largest(work, ("resnet18", 16), 2, 0, steps);
        assert!(found[0] >= LARGE, "the first step allocates: {found:?}");
        let settled = found.iter().rev().take_while(|&&size| size < LARGE).count();
        assert!(settled >= 10, "{found:?}");
    }
}
