#include "tools/cli/diagnose_cmd.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "sallyport/capf/v1/capf_status.pb.h"
#include "sallyport/capf/v1/phone_cluster.pb.h"
#include "sallyport/capf/v1/trust_list.pb.h"
#include "sallyport/capf/v1/trust_store.pb.h"
#include "sallyport/dialplan/v1/apply_changes.pb.h"
#include "sallyport/dialplan/v1/peer.pb.h"
#include "sallyport/dialplan/v1/tenant.pb.h"
#include "sallyport/dialplan/v1/voicemail_port_group.pb.h"
#include "sallyport/signaling_edge/v1/edge_status.pb.h"
#include "sallyport/signaling_edge/v1/event.pb.h"
#include "sallyport/signaling_edge/v1/peer_state.pb.h"
#include "sallyport/signaling_edge/v1/registration.pb.h"
#include "services/capf/core/trust_list.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/capf_call.h"
#include "tools/cli/ctl_cache.h"
#include "tools/cli/ctl_text.h"
#include "tools/cli/diagnosis.h"
#include "tools/cli/health_check.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/service_status.h"
#include "tools/cli/tls_connection.h"
#include "tools/cli/voicemail_servers.h"

namespace sallyport::cli {
namespace {

namespace capf_pb = ::sallyport::capf::v1;
namespace edge_pb = ::sallyport::signaling_edge::v1;
namespace pb = ::sallyport::dialplan::v1;
using ::google::protobuf::Message;

constexpr absl::Duration kPatience = absl::Seconds(3);
constexpr size_t kMaxPem = 1 << 20;
constexpr char kList[] = "CTLFile.tlv";

// The remedies of the documents, in their order (CUC-76).
constexpr char kTftpAdvice[] =
    "1. is the TFTP server right, in `servers` of the port group?  2. is the "
    "cluster in mixed mode (`sallyport cluster show`)?  3. is CTLFile.tlv "
    "published there (`sallyport ctl publish ctl`)?";
constexpr char kRootAdvice[] =
    "upload the voicemail server's current root: `sallyport trust add "
    "CallManager-trust ROOT.0`";
constexpr char kStaleAdvice[] =
    "publish the list anew (`sallyport ctl publish ctl`), then `sallyport ctl "
    "purge` and reset the port group, or restart the voicemail server";

struct DiagnoseOptions {
  std::string group;
  std::string cache;
  std::string root_file;
};

std::string Why(const absl::Status& status) {
  return absl::StrCat(
      std::string(status.message().data(), status.message().size()), " [",
      ReasonOf(status), "]");
}

// One run. Thread-compatible.
class Diagnosis {
 public:
  Diagnosis(CliContext& context, const DiagnoseOptions& options)
      : context_(context), options_(options) {}

  absl::Status Run() {
    SP_ASSIGN_OR_RETURN(tenant_, context_.TenantName());
    SP_ASSIGN_OR_RETURN(clients_, context_.Clients());
    SP_ASSIGN_OR_RETURN(dialplan_, clients_->First("dialplan"));
    const ResourceKind& kind = *FindKind("voicemail-port-group");
    SP_ASSIGN_OR_RETURN(const std::string tenant, context_.Tenant());
    SP_ASSIGN_OR_RETURN(
        const std::unique_ptr<Message> found,
        GetResource(dialplan_, kind, FullName(kind, tenant, options_.group)));
    group_ = dynamic_cast<const pb::VoicemailPortGroup&>(*found);
    CheckConfiguration();
    CheckServices();
    CheckPorts();
    CheckClusterMode();
    CheckLists();
    CheckTrust();
    CheckService();
    context_.out() << FindingsText(findings_);
    if (!AnyFailed(findings_)) return absl::OkStatus();
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "INTEGRATION_FAULTY", "not everything is well");
  }

