//! Routes that are declared, and routes that are learned: what keeps the number of endpoints bounded on any site.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::route::{MAX_SEGMENTS, is_placeholder};
use super::target::Target;

/// What a position with too many different words becomes.
pub const NAME: &str = "{name}";
/// What everything beyond the last template is counted under.
pub const OTHER: &str = "other";

/// Path patterns with a value each, found by walking the path once: a word matches itself, `{user}` any one segment,
/// a last `*` all that follows. Where several fit, the one whose first difference is the more definite wins.
#[derive(Clone, Debug)]
pub struct Patterns<T> {
    nodes: Vec<PatternNode>,
    values: Vec<T>,
}

#[derive(Clone, Debug, Default)]
struct PatternNode {
    words: BTreeMap<Box<[u8]>, usize>,
    any: Option<usize>,
    /// Values of the pattern that ends here, and of the one that ends here with `*`.
    end: Option<usize>,
    rest: Option<usize>,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Patterns { nodes: vec![PatternNode::default()], values: Vec::new() }
    }
}

impl<T> Patterns<T> {
    /// Adds a pattern such as `/v1/users/{user}/files/*`; a method before it is passed over. Of two equal patterns the
    /// later one counts.
    pub fn insert(&mut self, pattern: &str, value: T) {
        let path = pattern.find('/').and_then(|at| pattern.get(at..)).unwrap_or("");
        let mut at = 0;
        let mut rest = false;
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            if segment == "*" || segment == "**" {
                rest = true;
                break;
            }
            let next = self.nodes.len();
            let variable = segment.starts_with('{') && segment.ends_with('}') || segment.starts_with(':');
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = if variable {
                *node.any.get_or_insert(next)
            } else {
                *node.words.entry(segment.as_bytes().into()).or_insert(next)
            };
            if at == next {
                self.nodes.push(PatternNode::default());
            }
        }
        self.values.push(value);
        let value = self.values.len() - 1;
        if let Some(node) = self.nodes.get_mut(at) {
            if rest { node.rest = Some(value) } else { node.end = Some(value) }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of the pattern that fits best. Each node is looked at once at most, however the path was made.
    pub fn find(&self, target: Target<'_>) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        let mut segments = target.segments();
        let mut head: SmallVec<[&[u8]; 16]> = segments.by_ref().take(64).collect();
        if segments.next().is_some() {
            // Longer than any pattern is likely to be: only `*` can match.
            head.push(b"");
        }
        self.values.get(self.walk(0, &head)?)
    }

    fn walk(&self, at: usize, segments: &[&[u8]]) -> Option<usize> {
        let node = self.nodes.get(at)?;
        let Some((first, rest)) = segments.split_first() else { return node.end.or(node.rest) };
        let word = node.words.get(*first).and_then(|next| self.walk(*next, rest));
        word.or_else(|| node.any.and_then(|next| self.walk(next, rest))).or(node.rest)
    }
}

/// How many endpoints there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Different words at one position of the path; more become `{name}`.
    pub children: usize,
    /// Learned templates in all; more become `other`.
    pub templates: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { children: 100, templates: 2000 }
    }
}

/// The tree of templates learned so far: the cap on cardinality. Part of the state; the owner asks it once for each
/// template it meets for the first time and keeps the answer.
///
/// A word that was given out stays what it is, so an endpoint never changes its name: where a position has filled up,
/// only further words become `{name}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Routes {
    nodes: Vec<Node>,
    templates: usize,
    #[serde(skip)]
    limits: Limits,
    #[serde(skip)]
    declared: HashSet<String>,
}

/// Where a template belongs in the tree.
struct Place<'t> {
    path: SmallVec<[&'t str; 16]>,
    changed: bool,
    known: bool,
}

