//! Whole or not at all, at one place or at none.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use proptest::prelude::*;

const LIB: &str = "use std::fmt;\n\nfn one() {\n    go();\n}\n\nfn two() {\n    go();\n}\n";

/// The change on a base of `src/lib.rs` (`LIB`), `run.sh`, `raw.bin`.
fn applied(change: &ChangeFile) -> Result<Patched, Refusal> {
    apply(change, &|path| {
        Ok(match path {
            "src/lib.rs" => Some(LIB.as_bytes().to_vec()),
            "empty.txt" => Some(Vec::new()),
            "raw.bin" => Some(vec![0, 159, 146, 150]),
            _ => None,
        })
    })
}

fn diff(text: &str) -> Result<Patched, Refusal> {
    applied(&ChangeFile { diff: Some(text.to_owned()), ..ChangeFile::default() })
}

fn edits(edits: &[(&str, &str, &str)]) -> Result<Patched, Refusal> {
    let edits = edits.iter().map(|(path, search, replace)| Edit {
        path: (*path).to_owned(),
        search: (*search).to_owned(),
        replace: (*replace).to_owned(),
    });
    applied(&ChangeFile { edits: edits.collect(), ..ChangeFile::default() })
}

fn code_of<T: std::fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn a_diff_is_applied_at_the_only_place_that_it_fits() {
    for header in ["@@ -7,3 +7,3 @@", "@@ -1,3 +1,3 @@", "@@ -900,3 +900,3 @@ fn two()"] {
        let patch = format!(
            "--- a/src/lib.rs\n+++ b/src/lib.rs\n{header}\n fn two() {{\n-    go();\n+    stay();\n }}\n"
        );
        let patched = diff(&patch).unwrap();
        assert_eq!(
            patched.files["src/lib.rs"],
            LIB.replace("two() {\n    go", "two() {\n    stay")
        );
    }
}

#[test]
fn what_fits_twice_goes_where_the_header_says_or_nowhere() {
    let at = |line: usize| {
        diff(&format!(
            "--- src/lib.rs\n+++ src/lib.rs\n@@ -{line},2 +{line},2 @@\n-    go();\n+    stay();\n }}\n"
        ))
    };
    assert_eq!(at(4).unwrap().files["src/lib.rs"], LIB.replacen("    go();", "    stay();", 1));
    let second = at(8).unwrap().files["src/lib.rs"].clone();
    assert!(second.contains("one() {\n    go();") && second.contains("two() {\n    stay();"));
    assert_eq!(
        at(5),
        Err(Refusal::Ambiguous { path: "src/lib.rs".into(), hunk: 1, lines: vec![4, 8] })
    );
}

#[test]
fn hunks_keep_their_order() {
    let swapped = "--- a/src/lib.rs\n+++ b/src/lib.rs\n\
        @@ -3,2 +3,2 @@\n-fn two() {\n+fn zwei() {\n     go();\n\
        @@ -7,2 +7,2 @@\n-fn one() {\n+fn eins() {\n     go();\n";
    assert_eq!(code_of(diff(swapped)), "patch_does_not_apply");
}

#[test]
fn files_are_made_and_go() {
    let made = diff("--- /dev/null\n+++ b/src/new.rs\n@@ -0,0 +1,2 @@\n+one\n+two\n").unwrap();
    assert_eq!(made.files["src/new.rs"], "one\ntwo\n");
    let lines: String = LIB.lines().map(|line| format!("-{line}\n")).collect();
    let gone = format!("--- a/src/lib.rs\n+++ /dev/null\n@@ -1,9 +0,0 @@\n{lines}");
    assert_eq!(diff(&gone).unwrap().deleted, ["src/lib.rs"]);
    let part = "--- a/src/lib.rs\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-use std::fmt;\n";
    assert_eq!(code_of(diff(part)), "patch_does_not_apply");
    let delete = |path: &str| {
        applied(&ChangeFile { delete: vec![path.to_owned()], ..ChangeFile::default() })
    };
    assert_eq!(delete("src/lib.rs").unwrap().deleted, ["src/lib.rs"]);
    assert_eq!(code_of(delete("src/none.rs")), "patch_missing_file");
}

