#include "services/signaling_edge/core/peer_check.h"

#include <algorithm>
#include <utility>

#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/dialog.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/peer_transport.h"
#include "services/signaling_edge/core/sdes.h"
#include "services/signaling_edge/core/sdp.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kNobody = "connectivity-test";
// Who answers by itself has answered by then.
constexpr absl::Duration kRings = absl::Seconds(2);
constexpr absl::Duration kGivesUp = absl::Seconds(5);

std::string_view ModeName(SecurityMode mode) {
  switch (mode) {
    case SecurityMode::kUnsecured:
      return "UNSECURED";
    case SecurityMode::kSipSecured:
      return "SIP_SECURED";
    case SecurityMode::kSecured:
      return "SECURED";
  }
  return "SECURED";
}

// The alert by which our side ends a handshake for that reason; empty if it
// sends none.
std::string_view AlertSentFor(std::string_view reason) {
  if (reason == "PEER_CERTIFICATE_EXPIRED" ||
      reason == "PEER_CERTIFICATE_NOT_YET_VALID") {
    return "certificate_expired";
  }
  if (reason == "PEER_CERTIFICATE_UNTRUSTED") return "unknown_ca";
  if (reason == "PEER_CERTIFICATE_MALFORMED") return "bad_certificate";
  if (reason == "PEER_CERTIFICATE_WRONG_USAGE") {
    return "unsupported_certificate";
  }
  if (reason == "PEER_CERTIFICATE_REVOKED") return "certificate_revoked";
  return "";
}

// What the peer sent was no TLS at all.
bool IsNoTls(std::string_view library_text) {
  return library_text == "WRONG_VERSION_NUMBER" ||
         library_text == "HTTP_REQUEST" ||
         library_text == "HTTPS_PROXY_REQUEST";
}

std::string Describe(const CertificateInfo& certificate) {
  return Cat("certificate of ", certificate.subject, ", issued by ",
             certificate.issuer, ", serial ", certificate.serial_hex);
}

std::string Names(const CertificateInfo& certificate) {
  std::string out;
  for (const CertifiedName& name : SipIdentities(certificate)) {
    CatTo(out, out.empty() ? "" : ", ", NameSourceName(name.source), ":",
          name.name);
  }
  return out.empty() ? "no SIP identity" : out;
}

// Whether the peer's group has the server that is to be asked.
bool HasServer(const Resolver& plan, const PeerEntry& peer,
               const PeerCheckRequest& request) {
  const auto* group = plan.index().Find<ServerGroupEntry>(peer.server_group);
  if (group == nullptr) return false;
  return std::any_of(group->members.begin(), group->members.end(),
                     [&](const ServerGroupMember& member) {
                       return member.host == request.host &&
                              (member.port == request.port ||
                               member.secure_port == request.port);
                     });
}

std::string Expected(const PeerEntry& peer) {
  if (peer.x509_subjects.empty()) return peer.fqdn;
  std::string out;
  for (const std::string& subject : peer.x509_subjects) {
    CatTo(out, out.empty() ? "" : ", ", subject);
  }
  return out;
}

}  // namespace

std::string AlertName(std::string_view library_text) {
  for (const std::string_view prefix : {"TLSV1_", "SSLV3_"}) {
    if (ConsumePrefix(library_text, prefix)) break;
  }
  ConsumePrefix(library_text, "ALERT_");
  std::string out;
  for (const char c : library_text) out.push_back(ToLower(c));
  return out;
}

const std::string& PeerChecks::HostOf(const Check& check) {
  if (!check.request.host.empty()) return check.request.host;
  return check.peer->address.empty() ? check.peer->fqdn : check.peer->address;
}

uint16_t PeerChecks::PortOf(const Check& check) {
  return check.request.host.empty() ? static_cast<uint16_t>(check.peer->port)
                                    : check.request.port;
}

