//! The demo's certificates.

use std::path::Path;

use taskhost_tests::certificates::Authority;

/// Writes them into a new directory: `NAME.pem` with its chain, and for one of them its key.
pub(super) fn make(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(directory)?;
    let root = Authority::root("Example Root")?;
    let signing = root.intermediate("Example Signing 1")?;
    let (absent, wrong) = (root.intermediate("Example Signing 2")?, root.intermediate("Example Signing 3")?);
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text);

    let good = signing.leaf(&["www.example.com", "example.com"], -10, 80)?;
    write("www.example.com.pem", &format!("{}{}", good.certificate, signing.pem()))?;
    write("www.example.com.key", &good.key)?;
    let soon = signing.leaf(&["api.example.com"], -78, 12)?;
    write("api.example.com.pem", &format!("{}{}", soon.certificate, signing.pem()))?;
    let expired = signing.leaf(&["old.example.com"], -130, -40)?;
    write("old.example.com.pem", &format!("{}{}", expired.certificate, signing.pem()))?;
    // Its issuer is nowhere; another intermediate is sent in its place.
    let broken = absent.leaf(&["shop.example.com"], -10, 80)?;
    write("shop.example.com.pem", &format!("{}{}", broken.certificate, wrong.pem()))?;
    Ok(())
}
