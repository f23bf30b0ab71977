//! What a prune takes: chosen from a listing, so that a rehearsal and the removal choose alike. Pure; the time is passed
//! in. Nothing that a container uses is ever chosen.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::bindings as wit;
use super::grant::{Labels, Patterns};
use super::reference;

/// One thing to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// What it is removed by: an id, or for an image with several names the name.
    pub(super) handle: String,
    pub(super) id: String,
    /// For people; empty where there is none.
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// What `labels`, `without-labels` and `older-than` of a filter come to.
pub(super) struct Condition {
    with: Labels,
    without: Labels,
    before: Option<i64>,
}

impl Condition {
    /// # Errors
    /// A label that is none.
    pub(super) fn new(with: &[String], without: &[String], older_than: Option<u64>, now: i64) -> Result<Self, String> {
        let before = older_than.map(|age| now.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX)));
        Ok(Self { with: Labels::new(with)?, without: Labels::new(without)?, before })
    }

    fn holds(&self, labels: &[wit::Label], since: i64) -> bool {
        // A label whose value stays with the host matches by name alone: a guest must not guess at it.
        let value = |name: &str| {
            labels.iter().find(|label| label.name == name).map(|label| label.value.as_deref().unwrap_or_default())
        };
        self.with.hold(value) && !self.without.any_holds(value) && self.before.is_none_or(|before| since <= before)
    }
}

/// Containers that ended or never ran. `ended` gives the time of an end, where there was one.
pub(super) fn containers(
    listed: &[wit::Container],
    condition: &Condition,
    ended: impl Fn(&wit::Container) -> Option<i64>,
) -> Vec<Chosen> {
    let over = |container: &&wit::Container| {
        matches!(
            container.state,
            wit::ContainerState::Created | wit::ContainerState::Exited | wit::ContainerState::Dead
        )
    };
    let chosen = listed
        .iter()
        .filter(over)
        .filter(|container| condition.holds(&container.labels, ended(container).unwrap_or(container.created)));
    chosen
        .map(|container| Chosen {
            handle: container.id.clone(),
            id: container.id.clone(),
            name: container.name.clone(),
            bytes: container.size.unwrap_or_default(),
        })
        .collect()
}

/// Networks of people's that no container is on.
pub(super) fn networks(listed: &[wit::Network], condition: &Condition) -> Vec<Chosen> {
    let own = |network: &&wit::Network| !matches!(network.name.as_str(), "bridge" | "host" | "none" | "ingress");
    let unused = listed.iter().filter(own).filter(|network| network.containers == 0);
    unused
        .filter(|network| condition.holds(&network.labels, network.created))
        .map(|network| Chosen {
            handle: network.id.clone(),
            id: network.id.clone(),
            name: network.name.clone(),
            bytes: 0,
        })
        .collect()
}

/// Volumes that no container uses; those that were given a name only when that is asked for.
pub(super) fn volumes(listed: &[wit::Volume], condition: &Condition, named: bool) -> Vec<Chosen> {
    let unused = listed.iter().filter(|volume| volume.containers == 0 && (named || volume.anonymous));
    unused
        // A volume whose age is not known is young.
        .filter(|volume| condition.holds(&volume.labels, volume.created.unwrap_or(i64::MAX)))
        .map(|volume| Chosen {
            handle: volume.name.clone(),
            id: volume.name.clone(),
            name: if volume.anonymous { String::new() } else { volume.name.clone() },
            bytes: volume.size.unwrap_or_default(),
        })
        .collect()
}

/// How images are chosen, apart from the condition.
pub(super) struct Images {
    pub(super) repositories: Patterns,
    pub(super) dangling: bool,
    pub(super) keep: u32,
}

/// Names of images that no container uses, and images without one. `layers` are those of every image of the engine, and
/// `held` the images that keep a name which is not listed.
pub(super) fn images(
    listed: &[wit::Image],
    layers: &HashMap<String, Vec<String>>,
    held: &HashSet<String>,
    wanted: &Images,
    condition: &Condition,
) -> Vec<Chosen> {
    let kept = newest(listed, wanted.keep);
    let mut chosen = Vec::new();
    let mut gone = HashSet::new();
    for image in listed {
        if image.containers > 0 || !condition.holds(&image.labels, image.created) {
            continue;
        }
        if image.tags.is_empty() {
            let repository = image.digests.iter().find_map(|name| reference::repository(name));
            let is_wanted = match repository {
                Some(repository) => wanted.repositories.matches_any(repository),
                None => wanted.repositories.is_empty(),
            };
            if is_wanted {
                gone.insert(image.id.as_str());
                chosen.push((image, image.id.clone(), String::new()));
            }
            continue;
        }
        if wanted.dangling {
            continue;
        }
        let going: Vec<&String> = image
            .tags
            .iter()
            .filter(|tag| reference::repository(tag).is_some_and(|name| wanted.repositories.matches_any(name)))
            .filter(|tag| !kept.contains(tag.as_str()))
            .collect();
        if going.len() == image.tags.len() && !held.contains(&image.id) {
            gone.insert(image.id.as_str());
        }
        chosen.extend(going.into_iter().map(|tag| (image, tag.clone(), tag.clone())));
    }
    let mut frees = freed(listed, layers, &gone);
    chosen
        .into_iter()
        .map(|(image, handle, name)| Chosen {
            handle,
            id: image.id.clone(),
            name,
            // With the first of its names that is listed; an image that keeps another name frees nothing.
            bytes: frees.remove(image.id.as_str()).unwrap_or_default(),
        })
        .collect()
}

