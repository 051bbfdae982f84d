//! Learning-rate schedules as functions of the position in the run, not of a step count: they stay
//! right when the number of steps per epoch varies.

use dynaprune_spec::Schedule;
use std::f64::consts::PI;

/// The factor on the learning rate after `epoch` of `epochs` epochs (a fraction within an epoch).
///
/// * `step`: `factor` to the number of milestones passed.
/// * `cosine`: a linear rise from 0 over `warmup_epochs` (the very first step then fills the momentum only), then half a cosine
///   from 1 to `final_factor`.
/// * `one-cycle`: half a cosine from `start_factor` to 1 over the first `warmup_fraction`, then half
///   a cosine to `final_factor` (Smith and Topin 2018; PyTorch's `OneCycleLR` with
///   `start_factor = 1 / div_factor`, `final_factor = start_factor / final_div_factor`).
pub(crate) fn factor(schedule: &Schedule, epoch: f64, epochs: f64) -> f64 {
    match *schedule {
        Schedule::Constant => 1.0,
        Schedule::Step { ref milestones, factor } => {
            let passed = milestones.iter().filter(|&&m| epoch >= f64::from(m)).count();
            factor.powi(passed as i32)
        }
        Schedule::Cosine {
            warmup_epochs,
            final_factor,
        } => {
            if epoch < warmup_epochs {
                epoch / warmup_epochs
            } else {
                anneal(1.0, final_factor, (epoch - warmup_epochs) / (epochs - warmup_epochs))
            }
        }
        Schedule::OneCycle {
            warmup_fraction,
            start_factor,
            final_factor,
        } => {
            let progress = epoch / epochs;
            if progress < warmup_fraction {
                anneal(start_factor, 1.0, progress / warmup_fraction)
            } else {
                anneal(
                    1.0,
                    final_factor,
                    (progress - warmup_fraction) / (1.0 - warmup_fraction),
                )
            }
        }
    }
}

/// Half a cosine from `from` at 0 to `to` at 1.
fn anneal(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * progress.clamp(0.0, 1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-6 * expected.abs().max(1e-9),
            "{found}, expected {expected}"
        );
    }

    /// ```python
    /// import torch
    /// o = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    /// s = torch.optim.lr_scheduler.MultiStepLR(o, [60, 120, 160], gamma=0.2)
    /// for e in range(200): print(e, s.get_last_lr()); o.step(); s.step()
    /// ```
    #[test]
    fn steps_agree_with_pytorch() {
        let schedule = Schedule::Step {
            milestones: vec![60, 120, 160],
            factor: 0.2,
        };
        for (epoch, expected) in [
            (0.0, 1.0),
            (59.9, 1.0),
            (60.0, 0.2),
            (119.0, 0.2),
            (120.0, 0.04),
            (160.0, 0.008),
            (199.0, 0.008),
        ] {
            close(factor(&schedule, epoch, 200.0), expected);
        }
    }

    /// ```python
    /// import torch
    /// o = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    /// s = torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=10, eta_min=0.1)
    /// for e in range(11): print(e, s.get_last_lr()[0]); o.step(); s.step()
    /// ```
    #[test]
    fn cosine_agrees_with_pytorch() {
        let schedule = Schedule::Cosine {
            warmup_epochs: 0.0,
            final_factor: 0.1,
        };
        for (epoch, expected) in [
            (0.0, 1.0),
            (1.0, 0.977_975_432_332_819),
            (3.0, 0.814_503_363_531_613_6),
            (5.0, 0.55),
            (9.0, 0.122_024_567_667_180_95),
            (10.0, 0.1),
        ] {
            close(factor(&schedule, epoch, 10.0), expected);
        }
        let warm = Schedule::Cosine {
            warmup_epochs: 2.0,
            final_factor: 0.1,
        };
        close(factor(&warm, 0.5, 12.0), 0.25);
        close(factor(&warm, 3.0, 12.0), 0.977_975_432_332_819);
    }

    /// ```python
    /// import torch
    /// o = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    /// s = torch.optim.lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=101, pct_start=0.3, cycle_momentum=False)
    /// for e in range(101): print(e, s.get_last_lr()[0]); o.step(); s.step()
    /// ```
    #[test]
    fn one_cycle_agrees_with_pytorch() {
        // PyTorch's rise ends at step 0.3 * 101 - 1 = 29.3 of 100.
        let schedule = Schedule::OneCycle {
            warmup_fraction: 0.293,
            start_factor: 1.0 / 25.0,
            final_factor: 4e-6,
        };
        for (step, expected) in [
            (0.0, 0.04),
            (10.0, 0.290_473_963_213_077_6),
            (29.0, 0.999_751_697_661_861_2),
            (30.0, 0.999_758_142_113_429_5),
            (50.0, 0.802_984_187_525_672_5),
            (75.0, 0.278_070_127_339_110_24),
            (99.0, 0.000_497_546_103_961_292_3),
            (100.0, 4e-6),
        ] {
            close(factor(&schedule, step, 100.0), expected);
        }
    }
}
