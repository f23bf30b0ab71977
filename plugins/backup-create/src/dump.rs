//! A dump: what a program writes, stored as it comes, if it is whole.

use backup_files::form;
use taskhost_sdk::command::{self, Running};
use taskhost_sdk::files::WriteMode;
use taskhost_sdk::prelude::*;

use crate::ending::{self, Watch};
use crate::name::{self, Content};
use crate::outcome::{NotMade, Wrong, not_made, unwritten};
use crate::template::Chosen;
use crate::{DUMP, Job, Made};

/// Bytes by which it is told what a program writes: a tar has its mark in the first 512.
const HEAD: usize = 512;
/// How often it is told how far it is, in bytes.
const STEP: u64 = 64 << 20;

/// Stores a dump under its name, or leaves nothing.
pub(crate) async fn dump(job: &Job<'_>, chosen: &Chosen) -> Result<Made, NotMade> {
    let command = DUMP.template(&chosen.template);
    let command = chosen.values.iter().fold(command, |command, (name, value)| command.with(name, value));
    let started = command.start().await.map_err(|error| match error {
        command::Error::Invalid(message) => NotMade::Stopped(Failure::invalid(message)),
        error => failed(&error),
    })?;
    // A template that observes is run in a rehearsal, too.
    let mut running = started.ok_or_else(|| failed(&command::Error::Invalid("it is not run in a plan".into())))?;
    let (mut head, mut over) = (Vec::new(), false);
    while head.len() < HEAD && !over {
        match running.next(Vec::new()).await {
            Some(piece) => head.extend_from_slice(&piece),
            None => over = true,
        }
    }
    if head.is_empty() {
        ended(running).await?;
        return Err(Wrong::new(
            "dump is empty",
            format!("template `{}` wrote nothing and ended with success", chosen.template),
            "let its program write the dump to standard output, not into a file",
        )
        .into());
    }
    let form = form(&head);
    let content = Content::of(form);
    if content == Content::Opaque && form == backup_files::Form::Compressed && job.options.require_end {
        return Err(Wrong::new(
            "dump is compressed by its own program",
            "what is in it, and whether it is whole, cannot be told on the way",
            "leave the compression to this task (pg_dump --compress=0), or say require-end=false",
        )
        .into());
    }
    let (path, codec) = content.file(&job.options.name, &job.stamp, job.options.compress);

    let mut verdict = None;
    let (found, require_end) = (&mut verdict, job.options.require_end);
    let stored = job.backups.write_with(&path, WriteMode::Create, codec, async move |file| {
        let mut watch = (content == Content::Sql).then(Watch::default);
        let (mut bytes, mut told) = (0, 0);
        let mut next = Some(head);
        while let Some(piece) = next {
            bytes += piece.len() as u64;
            if let Some(watch) = &mut watch {
                watch.add(&piece);
            }
            let buffer = file.write(piece).await?;
            if bytes - told >= STEP {
                told = bytes;
                progress(bytes, None, "dumping");
            }
            // A stream that has ended is not to be asked again.
            next = if over { None } else { running.next(buffer).await };
        }
        // The file is not one until this returns: what is wrong with the dump leaves none.
        let judged = match ended(running).await {
            Err(not_made) => Err(not_made),
            Ok(()) => match watch {
                Some(watch) => ending::judge(watch.finish(), require_end).map_err(NotMade::from),
                None => Ok(name::what(form).to_owned()),
            },
        };
        let failed = judged.is_err();
        *found = Some(judged.map(|what| (what, bytes)));
        if failed { Err(Failure::new("the dump is not whole")) } else { Ok(()) }
    });
    let stored = stored.await;
    match (verdict, stored) {
        (Some(Err(not_made)), _) => Err(not_made),
        (Some(Ok((what, content))), Ok(written)) => {
            let what = format!("{what} of {}", taskhost_sdk::words::size(content));
            Ok(Made { path, written, content, what })
        }
        (_, Err(failure)) => Err(unwritten(failure)),
        (None, Ok(_)) => Err(unwritten(Failure::new("the host took less than all of it"))),
    }
}

/// How the program ended.
async fn ended(running: Running) -> Result<(), NotMade> {
    let ended = running.finish().await.map_err(|error| failed(&error))?;
    if !ended.success() {
        return Err(Wrong::new("dump failed", ended.to_string(), REMEDY).into());
    }
    if let Some(words) = ended.last_words() {
        log::warn(format!("the dump succeeded, and said: {words}"));
    }
    Ok(())
}

const REMEDY: &str =
    "see what its program says: the server, the role's rights, the template's limits; nothing is left of it";

fn failed(error: &command::Error) -> NotMade {
    not_made("dump failed", REMEDY, error.clone())
}