impl<'t> Place<'t> {
    fn endpoint(&self, template: &'t str) -> Cow<'t, str> {
        if self.changed { Cow::Owned(format!("/{}", self.path.join("/"))) } else { Cow::Borrowed(template) }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Node {
    children: BTreeMap<String, u32>,
    /// Children that are words, which count against the limit.
    words: u32,
    ends: bool,
}

impl Default for Routes {
    fn default() -> Self {
        Routes::new(Limits::default(), &[])
    }
}

impl Routes {
    /// An empty tree. Declared routes are always kept as they are and count against no limit.
    pub fn new(limits: Limits, declared: &[String]) -> Self {
        let mut routes =
            Routes { nodes: vec![Node::default()], templates: 0, limits: Limits::default(), declared: HashSet::new() };
        routes.configure(limits, declared);
        routes
    }

    /// Sets what the configuration says; needed after loading the tree from a saved state, which does not hold it.
    pub fn configure(&mut self, limits: Limits, declared: &[String]) {
        self.limits = limits;
        self.declared = declared.iter().map(|d| declared_template(d).to_owned()).collect();
    }

    /// The endpoint that a template is counted under: itself, or with `{name}` where a position has too many words, or
    /// `other` beyond the last place.
    pub fn resolve<'t>(&mut self, template: &'t str) -> Cow<'t, str> {
        if self.declared.contains(template) || template == OTHER {
            return Cow::Borrowed(template);
        }
        let place = self.place(template);
        if !place.known {
            if self.templates >= self.limits.templates {
                return Cow::Borrowed(OTHER);
            }
            self.learn(&place.path);
        }
        place.endpoint(template)
    }

    /// As [`Routes::resolve`], but learns nothing: what is not known is `None`. For requests that should not shape the
    /// tree, such as those answered 404, of which a scanner sends any number.
    pub fn known<'t>(&self, template: &'t str) -> Option<Cow<'t, str>> {
        if self.declared.contains(template) || template == OTHER {
            return Some(Cow::Borrowed(template));
        }
        let place = self.place(template);
        place.known.then(|| place.endpoint(template))
    }

    fn place<'t>(&self, template: &'t str) -> Place<'t> {
        let mut place = Place { path: SmallVec::new(), changed: false, known: false };
        let mut at = Some(0u32);
        for segment in template.split('/').filter(|s| !s.is_empty()).take(MAX_SEGMENTS + 1) {
            let node = at.and_then(|at| self.nodes.get(at as usize));
            let full = |node: &Node| {
                is_word(segment) && !node.children.contains_key(segment) && node.words as usize >= self.limits.children
            };
            let segment = if node.is_some_and(full) {
                place.changed = true;
                NAME
            } else {
                segment
            };
            at = node.and_then(|n| n.children.get(segment).copied());
            place.path.push(segment);
        }
        place.known = at.and_then(|at| self.nodes.get(at as usize)).is_some_and(|n| n.ends);
        place
    }

    /// Templates learned so far.
    pub fn len(&self) -> usize {
        self.templates
    }

    /// Whether nothing was learned yet.
    pub fn is_empty(&self) -> bool {
        self.templates == 0
    }

    fn learn(&mut self, path: &[&str]) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for segment in path {
            let next = self.nodes.len() as u32;
            let Some(node) = self.nodes.get_mut(at) else { return };
            let child = *node.children.entry((*segment).to_owned()).or_insert(next);
            if child == next {
                node.words += u32::from(is_word(segment));
                self.nodes.push(Node::default());
            }
            at = child as usize;
        }
        if let Some(node) = self.nodes.get_mut(at)
            && !node.ends
        {
            node.ends = true;
            self.templates += 1;
        }
    }
}

/// A declared route as it is shown: without the method.
pub(super) fn declared_template(route: &str) -> &str {
    route.find('/').and_then(|at| route.get(at..)).unwrap_or(route)
}

