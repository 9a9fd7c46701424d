//! The least HTTP client that speaks to a server of ours: HTTP/1.1 over a connection kept open, JSON both
//! ways. It knows nothing that the server's own code knows.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

pub struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    pub token: Option<String>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connection: None, token: None }
    }

    /// The status and the body. An error means that nothing is known of what the server did.
    pub fn call(&mut self, method: &str, path: &str, body: &Value) -> io::Result<(u16, Value)> {
        let result = self.try_call(method, path, body);
        if result.is_err() {
            self.connection = None;
        }
        result
    }

    fn try_call(&mut self, method: &str, path: &str, body: &Value) -> io::Result<(u16, Value)> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                none.insert(BufReader::new(stream))
            }
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let authorization = match &self.token {
            Some(token) => format!("Authorization: Bearer {token}\r\n"),
            None => String::new(),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{authorization}\r\n{body}",
            body.len()
        );
        connection.get_mut().write_all(request.as_bytes())?;

        let status_line = line(connection)?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid("status line"))?;
        let mut length = 0;
        loop {
            let header = line(connection)?;
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(|_| invalid("content length"))?;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

fn line(connection: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
