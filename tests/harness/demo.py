"""The demo call: provisions a tenant by the public API, places a real secured
call with user agents that others wrote, and reports what was seen.

Every fact in the report was read from a service, a user agent, a certificate
or the wire while this ran; `check` fails the step whose fact is missing.
"""

import os
import re
import subprocess
import time

from tests.harness import configs
from tests.harness.cluster import DOMAIN, EDGE_NAME, SERVICES
from tests.harness.peers import Baresip, MutualTlsWrapper, turn_client
from tests.harness.process import Failed, wait_until

DEVICE = 'SEP001122334455'
AUTHENTICATION_STRING = '4711471147'
USER, PASSWORD = '1001', 'demo-phone-password'
DIALLED = '915550100'
CALL_SECONDS = 12.0
MIN_PACKETS = 500

MANIFEST = '''\
kind: Tenant
name: tenants/default
spec:
  domains: [{domain}]
  cluster_security_mode: CLUSTER_SECURITY_MODE_MIXED
---
kind: DialPlan
name: tenants/default/dialPlans/secured
spec:
  security_mode: SECURED
  number_of_digits_in_extension: 4
  calling_search_space: everything
---
kind: DialPlan
name: tenants/default/dialPlans/gateway
spec:
  security_mode: SIP_SECURED
  number_of_digits_in_extension: 4
---
kind: Partition
name: tenants/default/partitions/default
---
kind: CallingSearchSpace
name: tenants/default/callingSearchSpaces/everything
spec:
  partitions: [default]
---
kind: Peer
name: tenants/default/peers/gateway
spec:
  kind: PEER_KIND_IP_GATEWAY
  fqdn: gw.{domain}
  port: 5061
  transport: TRANSPORT_TLS
  status: PEER_STATUS_ENABLED
  outcalls_allowed: true
  x509_subject_names: [gw.{domain}]
  dial_plan: tenants/default/dialPlans/gateway
---
kind: RoutePattern
name: tenants/default/routePatterns/outside
spec:
  pattern: "9.!"
  partition: tenants/default/partitions/default
  peer: tenants/default/peers/gateway
  called_party: {{discard_digits: DISCARD_DIGITS_PRE_DOT}}
---
kind: Phone
name: tenants/default/phones/{device_id}
spec:
  device_name: {device}
  dial_plan: secured
  owner_user: tenants/default/users/{user}
---
kind: User
name: tenants/default/users/{user}
spec:
  username: "{user}"
  domain: {domain}
  password: {password}
  digest_algorithm: DIGEST_ALGORITHM_MD5
  dial_plan: tenants/default/dialPlans/secured
  phone_numbers: ["{user}"]
---
kind: Enrollment
name: tenants/default/enrollments/{device_id}
spec:
  device_name: {device}
  operation: CERTIFICATE_OPERATION_INSTALL_UPGRADE
  authentication_mode: AUTHENTICATION_MODE_AUTHENTICATION_STRING
  authentication_string: "{string}"
  key_order: KEY_ORDER_EC_ONLY
  ec_key_size: 256
---
kind: TrustedCertificate
name: tenants/default/trustStores/CallManager-trust/certificates/sip-ca
spec:
  certificate_file: {sip_ca}
'''


