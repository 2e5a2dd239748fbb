//! Reading Rust source as far as routes and handlers need it: text in brackets, and functions by name. Leans on rustfmt: a
//! function ends with the first brace that stands as far left as it began.

/// What stands between the bracket that `text` begins with and its partner, without both.
pub(crate) fn bracketed(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut in_text = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => in_text = !in_text,
            b'(' | b'[' | b'{' if !in_text => depth += 1,
            b')' | b']' | b'}' if !in_text => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return text.get(1..at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Without what is written for people or for tests, and without blanks.
pub(crate) fn dense(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect()
}

/// The body of the function of that name, dense.
pub(crate) fn function(source: &str, name: &str) -> Option<String> {
    let starts = [format!("fn {name}("), format!("fn {name}<")];
    let at = starts.iter().find_map(|start| source.find(start))?;
    let end = source[at..].find("\n}").map_or(source.len(), |end| at + end);
    Some(dense(&source[at..end]))
}

/// Splits at commas that stand in no bracket.
pub(crate) fn arguments(text: &str) -> Vec<&str> {
    let (mut found, mut depth, mut begin) = (Vec::new(), 0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                found.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[begin..]);
    found.retain(|part| !part.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_arguments() {
        assert_eq!(bracketed("(a(b)\")\",c)d"), Some("a(b)\")\",c"));
        assert_eq!(bracketed("(a"), None);
        assert_eq!(arguments("a,b(c,d),"), ["a", "b(c,d)"]);
    }

    #[test]
    fn functions_end_where_they_end() {
        let source = "/// x\nfn a(x: u8) {\n    // no\n    if x {\n    }\n}\n\nfn b<T>() {\n    c\n}\n";
        assert_eq!(function(source, "a").unwrap(), "fna(x:u8){ifx{}");
        assert_eq!(function(source, "b").unwrap(), "fnb<T>(){c");
        assert_eq!(function(source, "c"), None);
    }
}
