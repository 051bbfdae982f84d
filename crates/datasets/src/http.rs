//! The one place that talks to a network.

use std::io::Read;

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The first byte that the body holds, where the answer is a part.
    pub(crate) starts_at: Option<u64>,
    pub(crate) body: Box<dyn Read>,
}

#[cfg(feature = "fetch")]
pub(crate) use with_ureq::Client;

#[cfg(feature = "fetch")]
mod with_ureq {
    use std::time::Duration;

    use super::Answer;

    /// A connection that says nothing for this long is given up (and taken up again).
    const SILENCE: Duration = Duration::from_secs(60);

    pub(crate) struct Client(ureq::Agent);

    impl Client {
        /// A client that goes through the proxy that the environment names, if any.
        pub(crate) fn new() -> Self {
            Self(Self::config().build().into())
        }

        #[cfg(test)]
        pub(crate) fn without_proxy() -> Self {
            Self(Self::config().proxy(None).build().into())
        }

        fn config() -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
            ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_connect(Some(SILENCE))
                .timeout_per_read(Some(SILENCE))
                .user_agent(concat!("dynaprune/", env!("CARGO_PKG_VERSION")))
        }

        /// Asks for `url` from byte `start` on; the error says why there is no answer.
        pub(crate) fn get(&self, url: &str, start: u64) -> Result<Answer, String> {
            let mut request = self.0.get(url);
            if start > 0 {
                request = request.header("range", format!("bytes={start}-"));
            }
            let answer = request.call().map_err(|e| e.to_string())?;
            let range = answer
                .headers()
                .get("content-range")
                .and_then(|value| value.to_str().ok());
            Ok(Answer {
                status: answer.status().as_u16(),
                starts_at: range.and_then(first_byte),
                body: Box::new(answer.into_body().into_reader()),
            })
        }
    }

    /// `bytes 100-199/200` starts at 100.
    fn first_byte(range: &str) -> Option<u64> {
        range
            .trim()
            .strip_prefix("bytes ")?
            .split_once('-')?
            .0
            .trim()
            .parse()
            .ok()
    }
}

#[cfg(not(feature = "fetch"))]
pub(crate) struct Client;

#[cfg(not(feature = "fetch"))]
impl Client {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn get(&self, _url: &str, _start: u64) -> Result<Answer, String> {
        Err("this program was built without the feature `fetch`".to_owned())
    }
}