/// The newest `keep` tags of each repository. Of the same age, the later name is the newer.
fn newest(listed: &[wit::Image], keep: u32) -> HashSet<&str> {
    let mut repositories: BTreeMap<&str, Vec<(i64, &str)>> = BTreeMap::new();
    for image in listed {
        for tag in &image.tags {
            if let Some(repository) = reference::repository(tag) {
                repositories.entry(repository).or_default().push((image.created, tag));
            }
        }
    }
    let mut kept = HashSet::new();
    for tags in repositories.values_mut() {
        tags.sort_unstable_by(|a, b| b.cmp(a));
        kept.extend(tags.iter().take(usize::try_from(keep).unwrap_or(usize::MAX)).map(|(_, tag)| *tag));
    }
    kept
}

/// What each image that goes frees: its size without the layers that an image which stays has too, or that were counted
/// with another which goes. Layers have no sizes of their own in the engine's listing: those that are shared are taken to be
/// as large as the image that consists of them, and where there is none, as nothing at all.
fn freed<'a>(
    listed: &'a [wit::Image],
    layers: &HashMap<String, Vec<String>>,
    gone: &HashSet<&str>,
) -> HashMap<&'a str, u64> {
    let of = |id: &str| layers.get(id).map(Vec::as_slice).unwrap_or_default();
    let mut present: Vec<&[String]> =
        layers.iter().filter(|(id, _)| !gone.contains(id.as_str())).map(|(_, layers)| layers.as_slice()).collect();
    let size_of = |prefix: &[String]| listed.iter().find(|image| of(&image.id) == prefix).map(|image| image.size);
    // The smallest first: what is built upon another image then finds it counted.
    let mut going: Vec<&wit::Image> = listed.iter().filter(|image| gone.contains(image.id.as_str())).collect();
    going.sort_by_key(|image| (of(&image.id).len(), image.size));
    let mut frees = HashMap::new();
    for image in going {
        let own = of(&image.id);
        let shared = present.iter().map(|other| common(own, other)).max().unwrap_or_default();
        let shared_size = match own.get(..shared) {
            None | Some([]) => 0,
            Some(prefix) if prefix.len() == own.len() => image.size,
            Some(prefix) => size_of(prefix).unwrap_or_default(),
        };
        frees.insert(image.id.as_str(), image.size.saturating_sub(shared_size));
        present.push(own);
    }
    frees
}

