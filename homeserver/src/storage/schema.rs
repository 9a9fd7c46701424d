//! The tables, as diesel sees them: the same on both databases. Kept by hand beside `migrations/`;
//! `tests` in `storage.rs` reads every table, so a column that drifts fails.

diesel::table! {
    stream_counter (id) {
        id -> BigInt,
        position -> BigInt,
        incarnation -> BigInt,
    }
}

diesel::table! {
    users (user_nid) {
        user_nid -> BigInt,
        user_id -> Text,
    }
}

diesel::table! {
    accounts (user_nid) {
        user_nid -> BigInt,
        password_hash -> Nullable<Text>,
        is_admin -> Bool,
        is_guest -> Bool,
        created_at -> BigInt,
        deactivated_at -> Nullable<BigInt>,
        displayname -> Nullable<Text>,
        avatar_url -> Nullable<Text>,
        locked_at -> Nullable<BigInt>,
        suspended_at -> Nullable<BigInt>,
        departing -> Bool,
        erased -> Bool,
    }
}

diesel::table! {
    devices (user_nid, device_id) {
        user_nid -> BigInt,
        device_id -> Text,
        display_name -> Nullable<Text>,
        created_at -> BigInt,
        last_seen_at -> Nullable<BigInt>,
        last_seen_ip -> Nullable<Text>,
    }
}

diesel::table! {
    access_tokens (token_hash) {
        token_hash -> Binary,
        user_nid -> BigInt,
        device_id -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        refreshed_from -> Nullable<Binary>,
    }
}

diesel::table! {
    refresh_tokens (token_hash) {
        token_hash -> Binary,
        user_nid -> BigInt,
        device_id -> Text,
        access_token_hash -> Binary,
        refreshed_from -> Nullable<Binary>,
    }
}

