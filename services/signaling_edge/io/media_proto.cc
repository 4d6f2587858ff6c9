#include "services/signaling_edge/io/media_proto.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::media_relay::v1;

type::v1::SrtpSuite ToProto(SrtpSuite suite) {
  switch (suite) {
    case SrtpSuite::kAesCm128HmacSha1_80:
      return type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80;
    case SrtpSuite::kAesCm128HmacSha1_32:
      return type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_32;
    case SrtpSuite::kAeadAes128Gcm:
      return type::v1::SRTP_SUITE_AEAD_AES_128_GCM;
    case SrtpSuite::kAeadAes256Gcm:
      return type::v1::SRTP_SUITE_AEAD_AES_256_GCM;
    case SrtpSuite::kAesCm256HmacSha1_80:
      return type::v1::SRTP_SUITE_AES_256_CM_HMAC_SHA1_80;
    case SrtpSuite::kAesCm256HmacSha1_32:
      break;  // the relay has no name for it, and refuses what has none
  }
  return type::v1::SRTP_SUITE_UNSPECIFIED;
}

pb::MediaDirection ToProto(SdpDirection direction) {
  switch (direction) {
    case SdpDirection::kSendRecv:
      return pb::MEDIA_DIRECTION_SENDRECV;
    case SdpDirection::kSendOnly:
      return pb::MEDIA_DIRECTION_SENDONLY;
    case SdpDirection::kRecvOnly:
      return pb::MEDIA_DIRECTION_RECVONLY;
    case SdpDirection::kInactive:
      return pb::MEDIA_DIRECTION_INACTIVE;
  }
  return pb::MEDIA_DIRECTION_UNSPECIFIED;
}

pb::DtlsSetup ToProto(DtlsSetup setup) {
  switch (setup) {
    case DtlsSetup::kActPass:
      return pb::DTLS_SETUP_ACTPASS;
    case DtlsSetup::kActive:
      return pb::DTLS_SETUP_ACTIVE;
    case DtlsSetup::kPassive:
      return pb::DTLS_SETUP_PASSIVE;
  }
  return pb::DTLS_SETUP_UNSPECIFIED;
}

pb::PlaybackCodec ToProto(PromptFormat::Codec codec) {
  switch (codec) {
    case PromptFormat::Codec::kPcmu:
      return pb::PLAYBACK_CODEC_PCMU;
    case PromptFormat::Codec::kPcma:
      return pb::PLAYBACK_CODEC_PCMA;
    case PromptFormat::Codec::kG722:
      return pb::PLAYBACK_CODEC_G722;
  }
  return pb::PLAYBACK_CODEC_UNSPECIFIED;
}

absl::Status Invalid(std::string_view what) {
  return MakeError(absl::StatusCode::kInternal, "MEDIA_RELAY_ANSWER_INVALID",
                   what);
}

// The relay's keys, one for each suite that was asked for.
absl::Status KeysFromProto(const pb::Leg& leg, const RelayLeg& asked,
                           std::vector<std::string>& out) {
  const auto suite = asked.suite.has_value() ? ToProto(*asked.suite)
                                             : type::v1::SRTP_SUITE_UNSPECIFIED;
  if (!asked.dtls && leg.srtp_suite() != suite) {
    return Invalid("the relay's leg has another suite than was asked for");
  }
  if (!asked.suite.has_value()) return absl::OkStatus();
  const absl::Span<const SrtpSuite> suites = asked.suites.view();
  if (leg.local_keys_size() != static_cast<int>(suites.size())) {
    return Invalid("the relay's leg has not a key for each suite");
  }
  for (size_t i = 0; i < suites.size(); ++i) {
    const std::string& key = leg.local_keys(static_cast<int>(i)).key_salt();
    if (key.size() != KeySaltLength(suites[i])) {
      return Invalid("a key of the relay's does not fit its suite");
    }
    out.push_back(key);
  }
  return absl::OkStatus();
}

absl::StatusOr<RelaySession::Leg> FromProto(const pb::Leg& leg,
                                            const RelayLeg& asked) {
  const bool has_ports = leg.local_rtp_port() > 0 &&
                         leg.local_rtp_port() <= 65535 &&
                         leg.local_rtcp_port() <= 65535;
  if (leg.local_address().empty() || !has_ports) {
    return Invalid("the relay's session lacks an address or port");
  }
  RelaySession::Leg out;
  const absl::Status keys = KeysFromProto(leg, asked, out.local_keys);
  if (!keys.ok()) return keys;
  if (asked.dtls) {
    out.fingerprint = leg.dtls().local_fingerprint();
    if (out.fingerprint.empty()) {
      return Invalid("the relay's leg has no fingerprint");
    }
  }
  if (asked.ice) {
    out.ice = {leg.ice().local_ufrag(), leg.ice().local_password()};
    if (out.ice.ufrag.empty() || out.ice.password.empty()) {
      return Invalid("the relay's leg has no ICE credentials");
    }
  }
  out.local.ip = leg.local_address();
  out.local.rtp_port = static_cast<uint16_t>(leg.local_rtp_port());
  out.local.rtcp_port =
      static_cast<uint16_t>(leg.local_rtcp_port() != 0 ? leg.local_rtcp_port()
                                                       : leg.local_rtp_port());
  return out;
}

double Milliseconds(const google::protobuf::Duration& duration) {
  return absl::ToDoubleMilliseconds(sallyport::FromProto(duration));
}

}  // namespace

