//! An HTTP GET that costs next to nothing to start: one connection, one request, no library.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use thiserror::Error;

/// Bytes that the head of an answer may have.
const LONGEST_HEAD: u64 = 64 << 10;

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, e.g. 200.
    pub status: u16,
    /// `Retry-After`, in seconds, where the server gave a number.
    pub retry_after: Option<u64>,
    /// Bytes of the body.
    pub body_bytes: u64,
}

impl Answer {
    /// Whether it did what it was asked to.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it asks to come back later.
    pub fn is_busy(&self) -> bool {
        matches!(self.status, 429 | 503)
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum GetError {
    /// The URL is not one we can use.
    #[error("{0:?} is no URL for this client: give http://HOST[:PORT]/PATH")]
    Url(String),
    /// The server cannot be reached.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, #[source] io::Error),
    /// The connection broke.
    #[error("the connection to {0} broke: {1}")]
    Broken(String, #[source] io::Error),
    /// The body cannot be written.
    #[error("cannot write the answer: {0}")]
    Output(#[source] io::Error),
    /// The answer ended before its time.
    #[error("the answer ended after {got} of {expected} bytes")]
    Short {
        /// Bytes that came.
        got: u64,
        /// Bytes that were announced.
        expected: u64,
    },
    /// Not what a server says.
    #[error("the answer cannot be read: {0}")]
    Malformed(&'static str),
}

/// Asks for `url` and copies the body of the answer into `body`.
pub fn get(url: &str, body: &mut dyn Write) -> Result<Answer, GetError> {
    let (host, path) = split(url).ok_or_else(|| GetError::Url(url.to_owned()))?;
    let with_port = if has_port(host) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut stream = TcpStream::connect(&with_port)
        .map_err(|error| GetError::Connect(with_port.clone(), error))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let broken = |error| GetError::Broken(with_port.clone(), error);
    stream.write_all(request.as_bytes()).map_err(broken)?;
    let mut reader = BufReader::new(stream);
    let head = Head::read(&mut reader, broken)?;
    let mut reader = reader.take(head.length.unwrap_or(u64::MAX));
    let body_bytes = copy(&mut reader, body, broken)?;
    if let Some(expected) = head.length.filter(|&length| length != body_bytes) {
        return Err(GetError::Short {
            got: body_bytes,
            expected,
        });
    }
    Ok(Answer {
        status: head.status,
        retry_after: head.retry_after,
        body_bytes,
    })
}

/// Copies all there is to read, and tells whose fault it is if that fails.
fn copy(
    reader: &mut impl BufRead,
    body: &mut dyn Write,
    broken: impl Fn(io::Error) -> GetError,
) -> Result<u64, GetError> {
    let mut copied = 0;
    loop {
        let piece = reader.fill_buf().map_err(&broken)?;
        if piece.is_empty() {
            body.flush().map_err(GetError::Output)?;
            return Ok(copied);
        }
        body.write_all(piece).map_err(GetError::Output)?;
        let size = piece.len();
        reader.consume(size);
        copied += size as u64;
    }
}

/// Host (with a port if it has one) and path of a URL.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    (!host.is_empty() && plain(host) && plain(path)).then_some((host, path))
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// What we need of an answer's head.
struct Head {
    status: u16,
    retry_after: Option<u64>,
    length: Option<u64>,
}

impl Head {
    fn read(
        reader: &mut impl BufRead,
        broken: impl Fn(io::Error) -> GetError,
    ) -> Result<Self, GetError> {
        let mut lines = reader.take(LONGEST_HEAD);
        let mut line = String::new();
        lines.read_line(&mut line).map_err(&broken)?;
        let status = line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1))
            .and_then(|status| status.trim_end().parse().ok())
            .ok_or(GetError::Malformed("it does not begin with a status line"))?;
        let mut head = Self {
            status,
            retry_after: None,
            length: None,
        };
        loop {
            line.clear();
            lines.read_line(&mut line).map_err(&broken)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return match line.as_str() {
                    "\r\n" | "\n" => Ok(head),
                    _ => Err(GetError::Malformed("its head does not end")),
                };
            };
            let value = value.trim();
            if name.eq_ignore_ascii_case("retry-after") {
                head.retry_after = value.parse().ok();
            } else if name.eq_ignore_ascii_case("content-length") {
                let length = value
                    .parse()
                    .map_err(|_| GetError::Malformed("its length is no number"))?;
                head.length = Some(length);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(GetError::Malformed("it comes in chunks"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_urls() {
        assert_eq!(split("http://a:1/b?c"), Some(("a:1", "/b?c")));
        assert_eq!(split("http://a"), Some(("a", "/")));
        for wrong in [
            "https://a/",
            "a",
            "http:///x",
            "http://a/b c",
            "http://a/\r\n",
        ] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn reads_heads() {
        let read = |text: &str| {
            Head::read(&mut text.as_bytes(), |error| {
                GetError::Broken(String::new(), error)
            })
        };
        let head = read("HTTP/1.1 429 Too Many\r\nretry-AFTER: 3\r\nContent-Length: 7\r\n\r\n")
            .expect("this is a head");
        assert_eq!(
            (head.status, head.retry_after, head.length),
            (429, Some(3), Some(7))
        );
        for wrong in ["", "SMTP\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
