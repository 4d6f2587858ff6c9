#include "services/media_relay/rpc/session_codec.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "sallyport/type/v1/transport_address.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ice_lite.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/prompt_audio.h"
#include "services/media_relay/core/prompt_set.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {
namespace {

using type::v1::MediaProtocol;
using type::v1::TransportAddress;
using Violations = std::vector<FieldViolation>;

constexpr absl::Duration kMinLease = absl::Seconds(10);
constexpr absl::Duration kMaxLease = absl::Hours(1);

absl::Status Invalid(const Violations& violations) {
  return MakeError(absl::StatusCode::kInvalidArgument, "SESSION_INVALID",
                   "the session is not valid", violations);
}

std::optional<SrtpSuite> SuiteFromProto(type::v1::SrtpSuite suite) {
  switch (suite) {
    case type::v1::SRTP_SUITE_UNSPECIFIED:
    case type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80:
      return SrtpSuite::kAesCm128HmacSha1_80;
    case type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_32:
      return SrtpSuite::kAesCm128HmacSha1_32;
    case type::v1::SRTP_SUITE_AEAD_AES_128_GCM:
      return SrtpSuite::kAeadAes128Gcm;
    case type::v1::SRTP_SUITE_AEAD_AES_256_GCM:
      return SrtpSuite::kAeadAes256Gcm;
    case type::v1::SRTP_SUITE_AES_256_CM_HMAC_SHA1_80:
      return SrtpSuite::kAes256CmHmacSha1_80;
    default:
      return std::nullopt;
  }
}

type::v1::SrtpSuite SuiteToProto(SrtpSuite suite) {
  switch (suite) {
    case SrtpSuite::kAesCm128HmacSha1_80:
      return type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80;
    case SrtpSuite::kAesCm128HmacSha1_32:
      return type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_32;
    case SrtpSuite::kAeadAes128Gcm:
      return type::v1::SRTP_SUITE_AEAD_AES_128_GCM;
    case SrtpSuite::kAeadAes256Gcm:
      return type::v1::SRTP_SUITE_AEAD_AES_256_GCM;
    case SrtpSuite::kAes256CmHmacSha1_80:
      return type::v1::SRTP_SUITE_AES_256_CM_HMAC_SHA1_80;
  }
  return type::v1::SRTP_SUITE_UNSPECIFIED;
}

MediaDirection DirectionFromProto(v1::MediaDirection direction) {
  switch (direction) {
    case v1::MEDIA_DIRECTION_SENDONLY:
      return MediaDirection::kSendOnly;
    case v1::MEDIA_DIRECTION_RECVONLY:
      return MediaDirection::kRecvOnly;
    case v1::MEDIA_DIRECTION_INACTIVE:
      return MediaDirection::kInactive;
    default:
      return MediaDirection::kSendRecv;
  }
}

v1::MediaDirection DirectionToProto(MediaDirection direction) {
  switch (direction) {
    case MediaDirection::kSendRecv:
      return v1::MEDIA_DIRECTION_SENDRECV;
    case MediaDirection::kSendOnly:
      return v1::MEDIA_DIRECTION_SENDONLY;
    case MediaDirection::kRecvOnly:
      return v1::MEDIA_DIRECTION_RECVONLY;
    case MediaDirection::kInactive:
      return v1::MEDIA_DIRECTION_INACTIVE;
  }
  return v1::MEDIA_DIRECTION_UNSPECIFIED;
}

std::optional<Endpoint> AddressFromProto(const TransportAddress& address,
                                         const std::string& field,
                                         Violations& violations) {
  const std::optional<IpAddress> ip = IpAddress::Parse(address.address());
  if (!ip.has_value()) {
    violations.push_back(
        {absl::StrCat(field, ".address"), "is not an IP address"});
  }
  if (address.port() == 0 || address.port() > 0xFFFF) {
    violations.push_back({absl::StrCat(field, ".port"), "is not 1 to 65535"});
  }
  if (!ip.has_value()) return std::nullopt;
  return Endpoint{*ip, static_cast<uint16_t>(address.port())};
}

std::optional<DtlsSetup> SetupFromProto(v1::DtlsSetup setup) {
  switch (setup) {
    case v1::DTLS_SETUP_ACTIVE:
      return DtlsSetup::kActive;
    case v1::DTLS_SETUP_PASSIVE:
      return DtlsSetup::kPassive;
    case v1::DTLS_SETUP_ACTPASS:
      return DtlsSetup::kActPass;
    default:
      return std::nullopt;
  }
}

v1::DtlsSetup SetupToProto(DtlsSetup setup) {
  switch (setup) {
    case DtlsSetup::kActive:
      return v1::DTLS_SETUP_ACTIVE;
    case DtlsSetup::kPassive:
      return v1::DTLS_SETUP_PASSIVE;
    case DtlsSetup::kActPass:
      return v1::DTLS_SETUP_ACTPASS;
  }
  return v1::DTLS_SETUP_UNSPECIFIED;
}

v1::DtlsState StateToProto(DtlsEndpoint::State state) {
  switch (state) {
    case DtlsEndpoint::State::kNew:
      return v1::DTLS_STATE_NEW;
    case DtlsEndpoint::State::kHandshaking:
      return v1::DTLS_STATE_HANDSHAKING;
    case DtlsEndpoint::State::kEstablished:
      return v1::DTLS_STATE_ESTABLISHED;
    case DtlsEndpoint::State::kFailed:
      return v1::DTLS_STATE_FAILED;
    case DtlsEndpoint::State::kClosed:
      return v1::DTLS_STATE_CLOSED;
  }
  return v1::DTLS_STATE_UNSPECIFIED;
}

v1::IceState StateToProto(IceLite::State state) {
  switch (state) {
    case IceLite::State::kWaiting:
      return v1::ICE_STATE_WAITING;
    case IceLite::State::kChecked:
      return v1::ICE_STATE_CHECKED;
    case IceLite::State::kSelected:
      return v1::ICE_STATE_SELECTED;
    case IceLite::State::kConsentLost:
      return v1::ICE_STATE_CONSENT_LOST;
  }
  return v1::ICE_STATE_UNSPECIFIED;
}

std::optional<PromptCodec> CodecFromProto(v1::PlaybackCodec codec) {
  switch (codec) {
    case v1::PLAYBACK_CODEC_PCMU:
      return PromptCodec::kPcmu;
    case v1::PLAYBACK_CODEC_PCMA:
      return PromptCodec::kPcma;
    case v1::PLAYBACK_CODEC_G722:
      return PromptCodec::kG722;
    default:
      return std::nullopt;
  }
}

v1::PlaybackCodec CodecToProto(PromptCodec codec) {
  switch (codec) {
    case PromptCodec::kPcmu:
      return v1::PLAYBACK_CODEC_PCMU;
    case PromptCodec::kPcma:
      return v1::PLAYBACK_CODEC_PCMA;
    case PromptCodec::kG722:
      return v1::PLAYBACK_CODEC_G722;
  }
  return v1::PLAYBACK_CODEC_UNSPECIFIED;
}

PlaybackRequest PlaybackFromProto(const v1::Playback& playback,
                                  const std::string& field,
                                  Violations& violations) {
  constexpr int kMaxFormats = 16;
  PlaybackRequest request;
  request.prompt = playback.prompt();
  request.times = playback.times();
  if (request.prompt.empty()) return request;
  if (!IsPromptName(request.prompt)) {
    violations.push_back(
        {absl::StrCat(field, ".prompt"), "is not 1 to 64 of [a-z0-9_-]"});
  }
  if (playback.formats().empty() || playback.formats_size() > kMaxFormats) {
    violations.push_back({absl::StrCat(field, ".formats"), "are not 1 to 16"});
  }
  for (int i = 0; i < playback.formats_size(); ++i) {
    const v1::PlaybackFormat& format = playback.formats(i);
    const std::optional<PromptCodec> codec = CodecFromProto(format.codec());
    if (!codec.has_value()) {
      violations.push_back(
          {absl::StrCat(field, ".formats[", i, "].codec"), "is not known"});
    } else if (format.payload_type() > 127) {
      violations.push_back(
          {absl::StrCat(field, ".formats[", i, "].payload_type"),
           "is not 0 to 127"});
    } else {
      request.formats.push_back(
          {*codec, static_cast<uint8_t>(format.payload_type())});
    }
  }
  return request;
}

void PlaybackToProto(const PlaybackView& view, v1::Playback& out) {
  const auto format = [&](v1::PlaybackFormat& to) {
    to.set_codec(CodecToProto(view.format.codec));
    to.set_payload_type(view.format.payload_type);
  };
  if (view.playing) {
    out.set_prompt(view.prompt);
    out.set_times(view.times);
    format(*out.add_formats());
  }
  format(*out.mutable_format());
  out.set_playing(view.playing);
  out.set_ssrc(view.ssrc);
  out.set_packets(view.packets);
}

// Which of the settable fields an update touches.
struct Selection {
  bool remote_rtp = false;
  bool remote_rtcp = false;
  bool remote_key = false;
  bool srtp_suite = false;
  bool rtcp_mux = false;
  bool direction = false;
  bool latching = false;
  bool latching_prefixes = false;
  bool remote_fingerprint = false;
  bool remote_setup = false;
  bool remote_ufrag = false;
  bool restart_dtls = false;
  bool restart_ice = false;
  bool playback = false;

