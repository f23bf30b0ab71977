//! Verdicts as the XML that CI systems read, in the form that came from `JUnit`: one test suite a file of cases.

use std::fmt::Write as _;

use super::verdict::{State, Verdict};

/// All of them.
pub(crate) fn junit(plugin: &str, verdicts: &[Verdict], seconds: f64) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" {} time=\"{seconds:.3}\">",
        escaped(plugin),
        counts(verdicts.iter().collect::<Vec<_>>().as_slice())
    );
    let mut files: Vec<&str> = Vec::new();
    for verdict in verdicts {
        if !files.contains(&verdict.file.as_str()) {
            files.push(&verdict.file);
        }
    }
    for file in files {
        let of_file: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.file == file).collect();
        let time: f64 = of_file.iter().map(|verdict| verdict.duration.as_secs_f64()).sum();
        let _ = writeln!(out, "  <testsuite name=\"{}\" {} time=\"{time:.3}\">", escaped(file), counts(&of_file));
        for verdict in of_file {
            test(&mut out, plugin, verdict);
        }
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
}

fn counts(verdicts: &[&Verdict]) -> String {
    let of = |word: &str| verdicts.iter().filter(|verdict| verdict.word() == word).count();
    format!("tests=\"{}\" failures=\"{}\" errors=\"{}\"", verdicts.len(), of("failed"), of("not run"))
}

fn test(out: &mut String, plugin: &str, verdict: &Verdict) {
    let _ = write!(
        out,
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3}\"",
        escaped(&verdict.name),
        escaped(plugin),
        escaped(&verdict.file),
        verdict.line,
        verdict.duration.as_secs_f64()
    );
    let (element, message, text) = match &verdict.state {
        State::Passed => {
            *out += "/>\n";
            return;
        }
        State::NotRun(reason) => ("error", reason.clone(), String::new()),
        State::Failed(_) => {
            let mut text = String::new();
            let mut about: Vec<&str> = Vec::new();
            for (run, mismatch) in verdict.mismatches() {
                let _ = writeln!(text, "run {run}: {}", mismatch.what);
                mismatch.expected.iter().for_each(|line| text += &format!("- {line}\n"));
                mismatch.found.iter().for_each(|line| text += &format!("+ {line}\n"));
                about.push(&mismatch.what);
            }
            ("failure", format!("not as expected: {}", about.join(", ")), text)
        }
    };
    let _ = writeln!(
        out,
        ">\n      <{element} message=\"{}\">{}</{element}>\n    </testcase>",
        escaped(&message),
        escaped(&text)
    );
}

/// A text for XML 1.0, in which most control characters cannot be written at all.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "&#10;",
            '\t' => out += "&#9;",
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                out.extend(character.escape_unicode());
            }
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_xml_is_escaped() {
        assert_eq!(escaped("a<b>&\"\n\u{1b}[1m\u{0}"), "a&lt;b&gt;&amp;&quot;&#10;\\u{1b}[1m\\u{0}");
    }
}
