//! A worker process, seen from the bench.

use super::protocol::{Reply, Request};
use anyhow::{Result, anyhow, bail};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

/// A program that knows the protocol.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// As messages name it.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

/// A process of it. It is killed when this is dropped.
pub(super) struct Worker {
    name: String,
    process: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    /// Reads what the process says on stderr, so that it never waits for us to do it.
    stderr: Option<JoinHandle<String>>,
}

impl Worker {
    /// Starts a process.
    pub(super) fn start(program: &Program, threads: NonZeroUsize) -> Result<Self> {
        let threads = threads.to_string();
        let mut process = Command::new(&program.path)
            .args(&program.arguments)
            // Libraries that start threads of their own, whatever the request says: `gemm` under candle, and under
            // PyTorch OpenMP and MKL.
            .env("RAYON_NUM_THREADS", &threads)
            .env("OMP_NUM_THREADS", &threads)
            .env("MKL_NUM_THREADS", &threads)
            // A `torch.py` in the current folder is not PyTorch.
            .env("PYTHONSAFEPATH", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| anyhow!("cannot start {} (`{}`): {error}", program.name, program.path.display()))?;
        let (Some(requests), Some(replies), Some(mut stderr)) =
            (process.stdin.take(), process.stdout.take(), process.stderr.take())
        else {
            bail!("{} has no pipes", program.name);
        };
        let stderr = thread::spawn(move || {
            let mut bytes = Vec::new();
            // What could be read is all there is to tell.
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Ok(Self {
            name: program.name.clone(),
            process,
            requests,
            replies: BufReader::new(replies),
            stderr: Some(stderr),
        })
    }

    /// Sends a request and waits for the reply.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Reply> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        let mut answer = String::new();
        let asked = self
            .requests
            .write_all(line.as_bytes())
            .and_then(|()| self.requests.flush());
        // One that has ended may have said why before.
        let read = self.replies.read_line(&mut answer);
        if answer.is_empty() {
            return Err(self.ended(asked.and(read.map(drop)).err()));
        }
        match serde_json::from_str(&answer) {
            Ok(Reply::Failed { message }) => bail!("{}: {message}", self.name),
            Ok(reply) => Ok(reply),
            Err(error) => bail!("{} answered `{}`: {error}", self.name, answer.trim()),
        }
    }

    /// An error for a reply that does not belong to the request.
    pub(super) fn out_of_turn(&self, reply: &Reply) -> anyhow::Error {
        anyhow!("{} answered out of turn: {reply:?}", self.name)
    }

    fn ended(&mut self, cause: Option<std::io::Error>) -> anyhow::Error {
        let status = match (self.process.wait(), cause) {
            (Ok(status), _) => status.to_string(),
            (Err(_), Some(cause)) => cause.to_string(),
            (Err(error), None) => error.to_string(),
        };
        let stderr = self.stderr.take().and_then(|reader| reader.join().ok());
        let said = tail(stderr.as_deref().unwrap_or_default());
        anyhow!("{} ended early ({status}){said}", self.name)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The last lines of what a program said, to be put behind a message.
pub(super) fn tail(said: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<&str> = said.trim_end().lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    match last {
        [] => String::new(),
        lines => format!("; it said:\n\n  {}", lines.join("\n  ")),
    }
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn the_tail_is_short() {
        let said: String = (0..100).map(|i| format!("line {i}\n")).collect();
        let tail = tail(&said);
        assert!(!tail.contains("line 87\n") && tail.contains("  line 88\n"), "{tail}");
        assert!(tail.ends_with("line 99"), "{tail}");
        assert_eq!(super::tail("\n"), "");
    }
}
