//! Requests that are signed for S3 (AWS Signature Version 4, in headers). The services hold every header and the digest of
//! the body against the signature.

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, RequestBuilder};
use ring::hmac;

use crate::text::Digest;

/// What stands as it is in an address; a `/` does so in a path alone.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Who signs.
#[derive(Clone)]
pub struct Credentials {
    pub key: String,
    pub secret: String,
    /// Of a session.
    pub token: Option<String>,
}

/// Where a bucket is.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub name: String,
    pub region: String,
    /// Such as `https`.
    pub scheme: String,
    /// With a port that is not the usual one.
    pub host: String,
    /// What comes before an object's name, such as `/images/`.
    pub base: String,
}

/// A request that is not signed yet.
#[derive(Debug)]
pub struct Unsigned<'a> {
    pub method: Method,
    /// Name of an object.
    pub object: &'a str,
    /// By key and value, neither encoded.
    pub query: Vec<(&'a str, &'a str)>,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// Digest of the body.
    pub body: Digest,
}

impl Unsigned<'_> {
    /// The request, signed now.
    pub fn sign(self, http: &Client, bucket: &Bucket, credentials: &Credentials) -> RequestBuilder {
        let signed = self.signed_at(bucket, credentials, Utc::now());
        let request = http.request(self.method, signed.url);
        signed.headers.into_iter().fold(request, |request, (name, value)| {
            // The address has it.
            if name == "host" {
                return request;
            }
            let mut value = reqwest::header::HeaderValue::try_from(value);
            if let Ok(value) = &mut value {
                value.set_sensitive(name == "authorization" || name == "x-amz-security-token");
            }
            match value {
                Ok(value) => request.header(name, value),
                // What is no header is missing, and the service says so.
                Err(_) => request,
            }
        })
    }

    fn signed_at(&self, bucket: &Bucket, credentials: &Credentials, now: DateTime<Utc>) -> Signed {
        let (day, time) = (now.format("%Y%m%d").to_string(), now.format("%Y%m%dT%H%M%SZ").to_string());
        let path = format!("{}{}", bucket.base, utf8_percent_encode(self.object, PATH));
        let mut query: Vec<String> = self
            .query
            .iter()
            .map(|(key, value)| {
                format!("{}={}", utf8_percent_encode(key, QUERY), utf8_percent_encode(value, QUERY))
            })
            .collect();
        query.sort();
        let query = query.join("&");
        let mut headers = self.headers.clone();
        headers.push(("host".to_owned(), bucket.host.clone()));
        headers.push(("x-amz-content-sha256".to_owned(), self.body.to_string()));
        headers.push(("x-amz-date".to_owned(), time.clone()));
        headers.extend(credentials.token.clone().map(|token| ("x-amz-security-token".to_owned(), token)));
        headers.sort();
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let method = &self.method;
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{}", self.body);
        let scope = format!("{day}/{}/s3/aws4_request", bucket.region);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", Digest::of(canonical));
        let mut key = format!("AWS4{}", credentials.secret).into_bytes();
        for part in [day.as_str(), &bucket.region, "s3", "aws4_request"] {
            key = keyed(&key, part);
        }
        let signature = hex::encode(keyed(&key, &text));
        let who = &credentials.key;
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={who}/{scope},SignedHeaders={names},Signature={signature}");
        headers.push(("authorization".to_owned(), authorization));
        let query = if query.is_empty() { query } else { format!("?{query}") };
        Signed { url: format!("{}://{}{path}{query}", bucket.scheme, bucket.host), headers }
    }
}

struct Signed {
    url: String,
    headers: Vec<(String, String)>,
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of the service's own documentation ("Authenticating Requests: Using the Authorization Header").
    #[test]
    fn a_signature_is_as_the_documentation_has_it() {
        let credentials = Credentials {
            key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        };
        let bucket = Bucket {
            name: "examplebucket".into(),
            region: "us-east-1".into(),
            scheme: "https".into(),
            host: "examplebucket.s3.amazonaws.com".into(),
            base: "/".into(),
        };
        let now = DateTime::parse_from_rfc3339("2013-05-24T00:00:00Z").unwrap().to_utc();
        let signature = |unsigned: Unsigned<'_>| {
            let signed = unsigned.signed_at(&bucket, &credentials, now);
            let (_, value) = signed.headers.last().unwrap().clone();
            (signed.url, value.rsplit_once('=').unwrap().1.to_owned())
        };
        let get = Unsigned {
            method: Method::GET,
            object: "test.txt",
            query: Vec::new(),
            headers: vec![("range".into(), "bytes=0-9".into())],
            body: Digest::of(""),
        };
        let (url, found) = signature(get);
        assert_eq!(url, "https://examplebucket.s3.amazonaws.com/test.txt");
        assert_eq!(found, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        let put = Unsigned {
            method: Method::PUT,
            object: "test$file.text",
            query: Vec::new(),
            headers: vec![
                ("date".into(), "Fri, 24 May 2013 00:00:00 GMT".into()),
                ("x-amz-storage-class".into(), "REDUCED_REDUNDANCY".into()),
            ],
            body: Digest::of("Welcome to Amazon S3."),
        };
        let (url, found) = signature(put);
        assert_eq!(url, "https://examplebucket.s3.amazonaws.com/test%24file.text");
        assert_eq!(found, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
        let list = Unsigned {
            method: Method::GET,
            object: "",
            query: vec![("max-keys", "2"), ("prefix", "J")],
            headers: Vec::new(),
            body: Digest::of(""),
        };
        let (_, found) = signature(list);
        assert_eq!(found, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    }
}
