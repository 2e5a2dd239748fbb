//! Between what is said over the wire and what the ports take: pure, and strict in one direction. Every fault names its
//! member.

pub(crate) mod client;
mod import;
mod node;
mod record;
mod service;

use foxhold_core::record::{PoolName, ServiceKey, UserKey};
use foxhold_node_auth::NodeName;
use foxhold_ports::assignments::is_node_url;

use crate::{refused::fault, wire::FieldFault};

pub use self::import::imported_user;
pub(crate) use self::{
    node::{after, changed, new_node, node},
    record::user_records,
    service::{changes, service, settings},
};

/// The longest user's key: an address's length and some.
const USER_LEN_MAX: usize = 512;

/// `{app}-{version}`
pub(crate) fn service_key(text: &str) -> Result<ServiceKey, FieldFault> {
    let named = text.rsplit_once('-');
    let is_key = named.is_some_and(|(app, version)| !app.is_empty() && !version.is_empty())
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if is_key {
        Ok(ServiceKey(text.to_owned()))
    } else {
        Err(fault("service", "give app and version, such as sync-1.5"))
    }
}

/// `fxa_uid@issuer-domain`
pub(crate) fn user_key(field: &str, text: &str) -> Result<UserKey, FieldFault> {
    let parts = text.split_once('@');
    let is_part = |part: &str| {
        let is_usable = |letter: char| letter != '@' && !letter.is_whitespace() && !letter.is_control();
        !part.is_empty() && part.chars().all(is_usable)
    };
    let is_user = parts.is_some_and(|(uid, domain)| is_part(uid) && is_part(domain));
    if is_user && text.len() <= USER_LEN_MAX {
        Ok(UserKey(text.to_owned()))
    } else {
        Err(fault(field, "give the user's key: uid@domain"))
    }
}

/// A node's URL.
pub(crate) fn node_url<'a>(field: &str, text: &'a str) -> Result<&'a str, FieldFault> {
    if is_node_url(text) {
        Ok(text)
    } else {
        Err(fault(field, "give an http or https URL without trailing slash"))
    }
}

/// A node's URL that is not there yet: in the one spelling, so that no node is there twice, and with nothing in it that must
/// not be shown.
pub(crate) fn new_node_url(field: &str, text: &str) -> Result<(), FieldFault> {
    node_url(field, text)?;
    let Ok(name) = NodeName::parse(text) else {
        return Err(fault(
            field,
            "give an http or https URL without user name, query and fragment",
        ));
    };
    if name.as_str() == text {
        Ok(())
    } else {
        Err(fault(field, format!("give it as {}", name.as_str())))
    }
}

/// A pool's name.
pub(crate) fn pool_name(field: &str, text: &str) -> Result<PoolName, FieldFault> {
    let fix = "give 1 to 32 letters of a-z, digits and -";
    PoolName::new(text).ok_or_else(|| fault(field, fix))
}

/// A number within bounds.
pub(crate) fn within<T: PartialOrd + Copy + std::fmt::Display>(
    field: &str,
    number: T,
    least: T,
    most: T,
) -> Result<T, FieldFault> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(fault(field, format!("give {least} to {most}")))
    }
}

#[cfg(test)]
mod tests;
