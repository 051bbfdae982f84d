//! A sequence of launches captured once and replayed: one call to the driver instead of hundreds.

use super::context;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::CudaGraph;
use candle_core::cuda_backend::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use candle_core::{Device, Result, bail};

/// Captured work.
///
/// It names the memory of the tensors that it was captured with: whoever owns it must keep these tensors as long.
pub struct Graph(CudaGraph);

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Graph")
    }
}

impl Graph {
    /// Captures what `work` launches on `device`; nothing of it is run.
    ///
    /// `work` must not allocate, copy to or from the host, or wait for the device. The same work must have run before, so that
    /// kernels are compiled and scratch memory is there.
    ///
    /// # Errors
    /// If `work` fails, or did what cannot be captured.
    pub fn capture(device: &Device, work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let context = context::of(device.as_cuda_device()?)?;
        let stream = &context.stream;
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        stream.begin_capture(mode).w()?;
        let end = || stream.end_capture(CUgraphInstantiate_flags(0));
        // A stream that goes on capturing after a panic would do no work any more.
        let capturing = OnPanic(|| drop(end()));
        let worked = work();
        std::mem::forget(capturing);
        let graph = end();
        worked?;
        match graph.w()? {
            Some(graph) => Ok(Self(graph)),
            None => bail!("nothing was captured"),
        }
    }

    /// Has the device do the captured work once more.
    ///
    /// # Errors
    /// If the driver refuses.
    pub fn launch(&self) -> Result<()> {
        self.0.launch().w()
    }
}

/// Calls a function when it is dropped, as a panic does.
struct OnPanic<F: Fn()>(F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
