#include "tools/cli/exchange_cmd.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/message_differencer.h"
#include "sallyport/capf/v1/trust_store.pb.h"
#include "sallyport/dialplan/v1/dialplan_service.pb.h"
#include "sallyport/dialplan/v1/peer.pb.h"
#include "sallyport/dialplan/v1/tls_context.pb.h"
#include "sallyport/dialplan/v1/trunk_security_profile.pb.h"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"
#include "sallyport/signaling_edge/v1/peer_state.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/capf_call.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/service_status.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace dialplan = ::sallyport::dialplan::v1;
namespace capf = ::sallyport::capf::v1;
namespace edge = ::sallyport::signaling_edge::v1;
using Stub = capf::CapfService::Stub;

constexpr size_t kMaxFile = 64 * 1024;
constexpr absl::Duration kPatience = absl::Seconds(15);

struct ExchangeOptions {
  std::string peer;
  std::string certificate_file;
  std::string output;
  std::string profile;
};

struct Step {
  const char* name;
  const char* help;
  bool done = false;
  std::string detail;
};

// What is there of an exchange. Thread-compatible.
struct Exchange {
  dialplan::Peer peer;
  dialplan::TlsContext context;  // without name: none has the peer
  capf::TrustedCertificate trusted;
  std::vector<Step> steps;

  std::string store() const {
    return context.configured().trust_store().empty()
               ? "CallManager-trust"
               : context.configured().trust_store();
  }
  // By what its certificate is known.
  std::string subject() const {
    return peer.x509_subject_names().empty() ? peer.fqdn()
                                             : peer.x509_subject_names(0);
  }
};

absl::StatusOr<Endpoint> Dialplan(CliContext& context) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  return clients->First("dialplan");
}

// When the SIP proxy was restarted last, as `sallyport service` writes it.
absl::Time RestartOf(const dialplan::TlsContext& context) {
  absl::Time out = absl::InfinitePast();
  absl::ParseTime(absl::RFC3339_full, context.restart_mark(), &out, nullptr);
  return out;
}

absl::StatusOr<bool> HasMutualTls(CliContext& context,
                                  const std::string& peer) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> edges,
                      clients->All("signaling_edge"));
  for (const Endpoint& endpoint : edges) {
    SP_ASSIGN_OR_RETURN(
        const ResourceList states,
        ListResources(endpoint, *FindKind("peer-state"), tenant, "", 0));
    for (const auto& one : states) {
      const auto& state = dynamic_cast<const edge::PeerState&>(*one);
      if (ShortName(state.name()) == ShortName(peer) &&
          state.has_mutual_tls_time()) {
        return true;
      }
    }
  }
  return false;
}

