//! What a registry wants to know before it answers: the header `WWW-Authenticate`, and tokens.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// How a registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By name and password.
    Basic,
    /// With a token, which a server at this address gives.
    Bearer(String),
}

impl Challenge {
    /// Reads a challenge; `scope` is asked for where it names none. None for what is known to nobody here.
    pub(super) fn parse(header: &str, scope: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut named) = (None, None, None);
        for (name, value) in parameters(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => named = Some(value),
                _ => {}
            }
        }
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut address = realm?;
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(&format!("scope={}", escaped(named.as_deref().unwrap_or(scope))));
        if let Some(service) = service {
            address.push_str(&format!("&service={}", escaped(&service)));
        }
        Some(Self::Bearer(address))
    }
}

/// `name="value"` pairs with commas between them; commas within quotes are part of a value.
fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let name = name.trim().trim_start_matches(',').trim().to_owned();
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        all.push((name, value.to_owned()));
        text = after;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_where_the_registry_says() {
        let header = r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push""#;
        let expected =
            "https://auth.example/token?scope=repository%3Aa%2Fb%3Apull%2Cpush&service=r%2Eexample";
        assert_eq!(Challenge::parse(header, "x"), Some(Challenge::Bearer(expected.to_owned())));
        let bare = "bearer realm=\"https://auth.example/token?a=b\"";
        let expected = "https://auth.example/token?a=b&scope=repository%3Aa%3Apull";
        assert_eq!(Challenge::parse(bare, "repository:a:pull"), Some(Challenge::Bearer(expected.to_owned())));
    }

    #[test]
    fn what_is_not_known_is_no_challenge() {
        assert_eq!(Challenge::parse("Basic realm=\"x\"", ""), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Negotiate", ""), None);
        assert_eq!(Challenge::parse("Bearer", ""), None);
        assert_eq!(Challenge::parse("", ""), None);
    }
}
