DROP TABLE push_modes;
DROP TABLE push_redactions;
DROP TABLE push_exceptions;
DROP TABLE push_threads;
DROP TABLE push_thread_counters;
DROP TABLE push_counters;
