//! Text from plugins and servers, made safe to print.

/// `text` on one line, with control characters (terminal escapes, newlines, bidirectional overrides) shown as `\u{..}`
/// escapes, and cut at `limit` bytes with an ellipsis.
pub fn clean_line(text: &str, limit: usize) -> String {
    clean(text, limit, |_| false)
}

/// Like [`clean_line`], but newlines and tabs stay.
pub fn clean_paragraph(text: &str, limit: usize) -> String {
    clean(text, limit, |character| matches!(character, '\n' | '\t'))
}

/// A log's own text, whose control characters the logger escapes and whose colours are its own: without the marks that
/// reorder or hide.
pub fn clean_log(text: &str) -> String {
    clean(text, usize::MAX, char::is_control)
}

fn clean(text: &str, limit: usize, kept: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for character in text.chars() {
        if out.len() + character.len_utf8() > limit {
            out.push('…');
            break;
        }
        if kept(character) || !is_unprintable(character) {
            out.push(character);
        } else if matches!(character, '\n' | '\r' | '\t') {
            out.push(' ');
        } else {
            out.extend(character.escape_unicode());
        }
    }
    out
}

/// `1 run`, `2 runs`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// Control characters, and the marks that reorder or hide the text around them.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey_is_left() {
        for (text, clean) in [
            ("plain", "plain"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("two\nlines", "two lines"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("größe", "größe"),
        ] {
            assert_eq!(clean_line(text, 100), clean);
        }
    }

    #[test]
    fn it_is_cut_at_a_character() {
        assert_eq!(clean_line("ääää", 5), "ää…");
        assert_eq!(clean_paragraph("a\nb", 100), "a\nb");
    }
}