 private:
  void Add(const std::string& where, const std::string& check, Verdict verdict,
           const std::string& detail, const std::string& advice = "") {
    findings_.push_back(
        {where, check, verdict, detail, verdict == Verdict::kOk ? "" : advice});
  }
  bool encrypted() const {
    return group_.device_security_mode() == pb::DEVICE_SECURITY_MODE_ENCRYPTED;
  }
  bool sccp() const {
    return group_.integration() == pb::VOICEMAIL_INTEGRATION_SCCP;
  }

  // CUC-64: both sides of the plan.
  void CheckConfiguration() {
    const std::string where = ShortName(group_.name());
    pb::ListPlanFindingsRequest request;
    request.set_parent(tenant_);
    request.set_page_size(1000);
    const auto answer = CallMethod(dialplan_, "ListPlanFindings", request);
    size_t told = 0;
    if (answer.ok()) {
      for (const pb::PlanFinding& finding :
           dynamic_cast<const pb::ListPlanFindingsResponse&>(**answer)
               .findings()) {
        if (finding.resource() != group_.name() &&
            !absl::StrContains(finding.resource(), "/voicemail")) {
          continue;
        }
        ++told;
        Add(ShortName(finding.resource()), "configuration", Verdict::kFailed,
            absl::StrCat(finding.reason(), ": ", finding.description()),
            "change what it says, with `sallyport apply`");
      }
    }
    if (told == 0) Add(where, "configuration", Verdict::kOk, "as it should be");
    const auto peer = GetResource(dialplan_, *FindKind("peer"), group_.peer());
    if (!peer.ok()) {
      return Add(where, "peer", Verdict::kFailed, Why(peer.status()));
    }
    const auto& server = dynamic_cast<const pb::Peer&>(**peer);
    const bool enabled = server.status() != pb::PEER_STATUS_DISABLED;
    Add(ShortName(server.name()), "peer",
        enabled ? Verdict::kOk : Verdict::kFailed,
        enabled ? "enabled" : "disabled", "enable the peer");
  }

  // CUC-65: call manager, TFTP, and what has the plan.
  void CheckServices() {
    for (const char* const service :
         {"dialplan", "capf", "signaling_edge", "media_relay"}) {
      const auto endpoints = clients_->All(service);
      if (!endpoints.ok()) {
        Add(service, "runs", Verdict::kWarning, "no target is configured");
        continue;
      }
      for (const Endpoint& endpoint : *endpoints) {
        const auto health = CheckHealth(endpoint, "");
        const bool good = health.ok() && *health == Health::kServing;
        Add(absl::StrCat(service, " at ", endpoint.target), "runs",
            good ? Verdict::kOk : Verdict::kFailed,
            good          ? "ready"
            : health.ok() ? std::string("not ready")
                          : Why(health.status()),
            "start it, and see its log");
      }
    }
  }

  // CUC-66: TCP 2443 or 5061.
  void CheckPorts() {
    const std::vector<ServerTarget> managers = CallManagersOf(group_);
    if (managers.empty()) {
      Add(ShortName(group_.name()), "call managers", Verdict::kWarning,
          "none is named in its servers",
          "name them, so that they can be looked at");
    }
    for (const ServerTarget& manager : managers) {
      const absl::Status open =
          CheckTcpPort(manager.host, manager.port, kPatience);
      Add(manager.text(), "port open",
          open.ok() ? Verdict::kOk : Verdict::kFailed,
          open.ok() ? "takes connections" : Why(open),
          "open the port between both, and see that the edge listens there");
    }
  }

