//! Every metric there is. `docs/metrics.md` says the same to operators, and a test compares the two.

use super::{
    family::{Counters, Family, Gauges, Histograms, Metric},
    label::{CLASS, Label, MAIL_TEMPLATE, METHOD, NONE, RPC_CODE},
};

const ROLE: Label = Label::named(
    "role",
    "what the process is: `webhead`, `keysigner`, `dbwriter`, `stretcher`, `sync-node`, `ops`, `up`",
);
const VERSION: Label = Label::named("version", "the version of the program");
const USE: Label = Label::of("use", &["tier"]);
const CONFIG_PART: Label = Label::of(
    "part",
    &[
        "limits",
        "log_level",
        "node_secrets",
        "registration",
        "tier_certificate",
    ],
);
const ROUTE: Label = Label::named(
    "route",
    "the template of the path; `none` for a path that is no route",
);
const RPC_SERVICE: Label = Label::named(
    "service",
    "the gRPC service; `unknown` for a call that nobody serves",
);
const RPC_METHOD: Label = Label::named("method", "the call; `unknown` for one that nobody serves");
const MISSED: Label = Label::of(
    "reason",
    &["unreachable", "ended", "broken", "late", "turned_away"],
);
/// A private tier, as its certificates name it.
const TIER: Label = Label::of("service", &["dbwriter", "keysigner", "stretcher"]);
const ENDPOINT_STATE: Label = Label::of("state", &["usable", "left_alone"]);
const SIDE: Label = Label::of("side", &["server"]);
const KEY_USE: Label = Label::of("key_use", &["access_token"]);
const SIGN_USE: Label = Label::of("key_use", &["access_token", "id_token", "certificate"]);
const SIGN_RESULT: Label = Label::of(
    "result",
    &[
        "signed",
        "unfit_key",
        "overloaded",
        "timeout",
        "unavailable",
        "fault",
    ],
);
const LIMIT: Label = Label::named("limit", "an action, as in lines of `limits.rules`");
const SCHEMA: Label = Label::named(
    "version",
    "the number of the last file of the schema that the program knows",
);
const SERVICE: Label = Label::named(
    "service",
    "a service of the Token Server by its key; `none` for one that is not known",
);
const NODE: Label = Label::named("node", "a storage node by its URL");
/// How a credential came.
const SCHEME: Label = Label::of("scheme", &["oauth", "browserid", NONE]);
const STATUS: Label = Label::of(
    "status",
    &[
        "ok",
        "error",
        "invalid-credentials",
        "invalid-timestamp",
        "invalid-generation",
        "invalid-keysChangedAt",
        "invalid-key-id",
        "invalid-client-state",
        "conditions-required",
        "new-users-disabled",
        "elapsed",
        "internal-error",
    ],
);
const VERDICT: Label = Label::named(
    "result",
    "`ok`, or why a credential was refused, as the log says it; `unavailable` where that could not be known",
);
const STEP: Label = Label::of(
    "step",
    &[
        "verify_oauth",
        "verify_browserid",
        "read",
        "assign",
        "update",
        "sign",
    ],
);
const KEY_SET: Label = Label::of("key_set", &["own", "foreign_oauth", "account_events"]);
const AUDIT_RESULT: Label = Label::of("result", &["signed", "refused"]);
const CHANGE: Label = Label::of("change", &["new_user", "reassigned", "keys_changed", "raised"]);
const EVENT: Label = Label::of("event", &["retire", "raise_generation", "other"]);
const BUDGET: Label = Label::of("budget", &["issuer", "day", "service", "block", "reserve"]);
const PURGE_FAILURE: Label = Label::of(
    "reason",
    &["http_4xx", "http_5xx", "timeout", "connect", "unknown"],
);
const PURGE_SKIPPED: Label = Label::of("reason", &["node_out", "silent", "same_keys", "overtaken"]);
const MAIL_RESULT: Label = Label::of(
    "result",
    &[
        "sent",
        "deferred",
        "refused",
        "expired",
        "withdrawn",
        "unreadable",
        "not_kept",
    ],
);
const TRACE_LOSS: Label = Label::of("reason", &["queue", "not_sent", "rejected"]);
const REASON: Label = Label::of(
    "reason",
    &[
        "header",
        "decode",
        "signature",
        "expired",
        "node",
        "uid",
        "mac",
        "hash",
    ],
);

/// Makes the statics, and [`all`] of them.
macro_rules! list {
    ($($id:ident: $family:ident<$labels:literal> = $name:literal [$($label:ident),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: $family<$labels> = Family::new($name, &[$($label),*], $help);
        )*

        /// All of them.
        #[must_use]
        pub fn all() -> Vec<&'static Metric> {
            vec![$($id.metric()),*]
        }
    };
}