PeerChecks::Check* PeerChecks::Find(uint64_t check) {
  const auto it = checks_.find(check);
  return it == checks_.end() ? nullptr : it->second.get();
}

void PeerChecks::Step(Check& check, std::string_view step, bool succeeded,
                      std::string detail) {
  check.result.steps.push_back(
      {std::string(step), succeeded, std::move(detail)});
}

void PeerChecks::Fail(Check& check, std::string_view step,
                      std::string_view reason, std::string detail,
                      MonoTime now) {
  Step(check, step, false, std::move(detail));
  check.result.reason = reason;
  Finish(check, now);
}

void PeerChecks::Finish(Check& check, MonoTime now) {
  const uint64_t id = check.request.id;
  deadlines_.Erase(id);
  const auto it = checks_.find(id);
  const std::unique_ptr<Check> over = std::move(it->second);
  checks_.erase(it);  // before anything that could come back here
  if (over->flow_open) {
    port_.CloseForCheck(over->flow, over->result.sip_status != 0, now);
  }
  over->result.succeeded = over->result.reason.empty();
  port_.CheckDone(std::move(over->result), now);
}

absl::Status PeerChecks::Start(const PeerCheckRequest& request,
                               std::shared_ptr<const Resolver> plan,
                               MonoTime now) {
  if (plan == nullptr) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "NO_CONFIGURATION",
                     "no dial plan has been received yet");
  }
  const PeerEntry* peer = plan->index().Peer(request.peer);
  if (peer == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "PEER_NOT_FOUND",
                     "the plan in force at this edge has no such peer");
  }
  if (!request.host.empty() && !HasServer(*plan, *peer, request)) {
    // Whoever asks, nothing is tried but what is configured.
    return MakeError(absl::StatusCode::kNotFound, "PEER_NOT_FOUND",
                     "the plan in force at this edge has no such server in "
                     "the peer's group");
  }
  if (checks_.size() >= options_.max_checks) {
    return MakeError(absl::StatusCode::kResourceExhausted, "CHECK_LIMIT",
                     "too many checks run at once");
  }
  auto made = std::make_unique<Check>();
  Check& check = *made;
  check.request = request;
  check.plan = std::move(plan);
  check.peer = peer;
  check.result.id = request.id;
  check.result.peer = request.peer;
  if (!request.host.empty()) {
    check.result.server = Cat(request.host, ":", request.port);
  }
  checks_[request.id] = std::move(made);
  deadlines_.Set(request.id, now + options_.timeout);

  const SecurityMode mode = check.plan->index().ModeOf(peer->dial_plan);
  const bool tls = peer->transport == sallyport::SipTransport::kTls;
  if (request.secured != tls) {
    // UM-108: and a secured peer is never spoken to in clear, not even so.
    Fail(check, "transport", "TRANSPORT_MISMATCH",
         Cat("its dial plan is ", ModeName(mode), " and its transport ",
             tls ? "TLS: test it secured" : "in clear: test it unsecured"),
         now);
    return absl::OkStatus();
  }
  if (request.media_secured && mode != SecurityMode::kSecured) {
    Fail(check, "transport", "SECURITY_MODE_SRTP_NOT_ALLOWED",
         Cat("its dial plan is ", ModeName(mode), ", whose media is RTP"), now);
    return absl::OkStatus();
  }
  const uint16_t port = PortOf(check);
  const std::string& host = HostOf(check);
  if (const auto literal = SocketAddress::FromIp(host, port); literal.ok()) {
    Step(check, "resolve", true, Cat("its address is configured: ", host));
    Open(check, {*literal}, now);
  } else {
    port_.ResolveForCheck(request.id, host,
                          request.host.empty()
                              ? ServiceOf(TransportOf(*peer), port)
                              : std::string_view(),
                          peer->address_family);
  }
  return absl::OkStatus();
}

