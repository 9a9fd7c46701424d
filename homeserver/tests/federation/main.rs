//! Sealpost servers that federate: in one process on a network that can be cut, and as real binaries.

mod binaries;
mod devices;
mod entering;
mod media;
mod network;
mod personal;
mod rooms;
mod spaces;
mod to_device;
mod user;
