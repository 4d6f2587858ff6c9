"""What tests of voicemail ports begin with: the lines and the listener of ports
that speak SCCP."""

from tests.harness import configs

# Two ports' lines, the pilot that hunts over them, and voicemail there.
LINES = '''
kind: Line
name: tenants/default/lines/vi1
spec: {directory_number: "6001", partition: default}
---
kind: Line
name: tenants/default/lines/vi2
spec: {directory_number: "6002", partition: default}
---
kind: LineGroup
name: tenants/default/lineGroups/voicemail
spec: {lines: [vi1, vi2], algorithm: TOP_DOWN}
---
kind: HuntList
name: tenants/default/huntLists/voicemail
spec: {line_groups: [voicemail], for_voicemail: true}
---
kind: HuntPilot
name: tenants/default/huntPilots/voicemail
spec: {pattern: "6000", partition: default, hunt_list: voicemail}
---
kind: VoicemailPilot
name: tenants/default/voicemailPilots/main
spec: {number: "6000", calling_search_space: everything, is_default: true}
---'''


def configure(cluster):
    """The demo's configuration with a listener for ports; where that is."""
    cluster.make_pki()
    configs.write_all(cluster, unlimited=True)
    edge = cluster.host('signaling_edge')
    config = configs.read(cluster, 'signaling_edge')
    config['listeners'].append({'protocol': 'LISTENER_PROTOCOL_SCCP_TLS', 'address': edge})
    cluster.write_config('signaling_edge', config)
    return edge
