use crate::room::dag::{depth_after, sort};

#[test]
fn an_event_is_one_deeper_than_the_deepest_before_it() {
    assert_eq!(depth_after([]), 1);
    assert_eq!(depth_after([3, 9, 4]), 10);
    assert_eq!(depth_after([(1 << 53) - 1]), (1 << 53) - 1);
    assert_eq!(depth_after([i64::MAX]), (1 << 53) - 1);
}

#[test]
fn events_come_after_those_they_name_and_else_by_their_key() {
    // 5 → {3, 4} → 1, 2 stands alone; 9 is not among the events.
    let edges = |id: &u32| match id {
        5 => vec![3, 4, 3],
        3 | 4 => vec![1, 9],
        _ => vec![],
    };
    assert_eq!(sort([5, 4, 3, 2, 1], edges, |id| *id), [1, 2, 3, 4, 5]);
    assert_eq!(sort([5, 4, 3, 2, 1], edges, |id| 10 - *id), [2, 1, 4, 3, 5]);
}

#[test]
fn events_on_a_cycle_are_left_out() {
    let edges = |id: &u32| match id {
        2 => vec![3],
        3 => vec![2],
        4 => vec![3],
        _ => vec![],
    };
    assert_eq!(sort([1, 2, 3, 4], edges, |id| *id), [1]);
}
