//! What an admin API says when it does not do what it was asked, and what the tool makes of it.

use std::{io, path::PathBuf, time::Duration};

use foxhold_ops::wire::{Code, FieldFault, Problem};
use foxhold_runtime::process::{FAILED, INVALID, REFUSED, UNAVAILABLE};
use http::StatusCode;
use thiserror::Error;

use crate::failure::{NOT_FOUND, NOT_PERMITTED, WRONG_USAGE};

/// No answer, or a bad one.
#[derive(Debug, Error)]
pub(crate) enum AdminError {
    /// Not an address of an admin API.
    #[error(
        "{0} is no address of an admin API\nfix: give https, a host and a port with --admin, and no path"
    )]
    Address(String),
    /// The own certificate cannot be used.
    #[error("using the certificate of {}\nfix: foxhold certificates create --out DIR --roles operator, and --identity DIR", folder.display())]
    Identity { folder: PathBuf, source: anyhow::Error },
    /// Nobody answers.
    #[error("asking {place}\nfix: see that it runs, and give the right --data or --admin")]
    NoAnswer { place: String, source: anyhow::Error },
    /// Somebody else answers, or takes this tool for somebody else.
    #[error(
        "asking {place}: it is not of this deployment, or a certificate has ended\nfix: renew it with foxhold certificates create, and give it with --identity"
    )]
    Stranger { place: String, source: io::Error },
    /// It takes too long.
    #[error("no answer within {} s\nfix: try again; what was asked for may have been done", .0.as_secs())]
    TooLate(Duration),
    /// An answer that ends too early, or never.
    #[error("the answer is cut off or too long")]
    CutOff(#[source] anyhow::Error),
    /// Something that is not written as JSON.
    #[error("writing the request")]
    Request(#[source] serde_json::Error),
    /// An answer that is none.
    #[error("an answer that makes no sense ({status})\nfix: use a tool of the version that is asked")]
    Senseless {
        status: StatusCode,
        source: serde_json::Error,
    },
    /// What was refused stood in flags.
    #[error("{}", told_of_flags(.0))]
    Flags(Box<Problem>),
    /// It was decided against, or did not work.
    #[error("{}", told(.0))]
    Problem(Box<Problem>),
}

impl AdminError {
    /// The exit code (`ecosystem.md` 3.4).
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Address(_) | Self::Identity { .. } => INVALID,
            Self::NoAnswer { .. } | Self::TooLate(_) => UNAVAILABLE,
            Self::Stranger { .. } => NOT_PERMITTED,
            Self::CutOff(_) | Self::Request(_) | Self::Senseless { .. } => FAILED,
            Self::Flags(_) => WRONG_USAGE,
            Self::Problem(problem) => exit_code_of(problem.code),
        }
    }

    /// The same for a request that was made of flags: names them, in place of the request's members.
    pub(crate) fn of_flags(self) -> Self {
        match self {
            Self::Problem(problem)
                if problem.code == Code::InvalidRequest
                    && !problem.errors.is_empty()
                    && problem.errors.iter().all(|fault| flag(&fault.field).is_some()) =>
            {
                Self::Flags(problem)
            }
            other => other,
        }
    }

    /// The same with what to do about it, where that is to be said of a code by who asked.
    pub(crate) fn with_fix(self, code: Code, fix: String) -> Self {
        match self {
            Self::Problem(mut problem) if problem.code == code && problem.errors.is_empty() => {
                let field = String::new();
                problem.errors.push(FieldFault { field, detail: fix });
                Self::Problem(problem)
            }
            other => other,
        }
    }

    /// Whether what was asked for may have been done, in part or as a whole.
    pub(crate) fn may_be_done(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::TooLate(_) | Self::CutOff(_) | Self::Senseless { .. } => true,
            Self::Problem(problem) => matches!(problem.code, Code::OutcomeUnknown | Code::Internal),
            Self::Address(_)
            | Self::Identity { .. }
            | Self::Stranger { .. }
            | Self::Request(_)
            | Self::Flags(_) => false,
        }
    }

    /// Whether the same again may work, and does no harm.
    pub(crate) fn is_passing(&self) -> bool {
        self.exit_code() == UNAVAILABLE
    }
}

