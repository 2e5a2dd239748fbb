//! What the configuration of each role names that can be looked at from outside its process.
//!
//! What must stay true: what cannot be prepared (a certificate that is not there, a password that cannot be read) is left
//! out here: the check has told it already.

use std::{path::Path, sync::Arc};

use foxhold_runtime::{
    channel::ChannelSettings,
    config::Secrets,
    store::{StoreKind, StoreTable, StoreUse},
    tls::{Role, TlsIdentity, TlsSettings},
    traces::TracesConfig,
};
use foxhold_webhead::mail::PreparedMail;
use http::Uri;

use super::{Named, Thing};
use crate::single_box::{mail_settings, settings::Settings};

/// A configuration that names things.
pub(crate) trait Names {
    /// All of them.
    fn names(&self, secrets: &Secrets) -> Vec<Named>;
}

impl Names for foxhold_webhead::Config {
    fn names(&self, secrets: &Secrets) -> Vec<Named> {
        let url = root(&self.public_url);
        let token_server = self.token_server_url.as_deref().map_or_else(|| url.clone(), root);
        let tiers = [
            ("dbwriter", Role::Dbwriter, Some(&self.dbwriter)),
            ("keysigner", Role::Keysigner, Some(&self.keysigner)),
            ("stretcher", Role::Stretcher, self.stretcher.as_ref()),
        ];
        let mut named = among_tiers(&self.tls, Role::Webhead, &tiers, secrets);
        named.extend(stored(&self.store, "webhead", StoreUse::Reads, secrets));
        named.extend(mailed("mail.host", self.mail.prepare("mail", secrets).ok()));
        if token_server != url {
            let thing = Thing::TokenServer(token_server.clone());
            named.push(of("token_server_url", thing));
        }
        named.push(of("public_url", Thing::PublicUrl { url, token_server }));
        named.extend(collected(&self.traces));
        named
    }
}

impl Names for foxhold_ops::Config {
    fn names(&self, secrets: &Secrets) -> Vec<Named> {
        let tiers = [
            ("dbwriter", Role::Dbwriter, Some(&self.dbwriter)),
            ("keysigner", Role::Keysigner, Some(&self.keysigner)),
        ];
        let mut named = among_tiers(&self.tls, Role::Ops, &tiers, secrets);
        named.extend(stored(&self.store, "ops", StoreUse::Reads, secrets));
        named.extend(collected(&self.traces));
        named
    }
}

impl Names for foxhold_dbwriter::Config {
    fn names(&self, secrets: &Secrets) -> Vec<Named> {
        let mut named = among_tiers(&self.tls, Role::Dbwriter, &[], secrets);
        named.extend(stored(&self.store, "dbwriter", StoreUse::Writes, secrets));
        named.extend(collected(&self.traces));
        named
    }
}

impl Names for foxhold_keysigner::Config {
    fn names(&self, secrets: &Secrets) -> Vec<Named> {
        among_tiers(&self.tls, Role::Keysigner, &[], secrets)
    }
}

impl Names for foxhold_stretcher::Config {
    fn names(&self, secrets: &Secrets) -> Vec<Named> {
        let mut named = among_tiers(&self.tls, Role::Stretcher, &[], secrets);
        named.extend(collected(&self.traces));
        named
    }
}

impl Names for foxhold_sync_node::Config {
    fn names(&self, _secrets: &Secrets) -> Vec<Named> {
        let urls = self.names.iter().enumerate();
        let mut named: Vec<_> = urls
            .map(|(at, url)| of(format!("names[{at}]"), Thing::Node(root(url))))
            .collect();
        named.extend(collected(&self.traces));
        named
    }
}

/// Of a box, whose database lies in its folder and is not there before its first start.
pub(crate) fn of_box(settings: &Settings, secrets: &Secrets, data: &Path) -> Vec<Named> {
    let mut named = Vec::new();
    if data.join("format").exists() {
        named.push(of("", Thing::Database(data.join("foxhold.db"))));
    }
    let mail = mail_settings(settings).ok();
    named.extend(mailed(
        "smtp.host",
        mail.and_then(|mail| mail.prepare("smtp", secrets).ok()),
    ));
    let url = settings.public_url();
    let token_server = url.clone();
    named.push(of("public_url", Thing::PublicUrl { url, token_server }));
    named
}

fn of(key: impl Into<String>, thing: Thing) -> Named {
    Named {
        key: key.into(),
        thing,
    }
}

fn root(url: impl AsRef<str>) -> String {
    url.as_ref().trim_end_matches('/').to_owned()
}

/// The own certificate, and the tiers that are called with it: table, role, instances.
fn among_tiers(
    files: &TlsSettings,
    own: Role,
    tiers: &[(&str, Role, Option<&ChannelSettings>)],
    secrets: &Secrets,
) -> Vec<Named> {
    let Ok(identity) = TlsIdentity::load(files, secrets).map(Arc::new) else {
        return Vec::new();
    };
    let certificate = Thing::Certificate(Arc::clone(&identity), own);
    let mut named = vec![of("tls.certificate_file", certificate)];
    for (table, role, channel) in tiers {
        for (at, address) in channel
            .iter()
            .flat_map(|channel| channel.addresses.iter().enumerate())
        {
            let thing = Thing::Tier(Arc::clone(&identity), *role, address.clone());
            named.push(of(format!("{table}.addresses[{at}]"), thing));
        }
    }
    named
}

fn stored(table: &StoreTable, role: &str, use_: StoreUse, secrets: &Secrets) -> Option<Named> {
    let store = table.resolve(role, use_, secrets).ok()?;
    let key = match table.kind {
        StoreKind::Sqlite => "store.path",
        StoreKind::Cassandra => "store.contact_points",
    };
    Some(of(key, Thing::Store(store, use_)))
}

fn mailed(key: &str, prepared: Option<PreparedMail>) -> Option<Named> {
    match prepared? {
        PreparedMail::Smtp(settings) => Some(of(key, Thing::Mail(Box::new(settings)))),
        PreparedMail::Log | PreparedMail::Capture | PreparedMail::None => None,
    }
}

fn collected(traces: &TracesConfig) -> Option<Named> {
    let uri: Uri = traces.otlp_endpoint.as_deref()?.parse().ok()?;
    let authority = uri.authority()?;
    authority.port()?;
    Some(of(
        "traces.otlp_endpoint",
        Thing::Collector(authority.to_string()),
    ))
}