  // CUC-01, CUC-76.
  void CheckClusterMode() {
    if (!encrypted()) return;
    const auto tenant = GetResource(dialplan_, *FindKind("tenant"), tenant_);
    if (tenant.ok()) {
      const bool mixed =
          dynamic_cast<const pb::Tenant&>(**tenant).cluster_security_mode() ==
          pb::CLUSTER_SECURITY_MODE_MIXED;
      Add("dialplan", "cluster mode", mixed ? Verdict::kOk : Verdict::kFailed,
          mixed ? "mixed" : "NON_SECURE: encrypted ports stay out of service",
          "`sallyport procedure begin mixed-mode`");
    }
    capf_pb::GetPhoneClusterRequest request;
    request.set_name(tenant_ + "/phoneCluster");
    auto cluster = CallCapf<capf_pb::PhoneCluster>(
        context_, &capf_pb::CapfService::Stub::GetPhoneCluster, request);
    if (!cluster.ok()) {
      return Add("capf", "cluster mode", Verdict::kFailed,
                 Why(cluster.status()));
    }
    const bool mixed = cluster->cluster_mode() == "mixed";
    Add("capf", "cluster mode", mixed ? Verdict::kOk : Verdict::kFailed,
        cluster->cluster_mode(), "`sallyport procedure begin mixed-mode`");
    CheckManagers(*cluster);
  }

  // CUC-27: the call managers of the port group and those of the cluster.
  void CheckManagers(const capf_pb::PhoneCluster& cluster) {
    std::set<std::string> known;
    for (const capf_pb::PhoneClusterNode& node : cluster.call_managers()) {
      known.insert(absl::AsciiStrToLower(node.dns_name()));
      known.insert(node.ip_address());
    }
    std::vector<std::string> missing;
    for (const ServerTarget& manager : CallManagersOf(group_)) {
      if (known.count(absl::AsciiStrToLower(manager.host)) == 0) {
        missing.push_back(manager.host);
      }
    }
    Add("capf", "call managers",
        missing.empty() ? Verdict::kOk : Verdict::kFailed,
        missing.empty() ? "all of the port group are of the cluster"
                        : "not of the cluster: " + absl::StrJoin(missing, ", "),
        "`sallyport cluster set` with all of them, or correct the servers of "
        "the port group");
  }

  // CUC-71, CUC-72, CUC-76, CUC-80, CUC-81.
  void CheckLists() {
    if (!encrypted()) return;
    capf_pb::GetTrustListRequest request;
    request.set_name(absl::StrCat(tenant_, "/trustLists/", kList));
    const auto published = CallCapf<capf_pb::TrustList>(
        context_, &capf_pb::CapfService::Stub::GetTrustList, request);
    Add("capf", "trust list", published.ok() ? Verdict::kOk : Verdict::kFailed,
        published.ok() ? absl::StrCat("published, md5 ", published->md5())
                       : Why(published.status()),
        kTftpAdvice);
    for (const ServerTarget& server : TftpServersOf(group_)) {
      const std::string where = "TFTP " + server.text();
      const auto file = FetchCtl(server, kPatience);
      if (!file.ok()) {
        Add(where, kList, Verdict::kFailed, Why(file.status()), kTftpAdvice);
        continue;
      }
      const std::string md5 = Md5Text(*file);
      bool current = !published.ok();
      if (published.ok()) {
        for (const auto& form : published->forms()) {
          current |= form.md5() == md5;
        }
      }
      Add(where, kList, current ? Verdict::kOk : Verdict::kFailed,
          absl::StrCat("md5 ", md5,
                       current ? "" : ", capf's is another: different"),
          kStaleAdvice);
      CheckRecords(where, *file);
      CheckCached(server, *file);
    }
  }