absl::StatusOr<Exchange> Look(CliContext& context, const std::string& name) {
  Exchange out;
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, Dialplan(context));
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  SP_ASSIGN_OR_RETURN(const std::string tenant_name, context.TenantName());
  const ResourceKind& peers = *FindKind("peer");
  SP_ASSIGN_OR_RETURN(
      const auto found,
      GetResource(endpoint, peers, FullName(peers, tenant, name)));
  out.peer = dynamic_cast<const dialplan::Peer&>(*found);
  SP_ASSIGN_OR_RETURN(
      const ResourceList contexts,
      ListResources(endpoint, *FindKind("tls-context"), tenant_name, "", 0));
  for (const auto& one : contexts) {
    const auto& each = dynamic_cast<const dialplan::TlsContext&>(*one);
    const auto& selected = each.configured().peers();
    if (std::find(selected.begin(), selected.end(), out.peer.name()) !=
        selected.end()) {
      out.context = each;
    }
  }
  if (!out.context.name().empty()) {
    capf::ListTrustedCertificatesRequest request;
    SP_ASSIGN_OR_RETURN(*request.mutable_parent(),
                        FullName(context, "trustStores", out.store()));
    request.set_page_size(1000);
    SP_ASSIGN_OR_RETURN(const auto known,
                        CallCapf<capf::ListTrustedCertificatesResponse>(
                            context, &Stub::ListTrustedCertificates, request));
    for (const capf::TrustedCertificate& one : known.trusted_certificates()) {
      if (one.tls_peer_subject() == out.subject()) out.trusted = one;
    }
  }
  bool encrypted = false;
  if (!out.peer.trunk_security_profile().empty()) {
    SP_ASSIGN_OR_RETURN(
        const auto profile,
        GetResource(endpoint, *FindKind("trunk-security-profile"),
                    out.peer.trunk_security_profile()));
    encrypted =
        dynamic_cast<const dialplan::TrunkSecurityProfile&>(*profile)
            .device_security_mode() == dialplan::DEVICE_SECURITY_MODE_ENCRYPTED;
  }
  SP_ASSIGN_OR_RETURN(const bool seen, HasMutualTls(context, out.peer.name()));
  const bool selected = !out.context.name().empty() && !out.subject().empty();
  const bool imported = !out.trusted.name().empty();
  const bool restarted =
      imported &&
      google::protobuf::util::MessageDifferencer::Equals(
          out.context.configured(), out.context.active()) &&
      RestartOf(out.context) >= FromProto(out.trusted.create_time());
  out.steps = {
      {"prerequisites", "The peer has a name and is selected in a TLS context",
       selected,
       selected ? out.subject() + " in " + ShortName(out.context.name())
                : "select it: configured.peers of a TlsContext"},
      {"import", "Its certificate, or that of its authority, is trusted",
       imported, imported ? out.trusted.name() : "with --certificate FILE"},
      {"restart-sip-proxy", "What was imported is in force", restarted,
       restarted ? out.context.restart_mark() : ""},
      {"download", "Our certificate is downloaded",
       out.peer.certificate_checklist().root_downloaded(), "with --to FILE"},
      {"upload", "It is uploaded at the peer: said by who did it",
       out.peer.certificate_checklist().root_imported(), ""},
      {"restart-call-manager",
       "The peer has begun anew, and mutual TLS with it succeeds", seen, ""},
      {"sip-security", "The peer has a trunk security profile for it",
       encrypted,
       encrypted ? ShortName(out.peer.trunk_security_profile())
                 : "with --profile NAME"}};
  return out;
}

absl::Status Show(CliContext& context, const ExchangeOptions& options) {
  SP_ASSIGN_OR_RETURN(const Exchange exchange, Look(context, options.peer));
  Table table({"", "STEP", "STATE", "DETAIL"});
  bool open = false;
  for (size_t i = 0; i < exchange.steps.size(); ++i) {
    const Step& step = exchange.steps[i];
    table.AddRow({absl::StrCat(i + 1), step.name,
                  step.done && !open ? "done"
                  : open             ? "waits"
                                     : "next",
                  absl::StrCat(step.help, step.detail.empty() ? "" : "; ",
                               step.detail)});
    open = open || !step.done;
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

absl::Status Update(CliContext& context, const std::string& kind,
                    const google::protobuf::Message& resource,
                    const std::string& field) {
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, Dialplan(context));
  return UpdateResource(endpoint, *FindKind(kind), resource, {field}, false)
      .status();
}

absl::Status Import(CliContext& context, const ExchangeOptions& options,
                    const Exchange& exchange) {
  capf::CreateTrustedCertificateRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(),
                      FullName(context, "trustStores", exchange.store()));
  SP_ASSIGN_OR_RETURN(const std::string content,
                      ReadWholeFile(options.certificate_file, kMaxFile));
  request.mutable_trusted_certificate()->set_certificate(content);
  request.mutable_trusted_certificate()->set_tls_peer_subject(
      exchange.subject());
  request.mutable_trusted_certificate()->add_tls_contexts(
      ShortName(exchange.context.name()));
  return CallCapf<capf::TrustedCertificate>(
             context, &Stub::CreateTrustedCertificate, request)
      .status();
}

absl::Status Download(CliContext& context, const ExchangeOptions& options,
                      dialplan::Peer peer) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> edges,
                      clients->All("signaling_edge"));
  std::string pem;
  for (const Endpoint& endpoint : edges) {
    SP_ASSIGN_OR_RETURN(const auto answer, GetServiceStatus(endpoint));
    pem += dynamic_cast<const edge::EdgeStatus&>(*answer).sip_certificate_pem();
  }
  if (pem.empty()) {
    return MakeError(absl::StatusCode::kNotFound, "CERTIFICATE_NOT_FOUND",
                     "no edge shows a certificate");
  }
  SP_RETURN_IF_ERROR(WriteOutput(options.output, pem));
  peer.mutable_certificate_checklist()->set_root_downloaded(true);
  return Update(context, "peer", peer, "certificate_checklist");
}

