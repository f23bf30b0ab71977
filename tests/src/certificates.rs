//! Certificates made on the spot: authorities, and leaves of any validity.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

/// Something that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, both PEM.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate alone.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl Authority {
    /// One that vouches for itself.
    pub fn root(name: &str) -> Result<Self, rcgen::Error> {
        let (parameters, key) = (Self::parameters(name), KeyPair::generate()?);
        let pem = parameters.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(parameters, key), pem })
    }

    /// One that this one vouches for.
    pub fn intermediate(&self, name: &str) -> Result<Self, rcgen::Error> {
        let (parameters, key) = (Self::parameters(name), KeyPair::generate()?);
        let pem = parameters.signed_by(&key, &self.issuer)?.pem();
        Ok(Self { issuer: Issuer::new(parameters, key), pem })
    }

    /// A server's certificate for `names` (host names or addresses), valid from so many days from now to so many days
    /// from now; negative days have passed. Half an hour is added at the end, so that a test which counts whole days
    /// counts these.
    pub fn leaf(&self, names: &[&str], from_day: i64, to_day: i64) -> Result<Leaf, rcgen::Error> {
        self.sign(names, from_day, to_day, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate, valid for a day.
    pub fn client(&self, name: &str) -> Result<Leaf, rcgen::Error> {
        self.sign(&[name], -1, 1, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        names: &[&str],
        from_day: i64,
        to_day: i64,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<Leaf, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = names.first() {
            parameters.distinguished_name.push(DnType::CommonName, *name);
        }
        let now = OffsetDateTime::now_utc();
        parameters.not_before = now + Duration::days(from_day);
        parameters.not_after = now + Duration::days(to_day) + Duration::minutes(30);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![purpose];
        parameters.use_authority_key_identifier_extension = true;
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        Ok(Leaf { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Its own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    fn parameters(name: &str) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let now = OffsetDateTime::now_utc();
        parameters.not_before = now - Duration::days(365);
        parameters.not_after = now + Duration::days(3650);
        parameters.use_authority_key_identifier_extension = true;
        parameters
    }
}