#[test]
fn the_end_of_a_file_without_a_newline_is_kept() {
    let patch =
        "--- a/empty.txt\n+++ b/empty.txt\n@@ -0,0 +1 @@\n+end\n\\ No newline at end of file\n";
    assert_eq!(diff(patch).unwrap().files["empty.txt"], "end");
}

#[test]
fn what_no_change_set_holds_is_refused() {
    let git = |headers: &str, body: &str| {
        diff(&format!("diff --git a/src/lib.rs b/src/lib.rs\n{headers}{body}"))
    };
    let body = "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1 +1 @@\n-use std::fmt;\n+use std::io;\n";
    assert_eq!(code_of(git("old mode 100644\nnew mode 100755\n", body)), "mode_change");
    assert_eq!(code_of(git("old mode 100644\nnew mode 100755\n", "")), "mode_change");
    assert_eq!(code_of(git("old mode 100644\nnew mode 120000\n", body)), "special_file");
    let new = |mode: &str| {
        diff(&format!(
            "diff --git a/sub b/sub\nnew file mode {mode}\nindex 0000000..1111111\n--- /dev/null\n\
             +++ b/sub\n@@ -0,0 +1 @@\n+x\n"
        ))
    };
    assert_eq!(code_of(new("160000")), "special_file");
    assert_eq!(code_of(new("120000")), "special_file");
    assert_eq!(code_of(new("100755")), "mode_change");
    assert_eq!(new("100644").unwrap().files["sub"], "x\n");
    let binary = "diff --git a/raw.bin b/raw.bin\nindex 1..2 100644\nBinary files a/raw.bin and b/raw.bin differ\n";
    assert_eq!(code_of(diff(binary)), "binary_file");
    assert_eq!(code_of(edits(&[("raw.bin", "a", "b")])), "binary_file");
    let whole = |path: &str, text: &str| {
        let files = [(path.to_owned(), text.to_owned())].into();
        applied(&ChangeFile { files, ..ChangeFile::default() })
    };
    assert_eq!(code_of(whole("a.txt", "nul\0")), "binary_file");
    assert_eq!(code_of(whole("raw.bin", "text")), "binary_file");
    let moved = "diff --git a/src/lib.rs b/src/new.rs\nsimilarity index 100%\nrename from src/lib.rs\nrename to src/new.rs\n";
    assert_eq!(code_of(diff(moved)), "patch_moves");
}

#[test]
fn a_diff_that_is_none_says_so() {
    for text in ["I would change the loop.", "diff --git a/x b/x\n", "@@ -1 +1 @@\n-a\n+b\n"] {
        let code = code_of(diff(text));
        assert!(matches!(code, "patch_unreadable" | "patch_missing_file"), "{text}: {code}");
    }
    let miscounted =
        "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1,7 +1,9 @@\n-use std::fmt;\n+use std::io;\n";
    assert_eq!(code_of(diff(miscounted)), "patch_unreadable");
    assert_eq!(
        code_of(diff("--- a/none.rs\n+++ b/none.rs\n@@ -1 +1 @@\n-a\n+b\n")),
        "patch_missing_file"
    );
    assert_eq!(
        code_of(diff("--- /dev/null\n+++ b/src/lib.rs\n@@ -0,0 +1 @@\n+a\n")),
        "patch_existing_file"
    );
    assert_eq!(
        code_of(diff("--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -3,0 +4 @@\n+fn new() {}\n")),
        "patch_ambiguous"
    );
}

