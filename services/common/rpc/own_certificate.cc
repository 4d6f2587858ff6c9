#include "services/common/rpc/own_certificate.h"

#include <vector>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/net/socket_address.h"

namespace sallyport {
namespace {

constexpr size_t kMaxFile = 1 << 20;

std::string NameText(const SubjectAltName& name) {
  switch (name.type) {
    case SubjectAltName::Type::kDns:
      return "DNS:" + name.value;
    case SubjectAltName::Type::kUri:
      return "URI:" + name.value;
    case SubjectAltName::Type::kEmail:
      return "email:" + name.value;
    case SubjectAltName::Type::kOther:
      return "";
    case SubjectAltName::Type::kIp: {
      const auto address = SocketAddress::FromBytes(AsBytes(name.value), 0);
      return "IP:" + (address.has_value() ? address->IpText() : "");
    }
  }
  return "";
}

}  // namespace

type::v1::CertificateSummary SummaryOfCertificateFile(const std::string& file) {
  type::v1::CertificateSummary out;
  const auto pem = ReadWholeFile(file, kMaxFile);
  if (!pem.ok()) return out;
  const auto chain = CertificatesFromPem(*pem);
  if (!chain.ok()) return out;
  const auto info = ParseCertificate(AsBytes(chain->front()));
  if (!info.ok()) return out;
  out.set_subject(info->subject);
  out.set_issuer(info->issuer);
  out.set_serial(info->serial_hex);
  for (const SubjectAltName& name : info->alt_names) {
    out.add_subject_alt_names(NameText(name));
  }
  *out.mutable_not_before_time() = ToProto(info->not_before);
  *out.mutable_not_after_time() = ToProto(info->not_after);
  out.set_sha1_thumbprint(HexEncode(info->sha1));
  out.set_sha256_thumbprint(HexEncode(info->sha256));
  out.set_self_signed(info->self_signed);
  if (info->server_auth) out.add_extended_key_usages("serverAuth");
  if (info->client_auth) out.add_extended_key_usages("clientAuth");
  if (info->sip_domain) out.add_extended_key_usages("sipDomain");
  for (const std::string_view name : KeyUsageNames(*info)) {
    out.add_key_usages(std::string(name));
  }
  for (const std::string_view name : PermittedFunctions(*info)) {
    out.add_permitted_functions(std::string(name));
  }
  return out;
}

}  // namespace sallyport