void PeerChecks::OnResolved(
    uint64_t id, absl::StatusOr<std::vector<SocketAddress>> addresses,
    MonoTime now) {
  Check* check = Find(id);
  if (check == nullptr || check->stage != Stage::kResolving) return;
  const std::string& host = HostOf(*check);
  if (!addresses.ok() || addresses->empty()) {
    Fail(*check, "resolve", "PEER_NAME_UNRESOLVED",
         Cat(host, " cannot be resolved",
             addresses.ok() ? std::string()
                            : Cat(": ", StdView(addresses.status().message()))),
         now);
    return;
  }
  std::string found;
  const uint16_t port = PortOf(*check);
  for (SocketAddress& address : *addresses) {
    if (address.port() == 0) address = address.WithPort(port);
    CatTo(found, found.empty() ? "" : ", ", address.ToString());
  }
  Step(*check, "resolve", true, Cat(host, " is ", found));
  Open(*check, *addresses, now);
}

void PeerChecks::Open(Check& check, const std::vector<SocketAddress>& addresses,
                      MonoTime now) {
  const uint64_t id = check.request.id;
  check.stage = Stage::kConnecting;
  check.result.address = addresses[0];
  auto way = port_.OpenForCheck(id, *check.peer, addresses, now);
  if (!way.ok()) {
    Fail(check, "connect", ReasonOf(way.status()),
         std::string(way.status().message()), now);
    return;
  }
  check.flow = way->flow;
  check.flow_open = true;
  check.result.transport = way->flow.transport;
  if (!way->open) return;
  const bool udp = way->flow.transport == SipTransport::kUdp;
  check.result.address = way->flow.remote;
  check.result.secured = way->flow.is_tls();
  Step(check, "connect", true,
       udp ? std::string("UDP has no connection")
           : Cat("the connection to ", way->flow.remote.ToString(),
                 " that is kept is used"));
  SendOptions(check, now);
}

void PeerChecks::OnAddressFailed(uint64_t id, const SocketAddress& address,
                                 const absl::Status& why) {
  Check* check = Find(id);
  if (check == nullptr) return;
  // Not the end: the next address is tried.
  Step(*check, "connect", false,
       Cat(address.ToString(), ": ", StdView(why.message()),
           "; the next is tried"));
}

void PeerChecks::OnOpened(uint64_t id, const SocketAddress& address,
                          const TlsFacts* tls,
                          const ConnectionIdentity* identity, MonoTime now) {
  Check* check = Find(id);
  if (check == nullptr || check->stage != Stage::kConnecting) return;
  check->result.address = address;
  Step(*check, "connect", true, Cat(address.ToString(), " takes connections"));
  if (tls != nullptr && tls->certificate.has_value() && identity != nullptr) {
    Step(*check, "handshake", true,
         Cat(tls->version, ", ", tls->cipher, "; ", Describe(*tls->certificate),
             ", trusted by ", tls->trust_store));
    Step(*check, "identity", true,
         Cat(NameSourceName(identity->matched.source), ":",
             identity->matched.name, " is the peer's name (RFC 5922)"));
    check->result.secured = true;
  }
  SendOptions(*check, now);
}

void PeerChecks::OnRefused(uint64_t id, const SocketAddress& address,
                           const TlsFacts& tls, const absl::Status& why,
                           MonoTime now) {
  Check* check = Find(id);
  if (check == nullptr) return;
  check->result.address = address;
  check->flow_open = false;  // whoever refused it also closes it
  Step(*check, "connect", true, Cat(address.ToString(), " takes connections"));
  const std::string reason = ReasonOf(why);
  if (!tls.certificate.has_value() || reason != "PEER_IDENTITY_MISMATCH") {
    Fail(*check, "handshake", reason,
         Cat(StdView(why.message()), tls.certificate.has_value()
                                         ? Cat("; ", Describe(*tls.certificate))
                                         : std::string()),
         now);
    return;
  }
  Step(*check, "handshake", true,
       Cat(tls.version, ", ", tls.cipher, "; ", Describe(*tls.certificate),
           ", trusted by ", tls.trust_store));
  Fail(*check, "identity", reason,
       Cat("it shows ", Names(*tls.certificate), "; expected was ",
           Expected(*check->peer)),
       now);
}

