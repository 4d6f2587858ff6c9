"""Pieces of manifests: a dial plan in clear, the peers that tests play, and the
patterns that lead to them."""

CLEAR = '''kind: DialPlan
name: tenants/default/dialPlans/clear
spec:
  security_mode: UNSECURED
  number_of_digits_in_extension: 4
  calling_search_space: everything
'''

# The demo's gateway may call what the others may.
GATEWAY = '''kind: DialPlan
name: tenants/default/dialPlans/gateway
spec:
  security_mode: SIP_SECURED
  number_of_digits_in_extension: 4
  calling_search_space: everything
'''


def peer(name, address, port, transport='UDP', kind='IP_PBX', calls=True, **more):
    """A peer in clear that is known by its address."""
    lines = [f'kind: PEER_KIND_{kind}', f'address: {address}', f'port: {port}', f'transport: TRANSPORT_{transport}',
             'status: PEER_STATUS_ENABLED', f'outcalls_allowed: {str(calls).lower()}',
             'dial_plan: tenants/default/dialPlans/clear', *(f'{key}: {value}' for key, value in more.items())]
    return f'kind: Peer\nname: tenants/default/peers/{name}\nspec:\n' + ''.join(f'  {line}\n' for line in lines)


def tls_peer(name, fqdn, kind='IP_GATEWAY', calls=True, plan='gateway', **more):
    """A peer that is known by the name in its certificate."""
    lines = [f'kind: PEER_KIND_{kind}', f'fqdn: {fqdn}', 'port: 5061', 'transport: TRANSPORT_TLS',
             f'x509_subject_names: [{fqdn}]', f'outcalls_allowed: {str(calls).lower()}',
             f'dial_plan: tenants/default/dialPlans/{plan}', *(f'{key}: {value}' for key, value in more.items())]
    return f'kind: Peer\nname: tenants/default/peers/{name}\nspec:\n' + ''.join(f'  {line}\n' for line in lines)


def profile(name, **fields):
    """Of a trunk in clear."""
    lines = ['incoming_transports: [TRANSPORT_TCP, TRANSPORT_UDP]', 'outgoing_transport: TRANSPORT_TCP',
             'device_security_mode: DEVICE_SECURITY_MODE_NON_SECURE', 'incoming_port: 5060',
             *(f'{key}: {value}' for key, value in fields.items())]
    return (f'kind: TrunkSecurityProfile\nname: tenants/default/trunkSecurityProfiles/{name}\nspec:\n' +
            ''.join(f'  {line}\n' for line in lines))


def tenant(domain):
    """For a cluster without the demo's: who may call whom is one partition."""
    return manifest(f'kind: Tenant\nname: tenants/default\nspec:\n  domains: [{domain}]\n'
                    '  default_dial_plan: tenants/default/dialPlans/clear\n',
                    'kind: Partition\nname: tenants/default/partitions/default\n',
                    'kind: CallingSearchSpace\nname: tenants/default/callingSearchSpaces/everything\nspec:\n'
                    '  partitions: [default]\n')


def trusted(store, name, path):
    return (f'kind: TrustedCertificate\nname: tenants/default/trustStores/{store}/certificates/{name}\nspec:\n'
            f'  certificate_file: {path}\n')


def caller(address, transport='UDP', **more):
    return peer('caller', address, 5065, transport, **more)


def called(address, transport='UDP', **more):
    return peer('called', address, 5070, transport, 'IP_GATEWAY', **more)


def route(name, digit, to):
    """Numbers that begin with this digit go there, without it."""
    return (f'kind: RoutePattern\nname: tenants/default/routePatterns/{name}\nspec:\n  pattern: "{digit}.!"\n'
            f'  partition: tenants/default/partitions/default\n  peer: tenants/default/peers/{to}\n'
            '  called_party: {discard_digits: DISCARD_DIGITS_PRE_DOT}\n')


def user(name, domain, password, plan='clear', number='', **more):
    """A user with a number, which is its name if no other is given."""
    lines = [f'username: "{name}"', f'domain: {domain}', f'password: "{password}"', f'phone_numbers: ["{number or name}"]',
             f'dial_plan: tenants/default/dialPlans/{plan}', *(f'{key}: {value}' for key, value in more.items())]
    return f'kind: User\nname: tenants/default/users/{name}\nspec:\n' + ''.join(f'  {line}\n' for line in lines)


def manifest(*pieces):
    return '---\n'.join(pieces)


def two_peers(caller_address, called_address, transport='UDP'):
    """The caller's calls to 8... reach the called."""
    return manifest(CLEAR, caller(caller_address, transport), called(called_address, transport),
                    route('called', 8, 'called'))


def apply(cluster, name, text, **options):
    """Puts it into force."""
    path = cluster.path('conf', name + '.yaml')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    cluster.cli('apply', '-f', path, **options)
