//! Which ways to compare two devices have.

use serde_json::Value;

/// Ways of one device. Both of QR codes need `m.reciprocate.v1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods {
    /// Short strings.
    pub sas: bool,
    /// It can show a code.
    pub show: bool,
    /// It can scan one.
    pub scan: bool,
}

impl Methods {
    pub fn of(content: &Value) -> Self {
        let all = content.get("methods").and_then(Value::as_array);
        let has = |name| all.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
        let reciprocate = has("m.reciprocate.v1");
        Self {
            sas: has("m.sas.v1"),
            show: reciprocate && has("m.qr_code.show.v1"),
            scan: reciprocate && has("m.qr_code.scan.v1"),
        }
    }

    /// Those that fit what the other side has.
    pub fn answering(self, their: Self) -> Self {
        Self {
            sas: self.sas && their.sas,
            show: self.show && their.scan,
            scan: self.scan && their.show,
        }
    }

    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub fn names(self) -> Vec<&'static str> {
        let all = [
            ("m.sas.v1", self.sas),
            ("m.qr_code.show.v1", self.show),
            ("m.qr_code.scan.v1", self.scan),
            ("m.reciprocate.v1", self.show || self.scan),
        ];
        all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
    }
}
