"""The user agents that nobody here wrote: baresip, stunnel, coturn's client;
and a server of a few lines that answers whatever is asked."""

import errno
import json
import math
import os
import re
import socket
import struct
import subprocess
import threading
import time
import wave

from tests.harness.ports import free_ports
from tests.harness.process import Failed, Process, wait_until


def write_tone(path, seconds=120, hertz=440, rate=8000):
    """A wave file for a user agent to play."""
    with wave.open(path, 'wb') as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        one = b''.join(
            struct.pack('<h', int(8000 * math.sin(2 * math.pi * hertz * i / rate)))
            for i in range(rate))
        out.writeframes(one * seconds)


def tone_share(samples, hertz, rate=8000):
    """The share of the samples' power that a tone has (Goertzel)."""
    power = sum(s * s for s in samples)
    if not power:
        return 0.0
    real = sum(s * math.cos(2 * math.pi * hertz * i / rate) for i, s in enumerate(samples))
    imaginary = sum(s * math.sin(2 * math.pi * hertz * i / rate) for i, s in enumerate(samples))
    return 2 * (real * real + imaginary * imaginary) / len(samples) / power


class Baresip:
    """One baresip, steered over its control socket."""

    def __init__(self, folder, name, account, transport='tls',
                 certificate=None, ca=None, media_ports=(30000, 30199), modules=(), options=(),
                 arguments=(), late=False):
        """`late`: it has its account only once it runs."""
        self.name = name
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, exist_ok=True)
        self._account = account
        self._certificate, self._ca, self._media_ports = certificate, ca, media_ports
        self._modules, self._options, self._late = modules, options, late
        self.events = []
        self._socket = None
        self._buffer = b''
        write_tone(os.path.join(self.folder, 'tone.wav'))
        # Line by line, or its statistics would wait in a buffer.
        self.process = Process(name, ['stdbuf', '-oL', 'baresip', '-f', self.folder, '-v', *arguments],
                               os.path.join(self.folder, 'log'), cwd=self.folder)
        self._configure()

    def _configure(self):
        """Writes its configuration, on ports that are free now."""
        self.sip_port, self._control_port = free_ports(2)
        media_ports = self._media_ports
        lines = [
            'poll_method epoll',
            f'sip_listen 127.0.0.1:{self.sip_port}',
            'net_interface 127.0.0.1',
            'call_local_timeout 60',
            'call_max_calls 4',
            # Relative to its own folder: baresip cuts a device name at 128 octets.
            'audio_player aufile,heard.wav',
            'audio_source aufile,tone.wav',
            'audio_alert aufile,/dev/null',
            'ausrc_srate 8000', 'auplay_srate 8000',
            'ausrc_channels 1', 'auplay_channels 1',
            f'rtp_ports {media_ports[0]}-{media_ports[1]}',
            'rtp_stats yes',
            *self._options,
            'module_path /usr/lib/baresip/modules',
            *[f'module_tmp {name}.so' for name in self._modules],
            'module g711.so', 'module srtp.so', 'module aufile.so',
            'module_app ctrl_tcp.so', 'module_app account.so', 'module_app menu.so',
            f'ctrl_tcp_listen 127.0.0.1:{self._control_port}',
        ]
        if self._certificate:
            lines.append(f'sip_certificate {self._certificate}')
        if self._ca:
            lines.append(f'sip_cafile {self._ca}')
        self._write('config', '\n'.join(lines) + '\n')
        self._write('accounts', '' if self._late else self._account.format(port=self.sip_port) + '\n')
        self._write('contacts', '')

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as f:
            f.write(text)

    def start(self):
        for attempt in range(5):
            self.process.start()
            try:
                self.process.wait_for(self._connect, f'{self.name} opens its control socket')
                if self._late:
                    self._take_account()
                return self
            except Failed:
                # A port that was free a moment ago was taken by somebody else.
                if self.process.exit_code() != errno.EADDRINUSE or attempt == 4:
                    raise
                self._configure()
        return self

    def _take_account(self):
        """What modules do 1 ms after they were loaded is done by the end of the turn that answers the second command:
        baresip 1.0's mwi subscribes without end if the account is registered by then."""
        for _ in range(2):
            answers = len(self._answers())
            time.sleep(0.005)
            self.command('uastat')
            self.process.wait_for(lambda: len(self._answers()) > answers, f'{self.name} answers its control socket')
        self.command('uanew', self._account.format(port=self.sip_port))

    def _answers(self):
        self.poll()
        return [e for e in self.events if e.get('response')]

    def _connect(self):
        if 'baresip is ready' not in self.process.text():
            return False  # who answers on that port may be somebody else
        try:
            self._socket = socket.create_connection(('127.0.0.1', self._control_port), 1)
            self._socket.setblocking(False)
            return True
        except OSError:
            return False

    def poll(self):
        """Reads what has arrived: netstrings of JSON."""
        while True:
            try:
                data = self._socket.recv(65536)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                return
            if not data:
                break
            self._buffer += data
        while True:
            head = re.match(rb'(\d+):', self._buffer)
            if not head or len(self._buffer) < head.end() + int(head.group(1)) + 1:
                return
            end = head.end() + int(head.group(1))
            body, self._buffer = self._buffer[head.end():end], self._buffer[end + 1:]
            try:
                self.events.append(json.loads(body.decode('utf-8', 'replace'), strict=False))
            except ValueError:
                pass

    def command(self, command, params=''):
        message = json.dumps({'command': command, 'params': params, 'token': 'harness'})
        self._socket.sendall(f'{len(message)}:{message},'.encode())

    def seen(self, kind):
        """Every event of this type so far."""
        self.poll()
        return [e for e in self.events if e.get('type') == kind]

    def wait_event(self, kind, what, timeout=15.0, count=1):
        return self.process.wait_for(
            lambda: self.seen(kind)[count - 1] if len(self.seen(kind)) >= count else None,
            what, timeout)

    def wait_registered(self, timeout=15.0):
        def registered():
            self.poll()
            for event in self.events:
                if event.get('type') == 'REGISTER_FAIL':
                    raise Failed(f'{self.name} could not register: {event.get("param")}')
                if event.get('type') == 'REGISTER_OK':
                    return event
            return re.search(r'\{\d+/\w+\} 200|200 OK \(|: 200 ', self.process.text())
        return self.process.wait_for(registered, f'{self.name} registers', timeout)

    def dial(self, uri):
        """Starts a call; returns nothing until an event says how it went."""
        self.command('dial', uri)

    def hang_up(self):
        before = len(self.seen('CALL_CLOSED'))
        self.command('hangup')
        self.wait_event('CALL_CLOSED', f'{self.name} ends its call', count=before + 1)

    def printed_statistics(self):
        """What baresip itself printed at the end of each of its calls."""
        found = []
        # A call too short for an RTCP report has no "lost" line.
        for block in re.split(r'(?=packets:\s+\d+\s+\d+)', self.process.text())[1:]:
            numbers = {}
            for word in ('packets', 'errors', 'lost'):
                row = re.search(word + r':\s+(-?\d+)\s+(-?\d+)', block)
                numbers[word] = (int(row.group(1)), int(row.group(2))) if row else (0, 0)
            if 'errors:' not in block:
                continue  # still being printed
            found.append({'sent': numbers['packets'][0], 'received': numbers['packets'][1],
                          'send_errors': numbers['errors'][0], 'receive_errors': numbers['errors'][1],
                          'lost_sent': numbers['lost'][0], 'lost_received': numbers['lost'][1]})
        return found

    def wait_statistics(self, before):
        """The statistics of the call that ends after `before` others had."""
        return wait_until(lambda: self.printed_statistics()[before:],
                          f'{self.name} prints its call statistics', 5)[0]

    def heard_tone(self, hertz=440):
        """How much of what it heard in its last call is the tone that the other
        side plays, 0 to 1. Needs the options `module sndfile.so`, `snd_path .`."""
        files = [f for f in os.listdir(self.folder) if f.endswith('-dec.wav')]
        if not files:
            return 0.0
        newest = max(files, key=lambda f: os.path.getmtime(os.path.join(self.folder, f)))
        with open(os.path.join(self.folder, newest), 'rb') as f:
            data = f.read()[44:]  # its header may not say yet how long it is
        samples = struct.unpack(f'<{len(data) // 2}h', data[:len(data) // 2 * 2])
        # The best half second: silence of a hold is no fault.
        return max((tone_share(samples[i:i + 4000], hertz)
                    for i in range(0, len(samples) - 3999, 2000)), default=0.0)

    def stop(self):
        if self._socket:
            self._socket.close()
        self.process.stop()


class MutualTlsWrapper:
    """stunnel before a TCP user agent: TLS with a client certificate demanded."""

    def __init__(self, folder, name, listen, tcp_port, certificate, key, ca,
                 client_name=None):
        """`listen` is (address, port); `client_name` the dNSName demanded."""
        os.makedirs(folder, exist_ok=True)
        self.listen = listen
        path = os.path.join(folder, f'{name}.conf')
        lines = [
            'foreground = yes', 'pid =', 'debug = info', 'syslog = no',
            f'[{name}]',
            f'accept = {listen[0]}:{listen[1]}',
            f'connect = 127.0.0.1:{tcp_port}',
            f'cert = {certificate}', f'key = {key}', f'CAfile = {ca}',
            'verifyChain = yes', 'requireCert = yes',
        ]
        if client_name:
            lines.append(f'checkHost = {client_name}')
        with open(path, 'w', encoding='utf-8') as f:
            f.write('\n'.join(lines) + '\n')
        self.process = Process(name, ['stunnel4' if os.path.exists('/usr/bin/stunnel4') else 'stunnel', path],
                               os.path.join(folder, f'{name}.log'))

    def start(self):
        self.process.start()
        self.process.wait_for(lambda: accepts(*self.listen), f'{self.process.name} listens')
        return self

    def accepted_clients(self):
        """Subjects of the client certificates that stunnel verified."""
        return re.findall(r'Certificate accepted at depth=0: (.*)', self.process.text())

    def stop(self):
        self.process.stop()


class SipAnswerer:
    """Answers every SIP request over TCP with one status."""

    def __init__(self, address, status='200 OK'):
        self.status = status
        self.server = socket.create_server(address)
        self.address = self.server.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        data = b''
        with connection:
            while True:
                try:
                    more = connection.recv(65536)
                except OSError:
                    return
                if not more:
                    return
                data += more
                while b'\r\n\r\n' in data:
                    head, data = data.split(b'\r\n\r\n', 1)
                    lines = head.decode('latin-1').split('\r\n')
                    kept = [line for line in lines[1:]
                            if line.split(':')[0] in ('Via', 'From', 'To', 'Call-ID', 'CSeq')]
                    connection.sendall('\r\n'.join(
                        [f'SIP/2.0 {self.status}', *kept, 'Content-Length: 0', '', '']).encode())

    def stop(self):
        self.server.close()


def accepts(address, port):
    try:
        socket.create_connection((address, port), 0.5).close()
        return True
    except OSError:
        return False


def turn_client(server, username, password, realm, messages=50, extra=()):
    """coturn's own client and echo peer through our relay at (address, port).

    Returns {'sent','received','lost','text'}; Failed if it cannot allocate.
    """
    peer_port = free_ports(1, socket.SOCK_DGRAM)[0]
    peer = subprocess.Popen(['turnutils_peer', '-L', '127.0.0.1', '-p', str(peer_port)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        command = ['turnutils_uclient', '-u', username, '-w', password,
                   '-e', '127.0.0.1', '-r', str(peer_port), '-p', str(server[1]),
                   '-n', str(messages), '-m', '1', '-l', '172', '-z', '20', '-c',
                   '-v', *extra, server[0]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired as error:
        raise Failed(f'turnutils_uclient did not end: {error}') from error
    finally:
        peer.kill()
        peer.wait()
    text = done.stdout + done.stderr
    totals = re.findall(r'tot_send_msgs=(\d+), tot_recv_msgs=(\d+)', text)
    lost = re.findall(r'Total lost packets (\d+)', text)
    if not totals or not lost:
        tail = [line for line in text.splitlines() if line.strip()][-3:]
        raise Failed('turnutils_uclient made no allocation: ' + ' / '.join(tail))
    return {'sent': int(totals[-1][0]), 'received': int(totals[-1][1]),
            'lost': int(lost[-1]), 'realm': realm, 'text': text}