  bool any() const {
    return remote_rtp || remote_rtcp || remote_key || srtp_suite || rtcp_mux ||
           direction || latching || latching_prefixes || remote_fingerprint ||
           remote_setup || remote_ufrag || restart_dtls || restart_ice ||
           playback;
  }
};

Selection WhatIsSet(const v1::Leg& leg) {
  Selection out;
  out.remote_rtp = leg.has_remote_rtp();
  out.remote_rtcp = leg.has_remote_rtcp();
  out.remote_key = leg.has_remote_key();
  out.srtp_suite = leg.srtp_suite() != type::v1::SRTP_SUITE_UNSPECIFIED;
  out.rtcp_mux = leg.rtcp_mux();
  out.direction = leg.direction() != v1::MEDIA_DIRECTION_UNSPECIFIED;
  out.latching = leg.latching();
  out.latching_prefixes = leg.latching_prefixes_size() > 0;
  out.remote_fingerprint = !leg.dtls().remote_fingerprint().empty();
  out.remote_setup = leg.dtls().remote_setup() != v1::DTLS_SETUP_UNSPECIFIED;
  out.remote_ufrag = !leg.ice().remote_ufrag().empty();
  out.restart_dtls = leg.dtls().restart();
  out.restart_ice = leg.ice().restart();
  out.playback = leg.has_playback();
  return out;
}

MediaLegUpdate LegFromProto(const v1::Leg& leg, const Selection& selection,
                            const std::string& field, Violations& violations) {
  MediaLegUpdate update;
  const auto need = [&](bool present, const char* name) {
    if (!present) {
      violations.push_back(
          {absl::StrCat(field, ".", name), "cannot be cleared"});
    }
    return present;
  };
  if (selection.remote_rtp && need(leg.has_remote_rtp(), "remote_rtp")) {
    update.remote_rtp = AddressFromProto(
        leg.remote_rtp(), absl::StrCat(field, ".remote_rtp"), violations);
  }
  if (selection.remote_rtcp && need(leg.has_remote_rtcp(), "remote_rtcp")) {
    update.remote_rtcp = AddressFromProto(
        leg.remote_rtcp(), absl::StrCat(field, ".remote_rtcp"), violations);
  }
  if (selection.remote_key && need(leg.has_remote_key(), "remote_key")) {
    update.remote_key.emplace();
    update.remote_key->key_salt = Secret::CopyOf(leg.remote_key().key_salt());
    update.remote_key->mki = Secret::CopyOf(leg.remote_key().mki());
  }
  if (selection.srtp_suite &&
      need(leg.srtp_suite() != type::v1::SRTP_SUITE_UNSPECIFIED,
           "srtp_suite")) {
    update.srtp_suite = SuiteFromProto(leg.srtp_suite());
    if (!update.srtp_suite.has_value()) {
      violations.push_back(
          {absl::StrCat(field, ".srtp_suite"), "is not known"});
    }
  }
  if (selection.rtcp_mux) update.rtcp_mux = leg.rtcp_mux();
  if (selection.direction) {
    update.direction = DirectionFromProto(leg.direction());
  }
  if (selection.remote_fingerprint) {
    update.remote_fingerprint =
        CertificateFingerprint::Parse(leg.dtls().remote_fingerprint());
    if (!update.remote_fingerprint.has_value()) {
      violations.push_back(
          {absl::StrCat(field, ".dtls.remote_fingerprint"),
           "is not \"sha-256 AB:CD:...\", sha-384 or sha-512"});
    }
  }
  if (selection.remote_setup) {
    update.remote_setup = SetupFromProto(leg.dtls().remote_setup());
    need(update.remote_setup.has_value(), "dtls.remote_setup");
  }
  if (selection.remote_ufrag) {
    update.remote_ufrag = leg.ice().remote_ufrag();
    if (!IsIceUfrag(*update.remote_ufrag)) {
      violations.push_back({absl::StrCat(field, ".ice.remote_ufrag"),
                            "is not 4 to 256 of [A-Za-z0-9+/]"});
    }
  }
  update.restart_dtls = selection.restart_dtls && leg.dtls().restart();
  update.restart_ice = selection.restart_ice && leg.ice().restart();
  if (selection.latching) update.latching = leg.latching();
  if (selection.latching_prefixes) {
    update.latching_prefixes.emplace();
    for (int i = 0; i < leg.latching_prefixes_size(); ++i) {
      const std::optional<IpPrefix> prefix =
          IpPrefix::Parse(leg.latching_prefixes(i));
      if (!prefix.has_value()) {
        violations.push_back(
            {absl::StrCat(field, ".latching_prefixes[", i, "]"),
             "is not a prefix such as \"192.0.2.0/24\""});
        continue;
      }
      update.latching_prefixes->push_back(*prefix);
    }
  }
  return update;
}

SrtpProfiles ProfilesFromProto(const v1::DtlsParameters& dtls,
                               const std::string& field,
                               Violations& violations) {
  if (dtls.srtp_suites().empty()) return SrtpProfiles::Default();
  SrtpProfiles out;
  for (int i = 0; i < dtls.srtp_suites_size(); ++i) {
    const std::optional<SrtpSuite> suite =
        dtls.srtp_suites(i) == type::v1::SRTP_SUITE_UNSPECIFIED
            ? std::nullopt
            : SuiteFromProto(dtls.srtp_suites(i));
    if (!suite.has_value() || !out.Add(*suite)) {
      violations.push_back({absl::StrCat(field, "[", i, "]"),
                            "is no suite that DTLS-SRTP has a profile for"});
    }
  }
  return out;
}

// The suites of an SDES leg, and the one to begin with.
void SuitesFromProto(const v1::Leg& leg, const std::string& field,
                     Violations& violations, MediaLegOptions& options) {
  for (int i = 0; i < leg.srtp_suites_size(); ++i) {
    const std::optional<SrtpSuite> suite =
        leg.srtp_suites(i) == type::v1::SRTP_SUITE_UNSPECIFIED
            ? std::nullopt
            : SuiteFromProto(leg.srtp_suites(i));
    std::vector<SrtpSuite>& out = options.srtp_suites;
    if (!suite.has_value() ||
        std::find(out.begin(), out.end(), *suite) != out.end()) {
      violations.push_back({absl::StrCat(field, ".srtp_suites[", i, "]"),
                            "is not known, or there twice"});
      continue;
    }
    out.push_back(*suite);
  }
  const bool first = leg.srtp_suite() == type::v1::SRTP_SUITE_UNSPECIFIED &&
                     !options.srtp_suites.empty();
  options.srtp =
      first ? options.srtp_suites[0] : SuiteFromProto(leg.srtp_suite());
  if (!options.srtp.has_value()) {
    violations.push_back({absl::StrCat(field, ".srtp_suite"), "is not known"});
  } else if (!options.srtp_suites.empty() &&
             std::find(options.srtp_suites.begin(), options.srtp_suites.end(),
                       *options.srtp) == options.srtp_suites.end()) {
    violations.push_back(
        {absl::StrCat(field, ".srtp_suite"), "is none of srtp_suites"});
  }
}

LegSpec LegSpecFromProto(const v1::Leg& leg, const std::string& field,
                         Violations& violations) {
  LegSpec spec;
  switch (leg.protocol()) {
    case type::v1::MEDIA_PROTOCOL_RTP:
      if (leg.srtp_suite() != type::v1::SRTP_SUITE_UNSPECIFIED) {
        violations.push_back({absl::StrCat(field, ".srtp_suite"),
                              "is legal on an SRTP leg only"});
      }
      break;
    case type::v1::MEDIA_PROTOCOL_SDES_SRTP:
      SuitesFromProto(leg, field, violations, spec.options);
      break;
    case type::v1::MEDIA_PROTOCOL_DTLS_SRTP:
      spec.dtls = true;
      if (leg.srtp_suite() != type::v1::SRTP_SUITE_UNSPECIFIED) {
        violations.push_back({absl::StrCat(field, ".srtp_suite"),
                              "is agreed on by DTLS; see dtls.srtp_suites"});
      }
      spec.options.dtls_profiles = ProfilesFromProto(
          leg.dtls(), absl::StrCat(field, ".dtls.srtp_suites"), violations);
      break;
    default:
      violations.push_back({absl::StrCat(field, ".protocol"), "is required"});
  }
  if (leg.srtp_suites_size() > 0 && !spec.options.srtp.has_value()) {
    violations.push_back({absl::StrCat(field, ".srtp_suites"),
                          "is legal on an SDES_SRTP leg only"});
  }
  if (leg.has_dtls() && !spec.dtls) {
    violations.push_back(
        {absl::StrCat(field, ".dtls"), "is legal on a DTLS_SRTP leg only"});
  }
  spec.options.ice = leg.has_ice();
  spec.options.rtcp_mux = leg.rtcp_mux();
  if ((spec.dtls || spec.options.ice) && !leg.rtcp_mux()) {
    violations.push_back(
        {absl::StrCat(field, ".rtcp_mux"), "is required with DTLS and ICE"});
  }
  spec.internal = leg.network_side() == v1::NETWORK_SIDE_INTERNAL;
  spec.ipv6 = leg.ipv6();
  Selection initial = WhatIsSet(leg);
  initial.srtp_suite = initial.rtcp_mux = false;  // of the options
  initial.restart_dtls = initial.restart_ice = false;
  spec.initial = LegFromProto(leg, initial, field, violations);
  if (leg.has_playback()) {
    spec.playback = PlaybackFromProto(
        leg.playback(), absl::StrCat(field, ".playback"), violations);
  }
  return spec;
}

void SelectPath(std::string_view path, Selection& selection, bool& known) {
  known = true;
  if (path == "remote_rtp") {
    selection.remote_rtp = true;
  } else if (path == "remote_rtcp") {
    selection.remote_rtcp = true;
  } else if (path == "remote_key") {
    selection.remote_key = true;
  } else if (path == "srtp_suite") {
    selection.srtp_suite = true;
  } else if (path == "rtcp_mux") {
    selection.rtcp_mux = true;
  } else if (path == "dtls.restart") {
    selection.restart_dtls = true;
  } else if (path == "ice.restart") {
    selection.restart_ice = true;
  } else if (path == "playback") {
    selection.playback = true;
  } else if (path == "direction") {
    selection.direction = true;
  } else if (path == "latching") {
    selection.latching = true;
  } else if (path == "latching_prefixes") {
    selection.latching_prefixes = true;
  } else if (path == "dtls.remote_fingerprint") {
    selection.remote_fingerprint = true;
  } else if (path == "dtls.remote_setup") {
    selection.remote_setup = true;
  } else if (path == "ice.remote_ufrag") {
    selection.remote_ufrag = true;
  } else {
    known = false;
  }
}

void DtlsToProto(const DtlsView& view, v1::DtlsParameters& out) {
  if (view.remote_fingerprint.has_value()) {
    out.set_remote_fingerprint(view.remote_fingerprint->ToString());
  }
  out.set_local_fingerprint(view.local_fingerprint.ToString());
  if (view.remote_setup.has_value()) {
    out.set_remote_setup(SetupToProto(*view.remote_setup));
  }
  out.set_local_setup(SetupToProto(view.local_setup));
  for (const SrtpSuite suite : SrtpProfiles::kOrder) {
    if (view.profiles.Has(suite)) out.add_srtp_suites(SuiteToProto(suite));
  }
  out.set_state(StateToProto(view.state));
  out.set_failure(view.failure);
}

void IceToProto(const IceView& view, bool with_keys, v1::IceParameters& out) {
  out.set_remote_ufrag(view.remote_ufrag);
  out.set_local_ufrag(view.local_ufrag);
  if (with_keys) {
    out.set_local_password(std::string(view.local_password.DangerousText()));
  }
  out.set_state(StateToProto(view.state));
  if (view.selected.has_value()) {
    ToProto(*view.selected, *out.mutable_selected_remote());
  }
}

void LegToProto(const LegView& view, bool with_keys, v1::Leg& out) {
  out.set_protocol(view.dtls.has_value()    ? type::v1::MEDIA_PROTOCOL_DTLS_SRTP
                   : view.suite.has_value() ? type::v1::MEDIA_PROTOCOL_SDES_SRTP
                                            : type::v1::MEDIA_PROTOCOL_RTP);
  if (view.suite.has_value()) out.set_srtp_suite(SuiteToProto(*view.suite));
  if (view.dtls.has_value()) DtlsToProto(*view.dtls, *out.mutable_dtls());
  if (view.ice.has_value())
    IceToProto(*view.ice, with_keys, *out.mutable_ice());
  if (view.remote_rtp.has_value()) {
    ToProto(*view.remote_rtp, *out.mutable_remote_rtp());
  }
  if (view.remote_rtcp.has_value()) {
    ToProto(*view.remote_rtcp, *out.mutable_remote_rtcp());
  }
  if (view.playback.has_value()) {
    PlaybackToProto(*view.playback, *out.mutable_playback());
  }
  out.set_direction(DirectionToProto(view.direction));
  out.set_rtcp_mux(view.rtcp_mux);
  out.set_latching(view.latching);
  for (const IpPrefix& prefix : view.latching_prefixes) {
    out.add_latching_prefixes(
        absl::StrCat(prefix.base().ToString(), "/", prefix.bits()));
  }
  out.set_network_side(view.internal ? v1::NETWORK_SIDE_INTERNAL
                                     : v1::NETWORK_SIDE_EXTERNAL);
  out.set_ipv6(view.ipv6);
  out.set_local_address(view.local_rtp.ip.ToString());
  out.set_local_rtp_port(view.local_rtp.port);
  out.set_local_rtcp_port(view.local_rtcp_port);
  if (with_keys && !view.local_key.empty()) {
    out.mutable_local_key()->set_key_salt(
        std::string(view.local_key.DangerousText()));
    for (const Secret& key : view.local_keys) {
      out.add_local_keys()->set_key_salt(std::string(key.DangerousText()));
    }
  }
  for (const SrtpSuite suite : view.suites) {
    out.add_srtp_suites(SuiteToProto(suite));
  }

  const MediaLegStats& stats = view.stats;
  v1::LegStatistics& to = *out.mutable_statistics();
  to.set_packets_received(stats.packets_received);
  to.set_bytes_received(stats.bytes_received);
  to.set_packets_sent(stats.packets_sent);
  to.set_bytes_sent(stats.bytes_sent);
  to.set_packets_lost(stats.stream.lost());
  *to.mutable_jitter() = sallyport::ToProto(stats.stream.jitter());
  to.set_packets_played(stats.packets_played);
  to.set_authentication_failures(stats.auth_failures);
  to.set_replayed_packets(stats.replayed);
  if (stats.delay.count() > 0) {
    *to.mutable_added_delay_p50() =
        sallyport::ToProto(stats.delay.Quantile(0.5));
    *to.mutable_added_delay_p99() =
        sallyport::ToProto(stats.delay.Quantile(0.99));
  }
  to.set_rtcp_packets_received(stats.rtcp_received);
  to.set_rtcp_packets_sent(stats.rtcp_sent);
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    if (stats.drops[i] == 0) continue;
    const std::string_view name = DropReasonName(static_cast<DropReason>(i));
    (*to.mutable_dropped_packets())[std::string(name)] = stats.drops[i];
  }
  to.set_remote_fraction_lost(stats.remote_fraction_lost);
  if (stats.round_trip.has_value()) {
    *to.mutable_round_trip_time() = sallyport::ToProto(*stats.round_trip);
  }
  to.set_mean_opinion_score(stats.MeanOpinionScore().value_or(0));
  if (stats.packets_received > 0) {
    *to.mutable_first_packet_time() = sallyport::ToProto(stats.first_packet);
    *to.mutable_last_packet_time() = sallyport::ToProto(stats.last_packet);
  }
}

