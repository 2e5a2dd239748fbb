//! `id_token_hint`: an ID token that a program was given and shows again (`accounts.md` (k), Authorization request).
//!
//! Must stay true: nothing is believed of a token that cannot be checked. One that names a key which is not published any
//! more may be ours all the same, from before a rotation: it is no hint, and no forgery.

use foxhold_accounts::AccountError;
use foxhold_core::Deadline;
use foxhold_crypto::{id_token, jws::JwsError};

use super::form::Form;
use crate::{App, app::no_keys};

/// The parameter.
pub(super) const ID_TOKEN_HINT: &str = "id_token_hint";

/// What is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Nothing.
    None,
    /// A token under a key that is not known here.
    OfUnknownKey,
    /// A token that we have signed; its time may be over.
    Ours(id_token::Hint),
    /// What we have not signed.
    Forged,
}

/// What a request shows.
pub(super) async fn hint(app: &App, by: Deadline, form: &Form) -> Result<Hint, AccountError> {
    let Ok(Some(token)) = form.get(ID_TOKEN_HINT) else {
        return Ok(Hint::None);
    };
    let keys = app.keys.keys(by).await.map_err(no_keys)?;
    Ok(match id_token::check_hint(token, &keys) {
        Ok(hint) if hint.issuer == app.site.public_url => Hint::Ours(hint),
        Err(JwsError::UnknownKey) => Hint::OfUnknownKey,
        Ok(_) | Err(_) => Hint::Forged,
    })
}