#[test]
fn no_part_of_a_diff_is_passed_over() {
    let one = "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1 +1 @@\n-use std::fmt;\n+use std::io;\n";
    let parted = format!("{one}\n@@ -7 +7 @@\n-fn two() {{\n+fn zwei() {{\n");
    let mixed = format!(
        "{one}diff --git a/empty.txt b/empty.txt\n--- a/empty.txt\n+++ b/empty.txt\n@@ -0,0 +1 @@\n+x\n"
    );
    for text in [parted, mixed] {
        match diff(&text) {
            Ok(patched) => assert_eq!(patched.files.len(), 2, "{text}"),
            Err(refusal) => assert_eq!(refusal.code(), "patch_unreadable", "{text}"),
        }
    }
    let blank = "--- a/f\n+++ b/f\n@@ -900000 +900000 @@\n-\n+x\n";
    let change = ChangeFile { diff: Some(blank.to_owned()), ..ChangeFile::default() };
    let read = |_: &str| Ok::<_, Refusal>(Some(vec![b'\n'; 100_000]));
    let refused = apply(&change, &read).map(|_| ()).unwrap_err().to_string();
    assert!(refused.len() < 200);
}

#[test]
fn edits_find_exactly_one_place() {
    let patched = edits(&[
        ("src/lib.rs", "fn one() {\n    go();", "fn one() {\n    stay();"),
        ("src/lib.rs", "stay();", "wait();"),
    ]);
    let text = &patched.unwrap().files["src/lib.rs"];
    assert_eq!(text, &LIB.replacen("go", "wait", 1));
    assert_eq!(code_of(edits(&[("src/lib.rs", "go();", "stay();")])), "patch_ambiguous");
    assert_eq!(code_of(edits(&[("src/lib.rs", "absent", "x")])), "patch_does_not_apply");
    assert_eq!(code_of(edits(&[("src/lib.rs", "", "x")])), "patch_does_not_apply");
    assert_eq!(code_of(edits(&[("src/none.rs", "a", "x")])), "patch_missing_file");
    assert_eq!(occurrences("aaa", "aa"), 2);
}

#[test]
fn one_file_is_changed_in_one_way() {
    let change = ChangeFile {
        files: [("src/lib.rs".to_owned(), "new\n".to_owned())].into(),
        edits: vec![Edit {
            path: "src/lib.rs".into(),
            search: "use".into(),
            replace: "pub use".into(),
        }],
        ..ChangeFile::default()
    };
    assert_eq!(code_of(applied(&change)), "patch_twice");
    let twice = "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1 +1 @@\n-use std::fmt;\n+use std::io;\n";
    assert_eq!(code_of(diff(&format!("{twice}{twice}"))), "patch_twice");
}

#[test]
fn comments_alone_are_no_change() {
    assert_eq!(
        code_of(edits(&[("src/lib.rs", "fn two() {\n", "// Faster now.\n\nfn two() {\n")])),
        "comments_only"
    );
    edits(&[("src/lib.rs", "fn two() {\n", "// Faster.\nfn zwei() {\n")]).unwrap();
    edits(&[("src/lib.rs", "fn two() {\n", "//go:noinline\nfn two() {\n")]).unwrap();
    let whole = |text: &str| {
        let files = [("src/lib.rs".to_owned(), text.to_owned())].into();
        applied(&ChangeFile { files, ..ChangeFile::default() }).unwrap()
    };
    assert_eq!(whole(LIB), Patched::default());
}

proptest! {
    /// What `similar` makes of two texts, `apply` makes into the second again.
    #[test]
    fn a_diff_of_two_texts_leads_from_the_one_to_the_other(
        before in "([ab]{0,2}\n){0,12}[ab]{0,1}",
        after in "([ab]{0,2}\n){0,12}[ab]{0,1}",
        context in 0_usize..4,
    ) {
        let made = similar::TextDiff::from_lines(&before, &after)
            .unified_diff()
            .context_radius(context)
            .header("a/f", "b/f")
            .to_string();
        prop_assume!(!made.is_empty());
        let change = ChangeFile { diff: Some(made), ..ChangeFile::default() };
        let read = |_: &str| Ok(Some(before.clone().into_bytes()));
        match apply::<Refusal>(&change, &read) {
            Ok(patched) => prop_assert_eq!(&patched.files["f"], &after),
            // Without context a hunk may fit nowhere for certain; it never goes elsewhere.
            Err(refusal) => prop_assert!(matches!(
                refusal, Refusal::NoContext { .. } | Refusal::Ambiguous { .. }
            ), "{}", refusal),
        }
    }
}