diesel::table! {
    account_tokens (token_hash) {
        token_hash -> Binary,
        purpose -> Text,
        user_nid -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    reports (report_nid) {
        report_nid -> BigInt,
        reporter_nid -> BigInt,
        room_id -> Nullable<Text>,
        event_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        reason -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    registration_tokens (token) {
        token -> Text,
        uses_allowed -> Nullable<BigInt>,
        uses_completed -> BigInt,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    filters (user_nid, filter_id) {
        user_nid -> BigInt,
        filter_id -> BigInt,
        json -> Text,
    }
}

diesel::table! {
    client_transactions (user_nid, device_id, endpoint, transaction_id) {
        user_nid -> BigInt,
        device_id -> Text,
        endpoint -> Text,
        transaction_id -> Text,
        response -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    room_upgrades (old_room_nid) {
        old_room_nid -> BigInt,
        new_room_nid -> BigInt,
        user_nid -> BigInt,
        tombstone_id -> Nullable<Text>,
        tombstone -> Nullable<Text>,
    }
}

diesel::table! {
    rooms (room_nid) {
        room_nid -> BigInt,
        room_id -> Text,
        version -> Text,
        generation -> BigInt,
        state_nid -> BigInt,
        is_public -> Bool,
    }
}

diesel::table! {
    room_aliases (alias) {
        alias -> Text,
        room_nid -> BigInt,
        creator_nid -> BigInt,
    }
}

diesel::table! {
    state_keys (state_key_nid) {
        state_key_nid -> BigInt,
        event_type -> Text,
        state_key -> Text,
    }
}

diesel::table! {
    events (event_nid) {
        event_nid -> BigInt,
        event_id -> Text,
        room_nid -> BigInt,
        position -> Nullable<BigInt>,
        sender_nid -> BigInt,
        event_type -> Text,
        state_key_nid -> Nullable<BigInt>,
        depth -> BigInt,
        origin_server_ts -> BigInt,
        received_at -> BigInt,
        outlier -> Bool,
        rejected -> Bool,
        soft_failed -> Bool,
        state_before_nid -> Nullable<BigInt>,
        state_after_nid -> Nullable<BigInt>,
        replaces_nid -> Nullable<BigInt>,
        redacted_by_nid -> Nullable<BigInt>,
        device_id -> Nullable<Text>,
        transaction_id -> Nullable<Text>,
        json -> Text,
        is_parent -> Bool,
    }
}

diesel::table! {
    event_relations (event_nid) {
        event_nid -> BigInt,
        room_nid -> BigInt,
        parent_nid -> Nullable<BigInt>,
        parent_id -> Nullable<Text>,
        rel_type -> Text,
        event_type -> Text,
        sender_nid -> BigInt,
        position -> BigInt,
        origin_server_ts -> BigInt,
        annotation_key -> Nullable<Text>,
        is_bundled -> Bool,
    }
}

diesel::table! {
    redacted_events (event_nid) {
        event_nid -> BigInt,
        redacted_at -> BigInt,
    }
}

diesel::table! {
    threads (root_nid) {
        root_nid -> BigInt,
        room_nid -> BigInt,
        position -> BigInt,
    }
}

diesel::table! {
    redactions (redacts, event_nid) {
        redacts -> Text,
        event_nid -> BigInt,
        room_nid -> BigInt,
    }
}

diesel::table! {
    event_edges (event_nid, prev_nid) {
        event_nid -> BigInt,
        prev_nid -> BigInt,
    }
}

diesel::table! {
    backward_extremities (room_nid, event_nid, prev_event_id) {
        room_nid -> BigInt,
        event_nid -> BigInt,
        prev_event_id -> Text,
    }
}

diesel::table! {
    forward_extremities (room_nid, event_nid) {
        room_nid -> BigInt,
        event_nid -> BigInt,
    }
}

diesel::table! {
    states (state_nid) {
        state_nid -> BigInt,
        room_nid -> BigInt,
        base_nid -> Nullable<BigInt>,
        entries -> Binary,
    }
}

diesel::table! {
    state_changes (room_nid, position, state_key_nid) {
        room_nid -> BigInt,
        position -> BigInt,
        state_key_nid -> BigInt,
        event_nid -> Nullable<BigInt>,
    }
}

diesel::table! {
    memberships (room_nid, user_nid) {
        room_nid -> BigInt,
        user_nid -> BigInt,
        membership -> Text,
        event_nid -> BigInt,
        position -> BigInt,
        forgotten -> Bool,
        stripped_state -> Nullable<Text>,
    }
}

diesel::table! {
    membership_changes (room_nid, user_nid, position) {
        room_nid -> BigInt,
        user_nid -> BigInt,
        position -> BigInt,
        membership -> Text,
    }
}

diesel::table! {
    event_chains (event_nid) {
        event_nid -> BigInt,
        room_nid -> BigInt,
        chain_nid -> BigInt,
        sequence -> BigInt,
    }
}

diesel::table! {
    chain_links (from_chain, from_sequence, to_chain) {
        room_nid -> BigInt,
        from_chain -> BigInt,
        from_sequence -> BigInt,
        to_chain -> BigInt,
        to_sequence -> BigInt,
    }
}

diesel::table! {
    event_auth (event_nid, auth_nid) {
        event_nid -> BigInt,
        auth_nid -> BigInt,
    }
}

diesel::table! {
    federation_transactions (origin, transaction_id) {
        origin -> Text,
        transaction_id -> Text,
        response -> Text,
        received_at -> BigInt,
    }
}

diesel::table! {
    outbox (destination, position) {
        destination -> Text,
        position -> BigInt,
        event_nid -> Nullable<BigInt>,
        edu -> Nullable<Text>,
        expires_at -> Nullable<BigInt>,
        short_lived -> Bool,
    }
}

diesel::table! {
    destinations (destination) {
        destination -> Text,
        last_transaction -> BigInt,
        in_flight_until -> Nullable<BigInt>,
        failing_since -> Nullable<BigInt>,
        failures -> BigInt,
    }
}

diesel::table! {
    server_keys (server_name, key_id) {
        server_name -> Text,
        key_id -> Text,
        public_key -> Text,
        valid_until -> BigInt,
        expired_at -> Nullable<BigInt>,
        fetched_at -> BigInt,
    }
}

diesel::table! {
    server_key_answers (server_name) {
        server_name -> Text,
        json -> Text,
        valid_until -> BigInt,
        fetched_at -> BigInt,
    }
}

diesel::table! {
    old_signing_keys (key_id) {
        key_id -> Text,
        public_key -> Text,
        expired_at -> BigInt,
    }
}

diesel::table! {
    media (media_id) {
        media_id -> Text,
        user_nid -> BigInt,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        sha256 -> Nullable<Binary>,
        size -> Nullable<BigInt>,
        content_type -> Nullable<Text>,
        filename -> Nullable<Text>,
    }
}

diesel::table! {
    account_data (user_nid, room_id, event_type) {
        user_nid -> BigInt,
        room_id -> Text,
        event_type -> Text,
        content -> Text,
        position -> BigInt,
    }
}

diesel::table! {
    ignored_users (user_nid, ignored) {
        user_nid -> BigInt,
        ignored -> Text,
    }
}

diesel::table! {
    push_counters (room_nid, position) {
        room_nid -> BigInt,
        position -> BigInt,
        thread -> Text,
        notify -> BigInt,
        highlight -> BigInt,
        room_notify -> BigInt,
        room_highlight -> BigInt,
        main_notify -> BigInt,
        main_highlight -> BigInt,
        actions -> Text,
    }
}

diesel::table! {
    push_thread_counters (room_nid, thread, position) {
        room_nid -> BigInt,
        thread -> Text,
        position -> BigInt,
        notify -> BigInt,
        highlight -> BigInt,
    }
}

diesel::table! {
    push_threads (room_nid, thread) {
        room_nid -> BigInt,
        thread -> Text,
        position -> BigInt,
    }
}

diesel::table! {
    push_exceptions (user_nid, room_nid, position) {
        user_nid -> BigInt,
        room_nid -> BigInt,
        position -> BigInt,
        thread -> Text,
        notify -> BigInt,
        highlight -> BigInt,
        actions -> Text,
    }
}

diesel::table! {
    push_redactions (room_nid, position) {
        room_nid -> BigInt,
        position -> BigInt,
        thread -> Text,
        notify -> BigInt,
        highlight -> BigInt,
    }
}

diesel::table! {
    push_modes (user_nid, room_nid, position) {
        user_nid -> BigInt,
        room_nid -> BigInt,
        position -> BigInt,
        quiet -> Bool,
    }
}

diesel::table! {
    profile_fields (user_nid, name) {
        user_nid -> BigInt,
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    profile_updates (user_nid) {
        user_nid -> BigInt,
        changes -> BigInt,
    }
}

diesel::table! {
    push_rules (user_nid) {
        user_nid -> BigInt,
        rules -> Text,
        position -> BigInt,
    }
}

diesel::table! {
    receipts (room_nid, user_nid, receipt_type, thread) {
        room_nid -> BigInt,
        user_nid -> BigInt,
        receipt_type -> Text,
        thread -> Text,
        event_id -> Text,
        event_position -> BigInt,
        ts -> BigInt,
        position -> BigInt,
    }
}

diesel::table! {
    read_positions (user_nid, room_nid, thread) {
        user_nid -> BigInt,
        room_nid -> BigInt,
        thread -> Text,
        position -> BigInt,
    }
}

diesel::table! {
    key_backups (user_nid, version) {
        user_nid -> BigInt,
        version -> BigInt,
        algorithm -> Text,
        auth_data -> Text,
        etag -> BigInt,
        key_count -> BigInt,
        deleted -> Bool,
    }
}

diesel::table! {
    backed_up_keys (user_nid, version, room_id, session_id) {
        user_nid -> BigInt,
        version -> BigInt,
        room_id -> Text,
        session_id -> Text,
        is_verified -> Bool,
        first_message_index -> BigInt,
        forwarded_count -> BigInt,
        json -> Text,
    }
}

diesel::table! {
    received_messages (origin, message_id) {
        origin -> Text,
        message_id -> Text,
        received_at -> BigInt,
    }
}

diesel::table! {
    dehydrated_devices (user_nid) {
        user_nid -> BigInt,
        device_id -> Text,
        device_data -> Text,
    }
}

diesel::table! {
    sender_keys (user_nid, device_id, position) {
        user_nid -> BigInt,
        device_id -> Text,
        position -> BigInt,
        room_nid -> BigInt,
        deposit_id -> Text,
        deposited_at -> BigInt,
        json -> Text,
    }
}

diesel::table! {
    to_device (user_nid, device_id, position) {
        user_nid -> BigInt,
        device_id -> Text,
        position -> BigInt,
        json -> Text,
    }
}

diesel::table! {
    remote_media (server_name, media_id) {
        server_name -> Text,
        media_id -> Text,
        fetched_at -> BigInt,
        sha256 -> Binary,
        size -> BigInt,
        content_type -> Nullable<Text>,
        filename -> Nullable<Text>,
    }
}

diesel::table! {
    device_keys (user_nid, device_id) {
        user_nid -> BigInt,
        device_id -> Text,
        json -> Text,
        digest -> Binary,
        identity -> Binary,
    }
}

diesel::table! {
    one_time_keys (user_nid, device_id, algorithm, position, key_id) {
        user_nid -> BigInt,
        device_id -> Text,
        algorithm -> Text,
        key_id -> Text,
        position -> BigInt,
        hash -> Binary,
        json -> Text,
    }
}

diesel::table! {
    claimed_keys (user_nid, device_id, hash) {
        user_nid -> BigInt,
        device_id -> Text,
        hash -> Binary,
        position -> BigInt,
    }
}

diesel::table! {
    fallback_keys (user_nid, device_id, algorithm) {
        user_nid -> BigInt,
        device_id -> Text,
        algorithm -> Text,
        key_id -> Text,
        json -> Text,
        used -> Bool,
    }
}

diesel::table! {
    cross_signing_keys (user_nid, usage) {
        user_nid -> BigInt,
        usage -> Text,
        public_key -> Text,
        json -> Text,
    }
}

diesel::table! {
    key_signatures (signer_nid, target_nid) {
        signer_nid -> BigInt,
        target_nid -> BigInt,
        public_key -> Text,
        signing_key_id -> Text,
        signature -> Text,
    }
}

diesel::table! {
    device_lists (user_nid) {
        user_nid -> BigInt,
        position -> BigInt,
        stream_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    signature_changes (user_nid, target_nid) {
        user_nid -> BigInt,
        target_nid -> BigInt,
        position -> BigInt,
    }
}

diesel::table! {
    device_list_updates (position) {
        position -> BigInt,
        user_nid -> BigInt,
        device_id -> Nullable<Text>,
        previous -> Nullable<BigInt>,
    }
}

diesel::table! {
    remote_device_lists (user_nid) {
        user_nid -> BigInt,
        stream_id -> BigInt,
        position -> BigInt,
        stale -> Bool,
    }
}

diesel::table! {
    remote_devices (user_nid, device_id) {
        user_nid -> BigInt,
        device_id -> Text,
        display_name -> Nullable<Text>,
        json -> Text,
    }
}

diesel::table! {
    held_events (position) {
        position -> BigInt,
        room_id -> Text,
        origin -> Text,
        received_at -> BigInt,
        json -> Text,
        digest -> Text,
        bytes -> BigInt,
    }
}

diesel::table! {
    postponed_events (position) {
        position -> BigInt,
        room_id -> Text,
        origin -> Text,
        event_id -> Text,
        received_at -> BigInt,
        tries -> BigInt,
        next_at -> BigInt,
        json -> Text,
    }
}

diesel::table! {
    partial_rooms (room_nid) {
        room_nid -> BigInt,
        join_nid -> BigInt,
        servers -> Text,
        whole_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    partial_events (room_nid, generation) {
        room_nid -> BigInt,
        generation -> BigInt,
        event_nid -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    stream_counter,
    users,
    accounts,
    devices,
    access_tokens,
    refresh_tokens,
    account_tokens,
    reports,
    registration_tokens,
    filters,
    client_transactions,
    rooms,
    room_aliases,
    state_keys,
    events,
    redactions,
    event_edges,
    backward_extremities,
    forward_extremities,
    states,
    state_changes,
    memberships,
    membership_changes,
    event_chains,
    chain_links,
    event_auth,
    federation_transactions,
    outbox,
    destinations,
    server_keys,
    receipts,
    device_keys,
    device_lists,
    signature_changes,
    cross_signing_keys,
    remote_devices,
    remote_device_lists,
    device_list_updates,
    key_signatures,
    partial_events,
);
