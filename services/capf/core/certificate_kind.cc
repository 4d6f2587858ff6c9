#include "services/capf/core/certificate_kind.h"

#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/pki/parsed_certificate.h"

namespace sallyport::capf {

std::string_view CertificateKindName(CertificateKind kind) {
  switch (kind) {
    case CertificateKind::kPki:
      return "PKI";
    case CertificateKind::kCommercial:
      return "commercial";
    case CertificateKind::kSelfSigned:
      return "self-signed";
  }
  return "";
}

CertificateKind ClassifyCertificate(std::string_view der,
                                    absl::Span<const std::string> others,
                                    const PathVerifier* commercial) {
  const auto info = ParseCertificate(AsBytes(der));
  if (!info.ok()) return CertificateKind::kPki;
  if (info->self_signed) return CertificateKind::kSelfSigned;
  auto leaf = ParseWholeCertificate(AsBytes(der));
  if (commercial == nullptr || !leaf.ok()) return CertificateKind::kPki;
  PathQuery query;
  query.leaf = *std::move(leaf);
  for (const std::string& other : others) {
    auto parsed = ParseWholeCertificate(AsBytes(other));
    if (parsed.ok()) query.others.push_back(*std::move(parsed));
  }
  // Whose it is does not change when it expires.
  query.now = info->not_before;
  return commercial->Verify(query, PathRules()).status.ok()
             ? CertificateKind::kCommercial
             : CertificateKind::kPki;
}

}  // namespace sallyport::capf