  // The certificates in the list against those that are shown.
  void CheckRecords(const std::string& where, const std::string& file) {
    const auto parsed = capf::VerifyTrustList(AsBytes(file));
    if (!parsed.ok()) {
      return Add(where, "signature", Verdict::kFailed, Why(parsed.status()),
                 kStaleAdvice);
    }
    std::set<std::string> shown;
    if (const auto edges = clients_->All("signaling_edge"); edges.ok()) {
      for (const Endpoint& edge : *edges) {
        const auto status = GetServiceStatus(edge);
        if (!status.ok()) continue;
        shown.insert(dynamic_cast<const edge_pb::EdgeStatus&>(**status)
                         .sip_certificate()
                         .sha256_thumbprint());
      }
    }
    for (const ServerTarget& manager : CallManagersOf(group_)) {
      const capf::TrustListRecord* const record =
          FindCallManager(parsed->list, manager.host);
      if (record == nullptr || record->certificate.empty()) {
        Add(where, "certificate of " + manager.host, Verdict::kFailed,
            record == nullptr ? "not in the list"
                              : "the list is of a non-secure cluster",
            "name it by `sallyport cluster set --call-manager`, which "
            "publishes the lists");
        continue;
      }
      const Sha256Digest digest = Sha256(AsBytes(record->certificate));
      const bool same =
          shown.count(HexEncode(ByteSpan(digest.data(), digest.size()))) > 0;
      Add(where, "certificate of " + manager.host,
          same ? Verdict::kOk : Verdict::kWarning,
          same ? "as the edge shows it"
               : "no edge shows the one that is in the list",
          kStaleAdvice);
    }
  }

  void CheckCached(const ServerTarget& server, const std::string& file) {
    if (options_.cache.empty()) return;
    const CtlCache cache(options_.cache);
    const auto cached = cache.Read(server.text());
    if (!cached.ok()) {
      return Add("cache", kList, Verdict::kOk,
                 "none: it is taken at the next connection");
    }
    const bool same = *cached == file;
    Add("cache", kList, same ? Verdict::kOk : Verdict::kFailed,
        absl::StrCat("md5 ", Md5Text(*cached),
                     same ? ", same" : ", different from the server's"),
        kStaleAdvice);
  }

  static std::string Md5Text(const std::string& file) {
    const std::string text = ChecksumText(file);  // "md5 ...\nsha1 ..."
    const std::string line = text.substr(0, text.find('\n'));
    return line.substr(line.rfind(' ') + 1);
  }

  // CUC-09, CUC-36, CUC-70: the root is there, and every node has it in force.
  void CheckTrust() {
    if (!encrypted()) return;
    const std::string store = tenant_ + "/trustStores/CallManager-trust";
    const auto capf = clients_->First("capf");
    if (!capf.ok()) return;
    const auto certificates =
        ListResources(*capf, *FindKind("trusted-certificate"), store, "", 0);
    if (!certificates.ok()) {
      return Add("capf", "CallManager-trust", Verdict::kFailed,
                 Why(certificates.status()));
    }
    if (!options_.root_file.empty()) CheckRoot(*certificates);
    const auto status = CallCapf<capf_pb::CapfStatus>(
        context_, &capf_pb::CapfService::Stub::GetStatus,
        capf_pb::GetStatusRequest());
    if (!status.ok()) return;
    for (const capf_pb::TrustConsumer& node : status->consumers()) {
      findings_.push_back(
          CheckVersion("capf", "trust at node " + node.consumer(),
                       status->configured_version(), node.active_version(),
                       node.connected()));
    }
  }

  void CheckRoot(const ResourceList& certificates) {
    const auto pem = ReadWholeFile(options_.root_file, kMaxPem);
    const auto chain = pem.ok() ? CertificatesFromPem(*pem) : pem.status();
    if (!chain.ok()) {
      return Add(options_.root_file, "root", Verdict::kFailed,
                 Why(chain.status()), "give the file `<hash>.0`, PEM");
    }
    const Sha256Digest digest = Sha256(AsBytes(chain->front()));
    const std::string wanted =
        HexEncode(ByteSpan(digest.data(), digest.size()));
    bool there = false;
    for (const auto& one : certificates) {
      there |= dynamic_cast<const capf_pb::TrustedCertificate&>(*one)
                   .summary()
                   .sha256_thumbprint() == wanted;
    }
    Add("CallManager-trust", "voicemail root",
        there ? Verdict::kOk : Verdict::kFailed,
        there ? "trusted" : "this certificate is not in the store",
        kRootAdvice);
  }

