//! Where HTTP/1 messages begin and end, judged more strictly than the HTTP library does: two machines that read the
//! same bytes differently are how requests are smuggled (`security.md` E.2). The bytes are watched as they pass; the
//! library behind still does the parsing.
//!
//! What must stay true: every byte of a connection is judged exactly once, in order, however it is cut into reads.

use memchr::{memchr, memchr2};

/// Something in a request that two readers could understand differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Violation {
    /// How many of the bytes offered were still fine.
    pub(super) fine: usize,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between requests; blank lines may come (RFC 9112, 2.2).
    Between,
    /// In the request line or the header lines.
    Head,
    /// In a body of known length.
    Body { left: u64 },
    /// In the line that says how long the next chunk is.
    ChunkSize,
    /// In a chunk, its closing CRLF included.
    Chunk { left: u64 },
    /// In the lines after the last chunk.
    Trailers,
    /// The head is longer than the library will take: it refuses by itself.
    Overlong,
}

/// Watches one direction of one HTTP/1 connection.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    // The line being read, without its end.
    line: Vec<u8>,
    head: Head,
    head_len_max: usize,
}

/// What the head read so far says about the body.
#[derive(Debug, Default)]
struct Head {
    len: usize,
    is_http_11: bool,
    content_length: Option<u64>,
    is_chunked: bool,
}

impl Framing {
    pub(super) fn new(head_len_max: usize) -> Self {
        Self {
            state: State::Between,
            line: Vec::new(),
            head: Head::default(),
            head_len_max,
        }
    }

    /// Whether a request has begun whose head is not complete.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(self.state, State::Head | State::Overlong)
    }

    /// Whether no request is being read.
    pub(super) fn is_between(&self) -> bool {
        self.state == State::Between && self.line.is_empty()
    }

    /// Judges the bytes that come next.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += match self.state {
                State::Overlong => rest.len(),
                State::Body { left } => self.pass(rest, left),
                State::Chunk { left } => self.pass_chunk(rest, left).ok_or(Violation { fine: at })?,
                _ => self.read_line(rest).ok_or(Violation { fine: at })?,
            };
        }
        Ok(())
    }

    fn pass(&mut self, bytes: &[u8], left: u64) -> usize {
        let passed = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - passed as u64;
        self.state = if left == 0 {
            State::Between
        } else {
            State::Body { left }
        };
        passed
    }

    /// Passes a chunk's data; its last two bytes must be CRLF.
    fn pass_chunk(&mut self, bytes: &[u8], left: u64) -> Option<usize> {
        if left > 2 {
            let passed = bytes.len().min(usize::try_from(left - 2).unwrap_or(usize::MAX));
            self.state = State::Chunk {
                left: left - passed as u64,
            };
            return Some(passed);
        }
        let expected = if left == 2 { b'\r' } else { b'\n' };
        if bytes[0] != expected {
            return None;
        }
        self.state = if left == 2 {
            State::Chunk { left: 1 }
        } else {
            State::ChunkSize
        };
        Some(1)
    }

    /// Takes bytes up to the end of the line; `None` if the line breaks a rule. Most lines come whole, and are judged where
    /// they lie.
    fn read_line(&mut self, bytes: &[u8]) -> Option<usize> {
        let end = memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let taken = part.len() + usize::from(end.is_some());
        let mut kept = std::mem::take(&mut self.line);
        let line = if kept.is_empty() && end.is_some() {
            part
        } else {
            kept.extend_from_slice(part);
            &kept
        };
        if self.state == State::Between && line != b"\r" && !line.is_empty() {
            self.state = State::Head;
        }
        self.head.len += taken;
        if self.head.len > self.head_len_max {
            // A head: the library answers 431. Chunk lines and trailers have no business being so long.
            let in_head = self.state == State::Head;
            self.state = State::Overlong;
            return in_head.then_some(taken);
        }
        if end.is_some() {
            // CRLF ends a line; a bare LF is a line end for some readers only.
            let text = line.strip_suffix(b"\r")?;
            if memchr2(b'\r', 0, text).is_some() {
                return None;
            }
            self.end_of_line(text)?;
            kept.clear();
        }
        self.line = kept;
        Some(taken)
    }

    fn end_of_line(&mut self, line: &[u8]) -> Option<()> {
        match self.state {
            State::Between => self.head.len = 0,
            State::Head if line.is_empty() => {
                let head = std::mem::take(&mut self.head);
                self.state = head.body();
            }
            State::Head => self.head.line(line)?,
            State::ChunkSize => {
                self.head.len = 0;
                self.state = match chunk_len(line)? {
                    0 => State::Trailers,
                    len => State::Chunk {
                        left: len.checked_add(2)?,
                    },
                };
            }
            State::Trailers if line.is_empty() => {
                self.head = Head::default();
                self.state = State::Between;
            }
            // Trailers are dropped by everybody; only their length counts.
            State::Trailers | State::Body { .. } | State::Chunk { .. } | State::Overlong => {}
        }
        Some(())
    }
}

impl Head {
    fn line(&mut self, line: &[u8]) -> Option<()> {
        if self.len == line.len() + 2 {
            self.is_http_11 = line.ends_with(b" HTTP/1.1");
            return Some(());
        }
        // A line that goes on in the next one is read by some and refused by others.
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.content_length.is_some() || self.is_chunked {
                return None;
            }
            self.content_length = Some(decimal(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let alone = self.content_length.is_none() && !self.is_chunked && self.is_http_11;
            if !alone || !value.eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            self.is_chunked = true;
        }
        Some(())
    }

    /// What follows the head.
    const fn body(&self) -> State {
        match (self.is_chunked, self.content_length) {
            (true, _) => State::ChunkSize,
            (false, None | Some(0)) => State::Between,
            (false, Some(left)) => State::Body { left },
        }
    }
}

/// Digits only: no sign, no list, no blanks inside.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The hex number before an extension.
fn chunk_len(line: &[u8]) -> Option<u64> {
    let number = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    if number.is_empty() || number.len() > 15 || !number.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()
}

#[cfg(test)]
mod tests;
