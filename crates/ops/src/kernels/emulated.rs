//! Every kernel on the host, beside the CPU's operations.
//!
//! The kernels' own source is compiled by the host's C++ compiler with `emulator.h` before it, so that what is tested is what
//! GPUs run, but for the hardware.

use super::Launch;
use crate::kernels;
use crate::{BatchNorm, Conv2d, CrossEntropy, GlobalMean, Linear, MaxPool, MeanPool, Sgd, column, scale};
use candle_core::{Device, Tensor};
use dynaprune_random::{Purpose, Stream};
use half::bf16;
use std::ffi::c_void;
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// The kernels without an element type, and those with one.
const KERNELS: &[&str] = &[
    "add_tiles",
    "advance_step",
    "bn_grad_finish",
    "sgd",
    "square_roots",
    "take_column",
    "to_bf16",
];
const TYPED: &[&str] = &[
    "bn_apply",
    "bn_finish",
    "bn_grad_apply",
    "bn_grad_eval",
    "bn_grad_sums",
    "bn_sums",
    "conv_weight_squares",
    "cross_entropy",
    "cross_entropy_gradients",
    "global_mean",
    "global_mean_grad",
    "linear",
    "linear_grad_input",
    "linear_grad_weight",
    "linear_squares",
    "load_images",
    "max_pool",
    "max_pool_grad",
    "mean_pool",
    "mean_pool_grad",
    "permute_filter",
    "scale",
];

/// Compiled kernels; one is run at a time.
struct Emulator {
    library: libloading::Library,
    _folder: tempfile::TempDir,
}

impl Emulator {
    fn compile(source: &str, kernels: impl Iterator<Item = String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
        let mut text = format!("{}\n{source}\n", include_str!("emulator.h"));
        for kernel in kernels {
            text.push_str(&format!("EMULATE({kernel})\n"));
        }
        text.push_str("extern \"C\" void emulate_reversed(int is) { emulator::reversed = is; }\n");
        std::fs::write(&from, text).unwrap();
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        let flags = ["-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-w", "-o"];
        let output = Command::new(&compiler).args(flags).args([&to, &from]).output();
        let output = output.unwrap_or_else(|error| panic!("these tests need the C++ compiler `{compiler}`: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library was just compiled, and has no initialisers.
        let library = unsafe { libloading::Library::new(&to) }.unwrap();
        Self {
            library,
            _folder: folder,
        }
    }

    /// Runs a kernel twice, the second time with blocks and threads in reverse order; what `run_block` in `emulator.h` gives,
    /// or [`ORDER_MATTERS`].
    fn run(&self, kernel: &str, launch: Launch, arguments: &mut [Argument]) -> i32 {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        type Emulate = unsafe extern "C" fn(*const u32, *const u32, *mut *mut c_void) -> i32;
        type Reversed = unsafe extern "C" fn(i32);
        let memory = |arguments: &[Argument]| arguments.iter().map(Argument::bytes).collect::<Vec<_>>();
        let before = memory(arguments);
        let mut results = Vec::new();
        for reversed in [0, 1] {
            arguments
                .iter()
                .zip(&before)
                .for_each(|(argument, bytes)| argument.write(bytes));
            let mut pointers: Vec<*mut c_void> = arguments.iter_mut().map(|a| (&raw mut a.bits).cast()).collect();
            // SAFETY: the kernel gets as many arguments as it has parameters, of their types: each test sees to it, as launches
            // do.
            let status = unsafe {
                let set: libloading::Symbol<Reversed> = self.library.get(b"emulate_reversed").unwrap();
                let emulate: libloading::Symbol<Emulate> =
                    self.library.get(format!("emulate_{kernel}").as_bytes()).unwrap();
                set(reversed);
                emulate(launch.grid.as_ptr(), launch.block.as_ptr(), pointers.as_mut_ptr())
            };
            if status != 0 {
                return status;
            }
            results.push(memory(arguments));
        }
        if results[0] == results[1] { 0 } else { ORDER_MATTERS }
    }
}

/// A kernel's results depend on the order in which its threads happen to run.
const ORDER_MATTERS: i32 = 4;

fn emulator() -> &'static Emulator {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    EMULATOR.get_or_init(|| Emulator::compile(&kernels::source(), names()))
}

/// All kernels.
pub(super) fn names() -> impl Iterator<Item = String> {
    let typed = TYPED
        .iter()
        .flat_map(|kernel| ["f32", "bf16"].map(|name| format!("{kernel}_{name}")));
    typed.chain(KERNELS.iter().map(|&kernel| kernel.to_owned()))
}

/// The bits of an argument, from the lowest on, and of an address the bytes of memory there.
#[derive(Clone, Copy)]
struct Argument {
    bits: u64,
    len: usize,
}

impl Argument {
    const fn number(bits: u64) -> Self {
        Self { bits, len: 0 }
    }

    /// What the memory holds.
    fn bytes(&self) -> Vec<u8> {
        match self.len {
            0 => Vec::new(),
            // SAFETY: it is that of a `Memory`, which lives as long as the arguments of a call.
            len => unsafe { std::slice::from_raw_parts(self.bits as *const u8, len) }.to_vec(),
        }
    }

    /// Sets what the memory holds.
    fn write(&self, bytes: &[u8]) {
        // SAFETY: as in `bytes`; kernels write there too.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.bits as *mut u8, self.len) };
    }
}

impl From<u32> for Argument {
    fn from(number: u32) -> Self {
        Self::number(u64::from(number))
    }
}

impl From<u64> for Argument {
    fn from(number: u64) -> Self {
        Self::number(number)
    }
}

impl From<f32> for Argument {
    fn from(number: f32) -> Self {
        Self::number(u64::from(number.to_bits()))
    }
}

impl<T> From<&Memory<T>> for Argument {
    fn from(memory: &Memory<T>) -> Self {
        Self {
            bits: memory.words.as_ptr() as u64,
            len: memory.len * size_of::<T>(),
        }
    }
}

/// No memory.
const NOTHING: Argument = Argument::number(0);

macro_rules! run {
    ($kernel:expr, $launch:expr; $($argument:expr),* $(,)?) => {{
        let status = emulator().run(&$kernel, $launch, &mut [$(Argument::from($argument)),*]);
        assert_eq!(status, 0, "{}", $kernel);
    }};
}

/// Numbers that begin on 16 bytes, as device memory does, and that kernels write to.
struct Memory<T> {
    words: Vec<u128>,
    len: usize,
    element: std::marker::PhantomData<T>,
}

impl<T: Copy> Memory<T> {
    fn new(numbers: &[T]) -> Self {
        let bytes = size_of_val(numbers);
        let mut words = vec![0u128; bytes.div_ceil(16).max(1)];
        // SAFETY: there is room, and the two do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr().cast::<u8>(), words.as_mut_ptr().cast(), bytes) };
        Self {
            words,
            len: numbers.len(),
            element: std::marker::PhantomData,
        }
    }

