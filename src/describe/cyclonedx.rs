//! The bill of materials in CycloneDX 1.6: <https://cyclonedx.org/docs/1.6/json/>.

use serde_json::{Value, json};

use super::{
    Inventory, InventoryPackage, Manifest, PackageKind, SbomFormat, manifest::Origin, purl::package_url,
    spdx::is_address,
};

const IMAGE: &str = "image";

/// The document of an image.
#[must_use]
pub fn document(manifest: &Manifest, inventory: &Inventory) -> Value {
    let mut components: Vec<Value> = Vec::new();
    for package in &inventory.packages {
        if components.iter().any(|known| known["bom-ref"] == package.purl.as_str()) {
            continue;
        }
        components.push(installed(package, inventory));
    }
    for download in &manifest.downloads {
        let reference =
            format!("{}#{}", download.url, download.digest.values().next().map_or("", String::as_str));
        if !components.iter().any(|known| known["bom-ref"] == reference.as_str()) {
            components.push(downloaded(&reference, download));
        }
    }
    let contained: Vec<Value> = components.iter().map(|component| component["bom-ref"].clone()).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": manifest.uuid(SbomFormat::CycloneDx),
        "version": 1,
        "metadata": {
            "timestamp": manifest.created,
            "tools": {
                "components": [{ "type": "application", "name": "imgfile", "version": manifest.imgfile }],
            },
            "component": image(manifest),
        },
        "components": components,
        "dependencies": [{ "ref": IMAGE, "dependsOn": contained }],
    })
}

fn image(manifest: &Manifest) -> Value {
    let files = manifest.artifacts.iter().map(|artifact| {
        json!({
            "type": "file",
            "bom-ref": format!("artifact:{}", artifact.file),
            "name": artifact.file,
            "hashes": [sha256(&artifact.sha256.to_string())],
        })
    });
    let mut image = json!({
        "type": "operating-system",
        "bom-ref": IMAGE,
        "name": manifest.image,
        "components": files.collect::<Vec<_>>(),
        "properties": [
            property("imgfile:os", &manifest.os),
            property("imgfile:os-version", &manifest.os_version),
            property("imgfile:arch", manifest.arch.as_str()),
            property("imgfile:disk-size", &manifest.disk_size.to_string()),
        ],
    });
    if let Some(description) = &manifest.description {
        image["description"] = json!(description);
    }
    image
}

fn installed(package: &InventoryPackage, inventory: &Inventory) -> Value {
    let mut value = json!({
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "properties": [property("imgfile:arch", &package.arch)],
    });
    if let Some(license) = &package.license {
        value["licenses"] = json!([{ "expression": license }]);
    }
    if let Some(digest) = &package.sha256 {
        value["hashes"] = json!([sha256(&digest.to_string())]);
    }
    if let Some(summary) = &package.summary {
        value["description"] = json!(summary);
    }
    if let Some(maintainer) = &package.maintainer {
        value["publisher"] = json!(maintainer);
    }
    if let Some(homepage) = package.homepage.as_deref().filter(|homepage| is_address(homepage)) {
        value["externalReferences"] = json!([{ "type": "website", "url": homepage }]);
    }
    if package.kind == PackageKind::Deb {
        // The binary package descends from its source package.
        let os = |key: &str| inventory.os_release.get(key).map(String::as_str);
        let source = [package.source.name.as_str(), &package.source.version, "source"];
        let release = os("VERSION_CODENAME").or(os("VERSION_ID"));
        value["pedigree"] = json!({ "ancestors": [{
            "type": "library",
            "name": package.source.name,
            "version": package.source.version,
            "purl": package_url("deb", os("ID").unwrap_or("debian"), source, release),
        }]});
    }
    value
}

fn downloaded(reference: &str, download: &Origin) -> Value {
    let name = download.url.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("download");
    let hashes = download.digest.iter().map(|(algorithm, value)| {
        let algorithm = if algorithm == "sha512" { "SHA-512" } else { "SHA-256" };
        json!({ "alg": algorithm, "content": value })
    });
    let mut value = json!({
        "type": "file",
        "bom-ref": reference,
        "name": name,
        "hashes": hashes.collect::<Vec<_>>(),
    });
    if is_address(&download.url) {
        value["externalReferences"] = json!([{ "type": "distribution", "url": download.url }]);
    }
    value
}

fn sha256(value: &str) -> Value {
    json!({ "alg": "SHA-256", "content": value })
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value })
}
