//! The code generated from `proto/` by `cargo xtask protos`, one module per package. Only this crate names it.

macro_rules! generated {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {$(
        $(#[$doc])*
        #[allow(
            missing_docs,
            unreachable_pub,
            clippy::all,
            clippy::pedantic,
            clippy::disallowed_methods,
            reason = "generated code; its words come from the protos"
        )]
        pub(crate) mod $name {
            include!($file);
        }
    )*};
}

generated! {
    /// `foxhold.dbwriter.v1`
    dbwriter = "gen/foxhold.dbwriter.v1.rs";
    /// `foxhold.keysigner.v1`
    keysigner = "gen/foxhold.keysigner.v1.rs";
    /// `foxhold.stretcher.v1`
    stretcher = "gen/foxhold.stretcher.v1.rs";
}

include!("gen/methods.rs");
