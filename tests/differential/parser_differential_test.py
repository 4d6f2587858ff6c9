#!/usr/bin/env python3
"""What our SIP parser accepts, libosip2 and sofia-sip read alike: method,
request URI, From, To, Call-ID, CSeq, Via, Contact, Route, Record-Route,
Content-Length and body. Over RFC 4475, RFC 5118, the fuzzers' corpora and
mutations of them. Each is a process of its own.

A parser may refuse what another accepts. What two accept they must read alike,
or a proxy and we would act on two different messages; each difference that
remains is a row of DIFFERENCES, with its reason, and a row that nothing needs
any more is a failure too.
"""

import collections
import glob
import os
import random
import re
import struct
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.getcwd())

from tests.harness.mutate import mutations  # noqa: E402

MUTATIONS = int(os.environ.get('MUTATIONS', '30000'))
FOLDER = 'tests/differential'
CORPORA = ['tests/vectors/sip_torture/*.dat', 'tests/vectors/sip_torture_ipv6/*.dat',
           'services/signaling_edge/core/testdata/sip_parser_corpus/*',
           'services/signaling_edge/core/testdata/sip_framer_corpus/*']
# Parts of messages, each in every place where such a part stands.
URI_CORPUS = 'services/signaling_edge/core/testdata/sip_uri_corpus/*'
HEADER_CORPUS = 'services/signaling_edge/core/testdata/sip_headers_corpus/*'
HEADERS = {b'v': (b'Via',), b'n': (b'From', b'To', b'Contact', b'Route', b'Record-Route'), b'c': (b'CSeq',)}
# More of whole messages: a folder that a fuzzer has filled.
GROWN = os.environ.get('GROWN_CORPUS', '')
URIS = ('uri', 'from', 'to', 'contact', 'route', 'record_route')
KEYS = ('method', 'status', 'uri', 'from', 'from_tag', 'to', 'to_tag', 'call_id', 'cseq', 'cseq_method', 'via',
        'contact', 'route', 'record_route', 'length', 'body')

# Reader ('' for both), key, what the message or the values have, and why they differ.
Row = collections.namedtuple('Row', 'name reader keys holds reason')


class Case:
    """A message that both accept, and a key that they read differently."""

    def __init__(self, text, key, ours, theirs, theirs_all):
        self.text, self.key, self.ours, self.theirs, self.theirs_all = text, key, ours, theirs, theirs_all
        self.head = text.partition(b'\r\n\r\n')[0]


def other_scheme(case):
    """Ours is the whole URI after "?"; the others cut it at the first colon or further."""
    pairs = list(zip(case.ours, case.theirs))
    return len(case.ours) == len(case.theirs) and any(o.startswith('?') for o, _ in pairs) and all(
        o == t or o.startswith('?') and o[1:].split(':')[0].lower() == t.split('|')[0].lower() for o, t in pairs)


def users_until_nul(case):
    return len(case.ours) == len(case.theirs) and any('\0' in o for o in case.ours) and all(
        o == t or '\0' in o or o.startswith('?') for o, t in zip(case.ours, case.theirs))


def tel_parameters(case):
    return len(case.ours) == len(case.theirs) and all(
        o == t or o.startswith('tel|') and t.startswith(o.rstrip('|') + ';') for o, t in zip(case.ours, case.theirs))