v1::SessionState StateToProto(SessionState state) {
  switch (state) {
    case SessionState::kWaiting:
      return v1::SESSION_STATE_WAITING;
    case SessionState::kFlowing:
      return v1::SESSION_STATE_FLOWING;
    case SessionState::kSilent:
      return v1::SESSION_STATE_SILENT;
    case SessionState::kEnded:
      return v1::SESSION_STATE_ENDED;
  }
  return v1::SESSION_STATE_UNSPECIFIED;
}

}  // namespace

bool IsResourceId(std::string_view id) {
  return !id.empty() && id.size() <= 64 &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
         });
}

absl::StatusOr<std::string> ParseParent(std::string_view parent,
                                        bool wildcard) {
  constexpr std::string_view kPrefix = "tenants/";
  if (parent.substr(0, kPrefix.size()) == kPrefix) {
    const std::string_view tenant = parent.substr(kPrefix.size());
    if (wildcard && tenant == "-") return std::string();
    if (tenant != "-" && IsResourceId(tenant)) return std::string(tenant);
  }
  return Invalid({{"parent", "is not \"tenants/{tenant}\""}});
}

absl::StatusOr<std::pair<std::string, std::string>> ParseName(
    std::string_view name, std::string_view collection) {
  const size_t first = name.find('/');
  const size_t second =
      first == std::string_view::npos ? first : name.find('/', first + 1);
  const size_t third =
      second == std::string_view::npos ? second : name.find('/', second + 1);
  if (third != std::string_view::npos && name.substr(0, first) == "tenants" &&
      name.substr(second + 1, third - second - 1) == collection) {
    const std::string_view tenant = name.substr(first + 1, second - first - 1);
    const std::string_view id = name.substr(third + 1);
    if (IsResourceId(tenant) && IsResourceId(id)) {
      return std::make_pair(std::string(tenant), std::string(id));
    }
  }
  return Invalid({{"name", absl::StrCat("is not \"tenants/{tenant}/",
                                        AbslView(collection), "/{id}\"")}});
}

