CREATE INDEX events_position ON events (position);
CREATE INDEX event_edges_prev ON event_edges (prev_nid);
