//! The spans of what is asked of the file: which operation, and nothing of what it is about.

use std::any::type_name;

use foxhold_core::TRACES;
use foxhold_ports::IntentKind;
use tracing::Span;

/// Of a read, which is called as the method is that asks it.
pub(crate) fn read<F>(_look: &F) -> Span {
    tracing::info_span!(
        target: TRACES,
        "store",
        otel.name = %format_args!("sqlite {}", operation(type_name::<F>())),
        otel.kind = "client",
        db.system.name = "sqlite",
        db.operation.name = operation(type_name::<F>()),
    )
}

/// Of an intent.
pub(crate) fn intent(kind: IntentKind) -> Span {
    tracing::info_span!(
        target: TRACES,
        "store",
        otel.name = %format_args!("sqlite {kind:?}"),
        otel.kind = "client",
        db.system.name = "sqlite",
        db.operation.name = ?kind,
    )
}

/// The method around a closure, or a function and its module, by the name that the compiler gives its type.
fn operation(name: &'static str) -> &'static str {
    let around = name.trim_end_matches("::{{closure}}");
    let parts = if around == name { 2 } else { 1 };
    let begins = around.rmatch_indices("::").nth(parts - 1);
    let operation = begins.map_or(around, |(at, separator)| &around[at + separator.len()..]);
    operation.split_once('<').map_or(operation, |(bare, _)| bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<F>(_look: &F) -> &'static str {
        operation(type_name::<F>())
    }

    #[tokio::test]
    async fn a_read_is_called_as_its_method_is() {
        let asked = async { of(&|| ()) };
        assert_eq!(asked.await, "a_read_is_called_as_its_method_is");
        assert_eq!(of(&intent), "spans::intent");
        assert_eq!(operation("alone"), "alone");
        let of_trait = "<a::Reader as b::AccountReader>::account<'_, '_>::{{closure}}::{{closure}}";
        assert_eq!(operation(of_trait), "account");
    }
}