/// Placeholders (also as `{id}.json`) and the rest sign are few by nature.
fn is_word(segment: &str) -> bool {
    segment != "*" && !is_placeholder(segment) && !segment.split(['.', ':']).next().is_some_and(is_placeholder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(list: &[&'static str]) -> Patterns<&'static str> {
        let mut patterns = Patterns::default();
        for p in list {
            patterns.insert(p, *p);
        }
        patterns
    }

    #[test]
    fn the_most_definite_pattern_wins() {
        let p = patterns(&["/v1/users/{user}", "/v1/users/me", "GET /v1/users/{user}/files/*", "/v1/*", "/v1/{a}/x/y"]);
        for (target, expected) in [
            ("/v1/users/bob", Some("/v1/users/{user}")),
            ("/v1/users/me?x=1", Some("/v1/users/me")),
            ("/v1/users/me/files/a/b", Some("GET /v1/users/{user}/files/*")),
            ("/v1/users/me/files", Some("GET /v1/users/{user}/files/*")),
            ("/v1/users/x/y", Some("/v1/{a}/x/y")),
            ("/v1/users/x/z", Some("/v1/*")),
            ("/v1/other/x/y", Some("/v1/{a}/x/y")),
            ("/v2/users", None),
            ("/", None),
        ] {
            assert_eq!(p.find(Target::split(target.as_bytes())).copied(), expected, "{target}");
        }
    }

    #[test]
    fn a_position_with_too_many_words_becomes_a_name() {
        let mut routes = Routes::new(Limits { children: 3, templates: 100 }, &[]);
        for user in ["ann", "bob", "cyd"] {
            let template = format!("/users/{user}/files/{{id}}");
            assert_eq!(routes.resolve(&template), template);
        }
        assert_eq!(routes.resolve("/users/dan/files/{id}"), "/users/{name}/files/{id}");
        assert_eq!(routes.resolve("/users/eve/files/{id}"), "/users/{name}/files/{id}");
        assert_eq!(routes.resolve("/users/eve/files/list"), "/users/{name}/files/list");
        // What was given out keeps its name, and placeholders always pass.
        assert_eq!(routes.resolve("/users/bob/files/{id}"), "/users/bob/files/{id}");
        assert_eq!(routes.resolve("/users/{id}/files/{id}"), "/users/{id}/files/{id}");
        assert_eq!(routes.resolve("/users/{id}.json"), "/users/{id}.json");
        // Looking teaches nothing.
        assert_eq!(routes.known("/users/fay/files/{id}").as_deref(), Some("/users/{name}/files/{id}"));
        assert_eq!((routes.known("/phpmyadmin"), routes.len()), (None, 7));
    }

    #[test]
    fn the_number_of_templates_is_capped_and_declared_routes_are_free() {
        let declared = ["GET /v1/users/{user}".to_owned()];
        let mut routes = Routes::new(Limits { children: 100, templates: 5 }, &declared);
        for n in 0..1000 {
            routes.resolve(&format!("/a{}/b{n}", n % 7));
        }
        assert_eq!(routes.len(), 5);
        assert_eq!(routes.resolve("/x"), "other");
        assert_eq!(routes.resolve("/a0/b0"), "/a0/b0");
        assert_eq!(routes.resolve("/v1/users/{user}"), "/v1/users/{user}");
        assert!(routes.nodes.len() < 20);
    }

    #[test]
    fn odd_templates_pass() {
        let mut routes = Routes::default();
        for template in ["/", "*", "{authority}", "other", ""] {
            assert_eq!(routes.resolve(template), template);
        }
    }

    #[test]
    fn a_saved_tree_goes_on_as_it_was() {
        let mut routes = Routes::new(Limits { children: 2, templates: 9 }, &[]);
        let _ = (routes.resolve("/a"), routes.resolve("/b"));
        let saved = postcard::to_allocvec(&routes).unwrap();
        let mut loaded: Routes = postcard::from_bytes(&saved).unwrap();
        loaded.configure(Limits { children: 2, templates: 9 }, &[]);
        assert_eq!(loaded.resolve("/c"), "/{name}");
        assert_eq!((loaded.resolve("/a"), loaded.len()), (Cow::Borrowed("/a"), 3));
    }
}
