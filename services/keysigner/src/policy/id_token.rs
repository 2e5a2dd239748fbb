//! ID tokens (`accounts.md` (k), ID token).

use std::time::Duration;

use foxhold_core::Timestamp;
use foxhold_crypto::{
    id_token::{NewIdToken, ProfileClaims},
    jws::Unsigned,
};
use foxhold_ports::signer::{AuthMethod, ID_TOKEN_SECS_MAX, IdTokenOrder, IdTokenProfile};

use super::{Refusal, check, check_past};

/// A client's own word, returned verbatim.
const NONCE_LEN_MAX: usize = 512;
/// An address, a name or a URL.
const TEXT_LEN_MAX: usize = 512;

/// The ID token that `order` asks for, not signed yet.
///
/// # Errors
/// [`Refusal`].
pub fn id_token(order: &IdTokenOrder, issuer: &str, kid: &str, now: Timestamp) -> Result<Unsigned, Refusal> {
    check("lifetime", (1..=ID_TOKEN_SECS_MAX).contains(&order.lifetime_secs))?;
    check_past("auth time", order.auth_time, now)?;
    check("nonce", order.nonce.as_deref().is_none_or(is_nonce))?;
    check("profile", order.profile.as_ref().is_none_or(is_profile))?;
    let has_otp = order.amr.contains(&AuthMethod::OneTimePassword);
    let acr = match order.aal {
        1 if !has_otp => "AAL1",
        2 if has_otp => "AAL2",
        _ => return Err(Refusal("aal")),
    };
    check("amr", !order.amr.is_empty() && is_distinct(&order.amr))?;
    let amr: Vec<_> = order.amr.iter().map(|method| method.name()).collect();
    let token = NewIdToken {
        issuer,
        uid: order.uid,
        client_id: order.client,
        issued_at: now,
        expires: now.plus(Duration::from_secs(order.lifetime_secs)),
        auth_time: order.auth_time,
        nonce: order.nonce.as_deref(),
        at_hash: order.at_hash,
        acr,
        amr: &amr,
        profile: order.profile.as_ref().map(claims).unwrap_or_default(),
    };
    Ok(token.unsigned(kid))
}

fn claims(profile: &IdTokenProfile) -> ProfileClaims<'_> {
    ProfileClaims {
        email: profile.email.as_ref().map(|(email, _)| email.as_str()),
        email_verified: profile.email.as_ref().map(|(_, verified)| *verified),
        preferred_username: profile.preferred_username.as_deref(),
        picture: profile.picture.as_deref(),
        locale: profile.locale.as_deref(),
        updated_at: profile.updated_at.map(Timestamp::as_secs),
    }
}

fn is_nonce(nonce: &str) -> bool {
    super::is_plain(nonce, 0, NONCE_LEN_MAX)
}

fn is_profile(profile: &IdTokenProfile) -> bool {
    let texts = [
        profile.email.as_ref().map(|(email, _)| email),
        profile.preferred_username.as_ref(),
        profile.picture.as_ref(),
        profile.locale.as_ref(),
    ];
    texts
        .into_iter()
        .flatten()
        .all(|text| text.len() <= TEXT_LEN_MAX && !text.chars().any(char::is_control))
}

fn is_distinct(amr: &[AuthMethod]) -> bool {
    amr.iter()
        .enumerate()
        .all(|(at, method)| !amr[..at].contains(method))
}

#[cfg(test)]
mod tests {
    use foxhold_core::{ClientId, Uid};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn order() -> IdTokenOrder {
        IdTokenOrder {
            uid: Uid::from_bytes([1; 16]),
            client: ClientId::from_bytes([2; 8]),
            auth_time: NOW,
            nonce: Some("n".into()),
            at_hash: [3; 16],
            aal: 1,
            amr: vec![AuthMethod::Password],
            lifetime_secs: 300,
            profile: None,
        }
    }

    #[test]
    fn what_is_refused() {
        use AuthMethod::{OneTimePassword, Password};
        type Change = fn(&mut IdTokenOrder);
        let table: [(&str, Change); 11] = [
            ("lifetime", |o| o.lifetime_secs = 0),
            ("lifetime", |o| o.lifetime_secs = ID_TOKEN_SECS_MAX + 1),
            ("auth time", |o| o.auth_time = NOW.plus(Duration::from_secs(3601))),
            ("nonce", |o| o.nonce = Some("x".repeat(513))),
            ("nonce", |o| o.nonce = Some("a\nb".into())),
            ("profile", |o| {
                o.profile = Some(IdTokenProfile {
                    locale: Some("d\u{0}e".into()),
                    ..IdTokenProfile::default()
                });
            }),
            ("aal", |o| o.aal = 0),
            ("aal", |o| o.aal = 2),
            ("aal", |o| o.amr = vec![Password, OneTimePassword]),
            ("amr", |o| o.amr = vec![]),
            ("amr", |o| o.amr = vec![Password, Password]),
        ];
        for (field, change) in table {
            let mut order = order();
            change(&mut order);
            let refused = id_token(&order, "https://i.example", "k", NOW);
            assert_eq!(refused.err(), Some(Refusal(field)));
        }
        let mut order = order();
        assert!(id_token(&order, "https://i.example", "k", NOW).is_ok());
        (order.aal, order.amr) = (2, vec![Password, OneTimePassword]);
        assert!(id_token(&order, "https://i.example", "k", NOW).is_ok());
    }
}
