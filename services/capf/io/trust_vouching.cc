#include "services/capf/io/trust_vouching.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "services/capf/core/trust_store.h"
#include "services/capf/io/trust_admin.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// That long phones keep an answer.
constexpr absl::Duration kKept = absl::Hours(24);

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

absl::StatusOr<std::string> TrustVouching::TenantOf(
    const std::string& device_name) {
  const std::string device = device_name.substr(device_name.rfind('-') + 1);
  SP_ASSIGN_OR_RETURN(const std::optional<Enrollment> enrollment,
                      ledger_.store().FindDevice(device));
  if (!enrollment) return publisher_.default_tenant();
  const std::vector<std::string> parts = absl::StrSplit(enrollment->name, '/');
  return parts.size() > 1 ? parts[1] : publisher_.default_tenant();
}

TvsAnswer TrustVouching::Answer(const TvsRequest& request) {
  const std::string& certificate_der = request.certificate;
  TvsAnswer invalid;
  const absl::Time now = ledger_.clock().Now();
  const absl::StatusOr<CertificateInfo> info =
      ParseCertificate(AsBytes(certificate_der));
  if (!info.ok() || now < info->not_before || now > info->not_after) {
    return invalid;
  }
  std::set<TrustListRole> roles;
  const absl::StatusOr<std::string> tenant = TenantOf(request.device_name);
  if (!tenant.ok()) return invalid;
  if (const auto own = publisher_.OwnCertificates(*tenant); own.ok()) {
    if (const auto it = own->find(certificate_der); it != own->end()) {
      roles.insert(it->second.begin(), it->second.end());
    }
  }
  const auto trusted = ledger_.store().ListTrusted();
  if (!trusted.ok()) return invalid;
  for (const TrustedCertificate& one : *trusted) {
    if (one.der != certificate_der) continue;
    for (const StoreRole& known : kRoles) {
      if (one.store == TrustStoreName(*tenant, known.store)) {
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
  answer.ttl = std::min(kKept, info->not_after - now);
  return answer;
}

}  // namespace sallyport::capf