void PeerChecks::OnGone(uint64_t id, const SocketAddress& address,
                        const absl::Status& why, const TlsFacts* tls,
                        MonoTime now) {
  Check* check = Find(id);
  if (check == nullptr) return;
  check->flow_open = false;
  check->result.address = address;
  const std::string reason = ReasonOf(why);
  const std::string text(why.message());
  if (check->stage == Stage::kConnecting) {
    if (reason == "CONNECT_FAILED" || reason == "CONNECT_TIMEOUT") {
      Fail(*check, "connect", reason, Cat(address.ToString(), ": ", text), now);
      return;
    }
    Step(*check, "connect", true,
         Cat(address.ToString(), " takes connections"));
  }
  if (reason == "TLS_ALERT_RECEIVED") {
    // A TLS 1.3 client learns only now that its certificate is refused.
    Fail(*check, "handshake", reason,
         Cat("the peer refused us with alert ",
             tls != nullptr && !tls->alert.empty() ? tls->alert
                                                   : AlertName(text)),
         now);
  } else if (reason == "TLS_HANDSHAKE_FAILED" && IsNoTls(text)) {
    Fail(*check, "handshake", "TRANSPORT_MISMATCH",
         "what listens there speaks no TLS", now);
  } else if (check->stage == Stage::kConnecting) {
    const std::string_view alert = AlertSentFor(reason);
    Fail(*check, "handshake", reason.empty() ? "CONNECTION_LOST" : reason,
         Cat(text.empty() ? std::string("the connection ended") : text,
             alert.empty() ? std::string() : Cat("; we sent alert ", alert),
             tls != nullptr && tls->certificate.has_value()
                 ? Cat("; ", Describe(*tls->certificate))
                 : std::string()),
         now);
  } else if (check->stage == Stage::kCancelled) {
    Finish(*check, now);
  } else {
    Fail(*check, check->stage == Stage::kOptions ? "options" : "media",
         "CONNECTION_LOST", "the peer closed the connection unanswered", now);
  }
}

// ----------------------------------------------------------------- requests

SipMessage PeerChecks::MakeRequest(const Check& check, SipMethod method,
                                   uint32_t cseq) {
  SipMessage out = SipMessage::Request(method, check.target);
  out.SetUint(HeaderId::kMaxForwards, 70);
  out.Add(HeaderId::kFrom, check.from);
  out.Add(HeaderId::kTo, Cat("<", check.target, ">"));
  out.Add(HeaderId::kCallId, check.call_id);
  out.Add(HeaderId::kCseq, Cat(cseq, " ", MethodName(method)));
  out.Add(HeaderId::kContact,
          Cat("<", ContactUri(port_.ListenerFor(check.flow)), ">"));
  out.Add(HeaderId::kAccept, "application/sdp");
  return out;
}

void PeerChecks::SendOptions(Check& check, MonoTime now) {
  check.stage = Stage::kOptions;
  const PeerEntry& peer = *check.peer;
  check.target =
      Cat("sip:",
          HostPortText(peer.fqdn.empty() ? peer.address : peer.fqdn,
                       static_cast<uint16_t>(peer.port), check.flow.transport));
  if (check.flow.transport == SipTransport::kTls) {
    check.target += ";transport=tls";
  } else if (check.flow.transport == SipTransport::kTcp) {
    check.target += ";transport=tcp";
  }
  check.call_id = HexOf(random_.NextU64());
  const TenantEntry* tenant =
      check.plan->index().Tenant(TenantOf(check.request.peer));
  check.from =
      Cat("<sip:",
          tenant != nullptr && !tenant->domains.empty() ? tenant->domains[0]
                                                        : "anonymous.invalid",
          ">;tag=", HexOf(random_.NextU64()));
  check.sent = now;
  const uint64_t id = check.request.id;
  const absl::Status sent = port_.SendForCheck(
      id, check.flow, MakeRequest(check, SipMethod::kOptions, 1), now);
  if (!sent.ok() && Find(id) != nullptr) {
    Fail(check, "options", "CONNECTION_LOST", std::string(sent.message()), now);
  }
}