/// The flag or argument that a member of a request is given by. Members of lists are told with their place:
/// `allocation.pools[1].pool`.
fn flag(field: &str) -> Option<&'static str> {
    let name = field.split('[').next().unwrap_or(field);
    Some(match name {
        "pattern" => "--pattern",
        "scope" | "scopes" => "--scope",
        "token_lifetime_secs" => "--token-lifetime",
        "uid_ceiling" => "--uid-ceiling",
        "schemes" => "--scheme",
        "allowed_issuers" => "--allowed-issuer",
        "trusted_issuers" => "--trusted-issuer",
        "allowed_email_domains" => "--email-domain",
        "admission" => "--admission",
        "conditions" => "--condition",
        "auth_max_age_secs" => "--max-age",
        "allocation.pinned_to" => "--pin",
        "pool" | "pools" | "allocation.pools" => "--pool",
        "allocation.closed_pools" => "--closed-pool",
        "capacity" => "--capacity",
        "available" => "--available",
        "node_type" => "--node-type",
        "email" => "--email",
        "domain" => "--domain",
        "lifetime_secs" => "--expires",
        "count" => "--count",
        "note" => "--note",
        "send" => "--send",
        "from_name" => "--from-name",
        "name" => "--name",
        "image_uri" => "--image-uri",
        "redirect_uris" => "--redirect-uri",
        "post_logout_redirect_uris" => "--post-logout-redirect-uri",
        "require_pkce" => "--require-pkce",
        "allowed" => "--allow",
        "client" => "ID",
        "user" => "UID@DOMAIN",
        _ => return None,
    })
}

fn told_of_flags(problem: &Problem) -> String {
    let fault = |fault: &FieldFault| {
        let flag = flag(&fault.field).unwrap_or(&fault.field);
        // Rules name what would allow it by the request's member.
        let detail = fault.detail.replace("allow_http", "--allow-http true");
        format!("{flag}: {detail}")
    };
    let faults: Vec<_> = problem.errors.iter().map(fault).collect();
    format!("what was given cannot be meant\nfix: {}", faults.join("\n     "))
}

const fn exit_code_of(code: Code) -> u8 {
    match code {
        Code::InvalidRequest => INVALID,
        Code::NotPermitted => NOT_PERMITTED,
        Code::NotFound
        | Code::UnknownService
        | Code::UnknownNode
        | Code::UnknownClient
        | Code::UnknownAccount
        | Code::UnknownUser => NOT_FOUND,
        Code::Conflict
        | Code::NoNode
        | Code::NoUid
        | Code::Closed
        | Code::TooManyPast
        | Code::UserRetired
        | Code::NodeTakesUsers
        | Code::NotMailed => REFUSED,
        Code::Unavailable | Code::OutcomeUnknown => UNAVAILABLE,
        Code::MethodNotAllowed | Code::TooLarge | Code::UnsupportedMediaType | Code::Internal => FAILED,
    }
}

/// What to do about it, where that is always the same.
const fn fix(code: Code) -> Option<&'static str> {
    match code {
        Code::UnknownService => Some("foxhold service list shows those there are; name one of them"),
        Code::UnknownNode => Some("foxhold node list shows those there are"),
        Code::UnknownClient => Some("foxhold client list shows those there are"),
        Code::UnknownAccount => Some("foxhold account list shows those there are"),
        Code::UnknownUser => Some("give the whole key, uid@domain, and the service with --service"),
        Code::NotPermitted => Some("give a certificate of the role operator with --identity"),
        Code::NoNode => Some(
            "foxhold node list shows which nodes serve and have room: foxhold node enable, or foxhold node create",
        ),
        Code::NoUid => Some("foxhold service update --uid-ceiling, as far as the nodes take longer ones"),
        Code::TooManyPast => Some("foxhold service purge"),
        Code::NodeTakesUsers => {
            Some("foxhold node update --backoff true, or give the node to go to with --to")
        }
        Code::Conflict => None,
        Code::Unavailable | Code::OutcomeUnknown => Some("try again"),
        Code::Internal => Some("look for the request's id in the log"),
        Code::Closed => Some("foxhold service update --admission everyone, or first=N with a larger N"),
        Code::UserRetired => {
            Some("nothing brings a retired user back; whoever makes a new account has another key")
        }
        Code::InvalidRequest
        | Code::NotFound
        | Code::NotMailed
        | Code::MethodNotAllowed
        | Code::TooLarge
        | Code::UnsupportedMediaType => None,
    }
}

