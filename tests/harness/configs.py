"""The configuration files of one cluster's services."""

import json
import os
import secrets

from tests.harness.cluster import DOMAIN, EDGE_NAME, TRUST_DOMAIN


def passphrase_file(cluster):
    """Of capf's private keys, which are encrypted under it."""
    path = os.path.join(cluster.pki, 'capf-passphrase')
    if not os.path.exists(path):
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), 'w', encoding='ascii') as f:
            f.write(secrets.token_hex(16) + '\n')
    return path


def write_all(cluster, unlimited=False):
    """Writes every service's file and the command line's; no service runs yet.

    `unlimited` opens the limits by source, so that what one address sends in a
    test is read and not refused at the door.
    """
    many = 10_000_000
    write = cluster.write_config
    data = cluster.path('data')

    write('dialplan', {
        'server': cluster.server_config('dialplan'),
        'store': {'sqlite_file': f'{data}/dialplan.db'},
        'edges': [cluster.client_config('signaling_edge')],
        'capf': cluster.client_config('capf'),
        'decision_listener': {'listen_address': f'{cluster.host("dialplan")}:7011'},
    })
    write('credential_issuer', {
        'server': cluster.server_config('credential_issuer'),
        'store': {'sqlite_file': f'{data}/issuer.db'},
        'master_key_file': f'{data}/issuer.key',
        'realm': 'sallyport',
        'activation_delay': '1s',
        'relays': [{'relay': 'media_relay-0', 'weight': 1,
                    'internet_uris': [f'turn:{cluster.host("media_relay")}:3478?transport=udp']}],
    })
    write('media_relay', {
        'server': cluster.server_config('media_relay'),
        'credential_issuer': cluster.client_config('credential_issuer'),
        'external': {'addresses': [cluster.host('media_relay')]},
        'realm': 'sallyport',
        'loops': 1,
        'peer_policy': {'allowed_prefixes': ['127.0.0.0/8']},
        'keys_cache_file': f'{data}/relay-keys.cache',
        'session_listener': {'listen_address': f'{cluster.host("media_relay")}:7013'},
        'limits': {'unauthenticated_replies_per_second': many,
                   'max_connections_per_source': many} if unlimited else {},
    })
    capf = cluster.host('capf')
    write('capf', {
        'server': cluster.server_config('capf'),
        'store': {'sqlite_file': f'{data}/capf.db'},
        'authority': {'key_file': f'{data}/capf-ca.key',
                      'certificate_file': f'{data}/capf-ca.pem',
                      'passphrase_file': passphrase_file(cluster)},
        'capf': {'address': capf,
                 'server_names': [f'DNS:capf.{DOMAIN}', f'IP:{capf}'],
                 **({'connections_per_second_per_source': many} if unlimited else {})},
        'audit_file': f'{data}/capf-audit.jsonl',
    })
    edge = cluster.host('signaling_edge')
    write('signaling_edge', {
        'server': cluster.server_config('signaling_edge'),
        'dialplan': cluster.client_config('dialplan'),
        'capf': cluster.client_config('capf'),
        'credential_issuer': cluster.client_config('credential_issuer'),
        'media_relays': [cluster.client_config('media_relay')],
        'listeners': [
            {'protocol': 'LISTENER_PROTOCOL_SIP_UDP', 'address': edge},
            {'protocol': 'LISTENER_PROTOCOL_SIP_TCP', 'address': edge},
            {'protocol': 'LISTENER_PROTOCOL_SIP_TLS', 'address': edge},
        ],
        'sip_tls': {'certificate_file': f'{cluster.pki}/edge_sip.pem',
                    'key_file': f'{cluster.pki}/edge_sip.key'},
        'snapshot_cache_file': f'{data}/snapshot.cache',
        'trust_cache_file': f'{data}/trust.cache',
        'token_key_file': f'{data}/token.key',
        'loops': int(os.environ.get('SALLYPORT_EDGE_LOOPS', '1')),
        'call_record_file': cluster.path('log', 'calls.jsonl'),
        'limits': {'max_connections_per_source': 10_000,
                   'requests_per_second_per_source': many,
                   'connections_per_second_per_source': many, 'overload_lag': '10s'}
        # A machine that is busy with other tests is not what they are about.
        if unlimited else {'overload_lag': '2s'},
        'static_hosts': {f'gw.{DOMAIN}': cluster.host('gateway'),
                         EDGE_NAME: edge},
    })
    write('cli', {
        'tls': {'certificate_file': f'{cluster.pki}/operator.pem',
                'key_file': f'{cluster.pki}/operator.key',
                'ca_file': f'{cluster.pki}/ca.pem'},
        'trust_domain': TRUST_DOMAIN,
        'dialplan': cluster.client_config('dialplan'),
        'signaling_edges': [cluster.client_config('signaling_edge')],
        'media_relays': [cluster.client_config('media_relay')],
        'credential_issuer': cluster.client_config('credential_issuer'),
        'capf': cluster.client_config('capf'),
    })


def read(cluster, name):
    with open(os.path.join(cluster.folder, 'conf', name + '.json'), encoding='utf-8') as f:
        return json.load(f)
