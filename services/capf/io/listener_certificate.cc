#include "services/capf/io/listener_certificate.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
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

// Whether `der` still does: names, key, kind, signer and age.
bool IsFit(const std::string& der, const ListenerCertificateOptions& options,
           const PublicKey& key, const Issuer& issuer, absl::Time now) {
  const SubjectAltNames& names = options.names;
  const absl::StatusOr<CertificateInfo> info = ParseCertificate(AsBytes(der));
  const absl::StatusOr<PublicKey> its_key =
      KeyOfCertificate(AsBytes(der), KeyPolicy{});
  if (!info.ok() || !its_key.ok() || its_key->spki() != key.spki() ||
      info->is_ca != options.as_authority) {
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

IssueOrder OrderFor(const ListenerCertificateOptions& options,
                    const CertificateAuthority& authority,
                    const PublicKey& key) {
  return {.tenant = options.tenant,
          .profile = options.as_authority ? ProfileId::kCapfServer
                                          : ProfileId::kPhoneServer,
          .subject = {.organization = authority.issuer().subject.organization,
                      .common_name = "CAPF"},
          .names = options.names,
          .key = key,
          .validity = absl::ZeroDuration(),
          .enrollment = {},
          .requester = "capf",
          .request_key = {},
          .request_sha256 = HexEncode(AsBytes(key.sha256()))};
}

absl::StatusOr<std::unique_ptr<FileSigner>> OpenKey(
    const ListenerCertificateOptions& listener) {
  FileSignerOptions options;
  options.key_file = listener.folder + "/capf_listener.key";
  options.wrapping = listener.wrapping->Clone();
  options.create = true;
  return FileSigner::Open(options);
}

}  // namespace

absl::StatusOr<std::string> PrepareListenerCertificate(
    const ListenerCertificateOptions& options, CertificateAuthority& authority,
    int64_t generation) {
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<FileSigner> key, OpenKey(options));
  IssueOrder order = OrderFor(options, authority, key->public_key());
  // Whoever died after the signature finds it again.
  order.request_key = absl::StrCat(
      options.as_authority ? "capf ports as authority/" : "capf ports/",
      authority.id(), "/", generation, "/", order.request_sha256);
  SP_ASSIGN_OR_RETURN(const CertificateRecord record,
                      authority.IssueBy(generation, order));
  return record.der;
}

absl::StatusOr<ListenerCertificate> LoadOrIssueListenerCertificate(
    const ListenerCertificateOptions& options, CertificateAuthority& authority,
    absl::Time now) {
  const std::string certificate_file = options.folder + "/capf_listener.pem";
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<FileSigner> key, OpenKey(options));
  const std::string authority_pem = authority.ChainPem();

  SP_ASSIGN_OR_RETURN(const std::optional<std::string> kept,
                      ReadSmallFile(certificate_file));
  std::string leaf;
  if (kept.has_value()) {
    const auto certificates = CertificatesFromPem(*kept);
    if (certificates.ok() &&
        IsFit((*certificates)[0], options, key->public_key(),
              authority.issuer(), now)) {
      leaf = (*certificates)[0];
    }
  }
  if (leaf.empty() && !options.prepared.empty() &&
      IsFit(options.prepared, options, key->public_key(), authority.issuer(),
            now)) {
    leaf = options.prepared;
    SP_RETURN_IF_ERROR(
        ReplaceDurableFile(certificate_file, CertificateToPem(AsBytes(leaf))));
  }
  if (leaf.empty()) {
    const IssueOrder order = OrderFor(options, authority, key->public_key());
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