std::string SessionName(std::string_view tenant, std::string_view id) {
  return absl::StrCat("tenants/", AbslView(tenant), "/sessions/", AbslView(id));
}

absl::StatusOr<SessionSpec> SpecFromProto(
    const v1::CreateSessionRequest& request, absl::Duration default_lease) {
  Violations violations;
  const v1::Session& session = request.session();
  SessionSpec spec;
  spec.owner = session.owner();
  spec.call = session.call();
  if (spec.owner.empty() || spec.owner.size() > 128) {
    violations.push_back({"session.owner", "is not 1 to 128 characters"});
  }
  if (spec.call.size() > 256) {
    violations.push_back({"session.call", "is longer than 256 characters"});
  }
  if (request.request_id().size() > 64) {
    violations.push_back({"request_id", "is longer than 64 characters"});
  }
  if (!request.session_id().empty() && !IsResourceId(request.session_id())) {
    violations.push_back({"session_id", "is not 1 to 64 of [A-Za-z0-9._-]"});
  }
  spec.lease = FromProtoOr(request.lease_duration(), default_lease);
  if (spec.lease < kMinLease || spec.lease > kMaxLease) {
    violations.push_back({"lease_duration", "is not 10 s to 1 hour"});
  }
  spec.legs[0] = LegSpecFromProto(session.leg_a(), "session.leg_a", violations);
  spec.legs[1] = LegSpecFromProto(session.leg_b(), "session.leg_b", violations);
  if (!violations.empty()) return Invalid(violations);
  // A repeat must ask for the same; only its hash is kept, as keys are in it.
  std::string bytes = session.SerializeAsString();
  const Sha256Digest digest = Sha256(AsBytes(bytes));
  Cleanse(bytes);
  spec.fingerprint =
      std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
  return spec;
}