    fn numbers(&self) -> Vec<T> {
        // SAFETY: the memory holds as many numbers, all of which were written or copied in.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast::<T>(), self.len) }.to_vec()
    }
}

/// An element type of activations.
trait Real: Copy {
    const NAME: &'static str;
    /// How far a result may be off, relative to the largest.
    const TOLERANCE: f32;
    fn of(number: f32) -> Self;
    fn number(self) -> f32;
}

impl Real for f32 {
    const NAME: &'static str = "f32";
    const TOLERANCE: f32 = 1e-5;

    fn of(number: f32) -> Self {
        number
    }

    fn number(self) -> f32 {
        self
    }
}

impl Real for bf16 {
    const NAME: &'static str = "bf16";
    const TOLERANCE: f32 = 1e-2;

    fn of(number: f32) -> Self {
        Self::from_f32(number)
    }

    fn number(self) -> f32 {
        self.to_f32()
    }
}

/// Memory for `len` numbers that must be overwritten.
fn room<T: Real>(len: usize) -> Memory<T> {
    Memory::new(&vec![T::of(f32::NAN); len])
}

fn memory<T: Real>(numbers: &[f32]) -> Memory<T> {
    Memory::new(&numbers.iter().map(|&number| T::of(number)).collect::<Vec<T>>())
}

fn read<T: Real>(memory: &Memory<T>) -> Vec<f32> {
    memory.numbers().into_iter().map(T::number).collect()
}

/// Random numbers that are numbers of the type.
struct Draws(u64);

impl Draws {
    fn next<T: Real>(&mut self, len: usize) -> Vec<f32> {
        self.0 += 1;
        let mut stream = Stream::new(0, Purpose::new("emulated"), self.0);
        (0..len).map(|_| T::of(stream.normal_f64() as f32).number()).collect()
    }
}

fn tensor(numbers: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(numbers, shape, &Device::Cpu).unwrap()
}

fn vector(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected
        .iter()
        .filter(|number| number.is_finite())
        .fold(0.0f32, |size, number| size.max(number.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found == expected || (found.is_nan() && expected.is_nan());
        let close = (found - expected).abs() <= tolerance * size.max(1e-30);
        assert!(
            same || close,
            "{what}: number {i} is {found}, expected {expected} (size {size})"
        );
    }
}

#[test]
fn bf16_is_rounded_to_the_nearest() {
    let mut numbers: Vec<f32> = Draws(0).next::<f32>(1000);
    let special = [
        0u32,
        1,
        0x7fff,
        0x8000,
        0x8001,
        0x1_8000,
        0x7f7f_ffff,
        0x7f7f_8000,
        0x7f80_0000,
        0x7f80_0001,
        0x7fff_ffff,
    ];
    numbers.extend(
        special
            .iter()
            .flat_map(|&bits| [f32::from_bits(bits), f32::from_bits(bits | 1 << 31)]),
    );
    numbers.extend(
        (0..=255u32)
            .flat_map(|exponent| [0x7fff, 0x8000, 0x8001, 0x1_8000].map(|m| f32::from_bits(exponent << 23 | m))),
    );
    let (from, to) = (memory::<f32>(&numbers), room::<bf16>(numbers.len()));
    run!("to_bf16", kernels::elementwise(numbers.len()); &from, &to, numbers.len() as u64);
    for (number, found) in numbers.iter().zip(to.numbers()) {
        let expected = bf16::from_f32(*number);
        assert!(
            found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
            "{number:e} {found} {expected}"
        );
    }
}

fn batch_norm<T: Real>(rows: usize, c: usize, residual: bool, relu: bool, add: bool) {
    let what = format!(
        "{} rows {rows} c {c} residual {residual} relu {relu} add {add}",
        T::NAME
    );
    let (mut draws, n) = (Draws((rows * 31 + c) as u64), rows * c);
    // A mean far from 0 must not cancel.
    let x: Vec<f32> = draws.next::<T>(n).iter().map(|x| T::of(x + 30.0).number()).collect();
    let (r, dy, to) = (draws.next::<T>(n), draws.next::<T>(n), draws.next::<T>(n));
    let (affine, running) = (draws.next::<f32>(2 * c), draws.next::<f32>(2 * c));
    let norm = BatchNorm::new(relu);
    let shape = [rows, c];

    let (tx, tr, ty) = (tensor(&x, &shape), tensor(&r, &shape), tensor(&vec![0.0; n], &shape));
    let (ta, trunning) = (tensor(&affine, &[2, c]), tensor(&running, &[2, c]));
    let (tsaved, tdaffine) = (tensor(&vec![0.0; 2 * c], &[2, c]), tensor(&vec![0.0; 2 * c], &[2, c]));
    norm.forward_train(&tx, residual.then_some(&tr), &ta, &trunning, &tsaved, &ty)
        .unwrap();

    let [mx, mr, my, mdy, mto] = [memory::<T>(&x), memory(&r), room(n), memory(&dy), memory(&to)];
    let (ma, mrunning) = (memory::<f32>(&affine), memory::<f32>(&running));
    let (msaved, mdaffine) = (room::<f32>(2 * c), room::<f32>(2 * c));
    let (launch, blocks) = kernels::bn_sums(rows, c);
    let partials = room::<f32>(blocks * 2 * c);
    let (rows32, c32, relu32) = (rows as u32, c as u32, u32::from(relu));
    let name = |kernel: &str| format!("{kernel}_{}", T::NAME);
    run!(name("bn_sums"), launch; &mx, &partials, rows32, c32);
    run!(name("bn_finish"), kernels::bn_finish(c);
        &mx, &partials, blocks as u32, &mrunning, &msaved, rows32, c32, norm.eps, norm.momentum);
    let given = |is: bool, memory: &Memory<T>| if is { Argument::from(memory) } else { NOTHING };
    run!(name("bn_apply"), kernels::bn_apply(rows, c);
        &mx, given(residual, &mr), &ma, &msaved, 0u32, &my, rows32, c32, norm.eps, relu32);
    assert_close(&read(&msaved), &vector(&tsaved), 2e-5, &format!("saved {what}"));
    assert_close(&read(&mrunning), &vector(&trunning), 2e-5, &format!("running {what}"));
    // One row has no spread: what is left of it is rounding, which 1 / sqrt(eps) makes large.
    let tolerance = if rows == 1 { 1e-2 } else { T::TOLERANCE.max(3e-5) };
    assert_close(&read(&my), &vector(&ty), tolerance, &format!("y {what}"));

    // The backward pass on the same output: what the ReLU lets pass must not depend on rounding.
    let ty = tensor(&read(&my), &shape);
    let (tdy, tto) = (tensor(&dy, &shape), tensor(&to, &shape));
    let out = (residual || relu).then_some(&ty);
    let dresidual = (residual && out.is_some()).then_some((&tto, add));
    norm.backward(&tdy, &tx, out, &ta, &tsaved, &tdaffine, dresidual)
        .unwrap();
    let msaved = memory::<f32>(&vector(&tsaved));
    let (launch, blocks) = kernels::bn_grad_sums(rows, c);
    let partials = room::<f32>(blocks * 2 * c);
    let y_at = given(out.is_some(), &my);
    run!(name("bn_grad_sums"), launch; &mdy, &mx, y_at, &ma, &msaved, &partials, rows32, c32, relu32);
    run!("bn_grad_finish", kernels::bn_grad_finish(c); &partials, blocks as u32, &mdaffine, c32);
    run!(name("bn_grad_apply"), kernels::bn_grad_apply(rows, c);
        &mdy, &mx, y_at, &ma, &msaved, &mdaffine, given(dresidual.is_some(), &mto), u32::from(add), rows32, c32, relu32);
    let tolerance = if rows == 1 { 1e-2 } else { T::TOLERANCE.max(3e-5) };
    assert_close(
        &read(&mdaffine),
        &vector(&tdaffine),
        tolerance,
        &format!("daffine {what}"),
    );
    if rows > 2 {
        assert_close(&read(&mdy), &vector(&tdy), tolerance, &format!("dx {what}"));
    } else {
        assert!(
            read(&mdy).iter().all(|dx| dx.abs() < 1e-3),
            "next to nothing passes one or two rows: {what}"
        );
    }
    assert_close(&read(&mto), &vector(&tto), T::TOLERANCE, &format!("dresidual {what}"));
}

#[test]
fn batch_norm_in_training() {
    for (rows, c) in [
        (1, 8),
        (2, 1),
        (37, 3),
        (300, 8),
        (129, 10),
        (4133, 64),
        (65, 72),
        (5, 2056),
        (9, 300),
    ] {
        for residual in [false, true] {
            batch_norm::<f32>(rows, c, residual, true, false);
            batch_norm::<bf16>(rows, c, residual, true, residual);
            batch_norm::<f32>(rows, c, residual, false, residual);
        }
    }
}

/// Without the output the mask is recomputed from the input, in the order of the CPU's operations.
#[test]
fn batch_norm_recomputes_what_the_relu_let_pass() {
    let (rows, c) = (200, 16);
    let mut draws = Draws(77);
    let (x, dy, affine) = (
        draws.next::<f32>(rows * c),
        draws.next::<f32>(rows * c),
        draws.next::<f32>(2 * c),
    );
    let (tx, tdy, ta) = (
        tensor(&x, &[rows, c]),
        tensor(&dy, &[rows, c]),
        tensor(&affine, &[2, c]),
    );
    let norm = BatchNorm::new(true);
    let [ty, trunning] = [
        tensor(&vec![0.0; rows * c], &[rows, c]),
        tensor(&vec![1.0; 2 * c], &[2, c]),
    ];
    let [tsaved, tdaffine] = [0, 0].map(|_| tensor(&vec![0.0; 2 * c], &[2, c]));
    norm.forward_train(&tx, None, &ta, &trunning, &tsaved, &ty).unwrap();
    norm.backward(&tdy, &tx, None, &ta, &tsaved, &tdaffine, None).unwrap();
    let (mx, mdy, ma) = (memory::<f32>(&x), memory::<f32>(&dy), memory::<f32>(&affine));
    let (msaved, mdaffine) = (memory::<f32>(&vector(&tsaved)), room::<f32>(2 * c));
    let (launch, blocks) = kernels::bn_grad_sums(rows, c);
    let partials = room::<f32>(blocks * 2 * c);
    run!("bn_grad_sums_f32", launch; &mdy, &mx, NOTHING, &ma, &msaved, &partials, rows as u32, c as u32, 1u32);
    run!("bn_grad_finish", kernels::bn_grad_finish(c); &partials, blocks as u32, &mdaffine, c as u32);
    run!("bn_grad_apply_f32", kernels::bn_grad_apply(rows, c);
        &mdy, &mx, NOTHING, &ma, &msaved, &mdaffine, NOTHING, 0u32, rows as u32, c as u32, 1u32);
    assert_close(&read(&mdaffine), &vector(&tdaffine), 1e-5, "daffine");
    assert_close(&read(&mdy), &vector(&tdy), 1e-5, "dx");
}

/// What the backward pass of batch norm in evaluation is given: the output, room for the residual's gradient, and whether it is
/// added to what is there.
#[derive(Clone, Copy, Debug)]
struct Given {
    y: bool,
    dresidual: bool,
    add: bool,
}

const ALL: Given = Given {
    y: true,
    dresidual: true,
    add: true,
};

fn batch_norm_eval<T: Real>(n: usize, pixels: usize, c: usize, relu: bool, given: Given) -> Vec<f32> {
    let what = format!("{} n {n} pixels {pixels} c {c} relu {relu} {given:?}", T::NAME);
    let (mut draws, len, rows) = (Draws(c as u64), n * pixels * c, n * pixels);
    let norm = BatchNorm::new(relu);
    // The same first samples whatever n: they must get the same bits.
    let most = 5 * pixels * c;
    let [x, r, dy, to] = [0, 0, 0, 0].map(|_| draws.next::<T>(most)[..len].to_vec());
    let affine = draws.next::<f32>(2 * c);
    let running: Vec<f32> = draws.next::<f32>(2 * c).iter().map(|x| x.abs() + 0.1).collect();
    let shape = [n, pixels, c];
    let ([tx, tr], [tdy, tto]) = (
        [&x, &r].map(|v| tensor(v, &shape)),
        [&dy, &to].map(|v| tensor(v, &shape)),
    );
    let ty = tensor(&vec![0.0; len], &shape);
    let (ta, trunning) = (tensor(&affine, &[2, c]), tensor(&running, &[2, c]));
    let tsquares = tensor(&vec![2.0; n], &[n]);
    // Without a residual what the ReLU let pass can be told from the input.
    norm.forward_eval(&tx, given.y.then_some(&tr), &ta, &trunning, &ty)
        .unwrap();
    let [mx, mr, my, mdy, mto] = [memory::<T>(&x), memory(&r), room(len), memory(&dy), memory(&to)];
    let (ma, mrunning, msquares) = (
        memory::<f32>(&affine),
        memory::<f32>(&running),
        memory::<f32>(&vec![2.0; n]),
    );
    let name = |kernel: &str| format!("{kernel}_{}", T::NAME);
    let at = |is: bool, memory: &Memory<T>| if is { Argument::from(memory) } else { NOTHING };
    run!(name("bn_apply"), kernels::bn_apply(rows, c);
        &mx, at(given.y, &mr), &ma, &mrunning, 1u32, &my, rows as u32, c as u32, norm.eps, u32::from(relu));
    assert_close(&read(&my), &vector(&ty), T::TOLERANCE, &format!("y {what}"));
    let ty = tensor(&read(&my), &shape);
    let dresidual = given.dresidual.then_some((&tto, given.add));
    norm.backward_eval(&tdy, &tx, given.y.then_some(&ty), &ta, &trunning, &tsquares, dresidual)
        .unwrap();
    run!(name("bn_grad_eval"), kernels::bn_grad_eval(n);
        &mdy, &mx, at(given.y, &my), &ma, &mrunning, &msquares, at(given.dresidual, &mto), u32::from(given.add), n as u32,
        pixels as u32, c as u32, norm.eps, u32::from(relu));
    assert_close(&read(&msquares), &vector(&tsquares), 2e-5, &format!("squares {what}"));
    assert_close(&read(&mdy), &vector(&tdy), T::TOLERANCE, &format!("dx {what}"));
    assert_close(&read(&mto), &vector(&tto), T::TOLERANCE, &format!("dresidual {what}"));
    read(&msquares)
}

#[test]
fn batch_norm_in_evaluation() {
    for (pixels, c) in [(16, 8), (49, 3), (64, 64), (9, 72), (4, 2056)] {
        for relu in [false, true] {
            let all = batch_norm_eval::<f32>(5, pixels, c, relu, ALL);
            let alone = batch_norm_eval::<f32>(1, pixels, c, relu, ALL);
            assert_eq!(
                all[0].to_bits(),
                alone[0].to_bits(),
                "a sample's number depends on its batch"
            );
            batch_norm_eval::<bf16>(3, pixels, c, relu, ALL);
            let written = Given { add: false, ..ALL };
            let no_room = Given {
                dresidual: false,
                ..written
            };
            for given in [written, no_room, Given { y: false, ..no_room }] {
                batch_norm_eval::<f32>(2, pixels, c, relu, given);
                batch_norm_eval::<bf16>(2, pixels, c, relu, given);
            }
        }
    }
}

fn pools<T: Real>(shape: [usize; 4], size: usize, stride: usize) {
    let what = format!("{} {shape:?} size {size} stride {stride}", T::NAME);
    let [n, h, w, c] = shape;
    let (max, mean) = (MaxPool { size, stride }, MeanPool { size, stride });
    let output = max.output_shape(&shape).unwrap();
    let (inputs, outputs): (usize, usize) = (shape.iter().product(), output.iter().product());
    let mut draws = Draws(9);
    let (mut x, dy) = (draws.next::<T>(inputs), draws.next::<T>(outputs));
    // Equal numbers, of which the first counts, and one that is none.
    x.iter_mut().for_each(|x| *x = T::of((2.0 * *x).round()).number());
    x[inputs / 2] = f32::NAN;
    let (tx, tdy) = (tensor(&x, &shape), tensor(&dy, &output));
    let [mx, mdy] = [memory::<T>(&x), memory::<T>(&dy)];
    let dims = || [n, h, w, c].map(|size| size as u32);
    let [a, b, d, e] = dims();
    let (size32, stride32) = (size as u32, stride as u32);
    let name = |kernel: &str| format!("{kernel}_{}", T::NAME);
    for is_max in [true, false] {
        let (ty, tdx) = (tensor(&vec![0.0; outputs], &output), tensor(&vec![0.0; inputs], &shape));
        let (my, mdx) = (room::<T>(outputs), room::<T>(inputs));
        if is_max {
            max.forward(&tx, &ty).unwrap();
            max.backward(&tx, &tdy, &tdx).unwrap();
            run!(name("max_pool"), kernels::pool(outputs, c); &mx, &my, a, b, d, e, size32, stride32);
            run!(name("max_pool_grad"), kernels::max_pool_grad(shape, size, stride); &mx, &mdy, &mdx, a, b, d, e, size32, stride32);
        } else {
            mean.forward(&tx, &ty).unwrap();
            mean.backward(&tdy, &tdx).unwrap();
            run!(name("mean_pool"), kernels::pool(outputs, c); &mx, &my, a, b, d, e, size32, stride32);
            run!(name("mean_pool_grad"), kernels::pool(inputs, c); &mdy, &mdx, a, b, d, e, size32, stride32);
        }
        assert_close(
            &read(&my),
            &vector(&ty),
            T::TOLERANCE,
            &format!("y {what} max {is_max}"),
        );
        assert_close(
            &read(&mdx),
            &vector(&tdx),
            T::TOLERANCE,
            &format!("dx {what} max {is_max}"),
        );
    }
}

#[test]
fn pooling() {
    for (shape, size, stride) in [
        ([2, 4, 6, 8], 2, 2),
        ([3, 7, 5, 3], 3, 2),
        ([1, 6, 6, 10], 3, 1),
        ([2, 7, 7, 4], 2, 3),
        ([2, 4, 4, 5], 4, 4),
        ([2, 4, 4, 16], 4, 4),
        ([1, 5, 7, 24], 3, 2),
    ] {
        pools::<f32>(shape, size, stride);
        pools::<bf16>(shape, size, stride);
    }
}

fn global_mean<T: Real>(n: usize, side: usize, c: usize) {
    let (mut draws, pixels) = (Draws(5), side * side);
    let (x, dy) = (draws.next::<T>(n * pixels * c), draws.next::<T>(n * c));
    let (tx, tdy) = (tensor(&x, &[n, side, side, c]), tensor(&dy, &[n, c]));
    let (ty, tdx) = (
        tensor(&vec![0.0; n * c], &[n, c]),
        tensor(&vec![0.0; x.len()], &[n, side, side, c]),
    );
    GlobalMean.forward(&tx, &ty).unwrap();
    GlobalMean.backward(&tdy, &tdx).unwrap();
    let [mx, mdy, my, mdx] = [memory::<T>(&x), memory(&dy), room(n * c), room(x.len())];
    let name = |kernel: &str| format!("{kernel}_{}", T::NAME);
    run!(name("global_mean"), kernels::global_mean(n, c); &mx, &my, n as u32, pixels as u32, c as u32);
    run!(name("global_mean_grad"), kernels::pool(x.len(), c); &mdy, &mdx, n as u32, pixels as u32, c as u32);
    assert_close(&read(&my), &vector(&ty), T::TOLERANCE, "y");
    assert_close(&read(&mdx), &vector(&tdx), T::TOLERANCE, "dx");
}

#[test]
fn global_means() {
    for (n, side, c) in [(3, 4, 64), (5, 1, 7), (2, 3, 300)] {
        global_mean::<f32>(n, side, c);
        global_mean::<bf16>(n, side, c);
    }
}

fn cross_entropy<T: Real>(n: usize, classes: usize, smoothing: f32, logits: &[f32]) {
    let what = format!("{} n {n} classes {classes} smoothing {smoothing}", T::NAME);
    let settings = CrossEntropy {
        label_smoothing: smoothing,
    };
    // The last label is none of the classes.
    let labels: Vec<u32> = (0..n as u32)
        .map(|i| {
            if i as usize + 1 == n {
                classes as u32
            } else {
                i * 7 % classes as u32
            }
        })
        .collect();
    let weights: Vec<f32> = (0..n).map(|i| 0.5 + i as f32).collect();
    let (tl, tw) = (tensor(logits, &[n, classes]), tensor(&weights, &[n]));
    let tlabels = Tensor::from_slice(&labels, n, &Device::Cpu).unwrap();
    let columns = column::COLUMNS;
    let [tsamples, td, town] = [columns, classes, classes].map(|m| tensor(&vec![0.0; n * m], &[n, m]));
    settings
        .forward(&tl, &tlabels, Some(&tw), &tsamples, Some(&td))
        .unwrap();
    settings.sample_gradients(&tl, &tlabels, &town).unwrap();
    let [ml, md, mown] = [memory::<T>(logits), room(n * classes), room(n * classes)];
    let (mlabels, mw, msamples, step) = (
        Memory::new(&labels),
        memory::<f32>(&weights),
        room::<f32>((n + 6) * columns),
        Memory::new(&[2u32]),
    );
    let name = |kernel: &str| format!("{kernel}_{}", T::NAME);
    // The third batch of three rows each.
    run!(name("cross_entropy"), kernels::cross_entropy(n);
        &ml, &mlabels, &mw, &msamples, &md, n as u32, classes as u32, smoothing, &step, 3u32);
    run!(name("cross_entropy_gradients"), kernels::cross_entropy(n);
        &ml, &mlabels, &mown, n as u32, classes as u32, smoothing);
    let samples = read(&msamples);
    assert!(
        samples[..6 * columns].iter().all(|number| number.is_nan()),
        "{what}: rows of other batches"
    );
    let expected = vector(&tsamples);
    for of in 0..columns {
        let take = |all: &[f32]| all.iter().skip(of).step_by(columns).copied().collect::<Vec<_>>();
        assert_close(
            &take(&samples[6 * columns..]),
            &take(&expected),
            1e-5,
            &format!("column {of} {what}"),
        );
    }
    assert_close(&read(&md), &vector(&td), T::TOLERANCE, &format!("gradient {what}"));
    assert_close(
        &read(&mown),
        &vector(&town),
        T::TOLERANCE,
        &format!("own gradient {what}"),
    );
    // Of all, the losses alone.
    let losses = room::<f32>(n);
    let from = memory::<f32>(&samples[6 * columns..]);
    run!("take_column", kernels::elementwise(n); &from, &losses, columns as u32, column::LOSS as u32, n as u64);
    assert_close(
        &read(&losses),
        &samples[6 * columns..]
            .iter()
            .step_by(columns)
            .copied()
            .collect::<Vec<_>>(),
        0.0,
        "losses",
    );
}

#[test]
fn cross_entropies() {
    for (n, classes) in [(1, 2), (9, 10), (5, 100), (3, 33), (2, 1)] {
        for smoothing in [0.0, 0.1] {
            let logits = Draws(1).next::<bf16>(n * classes);
            cross_entropy::<f32>(n, classes, smoothing, &logits);
            cross_entropy::<bf16>(n, classes, smoothing, &logits);
            // Learnt samples: nearly all is on one class.
            let sharp: Vec<f32> = logits.iter().map(|x| bf16::from_f32(40.0 * x).to_f32()).collect();
            cross_entropy::<f32>(n, classes, smoothing, &sharp);
        }
    }
    let mut equal = vec![1.0; 40];
    cross_entropy::<f32>(4, 10, 0.1, &equal);
    equal[13] = f32::INFINITY;
    cross_entropy::<f32>(4, 10, 0.0, &equal);
    equal[13] = f32::NAN;
    cross_entropy::<f32>(4, 10, 0.0, &equal);
}

fn linear<T: Real>(n: usize, i: usize, o: usize, bias: bool) {
    let what = format!("{} [{n}, {i}] times [{i}, {o}] bias {bias}", T::NAME);
    let mut draws = Draws(3);
    let (x, w, dy, b) = (
        draws.next::<T>(n * i),
        draws.next::<T>(i * o),
        draws.next::<T>(n * o),
        draws.next::<f32>(o),
    );
    let (tx, tw, tdy, tb) = (
        tensor(&x, &[n, i]),
        tensor(&w, &[i, o]),
        tensor(&dy, &[n, o]),
        tensor(&b, &[o]),
    );
    let [ty, tdx, tdw] = [[n, o], [n, i], [i, o]].map(|s| tensor(&vec![0.0; s[0] * s[1]], &s));
    let (tdb, tsquares) = (tensor(&vec![0.0; o], &[o]), tensor(&vec![1.0; n], &[n]));
    Linear.forward(&tx, &tw, bias.then_some(&tb), &ty).unwrap();
    Linear
        .backward(&tx, &tw, &tdy, &tdw, bias.then_some(&tdb), Some(&tdx))
        .unwrap();
    Linear.gradient_squares(&tx, &tdy, bias, &tsquares).unwrap();
    let [mx, mw, mdy, my, mdx] = [memory::<T>(&x), memory(&w), memory(&dy), room(n * o), room(n * i)];
    let [mb, mdw, mdb, msquares] = [memory::<f32>(&b), room(i * o), room(o), memory(&vec![1.0; n])];
    let given = |memory: &Memory<f32>| if bias { Argument::from(memory) } else { NOTHING };
    let name = |kernel: &str| format!("{kernel}_{}", T::NAME);
    let [n32, i32, o32] = [n, i, o].map(|size| size as u32);
    run!(name("linear"), kernels::linear(n, o); &mx, &mw, given(&mb), &my, n32, i32, o32);
    run!(name("linear_grad_weight"), kernels::linear_grad_weight(i, o); &mx, &mdy, &mdw, given(&mdb), n32, i32, o32);
    run!(name("linear_grad_input"), kernels::linear_grad_input(n, i); &mdy, &mw, &mdx, n32, i32, o32);
    run!(name("linear_squares"), kernels::linear_squares(n); &mx, &mdy, &msquares, n32, i32, o32, u32::from(bias));
    assert_close(&read(&my), &vector(&ty), T::TOLERANCE, &format!("y {what}"));
    assert_close(&read(&mdw), &vector(&tdw), 1e-5, &format!("dw {what}"));
    assert_close(&read(&mdx), &vector(&tdx), T::TOLERANCE, &format!("dx {what}"));
    assert_close(&read(&msquares), &vector(&tsquares), 1e-5, &format!("squares {what}"));
    if bias {
        assert_close(&read(&mdb), &vector(&tdb), 1e-5, &format!("db {what}"));
    }
}

#[test]
fn linear_layers() {
    for (n, i, o) in [(1, 1, 1), (13, 64, 10), (40, 33, 100), (5, 512, 7)] {
        for bias in [false, true] {
            linear::<f32>(n, i, o, bias);
            linear::<bf16>(n, i, o, bias);
        }
    }
}

fn scaled<T: Real>(len: usize, accumulate: bool) {
    let mut draws = Draws(2);
    let (x, y) = (draws.next::<T>(len), draws.next::<T>(len));
    let (tx, ty) = (tensor(&x, &[len]), tensor(&y, &[len]));
    scale(&tx, 0.75, &ty, accumulate).unwrap();
    let (mx, my) = (memory::<T>(&x), memory::<T>(&y));
    run!(format!("scale_{}", T::NAME), kernels::elementwise(len); &mx, 0.75f32, &my, u32::from(accumulate), len as u64);
    assert_close(&read(&my), &vector(&ty), T::TOLERANCE, "scale");
}

#[test]
fn whole_tensors() {
    for accumulate in [false, true] {
        // Those of a multiple of 8 take 8 at a time.
        for len in [1001, 1024, 1032, 300] {
            scaled::<f32>(len, accumulate);
            scaled::<bf16>(len, accumulate);
        }
    }
    let numbers: Vec<f32> = (0..700).map(|i| i as f32).collect();
    let roots = memory::<f32>(&numbers);
    run!("square_roots", kernels::elementwise(700); &roots, 700u64);
    assert_close(
        &read(&roots),
        &numbers.iter().map(|x| x.sqrt()).collect::<Vec<_>>(),
        1e-7,
        "roots",
    );
    let step = Memory::new(&[41u32]);
    run!("advance_step", kernels::advance(); &step);
    assert_eq!(step.numbers(), [42]);
}

#[test]
fn optimizer_steps() {
    let len = 2_003;
    for (nesterov, scheduled, half) in [
        (false, false, false),
        (true, true, false),
        (true, true, true),
        (false, false, true),
    ] {
        let mut draws = Draws(8);
        let [w, g, b] = [0, 0, 0].map(|_| draws.next::<f32>(len));
        let h = draws.next::<bf16>(len);
        let settings = Sgd {
            learning_rate: 0.05,
            momentum: 0.9,
            nesterov,
            weight_decay: 5e-4,
        };
        let whole: Vec<f32> = g.iter().zip(&h).map(|(g, h)| if half { g + h } else { *g }).collect();
        let (tw, tg, tb) = (tensor(&w, &[len]), tensor(&whole, &[len]), tensor(&b, &[len]));
        settings.step(&tw, &tg, &tb).unwrap();
        let [mw, mg, mb] = [&w, &g, &b].map(|v| memory::<f32>(v));
        let (mh, mworking) = (memory::<bf16>(&h), room::<bf16>(len));
        let (rates, step) = (memory::<f32>(&[9.0, 0.05]), Memory::new(&[1u32]));
        let pointer = |is: bool, address: Argument| if is { address } else { NOTHING };
        // The learning rate of the settings must not be used where there is a schedule.
        let rate = if scheduled { f32::NAN } else { settings.learning_rate };
        run!("sgd", kernels::sgd(len);
            &mw, &mg, pointer(half, (&mh).into()), &mb, pointer(half, (&mworking).into()), len as u64,
            pointer(scheduled, (&rates).into()), pointer(scheduled, (&step).into()), rate, settings.momentum,
            u32::from(nesterov), settings.weight_decay);
        assert_close(&read(&mw), &vector(&tw), 1e-6, "weights");
        assert_close(&read(&mb), &vector(&tb), 1e-6, "momentum");
        if half {
            let rounded: Vec<f32> = read(&mw).iter().map(|&w| bf16::from_f32(w).to_f32()).collect();
            assert_eq!(read(&mworking), rounded);
        }
    }
}

#[test]
fn images_are_those_of_the_cpu() {
    use dynaprune_datasets::{Augmentation, Draw, Images, Normalization, fill_batch};
    for (h, w, c, padding, channels) in [
        (8, 8, 3, 4, 8),
        (5, 7, 3, 12, 8),
        (6, 6, 1, 2, 8),
        (4, 9, 2, 0, 2),
        (3, 3, 9, 1, 16),
        (1, 1, 1, 3, 8),
    ] {
        let count = 20;
        let pixels: Vec<u8> = (0..count * h * w * c).map(|i| (i * 37 + i / 251) as u8).collect();
        let labels: Vec<u16> = (0..count as u16).map(|i| i * 3 % 7).collect();
        let images = Images::new([h, w, c], pixels.clone(), labels.clone()).unwrap();
        let normalization = Normalization::of(&images);
        let draw = Draw {
            augmentation: Augmentation {
                crop_padding: padding,
                horizontal_flip: true,
            },
            seed: 3,
            epoch: 4,
        };
        let order: Vec<u32> = (0..17).map(|i| i * 7 % 20).collect();
        let views = order.iter().map(|&index| {
            let view = draw.view(index);
            kernels::pack_view(view.top as i32, view.left as i32, view.flip)
        });
        let (mpixels, mviews, morder) = (
            Memory::new(&pixels),
            Memory::new(&views.collect::<Vec<_>>()),
            Memory::new(&order),
        );
        let all: Vec<u32> = labels.iter().map(|&label| u32::from(label)).collect();
        let (mall, tables, step) = (
            Memory::new(&all),
            memory::<f32>(normalization.tables().as_flattened()),
            Memory::new(&[2u32]),
        );
        // The third batch of six has five samples.
        for (augmented, stepped) in [(true, true), (false, true), (false, false)] {
            let (first, n) = if stepped { (12, 5) } else { (0, 6) };
            let mut expected = vec![0.0; n * h * w * c];
            fill_batch(
                &images,
                &order[first..first + n],
                &normalization,
                augmented.then_some(&draw),
                &mut expected,
            );
            let (out, mlabels) = (room::<f32>(n * h * w * channels), Memory::new(&vec![99u32; n]));
            let half = room::<bf16>(n * h * w * channels);
            let views = if augmented { Argument::from(&mviews) } else { NOTHING };
            let at = if stepped { Argument::from(&step) } else { NOTHING };
            let [n32, h32, w32, c32, channels32] = [n, h, w, c, channels].map(|size| size as u32);
            run!("load_images_f32", kernels::load_images(n, h, w);
                &mpixels, &mall, &morder, views, at, 6u32, &tables, &out, &mlabels, n32, h32, w32, c32, channels32);
            run!("load_images_bf16", kernels::load_images(n, h, w);
                &mpixels, &mall, &morder, views, at, 6u32, &tables, &half, &mlabels, n32, h32, w32, c32, channels32);
            let padded: Vec<f32> = expected
                .chunks(c)
                .flat_map(|pixel| (0..channels).map(|i| pixel.get(i).copied().unwrap_or(0.0)))
                .collect();
            assert_eq!(read(&out), padded, "{h} {w} {c} {padding} {augmented}");
            assert_eq!(
                read(&half),
                padded.iter().map(|&x| bf16::from_f32(x).to_f32()).collect::<Vec<_>>()
            );
            let expected: Vec<u32> = order[first..first + n]
                .iter()
                .map(|&index| all[index as usize])
                .collect();
            assert_eq!(mlabels.numbers(), expected);
        }
    }
}

#[test]
fn views_are_packed_and_kept_in_range() {
    assert_eq!(kernels::pack_view(0, 0, false), 32_768 | 16_384 << 16);
    assert_eq!(kernels::pack_view(-32_768, -16_384, true), 1 << 31);
    assert_eq!(kernels::pack_view(40_000, 20_000, true), u32::MAX);
}

fn conv_squares<T: Real>(
    n: usize,
    [h, w, ci]: [usize; 3],
    size: usize,
    co: usize,
    stride: usize,
    padding: usize,
) -> Vec<f32> {
    let conv = Conv2d { stride, padding };
    let output = conv.output_shape(&[n, h, w, ci], &[size, size, ci, co]).unwrap();
    let [_, oh, ow, _] = output;
    let mut draws = Draws(4);
    let x = draws.next::<T>(4 * h * w * ci)[..n * h * w * ci].to_vec();
    let dy = draws.next::<T>(4 * oh * ow * co)[..n * oh * ow * co].to_vec();
    let tsquares = tensor(&vec![0.5; n], &[n]);
    conv.weight_gradient_squares(
        &tensor(&x, &[n, h, w, ci]),
        &tensor(&dy, &output),
        &[size, size, ci, co],
        &tsquares,
    )
    .unwrap();
    let (launch, tiles) = kernels::conv_weight_squares(n, size * size * ci, co);
    let (mx, mdy) = (memory::<T>(&x), memory::<T>(&dy));
    let (partials, squares) = (room::<f32>(n * tiles), memory::<f32>(&vec![0.5; n]));
    let [n32, h32, w32, ci32, size32, co32] = [n, h, w, ci, size, co].map(|size| size as u32);
    run!(format!("conv_weight_squares_{}", T::NAME), launch;
        &mx, &mdy, &partials, n32, h32, w32, ci32, size32, size32, co32, oh as u32, ow as u32, stride as u32, padding as u32);
    run!("add_tiles", kernels::add_tiles(n); &partials, tiles as u32, &squares, n32);
    assert_close(
        &read(&squares),
        &vector(&tsquares),
        2e-5,
        &format!("{} {h} {w} {ci} {size} {co} {stride} {padding}", T::NAME),
    );
    read(&squares)
}

#[test]
fn gradient_norms_of_convolutions() {
    for (image, size, co, stride, padding) in [
        ([6, 6, 8], 3, 10, 1, 1),
        ([7, 5, 3], 3, 70, 2, 1),
        ([4, 4, 24], 1, 8, 2, 0),
        ([5, 5, 16], 5, 65, 1, 2),
    ] {
        let all = conv_squares::<f32>(4, image, size, co, stride, padding);
        let alone = conv_squares::<f32>(1, image, size, co, stride, padding);
        assert_eq!(
            all[0].to_bits(),
            alone[0].to_bits(),
            "a sample's number depends on its batch"
        );
        conv_squares::<bf16>(2, image, size, co, stride, padding);
    }
}

#[test]
fn filters_are_permuted_and_back() {
    let (window, ci, co) = (9, 5, 7);
    let numbers: Vec<f32> = (0..window * ci * co).map(|i| i as f32).collect();
    let (from, to, back) = (
        memory::<f32>(&numbers),
        room::<f32>(numbers.len()),
        room::<f32>(numbers.len()),
    );
    let launch = kernels::permute_filter(window, ci, co);
    run!("permute_filter_f32", launch; &from, &to, window as u32, ci as u32, co as u32, 0u32);
    run!("permute_filter_f32", launch; &to, &back, window as u32, ci as u32, co as u32, 1u32);
    let expected = tensor(&numbers, &[window, ci, co])
        .permute((2, 0, 1))
        .unwrap()
        .contiguous()
        .unwrap();
    assert_eq!(read(&to), vector(&expected));
    assert_eq!(read(&back), numbers);
}

/// The emulator itself: it must not let pass what a GPU would not.
#[test]
fn the_emulator_reports_what_hangs_and_shows_what_is_not_written() {
    let source = r#"
        extern "C" __global__ void hangs(float* x) {
          if (threadIdx.x == 0) __syncthreads();
          else x[0] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
        }
        extern "C" __global__ void reads_unwritten(float* x) { SHARED(float, shared, 4); x[threadIdx.x] = shared[threadIdx.x % 4]; }
        extern "C" __global__ void shares_too_much(float* x) { SHARED(float, shared, 20000); x[0] = shared[0]; }
        extern "C" __global__ void reverses(float* x) {
          SHARED(float, shared, 64);
          shared[threadIdx.x] = x[threadIdx.x];
          __syncthreads();
          x[threadIdx.x] = shared[63 - threadIdx.x];
        }
        extern "C" __global__ void reads_too_early(float* x) {
          SHARED(float, shared, 64);
          shared[threadIdx.x] = x[threadIdx.x];
          x[threadIdx.x] = threadIdx.x > 0 ? shared[threadIdx.x - 1] : 0.0f;
        }
        extern "C" __global__ void last_block_wins(float* x) { x[0] = blockIdx.x; }"#;
    let kernels = [
        "hangs",
        "reads_unwritten",
        "shares_too_much",
        "reverses",
        "reads_too_early",
        "last_block_wins",
    ];
    let emulator = Emulator::compile(source, kernels.iter().map(|&kernel| kernel.to_owned()));
    let numbers: Vec<f32> = (0..64).map(|i| i as f32).collect();
    let x = memory::<f32>(&numbers);
    let launch = Launch {
        grid: [1; 3],
        block: [64, 1, 1],
    };
    assert_eq!(emulator.run("hangs", launch, &mut [Argument::from(&x)]), 1);
    assert_eq!(emulator.run("shares_too_much", launch, &mut [Argument::from(&x)]), 2);
    // In the order in which threads are first run, nothing of these two is wrong.
    assert_eq!(
        emulator.run("reads_too_early", launch, &mut [Argument::from(&x)]),
        ORDER_MATTERS
    );
    let blocks = Launch {
        grid: [2, 1, 1],
        ..launch
    };
    assert_eq!(
        emulator.run("last_block_wins", blocks, &mut [Argument::from(&x)]),
        ORDER_MATTERS
    );
    let x = memory::<f32>(&numbers);
    assert_eq!(emulator.run("reverses", launch, &mut [Argument::from(&x)]), 0);
    assert_eq!(read(&x), numbers.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(emulator.run("reads_unwritten", launch, &mut [Argument::from(&x)]), 0);
    assert!(read(&x).iter().all(|number| number.is_nan()));
}

/// All launches are within what hardware has.
#[test]
fn launches_fit_the_hardware() {
    let shapes = [
        (1, 1),
        (3, 7),
        (128, 64),
        (131_072, 64),
        (2_048, 512),
        (512 * 1_024, 128),
        (1_000_000, 2_048),
        (10, 100_000),
    ];
    for (rows, c) in shapes {
        let (n, all) = (rows.min(kernels::MOST_SAMPLES), rows * c);
        let launches = [
            kernels::bn_sums(rows, c).0,
            kernels::bn_finish(c),
            kernels::bn_apply(rows, c),
            kernels::bn_grad_sums(rows, c).0,
            kernels::bn_grad_finish(c),
            kernels::bn_grad_apply(rows, c),
            kernels::bn_grad_eval(rows),
            kernels::pool(all, c),
            kernels::max_pool_grad([1, rows, 1, c], 3, 2),
            kernels::global_mean(rows, c),
            kernels::linear(rows, c.min(1_000)),
            kernels::linear_grad_weight(c.min(4_096), 100),
            kernels::linear_grad_input(rows, c),
            kernels::linear_squares(rows),
            kernels::cross_entropy(rows),
            kernels::elementwise(all),
            kernels::sgd(all),
            kernels::advance(),
            kernels::load_images(n, 32, 32),
            kernels::conv_weight_squares(n, 9 * c, c).0,
            kernels::add_tiles(n),
            kernels::permute_filter(9, c.min(4_096), c.min(4_096)),
        ];
        for launch in launches {
            let [x, y, z] = launch.block;
            assert!(
                (1..=1024).contains(&(x * y * z)) && (x * y * z).is_multiple_of(32) || launch == kernels::advance(),
                "{launch:?}"
            );
            let [x, y, z] = launch.grid;
            assert!(
                (1..=i32::MAX as u32).contains(&x) && (1..=65_535).contains(&y) && (1..=65_535).contains(&z),
                "{launch:?}"
            );
        }
    }
}
