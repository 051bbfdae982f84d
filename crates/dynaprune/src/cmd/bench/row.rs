//! The rows of `--json`.

use super::measure::{Measured, Protocol};
use serde::Serialize;

/// One number of ours, and the peer's.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    name: String,
    ours: f64,
    peer: Option<f64>,
    unit: &'static str,
    /// Above 1 where ours is better: faster, or smaller. The median of the rounds.
    ratio: Option<f64>,
    /// The least and the largest of the rounds. A memory is measured once.
    ratio_low: Option<f64>,
    ratio_high: Option<f64>,
    /// Of the speed; as are the shares of the machine's peak.
    gflops: Option<f64>,
    peer_gflops: Option<f64>,
    share_of_peak: Option<f64>,
    peer_share_of_peak: Option<f64>,
    program: String,
    peer_program: Option<String>,
    peer_setting: Option<String>,
    threads: usize,
    rounds: u32,
    seconds: f64,
}

/// The row with the speed, and the one with the memory if that is known. `peak` is in GFLOP/s.
pub(super) fn rows(measured: &Measured, peak: f64, protocol: &Protocol) -> Vec<Row> {
    let ours = &measured.ours;
    let ratio = measured.peer.as_ref().map(|peer| peer.ratio);
    let peer = measured.peer.as_ref().map(|peer| &peer.side);
    let gflops = measured.gflops(ours);
    let peer_gflops = peer.map(|peer| measured.gflops(peer));
    let speed = Row {
        name: measured.work.name(),
        ours: measured.speed(ours),
        peer: peer.map(|peer| measured.speed(peer)),
        unit: measured.unit(),
        ratio: ratio.map(|ratio| ratio.median),
        ratio_low: ratio.map(|ratio| ratio.low),
        ratio_high: ratio.map(|ratio| ratio.high),
        gflops: Some(gflops),
        peer_gflops,
        share_of_peak: Some(gflops / peak),
        peer_share_of_peak: peer_gflops.map(|gflops| gflops / peak),
        program: ours.program.clone(),
        peer_program: peer.map(|peer| peer.program.clone()),
        peer_setting: peer.and_then(|peer| peer.setting.clone()),
        threads: protocol.threads.get(),
        rounds: protocol.rounds,
        seconds: protocol.seconds,
    };
    let memory = measured.work.memory_name().zip(ours.memory).map(|(name, memory)| {
        let ratio = measured.memory_ratio();
        Row {
            name,
            ours: megabytes(memory),
            peer: peer.and_then(|peer| peer.memory).map(megabytes),
            unit: "MB",
            ratio,
            ratio_low: ratio,
            ratio_high: ratio,
            gflops: None,
            peer_gflops: None,
            share_of_peak: None,
            peer_share_of_peak: None,
            ..speed.clone()
        }
    });
    [Some(speed), memory].into_iter().flatten().collect()
}

/// Millions of bytes.
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
