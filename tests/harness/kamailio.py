"""Kamailio as a peer: its configuration of a few lines, started and ended."""

import os

from tests.harness.process import Process

HEAD = '''#!KAMAILIO
fork=yes
children=1
tcp_children=2
log_stderror=yes
debug=2
auto_aliases=no
tcp_connection_lifetime=60
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
'''
MODULES = ('tm', 'sl', 'pv', 'rr', 'textops', 'siputils')

TLS = '''
[server:default]
method = TLSv1.2+
certificate = {pki}/{server}.pem
private_key = {pki}/{server}.key
ca_list = {pki}/sip-ca.pem
verify_certificate = yes
require_certificate = yes
[client:default]
method = {method}
{own}
ca_list = {pki}/sip-ca.pem
verify_certificate = {verify}
require_certificate = {verify}
{ciphers}
'''

# A proxy that stays in the path: what belongs to a dialog goes by its route, a
# CANCEL after its INVITE (RFC 3261 section 16).
PROXY = '''
modparam("rr", "enable_double_rr", 1)
{parameters}
request_route {{
{first}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); }}
    else if (is_method("ACK")) {{ t_relay(); }}
    else {{ sl_send_reply("404", "Not here"); }}
    exit;
  }}
  if (is_method("CANCEL")) {{
    if (t_check_trans()) t_relay();
    exit;
  }}
{others}
  record_route();
{onward}
  t_relay();
}}
'''
ANSWER = '{ sl_send_reply("200", "here"); exit; }'


def proxy(onward, first='', others='', parameters=''):
    """Routes: `first` sees all, `others` what begins something, and `onward`
    says where that goes to once its Record-Route is in."""
    return PROXY.format(onward=onward, first=first, others=others, parameters=parameters)


def tls(cluster, server='gateway', certificate='gateway', method='TLSv1.2+', ciphers='', verify=True):
    """tls.cfg; `certificate` is what it shows as a client, None: nothing."""
    own = (f'certificate = {cluster.pki}/{certificate}.pem\nprivate_key = {cluster.pki}/{certificate}.key'
           if certificate else '')
    return TLS.format(pki=cluster.pki, server=server, own=own, method=method, verify='yes' if verify else 'no',
                      ciphers=f'cipher_list = {ciphers}' if ciphers else '')


def kamailio(cluster, name, listen, routes, modules=(), settings='', tls_config=None):
    """A process that is started; `listen` are addresses as "udp:127.0.0.1:5060",
    `routes` its request_route and others, `settings` what stands before them."""
    text = HEAD + ''.join(f'listen={each}\n' for each in listen)
    if tls_config:
        path = cluster.path('conf', f'{name}-tls.cfg')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(tls_config)
        text += f'enable_tls=yes\nloadmodule "tls.so"\nmodparam("tls", "config", "{path}")\n'
    text += ''.join(f'loadmodule "{module}.so"\n' for module in (*MODULES, *modules))
    conf = cluster.path('conf', f'{name}.cfg')
    with open(conf, 'w', encoding='utf-8') as f:
        f.write(text + settings + routes)
    folder = cluster.path(f'{name}-run')
    os.makedirs(folder, exist_ok=True)
    return Process(name, ['kamailio', '-f', conf, '-DD', '-E', '-m', '64', '-M', '8', '-w', folder, '-Y', folder],
                   cluster.path('log', f'{name}.log')).start()
