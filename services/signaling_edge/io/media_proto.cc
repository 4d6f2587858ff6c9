#include "services/signaling_edge/io/media_proto.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
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

absl::StatusOr<RelaySession::Leg> FromProto(const pb::Leg& leg,
                                            const RelayLeg& asked) {
  const bool has_ports = leg.local_rtp_port() > 0 &&
                         leg.local_rtp_port() <= 65535 &&
                         leg.local_rtcp_port() <= 65535;
  const std::string& key = leg.local_key().key_salt();
  const bool key_fits =
      !asked.suite.has_value() || key.size() == KeySaltLength(*asked.suite);
  if (leg.local_address().empty() || !has_ports || !key_fits) {
    return MakeError(absl::StatusCode::kInternal, "MEDIA_RELAY_ANSWER_INVALID",
                     "the relay's session lacks an address, port or key");
  }
  const auto suite = asked.suite.has_value() ? ToProto(*asked.suite)
                                             : type::v1::SRTP_SUITE_UNSPECIFIED;
  if (leg.srtp_suite() != suite) {
    return MakeError(absl::StatusCode::kInternal, "MEDIA_RELAY_ANSWER_INVALID",
                     "the relay's leg has another suite than was asked for");
  }
  RelaySession::Leg out;
  out.local.ip = leg.local_address();
  out.local.rtp_port = static_cast<uint16_t>(leg.local_rtp_port());
  out.local.rtcp_port =
      static_cast<uint16_t>(leg.local_rtcp_port() != 0 ? leg.local_rtcp_port()
                                                       : leg.local_rtp_port());
  out.local_key = key;
  return out;
}

double Milliseconds(const google::protobuf::Duration& duration) {
  return absl::ToDoubleMilliseconds(sallyport::FromProto(duration));
}

}  // namespace

void ToProto(const RelayLeg& from, pb::Leg& leg) {
  if (from.suite.has_value()) {
    leg.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
    leg.set_srtp_suite(ToProto(*from.suite));
  } else {
    leg.set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  }
  if (from.remote.has_value()) {
    leg.mutable_remote_rtp()->set_address(from.remote->ip);
    leg.mutable_remote_rtp()->set_port(from.remote->rtp_port);
    leg.mutable_remote_rtcp()->set_address(from.remote->ip);
    leg.mutable_remote_rtcp()->set_port(from.remote->rtcp_port);
    leg.set_rtcp_mux(from.remote->rtcp_port == from.remote->rtp_port);
  }
  if (!from.remote_key.empty()) {
    leg.mutable_remote_key()->set_key_salt(from.remote_key);
  }
  leg.set_direction(ToProto(from.direction));
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