absl::StatusOr<SessionUpdate> UpdateFromProto(
    const v1::UpdateSessionRequest& request) {
  const v1::Session& session = request.session();
  SessionUpdate update;
  auto name = ParseName(session.name(), "sessions");
  if (!name.ok()) return name.status();
  std::tie(update.tenant, update.id) = *std::move(name);
  update.owner = session.owner();
  update.etag = session.etag();
  update.request_id = request.request_id();
  update.validate_only = request.validate_only();

  Violations violations;
  std::array<Selection, 2> selections;
  const std::array<const v1::Leg*, 2> legs = {&session.leg_a(),
                                              &session.leg_b()};
  if (request.update_mask().paths().empty()) {
    selections = {WhatIsSet(*legs[0]), WhatIsSet(*legs[1])};
  }
  for (const std::string& path : request.update_mask().paths()) {
    bool known = false;
    for (size_t i = 0; i < 2; ++i) {
      const std::string_view leg = i == 0 ? "leg_a" : "leg_b";
      if (path == leg) {
        selections[i] = WhatIsSet(*legs[i]);
        known = true;
      } else if (path.size() > leg.size() + 1 &&
                 std::string_view(path).substr(0, leg.size()) == leg &&
                 path[leg.size()] == '.') {
        SelectPath(std::string_view(path).substr(leg.size() + 1), selections[i],
                   known);
      }
    }
    if (!known) {
      violations.push_back(
          {"update_mask", absl::StrCat("\"", path, "\" cannot be set")});
    }
  }
  for (size_t i = 0; i < 2; ++i) {
    if (!selections[i].any()) continue;
    const std::string field = i == 0 ? "session.leg_a" : "session.leg_b";
    if (selections[i].playback) {
      update.playback[i] = PlaybackFromProto(
          legs[i]->playback(), absl::StrCat(field, ".playback"), violations);
    }
    update.legs[i] = LegFromProto(*legs[i], selections[i], field, violations);
  }
  for (const int side : request.renew_local_keys()) {
    if (side != v1::LEG_SIDE_A && side != v1::LEG_SIDE_B) {
      violations.push_back({"renew_local_keys", "holds no leg"});
      continue;
    }
    update.renew_local_key[side == v1::LEG_SIDE_A ? 0 : 1] = true;
    if (request.request_id().empty()) {
      violations.push_back({"request_id", "is needed with renew_local_keys"});
    }
  }
  if (!violations.empty()) return Invalid(violations);
  return update;
}

void ToProto(const Endpoint& endpoint, TransportAddress& out) {
  out.set_address(endpoint.ip.ToString());
  out.set_port(endpoint.port);
  out.set_transport(type::v1::TRANSPORT_UDP);
}

void ToProto(const SessionView& view, bool with_keys, v1::Session& out) {
  out.set_name(SessionName(view.tenant, view.id));
  out.set_etag(view.etag);
  out.set_owner(view.owner);
  out.set_call(view.call);
  LegToProto(view.legs[0], with_keys, *out.mutable_leg_a());
  LegToProto(view.legs[1], with_keys, *out.mutable_leg_b());
  *out.mutable_create_time() = sallyport::ToProto(view.create_time);
  *out.mutable_lease_expire_time() = sallyport::ToProto(view.lease_expiry);
  out.set_state(StateToProto(view.state));
  out.set_end_reason(view.end_reason);
  if (view.end_time != absl::InfiniteFuture()) {
    *out.mutable_end_time() = sallyport::ToProto(view.end_time);
  }
}

}  // namespace sallyport::media_relay
