//! What forms do: told to the service with the name of whoever sent them, then led on to where it can be seen.

use super::{Answer, Call, checklist, links, see};
use crate::bundle::Kind;
use crate::gate::Mode;
use crate::plugin::description::Parameter;
use crate::web::failure::Failure;

type Fields = Vec<(String, String)>;

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.iter().find(|(named, _)| named == name).map_or("", |(_, value)| value)
}

fn kind(word: &str) -> Option<Kind> {
    [Kind::Daily, Kind::Weekly, Kind::Monthly, Kind::Quarterly].into_iter().find(|kind| kind.name() == word)
}

pub(super) async fn tick(mut call: Call) -> Answer {
    let served = call.served()?;
    let fields = call.form().await?;
    let item = checklist::find(&served, field(&fields, "title"), kind(field(&fields, "kind"))).await?;
    // Who was second sees who was first.
    checklist::tick(&served, &item, call.by(), Some(field(&fields, "note"))).await?;
    see(&links::of(&served.name, "calendar"))
}

pub(super) async fn untick(mut call: Call) -> Answer {
    let served = call.served()?;
    let fields = call.form().await?;
    let item = checklist::find(&served, field(&fields, "title"), kind(field(&fields, "kind"))).await?;
    checklist::untick(&served, &item, call.by()).await?;
    see(&links::of(&served.name, "calendar"))
}

/// What is to be told beside what the bundle says: what is as it was, or empty, is not.
fn arguments(parameters: &[Parameter], own: &[(String, String)], fields: &Fields) -> Vec<(String, String)> {
    let told = parameters.iter().filter_map(|parameter| {
        let given = fields.iter().find(|(name, _)| name.strip_prefix("p.") == Some(parameter.name.as_str()));
        let given = given.map(|(_, value)| value.trim())?;
        let was = value_now(parameter, own);
        (!given.is_empty() && was.as_deref() != Some(given)).then(|| (parameter.name.clone(), given.to_owned()))
    });
    told.collect()
}

/// What it is told by the bundle, or else by itself.
pub(super) fn value_now(parameter: &Parameter, own: &[(String, String)]) -> Option<String> {
    let given = own.iter().find(|(name, _)| *name == parameter.name).map(|(_, value)| value.clone());
    given.or_else(|| parameter.default.as_ref().map(ToString::to_string))
}

pub(super) async fn run(mut call: Call) -> Answer {
    let served = call.served()?;
    let task = call.task(&served)?;
    let fields = call.form().await?;
    let mode = match field(&fields, "mode") {
        "perform" => Mode::Perform,
        "rehearse" => Mode::Rehearse,
        _ => return Err(Failure::invalid("`mode` is `perform` or `rehearse`")),
    };
    let told = {
        let loaded = served.service.loaded();
        let (own, armed) = loaded.task(&task).ok_or_else(|| Failure::not_found("the bundle has no such task"))?;
        arguments(&armed.plugin.description().parameters, &own.arguments, &fields)
    };
    let run = served.service.run(&task, call.by(), mode, told).await.map_err(Failure::invalid)?;
    see(&links::run(&served.name, &run))
}

pub(super) async fn pause(call: Call) -> Answer {
    set_paused(call, true).await
}

pub(super) async fn resume(call: Call) -> Answer {
    set_paused(call, false).await
}

async fn set_paused(mut call: Call, paused: bool) -> Answer {
    let served = call.served()?;
    let task = call.task(&served)?;
    call.form().await?;
    served.service.pause(&task, paused, call.by()).await.map_err(Failure::conflict)?;
    see(&links::task(&served.name, &task))
}

pub(super) async fn drop_waiting(mut call: Call) -> Answer {
    let served = call.served()?;
    let task = call.task(&served)?;
    call.form().await?;
    served.service.drop_waiting(&task, call.by()).await.map_err(Failure::conflict)?;
    see(&links::task(&served.name, &task))
}

pub(super) async fn cancel(mut call: Call) -> Answer {
    let served = call.served()?;
    call.form().await?;
    let id = call.param("id").to_owned();
    served.service.cancel(&id, call.by()).await.map_err(Failure::conflict)?;
    see(&links::run(&served.name, &id))
}

pub(super) async fn reload(mut call: Call) -> Answer {
    let served = call.served()?;
    call.form().await?;
    served.service.reload(call.by()).await.map_err(Failure::conflict)?;
    see(&links::of(&served.name, "events"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::description::{ParameterType, Value};

    #[test]
    fn only_what_is_other_is_told() {
        let parameter = |name: &str, default: Option<i64>| Parameter {
            name: name.into(),
            kind: ParameterType::Integer,
            summary: String::new(),
            default: default.map(Value::Integer),
            required: false,
            minimum: None,
            maximum: None,
        };
        let parameters = [parameter("a", Some(1)), parameter("b", None), parameter("c", Some(3))];
        let own = [("c".to_owned(), "4".to_owned())];
        for (fields, told) in [
            (&[("p.a", "1"), ("p.b", ""), ("p.c", "4")][..], &[][..]),
            (&[("p.a", "2"), ("p.c", "3")], &[("a", "2"), ("c", "3")]),
            (&[("p.b", " 5 "), ("b", "6"), ("p.unknown", "7")], &[("b", "5")]),
        ] {
            let owned =
                |pairs: &[(&str, &str)]| -> Fields { pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect() };
            assert_eq!(arguments(&parameters, &own, &owned(fields)), owned(told));
        }
    }
}
