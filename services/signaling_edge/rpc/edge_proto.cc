#include "services/signaling_edge/rpc/edge_proto.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/json_util.h"
#include "sallyport/media_relay/v1/leg_statistics.pb.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/net/socket_address.h"
#include "services/common/plan_snapshot/proto_values.h"
#include "services/signaling_edge/core/registration_desk.h"
#include "services/signaling_edge/io/peer_trust.h"
#include "services/signaling_edge/io/trust_bundle.h"
#include "services/signaling_edge/rpc/plain_text.h"

namespace sallyport::signaling_edge {
namespace {

namespace type = ::sallyport::type::v1;

constexpr std::string_view kNobody = "tenants/-";

std::string NameOf(std::string_view tenant, std::string_view collection,
                   uint64_t id) {
  return absl::StrCat(AbslView(tenant.empty() ? kNobody : tenant), "/",
                      AbslView(collection), "/", id);
}

// Abseil's conversions want the namespace spelled out.
google::protobuf::Timestamp Stamp(absl::Time time) {
  return sallyport::ToProto(time);
}

v1::CallState ToProto(CallState state) {
  switch (state) {
    case CallState::kProceeding:
      return v1::CALL_STATE_PROCEEDING;
    case CallState::kRinging:
      return v1::CALL_STATE_RINGING;
    case CallState::kAnswered:
      return v1::CALL_STATE_ANSWERED;
    case CallState::kHeld:
      return v1::CALL_STATE_HELD;
    case CallState::kQueued:
      return v1::CALL_STATE_QUEUED;
    case CallState::kEnded:
      return v1::CALL_STATE_ENDED;
  }
  return v1::CALL_STATE_UNSPECIFIED;
}

v1::CallDisposition ToProto(CallDisposition disposition) {
  switch (disposition) {
    case CallDisposition::kAnswered:
      return v1::CALL_DISPOSITION_ANSWERED;
    case CallDisposition::kBusy:
      return v1::CALL_DISPOSITION_BUSY;
    case CallDisposition::kNoAnswer:
      return v1::CALL_DISPOSITION_NO_ANSWER;
    case CallDisposition::kCancelled:
      return v1::CALL_DISPOSITION_CANCELLED;
    case CallDisposition::kRefused:
      return v1::CALL_DISPOSITION_REFUSED;
    case CallDisposition::kFailed:
      return v1::CALL_DISPOSITION_FAILED;
  }
  return v1::CALL_DISPOSITION_UNSPECIFIED;
}

v1::AuthenticationMethod ToProto(Authentication authentication) {
  switch (authentication) {
    case Authentication::kNone:
      return v1::AUTHENTICATION_METHOD_UNSPECIFIED;
    case Authentication::kDigestMd5:
      return v1::AUTHENTICATION_METHOD_DIGEST_MD5;
    case Authentication::kDigestSha256:
      return v1::AUTHENTICATION_METHOD_DIGEST_SHA_256;
    case Authentication::kPeerCertificate:
      return v1::AUTHENTICATION_METHOD_PEER_CERTIFICATE;
    case Authentication::kLscAndDigestMd5:
      return v1::AUTHENTICATION_METHOD_LSC_AND_DIGEST_MD5;
    case Authentication::kLscAndDigestSha256:
      return v1::AUTHENTICATION_METHOD_LSC_AND_DIGEST_SHA_256;
    case Authentication::kLsc:
      return v1::AUTHENTICATION_METHOD_LSC;
    case Authentication::kSourceAddress:
      return v1::AUTHENTICATION_METHOD_SOURCE_ADDRESS;
  }
  return v1::AUTHENTICATION_METHOD_UNSPECIFIED;
}

// AES_CM_256_HMAC_SHA1_32 is never agreed on and has no name in the API.
type::SrtpSuite ToProto(SrtpSuite suite) {
  switch (suite) {
    case SrtpSuite::kAesCm128HmacSha1_80:
      return type::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80;
    case SrtpSuite::kAesCm128HmacSha1_32:
      return type::SRTP_SUITE_AES_CM_128_HMAC_SHA1_32;
    case SrtpSuite::kAesCm256HmacSha1_80:
      return type::SRTP_SUITE_AES_256_CM_HMAC_SHA1_80;
    case SrtpSuite::kAeadAes128Gcm:
      return type::SRTP_SUITE_AEAD_AES_128_GCM;
    case SrtpSuite::kAeadAes256Gcm:
      return type::SRTP_SUITE_AEAD_AES_256_GCM;
    case SrtpSuite::kAesCm256HmacSha1_32:
      break;
  }
  return type::SRTP_SUITE_UNSPECIFIED;
}

v1::RefusalKind ToProto(RefusalKind kind) {
  switch (kind) {
    case RefusalKind::kConnection:
      return v1::REFUSAL_KIND_CONNECTION;
    case RefusalKind::kRegistration:
      return v1::REFUSAL_KIND_REGISTRATION;
    case RefusalKind::kCall:
      return v1::REFUSAL_KIND_CALL;
    case RefusalKind::kMedia:
      return v1::REFUSAL_KIND_MEDIA;
    case RefusalKind::kRequest:
      return v1::REFUSAL_KIND_REQUEST;
    case RefusalKind::kMalformed:
      return v1::REFUSAL_KIND_MALFORMED;
  }
  return v1::REFUSAL_KIND_UNSPECIFIED;
}

v1::EventType ToProto(EdgeEvent::Type event) {
  switch (event) {
    case EdgeEvent::Type::kConnectionOpened:
      return v1::EVENT_TYPE_CONNECTION_OPENED;
    case EdgeEvent::Type::kConnectionClosed:
      return v1::EVENT_TYPE_CONNECTION_CLOSED;
    case EdgeEvent::Type::kRefused:
      return v1::EVENT_TYPE_REFUSED;
    case EdgeEvent::Type::kRegistered:
      return v1::EVENT_TYPE_REGISTERED;
    case EdgeEvent::Type::kUnregistered:
      return v1::EVENT_TYPE_UNREGISTERED;
    case EdgeEvent::Type::kCallStarted:
      return v1::EVENT_TYPE_CALL_STARTED;
    case EdgeEvent::Type::kCallAnswered:
      return v1::EVENT_TYPE_CALL_ANSWERED;
    case EdgeEvent::Type::kCallEnded:
      return v1::EVENT_TYPE_CALL_ENDED;
    case EdgeEvent::Type::kPeerUp:
      return v1::EVENT_TYPE_PEER_UP;
    case EdgeEvent::Type::kPeerDown:
      return v1::EVENT_TYPE_PEER_DOWN;
    case EdgeEvent::Type::kSnapshotActivated:
      return v1::EVENT_TYPE_SNAPSHOT_ACTIVATED;
    case EdgeEvent::Type::kTrustActivated:
      return v1::EVENT_TYPE_TRUST_ACTIVATED;
    case EdgeEvent::Type::kDraining:
      return v1::EVENT_TYPE_DRAINING;
    case EdgeEvent::Type::kCertificate:
      return v1::EVENT_TYPE_CERTIFICATE;
    case EdgeEvent::Type::kStarted:
      return v1::EVENT_TYPE_STARTED;
  }
  return v1::EVENT_TYPE_UNSPECIFIED;
}

v1::CallSecurityStatus ToProto(CallSecurity security) {
  switch (security) {
    case CallSecurity::kNotAuthenticated:
      return v1::CALL_SECURITY_STATUS_NOT_AUTHENTICATED;
    case CallSecurity::kAuthenticated:
      return v1::CALL_SECURITY_STATUS_AUTHENTICATED;
    case CallSecurity::kEncrypted:
      return v1::CALL_SECURITY_STATUS_ENCRYPTED;
  }
  return v1::CALL_SECURITY_STATUS_UNSPECIFIED;
}

v1::IdentitySource ToProto(NameSource source) {
  switch (source) {
    case NameSource::kUriSan:
      return v1::IDENTITY_SOURCE_SAN_URI;
    case NameSource::kDnsSan:
      return v1::IDENTITY_SOURCE_SAN_DNS;
    case NameSource::kCommonName:
      return v1::IDENTITY_SOURCE_COMMON_NAME;
  }
  return v1::IDENTITY_SOURCE_UNSPECIFIED;
}

// The name as it stands in the certificate.
std::string MatchedText(const CertifiedName& name) {
  switch (name.source) {
    case NameSource::kUriSan:
      return absl::StrCat("URI:sip:", name.name);
    case NameSource::kDnsSan:
      return absl::StrCat("DNS:", name.name);
    case NameSource::kCommonName:
      return absl::StrCat("CN=", name.name);
  }
  return name.name;
}

v1::TlsAlertSource AlertSource(const std::string& alert, bool sent) {
  if (alert.empty()) return v1::TLS_ALERT_SOURCE_UNSPECIFIED;
  return sent ? v1::TLS_ALERT_SOURCE_SENT : v1::TLS_ALERT_SOURCE_RECEIVED;
}

google::protobuf::Duration Milliseconds(double value) {
  return sallyport::ToProto(absl::Milliseconds(value));
}

void FillStatistics(const LegStatistics& from,
                    media_relay::v1::LegStatistics& out) {
  out.set_packets_received(from.packets_received);
  out.set_packets_sent(from.packets_sent);
  out.set_bytes_received(from.bytes_received);
  out.set_bytes_sent(from.bytes_sent);
  out.set_packets_lost(from.packets_lost);
  out.set_authentication_failures(from.authentication_failures);
  out.set_replayed_packets(from.replayed_packets);
  out.set_rtcp_packets_received(from.rtcp_packets_received);
  out.set_rtcp_packets_sent(from.rtcp_packets_sent);
  *out.mutable_jitter() = Milliseconds(from.jitter_ms);
  *out.mutable_added_delay_p50() = Milliseconds(from.added_delay_p50_ms);
  if (from.round_trip_ms > 0) {
    *out.mutable_round_trip_time() = Milliseconds(from.round_trip_ms);
  }
  out.set_remote_fraction_lost(from.remote_fraction_lost);
  out.set_mean_opinion_score(from.mean_opinion_score);
  *out.mutable_added_delay_p99() = Milliseconds(from.added_delay_p99_ms);
}

v1::AuthenticationMethod AuthenticationFromText(std::string_view text) {
  for (const Authentication each :
       {Authentication::kDigestMd5, Authentication::kDigestSha256,
        Authentication::kPeerCertificate, Authentication::kLscAndDigestMd5,
        Authentication::kLscAndDigestSha256, Authentication::kLsc,
        Authentication::kSourceAddress}) {
    if (AuthenticationName(each) == text) return ToProto(each);
  }
  return v1::AUTHENTICATION_METHOD_UNSPECIFIED;
}

v1::CallLeg ToProto(const LegRecord& leg, const CallRecord& call,
                    const ProtoContext& context) {
  v1::CallLeg out;
  out.set_incoming(leg.incoming);
  if (leg.party.kind == Party::Kind::kPeer) {
    out.set_peer(leg.party.resource);
  } else {
    out.set_user(leg.party.resource);
  }
  out.set_phone(leg.party.phone);
  out.set_authentication(ToProto(leg.party.authentication));
  out.set_identity(PlainText(leg.party.identity));
  *out.mutable_remote_address() = ToProto(leg.flow.remote, leg.flow.transport);
  if (leg.flow.connection != 0) {
    out.set_connection(ConnectionNameOf(leg));
  }
  out.set_dial_plan(leg.party.dial_plan);
  out.set_security_mode(ProtoOf<type::SecurityMode>(leg.party.mode));
  if (call.legs.size() > 1) {  // with nobody no media is agreed
    out.set_media_protocol(leg.dtls ? type::MEDIA_PROTOCOL_DTLS_SRTP
                           : leg.suite.has_value()
                               ? type::MEDIA_PROTOCOL_SDES_SRTP
                               : type::MEDIA_PROTOCOL_RTP);
  }
  if (leg.suite.has_value()) out.set_srtp_suite(ToProto(*leg.suite));
  out.set_called_number(PlainText(leg.called));
  out.set_calling_number(PlainText(leg.calling));
  out.set_sip_call_id(PlainText(leg.sip_call_id));
  out.set_state(ToProto(leg.state));
  out.set_sip_status(static_cast<uint32_t>(leg.sip_status));
  if (call.ended.has_value()) out.set_reason(call.reason);
  FillStatistics(leg.statistics, *out.mutable_statistics());
  *out.mutable_start_time() = Stamp(context.time.At(call.started));
  if (call.answered.has_value()) {
    *out.mutable_answer_time() = Stamp(context.time.At(*call.answered));
  }
  if (call.ended.has_value()) {
    *out.mutable_end_time() = Stamp(context.time.At(*call.ended));
  }
  return out;
}

}  // namespace

std::string ConnectionNameOf(const LegRecord& leg) {
  const bool known =
      !leg.party.phone.empty() || (leg.party.kind == Party::Kind::kPeer &&
                                   (leg.flow.is_tls() || !leg.incoming));
  return NameOf(known ? std::string_view(leg.party.tenant) : kNobody,
                "connections", leg.flow.connection);
}

type::TransportAddress ToProto(const SocketAddress& address,
                               SipTransport transport) {
  type::TransportAddress out;
  out.set_address(address.IpText());
  out.set_port(address.port());
  out.set_transport(TransportToProto(transport));
  return out;
}

type::CertificateSummary ToProto(const CertificateInfo& certificate) {
  type::CertificateSummary out;
  out.set_subject(PlainText(certificate.subject));
  out.set_issuer(PlainText(certificate.issuer));
  out.set_serial(certificate.serial_hex);
  for (const SubjectAltName& name : certificate.alt_names) {
    switch (name.type) {
      case SubjectAltName::Type::kDns:
        out.add_subject_alt_names("DNS:" + PlainText(name.value));
        break;
      case SubjectAltName::Type::kUri:
        out.add_subject_alt_names("URI:" + PlainText(name.value));
        break;
      case SubjectAltName::Type::kEmail:
        out.add_subject_alt_names("email:" + PlainText(name.value));
        break;
      case SubjectAltName::Type::kIp:
        if (const auto ip = SocketAddress::FromBytes(AsBytes(name.value), 0)) {
          out.add_subject_alt_names("IP:" + ip->IpText());
        }
        break;
      case SubjectAltName::Type::kOther:
        break;
    }
  }
  *out.mutable_not_before_time() = Stamp(certificate.not_before);
  *out.mutable_not_after_time() = Stamp(certificate.not_after);
  out.set_sha1_thumbprint(HexEncode(certificate.sha1));
  out.set_sha256_thumbprint(HexEncode(certificate.sha256));
  if (certificate.server_auth) out.add_extended_key_usages("serverAuth");
  if (certificate.client_auth) out.add_extended_key_usages("clientAuth");
  if (certificate.sip_domain) out.add_extended_key_usages("sipDomain");
  out.set_self_signed(certificate.self_signed);
  for (const std::string_view name : KeyUsageNames(certificate)) {
    out.add_key_usages(std::string(name));
  }
  for (const std::string_view name : PermittedFunctions(certificate)) {
    out.add_permitted_functions(std::string(name));
  }
  return out;
}

v1::Call ToProto(const CallRecord& record, const ProtoContext& context) {
  v1::Call out;
  out.set_name(NameOf(record.tenant, "calls", record.id));
  out.set_state(ToProto(record.state));
  for (const LegRecord& leg : record.legs) {
    if (leg.party.kind == Party::Kind::kNobody) continue;
    *out.add_legs() = ToProto(leg, record, context);
  }
  out.set_called_number(PlainText(record.called));
  out.set_calling_number(PlainText(record.calling));
  out.set_matched_resource(record.matched_resource);
  out.set_matched_pattern(record.matched_pattern);
  out.set_snapshot_version(record.snapshot_version);
  out.set_media_relay(record.relay);
  out.set_media_session(record.media_session);
  *out.mutable_start_time() = Stamp(context.time.At(record.started));
  if (record.answered.has_value()) {
    *out.mutable_answer_time() = Stamp(context.time.At(*record.answered));
  }
  if (record.ended.has_value()) {
    *out.mutable_end_time() = Stamp(context.time.At(*record.ended));
    out.set_reason(record.reason);
  }
  out.set_secure(record.secure());
  out.set_security_status(ToProto(record.security()));
  out.set_edge(context.edge);
  if (record.queued.has_value()) {
    out.set_queue(record.queue);
    out.set_queue_position(static_cast<uint32_t>(record.queue_position));
    const std::optional<MonoTime> left =
        record.unqueued.has_value() ? record.unqueued : record.ended;
    *out.mutable_queue_time() = sallyport::ToProto(
        left.has_value() ? *left - *record.queued
                         : absl::Now() - context.time.At(*record.queued));
  }
  return out;
}

v1::Connection ToProto(const Connection& connection, const ConnectionIo* io,
                       const ProtoContext& context) {
  v1::Connection out;
  std::string_view tenant = TenantNameOf(connection.dialled);
  out.set_peer(connection.dialled);
  if (connection.identity.has_value()) {
    const ConnectionIdentity& identity = *connection.identity;
    tenant = TenantNameOf(identity.resource);
    if (identity.kind == ConnectionIdentity::Kind::kPeer) {
      out.set_peer(identity.resource);
    } else {
      out.set_phone(identity.resource);
    }
    out.set_remote_identity(PlainText(identity.matched.name));
    out.set_identity_source(ToProto(identity.matched.source));
    out.set_matched_name(PlainText(MatchedText(identity.matched)));
  }
  out.set_name(NameOf(tenant, "connections", connection.id));
  *out.mutable_remote_address() =
      ToProto(connection.remote, connection.transport);
  out.set_incoming(connection.incoming);
  if (connection.tls.has_value()) {
    const TlsFacts& tls = *connection.tls;
    out.set_tls_version(tls.version);
    out.set_cipher_suite(tls.cipher);
    out.set_resumed(tls.resumed);
    out.set_server_name(PlainText(tls.server_name));
    if (tls.certificate.has_value()) {
      *out.mutable_remote_certificate() = ToProto(*tls.certificate);
    }
    // Both stores may hold the anchor; the one that counted is said.
    const bool is_phone =
        connection.identity.has_value() &&
        connection.identity->kind == ConnectionIdentity::Kind::kPhone;
    out.set_trust_store(is_phone ? std::string(kPhoneTrustStore)
                                 : tls.trust_store);
  }
  if (io != nullptr) {
    *out.mutable_local_address() =
        ToProto(io->local_address(), connection.transport);
    out.set_trust_version(io->trust_version());
    if (io->tls() != nullptr) {
      out.set_key_exchange_group(io->tls()->group());
    }
  }
  *out.mutable_create_time() = Stamp(context.time.At(connection.created));
  *out.mutable_last_activity_time() =
      Stamp(context.time.At(connection.last_activity));
  out.set_bytes_received(connection.bytes_received);
  out.set_bytes_sent(connection.bytes_sent);
  out.set_messages_received(connection.messages_received);
  out.set_messages_sent(connection.messages_sent);
  out.set_edge(context.edge);
  out.set_state(connection.state == Connection::State::kOpen
                    ? v1::CONNECTION_STATE_ESTABLISHED
                    : v1::CONNECTION_STATE_CONNECTING);
  return out;
}

v1::Registration ToProto(const Binding& binding, const PlanIndex* plan,
                         const ProtoContext& context) {
  v1::Registration out;
  const std::string_view tenant = TenantNameOf(binding.user);
  out.set_name(NameOf(tenant, "registrations", binding.id));
  if (const UserEntry* user =
          plan == nullptr ? nullptr : plan->User(binding.user)) {
    out.set_address_of_record(
        absl::StrCat("sip:", user->username, "@", user->domain));
  }
  out.set_user(binding.user);
  out.set_phone(binding.phone);
  out.set_contact(PlainText(binding.contact));
  out.set_user_agent(PlainText(binding.user_agent));
  *out.mutable_remote_address() =
      ToProto(binding.flow.remote, binding.flow.transport);
  if (binding.flow.connection != 0) {
    // Of a connection that belongs to somebody; a port's always does.
    const bool owned =
        !binding.phone.empty() ||
        (plan != nullptr && plan->Find<LineEntry>(binding.user) != nullptr);
    out.set_connection(
        NameOf(owned ? tenant : "", "connections", binding.flow.connection));
  }
  out.set_authentication(AuthenticationFromText(binding.authentication));
  *out.mutable_create_time() = Stamp(context.time.At(binding.registered));
  *out.mutable_refresh_time() = Stamp(context.time.At(binding.refreshed));
  *out.mutable_expire_time() = Stamp(context.time.At(binding.expires));
  out.set_instance_id(PlainText(binding.instance));
  for (const std::string& hop : binding.path) out.add_path(PlainText(hop));
  out.set_edge(context.edge);
  return out;
}

v1::Refusal RefusalToProto(int64_t sequence, absl::Time time,
                           const EdgeEvent& event, const std::string& edge) {
  v1::Refusal out;
  const std::string tenant = TenantOf(event);
  out.set_name(NameOf(tenant, "refusals", static_cast<uint64_t>(sequence)));
  *out.mutable_refuse_time() = Stamp(time);
  out.set_reason(event.reason);
  out.set_edge(edge);
  if (!event.refusal.has_value()) return out;
  const Refusal& refusal = *event.refusal;
  if (refusal.call != 0) out.set_call(NameOf(tenant, "calls", refusal.call));
  out.set_explanation(PlainText(refusal.explanation));
  out.set_kind(ToProto(refusal.kind));
  *out.mutable_remote_address() = ToProto(refusal.remote, refusal.transport);
  if (!refusal.certificate_subject.empty() ||
      !refusal.certificate_sha256.empty()) {
    out.mutable_remote_certificate()->set_subject(
        PlainText(refusal.certificate_subject));
    out.mutable_remote_certificate()->set_issuer(
        PlainText(refusal.certificate_issuer));
    out.mutable_remote_certificate()->set_sha256_thumbprint(
        refusal.certificate_sha256);
  }
  for (const std::string& identity : refusal.presented_identities) {
    out.add_presented_identities(PlainText(identity));
  }
  for (const std::string& identity : refusal.expected_identities) {
    out.add_expected_identities(PlainText(identity));
  }
  for (const std::string& step : refusal.steps) {
    out.add_steps(PlainText(step));
  }
  out.set_peer(refusal.peer);
  out.set_subject(refusal.subject);
  out.set_dial_plan(refusal.dial_plan);
  out.set_sip_method(PlainText(refusal.sip_method));
  out.set_sip_status(static_cast<uint32_t>(refusal.sip_status));
  out.set_tls_alert(refusal.tls_alert);
  out.set_tls_alert_source(AlertSource(refusal.tls_alert, refusal.alert_sent));
  return out;
}

v1::Event ToProto(int64_t sequence, absl::Time time, const EdgeEvent& event,
                  const std::string& edge) {
  v1::Event out;
  const std::string tenant = TenantOf(event);
  out.set_sequence(sequence);
  *out.mutable_event_time() = Stamp(time);
  out.set_type(ToProto(event.type));
  out.set_reason(event.reason);
  out.set_summary(event.summary);
  out.set_edge(edge);
  out.set_event_id(event.event_id);
  out.set_tls_alert(event.tls_alert);
  out.set_tls_alert_source(AlertSource(event.tls_alert, event.alert_sent));
  if (tenant != kNobody) out.set_tenant(tenant);
  if (event.call != 0) {
    out.set_resource(NameOf(tenant, "calls", event.call));
  } else if (event.refusal.has_value() && event.refusal->call != 0) {
    out.set_resource(NameOf(tenant, "calls", event.refusal->call));
  } else if (event.registration != 0) {
    out.set_resource(NameOf(tenant, "registrations", event.registration));
  } else if (event.connection != 0) {
    out.set_resource(NameOf(tenant, "connections", event.connection));
  } else {
    out.set_resource(event.resource);
  }
  if (event.refusal.has_value()) {
    *out.mutable_refusal() = RefusalToProto(sequence, time, event, edge);
  }
  return out;
}

v1::WatchCallRecordsResponse ToProto(int64_t sequence, const EndedCall& ended,
                                     const std::string& edge) {
  v1::WatchCallRecordsResponse out;
  out.set_sequence(sequence);
  *out.mutable_call() = ToProto(ended.record, {edge, ended.time});
  out.set_disposition(ToProto(ended.record.disposition));
  if (ended.record.answered.has_value() && ended.record.ended.has_value()) {
    *out.mutable_duration() =
        sallyport::ToProto(*ended.record.ended - *ended.record.answered);
  }
  return out;
}

std::string CallRecordLine(int64_t sequence, const EndedCall& ended,
                           const std::string& edge) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string out;
  const auto status = google::protobuf::util::MessageToJsonString(
      ToProto(sequence, ended, edge), &out, options);
  return status.ok() ? out : absl::StrCat("{\"sequence\":", sequence, "}");
}

std::optional<uint64_t> IdOfName(std::string_view name,
                                 std::string_view collection) {
  const size_t slash = name.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view parent = name.substr(0, slash);
  const std::string end = absl::StrCat("/", AbslView(collection));
  if (parent.size() <= end.size() ||
      parent.substr(parent.size() - end.size()) != end ||
      TenantNameOf(parent).size() != parent.size() - end.size()) {
    return std::nullopt;
  }
  uint64_t id = 0;
  const char* const last = name.data() + name.size();
  const auto result = std::from_chars(name.data() + slash + 1, last, id);
  if (result.ec != std::errc() || result.ptr != last) return std::nullopt;
  return id;
}

}  // namespace sallyport::signaling_edge
