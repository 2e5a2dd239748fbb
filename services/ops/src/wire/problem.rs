//! What went wrong: a problem document (RFC 9457), `application/problem+json`.

use serde::{Deserialize, Serialize};

/// A request that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Problem {
    /// Always `about:blank`: `code` says which it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for people; names no user.
    pub detail: String,
    /// Which problem it is, for programs.
    pub code: Code,
    /// What log lines about the request carry.
    pub request_id: String,
    /// Members, parameters or path segments that cannot be meant.
    #[serde(default)]
    pub errors: Vec<FieldFault>,
}

/// What is wrong with one part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct FieldFault {
    /// Its name, with dots and brackets on the way to it: `users[3].records[0].uid`.
    pub field: String,
    /// What to give.
    pub detail: String,
}

/// Every problem there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 400: it cannot be meant; `errors` says where, as far as that can be said.
    InvalidRequest,
    /// 403: the caller's certificate is not one of an operator.
    NotPermitted,
    /// 404: there is nothing at that path.
    NotFound,
    /// 404
    UnknownService,
    /// 404
    UnknownNode,
    /// 404: no such registered client.
    UnknownClient,
    /// 404: no account has that uid or address.
    UnknownAccount,
    /// 404: the user has no record there.
    UnknownUser,
    /// 405
    MethodNotAllowed,
    /// 409: somebody else changed the same thing again and again, or another node, user or account has that URL, uid or
    /// address.
    Conflict,
    /// 409: no node has room, or the named one has none or is out of service.
    NoNode,
    /// 409: the service has no uid left, or not so many.
    NoUid,
    /// 409: the service takes no more users.
    Closed,
    /// 409: the user's past records must be purged first.
    TooManyPast,
    /// 409: the user was retired, for good.
    UserRetired,
    /// 409: users who are sent away might come back; set the node to backoff first.
    NodeTakesUsers,
    /// 409: no mail goes out from here.
    NotMailed,
    /// 413
    TooLarge,
    /// 415: a body that is not `application/json`.
    UnsupportedMediaType,
    /// 500: a fault in Foxhold or its store.
    Internal,
    /// 503: the store or another part did not answer; nothing was done, again is safe.
    Unavailable,
    /// 503: it may have been done; again is safe.
    OutcomeUnknown,
}

impl Code {
    /// Every problem, for tests and translations that walk them all.
    pub const ALL: &[Self] = &[
        Self::InvalidRequest,
        Self::NotPermitted,
        Self::NotFound,
        Self::UnknownService,
        Self::UnknownNode,
        Self::UnknownClient,
        Self::UnknownAccount,
        Self::UnknownUser,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::NoNode,
        Self::NoUid,
        Self::Closed,
        Self::TooManyPast,
        Self::UserRetired,
        Self::NodeTakesUsers,
        Self::NotMailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Internal,
        Self::Unavailable,
        Self::OutcomeUnknown,
    ];

    /// Its HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::NotPermitted => 403,
            Self::NotFound
            | Self::UnknownService
            | Self::UnknownNode
            | Self::UnknownClient
            | Self::UnknownAccount
            | Self::UnknownUser => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict
            | Self::NoNode
            | Self::NoUid
            | Self::Closed
            | Self::TooManyPast
            | Self::UserRetired
            | Self::NodeTakesUsers
            | Self::NotMailed => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Internal => 500,
            Self::Unavailable | Self::OutcomeUnknown => 503,
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::NotPermitted => "not_permitted",
            Self::NotFound => "not_found",
            Self::UnknownService => "unknown_service",
            Self::UnknownNode => "unknown_node",
            Self::UnknownClient => "unknown_client",
            Self::UnknownAccount => "unknown_account",
            Self::UnknownUser => "unknown_user",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::NoNode => "no_node",
            Self::NoUid => "no_uid",
            Self::Closed => "closed",
            Self::TooManyPast => "too_many_past",
            Self::UserRetired => "user_retired",
            Self::NodeTakesUsers => "node_takes_users",
            Self::NotMailed => "not_mailed",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }
}
