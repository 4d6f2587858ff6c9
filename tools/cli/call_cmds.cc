#include "tools/cli/call_cmds.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "sallyport/credential_issuer/v1/audit_record.pb.h"
#include "sallyport/dialplan/v1/tenant.pb.h"
#include "sallyport/dialplan/v1/user.pb.h"
#include "sallyport/media_relay/v1/allocation.pb.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/signaling_edge/v1/call.pb.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/columns.h"
#include "tools/cli/render.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/service_clients.h"
#include "tools/cli/trace_notes.h"
#include "tools/cli/trace_text.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::Message;
namespace pb = ::sallyport::signaling_edge::v1;
namespace dialplan_pb = ::sallyport::dialplan::v1;
namespace issuer_pb = ::sallyport::credential_issuer::v1;
namespace relay_pb = ::sallyport::media_relay::v1;

struct TraceOptions {
  std::string call;
  bool messages = false;
};

struct EndCallOptions {
  std::string call;
  uint32_t cause = 0;
};

absl::StatusOr<std::string> CallName(CliContext& context,
                                     const std::string& call) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  return FullName(*FindKind("Call"), tenant, call);
}

// Asks every edge: what one holds, another does not.
absl::StatusOr<std::unique_ptr<Message>> Ask(CliContext& context,
                                             const std::string& method,
                                             Message& request) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> endpoints,
                      clients->All("signaling_edge"));
  absl::Status error;
  for (const Endpoint& endpoint : endpoints) {
    auto found = CallMethod(endpoint, method, request);
    if (found.ok()) return found;
    if (error.ok() || error.code() == absl::StatusCode::kNotFound) {
      error = found.status();
    }
  }
  return error;
}

// The call, live or just ended.
absl::StatusOr<pb::Call> FindCall(CliContext& context,
                                  const std::string& name) {
  pb::Call call;
  pb::GetCallRequest live;
  live.set_name(name);
  const auto found = Ask(context, "GetCall", live);
  if (found.ok()) {
    call.CopyFrom(**found);
    return call;
  }
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> endpoints,
                      clients->All("signaling_edge"));
  for (const Endpoint& endpoint : endpoints) {
    pb::ListCallRecordsRequest ended;
    ended.set_parent(TenantNameOf(name));
    ended.set_filter(absl::StrCat("call.name = \"", name, "\""));
    const auto records = CallMethod(endpoint, "ListCallRecords", ended);
    if (!records.ok()) continue;
    pb::ListCallRecordsResponse list;
    list.CopyFrom(**records);
    if (!list.call_records().empty()) return list.call_records(0).call();
  }
  return found.status();
}

// What credentials are issued for: the user as a resource, and as SIP clients
// ask for themselves.
std::vector<std::string> SubjectsOf(CliContext& context,
                                    const std::string& user) {
  std::vector<std::string> subjects = {user};
  const auto clients = context.Clients();
  if (!clients.ok()) return subjects;
  const auto dialplan = (*clients)->First("dialplan");
  if (!dialplan.ok()) return subjects;
  const auto found = GetResource(*dialplan, *FindKind("User"), user);
  if (!found.ok()) return subjects;
  dialplan_pb::User details;
  details.CopyFrom(**found);
  std::string domain = details.domain();
  if (domain.empty()) {
    const auto tenant =
        GetResource(*dialplan, *FindKind("Tenant"), TenantNameOf(user));
    if (tenant.ok()) {
      dialplan_pb::Tenant own;
      own.CopyFrom(**tenant);
      if (!own.domains().empty()) domain = own.domains(0);
    }
  }
  subjects.push_back(absl::StrCat(details.username(), "@", domain));
  return subjects;
}

absl::StatusOr<UserRecords> RecordsOf(CliContext& context,
                                      const std::string& user) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint issuer,
                      clients->First("credential_issuer"));
  UserRecords out;
  out.user = user;
  for (const std::string& subject : SubjectsOf(context, user)) {
    issuer_pb::ListAuditRecordsRequest request;
    request.set_parent(TenantNameOf(user));
    request.set_subject(subject);
    SP_ASSIGN_OR_RETURN(const auto answer,
                        CallMethod(issuer, "ListAuditRecords", request));
    issuer_pb::ListAuditRecordsResponse list;
    list.CopyFrom(*answer);
    out.records.insert(out.records.end(), list.audit_records().begin(),
                       list.audit_records().end());
  }
  return out;
}