void PeerChecks::OnResponse(uint64_t id, const SipMessage& request,
                            const SipMessage& response, MonoTime now) {
  Check* check = Find(id);
  if (check == nullptr) return;
  if (request.method() == SipMethod::kOptions) {
    if (response.status_code() >= 200) {
      OnOptionsResponse(*check, response, now);
    }
  } else if (request.method() == SipMethod::kInvite) {
    OnInviteResponse(*check, request, response, now);
  } else if (request.method() == SipMethod::kBye &&
             response.status_code() >= 200) {
    Finish(*check, now);
  }
}

void PeerChecks::OnOptionsResponse(Check& check, const SipMessage& response,
                                   MonoTime now) {
  const int code = response.status_code();
  check.result.sip_status = code;
  check.result.round_trip_time = now - check.sent;
  const std::string answer =
      Cat(code, " ", response.reason_phrase(), " after ",
          absl::ToInt64Milliseconds(check.result.round_trip_time), " ms");
  // Any reply but these two means that it is up (protocols.md section 8).
  if (code == 408 || code == 503) {
    Fail(check, "options", "PEER_OUT_OF_SERVICE", answer, now);
    return;
  }
  Step(check, "options", true, answer);
  if (check.request.media_secured) {
    SendInvite(check, now);
  } else {
    Finish(check, now);
  }
}

void PeerChecks::OnRequestFailed(uint64_t id, const SipMessage& request,
                                 bool timed_out, MonoTime now) {
  Check* check = Find(id);
  if (check == nullptr) return;
  if (check->stage == Stage::kCancelled) {
    Finish(*check, now);
    return;
  }
  // A connection that ended tells more by OnGone, which comes first.
  const bool options = request.method() == SipMethod::kOptions;
  Fail(*check, options ? "options" : "media",
       timed_out ? (options ? "OPTIONS_TIMEOUT" : "INVITE_TIMEOUT")
                 : "CONNECTION_LOST",
       timed_out ? "no answer" : "the request could not be sent", now);
}

// -------------------------------------------------------------------- media

void PeerChecks::SendInvite(Check& check, MonoTime now) {
  check.stage = Stage::kInvite;
  const DialPlanEntry* plan =
      check.plan->index().DialPlan(check.peer->dial_plan);
  const EdgeListener& listener = port_.ListenerFor(check.flow);
  check.offer = CheckOffer::Make(plan == nullptr ? DialPlanEntry() : *plan,
                                 listener.host, random_);
  // A user agent asks for whom a call is before it looks at what is offered.
  const std::string_view host = std::string_view(check.target).substr(4);
  check.target = Cat("sip:",
                     PercentEncode(check.request.phone.empty()
                                       ? kNobody
                                       : std::string_view(check.request.phone),
                                   "+*#"),
                     "@", host);
  SipMessage invite = MakeRequest(check, SipMethod::kInvite, 2);
  invite.Add(HeaderId::kAllow, kCallMethods);
  AddSdp(invite, check.offer->sdp());
  const uint64_t id = check.request.id;
  const absl::Status sent =
      port_.SendForCheck(id, check.flow, std::move(invite), now);
  if (!sent.ok() && Find(id) != nullptr) {
    Fail(check, "media", "CONNECTION_LOST", std::string(sent.message()), now);
  }
}