// An edge tries to reach the peer as a call would.
absl::Status Reach(CliContext& context, const dialplan::Peer& peer) {
  SP_ASSIGN_OR_RETURN(Endpoint endpoint, Dialplan(context));
  endpoint.timeout = std::max(endpoint.timeout, kPatience);
  dialplan::TestConnectivityRequest request;
  request.set_peer(peer.name());
  request.set_secured(true);
  dialplan::TestConnectivityResponse answer;
  SP_RETURN_IF_ERROR(CallUnary(
      endpoint,
      *google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          "sallyport.dialplan.v1.DialplanService.TestConnectivity"),
      request, &answer));
  if (answer.succeeded()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, answer.reason(),
                   "the peer cannot be reached yet: sallyport "
                   "test-connectivity " +
                       ShortName(peer.name()));
}

absl::Status Take(CliContext& context, const ExchangeOptions& options,
                  size_t step) {
  SP_ASSIGN_OR_RETURN(const Exchange exchange, Look(context, options.peer));
  for (size_t i = 0; i < step; ++i) {
    if (exchange.steps[i].done) continue;
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "STEP_OUT_OF_ORDER",
        absl::StrCat("step ", i + 1, " comes first: sallyport exchange ",
                     exchange.steps[i].name, " ", options.peer));
  }
  absl::Status status;
  switch (step) {
    case 1:
      status = Import(context, options, exchange);
      break;
    case 2: {
      dialplan::TlsContext proxy = exchange.context;
      proxy.set_restart_mark(
          absl::FormatTime(absl::Now(), absl::UTCTimeZone()));
      status = Update(context, "tls-context", proxy, "restart_mark");
      break;
    }
    case 3:
      status = Download(context, options, exchange.peer);
      break;
    case 4: {
      dialplan::Peer peer = exchange.peer;
      peer.mutable_certificate_checklist()->set_root_imported(true);
      status = Update(context, "peer", peer, "certificate_checklist");
      break;
    }
    case 5:
      status = Reach(context, exchange.peer);
      break;
    case 6: {
      dialplan::Peer peer = exchange.peer;
      SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
      peer.set_trunk_security_profile(FullName(
          *FindKind("trunk-security-profile"), tenant, options.profile));
      status = Update(context, "peer", peer, "trunk_security_profile");
      break;
    }
    default:
      break;
  }
  if (!status.ok()) return status;
  SP_ASSIGN_OR_RETURN(const Exchange after, Look(context, options.peer));
  const Step& taken = after.steps[step];
  context.out() << taken.name << ": " << (taken.done ? "done" : "not done")
                << (taken.detail.empty() ? "" : ", ") << taken.detail << "\n";
  if (taken.done) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, "STEP_NOT_DONE",
                   taken.help);
}

}  // namespace

void AddExchangeCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<ExchangeOptions>();
  CLI::App* const exchange = app.add_subcommand(
      "exchange",
      "Exchanges certificates with a peer, step by step and in order");
  exchange->require_subcommand(1);
  const auto add = [&](const char* name, const char* help) {
    CLI::App* const command = exchange->add_subcommand(name, help);
    command->add_option("peer", options->peer, "Peer, by name")->required();
    return command;
  };
  add("show", "The steps, and which are done")->callback([&context, options] {
    context.result = Show(context, *options);
  });
  const std::pair<const char*, const char*> steps[] = {
      {"prerequisites", "1: checks that the peer is selected in a TLS context"},
      {"import", "2: has its certificate trusted by the context's store"},
      {"restart-sip-proxy", "3: puts that into force"},
      {"download", "4: writes our certificate to a file"},
      {"upload", "5: says that it was uploaded at the peer"},
      {"restart-call-manager",
       "6: after the peer's restart: mutual TLS is tried"},
      {"sip-security", "7: gives the peer its trunk security profile"}};
  for (size_t i = 0; i < std::size(steps); ++i) {
    CLI::App* const command = add(steps[i].first, steps[i].second);
    if (i == 1) {
      command
          ->add_option("--certificate", options->certificate_file,
                       "Of the peer or its authority, PEM")
          ->required();
    } else if (i == 3) {
      command->add_option("--to", options->output, "Where to")->required();
    } else if (i == 6) {
      command
          ->add_option("--profile", options->profile,
                       "Trunk security profile, ENCRYPTED")
          ->required();
    }
    command->callback([&context, options, i] {
      context.result = Take(context, *options, i);
    });
  }
}

}  // namespace sallyport::cli
