//! Bills of materials in JSON: CycloneDX 1.2 to 1.7, SPDX 2.2, 2.3 and 3.0, also inside of an in-toto statement or of
//! GitHub's export. Packages are known by their package URLs.

use std::collections::HashSet;

use serde::Deserialize;

use crate::bounded::{self, Items, Text};
use crate::file::Contents;
use crate::purl;

/// The most packages of unknown kinds that are remembered by name.
const NAMED: usize = 1_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    #[serde(rename = "bomFormat")]
    cyclonedx: Text,
    components: Items<Component>,
    #[serde(rename = "spdxVersion")]
    spdx: Text,
    packages: Items<SpdxPackage>,
    /// SPDX 3.0.
    #[serde(rename = "@graph")]
    graph: Option<Items<Element>>,
    /// An in-toto statement around it.
    predicate: Option<Box<Document>>,
    /// GitHub's export around it.
    sbom: Option<Box<Document>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Component {
    #[serde(rename = "type")]
    kind: Text,
    name: Text,
    purl: Text,
    /// `excluded` is not delivered.
    scope: Text,
    components: Items<Component>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpdxPackage {
    name: Text,
    external_refs: Items<Reference>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reference {
    reference_type: Text,
    reference_locator: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Element {
    #[serde(rename = "type")]
    kind: Text,
    name: Text,
    #[serde(rename = "software_packageUrl")]
    purl: Text,
    #[serde(rename = "externalIdentifier")]
    identifiers: Items<Identifier>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identifier {
    external_identifier_type: Text,
    identifier: Text,
}

pub(crate) fn read(text: &str) -> Contents {
    if text.trim_start().starts_with('<') {
        return Contents::broken("this is XML; export the bill of materials as JSON");
    }
    let mut document: Document = match bounded::json(text.as_bytes()) {
        Ok(document) => document,
        Err(error) => return Contents::broken(error.to_string()),
    };
    while let Some(inside) = document.predicate.take().or_else(|| document.sbom.take()) {
        document = *inside;
    }
    let mut found = Found::default();
    if document.cyclonedx.as_str() == "CycloneDX" {
        found.components(&document.components);
    } else if document.spdx.as_str().starts_with("SPDX-") {
        for package in &document.packages.0 {
            let purls = package.external_refs.0.iter().filter(|one| one.reference_type.as_str() == "purl");
            found.add(package.name.as_str(), purls.map(|one| one.reference_locator.as_str()));
        }
    } else if let Some(graph) = &document.graph {
        for element in graph.0.iter().filter(|element| element.kind.as_str() == "software_Package") {
            let is_purl = |one: &&Identifier| one.external_identifier_type.as_str() == "packageUrl";
            let others = element.identifiers.0.iter().filter(is_purl).map(|one| one.identifier.as_str());
            let purls = std::iter::once(element.purl.as_str()).chain(others).filter(|purl| !purl.is_empty());
            found.add(element.name.as_str(), purls);
        }
    } else {
        return Contents::broken("this is neither CycloneDX nor SPDX");
    }
    found.contents
}

#[derive(Default)]
struct Found {
    contents: Contents,
    seen: HashSet<String>,
}

impl Found {
    fn components(&mut self, components: &Items<Component>) {
        for component in &components.0 {
            let kind = component.kind.as_str();
            // Files, devices, data: no packages.
            let package = matches!(kind, "" | "library" | "framework" | "application" | "platform");
            if component.scope.as_str() != "excluded" && (package || component.purl.0.is_some()) {
                self.add(component.name.as_str(), component.purl.0.as_deref());
            }
            self.components(&component.components);
        }
    }

    /// A package by the first of its package URLs that is understood, once.
    fn add<'a>(&mut self, name: &str, purls: impl IntoIterator<Item = &'a str>) {
        let mut first = None;
        for purl in purls {
            if let Some(package) = purl::package(purl) {
                let new = self.seen.insert(format!("{}/{}@{}", package.ecosystem, package.name, package.version));
                if new {
                    self.contents.packages.push(package);
                }
                return;
            }
            first = first.or(Some(purl));
        }
        if self.contents.unknown.len() < NAMED {
            self.contents.unknown.push(first.unwrap_or(name).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(text: &str) -> (Vec<String>, Vec<String>) {
        let contents = read(text);
        assert_eq!(contents.problems, []);
        let packages = contents.packages.iter().map(|one| format!("{} {}@{}", one.ecosystem, one.name, one.version));
        (packages.collect(), contents.unknown)
    }

    #[test]
    fn cyclonedx_is_read_with_what_is_nested() {
        let text = r#"{"$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.5",
          "metadata": {"component": {"type": "container", "name": "shop"}},
          "components": [
            {"bom-ref": "1", "type": "library", "name": "flask", "version": "3.0.0", "purl": "pkg:pypi/flask@3.0.0",
             "licenses": [{"license": {"id": "BSD-3-Clause"}}],
             "components": [{"type": "library", "name": "click", "purl": "pkg:pypi/click@8.0.0"}]},
            {"type": "library", "name": "flask", "purl": "pkg:pypi/Flask@3.0.0?again"},
            {"type": "operating-system", "name": "debian", "version": "12"},
            {"type": "library", "name": "ours"},
            {"type": "library", "name": "blob", "purl": "pkg:generic/blob@1"},
            {"type": "library", "name": "test", "purl": "pkg:pypi/pytest@8.0.0", "scope": "excluded"}
          ]}"#;
        let (found, unknown) = packages(text);
        assert_eq!(found, ["PyPI flask@3.0.0", "PyPI click@8.0.0"]);
        assert_eq!(unknown, ["ours", "pkg:generic/blob@1"]);
    }

    #[test]
    fn spdx_of_both_generations_is_read_also_where_it_is_wrapped() {
        let second = r#"{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": [
            {"SPDXID": "SPDXRef-1", "name": "serde", "versionInfo": "1.0.0", "externalRefs": [
              {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:serde:*"},
              {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:cargo/serde@1.0.0"}]},
            {"name": "shop"}]}"#;
        let third = r#"{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [
            {"type": "CreationInfo", "specVersion": "3.0.1"},
            {"type": "software_Package", "name": "serde", "software_packageVersion": "1.0.0", "software_packageUrl": "pkg:cargo/serde@1.0.0"},
            {"type": "software_Package", "name": "shop",
             "externalIdentifier": [{"externalIdentifierType": "packageUrl", "identifier": "pkg:npm/shop"}]}]}"#;
        let statement = format!("{{\"_type\": \"https://in-toto.io/Statement/v0.1\", \"predicate\": {second}}}");
        let export = format!("{{\"sbom\": {second}}}");
        for text in [second, third, &statement, &export] {
            let (found, unknown) = packages(text);
            assert_eq!(found, ["crates.io serde@1.0.0"]);
            assert_eq!(unknown.len(), 1);
        }
    }

    #[test]
    fn other_json_is_no_bill_of_materials() {
        for text in
            ["{}", "{\"components\": []}", "[]", "<bom/>", "{\"bomFormat\": \"CycloneDX\", \"components\": [3]}"]
        {
            assert_eq!(read(text).problems.len(), 1, "{text}");
        }
    }
}
