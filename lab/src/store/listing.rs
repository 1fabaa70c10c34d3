//! `ListObjectsV2`: what is in a bucket, page by page.

use std::collections::BTreeSet;
use std::ops::Bound;

use serde::Serialize;

use super::objects::Objects;

/// Keys of a page, as S3 has it.
const PAGE: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListBucketResult<'a> {
    name: &'a str,
    prefix: &'a str,
    key_count: usize,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_continuation_token: Option<String>,
    contents: Vec<Contents>,
    common_prefixes: Vec<CommonPrefix>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Contents {
    key: String,
    last_modified: String,
    #[serde(rename = "ETag")]
    tag: String,
    size: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

impl Objects {
    /// One page, as XML. The token for the next one is the last key of this one.
    pub(super) fn list(&self, bucket: &str, query: &str) -> String {
        let (mut prefix, mut after, mut delimiter) = (String::new(), String::new(), String::new());
        let mut page = PAGE;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "prefix" => prefix = value.into_owned(),
                "delimiter" => delimiter = value.into_owned(),
                // A token goes on from further back than where the list was to begin.
                "start-after" | "continuation-token" => after = after.max(value.into_owned()),
                "max-keys" => page = value.parse().unwrap_or(PAGE).clamp(1, PAGE),
                _ => {}
            }
        }
        let (mut contents, mut prefixes) = (Vec::new(), BTreeSet::new());
        let mut last = String::new();
        let mut truncated = false;
        let objects = self.0.borrow();
        let home = format!("{bucket}/");
        let first = (
            Bound::Excluded(format!("{home}{after}")),
            Bound::<String>::Unbounded,
        );
        let keys = objects
            .range(first)
            .map_while(|(path, object)| Some((path.strip_prefix(&home)?, object)));
        for (key, object) in keys {
            let Some(rest) = key.strip_prefix(&*prefix) else {
                continue;
            };
            let folder = rest
                .find(&*delimiter)
                .filter(|_| !delimiter.is_empty())
                .map(|at| key[..prefix.len() + at + delimiter.len()].to_owned());
            let known = folder
                .as_ref()
                .is_some_and(|folder| prefixes.contains(folder) || after.starts_with(folder));
            if !known && contents.len() + prefixes.len() == page {
                truncated = true;
                break;
            }
            key.clone_into(&mut last);
            match folder {
                Some(_) if known => {}
                Some(folder) => {
                    prefixes.insert(folder);
                }
                None => contents.push(Contents {
                    key: key.to_owned(),
                    last_modified: jiff::Timestamp::try_from(object.modified)
                        .unwrap_or_default()
                        .to_string(),
                    tag: object.tag.clone(),
                    size: object.bytes.len(),
                }),
            }
        }
        let result = ListBucketResult {
            name: bucket,
            prefix: &prefix,
            key_count: contents.len() + prefixes.len(),
            is_truncated: truncated,
            next_continuation_token: truncated.then_some(last),
            contents,
            common_prefixes: prefixes
                .into_iter()
                .map(|prefix| CommonPrefix { prefix })
                .collect(),
        };
        // Texts and numbers in fields with names can always be written.
        quick_xml::se::to_string(&result).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<&str> {
        text.split("<Key>")
            .skip(1)
            .filter_map(|rest| rest.split_once("</Key>").map(|(key, _)| key))
            .collect()
    }

    fn token(text: &str) -> Option<&str> {
        let (_, rest) = text.split_once("<NextContinuationToken>")?;
        rest.split_once('<').map(|(token, _)| token)
    }

    #[test]
    fn pages_hold_every_key_once() {
        let objects = Objects::default();
        for number in 0..25 {
            objects.put(&format!("b/in/{number:02}"), "x".into());
            objects.put(&format!("b/out/{number:02}"), "x".into());
        }
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let query = format!("list-type=2&prefix=in%2F&max-keys=10&continuation-token={after}");
            let text = objects.list("b", &query);
            found.extend(keys(&text).into_iter().map(str::to_owned));
            match token(&text) {
                Some(token) => token.clone_into(&mut after),
                None => break,
            }
        }
        let all: Vec<_> = (0..25).map(|number| format!("in/{number:02}")).collect();
        assert_eq!(found, all);
    }

    #[test]
    fn a_delimiter_folds_what_lies_deeper() {
        let objects = Objects::default();
        for key in ["b/a/1", "b/a/2", "b/c", "b/d/1", "c/a/9"] {
            objects.put(key, "x".into());
        }
        let text = objects.list("b", "list-type=2&delimiter=%2F");
        assert_eq!(keys(&text), ["c"]);
        assert_eq!(text.matches("<Prefix>a/</Prefix>").count(), 1, "{text}");
        assert_eq!(text.matches("<Prefix>d/</Prefix>").count(), 1, "{text}");

        let text = objects.list("b", "delimiter=%2F&max-keys=1");
        assert!(keys(&text).is_empty() && text.contains("<Prefix>a/</Prefix>"));
        let next = token(&text).expect("there is more");
        let text = objects.list("b", &format!("delimiter=%2F&continuation-token={next}"));
        assert!(!text.contains("<Prefix>a/</Prefix>"), "{text}");
        assert_eq!(keys(&text), ["c"]);
    }
}
