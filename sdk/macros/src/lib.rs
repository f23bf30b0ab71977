//! The macros of the Taskhost SDK; use them through `taskhost_sdk::prelude`.

mod parameters;
mod task;

use proc_macro::TokenStream;

/// Makes an async function the plugin's task. See the crate `taskhost_sdk`.
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, function: TokenStream) -> TokenStream {
    task::expand(attribute.into(), function.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct the plugin's parameters: one field a parameter, its documentation the summary.
#[proc_macro_derive(Parameters, attributes(parameter))]
pub fn parameters(input: TokenStream) -> TokenStream {
    parameters::expand(input.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an enum without fields the type of a parameter that is one of several words.
#[proc_macro_derive(Choice)]
pub fn choice(input: TokenStream) -> TokenStream {
    parameters::expand_choice(input.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// The name of a parameter or choice, as an operator writes it.
fn name(ident: &syn::Ident) -> syn::Result<String> {
    let name = kebab(&ident.to_string());
    // The host's rule for names.
    let good = name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if good {
        return Ok(name);
    }
    Err(syn::Error::new_spanned(
        ident,
        format!("`{name}` is no name that an operator can write: it needs a to z, 0 to 9 and `_`, and a letter first"),
    ))
}

/// `warn_days` or `WarnDays` as `warn-days`.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for character in name.trim_start_matches("r#").chars() {
        if character == '_' {
            out.push('-');
        } else if character.is_uppercase() {
            if !out.is_empty() {
                out.push('-');
            }
            out.extend(character.to_lowercase());
        } else {
            out.push(character);
        }
    }
    out
}

/// The first paragraph of a doc comment, on one line.
fn summary(attributes: &[syn::Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        if let syn::Meta::NameValue(syn::MetaNameValue {
            value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }),
            ..
        }) = &attribute.meta
        {
            // Not `lines`: the empty comment between two paragraphs has none.
            lines.extend(text.value().split('\n').map(|line| line.trim().to_owned()));
        }
    }
    let paragraph = lines.split(String::is_empty).find(|lines| !lines.is_empty());
    paragraph.unwrap_or_default().join(" ")
}
