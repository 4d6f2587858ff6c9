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


def caller(address, transport='UDP'):
    return peer('caller', address, 5065, transport)


def called(address, transport='UDP', **more):
    return peer('called', address, 5070, transport, 'IP_GATEWAY', **more)


def route(name, digit, to):
    """Numbers that begin with this digit go there, without it."""
    return (f'kind: RoutePattern\nname: tenants/default/routePatterns/{name}\nspec:\n  pattern: "{digit}.!"\n'
            f'  partition: tenants/default/partitions/default\n  peer: tenants/default/peers/{to}\n'
            '  called_party: {discard_digits: DISCARD_DIGITS_PRE_DOT}\n')


def user(name, domain, password, plan='clear', **more):
    """A user with a number that is its name."""
    lines = [f'username: "{name}"', f'domain: {domain}', f'password: "{password}"', f'phone_numbers: ["{name}"]',
             f'dial_plan: tenants/default/dialPlans/{plan}', *(f'{key}: {value}' for key, value in more.items())]
    return f'kind: User\nname: tenants/default/users/{name}\nspec:\n' + ''.join(f'  {line}\n' for line in lines)


def manifest(*pieces):
    return '---\n'.join(pieces)


def two_peers(caller_address, called_address, transport='UDP'):
    """The caller's calls to 8... reach the called."""
    return manifest(CLEAR, caller(caller_address, transport), called(called_address, transport),
                    route('called', 8, 'called'))


def apply(cluster, name, text):
    """Puts it into force."""
    path = cluster.path('conf', name + '.yaml')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    cluster.cli('apply', '-f', path)