  // CUC-56, CUC-60, CUC-69: ports, the trunk, and what was refused of late.
  void CheckService() {
    const auto edges = clients_->All("signaling_edge");
    if (!edges.ok()) return;
    std::set<std::string> registered;
    std::string trunk;
    bool up = false;
    for (const Endpoint& edge : *edges) {
      if (const auto all =
              ListResources(edge, *FindKind("registration"), tenant_, "", 0);
          all.ok()) {
        for (const auto& one : *all) {
          const auto& row = dynamic_cast<const edge_pb::Registration&>(*one);
          registered.insert(
              row.user_agent().substr(row.user_agent().rfind(' ') + 1));
        }
      }
      if (const auto all =
              ListResources(edge, *FindKind("peer-state"), tenant_, "", 0);
          all.ok()) {
        for (const auto& one : *all) {
          const auto& row = dynamic_cast<const edge_pb::PeerState&>(*one);
          if (row.peer() != group_.peer()) continue;
          trunk = row.in_service() ? "in service" : row.reason();
          up |= row.in_service();
        }
      }
      AddRefusals(edge);
    }
    if (!sccp()) {
      return Add(ShortName(group_.peer()), "trunk",
                 up ? Verdict::kOk : Verdict::kFailed, trunk,
                 "`sallyport test-connectivity " + ShortName(group_.peer()) +
                     "` tells which step fails");
    }
    for (const pb::VoicemailPort& port : group_.ports()) {
      if (port.disabled()) {
        Add(port.device_name(), "port", Verdict::kWarning, "not enabled",
            "enable it");
        continue;
      }
      const bool there = registered.count(port.device_name()) > 0;
      Add(port.device_name(), "port", there ? Verdict::kOk : Verdict::kFailed,
          there ? "registered" : "not registered",
          "what is refused is told by `sallyport refusals`");
    }
  }

  void AddRefusals(const Endpoint& edge) {
    const auto all =
        ListResources(edge, *FindKind("refusal"), "tenants/-", "", 50);
    if (!all.ok()) return;
    std::set<std::string> told;
    for (const auto& one : *all) {
      const auto& row = dynamic_cast<const edge_pb::Refusal&>(*one);
      if (row.tls_alert() != "unknown_ca" || !told.insert(row.reason()).second)
        continue;
      const bool sent =
          row.tls_alert_source() == edge_pb::TLS_ALERT_SOURCE_SENT;
      Add(absl::StrCat("signaling_edge at ", edge.target), "unknown_ca",
          Verdict::kWarning,
          sent ? absl::StrCat("sent by the edge: nobody trusts the issuer ",
                              row.remote_certificate().issuer())
               : std::string("sent by the far side: it does not trust our "
                             "certificate"),
          sent ? kRootAdvice : kStaleAdvice);
    }
  }

  CliContext& context_;
  const DiagnoseOptions& options_;
  std::string tenant_;
  ServiceClients* clients_ = nullptr;
  Endpoint dialplan_;
  pb::VoicemailPortGroup group_;
  std::vector<Finding> findings_;
};

}  // namespace

void AddDiagnoseCommand(CLI::App& app, CliContext& context) {
  CLI::App* const diagnose =
      app.add_subcommand("diagnose", "Finds out why something does not work");
  diagnose->require_subcommand(1);
  const auto options = std::make_shared<DiagnoseOptions>();
  CLI::App* const integration = diagnose->add_subcommand(
      "integration",
      "Voicemail: configuration, services, ports, trust lists, certificates, "
      "registrations; exit code 1 if something is wrong");
  integration->add_option("group", options->group, "Port group, by name")
      ->required();
  integration->add_option("--cache", options->cache,
                          "Folder of the voicemail server's trust lists");
  integration->add_option("--root", options->root_file,
                          "The voicemail server's root, PEM: is it trusted?");
  integration->callback([&context, options] {
    context.result = Diagnosis(context, *options).Run();
  });
}

}  // namespace sallyport::cli