/// How many layers two images begin with alike.
fn common(one: &[String], other: &[String]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::wit::ContainerState::{Created, Exited, Paused, Restarting, Running};
    use super::*;

    const NOW: i64 = 1_000_000;

    fn image(id: &str, tags: &[&str], age: i64, size: u64, containers: u32) -> wit::Image {
        wit::Image {
            id: id.into(),
            tags: tags.iter().map(|tag| (*tag).into()).collect(),
            digests: vec![],
            created: NOW - age,
            size,
            containers,
            labels: vec![wit::Label { name: "team".into(), value: Some("a".into()) }],
        }
    }

    fn wanted(keep: u32, dangling: bool, repositories: &[&str]) -> Images {
        let repositories = repositories.iter().map(|glob| (*glob).to_owned()).collect();
        Images { repositories: Patterns::new(repositories).unwrap(), dangling, keep }
    }

    fn any() -> Condition {
        Condition::new(&[], &[], None, NOW).unwrap()
    }

    fn names(chosen: &[Chosen]) -> Vec<&str> {
        chosen.iter().map(|one| if one.name.is_empty() { one.id.as_str() } else { one.name.as_str() }).collect()
    }

    #[test]
    fn images_are_chosen_by_name_age_label_and_use() {
        let listed = [
            image("1", &["app:1"], 400, 10, 0),
            image("2", &["app:2"], 300, 10, 1),
            image("3", &["app:3", "other:3"], 200, 10, 0),
            image("4", &["app:4"], 100, 10, 0),
            image("5", &[], 500, 10, 0),
        ];
        let (none, held) = (HashMap::new(), HashSet::new());
        let older = |age| Condition::new(&[], &[], Some(age), NOW).unwrap();
        let labelled = |label: &str| Condition::new(&[label.into()], &[], None, NOW).unwrap();
        let without = |label: &str| Condition::new(&[], &[label.into()], None, NOW).unwrap();
        for (case, wanted, condition, expected) in [
            ("all unused", wanted(0, false, &[]), any(), &["app:1", "app:3", "other:3", "app:4", "5"][..]),
            ("nameless only", wanted(0, true, &[]), any(), &["5"]),
            ("one repository", wanted(0, false, &["app"]), any(), &["app:1", "app:3", "app:4"]),
            ("the newest two stay", wanted(2, false, &["app"]), any(), &["app:1"]),
            ("by age", wanted(0, false, &["app"]), older(200), &["app:1", "app:3"]),
            ("by a label", wanted(0, false, &[]), labelled("team=b"), &[]),
            ("without a label", wanted(0, false, &[]), without("team"), &[]),
        ] {
            assert_eq!(names(&images(&listed, &none, &held, &wanted, &condition)), expected, "{case}");
        }
    }

    #[test]
    fn layers_that_are_shared_are_counted_once_or_not_at_all() {
        let listed = [image("base", &["base:1"], 9, 100, 0), image("app", &["app:1", "app:2"], 9, 130, 0)];
        let layers = HashMap::from([
            ("base".to_owned(), vec!["a".to_owned()]),
            ("app".to_owned(), vec!["a".to_owned(), "b".to_owned()]),
        ]);
        let bytes = |chosen: &[Chosen]| chosen.iter().map(|one| one.bytes).collect::<Vec<_>>();
        let held = HashSet::new();
        let all = images(&listed, &layers, &held, &wanted(0, false, &[]), &any());
        assert_eq!(bytes(&all), [100, 30, 0]);
        let app = images(&listed, &layers, &held, &wanted(0, false, &["app"]), &any());
        assert_eq!(bytes(&app), [30, 0]);
        let base = images(&listed, &layers, &held, &wanted(0, false, &["base"]), &any());
        assert_eq!(bytes(&base), [0], "what is built upon it keeps its layer");
        let one_name = images(&listed, &layers, &held, &wanted(1, false, &["app"]), &any());
        assert_eq!((names(&one_name), bytes(&one_name)), (vec!["app:1"], vec![0]), "the other name keeps the image");
        let held = HashSet::from(["app".to_owned()]);
        let app = images(&listed, &layers, &held, &wanted(0, false, &["app"]), &any());
        assert_eq!(bytes(&app), [0, 0], "so does a name that the slot does not see");
    }

    #[test]
    fn what_runs_or_is_used_or_is_the_engines_stays() {
        let container = |name: &str, state| wit::Container {
            id: name.into(),
            name: name.into(),
            image: String::new(),
            image_id: String::new(),
            state,
            status: String::new(),
            created: NOW - 100,
            labels: vec![],
            size: Some(5),
        };
        let listed = [
            container("running", Running),
            container("paused", Paused),
            container("restarting", Restarting),
            container("created", Created),
            container("exited", Exited),
        ];
        let long_ago = |_: &wit::Container| Some(NOW - 50);
        assert_eq!(names(&containers(&listed, &any(), long_ago)), ["created", "exited"]);
        let old = Condition::new(&[], &[], Some(60), NOW).unwrap();
        assert!(containers(&listed, &old, long_ago).is_empty(), "its end counts, not its making");

        let network = |name: &str, containers| wit::Network {
            id: name.into(),
            name: name.into(),
            driver: "bridge".into(),
            created: NOW,
            containers,
            labels: vec![],
        };
        let listed =
            [network("bridge", 0), network("host", 0), network("none", 0), network("mine", 0), network("busy", 1)];
        assert_eq!(names(&networks(&listed, &any())), ["mine"]);

        let volume = |name: &str, containers, anonymous, created| wit::Volume {
            name: name.into(),
            driver: "local".into(),
            created,
            size: Some(7),
            containers,
            anonymous,
            labels: vec![],
        };
        let listed = [volume("data", 0, false, Some(1)), volume("ab", 0, true, None), volume("cd", 1, true, Some(1))];
        assert_eq!(names(&volumes(&listed, &any(), false)), ["ab"]);
        assert_eq!(names(&volumes(&listed, &any(), true)), ["data", "ab"]);
        assert_eq!(names(&volumes(&listed, &old, true)), ["data"], "an unknown age is young");
    }

    #[test]
    fn a_label_whose_value_is_kept_back_cannot_be_guessed_at() {
        let mut one = image("1", &["app:1"], 9, 1, 0);
        one.labels = vec![wit::Label { name: "token".into(), value: None }];
        let guess = Condition::new(&["token=hunter2".into()], &[], None, NOW).unwrap();
        assert!(images(&[one], &HashMap::new(), &HashSet::new(), &wanted(0, false, &[]), &guess).is_empty());
    }
}
