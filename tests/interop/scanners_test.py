#!/usr/bin/env python3
"""sipvicious and sipsak against an edge with its usual limits: they find no
extension and no password, refusals say what they are, and the calls of trusted
peers go on as before (issue 5, 9)."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import configs, plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.phone import Phone  # noqa: E402
from tests.harness.sipp import BYE, CALLER_BEGINS, SDP, SippCase, recv, response  # noqa: E402

# The packaged tools say who they are; these say that they are a phone.
DISGUISE = 'Phone 1.0'


class ScannersTest(SippCase):

    @classmethod
    def configure(cls):
        conf = configs.read(cls.cluster, 'signaling_edge')
        conf.pop('limits', None)  # what an edge has of itself
        cls.cluster.write_config('signaling_edge', conf)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        plans.apply(cls.cluster, 'users', plans.manifest(*(
            plans.user(name, DOMAIN, password, digest_algorithm='DIGEST_ALGORITHM_MD5')
            for name, password in (('2001', '20012345'), ('2002', 'a long password')))))
        cls.demo.wait_snapshot()

    @classmethod
    def tools(cls, source, disguised):
        """A copy of the package that sends from this address, as its -b does not."""
        folder = cls.cluster.path('tools' + source + str(disguised))
        if os.path.exists(folder):
            return folder
        shutil.copytree('/usr/share/sipvicious/sipvicious', os.path.join(folder, 'sipvicious'))

        def change(name, old, new):
            path = os.path.join(folder, 'sipvicious', name)
            with open(path, encoding='utf-8') as f:
                text = f.read()
            assert old in text, name
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text.replace(old, new))
        for tool in ('svmap', 'svwar', 'svcrack'):
            change(tool + '.py', "bindingip=''", f"bindingip='{cls.cluster.network}{source}'")
        if disguised:
            change('libs/svhelper.py', 'friendly-scanner', DISGUISE)
        return folder

    def edge(self):
        return self.cluster.host('signaling_edge')

    def scan(self, tool, *arguments, disguised=False, source='.60', seconds=8, once=None):
        """What the tool printed, which has `seconds`, counted from what it does first."""
        env = dict(os.environ, HOME=self.cluster.folder, PYTHONPATH=self.tools(source, disguised))
        process = subprocess.Popen(
            ['/usr/bin/python3', '-c', f'from sipvicious.{tool} import main; main()',
             '-x', self.cluster.network + source, *arguments, self.edge()],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', env=env,
            cwd=self.cluster.folder)
        self.addCleanup(process.kill)
        if once:  # beside compilers it takes its time
            self.cluster.wait_for(once, f'{tool} is at work', 60)
        try:
            return process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:  # one that is slowed down would go on for minutes
            process.send_signal(signal.SIGINT)
            return process.communicate(timeout=20)[0]

    def refusals(self, reason):
        return self.cluster.items('refusals', '--filter', f'reason = "{reason}"')

    def metric(self, reason):
        text = subprocess.run(['curl', '-s', f'http://{self.edge()}:9464/metrics'], capture_output=True,
                              text=True).stdout
        return sum(float(v) for v in re.findall(rf'refusals_total{{[^}}]*reason="{reason}"[^}}]*}} (\S+)', text))

    def one_call(self):
        """A trusted peer's, from end to end."""
        called = self.called(recv('INVITE'), response(180), response(200, body=SDP), recv('ACK'),
                             recv('BYE'), response(200, tag=''))
        caller = self.caller('81234', CALLER_BEGINS, BYE)
        self.finish(caller, called)

    def test_svmap_finds_nothing_and_is_named(self):
        said = self.scan('svmap', source='.61')
        self.assertNotIn(self.edge() + ':5060', said.replace('WARNING', ''))
        self.assertEqual(len(self.refusals('SCANNER_USER_AGENT')) >= 1, True)
        refusal = self.refusals('SCANNER_USER_AGENT')[0]
        self.assertNotIn('sipStatus', {k: v for k, v in refusal.items() if v})

    def test_svwar_finds_no_extension(self):
        for method in ('REGISTER', 'INVITE', 'OPTIONS'):
            for more in ((), ('--domain=' + DOMAIN,)):
                said = self.scan('svwar', '-e', '1990-2010', '-m', method, '--force', '--maximumtime=3', *more,
                                 source='.62')
                self.assertNotRegex(said, r'\|\s*20\d\d\s*\|', said)
        self.assertGreater(self.metric('SCANNER_USER_AGENT'), 0)

    def test_svwar_in_disguise_tells_no_extension_from_another(self):
        """Each name is answered like any other, so the tool sees none, or all."""
        for i, method in enumerate(('REGISTER', 'INVITE')):
            said = self.scan('svwar', '-e', '1000-2060', '-m', method, '--force', '--maximumtime=3',
                             '--domain=' + DOMAIN, disguised=True, source=f'.6{3 + i}')
            found = set(re.findall(r'\|\s*(\d{4})\s*\|', said))
            self.assertFalse(found and not found - {'2001', '2002', '1001'}, said[-2000:])

    def test_a_walk_that_does_not_stop_is_named_and_slowed_down(self):
        """svwar stops at the first answer that it does not expect; this goes on."""
        walker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(walker.close)
        walker.bind((self.cluster.network + '.69', 0))
        walker.settimeout(0.5)
        maker = Phone(self.edge(), 'x', '', DOMAIN)
        self.addCleanup(maker.close)
        maker.address, maker.port = walker.getsockname()
        answers = 0
        for number in range(1900, 2200):
            maker.user = str(number)
            walker.sendto(maker.request('REGISTER').replace('\n', '\r\n').encode(), (self.edge(), 5060))
            time.sleep(0.01)
        try:
            while walker.recv(65536):
                answers += 1
        except TimeoutError:
            pass
        self.assertLess(answers, 100)
        self.assertGreaterEqual(len(self.refusals('SCANNER_USER_WALK')), 1)
        self.assertGreater(self.metric('SCANNER_USER_WALK'), 100)
        self.one_call()

    def test_svcrack_finds_no_password(self):
        """The password is there to be found, the 346th of those tried."""
        said = self.scan('svcrack', '-u', '2001', '-r', '20012000-20012400', '--domain=' + DOMAIN, '--maximumtime=60',
                         disguised=True, source='.66', once=lambda: self.refusals('PASSWORD_GUESSING'))
        self.assertNotRegex(said, r'\|\s*2001\s*\|\s*20012345\s*\|')
        # From anywhere else the user gets in.
        phone = Phone(self.edge(), '2001', '20012345', DOMAIN)
        self.addCleanup(phone.close)
        self.assertEqual(phone.register(phone.contact).code, 200)

    def test_sipsak_options_flood_and_registrations(self):
        """An operator's tool is no scanner: it is answered, up to the limit."""
        uri = f'sip:someone@{self.edge()}:5060'
        asked = subprocess.run(['sipsak', '-vv', '-s', uri], capture_output=True, text=True, timeout=30)
        self.assertEqual(asked.returncode, 0, asked.stdout + asked.stderr)
        registered = subprocess.run(
            ['sipsak', '-U', '-C', 'sip:2002@127.0.0.1:5066', '-u', '2002', '-a', 'a long password', '-x', '60', '-p', self.edge(),
             '-s', f'sip:2002@{DOMAIN}'], capture_output=True, text=True, timeout=30)
        self.assertEqual(registered.returncode, 0, registered.stdout + registered.stderr)
        before = self.limited()
        flood = subprocess.Popen(['sipsak', '-F', '-e', '20000', '-s', uri], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            self.one_call()
            self.cluster.wait_for(lambda: self.limited() > before, 'the flood is limited', 10)
        finally:
            flood.kill()
            flood.wait()

    def limited(self):
        text = subprocess.run(['curl', '-s', f'http://{self.edge()}:9464/metrics'], capture_output=True,
                              text=True).stdout
        return float(re.search(r'sallyport_signaling_edge_rate_limited_total(?:{[^}]*})? ([0-9.e+]+)$', text, re.M).group(1))


if __name__ == '__main__':
    main()
