#include "services/capf/io/trust_vouching.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "services/capf/core/trust_store.h"
#include "services/capf/io/trust_admin.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"

namespace sallyport::capf {
namespace {

struct StoreRole {
  std::string_view store;
  TrustListRole role;
};

constexpr StoreRole kRoles[] = {
    {"CallManager", TrustListRole::kCcmTftp},
    {"CallManager-ECDSA", TrustListRole::kCcmTftp},
    {"CallManager-trust", TrustListRole::kCcmTftp},
    {"CAPF", TrustListRole::kCapf},
    {"CAPF-trust", TrustListRole::kCapf},
    {"ITLRecovery", TrustListRole::kSast},
    {"Phone-SAST-trust", TrustListRole::kSast},
    {"Phone-CTL-trust", TrustListRole::kSast},
    {"TVS", TrustListRole::kTvs},
    {"tomcat", TrustListRole::kAppServer},
    {"tomcat-ECDSA", TrustListRole::kAppServer},
    {"tomcat-trust", TrustListRole::kAppServer},
    {"Phone-trust", TrustListRole::kAppServer},
};

}  // namespace

TvsAnswer TrustVouching::Answer(const std::string& certificate_der) {
  TvsAnswer invalid;
  const absl::Time now = ledger_.clock().Now();
  const absl::StatusOr<CertificateInfo> info =
      ParseCertificate(AsBytes(certificate_der));
  if (!info.ok() || now < info->not_before || now > info->not_after) {
    return invalid;
  }
  std::set<TrustListRole> roles;
  const auto own = options_.own.find(certificate_der);
  if (own != options_.own.end()) {
    roles.insert(own->second.begin(), own->second.end());
  }
  const auto trusted = ledger_.store().ListTrusted();
  if (!trusted.ok()) return invalid;
  for (const TrustedCertificate& one : *trusted) {
    if (one.der != certificate_der) continue;
    for (const StoreRole& known : kRoles) {
      if (one.store == TrustStoreName(options_.tenant, known.store)) {
        roles.insert(known.role);
      }
    }
  }
  if (roles.empty()) return invalid;
  const auto record = ledger_.store().GetCertificate(info->serial_hex);
  if (!record.ok() ||
      (record->has_value() && (*record)->der == certificate_der &&
       (*record)->state == CertificateState::kRevoked)) {
    return invalid;
  }
  TvsAnswer answer;
  answer.valid = true;
  answer.roles.assign(roles.begin(), roles.end());
  answer.ttl = std::min(options_.ttl, info->not_after - now);
  return answer;
}

}  // namespace sallyport::capf
