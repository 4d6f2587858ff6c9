"""A small EST server (RFC 7030) on Python's ssl and the openssl command.

    est_server.py FOLDER

FOLDER has server.pem, server.key, ca.pem (the authority that signs), ca.key and
client_ca.pem. A label in the path (RFC 7030 section 3.2.2) is another authority,
LABEL.pem, made as it is asked for. What it does is the content of FOLDER/mode, read at each request:
ok, pending:N (202 with Retry-After N), 500, 401, garbage, never, cut, other_key,
other_name (another name than a server asked for).
With FOLDER/password ("user:password") that is asked for, else a client's
certificate. Its port is written to FOLDER/port.
"""

import base64
import http.server
import os
import ssl
import subprocess
import sys
import time

folder = sys.argv[1]


def path(name):
    return os.path.join(folder, name)


def read(name):
    with open(path(name), encoding='utf-8') as f:
        return f.read().strip()


def openssl(*arguments, data=b''):
    return subprocess.run(['openssl', *arguments], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True).stdout


def certs_only(*names):
    arguments = [word for name in names for word in ('-certfile', path(name))]
    return base64.encodebytes(openssl('crl2pkcs7', '-nocrl', '-outform', 'DER', *arguments))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, format, *args):
        pass

    def answer(self, status, body=b'', **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def proven(self):
        if os.path.exists(path('password')):
            wanted = 'Basic ' + base64.b64encode(read('password').encode()).decode()
            return self.headers.get('Authorization') == wanted
        return bool(self.connection.getpeercert())

    def ask(self):
        """The operation, and the name of the authority."""
        words = self.path.removeprefix('/.well-known/est/').split('/')
        if len(words) == 1:
            return words[0], 'ca'
        label = words[0]
        if not os.path.exists(path(label + '.pem')):
            openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj',
                    '/CN=Upstream ' + label, '-days', '3650', '-keyout', path(label + '.key'), '-out',
                    path(label + '.pem'))
        return words[1], label

    def do_GET(self):
        operation, ca = self.ask()
        if operation != 'cacerts':
            return self.answer(404)
        self.answer(200, certs_only(ca + '.pem'), Content_Type='application/pkcs7-mime')

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        with open(path('asked'), 'a', encoding='utf-8') as f:
            f.write(self.path + ' ' + body.decode() + '\n')
        mode = read('mode')
        operation, ca = self.ask()
        if operation not in ('simpleenroll', 'simplereenroll'):
            return self.answer(404)
        if not self.proven() or mode == '401':
            return self.answer(401, WWW_Authenticate='Basic realm="est"')
        if mode.startswith('pending:'):
            return self.answer(202, Retry_After=mode.partition(':')[2])
        if mode == '500':
            return self.answer(500, b'oops')
        if mode == 'garbage':
            return self.answer(200, os.urandom(500), Content_Type='application/pkcs7-mime')
        if mode == 'never':
            time.sleep(600)
            return None
        if mode == 'cut':
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc')
            self.close_connection = True
            return None
        if mode == 'other_key':
            return self.answer(200, certs_only('ca.pem'), Content_Type='application/pkcs7-mime')
        with open(path('csr.der'), 'wb') as f:
            f.write(base64.b64decode(body))
        openssl('req', '-inform', 'DER', '-in', path('csr.der'), '-verify', '-noout')
        text = openssl('req', '-inform', 'DER', '-in', path('csr.der'), '-noout', '-text').decode()
        # A request with alternative names is a server's.
        names = text.partition('Alternative Name:')[2].strip().splitlines()[0].strip() if 'Alternative' in text else ''
        with open(path('ext'), 'w', encoding='utf-8') as f:
            if names:
                f.write('basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
                        'extendedKeyUsage=serverAuth\n')
                f.write('subjectAltName=' + ('DNS:evil.example.test' if mode == 'other_name' else names) + '\n')
            else:
                f.write('basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n')
            f.write('subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n')
        openssl('x509', '-req', '-inform', 'DER', '-in', path('csr.der'), '-CA', path(ca + '.pem'),
                '-CAkey', path(ca + '.key'), '-set_serial', '0x' + os.urandom(16).hex(), '-days', '100', '-extfile', path('ext'),
                '-out', path('issued.pem'))
        self.answer(200, certs_only('issued.pem'), Content_Type='application/pkcs7-mime; smime-type=certs-only')


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(path('server.pem'), path('server.key'))
context.load_verify_locations(path('client_ca.pem'))
context.verify_mode = ssl.CERT_OPTIONAL
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(path('port.new'), 'w', encoding='utf-8') as f:
    f.write(str(server.server_address[1]))
os.rename(path('port.new'), path('port'))
server.serve_forever()