class Demo:
    """One run. Steps are methods, in the order of `steps`."""

    def __init__(self, cluster, say=lambda text: None, unlimited=False):
        self.cluster = cluster
        self.unlimited = unlimited
        self.say = say
        self.facts = {}
        self.phone = self.gateway = self.wrapper = None

    # -- start ---------------------------------------------------------------

    def start_services(self):
        self.cluster.make_pki()
        configs.write_all(self.cluster, self.unlimited)
        for name in SERVICES:
            self.cluster.start_service(name)

    def provision(self):
        path = self.cluster.path('conf', 'demo.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(MANIFEST.format(domain=DOMAIN, device=DEVICE, device_id=DEVICE.lower(), user=USER,
                                    password=PASSWORD, string=AUTHENTICATION_STRING,
                                    sip_ca=f'{self.cluster.pki}/sip-ca.pem'))
        self.cluster.cli('apply', '-f', path)
        self.wait_snapshot()

    def wait_snapshot(self):
        """Until the edge routes by what dialplan has stored."""
        def in_force():
            status = self.cluster.cli('get', 'status', '-o', 'json')
            return (status.get('signaling_edge', {}).get('snapshotVersion')
                    == status.get('dialplan', {}).get('configuredVersion') != None)
        self.cluster.wait_for(in_force, 'the edge takes over the plan', 10)

    # -- certificates ----------------------------------------------------------

    def enroll(self):
        """The phone gets its LSC by the CAPF protocol, with its string."""
        out = self.cluster.path('phone-identity')
        os.makedirs(out, exist_ok=True)
        answer = self.cluster.cli(
            'enroll', '--server', f'{self.cluster.host("capf")}:3804',
            '--ca', self.cluster.path('data', 'capf-ca.pem'),
            '--device', DEVICE, '--auth-string', AUTHENTICATION_STRING,
            '--key-out', f'{out}/lsc.key', '--cert-out', f'{out}/lsc.pem', '-o', 'json')
        with open(f'{out}/both.pem', 'w', encoding='utf-8') as f:
            for part in ('lsc.key', 'lsc.pem'):
                with open(f'{out}/{part}', encoding='utf-8') as piece:
                    f.write(piece.read())
        os.chmod(f'{out}/both.pem', 0o600)
        # What openssl itself reads from the file, not what was reported.
        shown = subprocess.run(
            ['openssl', 'x509', '-in', f'{out}/lsc.pem', '-noout', '-serial', '-issuer', '-subject', '-enddate'],
            capture_output=True, text=True, check=True).stdout
        self.facts['lsc'] = {
            'subject': re.search(r'subject=(.*)', shown).group(1).strip(),
            'issuer': re.search(r'issuer=(.*)', shown).group(1).strip(),
            'serial': re.search(r'serial=(.*)', shown).group(1).strip(),
            'sha1': fingerprint(f'{out}/lsc.pem', 'sha1'),
            'sha256': fingerprint(f'{out}/lsc.pem', 'sha256'),
            'verified': subprocess.run(
                ['openssl', 'verify', '-CAfile', self.cluster.path('data', 'capf-ca.pem'), f'{out}/lsc.pem'],
                capture_output=True, text=True).returncode == 0,
            'reported': answer,
        }
        if not self.facts['lsc']['verified']:
            raise Failed('the LSC does not chain to the capf authority')

    # -- user agents -----------------------------------------------------------

    def start_user_agents(self):
        pki = self.cluster.pki
        self.gateway = Baresip(
            self.cluster.folder, 'gateway',
            # Known by the number that reaches it: the 9 is discarded on the way.
            '<sip:' + DIALLED[1:] + '@127.0.0.1:{port}>;regint=0;answermode=auto',
            media_ports=(31000, 31199)).start()
        self.wrapper = MutualTlsWrapper(
            self.cluster.path('gateway'), 'gateway-tls',
            (self.cluster.host('gateway'), 5061), self.gateway.sip_port,
            f'{pki}/gateway.pem', f'{pki}/gateway.key', f'{pki}/sip-ca.pem',
            client_name=EDGE_NAME).start()
        self.phone = self.make_phone('phone', 'srtp-mand')
        self.phone.start()
        self.phone.wait_registered()

    def make_phone(self, name, media_encryption, media_ports=(30000, 30199)):
        edge = self.cluster.host('signaling_edge')
        encryption = f';mediaenc={media_encryption}' if media_encryption else ''
        return Baresip(
            self.cluster.folder, name,
            f'<sip:{USER}@{DOMAIN};transport=tls>;auth_user={USER};auth_pass={PASSWORD}'
            f';outbound="sip:{edge}:5061;transport=tls";regint=600{encryption}',
            certificate=self.cluster.path('phone-identity', 'both.pem'),
            ca=f'{self.cluster.pki}/sip-ca.pem', media_ports=media_ports)

    # -- the call --------------------------------------------------------------

    def call(self, seconds=CALL_SECONDS, during=None):
        """Dials, talks, reads what the services say meanwhile, hangs up."""
        established = len(self.phone.seen('CALL_ESTABLISHED'))
        answered = len(self.gateway.seen('CALL_ESTABLISHED'))
        self.phone.dial(f'sip:{DIALLED}@{DOMAIN}')
        self.phone.wait_event('CALL_ESTABLISHED', 'the call is answered', count=established + 1)
        self.gateway.wait_event('CALL_ESTABLISHED', 'the gateway has the call', count=answered + 1)
        began = time.monotonic()
        if during:
            during()
        self.facts['connections'] = self.cluster.items('connections')
        calls = [c for c in self.cluster.items('calls') if c.get('state') == 'CALL_STATE_ANSWERED']
        if len(calls) != 1:
            raise Failed(f'signaling_edge reports {len(calls)} answered calls instead of one')
        self.facts['call'] = calls[0]
        wait_until(lambda: time.monotonic() - began >= seconds, 'the call lasts', seconds + 5)
        self.facts['session'] = self.cluster.items('sessions')[0]
        ended = {ua: len(ua.printed_statistics()) for ua in (self.phone, self.gateway)}
        self.phone.hang_up()
        self.gateway.wait_event('CALL_CLOSED', 'the gateway sees the end of the call',
                                count=answered + 1)
        self.facts['phone'] = self.phone.wait_statistics(ended[self.phone])
        self.facts['gateway'] = self.gateway.wait_statistics(ended[self.gateway])
        self.check_call()

    def check_call(self):
        legs = self.facts['call'].get('legs', [])
        if len(legs) != 2:
            raise Failed(f'the call has {len(legs)} legs')
        for who in ('phone', 'gateway'):
            seen = self.facts[who]
            if min(seen['sent'], seen['received']) < MIN_PACKETS:
                raise Failed(f'{who}: {seen["sent"]} packets sent, {seen["received"]} received; '
                             f'at least {MIN_PACKETS} each way are asked for')
            if seen['lost_sent'] or seen['lost_received'] or seen['send_errors'] or seen['receive_errors']:
                raise Failed(f'{who} reports lost packets or errors: {seen}')
        named = [c for c in self.facts['connections'] if c.get('tlsVersion') and c.get('remoteIdentity')]
        if len(named) < 2:
            raise Failed(f'{len(named)} TLS connections with a verified identity; two are asked for')

    # -- the relay's credential ------------------------------------------------

    def turn(self):
        credential = self.cluster.cli('issue-credential', '--subject', 'demo', '-o', 'json')
        result = turn_client((self.cluster.host('media_relay'), 3478),
                             credential['username'], credential['password'], credential['realm'],
                             messages=100)
        if result['lost'] or result['sent'] != result['received'] or not result['sent']:
            raise Failed(f'turnutils_uclient lost packets: {result["sent"]} sent, {result["received"]} received')
        self.facts['turn'] = {
            'key_id': credential['keyId'], 'expire_time': credential['expireTime'],
            'sent': result['sent'], 'received': result['received'],
            'relayed': re.findall(r'Received relay addr: (\S+)', result['text']),
        }

    # -- refusals --------------------------------------------------------------

    def refusals(self):
        self.facts['refusals'] = [self.wrong_name(), self.plain_media()]

    def refused(self, kind, reason, since, what):
        def found():
            # A connection that proves nothing belongs to no tenant.
            for refusal in self.cluster.items('refusals', '--parent', 'tenants/-'):
                if refusal.get('reason') == reason and refusal.get('refuseTime', '') >= since:
                    return refusal
            return None
        refusal = self.cluster.wait_for(found, f'{what}: signaling_edge reports {reason}', 10)
        return {'what': what, 'kind': kind, 'reason': reason, 'refusal': refusal}

    def wrong_name(self):
        """A valid certificate of the right CA, for a name that is no peer's."""
        since = utc_now()
        pki = self.cluster.pki
        edge = self.cluster.host('signaling_edge')
        done = subprocess.run(
            ['openssl', 's_client', '-connect', f'{edge}:5061', '-quiet', '-verify_quiet',
             '-CAfile', f'{pki}/sip-ca.pem', '-cert', f'{pki}/wrong_name.pem', '-key', f'{pki}/wrong_name.key'],
            input=f'OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKw\r\n'
                  f'Max-Forwards: 70\r\nFrom: <sip:w@{DOMAIN}>;tag=w\r\nTo: <sip:{DOMAIN}>\r\n'
                  'Call-ID: w\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n',
            capture_output=True, text=True, timeout=15)
        if 'SIP/2.0' in done.stdout:
            raise Failed('a peer with a wrong name was answered: ' + done.stdout.splitlines()[0])
        return self.refused('connection', 'PEER_IDENTITY_MISMATCH', since,
                            'valid certificate, wrong name')

    def plain_media(self):
        """The same phone, without SRTP, on a SECURED plan."""
        since = utc_now()
        phone = self.make_phone('plain-phone', '', media_ports=(32000, 32199))
        phone.start()
        try:
            phone.wait_registered()
            phone.dial(f'sip:{DIALLED}@{DOMAIN}')
            closed = phone.wait_event('CALL_CLOSED', 'the call without SRTP is refused')
            if phone.seen('CALL_ESTABLISHED'):
                raise Failed('a call without SRTP was answered on a SECURED plan')
            fact = self.refused('call', 'SECURITY_MODE_SRTP_REQUIRED', since, 'RTP offered on a SECURED plan')
            fact['sip'] = closed.get('param', '')
            return fact
        finally:
            phone.stop()

    # -- end -------------------------------------------------------------------

    def stop(self):
        for part in (self.phone, self.gateway, self.wrapper):
            if part:
                part.stop()
        self.exit_codes = self.cluster.stop()

    STEPS = (
        ('start the five services', 'start_services'),
        ('provision the demo tenant', 'provision'),
        ("enrol the phone's certificate through CAPF", 'enroll'),
        ('start baresip as phone and as gateway', 'start_user_agents'),
        ('place a secured call', 'call'),
        ('allocate at the relay with an issued credential', 'turn'),
        ('be refused, twice', 'refusals'),
    )

    def run(self):
        for what, name in self.STEPS:
            self.say(what)
            try:
                getattr(self, name)()
            except Failed as failure:
                raise Failed(f'step "{what}": {failure}') from failure


def fingerprint(path, algorithm):
    out = subprocess.run(['openssl', 'x509', '-in', path, '-noout', '-fingerprint', '-' + algorithm],
                         capture_output=True, text=True, check=True).stdout
    return out.strip().split('=', 1)[1]


def utc_now():
    """The present, as the services write times."""
    return time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())
