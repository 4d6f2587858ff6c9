"""sipp as caller, called and voicemail server around the real services: its
scenarios as a few words, and the plan by which they reach each other."""

import os
import re
import tempfile

from tests.harness import configs, plans
from tests.harness.case import DemoCase
from tests.harness.cluster import SERVICES, Cluster
from tests.harness.demo import Demo
from tests.harness.process import Failed, Process

VOICEMAIL = '''kind: RoutePattern
name: tenants/default/routePatterns/voicemail
spec:
  pattern: "4999"
  partition: tenants/default/partitions/default
  peer: tenants/default/peers/voicemail
---
kind: VoicemailPilot
name: tenants/default/voicemailPilots/main
spec:
  number: "4999"
  calling_search_space: tenants/default/callingSearchSpaces/everything
  is_default: true
---
kind: VoicemailProfile
name: tenants/default/voicemailProfiles/main
spec:
  voicemail_pilot: tenants/default/voicemailPilots/main
  is_default: true
---
kind: Line
name: tenants/default/lines/4001
spec:
  directory_number: "4001"
  partition: tenants/default/partitions/default
  users: [tenants/default/users/1001]
  forward_unregistered: {voicemail: true}
  forward_no_answer: {voicemail: true}
  no_answer_duration: 3s
'''

SDP = '''Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=s 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[local_ip_type] [local_ip]
      t=0 0
      m=audio 6000 RTP/AVP 0
      a=rtpmap:0 PCMU/8000
'''
NONE = 'Content-Length: 0\n'


def send(text, body=NONE, **attributes):
    extra = ''.join(f' {k}="{v}"' for k, v in attributes.items())
    return f'<send{extra}><![CDATA[\n      {text.strip()}\n      {body}\n    ]]></send>\n'


def request(method, cseq, headers='', body=NONE, uri='sip:[service]@[remote_ip]', to='', **attributes):
    return send(f'''{method} {uri} SIP/2.0
      Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
      From: <sip:5550100@[local_ip]:[local_port]>;tag=[pid]c[call_number]
      To: <sip:[service]@[remote_ip]>{to}
      Call-ID: [call_id]
      CSeq: {cseq} {method}
      Contact: <sip:5550100@[local_ip]:[local_port]>
      Max-Forwards: 70
      {headers}'''.rstrip(), body, **attributes)


def response(code, headers='', body=NONE, tag=';tag=[pid]s[call_number]'):
    return send(f'''SIP/2.0 {code} X
      [last_Via:]
      [last_From:]
      [last_To:]{tag}
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:[local_ip]:[local_port]>
      {headers}'''.rstrip(), body)


def recv(what, action='', **attributes):
    key = 'response' if what.isdigit() else 'request'
    extra = ''.join(f' {k}="{v}"' for k, v in attributes.items())
    return f'<recv {key}="{what}"{extra}>{action}</recv>\n'


def ereg(header, assign, regexp='.*', check=False):
    more = ' check_it="true"' if check else ''
    return (f'<action><ereg regexp="{regexp}" search_in="hdr" header="{header}" '
            f'assign_to="{assign}"{more}/></action>')


def scenario(*steps):
    used = [n for n in ('1', '2') if any(f'assign_to="{n}"' in s for s in steps)]
    idle = [n for n in used if not any(f'[${n}]' in s for s in steps)]
    reference = f'<Reference variables="{",".join(idle)}"/>' if idle else ''
    return ('<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="x">\n'
            + ''.join(steps) + reference + '</scenario>\n')


IN_DIALOG = {'uri': '[next_url]', 'to': '[peer_tag_param]'}
ACK = request('ACK', 1, **IN_DIALOG)
BYE = request('BYE', 9, **IN_DIALOG) + recv('200')
CALLER_BEGINS = (request('INVITE', 1, body=SDP, retrans='500') + recv('100', optional='true')
                 + recv('180', optional='true') + recv('183', optional='true')
                 + recv('200', rrs='true') + ACK)
# The final answer to an INVITE that a CANCEL has ended.
CANCELLED = send('''SIP/2.0 487 X
      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]s[call_number]
      [last_Call-ID:]
      CSeq: 1 INVITE''', NONE)
# In a dialog that has its tag, a response adds none.
OK_AGAIN = response(200, body=SDP, tag='')