DIFFERENCES = [
    Row('parameters of tel', 'osip', URIS, tel_parameters,
        'osip takes all of a tel URI for the number; its parameters begin at the semicolon (RFC 3966)'),
    Row('other schemes', '', URIS, other_scheme,
        'a URI that is neither sip, sips nor tel is kept whole; nothing is routed by its parts'),
    Row('NUL in a user', 'osip', URIS, users_until_nul,
        'osip undoes %00 and then ends its text there; we keep the escape (RFC 4475 section 3.1.2.7)'),
    Row('length that was not sent', 'osip', ('length',), lambda c: not c.ours,
        'osip adds a Content-Length of what it found; none was sent'),
    Row('names of other letters', 'sofia', URIS, lambda c: any('<' in value for value in c.theirs),
        'an unquoted display name with octets above 127: sofia takes all for the URI, we what stands in <>'),
    Row('names of other letters, left out', 'osip', URIS,
        lambda c: any(b > 127 for b in c.head) and len(c.theirs) < len(c.ours) and set(c.theirs) <= set(c.ours),
        'as above; osip drops the element'),
    Row('multipart', 'osip', ('body',), lambda c: re.search(rb'(?i)multipart/', c.head),
        'osip cuts a multipart body into its parts; we hand it on as it came'),
    Row('odd schemes left out', 'osip', ('route', 'record_route', 'contact'),
        lambda c: [v for v in c.ours if not v.startswith('?')] == c.theirs,
        'osip drops an element whose scheme has a character that it does not know; we keep it as text'),
    Row('body without type', 'osip', ('body',),
        lambda c: c.theirs == [''] and not re.search(rb'(?im)^(content-type|c)[ \t]*:', c.head),
        'osip reads no body without a Content-Type; the length says that it is there'),
]


def uri_parts(value):
    parts = value.split('|')
    if len(parts) != 4:
        return value
    scheme, user, host, port = parts
    if port.isdigit():
        port = str(int(port))
    return '|'.join([scheme.lower(), urllib.parse.unquote(user, 'latin-1'), host.lower().strip('[]'), port])


def plain(key, values):
    """The values of a key as all readers would say them."""
    if key in URIS:
        return [uri_parts(value) for value in values]
    if key == 'via':
        # Transport is in any case; a branch is a text, no URI part.
        out = []
        for value in values:
            transport, branch, host, port = (value.split('|') + [''] * 4)[:4]
            out.append('|'.join([transport.upper(), branch, host.lower().strip('[]'),
                                 str(int(port)) if port.isdigit() else port]))
        return out
    if key in ('cseq', 'length', 'status'):
        return [str(int(value)) if value.isdigit() else value for value in values]
    return values


# Beside the torture messages, what real user agents send.
RICH = [b"""INVITE sip:+15551234@edge.example.test:5061;transport=tls;user=phone SIP/2.0
Via: SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bK-a.1;rport, SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKb;received=198.51.100.1
Via: SIP / 2.0 / TCP proxy.example.test ;branch=z9hG4bKc;alias
Max-Forwards: 70
Record-Route: <sip:p1.example.test;lr>, <sip:p2.example.test:5070;lr;x=a%2Cb>
Route: <sip:edge.example.test;lr>,<sips:next.example.test;lr>
From: "A. \\"B\\", <C>" <sip:alice:secret@example.test>;tag=a1;x="t;ag=no"
To: Bob de Vries <sip:b%6fb@example.test;user=phone?Subject=x>
Call-ID: 3848276298220188511@[2001:db8::9:1]
CSeq: 4711 INVITE
Contact: "a, b" <sip:alice@192.0.2.7:5062;transport=tcp;ob>;+sip.instance="<urn:uuid:f81d4fae>";expires=60
Supported: 100rel,timer , replaces
P-Asserted-Identity: "Alice" <sip:alice@example.test>, <tel:+15550100>
Content-Type: application/sdp
Content-Length: 31

v=0
o=- 1 1 IN IP4 192.0.2.7
s=-""", b"""SIP/2.0 183 Session, "Progress"
v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKd
f: <sip:a@b.example.test>;tag=1
t: sip:c@d.example.test;tag=2
i: x
CSeq: 0000012 INVITE
m: <sip:c@192.0.2.9>
Record-Route: <sip:p.example.test;lr>
l: 0

""", b"""REGISTER sips:example.test SIP/2.0
Via: SIP/2.0/TLS 192.0.2.5:40000;branch=z9hG4bKreg;keep
Max-Forwards: 70
From: <sips:7001@example.test>;tag=r
To: <sips:7001@example.test>
Call-ID: reg
CSeq: 2147483647 REGISTER
Contact: *
Expires: 0
Authorization: Digest username="7001", realm="x, y", nonce="n", uri="sips:example.test", response="00"
Path: <sip:p.example.test;lr;ob>
Content-Length: 0

"""]