void ToProto(const RelayLeg& from, pb::Leg& leg) {
  leg.set_protocol(from.dtls                ? type::v1::MEDIA_PROTOCOL_DTLS_SRTP
                   : from.suite.has_value() ? type::v1::MEDIA_PROTOCOL_SDES_SRTP
                                            : type::v1::MEDIA_PROTOCOL_RTP);
  if (from.dtls) {
    for (const SrtpSuite suite : from.suites.view()) {
      leg.mutable_dtls()->add_srtp_suites(ToProto(suite));
    }
    leg.mutable_dtls()->set_remote_fingerprint(from.remote_fingerprint);
  } else if (from.suite.has_value()) {
    leg.set_srtp_suite(ToProto(*from.suite));
    for (const SrtpSuite suite : from.suites.view()) {
      leg.add_srtp_suites(ToProto(suite));
    }
  }
  if (from.ice) leg.mutable_ice()->set_remote_ufrag(from.remote_ufrag);
  if (from.remote.has_value()) {
    leg.mutable_remote_rtp()->set_address(from.remote->ip);
    leg.mutable_remote_rtp()->set_port(from.remote->rtp_port);
    leg.mutable_remote_rtcp()->set_address(from.remote->ip);
    leg.mutable_remote_rtcp()->set_port(from.remote->rtcp_port);
  }
  // Elsewhere a port for RTCP is needed too, as the far side may yet leave it.
  leg.set_rtcp_mux(from.mux_only());
  if (!from.remote_key.empty()) {
    leg.mutable_remote_key()->set_key_salt(from.remote_key);
  }
  leg.set_direction(ToProto(from.direction));
}

void ToUpdate(const RelayLeg& from, const std::string& leg, pb::Leg& out,
              google::protobuf::FieldMask& mask) {
  ToProto(from, out);
  const auto add = [&](const char* path) { mask.add_paths(leg + path); };
  add(".direction");
  if (from.prompted) {
    pb::Playback& playback = *out.mutable_playback();
    playback.set_prompt(from.prompt);
    for (const PromptFormat& format : from.prompt_formats) {
      pb::PlaybackFormat& to = *playback.add_formats();
      to.set_codec(ToProto(format.codec));
      to.set_payload_type(format.payload_type);
    }
    add(".playback");
  }
  if (from.remote.has_value()) {
    add(".remote_rtp");
    add(".remote_rtcp");
  }
  if (!from.remote_key.empty()) {
    add(".srtp_suite");
    add(".remote_key");
  }
  if (!from.mux_only()) {
    out.set_rtcp_mux(from.rtcp_mux);
    add(".rtcp_mux");
  }
  if (!from.remote_fingerprint.empty()) add(".dtls.remote_fingerprint");
  // Only now: who makes a session waits for an answer, and while that is due
  // the far side would not listen to a handshake of the relay's.
  if (from.remote_setup.has_value()) {
    out.mutable_dtls()->set_remote_setup(ToProto(*from.remote_setup));
    add(".dtls.remote_setup");
  }
  if (!from.remote_ufrag.empty()) add(".ice.remote_ufrag");
  if (from.restart_dtls) {
    out.mutable_dtls()->set_restart(true);
    add(".dtls.restart");
  }
  if (from.restart_ice) {
    out.mutable_ice()->set_restart(true);
    add(".ice.restart");
  }
}

std::optional<SrtpSuite> FromProto(type::v1::SrtpSuite suite) {
  switch (suite) {
    case type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80:
      return SrtpSuite::kAesCm128HmacSha1_80;
    case type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_32:
      return SrtpSuite::kAesCm128HmacSha1_32;
    case type::v1::SRTP_SUITE_AEAD_AES_128_GCM:
      return SrtpSuite::kAeadAes128Gcm;
    case type::v1::SRTP_SUITE_AEAD_AES_256_GCM:
      return SrtpSuite::kAeadAes256Gcm;
    case type::v1::SRTP_SUITE_AES_256_CM_HMAC_SHA1_80:
      return SrtpSuite::kAesCm256HmacSha1_80;
    default:
      return std::nullopt;
  }
}

absl::StatusOr<RelaySession> FromProto(const pb::Session& session,
                                       const RelayLegs& asked) {
  RelaySession out;
  out.name = session.name();
  const pb::Leg* legs[2] = {&session.leg_a(), &session.leg_b()};
  for (size_t i = 0; i < 2; ++i) {
    absl::StatusOr<RelaySession::Leg> leg = FromProto(*legs[i], asked[i]);
    if (!leg.ok()) return leg.status();
    out.legs[i] = *std::move(leg);
  }
  return out;
}

LegStatistics FromProto(const pb::LegStatistics& statistics) {
  LegStatistics out;
  out.packets_received = statistics.packets_received();
  out.packets_sent = statistics.packets_sent();
  out.bytes_received = statistics.bytes_received();
  out.bytes_sent = statistics.bytes_sent();
  out.packets_lost = statistics.packets_lost();
  out.authentication_failures = statistics.authentication_failures();
  out.replayed_packets = statistics.replayed_packets();
  out.rtcp_packets_received = statistics.rtcp_packets_received();
  out.rtcp_packets_sent = statistics.rtcp_packets_sent();
  out.jitter_ms = Milliseconds(statistics.jitter());
  out.added_delay_p50_ms = Milliseconds(statistics.added_delay_p50());
  out.round_trip_ms = Milliseconds(statistics.round_trip_time());
  out.remote_fraction_lost = statistics.remote_fraction_lost();
  out.mean_opinion_score = statistics.mean_opinion_score();
  out.added_delay_p99_ms = Milliseconds(statistics.added_delay_p99());
  return out;
}

}  // namespace sallyport::signaling_edge