class SippCase(DemoCase):
    """A cluster with the peers above, before any phone is enrolled."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        cls.demo = Demo(Cluster(folder))
        cls.cluster = cls.demo.cluster
        try:
            cls.cluster.make_pki()
            configs.write_all(cls.cluster)
            cls.configure()
            for name in SERVICES:
                cls.cluster.start_service(name)
            cls.demo.provision()
            network = cls.cluster.network
            plans.apply(cls.cluster, 'features', plans.manifest(
                plans.two_peers(f'{network}.21', f'{network}.22'),
                plans.peer('voicemail', f'{network}.24', 5070, kind='VOICEMAIL_SERVER',
                           redirecting_diversion_outbound='true'), VOICEMAIL))
            cls.demo.wait_snapshot()
        except BaseException:
            cls.show_logs()
            cls.demo.stop()
            raise

    @classmethod
    def configure(cls):
        """Changes the configuration of services that are about to start."""

    def sipp(self, name, host, port, steps, *arguments):
        """Starts a sipp for one call of this scenario."""
        path = self.cluster.path('conf', f'{self._testMethodName}-{name}.xml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(scenario(*steps))
        process = Process(
            name, ['sipp', '-sf', path, '-i', f'{self.cluster.network}.{host}', '-p', str(port),
                   '-t', 'u1', '-m', '1', '-nostdin', '-timeout', '100s', '-trace_err',
                   '-error_file', path + '.err', *arguments],
            self.cluster.path('log', f'{self._testMethodName}-{name}.log')).start()
        self.addCleanup(process.stop)
        process.errors = path + '.err'
        return process

    def caller(self, number, *steps):
        edge = self.cluster.host('signaling_edge')
        return self.sipp('caller', 21, 5065, steps, '-s', number, f'{edge}:5060')

    def called(self, *steps):
        return self.sipp('called', 22, 5070, steps)

    def voicemail(self, *steps):
        return self.sipp('voicemail', 24, 5070, steps)

    def ringing(self, *between):
        """A called party that rings until it is cancelled; and the file of what it says."""
        messages = self.cluster.path('log', f'{self._testMethodName}-ringing.log')
        if os.path.exists(messages):
            os.remove(messages)  # of a call before
        return self.sipp('ringing', 22, 5070,
                         (recv('INVITE', *between), response(180), recv('CANCEL'), response(200), CANCELLED,
                          recv('ACK')), '-trace_msg', '-message_file', messages), messages

    def rung_dialog(self, messages):
        """The dialog at which sipp rings, as its own messages tell it: Call-ID, the edge's tag, its own."""
        def told():
            if not os.path.exists(messages):
                return None
            with open(messages, encoding='utf-8', errors='replace') as f:
                said = re.search(r'SIP/2.0 180 .*?(?=\n-{10}|\Z)', f.read(), re.DOTALL)
            fields = said and [re.search(pattern, said.group(0)) for pattern in (
                r'Call-ID: *(\S+)', r'From: .*;tag=([^;\s]+)', r'To: .*;tag=([^;\s]+)')]
            return [one.group(1) for one in fields] if fields and all(fields) else None
        return self.cluster.wait_for(told, 'sipp has said in which dialog it rings', 10)

    def taker(self, dialog, *steps, number='100'):
        """Another device of the called party, whose INVITE says `Replaces: [replaces]`."""
        call_id, edge_tag, own_tag = dialog
        edge = self.cluster.host('signaling_edge')
        return self.sipp('taker', 22, 5072, steps, '-s', number, '-rtp_echo', '-mi', f'{self.cluster.network}.22',
                         '-key', 'replaces', f'{call_id};to-tag={edge_tag};from-tag={own_tag};early-only',
                         f'{edge}:5060')

    def finish(self, *processes, timeout=20):
        def over():
            return all(p.exit_code() is not None for p in processes)
        try:
            self.cluster.wait_for(over, 'every sipp ends', timeout)
        except Failed:
            pass
        said = ''
        for process in processes:
            said += f'{process.name}: {process.exit_code()}\n'
            if os.path.exists(process.errors):
                with open(process.errors, encoding='utf-8', errors='replace') as f:
                    said += f.read()[-1500:]
        self.assertEqual([p.exit_code() for p in processes], [0] * len(processes), said)

    def ended(self, reason):
        return self.cluster.wait_for(
            lambda: [c for c in self.cluster.items('calls') if c.get('reason') == reason],
            f'a call ends with {reason}', 10)
