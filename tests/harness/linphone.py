"""linphone without a screen: its daemon, steered over the socket that it opens."""

import os
import re
import socket

from tests.harness import configs
from tests.harness.peers import write_tone
from tests.harness.process import Failed, Process

RC = '''[sip]
sip_port=0
sip_tcp_port={tcp}
sip_tls_port={tls}
bind_address={address}
default_proxy=0
media_encryption=srtp
media_encryption_mandatory=1
verify_server_certs=1
verify_server_cn=0
root_ca={ca}
register_only_when_network_is_up=0
keepalive_period=30000
ping_with_options=0

[net]
firewall_policy=0
mtu=1300

[rtp]
audio_rtp_port=32000
srtp_crypto_suites=AES_CM_128_HMAC_SHA1_80

[sound]
playback_dev_id=ANDROID SND: none
files_only=1

[video]
capture=0
display=0

[audio_codec_0]
mime=PCMU
rate=8000
channels=1
enabled=1

[misc]
uuid=00000000-0000-1000-8000-000a95a0e128
'''

ACCOUNT = '''
[auth_info_0]
username={user}
passwd={password}
realm={domain}
domain={domain}
algorithm=SHA-256
available_algorithms=SHA-256

[proxy_0]
reg_proxy=<sip:{proxy};transport={transport}>
reg_route=<sip:{proxy};transport={transport}>
reg_identity=sip:{user}@{domain}
reg_expires=600
reg_sendregister={register}
publish=0
'''


def account(user, password, domain, proxy, transport, register=True):
    """Whose calls go by `proxy`, an address with its port."""
    return ACCOUNT.format(user=user, password=password, domain=domain, proxy=proxy, transport=transport,
                          register=int(register))


class Linphone:
    """`more` are further sections of its configuration, `certificate` what it
    shows, chain and key."""

    def __init__(self, folder, ca, more='', address='0.0.0.0', tcp=0, tls=-2, certificate=(), arguments=()):
        self.folder = folder
        os.makedirs(os.path.join(folder, '.local/share/linphone'), exist_ok=True)
        rc = os.path.join(folder, 'linphonerc')
        with open(rc, 'w', encoding='utf-8') as f:
            text = RC.format(ca=ca, address=address, tcp=tcp, tls=tls) + more
            if certificate:
                text = text.replace('[sip]\n', '[sip]\nclient_cert_chain={}\nclient_cert_key={}\n'.format(*certificate))
            f.write(text)
        write_tone(os.path.join(folder, 'tone.wav'))
        # A Unix socket under /tmp, which it puts there itself.
        self.pipe = re.sub(r'\W', '', folder)[-60:]
        self.process = Process(
            'linphone', ['linphone-daemon', '--config', rc, '--log', os.path.join(folder, 'debug.log'),
                         '--pipe', self.pipe, *arguments],
            os.path.join(folder, 'log'), env={**os.environ, 'HOME': folder}, cwd=folder)

    @staticmethod
    def allow_media(cluster):
        """It names the address of the machine's way out, if there is one."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            try:
                out.connect(('198.51.100.1', 9))
            except OSError:
                return
            own = out.getsockname()[0]
        relay = configs.read(cluster, 'media_relay')
        relay['peer_policy']['allowed_prefixes'].append(f'{own}/32')
        cluster.write_config('media_relay', relay)

    def start(self):
        self.process.start()
        self.process.wait_for(self._connect, 'linphone listens to commands')
        return self

    def _connect(self):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(5)
        try:
            self._socket.connect(f'/tmp/{self.pipe}')
            return True
        except OSError:
            self._socket.close()
            return False

    def command(self, text):
        """It takes one client, and one command at a time."""
        self._socket.sendall(text.encode() + b'\n')
        answer = self._socket.recv(65536).decode('utf-8', 'replace')
        if not answer.startswith('Status: Ok'):
            raise Failed(f'linphone, {text}: {answer or "no answer"}')
        return answer

    def debug_log(self):
        with open(os.path.join(self.folder, 'debug.log'), encoding='utf-8', errors='replace') as f:
            return f.read()

    def stop(self):
        self._socket.close()
        self.process.stop()
        if os.path.exists(f'/tmp/{self.pipe}'):
            os.unlink(f'/tmp/{self.pipe}')
