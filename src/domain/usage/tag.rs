//! What a use was called, for reports: one of a few names that the operator has declared.

use std::sync::Arc;

/// The maximum number of tags, because a key has a row for each of them in every hour.
pub const TAGS_MAX: usize = 32;
/// The maximum length of a tag.
pub const TAG_MAX_BYTES: usize = 50;

/// One of the declared tags, or none. A number, so that it costs a request nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UsageTag(u8);

/// The declared tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageTags(Arc<[Box<str>]>);

/// The tags can't be these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTags {
    /// There are too many.
    #[error("holds more than {TAGS_MAX} tags")]
    TooMany,
    /// One is given twice.
    #[error("names {0:?} twice")]
    Repeated(String),
    /// One has another form.
    #[error("holds {0:?}; a tag has 1 to {TAG_MAX_BYTES} letters, digits, dots, hyphens and underscores")]
    Form(String),
}

impl UsageTag {
    /// Whether this is a tag, and not none.
    pub fn is_some(self) -> bool {
        self.0 != 0
    }
}

impl UsageTags {
    /// Declares tags.
    ///
    /// # Errors
    /// [`InvalidTags`].
    pub fn new(names: Vec<String>) -> Result<Self, InvalidTags> {
        if names.len() > TAGS_MAX {
            return Err(InvalidTags::TooMany);
        }
        for (place, name) in names.iter().enumerate() {
            if !Self::is_name(name) {
                return Err(InvalidTags::Form(name.clone()));
            }
            if names[..place].contains(name) {
                return Err(InvalidTags::Repeated(name.clone()));
            }
        }
        Ok(Self(names.into_iter().map(String::into_boxed_str).collect()))
    }

    /// Whether a text has the form of a tag.
    pub fn is_name(text: &str) -> bool {
        let fits = (1..=TAG_MAX_BYTES).contains(&text.len());
        fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    }

    /// The declared tag with this name.
    pub fn find(&self, name: &str) -> Option<UsageTag> {
        let place = self.0.iter().position(|own| **own == *name)?;
        u8::try_from(place + 1).ok().map(UsageTag)
    }

    /// The name of a tag; empty for none.
    pub fn name(&self, tag: UsageTag) -> &str {
        usize::from(tag.0).checked_sub(1).and_then(|place| self.0.get(place)).map_or("", |name| name)
    }

    /// The names of all tags.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(names: &[&str]) -> Result<UsageTags, InvalidTags> {
        UsageTags::new(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_declared_tag_is_found_by_its_name_and_no_other_is() {
        let tags = declared(&["search", "export.v2"]).expect("two tags");
        for name in ["search", "export.v2"] {
            let tag = tags.find(name).expect("declared");
            assert!(tag.is_some());
            assert_eq!(tags.name(tag), name);
        }
        assert_eq!((tags.find(""), tags.find("Search")), (None, None));
        assert_eq!(tags.name(UsageTag::default()), "");
        assert!(!UsageTag::default().is_some());
    }

    #[test]
    fn tags_are_few_differ_and_need_no_escaping() {
        assert_eq!(declared(&["a", "b", "a"]), Err(InvalidTags::Repeated("a".to_owned())));
        for name in ["", "a b", "é", "a,b", "a\n", &"x".repeat(51)] {
            assert_eq!(declared(&[name]), Err(InvalidTags::Form(name.to_owned())));
        }
        let many: Vec<String> = (0..33).map(|number| number.to_string()).collect();
        assert_eq!(UsageTags::new(many.clone()), Err(InvalidTags::TooMany));
        assert!(UsageTags::new(many[1..].to_vec()).is_ok());
    }
}