// AVE-48: the steps of the call that are no SIP messages of it. What cannot be
// asked is said so and fails nothing: the messages are there.
std::vector<TraceNote> MediaNotes(CliContext& context, const pb::Call& call,
                                  std::vector<std::string>* unknown) {
  std::vector<TraceNote> notes;
  const auto add = [&notes](std::vector<TraceNote> more) {
    notes.insert(notes.end(), more.begin(), more.end());
  };
  std::vector<UserRecords> users;
  for (const pb::CallLeg& leg : call.legs()) {
    if (leg.user().empty() ||
        std::any_of(users.begin(), users.end(), [&](const UserRecords& u) {
          return u.user == leg.user();
        })) {
      continue;
    }
    absl::StatusOr<UserRecords> records = RecordsOf(context, leg.user());
    if (!records.ok()) {
      unknown->push_back(
          absl::StrCat("credentials of ", leg.user(),
                       " are not known: ", records.status().message()));
      continue;
    }
    add(CredentialNotes(*records, call));
    users.push_back(*std::move(records));
  }
  const auto clients = context.Clients();
  const auto relays =
      clients.ok() ? (*clients)->All("media_relay") : clients.status();
  if (!relays.ok()) {
    unknown->push_back(absl::StrCat("no media relay can be asked: ",
                                    relays.status().message()));
    add(EndedSessionNotes(call));
    return notes;
  }
  bool live = false;
  for (const Endpoint& relay : *relays) {
    if (!call.media_session().empty() && !live) {
      const auto found =
          GetResource(relay, *FindKind("Session"), call.media_session());
      if (found.ok()) {
        relay_pb::Session session;
        session.CopyFrom(**found);
        notes.push_back(SessionNote(session, call));
        live = true;
      }
    }
    if (users.empty()) continue;
    const auto list = ListResources(relay, *FindKind("Allocation"),
                                    TenantNameOf(call.name()), "", 0);
    if (!list.ok()) {
      unknown->push_back(
          absl::StrCat("allocations at ", relay.target,
                       " are not known: ", list.status().message()));
      continue;
    }
    std::vector<relay_pb::Allocation> allocations(list->size());
    for (size_t i = 0; i < list->size(); ++i) {
      allocations[i].CopyFrom(*(*list)[i]);
    }
    add(AllocationNotes(users, allocations, call));
  }
  if (!live) add(EndedSessionNotes(call));
  return notes;
}

absl::Status RunTrace(CliContext& context, const TraceOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string name, CallName(context, options.call));
  pb::GetCallTraceRequest request;
  request.set_name(absl::StrCat(name, "/trace"));
  SP_ASSIGN_OR_RETURN(const auto found, Ask(context, "GetCallTrace", request));
  pb::CallTrace trace;
  trace.CopyFrom(*found);
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(trace, context.format, "");
    return absl::OkStatus();
  }
  std::vector<std::string> unknown;
  std::vector<TraceNote> notes;
  if (const auto call = FindCall(context, name); call.ok()) {
    notes = MediaNotes(context, *call, &unknown);
  } else {
    unknown.push_back(
        absl::StrCat("its media is not known: ", call.status().message()));
  }
  context.out() << TraceText(trace, options.messages, std::move(notes));
  for (const std::string& what : unknown) context.out() << what << "\n";
  return absl::OkStatus();
}

absl::Status RunEndCall(CliContext& context, const EndCallOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string name, CallName(context, options.call));
  pb::EndCallRequest request;
  request.set_name(name);
  request.set_cause(options.cause);
  SP_ASSIGN_OR_RETURN(const auto call, Ask(context, "EndCall", request));
  const ResourceKind& kind = *FindKind("Call");
  context.out() << (context.format == OutputFormat::kTable
                        ? RenderList({call.get()}, context.format, kind,
                                     ColumnsOf(kind))
                        : RenderOne(*call, context.format, kind.name));
  return absl::OkStatus();
}

// Of every edge, as each serves its own queues.
absl::Status RunAgent(CliContext& context, const std::string& user,
                      bool ready) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  pb::SetAgentStateRequest request;
  request.set_user(user.find('/') == std::string::npos
                       ? absl::StrCat(tenant, "/users/", user)
                       : user);
  request.set_ready(ready);
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> endpoints,
                      clients->All("signaling_edge"));
  for (const Endpoint& endpoint : endpoints) {
    SP_RETURN_IF_ERROR(CallMethod(endpoint, "SetAgentState", request).status());
  }
  context.out() << request.user()
                << (ready ? " is ready\n" : " is not ready\n");
  return absl::OkStatus();
}

}  // namespace

void AddCallCommands(CLI::App& app, CliContext& context) {
  const auto trace = std::make_shared<TraceOptions>();
  CLI::App* command = app.add_subcommand(
      "trace",
      "The SIP messages of a call, live or just ended, with credentials, "
      "allocations and the session of its media");
  command->add_option("call", trace->call, "As `calls` names it")->required();
  command->add_flag("--messages", trace->messages,
                    "Whole messages, numbers and addresses by their hash");
  command->callback(
      [&context, trace] { context.result = RunTrace(context, *trace); });

  CLI::App* const agents =
      app.add_subcommand("agents", "Says whether users take calls of queues");
  agents->require_subcommand(1);
  for (const bool ready : {true, false}) {
    const auto user = std::make_shared<std::string>();
    CLI::App* const set = agents->add_subcommand(
        ready ? "ready" : "not-ready",
        ready ? "It takes calls of queues" : "It takes none");
    set->add_option("user", *user, "Name or last part of it")->required();
    set->callback([&context, user, ready] {
      context.result = RunAgent(context, *user, ready);
    });
  }

  const auto end = std::make_shared<EndCallOptions>();
  command = app.add_subcommand("end-call", "Ends a call");
  command->add_option("call", end->call, "As `calls` names it")->required();
  command->add_option("--cause", end->cause,
                      "Q.850 cause that the parties are told; 16 by default");
  command->callback(
      [&context, end] { context.result = RunEndCall(context, *end); });
}

}  // namespace sallyport::cli