list! {
    BUILD_INFO: Gauges<2> = "foxhold_build_info" [ROLE, VERSION]
        "Always 1: the labels say what runs.";
    PROCESS_START: Gauges<0> = "foxhold_process_start_timestamp_seconds" []
        "When the process began, in seconds since 1970.";
    SCHEMA_VERSION: Gauges<1> = "foxhold_schema_version" [SCHEMA]
        "Always 1: the label says which schema of the store the process works with.";
    TLS_EXPIRY: Gauges<1> = "foxhold_tls_certificate_expiry_timestamp_seconds" [USE]
        "When the certificate that the process shows to other tiers runs out, in seconds since 1970.";

    RELOADED: Gauges<1> = "foxhold_config_reload_timestamp_seconds" [CONFIG_PART]
        "When files that are read again on a change were last read, in seconds since 1970.";
    RELOAD_FAILURES: Counters<1> = "foxhold_config_reload_failures_total" [CONFIG_PART]
        "Changes of such files that could not be used: what was read before stays in force.";

    HTTP_REQUESTS: Counters<3> = "foxhold_http_requests_total" [ROUTE, METHOD, CLASS]
        "Requests answered on the listener for clients.";
    HTTP_DURATION: Histograms<3> = "foxhold_http_request_duration_seconds" [ROUTE, METHOD, CLASS]
        "From the head of a request to the head of its answer.";

    TRACES_DROPPED: Counters<1> = "foxhold_traces_dropped_total" [TRACE_LOSS]
        "Spans that were recorded and are lost.";

    RPC_DURATION: Histograms<4> = "foxhold_rpc_duration_seconds" [RPC_SERVICE, RPC_METHOD, RPC_CODE, SIDE]
        "Calls of the private tiers: how many, how they ended, and how long each took.";

    RPC_FAILED_ATTEMPTS: Counters<2> = "foxhold_rpc_failed_attempts_total" [RPC_SERVICE, MISSED]
        "Calls that an instance of a private tier did not carry out, or did not answer; while there is time, another is asked.";

    RPC_ENDPOINTS: Gauges<2> = "foxhold_rpc_endpoints" [TIER, ENDPOINT_STATE]
        "Instances of a private tier that calls may go to, and those that are left alone for a while.";

    STRETCH_SLOTS: Gauges<0> = "foxhold_stretch_slots_in_use" []
        "Stretchings of passwords that run at present.";
    STRETCH_REJECTED: Counters<0> = "foxhold_stretch_rejected_total" []
        "Stretchings of passwords that were refused at once, or waited in vain.";

    LIMIT_HITS: Counters<1> = "foxhold_limit_hits_total" [LIMIT]
        "Attempts that were one too many for a rule of the limits: refused, or only reported.";
    REPLAY_REMEMBERED: Gauges<0> = "foxhold_replay_remembered_requests" []
        "Signed requests that are remembered to refuse exact repetitions.";
    REPLAY_FORGOTTEN: Counters<0> = "foxhold_replay_forgotten_total" []
        "Signed requests that were forgotten before their time to make room.";

    SIGN_DURATION: Histograms<2> = "foxhold_sign_duration_seconds" [SIGN_USE, SIGN_RESULT]
        "Orders to sign, from the wait for a thread to the checked signature, without the audit log.";
    SIGN_QUEUE: Gauges<0> = "foxhold_sign_queue_depth" []
        "Orders that wait for a thread that signs.";
    KEY_AGE: Gauges<1> = "foxhold_key_age_seconds" [KEY_USE]
        "How long ago the key that signs at present was made.";
    AUDIT_RECORDS: Counters<1> = "foxhold_audit_records_total" [AUDIT_RESULT]
        "Decisions with the provider's key, by what came of them, written to the audit log.";
    AUDIT_COMMIT_DURATION: Histograms<0> = "foxhold_audit_commit_duration_seconds" []
        "How long it took to make a group of records durable.";
    AUDIT_FETCHED: Gauges<0> = "foxhold_audit_checkpoint_fetched_timestamp_seconds" []
        "When a signed head of the audit log was last fetched, in seconds since 1970.";
    KEY_SET_REFRESH: Gauges<1> = "foxhold_key_set_refresh_timestamp_seconds" [KEY_SET]
        "When published keys were last fetched, from the keysigner or another accounts server, in seconds since 1970.";

    TOKEN_EXCHANGES: Counters<3> = "foxhold_token_exchanges_total" [SERVICE, SCHEME, STATUS]
        "Requests for a node token, by how they were answered.";
    TOKEN_EXCHANGE_DURATION: Histograms<2> = "foxhold_token_exchange_duration_seconds" [SCHEME, CLASS]
        "Requests for a node token from the head to the answer.";
    TOKEN_STEP_DURATION: Histograms<1> = "foxhold_token_step_duration_seconds" [STEP]
        "The parts of an exchange that ask somebody: the keys, the store, the signer.";
    TOKEN_VERIFICATIONS: Counters<2> = "foxhold_token_verifications_total" [SCHEME, VERDICT]
        "Credentials that were looked at.";
    TOKEN_RECORD_CHANGES: Counters<2> = "foxhold_token_record_changes_total" [SERVICE, CHANGE]
        "Writes of users' records: first ones, new nodes, new keys, newer values in place.";
    TOKEN_NO_NODE: Counters<1> = "foxhold_token_no_node_total" [SERVICE]
        "Users who got no node because none has room.";
    TOKEN_NODE_CAPACITY: Gauges<2> = "foxhold_token_node_capacity_slots" [SERVICE, NODE]
        "The most users a node will ever get; 0 once it is removed.";
    TOKEN_NODE_AVAILABLE: Gauges<2> = "foxhold_token_node_available_slots" [SERVICE, NODE]
        "Slots of a node that are released for new users at present.";
    TOKEN_NODE_LOAD: Gauges<2> = "foxhold_token_node_load_slots" [SERVICE, NODE]
        "Slots of a node that users hold.";

    TOKEN_NODE_RELEASED: Counters<2> = "foxhold_token_node_released_slots_total" [SERVICE, NODE]
        "Slots of a node that were released for new users since the process began.";
    TOKEN_NEW_USERS_LIMITED: Counters<2> = "foxhold_token_new_users_limited_total" [SERVICE, BUDGET]
        "New users who were told to come back later, by the budget that was used up.";
    TOKEN_EVENTS_RECEIVED: Counters<1> = "foxhold_token_events_received_total" [EVENT]
        "Account events that were told by somebody who may.";
    TOKEN_EVENTS_PROCESSED: Counters<1> = "foxhold_token_events_processed_total" [EVENT]
        "Account events that were carried out in every service.";
    TOKEN_PURGE_FETCHED: Counters<1> = "foxhold_token_purge_fetched_total" [SERVICE]
        "Replaced records that were found due to be purged, in each pass anew.";
    TOKEN_PURGE_DELETED: Counters<1> = "foxhold_token_purge_deleted_total" [SERVICE]
        "Replaced records that were purged: their data is erased, or gone with its node, and they are forgotten.";
    TOKEN_PURGE_FAILED: Counters<2> = "foxhold_token_purge_failed_total" [SERVICE, PURGE_FAILURE]
        "Replaced records that were not purged because their node did not do it.";
    TOKEN_PURGE_SKIPPED: Counters<2> = "foxhold_token_purge_skipped_total" [SERVICE, PURGE_SKIPPED]
        "Replaced records that were left for a later pass without asking their node.";
    TOKEN_PURGE_BACKLOG: Gauges<1> = "foxhold_token_purge_backlog_records" [SERVICE]
        "Replaced records that were due and are still there, as the last whole pass of this process left them.";
    TOKEN_PLACES_TAKEN_BACK: Counters<1> = "foxhold_token_places_taken_back_total" [SERVICE]
        "Places on nodes that were taken back because their users came once and never again.";

    MAIL_SENT: Counters<2> = "foxhold_mail_sent_total" [MAIL_TEMPLATE, MAIL_RESULT]
        "What became of mails: each attempt to send one, and those that were given up or never kept.";
    MAIL_OLDEST: Gauges<0> = "foxhold_mail_queue_oldest_seconds" []
        "How long the oldest mail that waits has waited; 0 if none does.";

    STORAGE_AUTH_FAILURES: Counters<1> = "foxhold_storage_auth_failures_total" [REASON]
        "Requests to a storage node refused with 401, by the check that failed.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        super::{family::Kind, label::Values},
        *,
    };

    /// What follows the last word that is no unit.
    const UNITS: [&str; 10] = [
        "_seconds",
        "_slots",
        "_slots_in_use",
        "_info",
        "_bytes",
        "_records",
        "_requests",
        "_queue_depth",
        "_endpoints",
        "_version",
    ];
    /// Short for units: Prometheus wants them spelt, wherever they stand.
    const ABBREVIATIONS: [&str; 14] = [
        "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d",
    ];

    /// What `promtool check metrics` would say of it, as far as that can be known without samples.
    fn fault(metric: &Metric) -> Option<&'static str> {
        let name = metric.name;
        let is_counter = metric.kind == Kind::Counter;
        let words: Vec<&str> = name.split('_').collect();
        let labels: Vec<&str> = metric.labels.iter().map(|label| label.name).collect();
        let is_plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let table = [
            (!name.starts_with("foxhold_"), "not ours"),
            (!is_plain(name), "not in snake case"),
            (is_counter != name.ends_with("_total"), "_total is for counters"),
            (
                !is_counter && !UNITS.iter().any(|unit| name.ends_with(unit)),
                "no unit",
            ),
            (
                ["_count", "_sum", "_bucket"]
                    .iter()
                    .any(|end| name.ends_with(end)),
                "an end that histograms have",
            ),
            (
                words.iter().any(|word| ABBREVIATIONS.contains(word)),
                "a unit cut short",
            ),
            (
                ["counter", "gauge", "histogram", "summary"]
                    .iter()
                    .any(|kind| words.contains(kind)),
                "its kind in its name",
            ),
            (metric.help.is_empty() || !metric.help.ends_with('.'), "no help"),
            (
                metric.help.contains(['\n', '\\', '|']),
                "help that does not fit a line",
            ),
            (
                !labels.iter().all(|label| is_plain(label)),
                "a label not in snake case",
            ),
            (
                labels
                    .iter()
                    .any(|label| ["le", "quantile", "job", "instance"].contains(label)),
                "a label that Prometheus keeps for itself",
            ),
            (
                labels.iter().collect::<BTreeSet<_>>().len() != labels.len(),
                "a label twice",
            ),
        ];
        table.into_iter().find_map(|(is_so, what)| is_so.then_some(what))
    }

    #[test]
    fn names_are_as_prometheus_wants_them() {
        for metric in all() {
            assert_eq!(fault(metric), None, "{}", metric.name);
        }
        let names: BTreeSet<_> = all().iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), all().len(), "each name once");
    }

    #[test]
    fn bad_names_are_found() {
        let table = [
            ("other_requests_total", Kind::Counter, "not ours"),
            ("foxhold_Requests_total", Kind::Counter, "not in snake case"),
            ("foxhold_requests", Kind::Counter, "_total is for counters"),
            ("foxhold_requests_total", Kind::Gauge, "_total is for counters"),
            ("foxhold_wait_ms", Kind::Gauge, "no unit"),
            ("foxhold_wait_ms_seconds", Kind::Gauge, "a unit cut short"),
            ("foxhold_gauge_seconds", Kind::Gauge, "its kind in its name"),
        ];
        for (name, kind, expected) in table {
            let metric = Metric {
                name,
                kind,
                labels: &[],
                help: "Some.",
            };
            assert_eq!(fault(&metric), Some(expected), "{name}");
        }
    }

    fn values(label: &Label) -> String {
        match label.values {
            Values::Of(values) => values
                .iter()
                .map(|value| format!("`{value}`"))
                .collect::<Vec<_>>()
                .join(", "),
            Values::Named(what) => what.to_owned(),
        }
    }

    /// The rows of the documentation's tables, as they must be.
    fn rows() -> BTreeSet<String> {
        let of_metric = |metric: &&Metric| {
            let labels = metric.labels.iter().map(|label| format!("`{}`", label.name));
            let labels = labels.collect::<Vec<_>>().join(", ");
            let labels = if labels.is_empty() {
                "–".to_owned()
            } else {
                labels
            };
            format!(
                "| `{}` | {} | {labels} | {} |",
                metric.name,
                metric.kind.as_str(),
                metric.help
            )
        };
        let of_label = |metric: &&'static Metric| {
            let name = metric.name;
            let of_label =
                move |label: &Label| format!("| `{name}` | `{}` | {} |", label.name, values(label));
            metric.labels.iter().map(of_label)
        };
        let metrics = all();
        metrics
            .iter()
            .map(of_metric)
            .chain(metrics.iter().flat_map(of_label))
            .collect()
    }

    #[test]
    fn the_documentation_lists_every_metric_and_every_label_as_they_are() {
        let text = include_str!("../../../../docs/metrics.md");
        let told: BTreeSet<String> = text
            .lines()
            .filter(|line| line.starts_with("| `foxhold_"))
            .map(str::to_owned)
            .collect();
        let rows = rows();
        let missing: Vec<_> = rows.difference(&told).collect();
        let unknown: Vec<_> = told.difference(&rows).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "docs/metrics.md lacks {missing:#?}\nand has {unknown:#?}"
        );
    }
}