bool PeerChecks::JudgeAnswer(Check& check, std::string_view body) {
  const auto taken = check.offer->Judge(body);
  if (!taken.ok()) {
    Step(check, "media", false, std::string(taken.status().message()));
    check.result.reason = ReasonOf(taken.status());
    return false;
  }
  Step(check, "media", true, *taken);
  return true;
}

void PeerChecks::GiveUpInvite(Check& check, MonoTime now) {
  check.stage = Stage::kCancelled;
  deadlines_.Set(check.request.id, now + kGivesUp);
  port_.CancelForCheck(check.request.id, now);
}

void PeerChecks::OnInviteResponse(Check& check, const SipMessage& request,
                                  const SipMessage& response, MonoTime now) {
  const int code = response.status_code();
  const std::string answer = Cat(code, " ", response.reason_phrase());
  if (check.stage == Stage::kCancelled) {
    // What crossed our CANCEL is ended below; the result stands.
    if (code >= 300) return Finish(check, now);
    if (code < 200) return;
  }
  if (code < 200) {
    if (code == 100) return;
    if (HasSdp(response)) {
      JudgeAnswer(check, response.body());
      GiveUpInvite(check, now);
    } else if (check.stage == Stage::kInvite) {
      // Who rings has not yet said what it takes. It is not left to ring.
      check.rings = answer;
      check.stage = Stage::kRinging;
      deadlines_.Set(check.request.id, now + kRings);
    }
    return;
  }
  if (code < 300) {
    if (check.stage != Stage::kCancelled) JudgeAnswer(check, response.body());
    if (auto dialog = Dialog::AsCaller(request, response, check.flow.is_tls());
        dialog.ok()) {
      port_.SendPlain(check.flow, dialog->MakeAck(CseqNumber(request)));
      check.stage = Stage::kCancelled;
      SipMessage bye = dialog->MakeRequest(SipMethod::kBye);
      const uint64_t id = check.request.id;
      // Its answer, or that none comes, ends the check.
      if (port_.SendForCheck(id, check.flow, std::move(bye), now).ok()) return;
      if (Find(id) == nullptr) return;
    }
    Finish(check, now);
    return;
  }
  if (check.stage == Stage::kRinging && code != 488 && code != 606) {
    Step(check, "media", true,
         Cat("the offer of SRTP gets it as far as ", check.rings, ", and then ",
             answer));
    Finish(check, now);
  } else if (code == 488 || code == 606 || code == 415) {
    Fail(check, "media", "SRTP_NOT_ACCEPTED",
         Cat(answer, ": it does not take the SRTP offer"), now);
  } else {
    Fail(
        check, "media", "SRTP_NOT_PROVEN",
        Cat(answer, ": it refused the call without judging the offer",
            check.request.phone.empty() ? "; name a number that it takes" : ""),
        now);
  }
}

void PeerChecks::OnDeadline(MonoTime now) {
  while (const auto id = deadlines_.PopExpired(now)) {
    Check* check = Find(*id);
    if (check == nullptr) continue;
    switch (check->stage) {
      case Stage::kResolving:
        Fail(*check, "resolve", "PEER_NAME_UNRESOLVED",
             "no answer from the name service", now);
        break;
      case Stage::kConnecting:
        Fail(*check, "connect", "CONNECT_TIMEOUT",
             Cat(check->result.address.ToString(), ": not ready in time"), now);
        break;
      case Stage::kOptions:
        Fail(*check, "options", "OPTIONS_TIMEOUT", "no answer", now);
        break;
      case Stage::kInvite:
        port_.CancelForCheck(*id, now);
        Fail(*check, "media", "INVITE_TIMEOUT", "no answer", now);
        break;
      case Stage::kRinging:
        Step(*check, "media", true,
             Cat("the offer of SRTP gets it as far as ", check->rings,
                 "; it was not answered"));
        GiveUpInvite(*check, now);
        break;
      case Stage::kCancelled:
        Finish(*check, now);
        break;
    }
  }
}

}  // namespace sallyport::signaling_edge
