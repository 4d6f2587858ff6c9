"""The demo's table: only what the run reported, laid out."""


def enum(value, prefix):
    """CALL_STATE_ANSWERED -> ANSWERED."""
    return str(value or '-').replace(prefix, '', 1)


def duration_us(text):
    """'0.000041s' of a proto Duration, in microseconds."""
    return round(float(str(text or '0s').rstrip('s')) * 1e6)


def rows(facts):
    """(heading, lines) pairs in print order."""
    out = []
    lines = []
    for c in facts['connections']:
        if not c.get('tlsVersion'):
            continue
        who = c.get('peer') or c.get('phone') or '-'
        lines.append(f"{'in ' if c.get('incoming') else 'out'} {who.split('/')[-1]:<18} "
                     f"{c.get('remoteIdentity', '-')}  by {enum(c.get('identitySource'), 'IDENTITY_SOURCE_')}, "
                     f"{c.get('tlsVersion')} {c.get('cipherSuite')}")
    out.append(('TLS connections', lines))

    call = facts['call']
    out.append(('Route', [f"dialled {call.get('calledNumber')} matched {call.get('matchedPattern')} "
                          f"({call.get('matchedResource', '').split('/')[-1]}), plan version "
                          f"{call.get('snapshotVersion')}"]))
    lines = []
    session = facts['session']
    for leg, side in zip(call['legs'], ('legA', 'legB')):
        stats = session.get(side, {}).get('statistics', {})
        media = (enum(leg.get('srtpSuite'), 'SRTP_SUITE_')
                 if leg.get('mediaProtocol') == 'MEDIA_PROTOCOL_SDES_SRTP' else
                 enum(leg.get('mediaProtocol'), 'MEDIA_PROTOCOL_'))
        who = (leg.get('peer') or leg.get('user') or '-').split('/')[-1]
        lines.append(f"{who:<10} plan {leg.get('dialPlan', '-').split('/')[-1]} "
                     f"({enum(leg.get('securityMode'), 'SECURITY_MODE_')}), {media}; relay received "
                     f"{stats.get('packetsReceived', 0)}, sent {stats.get('packetsSent', 0)}, lost "
                     f"{stats.get('packetsLost', 0)}, p99 added delay {duration_us(stats.get('addedDelayP99'))} us")
    out.append(('Media at the relay', lines))
    out.append(('Media at the user agents', [
        f"{who:<10} sent {facts[who]['sent']}, received {facts[who]['received']}, lost "
        f"{facts[who]['lost_sent']} and {facts[who]['lost_received']}" for who in ('phone', 'gateway')]))
    turn = facts['turn']
    out.append(('TURN credential', [
        f"key id {turn['key_id']}, expires {turn['expire_time']}",
        f"coturn's client allocated {', '.join(turn['relayed'][:1]) or 'a relayed address'}; "
        f"{turn['sent']} packets out, {turn['received']} back"]))
    lsc = facts['lsc']
    out.append(('LSC by CAPF', [
        f"{lsc['subject']}, issuer {lsc['issuer']}", f"serial {lsc['serial']}",
        f"SHA-1   {lsc['sha1']}", f"SHA-256 {lsc['sha256']}"]))
    lines = []
    for refused in facts['refusals']:
        said = refused.get('sip')
        lines.append(f"{refused['what']}: {refused['reason']}" + (f" (phone saw: {said})" if said else ''))
    out.append(('Refused', lines))
    return out


def render(facts):
    """The whole table as text, at most 118 columns where names allow."""
    text = []
    for heading, lines in rows(facts):
        for index, line in enumerate(lines):
            text.append(f"{heading if index == 0 else '':<26}{line}")
    return '\n'.join(text)
