//! PyTorch's steps on the same GPU.

use serde::{Deserialize, Serialize};
use std::process::{Command, Stdio};

const SCRIPT: &str = include_str!("peer.py");

/// A way of PyTorch's to train, and the seconds that an epoch takes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Peer {
    pub(super) name: String,
    /// Milliseconds of a step: a median.
    pub(super) step: Option<f64>,
    /// Why there is none.
    pub(super) failure: Option<String>,
}

/// Measures all ways; what cannot be measured says why.
pub(super) fn measure(python: &str, batch_size: u32) -> Vec<Peer> {
    let command = Command::new(python)
        .args(["-c", SCRIPT, &batch_size.to_string()])
        .stderr(Stdio::inherit())
        .output();
    let failed = |why: String| {
        vec![Peer {
            name: "PyTorch".to_owned(),
            step: None,
            failure: Some(why),
        }]
    };
    match command {
        Err(error) => failed(format!("cannot start `{python}`: {error}")),
        Ok(output) if !output.status.success() => failed(format!("`{python}` ended with {}", output.status)),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let peers: Result<Vec<Peer>, _> = text.lines().map(serde_json::from_str).collect();
            peers.unwrap_or_else(|error| failed(format!("`{python}` answered what cannot be read: {error}")))
        }
    }
}
