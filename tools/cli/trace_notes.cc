#include "tools/cli/trace_notes.h"

#include <algorithm>
#include <cstddef>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/config/proto_time.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace edge_pb = ::sallyport::signaling_edge::v1;
namespace issuer_pb = ::sallyport::credential_issuer::v1;
namespace relay_pb = ::sallyport::media_relay::v1;
namespace type_pb = ::sallyport::type::v1;

std::string Clock(absl::Time time) {
  return absl::FormatTime("%H:%M:%S UTC", time, absl::UTCTimeZone());
}

absl::Time EndOf(const edge_pb::Call& call) {
  return call.has_end_time() ? FromProto(call.end_time())
                             : absl::InfiniteFuture();
}

// One text of an audit record, which is a JSON object; empty if it has none.
std::string FieldOf(const issuer_pb::AuditRecord& record,
                    const std::string& name) {
  google::protobuf::Struct json;
  if (!google::protobuf::util::JsonStringToMessage(record.record(), &json)
           .ok()) {
    return "";
  }
  const auto it = json.fields().find(name);
  if (it == json.fields().end()) return "";
  return it->second.kind_case() == google::protobuf::Value::kNumberValue
             ? absl::StrCat(it->second.number_value())
             : it->second.string_value();
}

std::string Protocol(const relay_pb::Leg& leg) {
  std::string out(absl::StripPrefix(type_pb::MediaProtocol_Name(leg.protocol()),
                                    "MEDIA_PROTOCOL_"));
  if (leg.srtp_suite() != type_pb::SRTP_SUITE_UNSPECIFIED) {
    absl::StrAppend(&out, " ",
                    absl::StripPrefix(type_pb::SrtpSuite_Name(leg.srtp_suite()),
                                      "SRTP_SUITE_"));
  }
  return out;
}

std::string Carried(const relay_pb::LegStatistics& leg) {
  return absl::StrCat(leg.packets_received(), " in, ", leg.packets_sent(),
                      " out, ", leg.packets_lost(), " lost");
}

std::string SessionName(const edge_pb::Call& call) {
  return absl::StrCat("session ", Printable(call.media_session()), " at ",
                      Printable(call.media_relay()));
}

}  // namespace

std::vector<TraceNote> CredentialNotes(const UserRecords& of,
                                       const edge_pb::Call& call) {
  std::vector<TraceNote> notes;
  std::set<std::string> shown;
  for (const issuer_pb::AuditRecord& record : of.records) {
    if (FieldOf(record, "event") != "issue") continue;
    const absl::Time made = FromProto(record.create_time());
    absl::Time end;
    std::string error;
    const std::string expires = FieldOf(record, "expire_time");
    if (!absl::ParseTime(absl::RFC3339_full, expires, &end, &error)) continue;
    if (made > EndOf(call) || end < FromProto(call.start_time())) continue;
    if (shown.size() == kMostCredentials) break;
    shown.insert(record.credential_id());
    notes.push_back({made, absl::StrCat("credential ", record.credential_id(),
                                        " for ", Printable(of.user), ", key ",
                                        FieldOf(record, "key_id"),
                                        ", good until ", Clock(end))});
  }
  for (const issuer_pb::AuditRecord& record : of.records) {
    const std::string event = FieldOf(record, "event");
    if (event == "issue" || FromProto(record.create_time()) > EndOf(call) ||
        FromProto(record.create_time()) < FromProto(call.start_time())) {
      continue;
    }
    // Of the user as a whole: no credential is named.
    if (!record.credential_id().empty() &&
        !shown.contains(record.credential_id())) {
      continue;
    }
    notes.push_back({FromProto(record.create_time()),
                     absl::StrCat(Printable(event), " ",
                                  record.credential_id().empty()
                                      ? Printable(of.user)
                                      : record.credential_id())});
  }
  return notes;
}

std::vector<TraceNote> AllocationNotes(
    const std::vector<UserRecords>& users,
    const std::vector<relay_pb::Allocation>& allocations,
    const edge_pb::Call& call) {
  std::vector<TraceNote> notes;
  for (const relay_pb::Allocation& allocation : allocations) {
    const absl::Time made = FromProto(allocation.create_time());
    if (made > EndOf(call)) continue;
    const UserRecords* owner = nullptr;
    for (const UserRecords& user : users) {
      for (const issuer_pb::AuditRecord& record : user.records) {
        if (!record.opaque_subject().empty() &&
            record.opaque_subject() == allocation.subject()) {
          owner = &user;
        }
      }
    }
    if (owner == nullptr) continue;
    const std::string name(allocation.name());
    notes.push_back(
        {made,
         absl::StrCat("allocation ", name.substr(name.rfind('/') + 1), " of ",
                      Printable(owner->user), ", ",
                      absl::StripPrefix(relay_pb::TurnTransport_Name(
                                            allocation.client_transport()),
                                        "TURN_TRANSPORT_"),
                      ", relayed at ", allocation.relayed_address().address(),
                      ":", allocation.relayed_address().port(), ": ",
                      allocation.permission_count(), " permissions, ",
                      allocation.packets_to_peers(), " packets to peers, ",
                      allocation.packets_to_client(), " to the client")});
  }
  return notes;
}

TraceNote SessionNote(const relay_pb::Session& session,
                      const edge_pb::Call& call) {
  return {FromProto(session.create_time()),
          absl::StrCat(SessionName(call), ", now A ", Protocol(session.leg_a()),
                       " ", Carried(session.leg_a().statistics()), "; B ",
                       Protocol(session.leg_b()), " ",
                       Carried(session.leg_b().statistics()))};
}

std::vector<TraceNote> EndedSessionNotes(const edge_pb::Call& call) {
  if (call.media_session().empty() || !call.has_end_time()) return {};
  std::string text = absl::StrCat(SessionName(call), " ended");
  char mark = 'A';
  for (const edge_pb::CallLeg& leg : call.legs()) {
    if (leg.has_statistics()) {
      absl::StrAppend(&text, mark == 'A' ? ": " : "; ", std::string(1, mark),
                      " ", Carried(leg.statistics()));
    }
    ++mark;
  }
  return {{FromProto(call.end_time()), text}};
}

}  // namespace sallyport::cli
