#include "services/capf/io/listener_certificate.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/public_key.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/file_signer.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// Whether `der` still does: names, key, signer and age.
bool IsFit(const std::string& der, const SubjectAltNames& names,
           const PublicKey& key, const Issuer& issuer, absl::Time now) {
  const absl::StatusOr<CertificateInfo> info = ParseCertificate(AsBytes(der));
  const absl::StatusOr<PublicKey> its_key =
      KeyOfCertificate(AsBytes(der), KeyPolicy{});
  if (!info.ok() || !its_key.ok() || its_key->spki() != key.spki()) {
    return false;
  }
  if (info->AltNames(SubjectAltName::Type::kDns) != names.dns_names ||
      info->AltNames(SubjectAltName::Type::kIp) != names.ip_addresses) {
    return false;
  }
  const absl::StatusOr<CertificateInfo> authority =
      ParseCertificate(AsBytes(issuer.certificate_der));
  if (!authority.ok() || info->issuer != authority->subject ||
      info->not_after > issuer.not_after) {
    return false;
  }
  return now < info->not_before + (info->not_after - info->not_before) / 3 * 2;
}

}  // namespace

absl::StatusOr<ListenerCertificate> LoadOrIssueListenerCertificate(
    const ListenerCertificateOptions& options, CertificateAuthority& authority,
    absl::Time now) {
  const std::string key_file = options.folder + "/capf_listener.key";
  const std::string certificate_file = options.folder + "/capf_listener.pem";
  FileSignerOptions key_options;
  key_options.key_file = key_file;
  key_options.create = true;
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<FileSigner> key,
                      FileSigner::Open(key_options));
  const std::string authority_pem = authority.ChainPem();

  SP_ASSIGN_OR_RETURN(const std::optional<std::string> kept,
                      ReadSmallFile(certificate_file));
  std::string leaf;
  if (kept.has_value()) {
    const auto certificates = CertificatesFromPem(*kept);
    if (certificates.ok() &&
        IsFit((*certificates)[0], options.names, key->public_key(),
              authority.issuer(), now)) {
      leaf = (*certificates)[0];
    }
  }
  if (leaf.empty()) {
    const IssueOrder order{
        .tenant = options.tenant,
        .profile = ProfileId::kPhoneServer,
        .subject = {.organization = authority.issuer().subject.organization,
                    .common_name = "CAPF"},
        .names = options.names,
        .key = key->public_key(),
        .validity = absl::ZeroDuration(),
        .enrollment = {},
        .requester = "capf",
        .request_key = {},
        .request_sha256 = HexEncode(AsBytes(key->public_key().sha256()))};
    SP_ASSIGN_OR_RETURN(const CertificateRecord record, authority.Issue(order));
    leaf = record.der;
    SP_RETURN_IF_ERROR(
        ReplaceDurableFile(certificate_file, CertificateToPem(AsBytes(leaf))));
  }
  SP_ASSIGN_OR_RETURN(Secret key_pem, key->DangerousPem());
  return ListenerCertificate{
      .chain_pem = CertificateToPem(AsBytes(leaf)) + authority_pem,
      .key_pem = std::move(key_pem)};
}

}  // namespace sallyport::capf
