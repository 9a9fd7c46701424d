//! Why an operation was refused. Nothing has changed then.

/// One error for the whole library: callers tell apart what they can do about it, attackers learn little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not the one encoding of a message, or are longer than any message may be.
    #[error("the bytes are not a message of this protocol")]
    Encoding,
    /// A key, of a peer or in a message, is none.
    #[error("a key is malformed or of low order")]
    Key,
    /// A signature, commitment or tag is wrong: the bytes are not what their author sealed.
    #[error("the message is not authentic")]
    Authentication,
    /// A message that was read before, or whose key is gone.
    #[error("the message was read before, or its key is gone")]
    NoKey,
    /// A message too far ahead of the last one that was read.
    #[error("too many messages are missing before this one")]
    Gap,
    /// A ratchet message that the state of the session rules out.
    #[error("the message does not follow from the session")]
    Order,
    /// What is to be sealed is longer than the protocol allows.
    #[error("too long to be sealed")]
    TooLong,
    /// A stored row that this version cannot read.
    #[error("what is stored cannot be read")]
    Store,
    /// A room, user, device or request that is not known.
    #[error("not known")]
    Unknown,
    /// Keys of somebody must be asked for first: send what is pulled, then try again.
    #[error("keys must be asked for first")]
    NotReady,
    /// An identity is new, changed or not vouched for: somebody must look at it before anything is sent.
    #[error("an identity must be looked at first")]
    Identity,
    /// The room is not encrypted by this library, so nothing is sealed or sent in it.
    #[error("the room is not encrypted in a way that is known here")]
    Unencrypted,
}
