//! The texts of the repository: every error number that an answer can point to has its section, every relative link
//! leads somewhere, and every call that `docs/api.md` lists is one the code has.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use foxhold_core::ErrorCode;

/// Numbers that only the OAuth calls without `oauth/` use (`accounts.md`, Errors, last paragraph).
const OAUTH_ONLY: [u16; 3] = [117, 118, 119];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All texts, without what is built or hidden.
fn texts() -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() && !name.starts_with('.') && !matches!(&*name, "target" | "node_modules") {
                folders.push(path);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// What the links of a text point to. Code in fences and backquotes has no links.
fn links(text: &str) -> Vec<String> {
    let mut in_fence = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for after in prose.split("](").skip(1) {
            found.extend(after.split(')').next().map(str::to_owned));
        }
    }
    found
}

/// The anchors of a text: its headings as they are rendered, and those set by hand.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let of_headings = headings.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().replace(' ', "-")
    });
    let by_hand = text.split("<a id=\"").skip(1);
    let by_hand = by_hand.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    of_headings.chain(by_hand).collect()
}

#[test]
fn every_error_number_has_its_section() {
    let text = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let anchors = anchors(&text);
    let numbers = ErrorCode::ALL.iter().map(|code| code.number()).chain(OAUTH_ONLY);
    for number in numbers {
        let wanted = format!("error-{number}");
        let count = anchors.iter().filter(|anchor| **anchor == wanted).count();
        assert_eq!(count, 1, "docs/api.md: {wanted}");
    }
}

#[test]
fn every_status_in_the_sections_is_the_one_sent() {
    let text = fs::read_to_string(root().join("docs/api.md")).unwrap();
    for code in ErrorCode::ALL {
        let start = format!("### Error {}\n\nHTTP {}. ", code.number(), code.http_status());
        assert!(text.contains(&start), "docs/api.md lacks {start:?}");
    }
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    for path in texts().unwrap() {
        let text = fs::read_to_string(&path).unwrap();
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap().join(file)
            };
            let leads = target.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&target).unwrap())
                        .iter()
                        .any(|a| a == anchor));
            if !leads {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_account_and_oauth_route_is_listed() {
    let routes = fs::read_to_string(root().join("services/webhead/src/routes.rs")).unwrap();
    let text = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let paths = routes
        .split('"')
        .filter_map(|part| part.strip_prefix("/v1"))
        .collect::<Vec<_>>();
    assert!(paths.len() > 30, "the routes are no longer written in routes.rs");
    for path in paths {
        assert!(
            text.contains(&format!(" {path}`")) || text.contains(&format!("`{path}`")),
            "docs/api.md: {path}"
        );
    }
}

#[test]
fn links_and_anchors_are_found() {
    let text = "# A Title: with `code`\n[a](b.md#c) `[no](x.md)`\n```\n[no](y.md)\n```\n<a id=\"by-hand\"></a>[d](#e)";
    assert_eq!(links(text), ["b.md#c", "#e"]);
    assert_eq!(anchors(text), ["a-title-with-code", "by-hand"]);
}
