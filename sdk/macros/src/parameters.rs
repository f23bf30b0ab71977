//! `#[derive(Parameters)]` and `#[derive(Choice)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Expr, ExprLit, ExprUnary, Fields, Lit, Result};

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "parameters are a struct with named fields"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "parameters are a struct with named fields"));
    };
    let (mut described, mut read) = (Vec::new(), Vec::new());
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let kind = &field.ty;
        let name = crate::kebab(&ident.to_string());
        let summary = crate::summary(&field.attrs);
        if summary.is_empty() {
            return Err(Error::new_spanned(ident, "document the parameter: operators read it in `host inspect`"));
        }
        let (mut default, mut minimum, mut maximum) = (quote!(None), quote!(None), quote!(None));
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("parameter")) {
            attribute.parse_nested_meta(|meta| {
                let value: Expr = meta.value()?.parse()?;
                if meta.path.is_ident("default") {
                    default = quote!(Some(<#kind as ::taskhost_sdk::parameters::ParameterValue>::value(#value)));
                } else if meta.path.is_ident("min") {
                    let bound = bound(&value)?;
                    minimum = quote!(Some(#bound));
                } else if meta.path.is_ident("max") {
                    let bound = bound(&value)?;
                    maximum = quote!(Some(#bound));
                } else {
                    return Err(meta.error("a parameter has `default`, `min` and `max`"));
                }
                Ok(())
            })?;
        }
        described.push(quote!(
            ::taskhost_sdk::parameters::describe::<#kind>(#name, #summary, #default, #minimum, #maximum)
        ));
        read.push(quote!(#ident: ::taskhost_sdk::parameters::take(&mut arguments, #name)?));
    }
    let (ident, (generics, type_generics, clause)) = (&input.ident, input.generics.split_for_impl());
    Ok(quote! {
        impl #generics ::taskhost_sdk::parameters::Parameters for #ident #type_generics #clause {
            fn describe() -> Vec<::taskhost_sdk::parameters::Parameter> {
                vec![#(#described),*]
            }

            fn from_arguments(
                mut arguments: Vec<::taskhost_sdk::parameters::Argument>,
            ) -> ::taskhost_sdk::Result<Self> {
                Ok(Self { #(#read),* })
            }
        }
    })
}

/// A number, or a text with a unit (`"1h"`, `"64KiB"`), as a bound.
fn bound(value: &Expr) -> Result<TokenStream> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(_) | Lit::Float(_), .. }) | Expr::Unary(ExprUnary { .. }) => {
            Ok(quote!((#value) as f64))
        }
        Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) => Ok(quote!(::taskhost_sdk::parameters::bound(#value))),
        other => Err(Error::new_spanned(other, "a bound is a number, or a text like \"1h\" or \"64KiB\"")),
    }
}

pub(crate) fn expand_choice(input: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "a choice is an enum"));
    };
    let (mut words, mut variants) = (Vec::new(), Vec::new());
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(variant, "a choice's variants have no fields"));
        }
        words.push(crate::kebab(&variant.ident.to_string()));
        variants.push(&variant.ident);
    }
    let ident = &input.ident;
    Ok(quote! {
        impl ::taskhost_sdk::parameters::Choice for #ident {
            const WORDS: &'static [&'static str] = &[#(#words),*];

            fn from_word(word: &str) -> Option<Self> {
                match word {
                    #(#words => Some(Self::#variants),)*
                    _ => None,
                }
            }

            fn word(&self) -> &'static str {
                match self {
                    #(Self::#variants => #words,)*
                }
            }
        }

        ::taskhost_sdk::parameter_from_choice!(#ident);
    })
}
