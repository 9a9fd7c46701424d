"""The two servers: processes on loopback that trust one test authority and are named `localhost:PORT`."""

import asyncio
import socket
import string

import aiohttp

PATIENCE = 60

SEALPOST = """server_name = "localhost:$port"
public_base_url = "http://localhost:$client_port"

[[listeners]]
bind = "127.0.0.1"
port = $client_port
serves = ["client"]

[[listeners]]
bind = "127.0.0.1"
port = $port
tls = true
cert_file = "../cert.pem"
key_file = "../key.pem"
serves = ["federation"]

[registration]
enabled = true

[rate_limits]
enabled = false

[password_hashing]
memory_kib = 8
iterations = 1
parallelism = 1

[room_directory]
public_over_federation = true
anyone_may_publish = true

[federation]
ca_files = ["../ca.pem"]
allow_private_addresses = true
"""

# After an outage Synapse would wait for ten minutes before it tries again by itself.
SYNAPSE = """server_name: localhost:$port
listeners:
  - port: $client_port
    type: http
    bind_addresses: [127.0.0.1]
    resources: [{names: [client]}]
  - port: $port
    type: http
    tls: true
    bind_addresses: [127.0.0.1]
    resources: [{names: [federation]}]
tls_certificate_path: ../cert.pem
tls_private_key_path: ../key.pem
federation_custom_ca_list: [../ca.pem]
federation_verify_certificates: true
federation: {destination_min_retry_interval: 1s, destination_max_retry_interval: 2s}
ip_range_blacklist: []
database: {name: sqlite3, args: {database: homeserver.db}}
media_store_path: media
signing_key_path: signing.key
pid_file: pid
log_config: log.yaml
macaroon_secret_key: only-on-this-machine
form_secret: only-on-this-machine
enable_registration: true
enable_registration_without_verification: true
bcrypt_rounds: 4
report_stats: false
trusted_key_servers: []
room_list_publication_rules: [{action: allow}]
suppress_key_server_warning: true
dynamic_thumbnails: true
allow_public_rooms_over_federation: true
rc_message: $unlimited
rc_registration: $unlimited
rc_login: {address: $unlimited, account: $unlimited, failed_attempts: $unlimited}
rc_joins: {local: $unlimited, remote: $unlimited}
rc_joins_per_room: $unlimited
rc_invites: {per_room: $unlimited, per_user: $unlimited, per_issuer: $unlimited}
rc_room_creation: $unlimited
rc_presence: {per_user: $unlimited}
rc_federation: {window_size: 1000, sleep_limit: 100000, reject_limit: 100000, concurrent: 100}
"""

SYNAPSE_LOG = """version: 1
formatters: {short: {format: '%(asctime)s %(levelname)s %(name)s %(request)s %(message)s'}}
filters: {context: {(): synapse.logging.context.LoggingContextFilter, request: ''}}
handlers: {console: {class: logging.StreamHandler, formatter: short, filters: [context]}}
root: {level: INFO, handlers: [console]}
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A server in a folder of its own; what it says goes to `log` there."""

    def __init__(self, kind, folder, command):
        self.kind, self.folder, self.command = kind, folder, command
        self.port, self.client_port = free_port(), free_port()
        self.name, self.url = f"localhost:{self.port}", f"http://127.0.0.1:{self.client_port}"
        self.process = None
        folder.mkdir(parents=True)

    def write(self, file, text):
        unlimited = "{per_second: 1000000, burst_count: 1000000}"
        filled = string.Template(text).substitute(
            port=self.port, client_port=self.client_port, unlimited=unlimited
        )
        (self.folder / file).write_text(filled)

    async def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, cwd=self.folder, stdout=log, stderr=log
            )
        async with aiohttp.ClientSession() as http:
            for _ in range(PATIENCE * 20):
                assert self.process.returncode is None, f"{self.kind} ended: {self.folder}/log"
                try:
                    async with http.get(f"{self.url}/_matrix/client/versions") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError(f"{self.kind} does not answer: {self.folder}/log")

    async def stop(self):
        """Asks it to end, as an administrator does."""
        if self.process and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 15)
            except asyncio.TimeoutError:
                self.process.kill()
                await self.process.wait()

    async def die(self):
        """Ends it without a word."""
        self.process.kill()
        await self.process.wait()


def sealpost(program, folder):
    server = Server("Sealpost", folder, [program, "--config", "sealpost.toml"])
    server.write("sealpost.toml", SEALPOST)
    return server


async def synapse(python, folder):
    command = [python, "-m", "synapse.app.homeserver", "--config-path", "homeserver.yaml"]
    server = Server("Synapse", folder, command)
    server.write("homeserver.yaml", SYNAPSE)
    (folder / "log.yaml").write_text(SYNAPSE_LOG)
    making = await asyncio.create_subprocess_exec(
        *command, "--generate-keys", cwd=folder, stdout=asyncio.subprocess.DEVNULL
    )
    assert await making.wait() == 0, "Synapse made no signing key"
    return server
