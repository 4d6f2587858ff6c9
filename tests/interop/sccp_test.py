#!/usr/bin/env python3
"""Voicemail ports over SCCP (CUC-05, CUC-10, CUC-12, CUC-86): a client of their own (harness/sccp.py, written
from the message tables) against the real services, with baresip as the phone.
CUC-40 to CUC-52; protocols.md section 14."""

import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import sccp, voicemail  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.demo import PASSWORD, USER  # noqa: E402
from tests.harness.peers import Baresip  # noqa: E402
from tests.harness.process import Failed  # noqa: E402

PORTS = ('UM1-VI1', 'UM1-VI2')

PLAN = '''
kind: TrustedCertificate
name: tenants/default/trustStores/CallManager-trust/certificates/voicemail-root
spec:
  certificate_file: {root}
---
kind: TrunkSecurityProfile
name: tenants/default/trunkSecurityProfiles/voicemail
spec:
  incoming_transports: [TRANSPORT_TLS]
  outgoing_transport: TRANSPORT_TLS
  device_security_mode: DEVICE_SECURITY_MODE_ENCRYPTED
  incoming_port: 5061
  x509_subject_names: [um.{domain}]
  accept_unsolicited_notification: true
  accept_replaces_header: true
---
kind: Peer
name: tenants/default/peers/voicemail
spec:
  kind: PEER_KIND_VOICEMAIL_SERVER
  fqdn: um.{domain}
  port: 5061
  transport: TRANSPORT_TLS
  status: PEER_STATUS_ENABLED
  outcalls_allowed: true
  dial_plan: tenants/default/dialPlans/secured
  calling_search_space: everything
  message_waiting_indicator_allowed: true
  trunk_security_profile: tenants/default/trunkSecurityProfiles/voicemail
---
kind: MessageWaitingNumber
name: tenants/default/messageWaitingNumbers/on
spec:
  number: "5000"
  partition: default
  calling_search_space: everything
  indicator: MESSAGE_WAITING_INDICATOR_ON
---
kind: MessageWaitingNumber
name: tenants/default/messageWaitingNumbers/off
spec:
  number: "5001"
  partition: default
  calling_search_space: everything
  indicator: MESSAGE_WAITING_INDICATOR_OFF
---
kind: VoicemailPortGroup
name: tenants/default/voicemailPortGroups/um1
spec:
  peer: voicemail
  integration: VOICEMAIL_INTEGRATION_SCCP
  device_security_mode: DEVICE_SECURITY_MODE_ENCRYPTED
  line_group: voicemail
  message_waiting_on_number: "5000"
  message_waiting_off_number: "5001"
  ports:
  - {{device_name: UM1-VI1, line: vi1, answers_calls: true, notifies: true, sends_message_waiting: true}}
  - {{device_name: UM1-VI2, line: vi2, answers_calls: true}}
'''


class SccpTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.edge = voicemail.configure(cls.cluster)
        for name in ('dialplan', 'capf', 'credential_issuer', 'media_relay', 'signaling_edge'):
            cls.cluster.start_service(name)
        cls.demo.provision()
        cls.um = cls.cluster.path('voicemail')
        sccp.mint_authority(cls.um, 'um-root')
        sccp.mint_authority(cls.um, 'other-root')
        plan = cls.cluster.path('conf', 'voicemail.yaml')
        with open(plan, 'w', encoding='utf-8') as f:
            f.write(voicemail.LINES + PLAN.format(domain=DOMAIN, root=f'{cls.um}/um-root.pem'))
        cls.cluster.cli('apply', '-f', plan)
        cls.demo.wait_snapshot()
        cls.certificates = {p: sccp.mint_certificate(cls.um, 'um-root', p) for p in PORTS}
        cls.demo.enroll()
        # It answers by itself, encrypts or does not talk, and has a lamp.
        phone = Baresip(
            cls.cluster.folder, 'phone',
            f'<sip:{USER}@{DOMAIN};transport=tls>;auth_user={USER};auth_pass={PASSWORD}'
            f';outbound="sip:{cls.edge}:5061;transport=tls";regint=600;mediaenc=srtp-mand'
            ';answermode=auto;mwi=yes',
            certificate=cls.cluster.path('phone-identity', 'both.pem'),
            ca=f'{cls.cluster.pki}/sip-ca.pem')
        with open(os.path.join(phone.folder, 'config'), 'a', encoding='utf-8') as f:
            f.write('module_app mwi.so\n')
        cls.demo.phone = cls.phone = phone.start()
        cls.phone.wait_registered()

    def port(self, device=PORTS[0], certificate='', version=11):
        """Connected, not registered; `certificate` None: without one."""
        port = sccp.SccpPort(device, self.edge, f'{self.cluster.network}.31',
                             self.certificates[device] if certificate == '' else certificate,
                             ca=f'{self.cluster.pki}/sip-ca.pem', version=version)
        self.addCleanup(port.close)
        return port

    def registered(self, device=PORTS[0], version=11):
        port = self.port(device, version=version)
        port.facts = port.register()
        self.cluster.wait_for(lambda: self.registrations(device), f'{device} is registered', 5)
        return port

    def registrations(self, device):
        return [r for r in self.cluster.items('registrations')
                if r.get('userAgent', '').endswith(f' {device}')]

    def refused(self, reason):
        return self.cluster.wait_for(
            lambda: [r for r in self.cluster.items('refusals') if r.get('reason') == reason],
            f'a refusal with {reason}', 5)

    # -- registration ----------------------------------------------------------

    def test_in_and_out_of_service(self):
        port = self.registered()
        self.assertEqual(port.facts, {'keepalive': 30, 'number': '6001', 'version': 11})
        row, = self.registrations(PORTS[0])
        self.assertEqual(row['user'], 'tenants/default/lines/vi1')
        self.assertEqual(row['authentication'], 'AUTHENTICATION_METHOD_PEER_CERTIFICATE')
        connection, = [c for c in self.cluster.items('connections') if c['name'] == row['connection']]
        self.assertEqual(connection['peer'], 'tenants/default/peers/voicemail')
        self.assertTrue(connection['tlsVersion'])
        port.keep_alive()
        port.send(sccp.UNREGISTER)
        self.assertEqual(port.wait(sccp.UNREGISTER_ACK), bytes(4))
        self.cluster.wait_for(lambda: not self.registrations(PORTS[0]), 'out of service', 5)
        self.assertEqual(port.register()['number'], '6001')
        port.close()
        self.cluster.wait_for(lambda: not self.registrations(PORTS[0]), 'gone', 5)

    def test_who_may_not_come(self):
        for device, certificate, reason in (
                # Of another port, of nobody, and for a server's use only.
                ('UM1-VI2', self.certificates['UM1-VI1'], 'PEER_IDENTITY_MISMATCH'),
                ('UM1-VI1', sccp.mint_certificate(self.um, 'um-root', 'UM1-VI9'), 'PEER_IDENTITY_MISMATCH'),
                ('UM1-VI1', sccp.mint_certificate(self.um, 'other-root', 'UM1-VI1'),
                 'PEER_CERTIFICATE_UNTRUSTED'),
                ('UM1-VI1', None, 'PEER_CERTIFICATE_MISSING'),
                # A gateway's certificate is good, but not here.
                ('UM1-VI1', f'{self.cluster.pki}/gateway', 'PEER_IDENTITY_MISMATCH')):
            with self.subTest(device=device, certificate=certificate):
                try:
                    port = self.port(device, certificate)
                    port.send(sccp.REGISTER, port.register_body())
                    self.assertNotIn(sccp.REGISTER_ACK, port.wait_closed())
                except (OSError, sccp.Closed):
                    pass
                self.refused(reason)
                self.assertEqual(self.registrations(device), [])
        # CUC-41: what the plan would have taken, where it knows of somebody.
        wanted = [*PORTS, f'um.{DOMAIN}']
        self.assertEqual(self.refused('PEER_CERTIFICATE_UNTRUSTED')[0]['expectedIdentities'], wanted)
        told = [(r.get('expectedIdentities', []), r['steps'][-2:]) for r in self.refused('PEER_IDENTITY_MISMATCH')]
        self.assertIn((wanted, ['source: proven', 'identity: PEER_IDENTITY_MISMATCH']), told)
        self.assertIn(([], ['address: no voicemail server is declared there', 'identity: 0 of 1 name matches']), told)
        # No phone, and no port that is not configured.
        port = self.port()
        port.send(sccp.REGISTER, port.register_body(device_type=7))
        self.assertIn(sccp.REJECT, port.wait_closed())
        self.refused('SCCP_DEVICE_TYPE')

    def test_nobody_listens_in_clear(self):
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((self.edge, 2000), 2)
        # SCCP in clear on the TLS port, and SIP in TLS, are nothing.
        with socket.create_connection((self.edge, 2443), 2) as plain:
            plain.settimeout(5)
            plain.sendall(struct.pack('<III', 4, 0, 0))
            try:
                # Perhaps an alert; never an answer.
                self.assertNotIn(struct.pack('<I', sccp.KEEP_ALIVE_ACK), plain.recv(100))
            except (ConnectionError, socket.timeout):
                pass
        port = self.port()
        port.send_octets(b'OPTIONS sip:x SIP/2.0\r\n\r\n')
        self.assertEqual(port.wait_closed(), [])

    def test_bad_input(self):
        other = self.registered('UM1-VI2')
        good = self.port()
        body = good.register_body()
        good.close()
        cases = [struct.pack('<III', length, 0, 0) for length in (0, 3, 4097, 0xFFFFFFFF)]
        frame = lambda message, data: struct.pack('<III', len(data) + 4, 11, message) + data
        cases += [frame(sccp.REGISTER, body[:20]), frame(sccp.REGISTER, b'\xff' * 16 + body[16:]),
                  frame(sccp.REGISTER, bytes(16) + body[16:]), frame(sccp.OFF_HOOK, bytes(8)),
                  frame(sccp.MWI, bytes(88)), frame(sccp.CAPABILITIES_RES, b'\xff' * 64)]
        for octets in cases:
            port = self.port()
            port.send_octets(octets)
            self.assertNotIn(sccp.REGISTER_ACK, port.wait_closed())
        # Registered, and then bad.
        for octets in (frame(sccp.CAPABILITIES_RES, sccp.u32(19) + bytes(300)),
                       frame(sccp.KEYPAD, sccp.u32(99)), frame(sccp.ENBLOC, b'1;x@y'.ljust(24, b'\0')),
                       frame(sccp.OPEN_ACK, sccp.u32(0)), os.urandom(512)):
            port = self.port()
            port.register()
            port.send_octets(octets)
            try:
                port.wait_closed(3)
            except Failed:
                pass  # random octets may well be a message of which more is to come
        # In pieces it is all the same.
        port = self.port()
        for octet in frame(sccp.REGISTER, port.register_body()):
            port.send_octets(bytes([octet]))
        port.wait(sccp.REGISTER_ACK)
        # What is out of place changes nothing.
        for message, data in ((sccp.ON_HOOK, sccp.u32(1, 77)), (sccp.SOFT_KEY, sccp.u32(4, 1, 0)),
                              (sccp.OPEN_ACK, sccp.u32(0, 0, 1, 1, 1)), (0x7777, bytes(100))):
            port.send(message, data)
        port.keep_alive()
        other.keep_alive()

    # -- calls -------------------------------------------------------------------

    def check_media(self, port, packets=50):
        """SRTP flows both ways, by the port's keys and by no other."""
        self.cluster.wait_for(lambda: port.media.good >= packets, 'the port hears', 10)
        self.assertEqual(port.media.bad, 0)
        self.assertEqual(port.media.others, 0)

    def test_takes_a_call(self):
        for version in (11, 17):
            with self.subTest(version=version):
                port = self.registered(version=version)
                before = len(self.phone.seen('CALL_ESTABLISHED'))
                ended = len(self.phone.printed_statistics())
                self.phone.dial(f'sip:6000@{DOMAIN}')
                port.wait_state(sccp.RING_IN, 10)
                # CUC-57: the number of the pilot reaches the port, which is told
                # who calls. CUC-61: and that the call is encrypted.
                info = port.call_info()
                self.assertEqual((info['calling'], info['type'], info['security']), (USER, 1, 3))
                port.off_hook()
                receive = port.open_channel()
                self.phone.wait_event('CALL_ESTABLISHED', 'the port answers', count=before + 1)
                transmit = port.start_media()
                self.assertEqual((receive['algorithm'], transmit['algorithm']), (2, 2))
                self.assertEqual((len(receive['key']), len(transmit['key'])), (30, 30))
                self.assertNotEqual(receive['key'], transmit['key'])
                self.check_media(port)
                call, = [c for c in self.cluster.items('calls') if c.get('state') == 'CALL_STATE_ANSWERED']
                self.assertEqual(call['legs'][1]['peer'], 'tenants/default/peers/voicemail')
                # CUC-61: the lock. CCE-65: both legs are over TLS.
                self.assertTrue(call['secure'])
                self.cluster.cli('verify', 'call-path', call['name'])
                self.phone.hang_up()
                port.wait(sccp.STOP_MEDIA)
                port.wait(sccp.CLOSE)
                port.wait_state(sccp.ONHOOK_STATE)
                heard = self.phone.wait_statistics(ended)
                self.assertGreaterEqual(heard['received'], 30)
                self.assertEqual(heard['receive_errors'], 0)
                port.close()
                self.cluster.wait_for(lambda: not self.registrations(PORTS[0]), 'gone', 5)

    def test_places_a_call(self):
        port = self.registered()
        port.off_hook()
        port.wait_state(sccp.OFFHOOK_STATE)
        port.dial(USER)
        port.open_channel()
        port.start_media()
        self.check_media(port)
        port.on_hook()
        port.wait_state(sccp.ONHOOK_STATE)
        # A number that is nobody's: a tone, until it hangs up.
        port.off_hook()
        port.dial('3999')
        port.wait_state(14, 20)
        port.on_hook()
        port.wait_state(sccp.ONHOOK_STATE)
        # It is a call of the port, and refused at the digit with which no number begins.
        refusal = self.refused('ROUTE_NOT_FOUND')[0]
        self.assertEqual(refusal['peer'], 'tenants/default/peers/voicemail')
        self.assertEqual(refusal['steps'], ['sender: PEER_CERTIFICATE',
                                            'dial_plan: tenants/default/dialPlans/secured', 'loop: none',
                                            'route: ROUTE_NOT_FOUND'])
        call = [c for c in self.cluster.items('calls') if c['name'] == refusal['call']][0]
        self.assertEqual((call['reason'], call['calledNumber']), ('ROUTE_NOT_FOUND', '3'))
        self.assertEqual([(leg['identity'], leg['sipStatus']) for leg in call['legs']], [(PORTS[0], 404)])
        ladder = self.cluster.cli('trace', refusal['call'], '-o', 'json')['messages']
        self.assertEqual([m['reason'] for m in ladder if m.get('reason')], ['ROUTE_NOT_FOUND'])

    def test_the_second_port_takes_what_the_first_does_not(self):
        first, second = self.registered(), self.registered('UM1-VI2')
        self.phone.dial(f'sip:6000@{DOMAIN}')
        first.on_hook(first.wait_state(sccp.RING_IN, 10))
        second.wait_state(sccp.RING_IN)
        second.off_hook()
        second.open_channel()
        second.start_media()
        self.check_media(second, 20)
        # Its server dies: the caller is told.
        second.close()
        self.phone.wait_event('CALL_CLOSED', 'the caller is told', count=len(self.phone.seen('CALL_CLOSED')) or 1)

    def test_lights_a_lamp(self):
        port = self.registered()
        lamp = lambda on: f'Messages-Waiting: {"yes" if on else "no"}'
        count = lambda on: self.phone.process.text().count(lamp(on)) + sum(
            lamp(on) in str(e) for e in self.phone.seen('MWI_NOTIFY'))
        for on, ask in ((True, lambda: port.lamp(USER, True)),
                        (False, lambda: port.lamp(USER, False, packed=False)),
                        (True, lambda: self.call_for_lamp(port, '5000')),
                        (False, lambda: self.call_for_lamp(port, '5001'))):
            before = count(on)
            self.assertEqual(ask(), 0)
            self.cluster.wait_for(lambda: count(on) > before, f'the phone shows {lamp(on)}', 10)
        self.assertNotEqual(port.lamp('3999', True), 0)
        other = self.registered('UM1-VI2')
        self.assertNotEqual(other.lamp(USER, True), 0)

    def call_for_lamp(self, port, number):
        """CUC-48: on behalf of the mailbox, to the message waiting number."""
        port.send(sccp.OFF_HOOK_FOR, sccp.text(USER, 24))
        port.dial(number)
        port.wait_state(sccp.ONHOOK_STATE, 10)
        return 0

    # -- another reader ------------------------------------------------------------

    def test_tshark_reads_what_we_write(self):
        for version, names in ((11, ('LineStatRes', 'CallInfo')), (17, ('LineStatV2', 'CallInfoV2'))):
            port = self.registered(version=version)
            closed = len(self.phone.seen('CALL_CLOSED'))
            self.phone.dial(f'sip:6000@{DOMAIN}')
            port.wait_state(sccp.RING_IN, 10)
            port.off_hook()
            port.open_channel()
            port.start_media()
            self.phone.hang_up()
            self.phone.wait_event('CALL_CLOSED', 'the call ends', count=closed + 1)
            port.wait_state(sccp.ONHOOK_STATE)
            shown = self.tshark(port.received)
            self.assertNotIn('Malformed', shown)
            for name in names + ('RegisterAck', 'OpenReceiveChannel', 'StartMediaTransmission'):
                self.assertIn(name, shown)
            port.close()
            self.cluster.wait_for(lambda: not self.registrations(PORTS[0]), 'gone', 5)

    def tshark(self, octets):
        """Its dissection of frames that came by TCP from port 2000."""
        if shutil.which('tshark') is None:
            raise Failed('tshark is not installed')
        packets, at, sequence = [], 0, 1
        while at < len(octets):
            length, = struct.unpack_from('<I', octets, at)
            payload = octets[at:at + 8 + length]
            tcp = struct.pack('!HHIIBBHHH', 2000, 40000, sequence, 1, 0x50, 0x18, 65535, 0, 0)
            ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 40 + len(payload), 1, 0, 64, 6, 0,
                             bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
            packets.append(ip + tcp + payload)
            sequence, at = sequence + len(payload), at + 8 + length
        path = self.cluster.path('sccp.pcap')
        with open(path, 'wb') as f:
            f.write(struct.pack('<IHHiIII', 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
            for n, packet in enumerate(packets):
                f.write(struct.pack('<IIII', int(time.time()), n, len(packet), len(packet)) + packet)
        return subprocess.run(['tshark', '-r', path, '-V', '-O', 'skinny'], capture_output=True, text=True,
                              check=True).stdout


if __name__ == '__main__':
    main()
