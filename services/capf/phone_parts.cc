#include "services/capf/phone_parts.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "services/capf/core/phone_cluster.h"
#include "services/capf/io/durable_file.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/log/log.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// What the configuration file says of the default tenant's call managers.
absl::StatusOr<std::vector<ClusterNode>> ConfiguredNodes(
    const config::v1::TrustListConfig& config) {
  std::vector<ClusterNode> nodes;
  for (const config::v1::PhoneNodeConfig& node : config.call_managers()) {
    ClusterNode out;
    out.node.dns_name = node.dns_name();
    if (!node.ip_address().empty()) {
      SP_ASSIGN_OR_RETURN(const SocketAddress address,
                          SocketAddress::FromIp(node.ip_address(), 0));
      out.node.ip_address = ToString(address.ip_bytes());
    }
    SP_ASSIGN_OR_RETURN(const auto pem, ReadSmallFile(node.certificate_file()));
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                        CertificatesFromPem(pem.value_or("")));
    out.node.certificate_der = certificates.front();
    if (node.sip_port() != 0) {
      out.sip_port = static_cast<uint16_t>(node.sip_port());
    }
    if (node.secured_sip_port() != 0) {
      out.secured_sip_port = static_cast<uint16_t>(node.secured_sip_port());
    }
    nodes.push_back(std::move(out));
  }
  return nodes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PhoneParts>> PhoneParts::Start(
    const Needs& needs, ServiceRuntime& runtime) {
  std::unique_ptr<PhoneParts> self(new PhoneParts());
  SP_RETURN_IF_ERROR(self->OpenLists(needs));
  SP_RETURN_IF_ERROR(self->TakeConfiguration(needs));
  SP_RETURN_IF_ERROR(self->OpenPorts(needs, runtime));
  return self;
}

absl::Status PhoneParts::OpenLists(const Needs& needs) {
  const config::v1::CapfConfig& config = needs.config;
  ListSigners::Options signers;
  signers.wrapping = needs.wrapping.Clone();
  signers.organization = config.authority().organization();
  signers.lifetime = FromProto(config.lifetimes().ctl_signer());
  // A tenant's own is nobody's that is named for all.
  signers.authority_of =
      [&all = needs.authorities,
       named = config.trust_lists().certificate_authority()](
          const std::string& tenant) -> absl::StatusOr<CertificateAuthority*> {
    const auto chosen = all.For({.tenant = tenant, .named = named});
    if (ReasonOf(chosen.status()) != "AUTHORITY_NOT_FOUND") return chosen;
    return all.For({.tenant = tenant});
  };
  signers.old_folder = needs.key_folder;
  signers.old_tenant = needs.tenant;
  signers_.emplace(std::move(signers), needs.authority, needs.ledger);

  TrustListOptions options;
  options.default_tenant = needs.tenant;
  options.host = config.trust_lists().host();
  options.capf_certificate = needs.capf_certificate;
  options.tvs = !config.tvs_address().empty();
  options.sha512_only = needs.sha512_only;
  lists_.emplace(std::move(options), *signers_, needs.ledger);
  return lists_->Serve(
      [this](const std::vector<PublishedList>& forms) { files_.Put(forms); });
}

absl::Status PhoneParts::TakeConfiguration(const Needs& needs) {
  const config::v1::TrustListConfig& config = needs.config.trust_lists();
  EnrollmentStore& store = needs.ledger.store();
  if (!config.call_managers().empty()) {
    SP_ASSIGN_OR_RETURN(std::vector<ClusterNode> nodes,
                        ConfiguredNodes(config));
    SP_ASSIGN_OR_RETURN(const std::optional<PhoneCluster> kept,
                        store.GetCluster(needs.tenant));
    PhoneCluster next = kept.value_or(PhoneCluster());
    const auto configured = config.mixed_mode()
                                ? ClusterSecurityMode::kMixed
                                : ClusterSecurityMode::kNonSecure;
    if (!kept) {
      next.tenant = needs.tenant;
      next.mode = configured;
      next.from_configuration = true;
    }
    if (next.mode != configured) {
      LogInfo(
          "the cluster's security mode was changed by a procedure; the "
          "configuration file says otherwise",
          {{"tenant", needs.tenant}});
    }
    if (next.from_configuration) {
      next.call_managers = std::move(nodes);
      next.sha512 = config.sha512();
    }
    if (!kept || next != *kept) {
      const absl::Status set =
          lists_->PublishCluster(next, {.actor = "capf"}, false).status();
      if (!set.ok() && !kept) return set;
      if (!set.ok()) {
        LogError("the call managers of the configuration file are not taken",
                 {{"tenant", needs.tenant}, {"status", set}});
      }
    }
  }
  // What our ports show, or how we may sign, can have changed meanwhile.
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                      store.ListClusters());
  for (const std::string& tenant : tenants) {
    for (const TrustListKind kind :
         {TrustListKind::kCtl, TrustListKind::kItl}) {
      const absl::Status published =
          lists_->Publish(tenant, kind, {.actor = "capf"}, false).status();
      if (!published.ok()) {
        LogError("a trust list is not as it should be",
                 {{"tenant", tenant},
                  {"file", std::string(TrustListFileName(kind))},
                  {"status", published}});
      }
    }
  }
  return absl::OkStatus();
}

absl::Status PhoneParts::OpenPorts(const Needs& needs,
                                   ServiceRuntime& runtime) {
  const config::v1::CapfConfig& config = needs.config;
  maker_.emplace(PhoneFileMaker::Options{.capf_port = static_cast<uint16_t>(
                                             needs.capf_port)},
                 needs.ledger, *lists_, files_);
  if (!config.tvs_address().empty()) {
    vouching_.emplace(*lists_, needs.ledger);
    TvsServer::Options options;
    SP_ASSIGN_OR_RETURN(options.address,
                        SocketAddress::Parse(config.tvs_address()));
    options.tls = needs.tls;
    SP_ASSIGN_OR_RETURN(
        tvs_, TvsServer::Create(needs.loop, std::move(options), *vouching_,
                                needs.work, needs.random, needs.metrics));
    runtime.AddPort("tvs", tvs_->port());
  }
  PhoneFileServer::Options options;
  if (!config.tftp_address().empty()) {
    options.tftp.emplace();
    SP_ASSIGN_OR_RETURN(options.tftp->address,
                        SocketAddress::Parse(config.tftp_address()));
    options.tftp->single_port = config.tftp_single_port();
  }
  options.http_address = config.phone_http_address();
  SP_ASSIGN_OR_RETURN(
      server_,
      PhoneFileServer::Create(options, {needs.loop, needs.work, files_, *maker_,
                                        *lists_, needs.random, needs.metrics}));
  if (server_->tftp_port() != 0) runtime.AddPort("tftp", server_->tftp_port());
  if (server_->http_port() != 0) {
    runtime.AddPort("phone_http", server_->http_port());
  }
  return absl::OkStatus();
}

absl::Status PhoneParts::SetTls(std::shared_ptr<const TlsContext> tls,
                                const std::string& certificate_der) {
  if (tvs_ != nullptr) SP_RETURN_IF_ERROR(tvs_->SetTls(std::move(tls)));
  return lists_->SetCapfCertificate(certificate_der);
}

}  // namespace sallyport::capf
