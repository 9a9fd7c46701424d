use ruma::events::room::{
    history_visibility::HistoryVisibility::{self, Invited, Joined, Shared, WorldReadable},
    member::MembershipState::{self, Ban, Invite, Join, Knock, Leave},
};

use crate::room::visibility::{View, visible, visible_to_server};

const MEMBERSHIPS: [MembershipState; 5] = [Join, Invite, Knock, Leave, Ban];

fn view<'a>(
    visibility: &'a HistoryVisibility,
    membership: &'a MembershipState,
    joined_since: bool,
) -> View<'a> {
    View { visibility, visibility_after: None, membership, membership_after: None, joined_since }
}

/// One line for each visibility and membership at the event: seen by who never joined since, by who did.
#[test]
fn the_table_of_visibility_and_membership() {
    let custom = HistoryVisibility::from("org.example.odd");
    let mut table = String::new();
    for visibility in [WorldReadable, Shared, Invited, Joined, custom] {
        for membership in MEMBERSHIPS {
            let row = [false, true].map(|since| {
                if visible(&view(&visibility, &membership, since)) { "yes" } else { "no" }
            });
            let [never, since] = row;
            let (visibility, membership) = (visibility.as_str(), membership.as_str());
            table += &format!("{visibility:<16}{membership:<8}{never:<4}{since}\n");
        }
    }
    insta::assert_snapshot!(table, @r"
    world_readable  join    yes yes
    world_readable  invite  yes yes
    world_readable  knock   yes yes
    world_readable  leave   yes yes
    world_readable  ban     yes yes
    shared          join    yes yes
    shared          invite  no  yes
    shared          knock   no  yes
    shared          leave   no  yes
    shared          ban     no  yes
    invited         join    yes yes
    invited         invite  yes yes
    invited         knock   no  no
    invited         leave   no  no
    invited         ban     no  no
    joined          join    yes yes
    joined          invite  no  no
    joined          knock   no  no
    joined          leave   no  no
    joined          ban     no  no
    org.example.odd join    yes yes
    org.example.odd invite  no  yes
    org.example.odd knock   no  yes
    org.example.odd leave   no  yes
    org.example.odd ban     no  yes
    ");
}

#[test]
fn a_change_of_visibility_is_seen_by_who_sees_either_side_of_it() {
    for (before, after) in [(&WorldReadable, &Joined), (&Joined, &WorldReadable)] {
        let mut view = view(before, &Leave, false);
        view.visibility_after = Some(after);
        assert!(visible(&view));
    }
    let mut view = view(&Joined, &Leave, true);
    view.visibility_after = Some(&Invited);
    assert!(!visible(&view));
}

#[test]
fn ones_own_join_and_leave_are_always_seen() {
    for (before, after) in [(&Leave, &Join), (&Join, &Leave), (&Join, &Ban), (&Invite, &Join)] {
        let mut view = view(&Joined, before, false);
        view.membership_after = Some(after);
        assert!(visible(&view));
    }
}

#[test]
fn ones_own_invite_is_seen_where_invited_users_see() {
    for (visibility, seen) in [(&Invited, true), (&Joined, false)] {
        let mut view = view(visibility, &Leave, false);
        view.membership_after = Some(&Invite);
        assert_eq!(visible(&view), seen);
    }
}

#[test]
fn ones_own_ban_after_leaving_is_not_seen() {
    let mut view = view(&Shared, &Leave, false);
    view.membership_after = Some(&Ban);
    assert!(!visible(&view));
}

#[test]
fn a_server_sees_what_one_of_its_users_sees() {
    assert!(visible_to_server(&WorldReadable, []));
    assert!(visible_to_server(&Shared, []));
    assert!(visible_to_server(&Invited, [&Leave, &Invite]));
    assert!(!visible_to_server(&Invited, [&Leave]));
    assert!(visible_to_server(&Joined, [&Leave, &Join]));
    assert!(!visible_to_server(&Joined, [&Invite]));
}
