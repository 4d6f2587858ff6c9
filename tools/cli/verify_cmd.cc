#include "tools/cli/verify_cmd.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "sallyport/dialplan/v1/readiness.pb.h"
#include "sallyport/signaling_edge/v1/call.pb.h"
#include "sallyport/type/v1/transport_address.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/error_text.h"
#include "tools/cli/field_text.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::signaling_edge::v1;
namespace plan = ::sallyport::dialplan::v1;
using ::google::protobuf::Message;

constexpr absl::Duration kPatience = absl::Seconds(15);

struct VerifyOptions {
  std::vector<std::string> calls;
  std::vector<std::string> peers;
};

// The calls that are named, or all that are live; of every edge.
absl::StatusOr<std::vector<pb::Call>> CallsOf(CliContext& context,
                                              const VerifyOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> edges,
                      clients->All("signaling_edge"));
  const ResourceKind& kind = *FindKind("call");
  std::vector<std::string> wanted;
  for (const std::string& name : options.calls) {
    wanted.push_back(FullName(kind, tenant, name));
  }
  std::vector<pb::Call> out;
  for (const Endpoint& edge : edges) {
    SP_ASSIGN_OR_RETURN(const ResourceList all,
                        ListResources(edge, kind, "tenants/" + tenant, "", 0));
    for (const auto& one : all) {
      const auto& call = dynamic_cast<const pb::Call&>(*one);
      const bool take = wanted.empty()
                            ? call.state() == pb::CALL_STATE_ANSWERED ||
                                  call.state() == pb::CALL_STATE_HELD
                            : std::find(wanted.begin(), wanted.end(),
                                        call.name()) != wanted.end();
      if (take) out.push_back(call);
    }
  }
  if (out.size() < std::max<size_t>(wanted.size(), 1)) {
    return MakeError(absl::StatusCode::kNotFound, "CALL_NOT_FOUND",
                     wanted.empty() ? "no call is live"
                                    : "no edge knows all of these calls");
  }
  return out;
}

bool IsProtected(const pb::CallLeg& leg) {
  return leg.remote_address().transport() ==
         ::sallyport::type::v1::TRANSPORT_TLS;
}

absl::Status RunCallPath(CliContext& context, const VerifyOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::vector<pb::Call> calls,
                      CallsOf(context, options));
  Table table({"CALL", "LEG", "PARTY", "TRANSPORT", "PORT", "SUBJECT", "MODE",
               "MEDIA", "RESULT"});
  std::vector<std::string> clear;
  for (const pb::Call& call : calls) {
    int number = 0;
    for (const pb::CallLeg& leg : call.legs()) {
      ++number;
      const bool good = IsProtected(leg);
      const std::string party = FieldText(leg, "party");
      if (!good) clear.push_back(party.empty() ? "an unknown party" : party);
      table.AddRow({ShortName(call.name()), absl::StrCat(number), party,
                    FieldText(leg.remote_address(), "transport"),
                    absl::StrCat(leg.remote_address().port()), leg.identity(),
                    FieldText(leg, "security_mode"),
                    FieldText(leg, "media_protocol"),
                    good ? "ok" : "IN CLEAR"});
    }
  }
  context.out() << table.ToString();
  if (clear.empty()) {
    context.out() << "every leg is SIP over TLS\n";
    return absl::OkStatus();
  }
  return MakeError(
      absl::StatusCode::kFailedPrecondition, "LEG_IN_CLEAR",
      absl::StrCat("SIP in clear with ", absl::StrJoin(clear, ", ")));
}

// CCE-01, CCE-02: what each of two lacks to trust the other, found out by a
// handshake of the edge's.
absl::Status RunCertificates(CliContext& context,
                             const VerifyOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(Endpoint dialplan, clients->First("dialplan"));
  dialplan.timeout = std::max(dialplan.timeout, kPatience);
  Table table({"PEER", "IT TRUSTS US", "WE TRUST IT", "MISSING"});
  size_t missing = 0;
  for (const std::string& peer : options.peers) {
    plan::TestConnectivityRequest request;
    request.set_peer(FullName(*FindKind("peer"), tenant, peer));
    request.set_secured(true);
    SP_ASSIGN_OR_RETURN(const std::unique_ptr<Message> answer,
                        CallMethod(dialplan, "TestConnectivity", request));
    const auto& result =
        dynamic_cast<const plan::TestConnectivityResponse&>(*answer);
    std::vector<std::string> reasons = {result.reason()};
    for (const auto& server : result.servers()) {
      reasons.push_back(server.reason());
    }
    bool ours = true;
    bool theirs = true;
    std::vector<std::string> words;
    for (const std::string& reason : reasons) {
      if (reason.empty()) continue;
      if (reason == "TLS_ALERT_RECEIVED") {
        theirs = false;
        words.push_back("import our certificate or its root there");
      } else if (reason == "PEER_CERTIFICATE_UNTRUSTED") {
        ours = false;
        words.push_back(
            "import its certificate or root into "
            "CallManager-trust");
      } else if (reason == "PEER_IDENTITY_MISMATCH") {
        ours = false;
        words.push_back("its certificate has another name");
      } else {
        ours = theirs = false;
        words.push_back(reason);
      }
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    if (!ours || !theirs) ++missing;
    table.AddRow({peer, theirs ? "yes" : "NO", ours ? "yes" : "NO",
                  absl::StrJoin(words, "; ")});
  }
  context.out() << table.ToString();
  if (missing == 0) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "CERTIFICATES_MISSING",
                   absl::StrCat(missing, " of ", options.peers.size(),
                                " pairs do not trust each other"));
}

}  // namespace

void AddVerifyCommand(CLI::App& app, CliContext& context) {
  CLI::App* const verify = app.add_subcommand(
      "verify", "That what should be protected is; exit code 1 if not");
  verify->require_subcommand(1);
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* const path = verify->add_subcommand(
      "call-path", "Transport, port and certified name of each leg of calls");
  path->add_option("call", options->calls, "Calls; else all that are live");
  path->callback(
      [&context, options] { context.result = RunCallPath(context, *options); });
  CLI::App* const certificates = verify->add_subcommand(
      "certificates", "Which pairs of us and a peer lack each other's trust");
  certificates->add_option("peers", options->peers, "Peers, by name")
      ->required();
  certificates->callback([&context, options] {
    context.result = RunCertificates(context, *options);
  });
}

}  // namespace sallyport::cli
