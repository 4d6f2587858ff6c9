#include "tools/cli/doctor_cmd.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "sallyport/capf/v1/capf_status.pb.h"
#include "sallyport/common/v1/process_service.pb.h"
#include "sallyport/credential_issuer/v1/issuer_status.pb.h"
#include "sallyport/dialplan/v1/dialplan_status.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/diagnosis.h"
#include "tools/cli/health_check.h"
#include "tools/cli/process_cmd.h"
#include "tools/cli/service_status.h"
#include "tools/cli/tls_connection.h"

namespace sallyport::cli {
namespace {

constexpr size_t kMaxPemBytes = 1 << 20;

std::string Text(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return absl::StrCat(
      std::string(status.message().data(), status.message().size()), " [",
      reason.empty() ? absl::StatusCodeToString(status.code()) : reason, "]");
}

// The operator's own certificate.
std::vector<Finding> CheckOwn(const config::v1::CliConfig& config) {
  std::vector<Finding> findings;
  const std::string where = "this command line";
  const auto pem = ReadWholeFile(config.tls().certificate_file(), kMaxPemBytes);
  const auto chain = pem.ok() ? CertificatesFromPem(*pem) : pem.status();
  const auto info =
      chain.ok() ? ParseCertificate(AsBytes(chain->front())) : chain.status();
  if (!info.ok()) {
    return {{where, "certificate", Verdict::kFailed, Text(info.status()),
             "check tls.certificate_file in your configuration"}};
  }
  const std::vector<std::string> uris =
      info->AltNames(SubjectAltName::Type::kUri);
  const std::string prefix =
      absl::StrCat("spiffe://", config.trust_domain(), "/");
  const bool good = uris.size() == 1 && absl::StartsWith(uris[0], prefix);
  findings.push_back({where, "identity", good ? Verdict::kOk : Verdict::kFailed,
                      uris.empty() ? "no URI in the certificate" : uris[0],
                      good ? ""
                           : absl::StrCat("the certificate must have one URI, ",
                                          prefix, "operator/NAME")});
  findings.push_back(CheckExpiry(where, info->not_after, absl::Now()));
  return findings;
}

// Why a connection by gRPC fails: the same steps one by one, with our own TLS.
Finding ProbeTls(const Endpoint& endpoint, const config::v1::CliConfig& config,
                 const std::string& where, const absl::Status& failure) {
  Finding finding{where, "connect", Verdict::kFailed, Text(failure), ""};
  std::string target(absl::StripPrefix(endpoint.target, "dns:///"));
  const auto address = SplitHostPort(target);
  if (!address.ok()) return finding;
  TlsContextOptions options;
  options.role = TlsRole::kClient;
  const std::string expected = endpoint.expected_identity;
  options.accept_peer = [expected](const PeerCertificate& peer) {
    const auto uris = peer.leaf.AltNames(SubjectAltName::Type::kUri);
    if (uris.size() == 1 && uris[0] == expected) return absl::OkStatus();
    return MakeError(
        absl::StatusCode::kUnauthenticated, "PEER_IDENTITY_MISMATCH",
        absl::StrCat("it shows ", uris.empty() ? "no identity" : uris[0],
                     " instead of ", expected));
  };
  const auto context = TlsContext::CreateFromFiles(
      config.tls().certificate_file(), config.tls().key_file(),
      config.tls().ca_file(), std::move(options));
  if (!context.ok()) {
    finding.detail = Text(context.status());
    finding.advice =
        "certificate, key and roots under tls must be readable "
        "and belong together";
    return finding;
  }
  const auto connection = TlsConnection::Connect(
      address->first, address->second, *context, absl::Seconds(5));
  if (!connection.ok()) {
    finding.detail = Text(connection.status());
    const std::string reason = ReasonOf(connection.status());
    if (reason == "NAME_NOT_RESOLVED") {
      finding.advice = "correct the target's host name";
    } else if (reason == "CONNECT_FAILED" || reason == "NO_ANSWER") {
      finding.advice =
          "the service does not run there, or a firewall is "
          "between: check its log and its listen_address";
    } else if (reason == "PEER_IDENTITY_MISMATCH") {
      finding.advice =
          "the target is another service, or it has the wrong "
          "certificate";
    } else if (absl::StartsWith(reason, "PEER_CERTIFICATE")) {
      finding.advice =
          "tls.ca_file does not hold the root that signed the "
          "service's certificate, or that has expired";
    }
    return finding;
  }
  finding.advice =
      "TLS works from here, so the service refuses your "
      "certificate: its tls.ca_file must hold your root";
  return finding;
}

void AddConsumers(const google::protobuf::Message& status,
                  const std::string& where, std::vector<Finding>* findings) {
  if (const auto* const plan =
          dynamic_cast<const dialplan::v1::DialplanStatus*>(&status)) {
    for (const auto& consumer : plan->consumers()) {
      findings->push_back(
          CheckVersion(where, absl::StrCat("plan at ", consumer.consumer()),
                       plan->configured_version(), consumer.active_version(),
                       consumer.connected()));
    }
  }
  if (const auto* const issuer =
          dynamic_cast<const credential_issuer::v1::IssuerStatus*>(&status)) {
    for (const auto& consumer : issuer->consumers()) {
      findings->push_back(
          CheckVersion(where, absl::StrCat("keys at ", consumer.consumer()),
                       issuer->configured_version(), consumer.active_version(),
                       consumer.connected()));
    }
  }
  if (const auto* const capf =
          dynamic_cast<const capf::v1::CapfStatus*>(&status)) {
    for (const auto& consumer : capf->consumers()) {
      findings->push_back(
          CheckVersion(where, absl::StrCat("trust at ", consumer.consumer()),
                       capf->configured_version(), consumer.active_version(),
                       consumer.connected()));
    }
    if (!capf->can_issue()) {
      findings->push_back({where, "issuance", Verdict::kFailed,
                           capf->issue_reason(),
                           "see capf's log: key and audit must be usable"});
    }
  }
}

void CheckEndpoint(const Endpoint& endpoint,
                   const config::v1::CliConfig& config,
                   std::vector<Finding>* findings) {
  const std::string where =
      absl::StrCat(endpoint.service, " at ", endpoint.target);
  std::string pem;
  const auto health = CheckHealth(endpoint, "", &pem);
  if (!health.ok()) {
    findings->push_back(ProbeTls(endpoint, config, where, health.status()));
    return;
  }
  findings->push_back(
      {where, "TLS", Verdict::kOk,
       absl::StrCat("mutual, it is ", endpoint.expected_identity), ""});
  const auto shown = CertificatesFromPem(pem);
  const auto info =
      shown.ok() ? ParseCertificate(AsBytes(shown->front())) : shown.status();
  if (info.ok()) {
    findings->push_back(CheckExpiry(where, info->not_after, absl::Now()));
  }
  const bool serving = *health == Health::kServing;
  findings->push_back({where, "health",
                       serving ? Verdict::kOk : Verdict::kFailed,
                       serving ? "ready" : "not ready",
                       serving ? "" : "see its log for what it waits for"});
  const absl::Time before = absl::Now();
  const auto status = GetServiceStatus(endpoint);
  const absl::Time after = absl::Now();
  if (!status.ok()) {
    const bool unimplemented =
        status.status().code() == absl::StatusCode::kUnimplemented;
    findings->push_back(
        {where, "status", unimplemented ? Verdict::kWarning : Verdict::kFailed,
         Text(status.status()),
         status.status().code() == absl::StatusCode::kPermissionDenied
             ? "give your identity a role in its server.role_bindings"
             : ""});
    return;
  }
  for (Finding& finding : CheckInfo(where, InfoOf(**status), before, after)) {
    findings->push_back(std::move(finding));
  }
  AddConsumers(**status, where, findings);
  const auto process = GetProcess(endpoint);
  if (!process.ok()) return;
  for (const common::v1::WaitingSetting& one : process->waiting_settings()) {
    findings->push_back({where, "setting", Verdict::kWarning,
                         absl::StrCat(one.field(), " waits for a restart"),
                         "see `sallyport restarts`, and restart the service"});
  }
}

absl::Status RunDoctor(CliContext& context) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  std::vector<Finding> findings = CheckOwn(clients->config());
  for (const char* const service : kServiceNames) {
    const auto endpoints = clients->All(service);
    if (!endpoints.ok()) {
      findings.push_back({service, "configuration", Verdict::kWarning,
                          "no target", "add it if you want it looked at"});
      continue;
    }
    for (const Endpoint& endpoint : *endpoints) {
      CheckEndpoint(endpoint, clients->config(), &findings);
    }
  }
  context.out() << FindingsText(findings);
  if (!AnyFailed(findings)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_HEALTHY",
                   "not everything is well");
}

}  // namespace

void AddDoctorCommand(CLI::App& app, CliContext& context) {
  CLI::App* const command = app.add_subcommand(
      "doctor", "Looks at every service and says what to do");
  command->callback([&context] { context.result = RunDoctor(context); });
}

}  // namespace sallyport::cli