fn told(problem: &Problem) -> String {
    let mut text = problem.detail.clone();
    if !problem.request_id.is_empty() && problem.status >= 500 {
        text = format!("{text} (request {})", problem.request_id);
    }
    // Where the request can be meant, what mends it is told and not what was misspelled.
    let is_misspelled = problem.code == Code::InvalidRequest;
    let fault = |fault: &FieldFault| {
        if is_misspelled {
            format!("`{}`: {}", fault.field, fault.detail)
        } else {
            fault.detail.clone()
        }
    };
    let faults: Vec<_> = problem.errors.iter().map(fault).collect();
    match (faults.is_empty(), fix(problem.code)) {
        (false, _) => format!("{text}\nfix: {}", faults.join("\n     ")),
        (true, Some(fix)) => format!("{text}\nfix: {fix}"),
        (true, None) => text,
    }
}

/// The error of an answer that is not a success.
pub(super) fn refused(status: StatusCode, body: &[u8]) -> AdminError {
    match serde_json::from_slice(body) {
        Ok(problem) => AdminError::Problem(Box::new(problem)),
        Err(source) => AdminError::Senseless { status, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(code: Code, errors: Vec<FieldFault>) -> AdminError {
        AdminError::Problem(Box::new(Problem {
            kind: "about:blank".into(),
            title: "title".into(),
            status: code.status(),
            detail: "what happened".into(),
            code,
            request_id: "r1".into(),
            errors,
        }))
    }

    #[test]
    fn every_problem_has_an_exit_code_that_fits_its_status() {
        for code in Code::ALL {
            let expected: &[u8] = match code.status() {
                400 => &[INVALID],
                403 => &[NOT_PERMITTED],
                404 => &[NOT_FOUND],
                409 => &[REFUSED],
                503 => &[UNAVAILABLE],
                _ => &[FAILED],
            };
            let found = problem(*code, Vec::new()).exit_code();
            assert!(expected.contains(&found), "{code:?}: {found}");
        }
    }

    #[test]
    fn a_problem_is_told_with_what_to_do() {
        let fault = |field: &str| FieldFault {
            field: field.into(),
            detail: "give more".into(),
        };
        for (error, expected) in [
            (
                problem(Code::UnknownNode, Vec::new()),
                "what happened\nfix: foxhold node list shows those there are",
            ),
            (
                problem(Code::InvalidRequest, vec![fault("a"), fault("b")]),
                "what happened\nfix: `a`: give more\n     `b`: give more",
            ),
            (
                problem(Code::Internal, Vec::new()),
                "what happened (request r1)\nfix: look for the request's id in the log",
            ),
            (problem(Code::MethodNotAllowed, Vec::new()), "what happened"),
            (
                problem(Code::UnknownService, Vec::new()),
                "what happened\nfix: foxhold service list shows those there are; name one of them",
            ),
            (
                problem(Code::NotFound, vec![fault("id")]),
                "what happened\nfix: give more",
            ),
            (
                problem(Code::InvalidRequest, vec![fault("user")]).of_flags(),
                "what was given cannot be meant\nfix: UID@DOMAIN: give more",
            ),
            (
                problem(Code::InvalidRequest, vec![fault("allocation.pools[1].pool")]).of_flags(),
                "what was given cannot be meant\nfix: --pool: give more",
            ),
            (
                problem(Code::InvalidRequest, vec![fault("records[0].uid")]).of_flags(),
                "what happened\nfix: `records[0].uid`: give more",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
        let allowing = FieldFault {
            detail: "give https, or with allow_http".into(),
            ..fault("redirect_uris")
        };
        assert_eq!(
            problem(Code::InvalidRequest, vec![allowing])
                .of_flags()
                .to_string(),
            "what was given cannot be meant\nfix: --redirect-uri: give https, or with --allow-http true"
        );
        for (code, expected) in [
            (Code::Conflict, "what happened\nfix: so"),
            (
                Code::NotPermitted,
                "what happened\nfix: give a certificate of the role operator with --identity",
            ),
        ] {
            let told = problem(code, Vec::new()).with_fix(Code::Conflict, "so".into());
            assert_eq!(told.to_string(), expected);
        }
        let of_flags = |field| problem(Code::InvalidRequest, vec![fault(field)]).of_flags();
        assert_eq!(of_flags("token_lifetime_secs").exit_code(), WRONG_USAGE);
        assert_eq!(of_flags("users[0].user").exit_code(), INVALID);
        assert!(matches!(
            refused(StatusCode::BAD_GATEWAY, b"<html>"),
            AdminError::Senseless { .. }
        ));
    }
}
