#include "tools/cli/session_text.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/config/proto_time.h"
#include "tools/cli/field_text.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::media_relay::v1;

// "RTP", "DTLS_SRTP AEAD_AES_128_GCM, ICE_STATE_SELECTED": without prefixes.
std::string LegText(const pb::Leg& leg) {
  const auto without = [](const std::string& name, std::string_view prefix) {
    return std::string(std::string_view(name).substr(prefix.size()));
  };
  std::string out =
      without(type::v1::MediaProtocol_Name(leg.protocol()), "MEDIA_PROTOCOL_");
  if (leg.srtp_suite() != type::v1::SRTP_SUITE_UNSPECIFIED) {
    absl::StrAppend(
        &out, " ",
        without(type::v1::SrtpSuite_Name(leg.srtp_suite()), "SRTP_SUITE_"));
  }
  if (leg.has_dtls()) {
    absl::StrAppend(
        &out, " ",
        without(pb::DtlsState_Name(leg.dtls().state()), "DTLS_STATE_"));
    if (!leg.dtls().failure().empty()) {
      absl::StrAppend(&out, " (", leg.dtls().failure(), ")");
    }
  }
  if (leg.has_ice()) {
    absl::StrAppend(
        &out, ", ICE ",
        without(pb::IceState_Name(leg.ice().state()), "ICE_STATE_"));
  }
  const pb::LegStatistics& of = leg.statistics();
  absl::StrAppend(&out, ": received ", of.packets_received(), ", sent ",
                  of.packets_sent(), ", lost ", of.packets_lost());
  if (of.has_round_trip_time()) {
    absl::StrAppend(&out, ", round trip ",
                    absl::FormatDuration(FromProto(of.round_trip_time())));
  }
  if (of.mean_opinion_score() > 0) {
    absl::StrAppend(&out, ", MOS ",
                    absl::StrFormat("%.2f", of.mean_opinion_score()));
  }
  return out;
}

}  // namespace

std::string SessionLine(const pb::WatchSessionsResponse& event) {
  const pb::Session& session = event.session();
  std::string line =
      absl::StrCat(FieldText(event, "event_time"), "  ",
                   FieldText(event, "event"), "  ", session.name());
  if (event.leg() != pb::LEG_SIDE_UNSPECIFIED) {
    absl::StrAppend(&line, "  leg ", FieldText(event, "leg"));
  }
  if (!session.end_reason().empty()) {
    absl::StrAppend(&line, "  ", session.end_reason());
  }
  absl::StrAppend(&line, "  [A ", LegText(session.leg_a()), "]  [B ",
                  LegText(session.leg_b()), "]");
  return Printable(line) + "\n";
}

std::string DrainLine(const pb::DrainResponse& progress) {
  if (progress.done()) return "done\n";
  return absl::StrCat(progress.sessions_remaining(), " sessions and ",
                      progress.allocations_remaining(),
                      " allocations are live; the rest ends at ",
                      FieldText(progress, "deadline_time"), "\n");
}

std::string DrainLine(const signaling_edge::v1::DrainResponse& progress) {
  if (progress.done()) return "done\n";
  return absl::StrCat(progress.calls_remaining(), " calls and ",
                      progress.connections_remaining(),
                      " connections are live; the rest ends at ",
                      FieldText(progress, "deadline_time"), "\n");
}

}  // namespace sallyport::cli
