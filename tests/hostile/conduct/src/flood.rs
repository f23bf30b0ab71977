//! More of everything than anyone needs.

use crate::exports::taskhost::host::task::Failure;
use crate::taskhost::host::report::{self, Level, Step};
use crate::taskhost::host::{files, sql, tls};
use crate::{failed, finding};

pub(crate) fn run(case: &str) -> Option<Result<String, Failure>> {
    match case {
        "flood-stdout" => loop {
            println!("{}", "x".repeat(1000));
        },
        "flood-log" => loop {
            report::log(Level::Info, &"x".repeat(1000));
        },
        "flood-findings" => loop {
            report::add_finding(&finding("again"));
        },
        "flood-progress" => loop {
            report::progress(&Step { done: 1, total: None, message: "x".repeat(1000) });
        },
        "long-summary" => return Some(Ok("x".repeat(10 << 20))),
        "leak-databases" => {
            for number in 0..100_000 {
                match sql::open("database") {
                    Ok(database) => std::mem::forget(database),
                    Err(error) => return Some(Err(failed(format!("{number}: {error:?}")))),
                }
            }
        }
        "leak-directories" => {
            for number in 0..100_000 {
                match files::open("directory") {
                    Ok(directory) => std::mem::forget(directory),
                    Err(error) => return Some(Err(failed(format!("{number}: {error:?}")))),
                }
            }
        }
        // Each asks for a slot with a name of 1 MiB; the journal keeps what was refused.
        "long-slot-names" => {
            let name = "x".repeat(1 << 20);
            for _ in 0..500 {
                drop(tls::endpoints(&name));
                drop(sql::open(&name));
                drop(files::open(&name));
            }
        }
        "huge-string" => {
            let here = std::hint::black_box(finding("a text"));
            // SAFETY: none: that is the case. What the host is told of does not exist.
            let text = unsafe {
                let bytes = std::slice::from_raw_parts(here.title.as_ptr(), i32::MAX as usize);
                std::str::from_utf8_unchecked(bytes)
            };
            report::log(Level::Info, text);
        }
        "wrong-utf8" => {
            let bytes = std::hint::black_box([0xff_u8, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]);
            // SAFETY: none: that is the case. The host is told that these bytes are text.
            report::log(Level::Info, unsafe { std::str::from_utf8_unchecked(&bytes) });
        }
        _ => return None,
    }
    Some(Ok(case.into()))
}
