//! Why the node refuses a request, with the status and the number that stand for it on the wire (`storage.md` 13).

use thiserror::Error;

/// Every refusal. A refused request has changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// Query or header syntax, or an unknown batch.
    #[error("malformed request")]
    Malformed,
    /// A protocol header that is not what it should be.
    #[error("bad protocol header")]
    BadProtocolHeader,
    /// JSON that cannot be parsed.
    #[error("unparsable JSON")]
    UnparsableJson,
    /// A BSO, or a list of them, of the wrong shape.
    #[error("invalid BSO")]
    InvalidBso,
    /// A published size limit is exceeded: declared, or by a batch as a whole.
    #[error("over a size limit")]
    OverLimit,
    /// No valid token; which check failed is for the metrics only.
    #[error("not authenticated")]
    Unauthorized,
    /// Over the user's quota.
    #[error("over quota")]
    OverQuota,
    /// Unknown route, impossible name, or absent BSO.
    #[error("not found")]
    NotFound,
    /// A known route that does not take this method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// No format of ours is acceptable.
    #[error("not acceptable")]
    NotAcceptable,
    /// A precondition failed.
    #[error("precondition failed")]
    PreconditionFailed,
    /// The request or one payload is too large.
    #[error("too large")]
    TooLarge,
    /// A body in a format the node does not read.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// Overload or contention: try again soon.
    #[error("busy")]
    Busy,
    /// The node is read-only or the user moving: try again later.
    #[error("moving")]
    Moving,
    /// A fault of the node.
    #[error("internal error")]
    Internal,
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed
            | Self::BadProtocolHeader
            | Self::UnparsableJson
            | Self::InvalidBso
            | Self::OverLimit => 400,
            Self::Unauthorized => 401,
            Self::OverQuota => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::PreconditionFailed => 412,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Busy | Self::Moving => 503,
            Self::Internal => 500,
        }
    }

    /// The bare integer that is the body.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::BadProtocolHeader => 1,
            Self::UnparsableJson => 6,
            Self::InvalidBso => 8,
            Self::OverQuota => 14,
            Self::OverLimit | Self::TooLarge => 17,
            Self::Malformed
            | Self::Unauthorized
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::NotAcceptable
            | Self::PreconditionFailed
            | Self::UnsupportedMediaType
            | Self::Busy
            | Self::Moving
            | Self::Internal => 0,
        }
    }

    /// Seconds for `Retry-After`, which 503 always carries and nothing else ever does.
    #[must_use]
    pub const fn retry_after_secs(self) -> Option<u32> {
        match self {
            Self::Busy => Some(10),
            Self::Moving => Some(300),
            _ => None,
        }
    }
}
