//! Time to observe N scores and to select K = 0.3 N samples, for each method, beside two peers
//! timed in the same run: sorting (score, index) pairs and `select_nth_unstable` on them, each
//! followed by what a selection needs besides, the chosen indices in ascending order. Then `uncertainty` with scores of few
//! values, as counts have them, and with balanced classes, 10 and 1,000 of them.
//!
//! `cargo bench -p dynaprune-selectors [-- N ...]`; N is 10^5, 10^7 and 10^8 by default, and the
//! last takes about 2.5 GB of memory. Scores are exponentially distributed, like the losses of a
//! network halfway through. Medians, with the fastest and the slowest of the repetitions.

use std::time::Instant;

use dynaprune_random::{Purpose, Stream};
use dynaprune_selectors::{METHODS, Options, Selector, Setup, method};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let sizes: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let sizes = match sizes.as_slice() {
        // Without `--bench` this is a test that the bench runs.
        [] if !args.iter().any(|arg| arg == "--bench") => &[1_000],
        [] => [100_000, 10_000_000, 100_000_000].as_slice(),
        given => given,
    };
    println!("{} threads", rayon::current_num_threads());
    sizes.iter().for_each(|&samples| bench(samples));
}

fn bench(samples: usize) {
    let k = (0.3 * samples as f64).round() as usize;
    let repetitions = (300_000_000 / samples).clamp(3, 21);
    println!("\nN = {samples}, K = {k}, {repetitions} repetitions");
    println!(
        "{:42} {:>10} {:>10} {:>10} {:>9}",
        "", "median ms", "fastest", "slowest", "ratio"
    );

    let mut stream = Stream::new(1, Purpose::new("bench"), 0);
    let scores: Vec<f32> = (0..samples).map(|_| -(1.0 - stream.uniform_f32()).ln()).collect();
    let all: Vec<u32> = (0..samples as u32).collect();

    let nth = Times::measure(repetitions, || {
        let mut pairs: Vec<(f32, u32)> = scores.iter().copied().zip(0..).collect();
        pairs.select_nth_unstable_by(k, |a, b| b.0.total_cmp(&a.0));
        ascending(&pairs[..k])
    });
    nth.print("peer: select_nth_unstable", &nth);
    let sort = Times::measure(repetitions.min(5), || {
        let mut pairs: Vec<(f32, u32)> = scores.iter().copied().zip(0..).collect();
        pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        ascending(&pairs[..k])
    });
    sort.print("peer: sort_unstable", &nth);

    let setup = Setup {
        samples,
        seed: 1,
        static_scores: Some(&scores),
        ..Setup::default()
    };
    for info in METHODS {
        let mut selector = info.build(&setup, &Options::new()).expect("default options");
        if info.scored {
            let observe = Times::measure(repetitions, || selector.observe(&all, &scores));
            observe.print(&format!("{} observe", info.name), &nth);
        }
        let k = if info.name == "full" { samples } else { k };
        let select = Times::select(repetitions, selector.as_mut(), k);
        select.print(&format!("{} select", info.name), &nth);
    }

    let uncertainty = method("uncertainty").expect("a method");
    let counts: Vec<f32> = scores.iter().map(|score| score.floor()).collect();
    let mut selector = uncertainty.build(&setup, &Options::new()).expect("default options");
    selector.observe(&all, &counts).expect("as many as there are");
    Times::select(repetitions, selector.as_mut(), k).print("uncertainty select, few values", &nth);
    for classes in [10, 1000] {
        let labels: Vec<u16> = (0..samples).map(|_| stream.below(classes) as u16).collect();
        let setup = Setup {
            labels: Some(&labels),
            ..setup
        };
        let mut selector = uncertainty.build(&setup, &Options::new()).expect("default options");
        selector.observe(&all, &scores).expect("as many as there are");
        let select = Times::select(repetitions, selector.as_mut(), k);
        let nth = Times::measure(repetitions, || {
            let mut members: Vec<Vec<(f32, u32)>> = vec![Vec::new(); classes as usize];
            for ((&label, &score), i) in labels.iter().zip(&scores).zip(0..) {
                members[usize::from(label)].push((score, i));
            }
            let mut best: Vec<(f32, u32)> = Vec::with_capacity(k);
            for members in &mut members {
                let quota = members.len() * k / samples;
                members.select_nth_unstable_by(quota, |a, b| b.0.total_cmp(&a.0));
                best.extend(&members[..quota]);
            }
            ascending(&best)
        });
        nth.print(&format!("peer: select_nth_unstable, {classes} classes"), &nth);
        select.print(&format!("uncertainty select, {classes} classes"), &nth);
    }
}

fn ascending(best: &[(f32, u32)]) -> Vec<u32> {
    let mut indices: Vec<u32> = best.iter().map(|&(_, index)| index).collect();
    indices.sort_unstable();
    indices
}

/// Seconds of each repetition, sorted.
struct Times(Vec<f64>);

impl Times {
    fn measure<T>(repetitions: usize, mut work: impl FnMut() -> T) -> Self {
        std::hint::black_box(work());
        let mut seconds: Vec<f64> = (0..repetitions)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(work());
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_unstable_by(f64::total_cmp);
        Self(seconds)
    }

    fn select(repetitions: usize, selector: &mut dyn Selector, k: usize) -> Self {
        let mut round = 0;
        Self::measure(repetitions, || {
            round += 1;
            selector.select(k, round)
        })
    }

    fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// One row; the ratio is how many times faster than `peer`.
    fn print(&self, what: &str, peer: &Self) {
        let [median, fastest, slowest] = [self.median(), self.0[0], self.0[self.0.len() - 1]].map(|s| s * 1e3);
        println!(
            "{what:42} {median:10.3} {fastest:10.3} {slowest:10.3} {:8.2}x",
            peer.median() / self.median()
        );
    }
}
