#include "services/capf/port_certificate.h"

#include <utility>
#include <vector>

#include "services/capf/config.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/io/durable_file.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"

namespace sallyport::capf {

absl::StatusOr<std::string> FirstCertificate(const std::string& file) {
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> pem,
                      ReadSmallFile(file));
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                      CertificatesFromPem(pem.value_or("")));
  return certificates.front();
}

CertificateAuthority& PortCertificate::Authority() {
  const std::string& named = config_.capf().certificate_authority();
  if (named.empty()) return parts_.authority();
  const auto found = parts_.authorities().Find(named);
  return found.ok() ? **found : parts_.authority();
}

absl::StatusOr<std::string> PortCertificate::Leaf() const {
  std::string file = config_.capf().certificate_file();
  if (file.empty()) file = parts_.key_folder() + "/capf_listener.pem";
  return FirstCertificate(file);
}

absl::StatusOr<std::optional<ListenerCertificateOptions>>
PortCertificate::Wanted() {
  if (!config_.capf().certificate_file().empty()) return std::nullopt;
  ListenerCertificateOptions wanted;
  wanted.folder = parts_.key_folder();
  wanted.wrapping = &parts_.vault().wrapping();
  wanted.tenant = parts_.tenant();
  SP_ASSIGN_OR_RETURN(wanted.names, ListenerNames(config_.capf()));
  wanted.as_authority = config_.capf().certificate_as_authority();
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      parts_.authorities().Generations());
  const AuthorityGeneration* const issuing =
      FindGeneration(all, Authority().id(), AuthorityState::kIssuing);
  if (issuing != nullptr) wanted.prepared = issuing->listener_der;
  return wanted;
}

absl::StatusOr<std::shared_ptr<const TlsContext>> PortCertificate::Tls() {
  const config::v1::CapfListenerConfig& capf = config_.capf();
  TlsContextOptions options;
  options.role = TlsRole::kServer;
  options.legacy_phones = capf.allow_legacy_tls();
  options.approved_only = parts_.fips().on;
  SP_ASSIGN_OR_RETURN(const auto wanted, Wanted());
  if (!wanted.has_value()) {
    return TlsContext::CreateFromFiles(capf.certificate_file(), capf.key_file(),
                                       "", std::move(options));
  }
  SP_ASSIGN_OR_RETURN(ListenerCertificate certificate,
                      LoadOrIssueListenerCertificate(*wanted, Authority(),
                                                     Clock::Real().Now()));
  options.certificate_chain_pem = std::move(certificate.chain_pem);
  options.private_key_pem = std::move(certificate.key_pem);
  return TlsContext::Create(std::move(options));
}

}  // namespace sallyport::capf
