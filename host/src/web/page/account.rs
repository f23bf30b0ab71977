//! Signing in and out.

use std::time::Instant;

use axum::http::header::{HeaderValue, SET_COOKIE};
use maud::html;
use serde::Deserialize;

use super::{Answer, Call, Frame, links, see};
use crate::web::auth::IDLE;
use crate::web::auth_digest;
use crate::web::failure::Failure;
use crate::web::gate::How;

#[derive(Deserialize)]
struct To {
    #[serde(default)]
    to: String,
}

pub(super) async fn ask(call: Call) -> Answer {
    let To { to } = call.query()?;
    let frame = Frame::of(&call);
    if !frame.tokens {
        return Err(Failure::forbidden(
            "this host was started without tokens: there is nobody to sign in as; everybody who reaches it may look",
        ));
    }
    let body = html! {
        section.sign-in {
            h1 { "Sign in" }
            form method="post" action="/sign-in" {
                (frame.token())
                input type="hidden" name="to" value=(links::own(&to));
                label for="token" { "Token" }
                input #token type="password" name="token" required autocomplete="current-password" autofocus;
                button.strong { "Sign in" }
            }
            p.quiet { "Whoever keeps this host makes one with " code { "host token add NAME --tokens FILE" } "." }
        }
    };
    Ok(frame.show("Sign in", "-", &body))
}

pub(super) async fn sign_in(mut call: Call) -> Answer {
    let gate = &call.site.clone().gate;
    let address = call.caller.address;
    gate.check_limit(address)?;
    // A session that there is already is left for the new one: its form may be any page's of ours.
    let fields = call.form().await?;
    let field = |name: &str| fields.iter().find(|(named, _)| named == name).map_or("", |(_, value)| value.as_str());
    let digest = auth_digest(field("token").trim());
    let Some(person) = gate.tokens_now().and_then(|tokens| tokens.whose(&digest)) else {
        gate.failed(address);
        return Err(Failure::unauthorized("that token is none that this host knows; it may have been taken away"));
    };
    if let How::Session(id) = &call.caller.how {
        gate.sessions.end(id);
    }
    let id = gate.sessions.begin(digest, Instant::now()).map_err(|error| Failure::internal(&error))?;
    for served in &call.site.bundles {
        served.service.signed_in(&person.name, &format!("as {}, from {address}", person.role.name())).await;
    }
    let mut response = see(links::own(field("to")))?;
    set_cookie(&mut response, gate.cookie(), &id, IDLE.as_secs(), gate.secure())?;
    Ok(response)
}

pub(super) async fn sign_out(mut call: Call) -> Answer {
    call.form().await?;
    let gate = &call.site.gate;
    if let How::Session(id) = &call.caller.how {
        gate.sessions.end(id);
    }
    let mut response = see("/sign-in")?;
    set_cookie(&mut response, gate.cookie(), "", 0, gate.secure())?;
    Ok(response)
}

fn set_cookie(
    response: &mut axum::response::Response,
    name: &str,
    value: &str,
    seconds: u64,
    secure: bool,
) -> Result<(), Failure> {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::from_str(&cookie).map_err(|error| Failure::internal(&error))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(())
}
