//! The table of addresses: which are taken, and which share a key.

use super::*;

fn key(typed: &str) -> Option<String> {
    Address::parse(typed)
        .ok()
        .map(|address| address.key().as_str().to_owned())
}

#[test]
fn keys_of_addresses_that_are_taken() {
    let table = [
        ("plain", "alice@example.test", "alice@example.test"),
        ("case", "Alice@Example.TEST", "alice@example.test"),
        (
            "all allowed signs",
            ".!#$%&'*+/=?^_`{|}~-@example.test",
            ".!#$%&'*+/=?^_`{|}~-@example.test",
        ),
        (
            "plus tag stays",
            "alice+tag@example.test",
            "alice+tag@example.test",
        ),
        ("dots stay", "a.l.i.ce@example.test", "a.l.i.ce@example.test"),
        (
            "accents in the local part",
            "André@example.org",
            "andré@example.org",
        ),
        (
            "decomposed accents",
            "Andre\u{301}@example.org",
            "andré@example.org",
        ),
        ("domain as U-label", "a@bücher.example", "a@xn--bcher-kva.example"),
        (
            "domain as A-label",
            "a@XN--BCHER-KVA.example",
            "a@xn--bcher-kva.example",
        ),
        (
            "decomposed domain",
            "a@bu\u{308}cher.example",
            "a@xn--bcher-kva.example",
        ),
        (
            "full-width letters",
            "ａｌｉｃｅ@example.test",
            "alice@example.test",
        ),
        ("full-width domain", "a@ｅｘａｍｐｌｅ.test", "a@example.test"),
        (
            "ideographic full stop",
            "a@example\u{3002}example.test",
            "a@example.example.test",
        ),
        ("Kelvin sign", "\u{212a}elvin@example.test", "kelvin@example.test"),
        ("Angstrom sign", "\u{212b}ke@example.test", "åke@example.test"),
        ("long s", "\u{17f}am@example.test", "sam@example.test"),
        ("ligature", "\u{fb01}ne@example.test", "fine@example.test"),
        (
            "dotless i stays itself",
            "ılgaz@example.test",
            "ılgaz@example.test",
        ),
        (
            "capital I is i in any locale",
            "ILGAZ@example.test",
            "ilgaz@example.test",
        ),
        (
            "sharp s stays itself",
            "strauß@example.test",
            "strauß@example.test",
        ),
        ("capital sharp s", "STRAUẞ@example.test", "strauß@example.test"),
        ("ss stays itself", "STRAUSS@example.test", "strauss@example.test"),
        (
            "sharp s in the domain",
            "a@strauß.example",
            "a@xn--strau-pqa.example",
        ),
        ("Greek, final sigma", "ΟΔΟΣ@example.test", "οδοσ@example.test"),
        ("Greek, typed small", "οδος@example.test", "οδοσ@example.test"),
        ("Cyrillic", "ИВАН@example.test", "иван@example.test"),
        ("Cyrillic domain", "иван@почта.рф", "иван@xn--80a1acny.xn--p1ai"),
        (
            "Japanese mix",
            "さくら桜サクラ@example.test",
            "さくら桜サクラ@example.test",
        ),
        ("digits", "123@123.example", "123@123.example"),
        (
            "64 in the local part",
            &format!("{}@e.test", "a".repeat(64)),
            &format!("{}@e.test", "a".repeat(64)),
        ),
        (
            "percent without control",
            "a%b%zz%7@example.test",
            "a%b%zz%7@example.test",
        ),
    ];
    for (name, typed, expected) in table {
        assert_eq!(key(typed).as_deref(), Some(expected), "{name}");
        assert_eq!(
            key(expected).as_deref(),
            Some(expected),
            "{name}: a key is its own key"
        );
    }
}

#[test]
fn addresses_that_are_refused() {
    let long_domain = format!("a@{}.test", "a.".repeat(130).trim_end_matches('.'));
    let long_local = format!("{}@example.test", "a".repeat(65));
    let table = [
        ("empty", ""),
        ("no at", "alice.example.test"),
        ("two ats", "a@b@example.test"),
        ("no local part", "@example.test"),
        ("no domain", "alice@"),
        ("no dot in the domain", "alice@localhost"),
        ("65 in the local part", &long_local),
        ("too long", &long_domain),
        ("carriage return", "a\r@example.test"),
        ("line feed and header", "a@example.test\nBcc: b@example.test"),
        ("encoded CR LF", "a%0d%0ab@example.test"),
        ("encoded LF, upper case", "a%0A@example.test"),
        ("encoded NUL", "a%00@example.test"),
        ("NUL", "a\0@example.test"),
        ("comma", "a,b@example.test"),
        ("semicolon", "a;b@example.test"),
        ("blank", "a b@example.test"),
        ("quoted", "\"a b\"@example.test"),
        ("comment", "a(comment)@example.test"),
        ("display name", "Alice <alice@example.test>"),
        ("brackets", "<alice@example.test>"),
        ("full-width at", "alice＠example.test"),
        ("full-width at beside a true one", "a＠b@example.test"),
        ("full-width comma", "a，b@example.test"),
        ("zero-width space", "ali\u{200b}ce@example.test"),
        ("zero-width joiner in the domain", "a@exam\u{200d}ple.test"),
        ("byte order mark", "\u{feff}alice@example.test"),
        ("right-to-left override", "a\u{202e}b@example.test"),
        ("left-to-right mark in the domain", "a@exam\u{200e}ple.test"),
        ("soft hyphen", "ali\u{ad}ce@example.test"),
        ("Cyrillic a in Latin", "\u{430}lice@example.test"),
        ("Greek o in a Latin domain", "a@examp\u{3bf}le.test"),
        ("all Cyrillic, looks Latin", "\u{440}\u{430}\u{443}@example.test"),
        (
            "all Cyrillic label, looks Latin",
            "a@\u{430}\u{440}\u{440}\u{4cf}\u{435}.test",
        ),
        ("its A-label", "a@xn--80ak6aa92e.com"),
        ("broken A-label", "a@xn--\u{e4}.test"),
        ("private use", "a\u{e000}@example.test"),
        ("emoji", "\u{1f98a}@example.test"),
        ("empty label", "a@example..test"),
        ("trailing dot", "a@example.test."),
        ("leading hyphen", "a@-example.test"),
        ("underscore in the domain", "a@exa_mple.test"),
        ("address literal", "a@[127.0.0.1]"),
        (
            "label of 64",
            "a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test",
        ),
    ];
    for (name, typed) in table {
        assert_eq!(key(typed), None, "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn a_key_is_its_own_key(typed in "[\\PC]{1,20}@[a-zA-Zäöß.]{3,20}") {
        if let Some(once) = key(&typed) {
            proptest::prop_assert_eq!(key(&once), Some(once));
        }
    }
}
