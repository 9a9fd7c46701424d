use std::os::unix::fs::PermissionsExt as _;

use sealpost_homeserver::{
    service::commands::{Command, Outcome},
    worker::command_socket,
};

use crate::server::{TestServer, on_both};

fn ask(server: &TestServer, command: &Command) -> Option<Outcome> {
    command_socket::ask(&server.folder().join("sealpost.sock"), command).unwrap()
}

/// Makes a registration token, through the socket.
pub fn registration_token(server: &TestServer, uses_allowed: Option<i64>) -> String {
    let command = Command::CreateRegistrationToken { uses_allowed, expires_at: None };
    match ask(server, &command) {
        Some(Outcome::RegistrationTokens { tokens }) => tokens[0].token.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_a_running_server_through_its_socket() {
    on_both(async |server| {
        let socket = server.folder().join("sealpost.sock");
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let create = Command::CreateUser {
            localpart: "alice".to_owned(),
            password: "hush".to_owned(),
            is_admin: true,
        };
        let user_id = "@alice:sealpost.test".to_owned();
        assert_eq!(ask(server, &create), Some(Outcome::UserCreated { user_id }));
        let message = "The user name is taken".to_owned();
        assert_eq!(ask(server, &create), Some(Outcome::Failed { message }));

        let token = registration_token(server, Some(2));
        match ask(server, &Command::ListRegistrationTokens) {
            Some(Outcome::RegistrationTokens { tokens }) => {
                assert_eq!(tokens.len(), 1);
                assert_eq!(tokens[0].token, token);
                assert_eq!(tokens[0].uses_allowed, Some(2));
            }
            other => panic!("{other:?}"),
        }
        let revoke = Command::RevokeRegistrationToken { token };
        assert_eq!(ask(server, &revoke), Some(Outcome::Done));
        assert!(matches!(ask(server, &revoke), Some(Outcome::Failed { .. })));

        server.stop().await;
        assert!(!socket.exists());
        assert_eq!(ask(server, &revoke), None);
    })
    .await;
}
