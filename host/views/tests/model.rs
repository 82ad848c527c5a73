//! The store against the simplest thing that could be right: a `BTreeMap`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use proptest::prelude::*;
use sportello_views::{Change, Direction, Views, ViewsOptions};

type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// What the test may do.
#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<Change>),
    /// Says that all but the last so many records are durable, and waits until they are stored.
    Store(u64),
    Get(u8, Vec<u8>),
    Range(u8, Bound<Vec<u8>>, Bound<Vec<u8>>, bool, usize),
    Hash,
    Reopen(bool),
    Reset,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    // Few keys, one a prefix of another, empty and extreme bytes among them.
    prop_oneof![
        Just(vec![]),
        Just(vec![0]),
        Just(vec![255]),
        Just(vec![255, 255]),
        prop::collection::vec(0u8..4, 1..3),
        prop::collection::vec(any::<u8>(), 1..40),
    ]
}

fn table() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0u8), Just(1), Just(254)]
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Some),
        2 => Just(None),
    ];
    (table(), key(), value).prop_map(|(table, key, value)| Change::new(table, &key, value.as_deref()))
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::collection::vec(change(), 0..8).prop_map(Step::Apply),
        3 => (0u64..4).prop_map(Step::Store),
        4 => (table(), key()).prop_map(|(table, key)| Step::Get(table, key)),
        8 => (table(), bound(), bound(), any::<bool>(), 0usize..12)
            .prop_map(|(table, start, end, forward, limit)| Step::Range(table, start, end, forward, limit)),
        1 => Just(Step::Hash),
        1 => any::<bool>().prop_map(Step::Reopen),
        1 => Just(Step::Reset),
    ]
}

fn options() -> ViewsOptions {
    ViewsOptions {
        // Small, so that a few records are many batches; and no writing unless asked, so that the overlay has rows.
        batch_rows_max: 5,
        write_behind_max: Duration::from_secs(3600),
        ..ViewsOptions::new("model")
    }
}

fn apply(model: &mut Model, changes: &[Change]) {
    for change in changes {
        let place = (change.table(), change.key().to_vec());
        match &change.value {
            Some(value) => model.insert(place, value.to_vec()),
            None => model.remove(&place),
        };
    }
}

fn expected(
    model: &Model,
    table: u8,
    start: &Bound<Vec<u8>>,
    end: &Bound<Vec<u8>>,
    direction: Direction,
    limit: usize,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let within = |key: &Vec<u8>| {
        let after = match start {
            Bound::Included(start) => key >= start,
            Bound::Excluded(start) => key > start,
            Bound::Unbounded => true,
        };
        let before = match end {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        after && before
    };
    let rows = model.iter().filter(|((of, key), _)| *of == table && within(key));
    let rows = rows.map(|((_, key), value)| (key.clone(), value.clone()));
    match direction {
        Direction::Forward => rows.take(limit).collect(),
        Direction::Backward => rows.rev().take(limit).collect(),
    }
}

/// A second store given the rows of the model in one record: a rebuild of the same state.
fn rebuilt_hash(model: &Model) -> [u8; 32] {
    let folder = tempfile::tempdir().unwrap();
    let views = Views::open(folder.path(), options()).unwrap().views;
    let rows = model.iter().map(|((table, key), value)| Change::new(*table, key, Some(value)));
    views.apply(1, rows.collect()).unwrap();
    views.state_hash().unwrap().sha256
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reads_answer_as_one_map_wherever_the_rows_are(steps in prop::collection::vec(step(), 1..80)) {
        let folder = tempfile::tempdir().unwrap();
        let mut views = Views::open(folder.path(), options()).unwrap().views;
        let mut model = Model::new();
        // The model after each record, so that a store which comes back at an earlier cursor can be compared.
        let mut history = vec![Model::new()];
        for step in steps {
            match step {
                Step::Apply(changes) => {
                    apply(&mut model, &changes);
                    history.push(model.clone());
                    views.apply(views.cursor() + 1, changes).unwrap();
                }
                Step::Store(all_but) => {
                    views.only_up_to(views.cursor().saturating_sub(all_but));
                    views.flush().unwrap();
                }
                Step::Get(table, key) => {
                    prop_assert_eq!(views.get(table, &key).unwrap().map(|value| value.to_vec()), model.get(&(table, key)).cloned());
                }
                Step::Range(table, start, end, forward, limit) => {
                    let direction = if forward { Direction::Forward } else { Direction::Backward };
                    let found = views
                        .range(
                            table,
                            start.as_ref().map(Vec::as_slice),
                            end.as_ref().map(Vec::as_slice),
                            direction,
                            limit,
                        )
                        .unwrap();
                    prop_assert_eq!(found, expected(&model, table, &start, &end, direction, limit));
                }
                Step::Hash => {
                    let hash = views.state_hash().unwrap();
                    prop_assert_eq!(hash.cursor, views.cursor());
                    prop_assert_eq!(hash.sha256, rebuilt_hash(&model), "live and rebuilt state differ");
                }
                Step::Reopen(cleanly) => {
                    let stored = views.stored_cursor();
                    if cleanly {
                        views.close().unwrap();
                    }
                    drop(views);
                    let opened = Views::open(folder.path(), options()).unwrap();
                    prop_assert_eq!(opened.rebuilt_because, None);
                    views = opened.views;
                    prop_assert!(views.cursor() >= stored);
                    history.truncate(views.cursor() as usize + 1);
                    model = history.last().unwrap().clone();
                }
                Step::Reset => {
                    views.reset().unwrap();
                    prop_assert_eq!(views.cursor(), 0);
                    model = Model::new();
                    history = vec![Model::new()];
                }
            }
        }
        for table in [0, 1, 254] {
            let found = views.range(table, Bound::Unbounded, Bound::Unbounded, Direction::Forward, usize::MAX).unwrap();
            prop_assert_eq!(
                found,
                expected(&model, table, &Bound::Unbounded, &Bound::Unbounded, Direction::Forward, usize::MAX)
            );
        }
    }
}