class Reader:

    def __init__(self, name):
        self.name = name

    def read(self, messages):
        data = b''.join(struct.pack('>I', len(m)) + m for m in messages)
        done = subprocess.run([os.path.join(FOLDER, 'read_' + self.name)], input=data, capture_output=True, timeout=120)
        records, record = [], collections.defaultdict(list)
        for line in done.stdout.decode('latin-1').split('\n'):
            if line == '@.':
                records.append(record)
                record = collections.defaultdict(list)
            elif line.startswith('@'):
                key, _, value = line[1:].partition(' ')
                record[key].append(bytes.fromhex(value).decode('latin-1'))
        if len(records) != len(messages):
            # It died: of this message, which is its own matter. The rest goes on.
            records.append({'refused': ['it died']})
            records += self.read(messages[len(records):])
        return records


def corpus():
    found = {}
    for pattern in CORPORA:
        for path in sorted(glob.glob(pattern)):
            with open(path, 'rb') as f:
                found[path] = f.read()
    for i, text in enumerate(RICH):
        found[f'rich {i}'] = text.replace(b'\n', b'\r\n')
    for path, name, text in parts():
        found[f'{path} as {name.decode()}'] = wrapped(name, text)
    return found


def parts():
    """Of the corpora that hold no whole messages: where it is from, the field that
    it stands in (b'uri': the request line), and its value."""
    for path in sorted(glob.glob(URI_CORPUS)):
        with open(path, 'rb') as f:
            uri = f.read()
        yield path, b'uri', uri
        for name in HEADERS[b'n']:
            yield path, name, b'<' + uri + b'>'
    for path in sorted(glob.glob(HEADER_CORPUS)):
        with open(path, 'rb') as f:
            kind, value = f.read(1), f.read()
        for name in HEADERS.get(kind, ()):
            yield path, name, value


def wrapped(name, value):
    fields = {b'Via': b'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKd', b'From': b'<sip:a@b.example.test>;tag=1',
              b'To': b'<sip:c@d.example.test>', b'Call-ID': b'x', b'CSeq': b'1 INVITE', b'Max-Forwards': b'70'}
    uri = value if name == b'uri' else b'sip:c@d.example.test'
    if name != b'uri':
        fields[name] = value
    return b'INVITE ' + uri + b' SIP/2.0\r\n' + b''.join(
        key + b': ' + text + b'\r\n' for key, text in fields.items()) + b'Content-Length: 0\r\n\r\n'


def seeds():
    """What edits begin with: messages that are accepted, mostly."""
    found = list(corpus().values())
    good = [m for m, record in zip(found, Reader('ours').read(found)) if 'refused' not in record]
    return good * 4 + [m.replace(b'\n', b'\r\n') for m in RICH] * 20 + found


