#!/usr/bin/env python3
"""linphone, without a screen: registers over TLS with SHA-256, and takes a call
with SRTP, which it insists on, from baresip, which does so too."""

import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES  # noqa: E402
from tests.harness.peers import write_tone  # noqa: E402
from tests.harness.process import Process, wait_until  # noqa: E402

USER, PASSWORD = '3001', 'a-password-of-3001'
MANIFEST = f'''
kind: User
name: tenants/default/users/{USER}
spec:
  username: "{USER}"
  domain: {DOMAIN}
  password: {PASSWORD}
  digest_algorithm: DIGEST_ALGORITHM_SHA_256
  phone_numbers: ["{USER}"]
  dial_plan: tenants/default/dialPlans/secured
  allow_without_certificate: true
'''

RC = '''[sip]
sip_port=0
sip_tcp_port=0
sip_tls_port=-2
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

[auth_info_0]
username={user}
passwd={password}
realm={domain}
domain={domain}
algorithm=SHA-256
available_algorithms=SHA-256

[proxy_0]
reg_proxy=<sip:{edge}:5061;transport=tls>
reg_route=<sip:{edge}:5061;transport=tls>
reg_identity=sip:{user}@{domain}
reg_expires=600
reg_sendregister=1
publish=0
'''


class LinphoneTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.cluster.make_pki()
        configs.write_all(cls.cluster)
        edge = configs.read(cls.cluster, 'signaling_edge')
        edge['service_route_host'] = cls.cluster.host('signaling_edge')
        cls.cluster.write_config('signaling_edge', edge)
        for name in SERVICES:
            cls.cluster.start_service(name)
        cls.demo.provision()
        cls.demo.enroll()
        cls.demo.start_user_agents()
        manifest = cls.cluster.path('conf', 'linphone.yaml')
        with open(manifest, 'w', encoding='utf-8') as f:
            f.write(MANIFEST)
        cls.cluster.cli('apply', '-f', manifest)
        cls.demo.wait_snapshot()

    def start(self, *arguments):
        folder = self.cluster.path('linphone')
        os.makedirs(os.path.join(folder, '.local/share/linphone'), exist_ok=True)
        rc = os.path.join(folder, 'linphonerc')
        with open(rc, 'w', encoding='utf-8') as f:
            f.write(RC.format(ca=f'{self.cluster.pki}/sip-ca.pem', user=USER, password=PASSWORD, domain=DOMAIN,
                              edge=self.cluster.host('signaling_edge')))
        write_tone(os.path.join(folder, 'tone.wav'))
        process = Process('linphone', ['linphone-daemon', '--config', rc, '--log', os.path.join(folder, 'debug.log'),
                                       '--pipe', os.path.basename(self.cluster.folder) + '-linphone', *arguments],
                          os.path.join(folder, 'log'), env={**os.environ, 'HOME': folder}, cwd=folder).start()
        self.addCleanup(process.stop)
        return process

    def registered(self):
        def held():
            return [r for r in self.cluster.items('registrations') if r.get('user', '').endswith('/' + USER)]
        return wait_until(held, 'linphone is registered', 20)[0]

    def debug_log(self):
        with open(self.cluster.path('linphone', 'debug.log'), encoding='utf-8', errors='replace') as f:
            return f.read()

    def test_it_registers_and_is_called(self):
        self.start('--auto-answer')
        one = self.registered()
        self.assertEqual(one['authentication'], 'AUTHENTICATION_METHOD_DIGEST_SHA_256', one)
        self.assertEqual(one['remoteAddress']['transport'], 'TRANSPORT_TLS', one)
        # RFC 3608: where it is to send what it asks for; it has read that.
        route = f'Service-Route: <sip:{self.cluster.host("signaling_edge")};transport=tls;lr>'
        wait_until(lambda: route in self.debug_log(), 'linphone has read the answer', 5)
        # The demo's phone, baresip with SRTP that it insists on as well, calls it.
        phone = self.demo.phone
        established = len(phone.seen('CALL_ESTABLISHED'))
        phone.dial(f'sip:{USER}@{DOMAIN}')
        phone.wait_event('CALL_ESTABLISHED', 'linphone answers', count=established + 1)
        call = self.cluster.wait_for(
            lambda: [c for c in self.cluster.items('calls') if c.get('state') == 'CALL_STATE_ANSWERED'],
            'the edge has the call', 5)[0]
        for leg in call['legs']:
            self.assertTrue(leg.get('srtpSuite'), call)
        phone.hang_up()


if __name__ == '__main__':
    main()