def edits(messages, count, seed):
    """Messages made of others: fields said twice, in other case, folded, in
    another order, from another message, with other lengths."""
    rng = random.Random(seed)
    for _ in range(count):
        head, _, body = rng.choice(messages).partition(b'\r\n\r\n')
        first, *fields = re.split(rb'\r\n(?![ \t])', head)
        for _ in range(rng.randint(1, 3)):
            if not fields:
                break
            i = rng.randrange(len(fields))
            kind = rng.randrange(9)
            if kind == 0:
                fields.insert(rng.randrange(len(fields) + 1), fields[i])
            elif kind == 1:
                name, colon, value = fields[i].partition(b':')
                fields[i] = rng.choice([name.upper(), name.lower(), name + b' ', name + b'\t']) + colon + value
            elif kind == 2:
                fields[i] = re.sub(rb'([;, ])', lambda m: m.group(1) + rng.choice([b'\r\n ', b'  ', b'\t', b'']),
                                   fields[i], count=1)
            elif kind == 3:
                rng.shuffle(fields)
            elif kind == 4:
                other = re.split(rb'\r\n(?![ \t])', rng.choice(messages).partition(b'\r\n\r\n')[0])
                fields.insert(i, rng.choice(other[1:] or [b'X: y']))
            elif kind == 5:
                fields[i] = fields[i] + rng.choice([b';x=y', b', <sip:a@b.test>', b';tag=z', b' ', b';;', b'"', b'>'])
            elif kind == 6:
                fields = [f for f in fields if not f.lower().startswith((b'content-length', b'l:'))]
                fields.append(b'Content-Length: ' + rng.choice(
                    [b'%d' % len(body), b'0', b'1', b'0%d' % len(body), b'+1', b'-1', b'4294967296', b' 7 ', b'0x2']))
            elif kind == 7:
                fields[i] = re.sub(rb'sip:', rng.choice([b'SIP:', b'sips:', b'tel:', b'sip:x:y@', b'sip:%41@', b'sip: ']),
                                   fields[i], count=1)
            else:
                short = {b'via': b'v', b'from': b'f', b'to': b't', b'call-id': b'i', b'contact': b'm',
                         b'content-length': b'l'}
                name, colon, value = fields[i].partition(b':')
                fields[i] = short.get(name.strip().lower(), name) + colon + value
        yield b'\r\n'.join([first, *fields]) + b'\r\n\r\n' + body


class ParserDifferentialTest(unittest.TestCase):

    used = collections.Counter()

    def compare(self, messages, names=None):
        """Differences that no row explains, as text."""
        ours = Reader('ours').read(messages)
        accepted = [i for i, record in enumerate(ours) if 'refused' not in record]
        unexplained, counts = [], collections.Counter(accepted=len(accepted))
        for reader in ('osip', 'sofia'):
            theirs = Reader(reader).read([messages[i] for i in accepted])
            for i, record in zip(accepted, theirs):
                if 'refused' in record:
                    counts[reader + ' refuses'] += 1
                    continue
                counts[reader + ' reads'] += 1
                for key in KEYS:
                    if key == 'body' and 'body_parts' in record:
                        continue  # cut into parts; their form is not SIP's
                    mine, other = plain(key, ours[i][key]), plain(key, record[key])
                    if mine == other:
                        continue
                    case = Case(messages[i], key, mine, other, record)
                    row = next((row for row in DIFFERENCES if row.reader in ('', reader) and key in row.keys
                                and row.holds(case)), None)
                    if row is not None:
                        ParserDifferentialTest.used[row.name] += 1
                        continue
                    unexplained.append(f'{names[i] if names else ""} {reader} {key}: ours {mine} theirs {other}\n'
                                       f'    {messages[i]!r}')
        return unexplained, counts

    def check(self, messages, names=None):
        unexplained, counts = self.compare(messages, names)
        print(dict(counts), file=sys.stderr)
        self.assertEqual(len(unexplained), 0, f'{len(unexplained)}:\n' + '\n'.join(unexplained[:12]))
        return counts

    def test_1_corpora(self):
        found = corpus()
        self.assertGreater(len(found), 100)
        counts = self.check(list(found.values()), list(found))
        self.assertGreater(counts['osip reads'], 40)
        self.assertGreater(counts['sofia reads'], 40)

    def test_2_edits_of_fields(self):
        counts = self.check(list(edits(seeds(), MUTATIONS, 20264)))
        self.assertGreater(counts['osip reads'], MUTATIONS / 10)
        self.assertGreater(counts['sofia reads'], MUTATIONS / 10)

    def test_3_mutations_of_octets(self):
        self.check(list(mutations(seeds(), MUTATIONS)))

    @unittest.skipUnless(GROWN, 'GROWN_CORPUS names no folder that a fuzzer has filled')
    def test_4_what_fuzzers_found(self):
        found = {}
        for path in sorted(glob.glob(os.path.join(GROWN, '*'))):
            with open(path, 'rb') as f:
                found[path] = f.read()
        self.check(list(found.values()), list(found))

    def test_5_no_row_is_idle(self):
        self.assertEqual([row.name for row in DIFFERENCES if not self.used[row.name]], [])


if __name__ == '__main__':
    unittest.main(verbosity=2)
